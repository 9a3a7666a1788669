//! Operators on quantised tensors. Sums of products of integers are exact, in 32 bits, zero points taken off before;
//! then there is one rounding to the steps of the result, ties to even.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::value::{Type, Value};
use crate::ImportError;

/// The domain of onnxruntime's own operators.
pub(super) const DOMAIN: &str = "com.microsoft";

/// ONNX's own.
pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "ConvInteger" => conv_integer,
        "MatMulInteger" => matmul_integer,
        "QLinearConv" => conv,
        "QLinearMatMul" => matmul,
        _ => return None,
    })
}

/// Those that onnxruntime's quantisation writes.
pub(super) fn contributed(operator: &str) -> Option<Handler> {
    Some(match operator {
        "QGemm" => gemm,
        "QLinearAdd" => add,
        "QLinearMul" => mul,
        "QLinearConcat" => concat,
        "QLinearGlobalAveragePool" => global_mean,
        _ => return None,
    })
}

/// What products of bytes are summed in.
const SUM: Type = Type::Int {
    bits: 32,
    signed: true,
};

/// The dimension that a list of parameters has one for each index of.
type Along = Option<usize>;

type One = Result<Value, ImportError>;

/// Integers without their zero point, and what one of them is.
struct Steps {
    x: Value,
    scale: Value,
}

fn is_byte(ty: Type) -> bool {
    matches!(ty, Type::Int { bits: 8, .. })
}

fn conv_integer(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.shifted(node, 0, 2, whole)?;
    let w = importer.shifted(node, 1, 3, first)?;
    Ok(vec![importer.convolved(node, &x, &w, None)?.typed(SUM)])
}

fn matmul_integer(importer: &mut Importer, node: &OnnxNode) -> Results {
    let a = importer.shifted(node, 0, 2, row)?;
    let b = importer.shifted(node, 1, 3, column)?;
    Ok(vec![importer.matmul_of(&a, &b)?.typed(SUM)])
}

fn whole(_: usize) -> Along {
    None
}

fn first(rank: usize) -> Along {
    (rank > 0).then_some(0)
}

fn row(rank: usize) -> Along {
    rank.checked_sub(2)
}

fn column(rank: usize) -> Along {
    rank.checked_sub(1)
}

/// Inputs: x, its scale and zero point; kernels, theirs; those of the result; the bias, in steps of products.
fn conv(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.steps(node, 0, whole)?;
    let w = importer.steps(node, 3, first)?;
    let bias = importer.maybe(node, 8)?.map(|b| b.typed(Type::INDEX));
    let sum = importer.convolved(node, &x.x, &w.x, bias.as_ref())?;
    // Kernels have a scale for each channel of the result, which is its dimension 1.
    let each = match w.scale.count() {
        1 => vec![],
        outputs => [&[outputs], vec![1; sum.rank().saturating_sub(2)].as_slice()].concat(),
    };
    let of_kernels = importer.reshape_to(&w.scale, each)?;
    let factor = importer.mul(&x.scale, &of_kernels)?;
    importer.result(node, &sum, &factor, 6)
}

/// Inputs: a, its scale and zero point; b, its; those of the result.
fn matmul(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (a, b) = (
        importer.steps(node, 0, row)?,
        importer.steps(node, 3, column)?,
    );
    let sum = importer.matmul_of(&a.x, &b.x)?;
    let factor = importer.mul(&a.scale, &b.scale)?;
    importer.result(node, &sum, &factor, 6)
}

