//! Convolutions and matrix products.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::geometry::Geometry;
use crate::onnx::value::Value;
use crate::ImportError;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "Conv" => conv,
        "ConvTranspose" => transposed,
        "MatMul" => matmul,
        "Gemm" => gemm,
        _ => return None,
    })
}

/// `[N, C, …]`, its sizes after these two dimensions.
fn image(node: &OnnxNode, x: &Value) -> Result<Vec<usize>, ImportError> {
    match x.shape() {
        [_, _, rest @ ..] if !rest.is_empty() => Ok(rest.to_vec()),
        other => Err(node.bad("input 0", "[batch, channels, …]", format!("{other:?}"))),
    }
}

fn groups(node: &OnnxNode) -> Result<usize, ImportError> {
    let groups = node.int("group", 1);
    usize::try_from(groups)
        .ok()
        .filter(|&g| g > 0)
        .ok_or_else(|| node.bad("attribute 'group'", "at least 1", groups))
}

fn conv(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (x, w) = (importer.input(node, 0)?, importer.input(node, 1)?);
    let bias = importer.maybe(node, 2)?;
    Ok(vec![importer.convolved(node, &x, &w, bias.as_ref())?])
}

/// Zeros between the elements, then a convolution with the kernels turned round.
fn transposed(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (x, w) = (importer.input(node, 0)?, importer.input(node, 1)?);
    let size = image(node, &x)?;
    let rank = size.len();
    let groups = groups(node)?;
    let bias = importer.maybe(node, 2)?;
    let kernel = match w.shape() {
        [c, _, kernel @ ..] if kernel.len() == rank && *c == x.size(1) && c % groups == 0 => {
            kernel.to_vec()
        }
        other => {
            let expected = format!("[{}, outputs / groups, kernel]", x.size(1));
            return Err(node.bad("kernels", expected, format!("{other:?}")));
        }
    };
    let stride = node.sizes("strides", rank, 1, 1)?;
    let dilation = node.sizes("dilations", rank, 1, 1)?;
    let extra = node.sizes("output_padding", rank, 0, 0)?;
    let extents: Vec<usize> = kernel
        .iter()
        .zip(&dilation)
        .map(|(k, d)| (k - 1) * d + 1)
        .collect();
    let pads = importer.transposed_pads(node, &size, &stride, &extents, &extra)?;
    let (mut x, mut w) = (x, w);
    for axis in 0..rank {
        let at = |v: &[usize]| v.get(axis).copied().unwrap_or(0);
        x = importer.stuffed(&x, axis + 2, at(&stride))?;
        let (low, high) = pads.get(axis).copied().unwrap_or_default();
        let reach = at(&extents) as i64 - 1;
        let zero = crate::onnx::value::Array::scalar(0.0, x.ty()).into();
        let ends = [reach - low, reach - high + at(&extra) as i64];
        x = importer.padded(&x, axis + 2, ends, "constant", &zero)?;
        let turned = (0..w.size(axis + 2)).rev().collect();
        w = importer.take(&w, axis + 2, turned)?;
    }
    // [C, O/g, …] to [O, C/g, …].
    let (c, o) = (w.size(0), w.size(1));
    let mut split = vec![groups, c / groups, o];
    split.extend(&kernel);
    let w = importer.reshape_to(&w, split)?;
    let perm: Vec<usize> = [0, 2, 1].into_iter().chain(3..3 + rank).collect();
    let w = importer.permuted(&w, &perm)?;
    let w = importer.reshape_to(&w, [&[groups * o, c / groups], kernel.as_slice()].concat())?;
    let geometry = Geometry {
        size: x.shape().get(2..).unwrap_or_default().to_vec(),
        kernel,
        stride: vec![1; rank],
        dilation,
        low: vec![0; rank],
        high: vec![0; rank],
        out: Vec::new(),
    };
    let geometry = geometry.measure(false).ok_or_else(|| {
        node.bad(
            "pads",
            "less than what the kernel reaches",
            format!("{pads:?}"),
        )
    })?;
    Ok(vec![importer.conv_of(
        &x,
        &w,
        bias.as_ref(),
        &geometry,
        groups,
    )?])
}

fn matmul(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (a, b) = (importer.input(node, 0)?, importer.input(node, 1)?);
    Ok(vec![importer.matmul_of(&a, &b)?])
}

