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

use super::{term, Builder, Home, LayoutError, Operand, Variable};
use crate::{
    graph::{Op, TensorId, Window},
    layout::{
        block::Geometry,
        emit::{Axis, Output, Tap},
        home::Planes,
        weights::Matrix,
        Accumulator,
    },
};

/// The input of a convolution: planes (channel by channel, residue by residue) of one form.
struct Input {
    home: Home,
    planes: Planes,
    /// Strided convolutions read `stride²` residue planes per channel.
    stride: [usize; 2],
    /// Fold of each plane, without the offset.
    folds: Vec<Operand>,
    /// First cell of each plane.
    firsts: Vec<usize>,
}

impl Input {
    fn residues(&self) -> usize {
        self.stride[0] * self.stride[1]
    }

    fn residue(&self, i: usize, j: usize) -> usize {
        (i % self.stride[0]) * self.stride[1] + j % self.stride[1]
    }

    /// Exponent of a tap.
    fn exponent(&self, i: usize, j: usize) -> usize {
        i / self.stride[0] * self.planes.pitch + j / self.stride[1]
    }
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
        let depthwise = *groups > 1;
        if depthwise && (*groups != channels || outputs != channels) {
            return Err(self.unsupported(
                format!("{groups} groups over {channels} channels"),
                "only ungrouped and depthwise convolutions (one output per channel) are proven",
            ));
        }
        let input = self.conv_input(*x, window)?;
        let [kh, kw] = window.kernel;
        let taps_in = if depthwise { 1 } else { channels };
        let mut segments = Vec::with_capacity(taps_in * kh * kw + 1);
        for m in 0..taps_in * kh * kw {
            let source = |o: usize| Some((*w, o * taps_in * kh * kw + m));
            segments.push((0..outputs).map(source).collect::<Vec<_>>());
        }
        if let Some(bias) = bias {
            segments.push((0..outputs).map(|o| Some((*bias, o))).collect());
        }
        let range = self.weight_range(&[Some(*w), *bias].into_iter().flatten().collect::<Vec<_>>());
        let matrix = self.weights(&segments, range)?;

        let reach = input.exponent(kh - 1, kw - 1);
        let rows = self.rows_for(input.planes.cells + reach);
        let cells = rows * self.shape.data;
        let geometry = Geometry {
            segments: outputs,
            rows,
            variable: Variable::Position,
        };
        let emit = self.emit(Output {
            geometry,
            div: *div,
            pre: self.graph.nodes[node].pre,
            clamp: *clamp,
            bias: bias.map(|_| (matrix.clone(), segments.len() - 1, Axis::Segment)),
            packed: false,
        })?;

        let sum = if depthwise {
            self.depthwise_sum(&input, &matrix, [kh, kw])
        } else {
            self.conv_sum(&input, &matrix, channels, [kh, kw])
        };
        // Align the product's last coefficient with the output planes' last cell.
        let slack = self.power(Variable::Position, cells - input.planes.cells - reach);
        let sum = self.mul(sum, slack);
        let mut left = self.combine([(emit.factor, sum)]);
        if bias.is_some() {
            let folded = self.weight_fold(&matrix, segments.len() - 1);
            let ones = self.ones(Variable::Position, cells);
            let spread = self.mul(folded, ones);
            left = self.combine([(1, left), (emit.divisor, spread)]);
        }
        let right = self.rounded_total(&emit);
        // Ungrouped: the weights' folds end at their padded width, the planes at `outputs`.
        let pad = matrix.geometry.rows * self.shape.data - outputs;
        let shift = self.power(Variable::Channel, pad);
        let right = self.mul(right, shift);
        self.program.assert_equal(left, right);

