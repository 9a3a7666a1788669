//! Memory that is used again: the EVM charges for the highest address, and more for each one above.
//!
//! The generator never uses a word twice. Here each word above a limit lives from the first line that names it to the
//! last, and gets the lowest place that is free for so long. Words that a call or a hash takes together
//! stay together.

use super::text::{byte_stored, call, copied, hashed, hidden_regions, number, Call};
use std::collections::BTreeMap;

/// Words that stay together: where they stood, and the lines between which they are needed.
struct Object {
    start: usize,
    end: usize,
    first: usize,
    last: usize,
}

/// Moves what stands above `limit` down as far as it goes; leaves all as it is if a line is not understood.
pub(super) fn compact(lines: Vec<String>, limit: usize) -> Vec<String> {
    let Some(objects) = objects(&lines, limit) else {
        return lines;
    };
    let places = places(&objects, limit);
    let moved = |at: usize| match objects
        .iter()
        .zip(&places)
        .find(|(object, _)| (object.start..object.end).contains(&at))
    {
        Some((object, place)) => place + at - object.start,
        None => at,
    };
    lines.iter().map(|line| renamed(line, &moved)).collect()
}

/// The objects above the limit, in the order in which they stand.
fn objects(lines: &[String], limit: usize) -> Option<Vec<Object>> {
    let mut regions: Vec<(usize, usize)> = hidden_regions(lines);
    let mut needed: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for (i, line) in lines.iter().enumerate() {
        if copied(line).is_some_and(|(to, length)| to + length > limit)
            || byte_stored(line).is_some_and(|at| at >= limit)
        {
            return None;
        }
        for at in addresses(line)? {
            regions.push((at, at + 0x20));
            let lines = needed.entry(at).or_insert((i, i));
            lines.1 = i;
        }
        let read_or_written = match call(line) {
            Some(Call { input, output, .. }) => vec![input, output],
            None => hashed(line).into_iter().collect(),
        };
        for (at, length) in read_or_written {
            for at in (at..at + length).step_by(0x20) {
                let lines = needed.entry(at).or_insert((i, i));
                lines.1 = i;
            }
        }
    }
    regions.retain(|(_, end)| *end > limit);
    regions.sort_unstable();
    let mut objects: Vec<Object> = Vec::new();
    for (start, end) in regions {
        // A region that reaches over the limit, or over everything, is none that can be moved.
        (start >= limit && end < usize::MAX).then_some(())?;
        match objects.last_mut().filter(|object| start < object.end) {
            Some(object) => object.end = object.end.max(end),
            None => objects.push(Object {
                start,
                end,
                first: usize::MAX,
                last: 0,
            }),
        }
    }
    for object in &mut objects {
        for (first, last) in needed
            .range(object.start..object.end)
            .map(|(_, lines)| *lines)
        {
            object.first = object.first.min(first);
            object.last = object.last.max(last);
        }
    }
    Some(objects)
}

/// A place for each object that no other has at the same time.
fn places(objects: &[Object], limit: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..objects.len()).collect();
    order.sort_by_key(|i| objects.get(*i).map(|object| object.first));
    let mut places = vec![0; objects.len()];
    // Place, end, and last line of what has a place.
    let mut taken: Vec<(usize, usize, usize)> = Vec::new();
    for i in order {
        let Some(object) = objects.get(i) else {
            continue;
        };
        taken.retain(|(_, _, last)| *last >= object.first);
        taken.sort_unstable();
        let length = object.end - object.start;
        let mut place = limit;
        for (start, end, _) in &taken {
            if place + length > *start {
                place = place.max(*end);
            }
        }
        taken.push((place, place + length, object.last));
        if let Some(at) = places.get_mut(i) {
            *at = place;
        }
    }
    places
}

/// Where numbers that are addresses stand in a line.
const ADDRESSED: [&str; 3] = ["mload(", "mstore(", "keccak256("];

/// The addresses that a line names, but for those of calls; none if it uses memory in another way.
fn addresses(line: &str) -> Option<Vec<usize>> {
    let mut found = Vec::new();
    for name in ADDRESSED {
        for (at, _) in line.match_indices(name) {
            let rest = line.get(at + name.len()..)?;
            found.push(number(rest.get(..rest.find([',', ')'])?)?)?);
        }
    }
    Some(found)
}

/// The line with its addresses moved.
fn renamed(line: &str, moved: &impl Fn(usize) -> usize) -> String {
    if let Some(Call {
        precompile,
        input: (from, length),
        output: (to, out),
    }) = call(line)
    {
        return format!(
            "success := and(eq(staticcall(gas(), {precompile:#x}, {:#x}, {length:#x}, {:#x}, {out:#x}), 1), success)",
            moved(from),
            moved(to)
        );
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    loop {
        let next = ADDRESSED
            .iter()
            .filter_map(|name| Some(rest.find(name)? + name.len()))
            .min();
        let Some((before, after)) = next.and_then(|at| rest.split_at_checked(at)) else {
            out.push_str(rest);
            return out;
        };
        out.push_str(before);
        let end = after.find([',', ')']).unwrap_or(after.len());
        let (address, behind) = after.split_at(end);
        match number(address) {
            Some(at) => out.push_str(&format!("{:#x}", moved(at))),
            None => out.push_str(address),
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimise::text::lines;

    #[test]
    fn places_are_used_again_and_calls_stay_whole() {
        let text = lines(
            "mstore(0x1000, mload(0x80))
             mstore(0x2000, addmod(mload(0x1000), 1, f_q))
             mstore(0x3000, mload(0x2000))
             mstore(0x3020, mload(0x1000))
             success := and(eq(staticcall(gas(), 0x7, 0x3000, 0x60, 0x3000, 0x40), 1), success)
             mstore(0x5000, mload(0x3020))",
        );
        let expected = lines(
            "mstore(0x100, mload(0x80))
             mstore(0x120, addmod(mload(0x100), 1, f_q))
             mstore(0x140, mload(0x120))
             mstore(0x160, mload(0x100))
             success := and(eq(staticcall(gas(), 0x7, 0x140, 0x60, 0x140, 0x40), 1), success)
             mstore(0x100, mload(0x160))",
        );
        assert_eq!(compact(text, 0x100), expected);
    }

    #[test]
    fn hashes_read_what_was_moved_and_keep_it_alive() {
        let text = lines(
            "mstore(0x1000, mload(0x80))
             mstore(0x1020, mload(0xa0))
             mstore(0x2000, mulmod(mload(0x80), 3, f_q))
             mstore(0x2020, keccak256(0x1000, 64))
             mstore(0x3000, mload(0x2020))",
        );
        let expected = lines(
            "mstore(0x100, mload(0x80))
             mstore(0x120, mload(0xa0))
             mstore(0x140, mulmod(mload(0x80), 3, f_q))
             mstore(0x140, keccak256(0x100, 64))
             mstore(0x100, mload(0x140))",
        );
        assert_eq!(compact(text, 0x100), expected);
    }

    #[test]
    fn what_is_not_understood_stays() {
        for text in [
            "mstore(add(at, 0x20), mload(0x1000))",
            "mstore(0x1000, keccak256(0x80, 4096))",
            "mstore8(0x1000, 1)",
            "return(data, 0x40)",
        ] {
            assert_eq!(compact(lines(text), 0x100), lines(text));
        }
    }
}
