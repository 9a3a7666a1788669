//! Models of the ONNX project's node tests, and of a folder of networks: run in integers, and
//! compared with what they should say.

use std::path::Path;
use zkml_graph::exec;
use zkml_import::{parse_onnx, parse_tensor, ImportOptions, Model};

/// Scales that a test is tried at, in turn: the finest one whose values stay in bounds and near.
pub const SCALES: [i64; 3] = [1 << 12, 1 << 14, 1 << 10];

/// What came of one test.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// Near enough, all inputs computed.
    Passed,
    /// Near enough, some of its inputs given as constants: shapes, axes, kernels.
    WithConstants,
    /// Near enough, all of its inputs given as constants: what is tested is folding.
    Folded,
    /// Refused, with one error.
    Refused(String),
    /// Wrong.
    Wrong(String),
}

impl Outcome {
    pub fn is_right(&self) -> bool {
        matches!(
            self,
            Outcome::Passed | Outcome::WithConstants | Outcome::Folded
        )
    }
}

/// A field of a protobuf message: its number and its bytes (an empty slice for numbers).
pub fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8], u64)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        match key & 7 {
            0 => {
                let value = varint(&mut bytes);
                found.push((key >> 3, &bytes[..0], value));
            }
            1 => bytes = &bytes[8..],
            5 => bytes = &bytes[4..],
            2 => {
                let length = varint(&mut bytes) as usize;
                let (field, rest) = bytes.split_at(length);
                found.push((key >> 3, field, 0));
                bytes = rest;
            }
            other => panic!("wire type {other}"),
        }
    }
    found
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0u64, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            return value;
        }
    }
}

fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for mut value in [number << 3 | 2, bytes.len() as u64] {
        while value >= 128 {
            out.push(value as u8 | 128);
            value >>= 7;
        }
        out.push(value as u8);
    }
    out.extend(bytes);
    out
}

/// The names of a model's inputs that no initialiser gives, in order.
pub fn input_names(model: &[u8]) -> Vec<Vec<u8>> {
    let name = |info: &[u8], number: u64| {
        let name = fields(info).into_iter().find(|f| f.0 == number);
        name.map_or(Vec::new(), |f| f.1.to_vec())
    };
    let mut inputs = Vec::new();
    let mut given = Vec::new();
    for (number, graph, _) in fields(model) {
        if number == 7 {
            for (number, part, _) in fields(graph) {
                match number {
                    11 => inputs.push(name(part, 1)),
                    5 => given.push(name(part, 8)),
                    _ => {}
                }
            }
        }
    }
    inputs.retain(|name| !given.contains(name));
    inputs
}

/// The types of those inputs, as `TensorProto.DataType`.
pub fn input_types(model: &[u8]) -> Vec<(Vec<u8>, u64)> {
    let part = |bytes: &[u8], number: u64| -> (Vec<u8>, u64) {
        let found = fields(bytes).into_iter().find(|f| f.0 == number);
        found.map_or((Vec::new(), 0), |f| (f.1.to_vec(), f.2))
    };
    let graphs = fields(model).into_iter().filter(|f| f.0 == 7);
    let inputs = graphs.flat_map(|f| fields(f.1)).filter(|f| f.0 == 11);
    inputs
        .map(|(_, info, _)| {
            let tensor = part(&part(info, 2).0, 1).0;
            (part(info, 1).0, part(&tensor, 1).1)
        })
        .collect()
}

/// The model with a tensor as the constant for one of its inputs. Messages that follow one
/// another are one message.
pub fn bound(model: &[u8], name: &[u8], tensor: &[u8]) -> Vec<u8> {
    let tensor = [tensor, &field(8, name)].concat();
    let graph = field(5, &tensor);
    [model, &field(7, &graph)].concat()
}

/// A tensor's file: shape, values, and whether they are real numbers.
pub struct Tensor {
    pub bytes: Vec<u8>,
    pub values: Vec<f64>,
    pub real: bool,
}

/// `declared` is the type that the model has for it, 0 where that is not known: the tests store
/// bfloat16 as the integers of its bits.
pub fn tensor(path: &Path, declared: u64) -> Result<Tensor, String> {
    let mut bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    if declared == 16 {
        // The last one counts.
        bytes.extend([2 << 3, 16]);
    }
    let (_, values) = parse_tensor(&bytes).map_err(|e| e.to_string())?;
    let ty = fields(&bytes)
        .into_iter()
        .rfind(|f| f.0 == 2)
        .map_or(0, |f| f.2);
    let real = matches!(ty, 1 | 10 | 11 | 16);
    Ok(Tensor {
        bytes,
        values,
        real,
    })
}

/// Inputs as the integers that the model takes.
pub fn in_units(inputs: &[Vec<f64>], model: &Model) -> Vec<Vec<i64>> {
    let one = |(values, port): (&Vec<f64>, &zkml_import::Port)| {
        let unit = port.scale_or(model.graph.scale) as f64;
        values.iter().map(|v| (v * unit).round() as i64).collect()
    };
    inputs.iter().zip(&model.source.inputs).map(one).collect()
}

/// Loads, quantises, runs: real numbers for each output, or why there are none.
pub fn integers(
    bytes: &[u8],
    options: &ImportOptions,
    inputs: &[Vec<f64>],
) -> Result<Vec<(Vec<f64>, bool)>, String> {
    let model: Model = parse_onnx(bytes, options)
        .and_then(|float| float.quantise())
        .map_err(|e| e.to_string())?;
    let scale = model.graph.scale;
    let quantised = in_units(inputs, &model);
    let trace = exec::run(&model.graph, &model.weights, &quantised).map_err(|e| e.to_string())?;
    let outputs = exec::outputs(&model.graph, &trace);
    let real = |(values, port): (Vec<i64>, &zkml_import::Port)| {
        let unit = port.scale_or(scale) as f64;
        let values = values.into_iter().map(|v| v as f64 / unit).collect();
        (values, port.scale.is_none())
    };
    Ok(outputs
        .into_iter()
        .zip(&model.source.outputs)
        .map(real)
        .collect())
}

/// The range that covers all real inputs, as calibration on the data would say.
pub fn range(inputs: &[Vec<f64>]) -> (f64, f64) {
    let all = inputs.iter().flatten().copied().filter(|v| v.is_finite());
    let (lo, hi) = all.fold((0.0f64, 0.0f64), |(lo, hi), v| (lo.min(v), hi.max(v)));
    (lo, hi)
}
