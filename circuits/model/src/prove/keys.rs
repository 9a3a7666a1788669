//! Proving and verifying keys, and their files.

use std::{io::Write, path::Path, sync::Arc};

use halo2_proofs::{
    halo2curves::{bn256::G1Affine, ff::PrimeField, group::prime::PrimeCurveAffine, CurveAffine},
    plonk::{ProvingKey, VerifyingKey},
    SerdeFormat,
};

use super::{argument, raw, statement::Word, Architecture, ProveError};
use crate::{
    circuit::{ModelCircuit, Params},
    layout::Plan,
};
use zkml_files::{read_container, write_container, Kind};
use zkml_plonk::Prepared;
use zkml_srs::{Provenance, Srs};

/// Since 2 a key commits to its configuration.
const VERSION: u32 = 2;

/// A model's proving key, with what it belongs to.
pub struct Keys {
    /// halo2's proving key; it holds the verifying key.
    pub pk: ProvingKey<G1Affine>,
    /// What all proofs of the key share.
    pub prepared: Prepared,
    /// Fingerprint of the SRS.
    pub srs: [u8; 32],
    /// Where that SRS came from.
    pub provenance: Provenance,
}

/// A model's verifying key, with what it belongs to.
pub struct Verifier {
    /// halo2's verifying key.
    pub vk: VerifyingKey<G1Affine>,
    /// Fingerprint of the SRS.
    pub srs: [u8; 32],
    /// Where that SRS came from.
    pub provenance: Provenance,
}

/// The digest that names a verifying key: what its transcripts start from.
pub fn digest(vk: &VerifyingKey<G1Affine>) -> Word {
    Word(vk.transcript_repr())
}

impl Keys {
    /// Derives the keys of a layout.
    pub fn new(plan: &Arc<Plan>, srs: &Srs) -> Result<Self, ProveError> {
        check_size(plan, srs)?;
        let pk = argument::keygen(&srs.params, plan)?;
        Ok(Self {
            prepared: Prepared::new(&pk),
            pk,
            srs: srs.fingerprint(),
            provenance: srs.provenance.clone(),
        })
    }

    /// The verifying key's digest.
    pub fn digest(&self) -> Word {
        digest(self.pk.get_vk())
    }

    /// Writes the proving key.
    pub fn save(&self, path: &Path) -> Result<(), ProveError> {
        let head = head(&self.srs, &self.provenance)?;
        write_container(path, Kind::ProvingKey, VERSION, &mut |out| {
            out.write_all(&head)?;
            self.pk.write(&mut { out }, SerdeFormat::RawBytes)
        })?;
        Ok(())
    }

    /// Writes the verifying key.
    pub fn save_verifier(&self, path: &Path) -> Result<(), ProveError> {
        let head = head(&self.srs, &self.provenance)?;
        write_container(path, Kind::VerifyingKey, VERSION, &mut |out| {
            out.write_all(&head)?;
            self.pk.get_vk().write(&mut { out }, SerdeFormat::RawBytes)
        })?;
        Ok(())
    }

    /// Reads a proving key of `architecture`.
    pub fn load(path: &Path, architecture: &Architecture) -> Result<Self, ProveError> {
        let payload = read_container(path, Kind::ProvingKey, VERSION)?;
        let (srs, provenance, bytes) = split(path, &payload)?;
        let bad = bad_key(path, "proving key");
        raw::check_proving_key(bytes, &architecture.shape).map_err(&bad)?;
        let params = Params(architecture.shape);
        let pk = ProvingKey::read::<_, ModelCircuit>(
            &mut { bytes },
            SerdeFormat::RawBytesUnchecked,
            params,
        )
        .map_err(|error| bad(error.to_string()))?;
        check_points(pk.get_vk()).map_err(&bad)?;
        Ok(Self {
            prepared: Prepared::new(&pk),
            pk,
            srs,
            provenance,
        })
    }
}

fn check_size(plan: &Plan, srs: &Srs) -> Result<(), ProveError> {
    if srs.k() == plan.shape.k {
        return Ok(());
    }
    Err(ProveError::Invalid(format!(
        "the circuit needs an SRS of k = {}, this one has k = {}",
        plan.shape.k,
        srs.k()
    )))
}

