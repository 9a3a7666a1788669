//! `.ptau`, snarkjs's format for powers of tau: where in a file the points are.
//!
//! | bytes | content |
//! |---|---|
//! | 4, 4, 4 | `ptau`, version 1, number of sections |
//! | 4, 8, … | of each section: its type, its length, its content |
//!
//! | section | content |
//! |---|---|
//! | 1 | bytes of a coordinate (32), the base field's modulus, power p, power of the ceremony |
//! | 2 | 2^(p+1) − 1 powers of tau in G1 |
//! | 3 | 2^p powers of tau in G2 |
//! | 12 | Lagrange points in G1 of the domains of size 1, 2, 4, …, 2^(p+1): only in a prepared file |
//!
//! Other sections (alpha, beta, contributions) are for other proof systems and are not looked at.
//! The domains are those of snarkjs, which takes another root of unity than halo2: its Lagrange
//! points are the same ones in another order.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use halo2_proofs::halo2curves::bn256::{Fq, Fr};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};

use super::points::{Place, G1_LEN, G2_LEN};
use super::SrsError;

pub(super) const MAGIC: &[u8; 4] = b"ptau";
const VERSION: u32 = 1;
/// Most sections that a file may have; snarkjs writes 11.
const MAX_SECTIONS: u32 = 64;
/// Bytes for each of the 2^p powers of a prepared file: in sections 2 to 5 and 12 to 15.
const MAX_PER_POWER: u64 = 128 + 128 + 64 + 64 + 256 + 256 + 128 + 128;
/// Most bytes of all else. A contribution takes some 1,500.
const MAX_ELSE: u64 = 1 << 24;
/// Largest power: the field has no larger domain.
const MAX_POWER: u32 = Fr::S;
const HEADER: u32 = 1;
const TAU_G1: u32 = 2;
const TAU_G2: u32 = 3;
const LAGRANGE_G1: u32 = 12;
const HEADER_LEN: u64 = 4 + 32 + 4 + 4;
/// snarkjs's root of unity of order 2^28, from the smallest non-residue, 5. halo2curves takes 7.
const SNARKJS_ROOT: Fr = Fr::from_raw([
    0x9bd6_1b6e_725b_19f0,
    0x402d_111e_4111_2ed4,
    0x00e0_a7eb_8ef6_2abc,
    0x2a3c_09f0_a58a_7e85,
]);

/// Where a file has what is needed of it.
#[derive(Debug)]
pub(super) struct Table {
    /// The file has 2^power powers, and as many again less one.
    pub(super) power: u32,
    /// Power of the ceremony that the file is cut from.
    pub(super) ceremony_power: u32,
    /// Where the powers in G1 start.
    pub(super) tau_g1: u64,
    /// Where the powers in G2 start.
    pub(super) tau_g2: u64,
    /// Where the Lagrange points of all domains start, in a prepared file.
    pub(super) lagrange_g1: Option<u64>,
}

/// A section's place in the file.
#[derive(Clone, Copy)]
struct Section {
    start: u64,
    len: u64,
}

/// Reads the table of sections and the header. Each section must lie within the file, and together
/// they are the file.
pub(super) fn read_table(
    file: &mut (impl Read + Seek),
    size: u64,
    place: Place<'_>,
) -> Result<Table, SrsError> {
    let io = |error| place.unreadable(error);
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let start: [u8; 12] = read(file)
        .map_err(|_| place.malformed("start", "12 bytes", format!("a file of {size} bytes")))?;
    let [m0, m1, m2, m3, v0, v1, v2, v3, count @ ..] = start;
    let (magic, version) = ([m0, m1, m2, m3], [v0, v1, v2, v3]);
    if magic != *MAGIC {
        let got = format!("\"{}\"", magic.escape_ascii());
        return Err(place.malformed("first bytes", "\"ptau\"", got));
    }
    let (version, count) = (u32::from_le_bytes(version), u32::from_le_bytes(count));
    if version != VERSION {
        return Err(place.malformed("version", VERSION.to_string(), version.to_string()));
    }
    if count > MAX_SECTIONS {
        let expected = format!("{MAX_SECTIONS} at most");
        return Err(place.malformed("number of sections", expected, count.to_string()));
    }

    let mut sections = BTreeMap::new();
    let mut at = 12u64;
    for index in 0..count {
        let head = |what| {
            place.malformed(
                format!("section {index} of {count}"),
                what,
                "the end of the file",
            )
        };
        file.seek(SeekFrom::Start(at)).map_err(io)?;
        let kind = u32::from_le_bytes(read(file).map_err(|_| head("its type"))?);
        let len = u64::from_le_bytes(read(file).map_err(|_| head("its length"))?);
        let start = at + 12;
        at = match start.checked_add(len) {
            Some(end) if end <= size => end,
            _ => {
                return Err(place.malformed(
                    format!("section of type {kind}"),
                    format!("{} bytes at most, to the end of the file", size - start),
                    format!("{len} bytes"),
                ))
            }
        };
        if sections.insert(kind, Section { start, len }).is_some() {
            let got = "two of them";
            return Err(place.malformed(format!("section of type {kind}"), "one of them", got));
        }
    }
    if at != size {
        return Err(place.malformed(
            "end",
            format!("{at} bytes, as the sections have together"),
            format!("{size} bytes"),
        ));
    }
    let table = table(&sections, file, place)?;
    // All of the file is hashed, and one with holes costs nothing to make long.
    let most = (MAX_PER_POWER << table.power) + MAX_ELSE;
    if size > most {
        return Err(place.malformed(
            "length",
            format!("{most} bytes at most, for power {}", table.power),
            format!("{size} bytes"),
        ));
    }
    Ok(table)
}

