//! zkml's MessagePack models: integers already, images with channels last.

mod computed;
mod functions;
mod layers;
mod moves;
mod place;
mod shapes;

pub(super) use super::draft::Rounded;
use super::draft::{most_expanded, MAX_NODES};
use super::simplify::simplify;
use super::{Draft, Fate, Format, ImportError, ImportOptions, Initialiser, Layout, Port};
use serde::Deserialize;
pub(super) use shapes::load as load_shapes;
pub use shapes::{LayerShape, Operand, Shapes};
use std::collections::BTreeMap;
use zkml_graph::ops::elements;
use zkml_graph::range::Propagation;
use zkml_graph::{TensorId, Weights};

/// Most inputs or outputs of a model.
const MAX_ENDS: usize = 256;

/// The file: a map with these names.
#[derive(Debug, Deserialize)]
struct File {
    global_sf: i64,
    #[serde(default)]
    k: u32,
    inp_idxes: Vec<i64>,
    out_idxes: Vec<i64>,
    tensors: Vec<RawTensor>,
    layers: Vec<Layer>,
}

/// A tensor with its values, also an element of zkml's input files.
#[derive(Debug, Deserialize)]
pub(crate) struct RawTensor {
    /// Number by which layers name it.
    pub idx: i64,
    /// Shape, batch included.
    pub shape: Vec<i64>,
    /// Row-major values, quantised.
    pub data: Vec<i64>,
}

/// A layer of zkml's.
#[derive(Debug, Deserialize)]
pub(super) struct Layer {
    pub layer_type: String,
    pub params: Vec<i64>,
    pub inp_idxes: Vec<i64>,
    pub inp_shapes: Vec<Vec<i64>>,
    pub out_idxes: Vec<i64>,
    pub out_shapes: Vec<Vec<i64>>,
    #[serde(default)]
    pub mask: Vec<i64>,
    /// What it is called where another format has become layers.
    #[serde(skip)]
    pub name: Option<String>,
}

/// Layers and their weights, whatever file they were in.
pub(super) struct Network {
    pub format: Format,
    pub scale: i64,
    /// Bits of zkml's table.
    pub k: u32,
    pub inputs: Vec<i64>,
    pub outputs: Vec<i64>,
    /// Number, shape and values.
    pub tensors: Vec<(i64, Vec<i64>, Vec<Rounded>)>,
    pub layers: Vec<Layer>,
    /// Names of inputs and outputs, where numbers are not all that they have.
    pub names: BTreeMap<i64, String>,
    /// The file's constants, by number, with what is known of their fates.
    pub constants: BTreeMap<i64, Initialiser>,
    /// Size of the file.
    pub bytes: usize,
}

/// Parses a MessagePack value and insists that nothing follows it.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    what: &str,
) -> Result<T, ImportError> {
    let mut reader = bytes;
    let mut deserializer = rmp_serde::Deserializer::new(&mut reader);
    let value = T::deserialize(&mut deserializer)
        .map_err(|error| ImportError::malformed("MessagePack", what, without_values(error)))?;
    match reader.len() {
        0 => Ok(value),
        rest => Err(ImportError::malformed(
            "MessagePack",
            "the end of the file",
            format!("{rest} more bytes"),
        )),
    }
}

/// An error of a parser without what it found: that may be a weight, a private input, or of a file that is another
/// than it was given for.
pub fn without_values(error: impl ToString) -> String {
    let text = error.to_string();
    // What serde writes before it; names of fields that are missing are the only other thing that it quotes.
    const BEFORE: [&str; 7] = [
        "boolean `",
        "integer `",
        "floating point `",
        "character `",
        "string \"",
        "unknown field `",
        "unknown variant `",
    ];
    let found = BEFORE.iter().filter_map(|word| {
        let at = text.find(word)?;
        Some((at, at + word.len()))
    });
    match found.min() {
        // A text may hold anything, the words that end it too: what comes after the last of them is serde's.
        Some((_, from)) => {
            let (before, rest) = text.split_at(from);
            let after = rest.rfind(", expected").and_then(|at| rest.get(at..));
            let quote = before.get(from - 1..).unwrap_or_default();
            format!("{before}…{quote}{}", after.unwrap_or_default())
        }
        None => text,
    }
}

