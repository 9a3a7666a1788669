//! The contract's artefacts: Solidity source, and bytecode with what one must know to call it.

use crate::{
    aggregation::ReadyKey,
    keys::{hex, make_folder, Verifying},
    origin::Origin,
    srs::Trusted,
};
use anyhow::{anyhow, bail, Context, Result};
use halo2_proofs::poly::commitment::ParamsProver;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use zkml_circuits::{
    aggregate::{AggregationKey, Structure, ACCUMULATOR_LIMBS},
    files::{read_bounded, write_atomic, Name},
    import::without_values,
    prove::{protocol, Architecture, Word},
    srs::{named_in, Srs},
};
use zkml_evm_verifier::{
    calldata::Layout,
    check::build,
    codegen::Labels,
    compile::{find_compiler, standard_json, Bytecode},
    creation, secret,
    unwritten::{reads, Reads, ADVISORY},
};

/// Largest artefact that is read.
const MAX_FILE: u64 = 64 << 20;

/// Version of the artefact's format. Version 1 did not say so, and is that of contracts that accept false proofs;
/// version 2 did not say whose keys it was made of, nor where one statement ends and the next begins; version 3 did not
/// say of which structure the circuits of an aggregation are.
pub const VERSION: u32 = 4;

/// A compiled contract.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artefact {
    /// Version of this format.
    pub version: u32,
    /// Its name.
    pub contract: Name,
    /// Version of the compiler.
    pub solc: String,
    /// Where the SRS that it trusts came from: a comment. Which one it is, the bytecode says ([`Artefact::trusts`]).
    pub srs: String,
    /// Whether it is that of a ceremony that zkml knows: what the bytecode says as well.
    pub srs_secure: bool,
    /// How its maker knew that the keys are those of their configuration.
    pub keys: Origin,
    /// Which proofs it checks.
    pub checks: Checks,
    /// The calldata that it takes.
    pub layout: Layout,
    /// What a deployment transaction carries, in hexadecimal.
    pub creation: String,
    /// The code, in hexadecimal.
    pub runtime: String,
}

/// Which proofs a contract checks.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Checks {
    /// Aggregated proofs, of any models of a shape.
    Aggregate {
        /// Words of each inner proof's statement: the digest of its key, then its public values.
        slots: Vec<u16>,
        /// Structure of each inner proof's circuit, gates and columns, as a word ([`Structure::word`]): circuits of
        /// another are not verified there, whatever their number of words.
        structures: Vec<Word>,
    },
    /// Proofs of one model, as `zkml prove --transcript keccak` makes them.
    Direct {
        /// Digest of the model's verifying key.
        verifying_key: Word,
        /// The model without its weights: how a statement becomes public values.
        architecture: Box<Architecture>,
    },
}

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

/// The structure of a model's circuit.
pub fn structure(set: &Verifying) -> Result<Structure> {
    let instances = set.form.instances;
    let protocol = protocol(&set.srs.params, &set.verifier.vk, instances)?;
    Ok(Structure::of(&protocol)?)
}

