//! `If`: what the file decides, what inputs decide, and what is refused.

use super::*;
use crate::Fate;
use std::time::{Duration, Instant};

fn graph(initializer: Vec<TensorProto>, nodes: Vec<NodeProto>, outputs: &[&str]) -> GraphProto {
    GraphProto {
        node: nodes,
        initializer,
        output: outputs.iter().map(|name| info(name, &[])).collect(),
        ..Default::default()
    }
}

fn branch(name: &str, g: GraphProto) -> AttributeProto {
    AttributeProto {
        g: Some(Box::new(g)),
        ..int(name, 0)
    }
}

/// `outputs = condition ? then : otherwise`.
fn choice(condition: &str, outputs: &[&str], then: GraphProto, otherwise: GraphProto) -> NodeProto {
    let branches = [
        branch("then_branch", then),
        branch("else_branch", otherwise),
    ];
    let mut node = node("If", &[condition], outputs[0], &branches);
    node.output = outputs.iter().map(|&name| name.to_owned()).collect();
    node
}

/// A branch of one node.
fn single(op: &str, inputs: &[&str]) -> GraphProto {
    graph(vec![], vec![node(op, inputs, "r", &[])], &["r"])
}

fn truth(name: &str, value: bool) -> TensorProto {
    TensorProto {
        dims: vec![],
        data_type: 9,
        raw_data: vec![u8::from(value)],
        ..integers(name, &[])
    }
}

fn error(proto: &ModelProto) -> String {
    load(proto).unwrap_err().to_string()
}

fn fate<'m>(model: &'m Model, name: &str) -> &'m Fate {
    let mut all = model.initialisers.iter();
    &all.find(|one| one.name == name).unwrap().fate
}

#[test]
fn constants_decide() {
    for (value, expected) in [(true, [3.0, -1.0]), (false, [-3.0, 1.0])] {
        // Both branches name what they make alike, and read what is around them.
        let same = single("Identity", &["x"]);
        let nodes = vec![choice("c", &["y"], same, single("Neg", &["x"]))];
        let proto = model(&[1, 2], vec![truth("c", value)], nodes);
        check(&proto, &[3.0, -1.0], &expected);
    }
}

#[test]
fn shapes_decide() {
    let squeeze = graph(
        vec![],
        vec![node("Squeeze", &["x", "axis"], "r", &[])],
        &["r"],
    );
    for (size, expected) in [(1, vec![2]), (2, vec![2, 1])] {
        let nodes = vec![
            node("Shape", &["x"], "s", &[]),
            node("Gather", &["s", "axis"], "d", &[]),
            node("Equal", &["d", "axis"], "c", &[]),
            choice("c", &["y"], squeeze.clone(), single("Identity", &["x"])),
        ];
        // The condition has one dimension, of one element.
        let x = if size == 1 { [2, 1] } else { [1, 2] };
        let proto = model(&x, vec![integers("axis", &[1])], nodes);
        let loaded = check(&proto, &[1.0, -2.0], &[1.0, -2.0]);
        let shape = &loaded.source.outputs[0].shape;
        assert_eq!(shape.len(), expected.len(), "{shape:?}");
    }
}

#[test]
fn branches_within_branches() {
    // y = c ? (d ? 2t : −t) + |x| : x, with t = 2x.
    let inner = choice(
        "d",
        &["i"],
        graph(
            vec![floats("two", &[1], &[2.0])],
            vec![node("Mul", &["t", "two"], "m", &[])],
            &["m"],
        ),
        single("Neg", &["t"]),
    );
    let nodes = vec![inner, node("Abs", &["x"], "a", &[])];
    let then = graph(vec![], nodes, &["i", "a"]);
    let otherwise = graph(
        vec![],
        vec![node("Sub", &["x", "x"], "n", &[])],
        // The value around the branch is one of its outputs.
        &["x", "n"],
    );
    let with = |c: bool, d: bool| {
        let nodes = vec![
            node("Add", &["x", "x"], "t", &[]),
            choice("c", &["p", "q"], then.clone(), otherwise.clone()),
            node("Add", &["p", "q"], "y", &[]),
        ];
        model(&[1, 2], vec![truth("c", c), truth("d", d)], nodes)
    };
    let x = [1.5, -2.0];
    let doubled = check(&with(true, true), &x, &[7.5, -6.0]);
    let negated = check(&with(true, false), &x, &[-1.5, 6.0]);
    let other = check(&with(false, true), &x, &x);
    // What is in a branch that is not taken is not read.
    let own = "p/then_branch/i/then_branch/two";
    assert_eq!(*fate(&doubled, own), Fate::Committed);
    assert_eq!(*fate(&negated, own), Fate::Unused);
    assert_eq!(*fate(&other, own), Fate::Unused);
    assert!(matches!(fate(&other, "c"), Fate::Public(_)));
    assert_eq!(*fate(&other, "d"), Fate::Unused);
}

#[test]
fn what_is_not_taken_need_not_be_supported() {
    let strange = single("StringNormalizer", &["x"]);
    let nodes = |taken| {
        let node = choice("c", &["y"], single("Relu", &["x"]), strange.clone());
        model(&[1, 2], vec![truth("c", taken)], vec![node])
    };
    check(&nodes(true), &[1.0, -1.0], &[1.0, 0.0]);
    let text = error(&nodes(false));
    assert!(
        text.contains("StringNormalizer (y/else_branch/r)"),
        "{text}"
    );
}

