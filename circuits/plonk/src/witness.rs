//! The witness: advice columns as a circuit assigns them, committed phase by phase.

use std::marker::PhantomData;

use halo2_proofs::{
    arithmetic::Field,
    circuit::Value,
    halo2curves::bn256::{Fr, G1Affine},
    plonk::{
        Advice, Any, Assigned, Assignment, Challenge, Circuit, Column, ConstraintSystem, Error,
        Fixed, FloorPlanner, Instance, Selector,
    },
    transcript::{EncodedChallenge, TranscriptWrite},
};
use rand::RngCore;

use super::{commit::CommitKey, PlonkError};

/// Advice columns and the challenges drawn between their phases.
pub struct Witness {
    /// Values of each column, blinding rows included.
    pub advice: Vec<Vec<Fr>>,
    /// Challenges by index.
    pub challenges: Vec<Fr>,
}

/// Takes what a circuit assigns, and commits to it when a phase ends.
struct Collector<'a, 'k, R, T, E> {
    cs: &'a ConstraintSystem<Fr>,
    key: &'a CommitKey<'k>,
    rng: &'a mut R,
    transcript: &'a mut T,
    instances: &'a [&'a [Fr]],
    phase: u8,
    phases: u8,
    usable: usize,
    advice: Vec<Vec<Fr>>,
    challenges: Vec<Option<Fr>>,
    fault: Option<PlonkError>,
    encoding: PhantomData<E>,
}

/// Runs a circuit: for each phase its columns are committed to, and its challenges drawn.
pub fn collect<C, R, T, E>(
    cs: &ConstraintSystem<Fr>,
    key: &CommitKey<'_>,
    rows: usize,
    circuit: &C,
    instances: &[&[Fr]],
    rng: &mut R,
    transcript: &mut T,
) -> Result<Witness, PlonkError>
where
    C: Circuit<Fr>,
    R: RngCore,
    E: EncodedChallenge<G1Affine>,
    T: TranscriptWrite<G1Affine, E>,
{
    let phases = cs.advice_column_phase().into_iter().max().unwrap_or(0) + 1;
    let mut collector = Collector {
        cs,
        key,
        rng,
        transcript,
        instances,
        phase: 0,
        phases,
        usable: rows - (cs.blinding_factors() + 1),
        advice: vec![vec![Fr::ZERO; rows]; cs.num_advice_columns()],
        challenges: vec![None; cs.num_challenges()],
        fault: None,
        encoding: PhantomData,
    };
    // The key has columns and gates; the circuit's configuration names them once more.
    let mut named = ConstraintSystem::default();
    let config = C::configure_with_params(&mut named, circuit.params());
    // A circuit may end its phases itself; one that does not is run once for each.
    while collector.phase < phases {
        let (config, constants) = (config.clone(), cs.constants().clone());
        C::FloorPlanner::synthesize(&mut collector, circuit, config, constants)
            .map_err(PlonkError::Circuit)?;
        collector.next_phase();
    }
    if let Some(fault) = collector.fault {
        return Err(fault);
    }
    let challenges = collector.challenges.into_iter().collect::<Option<_>>();
    Ok(Witness {
        advice: collector.advice,
        challenges: challenges
            .ok_or(PlonkError::Unsupported("a challenge after the last phase"))?,
    })
}

impl<R, T, E> Collector<'_, '_, R, T, E>
where
    R: RngCore,
    E: EncodedChallenge<G1Affine>,
    T: TranscriptWrite<G1Affine, E>,
{
    /// Blinds and commits to the phase's columns, then draws its challenges.
    fn end_phase(&mut self) -> Result<(), PlonkError> {
        let phases = self.cs.advice_column_phase();
        let of_phase = |column: &usize| phases.get(*column) == Some(&self.phase);
        let columns: Vec<usize> = (0..self.advice.len()).filter(of_phase).collect();
        for column in &columns {
            for cell in &mut self.advice[*column][self.usable..] {
                *cell = Fr::random(&mut *self.rng);
            }
        }
        let values: Vec<&[Fr]> = columns.iter().map(|c| &self.advice[*c][..]).collect();
        for point in self.key.commit_values(&values) {
            self.transcript.write_point(point)?;
        }
        for (index, phase) in self.cs.challenge_phase().iter().enumerate() {
            if *phase == self.phase {
                let challenge = *self.transcript.squeeze_challenge_scalar::<()>();
                self.challenges[index] = Some(challenge);
            }
        }
        Ok(())
    }
}

impl<R, T, E> Assignment<Fr> for Collector<'_, '_, R, T, E>
where
    R: RngCore,
    E: EncodedChallenge<G1Affine>,
    T: TranscriptWrite<G1Affine, E>,
{
    fn enter_region<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn annotate_column<A: FnOnce() -> AR, AR: Into<String>>(&mut self, _: A, _: Column<Any>) {}

    fn exit_region(&mut self) {}

    fn enable_selector<A: FnOnce() -> AR, AR: Into<String>>(
        &mut self,
        _: A,
        _: &Selector,
        _: usize,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn query_instance(&self, column: Column<Instance>, row: usize) -> Result<Value<Fr>, Error> {
        let column = self.instances.get(column.index());
        let value = column.ok_or(Error::BoundsFailure)?.get(row).copied();
        Ok(Value::known(value.unwrap_or(Fr::ZERO)))
    }

    /// The reference that halo2's own prover returns is read by no circuit here.
    fn assign_advice<'v>(
        &mut self,
        column: Column<Advice>,
        row: usize,
        to: Value<Assigned<Fr>>,
    ) -> Value<&'v Assigned<Fr>> {
        let phase = self.cs.advice_column_phase().get(column.index()).copied();
        if phase == Some(self.phase) {
            let cell = self.advice.get_mut(column.index());
            let cell = cell.and_then(|cells| cells[..self.usable].get_mut(row));
            let mut known = None;
            to.map(|value| known = Some(value));
            match (cell, known) {
                (Some(cell), Some(value)) => *cell = value.evaluate(),
                (None, _) => self.fault = Some(PlonkError::Row { row }),
                (_, None) => self.fault = Some(PlonkError::Unsupported("an unknown advice value")),
            }
        }
        Value::unknown()
    }

    fn assign_fixed(&mut self, _: Column<Fixed>, _: usize, _: Assigned<Fr>) {}

    fn copy(&mut self, _: Column<Any>, _: usize, _: Column<Any>, _: usize) {}

    fn fill_from_row(
        &mut self,
        _: Column<Fixed>,
        _: usize,
        _: Value<Assigned<Fr>>,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn get_challenge(&self, challenge: Challenge) -> Value<Fr> {
        match self.challenges.get(challenge.index()) {
            Some(Some(value)) => Value::known(*value),
            _ => Value::unknown(),
        }
    }

    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn pop_namespace(&mut self, _: Option<String>) {}

    fn next_phase(&mut self) {
        if self.phase >= self.phases {
            return;
        }
        if let Err(fault) = self.end_phase() {
            self.fault = Some(fault);
        }
        self.phase += 1;
    }
}
