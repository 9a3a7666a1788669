//! No command writes over what it reads, over a file of another kind, or over a secret.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

// Other tests use the rest of it.
#[allow(dead_code)]
mod support;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Child, Command, Stdio},
};
use support::{digits, Folder, Run, Zkml};

/// Keys in the folder `keys`.
const SETUP: [&str; 6] = [
    "setup",
    "model.onnx",
    "--out",
    "keys",
    "--input-range",
    "0,1",
];

/// Every file of a folder and of its folders: its path, its bytes and its mode.
fn snapshot(folder: &Path) -> BTreeMap<String, (Vec<u8>, u32)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(snapshot(&path));
        } else {
            let mode = fs::metadata(&path).unwrap().mode();
            found.insert(path.display().to_string(), (fs::read(&path).unwrap(), mode));
        }
    }
    found
}

fn zkml(folder: &Folder, arguments: &[&str]) -> Run {
    Zkml::new()
        .current_dir(&folder.path(""))
        .args(arguments)
        .run()
}

fn setup(more: &[&str]) -> Folder {
    let folder = Folder::new();
    let (model, image) = digits();
    fs::copy(model, folder.path("model.onnx")).unwrap();
    fs::copy(image, folder.path("seven.png")).unwrap();
    let out = zkml(&folder, &[&SETUP[..], more].concat());
    assert_eq!(out.code, 0, "{}", out.stderr);
    folder
}

#[test]
fn every_output_is_tried_over_every_file() {
    let folder = setup(&["--input-visibility", "hashed"]);
    let prove = ["prove", "seven.png", "--keys", "keys", "--out"];
    let out = zkml(&folder, &[&prove[..], &["proof.zkml"]].concat());
    assert_eq!(out.code, 0, "{}", out.stderr);
    let dev = zkml(&folder, &["srs", "dev", "--k", "6", "--out", "dev.srs"]);
    assert_eq!(dev.code, 0, "{}", dev.stderr);
    fs::write(folder.path("samples.json"), "[[1, 2], [3, 4]]").unwrap();
    fs::write(folder.path("notes.txt"), "mine").unwrap();
    let calibrate = ["calibrate", "model.onnx", "--data", "samples.json"];
    let import = ["srs", "import", "dev.srs", "--out"];
    let aggregate = ["aggregate", "proof.zkml", "--keys", "keys", "--out"];
    // A command, and the kind of file that it may replace.
    let plot = [&calibrate[..], &["--out", "settings.json", "--plot"]].concat();
    let settings = [&calibrate[..], &["--out"]].concat();
    let commands: [(&[&str], &str); 6] = [
        (&prove, "proof.zkml"),
        (&aggregate, ""),
        (&import, ".srs"),
        (&["srs", "dev", "--k", "6", "--out"], ".srs"),
        (&settings, ""),
        (&plot, ""),
    ];
    fs::create_dir(folder.path("links")).unwrap();
    let before = snapshot(folder.path("").as_ref());
    let root = folder.path("");
    for (command, own) in commands {
        for (path, (_, _)) in &before {
            let name = path.strip_prefix(&root).unwrap().trim_start_matches('/');
            if !own.is_empty() && name.ends_with(own) {
                continue;
            }
            // The file itself, by another path, and by a link.
            let around = format!("keys/../{name}");
            let link = format!("links/{}", name.replace('/', "-"));
            std::os::unix::fs::symlink(path, folder.path(&link)).unwrap();
            for place in [name, &around, &link] {
                let out = zkml(&folder, &[command, &[place]].concat());
                assert_eq!(out.code, 1, "{command:?} {place}: {}", out.stderr);
                assert!(out.stderr.contains(place), "{command:?}: {}", out.stderr);
            }
            fs::remove_file(folder.path(&link)).unwrap();
        }
    }
    // A proof replaces a proof, but no salts; an SRS itself only where the command does not read it.
    let again = zkml(&folder, &[&prove[..], &["proof.zkml"]].concat());
    assert_eq!(again.code, 1, "{}", again.stderr);
    assert!(again.stderr.contains("salts"), "{}", again.stderr);
    for (place, message) in [
        ("dev.srs", "reads this file"),
        ("keys/../dev.srs", "reads this file"),
        ("keys/verifying.srs", "name of the folder of keys"),
    ] {
        let out = zkml(&folder, &[&import[..], &[place]].concat());
        assert_eq!(out.code, 1, "{}", out.stderr);
        assert!(out.stderr.contains(message), "{}", out.stderr);
    }
    let config = ["evm", "generate", "--keys", "keys", "--out", "keys"];
    let out = zkml(&folder, &[&config[..], &["--name", "config"]].concat());
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert!(snapshot(folder.path("").as_ref()) == before);
}

