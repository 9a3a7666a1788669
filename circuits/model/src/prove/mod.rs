//! Keys, proofs and statements.
//!
//! * [`Architecture`]: what a verifier must know of a model; everything but the weights.
//! * [`Keys`]: derived from the architecture and the SRS alone.
//! * [`Opening`]: the weights and the salts behind the commitment; the prover's secret.
//! * [`Proof`]: a statement and the argument for it; [`verify`](Proof::verify) checks it.

mod architecture;
pub(crate) mod argument;
mod error;
mod keys;
mod opening;
mod proof;
pub mod raw;
mod statement;
mod transcript;

pub use architecture::Architecture;
pub use error::{ProveError, Rejected};
pub use keys::{digest, Keys, Verifier};
pub use opening::Opening;
pub use proof::{prove, Proof, Request};
pub use statement::{Exposure, Statement, Word};

pub use argument::{protocol, verify as verify_argument};
pub use transcript::Transcript;
