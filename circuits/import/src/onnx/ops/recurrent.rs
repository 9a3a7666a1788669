//! RNN, GRU and LSTM, unrolled.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::value::{Type, Value};
use crate::ImportError;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    match operator {
        "RNN" | "GRU" | "LSTM" => Some(recurrent),
        _ => None,
    }
}

/// One direction's weights and functions.
struct Cell {
    kind: String,
    /// `[input, gates·hidden]`.
    w: Value,
    /// `[hidden, gates·hidden]`.
    r: Value,
    /// Added to `x·W`, and to `h·R`.
    bias: Option<(Value, Value)>,
    peepholes: Option<Value>,
    functions: Vec<(String, f64, f64)>,
    clip: Option<f64>,
    hidden: usize,
    linear_before_reset: bool,
    coupled: bool,
}

fn recurrent(importer: &mut Importer, node: &OnnxNode) -> Results {
    let mut x = importer.input(node, 0)?;
    let batch_first = node.int("layout", 0) != 0;
    if batch_first {
        x = importer.permuted(&x, &[1, 0, 2])?;
    }
    let &[steps, batch, _] = x.shape() else {
        return Err(node.bad(
            "input 0",
            "[steps, batch, inputs]",
            format!("{:?}", x.shape()),
        ));
    };
    if let Some(lengths) = importer.maybe_known(node, 4)? {
        if lengths.values.iter().any(|&l| l != steps as f64) {
            let expected = format!("{steps} for each sequence");
            return Err(node.bad("input 4 (sequence_lens)", expected, "others"));
        }
    }
    let direction = node.text("direction", "forward");
    let backward: &[bool] = match direction.as_str() {
        "forward" => &[false],
        "reverse" => &[true],
        "bidirectional" => &[false, true],
        other => {
            let expected = "forward, reverse or bidirectional";
            return Err(node.bad("attribute 'direction'", expected, other));
        }
    };
    let r = importer.input(node, 2)?;
    let hidden = r.shape().last().copied().unwrap_or(0);
    let (mut outputs, mut last, mut cells) = (Vec::new(), Vec::new(), Vec::new());
    for (d, &reverse) in backward.iter().enumerate() {
        let cell = importer.cell(node, d, hidden)?;
        let mut h = importer.state(node, 5, d, batch, hidden, batch_first)?;
        let mut c = importer.state(node, 6, d, batch, hidden, batch_first)?;
        let mut seen = Vec::with_capacity(steps);
        // All steps' inputs at once.
        let inputs = importer.matmul_of(&x, &cell.w)?;
        let inputs = match &cell.bias {
            Some((bias, _)) => importer.add(&inputs, bias)?,
            None => inputs,
        };
        for step in 0..steps {
            let t = if reverse { steps - 1 - step } else { step };
            let input = importer.slice(&inputs, 0, t, 1)?;
            let input = importer.reshape_to(&input, vec![batch, input.count() / batch.max(1)])?;
            (h, c) = importer.advance(&cell, &input, &h, &c)?;
            seen.push(importer.reshape_to(&h, vec![1, 1, batch, hidden])?);
        }
        if reverse {
            seen.reverse();
        }
        outputs.push(importer.joined(&seen, 0)?);
        last.push(importer.reshape_to(&h, vec![1, batch, hidden])?);
        cells.push(importer.reshape_to(&c, vec![1, batch, hidden])?);
    }
    let y = importer.joined(&outputs, 1)?;
    let mut values = vec![y, importer.joined(&last, 0)?, importer.joined(&cells, 0)?];
    if batch_first {
        let perms: [&[usize]; 3] = [&[2, 0, 1, 3], &[1, 0, 2], &[1, 0, 2]];
        for (value, perm) in values.iter_mut().zip(perms) {
            *value = importer.permuted(value, perm)?;
        }
    }
    Ok(values)
}

