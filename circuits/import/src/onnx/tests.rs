//! Models built from the schema itself: what operators compute, and what is refused.

mod branches;
mod calls;
mod corners;
mod functions;
mod groups;
mod held;
mod hostile;
mod integers;
mod ml;
mod qlinear;
mod refused;
mod tied;
mod undefined;
mod vanished;

use super::schema::*;
use crate::{FloatModel, ImportError, ImportOptions, Model};
use prost::Message;
use zkml_graph::exec::{outputs, run};

const SCALE: i64 = 1 << 16;

pub(super) fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: 1,
        float_data: values.to_vec(),
        ..Default::default()
    }
}

pub(super) fn integers(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![values.len() as i64],
        data_type: 7,
        raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..Default::default()
    }
}

pub(super) fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ints: ints.to_vec(),
        ..Default::default()
    }
}

pub(super) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        i,
        ..Default::default()
    }
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        f,
        ..Default::default()
    }
}

fn text(name: &str, s: &str) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        s: s.as_bytes().to_vec(),
        ..Default::default()
    }
}

/// A node named after its output.
pub(super) fn node(
    op: &str,
    inputs: &[&str],
    output: &str,
    attribute: &[AttributeProto],
) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|&s| s.to_owned()).collect(),
        output: vec![output.to_owned()],
        op_type: op.to_owned(),
        attribute: attribute.to_vec(),
        ..Default::default()
    }
}

pub(super) fn info(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = |&d: &i64| DimensionProto {
        dim_value: (d > 0).then_some(d),
        dim_param: None,
    };
    let shape = Some(TensorShapeProto {
        dim: dims.iter().map(dim).collect(),
    });
    let tensor_type = Some(TensorTypeProto {
        elem_type: 1,
        shape,
    });
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { tensor_type }),
    }
}

/// A model from `x` to `y`.
pub(super) fn model(x: &[i64], initializer: Vec<TensorProto>, node: Vec<NodeProto>) -> ModelProto {
    let (input, output) = (vec![info("x", x)], vec![info("y", &[])]);
    ModelProto {
        graph: Some(GraphProto {
            node,
            initializer,
            input,
            output,
        }),
        ..Default::default()
    }
}

fn load(model: &ModelProto) -> Result<Model, ImportError> {
    let options = ImportOptions {
        scale: Some(SCALE),
        input_range: Some((-16.0, 16.0)),
        ..ImportOptions::default()
    };
    super::load(&model.encode_to_vec(), &options).and_then(FloatModel::quantise)
}

pub(super) fn kinds(model: &Model) -> Vec<&'static str> {
    model.graph.nodes.iter().map(|n| n.op.kind()).collect()
}

/// Runs the model on numbers, and checks its outputs to within a few thousandths.
pub(super) fn check(proto: &ModelProto, x: &[f32], expected: &[f32]) -> Model {
    let model = load(proto).unwrap();
    let input = x
        .iter()
        .map(|&v| (f64::from(v) * SCALE as f64).round() as i64)
        .collect();
    let trace = run(&model.graph, &model.weights, &[input]).unwrap();
    let got = outputs(&model.graph, &trace).remove(0);
    let got: Vec<f64> = got.into_iter().map(|v| v as f64 / SCALE as f64).collect();
    assert_eq!(got.len(), expected.len(), "{got:?}");
    for (g, &e) in got.iter().zip(expected) {
        assert!(
            (g - f64::from(e)).abs() < 2e-3,
            "{got:?}, expected {expected:?}"
        );
    }
    model
}

