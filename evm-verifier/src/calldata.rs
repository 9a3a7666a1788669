//! Calldata of the generated verifier: the public values, 32 bytes each, big-endian, then the proof.
//!
//! There is no selector and no length field: the contract knows both lengths from its verifying
//! key, and rejects calldata of any other length.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use halo2_proofs::halo2curves::bn256::Fr;
use snark_verifier::loader::evm::encode_calldata;

/// Bytes of one word of calldata.
pub const WORD: usize = 32;

/// Where everything is in the calldata of one verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Layout {
    /// Public values at the start, of all instance columns.
    pub instances: usize,
    /// Curve points of the proof, 64 bytes each.
    pub points: usize,
    /// Scalars of the proof, 32 bytes each.
    pub evaluations: usize,
}

impl Layout {
    /// Bytes of the proof; the most that 64 bits hold, which no calldata has, where it is more.
    pub fn proof_bytes(&self) -> usize {
        let words = self.points.saturating_mul(2);
        words.saturating_add(self.evaluations).saturating_mul(WORD)
    }

    /// Bytes of the whole calldata.
    pub fn bytes(&self) -> usize {
        let instances = self.instances.saturating_mul(WORD);
        instances.saturating_add(self.proof_bytes())
    }
}

/// Encodes public values and proof as calldata.
pub fn encode(instances: &[Fr], proof: &[u8]) -> Vec<u8> {
    encode_calldata(&[instances.to_vec()], proof)
}

/// The two parts that calldata is charged by: zero bytes and other bytes.
pub fn count_bytes(calldata: &[u8]) -> (usize, usize) {
    let zeros = calldata.iter().filter(|&&byte| byte == 0).count();
    (zeros, calldata.len().saturating_sub(zeros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_come_first_and_big_endian() {
        let data = encode(&[Fr::from(258u64)], &[9, 8]);
        assert_eq!(data.len(), 34);
        assert_eq!(&data[30..], &[1, 2, 9, 8]);
        assert_eq!(count_bytes(&data), (30, 4));
    }
}