/// A shape from the file: positive dimensions, no more elements than a graph may have.
pub(crate) fn checked_shape(shape: &[i64], place: &str) -> Result<Vec<usize>, ImportError> {
    let sizes: Option<Vec<usize>> = shape.iter().map(|&d| usize::try_from(d).ok()).collect();
    match sizes {
        Some(sizes) if elements(&sizes).is_some_and(|n| n > 0) => Ok(sizes),
        _ => Err(ImportError::malformed(
            place,
            "a shape of 1 to 2^26 elements",
            format!("{shape:?}"),
        )),
    }
}

/// Drops a batch dimension of 1.
fn without_batch(shape: Vec<usize>) -> Vec<usize> {
    match shape.as_slice() {
        [1, rest @ ..] if !rest.is_empty() => rest.to_vec(),
        _ => shape,
    }
}

/// The tensor that an index names, in the file's order and, for images, with channels first.
#[derive(Clone, Copy, Default)]
struct Known {
    natural: Option<TensorId>,
    channels_first: Option<TensorId>,
}

struct Importer {
    draft: Draft<Rounded>,
    /// Tensors with values.
    weights: BTreeMap<i64, (Vec<usize>, Vec<Rounded>)>,
    known: BTreeMap<i64, Known>,
    /// Shapes of computed tensors in the file, batch included.
    shapes: BTreeMap<i64, Vec<usize>>,
    /// Names of inputs and outputs.
    names: BTreeMap<i64, String>,
    /// What becomes of the file's constants.
    constants: BTreeMap<i64, Initialiser>,
    /// What stands for infinity: half of zkml's table.
    bound: i64,
    /// Bounds of what the draft has, and the weights that they are of.
    ranges: Propagation,
    integers: Weights,
    /// Elements that layers and their weights were counted for, and may be.
    spent: usize,
    most: usize,
}

pub(super) fn load(bytes: &[u8], options: &ImportOptions) -> Result<Draft<Rounded>, ImportError> {
    let file: File = parse(bytes, "a zkml model (a map with tensors and layers)")?;
    if let Some(scale) = options.scale.filter(|&s| s != file.global_sf) {
        let expected = format!("{} (the weights in the file are quantised)", file.global_sf);
        return Err(ImportError::malformed("--scale", expected, scale));
    }
    let scale = ImportOptions {
        scale: Some(file.global_sf),
        ..options.clone()
    }
    .scale_or(file.global_sf)?;
    if !file.layers.is_empty() && file.tensors.iter().all(|t| t.data.is_empty()) {
        layers::check_supported(&file.layers)?;
        let expected =
            "weights (zkml's config files have none; `zkml inspect --plan-only` plans without)";
        return Err(ImportError::malformed(
            "tensors",
            expected,
            "no values at all",
        ));
    }
    let named = |t: &RawTensor| {
        let fate = Fate::Unused;
        let name = t.idx.to_string();
        (!t.data.is_empty()).then_some((t.idx, Initialiser { name, fate }))
    };
    let constants = file.tensors.iter().filter_map(named).collect();
    let rounded = |t: RawTensor| {
        let values = t.data.into_iter().map(Rounded::from).collect();
        (t.idx, t.shape, values)
    };
    let network = Network {
        format: Format::Msgpack,
        scale,
        k: file.k,
        inputs: file.inp_idxes,
        outputs: file.out_idxes,
        tensors: file.tensors.into_iter().map(rounded).collect(),
        layers: file.layers,
        names: BTreeMap::new(),
        constants,
        bytes: bytes.len(),
    };
    import(network, options)
}

