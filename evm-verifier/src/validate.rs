//! Each contract is compared with what it was made from, when it is made: translation validation.
//!
//! Four verifiers run on the same calldata, and must agree in more than the verdict:
//!
//! 1. snark-verifier's native code, which says what the two pairings are;
//! 2. the plain text, as snark-verifier's generator wrote it, with the checks that it lacks;
//! 3. the optimised text, read back from the source that solc gets;
//! 4. the bytecode that solc made of that.
//!
//! Compared are the input of every hash, the input of every addition, multiplication and pairing of points, and how the
//! run ends ([`crate::yul::run`]). The twelve words of the pairing must be those of the native verifier, also for
//! proofs that are wrong: an optimiser that changes only what wrong proofs lead to is found, where a comparison of
//! verdicts on damaged proofs finds nothing. Memory that a run reads must have been written in that run.
//!
//! The calldata is canonical and random, or made of 0, 1, r − 1, points that are equal, opposite or the generator;
//! or has one word that no proof has, where every verifier must refuse: each scalar and each coordinate in its other
//! encoding, each point off the curve or the identity, each limb that is too large.

use crate::{
    calldata::{encode, Layout},
    codegen::Failure,
    exec::ExecError,
    yul::{
        run::{run, Called, Ending, RunError, Trace},
        Statement,
    },
};
use halo2_proofs::halo2curves::{
    bn256::{Bn256, Fq, Fr, G1Affine, G2Affine, G1},
    ff::{Field, PrimeField},
    group::{Curve, Group},
};
use rand::{rngs::StdRng, Rng, SeedableRng};
use revm::primitives::{hex, keccak256, U256};
use snark_verifier::{
    loader::native::NativeLoader,
    pcs::kzg::{KzgAccumulator, KzgDecidingKey, LimbsEncoding},
    system::halo2::transcript::evm::EvmTranscript,
    verifier::{
        plonk::{PlonkProtocol, PlonkSuccinctVerifier},
        SnarkVerifier,
    },
};
use snark_verifier_sdk::SHPLONK;
use zkml_circuits::aggregate::{BITS, LIMBS};

/// A difference between two verifiers that should be one.
#[derive(Debug, thiserror::Error)]
pub enum TranslationError {
    /// A text does what no verifier may do.
    #[error("the {text} text of the contract cannot be run on {input}: {error}")]
    Run {
        /// Which one.
        text: &'static str,
        /// What it was run on.
        input: String,
        /// What it does.
        error: RunError,
    },
    /// Two verifiers differ.
    #[error("the {text} differs on {input}: {what} should be {expected}, and is {got}; this is a fault of zkml: no contract was made")]
    Differs {
        /// The one that is not as it should be.
        text: &'static str,
        /// What it was run on.
        input: String,
        /// In what it differs.
        what: String,
        /// What the other has.
        expected: String,
        /// What it has.
        got: String,
    },
    /// The native verifier or the local EVM does not take the calldata.
    #[error("the contract cannot be compared on {input}: {reason}")]
    Native {
        /// What it was given.
        input: String,
        /// Its reason.
        reason: String,
    },
}

/// Calldata on which verifiers are compared.
#[derive(Clone, Debug)]
pub struct Input {
    /// What it is, in words.
    pub what: String,
    /// The calldata.
    pub calldata: Vec<u8>,
    /// What every verifier must come to, where that is known.
    pub expected: Expected,
}

/// What verifiers must come to.
#[derive(Clone, Debug)]
pub enum Expected {
    /// The twelve words of the pairing that the native verifier comes to.
    Pairing(Vec<u8>),
    /// A refusal, before anything is computed.
    Refusal(Failure),
    /// The same, whatever it is.
    Equal,
}

