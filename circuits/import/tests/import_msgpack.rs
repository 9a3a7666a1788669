//! zkml's format, on small models made here: what is computed, and hostile files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

#[path = "support/packed.rs"]
mod packed;

use packed::to_msgpack;

use proptest::prelude::*;
use serde_json::{json, Value};
use zkml_graph::exec::{outputs, run};
use zkml_graph::Op;
use zkml_import::{load, ImportError, ImportOptions, Model};

fn import_bytes(bytes: &[u8]) -> Result<Model, ImportError> {
    let file = tempfile::Builder::new()
        .suffix(".msgpack")
        .tempfile()
        .unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    load(file.path(), &ImportOptions::default())
}

fn import(model: &Value) -> Result<Model, ImportError> {
    import_bytes(&to_msgpack(model))
}

fn execute(model: &Model, input: &[i64]) -> Vec<i64> {
    let trace = run(&model.graph, &model.weights, &[input.to_vec()]).unwrap();
    outputs(&model.graph, &trace).remove(0)
}

fn tensor(idx: i64, shape: &[i64], data: &[i64]) -> Value {
    json!({"idx": idx, "shape": shape, "data": data})
}

fn layer(kind: &str, params: &[i64], inputs: &[(i64, &[i64])], out: (i64, &[i64])) -> Value {
    let (idx, shapes): (Vec<i64>, Vec<&[i64]>) = inputs.iter().copied().unzip();
    json!({
        "layer_type": kind, "params": params, "inp_idxes": idx, "inp_shapes": shapes,
        "out_idxes": [out.0], "out_shapes": [out.1], "mask": [],
    })
}

fn model(tensors: Vec<Value>, layers: Vec<Value>, out: i64) -> Value {
    json!({
        "global_sf": 16, "k": 15, "num_cols": 6, "inp_idxes": [0], "out_idxes": [out],
        "tensors": tensors, "layers": layers, "use_selectors": true, "commit": false,
    })
}

/// A convolution with SAME padding, an average over it, a flatten in the file's order and a
/// fully connected layer.
fn small() -> Value {
    let kernels: Vec<i64> = (0..2 * 3 * 3 * 2).map(|v| v * 7 % 23 - 11).collect();
    let weights: Vec<i64> = (0..3 * 8).map(|v| v * 5 % 17 - 8).collect();
    model(
        vec![
            tensor(1, &[2, 3, 3, 2], &kernels),
            tensor(2, &[2], &[3, -4]),
            tensor(3, &[3, 8], &weights),
            tensor(4, &[3], &[1, 2, 3]),
        ],
        vec![
            layer(
                "Conv2D",
                &[0, 0, 1, 1, 1],
                &[(0, &[1, 4, 5, 2]), (1, &[2, 3, 3, 2]), (2, &[2])],
                (5, &[1, 4, 5, 2]),
            ),
            layer(
                "AveragePool2D",
                &[2, 2, 2, 2],
                &[(5, &[1, 4, 5, 2])],
                (6, &[1, 2, 2, 2]),
            ),
            layer("Reshape", &[], &[(6, &[1, 2, 2, 2])], (7, &[1, 8])),
            layer(
                "FullyConnected",
                &[0],
                &[(7, &[1, 8]), (3, &[3, 8]), (4, &[3])],
                (8, &[1, 3]),
            ),
        ],
        8,
    )
}

/// The same, in the file's order of dimensions throughout.
fn small_reference(input: &[i64]) -> Vec<i64> {
    let rd = |a: i64, b: i64| (2 * a + b).div_euclid(2 * b);
    let pixel = |y: i64, x: i64, c: i64| match (0..4).contains(&y) && (0..5).contains(&x) {
        true => input[((y * 5 + x) * 2 + c) as usize],
        false => 0,
    };
    let conv = |y: i64, x: i64, o: i64| {
        let mut sum = 0;
        for (i, j, c) in (0..18).map(|t| (t / 6, t / 2 % 3, t % 2)) {
            let kernel = (((o * 3 + i) * 3 + j) * 2 + c) * 7 % 23 - 11;
            sum += kernel * pixel(y + i - 1, x + j - 1, c);
        }
        (rd(sum, 16) + [3, -4][o as usize]).max(0)
    };
    let pooled: Vec<i64> = (0..8)
        .map(|i| {
            let (y, x, c) = (i / 4 * 2, i / 2 % 2 * 2, i % 2);
            rd(
                conv(y, x, c) + conv(y, x + 1, c) + conv(y + 1, x, c) + conv(y + 1, x + 1, c),
                4,
            )
        })
        .collect();
    (0..3)
        .map(|n| {
            let sum: i64 = (0..8)
                .map(|k| ((n * 8 + k) * 5 % 17 - 8) * pooled[k as usize])
                .sum();
            rd(sum, 16) + n + 1
        })
        .collect()
}

