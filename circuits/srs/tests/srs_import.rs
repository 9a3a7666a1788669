//! SRSs of ceremonies: what is imported is right, and whatever is wrong with a file is found.
#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine, G2Affine, G2};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::halo2curves::group::{Curve, Group};
use halo2_proofs::halo2curves::serde::SerdeObject;
use tempfile::tempdir;
use zkml_srs::{Check, FileDigest, Format, Import, Provenance, Srs, SrsError, Trust};

#[path = "support/ptau.rs"]
mod ptau;
use ptau::{header, modulus, raw_srs, Ptau};

const SEED: [u8; 32] = [5; 32];
/// From 2^6 on snarkjs's order of Lagrange points is another one than halo2's.
const POWER: u32 = 6;
const N: usize = 1 << POWER;

fn seeded(k: u32) -> Srs {
    Srs::development_from_seed(k, SEED, &|_, _| ()).unwrap()
}

/// A good file of 2^POWER powers.
fn good() -> Ptau {
    static FILE: OnceLock<Ptau> = OnceLock::new();
    FILE.get_or_init(|| Ptau::new(POWER, SEED)).clone()
}

fn of_size(k: u32) -> Import {
    Import {
        k: Some(k),
        digest: None,
    }
}

fn digest(bytes: &[u8]) -> FileDigest {
    let hash = blake2b_simd::blake2b(bytes);
    FileDigest(*hash.as_array())
}

fn import(bytes: &[u8], wanted: &Import) -> Result<Srs, SrsError> {
    let folder = tempdir().unwrap();
    let path = folder.path().join("ceremony.ptau");
    fs::write(&path, bytes).unwrap();
    Srs::import(&path, wanted, &|_, _| ())
}

/// Why a file is refused.
#[track_caller]
fn refused(bytes: &[u8], why: &str) {
    match import(bytes, &Import::default()) {
        Ok(srs) => panic!("imported k = {}, expected: {why}", srs.k()),
        Err(error) => assert!(error.to_string().contains(why), "{error}, expected: {why}"),
    }
}

/// Why a file is refused after a change to a good one.
#[track_caller]
fn refused_after(change: impl FnOnce(&mut Ptau), why: &str) {
    let mut file = good();
    change(&mut file);
    refused(&file.bytes(), why);
}

#[test]
fn every_size_of_a_prepared_file_is_the_srs() {
    let bytes = good().bytes();
    for k in 1..=POWER {
        let srs = import(&bytes, &of_size(k)).unwrap();
        assert_eq!(srs.k(), k);
        assert!(raw_srs(&srs) == raw_srs(&seeded(k)), "k = {k}");
        assert_eq!(srs.fingerprint(), seeded(k).fingerprint());
    }
    let whole = import(&bytes, &Import::default()).unwrap();
    assert_eq!(whole.k(), POWER);
    match &whole.provenance {
        Provenance::Ceremony {
            name,
            digest: of_file,
            fingerprint,
            ..
        } => {
            assert_eq!(name, "ceremony.ptau");
            assert_eq!(*of_file, digest(&bytes));
            assert_eq!(*fingerprint, whole.fingerprint());
        }
        other => panic!("{other:?}"),
    }
    let got = import(&bytes, &of_size(POWER + 1)).unwrap_err();
    assert!(
        matches!(got, SrsError::TooSmall { k: 7, has: 6, .. }),
        "{got}"
    );
    for k in [0, 27] {
        let got = import(&bytes, &of_size(k)).unwrap_err();
        assert!(matches!(got, SrsError::SizeOutOfRange { .. }), "{got}");
    }
}

#[test]
fn lagrange_points_are_computed_where_there_are_none() {
    let bare = good().without(&[12, 13, 14, 15]).bytes();
    let raw = raw_srs(&seeded(POWER));
    for k in [2, POWER] {
        for bytes in [&bare, &raw] {
            let srs = import(bytes, &of_size(k)).unwrap();
            assert!(raw_srs(&srs) == raw_srs(&seeded(k)), "k = {k}");
        }
    }
}

#[test]
fn sections_may_come_in_any_order() {
    let mut file = good();
    file.sections.reverse();
    file.sections.push((77, None, vec![1, 2, 3]));
    let srs = import(&file.bytes(), &of_size(3)).unwrap();
    assert!(raw_srs(&srs) == raw_srs(&seeded(3)));
}

