//! Which initialisers are read, shared, and public for what they decide.

use super::origins::Origins;
use super::schema::GraphProto;
use super::value::{strides, Array, Type, Value};
use super::{Importer, OnnxNode};
use crate::{Fate, ImportError, Initialiser};
use std::collections::BTreeSet;

/// Initialisers that a message about a node names, for each operand.
const NAMED: usize = 16;

/// Names of initialisers that several nodes read, or one several times.
pub(super) fn shared(graph: &GraphProto) -> BTreeSet<String> {
    let mut once = BTreeSet::new();
    let read = graph.node.iter().flat_map(|node| &node.input);
    let twice = read.filter(|name| !once.insert(name.as_str()));
    twice.cloned().collect()
}

impl Importer {
    /// Whether numbers come of an initialiser that several nodes read.
    pub(super) fn is_shared(&self, array: &Array) -> bool {
        let initialisers = &self.draft.initialisers;
        let mut origins = array.origins.iter().filter_map(|at| initialisers.get(at));
        !self.shared.is_empty() && origins.any(|one| self.shared.contains(&one.name))
    }

    /// Numbers of the file that may be weights.
    pub(super) fn initialiser(&mut self, name: &str, array: Array) -> Result<Array, ImportError> {
        let array = self.numbers(name, array);
        if self.read.contains(name) {
            self.commit(name, &array)?;
        }
        Ok(array)
    }

    /// Numbers of an attribute that were learned, as those of an initialiser are: of `node.attribute`.
    pub(super) fn learned(
        &mut self,
        node: &OnnxNode,
        attribute: &str,
        array: Array,
    ) -> Result<Array, ImportError> {
        let name = format!("{}.{attribute}", node.name);
        let read = self.draft.read.entry(node.name.clone()).or_default();
        read.push(name.clone());
        let array = self.numbers(&name, array);
        self.commit(&name, &array)?;
        Ok(array)
    }

    fn numbers(&mut self, name: &str, array: Array) -> Array {
        let all = &mut self.draft.initialisers;
        all.push(Initialiser {
            name: name.to_owned(),
            fate: Fate::Unused,
        });
        self.types.push(array.ty);
        self.sizes.push(array.values.len());
        let array = Array {
            origins: Origins::of(all.len() - 1),
            ..array
        };
        // Masks have them: an error only where they are weights.
        let most = (1u64 << 40) as f64 / self.scale() as f64;
        if let Some(large) = array.values.iter().position(|v| v.abs() > most) {
            let place = place(name, &array, large);
            self.draft.large.push(place);
        }
        array
    }

    /// Notes that an initialiser is read. Of a file's own numbers that are, none is NaN.
    fn commit(&mut self, name: &str, array: &Array) -> Result<(), ImportError> {
        let at = array.origins.iter().next();
        let Some(one) = at.and_then(|at| self.draft.initialisers.get_mut(at)) else {
            return Ok(());
        };
        if one.name != name || one.fate != Fate::Unused {
            return Ok(());
        }
        if let Some(nan) = array.values.iter().position(|v| v.is_nan()) {
            let place = place(name, array, nan);
            return Err(ImportError::malformed(place, "a number", "NaN"));
        }
        match array.ty.is_real() {
            true => one.commit(array.values.iter().copied()),
            false => one.fate = Fate::Committed,
        }
        Ok(())
    }

    /// Notes what a branch reads, now that it is taken.
    pub(super) fn read_too(&mut self, names: BTreeSet<String>) -> Result<(), ImportError> {
        for name in &names {
            if let Some(Value::Constant(array)) = self.values.get(name).cloned() {
                self.commit(name, &array)?;
            }
        }
        self.read.extend(names);
        Ok(())
    }

    /// Whether each of these initialisers has one element: an ε or a factor, no tensor of weights.
    pub(super) fn are_single(&self, origins: &Origins) -> bool {
        origins.iter().all(|at| self.sizes.get(at) == Some(&1))
    }

    /// Notes the initialisers that a node reads.
    pub(super) fn note_read(&mut self, node: &OnnxNode) {
        let mut all = Vec::new();
        for name in &node.proto.input {
            let Some(Value::Constant(array)) = self.values.get(name) else {
                continue;
            };
            let origins = array.origins.iter();
            let names = origins.filter_map(|at| self.draft.initialisers.get(at));
            all.extend(names.map(|one| one.name.clone()).take(NAMED));
        }
        if !all.is_empty() {
            self.draft.read.insert(node.name.clone(), all);
        }
    }

    /// Notes that the architecture follows from numbers: what they decide, and whether such numbers are
    /// structure in every model.
    pub(super) fn disclose(&mut self, array: &Array, what: &str, structural: bool) {
        self.disclose_origins(&array.origins, what, structural);
    }

    /// [`Importer::disclose`], for what is known of computed tensors.
    pub(super) fn disclose_origins(&mut self, origins: &Origins, what: &str, structural: bool) {
        let what = format!("{what} of node '{}' ({})", self.name, self.operator);
        for at in origins.iter() {
            if let Some(one) = self.draft.initialisers.get_mut(at) {
                one.disclose(what.clone(), structural);
            }
        }
    }

    /// [`Importer::disclose`], for numbers that choose or move elements. Integers and booleans of the file are
    /// structure; what is computed from weights is not.
    pub(super) fn disclose_choice(&mut self, array: &Array, what: &str) {
        let index = |ty: &Type| match ty {
            Type::Real => false,
            Type::Bool => true,
            // Narrower ones are quantised weights, unless they are indices themselves.
            Type::Int { bits, .. } => *bits == 64 || array.ty == *ty,
        };
        let mut types = array.origins.iter().filter_map(|at| self.types.get(at));
        let structural = types.all(index);
        self.disclose(array, what, structural);
    }
}

/// Where an element of an initialiser is.
fn place(name: &str, array: &Array, element: usize) -> String {
    let steps = strides(&array.shape);
    let sizes = steps.iter().zip(&array.shape);
    let index: Vec<usize> = sizes
        .map(|(step, size)| element / step.max(&1) % size.max(&1))
        .collect();
    format!("initialiser '{name}', index {index:?}")
}
