//! How convolutions read images, and in which order they lay out what they make.
//!
//! An image of stride s is read as s² planes, one for the positions of each residue: element
//! (y·s + a, x·s + b) is cell (y, x) of plane (a, b). Then a tap shifts whole planes, whatever the
//! stride. Outputs may be laid out so as well, in *phases*, if a pool with that stride reads them: its
//! windows then are sums of shifted planes, and no tap is copied.

use super::{Builder, Home, LayoutError, Operand, Variable};
use crate::{
    graph::{TensorId, Window},
    layout::{block::Geometry, home::Planes},
};

/// The input of a convolution: planes (channel by channel, residue by residue) of one form.
pub(super) struct Input {
    pub(super) home: Home,
    pub(super) planes: Planes,
    /// Stride of the convolution.
    stride: [usize; 2],
    /// Phases of the output in each direction.
    pub(super) phases: [usize; 2],
    /// Fold of each plane, without the offset.
    folds: Vec<Operand>,
    /// First cell of each plane.
    pub(super) firsts: Vec<usize>,
}

impl Input {
    /// Planes of a channel.
    pub(super) fn residues(&self) -> usize {
        let [sy, sx] = self.split();
        sy * sx
    }

    /// Distance of neighbours in a plane.
    fn split(&self) -> [usize; 2] {
        [0, 1].map(|d| self.stride[d] * self.phases[d])
    }

    /// Phases, and where the windows of each begin.
    pub(super) fn origins(&self) -> impl Iterator<Item = [usize; 2]> {
        let ([sy, sx], [py, px]) = (self.stride, self.phases);
        (0..py * px).map(move |phase| [phase / px * sy, phase % px * sx])
    }

    /// The residue that a tap reads.
    pub(super) fn residue(&self, [y, x]: [usize; 2]) -> usize {
        let [sy, sx] = self.split();
        y % sy * sx + x % sx
    }

    /// Exponent of a tap.
    pub(super) fn exponent(&self, [y, x]: [usize; 2]) -> usize {
        let [sy, sx] = self.split();
        y / sy * self.planes.pitch + x / sx
    }

    /// Where the element (y, x) of an output is: its phase, and the distance from the first.
    pub(super) fn output(&self, y: usize, x: usize) -> (usize, usize) {
        let [py, px] = self.phases;
        (y % py * px + x % px, y / py * self.planes.pitch + x / px)
    }
}

/// Rows and columns of the planes of an image that is padded.
pub(super) fn plane_size(
    [height, width]: [usize; 2],
    [top, left, bottom, right]: [usize; 4],
    [sy, sx]: [usize; 2],
) -> [usize; 2] {
    let rows = (height + top + bottom).div_ceil(sy);
    [rows, (width + left + right).div_ceil(sx)]
}

impl Builder<'_> {
    /// A plane's fold with its offset.
    pub(super) fn plane_value(&mut self, input: &Input, plane: usize) -> Operand {
        let ones = self.ones(Variable::Position, input.planes.cells);
        self.combine([(1, input.folds[plane]), (input.home.offset.into(), ones)])
    }

    /// Reads `x` as planes: in place if it lies that way, unpadded and with stride 1; else
    /// through copies, padding with zeros and splitting by residues.
    pub(super) fn conv_input(
        &mut self,
        node: usize,
        x: TensorId,
        window: &Window,
        phases: [usize; 2],
    ) -> Result<Input, LayoutError> {
        let shape @ [channels, height, width] = self.image_shape(x)?;
        let home = self.home(x)?;
        let split @ [sy, sx] = [0, 1].map(|d| window.stride[d] * phases[d]);
        if let Some(planes) = self.planes_in_place(&home, shape, window.pads, split) {
            let folds = (0..channels)
                .map(|c| self.plane_fold(&home, c, channels))
                .collect();
            let firsts = (0..channels).map(|c| c * planes.cells).collect();
            return Ok(Input {
                home,
                planes,
                stride: [1, 1],
                phases: [1, 1],
                folds,
                firsts,
            });
        }
        let [top, left, _, _] = window.pads;
        let [plane_height, pitch] = plane_size([height, width], window.pads, split);
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
        let home = self.storing_zero(node, home)?;
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
            phases,
            folds,
            firsts: (0..planes).map(|plane| plane * cells).collect(),
        })
    }

    pub(super) fn planes_in_place(
        &self,
        home: &Home,
        shape: [usize; 3],
        pads: [usize; 4],
        split: [usize; 2],
    ) -> Option<Planes> {
        let plain = split == [1, 1] && pads == [0; 4];
        match (plain, home.geometry.variable) {
            (true, Variable::Position) => home.planes(shape, self.shape.data),
            _ => None,
        }
    }

    /// The fold of one plane over all limbs: a segment, or all of a single plane's segments.
    fn plane_fold(&mut self, home: &Home, plane: usize, planes: usize) -> Operand {
        let terms: Vec<(i128, Operand)> = home
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
                (limb.base.into(), fold)
            })
            .collect();
        self.combine(terms)
    }
}