/// As [`matmul`], but the bias, in steps of products, before the scale and zero point of the result; real numbers where
/// these are left out.
fn gemm(importer: &mut Importer, node: &OnnxNode) -> Results {
    let across = node.int("transB", 0) != 0;
    let a = importer.steps(node, 0, whole)?;
    let b = importer.steps(node, 3, if across { first } else { column })?;
    let (left, right) = importer.matrices(node, "inputs 0 and 3", a.x, b.x)?;
    let mut sum = importer.matmul_of(&left, &right)?;
    if let Some(bias) = importer.maybe(node, 6)? {
        let shape = sum.shape().to_vec();
        sum = importer.add(&sum, &bias.typed(Type::INDEX))?;
        if sum.shape() != shape {
            return Err(node.bad(
                "input 6",
                format!("a shape that broadcasts to {shape:?}"),
                "another",
            ));
        }
    }
    let each = if b.scale.rank() == 0 {
        vec![]
    } else {
        vec![b.scale.count()]
    };
    let of_columns = importer.reshape_to(&b.scale, each)?;
    let factor = importer.mul(&a.scale, &of_columns)?;
    let factor = importer.times(&factor, node.float("alpha", 1.0))?;
    if importer.maybe(node, 7)?.is_some() || importer.maybe(node, 8)?.is_some() {
        return importer.result(node, &sum, &factor, 7);
    }
    let sum = importer.settled(node, sum.typed(SUM))?;
    Ok(vec![importer.rescaled(&sum, &factor)?])
}

fn add(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (to, zero) = importer.target(node, 6)?;
    let mut parts = Vec::new();
    for at in [0, 3] {
        let part = importer.steps(node, at, whole)?;
        let factor = importer.div(&part.scale, &to)?;
        parts.push(importer.rescaled(&part.x, &factor)?);
    }
    let sum = importer.sum(&parts.iter().map(|part| (1, part)).collect::<Vec<_>>())?;
    Ok(vec![importer.stepped(&sum, &zero)?])
}

fn mul(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (a, b) = (
        importer.steps(node, 0, whole)?,
        importer.steps(node, 3, whole)?,
    );
    let product = importer.mul(&a.x, &b.x)?;
    let factor = importer.mul(&a.scale, &b.scale)?;
    importer.result(node, &product, &factor, 6)
}

/// Inputs: scale and zero point of the result, then each part with its own.
fn concat(importer: &mut Importer, node: &OnnxNode) -> Results {
    let (to, zero) = importer.target(node, 0)?;
    let mut parts = Vec::new();
    for at in (2..node.proto.input.len()).step_by(3) {
        let part = importer.steps(node, at, whole)?;
        let factor = importer.div(&part.scale, &to)?;
        let real = importer.rescaled(&part.x, &factor)?;
        parts.push(importer.stepped(&real, &zero)?);
    }
    let Some(first) = parts.first() else {
        return Err(node.bad("inputs", "at least one part", "none"));
    };
    let axis = node.axis(node.int("axis", 0), first.rank())?;
    Ok(vec![importer.joined(&parts, axis)?])
}

fn global_mean(importer: &mut Importer, node: &OnnxNode) -> Results {
    let x = importer.steps(node, 0, whole)?;
    let axes: Vec<usize> = match node.int("channels_last", 0) {
        0 => (2..x.x.rank()).collect(),
        _ => (1..x.x.rank().saturating_sub(1)).collect(),
    };
    if x.x.rank() < 3 {
        let got = format!("{:?}", x.x.shape());
        return Err(node.bad("input 0", "[batch, channels, …]", got));
    }
    let count: usize = axes.iter().map(|&axis| x.x.size(axis)).product();
    let sum = importer.sum_over(&x.x, &axes, true, false)?;
    let factor = importer.times(&x.scale, (count as f64).recip())?;
    importer.result(node, &sum, &factor, 3)
}

impl Importer {
    /// Integers of an operand less its zero point, if there is one.
    fn shifted(
        &mut self,
        node: &OnnxNode,
        at: usize,
        zero: usize,
        along: fn(usize) -> Along,
    ) -> Result<Value, ImportError> {
        let x = self.input(node, at)?;
        let ty = x.ty();
        if !is_byte(ty) {
            return Err(node.bad(&format!("input {at}"), "integers of 8 bits", ty.name()));
        }
        let integers = x.clone().typed(Type::INDEX);
        let Some(point) = self.maybe(node, zero)? else {
            return Ok(integers);
        };
        if point.ty() != ty {
            let got = point.ty().name();
            return Err(node.bad(&format!("input {zero}"), ty.name(), got));
        }
        let point = self.parameters(node, zero, &point, &x, along)?;
        self.sub(&integers, &point.typed(Type::INDEX))
    }

