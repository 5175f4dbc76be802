//! Fetch sessions (KIP-227): a client names its partitions once, then only those that it asks for otherwise, and is
//! answered with those that have news.
//!
//! ```text
//! request            session before   answer                          session after
//! (any, -1), v < 7   any              all that was named, id 0        `any` is closed
//! (any, 0)           any              all that was named, new id      `any` is closed, a new one at epoch 1
//! (id, n)            at n             what has news, id               at n + 1; after i32::MAX comes 1
//! (id, n)            at n, now empty  nothing, id 0                   closed
//! (id, n)            at another, used 71 INVALID_FETCH_SESSION_EPOCH  as before
//! (id, n)            by name, not id  106 FETCH_SESSION_TOPIC_ID_ERROR  as before
//! (id, n)            none             70 FETCH_SESSION_ID_NOT_FOUND   none
//! ```
//!
//! What holds:
//! - sessions are in memory, of one agent and one life of it: nothing rests on them, and a client that meets 70 or 71
//!   begins anew with all its partitions;
//! - at most [`SESSIONS_MAX`] of them, and no more bytes than the agent's memory allows
//!   ([`Budget::sessions_bytes`](crate::budget::Budget::sessions_bytes)). Where a new one finds no room its client gets
//!   id 0 and goes on without; where a session outgrows the room it is closed, and its client gets 70;
//! - one request at a time uses a session. A request that is dropped on its way leaves the session as it was updated,
//!   one epoch further;
//! - who calls itself a follower gets no session: Kafka's followers may push out consumers, and we have none.

mod cache;
mod partitions;
mod report;

#[cfg(test)]
mod tests;

use esker_protocol::ErrorCode;
use esker_protocol::messages::FetchRequest;
use parking_lot::Mutex;

use crate::Broker;
use crate::budget::Reservation;
use crate::connection::limits::{FREE_HEAP_BYTES, HEAP_CHARGES};
use crate::metrics::{BrokerMetrics, SessionLabels};
use cache::{Cache, Room, Size};

pub(super) use partitions::{Ask, Partitions};
pub(super) use report::Report;

/// Sessions of an agent: Kafka's `max.incremental.fetch.session.cache.slots`.
pub(crate) const SESSIONS_MAX: usize = 1000;

/// What a partition of a session takes while a request is answered, where the request does not name it, beside its
/// answer: [`HEAP_CHARGES`] are counted of it, as of a partition in a request.
const ASKED_BYTES: u64 = 192;

/// The sessions of an agent.
pub(crate) struct FetchSessions {
    cache: Mutex<Cache>,
    metrics: BrokerMetrics,
}

/// A session that a request uses, until it is dropped.
pub(super) struct Lease<'a> {
    broker: &'a Broker,
    id: i32,
    /// The epoch of the request.
    epoch: i32,
    partitions: Partitions,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut partitions = std::mem::take(&mut self.partitions);
        // Whoever goes away in the middle of an answer has rotated nothing.
        partitions.stay();
        let mut cache = self.broker.sessions.cache.lock();
        cache.put_back(self.id, self.epoch, partitions);
    }
}

/// What a request has to do with sessions.
pub(super) enum InSession<'a> {
    /// Nothing: its partitions are in the request.
    None,
    /// It wants one of these partitions; topics are named by id if the flag says so.
    New(Partitions, bool),
    /// It goes on with one.
    Known(Lease<'a>),
}

impl FetchSessions {
    /// No session yet.
    pub(crate) fn new(bytes_max: u64, metrics: BrokerMetrics) -> Self {
        let room = Room {
            sessions: SESSIONS_MAX,
            bytes: usize::try_from(bytes_max).unwrap_or(usize::MAX),
        };
        Self {
            cache: Mutex::new(Cache::new(room)),
            metrics,
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Cache) -> T) -> T {
        let mut cache = self.cache.lock();
        let evicted = cache.evicted();
        let outcome = change(&mut cache);
        let metrics = &self.metrics;
        metrics.fetch_sessions.set(cache.len() as i64);
        metrics
            .fetch_session_partitions
            .set(cache.total().partitions as i64);
        metrics.fetch_sessions_evicted.inc_by(cache.evicted() - evicted);
        outcome
    }

