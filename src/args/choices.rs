//! What a model's owner chooses between.

use clap::ValueEnum;
use zkml_graph::Visibility;
use zkml_model::{planner, prove::Transcript};

/// What a layout is optimised for.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Goal {
    /// The fastest proof
    #[default]
    Prove,
    /// The cheapest aggregation and on-chain verification
    Onchain,
    /// The cheapest verification by a contract of the model's own, without aggregation
    Direct,
}

impl From<Goal> for planner::Goal {
    fn from(goal: Goal) -> Self {
        match goal {
            Goal::Prove => planner::Goal::Prove,
            Goal::Onchain => planner::Goal::Onchain,
            Goal::Direct => planner::Goal::Direct,
        }
    }
}

/// How a proof's challenges are drawn, and so who can check it cheaply.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Challenges {
    /// An aggregation can check the proof
    Poseidon,
    /// A contract can check the proof directly
    Keccak,
}

impl From<Challenges> for Transcript {
    fn from(challenges: Challenges) -> Self {
        match challenges {
            Challenges::Poseidon => Transcript::Poseidon,
            Challenges::Keccak => Transcript::Keccak,
        }
    }
}

/// Who sees a tensor.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Sight {
    /// In the clear in the statement
    Public,
    /// Nothing of it in the statement
    Private,
    /// A salted commitment to it in the statement
    Hashed,
}

impl From<Sight> for Visibility {
    fn from(sight: Sight) -> Self {
        match sight {
            Sight::Public => Visibility::Public,
            Sight::Private => Visibility::Private,
            Sight::Hashed => Visibility::Hashed,
        }
    }
}