proptest! {
    #[test]
    fn channels_last_models_compute_the_same(input in prop::collection::vec(-64i64..64, 40)) {
        let model = import(&small()).unwrap();
        prop_assert_eq!(execute(&model, &input), small_reference(&input));
    }

    /// Bytes changed anywhere: an error or a model, never a panic.
    #[test]
    fn damaged_files(at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = to_msgpack(&small());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(model) = import_bytes(&bytes) {
            model.graph.validate().unwrap();
        }
    }
}

#[test]
fn a_flattened_image_moves_the_weights_instead() {
    let model = import(&small()).unwrap();
    let kinds: Vec<&str> = model.graph.nodes.iter().map(|n| n.op.kind()).collect();
    // One transpose is left: the input's own, which has two channels.
    assert_eq!(kinds, ["Transpose", "Conv", "AvgPool", "Reshape", "Linear"]);
}

#[test]
fn broadcast_weights_fuse_into_one_scale() {
    let shape: &[i64] = &[1, 2, 2, 2];
    let image = |kind, params: &[i64], from, w, to| {
        layer(kind, params, &[(from, shape), (w, &[2])], (to, shape))
    };
    let tensors = vec![tensor(1, &[2], &[8, -16]), tensor(2, &[2], &[1, 2])];
    let layers = vec![image("Mul", &[], 0, 1, 3), image("Add", &[1], 3, 2, 4)];
    let model = import(&model(tensors, layers, 4)).unwrap();
    let scales = model
        .graph
        .nodes
        .iter()
        .filter(|n| matches!(n.op, Op::Scale { .. }))
        .count();
    assert_eq!(scales, 1);
    let got = execute(&model, &[1, 1, 3, -3, -5, 5, 40, -40]);
    // relu(rd(x·w, 16) + b), channels last.
    assert_eq!(got, [2, 1, 3, 5, 0, 0, 21, 42]);
}

#[test]
fn other_layers() {
    let shape: &[i64] = &[1, 4];
    let on = |kind, params: &[i64], inputs: &[i64], to| {
        let inputs: Vec<(i64, &[i64])> = inputs.iter().map(|&i| (i, shape)).collect();
        layer(kind, params, &inputs, (to, shape))
    };
    let run = |layers: Vec<Value>, out| {
        let weights = vec![tensor(1, &[1, 4], &[1, 2, 3, 4]), tensor(2, &[1], &[-8])];
        execute(
            &import(&model(weights, layers, out)).unwrap(),
            &[10, -20, 30, 40],
        )
    };
    assert_eq!(run(vec![on("Sub", &[], &[0, 1], 3)], 3), [9, -22, 27, 36]);
    assert_eq!(run(vec![on("Mul", &[], &[0, 2], 3)], 3), [-5, 10, -15, -20]);
    assert_eq!(run(vec![on("Square", &[], &[0], 3)], 3), [6, 25, 56, 100]);
    let doubled = || on("Add", &[0], &[0, 0], 3);
    assert_eq!(
        run(vec![doubled(), on("Sub", &[], &[3, 0], 4)], 4),
        [10, -20, 30, 40]
    );
    assert_eq!(
        run(vec![doubled(), on("Add", &[1], &[3, 0], 4)], 4),
        [30, 0, 90, 120]
    );
    assert_eq!(
        run(vec![doubled(), on("Mul", &[], &[3, 0], 4)], 4),
        [13, 50, 113, 200]
    );
    assert_eq!(
        run(vec![doubled(), on("SquaredDifference", &[], &[3, 0], 4)], 4),
        [6, 25, 56, 100]
    );
    assert_eq!(
        run(vec![on("Noop", &[1], &[1, 0], 3)], 3),
        [10, -20, 30, 40]
    );
    let matrix: &[i64] = &[1, 2, 2];
    let turned = vec![
        layer("Reshape", &[], &[(0, shape)], (3, matrix)),
        layer("Permute", &[0, 2, 1], &[(3, matrix)], (4, matrix)),
    ];
    assert_eq!(run(turned.clone(), 4), [10, 30, -20, 40]);
    // The inverse cancels it.
    let mut back = turned;
    back.push(layer("Transpose", &[0, 2, 1], &[(4, matrix)], (5, matrix)));
    let model = import(&model(vec![tensor(1, &[1], &[1])], back, 5)).unwrap();
    assert!(model
        .graph
        .nodes
        .iter()
        .all(|n| !matches!(n.op, Op::Transpose { .. })));
    assert_eq!(execute(&model, &[1, 2, 3, 4]), [1, 2, 3, 4]);
}

