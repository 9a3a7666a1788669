//! Atomic writing and containers: whole files or none, and errors that name file, expectation and
//! remedy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use proptest::prelude::*;
use tempfile::tempdir;
use zkml_files::{
    read_container, write_atomic, write_atomic_new, write_container, ContainerReader, FileError,
    Kind,
};

const VERSION: u32 = 3;

fn write(path: &Path, kind: Kind, payload: &[u8]) {
    write_container(path, kind, VERSION, &mut |out| out.write_all(payload)).unwrap();
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_kind_round_trips_and_no_other_reads_it() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("artefact");
    for kind in Kind::ALL {
        write(&path, kind, b"payload");
        for other in Kind::ALL {
            let result = read_container(&path, other, VERSION);
            if other == kind {
                assert_eq!(result.unwrap(), b"payload");
            } else {
                assert!(matches!(result, Err(FileError::WrongKind { .. })));
            }
        }
    }
    assert_eq!(entries(folder.path()), ["artefact"]);
}

#[test]
fn layout_is_as_documented() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("p");
    write(&path, Kind::Proof, b"abc");
    let bytes = fs::read(&path).unwrap();
    let (content, digest) = bytes.split_at(bytes.len() - 32);
    assert_eq!(content, b"ZKMLPROF\x03\0\0\0\x03\0\0\0\0\0\0\0abc");
    let expected = blake2b_simd::Params::new().hash_length(32).hash(content);
    assert_eq!(digest, expected.as_bytes());
}

#[test]
fn messages_name_file_expectation_and_remedy() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.pk");
    let read = |kind, version| {
        read_container(&path, kind, version)
            .unwrap_err()
            .to_string()
    };

    write(&path, Kind::Proof, b"abc");
    let message = read(Kind::ProvingKey, VERSION);
    assert!(
        message.contains("model.pk: expected a proving key, got a proof"),
        "{message}"
    );
    let message = read(Kind::Proof, 4);
    assert!(
        message.contains("format version 4, got version 3"),
        "{message}"
    );

    let mut bytes = fs::read(&path).unwrap();
    bytes.push(0);
    fs::write(&path, &bytes).unwrap();
    let message = read(Kind::Proof, VERSION);
    assert!(
        message.contains("expected a proof of 55 bytes, got 56 bytes"),
        "{message}"
    );

    fs::write(&path, b"{\"json\": 1}").unwrap();
    let message = read(Kind::Proof, VERSION);
    assert!(message.contains("starts with \"{\\\"js\""), "{message}");

    fs::write(&path, b"ZKMLWHAT\x03\0\0\0\0\0\0\0\0\0\0\0").unwrap();
    let message = read(Kind::Proof, VERSION);
    assert!(
        message.contains("got the unknown kind \"WHAT\""),
        "{message}"
    );
}

#[test]
fn every_truncation_and_every_flipped_bit_is_found() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("vk");
    write(&path, Kind::VerifyingKey, b"some payload");
    let bytes = fs::read(&path).unwrap();
    let rejects = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let streamed = ContainerReader::open(&path, Kind::VerifyingKey, VERSION);
        read_container(&path, Kind::VerifyingKey, VERSION).is_err()
            && streamed.and_then(ContainerReader::verified).is_err()
    };
    for len in 0..bytes.len() {
        assert!(rejects(&bytes[..len]), "cut to {len} bytes");
    }
    for bit in 0..8 * bytes.len() {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(rejects(&damaged), "bit {bit}");
    }
}

#[test]
fn a_promised_length_is_not_believed() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("huge");
    for length in [u64::MAX, u64::MAX - 52, 1 << 50] {
        let mut bytes = b"ZKMLPROF\x03\0\0\0".to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend([0; 40]);
        fs::write(&path, &bytes).unwrap();
        let error = read_container(&path, Kind::Proof, VERSION).unwrap_err();
        assert!(matches!(error, FileError::WrongLength { got: 60, .. }));
    }
}

#[test]
fn streaming_reads_the_payload_and_nothing_else() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("stream");
    let payload: Vec<u8> = (0..700_000u32).map(|i| (i % 251) as u8).collect();
    write_container(&path, Kind::ProvingKey, VERSION, &mut |out| {
        payload
            .chunks(1000)
            .try_for_each(|piece| out.write_all(piece))
    })
    .unwrap();
    let reader = ContainerReader::open(&path, Kind::ProvingKey, VERSION).unwrap();
    assert_eq!(reader.payload_len(), payload.len() as u64);
    let mut reader = reader.verified().unwrap();
    let mut got = Vec::new();
    reader.read_to_end(&mut got).unwrap();
    assert_eq!(got, payload);
    reader.finish().unwrap();

    let mut reader = ContainerReader::open(&path, Kind::ProvingKey, VERSION).unwrap();
    reader.fill(&mut [0; 10]).unwrap();
    reader.finish().unwrap();
    let mut reader = ContainerReader::open(&path, Kind::ProvingKey, VERSION).unwrap();
    assert!(reader.fill(&mut vec![0; payload.len() + 1]).is_err());
}

