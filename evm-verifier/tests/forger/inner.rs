//! Real aggregations of two and of four proofs of which one is false in one thing: the outer proof says truthfully what
//! comes of verifying them, and nobody accepts it, since the pairing of what it accumulates does not hold.

use crate::support::{
    self, circuit, classifier, commitment, inference, outcome, pack, reason, scores, two_phase,
    Scene,
};
use halo2_proofs::{
    halo2curves::{
        bn256::{Bn256, Fr, G1Affine},
        group::GroupEncoding,
    },
    poly::commitment::ParamsProver,
    transcript::TranscriptWriterBuffer,
};
use rand::{rngs::StdRng, SeedableRng};
use revm::primitives::keccak256;
use snark_verifier::{
    loader::native::NativeLoader,
    pcs::{
        kzg::{KzgDecidingKey, LimbsEncoding},
        AccumulationDecider,
    },
    system::halo2::transcript::evm::EvmTranscript,
    verifier::{plonk::PlonkSuccinctVerifier, SnarkVerifier},
};
use snark_verifier_sdk::{Snark, SHPLONK};
use zkml_aggregation::{
    argue, keygen, verify, vk_digest, AggregateProof, AggregationKey, AggregationShape, BITS, LIMBS,
};
use zkml_evm_verifier::{
    calldata,
    check::build,
    codegen::Labels,
    compile::{find_compiler, Bytecode},
    exec::Fork,
    front::{aggregated_proof, batch_call, encode_elements, register_call, Inference},
};
use zkml_srs::Srs;

/// All sizes of an SRS must share a secret.
const SEED: [u8; 32] = [7; 32];
/// Two models differ in a fixed column.
const SCALES: [u64; 2] = [5, 6];

/// The thing in which an inner proof is false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// A score of its statement.
    Score,
    /// The last commitment, to a piece of the quotient.
    Commitment,
    /// An evaluation.
    Evaluation,
    /// The opening's last point.
    Opening,
}

/// A score that no slot's model gave.
const SCORE: i64 = 1 << 20;

impl Lie {
    fn told(self, snark: &mut Snark) {
        // Points and scalars take a word each; behind the evaluations are the two points of the opening.
        let (words, evaluations) = (snark.proof.len() / 32, snark.protocol.evaluations.len());
        let point = |proof: &mut [u8], at: usize| {
            let other = G1Affine::generator().to_bytes();
            proof[32 * at..32 * (at + 1)].copy_from_slice(other.as_ref());
        };
        match self {
            Lie::Score => {
                let mut told = outcome();
                told[0] = SCORE;
                let told = pack(&scores(), &told);
                let first = snark.instances[0].len() - told.len();
                for (place, word) in snark.instances[0][first..].iter_mut().zip(told) {
                    *place = support::element(word);
                }
            }
            Lie::Commitment => point(&mut snark.proof, words - 2 - evaluations - 1),
            // The lowest bit: the scalar stays below the order.
            Lie::Evaluation => snark.proof[32 * (words - 2 - evaluations / 2)] ^= 1,
            Lie::Opening => point(&mut snark.proof, words - 1),
        }
    }
}

struct Batch {
    srs: Srs,
    key: AggregationKey,
    code: Bytecode,
    snarks: Vec<Snark>,
}

impl Batch {
    fn new(slots: usize) -> Self {
        let small = Srs::development_from_seed(9, SEED, &|_, _| {}).unwrap();
        let snarks: Vec<Snark> = (0..slots)
            .map(|slot| {
                let circuit = Self::circuit(slot);
                let pk = two_phase::keygen(&small.params, &circuit);
                two_phase::snark(&small.params, &pk, circuit)
            })
            .collect();
        let protocols: Vec<_> = snarks.iter().map(|snark| snark.protocol.clone()).collect();
        let (shape, _) = AggregationShape::choose(&protocols, 4).unwrap();
        let srs = Srs::development_from_seed(shape.k, SEED, &|_, _| {}).unwrap();
        let key = keygen(&srs.params, &protocols, shape).unwrap();
        let labels = Labels {
            contract: "BatchVerifier".to_string(),
            srs: srs.provenance.to_string(),
            notes: vec![],
        };
        let compiler = find_compiler(None).unwrap();
        let protocol = key.protocol(&srs.params).unwrap();
        let (_, code) = build(&compiler, &deciding(&srs), &protocol, &labels).unwrap();
        Self {
            srs,
            key,
            code,
            snarks,
        }
    }

    fn circuit(slot: usize) -> two_phase::TwoPhase {
        circuit(1, SCALES[slot % SCALES.len()], Self::context(slot))
    }

    fn context(slot: usize) -> Fr {
        Fr::from(100 + slot as u64)
    }

