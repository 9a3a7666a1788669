//! Quantised tensors: sums of products are exact, and results are the nearest steps.

use super::*;
use crate::Fate;

const U8: i32 = 2;
const I8: i32 = 3;

fn bytes(name: &str, ty: i32, dims: &[i64], values: &[i64]) -> TensorProto {
    TensorProto {
        dims: dims.to_vec(),
        data_type: ty,
        raw_data: values.iter().map(|v| *v as u8).collect(),
        ..integers(name, &[])
    }
}

fn words(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        data_type: 6,
        raw_data: values
            .iter()
            .flat_map(|v| (*v as i32).to_le_bytes())
            .collect(),
        ..integers(name, values)
    }
}

/// Numbers that have no pattern, from `lo` on.
fn spread(count: usize, lo: i64) -> Vec<i64> {
    (0..count as i64)
        .map(|i| lo + (i * i * 37 + i * 91 + 13) % 256)
        .collect()
}

/// A model of one node on bytes.
fn quantised(ty: i32, x: &[i64], constants: Vec<TensorProto>, node: NodeProto) -> ModelProto {
    let mut proto = model(x, constants, vec![node]);
    let input = &mut proto.graph.as_mut().unwrap().input[0];
    let tensor = input.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap();
    tensor.elem_type = ty;
    proto
}

fn ran(model: &Model, x: &[i64]) -> Vec<i64> {
    let trace = run(&model.graph, &model.weights, &[x.to_vec()]).unwrap();
    outputs(&model.graph, &trace).remove(0)
}

fn at_scale(proto: &ModelProto, scale: i64) -> Model {
    let options = ImportOptions {
        scale: Some(scale),
        ..ImportOptions::default()
    };
    let draft = super::super::load(&proto.encode_to_vec(), &options);
    draft.and_then(FloatModel::quantise).unwrap()
}

fn error(proto: &ModelProto) -> String {
    load(proto).unwrap_err().to_string()
}

fn ends(ty: i32) -> (i64, i64) {
    if ty == U8 {
        (0, 255)
    } else {
        (-128, 127)
    }
}

fn nearest(sum: i64, factor: f64, zero: i64, ty: i32) -> i64 {
    let (lo, hi) = ends(ty);
    ((sum as f64 * factor).round_ties_even() as i64 + zero).clamp(lo, hi)
}

/// At the least scale as well, and most are the same: what is rounded twice may be a step off.
fn agrees(proto: &ModelProto, x: &[i64], expected: &[i64]) {
    for scale in [512, SCALE] {
        let got = ran(&at_scale(proto, scale), x);
        assert_eq!(got.len(), expected.len());
        let pairs = got.iter().zip(expected);
        let off: Vec<i64> = pairs.map(|(g, e)| (g - e).abs()).collect();
        assert!(off.iter().all(|o| *o <= 1), "{got:?} for {expected:?}");
        let same = off.iter().filter(|o| **o == 0).count();
        assert!(same * 20 >= off.len() * 19, "{got:?} for {expected:?}");
    }
    // The reference is the same arithmetic in floating point.
    let real: Vec<f64> = x.iter().map(|v| *v as f64).collect();
    let exact = crate::evaluate_float(&proto.encode_to_vec(), &[real]).unwrap();
    let got: Vec<i64> = exact[0].iter().map(|v| *v as i64).collect();
    assert_eq!(got, expected);
}

/// Two channels of 5 × 5, kernels of 3 × 3, one cell of padding, every second place.
fn sums(x: &[i64], w: &[i64], zeros: (i64, &[i64])) -> Vec<(usize, i64)> {
    let at = |c: usize, i: usize, j: usize| match (i.checked_sub(1), j.checked_sub(1)) {
        (Some(i @ ..5), Some(j @ ..5)) => x[c * 25 + i * 5 + j] - zeros.0,
        _ => 0,
    };
    let mut all = Vec::new();
    for o in 0..3 {
        for (i, j) in (0..9).map(|place| (place / 3 * 2, place % 3 * 2)) {
            let taps = (0..18).map(|t| (t / 9, t % 9 / 3, t % 3));
            let zero = zeros.1[o % zeros.1.len()];
            let terms =
                taps.map(|(c, p, q)| (w[o * 18 + c * 9 + p * 3 + q] - zero) * at(c, i + p, j + q));
            all.push((o, terms.sum()));
        }
    }
    all
}

