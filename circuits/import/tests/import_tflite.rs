//! TensorFlow Lite: the same integers as zkml's own files, each operator on small models, and files that are
//! refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

#[path = "tflite/refused.rs"]
mod refused;
#[path = "support/tflite.rs"]
mod tflite;

use rand::{rngs::StdRng, Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tflite::{computed, integers, model, node, reals, Node, Tensor};
use zkml_graph::exec::{outputs, run};
use zkml_import::{load, load_real, Format, ImportOptions, Layout, Model};

/// The folder of a model of zkml's, if it is there.
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

fn at_scale(scale: i64) -> ImportOptions {
    ImportOptions {
        scale: Some(scale),
        ..ImportOptions::default()
    }
}

fn execute(model: &Model, input: &[i64]) -> Vec<Vec<i64>> {
    let trace = run(&model.graph, &model.weights, &[input.to_vec()]).unwrap();
    outputs(&model.graph, &trace)
}

/// Inputs over all of the declared range.
fn inputs(model: &Model, seed: u64) -> Vec<i64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let tensor = &model.graph.tensors[model.graph.inputs[0].0];
    let count = tensor.shape.iter().product();
    let value = |_| rng.gen_range(tensor.range.lo..=tensor.range.hi);
    (0..count).map(value).collect()
}

#[test]
fn the_truncated_mobilenet_gives_the_same_integers_in_both_formats() {
    let Some(folder) = shared("v2_1.0_224_truncated") else {
        return;
    };
    let packed = load(&folder.join("model.msgpack"), &ImportOptions::default()).unwrap();
    let path = folder.join("v2_1.0_224_truncated.tflite");
    let (model, real) = load_real(&path, &at_scale(1 << 17)).unwrap();
    assert_eq!(model.source.format, Format::Tflite);
    assert_eq!(model.source.inputs[0].shape, [1, 7, 7, 320]);
    assert_eq!(model.source.inputs[0].layout, Layout::ChannelsLast);
    // The weights too: ties to even.
    assert!(model.weights.values().eq(packed.weights.values()));
    for (integers, reals) in model.weights.values().zip(real.values()) {
        let near = |(v, r): (&i64, &f64)| (*v as f64 - r).abs() <= 0.5;
        assert!(integers.iter().zip(reals).all(near));
    }
    for seed in 0..3 {
        let input = inputs(&packed, seed);
        let got = execute(&model, &input);
        assert_eq!(got, execute(&packed, &input));
        assert!(got[0].iter().sum::<i64>() > 1 << 16, "a softmax");
    }
}

#[derive(Serialize, Deserialize)]
struct Packed {
    global_sf: i64,
    k: i64,
    inp_idxes: Vec<i64>,
    out_idxes: Vec<i64>,
    tensors: Vec<PackedTensor>,
    layers: Vec<PackedLayer>,
}

#[derive(Serialize, Deserialize)]
struct PackedTensor {
    idx: i64,
    shape: Vec<i64>,
    data: Vec<i64>,
}

#[derive(Serialize, Deserialize)]
struct PackedLayer {
    layer_type: String,
    params: Vec<i64>,
    inp_idxes: Vec<i64>,
    inp_shapes: Vec<Vec<i64>>,
    out_idxes: Vec<i64>,
    out_shapes: Vec<Vec<i64>>,
    mask: Vec<i64>,
}

#[test]
fn the_mnist_model_gives_the_same_integers_in_both_formats() {
    let Some(folder) = shared("mnist") else {
        return;
    };
    // zkml's file stops before the last two operators of its source.
    let bytes = std::fs::read(folder.join("model.msgpack")).unwrap();
    let mut packed: Packed = rmp_serde::from_slice(&bytes).unwrap();
    for (kind, from, to) in [("Reshape", 37, 38), ("Softmax", 38, 39)] {
        let from_shape = packed.layers.last().unwrap().out_shapes.clone();
        packed.layers.push(PackedLayer {
            layer_type: kind.into(),
            params: vec![],
            inp_idxes: vec![from],
            inp_shapes: from_shape,
            out_idxes: vec![to],
            out_shapes: vec![vec![1, 10]],
            mask: vec![],
        });
    }
    packed.out_idxes = vec![39];
    let packed = import(".msgpack", &rmp_serde::to_vec_named(&packed).unwrap(), 512).unwrap();
    let model = load(&folder.join("model.tflite"), &ImportOptions::default()).unwrap();
    assert_eq!(model.graph.scale, 512);
    assert!(model.weights.values().eq(packed.weights.values()));
    for seed in 0..5 {
        let input = inputs(&packed, seed);
        assert_eq!(execute(&model, &input), execute(&packed, &input));
    }
}