/// Files that snarkjs 0.7.5 wrote (`powersoftau new`, `contribute`, `beacon`, `prepare phase2`).
#[test]
fn files_of_snarkjs_are_read() {
    let file = |name: &str| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        root.join("tests/data").join(name)
    };
    let load = |name: &str, k| Srs::import(&file(name), &of_size(k), &|_, _| ()).unwrap();
    for k in 1..=6 {
        let prepared = load("snarkjs-6.ptau", k);
        let computed = load("snarkjs-6-unprepared.ptau", k);
        assert!(raw_srs(&prepared) == raw_srs(&computed), "k = {k}");
    }
    let glance = Srs::glance(&file("snarkjs-6.ptau")).unwrap();
    let prepared = Format::Ptau {
        ceremony_power: 6,
        prepared: true,
    };
    assert_eq!((glance.format, glance.k), (prepared, 6));
    assert_eq!(glance.fingerprint, load("snarkjs-6.ptau", 2).fingerprint());
    assert!(glance.provenance.is_none());
}

#[test]
fn an_import_is_saved_loaded_and_trusted_by_its_user_only() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("imported.srs");
    let srs = import(&good().bytes(), &of_size(3)).unwrap();
    srs.save(&path).unwrap();
    let mut loaded = Srs::load_checked(&path, Check::Structure).unwrap();
    assert_eq!(loaded.provenance, srs.provenance);
    assert_eq!(loaded.provenance.trust(), Trust::Unverified);
    let glance = Srs::glance(&path).unwrap();
    assert_eq!((glance.format, glance.k), (Format::Zkml, 3));
    assert_eq!(glance.provenance, Some(srs.provenance.clone()));
    assert_eq!(glance.fingerprint, srs.fingerprint());

    loaded.provenance.accept(&[srs.fingerprint()]);
    assert_eq!(loaded.provenance.trust(), Trust::Accepted);
    // The word of one user does not reach the next through a file.
    loaded.save(&path).unwrap();
    let again = Srs::load(&path).unwrap();
    assert_eq!(again.provenance.trust(), Trust::Unverified);

    let got = import(&fs::read(&path).unwrap(), &Import::default()).unwrap_err();
    assert!(got.to_string().contains("use it as it is"), "{got}");
}

#[test]
fn another_digest_than_the_one_asked_for_is_refused() {
    let bytes = good().bytes();
    let wanted = |digest| Import {
        k: Some(2),
        digest: Some(digest),
    };
    import(&bytes, &wanted(digest(&bytes))).unwrap();
    let mut changed = bytes.clone();
    // In a section that is not read: only the digest can tell.
    let last = changed.len() - 1;
    changed[last] ^= 1;
    import(&changed, &of_size(2)).unwrap();
    let got = import(&changed, &wanted(digest(&bytes))).unwrap_err();
    assert!(matches!(got, SrsError::WrongDigest { .. }), "{got}");
    assert!(got.to_string().contains(&digest(&changed).to_string()));
    for bad in ["", "00", &"0g".repeat(64), &"00".repeat(63)] {
        assert!(bad.parse::<FileDigest>().is_err());
    }
}

#[test]
fn a_file_with_a_published_name_must_have_the_published_digest() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("powersOfTau28_hez_final_08.ptau");
    fs::write(&path, good().bytes()).unwrap();
    let got = Srs::import(&path, &Import::default(), &|_, _| ()).unwrap_err();
    assert!(matches!(got, SrsError::WrongDigest { .. }), "{got}");
    assert!(
        got.to_string()
            .contains("published with: expected BLAKE2b d6a8fb3a04feb600"),
        "{got}"
    );
}

#[test]
fn every_truncation_is_refused() {
    let bytes = Ptau::new(2, SEED).bytes();
    assert!(import(&bytes, &Import::default()).is_ok());
    for len in 0..bytes.len() {
        assert!(
            import(&bytes[..len], &Import::default()).is_err(),
            "cut to {len} bytes"
        );
    }
    let raw = raw_srs(&seeded(2));
    for len in 0..raw.len() {
        assert!(import(&raw[..len], &Import::default()).is_err(), "{len}");
    }
    refused(
        &[&raw[..], &[0]].concat(),
        "bytes, for an SRS of halo2 of k = 2",
    );
}