impl Importer {
    fn cell(&mut self, node: &OnnxNode, d: usize, hidden: usize) -> Result<Cell, ImportError> {
        let gates = match node.kind() {
            "LSTM" => 4,
            "GRU" => 3,
            _ => 1,
        };
        let defaults: &[&str] = match node.kind() {
            "LSTM" => &["Sigmoid", "Tanh", "Tanh"],
            "GRU" => &["Sigmoid", "Tanh"],
            _ => &["Tanh"],
        };
        let part = |importer: &mut Self, at: usize| -> Result<Option<Value>, ImportError> {
            let Some(all) = importer.maybe(node, at)? else {
                return Ok(None);
            };
            let one = importer.slice(&all, 0, d, 1)?;
            let shape = one.shape().get(1..).unwrap_or_default().to_vec();
            importer.reshape_to(&one, shape).map(Some)
        };
        let mut weights = Vec::new();
        for at in [1, 2] {
            let w = part(self, at)?.filter(|w| w.rank() == 2 && w.size(0) == gates * hidden);
            let expected = format!("[directions, {}, …]", gates * hidden);
            let w = w.ok_or_else(|| node.bad(&format!("input {at}"), expected, "another shape"))?;
            weights.push(self.permuted(&w, &[1, 0])?);
        }
        let bias = match part(self, 3)? {
            None => None,
            Some(b) => {
                let each = gates * hidden;
                Some((self.slice(&b, 0, 0, each)?, self.slice(&b, 0, each, each)?))
            }
        };
        let names = node.texts("activations");
        let numbers = |name: &str| {
            node.attribute(name)
                .map_or(&[][..], |a| a.floats.as_slice())
        };
        let function = |i: usize| {
            let at = d * defaults.len() + i;
            let name = names.get(at).cloned();
            let name =
                name.unwrap_or_else(|| defaults.get(i).copied().unwrap_or("Tanh").to_owned());
            let (alpha, beta) = match name.as_str() {
                "LeakyRelu" => (0.01, 0.0),
                "HardSigmoid" => (0.2, 0.5),
                _ => (1.0, 1.0),
            };
            let own = |list: &[f32], default: f64| list.get(at).map_or(default, |&v| v.into());
            (
                name,
                own(numbers("activation_alpha"), alpha),
                own(numbers("activation_beta"), beta),
            )
        };
        let functions = (0..defaults.len()).map(function).collect();
        let r = weights.pop();
        let (Some(w), Some(r)) = (weights.pop(), r) else {
            return Err(node.bad("inputs", "weights", "none"));
        };
        Ok(Cell {
            kind: node.kind().to_owned(),
            w,
            r,
            bias,
            peepholes: part(self, 7)?,
            functions,
            clip: node.attribute("clip").map(|a| a.f.into()),
            hidden,
            linear_before_reset: node.int("linear_before_reset", 0) != 0,
            coupled: node.int("input_forget", 0) != 0,
        })
    }

    /// The initial state of a direction: zeros where none is given.
    fn state(
        &mut self,
        node: &OnnxNode,
        at: usize,
        d: usize,
        batch: usize,
        hidden: usize,
        batch_first: bool,
    ) -> Result<Value, ImportError> {
        let given = match node.kind() {
            "LSTM" => self.maybe(node, at)?,
            _ if at == 5 => self.maybe(node, at)?,
            _ => None,
        };
        let Some(all) = given else {
            return self.filled(&[batch, hidden], 0.0, Type::Real);
        };
        let all = match batch_first {
            true => self.permuted(&all, &[1, 0, 2])?,
            false => all,
        };
        let one = self.slice(&all, 0, d, 1)?;
        self.reshape_to(&one, vec![batch, hidden])
    }

    fn apply(&mut self, cell: &Cell, which: usize, x: &Value) -> Result<Value, ImportError> {
        let x = match cell.clip {
            Some(clip) => self.clamped(x, Some(-clip), Some(clip))?,
            None => x.clone(),
        };
        let (name, alpha, beta) = cell.functions.get(which).cloned().unwrap_or_default();
        self.activate(&x, &name, alpha, beta)
    }

    fn gate(&mut self, x: &Value, cell: &Cell, i: usize) -> Result<Value, ImportError> {
        self.slice(x, 1, i * cell.hidden, cell.hidden)
    }

