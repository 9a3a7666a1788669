//! Whether a chain has the precompiled contracts that a verifier rests on.
//!
//! A call of an account without code succeeds and answers nothing. Of the pairing a verifier asks for an answer; where a
//! product with a point has none, the point stays as it was, and whoever knows that can make up for all that was to be
//! multiplied. Chains that have the pairing have the others; that it is so is seen before anything is put there.

use anyhow::{bail, Result};
use zkml_evm_verifier::chain::{Address, Node, Verdict};

/// A word with this number.
fn word(number: u8) -> [u8; 32] {
    let mut word = [0; 32];
    word[31] = number;
    word
}

/// Each contract's address and name, words that it is given, and those that it answers.
const KNOWN: [(u8, &str, &[u8], &[u8]); 4] = [
    // 3² mod 5, of numbers of 32 bytes.
    (5, "MODEXP", &[32, 32, 32, 3, 2, 5], &[4]),
    // G + O, 1·G.
    (6, "ECADD", &[1, 2, 0, 0], &[1, 2]),
    (7, "ECMUL", &[1, 2, 1], &[1, 2]),
    // No pairs.
    (8, "ECPAIRING", &[], &[1]),
];

/// Fails unless a chain has them.
pub fn check(node: &Node) -> Result<()> {
    missing(|at, data| match node.call(None, at, data)? {
        Verdict::Returned(answer) => Ok(answer),
        Verdict::Reverted(_) => Ok(Vec::new()),
    })
    .and_then(|missing| match missing {
        None => Ok(()),
        Some(name) => bail!(
            "chain {} has not the precompiled contract {name}: a verifier there could accept what is false",
            node.chain_id()
        ),
    })
}

/// The first that does not answer as it should.
fn missing(call: impl Fn(Address, &[u8]) -> Result<Vec<u8>>) -> Result<Option<&'static str>> {
    for (at, name, asked, answered) in KNOWN {
        let words = |numbers: &[u8]| numbers.iter().flat_map(|n| word(*n)).collect::<Vec<u8>>();
        if call(Address::with_last_byte(at), &words(asked))? != words(answered) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Real nodes are asked by every test that deploys.
    #[test]
    fn each_is_asked() {
        let chain = |without: Option<u8>| {
            move |at: Address, _: &[u8]| {
                let has = KNOWN.iter().filter(|known| Some(known.0) != without);
                let mut has = has.filter(|known| at == Address::with_last_byte(known.0));
                let words = |(.., answered): &(u8, &str, &[u8], &[u8])| {
                    answered.iter().flat_map(|n| word(*n)).collect()
                };
                Ok(has.next().map(words).unwrap_or_default())
            }
        };
        assert_eq!(missing(chain(None)).unwrap(), None);
        for (gone, name, ..) in KNOWN {
            assert_eq!(missing(chain(Some(gone))).unwrap(), Some(name));
        }
    }
}
