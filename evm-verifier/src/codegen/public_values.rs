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
use crate::{
    calldata::WORD,
    yul::{parse, Expr, NotUnderstood, Op, Statement},
};
use halo2_proofs::halo2curves::{bn256::Fr, ff::PrimeField};
use revm::primitives::U256;
use std::ops::Neg;

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
    /// Puts loop and inversion into the generator's statements.
    pub(super) fn insert(&self, statements: &[Statement]) -> Result<Vec<Statement>, CodegenError> {
        let (mut loops, mut inversions) = (0usize, 0usize);
        // (xⁿ − 1)/n, which the generator multiplies its Lagrange polynomials by.
        let size_inverse = Expr::Number(number(self.size_inverse));
        let scaled = |value: &Expr| match value.modular(Op::MulMod) {
            Some((power, factor)) => power.loaded().is_some() && *factor == size_inverse,
            None => false,
        };
        let stored = statements.iter().filter_map(Statement::stored);
        let factors: Vec<usize> = stored
            .filter(|(_, value)| scaled(value))
            .map(|(at, _)| at)
            .collect();
        let [factor] = factors[..] else {
            expect("factors of the Lagrange polynomials", 1, factors.len())?;
            return Ok(Vec::new());
        };
        let mut out: Vec<Statement> = Vec::with_capacity(statements.len());
        for statement in statements {
            let exponentiation = statement.called().filter(|call| call.address == 5);
            if let Some((_, value)) = statement.stored().filter(|(at, _)| *at == self.slot) {
                loops = loops.saturating_add(1);
                out.extend(self.evaluate(value)?);
            } else if let (0, Some(call)) = (inversions, exponentiation) {
                inversions = inversions.saturating_add(1);
                let at = call.input.0.saturating_add(0x60);
                let denominator = self.denominator();
                // The base stands three statements above the call: base, exponent, modulus.
                let base = out.len().checked_sub(3).and_then(|at| out.get_mut(at));
                let stored = base.as_ref().and_then(|base| base.stored());
                let product = stored.filter(|(to, _)| *to == at);
                let product = product.and_then(|(_, value)| value.loaded());
                let (Some(base), Some(product)) = (base, product) else {
                    expect("bases of the first inversion", 1, 0)?;
                    continue;
                };
                let joint = Expr::product(Expr::load(product), Expr::load(denominator));
                *base = Statement::store(at, joint);
                out.push(statement.clone());
                out.extend(self.share(call.output.0, product, factor)?);
            } else {
                out.push(statement.clone());
            }
        }
        expect("places for the public values", 1, loops)?;
        expect("inversions", 1, inversions)?;
        Ok(out)
    }

    /// Where the denominator is kept.
    fn denominator(&self) -> usize {
        self.slot.saturating_add(WORD)
    }

    /// Leaves numerator and denominator in the two words from the slot on.
    fn evaluate(&self, challenge: &Expr) -> Result<Vec<Statement>, NotUnderstood> {
        let minus_one = number(Fr::one().neg());
        let text = format!(
            "// The polynomial of the public values at x, as a fraction.\n\
             {{\n\
             let point := {challenge}\n\
             let numerator := 0\n\
             let denominator := 1\n\
             for {{ let offset := 0 }} lt(offset, {:#x}) {{ offset := add(offset, 0x20) }} {{\n\
             let difference := add(point, {minus_one})\n\
             numerator := addmod(mulmod(numerator, difference, f_q), mulmod(calldataload(offset), denominator, f_q), f_q)\n\
             denominator := mulmod(denominator, difference, f_q)\n\
             point := mulmod(point, {}, f_q)\n\
             }}\n\
             mstore({:#x}, numerator)\n\
             mstore({:#x}, denominator)\n\
             }}",
            self.count.saturating_mul(WORD),
            number(self.generator_inverse),
            self.slot,
            self.denominator()
        );
        parse(&text)
    }

    /// Takes the inverse of the denominator out of the joint one, and the value with it.
    fn share(
        &self,
        inverse: usize,
        product: usize,
        factor: usize,
    ) -> Result<Vec<Statement>, NotUnderstood> {
        let (slot, denominator) = (self.slot, self.denominator());
        let text = format!(
            "{{\n\
             let joint := mload({inverse:#x})\n\
             mstore({inverse:#x}, mulmod(joint, mload({denominator:#x}), f_q))\n\
             mstore({slot:#x}, mulmod(mulmod(mload({slot:#x}), mload({factor:#x}), f_q), mulmod(joint, mload({product:#x}), f_q), f_q))\n\
             }}"
        );
        parse(&text)
    }
}
