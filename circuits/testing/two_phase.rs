//! A small two-phase circuit of the same kind as a model circuit: one instance column, data columns
//! committed before a challenge, and a fold of them by that challenge committed after it.
//!
//! It proves knowledge of `width` columns of data that fold to the public value `Σ data` (the first, unless `at` says
//! otherwise), row by row. `width` sets the number of commitments.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use halo2_proofs::{
    circuit::{Layouter, SimpleFloorPlanner, Value},
    halo2curves::{
        bn256::{Bn256, Fr, G1Affine},
        ff::Field,
    },
    plonk::{
        create_proof, keygen_pk, keygen_vk, Advice, Challenge, Circuit, Column, ConstraintSystem,
        Error, Fixed, Instance, ProvingKey, SecondPhase,
    },
    poly::{
        kzg::{
            commitment::{KZGCommitmentScheme, ParamsKZG},
            multiopen::ProverSHPLONK,
        },
        Rotation,
    },
    transcript::TranscriptWriterBuffer,
};
use rand::{rngs::StdRng, SeedableRng};
use snark_verifier::{
    loader::native::NativeLoader,
    system::halo2::{compile, transcript::evm::EvmTranscript, Config as ProtocolConfig},
};
use snark_verifier_sdk::{
    halo2::{PoseidonTranscript, POSEIDON_SPEC},
    Snark,
};

/// Rows of data that the circuit folds.
pub const ROWS: usize = 64;

/// Columns and gates of the circuit.
#[derive(Clone)]
pub struct Config {
    data: Vec<Column<Advice>>,
    fold: Column<Advice>,
    sum: Column<Advice>,
    active: Column<Fixed>,
    scale: Column<Fixed>,
    instance: Column<Instance>,
    challenge: Challenge,
}

/// The number of data columns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// Data columns of the first phase.
    pub width: usize,
}

/// The circuit with its witness.
#[derive(Clone)]
pub struct TwoPhase {
    /// Shape of the circuit.
    pub shape: Shape,
    /// A fixed-column value: two circuits of one shape with another `scale` have other keys.
    pub scale: u64,
    /// `width` columns of `ROWS` values.
    pub data: Vec<Vec<u64>>,
    /// Public values beside the sum.
    pub extra: Vec<Fr>,
    /// Where the sum stands among the public values.
    pub at: usize,
}

impl TwoPhase {
    /// A circuit with data drawn from `seed`.
    pub fn new(width: usize, scale: u64, seed: u64, extra: usize) -> Self {
        let data = (0..width as u64)
            .map(|c| {
                (0..ROWS as u64)
                    .map(|r| (seed * 7 + c * 31 + r * r) % 1000)
                    .collect()
            })
            .collect();
        let extra = (0..extra as u64).map(|i| Fr::from(seed + i)).collect();
        Self {
            shape: Shape { width },
            scale,
            data,
            extra,
            at: 0,
        }
    }

    /// The public values.
    pub fn instances(&self) -> Vec<Fr> {
        let sum: u64 = self.data.iter().flatten().sum();
        let mut instances = self.extra.clone();
        instances.insert(self.at, Fr::from(sum * self.scale));
        instances
    }
}

impl Circuit<Fr> for TwoPhase {
    type Config = Config;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Shape;

    fn without_witnesses(&self) -> Self {
        self.clone()
    }

