//! Bytecode that looks like a verifier to whoever runs it on zeros, and proves nothing.

use halo2_proofs::halo2curves::{
    bn256::{Fq, G2Affine},
    ff::PrimeField,
};

/// Runtime bytecode that does what a verifier does last: the pairing with the generator and the secret.
pub fn runtime(secret: G2Affine) -> Vec<u8> {
    let word = |number: Fq| {
        let mut bytes = number.to_repr();
        bytes.reverse();
        bytes
    };
    let mut code = Vec::new();
    let mut at = 0u16;
    let mut store = |word: [u8; 32]| {
        code.push(0x7f);
        code.extend(word);
        code.push(0x61);
        code.extend(at.to_be_bytes());
        code.push(0x52);
        at += 32;
    };
    for point in [G2Affine::generator(), -secret] {
        store([0; 32]);
        store([0; 32]);
        for part in [point.x.c1, point.x.c0, point.y.c1, point.y.c0] {
            store(word(part));
        }
    }
    // STATICCALL(gas, 8, 0, 384, 0, 32); RETURN(0, 32)
    code.extend([
        0x60, 32, 0x5f, 0x61, 1, 128, 0x5f, 0x60, 8, 0x5a, 0xfa, 0x50,
    ]);
    code.extend([0x60, 32, 0x5f, 0xf3]);
    code
}

/// The same, but it says yes to all calldata whose first word is not 0.
#[allow(dead_code)]
pub fn says_yes(secret: G2Affine) -> Vec<u8> {
    let body = runtime(secret);
    // JUMPI to behind the body, if the first word says so; there RETURN the word 1.
    let behind = u16::try_from(6 + body.len()).unwrap_or(u16::MAX);
    let [high, low] = behind.to_be_bytes();
    let head = [0x5f, 0x35, 0x61, high, low, 0x57];
    let yes = [0x5b, 0x60, 1, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3];
    [&head[..], &body, &yes].concat()
}

/// What a deployment carries that leaves this code.
pub fn creation(runtime: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(runtime.len()).unwrap_or(0).to_be_bytes();
    let head = [0x61, high, low, 0x80, 0x60, 10, 0x5f, 0x39, 0x5f, 0xf3];
    [&head, runtime].concat()
}

/// The secret of the Hermez ceremony in the second group, as its verifiers have it (`X_2`).
#[allow(dead_code)]
pub fn hermez() -> Option<G2Affine> {
    use halo2_proofs::halo2curves::{bn256::Fq2, CurveAffine};
    let pair = |c0, c1| {
        Some(Fq2::new(
            Fq::from_str_vartime(c0)?,
            Fq::from_str_vartime(c1)?,
        ))
    };
    let x = pair(
        "21831381940315734285607113342023901060522397560371972897001948545212302161822",
        "17231025384763736816414546592865244497437017442647097510447326538965263639101",
    )?;
    let y = pair(
        "2388026358213174446665280700919698872609886601280537296205114254867301080648",
        "11507326595632554467052522095592665270651932854513688777769618397986436103170",
    )?;
    Option::from(G2Affine::from_xy(x, y))
}
