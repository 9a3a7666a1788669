//! Windows over images of any rank: where each one lies, and what it covers.

use super::value::{coordinates, count, strides};
use super::OnnxNode;
use crate::ImportError;
use zkml_graph::Window;

/// Windows over the dimensions after batch and channel.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    pub size: Vec<usize>,
    pub kernel: Vec<usize>,
    pub stride: Vec<usize>,
    pub dilation: Vec<usize>,
    pub low: Vec<usize>,
    /// Declared padding; windows may hang over it where sizes are rounded up.
    pub high: Vec<usize>,
    pub out: Vec<usize>,
}

/// One window: the image's elements under it.
pub(super) struct Place {
    /// For each tap, the element in the plane; `None` in the padding.
    pub taps: Vec<Option<usize>>,
    /// Taps on the image or its declared padding.
    pub padded: usize,
}

impl Geometry {
    /// From a node's attributes.
    pub fn of(
        node: &OnnxNode,
        size: &[usize],
        kernel: Option<&[usize]>,
    ) -> Result<Geometry, ImportError> {
        let rank = size.len();
        let kernel = match (kernel, node.attribute("kernel_shape")) {
            (kernel, Some(_)) => {
                let own = node.sizes("kernel_shape", rank, 1, 1)?;
                if kernel.is_some_and(|k| k != own.as_slice()) {
                    let expected = format!("{kernel:?}");
                    return Err(node.bad("attribute 'kernel_shape'", expected, format!("{own:?}")));
                }
                own
            }
            (Some(kernel), None) => kernel.to_vec(),
            (None, None) => return Err(node.bad("attribute 'kernel_shape'", "sizes", "nothing")),
        };
        let pads = node.sizes("pads", 2 * rank, 0, 0)?;
        let (low, high) = pads.split_at(rank.min(pads.len()));
        let mut geometry = Geometry {
            size: size.to_vec(),
            kernel,
            stride: node.sizes("strides", rank, 1, 1)?,
            dilation: node.sizes("dilations", rank, 1, 1)?,
            low: low.to_vec(),
            high: high.to_vec(),
            out: Vec::new(),
        };
        let up = node.int("ceil_mode", 0) != 0;
        let auto = node.text("auto_pad", "NOTSET");
        match auto.as_str() {
            "" | "NOTSET" => {}
            "VALID" => {
                geometry.low = vec![0; rank];
                geometry.high = vec![0; rank];
            }
            "SAME_UPPER" => geometry.same(false),
            "SAME_LOWER" => geometry.same(true),
            other => {
                let expected = "NOTSET, VALID, SAME_UPPER or SAME_LOWER";
                return Err(node.bad("attribute 'auto_pad'", expected, other));
            }
        }
        geometry.measure(up).ok_or_else(|| {
            let expected = format!("one that fits an image of {size:?}");
            let got = format!(
                "kernel {:?}, dilations {:?}, pads {:?} and {:?}",
                geometry.kernel, geometry.dilation, geometry.low, geometry.high
            );
            node.bad("window", expected, got)
        })
    }

    /// A window that covers the whole image.
    pub fn whole(size: &[usize]) -> Geometry {
        let rank = size.len();
        Geometry {
            size: size.to_vec(),
            kernel: size.to_vec(),
            stride: vec![1; rank],
            dilation: vec![1; rank],
            low: vec![0; rank],
            high: vec![0; rank],
            out: vec![1; rank],
        }
    }

    pub fn rank(&self) -> usize {
        self.size.len()
    }

    fn extent(&self, axis: usize) -> usize {
        let at = |v: &[usize]| v.get(axis).copied().unwrap_or(1);
        at(&self.kernel)
            .saturating_sub(1)
            .saturating_mul(at(&self.dilation))
            .saturating_add(1)
    }

