//! Convolutions of any rank, stride, dilation and padding: by the graph's own operation where there is
//! one, else by moving what lies under each window into rows.

use super::geometry::{Geometry, Place};
use super::value::{count, Array, Type, Value};
use super::Importer;
use crate::ImportError;
use zkml_graph::Op;

type One = Result<Value, ImportError>;

impl Importer {
    /// `x: [N, C, …]`, `w: [O, C/groups, …]`, `bias: [O]`.
    pub(super) fn conv_of(
        &mut self,
        x: &Value,
        w: &Value,
        bias: Option<&Value>,
        geometry: &Geometry,
        groups: usize,
    ) -> One {
        let channels = x.size(1);
        let outputs = w.size(0);
        if groups == 0 || channels != w.size(1) * groups || !outputs.is_multiple_of(groups) {
            let expected = format!("kernels [outputs, {channels} / groups, …] for {groups} groups");
            return Err(self.bad("kernels", expected, format!("{:?}", w.shape())));
        }
        if let Some(bias) = bias.filter(|b| b.shape() != [outputs]) {
            let got = format!("{:?}", bias.shape());
            return Err(self.bad("bias", format!("[{outputs}]"), got));
        }
        let native = match (x, w) {
            (Value::Data(x), Value::Constant(w)) => geometry.window().map(|window| (x, w, window)),
            _ => None,
        };
        let Some((_, kernels, _)) = native else {
            return self.conv_by_rows(x, w, bias, geometry, groups);
        };
        // Several outputs a channel: as many channels, each read by one output.
        let times = outputs / channels.max(1);
        if groups == channels && channels > 1 && times > 1 {
            let repeated = (0..outputs).map(|o| o / times).collect();
            let x = self.take(x, 1, repeated)?;
            return self.conv_of(&x, w, bias, geometry, outputs);
        }
        // One convolution for each sample, and for each group unless the groups are the channels.
        let parts = if groups == channels { 1 } else { groups };
        let known_bias = match bias {
            Some(Value::Constant(bias)) => Some(bias),
            _ => None,
        };
        let stuffed = self.dilated(&kernels.clone().into(), geometry)?;
        let own = outputs / parts;
        let mut samples = Vec::new();
        for n in 0..x.size(0) {
            let sample = self.slice(x, 0, n, 1)?;
            let mut outs = Vec::new();
            for part in 0..parts {
                let depth = channels / parts;
                let sample = self.slice(&sample, 1, part * depth, depth)?;
                let w = self.slice(&stuffed, 0, part * own, own)?;
                let bias = match known_bias {
                    Some(bias) => Some(self.slice(&bias.clone().into(), 0, part * own, own)?),
                    None => None,
                };
                let file = (kernels, known_bias, part);
                outs.push(self.native_conv(&sample, &w, bias, file, geometry, groups / parts)?);
            }
            samples.push(self.joined(&outs, 1)?);
        }
        let y = self.joined(&samples, 0)?;
        match bias {
            Some(bias @ Value::Data(_)) => self.add_bias(&y, bias),
            _ => Ok(y),
        }
    }

    fn add_bias(&mut self, y: &Value, bias: &Value) -> One {
        let mut shape = vec![1; y.rank().saturating_sub(1)];
        if let Some(slot) = shape.first_mut() {
            *slot = bias.count();
        }
        let bias = self.reshape_to(bias, shape)?;
        self.add(y, &bias)
    }

    /// One sample with known kernels: a part of those of the file.
    fn native_conv(
        &mut self,
        x: &Value,
        w: &Value,
        bias: Option<Value>,
        (kernels, known_bias, part): (&Array, Option<&Array>, usize),
        geometry: &Geometry,
        groups: usize,
    ) -> One {
        let (Some(window), Some([height, width])) = (geometry.window(), geometry.image()) else {
            return Err(self.bad("image", "at most two dimensions", geometry.rank()));
        };
        let (channels, outputs) = (x.size(1), w.size(0));
        let x = self.data(x)?;
        let Value::Constant(w) = w else {
            return Err(self.bad("kernels", "known numbers", "a computed tensor"));
        };
        let (scale, div, ratio) = self.weight_scale(&x, w);
        let image = self.shaped(x.id, vec![channels, height, width])?;
        let [kh, kw] = window.kernel;
        let shape = vec![outputs, w.shape.get(1).copied().unwrap_or(1), kh, kw];
        let mut how = vec![ratio.to_bits() as usize, groups, part];
        how.extend(&geometry.dilation);
        let times = |array: &Array, factor: f64| array.values.iter().map(|v| v * factor).collect();
        let made = self.made("kernels", &[kernels], &how);
        let w_id = self.tied_weight(made, "kernels", shape, || times(w, ratio))?;
        let unit = scale as f64 / self.scale() as f64;
        let bias = match (bias, known_bias) {
            (Some(Value::Constant(bias)), Some(known)) => {
                let made = self.made("bias", &[known], &[scale as usize, groups, part]);
                let shape = bias.shape.clone();
                Some(self.tied_weight(made, "bias", shape, || times(&bias, unit))?)
            }
            _ => None,
        };
        let op = Op::Conv {
            x: image,
            w: w_id,
            bias,
            window,
            groups,
            div,
            clamp: None,
        };
        let y = self.op(op)?;
        let shape = [&[1, outputs], geometry.out.as_slice()].concat();
        let ty = x.ty.join(w.ty);
        Ok(self.wrap(y, shape, ty, scale)?.into())
    }