    fn count(&self, session: &'static str) {
        self.metrics
            .fetches
            .get_or_create(&SessionLabels { session })
            .inc();
    }
}

/// Finds or begins the session of a request. `Err` is what the whole request is answered with.
pub(super) fn open<'a>(
    broker: &'a Broker,
    request: &FetchRequest,
    by_id: bool,
    replica: i32,
) -> Result<InSession<'a>, ErrorCode> {
    let sessions = &broker.sessions;
    let (id, epoch) = (request.session_id, request.session_epoch);
    let now = broker.seams.clock.now();
    if matches!(epoch, 0 | -1) {
        if id != 0 {
            sessions.change(|cache| cache.remove(id));
        }
        if epoch == -1 || replica >= 0 {
            sessions.count("none");
            return Ok(InSession::None);
        }
        let named = request.topics.iter().map(|topic| topic.partitions.len()).sum();
        // Where there is no room most requests are of those who got none: they are spared the work.
        if !sessions.cache.lock().has_room(Size::about(named), now) {
            sessions.count("no_room");
            return Ok(InSession::None);
        }
        sessions.count("new");
        return Ok(InSession::New(Partitions::new(&request.topics), by_id));
    }
    let taken = sessions.change(|cache| cache.take(id, epoch, by_id, now));
    let mut lease = match taken {
        Ok(partitions) => Lease {
            broker,
            id,
            epoch,
            partitions,
        },
        Err(error) => {
            sessions.count("refused");
            return Err(error);
        }
    };
    if !request.topics.is_empty() || !request.forgotten_topics_data.is_empty() {
        lease
            .partitions
            .update(&request.topics, &request.forgotten_topics_data);
        let size = Size::of(&lease.partitions);
        if size.partitions == 0 {
            sessions.change(|cache| cache.remove(id));
        } else if !sessions.change(|cache| cache.resize(id, size, now)) {
            sessions.change(|cache| cache.remove(id));
            sessions.count("refused");
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
    }
    sessions.count("incremental");
    Ok(InSession::Known(lease))
}

/// Nothing is free for a request that must not wait for memory.
pub(super) struct Short;

impl InSession<'_> {
    /// The partitions that are asked for, if not those in the request.
    pub(super) fn partitions(&mut self) -> Option<&mut Partitions> {
        match self {
            Self::None => None,
            Self::New(partitions, _) => Some(partitions),
            Self::Known(lease) => Some(&mut lease.partitions),
        }
    }

    /// Charges what the request becomes when all partitions of its session are looked at, unless that is little. Who holds
    /// memory already (`charged`) does not wait for it.
    pub(super) async fn charge(&self, broker: &Broker, charged: bool) -> Result<Option<Reservation>, Short> {
        let Self::Known(lease) = self else {
            // The request names them, and is charged for that.
            return Ok(None);
        };
        let bytes = lease.partitions.len() as u64 * ASKED_BYTES;
        let pool = &broker.budget.decoded;
        match bytes <= FREE_HEAP_BYTES {
            true => Ok(None),
            false if charged => pool
                .try_reserve((bytes * HEAP_CHARGES).min(pool.bytes()))
                .map(Some)
                .ok_or(Short),
            false => Ok(pool.reserve_at_most(bytes * HEAP_CHARGES).await),
        }
    }

    /// The id of a session that goes on without having been answered.
    pub(super) fn id(&self) -> i32 {
        match self {
            Self::Known(lease) => lease.id,
            Self::None | Self::New(..) => 0,
        }
    }

    /// The request is answered: the id that the answer carries.
    pub(super) fn end(self, broker: &Broker) -> i32 {
        match self {
            Self::None => 0,
            Self::New(mut partitions, by_id) => {
                partitions.stay();
                let now = broker.seams.clock.now();
                let rng = &*broker.seams.rng;
                let kept = broker
                    .sessions
                    .change(|cache| cache.insert(partitions, by_id, now, rng));
                kept.unwrap_or(0)
            }
            Self::Known(mut lease) => {
                lease.partitions.rotate();
                match lease.partitions.len() {
                    // As Kafka: a session without partitions is closed.
                    0 => 0,
                    _ => lease.id,
                }
            }
        }
    }
}
