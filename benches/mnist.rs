//! The small model, from setup to aggregation.

use std::path::Path;

use anyhow::Result;
use serde_json::{json, Value};
use zkml_model::{
    layout::Visibilities,
    planner::Goal,
    prove::{self, Architecture, Keys, Opening, Proof, Verifier},
};

use crate::{
    made::{aggregated, cached, inner_proof, model, outer, request, setup, shape, with},
    meter::measure,
};

/// Model file to keys on disk, the SRS in the cache.
pub fn setup_case(case: &str) -> Result<Value> {
    let files = model().1;
    let setup = || setup(&files, Visibilities::default(), Goal::Prove);
    setup()?;
    let (measured, made) = measure(|| {
        let (made, opening) = setup()?;
        // A secret that is there is not replaced.
        let folder = tempfile::tempdir()?;
        made.architecture.save(&folder.path().join("config.json"))?;
        made.keys.save(&folder.path().join("proving.key"))?;
        made.keys
            .save_verifier(&folder.path().join("verifying.key"))?;
        opening.save(&folder.path().join("weights.opening"))?;
        Ok(made)
    })?;
    Ok(measured.line(case, shape(&made.plan)))
}

/// Input file to verified proof file, the keys loaded.
pub fn prove_case(case: &str, folder: &Path) -> Result<Value> {
    let architecture = Architecture::load(&folder.join("config.json"))?;
    let plan = architecture.plan()?;
    let srs = cached(plan.shape.k)?;
    let keys = Keys::load(&folder.join("proving.key"), &architecture)?;
    let opening = Opening::load(&folder.join("weights.opening"))?;
    let out = tempfile::tempdir()?;
    let (measured, proof) = measure(|| {
        let request = request(&architecture, &model().1)?;
        let (proof, _) = prove::prove(&architecture, &plan, &srs, &keys, &opening, &request)?;
        proof.save(&out.path().join("proof.zkml"))?;
        Ok(proof)
    })?;
    let more = with(shape(&plan), "proof_bytes", json!(proof.argument.len()));
    Ok(measured.line(case, more))
}

/// The check of a loaded proof with a loaded key.
pub fn verify_case(case: &str, folder: &Path) -> Result<Value> {
    let architecture = Architecture::load(&folder.join("config.json"))?;
    let form = architecture.form()?;
    let srs = cached(architecture.shape.k)?;
    let key = Verifier::load(&folder.join("verifying.key"), &architecture)?;
    let proof = Proof::load(&folder.join("proof.zkml"))?;
    let (measured, ()) = measure(|| Ok(proof.verify(&form, &srs, &key.vk)?))?;
    // The figures of its layout, which verifying does without.
    let plan = architecture.plan()?;
    let more = with(shape(&plan), "proof_bytes", json!(proof.argument.len()));
    Ok(measured.line(case, more))
}

/// Loaded proofs to one that a contract checks.
pub fn aggregate_case(case: &str, folder: &Path) -> Result<Value> {
    let snarks = [inner_proof(&folder.join("onchain"))?];
    let (srs, key) = outer(&snarks)?;
    let (measured, proof) = measure(|| aggregated(&srs, &key, &snarks))?;
    let more = json!({
        "model": model().0,
        "k": key.shape().k,
        "columns": key.shape().columns,
        "proof_bytes": proof.proof.len(),
    });
    Ok(measured.line(case, more))
}
