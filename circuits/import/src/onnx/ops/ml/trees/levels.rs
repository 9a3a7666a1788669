//! Trees as tables, a table for each depth: what any tree has at that depth is a row. Row i leads to two neighbours
//! among the rows of the next, which stand from 2·i on where all rows before it have two as well.

use super::ensemble::{Ensemble, Node};
use zkml_graph::Interval;

/// What a row asks of a feature, and how far before 2·i the first of the two neighbours is that row i leads to: to
/// that where the feature is within the bounds, to the one after it where it is not. So a whole tree has gaps of 0,
/// which take few bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub feature: usize,
    pub lower: i64,
    pub upper: i64,
    pub gap: usize,
}

/// A depth: as many rows for each tree.
#[derive(Debug)]
pub(super) struct Level {
    pub width: usize,
    /// Tree after tree.
    pub rows: Vec<Row>,
}

/// All depths, and leaves: places in the ensemble's list, or none where a tree has fewer than others.
#[derive(Debug)]
pub(super) struct Levels {
    pub levels: Vec<Level>,
    pub width: usize,
    pub leaves: Vec<Option<usize>>,
}

impl Levels {
    /// The levels of trees on features that are integers in an interval, `unit` of them for 1. `spend` fails where
    /// there are too many rows.
    pub fn of<E>(
        ensemble: &Ensemble,
        range: Interval,
        unit: f64,
        mut spend: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Levels, E> {
        // A leaf above the deepest passes on, whatever its feature is.
        let pass = Row {
            feature: 0,
            lower: range.lo,
            upper: range.hi,
            gap: 0,
        };
        let bounds = |v: f64, lo: i64, hi: i64| v.clamp(lo as f64, hi as f64) as i64;
        let mut levels = Vec::new();
        let mut current: Vec<Vec<usize>> = ensemble.roots.iter().map(|&r| vec![r]).collect();
        let is_split =
            |place: &usize| matches!(ensemble.nodes.get(*place), Some(Node::Split { .. }));
        while current.iter().flatten().any(is_split) {
            let width = current.iter().map(Vec::len).max().unwrap_or(0);
            spend(width.saturating_mul(current.len()))?;
            let mut rows = Vec::new();
            for tree in &mut current {
                let mut next = Vec::new();
                for (at, &place) in tree.iter().enumerate() {
                    let gap = 2 * at - next.len();
                    match ensemble.nodes.get(place) {
                        Some(Node::Split {
                            feature,
                            test,
                            children,
                        }) => {
                            let (lower, upper) = test.bounds(unit);
                            next.extend(children);
                            // Beyond the feature's range one bound is as good as another.
                            rows.push(Row {
                                feature: *feature,
                                lower: bounds(lower, range.lo, range.hi.saturating_add(1)),
                                upper: bounds(upper, range.lo.saturating_sub(1), range.hi),
                                gap,
                            });
                        }
                        Some(Node::Leaf(_)) | None => {
                            next.push(place);
                            rows.push(Row { gap, ..pass });
                        }
                    }
                }
                rows.resize(rows.len() + width - tree.len(), pass);
                *tree = next;
            }
            levels.push(Level { width, rows });
        }
        let width = current.iter().map(Vec::len).max().unwrap_or(0);
        let mut leaves = Vec::new();
        for tree in current {
            let places = tree.into_iter().map(Some);
            let after = leaves.len() + width;
            leaves.extend(places);
            leaves.resize(after, None);
        }
        Ok(Levels {
            levels,
            width,
            leaves,
        })
    }
}