/// Imports a file of these bytes.
fn import(suffix: &str, bytes: &[u8], scale: i64) -> Result<Model, String> {
    let file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    load(file.path(), &at_scale(scale)).map_err(|error| error.to_string())
}

/// One operator on tensor 0; the outputs are the last `made` tensors.
fn one(tensors: &[Tensor], node: Node, input: &[i64]) -> Result<Vec<Vec<i64>>, String> {
    let outputs = node.outputs.clone();
    let model = import(".tflite", &model(tensors, vec![node], &[0], &outputs), 16)?;
    Ok(execute(&model, input))
}

const NONE: (u32, &[i32]) = (0, &[]);

/// At a scale of 16; inputs lie in [-64, 63].
#[test]
fn operators() {
    let image: Vec<i64> = (0..16).map(|i| i * 5 % 37 - 18).collect();
    let x = || computed(&[1, 4, 4, 1]);
    // The smallest number of each window of 2 × 2 that SAME padding of stride 2 leaves whole.
    let most = |indices: [usize; 4]| indices.iter().map(|&i| image[i]).max().unwrap();
    let corners = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]].map(most);
    let pool = |padding: i32| (5, [padding, 2, 2, 2, 2, 0]);
    for padding in [0, 1] {
        let options = pool(padding);
        let got = one(
            &[x(), computed(&[1, 2, 2, 1])],
            node(17, &[0], &[1], (5, &options.1)),
            &image,
        );
        assert_eq!(got.unwrap(), [corners.to_vec()]);
    }
    // SAME with a window of 3 and stride 1 pads one on each side.
    let (code, options) = (17, [0, 1, 1, 3, 3, 1]);
    let got = one(&[x(), x()], node(code, &[0], &[1], (5, &options)), &image).unwrap();
    assert_eq!(
        got[0][0],
        [0usize, 1, 4, 5]
            .map(|i| image[i])
            .into_iter()
            .max()
            .unwrap()
            .max(0)
    );
    // Averages leave the padding out of the count.
    for (kernel, stride, out) in [(3, 1, 4), (3, 2, 2), (2, 1, 4), (7, 3, 2)] {
        let low = ((out - 1) * stride + kernel - 4) / 2;
        let inside = |o: i64| {
            let from = o * stride - low;
            from.max(0)..(from + kernel).min(4)
        };
        let mean = |i: i64| {
            let (rows, columns) = (inside(i / out), inside(i % out));
            let each = rows.flat_map(|y| columns.clone().map(move |x| (4 * y + x) as usize));
            let each: Vec<i64> = each.map(|i| image[i]).collect();
            let count = each.len() as i64;
            (2 * each.iter().sum::<i64>() + count).div_euclid(2 * count)
        };
        let expected: Vec<i64> = (0..out * out).map(mean).collect();
        let (kernel, stride, out) = (kernel as i32, stride as i32, out as i32);
        let tensors = [x(), computed(&[1, out, out, 1])];
        let options = [0, stride, stride, kernel, kernel, 0];
        let got = one(&tensors, node(1, &[0], &[1], (5, &options)), &image);
        assert_eq!(got.unwrap(), [expected], "{kernel} {stride}");
    }
    let wide: Vec<i64> = vec![-40, -16, 0, 8, 16, 63];
    let row = || computed(&[1, 6]);
    let unary = |code| {
        one(&[row(), row()], node(code, &[0], &[1], NONE), &wide)
            .unwrap()
            .remove(0)
    };
    assert_eq!(unary(19), [0, 0, 0, 8, 16, 63]);
    let large: Vec<i64> = wide.iter().map(|v| v * v / 16).collect();
    assert_eq!(unary(92), large);
    let table = |f: fn(f64) -> f64| -> Vec<i64> {
        wide.iter()
            .map(|&v| (f(v as f64 / 16.0) * 16.0).round() as i64)
            .collect()
    };
    assert_eq!(unary(28), table(f64::tanh));
    assert_eq!(unary(14), table(|v| 1.0 / (1.0 + (-v).exp())));
    // Six at a scale of 16 is 96, beyond what the input can be: a doubled one is cut.
    let doubled = reals(&[], &[2.0]);
    let got = one(
        &[row(), doubled, row()],
        node(18, &[0, 1], &[2], (21, &[3])),
        &wide,
    );
    assert_eq!(got.unwrap(), [vec![0, 0, 0, 16, 32, 96]]);
    // rd(v·round(16/5), 16).
    let got = one(
        &[row(), reals(&[1], &[5.0]), row()],
        node(42, &[0, 1], &[2], (29, &[0])),
        &wide,
    );
    let expected = wide
        .iter()
        .map(|v| (2 * 3 * v + 16i64).div_euclid(32))
        .collect::<Vec<_>>();
    assert_eq!(got.unwrap(), [expected]);
    let got = one(
        &[row(), reals(&[], &[0.5]), row()],
        node(41, &[0, 1], &[2], (28, &[1])),
        &wide,
    );
    assert_eq!(got.unwrap(), [vec![0, 0, 0, 0, 8, 55]]);
    let got = one(&[row(), row()], node(0, &[0, 0], &[1], (11, &[0])), &wide);
    assert_eq!(
        got.unwrap(),
        [wide.iter().map(|v| 2 * v).collect::<Vec<_>>()]
    );
    for (exponent, f) in [(2.0, large), (3.0, table(|v| v * v * v))] {
        let got = one(
            &[row(), reals(&[], &[exponent]), row()],
            node(78, &[0, 1], &[2], NONE),
            &wide,
        );
        assert_eq!(got.unwrap(), [f]);
    }
}

