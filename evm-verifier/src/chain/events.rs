//! Looking for events, and for the block of a contract, on nodes that refuse to look at many blocks at once.

use super::{
    node::{foreign, Log, Topic},
    Address, ChainError, Node,
};
use ethers::{
    providers::Middleware,
    types::{Filter, H256},
};

/// Most questions of one search: at a thousand blocks each, more than four years of Ethereum's.
const MAX_QUESTIONS: u32 = 12_000;
/// Most questions in a row that may go unanswered, as when the node or a gateway before it takes too long.
const MAX_FAILURES: u32 = 6;

impl Node {
    /// Looks at the events of a contract with these topics, from the newest block back to `from_block`: as many blocks
    /// at once as the node answers for. Stops at the first that `wanted` takes.
    pub fn find_log(
        &self,
        of: Address,
        from_block: u64,
        topics: [Topic; 4],
        wanted: &mut dyn FnMut(&Log) -> bool,
    ) -> Result<Option<Log>, ChainError> {
        let mut newest = self.block_number()?;
        let mut size = newest.saturating_sub(from_block).saturating_add(1);
        let (mut questions, mut failures) = (0, 0);
        while newest >= from_block {
            let oldest = newest.saturating_sub(size - 1).max(from_block);
            questions += 1;
            match self.logs(of, oldest, newest, &topics) {
                Ok(logs) => {
                    failures = 0;
                    if let Some(log) = logs.into_iter().rev().find(|log| wanted(log)) {
                        return Ok(Some(log));
                    }
                    match oldest.checked_sub(1) {
                        Some(before) => newest = before,
                        None => break,
                    }
                }
                Err((error, answered)) => {
                    failures = if answered { 0 } else { failures + 1 };
                    if oldest == newest || failures > MAX_FAILURES {
                        return Err(error);
                    }
                    size = (newest - oldest).div_ceil(2);
                }
            }
            if questions >= MAX_QUESTIONS && newest >= from_block {
                return Err(self.error(
                    "eth_getLogs",
                    format!("blocks {from_block} to {newest} are not searched after {questions} questions, of {size} blocks at the end; ask a node that answers for more blocks at once"),
                ));
            }
        }
        Ok(None)
    }

    /// Events in some blocks; an error says whether the node answered at all.
    fn logs(
        &self,
        of: Address,
        oldest: u64,
        newest: u64,
        topics: &[Topic; 4],
    ) -> Result<Vec<Log>, (ChainError, bool)> {
        let mut filter = Filter::new()
            .address(foreign(of))
            .from_block(oldest)
            .to_block(newest);
        for (slot, topic) in filter.topics.iter_mut().zip(topics) {
            *slot = topic.map(|topic| H256(topic.0).into());
        }
        self.ask_or_error("eth_getLogs", self.provider.get_logs(&filter))
            .map(|logs| logs.into_iter().map(Log::from).collect())
    }

    /// The block that a contract has stood from; none where the node has forgotten the states before.
    pub fn creation_block(&self, of: Address) -> Result<Option<u64>, ChainError> {
        let newest = self.block_number()?;
        let (mut absent, mut there) = (None, newest);
        // There is code in `there`, and none in `absent`, the block before the first where it is none.
        while there > absent.map_or(0, |block: u64| block + 1) {
            let first = absent.map_or(0, |block: u64| block + 1);
            let middle = first + (there - first) / 2;
            let code = self.provider.get_code(foreign(of), Some(middle.into()));
            match self.ask_or_error("eth_getCode", code) {
                Ok(code) if code.is_empty() => absent = Some(middle),
                Ok(_) => there = middle,
                Err((_, true)) => return Ok(None),
                Err((error, false)) => return Err(error),
            }
        }
        Ok(Some(there))
    }
}