#[test]
fn convolution_with_normalisation_and_relu_is_one_node() {
    let proto = model(
        &[-1, 1, 3, 3],
        vec![
            floats("w", &[2, 1, 2, 2], &[1., 0., 0., 1., -1., 0.5, 0., 0.]),
            floats("b", &[2], &[0.5, -0.5]),
            floats("gamma", &[2], &[2., 1.]),
            floats("beta", &[2], &[0., 3.]),
            floats("mean", &[2], &[1., 0.]),
            floats("var", &[2], &[4., 1.]),
        ],
        vec![
            node("Conv", &["x", "w", "b"], "c", &[ints("strides", &[1, 1])]),
            node(
                "BatchNormalization",
                &["c", "gamma", "beta", "mean", "var"],
                "n",
                &[],
            ),
            node("Relu", &["n"], "y", &[]),
        ],
    );
    // Channel 0: relu(x00 + x11 + 0.5 − 1); channel 1: relu(−x00 + x01/2 − 0.5 + 3).
    let x = [1., 2., 3., 4., 5., 6., -7., 8., 9.];
    let expected = [5.5, 7.5, 11.5, 13.5, 2.5, 2.0, 1.0, 0.5];
    let model = check(&proto, &x, &expected);
    assert_eq!(kinds(&model), ["Conv"]);
    assert_eq!(model.source.inputs[0].shape, [1, 1, 3, 3]);
    assert_eq!(model.source.outputs[0].shape, [1, 2, 2, 2]);
}

#[test]
fn padding_and_groups() {
    let w = || floats("w", &[2, 1, 3, 3], &[[0.; 9], [1.; 9]].concat());
    let conv = |attributes: &[AttributeProto]| {
        let group = [attributes, &[int("group", 2)]].concat();
        model(
            &[1, 2, 2, 2],
            vec![w()],
            vec![node("Conv", &["x", "w"], "y", &group)],
        )
    };
    let x = [1., 2., 3., 4., 5., 6., 7., 8.];
    check(
        &conv(&[text("auto_pad", "SAME_UPPER")]),
        &x,
        &[0., 0., 0., 0., 26., 26., 26., 26.],
    );
    check(
        &conv(&[ints("pads", &[1, 1, 1, 1])]),
        &x,
        &[0., 0., 0., 0., 26., 26., 26., 26.],
    );
    let one = ints("strides", &[2, 2]);
    check(
        &conv(&[one.clone(), text("auto_pad", "SAME_UPPER")]),
        &x,
        &[0., 26.],
    );
    check(&conv(&[one, ints("pads", &[1, 0, 0, 1])]), &x, &[0., 26.]);
    // One dimension.
    let proto = model(
        &[1, 1, 4],
        vec![floats("w", &[1, 1, 2], &[1., 2.])],
        vec![node("Conv", &["x", "w"], "y", &[ints("strides", &[2])])],
    );
    assert_eq!(
        check(&proto, &[1., 2., 3., 4.], &[5., 11.]).source.outputs[0].shape,
        [1, 1, 2]
    );
}

#[test]
fn products() {
    let w = || floats("w", &[2, 3], &[1., 2., 3., 4., 5., 6.]);
    let gemm = node(
        "Gemm",
        &["x", "w", "c"],
        "y",
        &[int("transB", 1), float("alpha", 0.5), float("beta", 2.0)],
    );
    let proto = model(&[1, 3], vec![w(), floats("c", &[1], &[1.])], vec![gemm]);
    let model_ = check(&proto, &[1., 0., -1.], &[1., 1.]);
    assert_eq!(kinds(&model_), ["Linear"]);
    let add = |from: &str, to: &str| node("Add", &["c", from], to, &[]);
    let biased = vec![node("MatMul", &["x", "w"], "p", &[]), add("p", "y")];
    let c = || floats("c", &[3], &[10., 20., 30.]);
    let model_ = check(
        &model(&[1, 2], vec![w(), c()], biased.clone()),
        &[1., 1.],
        &[15., 27., 39.],
    );
    assert_eq!(kinds(&model_), ["Linear"]);
    // Rows: a 1×1 convolution.
    let x = [1., 1., 0., 1., 1., 0.];
    let expected = [15., 27., 39., 14., 25., 36., 11., 22., 33.];
    check(&model(&[1, 3, 2], vec![w(), c()], biased), &x, &expected);
}

