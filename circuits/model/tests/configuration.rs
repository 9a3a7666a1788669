//! The verifying key commits to all of `config.json`: whatever is changed in it, the key is another, and a proof
//! under the old one says nothing of the new file. Also that files of earlier versions are refused as such.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

#[path = "../../../tests/support/onnx.rs"]
#[allow(dead_code)]
mod onnx;

use halo2_proofs::halo2curves::bn256::Fr;
use serde_json::{json, Value};
use std::{path::Path, sync::Arc};
use zkml_files::{read_container, write_container, Kind};
use zkml_graph::{Interval, Node, Op, Role, Tensor, TensorId, Window};
use zkml_import as import;
use zkml_import::ImportOptions;
use zkml_model::{
    layout::{Encoding, Plan, Visibilities},
    planner::Goal,
    prove::{prove, Architecture, Keys, Opening, Proof, ProveError, Request, Transcript, Verifier},
};
use zkml_srs::Srs;

/// A product with a matrix, then a ReLU, proven once.
struct Case {
    architecture: Architecture,
    plan: Arc<Plan>,
    srs: Srs,
    keys: Keys,
    opening: Opening,
    proof: Proof,
}

impl Case {
    fn new(goal: Goal) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        let weights: Vec<f32> = (0..12u8).map(|i| f32::from(i) / 8.0 - 0.75).collect();
        let nodes = [
            onnx::node("MatMul", "product", &["x", "w"], "h"),
            onnx::node("Relu", "relu", &["h"], "y"),
        ];
        let [x, y] = [("x", 4), ("y", 3)].map(|(name, size)| onnx::value(name, &[1, size]));
        let file = onnx::model(&nodes, &[onnx::tensor("w", &[4, 3], &weights)], x, y);
        std::fs::write(&path, file).unwrap();
        let options = ImportOptions {
            scale: Some(64),
            input_range: Some((-1.0, 1.0)),
            ..ImportOptions::default()
        };
        let model = import::load(&path, &options).unwrap();
        let shown = Visibilities::default();
        let (architecture, plan) =
            Architecture::new(model.graph, model.source, shown, goal).unwrap();
        let srs = Srs::development_from_seed(plan.shape.k, [6; 32], &|_, _| ()).unwrap();
        let keys = Keys::new(&plan, &srs).unwrap();
        let request = Request {
            inputs: vec![vec![5, -7, 64, 0]],
            context: Fr::from(42),
            transcript: Transcript::Poseidon,
        };
        let opening = Opening::new(model.weights);
        let (proof, _) = prove(&architecture, &plan, &srs, &keys, &opening, &request).unwrap();
        Self {
            architecture,
            plan,
            srs,
            keys,
            opening,
            proof,
        }
    }

    fn value(&self) -> Value {
        serde_json::to_value(&self.architecture).unwrap()
    }

    /// What `zkml verify --rederive` does with another file beside the same key and proof. Returns whether the
    /// file is one that keys can be made of.
    fn refuses(&self, what: &str, changed: &Value) -> bool {
        let Ok(architecture) = serde_json::from_value::<Architecture>(changed.clone()) else {
            return false;
        };
        let digest = architecture.digest().unwrap();
        assert_ne!(digest, self.architecture.digest().unwrap(), "{what}");
        let Ok(plan) = architecture.plan() else {
            return false;
        };
        if plan.shape.k != self.plan.shape.k {
            return false;
        }
        let keys = Keys::new(&plan, &self.srs).unwrap();
        assert_ne!(keys.digest(), self.keys.digest(), "{what}: the same key");
        // A file that names the new key fares no better: its challenges are others.
        for key in [self.keys.digest(), keys.digest()] {
            let mut proof = self.proof.clone();
            proof.verifying_key = key;
            match proof.verify(&plan.statement.form, &self.srs, keys.pk.get_vk()) {
                Err(ProveError::Rejected(_) | ProveError::Invalid(_)) => {}
                other => panic!("{what}: {other:?}"),
            }
        }
        true
    }
}

/// The same tree with one thing changed, for each place and each change that makes another value of it.
fn changes(value: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    match value {
        Value::Null => all.extend([json!(1), json!({ "lo": 0, "hi": null })]),
        Value::Bool(bit) => all.push(json!(!bit)),
        Value::Number(number) => {
            let number = number.as_i64().unwrap();
            all.extend([number + 1, number - 1, 2 * number + 1].map(|number| json!(number)));
        }
        // Names, and the words of the closed lists.
        Value::String(text) => all.extend(
            [
                format!("{text}x").as_str(),
                "prove",
                "onchain",
                "direct",
                "public",
                "hashed",
                "private",
                "input",
                "activation",
                "float",
                "integer",
            ]
            .map(|other| json!(other)),
        ),
        Value::Array(items) => {
            for i in 1..items.len() {
                let mut swapped = items.clone();
                swapped.swap(i - 1, i);
                all.push(json!(swapped));
            }
            if let Some((last, rest)) = items.split_last() {
                all.push(json!(rest));
                all.push(json!(
                    [items.as_slice(), std::slice::from_ref(last)].concat()
                ));
            }
        }
        Value::Object(_) => all.push(Value::Null),
    }
    all.retain(|other| other != value);
    let mut all: Vec<_> = all
        .into_iter()
        .map(|other| (format!(": {value} became {other}"), other))
        .collect();
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                for (place, other) in changes(item) {
                    let mut items = items.clone();
                    items[i] = other;
                    all.push((format!("/{i}{place}"), json!(items)));
                }
            }
        }
        Value::Object(fields) => {
            for (name, item) in fields {
                for (place, other) in changes(item) {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), other);
                    all.push((format!("/{name}{place}"), json!(fields)));
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    all
}

