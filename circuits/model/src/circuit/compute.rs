//! Data cells of computed tensors. The values are those of the executor at the positions that
//! hold elements; at the others they are whatever the identities demand.

use crate::layout::{
    Accumulator, Axis, Emit, Excess, Home, Limb, Matrix, Plan, Range, Step, Tap, Term,
};

type Blocks = [Vec<u64>];

/// Runs one step; `Err` if a value does not fit its cells.
pub fn run(
    plan: &Plan,
    blocks: &mut Blocks,
    accumulator: &Accumulator,
    emit: &Emit,
) -> Result<(), ()> {
    let columns = plan.shape.data;
    let width = emit.geometry.rows * columns;
    let mut sums = vec![0i128; emit.geometry.segments * width];
    accumulate(blocks, accumulator, columns, width, &mut sums);
    write(plan, blocks, emit, columns, width, &sums)
}

/// Fills the cells of a function's values; `None` if an argument has none.
pub fn function(plan: &Plan, blocks: &mut Blocks, step: &Step) -> Option<()> {
    let Step::Function {
        x,
        y,
        offset,
        joined,
        ..
    } = step
    else {
        return None;
    };
    let block = &plan.blocks[*joined];
    let Range::Function(range) = block.range else {
        return None;
    };
    for i in 0..blocks[*joined].len() {
        let argument = value(blocks, &x.limbs, 0, i);
        let (cell, above) = plan
            .tables
            .joined(block.range, u64::try_from(argument).ok()?)?;
        blocks[*joined][i] = cell;
        let y_value = i128::from(above) + i128::from(plan.tables.least(range)?);
        split(plan, blocks, y, i, y_value - i128::from(*offset)).ok()?;
    }
    Some(())
}

/// Fills the cells of quotients and remainders; `None` if one does not fit.
pub fn divide(plan: &Plan, blocks: &mut Blocks, step: &Step) -> Option<()> {
    let Step::Divide {
        a,
        b,
        y,
        offset,
        remainder,
        complement,
        ..
    } = step
    else {
        return None;
    };
    let cells = blocks[y.first()?.block].len();
    for i in 0..cells {
        let divisor = i128::from(term(blocks, b, i));
        if divisor < 1 {
            return None;
        }
        let dividend = i128::from(a.coefficient) * i128::from(term(blocks, a, i));
        let (scaled, by) = (2 * dividend + divisor, 2 * divisor);
        let rest = scaled.rem_euclid(by);
        split(
            plan,
            blocks,
            y,
            i,
            scaled.div_euclid(by) - i128::from(*offset),
        )
        .ok()?;
        split(plan, blocks, remainder, i, rest).ok()?;
        split(plan, blocks, complement, i, by - 1 - rest).ok()?;
    }
    Some(())
}

fn value(blocks: &Blocks, limbs: &[Limb], offset: i64, index: usize) -> i64 {
    limbs.iter().fold(offset, |sum, limb| {
        sum + (limb.base * blocks[limb.block][index]) as i64
    })
}

fn term(blocks: &Blocks, term: &Term, index: usize) -> i64 {
    value(blocks, &term.limbs, term.offset, index)
}

fn weight(blocks: &Blocks, matrix: &Matrix, columns: usize, segment: usize, at: usize) -> i64 {
    let index = segment * matrix.geometry.rows * columns + at;
    value(blocks, &matrix.limbs, matrix.offset, index)
}

fn accumulate(
    blocks: &Blocks,
    accumulator: &Accumulator,
    columns: usize,
    width: usize,
    sums: &mut [i128],
) {
    match accumulator {
        Accumulator::Conv {
            x,
            planes,
            cells,
            taps,
            matrix,
        } => {
            let inputs = read_planes(blocks, x, planes, *cells);
            for (taps, sums) in phases(taps, sums) {
                for tap in taps {
                    for (o, plane) in sums.chunks_mut(width).enumerate() {
                        let factor = weight(blocks, matrix, columns, tap.segment, o);
                        product(plane, &inputs[tap.plane], tap.shift, factor);
                    }
                }
            }
        }
        Accumulator::Depthwise {
            x,
            planes,
            cells,
            taps,
            matrix,
        } => {
            let inputs = read_planes(blocks, x, planes, *cells);
            for (taps, sums) in phases(taps, sums) {
                let residues = planes.len() / (sums.len() / width).max(1);
                for tap in taps {
                    for (c, plane) in sums.chunks_mut(width).enumerate() {
                        let factor = weight(blocks, matrix, columns, tap.segment, c);
                        let input = &inputs[c * residues + tap.plane];
                        product(plane, input, tap.shift, factor);
                    }
                }
            }
        }
        Accumulator::Shifted { x, cells, shifts } => {
            for shift in shifts {
                let from = shift.from..shift.from + cells;
                for (sum, i) in sums[shift.to..].iter_mut().zip(from) {
                    *sum += i128::from(term(blocks, x, i));
                }
            }
        }
        Accumulator::Linear { x, matrix } => {
            let channels = matrix.channels;
            for (k, element) in elements(blocks, x).enumerate() {
                for (n, sum) in sums[..channels].iter_mut().enumerate() {
                    let factor = weight(blocks, matrix, columns, k, n);
                    *sum += i128::from(factor) * i128::from(element);
                }
            }
        }
        Accumulator::Scale { x, matrix, axis } => {
            for (i, sum) in sums.iter_mut().enumerate() {
                let channel = channel(*axis, i, width, matrix);
                let factor = if channel < matrix.channels {
                    weight(blocks, matrix, columns, 0, channel)
                } else {
                    0
                };
                *sum = i128::from(factor) * i128::from(term(blocks, x, i));
            }
        }
        Accumulator::Product { a, b } => {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = i128::from(term(blocks, a, i)) * i128::from(term(blocks, b, i));
            }
        }
        Accumulator::Segments { x } => {
            let cells = x.limbs.first().map_or(0, |limb| blocks[limb.block].len());
            for i in 0..cells {
                sums[i % width] += i128::from(term(blocks, x, i));
            }
        }
        Accumulator::MatMul { a, b, depth, rows } => {
            let strip = |home: &Home, segment: usize| -> Vec<i64> {
                let cells = home.geometry.rows * columns;
                let at = segment * cells..(segment + 1) * cells;
                at.map(|i| value(blocks, &home.limbs, home.offset, i))
                    .collect()
            };
            for segment in 0..a.geometry.segments {
                let (left, right) = (strip(a, segment), strip(b, segment));
                let first = segment / depth * rows;
                let results = sums[first * width..(first + rows) * width].chunks_mut(width);
                for (factor, result) in left.iter().zip(results) {
                    product(result, &right, 0, *factor);
                }
            }
        }
        Accumulator::Sum { terms, constant } => {
            for (i, sum) in sums.iter_mut().enumerate() {
                let each = terms
                    .iter()
                    .map(|t| i128::from(t.coefficient) * i128::from(term(blocks, t, i)));
                *sum = constant + each.sum::<i128>();
            }
        }
    }
}

