//! Operators that are not elementwise, or read other types than they give: reductions, running sums, choices, products of
//! matrices, and those of quantised models.

use super::*;

/// Types of sums and products over a dimension, and of products of matrices.
const SUMMED: [i32; 4] = [6, 7, 12, 13];
/// Types of extrema over a dimension.
const COMPARED: [i32; 6] = [2, 3, 6, 7, 12, 13];
const BYTES: [i32; 2] = [2, 3];

/// Least and largest number of a type.
fn ends(ty: i32) -> (i128, i128) {
    match ty {
        2 | 3 => given(ty),
        4 => (0, u16::MAX.into()),
        5 => (i16::MIN.into(), i16::MAX.into()),
        6 => (i32::MIN.into(), i32::MAX.into()),
        7 => (i64::MIN.into(), i64::MAX.into()),
        12 => (0, u32::MAX.into()),
        _ => (0, u64::MAX.into()),
    }
}

/// The nearest integer to `value / 2^bits`, the even one of two.
fn halved(value: i128, bits: u32) -> i128 {
    let size = 1i128 << bits;
    let (floor, rest) = (value.div_euclid(size), value.rem_euclid(size));
    let up = 2 * rest > size || (2 * rest == size && floor % 2 != 0);
    floor + i128::from(up)
}

type Known = (String, Option<Vec<i128>>);

