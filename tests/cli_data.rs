//! Commands on many samples: accuracy, calibration, batches.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

// Other tests use the rest of it.
#[allow(dead_code)]
mod support;

use serde_json::{json, Value};
use support::{digits, Folder, Zkml};

const PIXELS: usize = 28 * 28;

/// Pictures of bars and blots: nothing that the model knows, but it names a class.
fn pictures(count: usize) -> Vec<u8> {
    (0..count * PIXELS)
        .map(|i| {
            let (picture, pixel) = (i / PIXELS, i % PIXELS);
            let (y, x) = (pixel / 28, pixel % 28);
            u8::from((x + picture * y) % (5 + picture) < 3 && (4..24).contains(&y)) * 255
        })
        .collect()
}

fn idx(shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
    bytes.extend(data);
    bytes
}

/// `.npy`, version 1.0, 32-bit floats.
fn npy(shape: &str, values: impl Iterator<Item = f32>) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    values.for_each(|v| bytes.extend(v.to_le_bytes()));
    bytes
}

fn write(folder: &Folder, name: &str, bytes: &[u8]) -> String {
    let path = folder.path(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn zkml(arguments: &[&str]) -> Value {
    let out = Zkml::new().args(arguments).args(&["--json"]).run();
    assert_eq!(out.code, 0, "{arguments:?}: {}", out.stderr);
    serde_json::from_str(&out.stdout).unwrap()
}

/// Pictures in an array, and what the model says of each alone.
fn batch(folder: &Folder, model: &str, count: usize) -> (String, Vec<Value>) {
    let all = pictures(count);
    let reals = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|b| f32::from(*b) / 255.0)
            .collect::<Vec<_>>()
    };
    let outputs = all.chunks(PIXELS).map(|picture| {
        let one = npy("(1, 1, 28, 28)", reals(picture).into_iter());
        let one = write(folder, "one.npy", &one);
        zkml(&["run", model, &one, "--input-range", "0,1"])["outputs"][0]["values"].clone()
    });
    let outputs = outputs.collect();
    let shape = format!("({count}, 1, 28, 28)");
    let path = write(folder, "batch.npy", &npy(&shape, reals(&all).into_iter()));
    (path, outputs)
}

#[test]
fn accuracy_on_labelled_samples() {
    let folder = Folder::new();
    let (model, _) = digits();
    let (_, outputs) = batch(&folder, &model, 6);
    let class = |values: &Value| {
        let values: Vec<i64> = serde_json::from_value(values.clone()).unwrap();
        let best = values.iter().max().unwrap();
        values.iter().position(|v| v == best).unwrap() as u8
    };
    let mut labels: Vec<u8> = outputs.iter().map(class).collect();
    labels[5] = (labels[5] + 1) % 10;
    let images = write(&folder, "images.idx", &idx(&[6, 28, 28], &pictures(6)));
    let truth = write(&folder, "labels.idx", &idx(&[6], &labels));
    let eval = [
        "eval",
        &model,
        "--input-range",
        "0,1",
        "--images",
        &images,
        "--labels",
    ];
    let found = zkml(&[&eval[..], &[&truth]].concat());
    assert_eq!(found["samples"], 6);
    let right = found["quantised"].as_f64().unwrap();
    assert!((right - 500.0 / 6.0).abs() < 1e-9, "{found}");
    assert!(found["largest_difference"].as_f64().unwrap() > 0.0);
    let some = zkml(&[&eval[..], &[&truth, "--limit", "5"]].concat());
    assert_eq!(
        (&some["samples"], &some["quantised"]),
        (&json!(5), &json!(100.0))
    );

    for (name, bytes, expected) in [
        ("few.idx", idx(&[5], &labels[..5]), "expected 6 labels"),
        ("short.idx", idx(&[6], &labels[..5]), "as many bytes"),
        ("not.idx", b"hello".to_vec(), "IDX of bytes, or .npy"),
        ("broken.gz", vec![0x1f, 0x8b, 8, 0], "gzip"),
    ] {
        let path = write(&folder, name, &bytes);
        let out = Zkml::new().args(&eval).args(&[&path]).run();
        assert_eq!(out.code, 1, "{name}");
        assert!(
            out.stderr.contains(expected) && out.stderr.contains(name),
            "{}",
            out.stderr
        );
    }
}