/// What verifiers are compared on, for calldata of this layout.
///
/// # Errors
/// If the native verifier does not take canonical calldata.
pub fn inputs(
    key: &KzgDecidingKey<Bn256>,
    protocol: &PlonkProtocol<G1Affine>,
    layout: Layout,
) -> Result<Vec<Input>, TranslationError> {
    let seed = protocol.transcript_initial_state.unwrap_or_default();
    let mut rng = StdRng::from_seed(seed.to_repr());
    let mut inputs = Vec::new();
    for (what, scalars, points) in CANONICAL {
        let (instances, proof) = canonical(protocol, layout, scalars, points, &mut rng);
        let pairing = native(key, protocol, &instances, &proof).map_err(|reason| {
            let input = what.to_string();
            TranslationError::Native { input, reason }
        })?;
        inputs.push(Input {
            what: what.to_string(),
            calldata: encode(&instances, &proof),
            expected: Expected::Pairing(pairing),
        });
    }
    let good = inputs.first().map(|input| input.calldata.clone());
    let good = good.unwrap_or_default();
    let mut hostile = |what: String, expected: Expected, change: &dyn Fn(&mut Vec<u8>)| {
        let mut calldata = good.clone();
        change(&mut calldata);
        inputs.push(Input {
            what,
            calldata,
            expected,
        });
    };
    for (name, word) in words() {
        for _ in 0..3 {
            let at = 0x20 * rng.gen_range(0..good.len().max(0x20) / 0x20);
            let what = format!("{name} in the word at {at:#x}");
            hostile(what, Expected::Equal, &|data| put(data, at, &word));
        }
    }
    // Each word that has a second encoding, in that; and each point as one that is none.
    let malformed = || Expected::Refusal(Failure::Malformed);
    for at in scalars(layout) {
        let what = format!("r more in the word at {at:#x}");
        hostile(what, malformed(), &|data| add(data, at, order()));
    }
    for at in points(layout) {
        for at in [at, at + 0x20] {
            let what = format!("q more in the word at {at:#x}");
            hostile(what, malformed(), &|data| add(data, at, modulus()));
            let what = format!("one more in the word at {at:#x}");
            hostile(what, malformed(), &|data| add(data, at, U256::from(1)));
        }
        let what = format!("the identity at {at:#x}");
        hostile(what, malformed(), &|data| put(data, at, &[0; 0x40]));
    }
    for accumulator in &protocol.accumulator_indices {
        for (_, row) in accumulator {
            // One more than a limb may have, one less in the next: the same coordinate.
            let what = format!("too large a limb in word {row}");
            let bit = U256::from(1) << BITS;
            hostile(what, malformed(), &|data| add(data, 0x20 * row, bit));
            let what = format!("another limb in word {row}");
            hostile(what, malformed(), &|data| {
                add(data, 0x20 * row, U256::from(1));
            });
        }
        for side in accumulator.chunks(2 * LIMBS) {
            let what = format!("an accumulator's identity: words {side:?}");
            hostile(what, malformed(), &|data| {
                for (_, row) in side {
                    put(data, 0x20 * row, &[0; 0x20]);
                }
            });
        }
    }
    let length = || Expected::Refusal(Failure::Length);
    hostile("a word too few".to_string(), length(), &|data| {
        data.truncate(data.len().saturating_sub(0x20));
    });
    hostile("a byte too many".to_string(), length(), &|data| {
        data.push(0)
    });
    Ok(inputs)
}

/// What scalars are.
#[derive(Clone, Copy)]
enum Scalars {
    Random,
    Zero,
    One,
    Last,
}

/// What points are.
#[derive(Clone, Copy)]
enum Points {
    Random,
    Generator,
    Equal,
    Opposite,
}

const CANONICAL: [(&str, Scalars, Points); 8] = [
    ("random words", Scalars::Random, Points::Random),
    ("other random words", Scalars::Random, Points::Random),
    ("zeros, random points", Scalars::Zero, Points::Random),
    ("ones, random points", Scalars::One, Points::Random),
    ("r − 1, random points", Scalars::Last, Points::Random),
    (
        "random scalars, generators",
        Scalars::Random,
        Points::Generator,
    ),
    ("random scalars, one point", Scalars::Random, Points::Equal),
    ("zeros, opposite points", Scalars::Zero, Points::Opposite),
];