    /// Kernels with zeros between their taps.
    fn dilated(&mut self, w: &Value, geometry: &Geometry) -> One {
        if !geometry.is_dilated() {
            return Ok(w.clone());
        }
        let mut w = w.clone();
        for (i, &dilation) in geometry.dilation.iter().enumerate() {
            w = self.stuffed(&w, i + 2, dilation)?;
        }
        Ok(w)
    }

    /// `step − 1` zeros between neighbours along a dimension.
    pub(super) fn stuffed(&mut self, x: &Value, axis: usize, step: usize) -> One {
        let size = x.size(axis);
        if step <= 1 || size <= 1 {
            return Ok(x.clone());
        }
        let mut shape = x.shape().to_vec();
        if let Some(slot) = shape.get_mut(axis) {
            *slot = 1;
        }
        let zeros = self.filled(&shape, 0.0, x.ty())?;
        let both = self.joined(&[x.clone(), zeros], axis)?;
        let length = (size - 1).saturating_mul(step).saturating_add(1);
        self.spend(length)?;
        let at = |i: usize| {
            if i.is_multiple_of(step) {
                i / step
            } else {
                size
            }
        };
        self.take(&both, axis, (0..length).map(at).collect())
    }

    /// A public tensor of one value.
    pub(super) fn filled(&mut self, shape: &[usize], value: f64, ty: Type) -> One {
        self.spend(count(shape))?;
        Ok(Array::public(shape.to_vec(), vec![value; count(shape)], ty).into())
    }

    /// Any rank, and kernels that are computed: rows of what lies under each window, times the
    /// kernels.
    fn conv_by_rows(
        &mut self,
        x: &Value,
        w: &Value,
        bias: Option<&Value>,
        geometry: &Geometry,
        groups: usize,
    ) -> One {
        let (batch, outputs, depth) = (x.size(0), w.size(0), w.size(1));
        let (positions, taps) = (geometry.positions(), geometry.taps());
        let places = self.places(geometry)?;
        let mut parts = Vec::new();
        for group in 0..groups {
            let part = self.slice(x, 1, group * depth, depth)?;
            let rows = self.under_windows(&part, &places, geometry)?;
            // [N, C, P, T] to [N, P, C·T].
            let rows = self.permuted(&rows, &[0, 2, 1, 3])?;
            let rows = self.reshape_to(&rows, vec![batch, positions, depth * taps])?;
            let own = outputs / groups;
            let w = self.slice(w, 0, group * own, own)?;
            let w = self.reshape_to(&w, vec![own, depth * taps])?;
            let w = self.permuted(&w, &[1, 0])?;
            let product = self.matmul_of(&rows, &w)?;
            parts.push(self.swapped(&product)?);
        }
        let y = self.joined(&parts, 1)?;
        let shape = [&[batch, outputs], geometry.out.as_slice()].concat();
        let y = self.reshape_to(&y, shape)?;
        match bias {
            Some(bias) => self.add_bias(&y, bias),
            None => Ok(y),
        }
    }

    /// Every window of a geometry that is not too large.
    pub(super) fn places(&mut self, geometry: &Geometry) -> Result<Vec<Place>, ImportError> {
        self.spend(geometry.positions().saturating_mul(geometry.taps()))?;
        Ok(geometry.places())
    }

    /// `[N, C, windows, taps]`, zero in the padding.
    fn under_windows(&mut self, x: &Value, places: &[Place], geometry: &Geometry) -> One {
        let planes = x.size(0) * x.size(1);
        let plane = count(&geometry.size);
        let flat = self.reshape_to(x, vec![planes, plane])?;
        let padded = places.iter().any(|p| p.taps.contains(&None));
        let flat = if padded {
            let zeros = self.filled(&[planes, 1], 0.0, x.ty())?;
            self.joined(&[flat, zeros], 1)?
        } else {
            flat
        };
        let taps = places.iter().flat_map(|p| &p.taps);
        let indices = taps.map(|tap| tap.unwrap_or(plane)).collect();
        let rows = self.take(&flat, 1, indices)?;
        let shape = vec![x.size(0), x.size(1), places.len(), geometry.taps()];
        self.reshape_to(&rows, shape)
    }
}
