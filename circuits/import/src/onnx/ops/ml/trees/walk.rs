//! All trees at once, a step for each depth. What each node asks, where it leads and what leaves weigh are weights;
//! the architecture has the number of trees, and the most nodes that any has at each depth.

use super::choice::Choice;
use super::ensemble::{Aggregate, Ensemble, Node, Test};
use super::levels::{Level, Levels, Row};
use super::{Importer, OnnxNode};
use crate::onnx::origins::Origins;
use crate::onnx::value::{Array, Data, Type, Value};
use crate::ImportError;
use zkml_graph::{Clamp, Op};

type One = Result<Value, ImportError>;

/// Attributes in which learned numbers stand.
pub(super) struct Names {
    /// What features are compared with.
    pub values: &'static str,
    /// Weights of leaves.
    pub weights: &'static str,
}

/// The attributes that the numbers of a graph come from.
struct Sources {
    values: Origins,
    features: Origins,
    children: Origins,
    weights: Origins,
}

impl Importer {
    /// What the trees say of rows of features `[N, F]`: `[N, targets]`.
    pub(super) fn ensemble(
        &mut self,
        node: &OnnxNode,
        x: &Value,
        ensemble: &Ensemble,
        names: Names,
    ) -> One {
        let sources = self.sources(node, ensemble, names)?;
        match x {
            Value::Constant(x) => self.known_ensemble(x, ensemble, &sources),
            Value::Data(x) => self.walked(x, ensemble, &sources),
        }
    }

