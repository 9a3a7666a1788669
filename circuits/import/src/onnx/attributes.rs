//! A node and its attributes, with errors that name both.

use super::schema::{AttributeProto, NodeProto};
use crate::ImportError;

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

    pub fn text(&self, name: &str, default: &str) -> String {
        self.attribute(name)
            .map_or(default.into(), |a| String::from_utf8_lossy(&a.s))
            .into_owned()
    }

    /// A list of words; empty where absent.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let word = |s: &Vec<u8>| String::from_utf8_lossy(s).into_owned();
        self.attribute(name)
            .map(|a| a.strings.iter().map(word).collect())
            .unwrap_or_default()
    }

    /// Whether a result is asked for.
    pub fn wants(&self, output: usize) -> bool {
        self.proto
            .output
            .get(output)
            .is_some_and(|name| !name.is_empty())
    }

    /// An axis of `rank` dimensions; negative ones count from the end.
    pub fn axis(&self, value: i64, rank: usize) -> Result<usize, ImportError> {
        let signed = i64::try_from(rank).unwrap_or(i64::MAX);
        let at = if value < 0 {
            value.saturating_add(signed)
        } else {
            value
        };
        match usize::try_from(at) {
            Ok(at) if at < rank => Ok(at),
            _ => Err(self.bad("axis", format!("less than {rank} in size"), value)),
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
}
