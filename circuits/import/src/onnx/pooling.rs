//! Pooling of any rank, stride, dilation and padding.

use super::geometry::{Geometry, Place};
use super::value::{count, Data, Value};
use super::Importer;
use crate::ImportError;
use std::collections::BTreeMap;
use zkml_graph::Op;

type One = Result<Value, ImportError>;

impl Importer {
    /// The graph's own pooling.
    pub(super) fn native_pool(
        &mut self,
        x: &Data,
        geometry: &Geometry,
        average: bool,
    ) -> Result<Option<Value>, ImportError> {
        let (Some(window), Some([height, width])) = (geometry.window(), geometry.image()) else {
            return Ok(None);
        };
        let [kh, kw] = window.kernel;
        let fits = window
            .pads
            .iter()
            .zip([kh, kw, kh, kw])
            .all(|(&p, k)| p < k);
        if geometry.is_dilated() || !fits {
            return Ok(None);
        }
        let planes = x.shape.iter().take(2).product();
        let image = self.shaped(x.id, vec![planes, height, width])?;
        let op = match average {
            true => Op::AvgPool { x: image, window },
            false => Op::MaxPool { x: image, window },
        };
        let y = self.op(op)?;
        let mut shape: Vec<usize> = x.shape.iter().take(2).copied().collect();
        shape.extend(&geometry.out);
        Ok(Some(self.wrap(y, shape, x.ty, x.scale)?.into()))
    }

    /// Sums under each window, divided by the number of elements that count; windows with as many
    /// of both are one operation.
    pub(super) fn pooled_means(
        &mut self,
        x: &Value,
        geometry: &Geometry,
        divisor: impl Fn(&Place) -> usize,
    ) -> One {
        let planes = x.size(0) * x.size(1);
        let flat = self.reshape_to(x, vec![planes, count(&geometry.size)])?;
        let places = self.places(geometry)?;
        let mut alike: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for (at, place) in places.iter().enumerate() {
            let inside = place.taps.iter().flatten().count();
            alike.entry((inside, divisor(place))).or_default().push(at);
        }
        let (mut sums, mut order) = (Vec::new(), Vec::new());
        for ((inside, div), members) in alike {
            let own = |&at: &usize| {
                places
                    .get(at)
                    .into_iter()
                    .flat_map(|p| p.taps.iter().flatten())
            };
            let indices: Vec<usize> = members.iter().flat_map(own).copied().collect();
            let sum = if inside == 0 {
                self.filled(&[planes, members.len()], 0.0, x.ty())?
            } else {
                let rows = self.take(&flat, 1, indices)?;
                let rows = self.reshape_to(&rows, vec![planes, members.len(), inside])?;
                self.sum_last(&rows, i64::try_from(div.max(1)).unwrap_or(1))?
            };
            sums.push(sum);
            order.extend(members);
        }
        let all = self.joined(&sums, 1)?;
        let mut back = vec![0; order.len()];
        for (from, to) in order.into_iter().enumerate() {
            if let Some(slot) = back.get_mut(to) {
                *slot = from;
            }
        }
        let all = self.take(&all, 1, back)?;
        let mut shape: Vec<usize> = x.shape().iter().take(2).copied().collect();
        shape.extend(&geometry.out);
        self.reshape_to(&all, shape)
    }

    /// `[planes, windows, taps]` where a window's taps in the padding repeat one of its others: for
    /// extrema. With it, the element in the plane that each is.
    pub(super) fn covered(
        &mut self,
        x: &Value,
        geometry: &Geometry,
    ) -> Result<(Value, Vec<usize>), ImportError> {
        let planes = x.size(0) * x.size(1);
        let flat = self.reshape_to(x, vec![planes, count(&geometry.size)])?;
        let mut indices = Vec::new();
        for place in self.places(geometry)? {
            let Some(any) = place.taps.iter().flatten().next().copied() else {
                return Err(self.bad(
                    "padding",
                    "less than the kernel",
                    "a window of padding only",
                ));
            };
            indices.extend(place.taps.iter().map(|tap| tap.unwrap_or(any)));
        }
        let rows = self.take(&flat, 1, indices.clone())?;
        let shape = vec![planes, geometry.positions(), geometry.taps()];
        Ok((self.reshape_to(&rows, shape)?, indices))
    }
}
