//! The challenge that folds the two pairings of an aggregated proof is a hash of both accumulators, in the contract
//! as in the text it is made from: who offsets a wrong accumulator for a challenge that he guessed is rejected.

#![allow(clippy::unwrap_used)]

#[path = "../../circuits/testing/two_phase.rs"]
mod two_phase;

use halo2_proofs::{
    halo2curves::{
        bn256::{Bn256, Fq, Fr, G1Affine, G1},
        ff::{Field, PrimeField},
        group::Curve,
    },
    plonk::create_proof,
    poly::{
        commitment::ParamsProver,
        kzg::{
            commitment::{KZGCommitmentScheme, ParamsKZG},
            multiopen::ProverSHPLONK,
        },
    },
    transcript::{Transcript, TranscriptWrite, TranscriptWriterBuffer},
};
use rand::{rngs::StdRng, SeedableRng};
use revm::primitives::{keccak256, U256};
use snark_verifier::{
    loader::native::NativeLoader,
    pcs::kzg::{KzgDecidingKey, LimbsEncoding},
    system::halo2::{
        compile as protocol_of,
        transcript::evm::{ChallengeEvm, EvmTranscript},
        Config,
    },
    verifier::{plonk::PlonkVerifier, SnarkVerifier},
};
use snark_verifier_sdk::SHPLONK;
use two_phase::TwoPhase;
use zkml_evm_verifier::{
    calldata,
    codegen::{generate, Labels},
    compile::{compile, find_compiler},
    exec::{Chain, Fork},
};

type Inner = EvmTranscript<G1Affine, NativeLoader, Vec<u8>, Vec<u8>>;
type Challenge = ChallengeEvm<G1Affine>;

/// A prover's transcript that adds a point to one of the points written.
struct Shifted {
    inner: Inner,
    /// The point to change, and how many were written.
    at: usize,
    written: usize,
    shift: G1,
}

impl Transcript<G1Affine, Challenge> for Shifted {
    fn squeeze_challenge(&mut self) -> Challenge {
        Transcript::<G1Affine, Challenge>::squeeze_challenge(&mut self.inner)
    }
    fn common_point(&mut self, point: G1Affine) -> std::io::Result<()> {
        self.inner.common_point(point)
    }
    fn common_scalar(&mut self, scalar: Fr) -> std::io::Result<()> {
        self.inner.common_scalar(scalar)
    }
}

impl TranscriptWrite<G1Affine, Challenge> for Shifted {
    fn write_point(&mut self, point: G1Affine) -> std::io::Result<()> {
        let shifted = (G1::from(point) + self.shift).to_affine();
        let point = match self.written == self.at {
            true => shifted,
            false => point,
        };
        self.written += 1;
        self.inner.write_point(point)
    }
    fn write_scalar(&mut self, scalar: Fr) -> std::io::Result<()> {
        self.inner.write_scalar(scalar)
    }
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

/// A hash as the contract reduces it.
fn reduced(hash: U256) -> Fr {
    let order = U256::from_le_bytes((-Fr::one()).to_repr()) + U256::from(1);
    Fr::from_repr((hash % order).to_le_bytes::<32>()).unwrap()
}

#[test]
fn a_guessed_fold_is_rejected() {
    let params = ParamsKZG::<Bn256>::setup(8, StdRng::seed_from_u64(1));
    let g = params.get_g();
    let compiler = find_compiler(None).unwrap();
    // The hash of memory that nothing wrote, as contracts before 0.1.1 had it, and what else one may try.
    let zeros = reduced(U256::from_be_bytes(keccak256([0u8; 256]).0));
    let errors = [Fr::ZERO, Fr::from(12345)];
    let cases = errors.map(|error| [zeros, Fr::ZERO, Fr::ONE].map(|guess| (error, guess)));
    let mut contracts = None;
    for (error, guess) in cases.into_iter().flatten() {
        // Its pairing holds only where the error is zero.
        let lhs = (G1::from(g[1]) + G1::generator() * error).to_affine();
        let mut circuit = TwoPhase::new(3, 5, 9, 0);
        let coordinates = [lhs.x, lhs.y, g[0].x, g[0].y];
        circuit.extra = coordinates.into_iter().flat_map(limbs).collect();
        circuit.extra.push(Fr::from(77));
        let pk = two_phase::keygen(&params, &circuit);
        let instances = circuit.instances();
        let config = Config::kzg()
            .with_num_instance(vec![instances.len()])
            .with_accumulator_indices(Some((1..13).map(|i| (0, i)).collect()));
        let protocol = protocol_of(&params, pk.get_vk(), config);
        let key = KzgDecidingKey::<Bn256>::from((g[0], params.g2(), params.s_g2()));
        let contracts = contracts.get_or_insert_with(|| {
            let labels = Labels {
                contract: "V".into(),
                srs: "development, insecure".into(),
                notes: vec![],
            };
            [true, false].map(|optimised| {
                let source = generate(&key, &protocol, &labels, optimised).unwrap();
                compile(&compiler, &source).unwrap()
            })
        });
        // The first commitment counts once in the opening, so that the error there, times the guess, is taken back.
        let committed = protocol.preprocessed.len() + protocol.num_instance.len();
        let mut transcript = Shifted {
            inner: TranscriptWriterBuffer::<_, G1Affine, _>::init(Vec::new()),
            at: protocol.queries[0].poly - committed,
            written: 0,
            shift: G1::generator() * (-(guess * error)),
        };
        create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
            &params,
            &pk,
            &[circuit],
            &[&[&instances]],
            StdRng::seed_from_u64(7),
            &mut transcript,
        )
        .unwrap();
        let proof = transcript.inner.finalize();
        let right = error == Fr::ZERO;

        type Verifier = PlonkVerifier<SHPLONK, LimbsEncoding<3, 86>>;
        let mut read = EvmTranscript::<G1Affine, NativeLoader, &[u8], Vec<u8>>::new(&proof);
        let public = [instances.clone()];
        let native = Verifier::read_proof(&key, &protocol, &public, &mut read)
            .and_then(|proof| Verifier::verify(&key, &protocol, &public, &proof));
        assert_eq!(native.is_ok(), right);

        for (code, fork) in contracts.iter().zip([Fork::Osaka, Fork::Prague]) {
            let mut chain = Chain::new(fork);
            let contract = chain.deploy(&code.creation).unwrap().address;
            let data = calldata::encode(&instances, &proof);
            let outcome = chain.call(contract, &data).unwrap();
            assert_eq!(outcome.accepted, right, "{error:?} {guess:?}");
            // Nothing but the pairing rejects it.
            assert_eq!(outcome.ending == "reverted: InvalidProof", !right);
        }
    }
}