#[test]
fn convolutions() {
    let attributes = [ints("pads", &[1, 1, 1, 1]), ints("strides", &[2, 2])];
    let inputs = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"];
    let scales: [f32; 3] = [0.004, 0.0071, 0.011];
    for (x_ty, w_ty, y_ty, outer) in [(U8, I8, U8, 3), (U8, U8, U8, 1), (I8, I8, I8, 3)] {
        let (x, w) = (spread(50, ends(x_ty).0), spread(54, ends(w_ty).0));
        let zero = ends(x_ty).0 + 114;
        let w_zeros = if w_ty == U8 {
            vec![131]
        } else {
            vec![0; outer]
        };
        let bias = [-900, 40, 1300];
        let dims: &[i64] = if outer == 1 { &[] } else { &[3] };
        let constants = vec![
            floats("xs", &[], &[0.03]),
            bytes("xz", x_ty, &[], &[zero]),
            bytes("w", w_ty, &[3, 2, 3, 3], &w),
            floats("ws", dims, &scales[..outer]),
            bytes("wz", w_ty, dims, &w_zeros),
            floats("ys", &[], &[0.15]),
            bytes("yz", y_ty, &[], &[7]),
            words("b", &bias),
        ];
        let node = node("QLinearConv", &inputs, "y", &attributes);
        let proto = quantised(x_ty, &[1, 2, 5, 5], constants, node);
        let one = |(o, sum): (usize, i64)| {
            let scale = f64::from(scales[o % outer]);
            let factor = f64::from(0.03f32) * scale / f64::from(0.15f32);
            nearest(sum + bias[o], factor, 7, y_ty)
        };
        let expected: Vec<i64> = sums(&x, &w, (zero, &w_zeros))
            .into_iter()
            .map(one)
            .collect();
        agrees(&proto, &x, &expected);
        // Kernels, and what they are multiplied by, are weights.
        let loaded = load(&proto).unwrap();
        for name in ["w", "b", "ws", "xs", "ys"] {
            let one = loaded.initialisers.iter().find(|one| one.name == name);
            assert_eq!(one.unwrap().fate, Fate::Committed, "{name}");
        }
    }
}

#[test]
fn sums_of_bytes() {
    // Zero points for each channel of kernels, and for each column.
    let (x, w) = (spread(50, 0), spread(54, 0));
    let zeros = [5, 130, 255];
    let constants = vec![
        bytes("w", U8, &[3, 2, 3, 3], &w),
        bytes("xz", U8, &[], &[9]),
        bytes("wz", U8, &[3], &zeros),
    ];
    let attributes = [ints("pads", &[1, 1, 1, 1]), ints("strides", &[2, 2])];
    let conv = node("ConvInteger", &["x", "w", "xz", "wz"], "y", &attributes);
    let proto = quantised(U8, &[1, 2, 5, 5], constants, conv);
    let expected: Vec<i64> = sums(&x, &w, (9, &zeros))
        .into_iter()
        .map(|(_, sum)| sum)
        .collect();
    assert_eq!(ran(&load(&proto).unwrap(), &x), expected);

    let (x, w) = (spread(8, -128), spread(12, -128));
    let columns = [1, -2, 3];
    let rows = [-100, 20];
    let constants = vec![
        bytes("w", I8, &[4, 3], &w),
        bytes("xz", I8, &[2], &rows),
        bytes("wz", I8, &[3], &columns),
    ];
    let matmul = node("MatMulInteger", &["x", "w", "xz", "wz"], "y", &[]);
    let proto = quantised(I8, &[2, 4], constants, matmul);
    let cell = |at: usize| -> i64 {
        let (i, j) = (at / 3, at % 3);
        let term = |k: usize| (x[i * 4 + k] - rows[i]) * (w[k * 3 + j] - columns[j]);
        (0..4).map(term).sum()
    };
    let expected: Vec<i64> = (0..6).map(cell).collect();
    assert_eq!(ran(&load(&proto).unwrap(), &x), expected);
}

