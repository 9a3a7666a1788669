//! A reader of files, with good ones to start from, and what their formats are made of.

use std::path::Path;

use zkml_files::Kind;

/// Format version of a kind of container.
pub fn version(kind: Kind) -> u32 {
    match kind {
        Kind::Proof
        | Kind::ProvingKey
        | Kind::VerifyingKey
        | Kind::AggregationKey
        | Kind::AggregationProof
        | Kind::Opening => 2,
        Kind::Srs | Kind::Statement | Kind::Snark => 1,
    }
}

/// A reader: `Err` is its error message.
pub type Read = Box<dyn Fn(&Path) -> Result<(), String>>;

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
pub const JSON: &[&[u8]] = &[
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
pub const MSGPACK: &[&[u8]] = &[
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
pub const PROTOBUF: &[&[u8]] = &[
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
/// Offsets, counts, and numbers of operators and types.
pub const FLATBUFFER: &[&[u8]] = &[
    b"TFL3",
    b"\x00\x00\x00\x00",
    b"\x01\x00\x00\x00",
    b"\x04\x00\x00\x00",
    b"\x10\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x03\x03\x01\x00",
    b"\x19\x00\x00\x00",
    b"\x00\x00\x80\x7f",
    b"\x04\x00",
    b"\x08\x00",
];
pub const NPY: &[&[u8]] = &[
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
pub const PNG: &[&[u8]] = &[
    b"IHDR",
    b"IDAT",
    b"IEND",
    b"PLTE",
    b"tRNS",
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
];
pub const NUMBERS: &[&[u8]] = &[
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b"\x01\x00\x00\x00",
    b"ptau",
];

/// An error and its causes.
pub fn text(error: impl std::fmt::Display) -> String {
    // The causes too.
    format!("{error:#}")
}

/// A container with this payload, as `zkml_files` lays it out.
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
