//! Averages under SAME padding. TFLite leaves the padding out of the count, so windows that hang over an
//! edge are averages of fewer elements: each group of windows of one size is a layer of its own.

use super::lower::{Lowering, Place, Result};

/// Most groups.
const MAX_GROUPS: usize = 256;

/// Windows along a dimension that cover as many elements.
struct Band {
    outputs: i64,
    /// What all of them cover.
    start: i64,
    length: i64,
    /// What each covers.
    window: i64,
}

fn bands(size: i64, kernel: i64, stride: i64, outputs: i64) -> Vec<Band> {
    let low = ((outputs - 1) * stride + kernel - size).max(0) / 2;
    let mut bands: Vec<Band> = Vec::new();
    for at in 0..outputs {
        // Too many already, as the caller will find.
        if bands.len() > MAX_GROUPS {
            break;
        }
        let from = at * stride - low;
        let (start, end) = (from.max(0), (from + kernel).min(size));
        let window = end - start;
        match bands.last_mut() {
            // Only whole windows follow one another by the stride.
            Some(last) if window == kernel && last.window == kernel => {
                last.outputs += 1;
                last.length = end - last.start;
            }
            _ => bands.push(Band {
                outputs: 1,
                start,
                length: window,
                window,
            }),
        }
    }
    bands
}

impl Lowering<'_, '_> {
    /// `AVERAGE_POOL_2D` with some padding.
    pub(super) fn average(
        &mut self,
        place: &Place<'_, '_>,
        kernel: [i64; 2],
        stride: [i64; 2],
    ) -> Result<()> {
        let x = place.input(0)?;
        let (from, to) = (self.shape(place, x)?, self.shape(place, place.output()?)?);
        let (&[_, height, width, channels], &[_, rows, columns, _]) = (&from[..], &to[..]) else {
            let expected = "[1, height, width, channels]";
            return Err(place.bad("image", expected, format!("{from:?}")));
        };
        let along = |axis: &str, at: usize, size: i64, outputs: i64| {
            let (kernel, stride) = match at {
                0 => (kernel[0], stride[0]),
                _ => (kernel[1], stride[1]),
            };
            if kernel < 1 || stride < 1 || outputs != (size - 1) / stride + 1 {
                let expected = format!("a window for each stride of {size}");
                return Err(place.bad(axis, expected, outputs));
            }
            Ok(bands(size, kernel, stride, outputs))
        };
        let (down, across) = (
            along("rows", 0, height, rows)?,
            along("columns", 1, width, columns)?,
        );
        if down.len().saturating_mul(across.len()) > MAX_GROUPS {
            let expected = format!("at most {MAX_GROUPS} windows over the edges");
            return Err(place.bad("padding", expected, "more"));
        }
        let mut stripes = Vec::new();
        for row in &down {
            let end = row.start + row.length;
            let stripe = self.range(place, x, 1, (row.start, end, 1))?;
            let mut parts = Vec::new();
            for column in &across {
                let end = column.start + column.length;
                let part = self.range(place, stripe, 2, (column.start, end, 1))?;
                let made = self.temporary(vec![1, row.outputs, column.outputs, channels]);
                let params = vec![row.window, column.window, stride[0], stride[1], 1];
                self.layer(place, "AveragePool2D", params, vec![part], made)?;
                parts.push(made);
            }
            stripes.push(self.joined(place, parts, 2)?);
        }
        let all = self.joined(place, stripes, 1)?;
        self.activated(place, "Reshape", vec![], vec![all], 5)
    }

    /// Tensors beside one another.
    fn joined(&mut self, place: &Place<'_, '_>, parts: Vec<i64>, axis: usize) -> Result<i64> {
        let [first, rest @ ..] = parts.as_slice() else {
            return Err(place.bad("windows", "at least one", "none"));
        };
        if rest.is_empty() {
            return Ok(*first);
        }
        let mut shape = self.shape(place, *first)?;
        for part in rest {
            let size = self.shape(place, *part)?.get(axis).copied().unwrap_or(0);
            if let Some(slot) = shape.get_mut(axis) {
                *slot += size;
            }
        }
        let made = self.temporary(shape);
        let axis = i64::try_from(axis).unwrap_or(i64::MAX);
        self.layer(place, "Concatenation", vec![axis], parts, made)?;
        Ok(made)
    }
}