#[test]
fn depthwise_and_rows() {
    let image: &[i64] = &[1, 2, 2, 2];
    let depthwise = layer(
        "Conv2D",
        &[1, 1, 0, 1, 1],
        &[(0, image), (1, &[1, 2, 2, 2]), (2, &[2])],
        (3, &[1, 1, 1, 2]),
    );
    let kernels = tensor(1, &[1, 2, 2, 2], &[16, 0, 16, 16, 0, 16, 0, -16]);
    let made = model(
        vec![kernels, tensor(2, &[2], &[100, 200])],
        vec![depthwise],
        3,
    );
    let model_ = import(&made).unwrap();
    // Channel 0: x00 + x01; channel 1: x01 + x10 − x11.
    assert_eq!(execute(&model_, &[1, 2, 3, 4, 5, 6, 7, 8]), [104, 202]);
    let rows: &[i64] = &[1, 3, 2];
    let product = layer(
        "FullyConnected",
        &[1],
        &[(0, rows), (1, &[2, 2]), (2, &[2])],
        (3, rows),
    );
    let weights = vec![
        tensor(1, &[2, 2], &[16, 32, -16, 0]),
        tensor(2, &[2], &[1, 2]),
    ];
    let model = import(&model(weights, vec![product], 3)).unwrap();
    assert_eq!(execute(&model, &[1, 2, 3, 4, -5, 6]), [6, 1, 12, 0, 8, 7]);
}

#[test]
fn truncated_files() {
    let bytes = to_msgpack(&small());
    for length in 0..bytes.len() {
        assert!(import_bytes(&bytes[..length]).is_err(), "{length} bytes");
    }
    let mut longer = bytes;
    longer.push(0);
    let text = import_bytes(&longer).unwrap_err().to_string();
    assert!(text.contains("1 more bytes"), "{text}");
}

/// A list that says it has 2^32 − 1 elements and ends there.
#[test]
fn sizes_without_data() {
    let bytes = [
        0x81, 0xa7, b't', b'e', b'n', b's', b'o', b'r', b's', 0xdd, 0xff, 0xff, 0xff, 0xff,
    ];
    assert!(import_bytes(&bytes).is_err());
    assert!(import_bytes(&[0xdf, 0xff, 0xff, 0xff, 0xff]).is_err());
    assert!(import_bytes(&[0x81; 1 << 16]).is_err());
    assert!(import_bytes(&[0x91; 1 << 16]).is_err());
}

/// A few hundred bytes that declare millions of elements, layer after layer.
#[test]
fn shapes_without_data() {
    let chain = |n: i64| {
        let shape: &[i64] = &[1, n];
        let add = |i: i64| layer("Add", &[1], &[(i, shape), (i, shape)], (i + 1, shape));
        let tensors = vec![tensor(99, &[1], &[1])];
        import(&model(tensors, (0..8).map(add).collect(), 8))
    };
    assert!(chain(1 << 20).is_ok());
    let text = chain(1 << 23).unwrap_err().to_string();
    assert!(text.contains("operations and 25165824 elements"), "{text}");
}

