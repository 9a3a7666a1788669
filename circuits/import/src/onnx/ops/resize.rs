//! Resizing: each dimension on its own, as a choice of elements (nearest) or a public matrix
//! (linear, cubic).

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::value::{Array, Type, Value};
use crate::ImportError;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    match operator {
        "Resize" | "Upsample" => Some(resize),
        _ => None,
    }
}

/// One dimension's part.
struct Axis {
    from: usize,
    to: usize,
    scale: f64,
    roi: (f64, f64),
}

fn resize(importer: &mut Importer, node: &OnnxNode) -> Results {
    let mut x = importer.input(node, 0)?;
    let upsample = node.kind() == "Upsample" || node.proto.input.len() == 2;
    let at = if upsample { 1 } else { 2 };
    let rank = x.rank();
    let axes = node.attribute("axes").map(|a| a.ints.clone());
    let axes = axes.unwrap_or_else(|| (0..rank as i64).collect());
    let axes = axes
        .into_iter()
        .map(|a| node.axis(a, rank))
        .collect::<Result<Vec<_>, _>>()?;
    let scales = match importer
        .maybe_known(node, at)?
        .filter(|s| !s.values.is_empty())
    {
        Some(scales) => Some(scales.values.to_vec()),
        None => node
            .attribute("scales")
            .map(|a| a.floats.iter().map(|&v| v.into()).collect()),
    };
    let sizes = importer
        .maybe_known(node, 3)?
        .filter(|s| !s.values.is_empty());
    let roi = match node.text("coordinate_transformation_mode", "").as_str() {
        "tf_crop_and_resize" => importer.maybe_known(node, 1)?,
        _ => None,
    };
    let mut parts = Vec::new();
    for (i, &axis) in axes.iter().enumerate() {
        let from = x.size(axis);
        let end = |at: usize| roi.as_ref().and_then(|r| r.values.get(at)).copied();
        let roi = (end(i).unwrap_or(0.0), end(i + axes.len()).unwrap_or(1.0));
        let (to, scale) = match (&sizes, &scales) {
            (Some(sizes), _) => {
                let to = sizes.values.get(i).copied().unwrap_or(0.0);
                (to, to / from as f64)
            }
            (None, Some(scales)) => {
                let scale = scales.get(i).copied().unwrap_or(0.0);
                ((from as f64 * scale * (roi.1 - roi.0)).floor(), scale)
            }
            _ => return Err(node.bad("inputs", "scales or sizes", "neither")),
        };
        if !(1.0..=65536.0).contains(&to) || !scale.is_finite() {
            return Err(node.bad("size", "from 1 to 65536", to));
        }
        let to = to as usize;
        parts.push(Axis {
            from,
            to,
            scale,
            roi,
        });
    }
    keep_ratio(node, &mut parts, sizes.is_some());
    for (part, axis) in parts.into_iter().zip(axes) {
        if part.from == part.to && part.scale == 1.0 && part.roi == (0.0, 1.0) {
            continue;
        }
        x = importer.resized(node, &x, axis, &part)?;
    }
    Ok(vec![x])
}

/// One factor for all dimensions where the node asks for it.
fn keep_ratio(node: &OnnxNode, parts: &mut [Axis], sizes: bool) {
    let pick: fn(f64, f64) -> f64 = match node.text("keep_aspect_ratio_policy", "stretch").as_str()
    {
        "not_larger" => f64::min,
        "not_smaller" => f64::max,
        _ => return,
    };
    let scale = parts.iter().map(|p| p.scale).reduce(pick).filter(|_| sizes);
    for part in parts {
        if let Some(scale) = scale {
            part.scale = scale;
            part.to = (scale * part.from as f64).round().max(1.0) as usize;
        }
    }
}

/// Where in the source an index of the result lies.
fn source(mode: &str, i: f64, part: &Axis) -> f64 {
    let (from, to) = (part.from as f64, part.to as f64);
    match mode {
        "asymmetric" => i / part.scale,
        "align_corners" if part.to == 1 => 0.0,
        "align_corners" => {
            let length = from * part.scale;
            if length == 1.0 {
                0.0
            } else {
                i * (from - 1.0) / (length - 1.0)
            }
        }
        "pytorch_half_pixel" if part.to == 1 => -0.5,
        "tf_crop_and_resize" if part.to == 1 => (part.roi.0 + part.roi.1) * (from - 1.0) / 2.0,
        "tf_crop_and_resize" => {
            let (start, end) = part.roi;
            start * (from - 1.0) + i * (end - start) * (from - 1.0) / (to - 1.0)
        }
        "half_pixel_symmetric" => {
            let adjustment = to / (part.scale * from);
            let centre = from / 2.0;
            centre * (1.0 - adjustment) + (i + 0.5) / part.scale - 0.5
        }
        _ => (i + 0.5) / part.scale - 0.5,
    }
}

