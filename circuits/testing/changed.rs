//! A synthesis in which some fixed cells are others and some copies are left out; all else goes through.

use std::fmt::Debug;

use halo2_proofs::{
    circuit::{layouter::RegionLayouter, AssignedCell, Cell, Region, Value},
    halo2curves::bn256::Fr,
    plonk::{Advice, Any, Assigned, Challenge, Column, Error, Fixed, Instance, Selector},
};

/// What is changed.
pub trait Change: Debug {
    /// Whether a copy stays.
    fn keeps(&self, left: Cell, right: Cell) -> bool;

    /// What stands in a fixed cell.
    fn fixed(&self, _: Column<Fixed>, _row: usize, value: Assigned<Fr>) -> Assigned<Fr> {
        value
    }
}

/// A region in which `change` is made.
#[derive(Debug)]
pub struct Changed<'r, 'c, C> {
    /// The region of the circuit.
    pub region: Region<'r, Fr>,
    /// The change.
    pub change: &'c C,
}

impl<C: Change> RegionLayouter<Fr> for Changed<'_, '_, C> {
    fn assign_advice<'v>(
        &mut self,
        column: Column<Advice>,
        offset: usize,
        to: Value<Assigned<Fr>>,
    ) -> AssignedCell<&'v Assigned<Fr>, Fr> {
        self.region.assign_advice(column, offset, to)
    }

    fn assign_fixed(&mut self, column: Column<Fixed>, offset: usize, to: Assigned<Fr>) -> Cell {
        let to = self.change.fixed(column, offset, to);
        self.region.assign_fixed(column, offset, to)
    }

    fn constrain_equal(&mut self, left: Cell, right: Cell) {
        if self.change.keeps(left, right) {
            self.region.constrain_equal(left, right);
        }
    }

    fn get_challenge(&self, challenge: Challenge) -> Value<Fr> {
        self.region.get_challenge(challenge)
    }

    fn next_phase(&mut self) {
        self.region.next_phase();
    }

    fn enable_selector<'v>(
        &'v mut self,
        _: &'v (dyn Fn() -> String + 'v),
        _: &Selector,
        _: usize,
    ) -> Result<(), Error> {
        unreachable!("no circuit here has selectors of halo2's")
    }

    fn name_column<'v>(&'v mut self, _: &'v (dyn Fn() -> String + 'v), _: Column<Any>) {}

    fn assign_advice_from_constant<'v>(
        &'v mut self,
        _: &'v (dyn Fn() -> String + 'v),
        _: Column<Advice>,
        _: usize,
        _: Assigned<Fr>,
    ) -> Result<Cell, Error> {
        unreachable!("constants are copied")
    }

    fn assign_advice_from_instance<'v>(
        &mut self,
        _: &'v (dyn Fn() -> String + 'v),
        _: Column<Instance>,
        _: usize,
        _: Column<Advice>,
        _: usize,
    ) -> Result<(Cell, Value<Fr>), Error> {
        unreachable!("instances are copied")
    }

    fn instance_value(&mut self, _: Column<Instance>, _: usize) -> Result<Value<Fr>, Error> {
        unreachable!("no circuit here reads instances")
    }

    fn constrain_constant(&mut self, _: Cell, _: Assigned<Fr>) -> Result<(), Error> {
        unreachable!("constants are copied")
    }
}
