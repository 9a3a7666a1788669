//! Forgeries that a prover who knew the challenges could make. MockProver's challenges are
//! known constants, so it accepts them; the real prover draws its own after phase 1.

use std::sync::Arc;

use halo2_proofs::{
    arithmetic::Field,
    dev::MockProver,
    halo2curves::{
        bn256::{Fr, G1Affine},
        ff::FromUniformBytes,
    },
    plonk::{create_proof, Advice, Column, ProvingKey},
};

use super::{
    cells::everything,
    fixtures::*,
    lookup_columns::{lookup_columns, LookupColumns},
    reject::failures,
    Override,
};
use crate::{
    circuit::{Columns, ModelCircuit, Purpose, Witness},
    layout::{Plan, Shape, Step},
    prove::{argument, Transcript},
};
use zkml_plonk::Prepared;
use zkml_srs::Srs;

/// MockProver's challenges, in order of declaration: position, channel, pole, mix.
pub fn mock_challenges() -> [Fr; 4] {
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

/// A witness whose last layer has a remainder outside its table (quotient − 1, remainder +
/// divisor), with words, digests and statement to match.
fn forged_remainder(shape: Shape) -> (Arc<Plan>, Arc<Witness>) {
    let mut model = classifier(20, relu6());
    let plan = model.plan(shape);
    let inputs = model.random_input();
    let honest = model.witness(&plan, &inputs);
    let mut blocks = honest.blocks.clone();
    let last = plan.steps.iter().rev().find_map(|step| match step {
        Step::Compute { emit, .. } => Some(emit),
        _ => None,
    });
    let emit = last.unwrap();
    let (quotient, remainder) = (emit.kept[0].block, emit.remainder[0].block);
    let cell = (0..5).find(|&i| blocks[quotient][i] > 0).unwrap();
    blocks[quotient][cell] -= 1;
    blocks[remainder][cell] += SCALE as u64;
    let words = crate::circuit::witness::plan_words(&plan, &blocks);
    let salts = honest.salts.clone();
    let witness = Witness::finish(&plan, blocks, words, salts, Fr::from(9)).unwrap();
    assert_ne!(witness.instances, honest.instances);
    (plan, Arc::new(witness))
}

/// Overrides that set one column from a row on.
fn column(
    phase: u8,
    first: usize,
    pick: fn(&Columns) -> Column<Advice>,
    values: &[Fr],
) -> Vec<Override> {
    let overrides = (first..).zip(values).map(|(row, value)| Override {
        phase,
        column: Arc::new(pick),
        row,
        value: *value,
    });
    overrides.collect()
}

/// Look-up columns that are not what the prover's own program computes.
pub fn lookup_cells(plan: &Plan, columns: &LookupColumns) -> Vec<Override> {
    let table = plan.rows.table;
    let helpers = match plan.shape.stacked {
        true => Vec::new(),
        false => column(1, 0, |c: &Columns| c.helpers[0], &columns.helper),
    };
    [
        column(0, table, |c: &Columns| c.multiplicity, &columns.counts),
        helpers,
        column(1, 0, |c: &Columns| c.running, &columns.running),
    ]
    .concat()
}

/// The look-up columns as their gates have them, with multiplicities that leave the forged cell
/// out (`tuned: false`: the sum does not end at zero) or make up for it at MockProver's pole.
fn lookups(plan: &Arc<Plan>, witness: &Arc<Witness>, tuned: bool) -> ModelCircuit {
    let [_, _, pole, mix] = mock_challenges();
    let mut columns = lookup_columns(plan, witness, (pole, mix), |tag| tag, None);
    if tuned {
        // Table row 0 is (tag 0, value 0): its entry is 0.
        columns.counts[0] += columns.balance * pole;
        for sum in &mut columns.running[plan.rows.table + 1..] {
            *sum -= columns.balance;
        }
    }
    let mut circuit =
        ModelCircuit::with_witness(plan.clone(), witness.clone(), Purpose::Constraints);
    circuit.overrides = lookup_cells(plan, &columns);
    circuit
}

/// A cell outside its table: all look-up gates hold but the last.
#[test]
fn sum_that_does_not_end_at_zero() {
    for shape in [the_shape(), stacked(13)] {
        let (plan, witness) = forged_remainder(shape);
        let circuit = lookups(&plan, &witness, false);
        let result = failures(&circuit, shape.k, witness.instances.clone());
        assert_eq!(result.into_iter().collect::<Vec<_>>(), ["lookup border"]);
    }
}

/// The same with a multiplicity chosen so that the sums agree at the guessed pole.
#[test]
fn multiplicity_tuned_to_a_guessed_pole() {
    for shape in [the_shape(), stacked(13)] {
        let (plan, witness) = forged_remainder(shape);
        let circuit = lookups(&plan, &witness, true);
        let instances = witness.instances.clone();
        MockProver::run(shape.k, &circuit, vec![instances.clone()])
            .unwrap()
            .verify()
            .expect("the forgery is tuned to MockProver's challenges");
        assert!(!Real::new(&plan).accepts(&circuit, &instances));
    }
}

/// halo2's prover and verifier with the keys of a plan.
pub struct Real {
    pub srs: Srs,
    pub pk: ProvingKey<G1Affine>,
}

impl Real {
    pub fn new(plan: &Arc<Plan>) -> Self {
        let srs = Srs::development_from_seed(plan.shape.k, [3; 32], &|_, _| ()).unwrap();
        let pk = argument::keygen(&srs.params, plan).unwrap();
        Self { srs, pk }
    }

    /// Proves a circuit and verifies the result.
    fn accepts(&self, circuit: &ModelCircuit, instances: &[Fr]) -> bool {
        use halo2_proofs::{
            halo2curves::bn256::Bn256,
            poly::kzg::{commitment::KZGCommitmentScheme, multiopen::ProverSHPLONK},
        };
        use snark_verifier::loader::native::NativeLoader;
        use snark_verifier_sdk::halo2::{PoseidonTranscript, POSEIDON_SPEC};
        let Self { srs, pk } = self;
        let mut transcript =
            PoseidonTranscript::<NativeLoader, Vec<u8>>::from_spec(vec![], POSEIDON_SPEC.clone());
        create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
            &srs.params,
            pk,
            std::slice::from_ref(circuit),
            &[&[instances]],
            rand::rngs::OsRng,
            &mut transcript,
        )
        .unwrap();
        let proof = transcript.finalize();
        argument::verify(
            &srs.params,
            pk.get_vk(),
            instances,
            &proof,
            Transcript::Poseidon,
        )
        .is_ok()
    }
}

