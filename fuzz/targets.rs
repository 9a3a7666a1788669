//! The readers, each with good files to start from.

use anyhow::{Context, Result};
use halo2_proofs::{halo2curves::bn256::Fr, SerdeFormat};
use serde::Serialize;
use std::{fs, path::Path, sync::Arc};
use zkml_circuits::{
    aggregate::{AggregateProof, AggregationKey, ACCUMULATOR_LIMBS},
    files::{read_container, Kind},
    import::{self, ImportOptions, Model},
    inputs,
    layout::{Goal, Plan, Visibilities},
    prove::{prove, Architecture, Keys, Opening, Proof, Request, Verifier, Word},
    srs::{Import, Srs},
};
use zkml_cli::{
    bundle::{Bundle, Inner},
    contract::{Artefact, Checks},
};
use zkml_evm_verifier::calldata::Layout;

/// Format version of a kind of container.
fn version(kind: Kind) -> u32 {
    match kind {
        Kind::Proof => 2,
        _ => 1,
    }
}

/// A reader: `Err` is its error message.
type Read = Box<dyn Fn(&Path) -> Result<(), String>>;

/// A reader of files.
pub struct Target {
    /// What it is called.
    pub name: &'static str,
    /// Share of the executions: quick readers get more.
    pub weight: u64,
    /// How its files end.
    pub extension: &'static str,
    /// The container that its files are in; seeds are payloads then.
    pub container: Option<Kind>,
    /// Whether it accepts the seeds. Those of others are only as good as could be had cheaply.
    pub whole: bool,
    /// Good files.
    pub seeds: Vec<Vec<u8>>,
    /// Bytes that mean something in the format.
    pub words: &'static [&'static [u8]],
    /// The reader.
    pub read: Read,
}

/// What is JSON, or nearly.
const JSON: &[&[u8]] = &[
    b"[",
    b"{",
    b"]",
    b"}",
    b",",
    b":",
    b"\"",
    b"null",
    b"true",
    b"1e999",
    b"-0",
    b"0.5",
    b"1e-400",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"\\u0000",
    b"\xff",
    b"[[",
    b"{\"a\":",
];
/// Heads of MessagePack: maps, lists, strings, numbers, extensions, of all lengths.
const MSGPACK: &[&[u8]] = &[
    b"\x80",
    b"\x81",
    b"\x90",
    b"\x91",
    b"\x9f",
    b"\xa0",
    b"\xc0",
    b"\xc1",
    b"\xc4\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x00",
    b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00",
    b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
    b"\xdc\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
];
/// Heads of protobuf fields, and lengths that are too large.
const PROTOBUF: &[&[u8]] = &[
    b"\x08",
    b"\x0a",
    b"\x12",
    b"\x1a",
    b"\x3a",
    b"\x0a\x00",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x0b",
    b"\x0c",
    b"Conv",
    b"Gemm",
    b"Reshape",
    b"MaxPool",
    b"Transpose",
    b"axis",
    b"perm",
    b"strides",
    b"pads",
    b"group",
];
const NPY: &[&[u8]] = &[
    b"\x93NUMPY",
    b"<f4",
    b"<f8",
    b"|u1",
    b"<i8",
    b">f4",
    b"|O",
    b"(",
    b")",
    b",",
    b"True",
    b"'shape'",
    b"'descr'",
    b"18446744073709551616",
    b"-1",
];
const PNG: &[&[u8]] = &[
    b"IHDR",
    b"IDAT",
    b"IEND",
    b"PLTE",
    b"tRNS",
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
];
const NUMBERS: &[&[u8]] = &[
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b"\x01\x00\x00\x00",
    b"ptau",
];

/// A small model with all that belongs to it.
struct Small {
    model: Model,
    architecture: Architecture,
    plan: Arc<Plan>,
    srs: Srs,
    keys: Keys,
    opening: Opening,
    proof: Proof,
}

#[derive(Serialize)]
struct Tensor {
    idx: i64,
    shape: Vec<i64>,
    data: Vec<i64>,
}

#[derive(Serialize)]
struct Layer {
    layer_type: &'static str,
    params: Vec<i64>,
    inp_idxes: Vec<i64>,
    inp_shapes: Vec<Vec<i64>>,
    out_idxes: Vec<i64>,
    out_shapes: Vec<Vec<i64>>,
    mask: Vec<i64>,
}

#[derive(Serialize)]
struct File {
    global_sf: i64,
    k: i64,
    num_cols: i64,
    inp_idxes: Vec<i64>,
    out_idxes: Vec<i64>,
    tensors: Vec<Tensor>,
    layers: Vec<Layer>,
    use_selectors: bool,
    commit: bool,
}

