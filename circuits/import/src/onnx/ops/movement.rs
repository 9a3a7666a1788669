//! Operators that move elements.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::value::{coordinates, count, Array, Type, Value};
use crate::ImportError;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "Concat" => concat,
        "Split" => split,
        "Slice" => slice,
        "Tile" => tile,
        "Pad" => pad,
        "DepthToSpace" | "SpaceToDepth" => blocks,
        "Trilu" => triangle,
        "CenterCropPad" => center,
        "ReverseSequence" => reverse,
        _ => return None,
    })
}

fn concat(importer: &mut Importer, node: &OnnxNode) -> Results {
    let values = importer.inputs(node)?;
    let rank = values.first().map_or(0, Value::rank);
    let axis = node.axis(node.int("axis", 1), rank)?;
    Ok(vec![importer.joined(&values, axis)?])
}

fn split(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let axis = node.axis(node.int("axis", 0), x.rank())?;
    let size = x.size(axis);
    let parts = node.proto.output.len();
    let lengths = match importer.list(node, 1, "split")? {
        Some(list) => importer.sizes_of("split", &list)?,
        None => {
            let named = node.attribute("num_outputs").is_some();
            if !named && (importer.opset >= 18 || size % parts.max(1) != 0) {
                let expected = format!("'split' or 'num_outputs' for {size} elements");
                return Err(node.bad("lengths", expected, "neither"));
            }
            // The last part is the smaller one.
            let each = size.div_ceil(parts.max(1));
            let rest = |i: usize| size.saturating_sub(i * each).min(each);
            (0..parts).map(rest).collect()
        }
    };
    if count(&[lengths.iter().fold(0usize, |a, &b| a.saturating_add(b))]) != size {
        let expected = format!("lengths that add up to {size}");
        return Err(node.bad("split", expected, format!("{lengths:?}")));
    }
    let mut start = 0;
    let mut values = Vec::with_capacity(lengths.len());
    for length in lengths {
        values.push(importer.slice(&x, axis, start, length)?);
        start += length;
    }
    Ok(values)
}

/// Starts, ends, axes and steps as inputs (since operator set 10) or attributes.
fn slice(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let mut list = |at: usize, name: &str| importer.list(node, at, name);
    let absent = |name: &str| node.bad(name, "a list", "nothing");
    let starts = list(1, "starts")?.ok_or_else(|| absent("starts"))?;
    let ends = list(2, "ends")?.ok_or_else(|| absent("ends"))?;
    let axes = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        let got = format!("{starts:?}, {ends:?}, {axes:?}, {steps:?}");
        return Err(node.bad("starts, ends, axes, steps", "lists of one length", got));
    }
    let places = importer.axes_of(node, Some(axes.clone()), x.rank())?;
    if places.len() != axes.len() {
        return Err(node.bad("axes", "each of them once", format!("{axes:?}")));
    }
    let mut y = x;
    for (((start, end), axis), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
        let axis = node.axis(axis, y.rank())?;
        let size = y.size(axis) as i64;
        let counted = |v: i64| if v < 0 { v.saturating_add(size) } else { v };
        let indices: Vec<usize> = match step {
            0 => return Err(node.bad("steps", "none of them 0", 0)),
            step if step > 0 => {
                let (start, end) = (counted(start).clamp(0, size), counted(end).clamp(0, size));
                let step = usize::try_from(step).unwrap_or(usize::MAX);
                (start as usize..end.max(start) as usize)
                    .step_by(step)
                    .collect()
            }
            step => {
                let (start, end) = (
                    counted(start).clamp(-1, size - 1),
                    counted(end).clamp(-1, size - 1),
                );
                let step = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
                let down = (end.min(start) + 1..=start).rev();
                down.step_by(step).map(|i| i as usize).collect()
            }
        };
        y = importer.take(&y, axis, indices)?;
    }
    Ok(vec![y])
}

fn tile(importer: &mut Importer, node: &OnnxNode) -> Results {
    let mut x = importer.input(node, 0)?;
    let repeats = importer.known(node, 1)?.integers();
    let repeats = importer.sizes_of("repeats", &repeats)?;
    if repeats.len() != x.rank() {
        return Err(node.bad("repeats", format!("{} of them", x.rank()), repeats.len()));
    }
    for (axis, times) in repeats.into_iter().enumerate() {
        let size = x.size(axis);
        importer.spend(size.saturating_mul(times))?;
        x = importer.take(&x, axis, (0..times).flat_map(|_| 0..size).collect())?;
    }
    Ok(vec![x])
}

