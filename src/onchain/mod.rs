//! What the commands that talk to a chain share: their options, the contracts that they meet, and
//! the way in which a transaction is shown, confirmed, sent and waited for.

pub mod amount;
pub mod args;
pub mod call;
pub mod contracts;
pub mod create2;
pub mod expected;
pub mod gas;
pub mod precompiles;
pub mod record;
pub mod refusal;
pub mod send;