/// Two fully connected layers, in zkml's format.
fn msgpack_model() -> Result<Vec<u8>> {
    let tensor = |idx, shape: &[i64], data: &[i64]| Tensor {
        idx,
        shape: shape.to_vec(),
        data: data.to_vec(),
    };
    let layer = |inputs: [(i64, &[i64]); 3], out: i64, relu| Layer {
        layer_type: "FullyConnected",
        params: vec![relu],
        inp_idxes: inputs.iter().map(|input| input.0).collect(),
        inp_shapes: inputs.iter().map(|input| input.1.to_vec()).collect(),
        out_idxes: vec![out],
        out_shapes: vec![vec![1, 2]],
        mask: Vec::new(),
    };
    Ok(rmp_serde::to_vec_named(&File {
        global_sf: 16,
        k: 15,
        num_cols: 6,
        inp_idxes: vec![0],
        out_idxes: vec![6],
        tensors: vec![
            tensor(1, &[2, 3], &[3, -4, 5, 0, 7, -1]),
            tensor(2, &[2], &[1, -2]),
            tensor(4, &[2, 2], &[9, -3, 2, 8]),
            tensor(5, &[2], &[0, 4]),
        ],
        layers: vec![
            layer([(0, &[1, 3]), (1, &[2, 3]), (2, &[2])], 3, 1),
            layer([(3, &[1, 2]), (4, &[2, 2]), (5, &[2])], 6, 0),
        ],
        use_selectors: true,
        commit: false,
    })?)
}

impl Small {
    fn new(work: &Path) -> Result<Self> {
        let path = work.join("model.msgpack");
        fs::write(&path, msgpack_model()?)?;
        let model = import::load(&path, &ImportOptions::default())?;
        let (graph, source) = (model.graph.clone(), model.source.clone());
        let (architecture, plan) =
            Architecture::new(graph, source, Visibilities::default(), Goal::Prove)?;
        let srs = Srs::development_from_seed(plan.shape.k, [1; 32], &|_, _| ())?;
        let keys = Keys::new(&plan, &srs)?;
        let opening = Opening::new(model.weights.clone());
        let request = Request {
            inputs: vec![vec![1, -2, 3]],
            context: Fr::from(7),
            transcript: architecture.transcript(),
        };
        let (proof, _) = prove(&architecture, &plan, &srs, &keys, &opening, &request)?;
        Ok(Self {
            model,
            architecture,
            plan,
            srs,
            keys,
            opening,
            proof,
        })
    }

    /// What an aggregation's file holds, with a proof that proves nothing.
    fn bundle(&self) -> Bundle {
        let statement = self.proof.statement.clone();
        let key_digest = Word(Fr::from(5));
        let mut instances = vec![Fr::from(3); ACCUMULATOR_LIMBS];
        instances.extend([key_digest.0, statement.commitment.0, statement.context.0]);
        Bundle {
            aggregate: AggregateProof {
                instances,
                proof: vec![7; 512],
            },
            inner: vec![Inner {
                verifying_key: self.proof.verifying_key,
                key_digest,
                statement,
            }],
            srs: self.srs.provenance.clone(),
        }
    }
}

/// All targets; good files are made in `work`.
pub fn targets(work: &Path) -> Result<Vec<Target>> {
    let small = Small::new(work)?;
    let mut targets = models(work)?;
    targets.extend(input_files(&small.model)?);
    targets.extend(strings(work)?);
    targets.extend(artefacts(work, small)?);
    Ok(targets)
}

fn text(error: impl std::fmt::Display) -> String {
    // The causes too.
    format!("{error:#}")
}

fn models(work: &Path) -> Result<Vec<Target>> {
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/digits/model.onnx");
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
    ])
}

fn input_files(small: &Model) -> Result<Vec<Target>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/digits");
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
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("circuits/tests/data");
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

