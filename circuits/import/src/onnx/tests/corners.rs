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

#[test]
fn reductions_over_no_axes() {
    let of = |op: &str| {
        let noop = int("noop_with_empty_axes", 1);
        model(&[1, 3], vec![], vec![node(op, &["x"], "y", &[noop])])
    };
    let x = [-1.0, 2.0, 0.5];
    check(&of("ReduceSumSquare"), &x, &[1.0, 4.0, 0.25]);
    check(&of("ReduceL1"), &x, &[1.0, 2.0, 0.5]);
    check(&of("ReduceL2"), &x, &[1.0, 2.0, 0.5]);
    for op in [
        "ReduceSum",
        "ReduceMean",
        "ReduceProd",
        "ReduceLogSumExp",
        "ReduceMax",
    ] {
        check(&of(op), &x, &x);
    }
    let squeeze = vec![node("Squeeze", &["x", "none"], "y", &[])];
    let none = integers("none", &[]);
    let squeezed = check(&model(&[1, 3, 1], vec![none], squeeze), &x, &x);
    assert_eq!(squeezed.source.outputs[0].shape, [3]);
}

/// What hangs over the padding is no element of a mean.
#[test]
fn means_of_windows_past_the_end() {
    let attributes = [
        ints("kernel_shape", &[2]),
        ints("strides", &[2]),
        int("ceil_mode", 1),
        int("count_include_pad", 1),
    ];
    let pool = |more: &[AttributeProto]| {
        let attributes = [&attributes[..], more].concat();
        let nodes = vec![node("AveragePool", &["x"], "y", &attributes)];
        model(&[1, 1, 5], vec![], nodes)
    };
    let x = [1.0, 2.0, 3.0, 4.0, 5.0];
    check(&pool(&[]), &x, &[1.5, 3.5, 5.0]);
    check(&pool(&[ints("pads", &[0, 1])]), &x, &[1.5, 3.5, 2.5]);
    let wide = load(&pool(&[ints("pads", &[2, 0])])).unwrap_err();
    assert!(wide.to_string().contains("less than the kernel"), "{wide}");
}

#[test]
fn padding_after_what_it_cuts() {
    let pad = |mode: &str, pads: &[i64]| {
        let nodes = vec![node("Pad", &["x", "p"], "y", &[text("mode", mode)])];
        model(&[1, 3], vec![integers("p", pads)], nodes)
    };
    let x = [1.0, 2.0, 3.0];
    check(&pad("wrap", &[0, -2, 0, 1]), &x, &[3.0, 3.0]);
    check(&pad("wrap", &[0, 1, 0, 0]), &x, &[3.0, 1.0, 2.0, 3.0]);
    // Of two elements one is reflected at most.
    check(&pad("reflect", &[0, 1, 0, -1]), &x, &[2.0, 1.0, 2.0]);
    let error = load(&pad("reflect", &[0, 2, 0, -1])).unwrap_err();
    assert!(error.to_string().contains("at most 1 in mode"), "{error}");
}

#[test]
fn what_files_may_not_say() {
    let error = |proto: &ModelProto| load(proto).unwrap_err().to_string();
    let on = |op: &str, attributes: &[AttributeProto]| {
        error(&model(
            &[1, 4, 2, 2],
            vec![],
            vec![node(op, &["x"], "y", attributes)],
        ))
    };
    assert!(on("LRN", &[int("size", 2)]).contains("an odd number"));
    assert!(on("Transpose", &[ints("perm", &[-1, 0, 1, 2])]).contains("none below 0"));
    let mut split = node("Split", &["x"], "y", &[int("axis", 1)]);
    split.output.push("z".to_owned());
    assert!(error(&model(&[1, 4], vec![], vec![split])).contains("'split' or 'num_outputs'"));
    let concat = vec![node("Concat", &["x", "none"], "y", &[int("axis", 0)])];
    let none = floats("none", &[1, 3, 0], &[]);
    let text = error(&model(&[1, 3, 2], vec![none], concat));
    assert!(text.contains("differ in dimension 0 only"), "{text}");
    let sum = vec![node(
        "Einsum",
        &["x", "w"],
        "y",
        &[super::text("equation", "...i,...i->...")],
    )];
    let w = floats("w", &[2], &[1.0, 2.0]);
    let text = error(&model(&[1, 3, 2], vec![w], sum));
    assert!(
        text.contains("an ellipsis for as many dimensions"),
        "{text}"
    );
}

#[test]
fn computed_indices_are_whole_and_write_once() {
    let constants = vec![
        floats("table", &[4], &[1.0, 2.0, 3.0, 4.0]),
        floats("new", &[2], &[5.0, 6.0]),
    ];
    let nodes = vec![
        node("Cast", &["x"], "i", &[int("to", 7)]),
        node("ScatterND", &["table", "i", "new"], "y", &[]),
    ];
    let scatter = model(&[2, 1], constants, nodes);
    let written = check(&scatter, &[3.0, 0.0], &[6.0, 2.0, 3.0, 5.0]);
    let refused = |model: &Model, x: [i64; 2], words: &str| {
        let error = run(&model.graph, &model.weights, &[x.to_vec()]).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    };
    refused(&written, [SCALE, SCALE], "none of which comes twice");

    let constants = vec![integers("depth", &[3]), floats("values", &[2], &[0.0, 1.0])];
    let nodes = vec![node("OneHot", &["x", "depth", "values"], "y", &[])];
    let hot = model(&[1, 2], constants, nodes);
    let hot = check(&hot, &[1.0, -1.0], &[0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    refused(&hot, [SCALE / 2, 0], "an index");
}
