//! The accuracy that `examples/digits` states, measured on the images held out from training.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use zkml_graph::exec;
use zkml_import as import;
use zkml_import::{quantise, ImportOptions};

const PIXELS: usize = 28 * 28;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The content of an IDX file after its header.
fn idx(path: &Path, header: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(path).unwrap())
        .read_to_end(&mut bytes)
        .unwrap();
    bytes.split_off(header)
}

#[test]
fn held_out_accuracy_is_what_the_example_states() {
    let data = std::env::var_os("ZKML_SHARED")
        .map_or_else(|| root().join("../shared"), PathBuf::from)
        .join("data/mnist");
    if !data.exists() {
        println!("skipped: {} is absent", data.display());
        return;
    }
    let report: serde_json::Value =
        serde_json::from_reader(File::open(root().join("examples/digits/accuracy.json")).unwrap())
            .unwrap();
    let number = |pointer: &str| report.pointer(pointer).and_then(|v| v.as_u64()).unwrap() as usize;
    let (modulus, remainder) = (number("/held_out/modulus"), number("/held_out/remainder"));
    let stated = number("/fixed_point/correct");

    let model = root().join("examples/digits/model.onnx");
    let model = import::load(&model, &ImportOptions::default()).unwrap();
    let images = idx(&data.join("t10k-images-idx3-ubyte.gz"), 16);
    let labels = idx(&data.join("t10k-labels-idx1-ubyte.gz"), 8);
    let (mut correct, mut seen) = (0usize, 0usize);
    for (index, image) in images.chunks_exact(PIXELS).enumerate() {
        if index % modulus != remainder {
            continue;
        }
        let input = image
            .iter()
            .map(|pixel| quantise(f64::from(*pixel) / 255.0, model.graph.scale).unwrap())
            .collect();
        let trace = exec::run(&model.graph, &model.weights, &[input]).unwrap();
        let logits = &exec::outputs(&model.graph, &trace)[0];
        let best = (0..logits.len())
            .max_by_key(|class| logits[*class])
            .unwrap();
        correct += usize::from(best == usize::from(labels[index]));
        seen += 1;
    }
    println!("{correct} of {seen} held-out images");
    assert!(100 * correct >= 99 * seen, "{correct} of {seen}");
    // Training rounds halves up, the importer away from zero: a weight in thousands may differ.
    assert!(correct.abs_diff(stated) <= 2, "{correct}, stated {stated}");
}
