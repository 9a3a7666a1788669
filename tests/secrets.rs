//! What is secret is in no output: not the content of secret files that cannot be read, nor values of hashed and
//! private inputs that are refused, nor either in files that are given where another one belongs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

// Other tests use the rest of it.
#[allow(dead_code)]
#[path = "support/onnx.rs"]
mod onnx;
#[path = "../circuits/import/tests/support/packed.rs"]
mod packed;
#[allow(dead_code)]
mod support;

use serde_json::{json, Value};
use std::{fs, path::Path};
use support::{Folder, Zkml};
use zkml_files::{write_container, Kind};

/// A value of an input, and what it is at the scale, 512: numbers that nothing else is likely to have.
const VALUE: &str = "98713.0625";
const REAL: f64 = 98713.0625;
const INTEGER: i64 = 50_541_088;
const SHOWN: [&str; 2] = ["98713", "50541088"];
/// The range of inputs that [`VALUE`] is in.
const RANGE: [&str; 2] = ["--input-range", "-131072,131071"];

/// Keys of a linear layer, the input hashed or private.
fn keys(folder: &Folder, name: &str, sight: &str) -> String {
    let layer = onnx::node("Gemm", "layer", &["x", "W"], "y");
    let weights = onnx::tensor("W", &[2, 2], &[0.31, -0.22, 0.17, 0.05]);
    let pair = |name| onnx::value(name, &[1, 2]);
    let file = folder.path("layer.onnx");
    fs::write(
        &file,
        onnx::model(&[layer], &[weights], pair("x"), pair("y")),
    )
    .unwrap();
    let out = folder.path(name);
    let setup = ["setup", &file, "--out", &out, "--input-visibility", sight];
    let made = zkml(folder, &[&setup[..], &RANGE].concat());
    assert_eq!(made.0, 0, "{}", made.1);
    out
}

/// Exit code, and all that a command says.
fn zkml(folder: &Folder, arguments: &[&str]) -> (i32, String) {
    let cache = folder.path("cache");
    let run = Zkml::new().env("ZKML_CACHE", &cache).args(arguments).run();
    (run.code, run.stdout + &run.stderr)
}

/// Runs a command with and without `--json` and at the highest verbosity: none of it shows a secret.
fn silent(folder: &Folder, arguments: &[&str], code: Option<i32>, secrets: &[&str]) {
    for more in [&[][..], &["--json"], &["-vvv"]] {
        let (got, said) = zkml(folder, &[arguments, more].concat());
        match code {
            Some(code) => assert_eq!(got, code, "{arguments:?}: {said}"),
            None => assert_ne!(got, 0, "{arguments:?}: {said}"),
        }
        for secret in secrets {
            assert!(!said.contains(secret), "{secret}: {arguments:?}: {said}");
        }
    }
}

/// Pieces of a text, any of which would tell something.
fn pieces(text: &str) -> Vec<&str> {
    (0..text.len().saturating_sub(7))
        .step_by(4)
        .filter_map(|at| text.get(at..at + 8))
        .collect()
}

