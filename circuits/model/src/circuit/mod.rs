//! The canonical model circuit: a plan's cells, copies and identities in fixed columns and gates.

mod columns;
mod compute;
mod fixed;
mod gates;
mod hashing;
mod phase2;
mod synthesis;
mod witness;

pub use columns::Columns;
pub use witness::{Values, Witness, WitnessError};

use std::sync::Arc;

use halo2_proofs::{
    circuit::{Layouter, SimpleFloorPlanner},
    halo2curves::bn256::Fr,
    plonk::{Circuit, ConstraintSystem, Error},
};

use crate::{
    hash::{Poseidon, Recurrence},
    layout::{Clamps, Plan, Shape},
};

/// Degree bound of every gate, and so of the quotient.
pub const DEGREE: usize = 5;

/// What a synthesis is for: the prover reads neither fixed cells nor copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Keys, or a check of all constraints.
    Constraints,
    /// A proof.
    Proof,
}

/// A model circuit: the plan, and for proving the witness.
#[derive(Clone, Debug)]
pub struct ModelCircuit {
    plan: Arc<Plan>,
    witness: Option<Arc<Witness>>,
    purpose: Purpose,
    #[cfg(test)]
    pub(crate) overrides: Vec<tests::Override>,
}

impl ModelCircuit {
    /// The circuit without a witness, for keys.
    pub fn for_keys(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            witness: None,
            purpose: Purpose::Constraints,
            #[cfg(test)]
            overrides: Vec::new(),
        }
    }

    /// Columns and gates of a shape.
    pub fn constraint_system(shape: &Shape) -> ConstraintSystem<Fr> {
        let mut meta = ConstraintSystem::default();
        Self::configure_with_params(&mut meta, Params(*shape));
        meta
    }

    /// The circuit with a witness.
    pub fn with_witness(plan: Arc<Plan>, witness: Arc<Witness>, purpose: Purpose) -> Self {
        Self {
            plan,
            witness: Some(witness),
            purpose,
            #[cfg(test)]
            overrides: Vec::new(),
        }
    }
}

/// Circuit parameters: the shape. `Default` is never used to prove; halo2 asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Params(pub Shape);

impl Default for Params {
    fn default() -> Self {
        Self(Shape {
            k: 10,
            data: 2,
            hash_width: 3,
            limb_bits: 8,
            clamps: Clamps::ALL,
            stacked: false,
        })
    }
}

impl Circuit<Fr> for ModelCircuit {
    type Config = Columns;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Params;

    fn params(&self) -> Params {
        Params(self.plan.shape)
    }

    fn without_witnesses(&self) -> Self {
        Self::for_keys(self.plan.clone())
    }

    fn configure_with_params(meta: &mut ConstraintSystem<Fr>, params: Params) -> Columns {
        let columns = Columns::new(meta, &params.0);
        // A width without parameters cannot be planned; the gates of width 3 stand in.
        let poseidon = Poseidon::new(params.0.hash_width).or_else(|| Poseidon::new(3));
        let recurrence = poseidon.as_ref().and_then(Recurrence::new);
        if let (Some(poseidon), Some(recurrence)) = (poseidon, recurrence) {
            gates::configure(meta, &columns, &params.0, &poseidon, &recurrence);
        }
        columns
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Columns {
        Self::configure_with_params(meta, Params::default())
    }

    fn synthesize(&self, columns: Columns, layouter: impl Layouter<Fr>) -> Result<(), Error> {
        synthesis::synthesize(self, &columns, layouter)
    }
}

#[cfg(test)]
mod tests;
