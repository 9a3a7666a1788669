//! The texts that are changed, and what each says of what it is tried on.

use crate::{
    cases::{self, limbs, Fault, Trial, LIMBS},
    two_phase::{self, TwoPhase},
};
use halo2_proofs::{
    halo2curves::{
        bn256::{Bn256, Fr, G1},
        group::Curve,
    },
    poly::{commitment::ParamsProver, kzg::commitment::ParamsKZG},
};
use rand::{rngs::StdRng, SeedableRng};
use revm::primitives::U256;
use snark_verifier::{
    pcs::kzg::KzgDecidingKey,
    system::halo2::{compile as protocol_of, Config},
};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};
use zkml_evm_verifier::{
    calldata::encode,
    codegen::{generate, Labels},
    exec::ACCEPTED,
    validate::Input,
    yul::{
        run::{precompile, run, run_among, Ending, Precompiles, RunError, Trace},
        Statement,
    },
};

/// Public values of a slot: key digest, commitment, context, a word in and a word out.
const SLOT: usize = 5;

/// What precompiled contracts returned to the text itself: a mutant asks for nearly the same.
type Known = HashMap<(u64, Vec<u8>), Option<Vec<u8>>>;

/// A generated text, and what each of its mutants is tried on.
pub struct Subject {
    pub name: &'static str,
    pub text: Vec<Statement>,
    /// What decides by the verdict: how the text's own run ends.
    pub cases: Vec<(Trial, Ending)>,
    /// What decides by the trace: what translation validation compares on, and the text's own.
    pub traces: Vec<(Input, Trace)>,
    known: Known,
}

impl Subject {
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
        let text = source.meaning().unwrap();
        let (instances, proof) = two_phase::evm_proof(&params, &pk, circuit);
        let good = encode(&instances, &proof);
        let calls = run(&text, &good).unwrap().calls.len();
        let trials = cases::all(&good, source.layout, slots.is_some(), calls);
        let known = RefCell::new(Known::new());
        let cases = trials.into_iter().enumerate().map(|(i, trial)| {
            let ending = ending(&text, &trial, &|address, input, gas| {
                let output = answer(address, input, gas)?;
                let key = (address, input.to_vec());
                known.borrow_mut().insert(key, output.clone());
                Some(output)
            });
            let ending = ending.unwrap();
            // The valid proof alone is accepted.
            let accepted = ending == Ending::Returned(ACCEPTED.to_vec());
            assert_eq!(accepted, i == 0, "trial {i}: {:?}", trial.fault);
            (trial, ending)
        });
        let cases = cases.collect();
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
            known: known.into_inner(),
        }
    }

    /// How a mutant's run ends.
    pub fn ending(&self, mutant: &[Statement], trial: &Trial) -> Result<Ending, RunError> {
        ending(mutant, trial, &|address, input, gas| {
            // The price is paid also where the answer is known.
            let dear = gas >= U256::from(1_000_000);
            let known = self.known.get(&(address, input.to_vec()));
            match known.filter(|_| dear) {
                Some(known) => Some(known.clone()),
                None => answer(address, input, gas),
            }
        })
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
    trial: &Trial,
    precompiles: &Precompiles<'_>,
) -> Result<Ending, RunError> {
    let number = Cell::new(0);
    let among = |address: u64, input: &[u8], gas: U256| {
        let here = number.replace(number.get() + 1);
        match trial.fault {
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
    run_among(text, &trial.calldata, &among).map(|trace| trace.ending)
}