/// The graph of a network.
pub(super) fn import(
    network: Network,
    options: &ImportOptions,
) -> Result<Draft<Rounded>, ImportError> {
    layers::check_supported(&network.layers)?;
    let ends = network.inputs.len().max(network.outputs.len());
    if ends > MAX_ENDS {
        let expected = format!("at most {MAX_ENDS}");
        return Err(ImportError::malformed(
            "inp_idxes, out_idxes",
            expected,
            ends,
        ));
    }
    if network.outputs.is_empty() {
        return Err(ImportError::malformed(
            "out_idxes",
            "at least one output",
            "none",
        ));
    }
    let mut importer = Importer {
        draft: Draft::new(network.scale, network.format, network.bytes),
        weights: BTreeMap::new(),
        known: BTreeMap::new(),
        shapes: BTreeMap::new(),
        names: network.names,
        constants: network.constants,
        bound: 1 << network.k.clamp(1, 40).saturating_sub(1),
        ranges: Propagation::default(),
        integers: Weights::new(),
        spent: 0,
        most: most_expanded(network.bytes),
    };
    for (idx, shape, values) in network.tensors {
        importer.read_tensor(idx, &shape, values, &network.inputs)?;
    }
    for &idx in &network.inputs {
        let interval = options.interval(&importer.name(idx), network.scale)?;
        importer.add_input(idx, &network.layers, interval)?;
    }
    for (at, layer) in network.layers.iter().enumerate() {
        importer.lower(at, layer)?;
    }
    for &idx in &network.outputs {
        importer.add_output(idx, &network.layers)?;
    }
    simplify(&mut importer.draft)?;
    // Layers are built of several nodes.
    let tensors = importer.draft.graph.tensors.iter();
    let sizes = tensors.map(|tensor| elements(&tensor.shape).unwrap_or(usize::MAX));
    importer.spent = 0;
    importer.spend("layers", sizes.fold(0, usize::saturating_add))?;
    let constants = importer.constants.into_values();
    importer.draft.initialisers.splice(0..0, constants);
    Ok(importer.draft)
}

impl Importer {
    fn read_tensor(
        &mut self,
        idx: i64,
        shape: &[i64],
        data: Vec<Rounded>,
        inputs: &[i64],
    ) -> Result<(), ImportError> {
        // A model may carry a sample input; the caller's counts. A tensor without values is
        // declared only: whoever reads it will miss it.
        if inputs.contains(&idx) || data.is_empty() {
            return Ok(());
        }
        let place = format!("tensor {idx}");
        let shape = checked_shape(shape, &place)?;
        let expected = elements(&shape).unwrap_or(0);
        if expected != data.len() {
            let expected = format!("{expected} values for shape {shape:?}");
            return Err(ImportError::malformed(place, expected, data.len()));
        }
        // Later duplicates win, as in zkml.
        self.weights.insert(idx, (shape, data));
        Ok(())
    }

    fn add_input(
        &mut self,
        idx: i64,
        layers: &[Layer],
        interval: zkml_graph::Interval,
    ) -> Result<(), ImportError> {
        let place = format!("input {idx}");
        let readers = layers
            .iter()
            .flat_map(|l| l.inp_idxes.iter().zip(&l.inp_shapes));
        let shape = readers
            .into_iter()
            .find(|(&i, _)| i == idx)
            .map(|(_, shape)| shape);
        let Some(shape) = shape else {
            return Err(ImportError::malformed(
                place,
                "a layer that reads it",
                "none",
            ));
        };
        if self.known.contains_key(&idx) {
            return Err(ImportError::malformed(
                place,
                "one mention in inp_idxes",
                "several",
            ));
        }
        let shape = checked_shape(shape, &place)?;
        self.spend(&place, elements(&shape).unwrap_or(0))?;
        let port = self.port(idx, &shape);
        let id = self
            .draft
            .input(&port.name, without_batch(shape.clone()), interval);
        self.draft.source.inputs.push(port);
        self.shapes.insert(idx, shape);
        self.known.insert(
            idx,
            Known {
                natural: Some(id),
                channels_first: None,
            },
        );
        Ok(())
    }

    fn add_output(&mut self, idx: i64, layers: &[Layer]) -> Result<(), ImportError> {
        let place = format!("output {idx}");
        let writers = layers
            .iter()
            .flat_map(|l| l.out_idxes.iter().zip(&l.out_shapes));
        let shape = writers
            .into_iter()
            .find(|(&i, _)| i == idx)
            .map(|(_, shape)| shape.as_slice());
        let shape = checked_shape(shape.unwrap_or_default(), &place)?;
        let id = self.natural(idx, &place)?;
        let port = self.port(idx, &shape);
        self.draft.source.outputs.push(port);
        self.draft.graph.outputs.push(id);
        Ok(())
    }

    /// The tensor in the file's order.
    fn natural(&mut self, idx: i64, place: &str) -> Result<TensorId, ImportError> {
        let known = self.find(idx, place)?;
        if let Some(id) = known.natural {
            return Ok(id);
        }
        let Some(id) = known.channels_first else {
            return Err(ImportError::malformed(
                place,
                "a computed tensor",
                format!("tensor {idx}"),
            ));
        };
        let natural = self
            .draft
            .transpose(&format!("{place}/channels-last"), id, vec![1, 2, 0])?;
        self.known.entry(idx).or_default().natural = Some(natural);
        Ok(natural)
    }