fn every_change_is_another_key(goal: Goal) {
    let case = Case::new(goal);
    let original = case.value();
    let (mut tried, mut keys) = (0, 0);
    for (place, changed) in changes(&original) {
        tried += 1;
        keys += usize::from(case.refuses(&place, &changed));
    }
    println!("{tried} changes, {keys} of them with keys of their own");
    assert!(keys >= 40, "{keys} of {tried}");
}

#[test]
fn every_change_is_another_key_of_a_canonical_circuit() {
    every_change_is_another_key(Goal::Prove);
}

#[test]
fn every_change_is_another_key_of_a_stacked_circuit() {
    every_change_is_another_key(Goal::Direct);
}

/// The fields that no constraint reads, one by one: before keys committed to them, each of these verified.
#[test]
fn what_no_constraint_reads_is_committed_to() {
    let case = Case::new(Goal::Prove);
    let output = case.architecture.graph.outputs[0].0;
    let input = case.architecture.graph.inputs[0].0;
    let tensor = |id: usize, field: &str| format!("/graph/tensors/{id}/{field}");
    let other = case.architecture.graph.tensors[output].range.hi - 1;
    for (place, to) in [
        ("/graph/scale".to_string(), json!(6400)),
        (tensor(output, "name"), json!("class")),
        (tensor(output, "range/hi"), json!(other)),
        (tensor(input, "name"), json!("image")),
        ("/graph/nodes/0/name".into(), json!("another")),
        ("/source/format".into(), json!("tflite")),
        ("/source/inputs/0/name".into(), json!("image")),
        ("/source/outputs/0/name".into(), json!("class")),
        ("/source/outputs/0/shape".into(), json!([3])),
        ("/source/outputs/0/scale".into(), json!(1)),
        ("/visibilities/outputs".into(), json!(["public"])),
        ("/optimised_for".into(), json!("onchain")),
    ] {
        let mut changed = case.value();
        match changed.pointer_mut(&place) {
            Some(field) => *field = to,
            None => {
                let (parent, name) = place.rsplit_once('/').unwrap();
                changed.pointer_mut(parent).expect(&place)[name] = to;
            }
        }
        assert!(case.refuses(&place, &changed), "{place} is not tried");
    }
}

/// What a key says beside the digest is the same, so nothing but the digest tells such files apart.
#[test]
fn a_name_changes_one_commitment() {
    let case = Case::new(Goal::Prove);
    let mut changed = case.architecture.clone();
    changed.source.outputs[0].name.push('x');
    let keys = Keys::new(&changed.plan().unwrap(), &case.srs).unwrap();
    let [a, b] = [&case.keys, &keys].map(|keys| keys.pk.get_vk().fixed_commitments());
    let other = a.iter().zip(b).filter(|(a, b)| a != b).count();
    assert_eq!((a.len(), other), (b.len(), 1));
}

/// A field that nothing reads is no part of an architecture, so it cannot be there.
#[test]
fn unknown_fields_are_refused() {
    let case = Case::new(Goal::Prove);
    fn objects(value: &Value, place: String, all: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                all.push(place.clone());
                for (name, field) in fields {
                    objects(field, format!("{place}/{name}"), all);
                }
            }
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    objects(item, format!("{place}/{i}"), all);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut places = Vec::new();
    objects(&case.value(), String::new(), &mut places);
    assert!(places.len() > 10, "{places:?}");
    for place in places {
        let mut changed = case.value();
        changed.pointer_mut(&place).unwrap()["surplus"] = json!(1);
        let read = serde_json::from_value::<Architecture>(changed);
        assert!(read.is_err(), "{place}");
    }
}

