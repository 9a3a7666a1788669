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
use crate::layout::{
    bounds::Declared,
    emit::{Output, Shift},
    home::distinct,
    size::{size, Size},
    Accumulator,
};
use zkml_graph::{Interval, TensorId, Window};

/// Windows whose taps lie at the same distances.
struct Aligned {
    /// Segments that hold a first tap, in order.
    bases: Vec<usize>,
    /// Tap by tap: segments, and cells less the least, from the first tap's.
    taps: Vec<(isize, usize)>,
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
        let count = Size::product(shapes[1]).known()?;
        let at = |e: usize, t: usize| {
            let position = home.positions.get(unpadded_tap(window, shapes, e, t)?)?;
            Some((position.checked_div(width)?, position.checked_rem(width)?))
        };
        let distance = |e: usize, t: usize| {
            let ((s0, q0), (s, q)) = (at(e, 0)?, at(e, t)?);
            Some((s.checked_signed_diff(s0)?, q.checked_signed_diff(q0)?))
        };
        let taps = 0..Size::product(window.kernel).known()?;
        let far = taps
            .map(|t| distance(0, t))
            .collect::<Option<Vec<(isize, isize)>>>()?;
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
            Some((index, cell.checked_add_signed(least)?))
        });
        let outputs = outputs.collect::<Option<Vec<_>>>()?;
        let flat = outputs.iter().map(|(s, q)| (size(*s) * width + *q).known());
        let flat = flat.collect::<Option<Vec<usize>>>()?;
        if !distinct(&flat, (size(bases.len()) * width).known()?) {
            return None;
        }
        let taps = far.iter().map(|(segments, cells)| {
            let cells = usize::try_from(cells.checked_sub(least)?).ok()?;
            Some((*segments, cells))
        });
        let taps = taps.collect::<Option<Vec<(isize, usize)>>>()?;
        Some(Self {
            reach: taps.iter().map(|(_, cells)| *cells).max()?,
            bases,
            taps,
            outputs,
        })
    }

    /// The segment that a tap of the output in segment `o` is in.
    fn segment(&self, o: usize, tap: isize) -> Result<usize, LayoutError> {
        let base = self.bases.get(o);
        base.and_then(|base| base.checked_add_signed(tap))
            .ok_or_else(|| LayoutError::Graph("a window beyond its image".into()))
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
        let cells = home.geometry.width();
        let Some(windows) = Aligned::find(home, cells, window, shapes) else {
            return Ok(None);
        };
        let segments = windows.bases.len();
        let used = (size(cells) + windows.reach).get()?;
        let geometry = self.geometry(segments, used, Variable::Position)?;
        let pixels = (size(height) * width).get()?;
        let dense = self.pooled_geometry(channels, pixels)?.all_rows();
        let copying = (size(windows.taps.len()) + 2) * dense;
        if (size(geometry.all_rows()) * 2 + dense).get()? >= copying.get()? {
            return Ok(None);
        }
        let emit = self.emit(Output {
            geometry,
            div: window.divisor(),
            // Averages of whatever stands in the planes; taps beyond a plane's end are no taps.
            pre: Declared::of(self.held(home.offset, &home.limbs)?).union(Interval::point(0)),
            clamp: None,
            bias: None,
            packed: false,
        })?;
        let sum = self.window_sum(home, &windows)?;
        let after = (size(geometry.width()) - used).get()?;
        let slack = self.power(Variable::Position, after);
        let sum = self.mul(sum, slack);
        let left = self.combine([(emit.factor, sum)]);
        let right = self.rounded_total(&emit);
        self.program.assert_equal(left, right);

        let shifts = (0..segments).flat_map(|o| windows.taps.iter().map(move |tap| (o, *tap)));
        let shifts = shifts.map(|(o, (tap, far))| {
            Ok(Shift {
                from: (size(windows.segment(o, tap)?) * cells).get()?,
                to: geometry.at(o, size(windows.reach) - far).get()?,
            })
        });
        let accumulator = Accumulator::Shifted {
            x: term(1, home),
            cells,
            shifts: shifts.collect::<Result<_, LayoutError>>()?,
        };
        let positions = windows.outputs.iter();
        let positions = positions.map(|(s, q)| geometry.at(*s, size(*q) + windows.reach).get());
        let positions = positions.collect::<Result<_, _>>()?;
        self.define(node, accumulator, emit, output, positions)?;
        let pooled = self.home(output)?;
        let regular = pooled.planes(made).is_some();
        // Whoever reads the planes has as many cells, and more than one for each: gaps are dearer than a copy.
        let gaps = geometry.all_rows().saturating_sub(dense);
        if !regular || gaps.saturating_mul(4) > dense {
            self.homes[output.0] = Some(self.gather_channels(&pooled, channels)?);
        }
        Ok(Some(format!(
            "sum of {} shifted planes",
            windows.taps.len()
        )))
    }

    /// `Σ_t v^(s_t − m)·Σ_o u^(O−1−o)·X_{o+g_t}(v)`: taps in one plane together.
    fn window_sum(&mut self, home: &Home, windows: &Aligned) -> Result<Operand, LayoutError> {
        let ones = self.ones(Variable::Position, home.geometry.width());
        let channel = self.challenge(Variable::Channel);
        let mut planes: Vec<isize> = windows.taps.iter().map(|(tap, _)| *tap).collect();
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
                    let segment = windows.segment(o, plane)?;
                    let fold = |block| Operand::Fold { block, segment };
                    Ok(self.value(&home.limbs, home.offset.into(), fold, ones))
                })
                .collect::<Result<_, LayoutError>>()?;
            let across = self.horner(channel, values);
            total = self.program.mul_add(factor, across, total);
        }
        Ok(total)
    }
}
