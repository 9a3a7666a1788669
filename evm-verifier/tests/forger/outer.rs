//! Outer circuits: what a contract verifies, played by a small circuit with the same public values.

use super::accumulators::Accumulator;
use crate::support::{
    pack, public,
    two_phase::{self, TwoPhase},
};
use halo2_proofs::{
    halo2curves::{
        bn256::{Bn256, Fr, G1Affine},
        ff::Field,
    },
    plonk::ProvingKey,
    poly::{commitment::ParamsProver, kzg::commitment::ParamsKZG},
};
use rand::{rngs::StdRng, SeedableRng};
use snark_verifier_sdk::snark_verifier::{
    pcs::kzg::KzgDecidingKey,
    system::halo2::{compile as protocol_of, Config},
    verifier::plonk::PlonkProtocol,
};
use zkml_aggregation::ACCUMULATOR_LIMBS;
use zkml_evm_verifier::{
    check::build,
    codegen::{Labels, VerifierSource},
    compile::{find_compiler, Bytecode},
    front::{word, IModelVerifier::Tensor},
};

/// What a contract's public values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A model's statement.
    Direct,
    /// One accumulator, into which those of so many slots are folded, and a statement for each slot.
    Aggregated(usize),
    /// So many accumulators, which the contract folds itself, and a statement.
    Unfolded(usize),
}

impl Kind {
    pub const ALL: [Kind; 6] = [
        Kind::Direct,
        Kind::Aggregated(1),
        Kind::Aggregated(2),
        Kind::Aggregated(4),
        Kind::Unfolded(2),
        Kind::Unfolded(4),
    ];

    /// Accumulators among the public values.
    pub fn accumulators(self) -> usize {
        match self {
            Kind::Direct => 0,
            Kind::Aggregated(_) => 1,
            Kind::Unfolded(count) => count,
        }
    }

    /// Statements among the public values.
    pub fn slots(self) -> usize {
        match self {
            Kind::Direct | Kind::Unfolded(_) => 1,
            Kind::Aggregated(slots) => slots,
        }
    }

    /// Accumulators that a prover has: the slots' own, before they are folded.
    pub fn own_accumulators(self) -> usize {
        match self {
            Kind::Direct => 0,
            Kind::Aggregated(count) | Kind::Unfolded(count) => count,
        }
    }

    /// The accumulators that are shown of those that a prover has.
    pub fn shown(self, own: &[Accumulator]) -> Vec<Accumulator> {
        match self {
            Kind::Direct => Vec::new(),
            Kind::Aggregated(_) => vec![Accumulator::folded(own)],
            Kind::Unfolded(_) => own.to_vec(),
        }
    }

    /// Where the public value stands that the circuit computes: the first statement's commitment.
    pub fn computed(self) -> usize {
        match self {
            Kind::Direct => 0,
            Kind::Aggregated(_) | Kind::Unfolded(_) => ACCUMULATOR_LIMBS * self.accumulators() + 1,
        }
    }
}

/// The input and output of a statement: a word each.
pub fn tensors() -> [Tensor; 2] {
    [public(4, -8, 8, 1), public(3, -100, 8, 1)]
}

/// Proving keys that claim to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The contract's.
    Right,
    /// One with another value in a fixed column.
    OtherConstant,
    /// One whose last public value is tied to nothing.
    Untied,
}

/// An outer circuit with its contract.
pub struct Outer {
    pub kind: Kind,
    pub params: ParamsKZG<Bn256>,
    /// The secret of the SRS, which was drawn from a seed.
    pub tau: Fr,
    keys: [ProvingKey<G1Affine>; 3],
    pub protocol: PlonkProtocol<G1Affine>,
    pub deciding: KzgDecidingKey<Bn256>,
    pub source: VerifierSource,
    pub code: Bytecode,
    /// Accumulators and public values that are right.
    pub own: Vec<Accumulator>,
    pub honest: Vec<Fr>,
}

const SCALE: u64 = 5;

