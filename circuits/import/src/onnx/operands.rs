//! What a node reads.

use super::value::{Array, Value};
use super::{Importer, OnnxNode};
use crate::ImportError;

impl Importer {
    /// An operand; absent optional operands have an empty name.
    pub(super) fn maybe(&self, node: &OnnxNode, at: usize) -> Result<Option<Value>, ImportError> {
        match node.proto.input.get(at).map(String::as_str) {
            None | Some("") => Ok(None),
            Some(name) => match self.values.get(name) {
                Some(value) => Ok(Some(value.clone())),
                None => {
                    let expected = "a graph input, an initialiser or the output of an earlier node";
                    Err(node.bad(&format!("input {at}"), expected, format!("'{name}'")))
                }
            },
        }
    }

    pub(super) fn input(&self, node: &OnnxNode, at: usize) -> Result<Value, ImportError> {
        let absent = || node.bad(&format!("input {at}"), "a tensor", "nothing");
        self.maybe(node, at)?.ok_or_else(absent)
    }

    /// All operands.
    pub(super) fn inputs(&self, node: &OnnxNode) -> Result<Vec<Value>, ImportError> {
        (0..node.proto.input.len())
            .map(|at| self.input(node, at))
            .collect()
    }

    /// An operand that must be known when the file is read, and says what is computed: it is public.
    pub(super) fn maybe_known(
        &mut self,
        node: &OnnxNode,
        at: usize,
    ) -> Result<Option<Array>, ImportError> {
        match self.maybe(node, at)? {
            None => Ok(None),
            Some(Value::Constant(array)) => {
                self.disclose(&array, &format!("input {at}"), true);
                Ok(Some(array))
            }
            Some(Value::Data(_)) => {
                Err(node.bad(&format!("input {at}"), "a constant", "a computed tensor"))
            }
        }
    }

    pub(super) fn known(&mut self, node: &OnnxNode, at: usize) -> Result<Array, ImportError> {
        let absent = || node.bad(&format!("input {at}"), "a constant", "nothing");
        self.maybe_known(node, at)?.ok_or_else(absent)
    }

    /// An operand that must be known, and chooses elements.
    pub(super) fn choice(&mut self, node: &OnnxNode, at: usize) -> Result<Array, ImportError> {
        match self.input(node, at)? {
            Value::Constant(array) => {
                self.disclose_choice(&array, &format!("input {at}"));
                Ok(array)
            }
            Value::Data(_) => {
                Err(node.bad(&format!("input {at}"), "a constant", "a computed tensor"))
            }
        }
    }

    /// One known number.
    pub(super) fn maybe_number(
        &mut self,
        node: &OnnxNode,
        at: usize,
    ) -> Result<Option<f64>, ImportError> {
        match self.maybe_known(node, at)? {
            None => Ok(None),
            Some(array) => match &*array.values {
                &[one] => Ok(Some(one)),
                all => Err(node.bad(&format!("input {at}"), "one value", all.len())),
            },
        }
    }

    /// A list of integers, from an input or (in older operator sets) an attribute.
    pub(super) fn list(
        &mut self,
        node: &OnnxNode,
        at: usize,
        attribute: &str,
    ) -> Result<Option<Vec<i64>>, ImportError> {
        match self.maybe_known(node, at)? {
            Some(array) => Ok(Some(array.integers())),
            None => Ok(node.attribute(attribute).map(|a| a.ints.clone())),
        }
    }

    /// Sizes from a list of integers.
    pub(super) fn sizes_of(&self, what: &str, values: &[i64]) -> Result<Vec<usize>, ImportError> {
        let size = |&v: &i64| {
            usize::try_from(v)
                .ok()
                .filter(|&v| v <= zkml_graph::ops::MAX_ELEMENTS)
        };
        let sizes: Option<Vec<usize>> = values.iter().map(size).collect();
        sizes.ok_or_else(|| self.bad(what, "sizes", format!("{values:?}")))
    }

    /// Axes from a list; all of them where there is none.
    pub(super) fn axes_of(
        &self,
        node: &OnnxNode,
        list: Option<Vec<i64>>,
        rank: usize,
    ) -> Result<Vec<usize>, ImportError> {
        let Some(list) = list else {
            return Ok((0..rank).collect());
        };
        let mut axes = list
            .into_iter()
            .map(|a| node.axis(a, rank))
            .collect::<Result<Vec<_>, _>>()?;
        axes.sort_unstable();
        axes.dedup();
        Ok(axes)
    }
}
