//! Convolutions as products of polynomials.
//!
//! A plane of `Q` cells with row pitch `B` is the polynomial `X(v) = Σ X[q]·v^(Q−1−q)`. With
//! the taps `W[i][j]` at exponents `i·B + j`, the product `W(v)·X(v)` holds, at
//! `q = (y + K − 1)·B + x + K − 1`, the convolution at (y, x) — and at every other position
//! some sum that is committed as well but that nobody reads: reading it as an input later on
//! changes only positions that are not read either. So planes keep their pitch, and only their
//! tail grows by `(K − 1)(B + 1)` cells.
//!
//! `f·Σ_{c,i,j} W̃_cij(u)·v^(iB+j)·X_c(v) + D·β̃(u)·1(v) = Σ_o u^(O−1−o)·(D·p_o + rem_o − h)(v)`

use super::{planes::Input, term, Builder, LayoutError, Operand, Variable};
use crate::layout::{
    emit::{Axis, Output, Tap},
    matrix::Matrix,
    size::{indices, size, Size},
    Accumulator,
};
use zkml_graph::{Op, TensorId};

/// What tap `t` reads of the window that begins at `origin`, in a kernel of so many columns.
fn tap_place(origin: [usize; 2], t: usize, columns: usize) -> [Size; 2] {
    let [y, x] = origin.map(size);
    [y + size(t) / columns, x + size(t) % columns]
}