/// What has no root is no number: nothing is computed for it.
#[test]
fn roots_of_negative_numbers() {
    // SQRT and RSQRT, at a scale of 16.
    for code in [75, 76] {
        let tensors = [computed(&[1, 2]), computed(&[1, 2])];
        let file = model(&tensors, vec![node(code, &[0], &[1], NONE)], &[0], &[1]);
        let loaded = import(".tflite", &file, 16).unwrap();
        // The root of 1, and its inverse.
        assert_eq!(execute(&loaded, &[16, 63])[0][0], 16);
        let error = run(&loaded.graph, &loaded.weights, &[vec![16, -1]]).unwrap_err();
        assert!(error.to_string().contains("a root's argument"), "{error}");
        let (defined, places) = loaded.defined().unwrap();
        assert_eq!(places.len(), 1);
        execute(&defined, &[16, -1]);
    }
}

/// Each constant of a file is committed, or public for a reason, or not used.
#[test]
fn constants_have_fates() {
    let tensors = [
        computed(&[1, 2]),
        reals(&[3, 2], &[0.25, -1.0, 0.5, 2.0, 0.0, 1.0]),
        computed(&[1, 3]),
        reals(&[], &[5.0]),
        computed(&[1, 3]),
        reals(&[], &[2.0]),
        computed(&[1, 3]),
        integers(&[2, 2], &[0, 0, 1, 0]),
        computed(&[1, 4]),
        integers(&[2], &[2, 2]),
        computed(&[2, 2]),
        reals(&[2], &[0.0, 0.0]),
        computed(&[2, 2]),
        reals(&[1], &[0.7]),
    ];
    let nodes = vec![
        // Fully connected, a quotient, a square, padding, a reshape, a sum.
        node(9, &[0, 1], &[2], (8, &[0])),
        node(42, &[2, 3], &[4], (29, &[0])),
        node(78, &[4, 5], &[6], NONE),
        node(34, &[6, 7], &[8], NONE),
        node(22, &[8, 9], &[10], NONE),
        node(0, &[10, 11], &[12], (11, &[0])),
    ];
    let model = import(".tflite", &model(&tensors, nodes, &[0], &[12]), 16).unwrap();
    let words = |name: &str| {
        let mut all = model.initialisers.iter();
        all.find(|one| one.name == name).unwrap().words()
    };
    assert_eq!(model.initialisers.len(), 7, "{:?}", model.initialisers);
    assert_eq!(words("t1"), "committed");
    assert_eq!(words("t3"), "committed");
    assert_eq!(words("t5"), "public: the exponent of operator 2 (POW)");
    assert_eq!(words("t7"), "public: input 1 of operator 3 (PAD)");
    assert_eq!(words("t9"), "public: input 1 of operator 4 (RESHAPE)");
    assert_eq!(words("t11"), "public: all of it is zero, which ranges tell");
    assert_eq!(words("t13"), "not used");
    // All of it is structure: nothing needs its owner's word, but names are looked up.
    model.check_public(&[]).unwrap();
    model.check_public(&["t1".to_owned()]).unwrap();
    let error = model.check_public(&["t2".to_owned()]).unwrap_err();
    assert!(error.to_string().contains("'t2'"), "{error}");
}

