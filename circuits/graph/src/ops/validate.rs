//! Shape inference, and the check that a graph follows every rule.

use super::{elements, GraphError, MAX_DATA_ELEMENTS, MAX_ELEMENTS, MAX_TOTAL_ELEMENTS};
use crate::range::{MAX_ACTIVATION_BITS, MAX_WEIGHT_BITS};
use crate::{Graph, Interval, Node, Op, Role, TensorId, Window};

/// Largest magnitude of the constants of [`Op::Combine`], and of a padding.
const MAX_SMALL: i64 = 1 << 20;

/// Largest magnitude of a public number.
const MAX_CONSTANT: u64 = 1 << 40;

/// Largest factor of [`Op::Div`].
const MAX_FACTOR: i64 = 1 << 40;

/// Widest integers that wrap around.
const MAX_WRAP: u32 = 32;

/// Most terms of [`Op::Combine`].
const MAX_TERMS: usize = 1 << 10;

fn shape_error(
    node: &str,
    what: &str,
    expected: impl Into<String>,
    got: impl Into<String>,
) -> GraphError {
    GraphError::Shape {
        node: node.to_owned(),
        what: what.to_owned(),
        expected: expected.into(),
        got: got.into(),
    }
}

impl Graph {
    fn shape(&self, id: TensorId, node: &str) -> Result<&[usize], GraphError> {
        Ok(&self.tensor(id, &format!("node '{node}'"))?.shape)
    }

    fn image(&self, id: TensorId, node: &str) -> Result<[usize; 3], GraphError> {
        match *self.shape(id, node)? {
            [c, h, w] => Ok([c, h, w]),
            ref other => Err(shape_error(
                node,
                "input",
                "[channels, height, width]",
                format!("{other:?}"),
            )),
        }
    }

    fn expect(
        &self,
        id: TensorId,
        node: &str,
        what: &str,
        expected: &[usize],
    ) -> Result<(), GraphError> {
        let got = self.shape(id, node)?;
        if got == expected {
            return Ok(());
        }
        Err(shape_error(
            node,
            what,
            format!("{expected:?}"),
            format!("{got:?}"),
        ))
    }

