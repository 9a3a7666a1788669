//! Small ONNX files, by hand: protobuf fields one after another.

/// A number as protobuf writes it.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(number as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A field of bytes.
pub fn field(number: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [
        varint(number << 3 | 2),
        varint(content.len() as u64),
        content.to_vec(),
    ]
    .concat()
}

/// A field that is a number.
pub fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// An input or output of floats.
pub fn value(name: &str, dims: &[u64]) -> Vec<u8> {
    let dims: Vec<u8> = dims
        .iter()
        .flat_map(|dim| field(1, number(1, *dim)))
        .collect();
    let tensor = [number(1, 1), field(2, dims)].concat();
    [field(1, name), field(2, field(1, tensor))].concat()
}

/// A tensor of floats.
pub fn tensor(name: &str, dims: &[u64], floats: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = floats
        .iter()
        .flat_map(|float| float.to_le_bytes())
        .collect();
    [header(name, dims), field(9, raw)].concat()
}

/// A tensor whose values are in another file.
pub fn external_tensor(name: &str, dims: &[u64], location: &str) -> Vec<u8> {
    let entry = [field(1, "location"), field(2, location)].concat();
    [header(name, dims), field(13, entry), number(14, 1)].concat()
}

fn header(name: &str, dims: &[u64]) -> Vec<u8> {
    let mut bytes: Vec<u8> = dims.iter().flat_map(|dim| number(1, *dim)).collect();
    bytes.extend(number(2, 1));
    bytes.extend(field(8, name));
    bytes
}

/// A node without attributes.
pub fn node(op: &str, name: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = inputs.iter().flat_map(|input| field(1, input)).collect();
    bytes.extend(field(2, output));
    bytes.extend(field(3, name));
    bytes.extend(field(4, op));
    bytes
}

/// A model.
pub fn model(nodes: &[Vec<u8>], tensors: &[Vec<u8>], input: Vec<u8>, output: Vec<u8>) -> Vec<u8> {
    let mut graph: Vec<u8> = nodes.iter().flat_map(|node| field(1, node)).collect();
    graph.extend(field(2, "graph"));
    graph.extend(tensors.iter().flat_map(|tensor| field(5, tensor)));
    graph.extend(field(11, input));
    graph.extend(field(12, output));
    [number(1, 8), field(7, graph), field(8, number(2, 13))].concat()
}
