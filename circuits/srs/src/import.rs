//! SRSs in the formats of others: snarkjs's `.ptau`, and halo2's `ParamsKZG` as raw bytes.
//!
//! A file is read once, as a stream: what is wanted of it is decoded as it passes by, and all of it
//! goes into the digest. So memory is the SRS itself and a few blocks, however large the file.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use blake2b_simd::{Params as Blake2b, State};
use halo2_proofs::halo2curves::bn256::{G1Affine, G2Affine};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use rand::rngs::OsRng;

use super::map::{Format, Lagrange, Map};
use super::parts::Parts;
use super::points::{read_blocks, read_g2, Place};
use super::{
    ceremony, check_k, fingerprint, format, ptau, FileDigest, Progress, Provenance, Srs, SrsError,
};
use zkml_files::open_regular;

const BUFFER_LEN: usize = 1 << 18;

/// What to import of a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Import {
    /// Size to import, as a power of two: that of the file, unless given.
    pub k: Option<u32>,
    /// BLAKE2b-512 that the file must have.
    pub digest: Option<FileDigest>,
}

/// What a file says that it is. Points in G1 are not looked at.
#[derive(Clone, Debug)]
pub struct Glance {
    /// The format.
    pub format: Format,
    /// Size, as a power of two.
    pub k: u32,
    /// Names the secret, if the points are an SRS.
    pub fingerprint: [u8; 32],
    /// Where the SRS came from, in a file of zkml's own.
    pub provenance: Option<Provenance>,
}

/// Reads an SRS of another format. All that is taken from the file is checked: each point, and that
/// all belong to one secret.
pub(super) fn import(
    path: &Path,
    wanted: &Import,
    progress: Progress<'_>,
) -> Result<Srs, SrsError> {
    let place = Place(path);
    let (mut file, size) = open_regular(path)?;
    let map = Map::read(&mut file, size, place)?;
    let k = wanted.k.unwrap_or(map.k());
    check_k(k)?;
    if k > map.k() {
        let (path, has) = (path.to_owned(), map.k());
        return Err(SrsError::TooSmall { path, k, has });
    }
    file.seek(SeekFrom::Start(0))
        .map_err(|error| place.unreadable(error))?;
    let mut stream = Stream::new(file);
    let mut parts = read_parts(&mut stream, &map, k, place, progress)?;
    let digest = stream.finish(size, place)?;
    check_digest(path, &digest, wanted)?;
    parts
        .complete(&mut OsRng)
        .map_err(|fault| SrsError::structure(path, fault))?;
    let fingerprint = fingerprint(&parts.g2, &parts.s_g2);
    let provenance = Provenance::Ceremony {
        name: ceremony::name_of(&digest).map_or_else(|| name_of(path), str::to_owned),
        digest,
        fingerprint,
        accepted: false,
    };
    place.label(&provenance, &fingerprint)?;
    Ok(Srs {
        params: parts.assemble(),
        provenance,
    })
}

/// Looks at a file of any format, without its points in G1.
pub(super) fn glance(path: &Path) -> Result<Glance, SrsError> {
    let place = Place(path);
    let (mut file, size) = open_regular(path)?;
    let mut start = [0; 4];
    // A file that is too short for this is one for the error below.
    if file.read_exact(&mut start).is_ok() && start == *b"ZKML" {
        let (k, provenance, fingerprint) = format::glance(path)?;
        return Ok(Glance {
            format: Format::Zkml,
            k,
            fingerprint,
            provenance: Some(provenance),
        });
    }
    let seek = |file: &mut File, at| {
        let sought = file.seek(SeekFrom::Start(at));
        sought.map_err(|error| place.unreadable(error))
    };
    seek(&mut file, 0)?;
    let map = Map::read(&mut file, size, place)?;
    seek(&mut file, map.g2())?;
    let (g2, s_g2) = read_pair(&mut file, place)?;
    Ok(Glance {
        format: map.format(),
        k: map.k(),
        fingerprint: fingerprint(&g2, &s_g2),
        provenance: None,
    })
}

fn read_pair(reader: &mut impl Read, place: Place<'_>) -> Result<(G2Affine, G2Affine), SrsError> {
    Ok((
        read_g2(reader, "g2", place)?,
        read_g2(reader, "s_g2", place)?,
    ))
}

/// What stands at a place in the file.
#[derive(Clone, Copy)]
enum Piece {
    Powers,
    Lagrange { factor: usize },
    G2,
}