/// Files of earlier versions say so, whatever else is different in them.
#[test]
fn files_of_earlier_versions_are_refused() {
    let case = Case::new(Goal::Prove);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let load = |config: &Value| {
        std::fs::write(at("config.json"), config.to_string()).unwrap();
        Architecture::load(&at("config.json")).map_err(|error| error.to_string())
    };
    assert_eq!(load(&case.value()).unwrap(), case.architecture);
    for (version, expected) in [
        (
            5,
            "made by an earlier version of zkml, run `zkml setup` again",
        ),
        (7, "made by a later version of zkml"),
    ] {
        let mut config = case.value();
        config["version"] = json!(version);
        config["shape"] = json!("of another version");
        let error = load(&config).unwrap_err();
        assert!(error.contains("config.json: version"), "{error}");
        assert!(error.contains(expected), "{error}");
    }

    case.keys.save(&at("proving.key")).unwrap();
    case.keys.save_verifier(&at("verifying.key")).unwrap();
    let older = |name: &str, kind| {
        let path = at(name);
        let payload = read_container(&path, kind, 2).unwrap();
        write_container(&path, kind, 1, &mut |out| out.write_all(&payload)).unwrap();
        path
    };
    let refused = |error: Option<ProveError>, path: &Path| {
        let error = error.expect("an error").to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        let expected =
            "version 2, got version 1; it was made by an earlier version of zkml: run `zkml setup` again";
        assert!(error.contains(expected), "{error}");
    };
    let path = older("proving.key", Kind::ProvingKey);
    refused(Keys::load(&path, &case.architecture).err(), &path);
    let path = older("verifying.key", Kind::VerifyingKey);
    refused(Verifier::load(&path, &case.architecture).err(), &path);
    case.opening.save(&at("weights.opening")).unwrap();
    let path = older("weights.opening", Kind::Opening);
    refused(Opening::load(&path).err(), &path);
}

/// Verifying takes the encodings of public values from the file: no key is made of a file that has others than the layout.
#[test]
fn words_are_those_of_the_layout() {
    for goal in [Goal::Prove, Goal::Direct] {
        let case = Case::new(goal);
        assert_eq!(case.architecture.form().unwrap(), case.plan.statement.form);
        let changes: [fn(&mut Encoding); 5] = [
            |word| word.bits += 1,
            |word| (word.lo, word.bits) = (word.lo - 1, word.bits + 1),
            |word| word.words += 1,
            |word| word.bits -= 1,
            |word| word.words = usize::MAX,
        ];
        for change in changes {
            for output in [false, true] {
                let mut architecture = case.architecture.clone();
                let words = &mut architecture.words;
                let words = match output {
                    false => &mut words.inputs,
                    true => &mut words.outputs,
                };
                change(words[0].as_mut().unwrap());
                let error = architecture.plan().unwrap_err().to_string();
                assert!(error.contains("words"), "{error}");
            }
        }
        let mut architecture = case.architecture.clone();
        architecture.words.inputs.push(None);
        assert!(architecture.form().is_err());
        architecture.words.inputs = vec![None];
        assert!(architecture.form().is_err());
    }
}

/// A few bytes of a configuration, made by nobody's `setup`, ask for planes of 2^40 cells and for 2^34 steps: it is
/// refused before room is made for them.
#[test]
fn configurations_that_ask_for_too_much_are_refused() {
    let case = Case::new(Goal::Prove);
    let start = std::time::Instant::now();
    let tensor = |name: &str, role, shape: &[usize]| Tensor {
        name: name.into(),
        role,
        shape: shape.to_vec(),
        range: Interval { lo: -64, hi: 64 },
    };
    let wide = 1 << 20;
    let (x, w, y) = (TensorId(0), TensorId(1), TensorId(2));
    let conv = Op::Conv {
        x,
        w,
        bias: None,
        window: Window {
            kernel: [1, 1],
            stride: [1024, 1024],
            pads: [0, 0, 1023, 1023],
        },
        groups: 1,
        div: 64,
        clamp: None,
    };
    let pool = |side: usize| Op::MaxPool {
        x,
        window: Window {
            kernel: [side, side],
            stride: [1, 1],
            pads: [side - 1, side - 1, 0, 0],
        },
    };
    let one = |channels: usize| [channels, 1, 1];
    for (op, [from, to]) in [
        (conv, [one(1), one(wide)]),
        (pool(512), [one(1 << 16), one(1 << 16)]),
        (pool(4096), [one(4), one(4)]),
    ] {
        let mut architecture = case.architecture.clone();
        let graph = &mut architecture.graph;
        graph.tensors = vec![
            tensor("x", Role::Input, &from),
            tensor("w", Role::Weight, &[wide, 1, 1, 1]),
            tensor("y", Role::Activation, &to),
        ];
        graph.nodes = vec![Node {
            name: "node".into(),
            op,
            output: y,
            pre: Interval { lo: -64, hi: 64 },
        }];
        (graph.inputs, graph.outputs) = (vec![x], vec![y]);
        architecture.source.inputs[0].shape = from.to_vec();
        architecture.source.outputs[0].shape = to.to_vec();
        for k in [10, 24] {
            architecture.shape.k = k;
            let refused = architecture.plan().unwrap_err().to_string();
            let said = ["padded pixels", "taps of all outputs"].iter();
            assert!(said.clone().any(|part| refused.contains(part)), "{refused}");
        }
    }
    // Half a second; without the bounds, hours and terabytes.
    assert!(start.elapsed().as_secs() < 120);
}
