//! The value of the public values' polynomial at the challenge x, computed by a loop.
//!
//! With ω of order n and public values p₀ … p₍m₋₁₎ it is, in its Lagrange form,
//!
//! ```text
//! (xⁿ − 1)/n · Σ pᵢ·ωⁱ/(x − ωⁱ)  =  (xⁿ − 1)/n · Σ pᵢ/(x·ω⁻ⁱ − 1)
//! ```
//!
//! The loop adds the fractions over a common denominator. That is inverted together with what snark-verifier's
//! code inverts next: 1/a = b·(1/ab), so that there is no further modular exponentiation. The denominator is zero
//! only where x = ωⁱ; such an x, a hash, is as unlikely as one that snark-verifier's own code cannot invert.

use super::{expect, CodegenError};
use halo2_proofs::halo2curves::{bn256::Fr, ff::PrimeField};
use revm::primitives::U256;

/// What the loop needs to know.
pub(super) struct PublicValues {
    /// Number of public values, at the start of calldata.
    pub count: usize,
    /// Address of the value, with two more words behind it.
    pub slot: usize,
    /// ω⁻¹.
    pub generator_inverse: Fr,
    /// 1/n.
    pub size_inverse: Fr,
}

fn number(value: Fr) -> U256 {
    U256::from_le_bytes(value.to_repr())
}

impl PublicValues {
    /// Puts loop and inversion into the generator's lines.
    pub(super) fn insert(&self, lines: &[String]) -> Result<Vec<String>, CodegenError> {
        let (mut loops, mut inversions) = (0, 0);
        // (xⁿ − 1)/n, which the generator multiplies its Lagrange polynomials by.
        let factor_end = format!(", {}, f_q))", number(self.size_inverse));
        let factors: Vec<&str> = lines
            .iter()
            .filter_map(|line| line.strip_prefix("mstore(")?.strip_suffix(&factor_end))
            .filter_map(|start| Some(start.split_once(", mulmod(mload(")?.0))
            .collect();
        let [factor] = factors[..] else {
            expect("factors of the Lagrange polynomials", 1, factors.len())?;
            return Ok(Vec::new());
        };
        let mut out: Vec<String> = Vec::with_capacity(lines.len() + 30);
        let challenge = format!("mstore({:#x}, mload(", self.slot);
        for line in lines {
            if let Some(rest) = line.strip_prefix(&challenge) {
                loops += 1;
                out.extend(self.evaluate(rest.trim_end_matches(')')));
            } else if let (0, Some((input, output))) = (inversions, exponentiation(line)) {
                inversions += 1;
                // The base stands three lines above the call: base, exponent, modulus.
                let base = out.len().checked_sub(3).and_then(|at| out.get_mut(at));
                let Some((base, product)) = base.and_then(|line| {
                    let product =
                        line.strip_prefix(&format!("mstore({:#x}, mload(", input + 0x60))?;
                    let product = product.strip_suffix("))")?.to_string();
                    Some((line, product))
                }) else {
                    expect("bases of the first inversion", 1, 0)?;
                    continue;
                };
                let denominator = self.slot + 0x20;
                *base = format!(
                    "mstore({:#x}, mulmod(mload({product}), mload({denominator:#x}), f_q))",
                    input + 0x60
                );
                out.push(line.clone());
                out.extend(self.share(output, &product, factor));
            } else {
                out.push(line.clone());
            }
        }
        expect("places for the public values", 1, loops)?;
        expect("inversions", 1, inversions)?;
        Ok(out)
    }

    /// Leaves numerator and denominator in the two words from the slot on.
    fn evaluate(&self, challenge: &str) -> Vec<String> {
        let minus_one = number(-Fr::one());
        let text = format!(
            "// The polynomial of the public values at x, as a fraction.\n\
             {{\n\
             let point := mload({challenge})\n\
             let numerator := 0\n\
             let denominator := 1\n\
             for {{ let at := 0 }} lt(at, {:#x}) {{ at := add(at, 0x20) }} {{\n\
             let difference := add(point, {minus_one})\n\
             numerator := addmod(mulmod(numerator, difference, f_q), mulmod(calldataload(at), denominator, f_q), f_q)\n\
             denominator := mulmod(denominator, difference, f_q)\n\
             point := mulmod(point, {}, f_q)\n\
             }}\n\
             mstore({:#x}, numerator)\n\
             mstore({:#x}, denominator)\n\
             }}",
            0x20 * self.count,
            number(self.generator_inverse),
            self.slot,
            self.slot + 0x20
        );
        text.lines().map(str::to_string).collect()
    }

    /// Takes the inverse of the denominator out of the joint one, and the value with it.
    fn share(&self, inverse: usize, product: &str, factor: &str) -> Vec<String> {
        let (slot, denominator) = (self.slot, self.slot + 0x20);
        let text = format!(
            "{{\n\
             let joint := mload({inverse:#x})\n\
             mstore({inverse:#x}, mulmod(joint, mload({denominator:#x}), f_q))\n\
             mstore({slot:#x}, mulmod(mulmod(mload({slot:#x}), mload({factor}), f_q), mulmod(joint, mload({product}), f_q), f_q))\n\
             }}"
        );
        text.lines().map(str::to_string).collect()
    }
}

/// Addresses of input and output of a call of the modular exponentiation.
fn exponentiation(line: &str) -> Option<(usize, usize)> {
    let call = crate::optimise::call(line)?;
    (call.precompile == 5).then_some((call.input.0, call.output.0))
}
