//! Operators that choose elements.

use super::lower::{Lowering, Place, Result};

/// A dimension; negative ones count from the end.
pub(super) fn axis(place: &Place<'_, '_>, axis: i64, rank: usize) -> Result<usize> {
    let wide = i64::try_from(rank).unwrap_or(i64::MAX);
    let found = if axis < 0 {
        axis.saturating_add(wide)
    } else {
        axis
    };
    let found = usize::try_from(found).ok().filter(|&d| d < rank);
    found.ok_or_else(|| place.bad("axis", format!("a dimension of {rank}"), axis))
}

impl Lowering<'_, '_> {
    /// The elements of `x` at some indices of a dimension.
    fn pick(
        &mut self,
        place: &Place<'_, '_>,
        x: i64,
        axis: usize,
        indices: Vec<i64>,
    ) -> Result<i64> {
        let mut shape = self.shape(place, x)?;
        let size = shape.get(axis).copied().unwrap_or(0);
        if let Some(wrong) = indices.iter().find(|i| !(0..size).contains(*i)) {
            return Err(place.bad("indices", format!("0 to {}", size - 1), wrong));
        }
        if indices.iter().copied().eq(0..size) {
            return Ok(x);
        }
        if let Some(slot) = shape.get_mut(axis) {
            *slot = i64::try_from(indices.len()).unwrap_or(i64::MAX);
        }
        let picked = self.temporary(shape);
        let mut params = vec![i64::try_from(axis).unwrap_or(i64::MAX)];
        params.extend(indices);
        self.layer(place, "Gather", params, vec![x], picked)?;
        Ok(picked)
    }

    /// What was made, in the shape of an output.
    fn result(&mut self, place: &Place<'_, '_>, x: i64, out: i64) -> Result<()> {
        self.layer(place, "Reshape", vec![], vec![x], out)
    }

    pub(super) fn slice(&mut self, place: &Place<'_, '_>) -> Result<()> {
        let mut x = place.input(0)?;
        let shape = self.shape(place, x)?;
        let (starts, sizes) = (self.integers(place, 1)?, self.integers(place, 2)?);
        if starts.len() != shape.len() || sizes.len() != shape.len() {
            let expected = format!("{} starts and sizes", shape.len());
            return Err(place.bad("slice", expected, starts.len()));
        }
        for (axis, ((&start, &size), &all)) in starts.iter().zip(&sizes).zip(&shape).enumerate() {
            // A size of −1 is all that is left.
            let end = if size == -1 {
                all
            } else {
                start.saturating_add(size)
            };
            x = self.range(place, x, axis, (start, end, 1))?;
        }
        self.result(place, x, place.output()?)
    }

    /// Indices from a start to an end, which is not among them.
    pub(super) fn range(
        &mut self,
        place: &Place<'_, '_>,
        x: i64,
        axis: usize,
        (start, end, step): (i64, i64, i64),
    ) -> Result<i64> {
        let size = self.shape(place, x)?.get(axis).copied().unwrap_or(0);
        let (from, to) = if step > 0 { (start, end) } else { (end, start) };
        let distance = to.saturating_sub(from);
        let count = (distance.max(0) as u64).div_ceil(step.unsigned_abs().max(1));
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        if !(1..=size).contains(&count) {
            let expected = format!("1 to {size} elements of dimension {axis}");
            return Err(place.bad("slice", expected, count));
        }
        // Before there are so many indices.
        self.spend(place, usize::try_from(count).unwrap_or(usize::MAX))?;
        self.pick(
            place,
            x,
            axis,
            (0..count).map(|i| start + i * step).collect(),
        )
    }

    pub(super) fn strided_slice(&mut self, place: &Place<'_, '_>) -> Result<()> {
        let mut x = place.input(0)?;
        let shape = self.shape(place, x)?;
        let [begins, ends, steps] = [
            self.integers(place, 1)?,
            self.integers(place, 2)?,
            self.integers(place, 3)?,
        ];
        let [begin_mask, end_mask, ellipsis, new_axis, shrink] = [
            place.option(0)?,
            place.option(1)?,
            place.option(2)?,
            place.option(3)?,
            place.option(4)?,
        ];
        place.demand("ellipsis_mask", ellipsis, 0)?;
        place.demand("new_axis_mask", new_axis, 0)?;
        place.demand("offset", place.byte(5)?, 0)?;
        let fits = ends.len() == begins.len() && steps.len() == begins.len();
        if !fits || begins.len() > shape.len() {
            let expected = format!("as many begins, ends and strides, at most {}", shape.len());
            return Err(place.bad("strided slice", expected, begins.len()));
        }
        let each = begins.iter().zip(ends).zip(steps).zip(&shape).enumerate();
        for (axis, (((&begin, end), step), &size)) in each {
            let set = |mask: i64| mask >> axis & 1 == 1;
            // Within the dimension, or just past the end that the steps go to.
            let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
            let place_of = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
            let range = if set(shrink) {
                (place_of(begin), place_of(begin).saturating_add(1), 1)
            } else {
                let first = if step > 0 { low } else { high };
                let last = if step > 0 { high } else { low };
                let from = if set(begin_mask) {
                    first
                } else {
                    place_of(begin).clamp(low, high)
                };
                let to = if set(end_mask) {
                    last
                } else {
                    place_of(end).clamp(low, high)
                };
                (from, to, step)
            };
            if step == 0 {
                return Err(place.bad("strides", "no zeros", step));
            }
            x = self.range(place, x, axis, range)?;
        }
        self.result(place, x, place.output()?)
    }

    pub(super) fn gather(&mut self, place: &Place<'_, '_>) -> Result<()> {
        place.demand("batch_dims", place.option(1)?, 0)?;
        let x = place.input(0)?;
        let rank = self.shape(place, x)?.len();
        let axis = axis(place, place.option(0)?, rank)?;
        let indices = self.integers(place, 1)?;
        let picked = self.pick(place, x, axis, indices)?;
        self.result(place, picked, place.output()?)
    }

    /// `SPLIT` and `SPLIT_V`: the outputs' shapes say where.
    pub(super) fn split(&mut self, place: &Place<'_, '_>, x: usize, axis_at: usize) -> Result<()> {
        let x = place.input(x)?;
        let shape = self.shape(place, x)?;
        let axis = match *self.integers(place, axis_at)? {
            [one] => axis(place, one, shape.len())?,
            ref all => return Err(place.bad("axis", "one", all.len())),
        };
        let mut start = 0i64;
        for &out in &place.operator.outputs {
            let size = self.shape(place, out)?.get(axis).copied().unwrap_or(0);
            let end = start.saturating_add(size);
            let part = self.range(place, x, axis, (start, end, 1))?;
            self.result(place, part, out)?;
            start = end;
        }
        place.demand(
            "elements of all parts",
            start,
            shape.get(axis).copied().unwrap_or(0),
        )
    }

    pub(super) fn unpack(&mut self, place: &Place<'_, '_>) -> Result<()> {
        let x = place.input(0)?;
        let shape = self.shape(place, x)?;
        let axis = axis(place, place.option(1)?, shape.len())?;
        let parts = i64::try_from(place.operator.outputs.len()).unwrap_or(i64::MAX);
        place.demand("parts", parts, shape.get(axis).copied().unwrap_or(0))?;
        for (at, &out) in (0..).zip(&place.operator.outputs) {
            let part = self.pick(place, x, axis, vec![at])?;
            self.result(place, part, out)?;
        }
        Ok(())
    }
}
