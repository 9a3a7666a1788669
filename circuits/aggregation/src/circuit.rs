//! The aggregation circuit: snark-verifier's succinct verifier of each proof.
//!
//! | column | kind | holds |
//! |--------|------|-------|
//! | gates, selectors | advice, fixed | see [`super::columns`] |
//! | range value, shift, table | advice, fixed, fixed | see [`super::range`] |
//! | constants | fixed | every constant once |
//! | instance | instance | accumulator, then digest and public values of each proof |

use super::{
    columns::{breaks, GateColumns},
    curve::Curve,
    digest::assigned_vk_digest,
    ecc::{Chip, LoadedPoint, Loader},
    range::{rows, RangeCheck, RangeColumns, TABLE_BITS},
    shape::{AggregationShape, CircuitSize},
    AggregateError, Structure,
};
#[cfg(test)]
use snark_verifier::halo2_base::halo2_proofs::plonk::Advice;
use snark_verifier::{
    halo2_base::{
        gates::flex_gate::threads::SinglePhaseCoreManager,
        halo2_proofs::{
            circuit::{Layouter, SimpleFloorPlanner, Value},
            halo2curves::bn256::{Fr, G1Affine},
            plonk::{Circuit, Column, ConstraintSystem, Error, Fixed, Instance},
        },
        virtual_region::manager::VirtualRegionManager,
        AssignedValue,
    },
    loader::halo2::Halo2Loader,
    pcs::{
        kzg::{KzgAccumulator, KzgAsVerifyingKey, KzgSuccinctVerifyingKey},
        AccumulationScheme,
    },
    util::transcript::Transcript,
    verifier::{plonk::PlonkSuccinctVerifier, SnarkVerifier},
};
use snark_verifier_sdk::{
    halo2::{PoseidonTranscript, POSEIDON_SPEC},
    Snark, SHPLONK,
};

type Verifier = PlonkSuccinctVerifier<SHPLONK>;
type Accumulator = KzgAccumulator<G1Affine, Loader>;

/// Columns of the circuit.
#[derive(Clone, Debug)]
pub struct AggregationConfig {
    gates: GateColumns,
    constants: Column<Fixed>,
    range: RangeColumns,
    instance: Column<Instance>,
}

#[cfg(test)]
impl AggregationConfig {
    /// The gate columns, then the range column.
    pub(super) fn advice(&self) -> Vec<Column<Advice>> {
        let gates = self.gates.values.iter();
        gates.copied().chain([self.range.value]).collect()
    }
}

/// The circuit with its cells computed.
pub(super) struct AggregationCircuit {
    pub(super) shape: AggregationShape,
    pool: SinglePhaseCoreManager<Fr>,
    checks: Vec<RangeCheck>,
    exposed: Vec<AssignedValue<Fr>>,
    breaks: Vec<usize>,
}

impl AggregationCircuit {
    /// Computes the circuit that verifies `snarks`, for a key or, where its layout's breaks are given,
    /// for a proof.
    pub(super) fn build(
        generator: G1Affine,
        snarks: &[Snark],
        accumulation: &[u8],
        shape: AggregationShape,
        layout: Option<Vec<usize>>,
    ) -> Result<Self, AggregateError> {
        let pool = SinglePhaseCoreManager::new(layout.is_some(), Default::default());
        let chip = Chip::default();
        let ranges = chip.curve.arithmetic.ranges.clone();
        let loader = Halo2Loader::new(chip, pool);
        let exposed = verify(&loader, generator, snarks, accumulation)?;
        let mut pool = loader.take_ctx();
        let checks = ranges.take();
        let usable = usable_rows(shape);
        let breaks = layout.unwrap_or_else(|| breaks(pool.main(), usable));
        let range_rows: usize = checks.iter().map(|(_, bits)| rows(*bits)).sum();
        if range_rows > usable && !pool.witness_gen_only() {
            return Err(AggregateError::Misfit {
                what: "range rows of the aggregation circuit".to_string(),
                expected: range_rows.to_string(),
                got: usable.to_string(),
            });
        }
        if breaks.len() >= shape.columns.max(1) && !pool.witness_gen_only() {
            let what = "columns of the aggregation circuit".to_string();
            let (expected, got) = ((breaks.len() + 1).to_string(), shape.columns.to_string());
            return Err(AggregateError::Misfit {
                what,
                expected,
                got,
            });
        }
        Ok(Self {
            shape,
            pool,
            checks,
            exposed,
            breaks,
        })
    }