#[test]
fn spellings_in_branches_are_named() {
    let swish = graph(
        vec![],
        vec![
            node("Sigmoid", &["x"], "s", &[]),
            node("Mul", &["x", "s"], "m", &[]),
        ],
        &["m"],
    );
    let node = choice("c", &["y"], swish, single("Neg", &["x"]));
    let proto = model(&[1, 2], vec![truth("c", true)], vec![node]);
    let loaded = check(&proto, &[1.0, -1.0], &[0.7311, -0.2689]);
    assert!(!kinds(&loaded).contains(&"Mul"), "{:?}", kinds(&loaded));
}

/// `s = Σ x > 0`.
fn computed(nodes: Vec<NodeProto>) -> ModelProto {
    let mut all = vec![
        node("ReduceSum", &["x"], "s", &[]),
        node("Greater", &["s", "zero"], "c", &[]),
    ];
    all.extend(nodes);
    let constants = vec![
        floats("zero", &[1], &[0.0]),
        floats("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0]),
        integers("axis", &[0]),
    ];
    model(&[1, 2], constants, all)
}

#[test]
fn inputs_decide() {
    // Real numbers, and integers that are exact.
    let ends = |op: &str, pick: &str| {
        let nodes = vec![
            node(op, &["x"], "r", &[]),
            node(pick, &["x"], "j", &[int("axis", 1), int("keepdims", 1)]),
        ];
        graph(vec![], nodes, &["r", "j"])
    };
    let proto = computed(vec![
        choice(
            "c",
            &["p", "q"],
            ends("Relu", "ArgMax"),
            ends("Sigmoid", "ArgMin"),
        ),
        node("Cast", &["q"], "f", &[int("to", 1)]),
        node("Add", &["p", "f"], "y", &[]),
    ]);
    let loaded = check(&proto, &[-1.0, 3.0], &[1.0, 4.0]);
    check(&proto, &[-1.0, -3.0], &[1.2689, 1.0474]);
    // The condition is no number of the file: nothing is public for it.
    assert!(!matches!(fate(&loaded, "w"), Fate::Public(_)));
    let exact = crate::evaluate_float(&proto.encode_to_vec(), &[vec![-1.0, 3.0]]).unwrap();
    assert_eq!(exact, [[1.0, 4.0]]);
}

#[test]
fn what_is_computed_in_vain_is_defined() {
    let refused = |op: &str, inputs: &[&str]| {
        let then = single(op, inputs);
        error(&computed(vec![choice(
            "c",
            &["y"],
            then,
            single("Neg", &["x"]),
        )]))
    };
    for (op, inputs) in [("Div", &["x", "s"][..]), ("Reciprocal", &["x"])] {
        let text = refused(op, inputs);
        assert!(
            text.contains("node 'y' (If), branches: expected operators that are defined")
                && text.contains("y/then_branch/r"),
            "{text}"
        );
    }
    // The same operators where they are taken, or defined.
    let inverse = single("Reciprocal", &["x"]);
    let node = choice("t", &["y"], inverse, single("Neg", &["x"]));
    let proto = model(&[1, 2], vec![truth("t", true)], vec![node]);
    check(&proto, &[1.0, -2.0], &[1.0, -0.5]);
}

#[test]
fn computed_choices_are_between_likes() {
    let text = error(&computed(vec![choice(
        "c",
        &["y"],
        single("Identity", &["s"]),
        single("Neg", &["x"]),
    )]));
    assert!(
        text.contains("outputs of one type and shape") && text.contains("float of shape [1, 2]"),
        "{text}"
    );
}

#[test]
fn malformed_branches() {
    let on = |node: NodeProto| error(&model(&[1, 2], vec![truth("c", true)], vec![node]));
    let relu = || single("Relu", &["x"]);
    let mut half = choice("c", &["y"], relu(), relu());
    half.attribute.pop();
    let mut with_input = relu();
    with_input.input.push(info("i", &[1]));
    let mut two = choice("c", &["y"], relu(), relu());
    two.input.push("x".to_owned());
    let shadowed = graph(vec![], vec![node("Relu", &["x"], "x", &[])], &["x"]);
    for (node, expected) in [
        (
            half,
            "attribute 'else_branch': expected a graph, got nothing",
        ),
        (
            choice("c", &["y", "z"], relu(), relu()),
            "attribute 'then_branch': expected 2 outputs, got 1",
        ),
        (
            choice("x", &["y"], relu(), relu()),
            "input 0: expected one boolean, got float of shape [1, 2]",
        ),
        (
            choice("c", &["y"], single("Relu", &["nowhere"]), relu()),
            "node 'y/then_branch/r' (Relu), input 0: expected the name of an earlier value",
        ),
        (
            choice("c", &["y"], graph(vec![], vec![], &["nowhere"]), relu()),
            "y/then_branch/outputs: expected the name of a value",
        ),
        (
            choice("c", &["y"], with_input, relu()),
            "inputs: expected none, got 'i'",
        ),
        (two, "inputs: expected one, the condition, got 2"),
        (choice("c", &["y"], shadowed, relu()), "'x' again"),
    ] {
        let text = on(node);
        assert!(
            text.contains(expected),
            "'{text}' does not mention '{expected}'"
        );
    }
}

#[test]
fn deep_branches_are_refused_or_read() {
    let nested = |depth: usize| {
        let mut inner = single("Relu", &["x"]);
        for _ in 0..depth {
            let node = choice("c", &["y"], inner, single("Neg", &["x"]));
            inner = graph(vec![], vec![node], &["y"]);
        }
        model(&[1, 2], vec![truth("c", true)], inner.node)
    };
    check(&nested(20), &[1.0, -1.0], &[1.0, 0.0]);
    // Each of two branches is one level further in: more than a decoder reads.
    let start = Instant::now();
    assert!(load(&nested(40)).is_err());
    assert!(start.elapsed() < Duration::from_secs(5));
}
