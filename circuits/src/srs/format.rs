//! The SRS container's payload.
//!
//! | bytes | content |
//! |---|---|
//! | 1 | provenance: 0 development, 1 development from a seed, 2 ceremony |
//! | 32 | digest of the seed or of the ceremony's file; zero for 0 |
//! | 2 + … | ceremony's name, UTF-8 after its length; empty for 0 and 1 |
//! | 4 | k |
//! | 64·2^k | powers of the secret in G1 |
//! | 64·2^k | Lagrange points in G1 |
//! | 128 + 128 | generator of G2, and the secret times it |
//!
//! Integers are little-endian; coordinates are 32 bytes, little-endian, in Montgomery form, which
//! is what loads fastest and is checked by one comparison. From k on this is halo2's `RawBytes`.

use std::io::Write;
use std::path::Path;

use halo2_proofs::halo2curves::bn256::{G1Affine, G2Affine, G2};
use halo2_proofs::halo2curves::group::cofactor::CofactorGroup;
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::serde::SerdeObject;
use halo2_proofs::SerdeFormat;
use rayon::prelude::*;

use super::{development, Provenance, Srs, SrsError, MAX_K, MIN_K};
use crate::files::{write_container, ContainerReader, Kind};

/// Version of the format above.
const VERSION: u32 = 1;
const G1_LEN: usize = 64;
const G2_LEN: usize = 128;
/// Longest name of a ceremony.
const MAX_NAME_LEN: usize = 256;
/// Points that are read at a time.
const BLOCK: usize = 1 << 15;
/// Points that one task decodes.
const TASK: usize = 1 << 10;

pub(super) fn save(srs: &Srs, path: &Path) -> Result<(), SrsError> {
    let (tag, digest, name) = match &srs.provenance {
        Provenance::Development { seed_digest: None } => (0u8, [0; 32], ""),
        Provenance::Development {
            seed_digest: Some(digest),
        } => (1, *digest, ""),
        Provenance::Ceremony { name, digest } => (2, *digest, name.as_str()),
    };
    let name_len = match u16::try_from(name.len()) {
        Ok(len) if name.len() <= MAX_NAME_LEN => len,
        _ => return Err(Place(path).name_too_long(name.len())),
    };
    write_container(path, Kind::Srs, VERSION, &mut |mut out: &mut dyn Write| {
        out.write_all(&[tag])?;
        out.write_all(&digest)?;
        out.write_all(&name_len.to_le_bytes())?;
        out.write_all(name.as_bytes())?;
        srs.params.write_custom(&mut out, SerdeFormat::RawBytes)
    })?;
    Ok(())
}

/// Reads a file whose every point is then canonical, on its curve, in its group and not the
/// identity; what the points are to each other is not looked at.
pub(super) fn load(path: &Path) -> Result<Srs, SrsError> {
    let place = Place(path);
    let mut reader = ContainerReader::open(path, Kind::Srs, VERSION)?;
    // Before anything is allocated, the size that k promises is compared with the file's.
    let left = reader.payload_len();
    let (provenance, name_len) = read_provenance(&mut reader, place)?;
    let k = u32::from_le_bytes(read_array(&mut reader)?);
    if !(MIN_K..=MAX_K).contains(&k) {
        return Err(place.malformed("k", format!("{MIN_K} to {MAX_K}"), k.to_string()));
    }
    let n = 1usize << k;
    let head = 1 + 32 + 2 + name_len + 4;
    let expected = (head + 2 * n * G1_LEN + 2 * G2_LEN) as u64;
    if left != expected {
        return Err(place.malformed(
            "payload",
            format!("{expected} bytes for k = {k}"),
            format!("{left} bytes"),
        ));
    }
    let g = read_points(&mut reader, n, "g", place)?;
    let g_lagrange = read_points(&mut reader, n, "g_lagrange", place)?;
    let g2 = read_g2(&mut reader, "g2", place)?;
    let s_g2 = read_g2(&mut reader, "s_g2", place)?;
    reader.finish()?;
    Ok(Srs {
        params: development::assemble(k, g, g_lagrange, g2, s_g2),
        provenance,
    })
}

/// The file that errors name.
#[derive(Clone, Copy)]
struct Place<'a>(&'a Path);

impl Place<'_> {
    fn malformed(
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

    fn name_too_long(self, len: usize) -> SrsError {
        self.malformed(
            "ceremony name",
            format!("{MAX_NAME_LEN} bytes at most"),
            format!("{len} bytes"),
        )
    }
}

fn read_array<const N: usize>(reader: &mut ContainerReader) -> Result<[u8; N], SrsError> {
    let mut bytes = [0; N];
    reader.fill(&mut bytes)?;
    Ok(bytes)
}

/// The provenance, and the length of the name in it.
fn read_provenance(
    reader: &mut ContainerReader,
    place: Place<'_>,
) -> Result<(Provenance, usize), SrsError> {
    let [tag] = read_array(reader)?;
    let digest: [u8; 32] = read_array(reader)?;
    let name_len = usize::from(u16::from_le_bytes(read_array(reader)?));
    if name_len > MAX_NAME_LEN {
        return Err(place.name_too_long(name_len));
    }
    let mut name = vec![0; name_len];
    reader.fill(&mut name)?;
    let name = String::from_utf8(name)
        .map_err(|_| place.malformed("ceremony name", "UTF-8", "other bytes"))?;
    let provenance = match tag {
        0 if digest == [0; 32] && name.is_empty() => Provenance::Development { seed_digest: None },
        1 if name.is_empty() => Provenance::Development {
            seed_digest: Some(digest),
        },
        2 => Provenance::Ceremony { name, digest },
        0 | 1 => {
            let got = "fields that only a ceremony has";
            return Err(place.malformed("provenance", "a development SRS", got));
        }
        _ => return Err(place.malformed("provenance", "0, 1 or 2", tag.to_string())),
    };
    Ok((provenance, name_len))
}

/// `count` points of G1, decoded and checked on all threads.
fn read_points(
    reader: &mut ContainerReader,
    count: usize,
    name: &str,
    place: Place<'_>,
) -> Result<Vec<G1Affine>, SrsError> {
    let mut points = vec![G1Affine::identity(); count];
    let mut bytes = vec![0; BLOCK.min(count) * G1_LEN];
    for (block, points) in points.chunks_mut(BLOCK).enumerate() {
        let bytes = bytes.get_mut(..points.len() * G1_LEN).unwrap_or_default();
        reader.fill(bytes)?;
        points
            .par_chunks_mut(TASK)
            .zip(bytes.par_chunks(TASK * G1_LEN))
            .enumerate()
            .try_for_each(|(task, (points, bytes))| {
                for (i, (point, bytes)) in points
                    .iter_mut()
                    .zip(bytes.chunks_exact(G1_LEN))
                    .enumerate()
                {
                    *point = decode(bytes).map_err(|got| {
                        let index = block * BLOCK + task * TASK + i;
                        place.malformed(format!("{name}[{index}]"), "a point of G1", got)
                    })?;
                }
                Ok::<(), SrsError>(())
            })?;
    }
    Ok(points)
}

fn read_g2(
    reader: &mut ContainerReader,
    name: &str,
    place: Place<'_>,
) -> Result<G2Affine, SrsError> {
    let bytes: [u8; G2_LEN] = read_array(reader)?;
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