fn nearest(mode: &str, v: f64) -> f64 {
    match mode {
        "floor" => v.floor(),
        "ceil" => v.ceil(),
        "round_prefer_ceil" => (v + 0.5).floor(),
        _ => (v - 0.5).ceil(),
    }
}

/// The weight of a tap at a distance.
fn weight(mode: &str, a: f64, distance: f64) -> f64 {
    let d = distance.abs();
    match mode {
        "cubic" if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
        "cubic" if d < 2.0 => ((d - 5.0) * d + 8.0) * d * a - 4.0 * a,
        "cubic" => 0.0,
        _ => (1.0 - d).max(0.0),
    }
}

impl Importer {
    fn resized(
        &mut self,
        node: &OnnxNode,
        x: &Value,
        axis: usize,
        part: &Axis,
    ) -> Result<Value, ImportError> {
        let mode = node.text("mode", "nearest");
        let old = node.kind() == "Upsample" || self.opset < 11;
        let default = if old { "asymmetric" } else { "half_pixel" };
        let place = node.text("coordinate_transformation_mode", default);
        let rounding = node.text(
            "nearest_mode",
            if old { "floor" } else { "round_prefer_floor" },
        );
        let from = part.from as f64;
        let crop = place == "tf_crop_and_resize";
        let fill = node.float("extrapolation_value", 0.0);
        if mode == "nearest" && !crop {
            let at = |i: usize| {
                let v = nearest(&rounding, source(&place, i as f64, part));
                v.clamp(0.0, from - 1.0) as usize
            };
            return self.take(x, axis, (0..part.to).map(at).collect());
        }
        // A row of weights for each element of the result; with antialiasing, wider where it shrinks.
        let a = node.float("cubic_coeff_a", -0.75);
        let shrink = match node.int("antialias", 0) != 0 && part.scale < 1.0 {
            true => part.scale,
            false => 1.0,
        };
        let exclude = node.int("exclude_outside", 0) != 0;
        let reach = if mode == "cubic" { 2.0 } else { 1.0 } / shrink;
        self.spend(part.from.saturating_mul(part.to))?;
        let mut matrix = vec![0.0; part.from * part.to];
        let mut outside = vec![0.0; part.to];
        for (i, row) in matrix.chunks_mut(part.from).enumerate() {
            let v = source(&place, i as f64, part);
            if crop && !(0.0..=from - 1.0).contains(&v) {
                if let Some(slot) = outside.get_mut(i) {
                    *slot = fill;
                }
                continue;
            }
            if mode == "nearest" {
                let at = nearest(&rounding, v).clamp(0.0, from - 1.0) as usize;
                row.iter_mut().skip(at).take(1).for_each(|w| *w = 1.0);
                continue;
            }
            let mut total = 0.0;
            let (first, last) = ((v - reach).floor() as i64, (v + reach).ceil() as i64);
            for tap in first..=last {
                let w = weight(&mode, a, (tap as f64 - v) * shrink);
                if exclude && !(0.0..=from - 1.0).contains(&(tap as f64)) {
                    continue;
                }
                total += w;
                let at = tap.clamp(0, part.from as i64 - 1) as usize;
                row.iter_mut().skip(at).take(1).for_each(|slot| *slot += w);
            }
            row.iter_mut()
                .for_each(|w| *w /= if total == 0.0 { 1.0 } else { total });
        }
        let matrix: Value = Array::public(vec![part.to, part.from], matrix, Type::Real).into();
        let matrix = self.permuted(&matrix, &[1, 0])?;
        let rows = self.axis_last(x, axis)?;
        let y = self.matmul_of(&rows, &matrix)?;
        let y = match fill == 0.0 || !crop {
            true => y,
            false => {
                let offset = Array::public(vec![part.to], outside, Type::Real).into();
                self.add(&y, &offset)?
            }
        };
        self.last_to(&y, axis)
    }
}
