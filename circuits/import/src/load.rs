//! Model files, by their formats.

use super::{
    draft::{Draft, FloatModel},
    error::ImportError,
    model::{Format, ImportOptions, Model},
    msgpack::{self, Shapes},
    onnx::{self, Exact},
    tflite,
};
use std::path::Path;
use zkml_files::{is_pointer, read_bounded, POINTER_WORDS};
use zkml_graph::real::RealWeights;
use zkml_graph::Interval;

/// Largest file that is read.
const MAX_FILE: u64 = 2 << 30;

/// Reads a model, its format taken from the extension, or else from the content.
pub fn load(path: &Path, options: &ImportOptions) -> Result<Model, ImportError> {
    let bytes = read_bounded(path, MAX_FILE)?;
    let model = match format(path, &bytes)? {
        Format::Msgpack => msgpack::load(&bytes, options).and_then(Draft::finish_rounded),
        Format::Onnx => onnx::load(&bytes, options).and_then(FloatModel::quantise),
        Format::Tflite => tflite::load(&bytes, options).and_then(Draft::finish_rounded),
    };
    let named = model.and_then(|model| {
        options.check_names(&model.source)?;
        Ok(model)
    });
    named.map_err(|error| error.in_file(path))
}

/// Reads a model together with its weights before they were rounded. zkml's files hold integers, so
/// theirs are those.
pub fn load_real(
    path: &Path,
    options: &ImportOptions,
) -> Result<(Model, RealWeights), ImportError> {
    let bytes = read_bounded(path, MAX_FILE)?;
    let both = match format(path, &bytes)? {
        Format::Msgpack => msgpack::load(&bytes, options).and_then(Draft::split),
        Format::Tflite => tflite::load(&bytes, options).and_then(Draft::split),
        Format::Onnx => onnx::load(&bytes, options).and_then(|model| {
            let real = model.real_weights()?;
            Ok((model.quantise()?, real))
        }),
    };
    let named = both.and_then(|both| {
        options.check_names(&both.0.source)?;
        Ok(both)
    });
    named.map_err(|error| error.in_file(path))
}

/// Reads the layers of one of zkml's files, which need not have weights.
pub fn load_shapes(path: &Path) -> Result<Shapes, ImportError> {
    let bytes = read_bounded(path, MAX_FILE)?;
    let shapes = match format(path, &bytes)? {
        Format::Msgpack => msgpack::load_shapes(&bytes),
        Format::Onnx | Format::Tflite => {
            let expected = "zkml's .msgpack (other formats have weights: plan without --plan-only)";
            Err(ImportError::malformed("format", expected, "another one"))
        }
    };
    shapes.map_err(|error| error.in_file(path))
}

/// Reads an ONNX model without quantising its weights: what error bounds are measured against.
pub fn load_float(path: &Path, options: &ImportOptions) -> Result<FloatModel, ImportError> {
    let bytes = read_bounded(path, MAX_FILE)?;
    onnx::load(&bytes, options).map_err(|error| error.in_file(path))
}

/// Runs an ONNX model in floating point, on its inputs in order: what the integers approximate.
pub fn evaluate_float(bytes: &[u8], inputs: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, ImportError> {
    Exact::read(bytes)?.run(inputs)
}

/// The model in floating point, which ONNX files have.
pub fn load_exact(path: &Path) -> Result<Option<Exact>, ImportError> {
    let bytes = read_bounded(path, MAX_FILE)?;
    match format(path, &bytes)? {
        Format::Onnx => Exact::read(&bytes)
            .map(Some)
            .map_err(|error| error.in_file(path)),
        Format::Msgpack | Format::Tflite => Ok(None),
    }
}

/// An ONNX model from memory, its weights not quantised yet.
pub fn parse_onnx(bytes: &[u8], options: &ImportOptions) -> Result<FloatModel, ImportError> {
    onnx::load(bytes, options)
}

/// An ONNX model that declares the bounds of another one of its architecture, in their order
/// ([`Draft::declared`]): what in its public files is not that model's comes of neither's declared bounds.
pub fn parse_onnx_declared(
    bytes: &[u8],
    options: &ImportOptions,
    declared: Vec<Interval>,
) -> Result<FloatModel, ImportError> {
    onnx::load_declared(bytes, options, declared)
}

/// An ONNX tensor (`.pb`): shape and values.
pub fn parse_tensor(bytes: &[u8]) -> Result<(Vec<usize>, Vec<f64>), ImportError> {
    onnx::tensor(bytes)
}

fn format(path: &Path, bytes: &[u8]) -> Result<Format, ImportError> {
    let wrong = |got: &str| ImportError::malformed("content", "a model", got).in_file(path);
    if bytes.is_empty() {
        return Err(wrong("an empty file"));
    }
    if is_pointer(bytes) {
        return Err(wrong(POINTER_WORDS));
    }
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match (extension.as_deref(), bytes) {
        (Some("msgpack"), _) => Ok(Format::Msgpack),
        (Some("onnx"), _) => Ok(Format::Onnx),
        (Some("tflite"), _) => Ok(Format::Tflite),
        _ if tflite::recognised(bytes) => Ok(Format::Tflite),
        // A map; an ONNX file starts with a field of ModelProto.
        (_, [0x80..=0x8f | 0xde | 0xdf, ..]) => Ok(Format::Msgpack),
        (_, [0x08 | 0x12 | 0x3a, ..]) => Ok(Format::Onnx),
        _ => {
            let got = extension.map_or("a file without extension".to_owned(), |e| format!(".{e}"));
            Err(ImportError::malformed("format", ".onnx, .tflite or .msgpack", got).in_file(path))
        }
    }
}
