//! The agent's memory budget.
//!
//! What holds: the bytes of request frames, of what large ones become when they are decoded, of large
//! responses being written and of the cache together stay below `memory_bytes`, because each has a share of
//! its own and nothing is read into memory before its size was reserved. What is small is not charged, but
//! limited for each connection (`connection::limits`): a full budget stops nobody who asks for little.
//!
//! A share that is used up makes its callers wait, in order: sockets are not read, which slows clients down.
//! Shares are separate, so that producers can starve neither administration nor readers. Before producers
//! have to wait, recent segments are dropped from memory: what is kept for readers yields first, and again
//! while somebody waits, because what was in use a moment ago is kept for readers by now.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use esker_model::seams::{Clock, SystemClock};
use esker_protocol::limits::DECOMPRESSED_BYTES_MAX;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Parts of 32 that each use gets of `memory_bytes`.
const CONTROL_PARTS: u64 = 1;
const CONTROL_BEGUN_PARTS: u64 = 1;
const DECODED_PARTS: u64 = 1;
const PRODUCE_PARTS: u64 = 13;
const PRODUCE_BEGUN_PARTS: u64 = 1;
const TRICKLE_PARTS: u64 = 1;
const FETCH_PARTS: u64 = 6;
const CACHE_PARTS: u64 = 8;

/// Parts of [`FETCH_PARTS`] that archived records may take: slow readers of history leave room for those at the tail.
const HISTORY_FETCH_PARTS: u64 = 4;
const PARTS: u64 = 32;

const _: () = assert!(
    CONTROL_PARTS
        + CONTROL_BEGUN_PARTS
        + DECODED_PARTS
        + PRODUCE_PARTS
        + PRODUCE_BEGUN_PARTS
        + TRICKLE_PARTS
        + FETCH_PARTS
        + CACHE_PARTS
        == PARTS
);

/// Parts of `CACHE_PARTS` that are kept for archived records.
const HISTORY_CACHE_PARTS: u64 = 3;

const _: () = assert!(HISTORY_CACHE_PARTS < CACHE_PARTS && HISTORY_FETCH_PARTS < FETCH_PARTS);

/// What part of `memory_bytes` a compressed batch may become when it is opened.
const OPENED_PART: u64 = 8;

/// What part of `memory_bytes` members of groups may fill with what they tell, beside the budget.
const GROUP_PART: u64 = 16;

/// What part of `memory_bytes` a round of archiving holds beside the budget, and the most that it holds: the longer the
/// stretches of a partition in it, the better they are read.
const ARCHIVE_PART: u64 = 8;
const ARCHIVE_ROUND_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What part of `memory_bytes` fetch sessions may take beside the budget.
const SESSIONS_PART: u64 = 64;

/// The smallest budget that an agent starts with.
pub const MEMORY_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// The shares of one agent.
pub struct Budget {
    /// Frames of every request that carries no records.
    pub control: Arc<Pool>,
    /// Frames for `control` that have only begun.
    pub control_begun: Begun,
    /// Requests whose decoded form is large, until they are answered.
    pub decoded: Arc<Pool>,
    /// Frames of produce requests, until their last batch has left memory.
    pub produce: Arc<Pool>,
    /// Frames for `produce` that have only begun.
    pub produce_begun: Begun,
    /// Small frames of produce requests while all of `produce` is in use. Nobody waits for it.
    pub trickle: Arc<Pool>,
    /// Fetch responses, and large ones of other requests, until they are written.
    pub fetch: Arc<Pool>,
    /// What of `fetch` archived records may take: charged beside it.
    pub history: Arc<Pool>,
    /// Bytes that a compressed batch may become when it is opened. Not charged: they live while one thread
    /// looks at them, so there are never more of them than threads; opening takes some four times as much.
    pub opened_bytes_max: usize,
    /// What the cache may weigh.
    pub cache_bytes: u64,
    /// What of that archived records may weigh.
    pub history_cache_bytes: u64,
}

impl Budget {
    /// Divides `memory_bytes`.
    pub fn new(memory_bytes: u64) -> Self {
        let part = memory_bytes.max(MEMORY_BYTES_MIN) / PARTS;
        Self {
            control: Arc::new(Pool::new(part * CONTROL_PARTS)),
            control_begun: Begun::new(part * CONTROL_BEGUN_PARTS),
            decoded: Arc::new(Pool::new(part * DECODED_PARTS)),
            produce: Arc::new(Pool::new(part * PRODUCE_PARTS)),
            produce_begun: Begun::new(part * PRODUCE_BEGUN_PARTS),
            trickle: Arc::new(Pool::new(part * TRICKLE_PARTS)),
            fetch: Arc::new(Pool::new(part * FETCH_PARTS)),
            history: Arc::new(Pool::new(part * HISTORY_FETCH_PARTS)),
            opened_bytes_max: usize::try_from(part * PARTS / OPENED_PART)
                .unwrap_or(usize::MAX)
                .min(DECOMPRESSED_BYTES_MAX),
            cache_bytes: Self::cache_bytes(memory_bytes),
            history_cache_bytes: Self::history_cache_bytes(memory_bytes),
        }
    }