    fn sources(
        &mut self,
        node: &OnnxNode,
        ensemble: &Ensemble,
        names: Names,
    ) -> Result<Sources, ImportError> {
        let (mut values, mut features, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for one in &ensemble.nodes {
            if let Node::Split {
                feature,
                test: Test::AtMost(value) | Test::Below(value) | Test::Equal(value),
                children: [first, _],
            } = one
            {
                values.push(*value);
                features.push(*feature as f64);
                places.push(*first as f64);
            }
        }
        let weights = ensemble.weights().collect();
        let mut origins = |attribute: &str, values: Vec<f64>, ty: Type| {
            let array = Array::public(vec![values.len()], values, ty);
            self.learned(node, attribute, array)
                .map(|array| array.origins)
        };
        Ok(Sources {
            values: origins(names.values, values, Type::Real)?,
            features: origins("nodes_featureids", features, Type::INDEX)?,
            children: origins("nodes_truenodeids", places, Type::INDEX)?,
            weights: origins(names.weights, weights, Type::Real)?,
        })
    }

    fn walked(&mut self, x: &Data, ensemble: &Ensemble, sources: &Sources) -> One {
        let trees = ensemble.roots.len();
        let n = x.shape.first().copied().unwrap_or(1);
        let range = self.range(x.id);
        let levels = Levels::of(ensemble, range, x.scale as f64, |rows| self.spend(rows))?;
        // Integers at their own scale. What is beyond the bounds that thresholds have counts as the bound.
        let clamp = Clamp {
            lo: range.lo,
            hi: Some(range.hi),
        };
        let id = self.op(Op::clamped(x.id, clamp))?;
        let (ty, scale) = (Type::INDEX, 1);
        let shape = x.shape.clone();
        let x = Data {
            id,
            shape,
            ty,
            scale,
        }
        .into();
        let equal = |test: &Node| {
            matches!(
                test,
                Node::Split {
                    test: Test::Equal(_),
                    ..
                }
            )
        };
        let equal = ensemble.nodes.iter().any(equal);
        let widths = levels.levels.iter().map(|level| level.width);
        let next = widths.skip(1).chain([levels.width]);
        let mut choice = None;
        for (level, next) in levels.levels.iter().zip(next) {
            let at = self.step(&x, level, choice.as_ref(), (trees, n), equal, sources)?;
            let at = self.clamped(&at, Some(0.0), Some(next.saturating_sub(1) as f64))?;
            choice = match next {
                1 => None,
                _ => Some(self.in_booleans(&at, next)?),
            };
        }
        self.weighed(ensemble, &levels, choice.as_ref(), n, sources)
    }

    /// From the rows of a level to those of the next: `[trees, N]`.
    fn step(
        &mut self,
        x: &Value,
        level: &Level,
        choice: Option<&Choice>,
        (trees, n): (usize, usize),
        equal: bool,
        sources: &Sources,
    ) -> One {
        let part = |importer: &mut Self, part: &dyn Fn(&Row) -> i64, origins: &Origins| {
            let values = level.rows.iter().map(|row| part(row) as f64).collect();
            let shape = vec![trees, 1, level.width];
            let table = Array::new(shape, values, Type::INDEX, origins.clone());
            let found = importer.looked_up(choice, table, n)?;
            importer.reshape_to(&found, vec![trees, n])
        };
        let feature = part(self, &|row| row.feature as i64, &sources.features)?;
        let last = x.size(1).saturating_sub(1) as f64;
        let feature = self.clamped(&feature, Some(0.0), Some(last))?;
        let number = self.feature(x, &feature)?;
        let upper = part(self, &|row| row.upper, &sources.values)?;
        let mut passes = self.greater(&upper, &number, true)?;
        if equal {
            let lower = part(self, &|row| row.lower, &sources.values)?;
            let above = self.greater(&number, &lower, true)?;
            passes = self.and(&passes, &above)?;
        }
        let gap = part(self, &|row| row.gap as i64, &sources.children)?;
        let one = Value::int(1);
        let mut terms = vec![(-1, &gap), (1, &one), (-1, &passes)];
        if let Some(choice) = choice {
            terms.push((2, &choice.index));
        }
        self.sum(&terms)
    }

    /// The weights of the leaves that trees have come to, together: `[N, targets]`.
    fn weighed(
        &mut self,
        ensemble: &Ensemble,
        levels: &Levels,
        choice: Option<&Choice>,
        n: usize,
        sources: &Sources,
    ) -> One {
        let trees = ensemble.roots.len();
        let all: Vec<f64> = ensemble.weights().collect();
        let fine = self.precise_divisor(&all, 0);
        let finer = fine as f64 / self.scale() as f64;
        let own = ensemble.own_targets(levels);
        let parts = match own {
            Some(_) => 1,
            None => ensemble.targets,
        };
        let count = trees.saturating_mul(parts).saturating_mul(levels.width);
        self.spend(count)?;
        let mut values = vec![0.0; count];
        for (at, leaf) in levels.leaves.iter().enumerate() {
            let (tree, leaf_at) = (at / levels.width.max(1), at % levels.width.max(1));
            for (target, weight) in ensemble.weights_at(*leaf) {
                let part = if own.is_some() { 0 } else { *target };
                let place = (tree * parts + part) * levels.width + leaf_at;
                if let Some(slot) = values.get_mut(place) {
                    *slot += weight * finer;
                }
            }
        }
        let shape = vec![trees, parts, levels.width];
        let table = Array::new(shape, values, Type::Real, sources.weights.clone());
        let found = self.looked_up(choice, table, n)?;
        let found = match found {
            Value::Data(data) => Data {
                scale: data.scale / self.scale().max(1) * fine,
                ..data
            }
            .into(),
            Value::Constant(_) => found,
        };
        // [N, targets, trees].
        let found = self.permuted(&found, &[1, 2, 0])?;
        let Some(own) = own else {
            return self.together(&found, ensemble.aggregate, trees);
        };
        let mut columns = Vec::new();
        for target in 0..ensemble.targets {
            let of = own.iter().enumerate().filter(|(_, own)| **own == target);
            let of: Vec<usize> = of.map(|(tree, _)| tree).collect();
            columns.push(match of.is_empty() {
                true => self.filled(&[n, 1], 0.0, Type::Real)?,
                false => {
                    let found = self.take(&found, 2, of)?;
                    self.together(&found, ensemble.aggregate, trees)?
                }
            });
        }
        self.joined(&columns, 1)
    }

    /// All trees' weights, over the last dimension.
    fn together(&mut self, weights: &Value, aggregate: Aggregate, trees: usize) -> One {
        match aggregate {
            Aggregate::Sum => self.sum_last(weights, 1),
            Aggregate::Average => self.sum_last(weights, i64::try_from(trees).unwrap_or(1)),
            Aggregate::Min => self.extremum_last(weights, false),
            Aggregate::Max => self.extremum_last(weights, true),
        }
    }

    /// The same of known numbers.
    fn known_ensemble(&mut self, x: &Array, ensemble: &Ensemble, sources: &Sources) -> One {
        let features = x.shape.last().copied().unwrap_or(1).max(1);
        let trees = ensemble.roots.len();
        let rows: Vec<&[f64]> = x.values.chunks(features).collect();
        self.spend(
            rows.len()
                .saturating_mul(ensemble.targets)
                .saturating_mul(trees),
        )?;
        // [N, targets, trees].
        let mut values = Vec::new();
        for row in &rows {
            let leaves: Vec<_> = ensemble
                .roots
                .iter()
                .map(|&r| ensemble.leaf(r, row))
                .collect();
            for target in 0..ensemble.targets {
                let of = |leaf: &&[(usize, f64)]| {
                    let own = leaf.iter().filter(|(t, _)| *t == target);
                    own.map(|(_, weight)| weight).sum::<f64>()
                };
                values.extend(leaves.iter().map(of));
            }
        }
        let origins = [&sources.values, &sources.features, &sources.children];
        let origins = origins
            .into_iter()
            .fold(x.origins.and(&sources.weights), |all, o| all.and(o));
        let shape = vec![rows.len(), ensemble.targets, trees];
        let found = Array::new(shape, values, Type::Real, origins);
        self.together(&found.into(), ensemble.aggregate, trees)
    }
}

impl Ensemble {
    fn weights_at(&self, leaf: Option<usize>) -> &[(usize, f64)] {
        match leaf.and_then(|place| self.nodes.get(place)) {
            Some(Node::Leaf(weights)) => weights,
            Some(Node::Split { .. }) | None => &[],
        }
    }

    /// The target of each tree, where each has one: boosting adds trees to one class at a time. Which is public.
    fn own_targets(&self, levels: &Levels) -> Option<Vec<usize>> {
        let summed = matches!(self.aggregate, Aggregate::Sum | Aggregate::Average);
        let trees = levels.leaves.chunks(levels.width.max(1));
        let own = |leaves: &[Option<usize>]| {
            let mut targets = leaves.iter().flat_map(|&leaf| self.weights_at(leaf));
            let first = targets.next().map_or(0, |(target, _)| *target);
            targets.all(|(target, _)| *target == first).then_some(first)
        };
        let all: Option<Vec<usize>> = trees.map(own).collect();
        all.filter(|_| summed && self.targets > 1)
    }
}
