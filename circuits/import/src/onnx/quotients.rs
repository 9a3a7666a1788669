//! Quotients that are bounded for a reason that intervals do not see: a vector over its own root
//! mean square (normalisation written out), and a part over the whole (shares). Each gets a clamp
//! at the bound: without it the interval is that of a division by one unit, and the next product
//! may leave what the circuit holds.

use super::Importer;
use crate::ImportError;
use zkml_graph::{Clamp, Op, TensorId};

/// Most steps of the way back from a divisor.
const MAX_STEPS: usize = 64;

impl Importer {
    fn producer(&self, id: TensorId) -> Option<&Op> {
        let nodes = self.draft.graph.nodes.iter().rev();
        nodes.take(4096).find(|n| n.output == id).map(|n| &n.op)
    }

    /// Where a tensor's elements come from, through what only moves or repeats them.
    fn unmoved(&self, mut id: TensorId) -> TensorId {
        for _ in 0..MAX_STEPS {
            match self.producer(id) {
                Some(Op::Reshape { x } | Op::Transpose { x, .. } | Op::Gather { x, .. }) => id = *x,
                _ => break,
            }
        }
        id
    }

    /// If `b` is the root of the mean of squares of `x`, what `x` is, and over how many elements.
    fn root_mean_square(&self, b: TensorId) -> Option<(TensorId, i64)> {
        let (mut id, mut rooted) = (b, false);
        for _ in 0..MAX_STEPS {
            match self.producer(self.unmoved(id))? {
                Op::Table { x, table } => {
                    let table = self.draft.graph.tables.get(*table)?;
                    rooted |= table.name.starts_with("sqrt");
                    id = *x;
                }
                // An ε, and clamps of what is not negative anyway.
                Op::Combine {
                    terms,
                    constant,
                    div: 1,
                    ..
                } if *constant >= 0 => match terms.as_slice() {
                    [(1, x)] => id = *x,
                    // The segments of a wide table: any of them leads on.
                    [(1, x), ..] => id = *x,
                    _ => return None,
                },
                Op::Scale { x, w: None, .. } | Op::Check { x, .. } => id = *x,
                Op::ReduceSum { x, div } => {
                    let Op::Mul { a, b, .. } = self.producer(self.unmoved(*x))? else {
                        return None;
                    };
                    let length = self.draft.shape(*x).last().copied().unwrap_or(1);
                    let mean = usize::try_from(*div).ok() == Some(length);
                    return (rooted && mean && a == b).then(|| (self.unmoved(*a), *div));
                }
                _ => return None,
            }
        }
        None
    }

    /// Whether `b` is a sum of `a` and of what is not negative either.
    fn is_share(&mut self, a: TensorId, b: TensorId) -> bool {
        let Some(Op::Combine {
            terms,
            constant,
            div: 1,
            clamp: None,
        }) = self.producer(self.unmoved(b)).cloned()
        else {
            return false;
        };
        let whole = self.unmoved(a);
        let own = terms
            .iter()
            .any(|&(f, x)| f >= 1 && self.unmoved(x) == whole);
        own && constant >= 0 && terms.iter().all(|&(f, x)| f >= 0 && self.range(x).lo >= 0)
    }

    /// `y = a / b` at a scale, clamped where its parts say more than their intervals.
    pub(super) fn bounded_quotient(
        &mut self,
        y: TensorId,
        a: TensorId,
        b: TensorId,
        scale: i64,
    ) -> Result<TensorId, ImportError> {
        let bound = match self.root_mean_square(b) {
            Some((x, n)) if x == self.unmoved(a) => {
                // |x| ≤ √n · rms; and an eighth for the rounding of the root.
                let top = (n as f64).sqrt() * scale as f64 * 1.125;
                Some((-top.ceil() as i64, top.ceil() as i64))
            }
            _ => self.is_share(a, b).then_some((0, scale)),
        };
        let Some((lo, hi)) = bound else {
            return Ok(y);
        };
        let range = self.range(y);
        if range.lo >= lo && range.hi <= hi {
            return Ok(y);
        }
        self.op(Op::clamped(y, Clamp { lo, hi: Some(hi) }))
    }
}