    pub(super) fn size(&self) -> CircuitSize {
        CircuitSize {
            cells: self.pool.total_advice(),
            range_rows: self.checks.iter().map(|(_, bits)| rows(*bits)).sum(),
        }
    }

    pub(super) fn instances(&self) -> Vec<Fr> {
        self.exposed.iter().map(|cell| *cell.value()).collect()
    }

    /// A circuit of other cells, for tests of the layout.
    #[cfg(test)]
    pub(super) fn of_cells(
        shape: AggregationShape,
        pool: SinglePhaseCoreManager<Fr>,
        checks: Vec<RangeCheck>,
        exposed: Vec<AssignedValue<Fr>>,
        breaks: Vec<usize>,
    ) -> Self {
        Self {
            shape,
            pool,
            checks,
            exposed,
            breaks,
        }
    }

    /// The virtual cells and their range checks.
    #[cfg(test)]
    pub(super) fn into_cells(self) -> (SinglePhaseCoreManager<Fr>, Vec<RangeCheck>) {
        (self.pool, self.checks)
    }

    /// Where the gate columns break.
    pub(super) fn breaks(&self) -> &[usize] {
        &self.breaks
    }
}

/// Rows that hold cells: the last ones are blinded.
fn usable_rows(shape: AggregationShape) -> usize {
    let mut meta = ConstraintSystem::default();
    AggregationCircuit::configure_with_params(&mut meta, shape);
    (1usize << shape.k).saturating_sub(meta.minimum_rows())
}

/// The verification; returns what is exposed.
fn verify(
    loader: &Loader,
    generator: G1Affine,
    snarks: &[Snark],
    accumulation: &[u8],
) -> Result<Vec<AssignedValue<Fr>>, AggregateError> {
    let svk = KzgSuccinctVerifyingKey::from(generator);
    let mut transcript =
        PoseidonTranscript::<Loader, &[u8]>::from_spec(loader, &[], POSEIDON_SPEC.clone());
    let mut statements = Vec::new();
    let mut accumulators: Vec<Accumulator> = Vec::with_capacity(snarks.len());
    for (index, snark) in snarks.iter().enumerate() {
        let refused = |error| AggregateError::refused(index, error);
        // The key, and its size, are witnesses: one circuit for all keys of a shape.
        let protocol = snark.protocol.loaded_preprocessed_as_witness(loader, true);
        let structure = Structure::of(&snark.protocol)?;
        let digest = assigned_vk_digest(loader, &structure, &protocol)?;
        statements.push(digest);
        let instances: Vec<Vec<_>> = snark
            .instances
            .iter()
            .map(|column| {
                column
                    .iter()
                    .map(|value| loader.assign_scalar(*value))
                    .collect()
            })
            .collect();
        transcript.new_stream(&snark.proof);
        let proof =
            Verifier::read_proof(&svk, &protocol, &instances, &mut transcript).map_err(refused)?;
        // The offset depends on the verifying key as well, which the proof's challenges do not.
        transcript
            .common_scalar(&loader.scalar_from_assigned(digest))
            .map_err(refused)?;
        derive_offset(loader, &mut transcript);
        accumulators
            .extend(Verifier::verify(&svk, &protocol, &instances, &proof).map_err(refused)?);
        statements.extend(
            instances
                .into_iter()
                .flatten()
                .map(|scalar| scalar.into_assigned()),
        );
    }
    let accumulator = match <[Accumulator; 1]>::try_from(accumulators) {
        Ok([only]) => only,
        Err(accumulators) => accumulate(loader, &mut transcript, accumulators, accumulation)?,
    };
    let mut exposed = Vec::with_capacity(4 * super::LIMBS + statements.len());
    for point in [
        accumulator.lhs.into_assigned(),
        accumulator.rhs.into_assigned(),
    ] {
        let LoadedPoint { x, y, .. } = point;
        exposed.extend(x.limbs);
        exposed.extend(y.limbs);
    }
    exposed.extend(statements);
    Ok(exposed)
}

