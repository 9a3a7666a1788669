//! Memory that is used again: the EVM charges for the highest address, and more for each one above.
//!
//! The generator never uses a word twice. Here each word above a limit lives from the first statement that accesses
//! it to the last, and gets the lowest place that is free for so long. Words that an instruction takes together
//! stay together.

use crate::calldata::WORD;
use crate::yul::{
    access::relocate,
    flow::{accesses, same},
    NotUnderstood, Statement,
};

/// Words that stay together: where they stood, and the statements between which they are needed.
struct Object {
    start: usize,
    end: usize,
    first: usize,
    last: usize,
}

/// Moves what stands above `limit` down as far as it goes, and checks that each read still finds what it found.
///
/// # Errors
/// If an access is not understood, or reaches over the limit.
pub(super) fn compact(
    mut statements: Vec<Statement>,
    limit: usize,
) -> Result<Vec<Statement>, NotUnderstood> {
    let objects = objects(&statements, limit)?;
    let places = places(&objects, limit);
    let moved = |at: usize| match objects
        .iter()
        .zip(&places)
        .find(|(object, _)| (object.start..object.end).contains(&at))
    {
        Some((object, place)) => at.saturating_sub(object.start).saturating_add(*place),
        None => at,
    };
    let before = statements.clone();
    for statement in &mut statements {
        relocate(statement, &moved);
    }
    same(&before, &statements)?;
    Ok(statements)
}

/// The objects above the limit, in the order in which they stand.
fn objects(statements: &[Statement], limit: usize) -> Result<Vec<Object>, NotUnderstood> {
    let mut regions = Vec::new();
    for (i, accesses) in accesses(statements)?.iter().enumerate() {
        for access in accesses.iter().filter(|access| access.length > 0) {
            let start = access.at.saturating_sub(access.at % WORD);
            // Addresses are small (`yul::access`).
            let end = access.bytes().end.next_multiple_of(WORD);
            if end > limit && start < limit {
                let what = "an access on both sides of the limit";
                return Err(NotUnderstood::new(what, &format!("{start:#x} to {end:#x}")));
            }
            if start >= limit {
                regions.push((start, end, i));
            }
        }
    }
    regions.sort_unstable();
    let mut objects: Vec<Object> = Vec::new();
    for (start, end, at) in regions {
        match objects.last_mut().filter(|object| start < object.end) {
            Some(object) => {
                object.end = object.end.max(end);
                object.first = object.first.min(at);
                object.last = object.last.max(at);
            }
            None => objects.push(Object {
                start,
                end,
                first: at,
                last: at,
            }),
        }
    }
    Ok(objects)
}

/// A place for each object that no other has at the same time.
fn places(objects: &[Object], limit: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..objects.len()).collect();
    order.sort_by_key(|i| objects.get(*i).map(|object| object.first));
    let mut places = vec![0; objects.len()];
    // Place, end, and last statement of what has a place.
    let mut taken: Vec<(usize, usize, usize)> = Vec::new();
    for i in order {
        let Some(object) = objects.get(i) else {
            continue;
        };
        taken.retain(|(_, _, last)| *last >= object.first);
        taken.sort_unstable();
        let length = object.end.saturating_sub(object.start);
        let mut place = limit;
        for (start, end, _) in &taken {
            if place.saturating_add(length) > *start {
                place = place.max(*end);
            }
        }
        taken.push((place, place.saturating_add(length), object.last));
        if let Some(at) = places.get_mut(i) {
            *at = place;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimise::tree;

    #[test]
    fn places_are_used_again_and_calls_stay_whole() {
        let text = tree(
            "mstore(0x80, 1)
             mstore(0x1000, mload(0x80))
             mstore(0x2000, addmod(mload(0x1000), 1, f_q))
             mstore(0x3000, mload(0x2000))
             mstore(0x3020, mload(0x1000))
             mstore(0x3040, 3)
             success := and(eq(staticcall(gas(), 0x7, 0x3000, 0x60, 0x3000, 0x40), 1), success)
             mstore(0x5000, mload(0x3020))",
        );
        let expected = tree(
            "mstore(0x80, 1)
             mstore(0x100, mload(0x80))
             mstore(0x120, addmod(mload(0x100), 1, f_q))
             mstore(0x140, mload(0x120))
             mstore(0x160, mload(0x100))
             mstore(0x180, 3)
             success := and(eq(staticcall(gas(), 0x7, 0x140, 0x60, 0x140, 0x40), 1), success)
             mstore(0x100, mload(0x160))",
        );
        assert_eq!(compact(text, 0x100), Ok(expected));
    }

    #[test]
    fn hashes_and_bytes_are_moved_and_keep_alive_what_they_need() {
        let text = tree(
            "mstore(0x80, 7)
             mstore(0x1000, mload(0x80))
             mstore8(0x1020, 1)
             mstore(0x2000, mulmod(mload(0x80), 3, f_q))
             mstore(0x2020, keccak256(0x1000, 33))
             mstore(0x3000, mload(0x2020))",
        );
        let expected = tree(
            "mstore(0x80, 7)
             mstore(0x100, mload(0x80))
             mstore8(0x120, 1)
             mstore(0x140, mulmod(mload(0x80), 3, f_q))
             mstore(0x140, keccak256(0x100, 33))
             mstore(0x100, mload(0x140))",
        );
        assert_eq!(compact(text, 0x100), Ok(expected));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "mstore(add(at, 0x20), 1)",
            "mstore(0x80, 1) mstore(0x1000, keccak256(0xe0, 4096))",
            "mstore(0x1000, mload(0x2000))",
            "mstore(0x1000, 1) return(data, 0x40)",
        ] {
            assert!(compact(tree(text), 0x100).is_err(), "{text}");
        }
    }
}
