//! The contract's artefacts: Solidity source, and bytecode with what one must know to call it.

mod make;
mod source;

pub use make::{make, Files, Made, Subject};

use crate::{
    keys::{make_folder, Verifying},
    origin::Origin,
    srs::Trusted,
};
use anyhow::{anyhow, bail, Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use zkml_aggregation::{Structure, ACCUMULATOR_LIMBS};
use zkml_evm_verifier::{
    calldata::Layout,
    codegen::abi,
    compile::{settings_of, Bytecode},
    creation, secret,
    unwritten::{reads, Reads, ADVISORY},
};
use zkml_files::{read_bounded, write_atomic, Name};
use zkml_import::without_values;
use zkml_model::prove::{protocol, Architecture, Word};
use zkml_srs::named_in;

/// Name of a contract unless another is asked for.
pub const CONTRACT: &str = "ZkmlVerifier";

/// Largest artefact that is read.
const MAX_FILE: u64 = 64 << 20;

/// Version of the artefact's format. Version 1 did not say so, and is that of contracts that accept false proofs;
/// version 2 did not say whose keys it was made of, nor where one statement ends and the next begins; version 3 did not
/// say of which structure the circuits of an aggregation are; version 4 had neither `abi` nor `settings`.
pub const VERSION: u32 = 5;

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
    /// Its interface, for tools that look for it here. All verifiers have the same one, and an artefact with another is
    /// refused.
    pub abi: Value,
    /// The compiler's settings, those in `NAME.input.json`. They follow from its version, and an artefact with others is
    /// refused.
    pub settings: Value,
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
        artefact.check_build().with_context(place)?;
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

    /// Fails where interface or settings are not those of zkml's contracts.
    fn check_build(&self) -> Result<()> {
        let settings = settings_of(&self.solc).context("solc")?;
        for (field, got, expected) in [
            ("abi", &self.abi, abi()),
            ("settings", &self.settings, settings),
        ] {
            if *got != expected {
                bail!("{field}: expected {expected}, as every contract of zkml has it with solc {}, got {got}; make the contract again", self.solc);
            }
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
    use serde_json::json;

    /// An artefact of an aggregation with these slots.
    fn artefact(version: u32, slots: &[u16]) -> Artefact {
        Artefact {
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
            abi: abi(),
            settings: settings_of("0.8.30").unwrap(),
            creation: "0x5f5f5360015ff3".into(),
            runtime: "0x00".into(),
        }
    }

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
            let artefact = artefact(version, slots);
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

    #[test]
    fn interface_and_settings_are_believed_of_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let load = |change: fn(&mut Artefact)| {
            let mut artefact = artefact(VERSION, &[4, 5]);
            change(&mut artefact);
            let (_, json) = artefact.save("", folder.path()).unwrap();
            Artefact::load(&json).map(drop)
        };
        load(|_| ()).unwrap();
        type Change = fn(&mut Artefact);
        let changes: [(&str, Change); 5] = [
            ("abi", |artefact| artefact.abi = json!([])),
            ("abi", |artefact| {
                artefact.abi[4]["stateMutability"] = json!("view");
            }),
            ("settings", |artefact| {
                artefact.settings["optimizer"]["runs"] = json!(200);
            }),
            // Those of this compiler are others.
            ("settings", |artefact| artefact.solc = "0.8.24".into()),
            ("solc", |artefact| artefact.solc = "new".into()),
        ];
        for (field, change) in changes {
            let error = format!("{:#}", load(change).unwrap_err());
            let expected = format!("Batch.json: {field}: expected");
            assert!(error.contains(&expected), "{error}");
        }
    }
}
