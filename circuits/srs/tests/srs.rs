//! The SRS: right points, files that are checked point by point, one secret a cache.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use halo2_proofs::halo2curves::bn256::{Fq, Fq2, Fr, G1Affine, G2Affine, G1, G2};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::halo2curves::group::cofactor::CofactorGroup;
use halo2_proofs::halo2curves::group::{Curve, Group};
use halo2_proofs::halo2curves::serde::SerdeObject;
use halo2_proofs::halo2curves::CurveAffine;
use halo2_proofs::poly::commitment::ParamsProver;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::SerdeFormat;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tempfile::tempdir;
use zkml_files::{read_container, write_container, FileError, Kind};
use zkml_srs::{
    cached, parse_fingerprint, Check, FileDigest, Progress, Provenance, Srs, SrsError, Trust,
};

const SEED: [u8; 32] = [5; 32];
const QUIET: Progress<'static> = &|_, _| {};
/// Bytes before the first point of a development SRS.
const HEAD: usize = 1 + 32 + 2 + 4;

fn seeded(k: u32) -> Srs {
    Srs::development_from_seed(k, SEED, QUIET).unwrap()
}

fn bytes(srs: &Srs) -> Vec<u8> {
    let mut bytes = Vec::new();
    srs.params
        .write_custom(&mut bytes, SerdeFormat::RawBytes)
        .unwrap();
    bytes
}

/// Saves an SRS, changes its payload, gives it a fresh digest and loads it.
fn load_changed(
    srs: &Srs,
    check: Check,
    change: impl FnOnce(&mut Vec<u8>),
) -> Result<Srs, SrsError> {
    let folder = tempdir().unwrap();
    let path = folder.path().join("changed.srs");
    srs.save(&path).unwrap();
    let mut payload = read_container(&path, Kind::Srs, 1).unwrap();
    change(&mut payload);
    write_container(&path, Kind::Srs, 1, &mut |out| out.write_all(&payload)).unwrap();
    Srs::load_checked(&path, check)
}

fn message(result: Result<Srs, SrsError>) -> String {
    result.map(|srs| srs.provenance).unwrap_err().to_string()
}

#[test]
fn equals_halo2s_own_setup_for_the_same_secret() {
    for k in [1, 2, 6, 11] {
        let setup = ParamsKZG::setup(k, ChaCha20Rng::from_seed(SEED));
        let expected = Srs {
            params: setup,
            provenance: Provenance::Development { seed_digest: None },
        };
        assert!(bytes(&seeded(k)) == bytes(&expected), "k = {k}");
    }
}

#[test]
fn equals_the_definition() {
    let (k, n) = (6, 64);
    let srs = seeded(k);
    let tau = Fr::random(ChaCha20Rng::from_seed(SEED));
    let omega = (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
    let point = |scalar: Fr| (G1::generator() * scalar).to_affine();
    for (i, g) in srs.params.get_g().iter().enumerate() {
        assert_eq!(*g, point(tau.pow([i as u64])));
    }
    let raw = bytes(&srs);
    for i in 0..n {
        // The product over the other roots, which is what the closed form stands for.
        let root = |j: usize| omega.pow([j as u64]);
        let value = (0..n).filter(|j| *j != i).fold(Fr::ONE, |product, j| {
            product * (tau - root(j)) * (root(i) - root(j)).invert().unwrap()
        });
        let at = 4 + 64 * (n + i);
        assert_eq!(raw[at..at + 64], point(value).to_raw_bytes()[..]);
    }
    assert_eq!(srs.params.g2(), G2Affine::generator());
    assert_eq!(srs.params.s_g2(), (G2::generator() * tau).to_affine());
}

#[test]
fn golden_file() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("golden.srs");
    seeded(4).save(&path).unwrap();
    let digest = blake2b_simd::blake2b(&fs::read(path).unwrap()).to_hex();
    assert!(
        digest.starts_with("ac004c84fa90d193e53075de4b410863"),
        "{digest}"
    );
}

