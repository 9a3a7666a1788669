//! The cases.

use std::{path::Path, time::Instant};

use anyhow::{anyhow, Result};
use serde_json::{json, Value};
use zkml_model::{layout::Visibilities, planner::Goal, prove};
use zkml_srs::Srs;

use crate::{
    forged::Scene,
    leaks,
    made::{example, hashed, model, request, setup},
    meter::measure,
    mnist, models, onchain, onnx, right, settings, soundness,
};

/// What a case finds ready in its folder.
pub fn needs(case: &str) -> &'static [&'static str] {
    match case {
        "mnist/prove" | "mnist/verify" => &["prove"],
        "aggregate/1" | "evm/1" | "evm/model-verifier" => &["onchain"],
        "evm/direct" => &["direct"],
        "evm/batch-4" => &["hashed", "hashed-example"],
        "evm/translation" | "evm/settings" => &["direct", "onchain"],
        _ => &[],
    }
}

/// Makes what cases need.
pub fn prepare(needed: &str, folder: &Path) -> Result<()> {
    let place = folder.join(needed);
    std::fs::create_dir(&place)?;
    let (files, goal, visibilities) = match needed {
        "onchain" => (model().1, Goal::Onchain, Visibilities::default()),
        "direct" => (model().1, Goal::Direct, Visibilities::default()),
        "hashed" => (model().1, Goal::Onchain, hashed()),
        "hashed-example" => (example(), Goal::Onchain, hashed()),
        _ => (model().1, Goal::Prove, Visibilities::default()),
    };
    let (made, opening) = setup(&files, visibilities, goal)?;
    made.architecture.save(&place.join("config.json"))?;
    made.keys.save(&place.join("proving.key"))?;
    made.keys.save_verifier(&place.join("verifying.key"))?;
    opening.save(&place.join("weights.opening"))?;
    let request = request(&made.architecture, &files)?;
    let (proof, _) = prove::prove(
        &made.architecture,
        &made.plan,
        &made.srs,
        &made.keys,
        &opening,
        &request,
    )?;
    proof.save(&place.join("proof.zkml"))?;
    Ok(())
}

/// Runs one case.
pub fn run(case: &str, folder: &Path) -> Result<Value> {
    match case {
        "mnist/setup" => mnist::setup_case(case),
        "mnist/prove" => mnist::prove_case(case, &folder.join("prove")),
        "mnist/verify" => mnist::verify_case(case, &folder.join("prove")),
        "mnist/batch-16" => models::batch(case),
        "mnist/accuracy" => models::accuracy(case),
        "v2/prove" => models::v2(case),
        "aggregate/1" => mnist::aggregate_case(case, folder),
        "evm/1" => onchain::evm_case(case, folder),
        "evm/model-verifier" => onchain::model_verifier_case(case, folder),
        "evm/direct" => onchain::direct_case(case, &folder.join("direct")),
        "evm/batch-4" => onchain::batch_case(case, folder),
        "evm/partitions" => onchain::partitions_case(case),
        "evm/false-proofs" => onchain::false_proofs_case(case),
        "evm/translation" => onchain::translation_case(case, folder),
        "evm/settings" => settings::settings(case, folder),
        "onnx/node-tests" => onnx::node_tests(case),
        "onnx/networks" => onnx::whole_networks(case),
        "soundness/enemy" => soundness::enemy(case),
        "cases/right" => right::right(case),
        "graphs/differ" => right::differ(case),
        "files/leaks" => leaks::leaks(case),
        "files/forged" => forged_case(case, folder),
        "srs/20" => {
            let (measured, _) = measure(|| Ok(Srs::development(20, &|_, _| ())?))?;
            Ok(measured.line(case, json!({ "k": 20 })))
        }
        other => Err(anyhow!("no case '{other}'")),
    }
}

/// Files that claim to be what they are not, each handed to the program beside this one.
fn forged_case(case: &str, folder: &Path) -> Result<Value> {
    let program = std::env::current_exe()?.with_file_name("zkml");
    let place = folder.join("forged");
    std::fs::create_dir_all(&place)?;
    let [example, _] = example();
    let example = example.parent().ok_or_else(|| anyhow!("no example"))?;
    let scene = Scene::new(&program, &place, example)?;
    let start = Instant::now();
    let cases = scene.run()?;
    let accepted: Vec<_> = cases.iter().filter(|case| case.accepted).collect();
    for case in &accepted {
        eprintln!("accepted: {}: {}", case.name, case.said);
    }
    Ok(json!({
        "case": case,
        "wall_s": start.elapsed().as_secs_f64(),
        "tried": cases.len(),
        "accepted": accepted.len(),
    }))
}
