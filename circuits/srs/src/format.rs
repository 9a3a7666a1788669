//! The SRS container's payload.
//!
//! | bytes | content |
//! |---|---|
//! | 1 | provenance: 0 development, 1 development from a seed, 2 ceremony |
//! | 32 or 64 | 0: zeros; 1: digest of the seed; 2 (64 bytes): digest of the ceremony's file |
//! | 2 + … | name of the ceremony's file, UTF-8 after its length; empty for 0 and 1 |
//! | 4 | k |
//! | 64·2^k | powers of the secret in G1 |
//! | 64·2^k | Lagrange points in G1 |
//! | 128 + 128 | generator of G2, and the secret times it |
//!
//! Integers are little-endian; coordinates are 32 bytes, little-endian, in Montgomery form, which
//! is what loads fastest and is checked by one comparison. From k on this is halo2's `RawBytes`.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use halo2_proofs::halo2curves::bn256::G2Affine;
use halo2_proofs::SerdeFormat;

use super::parts::Parts;
use super::points::{read_g2, read_points, Place, G1_LEN, G2_LEN};
use super::{fingerprint, FileDigest, Provenance, Srs, SrsError, MAX_K, MIN_K};
use zkml_files::{write_container, ContainerReader, Kind};

/// Version of the format above.
const VERSION: u32 = 1;
/// Longest name of a ceremony's file.
pub(super) const MAX_NAME_LEN: usize = 256;
/// Bytes of the digest that ends a container.
const TRAILER_LEN: i64 = 32;

pub(super) fn save(srs: &Srs, path: &Path) -> Result<(), SrsError> {
    let (tag, digest, name): (u8, &[u8], _) = match &srs.provenance {
        Provenance::Development { seed_digest: None } => (0, &[0; 32], ""),
        Provenance::Development {
            seed_digest: Some(digest),
        } => (1, digest, ""),
        Provenance::Ceremony { name, digest, .. } => (2, &digest.0, name.as_str()),
    };
    let name_len = match u16::try_from(name.len()) {
        Ok(len) if name.len() <= MAX_NAME_LEN => len,
        _ => return Err(name_too_long(Place(path), name.len())),
    };
    write_container(path, Kind::Srs, VERSION, &mut |mut out: &mut dyn Write| {
        out.write_all(&[tag])?;
        out.write_all(digest)?;
        out.write_all(&name_len.to_le_bytes())?;
        out.write_all(name.as_bytes())?;
        srs.params.write_custom(&mut out, SerdeFormat::RawBytes)
    })?;
    Ok(())
}

/// Reads a file whose every point is then canonical, on its curve, in its group and not the
/// identity; what the points are to each other is not looked at.
pub(super) fn load(path: &Path) -> Result<(Parts, Provenance), SrsError> {
    let place = Place(path);
    let (mut reader, head) = open(path)?;
    let n = 1usize << head.k;
    let parts = Parts {
        k: head.k,
        g: read_points(&mut reader, n, "g", place)?,
        g_lagrange: read_points(&mut reader, n, "g_lagrange", place)?,
        g2: read_g2(&mut reader, "g2", place)?,
        s_g2: read_g2(&mut reader, "s_g2", place)?,
    };
    reader.finish()?;
    let provenance = head.origin.provenance(&parts.g2, &parts.s_g2, place)?;
    Ok((parts, provenance))
}

/// What a file says of itself: k, provenance and the fingerprint of its points in G2. The points in
/// G1 and the file's digest are not looked at.
pub(super) fn glance(path: &Path) -> Result<(u32, Provenance, [u8; 32]), SrsError> {
    let place = Place(path);
    let (_, head) = open(path)?;
    let mut file = File::open(path).map_err(|error| place.unreadable(error))?;
    file.seek(SeekFrom::End(-TRAILER_LEN - 2 * G2_LEN as i64))
        .map_err(|error| place.unreadable(error))?;
    let g2 = read_g2(&mut file, "g2", place)?;
    let s_g2 = read_g2(&mut file, "s_g2", place)?;
    let provenance = head.origin.provenance(&g2, &s_g2, place)?;
    Ok((head.k, provenance, fingerprint(&g2, &s_g2)))
}