    /// The shape that `op` gives, with every rule on its operands' shapes checked.
    pub fn infer_shape(&self, node: &str, op: &Op) -> Result<Vec<usize>, GraphError> {
        match op {
            Op::Conv {
                x,
                w,
                bias,
                window,
                groups,
                ..
            } => {
                let [c, height, width] = self.image(*x, node)?;
                let kernels = self.shape(*w, node)?;
                let [kh, kw] = window.kernel;
                if *groups != 1 && *groups != c {
                    return Err(shape_error(
                        node,
                        "groups",
                        format!("1 or {c}"),
                        groups.to_string(),
                    ));
                }
                let depth = c / (*groups).max(1);
                let out = kernels.first().copied().unwrap_or(0);
                self.expect(*w, node, "kernels", &[out, depth, kh, kw])?;
                if out == 0 || out % (*groups).max(1) != 0 {
                    return Err(shape_error(
                        node,
                        "output channels",
                        format!("a positive multiple of {groups}"),
                        out.to_string(),
                    ));
                }
                if let Some(bias) = bias {
                    self.expect(*bias, node, "bias", &[out])?;
                }
                let [h, w] = fit(node, window, [c.max(out), height, width])?;
                Ok(vec![out, h, w])
            }
            Op::Linear { x, w, bias, .. } => {
                let &[k] = self.shape(*x, node)? else {
                    let got = format!("{:?}", self.shape(*x, node)?);
                    return Err(shape_error(node, "input", "one dimension", got));
                };
                let n = self.shape(*w, node)?.first().copied().unwrap_or(0);
                self.expect(*w, node, "weights", &[n, k])?;
                if let Some(bias) = bias {
                    self.expect(*bias, node, "bias", &[n])?;
                }
                Ok(vec![n])
            }
            Op::Scale { x, w, bias, .. } => {
                let shape = self.shape(*x, node)?.to_vec();
                let Some(&c) = shape.first() else {
                    return Err(shape_error(node, "input", "at least one dimension", "[]"));
                };
                for (what, id) in [("factors", w), ("bias", bias)] {
                    if let Some(id) = id {
                        self.expect(*id, node, what, &[c])?;
                    }
                }
                Ok(shape)
            }
            Op::Combine { terms, .. } => {
                let Some((_, first)) = terms.first() else {
                    return Err(shape_error(node, "terms", "at least one", "none"));
                };
                let shape = self.shape(*first, node)?.to_vec();
                for (_, x) in terms {
                    self.expect(*x, node, "operand", &shape)?;
                }
                Ok(shape)
            }
            Op::Mul { a, b, .. } | Op::Div { a, b, .. } | Op::Max { a, b } | Op::Min { a, b } => {
                let shape = self.shape(*a, node)?.to_vec();
                self.expect(*b, node, "second operand", &shape)?;
                Ok(shape)
            }
            Op::MatMul { a, b, .. } => {
                let (left, right) = (self.shape(*a, node)?, self.shape(*b, node)?);
                match (left, right) {
                    ([batch @ .., m, k], [same @ .., rows, n]) if batch == same && k == rows => {
                        Ok([batch, &[*m, *n]].concat())
                    }
                    _ => Err(shape_error(
                        node,
                        "operands",
                        "[B…, M, K] and [B…, K, N]",
                        format!("{left:?} and {right:?}"),
                    )),
                }
            }
            Op::Wrap { x, bits, .. } => {
                if !(1..=MAX_WRAP).contains(bits) {
                    let expected = format!("1 to {MAX_WRAP}");
                    return Err(shape_error(node, "bits", expected, bits.to_string()));
                }
                Ok(self.shape(*x, node)?.to_vec())
            }
            Op::Check { x, lo, hi, .. } => {
                let hi = hi.unwrap_or(*lo);
                let small = |v: i64| v.unsigned_abs() <= MAX_CONSTANT;
                if *lo > hi || !small(*lo) || !small(hi) {
                    let expected = "lower bound first, both at most 2^40 in size";
                    return Err(shape_error(
                        node,
                        "bounds",
                        expected,
                        format!("[{lo}, {hi}]"),
                    ));
                }
                Ok(self.shape(*x, node)?.to_vec())
            }
            Op::Table { x, table } => {
                if *table >= self.tables.len() {
                    let expected = format!("one of {}", self.tables.len());
                    return Err(shape_error(node, "table", expected, table.to_string()));
                }
                Ok(self.shape(*x, node)?.to_vec())
            }
            Op::ReduceSum { x, .. } => match self.shape(*x, node)? {
                [kept @ .., _] => Ok(kept.to_vec()),
                [] => Err(shape_error(node, "input", "at least one dimension", "[]")),
            },
            Op::AvgPool { x, window } | Op::MaxPool { x, window } => {
                let [c, height, width] = self.image(*x, node)?;
                let [kh, kw] = window.kernel;
                // Otherwise a window could hold nothing but padding.
                let limits = [kh, kw, kh, kw];
                if window.pads.iter().zip(limits).any(|(&p, k)| p >= k) {
                    let got = format!("{:?} for a kernel of {:?}", window.pads, window.kernel);
                    return Err(shape_error(node, "padding", "less than the kernel", got));
                }
                let [h, w] = fit(node, window, [c, height, width])?;
                // Each tap of a window is laid out for all outputs, and costs as much as some dozens of them.
                let outputs = c.checked_mul(h).and_then(|n| n.checked_mul(w));
                let work = outputs.and_then(|n| n.checked_add(TAP)?.checked_mul(window.area()));
                if work.is_none_or(|work| work > MAX_ELEMENTS) {
                    let expected = format!("one with at most {MAX_ELEMENTS} taps of all outputs");
                    return Err(shape_error(node, "window", expected, format!("{window:?}")));
                }
                Ok(vec![c, h, w])
            }
            Op::Reshape { x } => Ok(self.shape(*x, node)?.to_vec()),
            Op::Transpose { x, perm } => {
                let shape = self.shape(*x, node)?;
                let mut sorted = perm.clone();
                sorted.sort_unstable();
                if !sorted.iter().copied().eq(0..shape.len()) {
                    let expected = format!("a permutation of {} dimensions", shape.len());
                    return Err(shape_error(
                        node,
                        "permutation",
                        expected,
                        format!("{perm:?}"),
                    ));
                }
                Ok(perm.iter().filter_map(|&p| shape.get(p).copied()).collect())
            }
            Op::Gather { x, axis, indices } => {
                let mut shape = self.shape(*x, node)?.to_vec();
                let rank = shape.len();
                let Some(size) = shape.get_mut(*axis) else {
                    let expected = format!("less than {rank}");
                    return Err(shape_error(node, "axis", expected, axis.to_string()));
                };
                if let Some(bad) = indices.iter().find(|&&i| i >= *size) {
                    let expected = format!("less than {size}");
                    return Err(shape_error(node, "index", expected, bad.to_string()));
                }
                *size = indices.len();
                Ok(shape)
            }
            Op::Concat { xs, axis } => {
                let mut shape = match xs.first() {
                    Some(first) => self.shape(*first, node)?.to_vec(),
                    None => return Err(shape_error(node, "operands", "at least one", "none")),
                };
                let mut total = 0usize;
                for x in xs {
                    let part = self.shape(*x, node)?;
                    let size = part.get(*axis).copied();
                    let mut expected = shape.clone();
                    match (size, expected.get_mut(*axis)) {
                        (Some(size), Some(slot)) => {
                            *slot = size;
                            total = total.saturating_add(size);
                        }
                        _ => {
                            let expected = format!("less than {}", part.len());
                            return Err(shape_error(node, "axis", expected, axis.to_string()));
                        }
                    }
                    self.expect(*x, node, "operand", &expected)?;
                }
                if let Some(size) = shape.get_mut(*axis) {
                    *size = total;
                }
                Ok(shape)
            }
            Op::Constant { shape, values } => {
                if elements(shape) != Some(values.len()) {
                    let expected = format!("as many values as {shape:?} has elements");
                    let got = values.len().to_string();
                    return Err(shape_error(node, "constant", expected, got));
                }
                Ok(shape.clone())
            }
            Op::Parameter { w } => Ok(self.shape(*w, node)?.to_vec()),
        }
    }

