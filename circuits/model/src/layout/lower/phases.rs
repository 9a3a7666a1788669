//! Whether a convolution lays out what it makes for the pool that reads it.

use super::{
    planes::{self, plane_size},
    Builder, LayoutError,
};
use crate::layout::size::{indices, size, Size};
use zkml_graph::{Op, TensorId, Window};

impl Builder<'_> {
    /// In how many phases the convolution `x` → `output` is best laid out: those of the pool that
    /// reads it, if what the pool need not copy is more than what the phases cost.
    pub(super) fn phases(
        &mut self,
        x: TensorId,
        window: &Window,
        output: TensorId,
        cells_each: usize,
    ) -> Result<[usize; 2], LayoutError> {
        let one = [1, 1];
        let Some(pool) = self.aligned_pool(output)? else {
            return Ok(one);
        };
        let shape @ [channels, height, width] = self.image_shape(x)?;
        let [outputs, _, _] = self.image_shape(output)?;
        let home = self.home(x)?;
        let [kh, kw] = window.kernel;
        // Rows of a convolution in so many phases, and those of one plane of its output.
        let rows = |phases: [usize; 2]| -> Result<(Size, usize), LayoutError> {
            let split @ [sy, sx] = planes::split(window, phases)?;
            let [plane_height, pitch] = plane_size([height, width], window.pads, split);
            let last = [0, 1].map(|d| (size(phases[d]) - 1) * window.stride[d]);
            let reach = (last[0] + kh - 1) / sy * pitch + (last[1] + kw - 1) / sx;
            let plane = self.rows_for((plane_height * pitch + reach).get()?);
            let in_place = self.planes_in_place(&home, shape, window.pads, split);
            let copied = match in_place {
                Some(_) => size(0),
                None => {
                    let rows = self.rows_for((plane_height * pitch).get()?);
                    Size::product([home.limbs.len(), sy, sx, rows])
                }
            };
            let made = Size::product([cells_each, phases[0], phases[1], plane]);
            Ok((copied * channels + made * outputs, plane))
        };
        let (plain, _) = rows(one)?;
        let phases @ [py, px] = pool.window.stride;
        let (split, plane) = rows(phases)?;
        // Each phase has a program of its own: operations of four cells for taps, offsets and planes.
        let residues = Size::product(planes::split(window, phases)?).get()?;
        let area = size(kh) * kw;
        let planes = residues.min(area.get()?);
        let each = (size(channels) + 2) * area + (size(channels) + 1) * planes * 3;
        let operations = (size(py) * px - 1) * each;
        let program = self.rows_for((operations * 4).get()?);
        let [channels, pooled_height, pooled_width] = pool.made;
        let pixels = (size(pooled_height) * pooled_width).get()?;
        let pooled = self.pooled_geometry(channels, pixels)?.all_rows();
        let copying = plain + (Size::product(pool.window.kernel) + 2) * pooled;
        // Where the pool's planes have gaps, they are copied once.
        let aligned = split + size(outputs) * 2 * plane + pooled + program;
        let (aligned, copying) = (aligned.get()?, copying.get()?);
        Ok(match aligned < copying {
            true => phases,
            false => one,
        })
    }

    /// The one average pool that reads `output`, perhaps moved: if all its windows begin at one residue of
    /// the stride, unpadded, and are windows of `output` itself.
    fn aligned_pool(&self, output: TensorId) -> Result<Option<Pool>, LayoutError> {
        let (mut read, mut moves) = (output, Vec::new());
        let (window, pooled) = loop {
            let Some([node]) = self.readers.get(read.0).map(Vec::as_slice) else {
                return Ok(None);
            };
            match &node.op {
                Op::Reshape { .. } | Op::Transpose { .. } | Op::Gather { .. } => {
                    moves.push(&node.op);
                    read = node.output;
                }
                Op::AvgPool { window, .. } if window.pads == [0; 4] => {
                    let [_, height, width] = self.image_shape(node.output)?;
                    break (window.reduced([height, width]), node.output);
                }
                _ => return Ok(None),
            }
        };
        let mut order: Vec<usize> = (0..self.elements(output)?).collect();
        for op in moves {
            order = self.moved(op)?.into_iter().map(|(_, e)| order[e]).collect();
        }
        let [_, rows, columns] = self.image_shape(output)?;
        let at = |e: usize| {
            let place = indices(*order.get(e)?, [rows, columns]);
            let [o, y, x] = place.map(Size::known);
            Some([o?, y?, x?])
        };
        let shapes = [self.image_shape(read)?, self.image_shape(pooled)?];
        let ([sy, sx], [kh, kw]) = (window.stride, window.kernel);
        let area = (size(kh) * kw).get()?;
        let residues = |[_, y, x]: [usize; 3]| Some((y.checked_rem(sy)?, x.checked_rem(sx)?));
        let first = at(0).and_then(residues);
        let fits = |e: usize| {
            let tap = |t: usize| at(unpadded_tap(&window, shapes, e, t)?);
            let begin @ [o, y, x] = tap(0)?;
            let same = |t: usize| {
                let [i, j] = [t.checked_div(kw)?, t.checked_rem(kw)?];
                Some(tap(t)? == [o, y.checked_add(i)?, x.checked_add(j)?])
            };
            let same = (0..area).all(|t| same(t) == Some(true));
            Some(same && residues(begin) == first)
        };
        let made = shapes[1];
        let count = Size::product(made).get()?;
        let aligned = first.is_some() && (0..count).all(|e| fits(e) == Some(true));
        Ok(aligned.then_some(Pool { window, made }))
    }
}

/// The element that tap `t` of output `e` reads, where nothing is padded; shapes of input and output.
pub(super) fn unpadded_tap(
    window: &Window,
    [[_, height, width], [_, out_height, out_width]]: [[usize; 3]; 2],
    e: usize,
    t: usize,
) -> Option<usize> {
    let [c, y, x] = indices(e, [out_height, out_width]);
    let [sy, sx] = window.stride;
    let (t, kw) = (size(t), window.kernel[1]);
    ((c * height + y * sy + t / kw) * width + x * sx + t % kw).known()
}

/// A pool, and the shape of what it makes.
struct Pool {
    window: Window,
    made: [usize; 3],
}
