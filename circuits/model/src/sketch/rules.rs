//! What each layer asks for, as the layout's rules have it.

use super::{
    demand::{Demand, Function, Holds},
    Amount,
};
use std::collections::{BTreeMap, BTreeSet};
use zkml_import::{LayerShape, Operand};

/// How an image lies: cells from one row to the next, and cells of a plane.
#[derive(Clone, Copy)]
struct Plane {
    pitch: Amount,
    cells: Amount,
}

/// What the layers so far have made.
#[derive(Default)]
pub(super) struct Tracker {
    seen: BTreeSet<i64>,
    planes: BTreeMap<i64, Plane>,
    /// Tensors whose values are between 0 and 6.
    six: BTreeSet<i64>,
    /// Tensors whose cells lie as rows of channels want them.
    in_rows: BTreeSet<i64>,
    /// Products with weights for each channel: sums that follow are one layer with them.
    scaled: BTreeSet<i64>,
}

const ONE: Amount = Amount::ONE;

fn count(shape: &[usize]) -> Amount {
    shape
        .iter()
        .fold(ONE, |all, side| all * Amount::from(*side))
}

fn last(shape: &[usize]) -> Amount {
    shape.last().copied().unwrap_or(1).into()
}

/// A parameter that counts; negative ones count as none.
fn side(parameter: i64) -> Amount {
    u64::try_from(parameter).unwrap_or(0).max(1).into()
}

fn values(number: u64) -> Holds {
    Holds::Values(number.into())
}

fn small(number: u64) -> Holds {
    Holds::Small(number.into())
}

impl Tracker {
    /// What a layer takes.
    pub fn demand(&mut self, layer: &LayerShape) -> Demand {
        let mut demand = Demand::default();
        for operand in layer.operands.iter().filter(|o| o.weight) {
            if self.seen.insert(operand.id) {
                demand.weights += count(&operand.shape);
            }
        }
        let out = layer.outputs.first().map_or(&[][..], Vec::as_slice);
        let size = count(out);
        let fused = layer.params.first().copied().unwrap_or(0);
        let (kind, operands) = (layer.kind.as_str(), layer.operands.as_slice());
        match (kind, operands) {
            ("Conv2D" | "DepthwiseConv2D", [x, w, rest @ ..]) => {
                self.convolution(&mut demand, layer, (x, w), !rest.is_empty());
            }
            ("FullyConnected", [x, w, rest @ ..]) => {
                self.dense(&mut demand, (x, w), (!rest.is_empty(), fused));
            }
            ("BatchMatMul", [a, b]) => products(&mut demand, size, last(&a.shape), (a, b)),
            ("AveragePool2D" | "MaxPool2D", _) => {
                let sides = layer.params.iter().take(2);
                let area = sides.fold(ONE, |area, size| area * side(*size));
                let extra = if kind == "MaxPool2D" { area * 2 } else { ONE };
                let six = operands.iter().any(|x| self.six.contains(&x.id));
                let all = area + extra;
                let holds = if six {
                    Holds::Six(all)
                } else {
                    Holds::Values(all)
                };
                demand.run(ONE, size, holds);
                demand.run(ONE, size, small(u64::from(kind == "AveragePool2D")));
            }
            ("Mul" | "Add" | "Sub", [a, b]) if a.weight != b.weight => {
                let (x, w) = if a.weight { (b, a) } else { (a, b) };
                self.by_weights(&mut demand, layer, (x, w), size);
            }
            ("Mul" | "Square" | "SquaredDifference", _) => {
                demand.product = true;
                let before = if kind == "SquaredDifference" { 2 } else { 1 };
                demand.run(ONE, size, values(before));
                demand.run(ONE, size, Holds::Products);
                demand.rounded(ONE, size, 0);
                demand.multiply_adds = size;
                parameters(&mut demand, operands);
            }
            ("DivVar", _) => {
                demand.product = true;
                demand.run(ONE, size, values(4));
                demand.run(ONE, size, Holds::Products);
            }
            ("Add" | "Sub" | "Update" | "Div", _) => {
                demand.run(ONE, size, values(2));
                parameters(&mut demand, operands);
            }
            ("Mean", [x, ..]) => {
                demand.run(ONE, count(&x.shape), values(1));
                demand.rounded(ONE, size, 0);
                demand.scalars = count(&x.shape).whole_parts_of(size) * 4;
            }
            ("Softmax", _) => {
                // Maxima by halves, differences, two tables and their product, a sum, a quotient.
                demand.product = true;
                demand.run(ONE, size, values(12));
                demand.run(ONE, size, Holds::Products);
                demand.run(ONE, size, small(12));
                demand.function = Some(Function::Halves("exp"));
            }
            ("Logistic", _) => demand.looked_up(size, Function::Short("logistic", 0.7)),
            ("Tanh", _) => demand.looked_up(size, Function::Short("tanh", 0.7)),
            ("Sqrt", _) => demand.looked_up(size, Function::Long("sqrt")),
            ("Rsqrt", _) => demand.looked_up(size, Function::Long("rsqrt")),
            ("Pow", _) => demand.looked_up(size, Function::Long("pow")),
            ("Relu", _) => demand.run(ONE, size, values(2)),
            // Copies, where what is joined does not lie alike.
            ("Concatenation" | "Pack" | "MaskNegInf" | "Pad", _) => {
                demand.run(ONE, size, values(1));
            }
            // The same cells.
            _ => {}
        }
        self.follow(layer);
        demand
    }