impl Random {
    /// One of a list.
    fn any<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.rng.gen_range(0..all.len())]
    }

    /// A name that no tensor has.
    fn fresh(&mut self, prefix: &str) -> String {
        let graph = self.model.graph.as_ref().unwrap();
        format!("{prefix}_{}", graph.node.len() + graph.initializer.len())
    }

    /// Numbers of the file, of a shape.
    fn stored(&mut self, ty: i32, dims: &[i64], values: &[i128]) -> String {
        let name = self.fresh("k");
        let mut tensor = numbers(&name, ty, values);
        tensor.dims = dims.to_vec();
        let graph = self.model.graph.as_mut().unwrap();
        graph.initializer.push(tensor);
        name
    }

    fn real(&mut self, value: f32) -> String {
        let name = self.fresh("f");
        let graph = self.model.graph.as_mut().unwrap();
        graph.initializer.push(floats(&name, &[], &[value]));
        name
    }

    /// A node between others.
    fn between(&mut self, op: &str, operands: &[&str], attributes: &[AttributeProto]) -> String {
        let name = self.fresh("b");
        let graph = self.model.graph.as_mut().unwrap();
        graph.node.push(node(op, operands, &name, attributes));
        name
    }

    fn ends_in(
        &mut self,
        op: &str,
        operands: &[&str],
        ty: i32,
        more: &[AttributeProto],
        values: Option<Vec<i128>>,
    ) {
        let output = format!("y{}", self.known.len());
        self.push(node(op, operands, &output, more), ty, values);
    }

    pub(super) fn wider(&mut self) {
        match self.rng.gen_range(0..11) {
            0 | 1 => self.reduced(),
            2 => self.running(),
            3 => self.chosen(),
            4 => self.clipped(),
            5 => self.cut(),
            6 => self.matrix(),
            7 => self.bytes(),
            8 => self.window(),
            9 => self.quantised(),
            _ => self.sign(),
        }
    }

    fn reduced(&mut self) {
        let (op, each) = self.any(&[
            ("ReduceSum", "Add"),
            ("ReduceProd", "Mul"),
            ("ReduceMax", "Max"),
            ("ReduceMin", "Min"),
        ]);
        let ty = match each {
            "Add" | "Mul" => self.any(&SUMMED),
            _ => self.any(&COMPARED),
        };
        let (a, x) = self.operand(ty);
        let axes = self.stored(7, &[1], &[1]);
        let row = self.between(op, &[&a, &axes], &[int("keepdims", 1)]);
        let shape = self.stored(7, &[2], &[1, N as i128]);
        let values = x.and_then(|x| {
            let step = |so_far: i128, v: &i128| match each {
                "Add" => so_far.checked_add(*v),
                "Mul" => so_far.checked_mul(*v),
                _ => reference(ty, each, so_far, *v),
            };
            let total = x[1..].iter().try_fold(x[0], step)?;
            // Runtimes do not agree on what is beyond a type.
            let (lo, hi) = ends(ty);
            (lo..=hi).contains(&total).then(|| vec![total; N])
        });
        self.ends_in("Expand", &[&row, &shape], ty, &[], values);
    }

    fn running(&mut self) {
        let ty = self.any(&SUMMED);
        let (a, x) = self.operand(ty);
        let (exclusive, reverse) = (self.rng.gen_bool(0.5), self.rng.gen_bool(0.5));
        let axis = self.stored(7, &[], &[1]);
        let values = x.map(|x| {
            let one = |at: usize| {
                let summed = x.iter().enumerate().filter(|(i, _)| match reverse {
                    true => *i > at || (*i == at && !exclusive),
                    false => *i < at || (*i == at && !exclusive),
                });
                cast(ty, summed.map(|(_, v)| v).sum())
            };
            (0..N).map(one).collect()
        });
        let more = [
            int("exclusive", exclusive.into()),
            int("reverse", reverse.into()),
        ];
        self.ends_in("CumSum", &[&a, &axis], ty, &more, values);
    }

    fn chosen(&mut self) {
        let (of, ty) = (self.any(&TYPES), self.any(&TYPES));
        let [(a, x), (b, y)] = [self.operand(of), self.operand(of)];
        let [(c, first), (d, second)] = [self.operand(ty), self.operand(ty)];
        let op = self.any(&["Less", "Greater", "Equal"]);
        let choice = self.between(op, &[&a, &b], &[]);
        let all = x.zip(y).zip(first.zip(second));
        let values = all.map(|((x, y), (first, second))| {
            let one = |i: usize| {
                let first_one = match op {
                    "Less" => x[i] < y[i],
                    "Greater" => x[i] > y[i],
                    _ => x[i] == y[i],
                };
                if first_one {
                    first[i]
                } else {
                    second[i]
                }
            };
            (0..N).map(one).collect()
        });
        self.ends_in("Where", &[&choice, &c, &d], ty, &[], values);
    }

    /// Also where the least is above the largest, which wins.
    fn clipped(&mut self) {
        let ty = self.any(&TYPES);
        let (a, x) = self.operand(ty);
        let bounds = self.numbers(ty);
        let (lo, hi) = (bounds[0], bounds[1]);
        let least = self.stored(ty, &[], &[lo]);
        let largest = self.stored(ty, &[], &[hi]);
        let values = x.map(|x| x.iter().map(|v| (*v).max(lo).min(hi)).collect());
        self.ends_in("Clip", &[&a, &least, &largest], ty, &[], values);
    }

    /// From reals: toward zero, and undefined where the type does not hold the result.
    fn cut(&mut self) {
        let ty = self.any(&TYPES);
        let at = self.rng.gen_range(0..2);
        let (a, _, x) = self.known[at].clone();
        let real = self.between("Cast", &[&a], &[int("to", 1)]);
        let quarter = self.real(0.25);
        let real = self.between("Mul", &[&real, &quarter], &[]);
        let (lo, hi) = ends(ty);
        let values = x.and_then(|x| {
            let held = |v: i128| (lo <= v && v <= hi).then_some(v);
            x.iter().map(|v| held(v / 4)).collect()
        });
        self.ends_in("Cast", &[&real], ty, &[int("to", ty.into())], values);
    }

    fn matrix(&mut self) {
        let ty = self.any(&SUMMED);
        let (a, x) = self.operand(ty);
        let other: Vec<i128> = (0..N).flat_map(|_| self.numbers(ty)).collect();
        let b = self.stored(ty, &[N as i64, N as i64], &other);
        let values = x.map(|x| {
            let one = |j: usize| cast(ty, (0..N).map(|k| x[k] * other[k * N + j]).sum());
            (0..N).map(one).collect()
        });
        self.ends_in("MatMul", &[&a, &b], ty, &[], values);
    }

    /// Bytes, their zero point, and what they stand for.
    fn with_zero(&mut self) -> (Known, String, i128, i32) {
        let ty = self.any(&BYTES);
        let operand = self.operand(ty);
        let zero = self.numbers(ty)[0];
        let point = self.stored(ty, &[], &[zero]);
        (operand, point, zero, ty)
    }

    fn bytes(&mut self) {
        let ((a, x), za, from_a, _) = self.with_zero();
        let ty = self.any(&BYTES);
        let other: Vec<i128> = (0..N).flat_map(|_| self.numbers(ty)).collect();
        let from_b = self.numbers(ty)[0];
        let b = self.stored(ty, &[N as i64, N as i64], &other);
        let zb = self.stored(ty, &[], &[from_b]);
        let sums = x.map(|x| -> Vec<i128> {
            let term = |k: usize, j: usize| (x[k] - from_a) * (other[k * N + j] - from_b);
            (0..N).map(|j| (0..N).map(|k| term(k, j)).sum()).collect()
        });
        if self.rng.gen_bool(0.5) {
            self.ends_in("MatMulInteger", &[&a, &b, &za, &zb], 6, &[], sums);
            return;
        }
        // Scales whose quotient is a power of two: no rounding but the operator's.
        let bits = self.rng.gen_range(0..6u32);
        let (sa, sb) = (self.real(0.5), self.real(0.5));
        let sy = self.real(0.25 * (1u32 << bits) as f32);
        let to = self.any(&BYTES);
        let zero = self.numbers(to)[0];
        let zy = self.stored(to, &[], &[zero]);
        let (lo, hi) = ends(to);
        let values = sums.map(|sums| {
            let one = |sum: &i128| (halved(*sum, bits) + zero).clamp(lo, hi);
            sums.iter().map(one).collect()
        });
        let operands = [&a, &sa, &za, &b, &sb, &zb, &sy, &zy].map(String::as_str);
        self.ends_in("QLinearMatMul", &operands, to, &[], values);
    }

    /// A convolution along the row, one cell of padding after it: padding is the zero point.
    fn window(&mut self) {
        let ((a, x), za, from_a, _) = self.with_zero();
        let ty = self.any(&BYTES);
        let taps = self.numbers(ty);
        let from_b = self.numbers(ty)[0];
        let shape = self.stored(7, &[4], &[1, 1, 1, N as i128]);
        let image = self.between("Reshape", &[&a, &shape], &[]);
        let b = self.stored(ty, &[1, 1, 1, 2], &taps[..2]);
        let zb = self.stored(ty, &[], &[from_b]);
        let pads = [ints("pads", &[0, 0, 0, 1]), ints("kernel_shape", &[1, 2])];
        let sums = self.between("ConvInteger", &[&image, &b, &za, &zb], &pads);
        let row = self.stored(7, &[2], &[1, N as i128]);
        let values = x.map(|x| {
            let cell = |i: usize| x.get(i).map_or(0, |v| v - from_a);
            let one = |i: usize| (0..2).map(|t| cell(i + t) * (taps[t] - from_b)).sum();
            (0..N).map(one).collect()
        });
        self.ends_in("Reshape", &[&sums, &row], 6, &[], values);
    }

    /// To reals and back, by scales that are powers of two.
    fn quantised(&mut self) {
        let ((a, x), za, from, _) = self.with_zero();
        let half = self.real(0.5);
        let real = self.between("DequantizeLinear", &[&a, &half, &za], &[]);
        let bits = self.rng.gen_range(0..5u32);
        let scale = self.real(0.5 * (1u32 << bits) as f32);
        let to = self.any(&BYTES);
        let zero = self.numbers(to)[0];
        let zy = self.stored(to, &[], &[zero]);
        let (lo, hi) = ends(to);
        let values = x.map(|x| {
            let one = |v: &i128| (halved(v - from, bits) + zero).clamp(lo, hi);
            x.iter().map(one).collect()
        });
        self.ends_in("QuantizeLinear", &[&real, &scale, &zy], to, &[], values);
    }

    fn sign(&mut self) {
        let ty = self.any(&TYPES);
        let (a, x) = self.operand(ty);
        let values = x.map(|x| x.iter().map(|v| v.signum()).collect());
        self.ends_in("Sign", &[&a], ty, &[], values);
    }
}