#[test]
fn names_of_keys_stay_free_and_secrets_are_kept() {
    let folder = setup(&[]);
    // A verifier's folder has no opening, and gets none.
    fs::rename(folder.path("keys/weights.opening"), folder.path("mine")).unwrap();
    let place = "keys/weights.opening";
    let out = zkml(&folder, &["srs", "dev", "--k", "6", "--out", place]);
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert!(
        out.stderr.contains("name of the folder of keys"),
        "{}",
        out.stderr
    );
    fs::rename(folder.path("mine"), folder.path(place)).unwrap();

    // --force replaces keys, and keeps the secret; so does a setup after one that was interrupted.
    let secret = fs::read(folder.path(place)).unwrap();
    assert_eq!(zkml(&folder, &SETUP).code, 1);
    let out = zkml(&folder, &[&SETUP[..], &["--force"]].concat());
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stderr.contains("weights.opening.1"), "{}", out.stderr);
    let kept = folder.path("keys/weights.opening.1");
    assert_eq!(fs::read(&kept).unwrap(), secret);
    assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o777, 0o600);
    let second = fs::read(folder.path(place)).unwrap();
    fs::remove_file(folder.path("keys/config.json")).unwrap();
    assert_eq!(zkml(&folder, &SETUP).code, 0);
    assert_eq!(
        fs::read(folder.path("keys/weights.opening.2")).unwrap(),
        second
    );

    // What is no key is not replaced by one.
    fs::write(folder.path("keys/proving.key"), "mine").unwrap();
    let out = zkml(&folder, &[&SETUP[..], &["--force"]].concat());
    assert_eq!(out.code, 1, "{}", out.stderr);
    assert_eq!(fs::read(folder.path("keys/proving.key")).unwrap(), b"mine");
}

#[test]
fn of_four_setups_at_once_one_wins_and_the_others_do_no_work() {
    let folder = setup(&[]);
    let start = || -> Child {
        Command::new(env!("CARGO_BIN_EXE_zkml"))
            .args([
                "setup",
                "model.onnx",
                "--out",
                "new",
                "--input-range",
                "0,1",
            ])
            .current_dir(folder.path(""))
            .env("ZKML_CACHE", folder.path("cache"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let runs: Vec<_> = (0..4).map(|_| start()).collect();
    let outs: Vec<_> = runs
        .into_iter()
        .map(|run| run.wait_with_output().unwrap())
        .collect();
    let won: Vec<_> = outs.iter().filter(|out| out.status.success()).collect();
    assert_eq!(won.len(), 1, "{outs:?}");
    for out in outs.iter().filter(|out| !out.status.success()) {
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(
            said.contains("another zkml is writing") || said.contains("has keys already"),
            "{said}"
        );
    }
    // The one that says that it won has the secret behind its C.
    let said = String::from_utf8_lossy(&won[0].stdout).into_owned();
    let commitment = said.split_whitespace().find(|word| word.starts_with("0x"));
    let prove = [
        "prove",
        "seven.png",
        "--keys",
        "new",
        "--out",
        "p.zkml",
        "--json",
    ];
    let out = Zkml::new()
        .current_dir(&folder.path(""))
        .env("ZKML_CACHE", &folder.path("cache"))
        .args(&prove)
        .run();
    assert_eq!(out.code, 0, "{}", out.stderr);
    let proven = support::json(&out)["statement"]["commitment"].clone();
    assert_eq!(proven.as_str(), commitment);
}
