//! Small TensorFlow Lite models, written here: enough of FlatBuffers for tables, vectors and strings.

/// A value of a flatbuffer. Numbers take four bytes, also those that have a smaller type: the bytes
/// that a reader looks at come first.
pub enum Item {
    /// A scalar, by its bits.
    Number(u32),
    /// Fields by number.
    Table(Vec<Option<Item>>),
    /// A vector of 32-bit numbers.
    Numbers(Vec<i32>),
    /// A vector of bytes, or a string.
    Bytes(Vec<u8>),
    /// A vector of tables.
    Tables(Vec<Item>),
}

/// A tensor: its name is `tN`.
pub struct Tensor {
    /// Shape, batch included.
    pub shape: Vec<i32>,
    /// Number in `TensorType`: 0 is FLOAT32, 2 is INT32.
    pub ty: u32,
    /// Values, as bytes; none if it is computed.
    pub data: Vec<u8>,
}

/// An operator.
pub struct Node {
    /// Number in `BuiltinOperator`.
    pub code: i32,
    /// Version.
    pub version: i32,
    /// Tensors that it reads.
    pub inputs: Vec<i32>,
    /// Tensors that it makes.
    pub outputs: Vec<i32>,
    /// Kind of the options, and their fields.
    pub options: (u32, Vec<Option<Item>>),
}

/// A tensor that is computed.
pub fn computed(shape: &[i32]) -> Tensor {
    let (shape, data) = (shape.to_vec(), Vec::new());
    Tensor { shape, ty: 0, data }
}

/// A tensor of known real numbers.
pub fn reals(shape: &[i32], values: &[f32]) -> Tensor {
    let data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let shape = shape.to_vec();
    Tensor { shape, ty: 0, data }
}

/// A list of known integers.
#[allow(dead_code)]
pub fn integers(shape: &[i32], values: &[i32]) -> Tensor {
    let data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let shape = shape.to_vec();
    Tensor { shape, ty: 2, data }
}

/// An operator of version 1 with options that are numbers.
pub fn node(code: i32, inputs: &[i32], outputs: &[i32], options: (u32, &[i32])) -> Node {
    let fields = options.1.iter().map(|&v| Some(number(v))).collect();
    Node {
        code,
        version: 1,
        inputs: inputs.to_vec(),
        outputs: outputs.to_vec(),
        options: (options.0, fields),
    }
}

/// A number.
pub fn number(value: i32) -> Item {
    Item::Number(u32::from_le_bytes(value.to_le_bytes()))
}

/// A model's file.
pub fn model(tensors: &[Tensor], nodes: Vec<Node>, inputs: &[i32], outputs: &[i32]) -> Vec<u8> {
    let tensor = |(at, tensor): (usize, &Tensor)| {
        // Buffer 0 is that of tensors without values.
        let buffer = if tensor.data.is_empty() { 0 } else { at + 1 };
        Item::Table(vec![
            Some(Item::Numbers(tensor.shape.clone())),
            Some(Item::Number(tensor.ty)),
            Some(Item::Number(u32::try_from(buffer).unwrap_or(0))),
            Some(Item::Bytes(format!("t{at}").into_bytes())),
        ])
    };
    let mut buffers = vec![Item::Table(vec![])];
    buffers.extend(tensors.iter().map(|tensor| {
        let data = Some(Item::Bytes(tensor.data.clone()));
        Item::Table(vec![data])
    }));
    let codes = nodes.iter().map(|node| {
        Item::Table(vec![
            Some(number(node.code.min(127))),
            None,
            Some(number(node.version)),
            Some(number(node.code)),
        ])
    });
    let codes = Item::Tables(codes.collect());
    let operator = |(at, node): (usize, Node)| {
        Item::Table(vec![
            Some(Item::Number(u32::try_from(at).unwrap_or(0))),
            Some(Item::Numbers(node.inputs)),
            Some(Item::Numbers(node.outputs)),
            Some(Item::Number(node.options.0)),
            Some(Item::Table(node.options.1)),
        ])
    };
    let graph = Item::Table(vec![
        Some(Item::Tables(
            tensors.iter().enumerate().map(tensor).collect(),
        )),
        Some(Item::Numbers(inputs.to_vec())),
        Some(Item::Numbers(outputs.to_vec())),
        Some(Item::Tables(
            nodes.into_iter().enumerate().map(operator).collect(),
        )),
    ]);
    file(Item::Table(vec![
        Some(Item::Number(3)),
        Some(codes),
        Some(Item::Tables(vec![graph])),
        None,
        Some(Item::Tables(buffers)),
    ]))
}

/// The bytes of a file whose root is `root`.
pub fn file(root: Item) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend(b"TFL3");
    let at = write(root, &mut out);
    point(&mut out, 0, at);
    out
}

/// Writes a value behind what is there; returns where it is.
fn write(item: Item, out: &mut Vec<u8>) -> usize {
    let pad = |out: &mut Vec<u8>| out.resize(out.len().next_multiple_of(4), 0);
    let count = |out: &mut Vec<u8>, n: usize| {
        out.extend(u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes());
    };
    pad(out);
    let start = out.len();
    match item {
        Item::Number(bits) => out.extend(bits.to_le_bytes()),
        Item::Numbers(values) => {
            count(out, values.len());
            values.iter().for_each(|v| out.extend(v.to_le_bytes()));
        }
        Item::Bytes(bytes) => {
            count(out, bytes.len());
            out.extend(bytes);
        }
        Item::Tables(items) => {
            count(out, items.len());
            let slots = out.len();
            out.resize(slots + 4 * items.len(), 0);
            for (i, item) in items.into_iter().enumerate() {
                let at = write(item, out);
                point(out, slots + 4 * i, at);
            }
        }
        Item::Table(fields) => {
            let short = |v: usize| u16::try_from(v).unwrap_or(u16::MAX).to_le_bytes();
            out.extend(short(4 + 2 * fields.len()));
            out.extend(short(4 + 4 * fields.len()));
            for (i, field) in fields.iter().enumerate() {
                out.extend(short(field.as_ref().map_or(0, |_| 4 + 4 * i)));
            }
            pad(out);
            let table = out.len();
            count(out, table - start);
            out.resize(table + 4 + 4 * fields.len(), 0);
            for (i, field) in fields.into_iter().enumerate() {
                let slot = table + 4 + 4 * i;
                match field {
                    None => {}
                    Some(Item::Number(bits)) => {
                        out.splice(slot..slot + 4, bits.to_le_bytes());
                    }
                    Some(item) => {
                        let at = write(item, out);
                        point(out, slot, at);
                    }
                }
            }
            return table;
        }
    }
    start
}

/// Stores the distance from `slot` to `at` in `slot`.
fn point(out: &mut Vec<u8>, slot: usize, at: usize) {
    let distance = u32::try_from(at - slot).unwrap_or(u32::MAX);
    out.splice(slot..slot + 4, distance.to_le_bytes());
}
