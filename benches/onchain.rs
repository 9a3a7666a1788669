//! The cases whose proofs a contract verifies, in a local EVM.

use std::path::Path;

use anyhow::{bail, Context, Result};
use halo2_proofs::{
    halo2curves::bn256::{Bn256, G1Affine},
    poly::commitment::ParamsProver,
};
use serde_json::{json, Value};
use snark_verifier::{pcs::kzg::KzgDecidingKey, verifier::plonk::PlonkProtocol};
use zkml_aggregation::{vk_digest, AggregateProof};
use zkml_evm_verifier::{
    calldata::Layout,
    check::{build, check_contract},
    codegen::{generate, Labels, VerifierSource},
    compile::{find_compiler, Bytecode},
    contracts::model_verifier,
    exec::{Chain, Fork},
    front::{self, describe_revert, Contract, Inference, Mode},
    validate,
};
use zkml_model::prove::{self, Architecture, Keys, Opening, Proof, Statement};
use zkml_srs::Srs;

use crate::{
    forger::{
        battery::{tried, Tally},
        cases as lies,
        inner::{self, Lie},
        outer::{Kind, Outer},
    },
    made::{aggregated, cached, inner_proof, model, outer, request, with},
    meter::measure,
    partitions::random_cuts,
};

pub fn evm_case(case: &str, folder: &Path) -> Result<Value> {
    let snarks = [inner_proof(&folder.join("onchain"))?];
    let (srs, key) = outer(&snarks)?;
    let proof = aggregated(&srs, &key, &snarks)?;
    let protocol = key.protocol(&srs.params)?;
    let (measured, (source, bytecode)) = measure(|| contract(&srs, &protocol))?;
    let more = on_chain(&bytecode, source.layout, &proof)?;
    Ok(measured.line(case, with(more, "model", json!(model().0))))
}

/// An aggregated proof submitted to `ModelVerifier`, inputs and outputs in the clear: the time is that of the aggregation.
pub fn model_verifier_case(case: &str, folder: &Path) -> Result<Value> {
    let place = folder.join("onchain");
    let architecture = Architecture::load(&place.join("config.json"))?;
    let statement = Proof::load(&place.join("proof.zkml"))?.statement;
    let snarks = [inner_proof(&place)?];
    let (srs, key) = outer(&snarks)?;
    let (measured, proof) = measure(|| aggregated(&srs, &key, &snarks))?;
    let (_, bytecode) = contract(&srs, &key.protocol(&srs.params)?)?;
    let mode = Mode::Aggregated {
        key_digest: vk_digest(&snarks[0].protocol)?,
    };
    let argument = front::aggregated_proof(&proof.instances, &proof.proof);
    let more = through_front(&architecture, &statement, mode, &bytecode, &argument)?;
    let more = with(more, "runtime_bytes", json!(bytecode.runtime.len()));
    let more = with(more, "public_values", json!(proof.instances.len()));
    Ok(measured.line(case, with(more, "model", json!(model().0))))
}

/// Gas of whole transactions to `ModelVerifier`, inputs and outputs in the clear.
fn through_front(
    architecture: &Architecture,
    statement: &Statement,
    mode: Mode,
    bytecode: &Bytecode,
    proof: &[u8],
) -> Result<Value> {
    let form = architecture.form()?;
    let mut of = Vec::new();
    for fork in Fork::ALL {
        let mut chain = Chain::new(fork);
        let verifier = chain.deploy(&bytecode.creation)?.address;
        let place = chain.deploy(&model_verifier()?.creation())?.address;
        let commitment = statement.commitment.0;
        let digest = usize::from(mode != Mode::Direct);
        let contract = Contract {
            address: verifier,
            code: &bytecode.runtime,
            slots: &[u16::try_from(form.instances + digest)?],
        };
        let model = front::model(&form, commitment, mode, &contract)?;
        let (input, output) = front::encode(&model, statement)?;
        let inference = Inference {
            model_id: front::model_id(&model),
            context: statement.context.0,
            input,
            output,
        };
        let calls = [
            front::register_call(&model),
            front::verify_call(&inference, proof, false),
            front::verify_call(&inference, proof, true),
        ];
        for call in calls {
            let outcome = chain.call(place, &call)?;
            if !outcome.returned {
                bail!("{fork}: {}", describe_revert(&outcome.output));
            }
            of.push((fork, outcome.gas));
        }
    }
    let total = |fork: Fork, step: usize| {
        let mut gas = of.iter().filter(|(rules, _)| *rules == fork);
        gas.nth(step).map(|(_, gas)| gas.total)
    };
    let [register, verify, submit] = [0, 1, 2];
    Ok(json!({
        "gas": total(Fork::Osaka, verify),
        "gas_prague": total(Fork::Prague, verify),
        "gas_submit": total(Fork::Osaka, submit),
        "gas_register": total(Fork::Osaka, register),
        "parts": of.iter().rev().find(|(fork, _)| *fork == Fork::Osaka).map(|(_, gas)| json!({
            "calldata": gas.calldata, "precompiles": gas.precompiles, "execution": gas.execution,
        })),
    }))
}

