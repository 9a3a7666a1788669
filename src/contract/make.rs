//! From keys to a contract, compiled.

use super::{slot, Artefact, Checks, VERSION};
use crate::{aggregation::ReadyKey, hex::hex, keys::Verifying, origin::Origin};
use anyhow::{Context, Result};
use halo2_proofs::poly::commitment::ParamsProver;
use std::path::{Path, PathBuf};
use zkml_aggregation::AggregationKey;
use zkml_evm_verifier::{
    check::build,
    codegen::{abi, Labels},
    compile::{find_compiler, settings_of, standard_json},
};
use zkml_files::write_atomic;
use zkml_model::prove::{protocol, Word};
use zkml_srs::Srs;

/// What a contract is made for.
pub enum Subject<'a> {
    /// An aggregation.
    Aggregate(&'a ReadyKey),
    /// A model.
    Direct(&'a Verifying),
}

impl Subject<'_> {
    /// The reference string.
    pub fn srs(&self) -> &Srs {
        match self {
            Subject::Aggregate(ready) => &ready.srs,
            Subject::Direct(set) => &set.srs,
        }
    }

    fn checks(&self) -> Result<Checks> {
        Ok(match self {
            Subject::Aggregate(ready) => {
                let structures = ready.key.structures().iter();
                let slots = structures.clone();
                let slots = slots.map(|structure| slot(1 + structure.instances));
                Checks::Aggregate {
                    slots: slots.collect::<Result<_>>()?,
                    structures: structures.map(|one| Word(one.word())).collect(),
                }
            }
            Subject::Direct(set) => Checks::Direct {
                verifying_key: set.verifier.digest(),
                architecture: Box::new(set.architecture.clone()),
            },
        })
    }

    fn notes(&self) -> Vec<String> {
        match self {
            Subject::Aggregate(ready) => aggregate_notes(&ready.key, &ready.srs),
            Subject::Direct(set) => direct_notes(set),
        }
    }
}

/// What is made of a subject.
pub struct Made {
    /// The source.
    pub source: String,
    /// What the compiler was given, as JSON: by it others verify the source.
    pub input: String,
    /// The compiled contract.
    pub artefact: Artefact,
}

/// The files of a contract.
pub struct Files {
    /// The source.
    pub solidity: PathBuf,
    /// The artefact.
    pub artefact: PathBuf,
    /// What the compiler was given.
    pub input: PathBuf,
}

impl Made {
    /// Writes all to a folder, made if absent.
    pub fn save(&self, folder: &Path) -> Result<Files> {
        let (solidity, artefact) = self.artefact.save(&self.source, folder)?;
        let input = Artefact::input_file(folder, &self.artefact.contract);
        write_atomic(&input, &mut |out| writeln!(out, "{}", self.input))?;
        Ok(Files {
            solidity,
            artefact,
            input,
        })
    }
}

/// Writes the contract of an aggregation or of a model and compiles it.
pub fn make(subject: &Subject<'_>, name: &str, keys: Origin, solc: Option<&Path>) -> Result<Made> {
    let compiler = find_compiler(solc)?;
    let srs = subject.srs();
    let protocol = match subject {
        Subject::Aggregate(ready) => ready.key.protocol(&srs.params)?,
        Subject::Direct(set) => {
            let instances = set.form.instances;
            protocol(&srs.params, &set.verifier.vk, instances)?
        }
    };
    let generator = srs
        .params
        .get_g()
        .first()
        .context("the SRS has no points")?;
    let deciding = (*generator, srs.params.g2(), srs.params.s_g2()).into();
    // The word of the user of this run is not for those who read the files.
    let provenance = srs.provenance.without_word();
    let labels = Labels {
        contract: name.to_owned(),
        srs: provenance.to_string(),
        notes: subject.notes(),
    };
    let (source, bytecode) = build(&compiler, &deciding, &protocol, &labels)?;
    let settings = settings_of(&bytecode.solc)?;
    let artefact = Artefact {
        version: VERSION,
        contract: source.contract.parse()?,
        solc: bytecode.solc,
        srs: labels.srs,
        srs_secure: provenance.is_secure(),
        keys,
        checks: subject.checks()?,
        layout: source.layout,
        abi: abi(),
        settings,
        creation: format!("0x{}", hex(&bytecode.creation)),
        runtime: format!("0x{}", hex(&bytecode.runtime)),
    };
    Ok(Made {
        input: standard_json(&compiler, &source)?,
        source: source.source,
        artefact,
    })
}

/// What a reader of the source must know of a model's public values.
fn direct_notes(set: &Verifying) -> Vec<String> {
    vec![
        format!("SRS fingerprint: {}", hex(&set.srs.fingerprint())),
        format!("Verifying key: {}", set.verifier.digest()),
        "Public values: the model commitment C, the context word, then packed inputs and outputs."
            .to_owned(),
        "COMPARE C with the one that you trust: this contract knows an architecture, not weights."
            .to_owned(),
    ]
}

/// What a reader of the source must know of an aggregation's public values.
fn aggregate_notes(key: &AggregationKey, srs: &Srs) -> Vec<String> {
    let mut notes = vec![
        format!("SRS fingerprint: {}", hex(&srs.fingerprint())),
        "Public values: 12 limbs of the accumulator, then for each proof: the digest of its".to_owned(),
        "verifying key, its model commitment C, its context word, and its packed inputs and outputs.".to_owned(),
        "COMPARE digest and C with those that you trust: this contract does not know any model.".to_owned(),
    ];
    for (index, structure) in key.structures().iter().enumerate() {
        notes.push(format!(
            "Proof {index}: {} public values after the digest.",
            structure.instances
        ));
    }
    notes
}
