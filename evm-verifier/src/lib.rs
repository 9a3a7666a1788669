//! From a verifying key to an Ethereum contract, and a local EVM to try it on.
//!
//! The stages, each a module and each usable alone:
//!
//! 1. [`codegen`] writes the Solidity source of a verifier for one circuit;
//! 2. [`compile`] finds a Solidity compiler and turns the source into bytecode;
//! 3. [`calldata`] encodes public values and proof the way that contract reads them;
//! 4. [`exec`] deploys and calls the contract in a local EVM and accounts for the gas;
//! 5. [`chain`] deploys and calls it on a real chain;
//! 6. [`validate`] compares what was made with what it was made from, on the tree of [`yul`], and [`unwritten`] reads
//!    bytecode of any origin, [`creation`] what a deployment leaves;
//! 7. [`check`] ties them together: a compiled contract is worth nothing until it has accepted a
//!    good proof and rejected a bad one.
//!
//! [`explorer`] has others compile the source again and show it.
//!
//! In front of the generated verifiers stands one contract written by hand, `contracts/src/ModelVerifier.sol`:
//! [`front`] speaks to it, and [`contracts`] has its bytecode.
#![deny(missing_docs, unsafe_code)]

pub mod anvil;
pub mod calldata;
pub mod chain;
pub mod check;
pub mod codegen;
pub mod compile;
pub mod contracts;
pub mod creation;
pub mod exec;
pub mod explorer;
pub mod front;
mod http;
mod optimise;
pub mod secret;
pub mod unwritten;
pub mod validate;
pub mod yul;
