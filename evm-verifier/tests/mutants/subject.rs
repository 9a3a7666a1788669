//! The texts that are changed, and what each is tried on.

use crate::two_phase::{self, TwoPhase};
use halo2_proofs::{
    halo2curves::{
        bn256::{Bn256, Fq, Fr, G1Affine, G1},
        ff::{Field, PrimeField},
        group::Curve,
        CurveAffine,
    },
    plonk::ProvingKey,
    poly::{commitment::ParamsProver, kzg::commitment::ParamsKZG},
};
use rand::{rngs::StdRng, SeedableRng};
use revm::primitives::{uint, U256};
use snark_verifier::{
    pcs::kzg::KzgDecidingKey,
    system::halo2::{compile as protocol_of, Config},
};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};
use zkml_evm_verifier::{
    calldata::{encode, Layout},
    codegen::{generate, Labels},
    validate::Input,
    yul::{
        run::{precompile, run, run_among, Ending, Precompiles, RunError, Trace},
        Statement,
    },
};

/// Limbs of an accumulator: two points, of each coordinate three.
const LIMBS: usize = 12;
/// Public values of a slot: key digest, commitment, context, a word in and a word out.
const SLOT: usize = 5;

/// What goes wrong with calls of precompiled contracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The call of this number, from 0 on, fails: it has too little gas.
    Fails(usize),
    /// It succeeds and returns nothing: an account without code.
    Empty(usize),
    /// It returns a byte more than it should.
    Long(usize),
}

/// What precompiled contracts returned to the text itself: a mutant asks for nearly the same.
type Known = HashMap<(u64, Vec<u8>), Option<Vec<u8>>>;

/// What decides about a mutant by its verdict: calldata, what goes wrong with a call, and how a run ends.
pub struct Case {
    pub calldata: Vec<u8>,
    pub fault: Fault,
    pub ending: Ending,
}

/// A generated text, and what each of its mutants is tried on.
pub struct Subject {
    pub name: &'static str,
    pub text: Vec<Statement>,
    /// The first is the valid proof. It alone is accepted.
    pub cases: Vec<Case>,
    /// What translation validation compares on, and what the text itself does there.
    pub traces: Vec<(Input, Trace)>,
    known: Known,
}

impl Subject {
    /// How a run on a case ends.
    pub fn ending(&self, text: &[Statement], case: &Case) -> Result<Ending, RunError> {
        ending(text, &case.calldata, case.fault, &|address, input, gas| {
            // The price is paid also where the answer is known.
            let dear = gas >= U256::from(1_000_000);
            let known = self.known.get(&(address, input.to_vec()));
            match known.filter(|_| dear) {
                Some(known) => Some(known.clone()),
                None => answer(address, input, gas),
            }
        })
    }

    /// The smallest text: a proof of a circuit's own.
    pub fn direct() -> Self {
        Self::new("direct", None)
    }

    /// A text of an accumulator and so many slots.
    pub fn aggregated(name: &'static str, slots: usize) -> Self {
        Self::new(name, Some(slots))
    }