    /// Checks every rule: ids, order, roles, shapes, divisors, intervals.
    pub fn validate(&self) -> Result<(), GraphError> {
        if self.scale < 1 {
            return Err(shape_error(
                "graph",
                "scale",
                "at least 1",
                self.scale.to_string(),
            ));
        }
        let mut total = 0usize;
        for tensor in &self.tensors {
            let count = elements(&tensor.shape);
            total = total.saturating_add(count.unwrap_or(0));
            let problem = match count {
                None => format!(
                    "shape {:?} has more than {MAX_ELEMENTS} elements",
                    tensor.shape
                ),
                Some(n) if n > MAX_DATA_ELEMENTS && tensor.role != Role::Weight => {
                    format!("{n} elements, at most {MAX_DATA_ELEMENTS} are supported")
                }
                Some(0) => format!("shape {:?} has no elements", tensor.shape),
                Some(_) if tensor.range.lo > tensor.range.hi => {
                    format!("range [{}, {}] is empty", tensor.range.lo, tensor.range.hi)
                }
                Some(_) if !within(tensor.range, bits(tensor.role)) => format!(
                    "range [{}, {}] of fixed-point integers is not within ±2^{}",
                    tensor.range.lo,
                    tensor.range.hi,
                    bits(tensor.role)
                ),
                Some(_) if total > MAX_TOTAL_ELEMENTS => {
                    format!("the graph's tensors have more than {MAX_TOTAL_ELEMENTS} elements")
                }
                Some(_) => continue,
            };
            return Err(GraphError::Tensor {
                tensor: tensor.name.clone(),
                problem,
            });
        }
        for table in &self.tables {
            let fits = |v: &i64| v.unsigned_abs() <= MAX_CONSTANT;
            if table.values.is_empty() || !fits(&table.lo) || !table.values.iter().all(fits) {
                let place = format!("table '{}'", table.name);
                let expected = "at least one value, all below 2^40 in size";
                return Err(shape_error(&place, "values", expected, "others"));
            }
        }
        let mut known: Vec<bool> = self
            .tensors
            .iter()
            .map(|t| t.role == Role::Weight)
            .collect();
        for &id in &self.inputs {
            self.define(&mut known, id, Role::Input, "the list of inputs")?;
        }
        for node in &self.nodes {
            self.validate_node(node, &known)?;
            let place = format!("node '{}'", node.name);
            self.define(&mut known, node.output, Role::Activation, &place)?;
        }
        for &id in &self.outputs {
            let tensor = self.tensor(id, "the list of outputs")?;
            if tensor.role == Role::Weight || !known.get(id.0).copied().unwrap_or(false) {
                return Err(order(
                    "the list of outputs",
                    &tensor.name,
                    "not computed by any node",
                ));
            }
        }
        self.check_numbers()
    }

    fn define(
        &self,
        known: &mut [bool],
        id: TensorId,
        role: Role,
        place: &str,
    ) -> Result<(), GraphError> {
        let tensor = self.tensor(id, place)?;
        if tensor.role != role {
            return Err(order(
                place,
                &tensor.name,
                "of another role than its place says",
            ));
        }
        match known.get_mut(id.0) {
            Some(slot) if !*slot => *slot = true,
            _ => return Err(order(place, &tensor.name, "defined twice")),
        }
        Ok(())
    }