fn pad(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let pads = importer.list(node, 1, "pads")?;
    let pads = pads.ok_or_else(|| node.bad("pads", "a constant", "nothing"))?;
    let axes = match importer.maybe_known(node, 3)? {
        Some(axes) => axes.integers(),
        None => (0..x.rank() as i64).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(node.bad("pads", format!("{} numbers", 2 * axes.len()), pads.len()));
    }
    let value = match importer.maybe(node, 2)? {
        Some(Value::Constant(array)) => match &*array.values {
            // Padding with zeros is what is computed; another value is a weight.
            [0.0] => {
                importer.disclose(&array, "the value", true);
                Array::scalar(0.0, x.ty()).into()
            }
            [_] => array.into(),
            all => return Err(node.bad("input 2", "one value", all.len())),
        },
        Some(value) => value,
        None => Array::scalar(node.float("value", 0.0), x.ty()).into(),
    };
    let places = importer.axes_of(node, Some(axes.clone()), x.rank())?;
    if places.len() != axes.len() {
        return Err(node.bad("axes", "each of them once", format!("{axes:?}")));
    }
    let mode = node.text("mode", "constant");
    let (low, high) = pads.split_at(axes.len());
    let mut y = x;
    for ((&axis, &low), &high) in axes.iter().zip(low).zip(high) {
        let axis = node.axis(axis, y.rank())?;
        y = importer.padded(&y, axis, [low, high], &mode, &value)?;
    }
    Ok(vec![y])
}

/// DepthToSpace and SpaceToDepth.
fn blocks(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let &[n, c, h, w] = x.shape() else {
        return Err(node.bad("input 0", "four dimensions", format!("{:?}", x.shape())));
    };
    let b = usize::try_from(node.int("blocksize", 0)).unwrap_or(0);
    let to_depth = node.kind() == "SpaceToDepth";
    let fits = match to_depth {
        true => b > 0 && h % b == 0 && w % b == 0,
        false => b > 0 && b < 4096 && c % (b * b) == 0,
    };
    if !fits {
        let got = node.int("blocksize", 0);
        return Err(node.bad(
            "attribute 'blocksize'",
            format!("one that divides {:?}", x.shape()),
            got,
        ));
    }
    let (split, perm, shape): (Vec<usize>, [usize; 6], Vec<usize>) = if to_depth {
        (
            vec![n, c, h / b, b, w / b, b],
            [0, 3, 5, 1, 2, 4],
            vec![n, c * b * b, h / b, w / b],
        )
    } else if node.text("mode", "DCR") == "CRD" {
        (
            vec![n, c / (b * b), b, b, h, w],
            [0, 1, 4, 2, 5, 3],
            vec![n, c / (b * b), h * b, w * b],
        )
    } else {
        (
            vec![n, b, b, c / (b * b), h, w],
            [0, 3, 4, 1, 5, 2],
            vec![n, c / (b * b), h * b, w * b],
        )
    };
    let y = importer.reshape_to(&x, split)?;
    let y = importer.permuted(&y, &perm)?;
    Ok(vec![importer.reshape_to(&y, shape)?])
}

/// Zeros above or below a diagonal.
fn triangle(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let k = importer.maybe_number(node, 1)?.unwrap_or(0.0);
    let upper = node.int("upper", 1) != 0;
    let [.., _, _] = x.shape() else {
        return Err(node.bad("input 0", "two dimensions", format!("{:?}", x.shape())));
    };
    importer.spend(x.count())?;
    let mut mask = Vec::with_capacity(x.count());
    coordinates(x.shape(), |at| {
        if let [.., row, column] = at {
            let above = *column as f64 - *row as f64 - k;
            mask.push(f64::from(u8::from(if upper {
                above >= 0.0
            } else {
                above <= 0.0
            })));
        }
    });
    let mask = Array::public(x.shape().to_vec(), mask, Type::Bool).into();
    let zeros = importer.filled(x.shape(), 0.0, x.ty())?;
    Ok(vec![importer.choose(&mask, &x, &zeros)?])
}

