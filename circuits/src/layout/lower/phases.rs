//! Whether a convolution lays out what it makes for the pool that reads it.

use super::{planes::plane_size, Builder, LayoutError};
use crate::graph::{Op, TensorId, Window};

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
        let rows = |phases: [usize; 2]| {
            let split @ [sy, sx] = [0, 1].map(|d| window.stride[d] * phases[d]);
            let [plane_height, pitch] = plane_size([height, width], window.pads, split);
            let last = [0, 1].map(|d| (phases[d] - 1) * window.stride[d]);
            let reach = (last[0] + kh - 1) / sy * pitch + (last[1] + kw - 1) / sx;
            let plane = self.rows_for(plane_height * pitch + reach);
            let in_place = self.planes_in_place(&home, shape, window.pads, split);
            let copied = match in_place {
                Some(_) => 0,
                None => home.limbs.len() * sy * sx * self.rows_for(plane_height * pitch),
            };
            let made = cells_each * phases[0] * phases[1] * plane;
            (channels * copied + outputs * made, plane)
        };
        let (plain, _) = rows(one);
        let phases @ [py, px] = pool.window.stride;
        let (split, plane) = rows(phases);
        // Each phase has a program of its own: operations of four cells for taps, offsets and planes.
        let residues: usize = [0, 1]
            .map(|d| window.stride[d] * phases[d])
            .iter()
            .product();
        let planes = residues.min(kh * kw);
        let operations = (py * px - 1) * ((channels + 2) * kh * kw + 3 * (channels + 1) * planes);
        let program = self.rows_for(4 * operations);
        let [ph, pw] = pool.window.kernel;
        let [channels, pooled_height, pooled_width] = pool.made;
        let pooled = self
            .pooled_geometry(channels, pooled_height * pooled_width)
            .cells(1);
        let copying = plain + (ph * pw + 2) * pooled;
        // Where the pool's planes have gaps, they are copied once.
        let aligned = split + outputs * 2 * plane + pooled + program;
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
            let reads = |op: &Op| op.data_operands().contains(&read);
            let mut readers = self.graph.nodes.iter().filter(|node| reads(&node.op));
            let (Some(node), None) = (readers.next(), readers.next()) else {
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
            let e = order[e];
            (e / (rows * columns), e / columns % rows, e % columns)
        };
        let shapes = [self.image_shape(read)?, self.image_shape(pooled)?];
        let ([sy, sx], [kh, kw]) = (window.stride, window.kernel);
        let (_, y0, x0) = at(0);
        let aligned = (0..shapes[1].iter().product()).all(|e| {
            let tap = |t: usize| at(unpadded_tap(&window, shapes, e, t));
            let (o, y, x) = tap(0);
            let same = (0..kh * kw).all(|t| tap(t) == (o, y + t / kw, x + t % kw));
            same && y % sy == y0 % sy && x % sx == x0 % sx
        });
        let made = shapes[1];
        Ok(aligned.then_some(Pool { window, made }))
    }
}

/// The element that tap `t` of output `e` reads, where nothing is padded; shapes of input and output.
pub(super) fn unpadded_tap(
    window: &Window,
    [[_, height, width], [_, out_height, out_width]]: [[usize; 3]; 2],
    e: usize,
    t: usize,
) -> usize {
    let (c, y, x) = (
        e / (out_height * out_width),
        e / out_width % out_height,
        e % out_width,
    );
    let [sy, sx] = window.stride;
    let kw = window.kernel[1];
    (c * height + y * sy + t / kw) * width + x * sx + t % kw
}

/// A pool, and the shape of what it makes.
struct Pool {
    window: Window,
    made: [usize; 3],
}