/// The taps of each phase, and its part of the sums.
fn phases<'a>(
    taps: &'a [Vec<Tap>],
    sums: &'a mut [i128],
) -> impl Iterator<Item = (&'a Vec<Tap>, &'a mut [i128])> {
    let each = sums.len() / taps.len().max(1);
    taps.iter().zip(sums.chunks_mut(each.max(1)))
}

fn read_planes(blocks: &Blocks, x: &Term, planes: &[usize], cells: usize) -> Vec<Vec<i64>> {
    planes
        .iter()
        .map(|&first| (first..first + cells).map(|i| term(blocks, x, i)).collect())
        .collect()
}

fn product(plane: &mut [i128], input: &[i64], shift: usize, factor: i64) {
    if factor != 0 {
        for (sum, x) in plane[shift..].iter_mut().zip(input) {
            *sum += i128::from(factor) * i128::from(*x);
        }
    }
}

fn elements<'a>(blocks: &'a Blocks, home: &'a Home) -> impl Iterator<Item = i64> + 'a {
    home.positions
        .iter()
        .map(|&position| value(blocks, &home.limbs, home.offset, position))
}

fn channel(axis: Axis, index: usize, width: usize, matrix: &Matrix) -> usize {
    match axis {
        Axis::Segment => index / width % matrix.channels.max(1),
        Axis::Cell => index,
    }
}

fn write(
    plan: &Plan,
    blocks: &mut Blocks,
    emit: &Emit,
    columns: usize,
    width: usize,
    sums: &[i128],
) -> Result<(), ()> {
    for (i, sum) in sums.iter().enumerate() {
        let scaled = sum
            .checked_mul(emit.factor)
            .and_then(|product| product.checked_add(emit.half))
            .ok_or(())?;
        let divisor = emit.divisor;
        let mut value = scaled.div_euclid(divisor);
        split(plan, blocks, &emit.remainder, i, scaled.rem_euclid(divisor))?;
        if let Some((matrix, segment, axis)) = &emit.bias {
            let channel = channel(*axis, i, width, matrix);
            if channel < matrix.channels {
                value += i128::from(weight(blocks, matrix, columns, *segment, channel));
            }
        }
        let kept = match &emit.excess {
            Excess::None => value,
            Excess::Clamped { limbs, clamp } => {
                let kept = value.max(i128::from(clamp.lo));
                let kept = clamp.hi.map_or(kept, |hi| kept.min(i128::from(hi)));
                split(plan, blocks, limbs, i, (value - kept).abs())?;
                kept
            }
        };
        split(plan, blocks, &emit.kept, i, kept - i128::from(emit.offset))?;
    }
    Ok(())
}

/// Values beyond ±2^62 are refused: whatever is computed from cells then fits 64 bits.
const MAX_VALUE: i128 = 1 << 62;

/// The limbs of a value, if the tables that they are looked up in have them.
fn split(
    plan: &Plan,
    blocks: &mut Blocks,
    limbs: &[Limb],
    index: usize,
    value: i128,
) -> Result<(), ()> {
    if value.abs() > MAX_VALUE {
        return Err(());
    }
    let mut rest = value;
    for limb in limbs.iter().rev() {
        let digit = rest.div_euclid(i128::from(limb.base));
        let size = plan.tables.size(plan.blocks[limb.block].range).ok_or(())?;
        if !(0..i128::from(size)).contains(&digit) {
            return Err(());
        }
        rest -= digit * i128::from(limb.base);
        blocks[limb.block][index] = digit as u64;
    }
    if limbs.is_empty() && value != 0 {
        return Err(());
    }
    Ok(())
}
