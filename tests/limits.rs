//! Files of less than a megabyte that ask for much: each is answered within five CPU seconds and a gigabyte of address
//! space, or refused.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

// Other tests use the rest of these.
#[allow(dead_code)]
#[path = "support/onnx.rs"]
mod onnx;
#[path = "../circuits/import/tests/support/packed.rs"]
mod packed;
#[allow(dead_code)]
#[path = "../circuits/srs/tests/support/ptau.rs"]
mod ptau;
#[allow(dead_code)]
mod support;
#[allow(dead_code)]
#[path = "../circuits/import/tests/support/tflite.rs"]
mod tflite;

use ptau::raw_srs;
use serde_json::{json, Value};
use std::{fs, path::Path, process::Command};
use support::{Folder, Zkml};
use zkml_files::{read_container, write_container, Kind};
use zkml_model::prove::Architecture;
use zkml_srs::Srs;

/// CPU time: twice the five seconds that a file may take, for machines that are slower and busy.
const SECONDS: usize = 10;
const KILOBYTES: usize = 1 << 20;

/// Runs the program within the limits, and returns the exit code and the message.
fn limited(arguments: &[&str]) -> (i32, String) {
    let limits = format!("ulimit -v {KILOBYTES}; ulimit -t {SECONDS}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limits, env!("CARGO_BIN_EXE_zkml")]);
    command.args(arguments).env("RAYON_NUM_THREADS", "2");
    command.env("ZKML_CACHE", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"));
    let out = command.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let code = out.status.code();
    let code = code.unwrap_or_else(|| panic!("{arguments:?}: {}: {said}", out.status));
    assert!(!said.contains("internal"), "{arguments:?}: {said}");
    assert!(said.len() < 10_000, "{arguments:?}: {}", said.len());
    (code, said)
}

/// Inspects a file within the limits.
fn inspect(folder: &Folder, name: &str, bytes: &[u8]) -> (i32, String) {
    assert!(bytes.len() < 1 << 20, "{name}: {} bytes", bytes.len());
    let path = folder.path(name);
    fs::write(&path, bytes).unwrap();
    let (code, said) = limited(&["inspect", &path]);
    assert!(code < 2, "{name}: {said}");
    (code, said)
}

/// A layer of one input and one output, by numbers and shapes.
fn layer(
    kind: &str,
    params: &[i64],
    (x, from): (usize, &[i64]),
    (y, to): (usize, &[i64]),
) -> Value {
    json!({
        "layer_type": kind, "params": params, "inp_idxes": [x], "inp_shapes": [from],
        "out_idxes": [y], "out_shapes": [to], "mask": [],
    })
}

/// A model of zkml's whose input is multiplied with a weight before all else, as tensor 2.
fn model(shape: &[i64], layers: Vec<Value>, out: usize) -> Vec<u8> {
    let mut first = layer("Mul", &[], (0, shape), (2, shape));
    first["inp_idxes"] = json!([0, 1]);
    first["inp_shapes"] = json!([shape, [1]]);
    let layers: Vec<Value> = [vec![first], layers].concat();
    packed::to_msgpack(&json!({
        "global_sf": 16, "k": 15, "num_cols": 6, "inp_idxes": [0], "out_idxes": [out],
        "tensors": [{ "idx": 1, "shape": [1], "data": [3] }], "layers": layers,
        "use_selectors": true, "commit": false,
    }))
}

/// One layer on an input.
fn one(kind: &str, params: &[i64], from: &[i64], to: &[i64]) -> Vec<u8> {
    model(from, vec![layer(kind, params, (2, from), (3, to))], 3)
}

/// Some thousand layers on a row of four.
fn chain(kind: &str, params: &[i64], count: usize) -> Vec<u8> {
    let row = [1, 4];
    let next = |at: usize| layer(kind, params, (2 + at, &row), (3 + at, &row));
    model(&row, (0..count).map(next).collect(), 2 + count)
}

#[test]
fn zkmls_models() {
    let folder = Folder::new();
    let wide = |bits: u32| [1, 1i64 << bits];
    let image = |side: i64| [1, side, side, 1];
    let mut cases = vec![
        ("tanh", chain("Tanh", &[], 6000)),
        ("div", chain("Div", &[2], 6000)),
        (
            "pad",
            one("Pad", &[0, 0, (1 << 26) - 1, 0], &[1, 1], &wide(26)),
        ),
        ("broadcast", one("Broadcast", &[], &[1, 1], &wide(26))),
        ("rotate", one("Rotate", &[1], &wide(26), &wide(26))),
        (
            "pool",
            one("AveragePool2D", &[256, 256, 1, 1], &image(256), &image(1)),
        ),
        (
            "windows",
            one("AveragePool2D", &[128, 128, 1, 1], &image(256), &image(129)),
        ),
        (
            "maximum",
            one("MaxPool2D", &[256, 256, 1, 1], &image(256), &image(1)),
        ),
    ];
    for bits in [14, 16, 18, 20, 24] {
        cases.push(("mean", one("Mean", &[1], &wide(bits), &[1])));
        cases.push(("softmax", one("Softmax", &[], &wide(bits), &wide(bits))));
    }
    for (name, bytes) in cases {
        inspect(&folder, &format!("{name}.msgpack"), &bytes);
    }
    // What is beyond the tensor is refused before it is counted out.
    for (start, length) in [(0, 1 << 60), (0, 1 << 40), (1 << 62, 1 << 62), (1, 4)] {
        let slice = one("Slice", &[0, start, 1, length], &[1, 4], &[1, 4]);
        let (code, said) = inspect(&folder, "slice.msgpack", &slice);
        assert_eq!(code, 1);
        assert!(said.contains("inside the tensor"), "{said}");
    }
    let pads = one("Pad", &[0, 0, 1 << 60, 1 << 60], &[1, 4], &[1, 4]);
    let (code, said) = inspect(&folder, "pads.msgpack", &pads);
    assert!(code == 1 && said.contains("output's shape"), "{said}");
}

#[test]
fn tflite_models() {
    use tflite::{computed, integers, model, node};
    let folder = Folder::new();
    let long = 1 << 26;
    // Each window over an edge is a layer of its own.
    let image = || computed(&[1, long, 1, 1]);
    let pool = node(1, &[0], &[1], (5, &[0, 1, 1, 1, long, 0]));
    let bytes = model(&[image(), image()], vec![pool], &[0], &[1]);
    assert_eq!(inspect(&folder, "pool.tflite", &bytes).0, 1);
    // All elements but one, many times.
    let mut tensors = vec![computed(&[long])];
    tensors.extend([integers(&[1], &[0]), integers(&[1], &[long - 1])]);
    let slices = (0..40).map(|at| {
        tensors.push(computed(&[long - 1]));
        node(65, &[0, 1, 2], &[3 + at], (0, &[]))
    });
    let slices = slices.collect();
    let bytes = model(&tensors, slices, &[0], &[42]);
    assert_eq!(inspect(&folder, "slices.tflite", &bytes).0, 1);
}

/// Chains of nodes each of which may end a spelling, and functions of tables by the ten thousand.
#[test]
fn chains_of_nodes() {
    let folder = Folder::new();
    let row = |name: &str| onnx::value(name, &[1, 4]);
    let cases = [
        ("Mul", "x"),
        ("Add", "x"),
        ("Tanh", ""),
        ("Add", "c"),
        ("Max", "c"),
    ];
    for (operator, other) in cases {
        let count = 30_000;
        let name = |at: usize| match at {
            0 => "x".to_owned(),
            at => format!("v{at}"),
        };
        let node = |at: usize| {
            let before = name(at);
            let inputs = [before.as_str(), other];
            let inputs = &inputs[..if other.is_empty() { 1 } else { 2 }];
            onnx::node(operator, "", inputs, &name(at + 1))
        };
        let nodes: Vec<_> = (0..count).map(node).collect();
        let last = name(count);
        let constant = onnx::tensor("c", &[4], &[0.25, -0.5, 0.0, 1.0]);
        let bytes = onnx::model(&nodes, &[constant], row("x"), row(&last));
        let (code, _) = inspect(&folder, &format!("{operator}{other}.onnx"), &bytes);
        assert_eq!(code, 1, "{operator}, {other}");
    }
}

/// The files of a small model that is proven once.
struct Proven {
    model: String,
    keys: String,
    input: String,
    proof: String,
}

impl Proven {
    fn new(folder: &Folder, settings: &[&str]) -> Self {
        let row = |name| onnx::value(name, &[1, 2]);
        let weights = onnx::tensor("W", &[2, 2], &[0.3, -0.2, 0.1, 0.4]);
        let layer = onnx::node("Gemm", "layer", &["x", "W"], "y");
        let model = folder.path("layer.onnx");
        let bytes = onnx::model(&[layer], &[weights], row("x"), row("y"));
        fs::write(&model, bytes).unwrap();
        let (keys, input, proof) = (
            folder.path("keys"),
            folder.path("input.json"),
            folder.path("proof.zkml"),
        );
        fs::write(&input, "[[0.25, 0.5]]").unwrap();
        for command in [
            [&["setup", &model, "--out", &keys], settings].concat(),
            vec!["prove", &input, "--keys", &keys, "--out", &proof],
        ] {
            let made = Zkml::new().args(&command).run();
            assert_eq!(made.code, 0, "{}", made.stderr);
        }
        Self {
            model,
            keys,
            input,
            proof,
        }
    }
}

/// A pipe in place of any file is an error, not a wait for its writer.
#[test]
fn pipes_are_refused() {
    let folder = Folder::new();
    let Proven {
        model,
        keys,
        input,
        proof,
    } = Proven::new(&folder, &["--input-visibility", "hashed"]);
    let prove = ["prove", &input, "--keys", &keys, "--out"];

    let pipe = folder.path("pipe.json");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    let other = folder.path("other.zkml");
    let verify = ["verify", &proof, "--keys", &keys];
    let refused = |arguments: &[&str]| {
        let mut command = Command::new("timeout");
        command
            .args(["60", env!("CARGO_BIN_EXE_zkml")])
            .args(arguments);
        let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/cache");
        let out = command.env("ZKML_CACHE", cache).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("not a regular file"), "{arguments:?}: {said}");
    };
    for arguments in [
        &["inspect", &pipe][..],
        &["inspect", &pipe, "--plan-only"],
        &["run", &model, &pipe],
        &["run", &model, &input, "--settings", &pipe],
        &["eval", &model, "--images", &pipe, "--labels", &input],
        &["calibrate", &model, "--data", &pipe, "--out", &other],
        &["prove", &pipe, "--keys", &keys, "--out", &other],
        &["verify", &pipe, "--keys", &keys],
        &[&verify[..], &["--input", &pipe]].concat(),
        &[&verify[..], &["--input", &input, "--salts", &pipe]].concat(),
        &["aggregate", &pipe, "--keys", &keys, "--out", &other],
        &["srs", "info", &pipe],
        &["srs", "check", &pipe],
        &["srs", "import", &pipe, "--out", &other],
        &["evm", "inspect", &pipe],
    ] {
        refused(arguments);
    }
    for (name, arguments) in [
        ("config.json", &verify[..]),
        ("verifying.key", &verify),
        ("verifying.srs", &verify),
        ("proving.key", &[&prove[..], &[&other]].concat()),
        ("weights.opening", &[&prove[..], &[&other]].concat()),
    ] {
        let path = folder.path(&format!("keys/{name}"));
        let kept = folder.path("kept");
        fs::rename(&path, &kept).unwrap();
        std::os::unix::fs::symlink(&pipe, &path).unwrap();
        refused(arguments);
        fs::remove_file(&path).unwrap();
        fs::rename(&kept, &path).unwrap();
    }
}

/// What a kilobyte declares, whoever wrote it: an honest configuration of a model of 2^26 weights looks the same. A
/// verifier needs what its statements consist of, and lays nothing out.
#[test]
fn configurations_of_large_models() {
    let folder = Folder::new();
    let Proven {
        keys, input, proof, ..
    } = Proven::new(&folder, &[]);

    // The same layer, 2^12 times as wide and as high.
    let side = 1usize << 13;
    let config = Path::new(&keys).join("config.json");
    let mut large = Architecture::load(&config).unwrap();
    large.shape.k = 24;
    for tensor in &mut large.graph.tensors {
        for size in tensor.shape.iter_mut().filter(|size| **size == 2) {
            *size = side;
        }
    }
    for port in large
        .source
        .inputs
        .iter_mut()
        .chain(&mut large.source.outputs)
    {
        port.shape = vec![1, side];
    }
    let words = &mut large.words;
    for encoding in words.inputs.iter_mut().chain(&mut words.outputs).flatten() {
        let columns = large.shape.data;
        encoding.words = columns * side.div_ceil(columns * (253 / encoding.bits as usize));
    }
    large.form().unwrap();
    large.save(&config).unwrap();
    assert!(fs::metadata(&config).unwrap().len() < 10_000);

    // With a key that says it is of as many rows, and without.
    let key = Path::new(&keys).join("verifying.key");
    let honest = read_container(&key, Kind::VerifyingKey, 2).unwrap();
    let mut claimed = honest.clone();
    let head = 36 + u32::from_le_bytes(honest[32..36].try_into().unwrap()) as usize;
    let k = claimed[head..].iter_mut().take(4).find(|byte| **byte != 0);
    *k.expect("k of the key") = 24;
    for key_of in [honest, claimed] {
        write_container(&key, Kind::VerifyingKey, 2, &mut |out| {
            out.write_all(&key_of)
        })
        .unwrap();
        let verify = ["verify", &proof, "--keys", &keys];
        let (code, said) = limited(&verify);
        assert!([1, 3].contains(&code), "{code}: {said}");
    }
    // A prover's files are as large as the circuit, or refused before it is laid out.
    let out = folder.path("other.zkml");
    let (code, said) = limited(&["prove", &input, "--keys", &keys, "--out", &out]);
    assert!(code == 1 && said.contains("proving key"), "{said}");
}

/// An SRS whose Lagrange points are to be computed, which takes minutes, is checked before that.
#[test]
fn what_is_cheap_of_an_srs_is_checked_first() {
    let folder = Folder::new();
    let path = folder.path("c.ptau");
    let check = |more: &[&str], why: &str| {
        let (code, said) = limited(&[&["srs", "check", &path], more].concat());
        assert!(code == 1 && said.contains(why), "{said}");
    };
    let good = Srs::development_from_seed(16, [3; 32], &|_, _| ()).unwrap();
    let raw = raw_srs(&good);
    fs::write(&path, &raw).unwrap();
    let other = "0".repeat(128);
    check(
        &["-k", "15", "--digest", &other],
        "not the file that was asked for",
    );
    let mut double = raw.clone();
    let second = 4 + 64;
    double.copy_within(second..second + 64, 4);
    fs::write(&path, &double).unwrap();
    check(&["-k", "15"], "not the generator of G1");
    let mut last = raw;
    let end = 4 + (64 << 15);
    last.copy_within(second..second + 64, end - 64);
    fs::write(&path, &last).unwrap();
    check(&["-k", "15"], "not the powers of one secret");
}
