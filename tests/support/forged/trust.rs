//! Labels of a set-up, keys that are not those of their configuration, and names that are paths.

use super::{
    change_json,
    verifier::{creation, runtime},
    Case, Scene,
};
use anyhow::{ensure, Result};
use halo2_proofs::halo2curves::{
    bn256::{Fr, G2Affine},
    group::Curve,
};
use serde_json::{json, Value};
use std::{fs, path::Path};
use zkml_cli::hex::hex;
use zkml_files::{read_container, write_container, Kind};
use zkml_srs::{FileDigest, Provenance, Srs};

const HERMEZ: &str = "powersOfTau28_hez_final_14.ptau";
const VERIFY: [&str; 6] = [
    "verify",
    "proof.zkml",
    "--trust-srs",
    "development",
    "--keys",
    "copy",
];
const CALL: [&str; 9] = [
    "evm",
    "calldata",
    "forged.zkml",
    "--keys",
    "keys",
    "--chain-id",
    "31337",
    "--contract",
    "label",
];

/// A fresh copy of the folder of keys.
fn copy(scene: &Scene<'_>) -> Result<()> {
    copy_of(&scene.path("keys"), &scene.path("copy"))
}

fn copy_of(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// The cases.
pub fn cases(scene: &Scene<'_>) -> Result<Vec<Case>> {
    let mut cases = labels(scene)?;
    cases.extend(artefacts(scene)?);
    cases.extend(keys(scene)?);
    Ok(cases)
}

fn labels(scene: &Scene<'_>) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    copy(scene)?;
    scene.honest(&VERIFY)?;
    let silent = ["verify", "proof.zkml", "--keys", "copy"];
    cases.push(scene.forged("an SRS that nobody relies upon", &silent)?);
    let fingerprint = "11".repeat(32);
    let named = [&silent[..], &["--trust-srs", &fingerprint]].concat();
    cases.push(scene.forged("an SRS other than the one relied upon", &named)?);

    let small = scene.path("copy/verifying.srs");
    for (name, file, digest) in [
        ("the label of another file", "ours.ptau", [7; 64]),
        ("the label of a published file", HERMEZ, [7; 64]),
    ] {
        let mut srs = scene.srs()?;
        srs.provenance = Provenance::Ceremony {
            name: file.into(),
            digest: FileDigest(digest),
            fingerprint: srs.fingerprint(),
            accepted: false,
        };
        srs.save(&small)?;
        cases.push(scene.forged(name, &VERIFY)?);
    }
    cases.push(scene.forged(
        "the label of a published file, checked",
        &["srs", "check", "copy/verifying.srs"],
    )?);

    // The same in the key's head: fingerprint, length of the label, label, key.
    for (name, file) in [
        ("a key with the label of a published file", HERMEZ),
        ("a key with another label than its SRS", "ours.ptau"),
    ] {
        copy(scene)?;
        let path = scene.path("copy/verifying.key");
        change_key(&path, |head, _| {
            let fingerprint = head[..32].to_vec();
            let label = Provenance::Ceremony {
                name: file.into(),
                digest: FileDigest([7; 64]),
                fingerprint: fingerprint.clone().try_into().unwrap_or_default(),
                accepted: false,
            };
            let label = serde_json::to_vec(&label).unwrap_or_default();
            let length = (label.len() as u32).to_le_bytes();
            *head = [&fingerprint[..], &length, &label].concat();
        })?;
        cases.push(scene.forged(name, &VERIFY)?);
    }
    Ok(cases)
}

fn artefacts(scene: &Scene<'_>) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let other = (G2Affine::generator() * Fr::from(99)).to_affine();
    let other = runtime(other);
    let code = |artefact: &mut Value, creation: &[u8], runtime: &[u8]| {
        artefact["creation"] = json!(format!("0x{}", hex(creation)));
        artefact["runtime"] = json!(format!("0x{}", hex(runtime)));
    };
    let elsewhere = runtime(scene.srs()?.params.s_g2());
    let pinned = "SRS of the Hermez Powers of Tau, pinned in zkml (file \"x\", BLAKE2b 00)";
    let outside = scene.path("pwn.deployed-31337.json");
    type Change<'c> = &'c dyn Fn(&mut Value);
    let changes: [(&'static str, Change<'_>); 8] = [
        (
            "an artefact that says that its SRS is secure",
            &|artefact| {
                artefact["srs_secure"] = json!(true);
            },
        ),
        ("an artefact with the name of a ceremony", &|artefact| {
            artefact["srs"] = json!(pinned);
        }),
        ("an artefact with both", &|artefact| {
            artefact["srs"] = json!(pinned);
            artefact["srs_secure"] = json!(true);
        }),
        ("both, over bytecode of another secret", &|artefact| {
            artefact["srs"] = json!(pinned);
            artefact["srs_secure"] = json!(true);
            code(artefact, &creation(&other), &other);
        }),
        (
            "a contract that trusts another SRS than the keys",
            &|artefact| {
                code(artefact, &creation(&other), &other);
            },
        ),
        ("a deployment that leaves another code", &|artefact| {
            code(artefact, &creation(&other), &elsewhere);
        }),
        ("bytecode that comes to no pairing", &|artefact| {
            let none = [0x5f, 0x5f, 0xf3];
            code(artefact, &creation(&none), &none);
        }),
        ("a name that is a path", &|artefact| {
            artefact["contract"] = json!("../pwn");
        }),
    ];
    let label = scene.path("label");
    copy_of(&scene.path("contract"), &label)?;
    scene.honest(&CALL)?;
    // What a name that is a path would lead to.
    fs::copy(label.join("ZkmlVerifier.deployed-31337.json"), &outside)?;
    for (name, change) in changes {
        copy_of(&scene.path("contract"), &label)?;
        change_json(&label.join("ZkmlVerifier.json"), change)?;
        cases.push(scene.forged(name, &CALL)?);
    }
    copy_of(&scene.path("contract"), &label)?;
    change_json(&label.join("ZkmlVerifier.deployed-31337.json"), |record| {
        record["contract"] = json!("../pwn");
    })?;
    cases.push(scene.forged("a record with a name that is a path", &CALL)?);
    Ok(cases)
}

/// Keys of another circuit under the victim's configuration.
fn keys(scene: &Scene<'_>) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    copy(scene)?;
    // One fixed column is another's: a constraint or a table of the circuit is gone.
    change_key(&scene.path("copy/verifying.key"), |_, key| {
        // format version (1 byte), k (4), compression (1), number of commitments (4), then points of 64 bytes.
        let (first, second) = (10, 10 + 64);
        let point = key[second..second + 64].to_vec();
        key[first..first + 64].copy_from_slice(&point);
    })?;
    let rederive = [&VERIFY[..], &["--rederive"]].concat();
    cases.push(scene.forged("a key of another circuit, derived again", &rederive)?);
    for (name, mode) in [
        ("a contract of a key of another circuit", "direct"),
        ("an aggregation of a key of another circuit", "aggregate"),
    ] {
        let generate = [
            "evm", "generate", "--keys", "copy", "--out", "made", "--mode",
        ];
        let case = scene.forged(name, &[&generate[..], &[mode]].concat())?;
        ensure!(
            !scene.path("copy/aggregation-1.key").exists(),
            "{}",
            case.said
        );
        cases.push(case);
    }
    Ok(cases)
}

/// Changes head and key of a verifying key's file.
fn change_key(path: &Path, change: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>)) -> Result<()> {
    let payload = read_container(path, Kind::VerifyingKey, 2)?;
    let mut length = [0; 4];
    length.copy_from_slice(&payload[32..36]);
    let (head, key) = payload.split_at(36 + u32::from_le_bytes(length) as usize);
    let (mut head, mut key) = (head.to_vec(), key.to_vec());
    change(&mut head, &mut key);
    write_container(path, Kind::VerifyingKey, 2, &mut |out| {
        out.write_all(&head)?;
        out.write_all(&key)
    })?;
    // An SRS file has a label of its own, which is not changed here.
    Ok(Srs::load(&path.with_file_name("verifying.srs")).map(drop)?)
}
