//! What an agent's process shows of a broker: memory in use, and how many groups there are.

use std::time::Duration;

use crate::Broker;

/// One share of the memory budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// What it is for: `control`, `decoded`, `produce`, `fetch` or `cache`.
    pub r#use: &'static str,
    /// Bytes in use now.
    pub used: u64,
    /// Bytes of the whole share.
    pub max: u64,
    /// How long callers waited for some of it, all together.
    pub waited: Duration,
}

impl Broker {
    /// Bytes of records that are kept in memory for readers although they are in the bucket. Their frames are
    /// part of what `produce` uses.
    pub fn recent_bytes(&self) -> u64 {
        self.recent.bytes()
    }

    /// Gives up what is kept in memory for readers: they find it in the bucket.
    pub fn give_up_recent(&self) {
        self.recent.shrink(u64::MAX);
    }

    /// Brings the gauges of groups up to date, for somebody who is about to read them.
    pub fn count_groups(&self) {
        self.groups.count();
    }

    /// The shares of the memory budget and what is in use of each.
    pub fn memory(&self) -> [MemoryUse; 5] {
        let budget = &self.budget;
        let pool = |r#use, pool: &crate::budget::Pool| MemoryUse {
            r#use,
            used: pool.used(),
            max: pool.bytes(),
            waited: pool.waited(),
        };
        [
            MemoryUse {
                r#use: "control",
                used: budget.control.used() + budget.control_begun.used(),
                max: budget.control.bytes() + budget.control_begun.bytes(),
                waited: budget.control.waited() + budget.control_begun.waited(),
            },
            pool("decoded", &budget.decoded),
            MemoryUse {
                r#use: "produce",
                used: budget.produce.used() + budget.produce_begun.used() + budget.trickle.used(),
                max: budget.produce.bytes() + budget.produce_begun.bytes() + budget.trickle.bytes(),
                waited: budget.produce.waited() + budget.produce_begun.waited(),
            },
            pool("fetch", &budget.fetch),
            MemoryUse {
                r#use: "cache",
                used: self.cache.weight(),
                max: budget.cache_bytes,
                waited: Duration::ZERO,
            },
        ]
    }
}