        let taps = (0..taps_in)
            .flat_map(|c| (0..kh * kw).map(move |t| (c, t / kw, t % kw)))
            .enumerate()
            .map(|(segment, (c, i, j))| Tap {
                plane: c * input.residues() + input.residue(i, j),
                shift: reach - input.exponent(i, j),
                segment,
            })
            .collect();
        let origin = input.planes.origin + reach;
        let positions = (0..outputs * height * width)
            .map(|e| {
                let (o, y, x) = (e / (height * width), e / width % height, e % width);
                o * cells + origin + y * input.planes.pitch + x
            })
            .collect();
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
            "polynomial product, planes of {rows}×{} cells",
            self.shape.data
        ))
    }

    /// `Σ_c X_c(v)·W̃_c(u, v)`.
    fn conv_sum(
        &mut self,
        input: &Input,
        matrix: &Matrix,
        channels: usize,
        [kh, kw]: [usize; 2],
    ) -> Operand {
        let residues = input.residues();
        let taps: Vec<Vec<(usize, usize)>> = (0..residues)
            .map(|residue| {
                (0..kh * kw)
                    .map(|t| (t / kw, t % kw))
                    .filter(|(i, j)| input.residue(*i, *j) == residue)
                    .collect()
            })
            .collect();
        let offsets: Vec<Operand> = taps
            .iter()
            .map(|taps| self.kernel_offset(input, matrix, taps))
            .collect();
        let mut sum = self.zero();
        for c in 0..channels {
            for (residue, taps) in taps.iter().enumerate() {
                let mut kernel = None;
                let mut last = 0;
                for &(i, j) in taps.iter().rev() {
                    let fold = self.weight_fold_raw(matrix, c * kh * kw + i * kw + j);
                    let exponent = input.exponent(i, j);
                    kernel = Some(match kernel {
                        None => fold,
                        Some(so_far) => {
                            let step = self.power(Variable::Position, last - exponent);
                            self.program.mul_add(so_far, step, fold)
                        }
                    });
                    last = exponent;
                }
                let Some(kernel) = kernel else { continue };
                let shift = self.power(Variable::Position, last);
                let kernel = self.program.mul_add(kernel, shift, offsets[residue]);
                let plane = self.plane_value(input, c * residues + residue);
                sum = self.program.mul_add(kernel, plane, sum);
            }
        }
        sum
    }

    /// What the weights' offset contributes to a kernel's fold: `offset·1(u)·Σ v^exponent`.
    fn kernel_offset(
        &mut self,
        input: &Input,
        matrix: &Matrix,
        taps: &[(usize, usize)],
    ) -> Operand {
        let mut sum = self.zero();
        let one = self.one();
        for &(i, j) in taps {
            let power = self.power(Variable::Position, input.exponent(i, j));
            sum = self.program.mul_add(power, one, sum);
        }
        let ones = self.ones(Variable::Channel, matrix.geometry.rows * self.shape.data);
        let spread = self.mul(sum, ones);
        self.combine([(matrix.offset, spread)])
    }

    /// `Σ_c u^(C'−1−c)·X_c(v)·W_c(v)`, `C'` the padded number of channels.
    fn depthwise_sum(&mut self, input: &Input, matrix: &Matrix, [kh, kw]: [usize; 2]) -> Operand {
        let residues = input.residues();
        let channel = self.challenge(Variable::Channel);
        let mut total = self.zero();
        for c in 0..matrix.channels {
            let mut sum = self.zero();
            for t in 0..kh * kw {
                let (i, j) = (t / kw, t % kw);
                let weight = self.weight_cell(matrix, t, c);
                let power = self.power(Variable::Position, input.exponent(i, j));
                let tap = self.mul(weight, power);
                let plane = self.plane_value(input, c * residues + input.residue(i, j));
                sum = self.program.mul_add(tap, plane, sum);
            }
            total = self.program.mul_add(total, channel, sum);
        }
        let pad = matrix.geometry.rows * self.shape.data - matrix.channels;
        let shift = self.power(Variable::Channel, pad);
        self.mul(total, shift)
    }

    /// A plane's fold with its offset.
    fn plane_value(&mut self, input: &Input, plane: usize) -> Operand {
        let ones = self.ones(Variable::Position, input.planes.cells);
        self.combine([(1, input.folds[plane]), (input.home.offset, ones)])
    }

    /// Reads `x` as planes: in place if it lies that way, unpadded and with stride 1; else
    /// through copies, padding with zeros and splitting by residues.
    fn conv_input(&mut self, x: TensorId, window: &Window) -> Result<Input, LayoutError> {
        let shape @ [channels, height, width] = self.image_shape(x)?;
        let home = self.home(x)?;
        let plain = window.stride == [1, 1] && window.pads == [0; 4];
        let in_place = match (plain, home.geometry.variable) {
            (true, Variable::Position) => home.planes(shape, self.shape.data),
            _ => None,
        };
        if let Some(planes) = in_place {
            let folds = (0..channels)
                .map(|c| self.plane_fold(&home, c, channels))
                .collect();
            let firsts = (0..channels).map(|c| c * planes.cells).collect();
            return Ok(Input {
                home,
                planes,
                stride: [1, 1],
                folds,
                firsts,
            });
        }
        let [sy, sx] = window.stride;
        let [top, left, bottom, right] = window.pads;
        let plane_height = (height + top + bottom).div_ceil(sy);
        let pitch = (width + left + right).div_ceil(sx);
        let rows = self.rows_for(plane_height * pitch);
        let cells = rows * self.shape.data;
        let planes = channels * sy * sx;
        let mut elements = vec![None; planes * cells];
        for c in 0..channels {
            for y in 0..height {
                for x in 0..width {
                    let (py, px) = (y + top, x + left);
                    let plane = (c * sy + py % sy) * sx + px % sx;
                    elements[plane * cells + py / sy * pitch + px / sx] =
                        Some((c * height + y) * width + x);
                }
            }
        }
        let geometry = Geometry {
            segments: planes,
            rows,
            variable: Variable::Position,
        };
        let home = self.gather(&home, geometry, &elements, true)?;
        let folds = (0..planes)
            .map(|plane| self.plane_fold(&home, plane, planes.max(2)))
            .collect();
        Ok(Input {
            home,
            planes: Planes {
                cells,
                pitch,
                origin: 0,
            },
            stride: window.stride,
            folds,
            firsts: (0..planes).map(|plane| plane * cells).collect(),
        })
    }

    /// The fold of one plane over all limbs: a segment, or all of a single plane's segments.
    fn plane_fold(&mut self, home: &Home, plane: usize, planes: usize) -> Operand {
        let terms: Vec<(i64, Operand)> = home
            .limbs
            .iter()
            .map(|limb| {
                let fold = if planes == 1 {
                    self.flat(limb.block)
                } else {
                    Operand::Fold {
                        block: limb.block,
                        segment: plane,
                    }
                };
                (limb.base as i64, fold)
            })
            .collect();
        self.combine(terms)
    }
}