/// Public values and a proof in which each word is canonical, and nothing else is right.
fn canonical(
    protocol: &PlonkProtocol<G1Affine>,
    layout: Layout,
    scalars: Scalars,
    points: Points,
    rng: &mut StdRng,
) -> (Vec<Fr>, Vec<u8>) {
    let one = (G1::generator() * Fr::random(&mut *rng)).to_affine();
    let mut negative = false;
    let mut point = |rng: &mut StdRng| match points {
        Points::Random => (G1::generator() * Fr::random(rng)).to_affine(),
        Points::Generator => G1Affine::generator(),
        Points::Equal => one,
        Points::Opposite => {
            negative = !negative;
            if negative {
                -one
            } else {
                one
            }
        }
    };
    let scalar = |rng: &mut StdRng| match scalars {
        Scalars::Random => Fr::random(rng),
        Scalars::Zero => Fr::ZERO,
        Scalars::One => Fr::ONE,
        Scalars::Last => -Fr::ONE,
    };
    let mut instances: Vec<Fr> = (0..layout.instances).map(|_| scalar(rng)).collect();
    for accumulator in &protocol.accumulator_indices {
        let sides = [point(rng), point(rng)];
        let coordinates = sides.iter().flat_map(|side| [side.x, side.y]);
        let limbs = coordinates.flat_map(limbs);
        for ((_, row), limb) in accumulator.iter().zip(limbs) {
            if let Some(place) = instances.get_mut(*row) {
                *place = limb;
            }
        }
    }
    let mut proof = Vec::with_capacity(layout.proof_bytes());
    let opening = layout.points.saturating_sub(2);
    for _ in 0..opening {
        proof.extend(point_bytes(point(rng)));
    }
    for _ in 0..layout.evaluations {
        proof.extend(word_of(scalar(rng)));
    }
    for _ in opening..layout.points {
        proof.extend(point_bytes(point(rng)));
    }
    (instances, proof)
}

