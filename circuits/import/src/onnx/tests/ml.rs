//! `ai.onnx.ml`. Numbers that are expected are onnxruntime's.

mod trees;

use super::*;
use crate::evaluate_float;

const DOMAIN: &str = "ai.onnx.ml";

/// Integers that 1 is.
const UNIT: i64 = 1 << 12;

fn load(proto: &ModelProto) -> Result<Model, ImportError> {
    let options = ImportOptions {
        scale: Some(UNIT),
        input_range: Some((-16.0, 16.0)),
        ..ImportOptions::default()
    };
    let draft = super::super::load(&proto.encode_to_vec(), &options);
    draft.and_then(FloatModel::quantise)
}

fn reals(name: &str, floats: &[f32]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        floats: floats.to_vec(),
        ..Default::default()
    }
}

fn words(name: &str, words: &[&str]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        strings: words.iter().map(|w| w.as_bytes().to_vec()).collect(),
        ..Default::default()
    }
}

/// A model of one node, whose outputs are those named, on rows of so many features.
fn ml(op: &str, features: i64, outputs: &[&str], attributes: &[AttributeProto]) -> ModelProto {
    let mut one = node(op, &["x"], "y", attributes);
    one.domain = DOMAIN.to_owned();
    one.output = outputs.iter().map(|&name| name.to_owned()).collect();
    let mut proto = model(&[0, features], vec![], vec![one]);
    let graph = proto.graph.as_mut().unwrap();
    graph.output = outputs.iter().map(|name| info(name, &[])).collect();
    proto
}

/// All outputs for a row, as numbers of the file.
fn ran(model: &Model, row: &[f64]) -> Vec<Vec<f64>> {
    let units = row.iter().map(|v| (v * UNIT as f64).round() as i64);
    let trace = run(&model.graph, &model.weights, &[units.collect()]).unwrap();
    let outputs = outputs(&model.graph, &trace).into_iter();
    let real = |(values, port): (Vec<i64>, &crate::Port)| {
        let unit = port.scale_or(UNIT) as f64;
        values.into_iter().map(|v| v as f64 / unit).collect()
    };
    outputs.zip(&model.source.outputs).map(real).collect()
}

/// What a model answers, in integers and in floating point.
fn right(proto: &ModelProto, x: &[f32], expected: &[&[f64]]) {
    let row: Vec<f64> = x.iter().map(|&v| v.into()).collect();
    let real = evaluate_float(&proto.encode_to_vec(), std::slice::from_ref(&row)).unwrap();
    for got in [ran(&load(proto).unwrap(), &row), real] {
        assert_eq!(got.len(), expected.len(), "{got:?}");
        for (got, expected) in got.iter().zip(expected) {
            let near = |(g, e): (&f64, &f64)| (g - e).abs() < 2e-3;
            let same = got.len() == expected.len() && got.iter().zip(*expected).all(near);
            assert!(same, "{x:?}: {got:?}, expected {expected:?}");
        }
    }
}

fn refusal(proto: &ModelProto) -> String {
    load(proto).unwrap_err().to_string()
}

#[test]
fn scaled_and_replaced() {
    let one = |op: &str, attributes: &[AttributeProto]| ml(op, 3, &["y"], attributes);
    let scaler = [
        reals("offset", &[1., 0., -2.]),
        reals("scale", &[2., 3., 0.5]),
    ];
    right(&one("Scaler", &scaler), &[3., -1., 4.], &[&[4., -3., 3.]]);
    let all = [reals("offset", &[0.5]), reals("scale", &[4.])];
    right(&one("Scaler", &all), &[1., 0., 0.5], &[&[2., -2., 0.]]);
    // A threshold between units is between them: 0.3 is 1228.8 of them.
    let units = |n: f32| n / UNIT as f32;
    let near = [units(1228.), units(1229.), units(1230.)];
    right(
        &one("Binarizer", &[float("threshold", 0.3)]),
        &near,
        &[&[0., 1., 1.]],
    );
    right(
        &one("Binarizer", &[float("threshold", 1.0)]),
        &[1., 2., 0.],
        &[&[0., 1., 0.]],
    );
    let missing = float("replaced_value_float", -1.0);
    let imputer = [reals("imputed_value_floats", &[7., 8., 9.]), missing];
    right(&one("Imputer", &imputer), &[-1., 2., -1.], &[&[7., 2., 9.]]);
    right(
        &one("Imputer", &imputer[..1]),
        &[-1., 2., -1.],
        &[&[-1., 2., -1.]],
    );
}

