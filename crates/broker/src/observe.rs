//! What an agent's process shows of a broker: memory in use.

use crate::Broker;

/// One share of the memory budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// What it is for: `control`, `produce`, `fetch` or `cache`.
    pub r#use: &'static str,
    /// Bytes in use now.
    pub used: u64,
    /// Bytes of the whole share.
    pub max: u64,
}

impl Broker {
    /// The shares of the memory budget and what is in use of each.
    pub fn memory(&self) -> [MemoryUse; 4] {
        let budget = &self.budget;
        let pool = |r#use, pool: &crate::budget::Pool| MemoryUse {
            r#use,
            used: pool.used(),
            max: pool.bytes(),
        };
        [
            pool("control", &budget.control),
            pool("produce", &budget.produce),
            pool("fetch", &budget.fetch),
            MemoryUse {
                r#use: "cache",
                used: self.cache.weight(),
                max: budget.cache_bytes,
            },
        ]
    }
}