impl Builder<'_> {
    /// Lowers [`Op::Conv`].
    pub fn lower_conv(
        &mut self,
        node: usize,
        op: &Op,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let Op::Conv {
            x,
            w,
            bias,
            window,
            groups,
            div,
            clamp,
        } = op
        else {
            return Err(LayoutError::Graph("not a convolution".into()));
        };
        let [channels, _, _] = self.image_shape(*x)?;
        let [outputs, height, width] = self.image_shape(output)?;
        let window = &window.reduced([height, width]);
        let depthwise = *groups > 1;
        if depthwise && (*groups != channels || outputs != channels) {
            return Err(self.unsupported(
                format!("{groups} groups over {channels} channels"),
                "only ungrouped and depthwise convolutions (one output per channel) are proven",
            ));
        }
        let cells_each = if clamp.is_some() { 3 } else { 2 };
        let phases = self.phases(*x, window, output, cells_each)?;
        let input = self.conv_input(node, *x, window, phases)?;
        let origins: Vec<[usize; 2]> = input.origins()?;
        let kernel @ [kh, kw] = window.kernel;
        let taps_in = if depthwise { 1 } else { channels };
        let area = (size(kh) * kw).get()?;
        let terms = (size(taps_in) * area).get()?;
        let mut segments = Vec::new();
        for m in 0..terms {
            let source = |o: usize| Ok(Some((*w, (size(o) * terms + m).get()?)));
            let segment = (0..outputs).map(source);
            segments.push(segment.collect::<Result<Vec<_>, LayoutError>>()?);
        }
        if let Some(bias) = bias {
            segments.push((0..outputs).map(|o| Some((*bias, o))).collect());
        }
        // The bias, if there is one, comes last.
        let last = segments.len().saturating_sub(1);
        let matrix = self.weights(segments)?;

        let mut reach = 0;
        for [y, x] in &origins {
            let last = [size(*y) + kh - 1, size(*x) + kw - 1];
            reach = reach.max(input.exponent(last).get()?);
        }
        let used = (size(input.planes.cells) + reach).get()?;
        let segments = size(outputs) * origins.len();
        let geometry = self.geometry(segments, used, Variable::Position)?;
        let emit = self.emit(Output {
            geometry,
            div: *div,
            pre: self.pre(node),
            clamp: *clamp,
            bias: bias.map(|_| (matrix.clone(), last, Axis::Segment)),
            packed: false,
        })?;

        let sums: Vec<Operand> = origins
            .iter()
            .map(|origin| match depthwise {
                true => self.depthwise_sum(&input, &matrix, kernel, *origin),
                false => self.conv_sum(&input, &matrix, (channels, kernel), *origin),
            })
            .collect::<Result<_, _>>()?;
        let sum = self.over_phases(outputs, sums);
        // Align the product's last coefficient with the output planes' last cell.
        let after = (size(geometry.width()) - used).get()?;
        let slack = self.power(Variable::Position, after);
        let sum = self.mul(sum, slack);
        let mut left = self.combine([(emit.factor, sum)]);
        if bias.is_some() {
            let folded = self.weight_fold(&matrix, last);
            let ones = self.ones(Variable::Position, geometry.width());
            let spread = self.mul(folded, ones);
            let spread = self.over_phases(outputs, vec![spread; origins.len()]);
            left = self.combine([(1, left), (emit.divisor, spread)]);
        }
        let right = self.rounded_total(&emit);
        // Ungrouped: the weights' folds end at their padded width, the planes at `outputs`.
        let pad = size(matrix.geometry.width()) - outputs;
        let shift = self.power(Variable::Channel, pad.get()?);
        let right = self.mul(right, shift);
        self.program.assert_equal(left, right);

        let taps = |origin: [usize; 2]| -> Result<Vec<Tap>, LayoutError> {
            let each = (0..taps_in).flat_map(|c| (0..area).map(move |t| (c, t)));
            let tap = |(segment, (c, t)): (usize, (usize, usize))| {
                let at = tap_place(origin, t, kw);
                Ok(Tap {
                    plane: (size(c) * input.residues() + input.residue(at)).get()?,
                    shift: (size(reach) - input.exponent(at)).get()?,
                    segment,
                })
            };
            each.enumerate().map(tap).collect()
        };
        let taps = origins.iter().map(|origin| taps(*origin));
        let taps = taps.collect::<Result<_, _>>()?;
        let origin = size(input.planes.origin) + reach;
        let positions = (0..(size(outputs) * height * width).get()?)
            .map(|e| {
                let [o, y, x] = indices(e, [height, width]);
                let (phase, far) = input.output([y, x]);
                geometry.at(phase * outputs + o, origin + far).get()
            })
            .collect::<Result<_, _>>()?;
        let x = term(1, &input.home);
        let planes = input.firsts.clone();
        let cells = input.planes.cells;
        let accumulator = if depthwise {
            Accumulator::Depthwise {
                x,
                planes,
                cells,
                taps,
                matrix,
            }
        } else {
            Accumulator::Conv {
                x,
                planes,
                cells,
                taps,
                matrix,
            }
        };
        self.define(node, accumulator, emit, output, positions)?;
        Ok(format!(
            "polynomial product, planes of {}×{} cells",
            geometry.rows, self.shape.data
        ))
    }

    /// `Σ_ρ u^((R−1−ρ)·O)·value_ρ`, for R phases of O outputs.
    fn over_phases(&mut self, outputs: usize, values: Vec<Operand>) -> Operand {
        if let [only] = values.as_slice() {
            return *only;
        }
        let across = self.power(Variable::Channel, outputs);
        self.horner(across, values)
    }

    /// `Σ_c X_c(v)·W̃_c(u, v)`, of the windows that begin at `origin` and a stride on.
    fn conv_sum(
        &mut self,
        input: &Input,
        matrix: &Matrix,
        (channels, [kh, kw]): (usize, [usize; 2]),
        origin: [usize; 2],
    ) -> Result<Operand, LayoutError> {
        let residues = input.residues().get()?;
        let area = (size(kh) * kw).get()?;
        // Of each residue, the taps that read it: index and exponent.
        let mut taps: Vec<Vec<(usize, usize)>> = vec![Vec::new(); residues];
        for t in 0..area {
            let at = tap_place(origin, t, kw);
            taps[input.residue(at).get()?].push((t, input.exponent(at).get()?));
        }
        let offsets: Vec<Operand> = taps
            .iter()
            .map(|taps| {
                let exponents = taps.iter().map(|(_, exponent)| *exponent);
                self.kernel_offset(matrix, exponents.collect())
            })
            .collect();
        let mut sum = self.zero();
        for c in 0..channels {
            for (residue, taps) in taps.iter().enumerate() {
                let mut kernel = None;
                let mut last = 0;
                for &(t, exponent) in taps.iter().rev() {
                    let fold = self.weight_fold_raw(matrix, (size(c) * area + t).get()?);
                    kernel = Some(match kernel {
                        None => fold,
                        Some(so_far) => {
                            let step = (size(last) - exponent).get()?;
                            let step = self.power(Variable::Position, step);
                            self.program.mul_add(so_far, step, fold)
                        }
                    });
                    last = exponent;
                }
                let Some(kernel) = kernel else { continue };
                let shift = self.power(Variable::Position, last);
                let kernel = self.program.mul_add(kernel, shift, offsets[residue]);
                let plane = (size(c) * residues + residue).get()?;
                let plane = self.plane_value(input, plane);
                sum = self.program.mul_add(kernel, plane, sum);
            }
        }
        Ok(sum)
    }

    /// What the weights' offset contributes to a kernel's fold: `offset·1(u)·Σ v^exponent`.
    fn kernel_offset(&mut self, matrix: &Matrix, exponents: Vec<usize>) -> Operand {
        let mut sum = self.zero();
        let one = self.one();
        for exponent in exponents {
            let power = self.power(Variable::Position, exponent);
            sum = self.program.mul_add(power, one, sum);
        }
        let ones = self.ones(Variable::Channel, matrix.geometry.width());
        let spread = self.mul(sum, ones);
        self.combine([(matrix.offset.into(), spread)])
    }

    /// `Σ_c u^(C'−1−c)·X_c(v)·W_c(v)`, `C'` the padded number of channels, of the windows that begin at
    /// `origin` and a stride on.
    fn depthwise_sum(
        &mut self,
        input: &Input,
        matrix: &Matrix,
        [kh, kw]: [usize; 2],
        origin: [usize; 2],
    ) -> Result<Operand, LayoutError> {
        let residues = input.residues();
        let area = (size(kh) * kw).get()?;
        let channel = self.challenge(Variable::Channel);
        let mut total = self.zero();
        for c in 0..matrix.channels {
            let mut sum = self.zero();
            for t in 0..area {
                let at = tap_place(origin, t, kw);
                let weight = self.weight_cell(matrix, t, c)?;
                let power = self.power(Variable::Position, input.exponent(at).get()?);
                let tap = self.mul(weight, power);
                let plane = (residues * c + input.residue(at)).get()?;
                let plane = self.plane_value(input, plane);
                sum = self.program.mul_add(tap, plane, sum);
            }
            total = self.program.mul_add(total, channel, sum);
        }
        let pad = size(matrix.geometry.width()) - matrix.channels;
        let shift = self.power(Variable::Channel, pad.get()?);
        Ok(self.mul(total, shift))
    }
}
