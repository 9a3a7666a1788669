//! Changes to inputs: few at a time, of the kinds that break parsers.

use rand::{seq::SliceRandom, Rng};

/// Longest input that is made.
const MAX_LEN: usize = 4 << 20;
/// Numbers at which code changes its mind.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// Integers that a text may have in place of another: the ends of each type, and what is next to them.
const EXTREMES: [&str; 12] = [
    "0",
    "-1",
    "1",
    "4294967295",
    "-2147483648",
    "4611686018427387904",
    "-4611686018427387904",
    "9223372036854775807",
    "-9223372036854775808",
    "-9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
];

/// The text with each of its integers, one at a time, replaced by each extreme one.
pub fn extremes(text: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    integers(text).into_iter().flat_map(move |(from, to)| {
        EXTREMES.iter().filter_map(move |extreme| {
            let (before, after) = (text.get(..from)?, text.get(to..)?);
            Some([before, extreme.as_bytes(), after].concat())
        })
    })
}

/// Where integers stand in a text of JSON, those in strings aside.
fn integers(text: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let (mut start, mut quoted) = (None, false);
    for (at, byte) in text.iter().chain(b" ").enumerate() {
        let part = byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'e' | b'+');
        match (start, part && !quoted) {
            (None, true) if byte.is_ascii_digit() || *byte == b'-' => start = Some(at),
            (Some(from), false) => {
                let number = text.get(from..at).unwrap_or_default();
                if !number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'+')) {
                    found.push((from, at));
                }
                start = None;
            }
            _ => {}
        }
        quoted ^= *byte == b'"';
    }
    found
}

/// Changes `input` in one to eight places. `other` lends bytes, `words` are of the format.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], words: &[&[u8]], rng: &mut impl Rng) {
    // Mostly one change: what is right around it lets the parser get there.
    let changes = 1 << [0, 0, 0, 1, 1, 2, 3][rng.gen_range(0..7)];
    for _ in 0..changes {
        change(input, other, words, rng);
    }
    input.truncate(MAX_LEN);
}

fn change(input: &mut Vec<u8>, other: &[u8], words: &[&[u8]], rng: &mut impl Rng) {
    let at = rng.gen_range(0..=input.len());
    // Mostly short, at times all that is left.
    let longest = 1usize << rng.gen_range(0..12);
    let len = rng.gen_range(0..=longest).min(input.len() - at);
    match rng.gen_range(0..12) {
        0 | 1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << rng.gen_range(0..8);
            }
        }
        2 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = rng.gen();
            }
        }
        3 => overwrite(input, at, &number(rng)),
        4 => {
            // A number a little more or less than it was.
            if let Some(byte) = input.get_mut(at) {
                *byte = byte.wrapping_add(rng.gen_range(0..=8)).wrapping_sub(4);
            }
        }
        5 => drop(input.drain(at..at + len)),
        6 => input.truncate(at),
        7 => {
            let copied = input.get(at..at + len).unwrap_or_default().to_vec();
            let to = rng.gen_range(0..=input.len());
            insert(input, to, &copied);
        }
        8 => {
            let word = words.choose(rng).copied().unwrap_or(&[0]);
            // At times so often that nesting or counting runs away.
            let times = if rng.gen_ratio(1, 16) {
                1 << rng.gen_range(0..14)
            } else {
                1
            };
            insert(input, at, &word.repeat(times));
        }
        9 => {
            let from = rng.gen_range(0..=other.len());
            let len = len.min(other.len() - from);
            overwrite(input, at, other.get(from..from + len).unwrap_or_default());
        }
        10 => {
            let bytes: Vec<u8> = (0..rng.gen_range(1..16)).map(|_| rng.gen()).collect();
            insert(input, at, &bytes);
        }
        _ => {
            let value = if rng.gen() { 0 } else { 0xff };
            if let Some(bytes) = input.get_mut(at..at + len) {
                bytes.fill(value);
            }
        }
    }
}

/// One, two, four or eight bytes of an edge, in either order.
fn number(rng: &mut impl Rng) -> Vec<u8> {
    let value = EDGES.choose(rng).copied().unwrap_or(0);
    let width = 1 << rng.gen_range(0..4);
    let mut bytes = value
        .to_le_bytes()
        .get(..width)
        .unwrap_or_default()
        .to_vec();
    if rng.gen() {
        bytes.reverse();
    }
    bytes
}

fn overwrite(input: &mut [u8], at: usize, bytes: &[u8]) {
    let rest = input.get_mut(at..).unwrap_or_default();
    for (byte, new) in rest.iter_mut().zip(bytes) {
        *byte = *new;
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if input.len() + bytes.len() <= MAX_LEN {
        input.splice(at..at, bytes.iter().copied());
    }
}
