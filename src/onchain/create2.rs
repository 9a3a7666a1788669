//! One address on every chain: contracts made by the usual deployer with CREATE2, whose addresses follow from their code.

use anyhow::{bail, Result};
use zkml_evm_verifier::chain::{Address, Node, B256};

/// The usual deployer, which stands on nearly every chain: <https://github.com/Arachnid/deterministic-deployment-proxy>.
pub const DEPLOYER: Address = Address::new([
    0x4e, 0x59, 0xb4, 0x48, 0x47, 0xb3, 0x79, 0x57, 0x85, 0x88, 0x92, 0x0c, 0xa7, 0x8f, 0xbf, 0x26,
    0xc0, 0xb4, 0x95, 0x6c,
]);
/// Its code: a call of it has the salt, then the code that creates the contract.
pub const CODE: [u8; 69] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xe0, 0x36, 0x01, 0x60, 0x00, 0x81, 0x60, 0x20, 0x82, 0x37, 0x80, 0x35, 0x82, 0x82, 0x34, 0xf5,
    0x80, 0x15, 0x15, 0x60, 0x39, 0x57, 0x81, 0x82, 0xfd, 0x5b, 0x80, 0x82, 0x52, 0x50, 0x50, 0x50,
    0x60, 0x14, 0x60, 0x0c, 0xf3,
];

/// The address of the contract that some code creates.
pub fn address(creation: &[u8]) -> Address {
    DEPLOYER.create2_from_code(salt(), creation)
}

/// The call that creates it.
pub fn call(creation: &[u8]) -> Vec<u8> {
    [salt().as_slice(), creation].concat()
}

/// The same for everybody: it is the code that tells contracts apart.
fn salt() -> B256 {
    B256::ZERO
}

/// Fails where the deployer does not stand.
pub fn check(node: &Node) -> Result<()> {
    if node.code(DEPLOYER)? == CODE {
        return Ok(());
    }
    bail!(
        "chain {} has not the usual deployer at {DEPLOYER}: whoever wants it there sends the one transaction that its authors signed for all chains (https://github.com/Arachnid/deterministic-deployment-proxy); or deploy without --create2",
        node.chain_id()
    )
}
