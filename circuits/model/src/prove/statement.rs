//! The public statement x = (C, context, F, O), in the clear and as instances.

#![deny(clippy::arithmetic_side_effects)]

use halo2_proofs::halo2curves::{bn256::Fr, ff::PrimeField};
use serde::{de::Error as _, Deserialize, Deserializer, Serialize, Serializer};

use super::ProveError;
use crate::layout::{Exposed, Form};
use zkml_graph::{Interval, Visibility};

/// A field element, as 0x and 64 hexadecimal digits, big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(pub Fr);

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0x")?;
        let bytes = self.0.to_repr();
        bytes
            .iter()
            .rev()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for Word {
    type Err = String;

    /// Hexadecimal with `0x`, up to 64 digits, below the field's modulus.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected 0x and up to 64 hexadecimal digits of a number below the BN254 scalar field's modulus";
        let digits = text.strip_prefix("0x").ok_or(expected)?;
        if digits.is_empty() || digits.len() > 64 || !digits.is_ascii() {
            return Err(expected.into());
        }
        let padded = format!("{digits:0>64}");
        let mut bytes = [0u8; 32];
        for (i, byte) in bytes.iter_mut().rev().enumerate() {
            *byte = padded
                .get(i.saturating_mul(2)..)
                .and_then(|rest| rest.get(..2))
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .ok_or(expected)?;
        }
        Option::from(Fr::from_repr(bytes))
            .map(Word)
            .ok_or_else(|| expected.to_string())
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// One input or output as the statement shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Exposure {
    /// Its values, as integers at the model's scale.
    Public(Vec<i64>),
    /// Its salted Poseidon commitment.
    Hashed(Word),
    /// Nothing.
    Private,
}

/// What a proof is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Commitment to the weights.
    pub commitment: Word,
    /// Free word that binds the proof to a request; zero unless asked for.
    pub context: Word,
    /// Inputs, in the model's order.
    pub inputs: Vec<Exposure>,
    /// Outputs, in the model's order.
    pub outputs: Vec<Exposure>,
}

impl Statement {
    /// The statement's instances. Every value must have its declared shape and range, so that
    /// a statement has one encoding only.
    pub fn instances(&self, form: &Form) -> Result<Vec<Fr>, ProveError> {
        let mut instances = vec![self.commitment.0, self.context.0];
        for (kind, exposures, all) in [
            ("input", &self.inputs, &form.inputs),
            ("output", &self.outputs, &form.outputs),
        ] {
            if exposures.len() != all.len() {
                return Err(ProveError::Invalid(format!(
                    "the statement has {} {kind}s, the model has {}",
                    exposures.len(),
                    all.len()
                )));
            }
            for (index, (exposure, exposed)) in exposures.iter().zip(all).enumerate() {
                let place = format!("{kind} {index}");
                instances.extend(words(&place, exposure, exposed)?);
            }
        }
        Ok(instances)
    }
}

/// The instances of an input or output.
fn words(place: &str, exposure: &Exposure, exposed: &Exposed) -> Result<Vec<Fr>, ProveError> {
    match (exposure, exposed.visibility) {
        (Exposure::Public(values), Visibility::Public) => {
            check_values(place, exposed, values)?;
            Ok(exposed.pack(values))
        }
        (Exposure::Hashed(digest), Visibility::Hashed) => Ok(vec![digest.0]),
        (Exposure::Private, Visibility::Private) => Ok(Vec::new()),
        _ => Err(ProveError::Invalid(format!(
            "statement, {place}: expected it {}, got it {}",
            name(exposed.visibility),
            match exposure {
                Exposure::Public(_) => name(Visibility::Public),
                Exposure::Hashed(_) => name(Visibility::Hashed),
                Exposure::Private => name(Visibility::Private),
            }
        ))),
    }
}

fn name(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public",
        Visibility::Hashed => "hashed",
        Visibility::Private => "private",
    }
}

fn check_values(place: &str, exposed: &Exposed, values: &[i64]) -> Result<(), ProveError> {
    let Interval { lo, hi } = exposed.range;
    if values.len() != exposed.elements {
        return Err(ProveError::Invalid(format!(
            "statement, {place}: expected {} values, got {}",
            exposed.elements,
            values.len()
        )));
    }
    let outside = |value: &i64| !(lo..=hi).contains(value);
    match values.iter().enumerate().find(|(_, value)| outside(value)) {
        None => Ok(()),
        Some((index, value)) => Err(ProveError::Invalid(format!(
            "statement, {place}, element {index}: {value} is outside [{lo}, {hi}]"
        ))),
    }
}