impl Verifier {
    /// Derives the verifying key of a layout alone.
    pub fn new(plan: &Arc<Plan>, srs: &Srs) -> Result<Self, ProveError> {
        check_size(plan, srs)?;
        Ok(Self {
            vk: argument::keygen_verifier(&srs.params, plan)?,
            srs: srs.fingerprint(),
            provenance: srs.provenance.clone(),
        })
    }

    /// Reads a verifying key of `architecture`.
    pub fn load(path: &Path, architecture: &Architecture) -> Result<Self, ProveError> {
        let payload = read_container(path, Kind::VerifyingKey, VERSION)?;
        let (srs, provenance, bytes) = split(path, &payload)?;
        let bad = bad_key(path, "verifying key");
        raw::check_verifying_key(bytes, &architecture.shape).map_err(&bad)?;
        let params = Params(architecture.shape);
        let vk = VerifyingKey::read::<_, ModelCircuit>(
            &mut { bytes },
            SerdeFormat::RawBytesUnchecked,
            params,
        )
        .map_err(|error| bad(error.to_string()))?;
        check_points(&vk).map_err(&bad)?;
        Ok(Self {
            vk,
            srs,
            provenance,
        })
    }

    /// The key's digest.
    pub fn digest(&self) -> Word {
        digest(&self.vk)
    }
}

fn bad_key<'a>(path: &'a Path, what: &'a str) -> impl Fn(String) -> ProveError + 'a {
    move |got| ProveError::Content {
        path: path.to_path_buf(),
        place: what.into(),
        expected: format!("a {what} of this architecture (config.json)"),
        got,
    }
}

/// Raw points are taken as they are by halo2's reader: each must be on the curve, and none is
/// the identity (no column of the circuit is all zero), which halo2curves counts as on the curve.
fn check_points(vk: &VerifyingKey<G1Affine>) -> Result<(), String> {
    let points = vk
        .fixed_commitments()
        .iter()
        .chain(vk.permutation().commitments());
    for (i, point) in points.enumerate() {
        let coordinates = Option::<(_, _)>::from(point.coordinates().map(|c| (*c.x(), *c.y())));
        let canonical = coordinates.is_some_and(|(x, y)| {
            [x, y].iter().all(|c| {
                // A residue that is not reduced does not survive its own representation.
                Option::from(PrimeField::from_repr(c.to_repr())) == Some(*c)
            })
        });
        if !canonical || !bool::from(point.is_on_curve()) {
            return Err(format!("commitment {i} is not a point of the curve"));
        }
        if bool::from(point.is_identity()) {
            return Err(format!("commitment {i} is the identity"));
        }
    }
    Ok(())
}

fn head(srs: &[u8; 32], provenance: &Provenance) -> Result<Vec<u8>, ProveError> {
    let provenance =
        serde_json::to_vec(provenance).map_err(|error| ProveError::Invalid(error.to_string()))?;
    let mut head = srs.to_vec();
    head.extend((provenance.len() as u32).to_le_bytes());
    head.write_all(&provenance)
        .map_err(|error| ProveError::Invalid(error.to_string()))?;
    Ok(head)
}

fn split<'a>(
    path: &Path,
    payload: &'a [u8],
) -> Result<([u8; 32], Provenance, &'a [u8]), ProveError> {
    let content = |got: String| ProveError::Content {
        path: path.to_path_buf(),
        place: "head".into(),
        expected: "the SRS's fingerprint and provenance".into(),
        got,
    };
    let (srs, rest) = payload
        .split_first_chunk::<32>()
        .ok_or_else(|| content("a shorter file".into()))?;
    let (length, rest) = rest
        .split_first_chunk::<4>()
        .ok_or_else(|| content("a shorter file".into()))?;
    let length = u32::from_le_bytes(*length) as usize;
    let (provenance, key) = rest
        .split_at_checked(length)
        .ok_or_else(|| content("a shorter file".into()))?;
    let provenance: Provenance =
        serde_json::from_slice(provenance).map_err(|error| content(error.to_string()))?;
    if let Some(contradiction) = provenance.contradiction(srs) {
        return Err(content(contradiction));
    }
    Ok((*srs, provenance, key))
}