/// The real prover on witnesses that cheat without knowing the challenges.
#[test]
fn real_proofs_of_cheats_are_rejected() {
    real_cheats(classifier(21, relu()), the_shape());
    real_cheats(everything(), the_shape());
}

#[test]
fn real_proofs_of_cheats_in_a_stacked_circuit_are_rejected() {
    real_cheats(classifier(21, relu()), stacked(13));
    real_cheats(everything(), stacked(13));
}

pub fn real_cheats(mut model: Model, shape: Shape) {
    let plan = model.plan(shape);
    let inputs = model.random_input();
    let honest = model.witness(&plan, &inputs);
    let Real { srs, pk } = Real::new(&plan);
    let prepared = Prepared::new(&pk);
    let accepts = |witness: Arc<Witness>, instances: &[Fr]| {
        let protocol = Transcript::Poseidon;
        let proof = argument::create(&srs.params, &pk, &prepared, &plan, witness, protocol);
        let vk = pk.get_vk();
        argument::verify(&srs.params, vk, instances, &proof.unwrap(), protocol).is_ok()
    };
    assert!(accepts(honest.clone(), &honest.instances));
    // Another context: only the transcript reads it.
    let mut other = honest.instances.clone();
    other[crate::layout::Form::CONTEXT] += Fr::ONE;
    assert!(!accepts(honest.clone(), &other));
    // A cell of each step, one unit off, words and digests made to match.
    for step in &plan.steps {
        let (block, cell) = match step {
            // An honest proof of another statement.
            Step::Given { .. } => continue,
            Step::Gather { copies } => (copies[0].0.block, copies[0].0.index),
            Step::Fixed { cells } => (cells[0].0.block, cells[0].0.index),
            Step::Function { y, .. } | Step::Divide { y, .. } => (y[0].block, 0),
            Step::Compute { emit, .. } => (emit.kept[0].block, 0),
        };
        let mut blocks = honest.blocks.clone();
        blocks[block][cell] ^= 1;
        let words = crate::circuit::witness::plan_words(&plan, &blocks);
        let cheat =
            Witness::finish(&plan, blocks, words, honest.salts.clone(), Fr::from(9)).unwrap();
        let instances = cheat.instances.clone();
        assert!(!accepts(Arc::new(cheat), &instances));
    }
}