    /// Bytes of ingest segments in one round of archiving. Not charged to a share: only an agent that does this work
    /// at the moment needs them.
    pub fn archive_round_bytes(memory_bytes: u64) -> u64 {
        (memory_bytes.max(MEMORY_BYTES_MIN) / ARCHIVE_PART).min(ARCHIVE_ROUND_BYTES_MAX)
    }

    /// Bytes that members of groups may have told of themselves. Not charged to a share: few clusters come near it.
    pub fn group_bytes(memory_bytes: u64) -> u64 {
        memory_bytes.max(MEMORY_BYTES_MIN) / GROUP_PART
    }

    /// Bytes that the partitions of all fetch sessions may take. Not charged to a share: they stay for as long as there is
    /// room, and nobody waits for it.
    pub fn sessions_bytes(memory_bytes: u64) -> u64 {
        memory_bytes.max(MEMORY_BYTES_MIN) / SESSIONS_PART
    }

    /// The cache's share of `memory_bytes`.
    pub fn cache_bytes(memory_bytes: u64) -> u64 {
        memory_bytes.max(MEMORY_BYTES_MIN) / PARTS * CACHE_PARTS
    }

    /// What of [`Budget::cache_bytes`] is kept for archived records: whoever reads history pushes out nothing that
    /// consumers at the tail want.
    pub fn history_cache_bytes(memory_bytes: u64) -> u64 {
        Self::cache_bytes(memory_bytes) / CACHE_PARTS * HISTORY_CACHE_PARTS
    }
}

/// Beginnings of frames whose senders are not believed yet, one share for each of `connection::limits::FRAME_STEPS`.
///
/// Whoever holds a step waits for the next, and at last for the whole frame: always for a share further on, so
/// nobody waits for one who waits for him.
pub struct Begun {
    steps: [Pool; 2],
}

impl Begun {
    fn new(bytes: u64) -> Self {
        Self {
            steps: [Pool::new(bytes / 2), Pool::new(bytes / 2)],
        }
    }

    /// The shares in the order in which a frame goes through them.
    pub fn steps(&self) -> &[Pool; 2] {
        &self.steps
    }

    /// Bytes of all steps.
    pub fn bytes(&self) -> u64 {
        self.steps.iter().map(Pool::bytes).sum()
    }

    /// How long callers waited for the steps.
    pub fn waited(&self) -> Duration {
        self.steps.iter().map(Pool::waited).sum()
    }

    /// Bytes reserved now.
    pub fn used(&self) -> u64 {
        self.steps.iter().map(Pool::used).sum()
    }
}

/// Who still waits for memory after this long asks again for what can be freed. A busy agent frees
/// memory by itself before that.
const YIELD_AGAIN: Duration = Duration::from_millis(500);

type Yield = Box<dyn Fn(u64) + Send + Sync>;

/// All waits for a share, together.
#[derive(Default)]
struct Waits {
    under_way: i64,
    /// The ends of those that ended, less the beginnings of all.
    micros: i64,
}

/// One share.
pub struct Pool {
    bytes: u64,
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    clock: SystemClock,
    waits: Mutex<Waits>,
    wanted: Notify,
    yield_memory: OnceLock<Yield>,
}

/// Reserved bytes; dropping it gives them back.
#[derive(Debug)]
pub struct Reservation {
    _permit: OwnedSemaphorePermit,
    shared: Vec<Arc<Reservation>>,
}

impl Reservation {
    /// The same reservation, which also keeps others that several hold together.
    #[must_use]
    pub fn sharing(mut self, others: impl IntoIterator<Item = Arc<Reservation>>) -> Self {
        self.shared.extend(others);
        self
    }
}

/// Counts one who waits, until it is dropped.
struct Waiting<'a>(&'a Pool);

