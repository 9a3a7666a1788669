//! Functions of the file: what they are given, what they are called, and what is refused.

use super::*;
use std::time::{Duration, Instant};

fn function(name: &str, inputs: &[&str], outputs: &[&str], nodes: Vec<NodeProto>) -> FunctionProto {
    let names = |all: &[&str]| all.iter().map(|&name| name.to_owned()).collect();
    FunctionProto {
        name: name.to_owned(),
        domain: "own".to_owned(),
        input: names(inputs),
        output: names(outputs),
        node: nodes,
        ..Default::default()
    }
}

fn call(name: &str, inputs: &[&str], outputs: &[&str], attributes: &[AttributeProto]) -> NodeProto {
    NodeProto {
        domain: "own".to_owned(),
        output: outputs.iter().map(|&name| name.to_owned()).collect(),
        ..node(name, inputs, outputs[0], attributes)
    }
}

/// A model of calls.
fn calling(functions: Vec<FunctionProto>, nodes: Vec<NodeProto>) -> ModelProto {
    let constants = vec![floats("one", &[], &[1.0]), floats("w", &[2], &[0.5, 2.0])];
    ModelProto {
        functions,
        ..model(&[1, 2], constants, nodes)
    }
}

fn reference(attribute: &str, to: &str) -> AttributeProto {
    AttributeProto {
        ref_attr_name: to.to_owned(),
        ..int(attribute, 0)
    }
}

fn error(proto: &ModelProto) -> String {
    load(proto).unwrap_err().to_string()
}

fn versions(version: i64) -> Vec<OperatorSetIdProto> {
    vec![OperatorSetIdProto {
        domain: String::new(),
        version,
    }]
}

/// `slope` of its own, 1/4 unless a call says otherwise.
fn leak() -> FunctionProto {
    FunctionProto {
        attribute_proto: vec![float("slope", 0.25)],
        ..function(
            "Leak",
            &["a"],
            &["z"],
            vec![node(
                "LeakyRelu",
                &["a"],
                "z",
                &[reference("alpha", "slope")],
            )],
        )
    }
}

#[test]
fn attributes_and_their_defaults() {
    let proto = |attributes: &[AttributeProto]| {
        calling(vec![leak()], vec![call("Leak", &["x"], &["y"], attributes)])
    };
    check(&proto(&[]), &[-4.0, 1.0], &[-1.0, 1.0]);
    check(&proto(&[float("slope", 0.5)]), &[-4.0, 1.0], &[-2.0, 1.0]);
    // Without a default the operator's own counts.
    let mut bare = leak();
    bare.attribute_proto.clear();
    let proto = calling(vec![bare], vec![call("Leak", &["x"], &["y"], &[])]);
    check(&proto, &[-4.0, 1.0], &[-0.04, 1.0]);
}

#[test]
fn functions_within_functions() {
    // (leak(p), min(leak(p), top)), the second only if there is a top.
    let both = function(
        "Both",
        &["p", "top"],
        &["q", "t"],
        vec![
            call("Leak", &["p"], &["q"], &[reference("slope", "s")]),
            node("Clip", &["q", "", "top"], "t", &[]),
        ],
    );
    let nodes = vec![
        call("Both", &["x", "one"], &["a", "b"], &[float("s", 0.5)]),
        call("Both", &["b"], &["c", ""], &[float("s", 2.0)]),
        call("Both", &["c", ""], &["", "d"], &[]),
        node("Add", &["a", "d"], "y", &[]),
    ];
    // leak(x, 1/2) = [−2, 3]; min 1 = [−2, 1]; ·2 = [−4, 1]; without s, 1/4: [−1, 1].
    check(
        &calling(vec![leak(), both], nodes),
        &[-4.0, 3.0],
        &[-3.0, 4.0],
    );
}

#[test]
fn results_that_are_passed_on_or_given_twice() {
    let given = function(
        "Given",
        &["a"],
        &["a", "t", "t"],
        vec![node("Neg", &["a"], "t", &[])],
    );
    let nodes = vec![
        call("Given", &["x"], &["p", "q", "r"], &[]),
        node("Sum", &["p", "q", "r"], "y", &[]),
    ];
    check(&calling(vec![given], nodes), &[1.0, -2.0], &[-1.0, 2.0]);
}

#[test]
fn weights_stay_weights() {
    let scaled = function(
        "Scaled",
        &["a", "by"],
        &["z"],
        vec![node("Mul", &["a", "by"], "z", &[])],
    );
    let nodes = vec![call("Scaled", &["x", "w"], &["y"], &[])];
    let loaded = check(&calling(vec![scaled], nodes), &[1.0, -2.0], &[0.5, -4.0]);
    let w = loaded.initialisers.iter().find(|one| one.name == "w");
    assert_eq!(w.unwrap().fate, crate::Fate::Committed);
}

/// Names of a function are its own, also where the file has them.
#[test]
fn names_do_not_meet() {
    let twice = function(
        "Twice",
        &["a"],
        &["z"],
        vec![
            node("Add", &["a", "a"], "w", &[]),
            node("Identity", &["w"], "z", &[]),
        ],
    );
    let nodes = vec![
        call("Twice", &["x"], &["p"], &[]),
        // A name that the first call's `w` would have.
        node("Neg", &["x"], "p/w", &[]),
        call("Twice", &["p"], &["q"], &[]),
        node("Mul", &["q", "w"], "m", &[]),
        node("Add", &["m", "p/w"], "y", &[]),
    ];
    check(&calling(vec![twice], nodes), &[1.0, -2.0], &[1.0, -14.0]);
    let captures = function(
        "Far",
        &["a"],
        &["z"],
        vec![node("Mul", &["a", "w"], "z", &[])],
    );
    let text = error(&calling(
        vec![captures],
        vec![call("Far", &["x"], &["y"], &[])],
    ));
    assert!(
        text.contains("node 'y/z' (Mul), input 1: expected the name of an earlier value"),
        "{text}"
    );
}

