//! The command line, run as a user runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};
use support::{digits, json, known_answer, text, Folder, Zkml};

const COMMANDS: [&[&str]; 25] = [
    &["inspect"],
    &["run"],
    &["eval"],
    &["calibrate"],
    &["setup"],
    &["prove"],
    &["verify"],
    &["aggregate"],
    &["evm", "generate"],
    &["evm", "test"],
    &["srs", "import"],
    &["srs", "check"],
    &["evm", "doctor"],
    &["evm", "model-id"],
    &["evm", "audit"],
    &["evm", "estimate"],
    &["evm", "deploy"],
    &["evm", "register"],
    &["evm", "submit"],
    &["evm", "verify"],
    &["evm", "calldata"],
    &["evm", "verify-source"],
    &["srs", "info"],
    &["srs", "dev"],
    &["demo"],
];

#[test]
fn every_command_has_help_with_examples() {
    for command in COMMANDS.into_iter().chain([&[][..], &["evm"], &["srs"]]) {
        let out = Zkml::new().args(command).args(&["--help"]).run();
        assert_eq!(out.code, 0, "{command:?}: {}", out.stderr);
        let example = format!("zkml {}", command.join(" "));
        let (_, examples) = out
            .stdout
            .split_once("Examples:")
            .expect("help has examples");
        assert!(
            examples.contains(example.trim_end()),
            "{command:?}: {examples}"
        );
    }
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        &["prove", "--no-such-flag"][..],
        &["no-such-command"],
        &["verify"],
        &["setup", "m.onnx", "--out", "k", "--input-range", "1"],
        &[
            "setup",
            "m.onnx",
            "--out",
            "k",
            "--input-visibility",
            "secret",
        ],
        &[
            "prove",
            "i.png",
            "--keys",
            "k",
            "--out",
            "p",
            "--context",
            "42",
        ],
        &["srs", "dev", "--k", "99", "--out", "x"],
        &["srs", "import", "c.ptau", "--out", "x", "-k", "0"],
        &["srs", "import", "c.ptau", "--out", "x", "--digest", "00"],
        &["srs", "import", "c.ptau"],
        &["verify", "p", "--keys", "k", "--trust-srs", "0x12"],
        &[
            "aggregate",
            "p",
            "--keys",
            "k",
            "--out",
            "a",
            "--columns",
            "0",
        ],
    ] {
        let out = Zkml::new().args(arguments).run();
        assert_eq!(out.code, 2, "{arguments:?}: {}", out.stderr);
        assert!(out.stdout.is_empty(), "{arguments:?}");
    }
    assert_eq!(Zkml::new().run().code, 2);
}

#[test]
fn missing_files_are_named_and_1() {
    let folder = Folder::new();
    let keys = folder.path("keys");
    for arguments in [
        &["run", "no.onnx", "no.png"][..],
        &["inspect", "no.onnx"],
        &["setup", "no.onnx", "--out", &keys],
        &["prove", "no.png", "--keys", &keys, "--out", "p"],
        &["verify", "no.zkml", "--keys", &keys],
        &["aggregate", "no.zkml", "--keys", &keys, "--out", "a"],
        &["evm", "generate", "--keys", &keys, "--out", "c"],
        &["evm", "test", "p.zkml", "--contract", "no.json"],
        &["evm", "deploy", "--contract", "no.json"],
        &["evm", "verify", "p.zkml", "--raw", "--contract", "no.json"],
        &["evm", "submit", "p.zkml", "--raw", "--contract", "no.json"],
        &["srs", "info", "no.srs"],
        &["srs", "check", "no.srs"],
        &["srs", "import", "no.ptau", "--out", "c"],
    ] {
        let out = Zkml::new().args(arguments).run();
        assert_eq!(out.code, 1, "{arguments:?}: {}", out.stderr);
        assert!(out.stderr.starts_with("error: "), "{}", out.stderr);
        let named = ["no.", &keys].iter().any(|name| out.stderr.contains(name));
        assert!(named, "{arguments:?}: {}", out.stderr);
        assert!(out.stdout.is_empty(), "{arguments:?}");
    }
    let out = Zkml::new()
        .args(&["run", "no.onnx", "no.png", "--json"])
        .run();
    let object = json(&out);
    assert_eq!((out.code, text(&object, "status")), (1, "error"));
    assert!(text(&object, "error").contains("no.onnx"));
}