    /// The next hidden and cell states.
    fn advance(
        &mut self,
        cell: &Cell,
        input: &Value,
        h: &Value,
        c: &Value,
    ) -> Result<(Value, Value), ImportError> {
        if cell.kind == "GRU" {
            return Ok((self.gru(cell, input, h)?, c.clone()));
        }
        let mut z = self.matmul_of(h, &cell.r)?;
        if let Some((_, bias)) = &cell.bias {
            z = self.add(&z, bias)?;
        }
        let z = self.add(&z, input)?;
        if cell.kind == "RNN" {
            return Ok((self.apply(cell, 0, &z)?, c.clone()));
        }
        // Gates are stored as input, output, forget, cell; peepholes as input, output, forget.
        let mut gates = Vec::new();
        for i in 0..4 {
            gates.push(self.gate(&z, cell, i)?);
        }
        let peep = |importer: &mut Self, gate: &Value, c: &Value, i: usize| match &cell.peepholes {
            None => Ok(gate.clone()),
            Some(p) => {
                let p = importer.slice(p, 0, i * cell.hidden, cell.hidden)?;
                let part = importer.mul(c, &p)?;
                importer.add(gate, &part)
            }
        };
        let [i, o, f, g] = gates.as_slice() else {
            return Err(self.bad("gates", "four", gates.len()));
        };
        let i = peep(self, i, c, 0)?;
        let i = self.apply(cell, 0, &i)?;
        let f = match cell.coupled {
            true => self.sub(&Value::real(1.0), &i)?,
            false => {
                let f = peep(self, f, c, 2)?;
                self.apply(cell, 0, &f)?
            }
        };
        let g = self.apply(cell, 1, g)?;
        let (kept, new) = (self.mul(&f, c)?, self.mul(&i, &g)?);
        let c = self.add(&kept, &new)?;
        let o = peep(self, o, &c, 1)?;
        let o = self.apply(cell, 0, &o)?;
        let shown = self.apply_bare(cell, &c)?;
        Ok((self.mul(&o, &shown)?, c))
    }

    /// The function of the cell state, which is not clipped.
    fn apply_bare(&mut self, cell: &Cell, c: &Value) -> Result<Value, ImportError> {
        let (name, alpha, beta) = cell.functions.get(2).cloned().unwrap_or_default();
        self.activate(c, &name, alpha, beta)
    }

    /// Gates are stored as update, reset, hidden.
    fn gru(&mut self, cell: &Cell, input: &Value, h: &Value) -> Result<Value, ImportError> {
        let both = 2 * cell.hidden;
        let split =
            |importer: &mut Self, v: &Value, axis: usize| -> Result<(Value, Value), ImportError> {
                let first = importer.slice(v, axis, 0, both)?;
                Ok((first, importer.slice(v, axis, both, cell.hidden)?))
            };
        let (r_gates, r_hidden) = split(self, &cell.r, 1)?;
        let (x_gates, x_hidden) = split(self, input, 1)?;
        let bias = match &cell.bias {
            Some((_, bias)) => Some(split(self, bias, 0)?),
            None => None,
        };
        let mut gates = self.matmul_of(h, &r_gates)?;
        if let Some((bias, _)) = &bias {
            gates = self.add(&gates, bias)?;
        }
        let gates = self.add(&gates, &x_gates)?;
        let (z, r) = (self.gate(&gates, cell, 0)?, self.gate(&gates, cell, 1)?);
        let (z, r) = (self.apply(cell, 0, &z)?, self.apply(cell, 0, &r)?);
        let with_bias = |importer: &mut Self, v: Value| match &bias {
            Some((_, bias)) => importer.add(&v, bias),
            None => Ok(v),
        };
        let hidden = if cell.linear_before_reset {
            let product = self.matmul_of(h, &r_hidden)?;
            let product = with_bias(self, product)?;
            self.mul(&r, &product)?
        } else {
            let reset = self.mul(&r, h)?;
            let product = self.matmul_of(&reset, &r_hidden)?;
            with_bias(self, product)?
        };
        let hidden = self.add(&hidden, &x_hidden)?;
        let hidden = self.apply(cell, 1, &hidden)?;
        // (1 − z)·hidden + z·h = hidden + z·(h − hidden).
        let difference = self.sub(h, &hidden)?;
        let part = self.mul(&z, &difference)?;
        self.add(&hidden, &part)
    }
}
