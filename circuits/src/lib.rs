
pub mod hash;
pub mod files;
pub mod srs;
pub mod graph;
pub mod circuit;
pub mod layout;
pub mod import;
pub mod inputs;
pub mod quantise;
pub mod prove;
pub mod aggregate;