#[test]
fn known_answer_is_printed_bit_for_bit() {
    let Some((model, input)) = known_answer() else {
        return;
    };
    let out = Zkml::new().args(&["run", &model, &input]).run();
    assert_eq!(out.code, 0, "{}", out.stderr);
    let logits = [
        -5312, -8056, -8186, -1669, -4260, 6614, -5131, -6862, -3047, -805,
    ];
    let mut expected = String::new();
    for (i, logit) in logits.into_iter().enumerate() {
        let real = f64::from(logit) / 512.0;
        expected.push_str(&format!("final out[{i}] x: {logit} ({real})\n"));
    }
    expected.push_str("class: 5\n");
    assert_eq!(out.stdout, expected);
    assert!(out.stdout.contains("final out[5] x: 6614 (12.91796875)"));
}

#[test]
fn run_and_inspect_have_objects() {
    let (model, image) = digits();
    let out = Zkml::new()
        .args(&["run", &model, &image, "--input-range", "0,1", "--json"])
        .run();
    let object = json(&out);
    assert_eq!(text(&object, "status"), "ok", "{}", out.stderr);
    assert_eq!(object["outputs"][0]["class"], 7);
    assert_eq!(
        object["outputs"][0]["values"].as_array().map(Vec::len),
        Some(10)
    );

    let out = Zkml::new()
        .args(&["inspect", &model, "--optimize", "onchain", "--json"])
        .run();
    let object = json(&out);
    assert_eq!(object["weights"], 3246);
    let layers = object["layers"].as_array().expect("layers");
    assert_eq!(
        layers.first().map(|layer| &layer["op"]),
        Some(&"Conv".into())
    );
    assert!(object["shape"]["k"].as_u64().is_some_and(|k| k > 9));
    let out = Zkml::new().args(&["inspect", &model]).run();
    assert!(out.stdout.contains("data cells"), "{}", out.stdout);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let (model, image) = digits();
    let out = Zkml::new()
        .args(&["run", &model, &image])
        .run_with_closed_stdout();
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
}

#[test]
fn development_srs_files_say_what_they_are() {
    let folder = Folder::new();
    let file = folder.path("dev.srs");
    let out = Zkml::new()
        .args(&["srs", "dev", "--k", "6", "--out", &file])
        .run();
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stderr.contains("INSECURE"), "{}", out.stderr);
    let object = json(&Zkml::new().args(&["srs", "info", &file, "--json"]).run());
    assert_eq!(
        (&object["k"], &object["srs_secure"]),
        (&6.into(), &false.into())
    );
    assert!(text(&object, "srs").contains("INSECURE"));
}

/// As one that may be run and not read: here its file is gone by the time that it looks.
#[test]
fn a_program_that_cannot_be_read_makes_keys_all_the_same() {
    let folder = Folder::lasting("unreadable-program");
    let (program, keys) = (folder.path("zkml"), folder.path("keys"));
    fs::hard_link(env!("CARGO_BIN_EXE_zkml"), &program).unwrap();
    let (model, _) = digits();
    let child = Command::new(&program)
        .args(["setup", &model, "--out", &keys, "--input-range", "0,1"])
        .env(
            "ZKML_CACHE",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"),
        )
        .env_remove("ZKML_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    fs::remove_file(&program).unwrap();
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "{said}");
    for part in ["warning:", "not remembered", "this program's own file"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(fs::exists(format!("{keys}/config.json")).unwrap());
}
