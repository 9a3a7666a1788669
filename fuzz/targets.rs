//! The readers, each with good files to start from.

use anyhow::{Context, Result};
use halo2_proofs::SerdeFormat;
use std::{fs, path::Path, sync::Arc};
use zkml_files::{read_container, Kind};
use zkml_import as import;
use zkml_import::{inputs, ImportOptions, Model};
use zkml_srs::{Import, Srs};

use crate::{
    artefacts::artefacts,
    data::data,
    small::{Small, Tensor},
    target::{text, version, Read, Target, FLATBUFFER, JSON, MSGPACK, NPY, NUMBERS, PNG, PROTOBUF},
    tflite,
};

/// All targets; good files are made in `work`.
pub fn targets(work: &Path) -> Result<Vec<Target>> {
    let small = Small::new(work)?;
    let mut targets = models(work)?;
    targets.extend(input_files(&small.model)?);
    targets.extend(strings(work)?);
    let small = Arc::new(small);
    targets.extend(data(work, &small)?);
    targets.extend(artefacts(work, &small)?);
    Ok(targets)
}

fn models(work: &Path) -> Result<Vec<Target>> {
    let digits = crate::root().join("examples/digits/model.onnx");
    let onnx = fs::read(&digits).with_context(|| digits.display().to_string())?;
    let read = || -> Read {
        Box::new(|path| match import::load(path, &ImportOptions::default()) {
            Ok(_) => Ok(()),
            Err(error) => Err(text(error)),
        })
    };
    let msgpack = fs::read(work.join("model.msgpack"))?;
    Ok(vec![
        Target {
            name: "onnx",
            weight: 40,
            extension: "onnx",
            container: None,
            whole: true,
            seeds: vec![onnx],
            words: PROTOBUF,
            read: read(),
        },
        Target {
            name: "msgpack",
            weight: 200,
            extension: "msgpack",
            container: None,
            whole: true,
            seeds: vec![msgpack],
            words: MSGPACK,
            read: read(),
        },
        Target {
            name: "tflite",
            weight: 200,
            extension: "tflite",
            container: None,
            whole: true,
            seeds: vec![small_tflite()],
            words: FLATBUFFER,
            read: read(),
        },
    ])
}

/// A convolution, a maximum, what only moves, a product, a function and a softmax.
fn small_tflite() -> Vec<u8> {
    use tflite::{computed, integers, node, number, reals, Node};
    let kernels: Vec<f32> = (0..18).map(|i| i as f32 / 9.0 - 1.0).collect();
    let weights: Vec<f32> = (0..12).map(|i| i as f32 / 8.0 - 1.0).collect();
    let tensors = [
        computed(&[1, 4, 4, 1]),
        reals(&[2, 3, 3, 1], &kernels),
        reals(&[2], &[0.5, -0.5]),
        computed(&[1, 4, 4, 2]),
        computed(&[1, 2, 2, 2]),
        integers(&[4], &[0, 0, 0, 0]),
        integers(&[4], &[1, 2, 2, 1]),
        integers(&[4], &[1, 1, 1, 1]),
        computed(&[1, 2, 2, 1]),
        computed(&[1, 4]),
        reals(&[3, 4], &weights),
        computed(&[1, 3]),
        computed(&[1, 3]),
        integers(&[1], &[1]),
        computed(&[1, 1]),
        computed(&[1, 3]),
    ];
    let softmax = Node {
        options: (9, vec![Some(number(0x3f80_0000))]),
        ..node(25, &[12], &[15], (0, &[]))
    };
    let nodes = vec![
        node(3, &[0, 1, 2], &[3], (1, &[0, 1, 1, 1])),
        node(17, &[3], &[4], (5, &[1, 2, 2, 2, 2, 0])),
        node(45, &[4, 5, 6, 7], &[8], (32, &[0, 0, 0, 0, 0, 0])),
        node(22, &[8], &[9], (0, &[])),
        node(9, &[9, 10, -1], &[11], (8, &[0, 0, 0])),
        node(28, &[11], &[12], (0, &[])),
        node(40, &[12, 13], &[14], (27, &[1])),
        softmax,
    ];
    tflite::model(&tensors, nodes, &[0], &[14, 15])
}