    fn new(name: &'static str, slots: Option<usize>) -> Self {
        let params = ParamsKZG::<Bn256>::setup(9, StdRng::seed_from_u64(1));
        let g = params.get_g();
        let mut circuit = TwoPhase::new(1, 5, 9, 0);
        // The pairing of an honest accumulator holds. No limb of it is zero.
        let factor = Fr::from(0xfeed_beef).square().square();
        let sides = [g[1], g[0]].map(|side| (G1::from(side) * factor).to_affine());
        let sides = sides.into_iter().flat_map(|side| [side.x, side.y]);
        circuit.extra = match slots {
            None => vec![Fr::from(42)],
            Some(slots) => sides
                .flat_map(limbs)
                .chain((0..slots * SLOT).map(|i| Fr::from(i as u64).square()))
                .collect(),
        };
        let pk = two_phase::keygen(&params, &circuit);
        let config = Config::kzg().with_num_instance(vec![circuit.instances().len()]);
        let config = match slots {
            None => config,
            // The sum of the circuit's data stands in front.
            Some(_) => {
                let places = (1..=LIMBS).map(|i| (0, i)).collect();
                config.with_accumulator_indices(Some(places))
            }
        };
        let protocol = protocol_of(&params, pk.get_vk(), config);
        let key = KzgDecidingKey::<Bn256>::from((g[0], params.g2(), params.s_g2()));
        let labels = Labels {
            contract: "V".into(),
            srs: "development, insecure".into(),
            notes: vec![],
        };
        let source = generate(&key, &protocol, &labels, true).unwrap();
        let text = source.program().unwrap();
        let (cases, known) = cases(&text, &params, &pk, &circuit, source.layout, slots);
        let traced = |input: Input| {
            let trace = run(&text, &input.calldata).unwrap();
            (input, trace)
        };
        let traces = source.inputs.into_iter().map(traced).collect();
        Self {
            name,
            text,
            cases,
            traces,
            known,
        }
    }
}

/// What an EVM has at an address, also what zkml's verifiers do not use: identity and a hash that wants 213 bytes.
fn answer(address: u64, input: &[u8], gas: U256) -> Option<Option<Vec<u8>>> {
    match address {
        4 => Some(Some(input.to_vec())),
        9 => Some(None),
        _ => precompile(address, input, gas),
    }
}

/// How a run ends where a call goes wrong.
fn ending(
    text: &[Statement],
    calldata: &[u8],
    fault: Fault,
    precompiles: &Precompiles<'_>,
) -> Result<Ending, RunError> {
    let number = Cell::new(0);
    let among = |address: u64, input: &[u8], gas: U256| {
        let here = number.replace(number.get() + 1);
        match fault {
            Fault::Fails(at) if at == here => Some(None),
            Fault::Empty(at) if at == here => Some(Some(vec![])),
            Fault::Long(at) if at == here => {
                let output = precompiles(address, input, gas)?;
                Some(output.map(|output| [&output[..], &[0]].concat()))
            }
            Fault::None | Fault::Fails(_) | Fault::Empty(_) | Fault::Long(_) => {
                precompiles(address, input, gas)
            }
        }
    };
    run_among(text, calldata, &among).map(|trace| trace.ending)
}

/// A coordinate as three limbs of 86 bits.
fn limbs(coordinate: Fq) -> [Fr; 3] {
    let value = U256::from_le_bytes(coordinate.to_repr());
    let mask = (U256::from(1) << 86) - U256::from(1);
    [0, 1, 2].map(|i| {
        let limb: U256 = (value >> (86 * i)) & mask;
        Fr::from_repr(limb.to_le_bytes::<32>()).unwrap()
    })
}

fn order() -> U256 {
    U256::from_le_bytes((-Fr::one()).to_repr()) + U256::from(1)
}

fn modulus() -> U256 {
    U256::from_le_bytes((-Fq::one()).to_repr()) + U256::from(1)
}

/// Points with the largest coordinates that there are, −1; and the generator.
fn extreme() -> [(U256, U256); 3] {
    let last = modulus() - U256::from(1);
    let root = uint!(0xab8dee8546c1bab6b2a46f8cf57a1a26190e96e1c525b0f7b53f1db7b9e90b9_U256);
    let square = uint!(0x279d7bc4e184e3a57f5fa684690c6df6b484a7f1daa1de608d266a2a4be6593f_U256);
    [(last, square), (root, last), (U256::from(1), U256::from(2))]
}

/// That no point has a coordinate of zero, so that none is written with the modulus itself.
pub fn no_point_has_a_zero() -> bool {
    // y² = 3 has no root, and x³ = −3 has none.
    let three = Fq::from(3);
    let third = (modulus() - U256::from(1)) / U256::from(3);
    let cubic = (-three).pow_vartime(third.as_limbs());
    bool::from(three.sqrt().is_none()) && cubic != Fq::ONE
}

