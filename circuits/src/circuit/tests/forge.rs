//! Forgeries that a prover who knew the challenges could make. MockProver's challenges are
//! known constants, so it accepts them; the real prover draws its own after phase 1.

use std::sync::Arc;

use halo2_proofs::{
    arithmetic::Field,
    dev::MockProver,
    halo2curves::{bn256::Fr, ff::FromUniformBytes},
    plonk::create_proof,
};

use super::{fixtures::*, Override};
use crate::{
    circuit::{ModelCircuit, Purpose, Witness},
    layout::Step,
    prove::argument,
    srs::Srs,
};

/// MockProver's challenges, in order of declaration: position, channel, pole, mix.
fn mock_challenges() -> [Fr; 4] {
    let hash = |bytes: &[u8]| {
        let mut out = [0u8; 64];
        out.copy_from_slice(blake2b_simd::blake2b(bytes).as_bytes());
        out
    };
    let mut state = hash(b"Halo2-MockProver");
    [(); 4].map(|()| {
        state = hash(&state);
        Fr::from_uniform_bytes(&state)
    })
}

/// A remainder outside its table, with a multiplicity chosen so that the look-up sums agree at
/// the guessed pole.
#[test]
fn multiplicity_tuned_to_a_guessed_pole() {
    let mut model = classifier(20, relu6());
    let shape = shape(12, 5, 3);
    let plan = model.plan(shape);
    let inputs = model.random_input();
    let honest = model.witness(&plan, &inputs);
    let mut witness = Witness::clone(&honest);

    // quotient − 1, remainder + divisor in the last layer's output.
    let emit = plan
        .steps
        .iter()
        .rev()
        .find_map(|step| match step {
            Step::Compute { emit, .. } => Some(emit.clone()),
            _ => None,
        })
        .unwrap();
    let (quotient, remainder) = (emit.kept[0].block, emit.remainder[0].block);
    let cell = (0..5).find(|&i| witness.blocks[quotient][i] > 0).unwrap();
    witness.blocks[quotient][cell] -= 1;
    witness.blocks[remainder][cell] += SCALE as u64;
    let words = crate::circuit::witness::plan_words(&plan, &witness.blocks);
    let witness = Arc::new(
        Witness::finish(&plan, witness.blocks, words, witness.salts, Fr::from(9)).unwrap(),
    );
    let instances = witness.instances.clone();
    assert_ne!(
        instances, honest.instances,
        "the forged statement is another one"
    );

    // The running sum as it should be for the forged cells, at the guessed challenges.
    let [_, _, pole, mix] = mock_challenges();
    let active = shape.usable_rows() - 1;
    let columns = crate::circuit::tests_support::lookup_columns(&plan, &witness, pole, mix, active);
    let balance = columns.balance;
    let entry = pole - mix * Fr::ZERO;
    let tuned = columns.counts[0] + balance * entry;
    let mut overrides = vec![Override {
        phase: 0,
        column: Arc::new(|c| c.multiplicity),
        row: 0,
        value: tuned,
    }];
    for (row, count) in columns.counts.iter().enumerate().skip(1) {
        overrides.push(Override {
            phase: 0,
            column: Arc::new(|c| c.multiplicity),
            row,
            value: *count,
        });
    }
    for (row, helper) in columns.helper.iter().enumerate() {
        overrides.push(Override {
            phase: 1,
            column: Arc::new(|c| c.helpers[0]),
            row,
            value: *helper,
        });
    }
    for (row, sum) in columns.running.iter().enumerate() {
        let value = if row == 0 { *sum } else { *sum - balance };
        overrides.push(Override {
            phase: 1,
            column: Arc::new(|c| c.running),
            row,
            value,
        });
    }
    let mut circuit =
        ModelCircuit::with_witness(plan.clone(), witness.clone(), Purpose::Constraints);
    circuit.overrides = overrides;
    MockProver::run(shape.k, &circuit, vec![instances.clone()])
        .unwrap()
        .verify()
        .expect("the forgery is tuned to MockProver's challenges");

    assert!(!real_prover_accepts(&circuit, &plan, &instances));
}

/// Runs the real prover on a circuit and verifies the result.
fn real_prover_accepts(
    circuit: &ModelCircuit,
    plan: &Arc<crate::layout::Plan>,
    instances: &[Fr],
) -> bool {
    use halo2_proofs::{
        halo2curves::bn256::Bn256,
        poly::kzg::{commitment::KZGCommitmentScheme, multiopen::ProverSHPLONK},
    };
    use snark_verifier::loader::native::NativeLoader;
    use snark_verifier_sdk::halo2::{PoseidonTranscript, POSEIDON_SPEC};
    let srs = Srs::development_from_seed(plan.shape.k, [3; 32], &|_, _| ()).unwrap();
    let pk = argument::keygen(&srs.params, plan).unwrap();
    let mut transcript =
        PoseidonTranscript::<NativeLoader, Vec<u8>>::from_spec(vec![], POSEIDON_SPEC.clone());
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
        &srs.params,
        &pk,
        std::slice::from_ref(circuit),
        &[&[instances]],
        rand::rngs::OsRng,
        &mut transcript,
    )
    .unwrap();
    let proof = transcript.finalize();
    argument::verify(&srs.params, pk.get_vk(), instances, &proof).is_ok()
}

/// The real prover on witnesses that cheat without knowing the challenges.
#[test]
fn real_proofs_of_cheats_are_rejected() {
    let mut model = classifier(21, relu());
    let shape = shape(12, 5, 3);
    let plan = model.plan(shape);
    let inputs = model.random_input();
    let honest = model.witness(&plan, &inputs);
    let run = |witness: Witness, instances: &[Fr]| {
        let circuit = ModelCircuit::with_witness(plan.clone(), Arc::new(witness), Purpose::Proof);
        real_prover_accepts(&circuit, &plan, instances)
    };
    assert!(run(Witness::clone(&honest), &honest.instances));
    // Another context: only the transcript reads it.
    let mut other = honest.instances.clone();
    other[crate::layout::Statement::CONTEXT] += Fr::ONE;
    let proof_for_other = {
        let srs = Srs::development_from_seed(shape.k, [3; 32], &|_, _| ()).unwrap();
        let pk = argument::keygen(&srs.params, &plan).unwrap();
        let proof = argument::create(&srs.params, &pk, &plan, honest.clone()).unwrap();
        argument::verify(&srs.params, pk.get_vk(), &other, &proof).is_ok()
    };
    assert!(!proof_for_other);
    // One computed cell after another, one unit off, words and digests made to match.
    for step in &plan.steps {
        let Step::Compute { emit, .. } = step else {
            continue;
        };
        let mut blocks = honest.blocks.clone();
        blocks[emit.kept[0].block][0] ^= 1;
        let words = crate::circuit::witness::plan_words(&plan, &blocks);
        let cheat =
            Witness::finish(&plan, blocks, words, honest.salts.clone(), Fr::from(9)).unwrap();
        let instances = cheat.instances.clone();
        assert!(!run(cheat, &instances));
    }
}