    fn validate_node(&self, node: &Node, known: &[bool]) -> Result<(), GraphError> {
        let place = format!("node '{}'", node.name);
        for (ids, weights) in [
            (node.op.data_operands(), false),
            (node.op.weight_operands(), true),
        ] {
            for id in ids {
                let tensor = self.tensor(id, &place)?;
                if (tensor.role == Role::Weight) != weights {
                    let problem = if weights {
                        "not a weight"
                    } else {
                        "a weight, where data goes"
                    };
                    return Err(order(&place, &tensor.name, problem));
                }
                if !known.get(id.0).copied().unwrap_or(false) {
                    return Err(order(&place, &tensor.name, "read before it is computed"));
                }
            }
        }
        let inferred = self.infer_shape(&node.name, &node.op)?;
        let declared = self.shape(node.output, &node.name)?;
        let fits = match node.op {
            Op::Reshape { .. } => elements(&inferred) == elements(declared),
            _ => inferred == declared,
        };
        if !fits {
            let (expected, got) = (format!("{inferred:?}"), format!("{declared:?}"));
            return Err(shape_error(&node.name, "output", expected, got));
        }
        if node.op.divisor() < 1 {
            let got = node.op.divisor().to_string();
            return Err(shape_error(&node.name, "divisor", "at least 1", got));
        }
        if let Op::Scale { w: None, div, .. } = node.op {
            if div != 1 {
                return Err(shape_error(
                    &node.name,
                    "divisor without factors",
                    "1",
                    div.to_string(),
                ));
            }
        }
        let limit = MAX_SMALL.unsigned_abs();
        let small = match &node.op {
            Op::Combine {
                terms, constant, ..
            } => {
                terms.iter().all(|(f, _)| f.unsigned_abs() <= limit)
                    && constant.unsigned_abs() <= MAX_CONSTANT
                    && terms.len() <= MAX_TERMS
            }
            Op::Div { factor, .. } => (1..=MAX_FACTOR).contains(factor),
            Op::Constant { values, .. } => values.iter().all(|v| v.unsigned_abs() <= MAX_CONSTANT),
            _ => true,
        };
        if !small {
            let expected = format!("factors up to {MAX_SMALL}, constants up to 2^40");
            return Err(shape_error(
                &node.name,
                "factors",
                expected,
                "larger ones or more",
            ));
        }
        match node.op.clamp() {
            Some(c) if c.hi.is_some_and(|hi| hi < c.lo) => {
                let got = format!("[{}, {}]", c.lo, c.hi.unwrap_or_default());
                Err(shape_error(&node.name, "clamp", "lower bound first", got))
            }
            _ if node.pre.lo > node.pre.hi || !within(node.pre, MAX_ACTIVATION_BITS) => {
                let got = format!("[{}, {}]", node.pre.lo, node.pre.hi);
                let expected = format!("lower bound first, within ±2^{MAX_ACTIVATION_BITS}");
                Err(shape_error(&node.name, "interval", expected, got))
            }
            _ => Ok(()),
        }
    }
}

/// Bits of the widest range that is declared.
fn bits(role: Role) -> u32 {
    match role {
        Role::Weight => MAX_WEIGHT_BITS,
        Role::Input | Role::Activation => MAX_ACTIVATION_BITS,
    }
}

/// Whether a declared interval lies in `[-2^bits, 2^bits - 1]`: whatever is computed with its ends fits.
fn within(range: Interval, bits: u32) -> bool {
    let limit = 1i64 << bits;
    -limit <= range.lo && range.hi < limit
}

fn order(place: &str, tensor: &str, problem: &'static str) -> GraphError {
    GraphError::Order {
        place: place.to_owned(),
        tensor: tensor.to_owned(),
        problem,
    }
}

/// What a tap of a pool's windows costs beside the outputs.
const TAP: usize = 48;

/// The output's height and width, for images of so many channels, in or out.
fn fit(
    node: &str,
    window: &Window,
    [channels, height, width]: [usize; 3],
) -> Result<[usize; 2], GraphError> {
    let limit = MAX_SMALL.unsigned_abs() as usize;
    let sides = window.pads.iter().chain(&window.kernel);
    let small = sides.into_iter().all(|&side| side <= limit);
    // The layout goes over padded images, of inputs and outputs, and over the taps of all windows.
    let work = |[out_height, out_width]: [usize; 2]| {
        let [top, left, bottom, right] = window.pads;
        let rows = height.checked_add(top)?.checked_add(bottom)?;
        let columns = width.checked_add(left)?.checked_add(right)?;
        let taps = out_height
            .checked_mul(out_width)?
            .checked_mul(window.area())?;
        let pixels = rows.checked_mul(columns)?.checked_mul(channels)?;
        Some(pixels.max(taps))
    };
    window
        .output(height, width)
        .filter(|out| small && work(*out).is_some_and(|work| work <= MAX_ELEMENTS))
        .ok_or_else(|| {
            let expected = format!(
                "one that fits an image of {height} × {width}, with at most {MAX_ELEMENTS} padded pixels and taps"
            );
            shape_error(node, "window", expected, format!("{window:?}"))
        })
}
