//! A node and its attributes, with errors that name both.

use super::schema::{AttributeProto, NodeProto};
use crate::graph::Window;
use crate::import::ImportError;

/// Largest kernel, stride or padding.
const MAX_SIZE: usize = 1 << 20;

/// A node under import.
pub(super) struct OnnxNode {
    pub proto: NodeProto,
    /// Its name, or that of its output.
    pub name: String,
}

impl OnnxNode {
    pub fn new(proto: NodeProto) -> Self {
        let output = proto.output.first().map_or("", String::as_str);
        let name = if proto.name.is_empty() {
            output
        } else {
            &proto.name
        }
        .to_owned();
        OnnxNode { proto, name }
    }

    pub fn kind(&self) -> &str {
        &self.proto.op_type
    }

    /// Place for an error about a part of the node.
    pub fn at(&self, what: &str) -> String {
        format!("node '{}' ({}), {what}", self.name, self.proto.op_type)
    }

    pub fn bad(&self, what: &str, expected: impl Into<String>, got: impl ToString) -> ImportError {
        ImportError::malformed(self.at(what), expected, got)
    }

    pub fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.proto.attribute.iter().find(|a| a.name == name)
    }

    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |a| a.i)
    }

    pub fn float(&self, name: &str, default: f32) -> f64 {
        f64::from(self.attribute(name).map_or(default, |a| a.f))
    }

    /// Fails unless the attribute is absent or has its usual value.
    pub fn require(&self, name: &str, value: i64) -> Result<(), ImportError> {
        match self.int(name, value) {
            got if got == value => Ok(()),
            got => Err(self.bad(&format!("attribute '{name}'"), value.to_string(), got)),
        }
    }

    /// A list of sizes; `default` where absent.
    pub fn sizes(
        &self,
        name: &str,
        count: usize,
        default: usize,
        least: usize,
    ) -> Result<Vec<usize>, ImportError> {
        let Some(attribute) = self.attribute(name) else {
            return Ok(vec![default; count]);
        };
        let sizes: Vec<usize> = attribute
            .ints
            .iter()
            .filter_map(|&v| usize::try_from(v).ok())
            .filter(|v| (least..=MAX_SIZE).contains(v))
            .collect();
        if attribute.ints.len() != count || sizes.len() != count {
            let expected = format!("{count} numbers from {least} to {MAX_SIZE}");
            return Err(self.bad(
                &format!("attribute '{name}'"),
                expected,
                format!("{:?}", attribute.ints),
            ));
        }
        Ok(sizes)
    }

    /// The window over an image of `size`, whose last `rank` dimensions the attributes describe.
    /// `round_up` says that windows may hang over the end where `ceil_mode` asks for it.
    pub fn window(
        &self,
        size: [usize; 2],
        rank: usize,
        kernel: Option<&[usize]>,
        round_up: bool,
    ) -> Result<Window, ImportError> {
        let kernel = match (kernel, self.attribute("kernel_shape")) {
            (kernel, Some(_)) => {
                let own = self.sizes("kernel_shape", rank, 1, 1)?;
                if kernel.is_some_and(|k| k != own.as_slice()) {
                    return Err(self.bad(
                        "attribute 'kernel_shape'",
                        format!("{kernel:?}"),
                        format!("{own:?}"),
                    ));
                }
                own
            }
            (Some(kernel), None) => kernel.to_vec(),
            (None, None) => return Err(self.bad("attribute 'kernel_shape'", "sizes", "nothing")),
        };
        let dilations = self.sizes("dilations", rank, 1, 1)?;
        if dilations.iter().any(|&d| d != 1) {
            return Err(self.bad(
                "attribute 'dilations'",
                "1 in each dimension",
                format!("{dilations:?}"),
            ));
        }
        let strides = self.sizes("strides", rank, 1, 1)?;
        let pads = self.sizes("pads", 2 * rank, 0, 0)?;
        // One dimension: an image of height 1.
        let two = |v: &[usize], fill: usize| match *v {
            [w] => [fill, w],
            [h, w] => [h, w],
            _ => [fill; 2],
        };
        let (kernel, stride) = (two(&kernel, 1), two(&strides, 1));
        let (low, high) = pads.split_at(rank.min(pads.len()));
        let (low, high) = (two(low, 0), two(high, 0));
        let mut window = Window {
            kernel,
            stride,
            pads: [low[0], low[1], high[0], high[1]],
        };
        match self.attribute("auto_pad").map_or(&b""[..], |a| &a.s) {
            b"" | b"NOTSET" => {}
            b"VALID" => window.pads = [0; 4],
            b"SAME_UPPER" => window.pads = same(size, &window, false),
            b"SAME_LOWER" => window.pads = same(size, &window, true),
            other => {
                let expected = "NOTSET, VALID, SAME_UPPER or SAME_LOWER";
                return Err(self.bad(
                    "attribute 'auto_pad'",
                    expected,
                    String::from_utf8_lossy(other),
                ));
            }
        }
        if self.int("ceil_mode", 0) != 0 {
            let pads = overhang(size, &window);
            if pads != window.pads && !round_up {
                return Err(self.bad("attribute 'ceil_mode'", "0 (here it adds windows)", 1));
            }
            window.pads = pads;
        }
        Ok(window)
    }
}

fn same(size: [usize; 2], window: &Window, low_first: bool) -> [usize; 4] {
    let side = |size: usize, kernel: usize, stride: usize| {
        let covered = size.div_ceil(stride).saturating_sub(1) * stride + kernel;
        let total = covered.saturating_sub(size);
        let low = if low_first {
            total.div_ceil(2)
        } else {
            total / 2
        };
        (low, total - low)
    };
    let (top, bottom) = side(size[0], window.kernel[0], window.stride[0]);
    let (left, right) = side(size[1], window.kernel[1], window.stride[1]);
    [top, left, bottom, right]
}

/// Padding with which rounding down gives what rounding up would. A window that would start in
/// the padding is left out.
fn overhang(size: [usize; 2], window: &Window) -> [usize; 4] {
    let [top, left, bottom, right] = window.pads;
    let side = |size: usize, low: usize, high: usize, kernel: usize, stride: usize| {
        let padded = size + low + high;
        let mut steps = padded.saturating_sub(kernel).div_ceil(stride);
        if steps * stride >= size + low {
            steps = steps.saturating_sub(1);
        }
        high + (steps * stride + kernel).saturating_sub(padded)
    };
    [
        top,
        left,
        side(size[0], top, bottom, window.kernel[0], window.stride[0]),
        side(size[1], left, right, window.kernel[1], window.stride[1]),
    ]
}
