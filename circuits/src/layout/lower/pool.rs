//! Pooling: the taps of all windows are copied side by side, one block a tap, where windows do not lie so
//! that they are sums of planes.

use super::{term, Builder, Home, LayoutError, Variable};
use crate::{
    graph::{Clamp, Interval, TensorId, Window},
    layout::{
        block::Geometry,
        bounds::Declared,
        emit::{Axis, Output, Term},
        Accumulator,
    },
};

impl Builder<'_> {
    /// Lowers [`crate::graph::Op::AvgPool`]: `f·Σ taps + h = D·p + rem`.
    pub fn lower_avg_pool(
        &mut self,
        node: usize,
        x: TensorId,
        window: &Window,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let home = self.home(x)?;
        if let Some(strategy) = self.aligned_avg_pool(node, &home, window, [x, output])? {
            return Ok(strategy);
        }
        let home = self.storing_zero(node, home)?;
        let taps = self.window_taps(x, &home, window, output, Padding::Zeros)?;
        let geometry = taps.geometry;
        let [kh, kw] = window.kernel;
        // Cells after those of windows are averages of zeros.
        let pre = self.pre(node).union(Interval::point(0));
        let emit = self.emit(Output {
            geometry,
            div: window.divisor(),
            pre,
            clamp: None,
            bias: None::<(_, usize, Axis)>,
            packed: false,
        })?;
        let terms: Vec<Term> = taps.homes.iter().map(|tap| term(1, tap)).collect();
        self.assert_terms(&terms, 0, &emit)?;
        self.define(
            node,
            Accumulator::Sum { terms, constant: 0 },
            emit,
            output,
            taps.positions,
        )?;
        Ok(format!("{} copied taps", kh * kw))
    }

    /// Lowers [`crate::graph::Op::MaxPool`]: `max(m, x) = x + relu(m − x)`, tap by tap.
    pub fn lower_max_pool(
        &mut self,
        node: usize,
        x: TensorId,
        window: &Window,
        output: TensorId,
    ) -> Result<String, LayoutError> {
        let home = self.home(x)?;
        let home = self.storing_zero(node, home)?;
        let taps = self.window_taps(x, &home, window, output, Padding::Repeated)?;
        let geometry = taps.geometry;
        // Cells after those of windows are maxima of zeros.
        let range = self.graph.tensors[x.0].range.union(Interval::point(0));
        let width = i128::from(range.hi) - i128::from(range.lo);
        let differences = self.interval("a difference", -width, width)?;
        let relu = Clamp { lo: 0, hi: None };
        let mut running: Vec<Term> = taps.homes.first().map(|t| term(1, t)).into_iter().collect();
        for tap in taps.homes.iter().skip(1) {
            // p = running − tap; running' = tap + relu(p).
            let mut terms = running.clone();
            terms.push(term(-1, tap));
            let emit = self.emit(Output {
                geometry,
                div: 1,
                pre: Declared::of(differences),
                clamp: Some(relu),
                bias: None,
                packed: false,
            })?;
            self.assert_terms(&terms, 0, &emit)?;
            running = vec![
                term(1, tap),
                Term {
                    coefficient: 1,
                    limbs: emit.kept.clone(),
                    offset: emit.offset,
                },
            ];
            self.steps.push(crate::layout::Step::Compute {
                node,
                accumulator: Box::new(Accumulator::Sum { terms, constant: 0 }),
                emit: Box::new(emit),
            });
        }
        let emit = self.emit(Output {
            geometry,
            div: 1,
            pre: Declared::of(range),
            clamp: None,
            bias: None,
            packed: false,
        })?;
        self.assert_terms(&running, 0, &emit)?;
        self.define(
            node,
            Accumulator::Sum {
                terms: running,
                constant: 0,
            },
            emit,
            output,
            taps.positions,
        )?;
        Ok(format!("{} pairwise maxima", taps.homes.len() - 1))
    }

    /// Copies every tap of the windows; `[channels]` tensors are laid out densely.
    fn window_taps(
        &mut self,
        x: TensorId,
        home: &Home,
        window: &Window,
        output: TensorId,
        padding: Padding,
    ) -> Result<Taps, LayoutError> {
        let [channels, height, width] = self.image_shape(x)?;
        let [_, out_height, out_width] = self.image_shape(output)?;
        let pixels = out_height * out_width;
        let geometry @ Geometry {
            segments,
            rows,
            variable,
        } = self.pooled_geometry(channels, pixels);
        let cells = rows * self.shape.data;
        let position = |c: usize, p: usize| match variable {
            Variable::Channel => c * pixels + p,
            Variable::Position => c * cells + p,
        };
        let [top, left, _, _] = window.pads;
        let source = |c: usize, p: usize, i: usize, j: usize| -> Option<usize> {
            let y = (p / out_width * window.stride[0] + i).checked_sub(top)?;
            let x = (p % out_width * window.stride[1] + j).checked_sub(left)?;
            (y < height && x < width).then_some((c * height + y) * width + x)
        };
        let [kh, kw] = window.kernel;
        let mut homes = Vec::with_capacity(kh * kw);
        for t in 0..kh * kw {
            let mut elements = vec![None; segments * cells];
            for c in 0..channels {
                for p in 0..pixels {
                    let mut tap = source(c, p, t / kw, t % kw);
                    if padding == Padding::Repeated && tap.is_none() {
                        tap = (0..kh * kw).find_map(|t| source(c, p, t / kw, t % kw));
                    }
                    elements[position(c, p)] = tap;
                }
            }
            // A tap block has no elements of its own: only its limbs are read.
            let mut tap = self.gather(home, geometry, &elements, true)?;
            tap.positions = Vec::new();
            homes.push(tap);
        }
        let positions = (0..channels * pixels)
            .map(|e| position(e / pixels, e % pixels))
            .collect();
        Ok(Taps {
            homes,
            geometry,
            positions,
        })
    }

    /// Geometry of a tap of every window, and of what is computed from taps.
    pub(super) fn pooled_geometry(&self, channels: usize, pixels: usize) -> Geometry {
        // Few pixels a channel: a dense vector wastes no padding cells.
        let (segments, variable, per_segment) = if pixels < self.shape.data {
            (1, Variable::Channel, channels * pixels)
        } else {
            (channels, Variable::Position, pixels)
        };
        Geometry {
            segments,
            rows: self.rows_for(per_segment),
            variable,
        }
    }
}

/// What a window reads beside the image.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Padding {
    Zeros,
    /// The window's first real pixel, which makes no new maximum.
    Repeated,
}

struct Taps {
    homes: Vec<Home>,
    geometry: Geometry,
    positions: Vec<usize>,
}
