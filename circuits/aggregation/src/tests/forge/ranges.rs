//! False products that only range checks reject.

use super::{lattice, limbs, p, product, r, residue, scalar, BITS};
use crate::tests::cells::{Cells, Failure, Forged};
use num_bigint::BigInt;
use snark_verifier::halo2_base::halo2_proofs::{arithmetic::Field, halo2curves::bn256::Fr};

/// False products that only range checks reject.
pub fn forgeries() -> Vec<Forged> {
    let mut all = Vec::new();
    let [two, half] = [Fr::from(2), Fr::from(2).invert().unwrap()];
    for limb in 0..3 {
        // ½·2 = 1, where ½ is that of the circuit's field.
        let unit = BigInt::from(1) << (BITS * limb);
        let mut cells = product(&unit, &BigInt::from(2), &(&unit * 2));
        let [x, z] = [limb, 6 + limb].map(|check| cells.checks[check].0);
        assert_eq!((cells.values[x], cells.values[z]), (Fr::ONE, two));
        cells.values[x] = half;
        cells.values[z] = Fr::ONE;
        cells.settle();
        all.push(Forged::new(
            &format!("limb {limb} of an element is in range"),
            "half of the circuit's field",
            cells,
            |f| *f == Failure::Range(x),
        ));
    }
    // Carries of the circuit's field, for a quotient with which T ≡ 0 (mod r).
    let [x, y, z] = [7, 9, 64].map(BigInt::from);
    let mut cells = product(&x, &y, &z);
    let t: BigInt = &x * &y - &z + (p() << 257);
    let inverse = (p() % r()).modpow(&(r() - 2), &r());
    let in_the_field = limbs(&residue(&(t * inverse), &r()));
    let mut carries = Vec::new();
    for (limb, value) in in_the_field.iter().enumerate() {
        let [at, carry] = [9 + 2 * limb, 10 + 2 * limb].map(|check| cells.checks[check].0);
        cells.values[at] = scalar(value);
        carries.push(carry);
    }
    solve_carries(&mut cells);
    all.push(Forged::new(
        "carries are in range",
        "carries of the circuit's field",
        cells,
        |f| carries.iter().any(|carry| *f == Failure::Range(*carry)),
    ));
    all.push(quotient());
    all
}

/// A quotient of the circuit's field, with carries that are in range.
fn quotient() -> Forged {
    let mut cells = product(&BigInt::from(7), &BigInt::from(9), &BigInt::from(64));
    let native = *cells.gates.last().unwrap();
    let places = [9, 11, 13].map(|check| [check, check + 1].map(|check| cells.checks[check].0));
    // What the equation modulo r lacks, with these carries and the quotient that then fits the limbs.
    let mut lacks = |carries: [Fr; 3]| {
        for ([at, carry], value) in places.iter().zip(carries) {
            cells.values[*carry] = value;
            cells.settle();
            let sum = cells.values[carry + 2] - value * cells.values[carry + 1];
            let missing = sum - cells.values[at - 1];
            cells.values[*at] = missing * cells.values[at + 1].invert().unwrap();
        }
        cells.settle();
        cells.values[native] + cells.values[native + 1] * cells.values[native + 2]
    };
    let [none, one] = [Fr::ZERO, Fr::ONE];
    let constant = lacks([none; 3]);
    let units = [[one, none, none], [none, one, none], [none, none, one]];
    let slopes = units.map(|unit| lacks(unit) - constant);
    let middle = BigInt::from(1) << 89;
    let carries = lattice::near(slopes, -constant, &middle);
    assert_eq!(lacks(carries.map(|carry| scalar(&carry))), Fr::ZERO);
    let quotient = places.map(|[at, _]| Failure::Range(at));
    Forged::new(
        "the quotient is in range",
        "a quotient of the circuit's field",
        cells,
        |f| quotient.contains(f),
    )
}

/// Sets the carries of a product to what the limbs' equations say.
fn solve_carries(cells: &mut Cells) {
    for i in 0..3 {
        cells.settle();
        let carry = cells.checks[10 + 2 * i].0;
        let missing = cells.values[carry - 1] - cells.values[carry + 2];
        let base = -cells.values[carry + 1];
        cells.values[carry] = missing * base.invert().unwrap();
    }
    cells.settle();
}

/// Without range checks, the field has a quotient and carries for any statement.
#[test]
fn a_quotient_and_carries_of_the_field_are_out_of_range() {
    let mut cells = product(&BigInt::from(7), &BigInt::from(9), &BigInt::from(64));
    let native = *cells.gates.last().unwrap();
    let top = cells.checks[13].0;
    let solution = -cells.values[native] * cells.values[native + 2].invert().unwrap();
    cells.values[top] = solution;
    solve_carries(&mut cells);
    let failures = cells.failures();
    assert!(failures.contains(&Failure::Range(top)), "{failures:?}");
    assert!(
        failures.iter().all(|f| matches!(f, Failure::Range(_))),
        "{failures:?}"
    );
    assert_eq!(forgeries().len(), 5);
}