/// The table, from the sections and the content of the first.
fn table(
    sections: &BTreeMap<u32, Section>,
    file: &mut (impl Read + Seek),
    place: Place<'_>,
) -> Result<Table, SrsError> {
    let section = |kind, name: &str| {
        sections.get(&kind).copied().ok_or_else(|| {
            place.malformed(format!("section of type {kind}"), name, "no such section")
        })
    };
    let io = |error| place.unreadable(error);
    let header = section(HEADER, "the header")?;
    exact(place, "the header", header.len, HEADER_LEN)?;
    file.seek(SeekFrom::Start(header.start)).map_err(io)?;
    let width = u32::from_le_bytes(read(file).map_err(io)?);
    if width != 32 {
        return Err(place.malformed("header: bytes of a coordinate", "32", width.to_string()));
    }
    let modulus: [u8; 32] = read(file).map_err(io)?;
    if modulus != modulus_of_base_field() {
        let hex: String = modulus.iter().rev().map(|b| format!("{b:02x}")).collect();
        return Err(place.malformed("header: modulus", "BN254's (bn128)", format!("0x{hex}")));
    }
    let power = u32::from_le_bytes(read(file).map_err(io)?);
    let ceremony_power = u32::from_le_bytes(read(file).map_err(io)?);
    if !(1..=MAX_POWER).contains(&power) {
        let expected = format!("1 to {MAX_POWER}");
        return Err(place.malformed("header: power", expected, power.to_string()));
    }

    let (g1, g2) = (G1_LEN as u64, G2_LEN as u64);
    let tau_g1 = section(TAU_G1, "the powers of tau in G1")?;
    exact(
        place,
        "the powers of tau in G1",
        tau_g1.len,
        ((2 << power) - 1) * g1,
    )?;
    let tau_g2 = section(TAU_G2, "the powers of tau in G2")?;
    exact(place, "the powers of tau in G2", tau_g2.len, g2 << power)?;
    let lagrange = sections.get(&LAGRANGE_G1);
    if let Some(section) = lagrange {
        exact(
            place,
            "the Lagrange points in G1",
            section.len,
            ((4 << power) - 1) * g1,
        )?;
    }
    Ok(Table {
        power,
        ceremony_power,
        tau_g1: tau_g1.start,
        tau_g2: tau_g2.start,
        lagrange_g1: lagrange.map(|section| section.start),
    })
}

fn exact(place: Place<'_>, what: &str, got: u64, expected: u64) -> Result<(), SrsError> {
    if got == expected {
        return Ok(());
    }
    Err(place.malformed(
        format!("length of {what}"),
        format!("{expected} bytes"),
        format!("{got} bytes"),
    ))
}

fn read<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The base field's modulus, little-endian.
fn modulus_of_base_field() -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut carry = 1u16;
    // One more than the largest element.
    for (byte, largest) in bytes.iter_mut().zip((-Fq::ONE).to_repr().as_ref()) {
        let sum = u16::from(*largest) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    bytes
}

impl Table {
    /// Where the Lagrange points of the domain of size 2^k start, in a prepared file. They are in
    /// snarkjs's order: see [`order_factor`].
    pub(super) fn lagrange_of(&self, k: u32) -> Option<u64> {
        let before = (1u64 << k) - 1;
        self.lagrange_g1.map(|start| start + before * G1_LEN as u64)
    }
}

/// The number f with `w = ω^f`, where w generates snarkjs's domain of size 2^k and ω halo2's: point
/// j of the one is point `f·j mod 2^k` of the other.
pub(super) fn order_factor(k: u32) -> usize {
    let root_of_size = |root: Fr| (k..Fr::S).fold(root, |root, _| root.square());
    let (w, omega) = (root_of_size(SNARKJS_ROOT), root_of_size(Fr::ROOT_OF_UNITY));
    // Bit by bit: w·ω^(-f) has order 2^(k-i) at most once the lowest i bits of f are right.
    let (mut factor, mut rest, mut power) = (0, w, omega.invert().unwrap_or(Fr::ZERO));
    for bit in 0..k {
        if rest.pow_vartime([1u64 << (k - 1 - bit)]) != Fr::ONE {
            factor |= 1 << bit;
            rest *= power;
        }
        power = power.square();
    }
    factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snarkjs_takes_the_root_of_the_smallest_non_residue() {
        // (r − 1) / 2^28, from the largest element, r − 1.
        let largest = (-Fr::ONE).to_repr();
        let mut limbs = [0u64; 4];
        for (limb, bytes) in limbs.iter_mut().zip(largest.as_ref().chunks_exact(8)) {
            *limb = u64::from_le_bytes(bytes.try_into().unwrap());
        }
        let shifted = [0, 1, 2, 3]
            .map(|i| limbs[i] >> 28 | limbs.get(i + 1).map_or(0, |limb| limb << (64 - 28)));
        let root = |base: u64| Fr::from(base).pow_vartime(shifted);
        assert_eq!(root(5), SNARKJS_ROOT);
        assert_eq!(root(7), Fr::ROOT_OF_UNITY);
        for residue in [2u64, 3, 4] {
            assert!(bool::from(Fr::from(residue).sqrt().is_some()), "{residue}");
        }
        assert!(bool::from(Fr::from(5).sqrt().is_none()));
    }

    #[test]
    fn order_factors_relate_the_domains() {
        for k in [1, 2, 5, 20, 28] {
            let root = |root: Fr| (k..Fr::S).fold(root, |root, _| root.square());
            let power = root(Fr::ROOT_OF_UNITY).pow_vartime([order_factor(k) as u64]);
            assert_eq!(power, root(SNARKJS_ROOT), "k = {k}");
        }
    }
}
