//! The on-chain commands, on a real node: from the guide's first command to its last, and what can go
//! wrong between.
//!
//! No output of any command has a private key: every run here is searched for them. One program for all, since
//! they share a proof and its contract, which take long to make.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

// Other tests use the rest of it.
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod advisory;
mod audit;
mod bounty;
mod explorers;
mod fees;
mod guide;
mod nodes;
mod refusals;
mod scene;
mod sending;
mod unsigned;
