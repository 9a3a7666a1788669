//! What public files tell of the weights: of models that differ in their weights only, and whose declared
//! bounds are the same, they are the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

#[path = "leaks/fates.rs"]
mod fates;
#[path = "support/leaks.rs"]
mod leaks;
// Other tests use the rest of it.
#[allow(dead_code)]
#[path = "support/onnx.rs"]
mod onnx;
#[allow(dead_code)]
mod support;

use leaks::{compare, differences, pair, search, Verdict};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use support::{Folder, Zkml};
use zkml_import::{parse_onnx, ImportOptions};
use zkml_model::{
    layout::{Plan, Visibilities},
    planner::Goal,
    prove::{Architecture, Keys},
};
use zkml_srs::Srs;

/// Where the graph in public files may differ, as docs/security.md lists it.
const LISTED: [&str; 6] = [
    "graph.tensors.range",
    "graph.nodes.pre",
    "graph.nodes",
    "graph.tensors",
    "graph.tables",
    "graph.outputs",
];

#[test]
fn files_of_models_with_equal_declared_bounds_are_equal() {
    let found = search(1000).unwrap();
    println!(
        "{} pairs, {} differ; {} with other declared bounds ({} of them with equal ranges), {} refused",
        found.pairs, found.differ, found.declared, found.same_ranges, found.refused
    );
    println!("{:?}", found.places);
    assert_eq!(found.differ, 0, "{:?}", found.leaks);
    // Nothing but the declared bounds makes files differ where these do.
    assert!(found.declared > 500, "{}", found.declared);
    assert_eq!(found.else_decided, 0, "{:?}", found.leaks);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md");
    let page = fs::read_to_string(page).unwrap();
    for place in &found.places {
        // The longest entry that the place is in.
        let entry = LISTED.iter().find(|entry| {
            let rest = place.strip_prefix(**entry);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        let entry = entry.unwrap_or_else(|| panic!("{place} differs, and is not listed"));
        assert!(page.contains(&format!("`{entry}`")), "{entry}");
    }
    // The list says no more than what is seen.
    for entry in LISTED {
        let seen = found.places.iter().any(|place| place.starts_with(entry));
        assert!(seen, "{entry} never differs: {:?}", found.places);
    }
}

fn laid_out(bytes: &[u8]) -> (Architecture, Arc<Plan>) {
    let options = ImportOptions {
        input_range: Some((-1.0, 1.0)),
        ..Default::default()
    };
    let model = parse_onnx(bytes, &options).unwrap().quantise().unwrap();
    let shown = Visibilities::default();
    Architecture::new(model.graph, model.source, shown, Goal::Prove).unwrap()
}

/// What else `config.json` has follows from the graph: where it differs, the graph does.
#[test]
fn the_rest_of_a_configuration_follows_from_the_graph() {
    let mut places = BTreeSet::new();
    let mut pairs = 0;
    for seed in 0.. {
        let files = pair(seed);
        if pairs == 16 {
            break;
        }
        if !matches!(compare(&files).unwrap(), Verdict::Declared(_)) {
            continue;
        }
        pairs += 1;
        let [a, b] = files.map(|bytes| serde_json::to_value(laid_out(&bytes).0).unwrap());
        let mut found = BTreeSet::new();
        differences(&a, &b, String::new(), &mut found);
        let in_graph = |place: &&String| place.starts_with("graph");
        let rest: Vec<_> = found.iter().filter(|place| !in_graph(place)).collect();
        assert!(rest.is_empty() || rest.len() < found.len(), "{found:?}");
        places.extend(rest.into_iter().cloned());
    }
    let parts: BTreeSet<&str> = places.iter().filter_map(|p| p.split('.').next()).collect();
    println!("{places:?}");
    assert_eq!(Vec::from_iter(parts), ["shape", "words"]);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md");
    assert!(fs::read_to_string(page)
        .unwrap()
        .contains("| `shape`, `words` |"));
}

/// The layout, and so the keys, are functions of the graph; here they are made.
#[test]
fn keys_of_a_pair_are_equal() {
    let equal = |seed: &u64| matches!(compare(&pair(*seed)).unwrap(), Verdict::Equal);
    let seed = (1..).find(equal).unwrap();
    let made = pair(seed).map(|bytes| {
        let (architecture, plan) = laid_out(&bytes);
        let srs = Srs::development_from_seed(plan.shape.k, [7; 32], &|_, _| ()).unwrap();
        let keys = Keys::new(&plan, &srs).unwrap();
        (serde_json::to_vec(&architecture).unwrap(), keys.digest())
    });
    assert!(made[0] == made[1]);
}

/// Pairs that told weights to four digits before.
#[test]
fn known_pairs_are_equal() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("ZKML_SHARED").map_or(beside, PathBuf::from);
    let folder = shared.join("reference/attacks/leaks");
    if !folder.is_dir() {
        println!(
            "skipped: no pairs (set ZKML_SHARED to a folder that holds reference/attacks/leaks)"
        );
        return;
    }
    for name in ["ls", "scal", "sigexp", "sinhatan", "softplog"] {
        let files = ["a", "b"].map(|half| folder.join(format!("{name}_{half}.onnx")));
        let verdict = compare(&files.map(|file| fs::read(file).unwrap())).unwrap();
        // The biases of one pair differ in width.
        let told = match &verdict {
            Verdict::Equal => name != "scal",
            Verdict::Declared(one) => {
                let width = |place: &String| place.starts_with("graph.tensors.range");
                name == "scal" && one.places.iter().all(width)
            }
            Verdict::Leak(_) | Verdict::Refused => false,
        };
        assert!(told, "{name}: {verdict:?}");
    }
}

/// A linear layer, then an operator with another initialiser.
fn then(nodes: &[Vec<u8>], others: &[Vec<u8>]) -> Vec<u8> {
    let layer = onnx::node("Gemm", "layer", &["x", "W"], "h");
    let weights = onnx::tensor("W", &[2, 2], &[0.31, -0.22, 0.17, 0.05]);
    let nodes = [&[layer], nodes].concat();
    let tensors = [&[weights], others].concat();
    onnx::model(
        &nodes,
        &tensors,
        onnx::value("x", &[1, 2]),
        onnx::value("y", &[1, 2]),
    )
}

fn array(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn numbers_that_may_be_learned_are_public_only_if_named() {
    let folder = Folder::new();
    let power = then(
        &[
            onnx::node("Relu", "relu", &["h"], "r"),
            onnx::node("Pow", "pool", &["r", "p"], "y"),
        ],
        &[onnx::tensor("p", &[1], &[2.7])],
    );
    let mask = then(
        &[
            onnx::node("Greater", "greater", &["m", "zero"], "c"),
            onnx::node("Where", "where", &["c", "h", "zero"], "y"),
        ],
        &[
            onnx::tensor("m", &[2], &[0.7, -0.2]),
            onnx::tensor("zero", &[1], &[0.0]),
        ],
    );
    for (name, bytes, learned, place) in [
        (
            "power.onnx",
            power,
            ["p"].as_slice(),
            "exponent of node 'pool' (Pow)",
        ),
        (
            "mask.onnx",
            mask,
            &["m", "zero"],
            "condition of node 'where' (Where)",
        ),
    ] {
        let file = folder.path(name);
        fs::write(&file, &bytes).unwrap();
        let out = folder.path("keys");
        let refused = Zkml::new().args(&["setup", &file, "--out", &out]).run();
        assert_eq!(refused.code, 1, "{}", refused.stderr);
        let asked = format!("--public '{}'", learned[0]);
        for part in [name, &asked, place] {
            assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
        }
        assert!(!Path::new(&out).exists());
        // What publishes nothing says what setup will ask.
        let input = folder.path("input.json");
        fs::write(&input, "[[0.5, 0.25]]").unwrap();
        let (samples, labels) = (folder.path("samples.npy"), folder.path("labels.npy"));
        fs::write(&samples, array("<f4", "(1, 2)", &[0; 8])).unwrap();
        fs::write(&labels, array("|u1", "(1,)", &[0])).unwrap();
        let settings = folder.path("settings.json");
        for command in [
            &["inspect", &file][..],
            &["run", &file, &input],
            &["eval", &file, "--images", &samples, "--labels", &labels],
            &["calibrate", &file, "--data", &samples, "--out", &settings],
        ] {
            let out = Zkml::new().args(command).args(&["--json"]).run();
            assert_eq!(out.code, 0, "{}", out.stderr);
            for part in [&asked, place] {
                assert!(out.stderr.contains(part), "{part}: {}", out.stderr);
            }
            let object: serde_json::Value = serde_json::from_str(&out.stdout).unwrap();
            assert_eq!(object["needs_public"], serde_json::json!(learned));
        }
        let named = learned.iter().flat_map(|name| ["--public", name]);
        let named: Vec<&str> = ["inspect", &file, "--json"]
            .into_iter()
            .chain(named)
            .collect();
        let accepted = Zkml::new().args(&named).run();
        assert_eq!(accepted.code, 0, "{}", accepted.stderr);
        let object: serde_json::Value = serde_json::from_str(&accepted.stdout).unwrap();
        let fates = object["initialisers"].as_array().unwrap();
        let fate = |name: &str| fates.iter().find(|one| one["name"] == name).unwrap();
        assert_eq!(object["needs_public"], serde_json::json!([]));
        assert_eq!(fate("W")["fate"], "committed");
        assert_eq!(fate(learned[0])["fate"], "public");
        assert_eq!(fate(learned[0])["why"][0]["structural"], false);
    }
}

#[test]
fn a_name_that_is_no_initialiser_is_an_error() {
    let folder = Folder::new();
    let file = folder.path("plain.onnx");
    fs::write(&file, then(&[onnx::node("Relu", "relu", &["h"], "y")], &[])).unwrap();
    let out = Zkml::new().args(&["inspect", &file, "--public", "V"]).run();
    assert_eq!(out.code, 1);
    for part in ["plain.onnx", "--public", "such as W", "'V'"] {
        assert!(out.stderr.contains(part), "{part}: {}", out.stderr);
    }
}

/// What pads is a weight: it is under the commitment.
#[test]
fn the_value_of_padding_is_committed() {
    let pads = {
        let words = [0i64, 0, 0, 1].map(i64::to_le_bytes).concat();
        let dims = onnx::number(1, 4);
        [
            dims,
            onnx::number(2, 7),
            onnx::field(8, "pads"),
            onnx::field(9, words),
        ]
        .concat()
    };
    let made = |v: f32| {
        let value = onnx::tensor("v", &[], &[v]);
        then(
            &[onnx::node("Pad", "pad", &["h", "pads", "v"], "y")],
            &[pads.clone(), value],
        )
    };
    let verdict = compare(&[made(0.618), made(0.55)]).unwrap();
    assert!(matches!(verdict, Verdict::Equal), "{verdict:?}");
}

/// `setup` says of each initialiser what becomes of it.
#[test]
fn setup_prints_fates() {
    let folder = Folder::new();
    let file = folder.path("square.onnx");
    let square = then(
        &[onnx::node("Pow", "square", &["h", "two"], "y")],
        &[
            onnx::tensor("two", &[1], &[2.0]),
            onnx::tensor("spare", &[1], &[0.5]),
        ],
    );
    fs::write(&file, square).unwrap();
    let out = Zkml::new()
        .args(&["setup", &file, "--out", &folder.path("keys")])
        .run();
    assert_eq!(out.code, 0, "{}", out.stderr);
    for line in [
        "committed           W",
        "two: public: the exponent of node 'square' (Pow)",
        "spare: not used",
    ] {
        assert!(out.stdout.contains(line), "{line}: {}", out.stdout);
    }
}

/// An input may be hashed, and what is computed from it is private: errors have places only.
#[test]
fn errors_do_not_show_values() {
    let folder = Folder::new();
    let file = folder.path("plain.onnx");
    fs::write(&file, then(&[onnx::node("Relu", "relu", &["h"], "y")], &[])).unwrap();
    let keys = folder.path("keys");
    let arguments = [
        "setup",
        &file,
        "--out",
        &keys,
        "--input-visibility",
        "hashed",
    ];
    let made = Zkml::new().args(&arguments).run();
    assert_eq!(made.code, 0, "{}", made.stderr);
    let out = folder.path("proof.zkml");
    for (name, content, part) in [
        (
            "far.json",
            "[[0.25, 987.0625]]",
            "index [0, 1]: expected a number from",
        ),
        ("huge.json", "[[0.25, 98765432109876.0]]", "index [0, 1]"),
    ] {
        let input = folder.path(name);
        fs::write(&input, content).unwrap();
        for json in [&["--json"][..], &[]] {
            let arguments = ["prove", &input, "--keys", &keys, "--out", &out];
            let run = Zkml::new().args(&arguments).args(json).run();
            assert_eq!(run.code, 1, "{}", run.stdout);
            let all = run.stdout + &run.stderr;
            assert!(all.contains(part), "{all}");
            // The number as it is, and at the scale.
            for value in ["987", "505376"] {
                assert!(!all.contains(value), "{value} in {all}");
            }
        }
    }
}
