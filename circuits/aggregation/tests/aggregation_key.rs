//! Files that claim to be aggregation keys. A whole key is made and read in evm-verifier's tests.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use tempfile::tempdir;
use zkml_aggregation::AggregationKey;
use zkml_files::{write_container, Kind};

/// The smallest size of an aggregation.
const K: u32 = 19;

/// A key's start: shape, then the verifying key as far as its commitments.
fn start(k: u32, columns: usize, k_inside: u32, fixed: u32) -> Vec<u8> {
    let header =
        format!(r#"{{"shape":{{"k":{k},"columns":{columns}}},"structures":[],"breaks":[]}}"#);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.push(2);
    bytes.extend(k_inside.to_le_bytes());
    bytes.push(0);
    bytes.extend(fixed.to_le_bytes());
    bytes
}

fn refused(payload: &[u8]) -> String {
    let folder = tempdir().unwrap();
    let path = folder.path().join("aggregation.key");
    let mut write = |out: &mut dyn std::io::Write| out.write_all(payload);
    write_container(&path, Kind::AggregationKey, 2, &mut write).unwrap();
    AggregationKey::load(&path).unwrap_err().to_string()
}

/// A few bytes that announce polynomials of 2^32 scalars, or a domain of 2^28: halo2's reader allocates
/// what they announce, 128 GB or 8 GB.
#[test]
fn lengths_in_a_small_file_are_not_believed() {
    // One gate column: its selectors, constants, the shift and the table of the range check.
    let mut announces = start(K, 1, K, 4);
    announces.extend([0; 64 * 8]);
    announces.extend(u32::MAX.to_be_bytes());
    let got = refused(&announces);
    assert!(got.contains("l0"), "{got}");

    let got = refused(&start(K, 1, 28, 4));
    assert!(got.contains("k at byte 1"), "{got}");
    let got = refused(&start(K, 1, K, u32::MAX));
    assert!(got.contains("number of fixed columns"), "{got}");
    let got = refused(&start(K, 1, K, 4));
    assert!(
        got.contains("commitments of the verifying key ends early"),
        "{got}"
    );
}

#[test]
fn shapes_and_headers_that_cannot_be_are_refused() {
    for (k, columns) in [
        (0, 1),
        (K - 1, 1),
        (24, 1),
        (u32::MAX, 1),
        (K, 0),
        (K, 65),
        (K, usize::MAX),
    ] {
        let got = refused(&start(k, columns, k, 4));
        assert!(got.contains("impossible shape"), "{got}");
    }
    for payload in [
        &[][..],
        &[0; 7],
        &[0xff; 8],
        &[0xff; 64],
        &[0; 64],
        b"\x02\0\0\0\0\0\0\0{}",
    ] {
        refused(payload);
    }
}