#[test]
fn matrices() {
    let x: Vec<i64> = vec![16, -32, 8, 24, 0, -16];
    // Two columns of three; bias added after the division.
    let weights = || reals(&[2, 3], &[1.0, 0.5, -1.0, 0.25, 0.0, 2.0]);
    let bias = || reals(&[2], &[0.5, -0.25]);
    let options = (8, [1, 0, 0].as_slice());
    let tensors = [computed(&[2, 3]), weights(), bias(), computed(&[2, 2])];
    let got = one(&tensors, node(9, &[0, 1, 2], &[3], options), &x).unwrap();
    assert_eq!(got, [[0, 16, 48, 0]]);
    // Without a bias, on what has to be flattened first.
    let tensors = [computed(&[1, 2, 3]), weights(), computed(&[2, 2])];
    let got = one(&tensors, node(9, &[0, 1, -1], &[2], (8, &[0, 0, 0])), &x).unwrap();
    assert_eq!(got, [[-8, 20, 40, -26]]);
    let tensors = [computed(&[1, 2, 3]), computed(&[1, 3, 3])];
    let got = one(&tensors, node(126, &[0, 0], &[1], (101, &[1, 0])), &x).unwrap();
    let at = |i: usize, j: usize| x[i] * x[j] + x[i + 3] * x[j + 3];
    let expected: Vec<i64> = (0..9)
        .map(|i| (2 * at(i / 3, i % 3) + 16).div_euclid(32))
        .collect();
    assert_eq!(got, [expected]);
    // Means over two dimensions, kept and not.
    for (shape, kept) in [(&[1, 3][..], 0), (&[1, 1, 1, 3], 1)] {
        let tensors = [
            computed(&[1, 1, 2, 3]),
            integers(&[2], &[1, -2]),
            computed(shape),
        ];
        let got = one(&tensors, node(40, &[0, 1], &[2], (27, &[kept])), &x).unwrap();
        assert_eq!(got, [[20, -16, -4]]);
    }
    let tensors = [
        computed(&[1, 2, 3]),
        integers(&[3], &[2, 0, 1]),
        computed(&[1, 1, 1]),
    ];
    let got = one(&tensors, node(40, &[0, 1], &[2], (27, &[1])), &x).unwrap();
    assert_eq!(got, [[0]]);
}

#[test]
fn convolutions() {
    let x: Vec<i64> = (0..18).map(|i| i * 7 % 31 - 15).collect();
    let kernels: Vec<f32> = (0..8).map(|i| i as f32 / 4.0 - 1.0).collect();
    let at = |y: usize, x_: usize, c: usize| {
        if y < 3 && x_ < 3 {
            x[(y * 3 + x_) * 2 + c]
        } else {
            0
        }
    };
    let rd = |v: i64| (2 * v + 16).div_euclid(32);
    let weight = |i: usize| 4 * i as i64 - 16;
    // SAME: one row and one column of zeros at the high end.
    let tensors = [
        computed(&[1, 3, 3, 2]),
        reals(&[1, 2, 2, 2], &kernels),
        computed(&[1, 3, 3, 1]),
    ];
    let got = one(&tensors, node(3, &[0, 1], &[2], (1, &[0, 1, 1, 0])), &x).unwrap();
    let expected: Vec<i64> = (0..9)
        .map(|i| {
            rd((0..8)
                .map(|t| weight(t) * at(i / 3 + t / 4, i % 3 + t / 2 % 2, t % 2))
                .sum())
        })
        .collect();
    assert_eq!(got, [expected]);
    // Depthwise, VALID, relu6, stride 1.
    let tensors = [
        computed(&[1, 3, 3, 2]),
        reals(&[1, 2, 2, 2], &kernels),
        computed(&[1, 2, 2, 2]),
    ];
    let got = one(&tensors, node(4, &[0, 1], &[2], (2, &[1, 1, 1, 1, 3])), &x).unwrap();
    let expected: Vec<i64> = (0..8)
        .map(|i| {
            let (y, x_, c) = (i / 4, i / 2 % 2, i % 2);
            let sum = (0..4).map(|t| weight(2 * t + c) * at(y + t / 2, x_ + t % 2, c));
            rd(sum.sum()).clamp(0, 96)
        })
        .collect();
    assert_eq!(got, [expected]);
}

