//! What the `zkml` program is made of; `main.rs` parses and reports. Not an interface for others: those
//! are the crates in `circuits` and `evm-verifier`.
#![deny(missing_docs, unsafe_code)]

pub mod aggregation;
pub mod args;
pub mod bundle;
pub mod cli;
pub mod commands;
pub mod contract;
pub mod hex;
pub mod keys;
pub mod memory;
pub mod models;
pub mod onchain;
pub mod origin;
pub mod outcome;
pub mod output;
pub mod plot;
pub mod remedy;
pub mod srs;
pub mod submission;
pub mod ui;
pub mod values;