impl<'a> Waiting<'a> {
    fn new(pool: &'a Pool) -> Self {
        pool.waiting.fetch_add(1, Ordering::Relaxed);
        let mut waits = pool.waits.lock();
        waits.under_way += 1;
        waits.micros -= pool.now_us();
        drop(waits);
        Self(pool)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waits = self.0.waits.lock();
        waits.under_way -= 1;
        waits.micros += self.0.now_us();
        drop(waits);
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// More was asked for than the whole share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{asked} bytes do not fit into a memory share of {share} bytes")]
pub struct TooLarge {
    /// Bytes asked for.
    pub asked: u64,
    /// Bytes of the whole share.
    pub share: u64,
}

impl Pool {
    fn new(bytes: u64) -> Self {
        let bytes = bytes.min(u64::from(u32::MAX));
        Self {
            bytes,
            free: Arc::new(Semaphore::new(bytes as usize)),
            waiting: AtomicUsize::new(0),
            clock: SystemClock::new(),
            waits: Mutex::default(),
            wanted: Notify::new(),
            yield_memory: OnceLock::new(),
        }
    }

    /// Bytes of the whole share.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes reserved now.
    pub fn used(&self) -> u64 {
        self.bytes.saturating_sub(self.free.available_permits() as u64)
    }

    /// How long callers waited for memory of this share, all together; those who wait now included.
    pub fn waited(&self) -> Duration {
        let waits = self.waits.lock();
        let micros = waits
            .micros
            .saturating_add(waits.under_way.saturating_mul(self.now_us()));
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    fn now_us(&self) -> i64 {
        i64::try_from(self.clock.now().0.as_micros()).unwrap_or(i64::MAX)
    }

    /// Names who can free memory of this share when somebody would have to wait for that many bytes.
    pub fn on_pressure(&self, yield_memory: impl Fn(u64) + Send + Sync + 'static) {
        let _ = self.yield_memory.set(Box::new(yield_memory));
    }

    /// Reserves `bytes`, waiting for its turn. Dropping the future gives up the place in the queue.
    pub async fn reserve(&self, bytes: u64) -> Result<Reservation, TooLarge> {
        let permits = self.permits(bytes)?;
        if let Some(reservation) = self.try_reserve(bytes) {
            return Ok(reservation);
        }
        let _waiting = Waiting::new(self);
        self.wanted.notify_waiters();
        let mut turn = pin!(Arc::clone(&self.free).acquire_many_owned(permits));
        let acquired = loop {
            let Some(yield_memory) = self.yield_memory.get() else {
                break turn.await;
            };
            yield_memory(bytes);
            if let Ok(acquired) = tokio::time::timeout(YIELD_AGAIN, turn.as_mut()).await {
                break acquired;
            }
        };
        match acquired {
            Ok(permit) => Ok(Reservation {
                _permit: permit,
                shared: Vec::new(),
            }),
            Err(_) => Err(TooLarge {
                asked: bytes,
                share: 0,
            }),
        }
    }

    /// Whether less than a quarter of this share is free.
    pub fn is_short(&self) -> bool {
        (self.free.available_permits() as u64) < self.bytes / 4
    }

    /// Whether somebody waits for memory of this share.
    pub fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Returns when somebody waits for memory of this share.
    pub async fn until_wanted(&self) {
        loop {
            let mut wanted = pin!(self.wanted.notified());
            // Who begins to wait from now on is noticed.
            wanted.as_mut().enable();
            if self.is_wanted() {
                return;
            }
            wanted.await;
        }
    }

    /// Reserves `bytes`, or the whole share if that is less, waiting for its turn.
    pub async fn reserve_at_most(&self, bytes: u64) -> Option<Reservation> {
        self.reserve(bytes.min(self.bytes)).await.ok()
    }

    /// Whether that many bytes can ever be reserved.
    pub fn fits(&self, bytes: u64) -> Result<(), TooLarge> {
        self.permits(bytes).map(|_| ())
    }

    /// Reserves `bytes` if they are free now.
    pub fn try_reserve(&self, bytes: u64) -> Option<Reservation> {
        let permits = self.permits(bytes).ok()?;
        let permit = Arc::clone(&self.free).try_acquire_many_owned(permits).ok()?;
        Some(Reservation {
            _permit: permit,
            shared: Vec::new(),
        })
    }

    fn permits(&self, bytes: u64) -> Result<u32, TooLarge> {
        match u32::try_from(bytes) {
            Ok(permits) if bytes <= self.bytes => Ok(permits),
            _ => Err(TooLarge {
                asked: bytes,
                share: self.bytes,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_are_added_up_while_they_last_and_after() {
        let pool = Arc::new(Pool::new(10));
        let first = pool.reserve(10).await.unwrap();
        assert_eq!(pool.waited(), Duration::ZERO);
        let waits = |pool: Arc<Pool>| async move { drop(pool.reserve(1).await.unwrap()) };
        let (one, two) = (waits(Arc::clone(&pool)), waits(Arc::clone(&pool)));
        let hold = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert_eq!(pool.waited(), Duration::from_secs(6));
            drop(first);
        };
        tokio::join!(one, two, hold);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(pool.waited(), Duration::from_secs(6));
    }
}
