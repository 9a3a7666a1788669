//! Pooling: the taps of all windows are copied side by side, one block a tap, where windows do not lie so
//! that they are sums of planes.

use super::{term, Builder, Home, LayoutError, Variable};
use crate::layout::{
    block::Geometry,
    bounds::Declared,
    emit::{Axis, Output, Term},
    size::size,
    Accumulator,
};
use zkml_graph::{Clamp, Interval, TensorId, Window};

impl Builder<'_> {
    /// Lowers [`zkml_graph::Op::AvgPool`]: `f·Σ taps + h = D·p + rem`.
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
        Ok(format!("{} copied taps", taps.homes.len()))
    }

    /// Lowers [`zkml_graph::Op::MaxPool`]: `max(m, x) = x + relu(m − x)`, tap by tap.
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
        let maxima = taps.homes.len().saturating_sub(1);
        Ok(format!("{maxima} pairwise maxima"))
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
        let pixels = (size(out_height) * out_width).get()?;
        let geometry = self.pooled_geometry(channels, pixels)?;
        let position = |c: usize, p: usize| match geometry.variable {
            Variable::Channel => (size(c) * pixels + p).get(),
            Variable::Position => geometry.at(c, p).get(),
        };
        let [top, left, _, _] = window.pads;
        let [kh, kw] = window.kernel;
        // None where a window reads padding.
        let source = |c: usize, p: usize, t: usize| -> Option<usize> {
            let (p, t) = (size(p), size(t));
            let y = (p / out_width * window.stride[0] + t / kw - top).known()?;
            let x = (p % out_width * window.stride[1] + t % kw - left).known()?;
            let element = ((size(c) * height + y) * width + x).known()?;
            (y < height && x < width).then_some(element)
        };
        let area = (size(kh) * kw).get()?;
        let mut homes = Vec::new();
        for t in 0..area {
            let mut elements = vec![None; geometry.cells()];
            for c in 0..channels {
                for p in 0..pixels {
                    let mut tap = source(c, p, t);
                    if padding == Padding::Repeated && tap.is_none() {
                        tap = (0..area).find_map(|t| source(c, p, t));
                    }
                    elements[position(c, p)?] = tap;
                }
            }
            // A tap block has no elements of its own: only its limbs are read.
            let mut tap = self.gather(home, geometry, &elements, true)?;
            tap.positions = Vec::new();
            homes.push(tap);
        }
        let all = (0..channels).flat_map(|c| (0..pixels).map(move |p| (c, p)));
        let positions = all.map(|(c, p)| position(c, p)).collect::<Result<_, _>>()?;
        Ok(Taps {
            homes,
            geometry,
            positions,
        })
    }

    /// Geometry of a tap of every window, and of what is computed from taps.
    pub(super) fn pooled_geometry(
        &self,
        channels: usize,
        pixels: usize,
    ) -> Result<Geometry, LayoutError> {
        // Few pixels a channel: a dense vector wastes no padding cells.
        if pixels < self.shape.data {
            let all = (size(channels) * pixels).get()?;
            self.geometry(1, all, Variable::Channel)
        } else {
            self.geometry(channels, pixels, Variable::Position)
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