#[test]
fn settings_from_samples() {
    let folder = Folder::new();
    let (model, _) = digits();
    let images = write(&folder, "images.idx", &idx(&[8, 28, 28], &pictures(8)));
    let [settings, plot] = ["settings.json", "errors.svg"].map(|name| folder.path(name));
    let calibrate = ["calibrate", &model, "--data", &images, "--out", &settings];
    let found = zkml(&[&calibrate[..], &["--plot", &plot]].concat());
    // The samples are from 0 to 1; settings tell no more of them than `config.json` does.
    let scale = found["scale"].as_f64().unwrap();
    let declared = json!([-2.0, 2.0 - 1.0 / scale]);
    assert_eq!(found["input_range"], declared);
    let written: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&settings).unwrap()).unwrap();
    assert_eq!(written["input_range"], declared);
    assert!(found["trials"].as_array().unwrap().len() > 5);
    let svg = std::fs::read_to_string(&plot).unwrap();
    assert!(svg.starts_with("<svg") && svg.matches("<rect").count() > 3);
    let inspected = zkml(&["inspect", &model, "--settings", &settings]);
    assert_eq!(inspected["scale"], found["scale"]);
    let of_samples = ["inspect", &model, "--input-range", "0,1", "--scale"];
    let of_samples = zkml(&[&of_samples[..], &[&found["scale"].to_string()]].concat());
    assert_eq!(inspected["layers"], of_samples["layers"]);
    let cheaper = zkml(&[&calibrate[..], &["--target", "cost"]].concat());
    assert!(cheaper["scale"].as_i64() <= found["scale"].as_i64());

    let bad = write(&folder, "bad.json", b"{\"scales\": 3}");
    let out = Zkml::new()
        .args(&["inspect", &model, "--settings", &bad])
        .run();
    assert_eq!(out.code, 1);
    assert!(
        out.stderr.contains("bad.json: expected the settings"),
        "{}",
        out.stderr
    );
}

#[test]
fn a_batch_is_proven_at_once() {
    let folder = Folder::new();
    let (model, _) = digits();
    let (inputs, alone) = batch(&folder, &model, 3);
    let options = ["--batch", "3", "--input-range", "0,1"];
    let together = zkml(&[&["run", &model, &inputs][..], &options].concat());
    let flat: Vec<Value> = alone
        .iter()
        .flat_map(|v| v.as_array().unwrap().clone())
        .collect();
    assert_eq!(together["outputs"][0]["values"], Value::Array(flat));

    let [keys, proof] = ["keys", "proof.zkml"].map(|name| folder.path(name));
    zkml(&[&["setup", &model, "--out", &keys][..], &options].concat());
    zkml(&["prove", &inputs, "--keys", &keys, "--out", &proof]);
    let trusted = [
        "verify",
        &proof,
        "--keys",
        &keys,
        "--trust-srs",
        "development",
    ];
    let out = Zkml::new().args(&trusted).run();
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stdout.contains("Proof verified!"));
}

/// zkml's file for Twitter's model has layers and no weights.
#[test]
fn models_without_weights_are_planned_from_shapes() {
    let shared = std::env::var_os("ZKML_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        std::path::PathBuf::from,
    );
    let config = shared.join("data/zkml/twitter/config.msgpack");
    if !config.exists() {
        println!("skipped: {} is absent (set ZKML_SHARED)", config.display());
        return;
    }
    let config = config.display().to_string();
    let out = Zkml::new().args(&["inspect", &config, "--plan-only"]).run();
    assert_eq!(out.code, 0, "{}", out.stderr);
    for part in [
        "weights        48,097,130",
        "FullyConnected",
        "A plan from shapes, not a layout",
        "It does not fit 2^24 rows",
    ] {
        assert!(out.stdout.contains(part), "{part}\n{}", out.stdout);
    }
    let out = Zkml::new()
        .args(&["inspect", &config, "--plan-only", "--json"])
        .run();
    let found = support::json(&out);
    assert_eq!(found["weights"], 48_097_130);
    assert_eq!(found["fits"], false);
    let out = Zkml::new().args(&["inspect", &config]).run();
    assert!(
        out.code == 1 && out.stderr.contains("--plan-only"),
        "{}",
        out.stderr
    );
    let both = ["inspect", &config, "--plan-only", "--scale", "2"];
    assert_eq!(Zkml::new().args(&both).run().code, 2);
}