#[test]
fn rows_of_one_length() {
    let norm = |norm: &str| ml("Normalizer", 3, &["y"], &[text("norm", norm)]);
    right(&norm("MAX"), &[1., -2., 0.5], &[&[1., -2., 0.5]]);
    right(&norm("MAX"), &[-1., -2., -4.], &[&[1., 2., 4.]]);
    // Where there is nothing to divide by, nothing changes.
    right(&norm("MAX"), &[-1., 0., -2.], &[&[-1., 0., -2.]]);
    right(&norm("L1"), &[1., -2., 0.5], &[&[0.2857, -0.5714, 0.1429]]);
    right(&norm("L2"), &[1., -2., 0.5], &[&[0.4364, -0.8729, 0.2182]]);
    right(
        &norm("L2"),
        &[0.02, 0.01, -0.02],
        &[&[0.6667, 0.3333, -0.6667]],
    );
    for name in ["MAX", "L1", "L2"] {
        right(&norm(name), &[0.; 3], &[&[0.; 3]]);
    }
    assert!(refusal(&norm("L3")).contains("expected MAX, L1 or L2, got L3"));
}

#[test]
fn categories() {
    let one = |op: &str, attributes: &[AttributeProto]| ml(op, 2, &["y"], attributes);
    let cats = |zeros: i64| {
        one(
            "OneHotEncoder",
            &[ints("cats_int64s", &[3, 5]), int("zeros", zeros)],
        )
    };
    right(&cats(1), &[5., 4.], &[&[0., 1., 0., 0.]]);
    right(&cats(0), &[5., 3.], &[&[0., 1., 1., 0.]]);
    let model = load(&cats(0)).unwrap();
    let units = vec![5 * UNIT, 4 * UNIT];
    let error = run(&model.graph, &model.weights, &[units]).unwrap_err();
    assert!(error.to_string().contains("index"), "{error}");
    let encoder = [
        reals("keys_floats", &[1., 2., 1.]),
        reals("values_floats", &[10., -20.5, 99.]),
        float("default_float", 0.25),
    ];
    right(&one("LabelEncoder", &encoder), &[2., 1.], &[&[-20.5, 10.]]);
    right(&one("LabelEncoder", &encoder), &[0., 1.], &[&[0.25, 10.]]);
    let strings = [words("keys_strings", &["a"]), ints("values_int64s", &[1])];
    let error = refusal(&one("LabelEncoder", &strings));
    assert!(
        error.contains("attribute 'keys_strings': expected numbers, got words"),
        "{error}"
    );
    right(
        &one("FeatureVectorizer", &[ints("inputdimensions", &[2])]),
        &[1., 2.],
        &[&[1., 2.]],
    );
    right(
        &one("ZipMap", &[ints("classlabels_int64s", &[0, 1])]),
        &[1., 2.],
        &[&[1., 2.]],
    );
}

#[test]
fn elements_by_index() {
    let mut extract = node("ArrayFeatureExtractor", &["x", "i"], "y", &[]);
    extract.domain = DOMAIN.to_owned();
    let with =
        |indices: &[i64]| model(&[1, 4], vec![integers("i", indices)], vec![extract.clone()]);
    check(&with(&[3, 0, 3]), &[1., 2., 3., 4.], &[4., 1., 4.]);
    assert!(refusal(&with(&[-1])).contains("indices from 0 to 3"));
    assert!(refusal(&with(&[4])).contains("indices"));
}

fn linear(count: usize, labels: &[i64], post: &str) -> ModelProto {
    let attributes = [
        reals("coefficients", &[1., 0.5, -0.7][..count]),
        reals("intercepts", &[0.1, -0.2, 0.][..count]),
        ints("classlabels_ints", labels),
        text("post_transform", post),
    ];
    ml("LinearClassifier", 1, &["l", "p"], &attributes)
}