#[test]
fn errors_name_the_place() {
    let change = |change: fn(&mut Value)| {
        let mut model = small();
        change(&mut model);
        import(&model).unwrap_err().to_string()
    };
    let cases = [
        (
            change(|m| m["tensors"][0]["data"] = json!([1])),
            "tensor 1: expected 36 values",
        ),
        (
            change(|m| m["tensors"][0]["shape"] = json!([-1, 3, 3, 2])),
            "tensor 1",
        ),
        (
            change(|m| m["tensors"][0]["shape"] = json!([i64::MAX, i64::MAX])),
            "tensor 1",
        ),
        (
            change(|m| m["tensors"][0]["shape"] = json!([4, 9])),
            "kernels: expected four dimensions",
        ),
        (change(|m| m["tensors"][0]["idx"] = json!(99)), "conv2d.0"),
        (
            change(|m| m["layers"][0]["inp_idxes"] = json!([0])),
            "at least 2 inputs",
        ),
        (
            change(|m| m["layers"][0]["inp_idxes"] = json!([77, 1, 2])),
            "reads it",
        ),
        (
            change(|m| m["layers"][1]["inp_idxes"] = json!([77])),
            "which is missing",
        ),
        (
            change(|m| m["layers"][1]["inp_idxes"] = json!([1])),
            "which is a weight",
        ),
        (
            change(|m| m["layers"][0]["inp_idxes"] = json!([1, 1, 2])),
            "reads it",
        ),
        (
            change(|m| m["layers"][0]["inp_shapes"][0] = json!([2, 4, 5, 2])),
            "height",
        ),
        (
            change(|m| m["layers"][0]["inp_shapes"][0] = json!([1, 4, 5, 3])),
            "kernels",
        ),
        (
            change(|m| m["layers"][0]["inp_shapes"][0] = json!([1, 1 << 30, 1 << 30, 2])),
            "input 0",
        ),
        (change(|m| m["layers"][0]["params"] = json!([0])), "params"),
        (
            change(|m| m["layers"][0]["params"] = json!([0, 2, 0, 1, 1])),
            "padding",
        ),
        (
            change(|m| m["layers"][0]["params"] = json!([0, 0, 2, 1, 1])),
            "activation",
        ),
        (
            change(|m| m["layers"][0]["params"] = json!([0, 0, 0, 0, 1])),
            "params[3]",
        ),
        (
            change(|m| m["layers"][0]["params"] = json!([7, 0, 0, 1, 1])),
            "params[0]",
        ),
        (
            change(|m| m["layers"][0]["out_shapes"] = json!([[1, 2, 2, 2]])),
            "output shape",
        ),
        (
            change(|m| m["layers"][0]["out_idxes"] = json!([0])),
            "exists already",
        ),
        (change(|m| m["layers"][0]["mask"] = json!([0, 1])), "mask"),
        (
            change(|m| m["layers"][1]["params"] = json!([9, 9, 1, 1])),
            "window",
        ),
        (
            change(|m| m["layers"][2]["out_shapes"] = json!([[1, 9]])),
            "reshape",
        ),
        (
            change(|m| m["layers"][3]["layer_type"] = json!("Softsign")),
            "Softsign (layer 3)",
        ),
        (change(|m| m["out_idxes"] = json!([123])), "output 123"),
        (change(|m| m["out_idxes"] = json!([])), "out_idxes"),
        (change(|m| m["inp_idxes"] = json!([55])), "input 55"),
        (change(|m| m["inp_idxes"] = json!([0, 0])), "several"),
        (change(|m| m["global_sf"] = json!(0)), "scale"),
        (change(|m| m["global_sf"] = json!("x")), "MessagePack"),
        (
            change(|m| m["tensors"][1]["data"] = json!([1u64 << 50, 0])),
            "±2^40",
        ),
    ];
    for (text, expected) in cases {
        assert!(
            text.contains(expected),
            "'{text}' does not mention '{expected}'"
        );
        assert!(
            text.contains(".msgpack: "),
            "'{text}' does not name the file"
        );
    }
}