fn cases(
    text: &[Statement],
    params: &ParamsKZG<Bn256>,
    pk: &ProvingKey<G1Affine>,
    circuit: &TwoPhase,
    layout: Layout,
    slots: Option<usize>,
) -> (Vec<Case>, Known) {
    let (instances, proof) = two_phase::evm_proof(params, pk, circuit.clone());
    let good = encode(&instances, &proof);
    let calls = run(text, &good).unwrap().calls.len();
    let mut tried: Vec<(String, Vec<u8>, Fault)> =
        vec![("valid".into(), good.clone(), Fault::None)];
    let changed = |what: String, at: usize, words: &[U256]| {
        let mut bad = good.clone();
        for (i, word) in words.iter().enumerate() {
            bad[at + 32 * i..][..32].copy_from_slice(&word.to_be_bytes::<32>());
        }
        (what, bad, Fault::None)
    };
    for length in [
        0,
        1,
        good.len() - 32,
        good.len() - 1,
        good.len() + 1,
        good.len() + 32,
    ] {
        let mut bad = good.clone();
        bad.resize(length, 0);
        tried.push((format!("{length} bytes"), bad, Fault::None));
    }
    let word_at = |at: usize| U256::from_be_slice(&good[at..at + 32]);
    let first = 32 * layout.instances;
    let opening = first + 64 * (layout.points - 2) + 32 * layout.evaluations;
    let is_scalar =
        |at: usize| at < first || (opening - 32 * layout.evaluations..opening).contains(&at);
    for at in (0..good.len()).step_by(32) {
        let field = if is_scalar(at) { order() } else { modulus() };
        tried.push(changed(
            format!("word at {at:#x} plus its modulus"),
            at,
            &[word_at(at) + field],
        ));
        tried.push(changed(format!("the modulus at {at:#x}"), at, &[field]));
        tried.push(changed(
            format!("the largest word at {at:#x}"),
            at,
            &[U256::MAX],
        ));
    }
    let points = (first..opening - 32 * layout.evaluations)
        .chain(opening..good.len())
        .step_by(64);
    let points: Vec<usize> = points.collect();
    for &at in &points {
        let (x, y) = (word_at(at), word_at(at + 32));
        tried.push(changed(
            format!("the identity at {at:#x}"),
            at,
            &[U256::ZERO; 2],
        ));
        tried.push(changed(
            format!("a point off the curve at {at:#x}"),
            at,
            &[x, y + U256::from(1)],
        ));
    }
    if slots.is_some() {
        // The accumulator's limbs: one more than a limb may have and one less in the next; other points.
        for limb in 1..=LIMBS {
            if limb % 3 == 0 {
                // 2^256 more, which wraps to the same coordinate; and of a coordinate whose highest limb is zero.
                let beyond = U256::from(1) << 84;
                let at = 32 * limb;
                tried.push(changed(
                    format!("limb {limb} plus 2^84"),
                    at,
                    &[word_at(at) + beyond],
                ));
                let (x, y) = extreme()[2];
                let mut point = [words(x), words(y)].concat();
                point[(limb - 1) % 6] += beyond;
                let side = 32 + 192 * ((limb - 1) / 6);
                tried.push(changed(
                    format!("limb {limb} of the generator plus 2^84"),
                    side,
                    &point,
                ));
            }
            let (at, top) = (32 * limb, U256::from(1) << 86);
            tried.push(changed(
                format!("limb {limb} plus 2^86"),
                at,
                &[word_at(at) + top],
            ));
            if limb % 3 != 0 && word_at(at + 32) > U256::ZERO {
                let carried = [word_at(at) + top, word_at(at + 32) - U256::from(1)];
                tried.push(changed(format!("limb {limb} carried back"), at, &carried));
            }
            tried.push(changed(
                format!("the largest limb {limb}"),
                at,
                &[top - U256::from(1)],
            ));
        }
        for coordinate in 0..4 {
            // The coordinate plus the modulus: the same point.
            let at = 32 * (1 + 3 * coordinate);
            let limb = |i: usize| word_at(at + 32 * i) << (86 * i);
            let value = limb(0) + limb(1) + limb(2) + modulus();
            tried.push(changed(
                format!("coordinate {coordinate} plus its modulus"),
                at,
                &words(value),
            ));
        }
        for side in [0, 1] {
            for (i, (x, y)) in extreme().into_iter().enumerate() {
                let point = [words(x), words(y)].concat();
                tried.push(changed(
                    format!("extreme point {i} on side {side}"),
                    32 + 192 * side,
                    &point,
                ));
            }
            tried.push(changed(
                format!("the identity on side {side}"),
                32 + 192 * side,
                &[U256::ZERO; 6],
            ));
        }
        let (lhs, rhs) = (good[32..224].to_vec(), good[224..416].to_vec());
        let mut exchanged = good.clone();
        exchanged[32..416].copy_from_slice(&[rhs, lhs].concat());
        tried.push((
            "the sides of the accumulator exchanged".into(),
            exchanged,
            Fault::None,
        ));
    }
    // What is well formed, and costs a whole run. Of the other calls' outputs, what is too long is not copied.
    let pairing = Fault::Long(calls - 1);
    tried.push((format!("{pairing:?}"), good.clone(), pairing));
    for number in 0..calls {
        for fault in [Fault::Fails(number), Fault::Empty(number)] {
            tried.push((format!("{fault:?}"), good.clone(), fault));
        }
    }
    for at in (0..good.len()).step_by(32).filter(|at| is_scalar(*at)) {
        let last = order() - U256::from(1);
        let other = if word_at(at) == last {
            U256::ZERO
        } else {
            word_at(at) + U256::from(1)
        };
        tried.push(changed(format!("word at {at:#x} plus one"), at, &[other]));
        tried.push(changed(format!("r − 1 at {at:#x}"), at, &[last]));
    }
    for &at in &points {
        let minus = modulus() - word_at(at + 32);
        tried.push(changed(
            format!("negated point at {at:#x}"),
            at + 32,
            &[minus],
        ));
        for (i, (x, y)) in extreme().into_iter().enumerate() {
            tried.push(changed(
                format!("extreme point {i} at {at:#x}"),
                at,
                &[x, y],
            ));
        }
    }
    let accepted = Ending::Returned(U256::from(1).to_be_bytes::<32>().to_vec());
    let known = RefCell::new(Known::new());
    let learnt = |address: u64, input: &[u8], gas: U256| {
        let output = answer(address, input, gas)?;
        let mut known = known.borrow_mut();
        known.insert((address, input.to_vec()), output.clone());
        Some(output)
    };
    // Some change of a proof may be none: a side of the accumulator is the generator.
    let good = tried.first().map(|(_, data, fault)| (data.clone(), *fault));
    let mut first = true;
    tried.retain(|(_, data, fault)| {
        std::mem::take(&mut first) || good.as_ref() != Some(&(data.clone(), *fault))
    });
    let cases = tried.into_iter().enumerate();
    let cases = cases.map(|(i, (what, calldata, fault))| {
        let ending = ending(text, &calldata, fault, &learnt).unwrap();
        assert_eq!(ending == accepted, i == 0, "{what}");
        Case {
            calldata,
            fault,
            ending,
        }
    });
    (cases.collect(), known.into_inner())
}

/// A coordinate as the words of its limbs; what is beyond the last limb's bits stays in it.
fn words(value: U256) -> [U256; 3] {
    let mask = (U256::from(1) << 86) - U256::from(1);
    [value & mask, (value >> 86) & mask, value >> 172]
}

#[test]
fn extreme_points_are_points() {
    for (x, y) in extreme() {
        let coordinate = |value: U256| Fq::from_repr(value.to_le_bytes::<32>()).unwrap();
        let point = G1Affine::from_xy(coordinate(x), coordinate(y));
        assert!(bool::from(point.is_some()));
    }
    assert!(no_point_has_a_zero());
}