/// Reads the points in the order in which they stand in the file: no Lagrange points, where it has none.
fn read_parts(
    stream: &mut Stream,
    map: &Map,
    k: u32,
    place: Place<'_>,
    progress: Progress<'_>,
) -> Result<Parts, SrsError> {
    let n = 1usize << k;
    let mut pieces = vec![(map.powers(), Piece::Powers), (map.g2(), Piece::G2)];
    match map.lagrange(k) {
        Lagrange::Absent => {}
        Lagrange::InOrder(at) => pieces.push((at, Piece::Lagrange { factor: 1 })),
        Lagrange::Snarkjs(at) => {
            let factor = ptau::order_factor(k);
            pieces.push((at, Piece::Lagrange { factor }));
        }
    }
    pieces.sort_by_key(|piece| piece.0);

    let mut g: Vec<G1Affine> = Vec::new();
    let mut g_lagrange: Vec<G1Affine> = Vec::new();
    let mut pair = None;
    let mut done = 0;
    for (at, piece) in pieces {
        stream
            .skip_to(at)
            .map_err(|error| place.unreadable(error))?;
        let mut advance = |points: usize| {
            done += points as u64;
            progress(done, 2 << k);
        };
        match piece {
            Piece::G2 => pair = Some(read_pair(stream, place)?),
            Piece::Powers => {
                g.reserve_exact(n);
                read_blocks(stream, n, "g", place, &mut |_, block| {
                    g.extend_from_slice(block);
                    advance(block.len());
                })?;
            }
            Piece::Lagrange { factor } => {
                g_lagrange = vec![G1Affine::identity(); n];
                read_blocks(stream, n, "g_lagrange", place, &mut |start, block| {
                    for (j, point) in (start..).zip(block) {
                        // Both are powers of two or odd, so that this is one to one.
                        if let Some(slot) = g_lagrange.get_mut(factor.wrapping_mul(j) & (n - 1)) {
                            *slot = *point;
                        }
                    }
                    advance(block.len());
                })?;
            }
        }
    }
    let (g2, s_g2) = pair.ok_or_else(|| place.malformed("G2", "two points", "none"))?;
    Ok(Parts {
        k,
        g,
        g_lagrange,
        g2,
        s_g2,
    })
}

/// The file must be the one that was asked for, and the one that its name stands for.
fn check_digest(path: &Path, got: &FileDigest, wanted: &Import) -> Result<(), SrsError> {
    let demands = [
        (wanted.digest, "that was asked for"),
        (
            ceremony::digest_of(path),
            "that the file of this name was published with",
        ),
    ];
    for (expected, whose) in demands {
        if let Some(expected) = expected.filter(|expected| expected != got) {
            return Err(SrsError::WrongDigest {
                path: path.to_owned(),
                whose,
                expected: Box::new(expected),
                got: Box::new(*got),
            });
        }
    }
    Ok(())
}

/// The name of a file, as much of it as a provenance holds.
fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut kept = String::new();
    for c in name.chars() {
        if kept.len() + c.len_utf8() > format::MAX_NAME_LEN {
            break;
        }
        kept.push(c);
    }
    kept
}

/// A file from its start to its end, with its digest.
struct Stream {
    file: BufReader<File>,
    hasher: State,
    at: u64,
}

impl Stream {
    fn new(file: File) -> Self {
        Self {
            file: BufReader::with_capacity(BUFFER_LEN, file),
            hasher: Blake2b::new().to_state(),
            at: 0,
        }
    }

    /// Passes over everything before a place.
    fn skip_to(&mut self, place: u64) -> io::Result<()> {
        let missing = place.saturating_sub(self.at);
        let mut buffer = vec![0; BUFFER_LEN.min(usize::try_from(missing).unwrap_or(BUFFER_LEN))];
        while self.at < place {
            let len = usize::try_from(place - self.at).unwrap_or(BUFFER_LEN);
            let len = len.min(buffer.len());
            self.read_exact(buffer.get_mut(..len).unwrap_or_default())?;
        }
        Ok(())
    }

    /// The digest of the whole file, which must still be of the size that it had.
    fn finish(mut self, size: u64, place: Place<'_>) -> Result<FileDigest, SrsError> {
        self.skip_to(size)
            .map_err(|error| place.unreadable(error))?;
        let mut digest = [0; 64];
        digest.copy_from_slice(self.hasher.finalize().as_bytes());
        Ok(FileDigest(digest))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        self.at += count as u64;
        Ok(count)
    }
}