    /// An operand, its scale after it, and then its zero point.
    fn steps(
        &mut self,
        node: &OnnxNode,
        at: usize,
        along: fn(usize) -> Along,
    ) -> Result<Steps, ImportError> {
        let x = self.shifted(node, at, at + 2, along)?;
        let scale = self.scale_at(node, at + 1)?;
        let scale = self.parameters(node, at + 1, &scale, &x, along)?;
        Ok(Steps { x, scale })
    }

    /// Known positive numbers: at the graph's scale a computed one would be off by many steps.
    fn scale_at(&self, node: &OnnxNode, at: usize) -> Result<Value, ImportError> {
        let what = format!("input {at}");
        match self.input(node, at)? {
            Value::Constant(scale) if scale.values.iter().all(|v| *v > 0.0) => Ok(scale.into()),
            Value::Constant(_) => Err(node.bad(&what, "positive numbers", "others")),
            Value::Data(_) => Err(node.bad(&what, "a known scale", "a computed tensor")),
        }
    }

    /// Scales or zero points, shaped to broadcast over the operand: one, or one for each index of a dimension.
    fn parameters(
        &mut self,
        node: &OnnxNode,
        at: usize,
        given: &Value,
        x: &Value,
        along: fn(usize) -> Along,
    ) -> One {
        if given.count() == 1 {
            return self.reshape_to(given, vec![]);
        }
        let axis = along(x.rank()).filter(|&axis| given.shape() == [x.size(axis)]);
        let Some(axis) = axis else {
            let expected = match along(x.rank()) {
                Some(axis) => format!("one number, or {}", x.size(axis)),
                None => "one number".to_owned(),
            };
            let got = format!("{:?}", given.shape());
            return Err(node.bad(&format!("input {at}"), expected, got));
        };
        let mut shape = vec![1; x.rank() - axis];
        if let Some(slot) = shape.first_mut() {
            *slot = given.count();
        }
        self.reshape_to(given, shape)
    }

    /// The scale and the zero point of a result.
    fn target(&mut self, node: &OnnxNode, at: usize) -> Result<(Value, Value), ImportError> {
        let (scale, zero) = (self.scale_at(node, at)?, self.input(node, at + 1)?);
        if scale.count() != 1 || zero.count() != 1 || !is_byte(zero.ty()) {
            let what = format!("inputs {at} and {}", at + 1);
            let got = format!(
                "{:?} and {:?} of {}",
                scale.shape(),
                zero.shape(),
                zero.ty().name()
            );
            return Err(node.bad(&what, "a number and a zero point of 8 bits", got));
        }
        Ok((
            self.reshape_to(&scale, vec![])?,
            self.reshape_to(&zero, vec![])?,
        ))
    }

    /// A sum in steps of `factor` as integers of the result's own, whose scale and zero point are at `at`.
    fn result(&mut self, node: &OnnxNode, sum: &Value, factor: &Value, at: usize) -> Results {
        let (scale, zero) = self.target(node, at)?;
        let sum = self.settled(node, sum.clone().typed(SUM))?;
        let factor = self.div(factor, &scale)?;
        let steps = self.rescaled(&sum, &factor)?;
        Ok(vec![self.stepped(&steps, &zero)?])
    }

    /// `clamp(round(x) + zero)`, ties to even.
    fn stepped(&mut self, x: &Value, zero: &Value) -> One {
        self.quantized(x, &Value::real(1.0), Some(zero), zero.ty())
    }
}