#[test]
fn moves() {
    let x: Vec<i64> = (0..6).collect();
    let two = || computed(&[1, 2, 3]);
    let list = |values: &[i32]| integers(&[values.len() as i32], values);
    let case = |mut tensors: Vec<Tensor>, out: &[i32], code: i32, options: (u32, &[i32])| {
        tensors.insert(0, two());
        let inputs: Vec<i32> = (0..tensors.len() as i32).collect();
        tensors.push(computed(out));
        let outputs = [inputs.len() as i32];
        one(&tensors, node(code, &inputs, &outputs, options), &x).map(|mut all| all.remove(0))
    };
    let perm = vec![list(&[0, 2, 1])];
    assert_eq!(
        case(perm, &[1, 3, 2], 39, NONE).unwrap(),
        [0, 3, 1, 4, 2, 5]
    );
    let slice = vec![list(&[0, 0, 1]), list(&[1, 2, -1])];
    assert_eq!(case(slice, &[1, 2, 2], 65, NONE).unwrap(), [1, 2, 4, 5]);
    // x[:, 1, ::-2]
    let strided = || vec![list(&[0, 1, 0]), list(&[0, 2, 0]), list(&[1, 1, -2])];
    let masks = (32, [5, 5, 0, 0, 2, 0].as_slice());
    assert_eq!(case(strided(), &[1, 2], 45, masks).unwrap(), [5, 3]);
    let gather = vec![list(&[2, 0])];
    assert_eq!(
        case(gather, &[1, 2, 2], 36, (23, &[2])).unwrap(),
        [2, 0, 5, 3]
    );
    let pads = vec![integers(&[3, 2], &[0, 0, 1, 0, 0, 1])];
    let padded = [0, 0, 0, 0, 0, 1, 2, 0, 3, 4, 5, 0];
    assert_eq!(case(pads, &[1, 3, 4], 34, NONE).unwrap(), padded);
    let shape = vec![list(&[6])];
    assert_eq!(case(shape, &[6], 22, NONE).unwrap(), x);
    let wide = vec![list(&[2, 2, 3])];
    let twice = [&x[..], &x].concat();
    assert_eq!(case(wide, &[2, 2, 3], 130, NONE).unwrap(), twice);
    let both = vec![reals(&[1, 2, 1], &[1.0, 0.5])];
    assert_eq!(
        case(both, &[1, 2, 4], 2, (10, &[-1])).unwrap(),
        [0, 1, 2, 16, 3, 4, 5, 8]
    );
    // Parts, by size and by number, and one dimension less.
    let tensors = [
        two(),
        list(&[1, 2]),
        list(&[2]),
        computed(&[1, 2, 1]),
        computed(&[1, 2, 2]),
    ];
    let got = one(&tensors, node(102, &[0, 1, 2], &[3, 4], NONE), &x).unwrap();
    assert_eq!(got, [vec![0, 3], vec![1, 2, 4, 5]]);
    let tensors = [
        two(),
        list(&[1]),
        computed(&[1, 1, 3]),
        computed(&[1, 1, 3]),
    ];
    let got = one(&tensors, node(49, &[1, 0], &[2, 3], NONE), &x).unwrap();
    assert_eq!(got, [[0, 1, 2], [3, 4, 5]]);
    let tensors = [two(), computed(&[1, 3]), computed(&[1, 3])];
    let got = one(&tensors, node(88, &[0], &[1, 2], (64, &[2, 1])), &x).unwrap();
    assert_eq!(got, [[0, 1, 2], [3, 4, 5]]);
    let tensors = [two(), computed(&[1, 2, 2, 3])];
    let got = one(&tensors, node(83, &[0, 0], &[1], (59, &[2, 1])), &x).unwrap();
    assert_eq!(got, [twice]);
    let tensors = [computed(&[1, 1, 2, 3]), computed(&[1, 2, 4, 3])];
    let got = one(&tensors, node(97, &[0], &[1], (74, &[0, 0])), &x).unwrap();
    let row = [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5];
    assert_eq!(got, [[row, row].concat()]);
}
