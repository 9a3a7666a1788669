//! Corners of operators' definitions: lists that name an axis twice, bounds that have changed places.

use super::*;

#[test]
fn axes_are_named_once() {
    let on = |op: &str, lists: &[(&str, &[i64])]| {
        let constants = lists.iter().map(|(name, list)| integers(name, list));
        let constants = constants.collect();
        let names: Vec<&str> = lists.iter().map(|(name, _)| *name).collect();
        let inputs = [&["x"], names.as_slice()].concat();
        let error = load(&model(
            &[1, 2],
            constants,
            vec![node(op, &inputs, "y", &[])],
        ));
        error.unwrap_err().to_string()
    };
    let twice = |text: &str| assert!(text.contains("axes: expected each of them once"), "{text}");
    twice(&on("Unsqueeze", &[("axes", &[0, 0])]));
    twice(&on("Unsqueeze", &[("axes", &[1, -3])]));
    let zeros: &[i64] = &[0, 0];
    twice(&on(
        "Slice",
        &[("starts", zeros), ("ends", &[1, 1]), ("axes", &[1, -1])],
    ));
}

#[test]
fn the_upper_bound_of_a_clip_counts() {
    let clip = |lo: &str, hi: &str| {
        let constants = vec![floats("one", &[], &[1.0]), floats("two", &[], &[2.0])];
        let nodes = vec![
            node("ReduceSum", &["x"], "s", &[int("keepdims", 0)]),
            node("Clip", &["x", lo, hi], "y", &[]),
        ];
        model(&[1, 2], constants, nodes)
    };
    check(&clip("two", "one"), &[3.0, -3.0], &[1.0, 1.0]);
    // The sum is 0: a computed bound, below the other one.
    check(&clip("one", "s"), &[3.0, -3.0], &[0.0, 0.0]);
    check(&clip("s", "two"), &[3.0, -3.0], &[2.0, 0.0]);
    check(&clip("s", ""), &[3.0, -3.0], &[3.0, 0.0]);
    check(&clip("", "s"), &[3.0, -3.0], &[0.0, -3.0]);
    check(&clip("s", "s"), &[3.0, -1.0], &[2.0, 2.0]);
}

#[test]
fn infinities_of_one_sign() {
    let found = |attributes: &[AttributeProto]| {
        let constants = vec![floats(
            "c",
            &[1, 3],
            &[f32::INFINITY, f32::NEG_INFINITY, 0.0],
        )];
        let nodes = vec![
            node("IsInf", &["c"], "i", attributes),
            node("Cast", &["i"], "f", &[int("to", 1)]),
            node("Add", &["x", "f"], "y", &[]),
        ];
        model(&[1, 3], constants, nodes)
    };
    check(&found(&[]), &[0.0; 3], &[1.0, 1.0, 0.0]);
    check(
        &found(&[int("detect_negative", 0)]),
        &[0.0; 3],
        &[1.0, 0.0, 0.0],
    );
    check(
        &found(&[int("detect_positive", 0)]),
        &[0.0; 3],
        &[0.0, 1.0, 0.0],
    );
}
