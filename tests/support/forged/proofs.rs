//! Files of aggregated proofs that say of the public values what is not so.

use super::{
    verifier::{creation, runtime},
    Case, Scene,
};
use anyhow::{Context, Result};
use halo2_proofs::halo2curves::bn256::Fr;
use std::fs;
use zkml_aggregation::{AggregateProof, ACCUMULATOR_LIMBS};
use zkml_cli::{
    bundle::{Bundle, Inner, Slot},
    contract::{structure, Artefact, Checks, VERSION},
    onchain::record::Record,
    origin::Origin,
};
use zkml_evm_verifier::{calldata::Layout, chain::keccak256, codegen::abi, compile::settings_of};
use zkml_model::prove::{Exposure, Proof, Word};

/// Chain of the records.
const CHAIN: u64 = 31337;
const CALL: [&str; 8] = [
    "evm",
    "calldata",
    "forged.zkml",
    "--contract",
    "contract",
    "--chain-id",
    "31337",
    "--keys",
];

/// Writes a contract's artefact, and records that say that it stands.
pub fn contract(scene: &Scene<'_>, instances: usize) -> Result<()> {
    let code = runtime(scene.srs()?.params.s_g2());
    let hex = |bytes: &[u8]| format!("0x{}", zkml_cli::hex::hex(bytes));
    let artefact = Artefact {
        version: VERSION,
        contract: "ZkmlVerifier".parse()?,
        solc: "0.8.30".into(),
        srs: scene.srs()?.provenance.to_string(),
        srs_secure: false,
        keys: Origin::Own,
        checks: Checks::Aggregate {
            slots: vec![u16::try_from((instances - ACCUMULATOR_LIMBS) / 2)?; 2],
            structures: vec![Word(structure(&scene.verifying("keys")?)?.word()); 2],
        },
        layout: Layout {
            instances,
            points: 9,
            evaluations: 20,
        },
        abi: abi(),
        settings: settings_of("0.8.30")?,
        creation: hex(&creation(&code)),
        runtime: hex(&code),
    };
    let folder = scene.path("contract");
    artefact.save("// nothing", &folder)?;
    for contract in ["ZkmlVerifier", "ModelVerifier"] {
        let record = Record {
            contract: contract.parse()?,
            chain_id: CHAIN,
            address: Default::default(),
            code_hash: keccak256(&code),
            transaction: None,
            deployer: None,
            block: None,
        };
        record.save(&folder)?;
    }
    Ok(())
}

/// Two statements of the example, as an honest aggregation would write them; the proof proves nothing, which only a
/// contract sees.
fn honest(scene: &Scene<'_>) -> Result<Bundle> {
    let set = scene.verifying("keys")?;
    let proof = Proof::load(&scene.path("proof.zkml"))?;
    let mut instances = vec![Fr::from(3); ACCUMULATOR_LIMBS];
    let mut inner = Vec::new();
    for context in [0u64, 7] {
        let mut proof = proof.clone();
        proof.statement.context = Word(Fr::from(context));
        let slot = Slot::new(&set, &proof.statement)?;
        instances.push(slot.key_digest.0);
        instances.extend(slot.instances);
        inner.push(Inner::new(&set, &proof)?);
    }
    Ok(Bundle {
        aggregate: AggregateProof {
            instances,
            proof: vec![7; 512],
        },
        inner,
        srs: scene.srs()?.provenance,
    })
}

/// The cases.
pub fn cases(scene: &Scene<'_>) -> Result<Vec<Case>> {
    let good = honest(scene)?;
    contract(scene, good.aggregate.instances.len())?;
    let save = |bundle: &Bundle| bundle.save(&scene.path("forged.zkml"));
    let call = [&CALL[..], &["keys"]].concat();
    save(&good)?;
    scene.honest(&call)?;
    let first = ACCUMULATOR_LIMBS;
    let other = Word(Fr::from(5));
    let mut cases = Vec::new();
    let mut forge = |name: &'static str, change: &dyn Fn(&mut Bundle)| -> Result<()> {
        let mut bundle = honest(scene)?;
        change(&mut bundle);
        save(&bundle)?;
        cases.push(scene.forged(name, &call)?);
        Ok(())
    };
    let set = |values: &mut Vec<Fr>, at: usize, value: Fr| {
        if let Some(slot) = values.get_mut(at) {
            *slot = value;
        }
    };
    forge("the attacker's digest under the victim's name", &|bundle| {
        set(&mut bundle.aggregate.instances, first, other.0);
        bundle.inner[0].key_digest = other;
    })?;
    forge("another digest beside the public values", &|bundle| {
        bundle.inner[1].key_digest = other;
    })?;
    forge("another digest among the public values", &|bundle| {
        set(&mut bundle.aggregate.instances, first, other.0);
    })?;
    forge("other weights under the victim's keys", &|bundle| {
        set(&mut bundle.aggregate.instances, first + 1, other.0);
        bundle.inner[0].statement.commitment = other;
    })?;
    forge("another commitment in the clear", &|bundle| {
        bundle.inner[0].statement.commitment = other;
    })?;
    forge("another context in the clear", &|bundle| {
        bundle.inner[1].statement.context = other;
    })?;
    forge("another output in the clear", &|bundle| {
        if let Some(Exposure::Public(values)) = bundle.inner[1].statement.outputs.first_mut() {
            values[0] ^= 1;
        }
    })?;
    forge("another input among the public values", &|bundle| {
        set(&mut bundle.aggregate.instances, first + 4, other.0);
    })?;
    forge("statements in another order", &|bundle| {
        bundle.inner.swap(0, 1)
    })?;
    forge("the values of a statement at another place", &|bundle| {
        bundle.aggregate.instances.insert(first, other.0);
    })?;
    forge("values after the last statement", &|bundle| {
        bundle.aggregate.instances.push(other.0);
    })?;
    forge("values of a statement that is not named", &|bundle| {
        bundle.inner.pop();
    })?;
    forge("a statement without values", &|bundle| {
        let again = bundle.inner[0].clone();
        bundle.inner.push(again);
    })?;
    forge("no accumulator", &|bundle| {
        bundle.aggregate.instances.drain(..first);
    })?;
    forge("a key that nobody gave", &|bundle| {
        bundle.inner[0].verifying_key = other;
    })?;
    // A verifier's folder, without the weights: the commitment is said by whoever relies on it.
    fs::create_dir_all(scene.path("public"))?;
    for name in ["config.json", "verifying.key", "verifying.srs"] {
        let from = scene.path("keys").join(name);
        fs::copy(from, scene.path("public").join(name))?;
    }
    save(&honest(scene)?)?;
    let commitment = good
        .inner
        .first()
        .context("a statement")?
        .statement
        .commitment;
    let told = [&CALL[..], &["public", "--commitment"]].concat();
    scene.honest(&[&told[..], &[&commitment.to_string()]].concat())?;
    let other = other.to_string();
    let wrong = [&told[..], &[&other]].concat();
    cases.push(scene.forged("another model than the commitment says", &wrong)?);
    Ok(cases)
}
