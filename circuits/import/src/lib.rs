//! Model files to integer graphs.
//!
//! [`load`] reads a file into a [`Model`]: an integer graph whose every value is bounded, its
//! integer weights, and what messages need to know of the source. Nothing here trusts the file.

pub mod accuracy;
mod draft;
mod error;
mod fate;
mod fuse;
pub mod inputs;
mod load;
mod lower;
mod made;
mod model;
mod movement;
mod msgpack;
mod numbers;
mod onnx;
mod quantise;
mod ranges;
mod simplify;
mod tflite;
mod vanished;

pub use draft::{Draft, FloatModel};
pub use error::ImportError;
pub use fate::{Fate, Initialiser, Reason};
pub use load::{
    evaluate_float, load, load_exact, load_float, load_real, load_shapes, parse_onnx,
    parse_onnx_declared, parse_tensor,
};
pub use model::{Format, ImportOptions, Layout, Model, Port, Source, Vanished, DEFAULT_SCALE};
pub use msgpack::without_values;
pub(crate) use msgpack::{parse as parse_msgpack, RawTensor};
pub use msgpack::{LayerShape, Operand, Shapes};
pub use numbers::{half, quantise, unfit};
pub use onnx::Exact;