    /// Padding such that each stride of the image has a window.
    fn same(&mut self, low_first: bool) {
        let all = self.size.iter().zip(&self.stride).enumerate();
        let pads: Vec<(usize, usize)> = all
            .map(|(axis, (&size, &stride))| {
                let covered = size.div_ceil(stride).saturating_sub(1) * stride + self.extent(axis);
                let total = covered.saturating_sub(size);
                let low = if low_first {
                    total.div_ceil(2)
                } else {
                    total / 2
                };
                (low, total - low)
            })
            .collect();
        (self.low, self.high) = pads.into_iter().unzip();
    }

    /// Fills in `out`. A window that would start in the padding after the image is left out.
    pub fn measure(&self, round_up: bool) -> Option<Geometry> {
        let mut out = Vec::with_capacity(self.rank());
        for axis in 0..self.rank() {
            let at = |v: &[usize]| v.get(axis).copied();
            let (size, low, stride) = (at(&self.size)?, at(&self.low)?, at(&self.stride)?);
            let padded = size.checked_add(low)?.checked_add(at(&self.high)?)?;
            let room = padded.checked_sub(self.extent(axis))?;
            let mut steps = room / stride;
            if round_up {
                steps = room.div_ceil(stride);
                if steps * stride >= size + low {
                    steps = steps.saturating_sub(1);
                }
            }
            out.push(steps + 1);
        }
        Some(Geometry {
            out,
            ..self.clone()
        })
    }

    /// Number of windows.
    pub fn positions(&self) -> usize {
        count(&self.out)
    }

    /// Taps of a window.
    pub fn taps(&self) -> usize {
        count(&self.kernel)
    }

    /// Every window, in row-major order.
    pub fn places(&self) -> Vec<Place> {
        let strides = strides(&self.size);
        let mut places = Vec::with_capacity(self.positions());
        coordinates(&self.out, |at| {
            let mut place = Place {
                taps: Vec::with_capacity(self.taps()),
                padded: 0,
            };
            coordinates(&self.kernel, |tap| {
                let (mut element, mut inside, mut padded) = (0, true, true);
                let steps = self.stride.iter().zip(&self.dilation);
                let sides = self.size.iter().zip(self.low.iter().zip(&self.high));
                let axes = at.iter().zip(tap).zip(steps).zip(sides).zip(&strides);
                for ((((&at, &tap), (&stride, &dilation)), (&size, (&low, &high))), &step) in axes {
                    let from = at * stride + tap * dilation;
                    padded &= from < size.saturating_add(low).saturating_add(high);
                    match from.checked_sub(low).filter(|&i| i < size) {
                        Some(i) => element += i * step,
                        None => inside = false,
                    }
                }
                place.taps.push(inside.then_some(element));
                place.padded += usize::from(padded);
            });
            places.push(place);
        });
        places
    }

    /// As the graph's own window, if it has one for it: at most two dimensions.
    pub fn window(&self) -> Option<Window> {
        let two = |v: &[usize], fill: usize| match *v {
            [w] => Some([fill, w]),
            [h, w] => Some([h, w]),
            _ => None,
        };
        let extents: Vec<usize> = (0..self.rank()).map(|axis| self.extent(axis)).collect();
        let (kernel, stride) = (two(&extents, 1)?, two(&self.stride, 1)?);
        let low = two(&self.low, 0)?;
        // Enough behind the image for the last window, whichever way the size was rounded.
        let mut high = Vec::with_capacity(self.rank());
        for axis in 0..self.rank() {
            let at = |v: &[usize]| v.get(axis).copied();
            let end = (at(&self.out)? - 1) * at(&self.stride)? + self.extent(axis);
            let own = at(&self.size)? + at(&self.low)?;
            high.push(end.saturating_sub(own));
        }
        let high = two(&high, 0)?;
        Some(Window {
            kernel,
            stride,
            pads: [low[0], low[1], high[0], high[1]],
        })
    }

    /// Height and width, if there are at most two dimensions.
    pub fn image(&self) -> Option<[usize; 2]> {
        match *self.size.as_slice() {
            [w] => Some([1, w]),
            [h, w] => Some([h, w]),
            _ => None,
        }
    }

    pub fn is_dilated(&self) -> bool {
        self.dilation
            .iter()
            .zip(&self.kernel)
            .any(|(&d, &k)| d > 1 && k > 1)
    }
}