/// Attention multiplies by matrices that are computed.
#[test]
fn a_dense_layer_with_a_computed_matrix() {
    let square = |shape: &[i64]| shape.to_vec();
    let turned = layer("Permute", &[1, 0], &[(0, &[2, 3])], (1, &[3, 2]));
    let back = layer("Permute", &[1, 0], &[(1, &[3, 2])], (2, &[2, 3]));
    let dense = layer(
        "FullyConnected",
        &[1],
        &[(0, &square(&[2, 3])), (2, &[2, 3])],
        (3, &[2, 2]),
    );
    let used = layer("Mul", &[], &[(3, &[2, 2]), (4, &[1])], (5, &[2, 2]));
    let made = model(
        vec![tensor(4, &[1], &[16])],
        vec![turned, back, dense, used],
        5,
    );
    let made = import(&made).unwrap();
    let x = [16, -8, 24, 3, 40, -5];
    let dot = |i: usize, j: usize| (0..3).map(|k| x[3 * i + k] * x[3 * j + k]).sum::<i64>();
    let rd = |v: i64| ((2 * v + 16).div_euclid(32)).max(0);
    let expected = [rd(dot(0, 0)), rd(dot(0, 1)), rd(dot(1, 0)), rd(dot(1, 1))];
    assert_eq!(execute(&made, &x), expected);
}

#[test]
fn options() {
    let file = tempfile::Builder::new()
        .suffix(".msgpack")
        .tempfile()
        .unwrap();
    std::fs::write(file.path(), to_msgpack(&small())).unwrap();
    let load = |scale, input_range| {
        load(
            file.path(),
            &ImportOptions {
                scale,
                input_range,
                ..ImportOptions::default()
            },
        )
    };
    assert!(load(Some(17), None)
        .unwrap_err()
        .to_string()
        .contains("--scale"));
    let model = load(Some(16), Some((0.0, 1.0))).unwrap();
    let range = model.graph.tensors[model.graph.inputs[0].0].range;
    assert_eq!((range.lo, range.hi), (-32, 31));
    assert!(load(None, Some((1.0, -1.0)))
        .unwrap_err()
        .to_string()
        .contains("--input-range"));
    let missing = zkml_import::load("/nonexistent.onnx".as_ref(), &ImportOptions::default());
    assert!(missing
        .unwrap_err()
        .to_string()
        .starts_with("/nonexistent.onnx: "));
    let other = tempfile::Builder::new().suffix(".txt").tempfile().unwrap();
    std::fs::write(other.path(), "hello").unwrap();
    let text = zkml_import::load(other.path(), &ImportOptions::default()).unwrap_err();
    let text = text.to_string();
    assert!(text.contains(".onnx, .tflite or .msgpack"), "{text}");
}

/// Each constant of a file is committed, or public for a reason, or not used.
#[test]
fn constants_have_fates() {
    let mut file = model(
        vec![
            tensor(1, &[1, 3], &[16, -8, 4]),
            tensor(2, &[1, 3], &[0, 0, 0]),
            tensor(3, &[1], &[7]),
            // A sample input.
            tensor(0, &[1, 3], &[1, 2, 3]),
        ],
        vec![
            layer("Mul", &[], &[(0, &[1, 3]), (1, &[1, 3])], (4, &[1, 3])),
            layer("Add", &[0], &[(4, &[1, 3]), (2, &[1, 3])], (5, &[1, 3])),
            layer("Softmax", &[], &[(5, &[1, 3])], (6, &[1, 3])),
        ],
        6,
    );
    file["layers"][2]["mask"] = json!([2, 1, 3, 0, 1, 0]);
    let model = import(&file).unwrap();
    let words = |name: &str| {
        let mut all = model.initialisers.iter();
        all.find(|one| one.name == name).unwrap().words()
    };
    assert_eq!(model.initialisers.len(), 5, "{:?}", model.initialisers);
    assert_eq!(words("1"), "committed");
    assert_eq!(words("2"), "public: all of it is zero, which ranges tell");
    assert_eq!(words("3"), "not used");
    assert_eq!(words("0"), "not used");
    let mask = "public: what layer 'softmax.2' (Softmax) leaves out";
    assert_eq!(words("softmax.2/mask"), mask);
    model.check_public(&[]).unwrap();
}