fn center(importer: &mut Importer, node: &OnnxNode) -> Results {
    let mut x = importer.input(node, 0)?;
    let sizes = importer.known(node, 1)?.integers();
    let sizes = importer.sizes_of("input 1", &sizes)?;
    let axes = node.attribute("axes").map(|a| a.ints.clone());
    let axes = axes.unwrap_or_else(|| (0..x.rank() as i64).collect());
    for (axis, wanted) in axes.into_iter().zip(sizes) {
        let axis = node.axis(axis, x.rank())?;
        let size = x.size(axis);
        x = if wanted <= size {
            importer.slice(&x, axis, (size - wanted) / 2, wanted)?
        } else {
            let low = ((wanted - size) / 2) as i64;
            let high = (wanted - size) as i64 - low;
            let zero = Array::scalar(0.0, x.ty()).into();
            importer.padded(&x, axis, [low, high], "constant", &zero)?
        };
    }
    Ok(vec![x])
}

fn reverse(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.input(node, 0)?;
    let lengths = importer.known(node, 1)?.integers();
    let (batch, time) = (
        node.axis(node.int("batch_axis", 1), x.rank())?,
        node.axis(node.int("time_axis", 0), x.rank())?,
    );
    let lengths = importer.sizes_of("input 1", &lengths)?;
    if lengths.len() != x.size(batch) || lengths.iter().any(|&l| l > x.size(time)) {
        let expected = format!("{} lengths up to {}", x.size(batch), x.size(time));
        return Err(node.bad("input 1", expected, format!("{lengths:?}")));
    }
    let y = importer.pick_by(&x, x.shape(), |at| {
        let mut from = at.to_vec();
        let length = at
            .get(batch)
            .and_then(|&b| lengths.get(b))
            .copied()
            .unwrap_or(0);
        if let Some(t) = from.get_mut(time).filter(|t| **t < length) {
            *t = length - 1 - *t;
        }
        from
    })?;
    Ok(vec![y])
}

impl Importer {
    /// Padding along one dimension; negative padding cuts, before the other side is padded.
    pub(super) fn padded(
        &mut self,
        x: &Value,
        axis: usize,
        pads: [i64; 2],
        mode: &str,
        value: &Value,
    ) -> Result<Value, ImportError> {
        let [cut_low, cut_high] = pads.map(|p| p.min(0).unsigned_abs() as usize);
        let Some(left) = x.size(axis).checked_sub(cut_low.saturating_add(cut_high)) else {
            let expected = format!("at most the {} elements there are to cut", x.size(axis));
            return Err(self.bad("pads", expected, format!("{pads:?}")));
        };
        let x = &self.slice(x, axis, cut_low, left)?;
        let size = left as i64;
        let [low, high] = pads.map(|p| p.clamp(0, 1 << 26));
        let most = match mode {
            "reflect" => size - 1,
            "constant" => i64::MAX,
            _ if size == 0 => 0,
            _ => i64::MAX,
        };
        if low.max(high) > most.max(0) {
            let expected = format!("at most {} in mode '{mode}'", most.max(0));
            return Err(self.bad("pads", expected, format!("{pads:?}")));
        }
        let total = usize::try_from(size + low + high).unwrap_or(0);
        let mut shape = x.shape().to_vec();
        if let Some(slot) = shape.get_mut(axis) {
            *slot = total;
        }
        self.spend(count(&shape))?;
        let inside = |i: i64| (0..size).contains(&i).then_some(i);
        let span = 2 * (size - 1).max(1);
        let source = |at: i64| match mode {
            "edge" => Some(at.clamp(0, size - 1)),
            "wrap" => Some(at.rem_euclid(size)),
            "reflect" => {
                let turned = at.rem_euclid(span);
                Some(if turned < size { turned } else { span - turned })
            }
            _ => inside(at),
        };
        let sources: Vec<Option<i64>> = (0..total as i64).map(|i| source(i - low)).collect();
        let whole = if sources.iter().all(Option::is_some) {
            x.clone()
        } else {
            // One slice of the value, from which all of the padding is taken.
            let mut one = x.shape().to_vec();
            if let Some(slot) = one.get_mut(axis) {
                *slot = 1;
            }
            let value = self.reshape_to(value, vec![])?;
            let value = self.expand(&value, &one)?.typed(x.ty());
            self.joined(&[x.clone(), value], axis)?
        };
        let indices = sources.into_iter().map(|s| s.unwrap_or(size) as usize);
        self.take(&whole, axis, indices.collect())
    }
}