/// The offset's x in the verification of one proof.
#[cfg(test)]
pub(super) fn offset_of(
    generator: G1Affine,
    snark: &Snark,
) -> Result<Option<num_bigint::BigInt>, AggregateError> {
    let pool = SinglePhaseCoreManager::new(true, Default::default());
    let loader = Halo2Loader::new(Chip::default(), pool);
    verify(&loader, generator, std::slice::from_ref(snark), &[])?;
    let offset = loader.ecc_chip().curve.offset_point();
    Ok(offset.map(|point| point.x.integer()))
}

/// One accumulator for several, by powers of a challenge.
fn accumulate<'a>(
    loader: &Loader,
    transcript: &mut PoseidonTranscript<Loader, &'a [u8]>,
    accumulators: Vec<Accumulator>,
    accumulation: &'a [u8],
) -> Result<Accumulator, AggregateError> {
    type Scheme = SHPLONK;
    let key = KzgAsVerifyingKey::default();
    let refused = |error| AggregateError::refused(accumulators.len(), error);
    transcript.new_stream(accumulation);
    let proof = <Scheme as AccumulationScheme<G1Affine, Loader>>::read_proof(
        &key,
        &accumulators,
        transcript,
    )
    .map_err(refused)?;
    derive_offset(loader, transcript);
    <Scheme as AccumulationScheme<G1Affine, Loader>>::verify(&key, &accumulators, &proof)
        .map_err(refused)
}

/// One more challenge after all that the coming sums depend on; see [`Curve::derive_offset`].
fn derive_offset(loader: &Loader, transcript: &mut PoseidonTranscript<Loader, &[u8]>) {
    let challenge = transcript.squeeze_challenge().into_assigned();
    let chip = loader.ecc_chip();
    let curve: &Curve = &chip.curve;
    curve.derive_offset(loader.ctx_mut().main(), challenge);
}

impl Circuit<Fr> for AggregationCircuit {
    type Config = AggregationConfig;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = AggregationShape;

    fn params(&self) -> AggregationShape {
        self.shape
    }

    fn without_witnesses(&self) -> Self {
        unreachable!("neither floor planner nor provers here ask for it")
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> AggregationConfig {
        Self::configure_with_params(meta, AggregationShape::default())
    }

    fn configure_with_params(
        meta: &mut ConstraintSystem<Fr>,
        shape: AggregationShape,
    ) -> AggregationConfig {
        let constants = meta.fixed_column();
        meta.enable_equality(constants);
        let gates = GateColumns::configure(meta, shape.columns);
        let range = RangeColumns::configure(meta);
        let instance = meta.instance_column();
        meta.enable_equality(instance);
        AggregationConfig {
            gates,
            constants,
            range,
            instance,
        }
    }

    fn synthesize(
        &self,
        config: AggregationConfig,
        mut layouter: impl Layouter<Fr>,
    ) -> Result<(), Error> {
        layouter.assign_table(
            || "range table",
            |mut table| {
                for row in 0..1usize << TABLE_BITS {
                    let value = Value::known(Fr::from(row as u64));
                    table.assign_cell(|| "range", config.range.table, row, || value)?;
                }
                Ok(())
            },
        )?;
        let for_key = !self.pool.witness_gen_only();
        layouter.assign_region(
            || "aggregation",
            |mut region| {
                let copies = for_key.then_some(&self.pool.copy_manager);
                for thread in &self.pool.threads {
                    config
                        .gates
                        .assign(&mut region, thread, &self.breaks, copies);
                }
                config.range.assign(&mut region, &self.checks, copies);
                if for_key {
                    self.pool
                        .copy_manager
                        .assign_raw(&vec![config.constants], &mut region);
                }
                Ok(())
            },
        )?;
        if for_key {
            let copies = self
                .pool
                .copy_manager
                .lock()
                .unwrap_or_else(|e| e.into_inner());
            for (row, value) in self.exposed.iter().enumerate() {
                let cell = value
                    .cell
                    .and_then(|cell| copies.assigned_advices.get(&cell));
                let cell = cell.ok_or(Error::Synthesis)?;
                layouter.constrain_instance(*cell, config.instance, row);
            }
        }
        Ok(())
    }
}