impl Outer {
    pub fn new(kind: Kind) -> Self {
        let params = ParamsKZG::<Bn256>::setup(8, StdRng::seed_from_u64(1));
        let tau = Fr::random(StdRng::seed_from_u64(1));
        let own: Vec<_> = (0..kind.own_accumulators() as u64)
            .map(|slot| Accumulator::right(tau, 3 + slot))
            .collect();
        let mut honest: Vec<Fr> = kind
            .shown(&own)
            .iter()
            .flat_map(|one| one.limbs())
            .collect();
        for slot in 0..kind.slots() as u64 {
            // The digest of a key, where contracts have none of their own; commitment and context.
            let digest = (kind != Kind::Direct).then_some(Fr::from(1000 + slot));
            honest.extend(digest);
            honest.extend([Fr::from(2000 + slot), Fr::from(42 + slot)]);
            let [input, output] = tensors();
            let (input, output) = (pack(&input, &[1, 2, -3, 4]), pack(&output, &[7, -9, 11]));
            honest.extend(input.into_iter().chain(output).map(crate::support::element));
        }
        let mut circuit = circuit(kind, Key::Right, &honest);
        honest = circuit.instances();
        let right = two_phase::keygen(&params, &circuit);
        circuit.scale += 1;
        let constant = two_phase::keygen(&params, &circuit);
        circuit.scale = SCALE;
        circuit.extra.pop();
        let untied = two_phase::keygen(&params, &circuit);
        let indices = |i| (ACCUMULATOR_LIMBS * i..ACCUMULATOR_LIMBS * (i + 1)).map(|at| (0, at));
        let config = Config::kzg().with_num_instance(vec![honest.len()]);
        let mut protocol = protocol_of(&params, right.get_vk(), config);
        let accumulators = 0..kind.accumulators();
        protocol.accumulator_indices = accumulators.map(|i| indices(i).collect()).collect();
        let deciding = KzgDecidingKey::from((params.get_g()[0], params.g2(), params.s_g2()));
        let labels = Labels {
            contract: "OuterVerifier".to_string(),
            srs: "development, seed 1, insecure".to_string(),
            notes: vec![],
        };
        let compiler = find_compiler(None).unwrap();
        let (source, code) = build(&compiler, &deciding, &protocol, &labels).unwrap();
        Self {
            kind,
            params,
            tau,
            keys: [right, constant, untied],
            protocol,
            deciding,
            source,
            code,
            own,
            honest,
        }
    }

    pub fn key(&self, key: Key) -> &ProvingKey<G1Affine> {
        let [right, constant, untied] = &self.keys;
        match key {
            Key::Right => right,
            Key::OtherConstant => constant,
            Key::Untied => untied,
        }
    }

    /// Public values with these accumulators.
    pub fn with_accumulators(&self, shown: &[Accumulator]) -> Vec<Fr> {
        let mut instances = self.honest.clone();
        let limbs = shown.iter().flat_map(Accumulator::limbs);
        for (place, limb) in instances.iter_mut().zip(limbs) {
            *place = limb;
        }
        instances
    }

    /// The first point that the opening takes with the factor 1, among those that a prover writes.
    pub fn first_point(&self) -> usize {
        let known = self.protocol.preprocessed.len() + self.protocol.num_instance.len();
        self.protocol.queries[0].poly - known
    }
}

/// The circuit whose public values are these, but for the one that it computes.
pub fn circuit(kind: Kind, key: Key, witness: &[Fr]) -> TwoPhase {
    let mut circuit = TwoPhase::new(2, SCALE, 9, 0);
    circuit.at = kind.computed();
    circuit.extra = witness.to_vec();
    circuit.extra.remove(circuit.at);
    match key {
        Key::Right => {}
        Key::OtherConstant => circuit.scale += 1,
        Key::Untied => {
            circuit.extra.pop();
        }
    }
    circuit
}

/// A public value as a word.
pub fn words(instances: &[Fr]) -> Vec<u8> {
    let words = instances
        .iter()
        .map(|value| word(*value).to_be_bytes::<32>());
    words.flatten().collect()
}
