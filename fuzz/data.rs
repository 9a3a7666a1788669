//! The readers of data sets, of small JSON files, and of proofs that are to be aggregated.

use anyhow::Result;
use std::{path::Path, sync::Arc};
use zkml_aggregation::check_snark;
use zkml_cli::{args::Settings, commands::verify::load_salts, onchain::record::Record};
use zkml_files::{read_container, Kind, Name};
use zkml_import::inputs::dataset::{labels, Samples};
use zkml_model::prove::Proof;

use crate::{
    small::Small,
    target::{text, version, Read, Target, JSON, MSGPACK},
};

/// Heads of IDX, gzip and npy, and sizes that are too large.
const IDX: &[&[u8]] = &[
    b"\x00\x00\x08\x01",
    b"\x00\x00\x08\x03",
    b"\x00\x00\x0d\xff",
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b"\x1f\x8b\x08\x00",
    b"\x93NUMPY",
    b"(0, 4)",
];
/// The images and the labels below, compressed.
const IMAGES_GZ: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x63\x60\xe0\x60\x66\x60\x60\x00\x61\x26\
    \x30\x36\x4e\x9b\x79\xe6\x3f\x23\x13\x33\x0b\x2b\x1b\x00\xe9\x28\x86\xab\x1c\x00\
    \x00\x00";
const LABELS_GZ: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x63\x60\xe0\x60\x64\x60\x60\x60\x61\x66\
    \x64\x61\x04\x00\x53\x04\xe5\x8a\x0c\x00\x00\x00";
/// Name and chain of a record of deployment.
const RECORD: (&str, u64) = ("ZkmlVerifier", 31337);

/// Their targets.
pub fn data(work: &Path, small: &Arc<Small>) -> Result<Vec<Target>> {
    let target = |name, extension, weight, seeds, words, read| Target {
        name,
        weight,
        extension,
        container: None,
        whole: true,
        seeds,
        words,
        read,
    };
    let images = idx(&[3, 2, 2], &[0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6]);
    let classes = idx(&[4], &[3, 1, 4, 1]);
    let samples: Read = Box::new(|path| Samples::read(path, 4).map(drop).map_err(text));
    let classes_of: Read = Box::new(|path| labels(path).map(drop).map_err(text));
    let settings: Read = Box::new(|path| Settings::read(path).map(drop).map_err(text));
    let salts: Read = Box::new(|path| load_salts(path).map(drop).map_err(text));
    let name: Name = RECORD.0.parse()?;
    let record: Read =
        Box::new(move |path| Record::read(path, &name, RECORD.1).map(drop).map_err(text));
    let settings_file = br#"{"scale": 512, "input_range": [0.0, 1.0]}"#;
    let salt = "1".repeat(64);
    let salts_file = format!(r#"{{"input 0": "0x0{}"}}"#, &salt[1..]);
    let address = "11".repeat(20);
    let record_file = format!(
        r#"{{"contract": "{}", "chain_id": {}, "address": "0x{address}", "code_hash": "0x{salt}",
        "transaction": "0x{salt}", "deployer": null, "block": 7}}"#,
        RECORD.0, RECORD.1
    );
    let mut targets = vec![
        target(
            "samples",
            "idx",
            200,
            vec![images, IMAGES_GZ.to_vec()],
            IDX,
            samples,
        ),
        target(
            "labels",
            "idx",
            100,
            vec![classes, LABELS_GZ.to_vec()],
            IDX,
            classes_of,
        ),
        target(
            "settings",
            "json",
            100,
            vec![settings_file.to_vec()],
            JSON,
            settings,
        ),
        target("salts", "json", 100, vec![salts_file.into()], JSON, salts),
        target(
            "deployed",
            "json",
            100,
            vec![record_file.into()],
            JSON,
            record,
        ),
    ];
    let path = work.join("inner.zkml");
    small.proof.save(&path)?;
    let seed = read_container(&path, Kind::Proof, version(Kind::Proof))?;
    let inner = Arc::clone(small);
    let read: Read = Box::new(move |path| {
        let proof = Proof::load(path).map_err(text)?;
        let vk = inner.keys.pk.get_vk();
        let snark = proof
            .snark(&inner.plan.statement.form, &inner.srs, vk)
            .map_err(text)?;
        check_snark(&inner.srs.params, 0, &snark).map_err(text)
    });
    let mut aggregated = target("inner-proof", "zkml", 20, vec![seed], MSGPACK, read);
    aggregated.container = Some(Kind::Proof);
    targets.push(aggregated);
    Ok(targets)
}

/// An IDX file of bytes.
fn idx(shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(data);
    bytes
}
