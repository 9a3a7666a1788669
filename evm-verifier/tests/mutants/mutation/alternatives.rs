//! What else may stand in an expression's place.

use revm::primitives::{uint, U256};
use zkml_evm_verifier::yul::{Expr, Op};

/// The order of the scalar field, and that of the base field.
pub const FIELDS: [U256; 2] = [
    uint!(0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001_U256),
    uint!(0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47_U256),
];

/// Which arguments are addresses or lengths.
pub fn addresses(op: Op) -> &'static [usize] {
    match op {
        Op::MLoad | Op::MStore | Op::MStore8 | Op::CallDataLoad => &[0],
        Op::Keccak256 | Op::Return | Op::Revert | Op::Points | Op::Scalars => &[0, 1],
        Op::CallDataCopy => &[0, 1, 2],
        Op::StaticCall => &[2, 3, 4, 5],
        _ => &[],
    }
}

/// What else may stand in an expression's place.
pub fn alternatives(expr: &Expr, address: bool) -> Vec<Expr> {
    let number = |value: u64| Expr::Number(U256::from(value));
    match expr {
        Expr::Number(value) => {
            let steps: &[u64] = if address { &[1, 0x20] } else { &[1] };
            let moved = steps.iter().flat_map(|step| {
                let step = U256::from(*step);
                [value.wrapping_add(step), value.wrapping_sub(step)]
            });
            // Before memory's start there is nothing.
            let moved = moved.filter(|moved| !address || *moved < U256::MAX >> 1);
            let other = match FIELDS.iter().position(|field| field == value) {
                Some(at) => FIELDS.get(1 - at),
                None => None,
            };
            moved.chain(other.copied()).map(Expr::Number).collect()
        }
        Expr::Name(name) => match name.as_str() {
            "f_q" => vec![Expr::name("f_p")],
            "f_p" => vec![Expr::name("f_q")],
            _ => vec![number(0), number(1)],
        },
        Expr::Call(op, arguments) => {
            let call = |op, arguments: &[&Expr]| {
                Expr::Call(op, arguments.iter().map(|a| (*a).clone()).collect())
            };
            let not = |inner: &Expr| call(Op::IsZero, &[inner]);
            match (op, &arguments[..]) {
                (Op::Add, [a, b]) => vec![call(Op::Sub, &[a, b]), a.clone(), b.clone()],
                (Op::Sub, [a, b]) => vec![
                    call(Op::Add, &[a, b]),
                    call(Op::Sub, &[b, a]),
                    a.clone(),
                    b.clone(),
                ],
                (Op::AddMod, [a, b, m]) => {
                    vec![call(Op::MulMod, &[a, b, m]), a.clone(), b.clone()]
                }
                (Op::MulMod, [a, b, m]) => {
                    vec![call(Op::AddMod, &[a, b, m]), a.clone(), b.clone()]
                }
                // Or, of truths.
                (Op::And, [a, b]) => {
                    let neither = call(Op::And, &[&not(a), &not(b)]);
                    vec![not(&neither), a.clone(), b.clone()]
                }
                (Op::Eq, [a, b]) => vec![
                    not(expr),
                    call(Op::Lt, &[a, b]),
                    call(Op::Lt, &[b, a]),
                    number(1),
                ],
                (Op::Lt, [a, b]) => vec![
                    call(Op::Lt, &[b, a]),
                    not(&call(Op::Lt, &[b, a])),
                    call(Op::Eq, &[a, b]),
                    not(expr),
                    number(1),
                ],
                (Op::Mod, [a, m]) => vec![a.clone(), call(Op::Mod, &[m, a])],
                (Op::Shl, [a, b]) => vec![b.clone(), call(Op::Shl, &[b, a])],
                (Op::IsZero | Op::MLoad | Op::CallDataLoad, [a]) => vec![a.clone()],
                (Op::Keccak256, [a, _]) => vec![call(Op::MLoad, &[a])],
                (Op::StaticCall, _) => vec![number(0), number(1)],
                (Op::Points, [a, b]) => vec![
                    call(Op::Scalars, &[a, b]),
                    call(Op::Points, &[b, a]),
                    number(1),
                ],
                (Op::Scalars, [a, b]) => vec![
                    call(Op::Points, &[a, b]),
                    call(Op::Scalars, &[b, a]),
                    number(1),
                ],
                (Op::ValidatePoint, [x, y]) => {
                    vec![call(Op::ValidatePoint, &[y, x]), number(1)]
                }
                (Op::Gas, _) => vec![number(0)],
                (Op::CallDataSize, _) => vec![call(Op::ReturnDataSize, &[])],
                (Op::ReturnDataSize, _) => vec![call(Op::CallDataSize, &[])],
                _ => vec![],
            }
        }
    }
}