fn gemm(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (a, b) = (importer.input(node, 0)?, importer.input(node, 1)?);
    let (a, mut b) = importer.matrices(node, "inputs 0 and 1", a, b)?;
    let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
    // Into what is known, if it is; else into the product.
    let known = matches!(b, Value::Constant(_));
    if known {
        b = importer.times(&b, alpha)?;
    }
    let mut y = importer.matmul_of(&a, &b)?;
    if !known {
        y = importer.times(&y, alpha)?;
    }
    if let Some(c) = importer.maybe(node, 2)? {
        let mut c = importer.times(&c, beta)?;
        let shape = y.shape().to_vec();
        if let (Value::Constant(_), true) = (&c, c.rank() < 2 || c.size(0) == 1) {
            // An offset for each column, as the product itself adds.
            let row = vec![1, y.size(1)];
            c = importer.expand(&c, &row)?;
        }
        y = importer.add(&y, &c)?;
        if y.shape() != shape {
            let expected = format!("a shape that broadcasts to {shape:?}");
            return Err(node.bad("input 2", expected, format!("{:?}", c.shape())));
        }
    }
    Ok(vec![y])
}

impl Importer {
    pub(super) fn convolved(
        &mut self,
        node: &OnnxNode,
        x: &Value,
        w: &Value,
        bias: Option<&Value>,
    ) -> Result<Value, ImportError> {
        let size = image(node, x)?;
        let kernel = w.shape().get(2..).filter(|k| k.len() == size.len());
        let Some(kernel) = kernel.filter(|k| k.iter().all(|&d| d > 0)) else {
            let expected = format!("{} dimensions", size.len() + 2);
            return Err(node.bad("kernels", expected, format!("{:?}", w.shape())));
        };
        let geometry = Geometry::of(node, &size, Some(kernel))?;
        self.conv_of(x, w, bias, &geometry, groups(node)?)
    }

    /// Two matrices, turned as the node says.
    pub(super) fn matrices(
        &mut self,
        node: &OnnxNode,
        what: &str,
        mut a: Value,
        mut b: Value,
    ) -> Result<(Value, Value), ImportError> {
        if a.rank() != 2 || b.rank() != 2 {
            let got = format!("{:?} and {:?}", a.shape(), b.shape());
            return Err(node.bad(what, "two dimensions", got));
        }
        if node.int("transA", 0) != 0 {
            a = self.swapped(&a)?;
        }
        if node.int("transB", 0) != 0 {
            b = self.swapped(&b)?;
        }
        Ok((a, b))
    }

    /// Padding taken off a transposed convolution, from attributes or from the wanted size.
    fn transposed_pads(
        &self,
        node: &OnnxNode,
        size: &[usize],
        stride: &[usize],
        extents: &[usize],
        extra: &[usize],
    ) -> Result<Vec<(i64, i64)>, ImportError> {
        let rank = size.len();
        let auto = node.text("auto_pad", "NOTSET");
        let wanted = match node.attribute("output_shape") {
            Some(shape) => Some(self.sizes_of("attribute 'output_shape'", &shape.ints)?),
            None if auto.starts_with("SAME") => {
                Some(size.iter().zip(stride).map(|(s, t)| s * t).collect())
            }
            None => None,
        };
        let Some(wanted) = wanted else {
            let pads = node.sizes("pads", 2 * rank, 0, 0)?;
            let (low, high) = pads.split_at(rank);
            let pair = |(&l, &h): (&usize, &usize)| (l as i64, h as i64);
            return Ok(low.iter().zip(high).map(pair).collect());
        };
        let wanted = wanted
            .get(wanted.len().saturating_sub(rank)..)
            .unwrap_or_default();
        let axes = size.iter().zip(stride).zip(extents).zip(extra).zip(wanted);
        Ok(axes
            .map(|((((&size, &stride), &extent), &extra), &wanted)| {
                let full = (size as i64 - 1) * stride as i64 + (extent + extra) as i64;
                let total = full - wanted as i64;
                let small = total / 2;
                match auto.as_str() {
                    // More than all there is: zeros at the end.
                    _ if total < 0 => (0, total),
                    "SAME_UPPER" => (small, total - small),
                    _ => (total - small, small),
                }
            })
            .collect())
    }
}