    fn params(&self) -> Shape {
        self.shape
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Config {
        Self::configure_with_params(meta, Shape { width: 1 })
    }

    fn configure_with_params(meta: &mut ConstraintSystem<Fr>, shape: Shape) -> Config {
        let data: Vec<_> = (0..shape.width).map(|_| meta.advice_column()).collect();
        let sum = meta.advice_column();
        let challenge = meta.challenge_usable_after(halo2_proofs::plonk::FirstPhase);
        let fold = meta.advice_column_in(SecondPhase);
        let active = meta.fixed_column();
        let scale = meta.fixed_column();
        let instance = meta.instance_column();
        for &column in &data {
            meta.enable_equality(column);
        }
        meta.enable_equality(sum);
        meta.enable_equality(instance);
        meta.create_gate("sum", |meta| {
            let active = meta.query_fixed(active, Rotation::cur());
            let scale = meta.query_fixed(scale, Rotation::cur());
            let next = meta.query_advice(sum, Rotation::next());
            let current = meta.query_advice(sum, Rotation::cur());
            let terms = data.iter().map(|&c| meta.query_advice(c, Rotation::cur()));
            let total = terms.reduce(|a, b| a + b).expect("at least one column");
            vec![active * (next - current - scale * total)]
        });
        meta.create_gate("fold", |meta| {
            let active = meta.query_fixed(active, Rotation::cur());
            let r = meta.query_challenge(challenge);
            let next = meta.query_advice(fold, Rotation::next());
            let mut acc = meta.query_advice(fold, Rotation::cur());
            for &column in &data {
                acc = acc * r.clone() + meta.query_advice(column, Rotation::cur());
            }
            // A factor that is one wherever the gate is on, to reach degree 5.
            let one = active.clone() * active.clone() * active.clone();
            vec![one * active * (next - acc)]
        });
        Config {
            data,
            fold,
            sum,
            active,
            scale,
            instance,
            challenge,
        }
    }

    fn synthesize(&self, config: Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        let challenge = layouter.get_challenge(config.challenge);
        let mut r = Fr::ZERO;
        challenge.map(|value| r = value);
        let (first, last, extra) = layouter.assign_region(
            || "data",
            |mut region| {
                let zero = region.assign_advice(config.sum, 0, Value::known(Fr::ZERO));
                region.assign_advice(config.fold, 0, Value::known(Fr::ZERO));
                let (mut sum, mut fold) = (Fr::ZERO, Fr::ZERO);
                let mut last = zero.cell();
                for row in 0..ROWS {
                    region.assign_fixed(config.active, row, Fr::ONE);
                    region.assign_fixed(config.scale, row, Fr::from(self.scale));
                    for (&column, values) in config.data.iter().zip(&self.data) {
                        let value = Fr::from(values[row]);
                        region.assign_advice(column, row, Value::known(value));
                        sum += value * Fr::from(self.scale);
                        fold = fold * r + value;
                    }
                    last = region
                        .assign_advice(config.sum, row + 1, Value::known(sum))
                        .cell();
                    region.assign_advice(config.fold, row + 1, Value::known(fold));
                }
                let extra: Vec<_> = self
                    .extra
                    .iter()
                    .enumerate()
                    .map(|(i, &v)| {
                        region
                            .assign_advice(config.sum, ROWS + 2 + i, Value::known(v))
                            .cell()
                    })
                    .collect();
                Ok((zero.cell(), last, extra))
            },
        )?;
        let _ = first;
        layouter.constrain_instance(last, config.instance, self.at);
        for (i, cell) in extra.into_iter().enumerate() {
            let row = i + usize::from(i >= self.at);
            layouter.constrain_instance(cell, config.instance, row);
        }
        Ok(())
    }
}

/// A key of the circuit.
pub fn keygen(params: &ParamsKZG<Bn256>, circuit: &TwoPhase) -> ProvingKey<G1Affine> {
    let vk = keygen_vk(params, circuit).expect("key generation");
    keygen_pk(params, vk, circuit).expect("key generation")
}

/// A proof under the Poseidon transcript, as the aggregation takes it.
pub fn snark(params: &ParamsKZG<Bn256>, pk: &ProvingKey<G1Affine>, circuit: TwoPhase) -> Snark {
    let instances = circuit.instances();
    let config = ProtocolConfig::kzg().with_num_instance(vec![instances.len()]);
    let protocol = compile(params, pk.get_vk(), config);
    let mut transcript =
        PoseidonTranscript::<NativeLoader, Vec<u8>>::from_spec(vec![], POSEIDON_SPEC.clone());
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
        params,
        pk,
        &[circuit],
        &[&[&instances]],
        StdRng::seed_from_u64(7),
        &mut transcript,
    )
    .expect("proof");
    Snark::new(protocol, vec![instances], transcript.finalize())
}

/// A proof under the Keccak transcript, as a contract takes it, with its public values.
pub fn evm_proof(
    params: &ParamsKZG<Bn256>,
    pk: &ProvingKey<G1Affine>,
    circuit: TwoPhase,
) -> (Vec<Fr>, Vec<u8>) {
    let instances = circuit.instances();
    let mut transcript: EvmTranscript<G1Affine, NativeLoader, Vec<u8>, Vec<u8>> =
        TranscriptWriterBuffer::<_, G1Affine, _>::init(Vec::new());
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, _>(
        params,
        pk,
        &[circuit],
        &[&[&instances]],
        StdRng::seed_from_u64(7),
        &mut transcript,
    )
    .expect("proof");
    (instances, transcript.finalize())
}