fn npy(descr: &str, shape: &str, data: &[u8], extra: usize) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(((header.len() + extra) as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

/// Input files with [`VALUE`] in them, none of which fits.
fn unfit() -> Vec<(&'static str, Vec<u8>)> {
    let tensor = |shape: Value, data: Value| {
        packed::to_msgpack(&json!([{ "idx": 0, "shape": shape, "data": data }]))
    };
    let float = (REAL as f32).to_le_bytes().to_vec();
    let text = |text: String| text.into_bytes();
    vec![
        ("count.json", text(format!("[[{VALUE}]]"))),
        ("many.json", text(format!("[[0, {VALUE}, 1]]"))),
        ("range.json", text(format!("[[0, {VALUE}e3]]"))),
        ("huge.json", text(format!("[[0, {VALUE}e300]]"))),
        ("digits.json", text(format!("[[0, {VALUE}e9999]]"))),
        ("number.json", text(VALUE.to_owned())),
        ("minus.json", text(format!("-{VALUE}"))),
        ("string.json", text(format!("\"{VALUE}\""))),
        ("strings.json", text(format!("[[0, \"{VALUE}\"]]"))),
        ("object.json", text(format!("[[0, {{\"v\": {VALUE}}}]]"))),
        ("value.json", text(format!("{{\"input_data\": {VALUE}}}"))),
        ("key.json", text(format!("{{\"input\": [[0, {VALUE}]]}}"))),
        ("cut.json", text(format!("[[0, {VALUE}"))),
        ("comma.json", text(format!("[[0, {VALUE} {VALUE}]]"))),
        ("shape.npy", npy("<f4", "(1, 1)", &float, 0)),
        ("type.npy", npy("|S4", "(1, 2)", &float.repeat(2), 0)),
        ("long.npy", npy("<f4", "(1, 2)", VALUE.as_bytes(), 0)),
        // The header's length is wrong: the data begin inside of it.
        ("header.npy", npy("<f4", "(1 2", VALUE.as_bytes(), 8)),
        ("fields.npy", npy("<f4'", "1, 2", VALUE.as_bytes(), 8)),
        (
            "range.npy",
            npy("<f8", "(1, 2)", &(REAL * 1000.0).to_le_bytes().repeat(2), 0),
        ),
        ("shape.msgpack", tensor(json!([1, 3]), json!([0, INTEGER]))),
        ("count.msgpack", tensor(json!([1, 2]), json!([INTEGER]))),
        (
            "range.msgpack",
            tensor(json!([1, 2]), json!([0, INTEGER * 1000])),
        ),
        ("float.msgpack", tensor(json!([1, 2]), json!([0, REAL]))),
        (
            "string.msgpack",
            tensor(
                json!([1, 2]),
                json!([0, format!("{VALUE}, expected {VALUE}")]),
            ),
        ),
        ("values.msgpack", tensor(json!([1, 2]), json!(VALUE))),
        ("value.msgpack", rmp_serde::to_vec(&INTEGER).unwrap()),
        ("text.msgpack", VALUE.as_bytes().to_vec()),
        ("text.png", VALUE.as_bytes().to_vec()),
    ]
}

/// Those of [`unfit`] that are numbers, and too large ones.
const RANGES: [&str; 4] = ["range.json", "huge.json", "range.npy", "range.msgpack"];

#[test]
fn refused_inputs_show_no_values() {
    let folder = Folder::new();
    let model = folder.path("layer.onnx");
    let out = folder.path("proof.zkml");
    for sight in ["hashed", "private"] {
        let keys = keys(&folder, sight, sight);
        let prove = |input: &str, code: Option<i32>| {
            let arguments = ["prove", input, "--keys", &keys, "--out", &out];
            silent(&folder, &arguments, code, &SHOWN);
            assert!(code.is_some() || !Path::new(&out).exists());
        };
        for (name, bytes) in unfit() {
            let input = folder.path(name);
            fs::write(&input, bytes).unwrap();
            prove(&input, None);
            // To run a model nothing is declared to be secret: who runs it is told which number is out of range.
            if !RANGES.contains(&name) {
                let run = ["run", &model, &input];
                silent(&folder, &[&run[..], &RANGE].concat(), None, &SHOWN);
            }
        }
        // What is proven is in no output either.
        let input = folder.path("good.json");
        fs::write(&input, format!("[[0.25, {VALUE}]]")).unwrap();
        for more in [&[][..], &["--json"], &["-vvv"]] {
            let arguments = ["prove", &input, "--keys", &keys, "--out", &out];
            let (code, said) = zkml(&folder, &[&arguments[..], more].concat());
            assert_eq!(code, 0, "{said}");
            assert!(!SHOWN.iter().any(|value| said.contains(value)), "{said}");
            let _ = fs::remove_file(folder.path("proof.zkml.salts.json"));
        }
        for (name, bytes) in unfit() {
            fs::write(folder.path(name), bytes).unwrap();
            let input = folder.path(name);
            let verify = ["verify", &out, "--keys", &keys, "--input", &input];
            silent(&folder, &verify, None, &SHOWN);
        }
        fs::remove_file(&out).unwrap();
    }
}

/// Samples of `eval` and `calibrate` may be as private as inputs.
#[test]
fn refused_samples_show_no_values() {
    let folder = Folder::new();
    keys(&folder, "keys", "private");
    let model = folder.path("layer.onnx");
    let labels = folder.path("labels.npy");
    fs::write(&labels, npy("|u1", "(1,)", &[0], 0)).unwrap();
    for (name, bytes) in unfit() {
        let data = folder.path(name);
        fs::write(&data, bytes).unwrap();
        let eval = ["eval", &model, "--images", &data, "--labels", &labels];
        // One of the arrays is what samples are.
        if name != "range.npy" {
            silent(&folder, &eval, None, &SHOWN);
            let out = folder.path("settings.json");
            let calibrate = ["calibrate", &model, "--data", &data, "--out", &out];
            silent(&folder, &calibrate, None, &SHOWN);
        }
    }
}

/// Salts, in forms that are none.
fn salts(salt: &str) -> Vec<String> {
    vec![
        format!("\"{salt}\""),
        format!("[\"{salt}\"]"),
        format!("{{\"input 0\": \"{salt}0\"}}"),
        format!("{{\"input 0\": \"{}\"}}", &salt[2..]),
        format!("{{\"input 0\": [\"{salt}\"]}}"),
        format!("{{\"input 0\": {{\"{salt}\": 1}}}}"),
        format!(
            "{{\"input 0\": {}}}",
            salt.replace(|c: char| !c.is_ascii_digit(), "7")
        ),
        format!("{{\"input 0\": \"{salt}\""),
        format!("{{\"input 0\": \"{salt}\"}} {salt}"),
        salt.to_owned(),
    ]
}

#[test]
fn messages_quote_nothing_of_secret_files() {
    let folder = Folder::new();
    let keys = keys(&folder, "keys", "hashed");
    let (input, out) = (folder.path("good.json"), folder.path("proof.zkml"));
    fs::write(&input, "[[0.25, 0.5]]").unwrap();
    let prove = ["prove", &input, "--keys", &keys, "--out", &out];
    assert_eq!(zkml(&folder, &prove).0, 0);

    let file = folder.path("proof.zkml.salts.json");
    let good = fs::read_to_string(&file).unwrap();
    let object: Value = serde_json::from_str(&good).unwrap();
    let salt = object["input 0"].as_str().unwrap().to_owned();
    let tail = salt.trim_start_matches("0x").to_owned();
    let verify = ["verify", &out, "--keys", &keys, "--input", &input];
    for text in salts(&salt) {
        fs::write(&file, text).unwrap();
        let verify = [&verify[..], &["--salts", &file]].concat();
        silent(&folder, &verify, Some(1), &pieces(&tail));
    }
    fs::write(&file, good).unwrap();

    // An opening whose salt is none, and some whose weights are cut off or out of order.
    let opening = folder.path("keys/weights.opening");
    let kept = fs::read(&opening).unwrap();
    let words = |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
    for payload in [
        b"61824151".repeat(4),
        [&[0; 32][..], &words(&[1, 3, 4151, 6182])].concat(),
        [&[0; 32][..], &words(&[1, 1, 4151, 1, 1, 6182])].concat(),
        [&[0; 32][..], b"61824151"].concat(),
        b"61824151".to_vec(),
    ] {
        let path = Path::new(&opening);
        write_container(path, Kind::Opening, 2, &mut |out| out.write_all(&payload)).unwrap();
        let other = folder.path("again.zkml");
        let again = ["prove", &input, "--keys", &keys, "--out", &other];
        silent(&folder, &again, Some(1), &["6182", "4151", "36313832"]);
    }
    fs::write(&opening, kept).unwrap();

    // A seed with a digit too many, one too few, and one that is no digit.
    let seed = folder.path("cache/dev.seed");
    let good = fs::read_to_string(&seed).unwrap();
    let digits = good.trim();
    let made = folder.path("made.srs");
    let dev = ["srs", "dev", "--k", "9", "--out", &made];
    for text in [
        format!("{digits}0"),
        digits[1..].to_owned(),
        format!("{}x", &digits[1..]),
        format!("\"{digits}\""),
    ] {
        fs::write(&seed, text).unwrap();
        silent(&folder, &dev, Some(1), &pieces(&digits[1..]));
    }
    // A seed can be a number of JSON, whose first digits a parser quotes.
    let digits: String = ('1'..='9').cycle().step_by(5).take(64).collect();
    fs::write(&seed, &digits).unwrap();

    // Secret files where other files belong.
    let sealed = fs::read(&opening).unwrap();
    let hidden: Vec<(&str, String)> = vec![
        (&file, tail),
        (&seed, digits),
        (&opening, String::from_utf8_lossy(&sealed).into_owned()),
    ];
    let model = folder.path("layer.onnx");
    for (path, secret) in &hidden {
        let other = folder.path("other");
        fs::create_dir_all(&other).unwrap();
        fs::copy(path, folder.path("other/config.json")).unwrap();
        for arguments in [
            &["inspect", path][..],
            &["run", path, &input],
            &["run", &model, path],
            &["run", &model, &input, "--settings", path],
            &["setup", path, "--out", &folder.path("new")],
            &["verify", path, "--keys", &keys],
            &["verify", &out, "--keys", &other],
            &["verify", &out, "--keys", &keys, "--input", path],
            &["verify", &out, "--keys", &keys, "--srs", path],
            &["srs", "info", path],
            &["srs", "check", path],
            &[
                "aggregate",
                path,
                "--keys",
                &keys,
                "--out",
                &folder.path("a.zkml"),
            ],
            &["evm", "inspect", path],
            &["eval", &model, "--images", path, "--labels", path],
            &["calibrate", &model, "--data", path],
        ] {
            silent(&folder, arguments, None, &pieces(secret));
        }
    }
}