/// Words that are no scalar or no coordinate, or stand at the border.
fn words() -> [(&'static str, [u8; 32]); 7] {
    let (order, modulus) = (order(), modulus());
    [
        ("0", U256::ZERO),
        ("1", U256::from(1)),
        ("r − 1", order - U256::from(1)),
        ("r", order),
        ("q − 1", modulus - U256::from(1)),
        ("q", modulus),
        ("2^256 − 1", U256::MAX),
    ]
    .map(|(name, word)| (name, word.to_be_bytes::<32>()))
}

/// r.
fn order() -> U256 {
    U256::from_le_bytes((-Fr::ONE).to_repr()) + U256::from(1)
}

/// q.
fn modulus() -> U256 {
    U256::from_le_bytes((-Fq::ONE).to_repr()) + U256::from(1)
}

/// Puts bytes in place of others.
fn put(data: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = data.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// Adds to a word.
fn add(data: &mut [u8], at: usize, more: U256) {
    let word = data.get(at..at + 0x20).map(U256::from_be_slice);
    if let Some(word) = word {
        put(data, at, &word.wrapping_add(more).to_be_bytes::<32>());
    }
}

/// Where the scalars of public values and proof stand.
fn scalars(layout: Layout) -> impl Iterator<Item = usize> {
    let evaluations = layout.instances + 2 * layout.points.saturating_sub(2);
    (0..layout.instances)
        .chain(evaluations..evaluations + layout.evaluations)
        .map(|word| 0x20 * word)
}

/// Where the points of a proof stand.
fn points(layout: Layout) -> impl Iterator<Item = usize> {
    let first = 0x20 * layout.instances;
    let opening = layout.points.saturating_sub(2);
    let behind = first + 0x40 * opening + 0x20 * layout.evaluations;
    let before = (0..opening).map(move |i| first + 0x40 * i);
    before.chain([behind, behind + 0x40])
}

/// A coordinate as limbs.
fn limbs(coordinate: Fq) -> [Fr; LIMBS] {
    let value = U256::from_le_bytes(coordinate.to_repr());
    let mask = (U256::from(1) << BITS) - U256::from(1);
    std::array::from_fn(|i| {
        let limb: U256 = (value >> (BITS * i)) & mask;
        Option::from(Fr::from_repr(limb.to_le_bytes::<32>())).unwrap_or_default()
    })
}

fn word_of(value: impl PrimeField<Repr = [u8; 32]>) -> [u8; 32] {
    let mut repr = value.to_repr();
    repr.reverse();
    repr
}

fn point_bytes(point: G1Affine) -> [u8; 64] {
    let mut bytes = [0; 64];
    let (x, y) = bytes.split_at_mut(32);
    x.copy_from_slice(&word_of(point.x));
    y.copy_from_slice(&word_of(point.y));
    bytes
}

/// A point of the second group as the pairing takes it: the higher coefficient of each coordinate first.
fn wide_point_bytes(point: G2Affine) -> Vec<u8> {
    let coordinates = [point.x.to_repr(), point.y.to_repr()];
    let halves = coordinates.iter().flat_map(|repr| {
        let mut bytes: Vec<u8> = repr.as_ref().to_vec();
        bytes.reverse();
        bytes
    });
    halves.collect()
}

/// The words of the pairing as snark-verifier's native code comes to them: its accumulators, folded by the powers of
/// the hash of them all.
fn native(
    key: &KzgDecidingKey<Bn256>,
    protocol: &PlonkProtocol<G1Affine>,
    instances: &[Fr],
    proof: &[u8],
) -> Result<Vec<u8>, String> {
    type Verifier = PlonkSuccinctVerifier<SHPLONK, LimbsEncoding<LIMBS, BITS>>;
    let mut transcript = EvmTranscript::<G1Affine, NativeLoader, &[u8], Vec<u8>>::new(proof);
    let (svk, instances) = (key.svk(), [instances.to_vec()]);
    let refused = |error| format!("{error:?}");
    let read =
        Verifier::read_proof(&svk, protocol, &instances, &mut transcript).map_err(refused)?;
    let accumulators = Verifier::verify(&svk, protocol, &instances, &read).map_err(refused)?;
    let (lhs, rhs) = match &accumulators[..] {
        [one] => (one.lhs, one.rhs),
        all => fold(all),
    };
    let mut words = point_bytes(lhs).to_vec();
    words.extend(wide_point_bytes(key.g2()));
    words.extend(point_bytes(rhs));
    words.extend(wide_point_bytes(-key.s_g2()));
    Ok(words)
}

fn fold(accumulators: &[KzgAccumulator<G1Affine, NativeLoader>]) -> (G1Affine, G1Affine) {
    let sides = accumulators.iter().flat_map(|one| [one.lhs, one.rhs]);
    let hashed: Vec<u8> = sides.flat_map(point_bytes).collect();
    let challenge = reduced(&keccak256(hashed).0);
    let (mut lhs, mut rhs, mut power) = (G1::identity(), G1::identity(), Fr::ONE);
    for one in accumulators {
        lhs += one.lhs * power;
        rhs += one.rhs * power;
        power *= challenge;
    }
    (lhs.to_affine(), rhs.to_affine())
}

/// A word modulo the scalar field's order.
fn reduced(word: &[u8]) -> Fr {
    let value = U256::from_be_slice(word) % order();
    Option::from(Fr::from_repr(value.to_le_bytes::<32>())).unwrap_or_default()
}

/// Compares the plain text with the native verifier, and the optimised text with the plain one.
///
/// # Errors
/// Names the first difference.
pub fn texts(
    plain: &[Statement],
    optimised: &[Statement],
    inputs: &[Input],
) -> Result<(), TranslationError> {
    for input in inputs {
        let traced = |text, program| {
            run(program, &input.calldata).map_err(|error| TranslationError::Run {
                text,
                input: input.what.clone(),
                error,
            })
        };
        let (plain, optimised) = (traced("plain", plain)?, traced("optimised", optimised)?);
        match &input.expected {
            Expected::Pairing(expected) => {
                let got = plain.calls.last().filter(|call| call.address == 8);
                let got = got.map_or(String::new(), |call| hex::encode(&call.input));
                let what = || "the input of the pairing".to_string();
                same("plain text", input, what, &hex::encode(expected), &got)?;
            }
            Expected::Refusal(failure) => {
                let expected = Ending::Reverted(failure.selector().to_vec());
                let what = || "the end".to_string();
                same(
                    "plain text",
                    input,
                    what,
                    &ended(&expected),
                    &ended(&plain.ending),
                )?;
            }
            Expected::Equal => {}
        }
        compare("optimised text", input, &plain, &optimised)?;
    }
    Ok(())
}

/// Compares bytecode with the text that it was compiled from; `traced` runs it.
///
/// # Errors
/// Names the first difference.
pub fn bytecode(
    text: &[Statement],
    inputs: &[Input],
    traced: impl Fn(&[u8]) -> Result<Trace, ExecError>,
) -> Result<(), TranslationError> {
    for input in inputs {
        let expected = run(text, &input.calldata).map_err(|error| TranslationError::Run {
            text: "compiled",
            input: input.what.clone(),
            error,
        })?;
        let got = traced(&input.calldata).map_err(|error| TranslationError::Native {
            input: input.what.clone(),
            reason: error.to_string(),
        })?;
        compare("bytecode", input, &expected, &got)?;
    }
    Ok(())
}

/// Compares two runs on one input: all that a verdict rests on.
///
/// # Errors
/// Names the first difference.
pub fn compare(
    text: &'static str,
    input: &Input,
    expected: &Trace,
    got: &Trace,
) -> Result<(), TranslationError> {
    let hashes = |trace: &Trace| trace.hashes.iter().map(hex::encode).collect();
    each_same(
        text,
        input,
        "the input of hash",
        hashes(expected),
        hashes(got),
    )?;
    let calls = |trace: &Trace| trace.calls.iter().filter_map(essential).collect();
    let what = "what is given to call";
    each_same(text, input, what, calls(expected), calls(got))?;
    let what = || "the end".to_string();
    same(
        text,
        input,
        what,
        &ended(&expected.ending),
        &ended(&got.ending),
    )
}

/// How a run ends, in words.
fn ended(ending: &Ending) -> String {
    match ending {
        Ending::Returned(data) => format!("return of 0x{}", hex::encode(data)),
        Ending::Reverted(data) => format!("revert with 0x{}", hex::encode(data)),
    }
}

/// What decides about a call: address and input. Inversions are joined, so that their inputs may differ; what
/// they give stands in those of later calls. A scalar counts modulo the order, as the multiplication takes it.
fn essential(call: &Called) -> Option<String> {
    let mut input = call.input.clone();
    if let (7, Some(scalar)) = (call.address, input.get_mut(0x40..0x60)) {
        let value = word_of(reduced(scalar));
        scalar.copy_from_slice(&value);
    }
    (call.address != 5).then(|| format!("{}: {}", call.address, hex::encode(input)))
}

fn each_same(
    text: &'static str,
    input: &Input,
    what: &str,
    expected: Vec<String>,
    got: Vec<String>,
) -> Result<(), TranslationError> {
    for i in 0..expected.len().max(got.len()) {
        let at = |all: &[String]| all.get(i).cloned().unwrap_or_else(|| "none".to_string());
        same(
            text,
            input,
            || format!("{what} {i}"),
            &at(&expected),
            &at(&got),
        )?;
    }
    Ok(())
}

fn same(
    text: &'static str,
    input: &Input,
    what: impl Fn() -> String,
    expected: &str,
    got: &str,
) -> Result<(), TranslationError> {
    if expected == got {
        return Ok(());
    }
    let short = |text: &str| text.chars().take(800).collect();
    Err(TranslationError::Differs {
        text,
        input: input.what.clone(),
        what: what(),
        expected: short(expected),
        got: short(got),
    })
}
