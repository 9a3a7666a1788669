//! A prover without scruples, and the judges of its proofs.
//!
//! [`outer`] plays an outer circuit of any kind: a model's own, an aggregation of several slots, or one with several
//! accumulators among its public values. [`prover`] proves for it whatever it is told to, with everything that comes
//! after a lie consistent with it: challenges are drawn after it. [`cases`] and [`messages`] are the lies, each about one
//! ingredient of the verdict, and [`inner`] those of proofs that are really aggregated; [`judges`] are the native verifier, the contract and the front; [`battery`] tries all on all.
#![allow(dead_code, clippy::unwrap_used)]

pub mod accumulators;
pub mod battery;
pub mod cases;
pub mod guess;
pub mod inner;
pub mod judges;
pub mod messages;
pub mod outer;
pub mod plant;
pub mod prover;