#[test]
fn products_and_their_bias() {
    let (x, w) = (spread(16, 0), spread(24, -128));
    let scales: [f32; 3] = [0.002, 0.009, 0.0005];
    let bias = [700, -80, 3];
    let constants = |turned: bool| {
        let flat: Vec<i64> = match turned {
            true => (0..24).map(|at| w[at % 8 * 3 + at / 8]).collect(),
            false => w.clone(),
        };
        vec![
            floats("xs", &[1], &[0.021]),
            bytes("xz", U8, &[1], &[77]),
            bytes("w", I8, if turned { &[3, 8] } else { &[8, 3] }, &flat),
            floats("ws", &[3], &scales),
            bytes("wz", I8, &[3], &[0, 1, 2]),
            floats("ys", &[], &[0.04]),
            bytes("yz", U8, &[], &[128]),
            words("b", &bias),
        ]
    };
    let sum = |at: usize| -> i64 {
        let (i, j) = (at / 3, at % 3);
        (0..8)
            .map(|k| (x[i * 8 + k] - 77) * (w[k * 3 + j] - j as i64))
            .sum()
    };
    let factor = |at: usize| f64::from(0.021f32) * f64::from(scales[at % 3]);
    let step = f64::from(0.04f32);
    let plain = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"];
    let proto = quantised(
        U8,
        &[2, 8],
        constants(false),
        node("QLinearMatMul", &plain, "y", &[]),
    );
    let one = |at: usize| nearest(sum(at), factor(at) / step, 128, U8);
    agrees(&proto, &x, &(0..6).map(one).collect::<Vec<_>>());

    let gemm = |inputs: &[&str], turned: bool| {
        let attributes = [int("transB", i64::from(turned)), float("alpha", 0.5)];
        let node = NodeProto {
            domain: "com.microsoft".to_owned(),
            ..node("QGemm", inputs, "y", &attributes)
        };
        quantised(U8, &[2, 8], constants(turned), node)
    };
    let inputs = ["x", "xs", "xz", "w", "ws", "wz", "b", "ys", "yz"];
    for turned in [false, true] {
        let one = |at: usize| nearest(sum(at) + bias[at % 3], factor(at) / step / 2.0, 128, U8);
        agrees(
            &gemm(&inputs, turned),
            &x,
            &(0..6).map(one).collect::<Vec<_>>(),
        );
    }
    // Without a scale of the result: real numbers.
    let real = load(&gemm(&inputs[..6], true)).unwrap();
    for (at, got) in ran(&real, &x).into_iter().enumerate() {
        let expected = sum(at) as f64 * factor(at) / 2.0;
        assert!(
            (got as f64 / SCALE as f64 - expected).abs() < 1e-3,
            "{got}, {expected}"
        );
    }
}

/// What two halves of a step are: the even neighbour.
#[test]
fn ties_are_even() {
    let contributed = |op: &str, inputs: &[&str]| NodeProto {
        domain: "com.microsoft".to_owned(),
        ..node(op, inputs, "y", &[])
    };
    let constants = || {
        vec![
            floats("half", &[], &[0.5]),
            floats("one", &[], &[1.0]),
            bytes("z", I8, &[], &[0]),
            bytes("four", I8, &[1, 4], &[1, 1, -1, 2]),
        ]
    };
    let x = [5, -5, 7, 3];
    let on = |op: &str, inputs: &[&str], expected: &[i64]| {
        let proto = quantised(I8, &[1, 4], constants(), contributed(op, inputs));
        agrees(&proto, &x, expected);
        assert_eq!(ran(&at_scale(&proto, 512), &x), expected, "{op}");
    };
    let one = ["x", "half", "z", "four", "one", "z", "one", "z"];
    on("QLinearMul", &one, &[2, -2, -4, 3]);
    // 5/2 + 1, −5/2 + 1, 7/2 − 1, 3/2 + 2.
    on("QLinearAdd", &one, &[4, -2, 2, 4]);
    on(
        "QLinearConcat",
        &["one", "z", "x", "half", "z"],
        &[2, -2, 4, 2],
    );
}

