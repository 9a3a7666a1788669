//! Rewrites of the generated assembly that leave out work, not checks.
//!
//! The generator stores every intermediate result at an address of its own and loads it back.
//!
//! * [`inversions`]: two modular exponentiations are one.
//! * [`simplify`]: factors of one, terms of zero and copies are left out; a sum is one expression; differences
//!   that are known already are not computed anew.
//! * [`accumulate`]: each term of a sum of points is multiplied and added in one place, where the sum
//!   already stands, instead of being copied to new memory for each of the two calls.
//! * [`inline`]: a result that is loaded once is computed where it is used, if nothing that it reads is
//!   written in between.
//! * [`memory`]: what is no longer needed leaves its place to what comes next.
//!
//! All go by addresses that are written in full in the text. A line that is not understood is
//! left alone and counts as a use of every address in it.

mod accumulate;
mod inline;
mod inversions;
mod memory;
mod simplify;
mod text;

pub(crate) use text::{call, number};

/// Rewrites the lines of one assembly block. What stands below `scratch` in memory stays where it is.
pub fn optimise(lines: Vec<String>, scratch: usize) -> Vec<String> {
    let lines = simplify::simplify(inversions::join(lines));
    let lines = inline::inline(accumulate::accumulate(lines));
    let lines = memory::compact(lines, scratch);
    lines.into_iter().map(verdict).collect()
}

/// The line, with the return value of a call as it is: it is 0 or 1.
fn verdict(line: String) -> String {
    match line.strip_prefix("success := and(eq(staticcall(") {
        Some(rest) if call(&line).is_some() => {
            format!(
                "success := and(staticcall({}",
                rest.replace("), 1), success)", "), success)")
            )
        }
        _ => line,
    }
}