#[test]
fn the_head_and_the_table_are_checked() {
    refused_after(|file| file.magic = *b"Ptau", "start: expected \"ptau\"");
    refused_after(|file| file.version = 2, "version: expected 1, got 2");
    refused_after(
        |file| file.count = Some(65),
        "number of sections: expected 64",
    );
    refused_after(|file| file.count = Some(u32::MAX), "number of sections");
    // One section more than there are, and one less: the rest of the file is then unaccounted for.
    refused_after(
        |file| file.count = Some(12),
        "section 11 of 12: expected its type",
    );
    refused_after(|file| file.count = Some(10), "end: expected");
    refused_after(|file| file.count = Some(0), "end: expected 12 bytes");
    refused_after(|file| file.tail = vec![0], "end: expected");
    refused_after(|file| file.tail = vec![0; 64], "end: expected");
    // A length that leaves the file, wraps around, or runs into the sections behind.
    for len in [u64::MAX, u64::MAX - 11, 1 << 63, 1 << 40] {
        refused_after(
            |file| file.entry(2).1 = Some(len),
            "section of type 2: expected",
        );
    }
    refused_after(
        |file| file.entry(15).1 = Some(64 * (2 * N as u64)),
        "type 15",
    );
    refused_after(|file| file.entry(2).1 = Some(64 * 2 * N as u64), "");
    for kind in [1, 2, 3] {
        let mut file = good().without(&[kind]);
        refused(&file.bytes(), &format!("section of type {kind}: expected"));
        file = good();
        let twice = file.entry(kind).clone();
        file.sections.push(twice);
        refused(&file.bytes(), "expected one of them, got two of them");
    }
    // Each section that is read has one length.
    for kind in [1, 2, 3, 12] {
        for longer in [true, false] {
            let change = |file: &mut Ptau| {
                let content = file.section(kind);
                let len = content.len();
                content.resize(if longer { len + 128 } else { len - 2 }, 0);
            };
            refused_after(change, "length of the ");
        }
    }
}

#[test]
fn the_header_is_checked() {
    let mut bls = modulus();
    bls[31] ^= 1;
    for (content, why) in [
        (
            header(48, modulus(), POWER, 28),
            "bytes of a coordinate: expected 32, got 48",
        ),
        (header(0, modulus(), POWER, 28), "bytes of a coordinate"),
        (header(32, bls, POWER, 28), "modulus: expected BN254's"),
        (
            header(32, modulus(), 0, 28),
            "power: expected 1 to 28, got 0",
        ),
        (
            header(32, modulus(), 29, 28),
            "power: expected 1 to 28, got 29",
        ),
        (
            header(32, modulus(), u32::MAX, 28),
            "power: expected 1 to 28",
        ),
        (
            header(32, modulus(), 3, 28),
            "length of the powers of tau in G1",
        ),
        (
            header(32, modulus(), 28, 28),
            "length of the powers of tau in G1",
        ),
    ] {
        refused_after(|file| *file.section(1) = content, why);
    }
}