fn input_files(small: &Model) -> Result<Vec<Target>> {
    let root = crate::root().join("examples/digits");
    let options = ImportOptions {
        input_range: Some((0.0, 1.0)),
        ..ImportOptions::default()
    };
    let digits = import::load(&root.join("model.onnx"), &options)?;
    let read = |model: &Model| -> Read {
        let (graph, source) = (model.graph.clone(), model.source.clone());
        Box::new(move |path| match inputs::load(path, &graph, &source) {
            Ok(_) => Ok(()),
            Err(error) => Err(text(error)),
        })
    };
    let npy = |descr: &str, shape: &str, data: &[u8]| {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
    };
    let reals = [0.5f32, -1.0, 0.25];
    let f4: Vec<u8> = reals.iter().flat_map(|v| v.to_le_bytes()).collect();
    let f8: Vec<u8> = reals
        .iter()
        .flat_map(|v| f64::from(*v).to_le_bytes())
        .collect();
    let tensors = vec![Tensor {
        idx: 0,
        shape: vec![1, 3],
        data: vec![1, -2, 3],
    }];
    let target = |name, extension, weight, seeds, words, model: &Model| Target {
        name,
        weight,
        extension,
        container: None,
        whole: true,
        seeds,
        words,
        read: read(model),
    };
    Ok(vec![
        target(
            "input-npy",
            "npy",
            200,
            vec![npy("<f4", "(1, 3)", &f4), npy("<f8", "(3,)", &f8)],
            NPY,
            small,
        ),
        target(
            "input-json",
            "json",
            200,
            vec![
                b"[0.5, -1, 0.25]".to_vec(),
                b"{\"input_data\": [[0.5, 1e-3, -0.25]]}".to_vec(),
            ],
            JSON,
            small,
        ),
        target(
            "input-png",
            "png",
            100,
            vec![fs::read(root.join("seven.png"))?],
            PNG,
            &digits,
        ),
        target(
            "input-msgpack",
            "msgpack",
            200,
            vec![rmp_serde::to_vec_named(&tensors)?],
            MSGPACK,
            small,
        ),
    ])
}

fn strings(work: &Path) -> Result<Vec<Target>> {
    let path = work.join("seed.srs");
    let mut payloads = Vec::new();
    let mut raw = Vec::new();
    for k in [1, 3] {
        let srs = Srs::development_from_seed(k, [1; 32], &|_, _| ())?;
        srs.save(&path)?;
        payloads.push(read_container(&path, Kind::Srs, version(Kind::Srs))?);
        let mut bytes = Vec::new();
        srs.params.write_custom(&mut bytes, SerdeFormat::RawBytes)?;
        raw.push(bytes);
    }
    let data = crate::root().join("circuits/srs/tests/data");
    let ptau = vec![
        fs::read(data.join("snarkjs-6-unprepared.ptau"))?,
        fs::read(data.join("snarkjs-6.ptau"))?,
    ];
    let import = || -> Read {
        Box::new(|path| {
            let glance = Srs::glance(path).map_err(text);
            // A small size, so that the pairings and not the sums are the time.
            let wanted = Import {
                k: Some(2),
                digest: None,
            };
            let small = Srs::import(path, &wanted, &|_, _| ());
            let whole = Srs::import(path, &Import::default(), &|_, _| ());
            glance?;
            small.map_err(text)?;
            whole.map_err(text)?;
            Ok(())
        })
    };
    let target = |name, extension, container, seeds, read| Target {
        name,
        weight: 8,
        extension,
        container,
        whole: true,
        seeds,
        words: NUMBERS,
        read,
    };
    let load: Read = Box::new(|path| {
        Srs::glance(path).map_err(text)?;
        Srs::load(path).map_err(text)?;
        Ok(())
    });
    raw.retain(|bytes| bytes.len() > 700);
    Ok(vec![
        target("srs", "srs", Some(Kind::Srs), payloads, load),
        target("srs-halo2", "srs", None, raw, import()),
        target("srs-ptau", "ptau", None, ptau, import()),
    ])
}
