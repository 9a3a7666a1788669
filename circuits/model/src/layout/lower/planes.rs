//! How convolutions read images, and in which order they lay out what they make.
//!
//! An image of stride s is read as s² planes, one for the positions of each residue: element
//! (y·s + a, x·s + b) is cell (y, x) of plane (a, b). Then a tap shifts whole planes, whatever the
//! stride. Outputs may be laid out so as well, in *phases*, if a pool with that stride reads them: its
//! windows then are sums of shifted planes, and no tap is copied.

use super::{Builder, Home, LayoutError, Operand, Variable};
use crate::layout::{
    home::Planes,
    size::{size, Size},
};
use zkml_graph::{TensorId, Window};

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
    pub(super) fn residues(&self) -> Size {
        let [sy, sx] = self.split();
        sy * sx
    }

    /// Distance of neighbours in a plane.
    fn split(&self) -> [Size; 2] {
        [0, 1].map(|d| size(self.stride[d]) * self.phases[d])
    }

    /// Phases, and where the windows of each begin.
    pub(super) fn origins(&self) -> Result<Vec<[usize; 2]>, LayoutError> {
        let [rows, columns] = [0, 1].map(|d| {
            let phases = (0..self.phases[d]).map(|phase| (size(phase) * self.stride[d]).get());
            phases.collect::<Result<Vec<_>, _>>()
        });
        let columns = columns?;
        let row = |y: usize| columns.iter().map(move |x| [y, *x]);
        Ok(rows?.into_iter().flat_map(row).collect())
    }

    /// The residue that a tap reads.
    pub(super) fn residue(&self, [y, x]: [Size; 2]) -> Size {
        let [sy, sx] = self.split();
        y % sy * sx + x % sx
    }

    /// Exponent of a tap.
    pub(super) fn exponent(&self, [y, x]: [Size; 2]) -> Size {
        let [sy, sx] = self.split();
        y / sy * self.planes.pitch + x / sx
    }

    /// Where the element (y, x) of an output is: its phase, and the distance from the first.
    pub(super) fn output(&self, [y, x]: [Size; 2]) -> (Size, Size) {
        let [py, px] = self.phases;
        (y % py * px + x % px, y / py * self.planes.pitch + x / px)
    }
}

/// Rows and columns of the planes of an image that is padded.
pub(super) fn plane_size(
    [height, width]: [usize; 2],
    [top, left, bottom, right]: [usize; 4],
    [sy, sx]: [usize; 2],
) -> [Size; 2] {
    let rows = (size(height) + top + bottom).div_ceil(sy);
    [rows, (size(width) + left + right).div_ceil(sx)]
}

/// Distance of neighbours in a plane: as many planes as there are residues.
pub(super) fn split(window: &Window, phases: [usize; 2]) -> Result<[usize; 2], LayoutError> {
    let [sy, sx] = [0, 1].map(|d| (size(window.stride[d]) * phases[d]).get());
    Ok([sy?, sx?])
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
        let split @ [sy, sx] = split(window, phases)?;
        if let Some(planes) = self.planes_in_place(&home, shape, window.pads, split) {
            let folds = (0..channels)
                .map(|c| self.plane_fold(&home, c, channels))
                .collect();
            let firsts = (0..channels).map(|c| (size(c) * planes.cells).get());
            let firsts = firsts.collect::<Result<_, _>>()?;
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
        let pitch = pitch.get()?;
        let planes = (size(channels) * sy * sx).get()?;
        let used = (plane_height * pitch).get()?;
        let geometry = self.geometry(planes, used, Variable::Position)?;
        let mut elements = vec![None; geometry.cells()];
        let mut next = 0..(size(channels) * height * width).get()?;
        for c in 0..channels {
            for y in 0..height {
                for x in 0..width {
                    let (py, px) = (size(y) + top, size(x) + left);
                    let plane = (size(c) * sy + py % sy) * sx + px % sx;
                    let place = geometry.at(plane, py / sy * pitch + px / sx);
                    elements[place.get()?] = next.next();
                }
            }
        }
        let home = self.storing_zero(node, home)?;
        let home = self.gather(&home, geometry, &elements, true)?;
        let folds = (0..planes)
            .map(|plane| self.plane_fold(&home, plane, planes.max(2)))
            .collect();
        Ok(Input {
            home,
            planes: Planes {
                cells: geometry.width(),
                pitch,
                origin: 0,
            },
            stride: window.stride,
            phases,
            folds,
            firsts: (0..planes)
                .map(|plane| geometry.at(plane, 0).get())
                .collect::<Result<_, _>>()?,
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
            (true, Variable::Position) => home.planes(shape),
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