#[test]
fn sizes_of_one_seed_share_a_secret_and_other_seeds_do_not() {
    let (small, large) = (seeded(3), seeded(5));
    assert_eq!(small.fingerprint(), large.fingerprint());
    assert_eq!(small.params.get_g(), &large.params.get_g()[..8]);
    let other = Srs::development_from_seed(3, [6; 32], QUIET).unwrap();
    assert_ne!(small.fingerprint(), other.fingerprint());
    assert_ne!(small.provenance, other.provenance);
    let random = || Srs::development(3, QUIET).unwrap();
    assert_ne!(random().fingerprint(), random().fingerprint());
}

#[test]
fn progress_ends_at_the_total() {
    let (highest, total) = (AtomicU64::new(0), AtomicU64::new(0));
    let progress = |done, of| {
        highest.fetch_max(done, Ordering::Relaxed);
        total.store(of, Ordering::Relaxed);
    };
    Srs::development(12, &progress).unwrap();
    assert_eq!(highest.into_inner(), 1 << 13);
    assert_eq!(total.into_inner(), 1 << 13);
}

#[test]
fn sizes_out_of_range_are_refused() {
    for k in [0, 27, u32::MAX] {
        let made = Srs::development(k, QUIET);
        assert!(matches!(made, Err(SrsError::SizeOutOfRange { .. })));
        let got = message(load_changed(&seeded(2), Check::Points, |payload| {
            payload[HEAD - 4..HEAD].copy_from_slice(&k.to_le_bytes());
        }));
        assert!(got.contains("k: expected 1 to 26"), "{got}");
    }
    for k in [1u32, 3, 26] {
        let got = message(load_changed(&seeded(2), Check::Points, |payload| {
            payload[HEAD - 4..HEAD].copy_from_slice(&k.to_le_bytes());
        }));
        assert!(
            got.contains(&format!("bytes for k = {k}, got 807 bytes")),
            "{got}"
        );
    }
}

#[test]
fn round_trip_keeps_points_and_provenance() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file.srs");
    for k in [1, 2, 3, 9, 12] {
        let mut srs = seeded(k);
        let fingerprint = srs.fingerprint();
        let ceremony = |name: &str| Provenance::Ceremony {
            name: name.to_owned(),
            digest: FileDigest([9; 64]),
            fingerprint,
            accepted: false,
        };
        for provenance in [
            srs.provenance.clone(),
            Provenance::Development { seed_digest: None },
            ceremony("Perpetual Powers of Tau"),
            ceremony(&"ü".repeat(128)),
        ] {
            srs.provenance = provenance;
            srs.save(&path).unwrap();
            let loaded = Srs::load(&path).unwrap();
            assert_eq!(loaded.provenance, srs.provenance);
            assert_eq!(loaded.k(), k);
            assert!(bytes(&loaded) == bytes(&srs));
        }
        srs.provenance = ceremony(&"x".repeat(257));
        let got = srs.save(&path).unwrap_err().to_string();
        assert!(got.contains("256 bytes at most, got 257"), "{got}");
    }
}

#[test]
fn every_truncation_and_every_flipped_byte_is_found() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file.srs");
    seeded(1).save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    for len in 0..bytes.len() {
        fs::write(&path, &bytes[..len]).unwrap();
        assert!(
            Srs::load_checked(&path, Check::Points).is_err(),
            "cut to {len} bytes"
        );
    }
    for i in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[i] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        assert!(Srs::load_checked(&path, Check::Points).is_err(), "byte {i}");
    }
}

#[test]
fn another_kind_is_named() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file.srs");
    write_container(&path, Kind::Proof, 1, &mut |out| out.write_all(b"x")).unwrap();
    let got = Srs::load(&path).unwrap_err();
    assert!(
        got.to_string().contains("expected an SRS, got a proof"),
        "{got}"
    );
    assert!(matches!(got, SrsError::File(FileError::WrongKind { .. })));
}

