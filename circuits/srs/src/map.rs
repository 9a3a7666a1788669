//! Where the points are in a file of another format.

use std::fs::File;
use std::io::Read;

use super::points::{Place, G1_LEN, G2_LEN};
use super::{ptau, SrsError, MAX_K, MIN_K};

/// Where halo2's format has the powers: after k.
const HALO2_HEAD: u64 = 4;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// zkml's container.
    Zkml,
    /// snarkjs's `.ptau`.
    Ptau {
        /// Power of the ceremony that the file is cut from.
        ceremony_power: u32,
        /// Whether it has Lagrange points.
        prepared: bool,
    },
    /// halo2's `ParamsKZG` as raw bytes.
    Halo2,
}

/// Where the Lagrange points are.
#[derive(Clone, Copy)]
pub(super) enum Lagrange {
    /// There are none for the size: they are to be computed.
    Absent,
    /// In halo2's order.
    InOrder(u64),
    /// In snarkjs's order.
    Snarkjs(u64),
}

/// Where the points are in a file.
pub(super) enum Map {
    Ptau(ptau::Table),
    Halo2 { k: u32 },
}

impl Map {
    /// Finds out the format from the first bytes.
    pub(super) fn read(file: &mut File, size: u64, place: Place<'_>) -> Result<Self, SrsError> {
        let mut start = [0; 4];
        file.read_exact(&mut start).map_err(|_| {
            place.malformed(
                "start",
                "a .ptau or an SRS of halo2",
                format!("{size} bytes"),
            )
        })?;
        if start == *b"ZKML" {
            let got = "a file of zkml's own: use it as it is (--srs FILE)";
            return Err(place.malformed("start", "a .ptau or an SRS of halo2", got));
        }
        if start == *ptau::MAGIC {
            return Ok(Self::Ptau(ptau::read_table(file, size, place)?));
        }
        let k = u32::from_le_bytes(start);
        if !(MIN_K..=MAX_K).contains(&k) {
            let expected = format!("\"ptau\", or k from {MIN_K} to {MAX_K} as halo2 writes it");
            let got = format!("\"{}\"", start.escape_ascii());
            return Err(place.malformed("start", expected, got));
        }
        let expected = HALO2_HEAD + ((2 * G1_LEN as u64) << k) + 2 * G2_LEN as u64;
        if size != expected {
            return Err(place.malformed(
                "length",
                format!("{expected} bytes, for an SRS of halo2 of k = {k}"),
                format!("{size} bytes"),
            ));
        }
        Ok(Self::Halo2 { k })
    }

    pub(super) fn format(&self) -> Format {
        match self {
            Map::Ptau(table) => Format::Ptau {
                ceremony_power: table.ceremony_power,
                prepared: table.lagrange_g1.is_some(),
            },
            Map::Halo2 { .. } => Format::Halo2,
        }
    }

    /// The largest size in the file.
    pub(super) fn k(&self) -> u32 {
        match self {
            Map::Ptau(table) => table.power,
            Map::Halo2 { k } => *k,
        }
    }

    /// Where the powers start.
    pub(super) fn powers(&self) -> u64 {
        match self {
            Map::Ptau(table) => table.tau_g1,
            Map::Halo2 { .. } => HALO2_HEAD,
        }
    }

    pub(super) fn lagrange(&self, k: u32) -> Lagrange {
        match self {
            Map::Ptau(table) => table
                .lagrange_of(k)
                .map_or(Lagrange::Absent, Lagrange::Snarkjs),
            Map::Halo2 { k: own } if *own == k => {
                Lagrange::InOrder(HALO2_HEAD + ((G1_LEN as u64) << k))
            }
            Map::Halo2 { .. } => Lagrange::Absent,
        }
    }

    /// Where the generator of G2 is; the secret times it comes next in both formats.
    pub(super) fn g2(&self) -> u64 {
        match self {
            Map::Ptau(table) => table.tau_g2,
            Map::Halo2 { k } => HALO2_HEAD + ((2 * G1_LEN as u64) << k),
        }
    }
}
