//! The loops. Shapes and lengths are checked before ([`Graph::validate`]); a loop that meets a
//! slice shorter than its shape says stops short rather than panics.
//!
//! [`Graph::validate`]: crate::Graph::validate

use crate::Window;
use rayon::prelude::*;
use std::ops::{AddAssign, Mul};

/// Channel-first image.
#[derive(Clone, Copy)]
pub(super) struct Image<'a> {
    pub values: &'a [i64],
    pub dims: [usize; 3],
}

/// Integers that sums are held in: 64 bits where the operands prove that they suffice.
trait Accumulator:
    Copy + Default + Send + AddAssign + Mul<Output = Self> + From<i64> + Into<i128>
{
}
impl Accumulator for i64 {}
impl Accumulator for i128 {}

/// Whether every partial sum of `terms` products stays below 2^62.
fn fits_i64(terms: usize, a: &[i64], b: &[i64]) -> bool {
    let top = |v: &[i64]| {
        v.iter()
            .map(|v| u128::from(v.unsigned_abs()))
            .max()
            .unwrap_or(0)
    };
    let product = top(a)
        .checked_mul(top(b))
        .and_then(|p| p.checked_mul(terms as u128));
    product.is_some_and(|p| p < 1 << 62)
}

/// `Σ_{c,i,j} w[o,c,i,j]·x[..]` for every output, channel first.
pub(super) fn conv(
    x: Image<'_>,
    w: &[i64],
    window: &Window,
    groups: usize,
    out: [usize; 2],
) -> Vec<i128> {
    let depth = x.dims[0] / groups.max(1);
    if fits_i64(depth * window.area(), x.values, w) {
        widen(conv_in::<i64>(x, w, window, groups, out))
    } else {
        conv_in::<i128>(x, w, window, groups, out)
    }
}

fn widen(sums: Vec<i64>) -> Vec<i128> {
    sums.into_iter().map(i128::from).collect()
}

/// Output columns whose input column for kernel column `j` lies inside a row of `width`.
fn inside(j: usize, pad: usize, stride: usize, width: usize, out: usize) -> std::ops::Range<usize> {
    let first = pad.saturating_sub(j).div_ceil(stride.max(1));
    let last = (width + pad)
        .saturating_sub(j)
        .div_ceil(stride.max(1))
        .min(out);
    first.min(last)..last
}

fn conv_in<T: Accumulator>(
    x: Image<'_>,
    w: &[i64],
    window: &Window,
    groups: usize,
    [out_h, out_w]: [usize; 2],
) -> Vec<T> {
    let [c, height, width] = x.dims;
    let [kh, kw] = window.kernel;
    let [top, left, ..] = window.pads;
    let [sh, sw] = window.stride;
    let depth = c / groups.max(1);
    let taps = (depth * kh * kw).max(1);
    let channels = w.len() / taps;
    let per_group = (channels / groups.max(1)).max(1);
    let plane = |(o, kernel): (usize, &[i64])| {
        let mut sums = vec![T::default(); out_h * out_w];
        let from = o / per_group * depth;
        for (tap, &weight) in kernel.iter().enumerate().filter(|(_, &v)| v != 0) {
            let (channel, i, j) = (from + tap / (kh * kw), tap / kw % kh, tap % kw);
            let columns = inside(j, left, sw, width, out_w);
            let weight = T::from(weight);
            for oy in inside(i, top, sh, height, out_h) {
                let row = (channel * height + oy * sh + i - top) * width;
                let start = row + columns.start * sw + j;
                let source = x.values.get(start.saturating_sub(left)..row + width);
                let target = sums.get_mut(oy * out_w + columns.start..oy * out_w + columns.end);
                let (Some(source), Some(target)) = (source, target) else {
                    continue;
                };
                if sw == 1 {
                    // Apart, so that it vectorises.
                    target
                        .iter_mut()
                        .zip(source)
                        .for_each(|(t, &v)| *t += weight * T::from(v));
                } else {
                    let strided = source.iter().step_by(sw);
                    target
                        .iter_mut()
                        .zip(strided)
                        .for_each(|(t, &v)| *t += weight * T::from(v));
                }
            }
        }
        sums
    };
    w.par_chunks(taps)
        .enumerate()
        .flat_map_iter(plane)
        .collect()
}

/// `Σ_k w[n,k]·x[k]` for every `n`.
pub(super) fn linear(x: &[i64], w: &[i64]) -> Vec<i128> {
    fn rows<T: Accumulator>(x: &[i64], w: &[i64]) -> Vec<i128> {
        let dot = |row: &[i64]| {
            let mut sum = T::default();
            row.iter()
                .zip(x)
                .for_each(|(&w, &x)| sum += T::from(w) * T::from(x));
            sum.into()
        };
        w.par_chunks(x.len().max(1)).map(dot).collect()
    }
    if fits_i64(x.len(), x, w) {
        rows::<i64>(x, w)
    } else {
        rows::<i128>(x, w)
    }
}

/// `Σ_k a[b,i,k]·b[b,k,j]` of `[B, m, k]` and `[B, k, n]`, row-major.
pub(super) fn products(a: &[i64], b: &[i64], [m, k, n]: [usize; 3]) -> Vec<i128> {
    let batches = a
        .chunks((m * k).max(1))
        .zip(b.chunks((k * n).max(1)))
        .collect::<Vec<_>>();
    let row = |(a, b): (&[i64], &[i64])| {
        let mut sums = vec![0i128; n];
        for (&factor, line) in a.iter().zip(b.chunks(n.max(1))) {
            for (sum, &v) in sums.iter_mut().zip(line) {
                *sum += i128::from(factor) * i128::from(v);
            }
        }
        sums
    };
    batches
        .into_par_iter()
        .flat_map_iter(|(a, b)| a.chunks(k.max(1)).flat_map(move |a| row((a, b))))
        .collect()
}

/// Calls `visit(output index, value)` for every image element under every pooling window;
/// padding is not visited.
pub(super) fn windows(
    x: Image<'_>,
    window: &Window,
    [out_h, out_w]: [usize; 2],
    mut visit: impl FnMut(usize, i64),
) {
    let [c, height, width] = x.dims;
    let [top, left, ..] = window.pads;
    for channel in 0..c {
        for oy in 0..out_h {
            let rows = clipped(oy * window.stride[0], window.kernel[0], top, height);
            for ox in 0..out_w {
                let columns = clipped(ox * window.stride[1], window.kernel[1], left, width);
                let at = (channel * out_h + oy) * out_w + ox;
                for row in rows.clone() {
                    let line = (channel * height + row) * width;
                    let cells = x.values.get(line + columns.start..line + columns.end);
                    cells.into_iter().flatten().for_each(|&v| visit(at, v));
                }
            }
        }
    }
}

/// The part inside `0..size` of a window that starts at `start` counted from the padding.
fn clipped(start: usize, kernel: usize, pad: usize, size: usize) -> std::ops::Range<usize> {
    let end = (start + kernel).saturating_sub(pad).min(size);
    start.saturating_sub(pad).min(end)..end
}
