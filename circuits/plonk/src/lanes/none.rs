//! What processors without the instructions have in place of the kernels: nothing that is called.

mod rows;

use halo2_proofs::halo2curves::bn256::Fr;

use super::Ifma;
use crate::instruction::{Instruction, Query, ROWS};

/// No transform has factors here.
#[derive(Clone, Debug)]
pub enum Twiddles {}

impl Twiddles {
    /// None.
    pub fn new(_: Ifma, _: &[Fr]) -> Option<Self> {
        None
    }

    /// Not called.
    pub fn transform(&self, _: &mut [Fr], _: Fr) {
        match *self {}
    }

    /// Not called.
    pub fn transform_scaled(&self, _: &[Fr], _: &[Fr], _: &mut [Fr]) {
        match *self {}
    }

    /// One.
    pub fn factor() -> Fr {
        Fr::one()
    }
}

/// No program has vectors here.
pub enum Registers {}

impl Registers {
    /// None.
    pub fn new(_: Ifma, _: usize) -> Option<Self> {
        None
    }

    /// Not called.
    pub fn run<'c>(
        &mut self,
        _: &[Instruction],
        _: &impl Fn(Query) -> &'c [Fr],
        _: usize,
        _: &mut [Fr; ROWS],
    ) {
        match *self {}
    }
}