    /// An outer proof of these inner ones, which nothing has verified.
    fn argued(&self, snarks: &[Snark]) -> AggregateProof {
        let mut transcript =
            EvmTranscript::<G1Affine, NativeLoader, Vec<u8>, Vec<u8>>::init(Vec::new());
        let (params, rng) = (&self.srs.params, StdRng::seed_from_u64(1));
        let instances =
            argue(params, &self.key, snarks, rng, &mut transcript, &mut |_| {}).unwrap();
        AggregateProof {
            instances,
            proof: transcript.finalize(),
        }
    }

    /// Whether the pairings hold of the outer proof itself, and of what it accumulates.
    fn pairings(&self, proof: &AggregateProof) -> [bool; 2] {
        type Succinct = PlonkSuccinctVerifier<SHPLONK, LimbsEncoding<LIMBS, BITS>>;
        let key = deciding(&self.srs);
        let (svk, protocol) = (key.svk(), self.key.protocol(&self.srs.params).unwrap());
        let public = [proof.instances.clone()];
        let bytes = proof.proof.as_slice();
        let mut read = EvmTranscript::<G1Affine, NativeLoader, &[u8], Vec<u8>>::new(bytes);
        let parts = Succinct::read_proof(&svk, &protocol, &public, &mut read).unwrap();
        let accumulators = Succinct::verify(&svk, &protocol, &public, &parts).unwrap();
        let holds = accumulators
            .into_iter()
            .map(|one| SHPLONK::decide(&key, one).is_ok());
        holds.collect::<Vec<_>>().try_into().unwrap()
    }

    /// Whether everybody accepts; they agree.
    fn accepted(&self, proof: &AggregateProof, told: impl Fn(usize, &mut Inference)) -> bool {
        let protocol = self.key.protocol(&self.srs.params).unwrap();
        let native = verify(&self.srs.params, &protocol, proof).is_ok();
        for fork in Fork::ALL {
            let mut scene = Scene::new(fork);
            let verifier = scene.chain.deploy(&self.code.creation).unwrap().address;
            let calldata = calldata::encode(&proof.instances, &proof.proof);
            let outcome = scene.chain.call(verifier, &calldata).unwrap();
            assert_eq!(outcome.accepted, native, "{fork}");
            assert_eq!(outcome.ending == "reverted: InvalidProof", !native);

            let statements: Vec<Inference> = (0..self.snarks.len())
                .map(|slot| {
                    let digest = vk_digest(&self.snarks[slot].protocol).unwrap();
                    let commitment = commitment(&Self::circuit(slot));
                    let hash = keccak256(&self.code.runtime);
                    let mut model = classifier(verifier, hash, Some(digest), commitment);
                    model.slots = vec![model.slots[0]; self.snarks.len()];
                    let outcome = scene.call(scene.front, &register_call(&model));
                    assert!(outcome.returned, "{}", reason(&outcome));
                    let mut stated = inference(&model, Self::context(slot));
                    told(slot, &mut stated);
                    stated
                })
                .collect();
            let argument = aggregated_proof(&proof.instances, &proof.proof);
            let outcome = scene.call(scene.front, &batch_call(&statements, &argument, true));
            assert_eq!(outcome.returned, native, "{}", reason(&outcome));
            let rejected = reason(&outcome).contains("it does not prove this statement");
            assert_eq!(rejected, !native, "{}", reason(&outcome));
        }
        native
    }
}

fn deciding(srs: &Srs) -> KzgDecidingKey<Bn256> {
    (srs.params.get_g()[0], srs.params.g2(), srs.params.s_g2()).into()
}

/// Each slot with one lie, all other proofs being right: how many were tried, and how many of them somebody accepts.
pub fn tried(lies: &[Lie]) -> [usize; 2] {
    let batch = Batch::new(lies.len());
    let honest = batch.argued(&batch.snarks);
    assert_eq!(batch.pairings(&honest), [true, true]);
    assert!(batch.accepted(&honest, |_, _| {}));
    let mut accepted = 0;
    for (slot, lie) in lies.iter().enumerate() {
        let mut snarks = batch.snarks.clone();
        lie.told(&mut snarks[slot]);
        let proof = batch.argued(&snarks);
        assert_eq!(batch.pairings(&proof), [true, false], "{lie:?} in {slot}");
        let taken = batch.accepted(&proof, |at, stated| {
            if (at, *lie) == (slot, Lie::Score) {
                let mut told = outcome();
                told[0] = SCORE;
                stated.output = encode_elements(&scores(), &told, "output").unwrap();
            }
        });
        accepted += usize::from(taken);
    }
    [lies.len(), accepted]
}