/// x + q of the generator: a second encoding of the same point.
fn not_canonical() -> Vec<u8> {
    let mut bytes = G1Affine::generator().to_raw_bytes();
    let mut carry = 0u16;
    for (byte, m) in bytes.iter_mut().zip(modulus()) {
        let sum = u16::from(*byte) + u16::from(m) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    bytes
}

fn replace(section: &mut [u8], index: usize, point: &[u8]) {
    section[index * point.len()..(index + 1) * point.len()].copy_from_slice(point);
}

#[test]
fn every_point_that_is_read_is_checked() {
    let one_one = [Fq::ONE.to_raw_bytes(), Fq::ONE.to_raw_bytes()].concat();
    for (bad, why) in [
        (one_one, "not on the curve"),
        (vec![0; 64], "the identity"),
        (not_canonical(), "not canonical"),
        (vec![0xff; 64], "not canonical"),
    ] {
        for i in 0..N {
            refused_after(|file| replace(file.section(2), i, &bad), why);
            // The domain of size N comes after the smaller ones.
            refused_after(|file| replace(file.section(12), N - 1 + i, &bad), why);
        }
    }
    for (bad, why) in [
        (vec![1; 128], "g2: expected a point of G2"),
        (vec![0; 128], "the identity"),
    ] {
        for i in 0..2 {
            refused_after(
                |file| replace(file.section(3), i, &bad),
                if i == 0 { why } else { "s_g2" },
            );
        }
    }
}

#[test]
fn points_of_two_secrets_are_refused() {
    let mut other = Ptau::new(POWER, [6; 32]);
    let powers = other.section(2).clone();
    let g = |power: usize| powers[64 * power..64 * (power + 1)].to_vec();
    refused_after(
        |file| replace(file.section(2), 0, &g(1)),
        "not the generator of G1",
    );
    refused_after(
        |file| replace(file.section(2), 1, &g(1)),
        "secret in G2 is not the one in G1",
    );
    for i in 2..N {
        refused_after(
            |file| replace(file.section(2), i, &g(i)),
            "not the powers of one secret",
        );
    }
    let other = other.section(12).clone();
    for i in N - 1..2 * N - 1 {
        let point = other[64 * i..64 * (i + 1)].to_vec();
        let why = "Lagrange points do not belong";
        refused_after(|file| replace(file.section(12), i, &point), why);
    }
    // halo2's order where snarkjs's is due.
    let raw = raw_srs(&seeded(POWER));
    let halo2_order = raw[4 + 64 * N..4 + 128 * N].to_vec();
    refused_after(
        |file| file.section(12)[64 * (N - 1)..64 * (2 * N - 1)].copy_from_slice(&halo2_order),
        "Lagrange points do not belong",
    );
    let double = (G2::generator().double()).to_affine();
    let why = "point of G2 is not the generator";
    refused_after(
        |file| replace(file.section(3), 0, &double.to_raw_bytes()),
        why,
    );
    let why = "secret in G2 is not the one in G1";
    refused_after(
        |file| replace(file.section(3), 1, &double.to_raw_bytes()),
        why,
    );
    let generator = G2Affine::generator().to_raw_bytes();
    refused_after(|file| replace(file.section(3), 1, &generator), why);
}

/// All but one of its Lagrange points are the identity. From 2^13 points on sums go another way.
#[test]
fn a_secret_in_the_domain_is_refused() {
    for k in [5, 13] {
        let omega = (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
        for tau in [Fr::ONE, -Fr::ONE, omega] {
            let file = Ptau::unprepared(k, tau);
            refused(&file.bytes(), "its secret is a root of unity of the domain");
        }
    }
    // It is in no smaller one.
    let omega = (5..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
    let file = Ptau::unprepared(5, omega).bytes();
    import(&file, &of_size(4)).unwrap();
}

/// All of a file is hashed, so none may be longer than its power needs.
#[test]
fn a_file_with_much_that_nobody_reads_is_refused() {
    const LONG: u64 = 1 << 36;
    let folder = tempdir().unwrap();
    let path = folder.path().join("sparse.ptau");
    let mut file = good();
    file.sections.push((77, Some(LONG), Vec::new()));
    let bytes = file.bytes();
    fs::write(&path, &bytes).unwrap();
    let sparse = fs::OpenOptions::new().write(true).open(&path).unwrap();
    sparse.set_len(bytes.len() as u64 + LONG).unwrap();
    for got in [
        Srs::import(&path, &Import::default(), &|_, _| ()).map(drop),
        Srs::glance(&path).map(drop),
    ] {
        let got = got.unwrap_err().to_string();
        assert!(got.contains("bytes at most, for power 6"), "{got}");
    }
    // What contributions take has its place.
    let mut file = good();
    file.sections.push((77, None, vec![0; 1 << 20]));
    import(&file.bytes(), &of_size(2)).unwrap();
}

#[test]
fn halo2s_raw_format_is_checked_too() {
    let raw = raw_srs(&seeded(3));
    let srs = import(&raw, &Import::default()).unwrap();
    assert!(raw_srs(&srs) == raw);
    for k in [0u32, 27, 2, 4] {
        let mut bytes = raw.clone();
        bytes[..4].copy_from_slice(&k.to_le_bytes());
        refused(
            &bytes,
            if (1..=26).contains(&k) {
                "length"
            } else {
                "start"
            },
        );
    }
    for i in 0..16 {
        let mut bytes = raw.clone();
        bytes[4 + 64 * i..4 + 64 * (i + 1)].fill(0);
        refused(&bytes, "the identity");
        let mut bytes = raw.clone();
        let j = (i + 1) % 8 + i / 8 * 8;
        let (a, b) = (4 + 64 * i, 4 + 64 * j);
        bytes.copy_within(b..b + 64, a);
        refused(&bytes, "not an SRS");
    }
}

#[test]
fn what_is_no_file_of_bytes_is_refused() {
    let folder = tempdir().unwrap();
    for path in [
        folder.path().to_owned(),
        folder.path().join("absent"),
        PathBuf::from("/dev/null"),
    ] {
        assert!(Srs::import(&path, &Import::default(), &|_, _| ()).is_err());
        assert!(Srs::glance(&path).is_err());
    }
}
