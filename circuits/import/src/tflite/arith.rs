//! Operators that compute: convolutions, dense layers, pools, arithmetic, functions.

use super::lower::{Lowering, Place, Result};

impl Lowering<'_, '_> {
    pub(super) fn convolution(&mut self, place: &Place<'_, '_>, depthwise: i64) -> Result<()> {
        // Depthwise options have a multiplier before the activation.
        let after = usize::from(depthwise == 1);
        let dilations: Result<_> = place.operator.options.map_or(Ok([1, 1]), |table| {
            Ok([table.i32(4 + after, 1)?, table.i32(5 + after, 1)?])
        });
        let [across, down] = dilations?;
        place.demand("dilation_w_factor", across.into(), 1)?;
        place.demand("dilation_h_factor", down.into(), 1)?;
        if depthwise == 1 {
            let channels = self.shape(place, place.input(0)?)?.last().copied();
            let made = self.shape(place, place.input(1)?)?.last().copied();
            place.demand(
                "output channels of a depthwise convolution",
                made.unwrap_or(0),
                channels.unwrap_or(0),
            )?;
        }
        let params = vec![
            depthwise,
            place.byte(0)?,
            place.activation(3 + after)?,
            place.option(2)?,
            place.option(1)?,
        ];
        let inputs = place.operator.inputs.clone();
        self.layer(place, "Conv2D", params, inputs, place.output()?)
    }

    pub(super) fn fully_connected(&mut self, place: &Place<'_, '_>) -> Result<()> {
        place.demand("weights_format", place.byte(1)?, 0)?;
        let activation = place.activation(0)?;
        let mut inputs = place.operator.inputs.clone();
        let shape = self.shape(place, place.input(0)?)?;
        let columns = self.shape(place, place.input(1)?)?.last().copied();
        let columns = columns.filter(|&n| n > 0).unwrap_or(1);
        if let (Some(first), true) = (inputs.first_mut(), shape.len() != 2 && place.byte(2)? == 0) {
            let count: i64 = shape.iter().product();
            let flat = self.temporary(vec![count / columns, columns]);
            self.layer(place, "Reshape", vec![], vec![*first], flat)?;
            *first = flat;
        }
        let out = place.output()?;
        self.layer(place, "FullyConnected", vec![activation], inputs, out)
    }

    pub(super) fn pool(&mut self, place: &Place<'_, '_>, kind: &str) -> Result<()> {
        let padding = place.byte(0)?;
        let (stride, filter) = (
            [place.option(2)?, place.option(1)?],
            [place.option(4)?, place.option(3)?],
        );
        let (from, to) = (
            self.shape(place, place.input(0)?)?,
            self.shape(place, place.output()?)?,
        );
        if kind == "AveragePool2D" && padding == 0 {
            // TFLite counts only what is inside the image.
            let inside = from.iter().zip(&to).skip(1).zip(stride.iter().zip(filter));
            let padded = |((size, out), (stride, filter)): ((&i64, &i64), (&i64, i64))| {
                (out - 1).saturating_mul(*stride).saturating_add(filter) > *size
            };
            if inside.into_iter().any(padded) {
                return self.average(place, filter, stride);
            }
        }
        let params = [&filter[..], &stride, &[padding]].concat();
        self.activated(place, kind, params, vec![place.input(0)?], 5)
    }

    pub(super) fn pair(&mut self, place: &Place<'_, '_>, kind: &str, field: usize) -> Result<()> {
        let inputs = vec![place.input(0)?, place.input(1)?];
        if kind == "Add" {
            let params = vec![place.activation(field)?];
            return self.layer(place, kind, params, inputs, place.output()?);
        }
        self.activated(place, kind, vec![], inputs, field)
    }

    /// Constants divide as their inverses multiply, as in zkml's converter.
    pub(super) fn quotient(&mut self, place: &Place<'_, '_>) -> Result<()> {
        let (x, divisor) = (place.input(0)?, place.input(1)?);
        let Some(values) = self.reals(place, divisor)? else {
            return self.activated(place, "DivVar", vec![], vec![x, divisor], 0);
        };
        if let Some(one) = self.network.constants.get_mut(&divisor) {
            one.commit(values.iter().copied());
        }
        let inverse = self.temporary(self.shape(place, divisor)?);
        let values = values.iter().map(|v| 1.0 / v).collect();
        self.weights(place, inverse, values)?;
        self.activated(place, "Mul", vec![], vec![x, inverse], 0)
    }

    pub(super) fn power(&mut self, place: &Place<'_, '_>) -> Result<()> {
        let exponent = self.reals(place, place.input(1)?)?;
        if let Some(one) = self.network.constants.get_mut(&place.input(1)?) {
            // Only those that say which function is computed are read.
            one.disclose(format!("the exponent of {}", place.name), true);
        }
        let (layer, params) = match exponent.as_deref() {
            Some([2.0]) => ("Square", vec![]),
            Some([3.0]) => ("Pow", vec![3]),
            Some([0.5]) => ("Sqrt", vec![]),
            Some([-0.5]) => ("Rsqrt", vec![]),
            other => {
                let got = match other {
                    Some([_]) => "another one".to_owned(),
                    Some(all) => format!("{} numbers", all.len()),
                    None => "a computed tensor".to_owned(),
                };
                return Err(place.bad("exponent", "2, 3, 0.5 or -0.5", got));
            }
        };
        self.function(place, layer, params)
    }

    pub(super) fn softmax(&mut self, place: &Place<'_, '_>) -> Result<()> {
        let beta = place.operator.options.map_or(Ok(0.0), |table| table.f32(0));
        let beta = beta?;
        if beta != 1.0 {
            return Err(place.bad("beta", "1", beta));
        }
        self.function(place, "Softmax", vec![])
    }

    /// The mean over some dimensions, which come last and become one.
    pub(super) fn mean(&mut self, place: &Place<'_, '_>) -> Result<()> {
        let mut x = place.input(0)?;
        let shape = self.shape(place, x)?;
        let rank = shape.len();
        let mut axes = Vec::new();
        for axis in self.integers(place, 1)? {
            axes.push(super::moves::axis(place, axis, rank)?);
        }
        axes.sort_unstable();
        axes.dedup();
        let mut order: Vec<usize> = (0..rank).filter(|d| !axes.contains(d)).collect();
        let size = |d: &usize| shape.get(*d).copied().unwrap_or(1);
        // A dimension stays, also of a mean over all.
        let mut kept: Vec<i64> = order.iter().map(size).collect();
        if kept.is_empty() {
            kept.push(1);
        }
        let count: i64 = axes.iter().map(size).product();
        order.extend(&axes);
        let moved = self.temporary(order.iter().map(size).collect());
        let perm = order.iter().filter_map(|&d| i64::try_from(d).ok());
        self.layer(place, "Transpose", perm.collect(), vec![x], moved)?;
        x = moved;
        let rows = self.temporary([&kept[..], &[count]].concat());
        self.layer(place, "Reshape", vec![], vec![x], rows)?;
        let mean = self.temporary(kept.clone());
        self.layer(place, "Mean", vec![-1], vec![rows], mean)?;
        self.layer(place, "Reshape", vec![], vec![mean], place.output()?)
    }
}
