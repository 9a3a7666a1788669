//! Plans from shapes alone: near the real layout where there is one, and quick where there is none.

#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

#[path = "../../import/tests/support/packed.rs"]
mod packed;

use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zkml_import::{load, load_shapes, ImportOptions};
use zkml_model::layout::Visibilities;
use zkml_model::planner::{choose, Goal};
use zkml_model::sketch::{memory, Sketch};

/// A file of zkml's, if it is there.
fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("ZKML_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = root.join("data/zkml").join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is absent", path.display());
    None
}

#[test]
fn sketches_are_near_real_plans() {
    for name in ["mnist/model.msgpack", "v2_1.0_224_truncated/model.msgpack"] {
        let Some(path) = shared(name) else {
            return;
        };
        let sketch = Sketch::of(&load_shapes(&path).unwrap()).unwrap();
        let model = load(&path, &ImportOptions::default()).unwrap();
        let plan = choose(&model.graph, &Visibilities::default(), Goal::Prove).unwrap();
        let weights: u64 = model.weights.values().map(|w| w.len() as u64).sum();
        assert_eq!(sketch.weights, weights, "{name}");
        println!("{name}: {:?} {:?}", sketch.shape, sketch.usage);
        println!("{name}: {:?} {:?}", plan.shape, plan.usage);
        let ratio = sketch.usage.data_cells as f64 / plan.usage.data_cells as f64;
        assert!((0.7..1.4).contains(&ratio), "{name}: {ratio}");
        let ratio = sketch.usage.hash_rows as f64 / plan.usage.hash_rows as f64;
        assert!((0.4..2.5).contains(&ratio), "{name}: {ratio}");
        assert!(sketch.shape.k.abs_diff(plan.shape.k) <= 1, "{name}");
        // docs/performance.md: 133 and 3,979 MB.
        let megabytes = memory(&plan.shape) / 1_000_000;
        let measured = if name.starts_with("mnist") {
            133
        } else {
            3_979
        };
        assert!(
            megabytes.abs_diff(measured) < measured / 10 + 20,
            "{megabytes}"
        );
    }
}

#[test]
fn models_without_weights_are_planned_from_shapes() {
    for (name, weights, multiply_adds) in [
        ("twitter/config.msgpack", 48_097_130, 47..49),
        ("nlp/gpt-2/config.msgpack", 81_278_908, 5_100..5_300),
    ] {
        let Some(path) = shared(name) else {
            return;
        };
        let start = Instant::now();
        let sketch = Sketch::of(&load_shapes(&path).unwrap()).unwrap();
        assert!(start.elapsed() < Duration::from_secs(20));
        println!(
            "{name}: {} {:?} {:?}",
            sketch.weights, sketch.shape, sketch.usage
        );
        assert_eq!(sketch.weights, weights, "{name}");
        let millions = sketch.multiply_adds / 1_000_000;
        assert!(multiply_adds.contains(&millions), "{name}: {millions}");
        // The hash of so many weights alone takes more than 2^24 rows.
        assert!(!sketch.fits && sketch.usage.hash_rows > 1 << 24, "{name}");
        let cells: u64 = sketch.layers.iter().map(|layer| layer.cells).sum();
        assert_eq!(cells, sketch.usage.data_cells, "{name}");
        assert!(cells > weights, "{name}");
    }
}

/// Shapes of a layer that is written here.
fn sketch(layer: serde_json::Value, k: i64) -> Result<Sketch, String> {
    let model = json!({
        "global_sf": 16, "k": k, "num_cols": 6, "inp_idxes": [0], "out_idxes": [9],
        "tensors": [], "layers": [layer],
    });
    let file = tempfile::Builder::new()
        .suffix(".msgpack")
        .tempfile()
        .unwrap();
    std::fs::write(file.path(), packed::to_msgpack(&model)).unwrap();
    let shapes = load_shapes(file.path()).map_err(|error| error.to_string())?;
    Sketch::of(&shapes).map_err(|error| error.to_string())
}

#[test]
fn a_dense_layer() {
    let dense = |rows: i64| {
        json!({
            "layer_type": "FullyConnected", "params": [1], "inp_idxes": [0, 1, 2],
            "inp_shapes": [[rows, 30], [20, 30], [20]], "out_idxes": [9],
            "out_shapes": [[rows, 20]], "mask": [],
        })
    };
    let found = sketch(dense(1), 6).unwrap();
    assert_eq!((found.weights, found.multiply_adds), (620, 600));
    assert_eq!(
        (found.scale, found.weight_bits, found.activation_bits),
        (16, 5, 6)
    );
    let shape = found.shape;
    let whole = |n: usize| (n.div_ceil(shape.data) * shape.data) as u64;
    // Weights and biases; value, excess and remainder.
    assert_eq!(found.usage.data_cells, 31 * whole(20) + 3 * whole(20));
    assert!(found.fits && found.shape.k <= 14);
    let found = sketch(dense(7), 6).unwrap();
    assert_eq!((found.weights, found.multiply_adds), (620, 4200));
}

#[test]
fn what_is_no_such_file_is_refused() {
    let odd = json!({
        "layer_type": "Odd", "params": [], "inp_idxes": [0], "inp_shapes": [[1]],
        "out_idxes": [9], "out_shapes": [[1]], "mask": [],
    });
    assert!(sketch(odd.clone(), 12)
        .unwrap_err()
        .contains("Odd (layer 0)"));
    let mut large = odd.clone();
    large["layer_type"] = "Relu".into();
    assert!(sketch(large.clone(), 99)
        .unwrap_err()
        .contains("k from 2 to 40"));
    large["out_shapes"] = json!([[1 << 30]]);
    assert!(sketch(large, 12).unwrap_err().contains("2^26 elements"));
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/digits/model.onnx");
    let error = load_shapes(&digits).unwrap_err().to_string();
    assert!(error.contains("expected zkml's .msgpack"), "{error}");
}
