//! Sums of windows without copies: where the taps of all windows lie at the same distances, a sum over
//! windows is a sum of shifted planes.
//!
//! With tap t of every output s cells after the first one, in a plane g segments after its plane, and the
//! least of these distances m:
//!
//! `f·Σ_t v^(s_t − m)·Σ_o u^(O−1−o)·X_{o+g_t}(v) = Σ_o u^(O−1−o)·(D·p_o + rem_o − h)(v)`
//!
//! Positions that are not read hold whatever sum stands there, as in convolutions.

use super::{phases::unpadded_tap, term, Builder, Home, LayoutError, Operand, Variable};
use crate::{
    graph::{Interval, TensorId, Window},
    layout::{
        block::Geometry,
        bounds::Declared,
        emit::{Output, Shift},
        home::distinct,
        Accumulator,
    },
};

/// Windows whose taps lie at the same distances.
struct Aligned {
    /// Segments that hold a first tap, in order.
    bases: Vec<usize>,
    /// Tap by tap: segments, and cells less the least, from the first tap's.
    taps: Vec<(i64, usize)>,
    /// The largest of these cells.
    reach: usize,
    /// Output by output: index of the segment, and the first cell of the window in it.
    outputs: Vec<(usize, usize)>,
}

impl Aligned {
    /// `None` if distances differ, or if two windows are one.
    fn find(home: &Home, width: usize, window: &Window, shapes: [[usize; 3]; 2]) -> Option<Self> {
        if home.geometry.variable != Variable::Position || window.pads != [0; 4] {
            return None;
        }
        let count = shapes[1].iter().product();
        let at = |e: usize, t: usize| {
            let position = home.positions.get(unpadded_tap(window, shapes, e, t))?;
            Some((*position / width, *position % width))
        };
        let distance = |e: usize, t: usize| {
            let ((s0, q0), (s, q)) = (at(e, 0)?, at(e, t)?);
            Some((s as i64 - s0 as i64, q as i64 - q0 as i64))
        };
        let taps = 0..window.kernel.iter().product();
        let far = taps
            .map(|t| distance(0, t))
            .collect::<Option<Vec<(i64, i64)>>>()?;
        let same = |e: usize| (0..far.len()).all(|t| distance(e, t) == Some(far[t]));
        if !(0..count).all(same) {
            return None;
        }
        let least = far.iter().map(|(_, cells)| *cells).min()?;
        let firsts = (0..count)
            .map(|e| at(e, 0))
            .collect::<Option<Vec<(usize, usize)>>>()?;
        let mut bases: Vec<usize> = firsts.iter().map(|(segment, _)| *segment).collect();
        bases.sort_unstable();
        bases.dedup();
        let outputs = firsts.iter().map(|(segment, cell)| {
            let index = bases.binary_search(segment).ok()?;
            Some((index, usize::try_from(*cell as i64 + least).ok()?))
        });
        let outputs = outputs.collect::<Option<Vec<_>>>()?;
        let flat: Vec<usize> = outputs.iter().map(|(s, q)| s * width + q).collect();
        if !distinct(&flat, bases.len() * width) {
            return None;
        }
        let taps: Vec<(i64, usize)> = far
            .iter()
            .map(|(segments, cells)| (*segments, (cells - least) as usize))
            .collect();
        Some(Self {
            reach: taps.iter().map(|(_, cells)| *cells).max()?,
            bases,
            taps,
            outputs,
        })
    }

    /// The segment that a tap of the output in segment `o` is in.
    fn segment(&self, o: usize, tap: i64) -> usize {
        (self.bases[o] as i64 + tap) as usize
    }
}

impl Builder<'_> {
    /// Lowers an average pool whose windows are aligned, if that takes fewer cells than copying taps.
    pub(super) fn aligned_avg_pool(
        &mut self,
        node: usize,
        home: &Home,
        window: &Window,
        [x, output]: [TensorId; 2],
    ) -> Result<Option<String>, LayoutError> {
        let shapes @ [_, made @ [channels, height, width]] =
            [self.image_shape(x)?, self.image_shape(output)?];
        let cells = home.geometry.rows * self.shape.data;
        let Some(windows) = Aligned::find(home, cells, window, shapes) else {
            return Ok(None);
        };
        let segments = windows.bases.len();
        let rows = self.rows_for(cells + windows.reach);
        let dense = self.pooled_geometry(channels, height * width).cells(1);
        let copying = (windows.taps.len() + 2) * dense;
        if 2 * segments * rows + dense >= copying {
            return Ok(None);
        }
        let out_cells = rows * self.shape.data;
        let emit = self.emit(Output {
            geometry: Geometry {
                segments,
                rows,
                variable: Variable::Position,
            },
            div: window.divisor(),
            // Averages of whatever stands in the planes; taps beyond a plane's end are no taps.
            pre: Declared::of(self.held(home.offset, &home.limbs)?).union(Interval::point(0)),
            clamp: None,
            bias: None,
            packed: false,
        })?;
        let sum = self.window_sum(home, &windows);
        let slack = self.power(Variable::Position, out_cells - cells - windows.reach);
        let sum = self.mul(sum, slack);
        let left = self.combine([(emit.factor, sum)]);
        let right = self.rounded_total(&emit);
        self.program.assert_equal(left, right);

        let shifts = (0..segments).flat_map(|o| windows.taps.iter().map(move |tap| (o, *tap)));
        let shifts = shifts.map(|(o, (tap, far))| Shift {
            from: windows.segment(o, tap) * cells,
            to: o * out_cells + windows.reach - far,
        });
        let accumulator = Accumulator::Shifted {
            x: term(1, home),
            cells,
            shifts: shifts.collect(),
        };
        let positions = windows.outputs.iter();
        let positions = positions.map(|(s, q)| s * out_cells + q + windows.reach);
        self.define(node, accumulator, emit, output, positions.collect())?;
        let pooled = self.home(output)?;
        let regular = pooled.planes(made, self.shape.data).is_some();
        // Whoever reads the planes has as many cells, and more than one for each: gaps are dearer than a copy.
        let gaps = (segments * rows).saturating_sub(dense);
        if !regular || 4 * gaps > dense {
            self.homes[output.0] = Some(self.gather_channels(&pooled, channels)?);
        }
        Ok(Some(format!(
            "sum of {} shifted planes",
            windows.taps.len()
        )))
    }

    /// `Σ_t v^(s_t − m)·Σ_o u^(O−1−o)·X_{o+g_t}(v)`: taps in one plane together.
    fn window_sum(&mut self, home: &Home, windows: &Aligned) -> Operand {
        let ones = self.ones(Variable::Position, home.geometry.rows * self.shape.data);
        let channel = self.challenge(Variable::Channel);
        let mut planes: Vec<i64> = windows.taps.iter().map(|(tap, _)| *tap).collect();
        planes.sort_unstable();
        planes.dedup();
        let mut total = self.zero();
        for plane in planes {
            let mut factor = self.zero();
            for (_, far) in windows.taps.iter().filter(|(tap, _)| *tap == plane) {
                let power = self.power(Variable::Position, *far);
                factor = self.combine([(1, factor), (1, power)]);
            }
            let values: Vec<Operand> = (0..windows.bases.len())
                .map(|o| {
                    let segment = windows.segment(o, plane);
                    let fold = |block| Operand::Fold { block, segment };
                    self.value(&home.limbs, home.offset.into(), fold, ones)
                })
                .collect();
            let across = self.horner(channel, values);
            total = self.program.mul_add(factor, across, total);
        }
        total
    }
}