    /// Where what is made lies.
    fn follow(&mut self, layer: &LayerShape) {
        let Some(x) = layer.operands.first() else {
            return;
        };
        let keeps = [
            "Mul", "Add", "Sub", "Relu", "Tanh", "Logistic", "Pow", "Reshape",
        ];
        let kind = layer.kind.as_str();
        let activation = layer.params.get(if kind == "Conv2D" { 2 } else { 0 });
        let clamped = match kind {
            "Conv2D" | "FullyConnected" | "Add" => activation == Some(&3),
            "AveragePool2D" | "MaxPool2D" | "Reshape" => self.six.contains(&x.id),
            _ => false,
        };
        for id in &layer.ids {
            if clamped {
                self.six.insert(*id);
            }
            if keeps.contains(&layer.kind.as_str()) {
                if let Some(plane) = self.planes.get(&x.id).copied() {
                    self.planes.entry(*id).or_insert(plane);
                }
                if self.in_rows.contains(&x.id) {
                    self.in_rows.insert(*id);
                }
            }
            if layer.kind == "FullyConnected" {
                self.in_rows.insert(*id);
            }
        }
    }

    fn dense(
        &mut self,
        demand: &mut Demand,
        (x, w): (&Operand, &Operand),
        (bias, activation): (bool, i64),
    ) {
        let inputs = last(&w.shape);
        let outputs = count(&w.shape).whole_parts_of(inputs);
        let rows = count(&x.shape).whole_parts_of(inputs);
        if !w.weight {
            return products(demand, rows * outputs, inputs, (x, w));
        }
        demand.multiply_adds = rows * inputs * outputs;
        demand.run(inputs + usize::from(bias).into(), outputs, Holds::Weights);
        if rows == ONE {
            demand.rounded(ONE, outputs, activation);
            demand.scalars = inputs * 12;
            return;
        }
        // Each output is a plane of all rows.
        demand.rounded(outputs, rows, activation);
        demand.scalars = inputs * 16;
        if !self.in_rows.contains(&x.id) {
            demand.run(inputs, rows, values(1));
        }
    }

