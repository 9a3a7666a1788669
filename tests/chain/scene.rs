//! What the tests share: the guide's files, and commands on a node of their own.

use crate::support::{
    anvil::{Anvil, KEYS},
    guide::{steps, Step, Style},
    json, Folder, Run, Zkml,
};
use serde_json::Value;
use std::{fs, path::Path, sync::OnceLock};
use zkml_files::{read_container, write_container, Kind};

/// The commands of docs/onchain.md: those before there is a node, and those on it.
pub fn guide() -> (Vec<Step>, Vec<Step>) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/onchain.md");
    let mut before = steps(&page, |info| (info == "sh anvil").then_some(Style::Plain));
    let first = before.iter().position(|step| step.arguments[1] == "deploy");
    let after = before.split_off(first.expect("a deployment in the guide"));
    let counts = (before.len(), after.len());
    assert!(
        counts.0 > 5 && counts.1 > 5,
        "only {counts:?} commands in the guide"
    );
    (before, after)
}

/// Does what a page says. What `zkml` gives has the environment that it asks for.
pub fn follow(steps: Vec<Step>, folder: &Folder, zkml: impl Fn() -> Zkml) {
    for step in steps {
        let arguments: Vec<&str> = step.arguments.iter().map(String::as_str).collect();
        let out = checked(zkml().current_dir(&folder.path("")).args(&arguments));
        assert_eq!(
            out.code, step.code,
            "{}\n{}{}",
            step.place, out.stdout, out.stderr
        );
    }
}

/// A proof and its contract, made once for all tests by the commands of the guide.
pub fn made() -> &'static Folder {
    static MADE: OnceLock<Folder> = OnceLock::new();
    MADE.get_or_init(|| {
        let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/digits");
        let folder = Folder::lasting("onchain-guide");
        let examples = folder.path("examples/digits");
        fs::create_dir_all(&examples).unwrap();
        for name in ["model.onnx", "seven.png"] {
            fs::copy(digits.join(name), format!("{examples}/{name}")).unwrap();
        }
        follow(guide().0, &folder, Zkml::new);
        folder
    })
}

/// A proof in direct mode and its contract, made once: in seconds, where the guide's take minutes.
pub fn direct_made() -> &'static Folder {
    static MADE: OnceLock<Folder> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Folder::lasting("onchain-direct");
        let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/digits");
        let file = |name: &str| digits.join(name).display().to_string();
        let run = |arguments: &[&str]| {
            let out = Zkml::new()
                .current_dir(&folder.path(""))
                .args(arguments)
                .run();
            assert_eq!(out.code, 0, "{arguments:?}: {}", out.stderr);
        };
        let model = file("model.onnx");
        let setup = ["setup", &model, "--out", "keys", "--input-range", "0,1"];
        run(&[&setup[..], &["--optimize", "direct"]].concat());
        run(&[
            "prove",
            &file("seven.png"),
            "--keys",
            "keys",
            "--out",
            "proof.zkml",
        ]);
        let generate = ["evm", "generate", "--keys", "keys", "--mode", "direct"];
        run(&[&generate[..], &["--out", "contract"]].concat());
        folder
    })
}

/// A folder with these, and no record of a deployment.
pub fn direct() -> Folder {
    copied(direct_made(), "proof.zkml")
}

/// A folder with contract, keys and this proof of another one.
fn copied(from: &Folder, proof: &str) -> Folder {
    let to = Folder::new();
    for folder in ["contract", "keys"] {
        fs::create_dir(to.path(folder)).unwrap();
    }
    for name in [
        "contract/ZkmlVerifier.json",
        "keys/config.json",
        "keys/verifying.key",
        "keys/verifying.srs",
        "keys/weights.opening",
        proof,
    ] {
        fs::copy(from.path(name), to.path(name)).unwrap();
    }
    to
}

/// Runs a command, and searches what it says for private keys.
pub fn checked(zkml: Zkml) -> Run {
    let out = zkml.run();
    let said = (out.stdout.clone() + &out.stderr).to_lowercase();
    for key in KEYS {
        // A part of the key would be too much already.
        for part in [&key[..16], &key[24..40], &key[48..]] {
            assert!(!said.contains(part), "a private key is shown: {said}");
        }
    }
    out
}

/// A folder with the guide's contract, proof and keys, and no record of a deployment.
pub fn copy() -> Folder {
    copied(made(), "aggregate.zkml")
}

/// Runs `zkml evm COMMAND` on the files of a folder.
pub fn evm(anvil: &Anvil, folder: &Folder, command: &[&str]) -> Run {
    checked(prepared(anvil, folder, command))
}

pub fn prepared(anvil: &Anvil, folder: &Folder, command: &[&str]) -> Zkml {
    let zkml = anvil.zkml().current_dir(&folder.path("")).args(&["evm"]);
    zkml.args(command).args(&["--contract", "contract"])
}

/// The same, with the object that it prints; it must succeed.
pub fn evm_json(anvil: &Anvil, folder: &Folder, command: &[&str]) -> Value {
    let out = checked(prepared(anvil, folder, command).args(&["--json"]));
    assert_eq!(out.code, 0, "{command:?}: {}{}", out.stdout, out.stderr);
    json(&out)
}

pub const REGISTER: [&str; 6] = [
    "register",
    "--keys",
    "keys",
    "--proof",
    "aggregate.zkml",
    "--yes",
];
pub const SUBMIT: [&str; 5] = ["submit", "aggregate.zkml", "--keys", "keys", "--yes"];
pub const VERIFY: [&str; 4] = ["verify", "aggregate.zkml", "--keys", "keys"];

/// A node on which the guide's contracts stand and its model is registered.
pub fn registered(more: &[&str]) -> (Anvil, Folder) {
    let (anvil, folder) = (Anvil::start(more), copy());
    evm_json(&anvil, &folder, &["deploy", "--yes"]);
    evm_json(&anvil, &folder, &REGISTER);
    (anvil, folder)
}

/// Changes the file of the aggregated proof as its maker could: its digest is made anew.
pub fn tamper(folder: &Folder, change: impl FnOnce(&mut Value)) {
    let path = folder.path("aggregate.zkml");
    let payload = read_container(path.as_ref(), Kind::AggregationProof, 2).unwrap();
    let mut bundle: Value = serde_json::from_slice(&payload).unwrap();
    change(&mut bundle);
    let payload = serde_json::to_vec(&bundle).unwrap();
    write_container(path.as_ref(), Kind::AggregationProof, 2, &mut |out| {
        out.write_all(&payload)
    })
    .unwrap();
}