fn artefacts(work: &Path, small: Small) -> Result<Vec<Target>> {
    let file = |name: &str| work.join(name);
    small.keys.save(&file("proving.key"))?;
    small.keys.save_verifier(&file("verifying.key"))?;
    small.opening.save(&file("weights.opening"))?;
    small.proof.save(&file("proof.zkml"))?;
    small.architecture.save(&file("config.json"))?;
    small.bundle().save(&file("aggregate.zkml"))?;
    let artefact = Artefact {
        contract: "ZkmlVerifier".into(),
        solc: "0.8.30".into(),
        srs: small.srs.provenance.to_string(),
        srs_secure: false,
        checks: Checks::Direct {
            verifying_key: small.keys.digest(),
            architecture: Box::new(small.architecture.clone()),
        },
        layout: Layout {
            instances: 15,
            points: 9,
            evaluations: 20,
        },
        creation: "0x6001".into(),
        runtime: "0x00".into(),
    };
    let artefact = serde_json::to_vec_pretty(&artefact)?;
    let payload = |name: &str, kind| read_container(&file(name), kind, version(kind));
    let (proving, verifying) = (
        payload("proving.key", Kind::ProvingKey)?,
        payload("verifying.key", Kind::VerifyingKey)?,
    );
    let config = fs::read(file("config.json"))?;
    let opening = payload("weights.opening", Kind::Opening)?;
    let proof = payload("proof.zkml", Kind::Proof)?;
    let aggregate = payload("aggregate.zkml", Kind::AggregationProof)?;
    let small = Arc::new(small);
    let with = |small: &Arc<Small>, read: fn(&Small, &Path) -> Result<(), String>| -> Read {
        let small = Arc::clone(small);
        Box::new(move |path| read(&small, path))
    };
    let target = |name, extension, weight, container, seed: Vec<u8>, words, read| Target {
        name,
        weight,
        extension,
        container,
        whole: true,
        seeds: vec![seed],
        words,
        read,
    };
    let mut aggregation_key = target(
        "aggregation-key",
        "key",
        60,
        Some(Kind::AggregationKey),
        aggregation_key_start(),
        JSON,
        with(&small, |_, path| {
            AggregationKey::load(path).map(drop).map_err(text)
        }),
    );
    // A whole one is hundreds of megabytes.
    aggregation_key.whole = false;
    Ok(vec![
        target(
            "config",
            "json",
            60,
            None,
            config,
            JSON,
            with(&small, |_, path| {
                let architecture = Architecture::load(path).map_err(text)?;
                architecture.plan().map(drop).map_err(text)
            }),
        ),
        target(
            "proving-key",
            "key",
            1,
            Some(Kind::ProvingKey),
            proving,
            NUMBERS,
            with(&small, |small, path| {
                Keys::load(path, &small.architecture)
                    .map(drop)
                    .map_err(text)
            }),
        ),
        target(
            "verifying-key",
            "key",
            30,
            Some(Kind::VerifyingKey),
            verifying,
            NUMBERS,
            with(&small, |small, path| {
                Verifier::load(path, &small.architecture)
                    .map(drop)
                    .map_err(text)
            }),
        ),
        target(
            "opening",
            "opening",
            200,
            Some(Kind::Opening),
            opening,
            MSGPACK,
            with(&small, |_, path| {
                Opening::load(path).map(drop).map_err(text)
            }),
        ),
        target(
            "proof",
            "zkml",
            40,
            Some(Kind::Proof),
            proof,
            MSGPACK,
            with(&small, |small, path| {
                let proof = Proof::load(path).map_err(text)?;
                let vk = small.keys.pk.get_vk();
                proof
                    .verify(&small.architecture, &small.plan, &small.srs, vk)
                    .map_err(text)
            }),
        ),
        target(
            "aggregate",
            "zkml",
            200,
            Some(Kind::AggregationProof),
            aggregate,
            JSON,
            with(&small, |_, path| Bundle::load(path).map(drop).map_err(text)),
        ),
        aggregation_key,
        target(
            "contract",
            "json",
            200,
            None,
            artefact,
            JSON,
            with(&small, |_, path| {
                let artefact = Artefact::load(path).map_err(text)?;
                artefact.bytecode().map(drop).map_err(text)
            }),
        ),
    ])
}

/// An aggregation key as far as the start of its first polynomial.
fn aggregation_key_start() -> Vec<u8> {
    let header = br#"{"shape":{"k":19,"columns":1},"structures":[],"breaks":[]}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.push(2);
    bytes.extend(19u32.to_le_bytes());
    bytes.push(0);
    bytes.extend(4u32.to_le_bytes());
    // The commitments; what is wrong with them shows only after the polynomials.
    bytes.extend([0; 64 * 8]);
    bytes.extend((1u32 << 19).to_be_bytes());
    bytes
}

/// A container with this payload, as `zkml_circuits::files` lays it out.
pub fn contain(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"ZKML".to_vec();
    bytes.extend(kind.tag());
    bytes.extend(version(kind).to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(payload);
    let digest = blake2b_simd::Params::new().hash_length(32).hash(&bytes);
    bytes.extend(digest.as_bytes());
    bytes
}