/// Hardmax before operator set 13 is over all dimensions from its axis on.
#[test]
fn operator_sets_are_those_of_the_function() {
    let with = |set: Vec<OperatorSetIdProto>| {
        let soft = FunctionProto {
            opset_import: set,
            ..function(
                "Soft",
                &["a"],
                &["z"],
                vec![node("Hardmax", &["a"], "z", &[int("axis", 1)])],
            )
        };
        let nodes = vec![
            node("Hardmax", &["x"], "p", &[int("axis", 1)]),
            call("Soft", &["x"], &["q"], &[]),
            node("Add", &["p", "q"], "y", &[]),
        ];
        let mut proto = calling(vec![soft], nodes);
        proto.opset_import = versions(17);
        proto.graph.as_mut().unwrap().input = vec![info("x", &[1, 2, 2])];
        proto
    };
    let (x, rows) = ([1.0, 0.0, 0.0, 0.0], [2.0, 2.0, 0.0, 0.0]);
    check(&with(versions(17)), &x, &rows);
    check(&with(versions(11)), &x, &[2.0, 1.0, 0.0, 0.0]);
    check(&with(vec![]), &x, &rows);
    assert!(error(&with(versions(99))).contains("opset_import"));
}

#[test]
fn malformed_calls() {
    let own = |nodes: Vec<NodeProto>| function("F", &["a"], &["z"], nodes);
    let plain = || own(vec![node("Relu", &["a"], "z", &[])]);
    let once = |attributes: &[AttributeProto]| vec![call("F", &["x"], &["y"], attributes)];
    let recursion = own(vec![call("G", &["a"], &["z"], &[])]);
    let back = FunctionProto {
        name: "G".to_owned(),
        ..own(vec![call("F", &["a"], &["z"], &[])])
    };
    let mut standard = plain();
    (standard.domain, standard.name) = (String::new(), "Relu".to_owned());
    let typed = |ty: i32, attribute: AttributeProto| AttributeProto {
        r#type: ty,
        ..attribute
    };
    let reads = own(vec![node(
        "LeakyRelu",
        &["a"],
        "z",
        &[typed(1, reference("alpha", "s"))],
    )]);
    let graph = AttributeProto {
        g: Some(Box::default()),
        ..int("s", 0)
    };
    for (proto, expected) in [
        (calling(vec![recursion, back], once(&[])), "a recursion"),
        (calling(vec![plain(), plain()], once(&[])), "two 'own.F'"),
        (
            calling(vec![plain()], vec![call("F", &["x", "x"], &["y"], &[])]),
            "inputs: expected at most 1, got 2",
        ),
        (
            calling(vec![plain()], vec![call("F", &["x"], &["y", "u"], &[])]),
            "outputs: expected at most 1, got 2",
        ),
        (
            calling(vec![own(vec![])], once(&[])),
            "expected a value that function 'F' makes, got 'z'",
        ),
        (
            calling(vec![standard], vec![node("Relu", &["x"], "y", &[])]),
            "also defined outside of the file",
        ),
        (
            calling(vec![reads], once(&[typed(2, int("s", 1))])),
            "attribute 'alpha': expected a value of type 1, got one of type 2",
        ),
        (
            calling(vec![plain()], once(&[graph])),
            "expected a value, got a graph",
        ),
        (
            model(
                &[1, 2],
                vec![],
                vec![node("Relu", &["x"], "y", &[reference("r", "s")])],
            ),
            "attribute 'r': expected a value, outside of functions, got a reference",
        ),
        (
            calling(vec![], once(&[])),
            "operators that are not supported: own.F (y)",
        ),
    ] {
        let text = error(&proto);
        assert!(
            text.contains(expected),
            "'{text}' does not mention '{expected}'"
        );
    }
}

/// Each function calls the next one twice, and there are many: refused before they are in place.
#[test]
fn functions_that_double() {
    let chain = |count: usize, calls: usize| {
        let each = (0..count).map(|i| {
            let next = format!("F{}", i + 1);
            let nodes = (0..calls).map(|at| {
                let (from, to) = (["a", "m"][at], ["m", "z"][at + 2 - calls]);
                match i + 1 == count {
                    true => node("Neg", &[from], to, &[]),
                    false => call(&next, &[from], &[to], &[]),
                }
            });
            function(&format!("F{i}"), &["a"], &["z"], nodes.collect())
        });
        calling(each.collect(), vec![call("F0", &["x"], &["y"], &[])])
    };
    check(&chain(6, 2), &[1.0, -2.0], &[1.0, -2.0]);
    for proto in [chain(40, 2), chain(1000, 1)] {
        let start = Instant::now();
        let text = error(&proto);
        assert!(start.elapsed() < Duration::from_secs(5), "{text}");
        assert!(
            text.contains("expand to at most") || text.contains("within each other"),
            "{text}"
        );
    }
    // Names grow with each level too.
    let mut long = chain(40, 1);
    let name = "n".repeat(20_000);
    for function in &mut long.functions {
        let inner = function.node[0].clone();
        function.node = vec![inner; 50];
        for (at, node) in function.node.iter_mut().enumerate() {
            (node.name, node.output) = (name.clone(), vec![format!("{at}")]);
        }
        function.output = vec!["0".to_owned()];
    }
    let text = error(&long);
    assert!(text.contains("expand to at most"), "{text}");
}
