//! Convolutions, matrix products, normalisation and pooling.

use super::elementwise::precise_divisor;
use super::{Importer, OnnxNode, Value};
use crate::graph::exec::transposed_indices;
use crate::graph::{Op, TensorId, Window};
use crate::import::lower::{broadcast, Constant};
use crate::import::ImportError;

impl Importer {
    /// An image operand as `[channels, height, width]`, and its rank without batch and channel.
    fn image(&mut self, node: &OnnxNode) -> Result<(TensorId, [usize; 3], usize), ImportError> {
        let (id, shape) = self.data(node, 0)?;
        let (dims, rank) = match *shape.as_slice() {
            [1, c, h, w] => ([c, h, w], 2),
            [1, c, w] => ([c, 1, w], 1),
            _ => {
                let expected = "[1, channels, height, width] or [1, channels, length]";
                return Err(node.bad("input 0", expected, format!("{shape:?}")));
            }
        };
        let id = self
            .draft
            .reshape(&format!("{}/in", node.name), id, dims.to_vec())?;
        Ok((id, dims, rank))
    }

    fn define_image(
        &mut self,
        node: &OnnxNode,
        id: TensorId,
        rank: usize,
    ) -> Result<Value, ImportError> {
        let shape = match (rank, self.draft.shape(id)) {
            (1, &[c, _, w]) => vec![1, c, w],
            (_, other) => std::iter::once(1).chain(other.iter().copied()).collect(),
        };
        self.define(node, id, shape)
    }

    fn bias(
        &mut self,
        node: &OnnxNode,
        bias: Option<Vec<f64>>,
    ) -> Result<Option<TensorId>, ImportError> {
        let Some(bias) = bias else { return Ok(None) };
        self.draft
            .weight(&format!("{}/bias", node.name), vec![bias.len()], bias)
            .map(Some)
    }

    pub(super) fn conv(&mut self, node: &OnnxNode) -> Result<Value, ImportError> {
        let (x, [c, h, w], rank) = self.image(node)?;
        let (shape, values) = self.constant(node, 1)?.clone();
        let Some((&[o, i], kernel)) = shape
            .split_first_chunk::<2>()
            .filter(|(_, k)| k.len() == rank)
        else {
            let expected = format!("{} dimensions", rank + 2);
            return Err(node.bad("kernels", expected, format!("{shape:?}")));
        };
        let window = node.window([h, w], rank, Some(kernel), false)?;
        let groups = match usize::try_from(node.int("group", 1)) {
            Ok(1) => 1,
            Ok(groups) if groups == c => groups,
            _ => {
                let expected = format!("1 or {c} (depthwise)");
                return Err(node.bad("attribute 'group'", expected, node.int("group", 1)));
            }
        };
        let bias = self
            .optional_constant(node, 2)?
            .map(|(_, values)| values.clone());
        let [kh, kw] = window.kernel;
        let w = self.draft.weight(
            &format!("{}/kernels", node.name),
            vec![o, i, kh, kw],
            values,
        )?;
        let bias = self.bias(node, bias)?;
        let div = self.draft.graph.scale;
        let op = Op::Conv {
            x,
            w,
            bias,
            window,
            groups,
            div,
            clamp: None,
        };
        let y = self.draft.node(&node.name, op)?;
        self.define_image(node, y, rank)
    }

    pub(super) fn pool(&mut self, node: &OnnxNode) -> Result<Value, ImportError> {
        let (x, [_, h, w], rank) = self.image(node)?;
        let global = node.kind().starts_with("Global");
        let average = node.kind().ends_with("AveragePool");
        let window = if global {
            Window {
                kernel: [h, w],
                stride: [1, 1],
                pads: [0; 4],
            }
        } else {
            node.window([h, w], rank, None, !average)?
        };
        if average && window.pads != [0; 4] && node.int("count_include_pad", 0) == 0 {
            let expected = "1 (padding counts) where there is padding";
            return Err(node.bad("attribute 'count_include_pad'", expected, 0));
        }
        node.require("storage_order", 0)?;
        if node
            .proto
            .output
            .get(1)
            .is_some_and(|name| !name.is_empty())
        {
            return Err(node.bad("outputs", "one", "indices as well"));
        }
        let op = if average {
            Op::AvgPool { x, window }
        } else {
            Op::MaxPool { x, window }
        };
        let y = self.draft.node(&node.name, op)?;
        self.define_image(node, y, rank)
    }

