//! From scores to what a model answers: their transformation, and the label of the best class.

use super::{Importer, OnnxNode};
use crate::onnx::value::{Data, Type, Value};
use crate::ImportError;
use zkml_graph::{Op, Table};

type One = Result<Value, ImportError>;

/// Largest label in size: half of what an activation may be.
const MAX_LABEL: i64 = 1 << 39;

/// What becomes of a row of scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Post {
    None,
    Logistic,
    Softmax,
}

impl Post {
    /// What the attribute `post_transform` says.
    pub fn of(node: &OnnxNode) -> Result<Post, ImportError> {
        match node.text("post_transform", "NONE").as_str() {
            "NONE" => Ok(Post::None),
            "LOGISTIC" => Ok(Post::Logistic),
            "SOFTMAX" => Ok(Post::Softmax),
            other => {
                let expected = "NONE, LOGISTIC or SOFTMAX";
                Err(node.bad("attribute 'post_transform'", expected, other))
            }
        }
    }
}

/// The classes of a classifier, in the order of its scores.
pub(super) enum Labels {
    /// Integers.
    Numbers(Vec<i64>),
    /// Words: a label is the index of its word.
    Words(usize),
}

impl Labels {
    /// What the attributes say: words, or integers in the attribute `integers`.
    pub fn of(node: &OnnxNode, integers: &str) -> Result<Labels, ImportError> {
        let (numbers, words) = (node.integers(integers), node.texts("classlabels_strings"));
        if let Some(far) = numbers.iter().find(|v| v.unsigned_abs() > MAX_LABEL as u64) {
            let expected = "labels within ±2^39";
            return Err(node.bad(&format!("attribute '{integers}'"), expected, far));
        }
        match (numbers, words.len()) {
            ([], 0) => Err(node.bad("class labels", "at least one", "none")),
            ([], words) => Ok(Labels::Words(words)),
            (numbers, _) => Ok(Labels::Numbers(numbers.to_vec())),
        }
    }

    pub fn count(&self) -> usize {
        match self {
            Labels::Numbers(all) => all.len(),
            Labels::Words(count) => *count,
        }
    }
}

impl Importer {
    /// Rows of scores, transformed, at the graph's scale.
    pub(super) fn transformed(&mut self, scores: &Value, post: Post) -> One {
        let scores = match scores {
            Value::Data(data) => self.at_scale(data, self.scale())?.into(),
            Value::Constant(_) => scores.clone(),
        };
        match post {
            Post::None => Ok(scores),
            Post::Logistic => self.activate(&scores, "Sigmoid", 0.0, 0.0),
            Post::Softmax => self.softmax_last(&scores),
        }
    }

    /// The two scores of a classifier of two classes that computes one, `[N, 1]`: `1 − s` and `s` where `s` is a share
    /// or becomes one, else `−s` and `s`.
    pub(super) fn both_scores(&mut self, score: &Value, post: Post, share: bool) -> One {
        let (post, share) = match post {
            Post::Logistic => (post, true),
            // Of one score onnxruntime makes no other one.
            Post::None | Post::Softmax => (Post::None, share),
        };
        let second = self.transformed(score, post)?;
        let whole = Value::real(f64::from(u8::from(share)));
        let first = self.sub(&whole, &second)?;
        self.joined(&[first, second], 1)
    }

    /// The label of each row's largest score, the first of equals: `[N]`.
    pub(super) fn best_label(&mut self, scores: &Value, labels: &Labels) -> One {
        let best = self.extremum_index(scores, true, false)?;
        self.labelled(&best, labels)
    }

    /// The labels of classes given by index.
    pub(super) fn labelled(&mut self, index: &Value, labels: &Labels) -> One {
        let numbers = match labels {
            Labels::Words(_) => return Ok(index.clone().typed(Type::INDEX)),
            Labels::Numbers(numbers) => numbers,
        };
        if numbers.iter().copied().eq(0..numbers.len() as i64) {
            return Ok(index.clone().typed(Type::INDEX));
        }
        let data = match index {
            Value::Constant(array) => {
                let label = |at: f64| numbers.get(at as usize).copied().unwrap_or_default();
                return self.fold(array, Type::INDEX, |at| label(at) as f64);
            }
            Value::Data(data) => data.clone(),
        };
        let last = numbers.len().saturating_sub(1) as f64;
        let held = self.clamped(&data.into(), Some(0.0), Some(last))?;
        let data = self.data(&held)?;
        let table = self.table(Table {
            name: format!("labels of {}", self.name),
            lo: 0,
            values: numbers.clone(),
        });
        let id = self.op(Op::Table { x: data.id, table })?;
        let ty = Type::INDEX;
        Ok(Data { id, ty, ..data }.into())
    }
}
