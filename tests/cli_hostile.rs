//! Files that are not what they should be, and places that cannot be written to: one error with the file's
//! name each, and nothing left behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

// Other tests use the rest of it.
#[path = "support/onnx.rs"]
mod onnx;
#[allow(dead_code)]
mod support;

use std::{collections::BTreeSet, fs, path::Path, process::Command};
use support::{digits, Folder, Run, Zkml};

/// The names in a folder.
fn names(folder: &Folder) -> BTreeSet<String> {
    let entries = fs::read_dir(folder.path("")).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Expects one error with code 1 that says all of `parts`, and nothing else anywhere.
fn assert_error(out: &Run, parts: &[&str]) {
    assert_eq!(out.code, 1, "{}{}", out.stdout, out.stderr);
    assert_eq!(out.stdout, "");
    let errors = out.stderr.lines().filter(|line| line.starts_with("error"));
    assert_eq!(errors.count(), 1, "{}", out.stderr);
    assert!(!out.stderr.contains("internal"), "{}", out.stderr);
    for part in parts {
        assert!(out.stderr.contains(part), "no {part:?} in {}", out.stderr);
    }
}

/// Writes a file, runs a command, and expects an error that names the file and leaves the folder as it was.
fn refuse(folder: &Folder, name: &str, bytes: &[u8], command: &[&str], parts: &[&str]) {
    let path = folder.path(name);
    fs::write(&path, bytes).unwrap();
    let before = names(folder);
    let command: Vec<String> = command
        .iter()
        .map(|word| match *word {
            "FILE" => path.clone(),
            "OUT" => folder.path("out"),
            word => word.to_owned(),
        })
        .collect();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let out = Zkml::new().args(&command).run();
    assert_error(&out, parts);
    assert!(out.stderr.contains(name), "{name}: {}", out.stderr);
    assert_eq!(names(folder), before, "{name}");
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn models_that_are_none_are_refused() {
    let folder = Folder::new();
    let (model, image) = digits();
    let (model, image) = (fs::read(model).unwrap(), fs::read(image).unwrap());
    let onnx = "expected an ONNX model";
    let msgpack = "expected a zkml model";
    let (half, _) = model.split_at(model.len() / 2);
    let tflite = "expected a TFLite model";
    let cases: [(&str, &[u8], &str); 11] = [
        ("empty.onnx", b"", "got an empty file"),
        ("half.onnx", half, onnx),
        ("image.onnx", &image, onnx),
        ("text.onnx", b"hello", onnx),
        ("onnx.msgpack", &model, msgpack),
        ("empty.msgpack", b"", "got an empty file"),
        ("nested.msgpack", &[0x91; 100_000], msgpack),
        ("promises.msgpack", b"\xdd\xff\xff\xff\xff", msgpack),
        ("empty.tflite", b"", "got an empty file"),
        ("onnx.tflite", &model, tflite),
        (
            "promises",
            b"\xff\xff\xff\xffTFL3",
            "expected 4 bytes from byte",
        ),
    ];
    for (name, bytes, part) in cases {
        refuse(&folder, name, bytes, &["inspect", "FILE"], &[part, "got"]);
        let setup = ["setup", "FILE", "--out", "OUT"];
        refuse(&folder, name, bytes, &setup, &[part, "got"]);
    }
}

/// Well-formed models that cannot be proven, or that reach for other files.
#[test]
fn models_that_cannot_be_proven_are_refused() {
    let folder = Folder::new();
    let pair = |name| onnx::value(name, &[1, 2]);
    let large = || onnx::tensor("w", &[2, 2], &[100.0; 4]);
    let name = |i: usize| format!("x{i}");
    let chain: Vec<_> = (0..30)
        .map(|i| onnx::node("MatMul", &format!("mm_{i}"), &[&name(i), "w"], &name(i + 1)))
        .collect();
    let product = |weights| {
        let nodes = [onnx::node("MatMul", "product", &["x", "w"], "y")];
        onnx::model(&nodes, &[weights], pair("x"), pair("y"))
    };
    let odd = [
        onnx::node("Foo", "foo_1", &["x"], "a"),
        onnx::node("Bar", "bar_1", &["a"], "y"),
    ];
    let cases: [(&str, Vec<u8>, &[&str]); 5] = [
        (
            "range.onnx",
            onnx::model(&chain, &[large()], pair("x0"), pair("x30")),
            &["node 'mm_3'", "may reach", "the limit is"],
        ),
        (
            "operators.onnx",
            onnx::model(&odd, &[], pair("x"), pair("y")),
            &["Bar (bar_1), Foo (foo_1)"],
        ),
        (
            "outside.onnx",
            product(onnx::external_tensor("w", &[2, 2], "../../etc/passwd")),
            &["tensor 'w'", "external data '../../etc/passwd'"],
        ),
        (
            "nan.onnx",
            product(onnx::tensor("w", &[2, 2], &[f32::NAN; 4])),
            &["initialiser 'w', index [0, 0]", "NaN"],
        ),
        (
            "dims.onnx",
            product(onnx::tensor("w", &[1 << 40, 1 << 40], &[0.0])),
            &["tensor 'w'", "at most"],
        ),
    ];
    for (name, bytes, parts) in cases {
        refuse(&folder, name, &bytes, &["inspect", "FILE"], parts);
        refuse(
            &folder,
            name,
            &bytes,
            &["setup", "FILE", "--out", "OUT"],
            parts,
        );
    }
}

#[test]
fn inputs_that_are_none_are_refused() {
    let folder = Folder::new();
    let (model, image) = digits();
    let image = fs::read(image).unwrap();
    let floats = |value: f32, count: usize| value.to_le_bytes().repeat(count);
    let shape = "(1, 1, 28, 28)";
    let (half, _) = image.split_at(image.len() / 2);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty.npy", vec![], "an empty file"),
        (
            "short.npy",
            npy("<f4", shape, &floats(0.5, 700)),
            "2800 bytes",
        ),
        (
            "shape.npy",
            npy("<f4", "(1, 1, 27, 28)", &floats(0.5, 756)),
            "[1, 1, 27, 28]",
        ),
        (
            "huge.npy",
            npy("<f4", "(99999999999, 99999999999)", &[0; 40]),
            "40 bytes",
        ),
        (
            "minus.npy",
            npy("<f4", "(-1, 28)", &[0; 112]),
            "expected a tuple of sizes",
        ),
        ("objects.npy", npy("|O", shape, &floats(0.5, 784)), "|O"),
        (
            "large.npy",
            npy("<f4", shape, &floats(9.0, 784)),
            "--input-range",
        ),
        (
            "nan.npy",
            npy("<f4", shape, &floats(f32::NAN, 784)),
            "expected a finite number",
        ),
        ("half.json", b"[[0.1,".to_vec(), "line 1"),
        (
            "few.json",
            b"[1, 2]".to_vec(),
            "or a flat list of 784, got shape [2]",
        ),
        ("words.json", b"[\"a\"]".to_vec(), "[0]"),
        ("deep.json", vec![b'['; 200_000], "recursion limit"),
        (
            "huge.json",
            format!("[1e308{}]", ",0".repeat(783)).into_bytes(),
            "a finite number, at most 2147483648 in size, got 1e308",
        ),
        ("half.png", half.to_vec(), "expected an image"),
        (
            "jpeg.png",
            b"\xff\xd8\xff\xe0JFIF".to_vec(),
            "expected an image",
        ),
        ("empty.msgpack", vec![], "an empty file"),
        ("image.gif", b"GIF89a".to_vec(), ".gif"),
    ];
    for (name, bytes, part) in cases {
        let run = ["run", &model, "FILE", "--input-range", "0,1"];
        refuse(&folder, name, &bytes, &run, &[part]);
    }
}

/// Neither a device without end nor a pipe without writer makes a command hang.
#[cfg(unix)]
#[test]
fn only_regular_files_are_read() {
    let folder = Folder::new();
    let (model, _) = digits();
    let pipe = folder.path("pipe.png");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    let device = folder.path("zero.json");
    std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
    fs::create_dir(folder.path("keys")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path("keys/config.json")).unwrap();
    let keys = folder.path("keys");
    for command in [
        &["inspect", "/dev/zero"][..],
        &["inspect", &pipe],
        &["run", &model, &pipe],
        &["run", &model, &device],
        &["verify", &pipe, "--keys", &keys],
        &["srs", "info", &pipe],
    ] {
        let out = Zkml::new().args(command).run();
        assert_error(&out, &["cannot read", "not a regular file"]);
    }
    let out = Zkml::new().args(&["inspect", &keys]).run();
    assert_error(&out, &[&keys, "directory", "give the path of a file"]);
}

/// Runs a command with a limit on the size of the files that it writes.
#[cfg(unix)]
fn with_file_limit(blocks: usize, arguments: &[&str]) -> Run {
    // The signal is ignored, so that the write fails, as on a full disk.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let out = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_zkml")])
        .args(arguments)
        .env(
            "ZKML_CACHE",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"),
        )
        .output()
        .unwrap();
    Run {
        code: out.status.code().expect("an exit code, not a signal"),
        stdout: String::from_utf8(out.stdout).unwrap(),
        stderr: String::from_utf8(out.stderr).unwrap(),
    }
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing() {
    let folder = Folder::new();
    let (model, image) = digits();
    let keys = folder.path("deep/keys");
    let setup = ["setup", &model, "--input-range", "0,1", "--out", &keys];
    // Once with room, which also fills the cache.
    assert_eq!(Zkml::new().args(&setup).run().code, 0);
    let opening = fs::read(folder.path("deep/keys/weights.opening")).unwrap();
    // The opening has room, the proving key has not.
    let replace = [&setup[..], &["--force"]].concat();
    let out = with_file_limit(100, &replace);
    assert_error(&out, &["proving.key: cannot write", "free some space"]);
    let kept = fs::read(folder.path("deep/keys/weights.opening")).unwrap();
    assert!(kept == opening, "the secret of the earlier keys is lost");

    let other = folder.path("other/keys");
    let setup = ["setup", &model, "--input-range", "0,1", "--out", &other];
    let before = names(&folder);
    assert_error(
        &with_file_limit(100, &setup),
        &["other/keys/proving.key", "free some space"],
    );
    assert_eq!(names(&folder), before);

    assert_eq!(Zkml::new().args(&replace).run().code, 0);
    let proof = folder.path("proof.zkml");
    let prove = ["prove", &image, "--keys", &keys, "--out", &proof];
    assert_error(
        &with_file_limit(1, &prove),
        &["proof.zkml: cannot write", "free some space"],
    );
    let srs = folder.path("dev.srs");
    let dev = ["srs", "dev", "--k", "10", "--out", &srs];
    // Once with room, for the cache.
    assert_eq!(Zkml::new().args(&dev).run().code, 0);
    fs::remove_file(&srs).unwrap();
    assert_error(
        &with_file_limit(1, &dev),
        &["dev.srs: cannot write", "free some space"],
    );
    assert_eq!(names(&folder), before);
}

#[test]
fn places_that_cannot_be_are_refused_before_any_work() {
    let folder = Folder::new();
    let (model, image) = digits();
    let file = folder.path("file");
    fs::write(&file, "x").unwrap();
    let (below, nowhere) = (folder.path("file/keys"), folder.path("no/proof.zkml"));
    let before = names(&folder);
    for (command, part) in [
        (
            &["setup", &model, "--out", &below][..],
            "cannot make the folder",
        ),
        (&["setup", &model, "--out", &file], "cannot make the folder"),
        (
            &["prove", &image, "--keys", &file, "--out", &nowhere],
            "cannot write there",
        ),
        (
            &["aggregate", &file, "--keys", &file, "--out", &nowhere],
            "cannot write there",
        ),
    ] {
        assert_error(&Zkml::new().args(command).run(), &[part]);
    }
    assert_eq!(names(&folder), before);
}

#[test]
fn a_missing_compiler_is_an_error_before_any_work() {
    let folder = Folder::new();
    let (model, _) = digits();
    let (keys, out) = (folder.path("keys"), folder.path("contract"));
    let setup = ["setup", &model, "--input-range", "0,1", "--out", &keys];
    let before = names(&folder);
    assert_eq!(Zkml::new().args(&setup).run().code, 0);
    let generate = [
        "evm", "generate", "--keys", &keys, "--out", &out, "--solc", "/no/solc",
    ];
    let run = Zkml::new().args(&generate).run();
    assert_error(&run, &["/no/solc", "npm ci --prefix scripts/solc"]);
    assert!(!Path::new(&folder.path("keys/aggregation-1.key")).exists());
    assert_eq!(
        names(&folder).len(),
        before.len() + 1,
        "the contract's folder"
    );
}

#[test]
fn keys_that_are_none_are_refused() {
    let folder = Folder::new();
    let (model, image) = digits();
    let keys = folder.path("keys");
    let setup = ["setup", &model, "--input-range", "0,1", "--out", &keys];
    assert_eq!(Zkml::new().args(&setup).run().code, 0);
    let proof = folder.path("proof.zkml");
    let prove = ["prove", &image, "--keys", &keys, "--out", &proof];
    assert_eq!(Zkml::new().args(&prove).run().code, 0);
    let verify = ["verify", &proof, "--keys", &keys];
    let verify = [&verify[..], &["--trust-srs", "development"]].concat();
    let before = names(&folder);
    let other = folder.path("other.zkml");
    let again = ["prove", &image, "--keys", &keys, "--out", &other];
    type Change = fn(&[u8]) -> Vec<u8>;
    let cut: Change = |bytes| bytes[..bytes.len() / 2].to_vec();
    let flip: Change = |bytes| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    let text: Change = |_| b"{}".to_vec();
    for (name, change, part, command) in [
        ("config.json", cut, "config.json: line", &verify[..]),
        ("config.json", text, "missing field", &verify),
        ("verifying.key", cut, "truncated", &verify),
        ("verifying.key", flip, "damaged", &verify),
        ("verifying.key", text, "another format", &verify),
        ("verifying.srs", cut, "truncated", &verify),
        ("proving.key", cut, "truncated", &again),
        ("proving.key", flip, "damaged", &again),
        ("proving.key", text, "another format", &again),
        ("weights.opening", cut, "truncated", &again),
        ("weights.opening", flip, "damaged", &again),
    ] {
        let path = folder.path(&format!("keys/{name}"));
        let good = fs::read(&path).unwrap();
        fs::write(&path, change(&good)).unwrap();
        assert_error(&Zkml::new().args(command).run(), &[name, part]);
        fs::write(&path, &good).unwrap();
    }
    assert_eq!(names(&folder), before);
    assert_eq!(Zkml::new().args(&verify).run().code, 0);
}
