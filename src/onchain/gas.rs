//! What a transaction takes in the EVM of this program: what a node says is compared with it, and a proof that it
//! rejects is not sent.

use super::{
    call::{Call, Contracts, Places},
    create2,
    refusal::refused,
};
use anyhow::{Context, Result};
use zkml_evm_verifier::{
    chain::{Address, Revert},
    exec::{Chain, Fork},
    front::{register_call, IModelVerifier::Model},
};

/// Gas of a deployment.
pub fn of_deployment(creation: &[u8]) -> Result<u64> {
    most(&|chain| Ok(chain.deploy(creation)?.gas))
}

/// Gas of a deployment by the usual deployer.
pub fn of_create2(creation: &[u8]) -> Result<u64> {
    most(&|chain| {
        chain.set_code(create2::DEPLOYER, &create2::CODE);
        call(chain, create2::DEPLOYER, &create2::call(creation))
    })
}

/// Gas of a registration with the front at an address.
pub fn of_registration(
    contracts: &Contracts,
    places: &Places,
    front: Address,
    model: &Model,
) -> Result<u64> {
    most(&|chain| {
        stand(chain, contracts, places);
        call(chain, front, &register_call(model))
    })
}

/// Gas of a call of the contracts.
pub fn of_call(contracts: &Contracts, places: &Places, what: &Call) -> Result<u64> {
    most(&|chain| {
        stand(chain, contracts, places);
        for model in &what.models {
            call(chain, what.to, &register_call(model))?;
        }
        call(chain, what.to, &what.data)
    })
}

/// Puts the contracts where they stand on a chain: their addresses are in calldata, whose zeros cost less.
fn stand(chain: &mut Chain, contracts: &Contracts, places: &Places) {
    let verifier = &contracts.verifier.bytecode.runtime;
    chain.set_code(places.verifier.address, verifier);
    if let Some(front) = &places.front {
        chain.set_code(front.address, &contracts.front.bytecode.runtime);
    }
}

fn call(chain: &mut Chain, to: Address, data: &[u8]) -> Result<u64> {
    let outcome = chain.call(to, data)?;
    if outcome.returned {
        return Ok(outcome.gas.total);
    }
    Err(refused(&Revert {
        data: outcome.output,
        message: outcome.ending,
    }))
    .context("in the local EVM; nothing was sent")
}

/// The most that it takes under the rules of any fork: the chain's is not known.
fn most(run: &dyn Fn(&mut Chain) -> Result<u64>) -> Result<u64> {
    let gas = Fork::ALL.map(|fork| run(&mut Chain::new(fork)));
    gas.into_iter().try_fold(0, |most, gas| Ok(most.max(gas?)))
}