    /// The tensor as an image with channels first.
    fn image(&mut self, idx: i64, place: &str) -> Result<TensorId, ImportError> {
        let known = self.find(idx, place)?;
        if let Some(id) = known.channels_first {
            return Ok(id);
        }
        let id = self.natural(idx, place)?;
        if self.draft.shape(id).len() != 3 {
            let got = format!("{:?}", self.draft.shape(id));
            let what = format!("{place}: tensor {idx}");
            return Err(ImportError::malformed(
                what,
                "[1, height, width, channels]",
                got,
            ));
        }
        let image = self
            .draft
            .transpose(&format!("{place}/channels-first"), id, vec![2, 0, 1])?;
        self.known.entry(idx).or_default().channels_first = Some(image);
        Ok(image)
    }

    fn find(&self, idx: i64, place: &str) -> Result<Known, ImportError> {
        if let Some(&known) = self.known.get(&idx) {
            return Ok(known);
        }
        let got = match self.weights.contains_key(&idx) {
            true => format!("tensor {idx}, which is a weight"),
            false => format!("tensor {idx}, which is missing"),
        };
        Err(ImportError::malformed(
            place,
            "an input or the output of an earlier layer",
            got,
        ))
    }

    /// Counts what is made, so that a small file cannot ask for everything.
    fn spend(&mut self, place: &str, elements: usize) -> Result<(), ImportError> {
        self.spent = self.spent.saturating_add(elements);
        let (most, nodes) = (self.most, self.draft.graph.nodes.len());
        if self.spent > most || nodes > MAX_NODES {
            let expected = format!(
                "a model that expands to at most {MAX_NODES} operations and, being of its size, {most} elements"
            );
            let got = format!("{nodes} operations and {} elements", self.spent);
            return Err(ImportError::malformed(place, expected, got));
        }
        Ok(())
    }

    /// A constant that becomes a weight.
    fn weight_values(
        &mut self,
        idx: i64,
        place: &str,
    ) -> Result<(&[usize], &[Rounded]), ImportError> {
        let count = self.weights.get(&idx).map_or(0, |(_, values)| values.len());
        self.spend(place, count)?;
        match self.weights.get(&idx) {
            Some((shape, values)) => {
                if let Some(one) = self.constants.get_mut(&idx) {
                    one.commit(values.iter().map(|v| v.real));
                }
                Ok((shape, values))
            }
            None => {
                let got = format!("tensor {idx}, which is missing or not constant");
                Err(ImportError::malformed(place, "a tensor with values", got))
            }
        }
    }

    /// An input's or output's name in the file; an index in zkml's.
    fn name(&self, idx: i64) -> String {
        let name = self.names.get(&idx).cloned();
        name.unwrap_or_else(|| idx.to_string())
    }

    fn port(&self, idx: i64, shape: &[usize]) -> Port {
        let layout = if shape.len() == 4 {
            Layout::ChannelsLast
        } else {
            Layout::Plain
        };
        Port {
            name: self.name(idx),
            shape: shape.to_vec(),
            layout,
            scale: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn errors_do_not_show_numbers() {
        let bytes = rmp_serde::to_vec(&[0.6182]).unwrap();
        let error = parse::<Vec<i64>>(&bytes, "integers").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("integers") && text.contains('…'), "{text}");
        assert!(!text.contains("618"), "{text}");
        for value in [
            rmp_serde::to_vec(&["0.7172, expected 0.7172"]),
            rmp_serde::to_vec(&["integer `7172`"]),
            rmp_serde::to_vec(&[true]),
            rmp_serde::to_vec(&[-7172.5]),
            rmp_serde::to_vec(&['7']),
        ] {
            let text = parse::<Vec<i64>>(&value.unwrap(), "integers").unwrap_err();
            let text = text.to_string();
            // A marker tells a type and a length.
            let hidden = text.contains('…') || text.contains("marker");
            assert!(text.contains("integers") && hidden, "{text}");
            let shown = text.contains('7') || text.contains("true");
            assert!(!shown, "{text}");
        }
    }
}