#[test]
fn linear_models() {
    // One score for two classes.
    right(&linear(1, &[0, 1], "NONE"), &[-1.], &[&[0.], &[1.9, -0.9]]);
    right(
        &linear(1, &[3, 7], "LOGISTIC"),
        &[1.],
        &[&[7.], &[0.2497, 0.7503]],
    );
    right(
        &linear(1, &[3, 7], "SOFTMAX"),
        &[0.3],
        &[&[7.], &[0.6, 0.4]],
    );
    right(
        &linear(2, &[3, 7], "LOGISTIC"),
        &[-1.],
        &[&[7.], &[0.2891, 0.3318]],
    );
    right(
        &linear(3, &[0, 1, 2], "SOFTMAX"),
        &[1.],
        &[&[0.], &[0.6193, 0.2783, 0.1024]],
    );
    right(
        &linear(3, &[9, -8, 7], "NONE"),
        &[-1.],
        &[&[7.], &[-0.9, -0.7, 0.7]],
    );
    assert!(refusal(&linear(3, &[0, 1], "NONE")).contains("scores for 2 classes"));
    assert!(
        refusal(&linear(1, &[0, 1], "PROBIT")).contains("NONE, LOGISTIC or SOFTMAX, got PROBIT")
    );
    let regressor = |targets: i64, post: &str| {
        let coefficients = reals("coefficients", &[1., 2., 3., -1.][..2 * targets as usize]);
        let intercepts = reals("intercepts", &[0.5, 0.][..targets as usize]);
        let attributes = [
            coefficients,
            intercepts,
            int("targets", targets),
            text("post_transform", post),
        ];
        ml("LinearRegressor", 2, &["y"], &attributes)
    };
    right(&regressor(1, "NONE"), &[1., -2.], &[&[-2.5]]);
    right(&regressor(2, "LOGISTIC"), &[1., -2.], &[&[0.0759, 0.9933]]);
    assert!(refusal(&regressor(1, "LOGISTIC")).contains("NONE for one target"));
    // Committed, and none of it public.
    let model = load(&linear(3, &[0, 1, 2], "NONE")).unwrap();
    let fates: Vec<String> = model
        .initialisers
        .iter()
        .map(|i| format!("{}: {}", i.name, i.words()))
        .collect();
    assert_eq!(
        fates,
        ["l.coefficients: committed", "l.intercepts: committed"]
    );
}

/// Every operator on operands and attributes that it does not expect: an error or a model, never a panic.
#[test]
fn operands_of_any_shape() {
    let page = include_str!("../../../../../docs/conformance.md");
    let (_, list) = page.split_once("up to version 5: ").unwrap();
    let (list, _) = list.split_once(". ").unwrap();
    let shapes: [&[i64]; 5] = [&[], &[3], &[2, 3], &[1, 3], &[1, 2, 3]];
    let numbers = vec![
        reals("coefficients", &[0.5; 6]),
        reals("intercepts", &[1.0; 2]),
        reals("scale", &[2.0; 3]),
        reals("offset", &[1.0]),
        reals("imputed_value_floats", &[1.0; 2]),
        float("replaced_value_float", 0.0),
        ints("classlabels_ints", &[4, 5]),
        ints("cats_int64s", &[1, i64::MAX]),
        ints("keys_int64s", &[1, -1]),
        reals("values_floats", &[2.5, f32::MAX]),
        text("norm", "L2"),
        ints("inputdimensions", &[3, -1]),
    ];
    let ends = vec![
        int("n_targets", i64::MAX),
        int("targets", i64::MAX),
        ints("nodes_treeids", &[0, 0]),
        ints("classlabels_int64s", &[i64::MIN]),
        ints("tree_roots", &[-1]),
    ];
    let trees = [
        trees::forest_of_two("target"),
        trees::forest_of_two("class"),
    ];
    let [target, class] = trees.map(|trees| [trees, numbers.clone()].concat());
    let sets = [vec![], numbers, ends, target, class];
    let mut loaded = 0;
    for op in list.split(", ") {
        for x in shapes {
            for attributes in &sets {
                for inputs in [&["x"][..], &["x", "i"], &["c", "x"], &["x", "x", "x"], &[]] {
                    let constants =
                        vec![floats("c", &[2, 3], &[2.0; 6]), integers("i", &[1, 0, -1])];
                    let mut one = node(op, inputs, "y", attributes);
                    one.domain = DOMAIN.to_owned();
                    loaded += usize::from(load(&model(x, constants, vec![one])).is_ok());
                }
            }
        }
    }
    assert!(loaded > 100, "{loaded}");
}