#[test]
fn pools() {
    let x: Vec<f32> = (0..25).map(|v| v as f32 / 2.0).collect();
    let pool = |op: &str, attributes: &[AttributeProto]| {
        model(
            &[1, 1, 5, 5],
            vec![],
            vec![node(op, &["x"], "y", attributes)],
        )
    };
    let two = [ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
    check(&pool("MaxPool", &two), &x, &[3., 4., 8., 9.]);
    check(&pool("AveragePool", &two), &x, &[1.5, 2.5, 6.5, 7.5]);
    let ceil = [two.to_vec(), vec![int("ceil_mode", 1)]].concat();
    check(
        &pool("MaxPool", &ceil),
        &x,
        &[3., 4., 4.5, 8., 9., 9.5, 10.5, 11.5, 12.],
    );
    let same = [two.to_vec(), vec![text("auto_pad", "SAME_LOWER")]].concat();
    check(
        &pool("MaxPool", &same),
        &x,
        &[0., 1., 2., 5., 6., 7., 10., 11., 12.],
    );
    let padded = [
        two.to_vec(),
        vec![ints("pads", &[1, 1, 0, 0]), int("count_include_pad", 1)],
    ];
    let expected = [0., 0.375, 0.875, 1.875, 4.5, 5.5, 4.375, 9.5, 10.5];
    check(&pool("AveragePool", &padded.concat()), &x, &expected);
    check(&pool("GlobalAveragePool", &[]), &x, &[6.]);
    check(&pool("GlobalMaxPool", &[]), &x, &[12.]);
}

#[test]
fn elementwise() {
    let constants = || {
        vec![
            floats("c", &[1, 2, 1], &[2., -4.]),
            floats("s", &[], &[0.001]),
        ]
    };
    let run = |nodes: Vec<NodeProto>, expected: &[f32]| {
        check(
            &model(&[1, 2, 2], constants(), nodes),
            &[1., 2., 3., 4.],
            expected,
        )
    };
    let one = |op: &str, inputs: &[&str]| vec![node(op, inputs, "y", &[])];
    run(one("Add", &["x", "c"]), &[3., 4., -1., 0.]);
    run(one("Sub", &["x", "c"]), &[-1., 0., 7., 8.]);
    run(one("Sub", &["c", "x"]), &[1., 0., -7., -8.]);
    run(one("Mul", &["c", "x"]), &[2., 4., -12., -16.]);
    run(one("Div", &["x", "c"]), &[0.5, 1., -0.75, -1.]);
    run(one("Add", &["x", "x"]), &[2., 4., 6., 8.]);
    run(one("Mul", &["x", "x"]), &[1., 4., 9., 16.]);
    run(one("Sub", &["x", "x"]), &[0.; 4]);
    // A small factor keeps its bits: 0.001² is nothing at this scale.
    let shrunk = vec![
        node("Mul", &["s", "s"], "tiny", &[]),
        node("Mul", &["x", "tiny"], "t", &[]),
        node("Div", &["t", "tiny"], "y", &[]),
    ];
    assert!(load(&model(&[1, 2, 2], constants(), shrunk)).is_ok());
    let fused = vec![
        node("Mul", &["x", "c"], "m", &[]),
        node("Add", &["m", "s"], "y", &[]),
    ];
    run(fused, &[2.001, 4.001, -11.999, -15.999]);
    let clips = vec![
        node("Clip", &["x"], "p", &[float("min", 1.5), float("max", 3.5)]),
        node("Relu", &["p"], "q", &[]),
        node("Clip", &["q", "", "s"], "r", &[]),
        node("Add", &["p", "r"], "y", &[]),
    ];
    run(clips, &[1.501, 2.001, 3.001, 3.501]);
    assert_eq!(
        kinds(&run(one("Clip", &["x"]), &[1., 2., 3., 4.])),
        Vec::<&str>::new()
    );
}

#[test]
fn small_factors_keep_their_bits() {
    let nodes = vec![
        node("Mul", &["x", "s"], "t", &[]),
        node("Relu", &["t"], "y", &[]),
    ];
    let proto = model(&[1, 2], vec![floats("s", &[], &[1e-5])], nodes);
    let model = load(&proto).unwrap();
    let weights = model.weights.values().next().unwrap();
    assert!(weights[0] > SCALE / 8, "{weights:?}");
}

#[test]
fn shapes() {
    let run = |nodes: Vec<NodeProto>, shape: &[usize], expected: &[f32]| {
        let initializers = vec![
            integers("to", &[0, -1]),
            integers("axis", &[1]),
            integers("deep", &[1, 3, 1, 2]),
            floats("w", &[2, 1], &[1., -1.]),
        ];
        let proto = model(&[-1, 2, 3], initializers, nodes);
        let model = check(&proto, &[0., 1., 2., 3., 4., 5.], expected);
        assert_eq!(model.source.outputs[0].shape, shape);
        model
    };
    let all = [0., 1., 2., 3., 4., 5.];
    run(vec![node("Reshape", &["x", "to"], "y", &[])], &[1, 6], &all);
    run(vec![node("Flatten", &["x"], "y", &[])], &[1, 6], &all);
    run(
        vec![node("Flatten", &["x"], "y", &[int("axis", -1)])],
        &[2, 3],
        &all,
    );
    run(
        vec![node("Unsqueeze", &["x", "axis"], "y", &[])],
        &[1, 1, 2, 3],
        &all,
    );
    run(vec![node("Squeeze", &["x"], "y", &[])], &[2, 3], &all);
    let back = vec![
        node("Unsqueeze", &["x"], "u", &[ints("axes", &[1])]),
        node("Squeeze", &["u"], "y", &[ints("axes", &[-3])]),
    ];
    assert!(kinds(&run(back, &[1, 2, 3], &all)).is_empty());
    let turned = [0., 3., 1., 4., 2., 5.];
    run(
        vec![node("Transpose", &["x"], "y", &[ints("perm", &[0, 2, 1])])],
        &[1, 3, 2],
        &turned,
    );
    run(
        vec![node("Transpose", &["x"], "y", &[])],
        &[3, 2, 1],
        &turned,
    );
    // Constants take the same path.
    let constant = AttributeProto {
        t: Some(floats("", &[1, 2], &[7., 8.])),
        ..ints("value", &[])
    };
    let folded = vec![
        node("Constant", &[], "k", &[constant]),
        node("Transpose", &["k"], "kt", &[]),
        node("Add", &["kt", "w"], "sum", &[]),
        node("Identity", &["sum"], "sum2", &[]),
        node("Dropout", &["x"], "d", &[]),
        node("Mul", &["d", "sum2"], "y", &[]),
    ];
    run(folded, &[1, 2, 3], &[0., 8., 16., 21., 28., 35.]);
    // A flatten after a transpose: the columns of the weights move instead.
    let head = vec![
        node("Transpose", &["x"], "t", &[ints("perm", &[0, 2, 1])]),
        node("Flatten", &["t"], "f", &[]),
        node("Reshape", &["f", "deep"], "g", &[]),
        node("Flatten", &["g"], "h", &[]),
        node(
            "Constant",
            &[],
            "m",
            &[floats_attribute(&[1., 10., 100., 1000., 0., 0.])],
        ),
        node("Unsqueeze", &["m"], "col", &[ints("axes", &[1])]),
        node("MatMul", &["h", "col"], "y", &[]),
    ];
    let model = run(head, &[1, 1], &[4130.]);
    assert_eq!(kinds(&model), ["Reshape", "Linear"]);
}

fn floats_attribute(values: &[f32]) -> AttributeProto {
    AttributeProto {
        floats: values.to_vec(),
        ..ints("value_floats", &[])
    }
}

#[test]
fn typed_and_raw_data() {
    let base = |data_type| TensorProto {
        data_type,
        dims: vec![2],
        ..Default::default()
    };
    let raw = |data_type, raw_data: Vec<u8>| TensorProto {
        raw_data,
        ..base(data_type)
    };
    let forms = [
        TensorProto {
            float_data: vec![1., -2.],
            ..base(1)
        },
        TensorProto {
            int32_data: vec![1, -2],
            ..base(6)
        },
        TensorProto {
            int64_data: vec![1, -2],
            ..base(7)
        },
        TensorProto {
            double_data: vec![1., -2.],
            ..base(11)
        },
        raw(
            1,
            [1f32, -2.].iter().flat_map(|v| v.to_le_bytes()).collect(),
        ),
        raw(6, [1i32, -2].iter().flat_map(|v| v.to_le_bytes()).collect()),
        raw(7, [1i64, -2].iter().flat_map(|v| v.to_le_bytes()).collect()),
        raw(
            11,
            [1f64, -2.].iter().flat_map(|v| v.to_le_bytes()).collect(),
        ),
    ];
    for form in forms {
        let expected = (vec![2], vec![1.0, -2.0]);
        assert_eq!(
            super::tensor::constant(&form, "t").unwrap().pair(),
            expected
        );
    }
}