#[test]
fn every_point_is_checked() {
    let one_one = [Fq::ONE.to_raw_bytes(), Fq::ONE.to_raw_bytes()].concat();
    let identity = vec![0; 64];
    // x + q of the generator's x, a second encoding of the same point.
    let mut not_canonical = G1Affine::generator().to_raw_bytes();
    let modulus = (-Fq::ONE).to_repr();
    let mut carry = 1u16;
    for (byte, m) in not_canonical.iter_mut().zip(modulus.as_ref()) {
        let sum = u16::from(*byte) + u16::from(*m) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    let srs = seeded(3);
    for (bad, why) in [
        (one_one, "not on the curve"),
        (identity, "the identity"),
        (not_canonical, "not canonical"),
    ] {
        for i in 0..16 {
            let got = message(load_changed(&srs, Check::Points, |payload| {
                payload[HEAD + 64 * i..HEAD + 64 * (i + 1)].copy_from_slice(&bad);
            }));
            let place = match i {
                0..8 => format!("g[{i}]: expected a point of G1"),
                _ => format!("g_lagrange[{}]: expected a point of G1", i - 8),
            };
            assert!(got.contains(&place) && got.contains(why), "{got}");
        }
    }
}

/// A point of the twist that is outside the group.
fn outside_the_subgroup() -> G2Affine {
    (1u64..)
        .find_map(|x| {
            let x = Fq2::from(x);
            let y: Option<Fq2> = (x.square() * x + G2Affine::b()).sqrt().into();
            let point: Option<G2Affine> = G2Affine::from_xy(x, y?).into();
            point.filter(|point| !bool::from(G2::from(*point).is_torsion_free()))
        })
        .unwrap()
}

#[test]
fn points_of_g2_are_checked() {
    let srs = seeded(2);
    let (at, identity) = (HEAD + 64 * 8, vec![0; 128]);
    let off_curve = [1; 128].to_vec();
    let double = (G2::generator().double()).to_affine().to_raw_bytes();
    let outside = outside_the_subgroup().to_raw_bytes();
    for (index, bad, why) in [
        (0, &identity, "g2: expected a point of G2, got the identity"),
        (
            1,
            &identity,
            "s_g2: expected a point of G2, got the identity",
        ),
        (0, &off_curve, "g2: expected a point of G2"),
        (0, &outside, "outside the subgroup"),
        (1, &outside, "outside the subgroup"),
        (0, &double, "point of G2 is not the generator"),
        (1, &double, "secret in G2 is not the one in G1"),
    ] {
        let got = message(load_changed(&srs, Check::Points, |payload| {
            payload[at + 128 * index..at + 128 * (index + 1)].copy_from_slice(bad);
        }));
        assert!(got.contains(why), "{got}");
    }
}

#[test]
fn points_that_are_no_srs_are_found() {
    let (srs, n) = (seeded(4), 16);
    let swap = |i: usize, j: usize| {
        move |payload: &mut Vec<u8>| {
            for byte in 0..64 {
                payload.swap(HEAD + 64 * i + byte, HEAD + 64 * j + byte);
            }
        }
    };
    for (i, j, why) in [
        (2, 3, "not the powers"),
        (1 + n / 2, n - 1, "not the powers"),
        (n, n + 1, "Lagrange points do not belong"),
        (2 * n - 2, 2 * n - 1, "Lagrange points do not belong"),
    ] {
        load_changed(&srs, Check::Points, swap(i, j)).unwrap();
        let got = message(load_changed(&srs, Check::Structure, swap(i, j)));
        assert!(got.contains(why), "{got}");
    }
    let first = message(load_changed(&srs, Check::Points, swap(0, 1)));
    assert!(first.contains("not the generator of G1"), "{first}");

    // The last power alone, and the whole Lagrange half of another secret.
    let replace = |i: usize, with: Vec<u8>| {
        let at = HEAD + 64 * i;
        move |payload: &mut Vec<u8>| payload[at..at + with.len()].copy_from_slice(&with)
    };
    let generator = G1Affine::generator().to_raw_bytes();
    let got = message(load_changed(
        &srs,
        Check::Structure,
        replace(n - 1, generator),
    ));
    assert!(got.contains("not the powers"), "{got}");
    let other = bytes(&Srs::development_from_seed(4, [6; 32], QUIET).unwrap());
    let half = other[4 + 64 * n..4 + 128 * n].to_vec();
    let got = message(load_changed(&srs, Check::Structure, replace(n, half)));
    assert!(got.contains("Lagrange points do not belong"), "{got}");
}

#[test]
fn provenance_is_checked() {
    let srs = seeded(2);
    assert!(!srs.provenance.is_secure());
    assert_eq!(srs.provenance.trust(), Trust::Development);
    assert!(srs
        .provenance
        .to_string()
        .starts_with("INSECURE development SRS"));
    for (at, value, why) in [
        (0, 3, "provenance: expected 0, 1 or 2, got 3"),
        (0, 0, "provenance: expected a development SRS"),
        (33, 1, "provenance: expected a development SRS"),
        (34, 2, "ceremony name: expected 256 bytes at most, got 512"),
    ] {
        let got = message(load_changed(&srs, Check::Points, |payload| {
            payload[at] = value
        }));
        assert!(got.contains(why), "{got}");
    }
}

fn stamp(path: &Path) -> std::time::SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn the_cache_makes_once_and_shares_a_secret() {
    let parent = tempdir().unwrap();
    let folder = parent.path().join("new").join("cache");
    let first = cached(&folder, 5, QUIET).unwrap();
    let path = folder.join("dev-k5.srs");
    let made = stamp(&path);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let seed = fs::metadata(folder.join("dev.seed")).unwrap();
        assert_eq!(seed.permissions().mode() & 0o777, 0o600);
    }
    let panics: Progress<'_> = &|_, _| panic!("made again");
    let again = cached(&folder, 5, panics).unwrap();
    assert!(bytes(&first) == bytes(&again));
    assert_eq!(stamp(&path), made);
    assert_eq!(
        cached(&folder, 4, QUIET).unwrap().fingerprint(),
        first.fingerprint()
    );

    // Damage is repaired, with the same points; so is a file of another size or secret.
    let good = fs::read(&path).unwrap();
    let mut damaged = good.clone();
    damaged[200] ^= 1;
    for bad in [
        damaged,
        good[..300].to_vec(),
        fs::read(folder.join("dev-k4.srs")).unwrap(),
    ] {
        fs::write(&path, bad).unwrap();
        cached(&folder, 5, QUIET).unwrap();
        assert!(fs::read(&path).unwrap() == good);
    }
    fs::remove_file(folder.join("dev.seed")).unwrap();
    let other = cached(&folder, 5, QUIET).unwrap();
    assert_ne!(other.fingerprint(), first.fingerprint());
    assert_eq!(
        cached(&folder, 4, QUIET).unwrap().fingerprint(),
        other.fingerprint()
    );

    fs::write(folder.join("dev.seed"), "no seed").unwrap();
    let got = message(cached(&folder, 5, QUIET));
    assert!(
        got.contains("dev.seed") && got.contains("64 hexadecimal digits"),
        "{got}"
    );
}

#[test]
fn makers_at_the_same_time_agree() {
    let folder = tempdir().unwrap();
    let prints: Vec<[u8; 32]> = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..8)
            .map(|i| scope.spawn(move || 2 + i % 3))
            .map(|size| {
                let folder = folder.path();
                scope.spawn(move || cached(folder, size.join().unwrap(), QUIET).unwrap())
            })
            .collect();
        makers
            .into_iter()
            .map(|maker| maker.join().unwrap().fingerprint())
            .collect()
    });
    assert!(prints.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn a_cache_that_cannot_be_is_an_error() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let got = message(cached(&file.join("cache"), 3, QUIET));
    assert!(got.contains("make the cache folder"), "{got}");
}

#[test]
fn fingerprints_are_parsed_exactly() {
    let digits = "0f".repeat(32);
    assert_eq!(parse_fingerprint(&digits), Ok([15; 32]));
    assert_eq!(parse_fingerprint(&format!("0x{digits}")), Ok([15; 32]));
    for bad in [
        "",
        "0x",
        &digits[1..],
        &format!("{digits}0"),
        &"é".repeat(32),
    ] {
        assert!(parse_fingerprint(bad).is_err(), "{bad}");
    }
}