    pub(super) fn gemm(&mut self, node: &OnnxNode) -> Result<Value, ImportError> {
        let (x, shape) = self.data(node, 0)?;
        node.require("transA", 0)?;
        let &[1, _] = shape.as_slice() else {
            return Err(node.bad("input 0", "shape [1, K]", format!("{shape:?}")));
        };
        let alpha = node.float("alpha", 1.0);
        let beta = node.float("beta", 1.0);
        let mut w = self.rows(node, node.int("transB", 0) != 0)?;
        w.1.iter_mut().for_each(|v| *v *= alpha);
        let n = w.0.first().copied().unwrap_or(0);
        let bias = match self.optional_constant(node, 2)? {
            None => None,
            Some(c) => {
                let expected = || {
                    node.bad(
                        "input 2",
                        format!("a shape that broadcasts to [1, {n}]"),
                        format!("{:?}", c.0),
                    )
                };
                let values = broadcast(&[1, n], c).ok_or_else(expected)?;
                Some(values.into_iter().map(|v| v * beta).collect())
            }
        };
        self.product(node, x, shape, w, bias)
    }

    pub(super) fn matmul(&mut self, node: &OnnxNode) -> Result<Value, ImportError> {
        let (x, shape) = self.data(node, 0)?;
        let w = self.rows(node, false)?;
        self.product(node, x, shape, w, None)
    }

    fn product(
        &mut self,
        node: &OnnxNode,
        x: TensorId,
        mut shape: Vec<usize>,
        (w_shape, values): Constant<f64>,
        bias: Option<Vec<f64>>,
    ) -> Result<Value, ImportError> {
        let n = w_shape.first().copied().unwrap_or(0);
        let w = self
            .draft
            .weight(&format!("{}/weights", node.name), w_shape, values)?;
        let bias = self.bias(node, bias)?;
        let div = self.draft.graph.scale;
        let y = self.draft.matmul(&node.name, x, w, bias, div, None)?;
        shape.pop();
        shape.push(n);
        self.define(node, y, shape)
    }

    /// The second operand of a product as `[N, K]`; `as_is` when it is stored so.
    fn rows(&self, node: &OnnxNode, as_is: bool) -> Result<Constant<f64>, ImportError> {
        let (shape, values) = self.constant(node, 1)?;
        let (ones, matrix) = shape.split_at(shape.len().saturating_sub(2));
        let (&[rows, columns], true) = (matrix, ones.iter().all(|&d| d == 1)) else {
            return Err(node.bad("input 1", "two dimensions", format!("{shape:?}")));
        };
        if as_is {
            return Ok((matrix.to_vec(), values.clone()));
        }
        let order = transposed_indices(&[rows, columns], &[1, 0]);
        let values = order
            .into_iter()
            .filter_map(|i| values.get(i).copied())
            .collect();
        Ok((vec![columns, rows], values))
    }

    /// `y = x·γ/√(σ² + ε) + (β − μ·γ/√(σ² + ε))`, folded into what comes before where possible.
    pub(super) fn batch_normalization(&mut self, node: &OnnxNode) -> Result<Value, ImportError> {
        let (x, shape) = self.data(node, 0)?;
        node.require("training_mode", 0)?;
        let channels = match shape.as_slice() {
            [1, c, ..] => *c,
            _ => return Err(node.bad("input 0", "[1, channels, …]", format!("{shape:?}"))),
        };
        let part = |at: usize| match self.constant(node, at)? {
            (_, values) if values.len() == channels => Ok(values.clone()),
            (shape, _) => {
                let what = format!("input {at}");
                Err(node.bad(&what, format!("{channels} values"), format!("{shape:?}")))
            }
        };
        let (gamma, beta, mean, variance) = (part(1)?, part(2)?, part(3)?, part(4)?);
        let epsilon = node.float("epsilon", 1e-5);
        let factors: Vec<f64> = gamma
            .iter()
            .zip(&variance)
            .map(|(g, v)| g / (v + epsilon).sqrt())
            .collect();
        let moved = beta.iter().zip(&mean).zip(&factors);
        let offsets: Vec<f64> = moved.map(|((b, m), f)| b - m * f).collect();
        let div = precise_divisor(self.draft.graph.scale, &factors);
        let (w, bias) = ((vec![channels], factors), (vec![channels], offsets));
        let op =
            self.draft
                .per_channel_op(&node.name, x, channels, Some(&w), Some(&bias), div, None)?;
        let y = self.draft.node(&node.name, op)?;
        self.define(node, y, shape)
    }
}