/// A proof that its own contract verifies: the time is that of the proof.
pub fn direct_case(case: &str, folder: &Path) -> Result<Value> {
    let architecture = Architecture::load(&folder.join("config.json"))?;
    let plan = architecture.plan()?;
    let srs = cached(plan.shape.k)?;
    let keys = Keys::load(&folder.join("proving.key"), &architecture)?;
    let opening = Opening::load(&folder.join("weights.opening"))?;
    let (measured, proof) = measure(|| {
        let request = request(&architecture, &model().1)?;
        let proven = prove::prove(&architecture, &plan, &srs, &keys, &opening, &request)?;
        Ok(proven.0)
    })?;
    let instances = proof.direct_instances(&plan.statement.form)?;
    let protocol = prove::protocol(&srs.params, keys.pk.get_vk(), instances.len())?;
    let (source, bytecode) = contract(&srs, &protocol)?;
    let front = through_front(
        &architecture,
        &proof.statement,
        Mode::Direct,
        &bytecode,
        &proof.argument,
    )?;
    let proof = AggregateProof {
        instances,
        proof: proof.argument,
    };
    let more = on_chain(&bytecode, source.layout, &proof)?;
    let more = with(more, "model_verifier", front);
    let more = with(more, "public_values", json!(proof.instances.len()));
    let more = with(more, "k", json!(plan.shape.k));
    Ok(measured.line(case, with(more, "model", json!(model().0))))
}

/// Two proofs of each of two models in one: the time is that of the aggregation.
pub fn batch_case(case: &str, folder: &Path) -> Result<Value> {
    let [first, second] = ["hashed", "hashed-example"].map(|name| inner_proof(&folder.join(name)));
    let (first, second) = (first?, second?);
    let snarks = [first.clone(), first, second.clone(), second];
    let (srs, key) = outer(&snarks)?;
    let (measured, proof) = measure(|| aggregated(&srs, &key, &snarks))?;
    let (source, bytecode) = contract(&srs, &key.protocol(&srs.params)?)?;
    let more = on_chain(&bytecode, source.layout, &proof)?;
    let each = more["gas"].as_u64().map(|gas| gas / snarks.len() as u64);
    let more = with(more, "gas_per_inference", json!(each));
    Ok(measured.line(case, with(more, "shape", json!(key.shape()))))
}

/// Calls of `ModelVerifier` whose words are those of an honest batch, cut at other places.
pub fn partitions_case(case: &str) -> Result<Value> {
    let (measured, count) = measure(|| Ok(random_cuts(10_000)))?;
    let more = json!({
        "cases": count.cases,
        "accepted": count.accepted,
        "honest": count.honest,
    });
    Ok(measured.line(case, more))
}