/// What stands before the points.
struct Head {
    k: u32,
    origin: Origin,
}

/// A provenance as the file has it, without what follows from the points.
enum Origin {
    Development(Option<[u8; 32]>),
    Ceremony(String, FileDigest),
}

impl Origin {
    fn provenance(
        self,
        g2: &G2Affine,
        s_g2: &G2Affine,
        place: Place<'_>,
    ) -> Result<Provenance, SrsError> {
        let fingerprint = fingerprint(g2, s_g2);
        let provenance = match self {
            Origin::Development(seed_digest) => Provenance::Development { seed_digest },
            Origin::Ceremony(name, digest) => Provenance::Ceremony {
                name,
                digest,
                fingerprint,
                accepted: false,
            },
        };
        place.label(&provenance, &fingerprint)?;
        Ok(provenance)
    }
}

/// Reads as far as the points. The size that k promises is compared with the file's, so that what
/// is allocated for them is no more than the file has.
fn open(path: &Path) -> Result<(ContainerReader, Head), SrsError> {
    let place = Place(path);
    let mut reader = ContainerReader::open(path, Kind::Srs, VERSION)?;
    let (origin, origin_len) = read_origin(&mut reader, place)?;
    let k = u32::from_le_bytes(read_array(&mut reader)?);
    if !(MIN_K..=MAX_K).contains(&k) {
        return Err(place.malformed("k", format!("{MIN_K} to {MAX_K}"), k.to_string()));
    }
    let expected = (origin_len + 4 + ((2 * G1_LEN) << k) + 2 * G2_LEN) as u64;
    let got = reader.payload_len();
    if got != expected {
        return Err(place.malformed(
            "payload",
            format!("{expected} bytes for k = {k}"),
            format!("{got} bytes"),
        ));
    }
    Ok((reader, Head { k, origin }))
}

fn name_too_long(place: Place<'_>, len: usize) -> SrsError {
    place.malformed(
        "ceremony name",
        format!("{MAX_NAME_LEN} bytes at most"),
        format!("{len} bytes"),
    )
}

fn read_array<const N: usize>(reader: &mut ContainerReader) -> Result<[u8; N], SrsError> {
    let mut bytes = [0; N];
    reader.fill(&mut bytes)?;
    Ok(bytes)
}

/// The origin, and how many bytes it takes.
fn read_origin(
    reader: &mut ContainerReader,
    place: Place<'_>,
) -> Result<(Origin, usize), SrsError> {
    let [tag] = read_array(reader)?;
    let (short, long): ([u8; 32], _) = match tag {
        0 | 1 => (read_array(reader)?, None),
        2 => ([0; 32], Some(FileDigest(read_array(reader)?))),
        _ => return Err(place.malformed("provenance", "0, 1 or 2", tag.to_string())),
    };
    let name_len = usize::from(u16::from_le_bytes(read_array(reader)?));
    if name_len > MAX_NAME_LEN {
        return Err(name_too_long(place, name_len));
    }
    let mut name = vec![0; name_len];
    reader.fill(&mut name)?;
    let name = String::from_utf8(name)
        .map_err(|_| place.malformed("ceremony name", "UTF-8", "other bytes"))?;
    let origin = match (tag, long) {
        (_, Some(digest)) => Origin::Ceremony(name, digest),
        (0, None) if short == [0; 32] && name.is_empty() => Origin::Development(None),
        (1, None) if name.is_empty() => Origin::Development(Some(short)),
        _ => {
            let got = "fields that only a ceremony has";
            return Err(place.malformed("provenance", "a development SRS", got));
        }
    };
    let digest_len = if long.is_some() { 64 } else { 32 };
    Ok((origin, 1 + digest_len + 2 + name_len))
}