#[test]
fn means_of_channels() {
    let x = spread(24, 0);
    for last in [0, 1] {
        let node = NodeProto {
            domain: "com.microsoft".to_owned(),
            ..node(
                "QLinearGlobalAveragePool",
                &["x", "xs", "z", "ys", "z"],
                "y",
                &[int("channels_last", last)],
            )
        };
        let constants = vec![
            floats("xs", &[], &[0.02]),
            floats("ys", &[], &[0.013]),
            bytes("z", U8, &[], &[100]),
        ];
        let proto = quantised(U8, &[1, 2, 4, 3], constants, node);
        let channels = if last == 0 { 2 } else { 3 };
        let one = |c: usize| {
            let of = |at: &usize| if last == 0 { at / 12 == c } else { at % 3 == c };
            let sum: i64 = (0..24).filter(of).map(|at| x[at] - 100).sum();
            let factor = f64::from(0.02f32) / f64::from(0.013f32) * channels as f64 / 24.0;
            nearest(sum, factor, 100, U8)
        };
        agrees(&proto, &x, &(0..channels).map(one).collect::<Vec<_>>());
    }
}

/// Steps that the tensor itself decides, and what is computed with them.
#[test]
fn steps_of_the_tensor_itself() {
    let nodes = vec![
        node("DynamicQuantizeLinear", &["x"], "q", &[]),
        node("DequantizeLinear", &["q", "s", "z"], "y", &[]),
    ];
    let mut proto = model(&[1, 4], vec![], nodes);
    let first = &mut proto.graph.as_mut().unwrap().node[0];
    first.output = ["q", "s", "z"].map(str::to_owned).to_vec();
    let (x, step) = ([-1.0f32, 0.3, 2.7, 4.1], 5.1 / 255.0);
    let round = |v: f32| ((f64::from(v) / step).round() * step) as f32;
    check(&proto, &x, &x.map(round));
    // All of it is 0: there is no step.
    let model = load(&proto).unwrap();
    let error = run(&model.graph, &model.weights, &[vec![0; 4]]).unwrap_err();
    assert!(error.to_string().contains("divisor"), "{error}");
}

#[test]
fn quantised_operands_that_are_refused() {
    let inputs = ["x", "s", "z", "w", "s", "z", "s", "z"];
    let on = |swap: (usize, &'static str)| {
        let mut inputs = inputs;
        inputs[swap.0] = swap.1;
        let constants = vec![
            floats("s", &[], &[0.5]),
            floats("two", &[2], &[0.5, 0.5]),
            floats("none", &[], &[0.0]),
            bytes("z", U8, &[], &[1]),
            bytes("signed", I8, &[], &[1]),
            bytes("w", U8, &[4, 3], &[1; 12]),
            words("wide", &[1]),
        ];
        error(&quantised(
            U8,
            &[1, 4],
            constants,
            node("QLinearMatMul", &inputs, "y", &[]),
        ))
    };
    for (swap, expected) in [
        (
            (1, "none"),
            "input 1: expected positive numbers, got others",
        ),
        (
            (1, "x"),
            "input 1: expected a known scale, got a computed tensor",
        ),
        ((4, "two"), "input 4: expected one number, or 3, got [2]"),
        ((2, "signed"), "input 2: expected uint8, got int8"),
        ((0, "s"), "input 0: expected integers of 8 bits, got float"),
        (
            (7, "wide"),
            "inputs 6 and 7: expected a number and a zero point of 8 bits",
        ),
        (
            (6, "two"),
            "inputs 6 and 7: expected a number and a zero point of 8 bits",
        ),
    ] {
        let text = on(swap);
        assert!(
            text.contains(expected),
            "'{text}' does not mention '{expected}'"
        );
    }
}