/// The words of a statement, as `ModelVerifier` takes them.
fn slot(words: usize) -> Result<u16> {
    let most = u16::MAX;
    u16::try_from(words).with_context(|| {
        format!("a statement of {words} public values: expected at most {most}, more than fit a transaction; make inputs or outputs hashed (`zkml setup`)")
    })
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
    let artefact = Artefact {
        version: VERSION,
        contract: source.contract.parse()?,
        solc: bytecode.solc,
        srs: labels.srs,
        srs_secure: provenance.is_secure(),
        keys,
        checks: subject.checks()?,
        layout: source.layout,
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

impl Artefact {
    /// The files in a folder: source and artefact.
    pub fn files(folder: &Path, name: &Name) -> (PathBuf, PathBuf) {
        (
            name.in_folder(folder, ".sol"),
            name.in_folder(folder, ".json"),
        )
    }

    /// The file of what the compiler was given.
    pub fn input_file(folder: &Path, name: &Name) -> PathBuf {
        name.in_folder(folder, ".input.json")
    }

    /// Writes source and artefact to a folder, made if absent.
    pub fn save(&self, source: &str, folder: &Path) -> Result<(PathBuf, PathBuf)> {
        make_folder(folder)?;
        let (solidity, json) = Self::files(folder, &self.contract);
        let text = serde_json::to_string_pretty(self)?;
        write_atomic(&solidity, &mut |out| out.write_all(source.as_bytes()))?;
        write_atomic(&json, &mut |out| writeln!(out, "{text}"))?;
        Ok((solidity, json))
    }

    /// Reads an artefact.
    ///
    /// # Errors
    /// If it is none; if a version made it whose contracts accept false proofs, or if its bytecode shows that; if its
    /// deployment leaves another code.
    pub fn load(path: &Path) -> Result<Self> {
        /// What tells versions apart.
        #[derive(Deserialize)]
        struct Head {
            version: Option<u32>,
        }
        let place = || path.display().to_string();
        let expected = || {
            format!(
                "{}: expected a contract written by `zkml evm generate`",
                place()
            )
        };
        let text = read_bounded(path, MAX_FILE)?;
        let hidden = |error: serde_json::Error| anyhow!(without_values(error));
        let head: Head = serde_json::from_slice(&text)
            .map_err(hidden)
            .with_context(expected)?;
        match head.version {
            Some(VERSION) => {}
            None => bail!(
                "{}: refused, made by zkml 0.1.0 or before: {}",
                place(),
                advised()
            ),
            Some(other) => bail!(
                "{}: expected version {VERSION} of the format, got {other}: make the contract again with this version of zkml",
                place()
            ),
        }
        let artefact: Self = serde_json::from_slice(&text)
            .map_err(hidden)
            .with_context(expected)?;
        artefact.check_slots().with_context(place)?;
        let bytecode = artefact.bytecode().with_context(place)?;
        let found = reads(&bytecode.runtime).with_context(place)?;
        if let Some(advice) = advice(&found) {
            bail!("{}: refused: {advice}", place());
        }
        // All that is read off the runtime is of what a deployment leaves.
        creation::check(&bytecode).with_context(place)?;
        Ok(artefact)
    }

    /// Which SRS the contract trusts, by the points in its bytecode, if zkml wrote that: nobody can tell by looking at
    /// it. `place` is the artefact's file.
    ///
    /// # Errors
    /// If the bytecode does not say, or if the labels beside it say something else.
    pub fn trusts(&self, place: &Path) -> Result<Trusted> {
        let place = || place.display().to_string();
        let runtime = parse_bytes("runtime", &self.runtime).with_context(place)?;
        let found = reads(&runtime).with_context(place)?;
        let trusted = Trusted::new(secret::trusted(&found).with_context(place)?);
        let labelled = named_in(&self.srs).filter(|_| !self.srs.starts_with("UNVERIFIED"));
        if self.srs_secure != trusted.ceremony.is_some() || labelled != trusted.ceremony {
            bail!(
                "{}: srs and srs_secure contradict the bytecode: they say \"{}\" and {}, by its points it is the {trusted}; make the contract again",
                place(),
                self.srs,
                self.srs_secure
            );
        }
        Ok(trusted)
    }

    /// Words of public values for each proof that the contract checks at once.
    pub fn slots(&self) -> Result<Vec<u16>> {
        match &self.checks {
            Checks::Aggregate { slots, .. } => Ok(slots.clone()),
            Checks::Direct { .. } => Ok(vec![slot(self.layout.instances)?]),
        }
    }

    /// Fails unless circuits of a model's structure, with so many words a statement, are verified in a slot.
    pub fn check_structure(&self, set: &Verifying) -> Result<()> {
        let Checks::Aggregate { slots, structures } = &self.checks else {
            return Ok(());
        };
        let structure = structure(set)?;
        let words = 1 + structure.instances;
        let has = Word(structure.word());
        let mut pairs = slots.iter().zip(structures);
        if pairs.any(|(slot, one)| usize::from(*slot) == words && *one == has) {
            return Ok(());
        }
        // Another number of words is said in words where a model is made of it.
        if !slots.iter().any(|slot| usize::from(*slot) == words) {
            return Ok(());
        }
        let expected: Vec<String> = structures.iter().map(Word::to_string).collect();
        bail!(
            "the contract {} is for circuits of other gates and columns: expected structure {}, the model's keys have {has}: it could never be verified there; make the contract with the keys of this model (`zkml evm generate`)",
            self.contract,
            expected.join(" or ")
        )
    }

    /// Fails where the slots are not all of the calldata's public values.
    fn check_slots(&self) -> Result<()> {
        let Checks::Aggregate { slots, structures } = &self.checks else {
            return Ok(());
        };
        if slots.len() != structures.len() {
            bail!(
                "checks.aggregate.structures: expected one for each of the {} slots, got {}; make the contract again",
                slots.len(),
                structures.len()
            );
        }
        let words = slots.iter().map(|slot| usize::from(*slot)).sum::<usize>();
        let expected = self.layout.instances.checked_sub(ACCUMULATOR_LIMBS);
        if slots.is_empty() || Some(words) != expected {
            bail!(
                "checks.aggregate.slots: expected numbers that add up to {} (layout.instances less the {ACCUMULATOR_LIMBS} of the accumulator), got {slots:?}; make the contract again",
                self.layout.instances.saturating_sub(ACCUMULATOR_LIMBS)
            );
        }
        Ok(())
    }

    /// The bytecode.
    pub fn bytecode(&self) -> Result<Bytecode> {
        Ok(Bytecode {
            creation: parse_bytes("creation", &self.creation)?,
            runtime: parse_bytes("runtime", &self.runtime)?,
            solc: self.solc.clone(),
        })
    }
}

/// What an advisory says of a contract that reads so, if one is about it.
pub fn advice(found: &Reads) -> Option<String> {
    let bytes: usize = found.unwritten.iter().map(|read| read.bytes).sum();
    let words = bytes.div_ceil(0x20);
    (words > 0).then(|| {
        format!(
            "it reads {words} words of memory that nothing wrote. {}",
            advised()
        )
    })
}

/// The advisory on contracts of version 1.
fn advised() -> String {
    format!("advisory {ADVISORY} (docs/advisories/{ADVISORY}.md): contracts that these versions made for aggregated proofs accept false ones. Make it again with `zkml evm generate`, deploy it, register its models anew, and have nothing rely on the old one")
}

/// Bytes from 0x and hexadecimal digits.
pub fn parse_bytes(field: &str, text: &str) -> Result<Vec<u8>> {
    let digits = text
        .strip_prefix("0x")
        .filter(|digits| digits.len().is_multiple_of(2));
    let pairs = digits.map(|digits| digits.as_bytes().chunks_exact(2));
    let parsed = pairs.and_then(|pairs| {
        pairs
            .map(|pair| {
                let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
                u8::try_from(digit(0)? << 4 | digit(1)?).ok()
            })
            .collect()
    });
    parsed.with_context(|| format!("{field}: expected 0x and an even number of hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::halo2curves::bn256::Fr;

    #[test]
    fn hexadecimal_is_read_exactly() {
        assert_eq!(parse_bytes("x", "0x00fF").unwrap(), [0, 255]);
        for bad in ["00ff", "0x0", "0xzz", "0xé"] {
            assert!(parse_bytes("x", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn slots_are_all_of_the_public_values() {
        let folder = tempfile::tempdir().unwrap();
        let load = |version, slots: &[u16]| {
            let artefact = Artefact {
                version,
                contract: "Batch".parse().unwrap(),
                keys: Origin::Own,
                solc: "0.8.30".into(),
                srs: "development".into(),
                srs_secure: false,
                checks: Checks::Aggregate {
                    slots: slots.to_vec(),
                    structures: vec![Word(Fr::from(7)); slots.len()],
                },
                layout: Layout {
                    instances: ACCUMULATOR_LIMBS + 9,
                    points: 1,
                    evaluations: 1,
                },
                creation: "0x5f5f5360015ff3".into(),
                runtime: "0x00".into(),
            };
            let (_, json) = artefact.save("", folder.path()).unwrap();
            Artefact::load(&json).and_then(|artefact| artefact.slots())
        };
        assert_eq!(load(VERSION, &[4, 5]).unwrap(), [4, 5]);
        for bad in [&[][..], &[9, 1], &[8], &[4, 4]] {
            let error = format!("{:#}", load(VERSION, bad).unwrap_err());
            assert!(
                error.contains("Batch.json: checks.aggregate.slots: expected"),
                "{error}"
            );
        }
        let error = load(2, &[4, 5]).unwrap_err().to_string();
        assert!(error.contains("make the contract again"), "{error}");
    }
}
