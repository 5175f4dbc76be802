//! The cache of the simulator: the same behaviour from plain maps, with no clock, no thread and no
//! randomness of its own.
//!
//! Whoever waits for a load drives it: the load is a future that all of them share. If all of them stop
//! waiting it is dropped, and the next caller brings its own.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use esker_model::seams::BoxFuture;
use futures::FutureExt;
use futures::future::{Shared, WeakShared};

use super::{CacheKey, ENTRY_BYTES, SegmentCache};
use crate::error::StoreError;

type Load = BoxFuture<'static, Result<Bytes, StoreError>>;

#[derive(Default)]
struct State {
    entries: BTreeMap<CacheKey, (u64, Bytes)>,
    by_use: BTreeMap<u64, CacheKey>,
    uses: u64,
    weight: u64,
    loads: BTreeMap<CacheKey, WeakShared<Load>>,
}

/// A deterministic cache.
pub struct LruCache {
    bytes_max: u64,
    state: Mutex<State>,
}

fn weigh(bytes: &Bytes) -> u64 {
    bytes.len() as u64 + ENTRY_BYTES
}

impl State {
    fn touch(&mut self, key: &CacheKey) -> Option<Bytes> {
        let (used, bytes) = self.entries.get_mut(key)?;
        self.uses += 1;
        self.by_use.remove(used);
        self.by_use.insert(self.uses, *key);
        *used = self.uses;
        Some(bytes.clone())
    }

    fn remove(&mut self, key: &CacheKey) {
        if let Some((used, bytes)) = self.entries.remove(key) {
            self.by_use.remove(&used);
            self.weight -= weigh(&bytes);
        }
    }

    fn insert(&mut self, key: CacheKey, bytes: Bytes, bytes_max: u64) {
        self.remove(&key);
        let weight = weigh(&bytes);
        if weight > bytes_max {
            return;
        }
        while self.weight + weight > bytes_max {
            let Some((_, oldest)) = self.by_use.first_key_value().map(|(used, key)| (*used, *key)) else {
                break;
            };
            self.remove(&oldest);
        }
        self.uses += 1;
        self.by_use.insert(self.uses, key);
        self.entries.insert(key, (self.uses, bytes));
        self.weight += weight;
    }

    /// The load under way for `key`, or `load` if there is none.
    fn join(&mut self, key: CacheKey, load: Load) -> Shared<Load> {
        if let Some(running) = self.loads.get(&key).and_then(WeakShared::upgrade) {
            return running;
        }
        // Loads that everybody gave up on leave their names behind: forget those first.
        self.loads.retain(|_, load| load.upgrade().is_some());
        let mine = load.shared();
        if let Some(weak) = mine.downgrade() {
            self.loads.insert(key, weak);
        }
        mine
    }
}

impl LruCache {
    /// A cache of at most `bytes_max`. An entry larger than that is handed out and not kept.
    pub fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SegmentCache for LruCache {
    async fn get(&self, key: CacheKey, load: Load) -> Result<Bytes, StoreError> {
        let shared = {
            let mut state = self.lock();
            if let Some(bytes) = state.touch(&key) {
                return Ok(bytes);
            }
            state.join(key, load)
        };
        let result = shared.clone().await;
        let mut state = self.lock();
        // The first to wake keeps the result and ends the load; a later load of the same key is another's.
        let ours = state
            .loads
            .get(&key)
            .and_then(WeakShared::upgrade)
            .is_some_and(|l| l.ptr_eq(&shared));
        if ours {
            state.loads.remove(&key);
            if let Ok(bytes) = &result {
                state.insert(key, bytes.clone(), self.bytes_max);
            }
        }
        result
    }

    fn peek(&self, key: &CacheKey) -> Option<Bytes> {
        self.lock().touch(key)
    }

    fn weight(&self) -> u64 {
        self.lock().weight
    }

    async fn invalidate(&self, key: &CacheKey) {
        self.lock().remove(key);
    }

    fn clear(&self) {
        let mut state = self.lock();
        state.entries.clear();
        state.by_use.clear();
        state.weight = 0;
    }
}
