//! Which objects one process read whole, and how often: each at most once, while its cache has room for all of them.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// More than what an entry of the cache weighs beyond its bytes.
const ENTRY_BYTES: u64 = 1_000;

/// How often each object was read whole by one life of an agent, and its size. A process has one cache for all
/// its lives: what earlier ones read counts for the room in it.
#[derive(Default)]
pub(in crate::world) struct WholeReads(Mutex<BTreeMap<String, (u32, u64)>>);

impl WholeReads {
    /// An object was read whole.
    pub(super) fn note(&self, key: &str, bytes: u64) {
        let mut reads = self.0.lock();
        let read = reads.entry(key.to_owned()).or_default();
        *read = (read.0 + 1, bytes);
    }

    /// What was read more than once although a cache of `cache_bytes` had room for all that was read;
    /// counting starts anew.
    pub(in crate::world) fn take(&self, cache_bytes: u64) -> Vec<(String, u32)> {
        let mut reads = self.0.lock();
        let bytes: u64 = reads.values().map(|(_, bytes)| bytes + ENTRY_BYTES).sum();
        let mut again = Vec::new();
        for (key, (times, _)) in reads.iter_mut() {
            let times = std::mem::take(times);
            if times > 1 && bytes <= cache_bytes {
                again.push((key.clone(), times));
            }
        }
        again
    }
}
