//! Einstein's summation.

use super::{Handler, Importer, OnnxNode, Results};
use crate::onnx::value::Value;
use crate::ImportError;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    (operator == "Einsum").then_some(einsum as Handler)
}

fn einsum(importer: &mut Importer, node: &OnnxNode) -> Results {
    let equation: String = node.text("equation", "").split_whitespace().collect();
    let operands = importer.inputs(node)?;
    Ok(vec![importer.einsum(&equation, &operands)?])
}

impl Importer {
    /// Products of operands with named dimensions: each operand is brought to all names, and what
    /// the result does not name is summed. Two operands are a matrix product.
    fn einsum(&mut self, equation: &str, operands: &[Value]) -> Result<Value, ImportError> {
        let (left, right) = match equation.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (equation, None),
        };
        // An ellipsis stands for as many names as there are dimensions left.
        let mut terms: Vec<Vec<char>> = Vec::new();
        let spare: Vec<char> = ('\u{3b1}'..='\u{3c9}').collect();
        let mut widest: Option<usize> = None;
        for (term, operand) in left.split(',').zip(operands) {
            let named = term.replace("...", "");
            let free = operand.rank().saturating_sub(named.chars().count());
            if term.contains("...") && *widest.get_or_insert(free) != free {
                let expected = "an ellipsis for as many dimensions everywhere";
                return Err(self.bad("attribute 'equation'", expected, equation));
            }
            let fill: String = spare.iter().rev().take(free).rev().collect();
            terms.push(term.replace("...", &fill).chars().collect());
        }
        let fill: String = spare.iter().rev().take(widest.unwrap_or(0)).rev().collect();
        let all: Vec<char> = terms.concat();
        let output: Vec<char> = match right {
            Some(right) => right.replace("...", &fill).chars().collect(),
            None => {
                let mut once: Vec<char> = all
                    .iter()
                    .copied()
                    .filter(|c| all.iter().filter(|d| *d == c).count() == 1 && !fill.contains(*c))
                    .collect();
                once.sort_unstable();
                fill.chars().chain(once).collect()
            }
        };
        let fits = terms.len() == operands.len()
            && terms.iter().zip(operands).all(|(t, o)| t.len() == o.rank());
        if !fits || !output.iter().all(|c| all.contains(c)) {
            let got = format!("{equation} for {} operands", operands.len());
            return Err(self.bad("attribute 'equation'", "names for every dimension", got));
        }
        let mut names = output.clone();
        for c in all {
            if !names.contains(&c) {
                names.push(c);
            }
        }
        let mut product: Option<Value> = None;
        for (term, operand) in terms.iter().zip(operands) {
            let spread = self.on_names(operand, term, &names)?;
            product = Some(match product {
                None => spread,
                Some(before) => self.mul(&before, &spread)?,
            });
        }
        let product = product.ok_or_else(|| self.bad("inputs", "at least one", "none"))?;
        let shape: Vec<usize> = product.shape().iter().take(output.len()).copied().collect();
        let rest = product.count() / shape.iter().product::<usize>().max(1);
        let rows = self.reshape_to(&product, [shape.as_slice(), &[rest]].concat())?;
        self.sum_last(&rows, 1)
    }

    /// An operand with a dimension for each of all names, 1 for those that it does not have. A
    /// name that comes twice takes the diagonal.
    fn on_names(&mut self, x: &Value, term: &[char], names: &[char]) -> Result<Value, ImportError> {
        let own = |name: &char| term.iter().position(|t| t == name);
        let shape: Vec<usize> = names
            .iter()
            .map(|n| own(n).map_or(1, |i| x.size(i)))
            .collect();
        self.pick_by(x, &shape, |at| {
            let place = |t: &char| {
                names
                    .iter()
                    .position(|n| n == t)
                    .and_then(|i| at.get(i))
                    .copied()
            };
            term.iter().map(|t| place(t).unwrap_or(0)).collect()
        })
    }
}
