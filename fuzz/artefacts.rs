//! The readers of what zkml itself writes.

use anyhow::Result;
use std::{fs, path::Path, sync::Arc};
use zkml_aggregation::AggregationKey;
use zkml_cli::{
    bundle::Bundle,
    contract::{Artefact, Checks, VERSION},
    origin::Origin,
};
use zkml_evm_verifier::{calldata::Layout, codegen::abi, compile::settings_of};
use zkml_files::{read_container, Kind};
use zkml_model::prove::{Architecture, Keys, Opening, Proof, Verifier};

use crate::{
    small::Small,
    target::{text, version, Read, Target, JSON, MSGPACK, NUMBERS},
};

/// Their targets; good files are made in `work`.
pub fn artefacts(work: &Path, small: &Arc<Small>) -> Result<Vec<Target>> {
    let file = |name: &str| work.join(name);
    small.keys.save(&file("proving.key"))?;
    small.keys.save_verifier(&file("verifying.key"))?;
    small.opening.save(&file("weights.opening"))?;
    small.proof.save(&file("proof.zkml"))?;
    small.architecture.save(&file("config.json"))?;
    small.bundle().save(&file("aggregate.zkml"))?;
    let artefact = Artefact {
        version: VERSION,
        contract: "ZkmlVerifier".parse()?,
        solc: "0.8.30".into(),
        srs: small.srs.provenance.to_string(),
        srs_secure: false,
        keys: Origin::Own,
        checks: Checks::Direct {
            verifying_key: small.keys.digest(),
            architecture: Box::new(small.architecture.clone()),
        },
        layout: Layout {
            instances: 15,
            points: 9,
            evaluations: 20,
        },
        abi: abi(),
        settings: settings_of("0.8.30")?,
        creation: "0x5f5f5360015ff3".into(),
        runtime: "0x00".into(),
    };
    let artefact = serde_json::to_vec_pretty(&artefact)?;
    let payload = |name: &str, kind| read_container(&file(name), kind, version(kind));
    let (proving, verifying) = (
        payload("proving.key", Kind::ProvingKey)?,
        payload("verifying.key", Kind::VerifyingKey)?,
    );
    let config = fs::read(file("config.json"))?;
    let opening = payload("weights.opening", Kind::Opening)?;
    let proof = payload("proof.zkml", Kind::Proof)?;
    let aggregate = payload("aggregate.zkml", Kind::AggregationProof)?;
    let with = |small: &Arc<Small>, read: fn(&Small, &Path) -> Result<(), String>| -> Read {
        let small = Arc::clone(small);
        Box::new(move |path| read(&small, path))
    };
    let target = |name, extension, weight, container, seed: Vec<u8>, words, read| Target {
        name,
        weight,
        extension,
        container,
        whole: true,
        seeds: vec![seed],
        words,
        read,
    };
    let mut aggregation_key = target(
        "aggregation-key",
        "key",
        60,
        Some(Kind::AggregationKey),
        aggregation_key_start(),
        JSON,
        with(small, |_, path| {
            AggregationKey::load(path).map(drop).map_err(text)
        }),
    );
    // A whole one is hundreds of megabytes.
    aggregation_key.whole = false;
    Ok(vec![
        target(
            "config",
            "json",
            60,
            None,
            config,
            JSON,
            with(small, |_, path| {
                let architecture = Architecture::load(path).map_err(text)?;
                let form = architecture.form().map_err(text)?;
                let laid = architecture.plan().map_err(text)?;
                assert_eq!(form, laid.statement.form);
                Ok(())
            }),
        ),
        target(
            "proving-key",
            "key",
            1,
            Some(Kind::ProvingKey),
            proving,
            NUMBERS,
            with(small, |small, path| {
                Keys::load(path, &small.architecture)
                    .map(drop)
                    .map_err(text)
            }),
        ),
        target(
            "verifying-key",
            "key",
            30,
            Some(Kind::VerifyingKey),
            verifying,
            NUMBERS,
            with(small, |small, path| {
                Verifier::load(path, &small.architecture)
                    .map(drop)
                    .map_err(text)
            }),
        ),
        target(
            "opening",
            "opening",
            200,
            Some(Kind::Opening),
            opening,
            NUMBERS,
            with(small, |_, path| Opening::load(path).map(drop).map_err(text)),
        ),
        target(
            "proof",
            "zkml",
            40,
            Some(Kind::Proof),
            proof,
            MSGPACK,
            with(small, |small, path| {
                let proof = Proof::load(path).map_err(text)?;
                let vk = small.keys.pk.get_vk();
                proof
                    .verify(&small.plan.statement.form, &small.srs, vk)
                    .map_err(text)
            }),
        ),
        target(
            "aggregate",
            "zkml",
            200,
            Some(Kind::AggregationProof),
            aggregate,
            JSON,
            with(small, |_, path| Bundle::load(path).map(drop).map_err(text)),
        ),
        aggregation_key,
        target(
            "contract",
            "json",
            200,
            None,
            artefact,
            JSON,
            with(small, |_, path| {
                let artefact = Artefact::load(path).map_err(text)?;
                artefact.bytecode().map(drop).map_err(text)
            }),
        ),
    ])
}

/// An aggregation key as far as the start of its first polynomial.
fn aggregation_key_start() -> Vec<u8> {
    let header = br#"{"shape":{"k":19,"columns":1},"structures":[],"breaks":[]}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.push(2);
    bytes.extend(19u32.to_le_bytes());
    bytes.push(0);
    bytes.extend(4u32.to_le_bytes());
    // The commitments; what is wrong with them shows only after the polynomials.
    bytes.extend([0; 64 * 8]);
    bytes.extend((1u32 << 19).to_be_bytes());
    bytes
}
