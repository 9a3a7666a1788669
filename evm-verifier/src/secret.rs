//! Which reference string a verifier trusts: told from its bytecode, whatever a label beside it says.
//!
//! The verdict is a pairing of two points of the proof with the generator of the second group and with the secret
//! times it, negated. Both stand in the code as constants, so a [run](crate::unwritten) shows them.
//!
//! That is so of code that zkml wrote. Whoever writes other code can have it show any secret, and accept everything: that
//! zkml wrote a contract is known by comparing its code, which `zkml evm audit` does.

use crate::unwritten::Reads;
use halo2_proofs::halo2curves::{
    bn256::{Fq, Fq2, G2Affine},
    ff::PrimeField,
    CurveAffine,
};
use zkml_srs::fingerprint;

/// Bytes of a word.
const WORD: usize = 32;
/// Words of a pair of points.
const PAIR: usize = 6;
/// Words of the pair's point in the first group, which come first.
const FIRST: usize = 2;

/// Why bytecode does not say which reference string it trusts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytecode does not say which SRS it trusts: expected {expected}, got {got}; make the contract again")]
pub struct NoSecret {
    expected: &'static str,
    got: String,
}

/// The fingerprint of the reference string that a verifier trusts, if zkml wrote it.
///
/// # Errors
/// If it does not decide by one pairing of two pairs, one of them with the generator.
pub fn trusted(found: &Reads) -> Result<[u8; 32], NoSecret> {
    let refuse = |expected, got: String| NoSecret { expected, got };
    let [pairing] = found.pairings.as_slice() else {
        return Err(refuse("one pairing", found.pairings.len().to_string()));
    };
    let points: Vec<G2Affine> = pairing
        .chunks(WORD * PAIR)
        .filter_map(|pair| point(pair.get(WORD * FIRST..)?))
        .collect();
    let [generator, secret] = points.as_slice() else {
        return Err(refuse(
            "two pairs of points",
            format!("{} bytes with {} points of G2", pairing.len(), points.len()),
        ));
    };
    if *generator != G2Affine::generator() {
        return Err(refuse(
            "the generator in the first pair",
            "another point".to_owned(),
        ));
    }
    Ok(fingerprint(generator, &-*secret))
}

/// A point of the second group as precompiled contracts take it: of each coordinate the imaginary part first.
fn point(bytes: &[u8]) -> Option<G2Affine> {
    let number = |at: usize| {
        let mut repr: [u8; WORD] = bytes.get(WORD * at..WORD * (at + 1))?.try_into().ok()?;
        repr.reverse();
        Option::from(Fq::from_repr(repr))
    };
    let coordinate = |at: usize| Some(Fq2::new(number(at + 1)?, number(at)?));
    Option::from(G2Affine::from_xy(coordinate(0)?, coordinate(2)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::halo2curves::{bn256::Fr, group::Curve};

    fn words(point: &G2Affine) -> Vec<u8> {
        let word = |number: Fq| {
            let mut bytes = number.to_repr();
            bytes.reverse();
            bytes
        };
        [point.x.c1, point.x.c0, point.y.c1, point.y.c0]
            .map(word)
            .concat()
    }

    fn reads(points: &[G2Affine]) -> Reads {
        let pair = |point| [vec![0; WORD * FIRST], words(point)].concat();
        Reads {
            pairings: vec![points.iter().flat_map(pair).collect()],
            ..Reads::default()
        }
    }

    #[test]
    fn the_secret_is_read_off_the_pairing() {
        let generator = G2Affine::generator();
        let secret = (generator * Fr::from(7)).to_affine();
        let expected = fingerprint(&generator, &secret);
        assert_eq!(trusted(&reads(&[generator, -secret])), Ok(expected));
        assert_ne!(trusted(&reads(&[generator, secret])), Ok(expected));
        assert!(trusted(&reads(&[-secret, generator])).is_err());
        assert!(trusted(&reads(&[generator])).is_err());
        assert!(trusted(&Reads::default()).is_err());
        let mut twice = reads(&[generator, -secret]);
        twice.pairings.extend(twice.pairings.clone());
        assert!(trusted(&twice).is_err());
    }
}