#[test]
fn a_failed_write_leaves_what_was_there() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("pk");
    let full = |out: &mut dyn Write| {
        out.write_all(&[7; 1 << 20])?;
        Err(io::ErrorKind::StorageFull.into())
    };
    for existing in [false, true] {
        if existing {
            write(&path, Kind::ProvingKey, b"old");
        }
        for error in [
            write_container(&path, Kind::ProvingKey, VERSION, &mut { full }).unwrap_err(),
            write_atomic(&path, &mut { full }).unwrap_err(),
            write_atomic_new(&path, &mut { full }).unwrap_err(),
        ] {
            let message = error.to_string();
            assert!(message.contains(path.to_str().unwrap()), "{message}");
            assert!(message.contains("free some space"), "{message}");
        }
        assert_eq!(entries(folder.path()).len(), usize::from(existing));
    }
    assert_eq!(
        read_container(&path, Kind::ProvingKey, VERSION).unwrap(),
        b"old"
    );
}

#[test]
fn places_that_cannot_be_written_or_read_give_errors() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    write_atomic(&file, &mut |out| out.write_all(b"text")).unwrap();
    let subfolder = folder.path().join("sub");
    fs::create_dir(&subfolder).unwrap();

    let absent = folder.path().join("absent").join("pk");
    let below_file = file.join("pk");
    for path in [&absent, &below_file, &subfolder] {
        let message = write_atomic(path, &mut |_| Ok(())).unwrap_err().to_string();
        assert!(message.contains("cannot write"), "{message}");
        let error = read_container(path, Kind::Proof, VERSION).unwrap_err();
        assert!(error.to_string().contains("cannot read"), "{error}");
        assert_eq!(error.is_not_found(), path == &absent);
    }
    assert_eq!(entries(folder.path()), ["file", "sub"]);
    assert!(entries(&subfolder).is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn unwritable_folders_and_devices_give_errors() {
    // Nobody may make files here, not even root, as whom the tests may run.
    let path = Path::new("/proc/self/task/zkml.pk");
    assert!(write_atomic(path, &mut |_| Ok(())).is_err());
    let message = read_container(Path::new("/dev/zero"), Kind::Proof, VERSION)
        .unwrap_err()
        .to_string();
    assert!(message.contains("not a regular file"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_folder_without_write_permission_gives_an_error() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let path = folder.path().join("pk");
    match write_atomic(&path, &mut |_| Ok(())) {
        Err(error) => assert!(
            error.to_string().contains("change the permissions"),
            "{error}"
        ),
        // Root may write anyway.
        Ok(()) => assert_eq!(entries(folder.path()), ["pk"]),
    }
}

#[cfg(unix)]
#[test]
fn files_are_as_readable_as_any_other() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempdir().unwrap();
    let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
    write_atomic(&ours, &mut |_| Ok(())).unwrap();
    fs::write(&plain, b"").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&ours), mode(&plain));
}

#[test]
fn write_new_leaves_an_existing_file_alone() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("seed");
    assert!(write_atomic_new(&path, &mut |out| out.write_all(b"first")).unwrap());
    assert!(!write_atomic_new(&path, &mut |out| out.write_all(b"second")).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"first");
    write_atomic(&path, &mut |out| out.write_all(b"third")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"third");
    assert_eq!(entries(folder.path()), ["seed"]);
}

proptest! {
    #[test]
    fn any_payload_round_trips(payload: Vec<u8>) {
        let folder = tempdir().unwrap();
        let path = folder.path().join("any");
        write(&path, Kind::Snark, &payload);
        prop_assert_eq!(read_container(&path, Kind::Snark, VERSION).unwrap(), payload);
    }

    #[test]
    fn any_other_file_is_refused(start in 0..=20usize, rest: Vec<u8>) {
        let folder = tempdir().unwrap();
        let path = folder.path().join("any");
        write(&path, Kind::Snark, b"");
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(start);
        bytes.extend(rest);
        fs::write(&path, bytes).unwrap();
        prop_assert!(read_container(&path, Kind::Snark, VERSION).is_err());
    }
}
