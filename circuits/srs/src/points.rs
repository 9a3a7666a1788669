//! Points in files: read as a stream, each checked.
//!
//! Coordinates are 32 bytes, little-endian, in Montgomery form: what zkml's container, halo2's
//! `RawBytes` and `.ptau` have in common.

use std::io::{self, Read};
use std::path::Path;

use halo2_proofs::halo2curves::bn256::{G1Affine, G2Affine, G2};
use halo2_proofs::halo2curves::group::cofactor::CofactorGroup;
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::serde::SerdeObject;
use rayon::prelude::*;

use super::{Provenance, SrsError};
use zkml_files::FileError;

pub(super) const G1_LEN: usize = 64;
pub(super) const G2_LEN: usize = 128;
/// Points that are read at a time.
const BLOCK: usize = 1 << 15;
/// Points that one task decodes.
const TASK: usize = 1 << 10;

/// The file that errors name.
#[derive(Clone, Copy)]
pub(super) struct Place<'a>(pub(super) &'a Path);

impl Place<'_> {
    pub(super) fn malformed(
        self,
        place: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> SrsError {
        SrsError::Malformed {
            path: self.0.to_owned(),
            place: place.into(),
            expected: expected.into(),
            got: got.into(),
        }
    }

    /// Refuses a label that the points contradict.
    pub(super) fn label(self, label: &Provenance, fingerprint: &[u8; 32]) -> Result<(), SrsError> {
        match label.contradiction(fingerprint) {
            None => Ok(()),
            Some(contradiction) => Err(SrsError::Label {
                path: self.0.to_owned(),
                contradiction,
            }),
        }
    }

    pub(super) fn unreadable(self, error: io::Error) -> SrsError {
        FileError::io(self.0, "read")(error).into()
    }
}

/// Reads `count` points of G1, and hands them on block by block with the index of the first.
/// Decoding and checking use all threads; memory is one block, whatever the count.
pub(super) fn read_blocks(
    reader: &mut impl Read,
    count: usize,
    name: &str,
    place: Place<'_>,
    take: &mut dyn FnMut(usize, &[G1Affine]),
) -> Result<(), SrsError> {
    let mut bytes = vec![0; BLOCK.min(count) * G1_LEN];
    let mut points = vec![G1Affine::identity(); BLOCK.min(count)];
    for start in (0..count).step_by(BLOCK) {
        let len = BLOCK.min(count - start);
        let (Some(bytes), Some(points)) = (bytes.get_mut(..len * G1_LEN), points.get_mut(..len))
        else {
            break;
        };
        reader
            .read_exact(bytes)
            .map_err(|error| place.unreadable(error))?;
        points
            .par_chunks_mut(TASK)
            .zip(bytes.par_chunks(TASK * G1_LEN))
            .enumerate()
            .try_for_each(|(task, (points, bytes))| {
                let pairs = points.iter_mut().zip(bytes.chunks_exact(G1_LEN));
                for (i, (point, bytes)) in pairs.enumerate() {
                    *point = decode(bytes).map_err(|got| {
                        let index = start + task * TASK + i;
                        place.malformed(format!("{name}[{index}]"), "a point of G1", got)
                    })?;
                }
                Ok::<(), SrsError>(())
            })?;
        take(start, points);
    }
    Ok(())
}

/// `count` points of G1.
pub(super) fn read_points(
    reader: &mut impl Read,
    count: usize,
    name: &str,
    place: Place<'_>,
) -> Result<Vec<G1Affine>, SrsError> {
    let mut points = Vec::with_capacity(count);
    read_blocks(reader, count, name, place, &mut |_, block| {
        points.extend_from_slice(block);
    })?;
    Ok(points)
}

/// A point of G2.
pub(super) fn read_g2(
    reader: &mut impl Read,
    name: &str,
    place: Place<'_>,
) -> Result<G2Affine, SrsError> {
    let mut bytes = [0; G2_LEN];
    reader
        .read_exact(&mut bytes)
        .map_err(|error| place.unreadable(error))?;
    let point: G2Affine =
        decode(&bytes).map_err(|got| place.malformed(name, "a point of G2", got))?;
    // Unlike G1's, the curve of G2 has more points than the group.
    if bool::from(G2::from(point).is_torsion_free()) {
        Ok(point)
    } else {
        Err(place.malformed(name, "a point of G2", "a point outside the subgroup"))
    }
}

/// A point that is canonical, on the curve and not the identity, or what it is instead.
///
/// The unchecked and the reading forms of `SerdeObject` leave out the curve check; this one has it.
fn decode<C: PrimeCurveAffine + SerdeObject>(bytes: &[u8]) -> Result<C, &'static str> {
    match C::from_raw_bytes(bytes) {
        None => Err("coordinates that are not canonical or not on the curve"),
        Some(point) if bool::from(point.is_identity()) => Err("the identity"),
        Some(point) => Ok(point),
    }
}