    fn convolution(
        &mut self,
        demand: &mut Demand,
        layer: &LayerShape,
        (x, w): (&Operand, &Operand),
        bias: bool,
    ) {
        let out = layer.outputs.first().map_or(&[][..], Vec::as_slice);
        let (&[_, height, width, channels], &[kernels, kh, kw, depth]) =
            (&x.shape[..], &w.shape[..])
        else {
            return;
        };
        let [height, width, channels] = [height, width, channels].map(Amount::from);
        let [kernels, kh, kw, depth] = [kernels, kh, kw, depth].map(Amount::from);
        let param = |at: usize| layer.params.get(at).copied().unwrap_or(0);
        let depthwise = param(0) == 1 || layer.kind == "DepthwiseConv2D";
        let [sy, sx] = [3, 4].map(|at| side(param(at)));
        let [oh, ow] = [1, 2].map(|at| Amount::from(out.get(at).copied().unwrap_or(1)));
        // The padded image, as far as windows reach.
        let (h, w_) = (
            (oh.before() * sy + kh).max(height),
            (ow.before() * sx + kw).max(width),
        );
        let plain = (sy, sx, h, w_) == (ONE, ONE, height, width);
        let natural = Plane {
            pitch: w_.in_parts_of(sx),
            cells: h.in_parts_of(sy) * w_.in_parts_of(sx),
        };
        let known = self.planes.get(&x.id).copied().filter(|_| plain);
        let plane = known.unwrap_or(natural);
        if known.is_none() && channels > ONE || !plain {
            demand.run(channels * sy * sx, plane.cells, values(1));
        }
        let reach = kh.before().whole_parts_of(sy) * plane.pitch + kw.before().whole_parts_of(sx);
        let cells = plane.cells + reach;
        let (outputs, segments) = match depthwise {
            true => (depth, kh * kw),
            false => (kernels, kh * kw * depth),
        };
        demand.run(segments + usize::from(bias).into(), outputs, Holds::Weights);
        // A window that is all of the image is a dense layer.
        let whole = plain && (oh, ow) == (ONE, ONE);
        let (planes, long) = if whole {
            (ONE, outputs)
        } else {
            (outputs, cells)
        };
        demand.rounded(planes, long, param(2));
        demand.scalars = channels * kh * kw * 16;
        let per_output = if depthwise { kh * kw } else { kh * kw * depth };
        demand.multiply_adds = count(out) * per_output;
        let pitch = plane.pitch;
        for id in &layer.ids {
            self.planes.insert(*id, Plane { pitch, cells });
        }
    }

    /// A product with, or a sum of, weights that channels share.
    fn by_weights(
        &mut self,
        demand: &mut Demand,
        layer: &LayerShape,
        (x, w): (&Operand, &Operand),
        size: Amount,
    ) {
        let mul = layer.kind == "Mul";
        demand.multiply_adds = if mul { size } else { Amount::default() };
        let count_of = count(&w.shape);
        demand.run(ONE, count_of, Holds::Weights);
        if count(&x.shape) != size || count_of == size && size > last(&w.shape) {
            // Where the weights are as many as elements, they are read as a tensor.
            demand.product = mul;
            demand.run(ONE, size, if mul { Holds::Products } else { values(1) });
            return demand.rounded(ONE, size, 0);
        }
        let fused = layer.kind == "Add" && self.scaled.contains(&x.id);
        if mul {
            self.scaled.extend(&layer.ids);
        }
        if fused {
            return;
        }
        let channels = last(&x.shape).max(ONE);
        let cells = self
            .planes
            .get(&x.id)
            .map_or(size.whole_parts_of(channels), |p| p.cells);
        let activation = if mul {
            0
        } else {
            layer.params.first().copied().unwrap_or(0)
        };
        demand.kept(channels, cells, activation);
        if mul {
            demand.run(channels, cells, Holds::Remainders);
        }
    }
}

/// Weights that are read as tensors.
fn parameters(demand: &mut Demand, operands: &[Operand]) {
    for operand in operands.iter().filter(|o| o.weight) {
        demand.run(ONE, count(&operand.shape), Holds::Weights);
    }
}

/// A product of two computed matrices: strips of both, and the result.
fn products(demand: &mut Demand, size: Amount, depth: Amount, (a, b): (&Operand, &Operand)) {
    let (left, right) = (count(&a.shape), count(&b.shape));
    demand.run(ONE, left + right, values(1));
    demand.rounded(ONE, size, 0);
    // a: [batch·m, k], b: [batch·k, n], so that a·b/size = batch·k².
    demand.scalars = (left * right).whole_parts_of(size * depth) * 16;
    demand.multiply_adds = size * depth;
}