/// Proofs that are wrong in one thing, before the native verifier, contracts and the front.
pub fn false_proofs_case(case: &str) -> Result<Value> {
    let (measured, (tally, [inner_tried, inner_accepted])) = measure(|| {
        let mut tally = Tally::default();
        for outer in Kind::ALL.map(Outer::new) {
            tally.add(&tried(&outer, &outer.code, &lies::all(&outer)));
        }
        // Of four proofs that are really aggregated.
        let inner = inner::tried(&[Lie::Evaluation, Lie::Commitment, Lie::Score, Lie::Opening]);
        Ok((tally, inner))
    })?;
    let more = json!({
        "tried": tally.tried + inner_tried,
        "accepted": tally.accepted.len() + inner_accepted,
        "about": tally.about,
        "told_to_the_front": tally.told,
        "accepted_once_settled": tally.settled,
        "faults": tally.faults.len(),
    });
    Ok(measured.line(case, more))
}

/// Contracts of the models here, and of the circuits that false proofs are for, compared with what they were made from:
/// the time is that of the comparison.
pub fn translation_case(case: &str, folder: &Path) -> Result<Value> {
    let place = folder.join("direct");
    let architecture = Architecture::load(&place.join("config.json"))?;
    let (keys, srs) = (
        Keys::load(&place.join("proving.key"), &architecture)?,
        cached(architecture.shape.k)?,
    );
    let proof = Proof::load(&place.join("proof.zkml"))?;
    let count = proof.direct_instances(&architecture.form()?)?.len();
    let protocol = prove::protocol(&srs.params, keys.pk.get_vk(), count)?;
    let mut contracts = vec![texts(deciding(&srs)?, &protocol)?];
    let snarks = [inner_proof(&folder.join("onchain"))?];
    let (srs, key) = outer(&snarks)?;
    contracts.push(texts(deciding(&srs)?, &key.protocol(&srs.params)?)?);
    for outer in Kind::ALL.map(Outer::new) {
        contracts.push(texts(outer.deciding, &outer.protocol)?);
    }
    let (measured, (inputs, differences)) = measure(|| {
        let (mut inputs, mut differences) = (0, 0);
        for [plain, written] in &contracts {
            let (plain, program) = (plain.program()?, written.program()?);
            for input in &written.inputs {
                let compared = validate::texts(&plain, &program, std::slice::from_ref(input));
                inputs += 1;
                differences += usize::from(compared.is_err());
            }
        }
        Ok((inputs, differences))
    })?;
    let more = json!({
        "contracts": contracts.len(),
        "inputs": inputs,
        "differences": differences,
    });
    Ok(measured.line(case, with(more, "model", json!(model().0))))
}

/// A verifier's texts, plain and optimised.
fn texts(
    key: KzgDecidingKey<Bn256>,
    protocol: &PlonkProtocol<G1Affine>,
) -> Result<[VerifierSource; 2]> {
    let labels = labels("");
    let plain = generate(&key, protocol, &labels, false)?;
    Ok([plain, generate(&key, protocol, &labels, true)?])
}

/// Writes and compiles a verifier.
fn contract(srs: &Srs, protocol: &PlonkProtocol<G1Affine>) -> Result<(VerifierSource, Bytecode)> {
    let labels = labels(&srs.provenance.to_string());
    Ok(build(
        &find_compiler(None)?,
        &deciding(srs)?,
        protocol,
        &labels,
    )?)
}

fn labels(srs: &str) -> Labels {
    Labels {
        contract: "Verifier".into(),
        srs: srs.to_string(),
        notes: Vec::new(),
    }
}

pub fn deciding(srs: &Srs) -> Result<KzgDecidingKey<Bn256>> {
    let points = srs.params.get_g();
    let generator = points.first().context("an SRS without points")?;
    Ok((*generator, srs.params.g2(), srs.params.s_g2()).into())
}

/// Has a contract verify a proof; what that costs.
fn on_chain(bytecode: &Bytecode, layout: Layout, proof: &AggregateProof) -> Result<Value> {
    let forks = [Fork::Prague, Fork::Osaka];
    let report = check_contract(bytecode, layout, &proof.instances, &proof.proof, &forks)?;
    let gas = |fork: Fork| {
        let found = report.gas.iter().find(|(rules, _)| *rules == fork);
        found.map(|(_, gas)| gas.total)
    };
    Ok(json!({
        "gas": gas(Fork::Osaka),
        "gas_prague": gas(Fork::Prague),
        "calldata_bytes": report.calldata_bytes,
        "runtime_bytes": report.runtime_bytes,
    }))
}
