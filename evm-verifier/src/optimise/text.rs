//! Reading lines of assembly.

use std::collections::HashMap;

/// `mstore(ADDRESS, VALUE)`.
pub(super) fn store(line: &str) -> Option<(usize, &str)> {
    let (address, value) = line
        .strip_prefix("mstore(")?
        .strip_suffix(')')?
        .split_once(", ")?;
    Some((number(address)?, value))
}

/// The address of `mload(ADDRESS)`.
pub(super) fn load(text: &str) -> Option<usize> {
    number(text.strip_prefix("mload(")?.strip_suffix(')')?)
}

/// A call of a precompile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub precompile: usize,
    /// Address and length of its input.
    pub input: (usize, usize),
    /// Address and length of its output.
    pub output: (usize, usize),
}

/// `success := and(eq(staticcall(gas(), PRECOMPILE, IN, LENGTH, OUT, LENGTH), 1), success)`.
pub(crate) fn call(line: &str) -> Option<Call> {
    let rest = line.strip_prefix("success := and(eq(staticcall(gas(), ")?;
    let numbers = rest.strip_suffix("), 1), success)")?;
    let numbers: Vec<usize> = numbers.split(", ").map(number).collect::<Option<_>>()?;
    match numbers[..] {
        [precompile, from, length, to, out] => Some(Call {
            precompile,
            input: (from, length),
            output: (to, out),
        }),
        _ => None,
    }
}

pub(crate) fn number(text: &str) -> Option<usize> {
    match text.strip_prefix("0x") {
        Some(hex) if hex.len() <= 8 => usize::from_str_radix(hex, 16).ok(),
        None if text.len() <= 9 => text.parse().ok(),
        _ => None,
    }
}

/// The addresses that a text loads from, in order.
pub(super) fn loads(text: &str) -> Vec<usize> {
    text.match_indices("mload(")
        .filter_map(|(at, found)| {
            let rest = text.get(at + found.len()..)?;
            number(rest.get(..rest.find(')')?)?)
        })
        .collect()
}

/// Address and length of what `calldatacopy(ADDRESS, OFFSET, LENGTH)` writes.
pub(super) fn copied(line: &str) -> Option<(usize, usize)> {
    let arguments = line.strip_prefix("calldatacopy(")?.strip_suffix(')')?;
    let mut arguments = arguments.split(", ").map(number);
    match (arguments.next(), arguments.next(), arguments.next()) {
        (Some(to), Some(_), Some(length)) => Some((to?, length?)),
        _ => None,
    }
}

/// Address and length of what a line hashes.
pub(super) fn hashed(line: &str) -> Option<(usize, usize)> {
    let (_, arguments) = line.split_once("keccak256(")?;
    let (from, length) = arguments.split_once(')')?.0.split_once(", ")?;
    Some((number(from)?, number(length)?))
}

/// The address of `mstore8(ADDRESS, VALUE)`; one that is no number is beyond all.
pub(super) fn byte_stored(line: &str) -> Option<usize> {
    let address = line.strip_prefix("mstore8(")?.split(',').next()?;
    Some(number(address).unwrap_or(usize::MAX - 1))
}

/// How often each address is loaded.
pub(super) fn uses(lines: &[String]) -> HashMap<usize, usize> {
    let mut uses = HashMap::new();
    for at in lines.iter().flat_map(|line| loads(line)) {
        *uses.entry(at).or_insert(0) += 1;
    }
    uses
}

/// The lines that store to each address, by `mstore` or as the output of a call.
pub(super) fn store_lines(lines: &[String]) -> HashMap<usize, Vec<usize>> {
    let mut stores: HashMap<usize, Vec<usize>> = HashMap::new();
    for (i, line) in lines.iter().enumerate() {
        if let Some((at, _)) = store(line) {
            stores.entry(at).or_default().push(i);
        }
        if let Some(Call {
            output: (to, length),
            ..
        }) = call(line)
        {
            for at in (to..to + length).step_by(0x20) {
                stores.entry(at).or_default().push(i);
            }
        }
        if let Some((to, length)) = copied(line) {
            for at in (to..to + length).step_by(0x20) {
                stores.entry(at).or_default().push(i);
            }
        }
    }
    stores
}

/// Memory that is read other than by a load: input of calls and hashes, single bytes.
pub(super) fn hidden_regions(lines: &[String]) -> Vec<(usize, usize)> {
    let mut regions = Vec::new();
    for line in lines {
        if let Some(Call {
            input: (from, length),
            output: (to, out),
            ..
        }) = call(line)
        {
            regions.extend([(from, from + length), (to, to + out)]);
        } else if line.contains("keccak256(") {
            match hashed(line) {
                Some((from, length)) => regions.push((from, from + length)),
                None => regions.push((0, usize::MAX)),
            }
        } else if line.contains("staticcall(") || line.contains("return(data") {
            regions.push((0, usize::MAX));
        } else if let Some(at) = byte_stored(line) {
            regions.push((at.saturating_sub(0x1f), at + 1));
        }
    }
    regions
}

/// How deep in inner blocks each line stands, relative to the shallowest.
pub(super) fn depths(lines: &[String]) -> Vec<usize> {
    let mut depth = 0usize;
    lines
        .iter()
        .map(|line| {
            let (opens, closes) = (line.matches('{').count(), line.matches('}').count());
            let here = depth;
            depth = (depth + opens).saturating_sub(closes);
            here.min(depth)
        })
        .collect()
}

/// Lines of a test's text.
#[cfg(test)]
pub(super) fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_string()).collect()
}
