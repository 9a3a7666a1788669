//! Weights of which rounding leaves nothing.

use super::*;

fn at_scale(proto: &ModelProto, scale: i64) -> Model {
    let options = ImportOptions {
        scale: Some(scale),
        ..Default::default()
    };
    let draft = super::super::load(&proto.encode_to_vec(), &options);
    draft.and_then(FloatModel::quantise).unwrap()
}

/// `x·w + b`.
fn linear(w: f32, b: f32) -> ModelProto {
    model(
        &[1, 4],
        vec![floats("w", &[4, 3], &[w; 12]), floats("b", &[3], &[b; 3])],
        vec![
            node("MatMul", &["x", "w"], "m", &[]),
            node("Add", &["m", "b"], "y", &[]),
        ],
    )
}

#[test]
fn weights_that_are_all_zero_are_named() {
    let lost = at_scale(&linear(0.0003, 0.5), 512).vanished;
    let [one] = lost.as_slice() else {
        panic!("{lost:?}")
    };
    assert!(
        one.what.contains("'w'") && one.what.contains("'m'"),
        "{one:?}"
    );
    // The named scale keeps them.
    assert!(one.scale > 512);
    let kept = at_scale(&linear(0.0003, 0.5), one.scale);
    assert_eq!(kept.vanished, []);
    assert!(kept.weights.values().flatten().any(|w| *w >= 4));
    // Zeros lose nothing, nor do offsets more than any rounding does.
    assert_eq!(at_scale(&linear(0.0, 0.5), 512).vanished, []);
    assert_eq!(at_scale(&linear(0.25, 0.0001), 512).vanished, []);
}

#[test]
fn layers_that_give_the_same_for_every_input_are_named() {
    // Inputs below 1/2 unit of what weights of one unit would need.
    let mut proto = linear(0.002, 0.5);
    let scaled = node("Mul", &["x", "s"], "small", &[]);
    let graph = proto.graph.as_mut().unwrap();
    let value = AttributeProto {
        name: "value".to_owned(),
        t: Some(floats("s", &[], &[0.001])),
        ..Default::default()
    };
    graph.node[0].input[0] = "small".to_owned();
    graph.node.insert(0, scaled);
    graph.node.insert(0, node("Constant", &[], "s", &[value]));
    let lost = at_scale(&proto, 512).vanished;
    assert!(lost.iter().any(|one| one.what.contains("'m'")), "{lost:?}");
}
