//! The idempotent producer of the Java client.
//!
//! What holds per partition: a batch is *tracked* from its first sending until it is done with, in the queue
//! or on the wire; the first of the tracked ones to be sent again goes alone, the next one follows when it
//! is done with. New batches may go meanwhile. One connection has up to five requests on the wire.
//!
//! - 45 for the batch after the last acknowledged one: the epoch is bumped and the partition's tracked
//!   batches are numbered anew from 0; for others: sent again as they are.
//! - A batch is given up when it is older than the delivery timeout, also on the wire. If it had been sent
//!   again before, the partition is *unresolved*: no new batch is sent until nothing is tracked; then, unless
//!   all sequences were acknowledged after all, the epoch is bumped.
//! - Any other error that does not pass gives the batch up and bumps the epoch (KIP-360).
//!
//! The producer bumps its epoch by itself. A partition that did not ask for it goes on in its old epoch
//! until none of its batches is tracked, and begins at 0 then.

use std::collections::BTreeSet;
use std::time::Duration;

use esker_history::event::Identity;

use super::lane::{Lane, Outgoing, advance};
use super::policy::{Answer, Fate, IN_FLIGHT_MAX, Policy, Wishes, is_retriable, too_old_us, wants_refresh};

const OUT_OF_ORDER: i16 = 45;
const DUPLICATE: i16 = 46;
const UNKNOWN_PRODUCER: i16 = 59;

/// State of the producer.
pub(super) struct Java {
    delivery_timeout: Duration,
    id: Option<(i64, i16)>,
    /// Partitions that ask for a new epoch.
    bumps: BTreeSet<usize>,
    lanes: Vec<State>,
}

/// State of one partition.
#[derive(Clone, Default)]
struct State {
    /// Producer id and epoch that the sequences belong to.
    id: Option<(i64, i16)>,
    /// Sequence of the next batch that is sent for the first time.
    next: i32,
    /// Sequence after the last acknowledged one.
    next_ack: i32,
    /// The sequence after the last one whose batch was given up with its fate unknown.
    unresolved: Option<i32>,
}

/// The tracked batches of a partition, oldest first.
fn tracked(lane: &mut Lane) -> Vec<&mut Outgoing> {
    let wire = lane.wire.iter_mut().filter(|batch| !batch.abandoned);
    let queue = lane.queue.iter_mut().filter(|batch| batch.identity.is_some());
    let mut all: Vec<_> = wire.chain(queue).collect();
    all.sort_by_key(|batch| batch.name.number);
    all
}

impl State {
    fn mark_unresolved(&mut self, batch: &Outgoing) {
        if batch.retried {
            self.unresolved = self.unresolved.max(batch.next_sequence());
        }
    }
}

impl Java {
    /// A producer without id.
    pub(super) fn new(lanes: usize, delivery_timeout: Duration) -> Self {
        Self {
            delivery_timeout,
            id: None,
            bumps: BTreeSet::new(),
            lanes: vec![State::default(); lanes],
        }
    }

    fn too_old(&self, batch: &Outgoing, now_us: u64) -> bool {
        too_old_us(now_us, self.delivery_timeout).is_some_and(|limit_us| batch.made_us <= limit_us)
    }

    /// Whether a refused batch is tried again; asks for a new epoch if that needs one.
    fn may_retry(&mut self, at: usize, batch: &Outgoing, error: i16) -> bool {
        let Some(state) = self.lanes.get(at) else {
            return false;
        };
        match error {
            OUT_OF_ORDER => {
                let is_next = !batch.renamed && batch.first_sequence() == Some(state.next_ack);
                let bump = match state.unresolved {
                    None => is_next,
                    Some(next) => batch.first_sequence() == Some(next),
                };
                if bump {
                    self.bumps.insert(at);
                }
                true
            }
            UNKNOWN_PRODUCER => {
                if !batch.renamed {
                    self.bumps.insert(at);
                }
                true
            }
            error => is_retriable(error),
        }
    }

    /// Gives up what is older than the delivery timeout.
    fn expire(&mut self, lanes: &mut [Lane], now_us: u64, wishes: &mut Wishes) {
        let Some(limit_us) = too_old_us(now_us, self.delivery_timeout) else {
            return;
        };
        for (lane, state) in lanes.iter_mut().zip(&mut self.lanes) {
            for batch in &mut lane.wire {
                if batch.made_us <= limit_us && !batch.abandoned {
                    batch.abandoned = true;
                    state.mark_unresolved(batch);
                }
            }
            for batch in lane.take_made_before(limit_us) {
                state.mark_unresolved(&batch);
                wishes.given_up.push(batch);
            }
        }
    }

    /// Partitions without tracked batches know where they are, or need a new epoch.
    fn resolve(&mut self, lanes: &mut [Lane]) {
        for (at, (lane, state)) in lanes.iter_mut().zip(&mut self.lanes).enumerate() {
            if state.unresolved.is_some() && tracked(lane).is_empty() {
                state.unresolved = None;
                if state.next != state.next_ack {
                    self.bumps.insert(at);
                }
            }
        }
    }

    fn bump(&mut self, lanes: &mut [Lane]) {
        let bumps = std::mem::take(&mut self.bumps);
        let Some((id, epoch)) = self.id.filter(|_| !bumps.is_empty()) else {
            return;
        };
        let Some(epoch) = epoch.checked_add(1) else {
            // Used up: another id. Partitions begin anew as soon as nothing is tracked.
            self.id = None;
            return;
        };
        self.id = Some((id, epoch));
        for at in bumps {
            let (Some(lane), Some(state)) = (lanes.get_mut(at), self.lanes.get_mut(at)) else {
                continue;
            };
            *state = State {
                id: self.id,
                ..State::default()
            };
            for batch in tracked(lane) {
                batch.identify(Identity {
                    id,
                    epoch,
                    first_sequence: state.next,
                });
                state.next = advance(state.next, batch.records.count);
            }
        }
    }
}

impl Policy for Java {
    fn wants_id(&self) -> bool {
        self.id.is_none()
    }

    fn set_id(&mut self, id: i64, epoch: i16) {
        self.id = Some((id, epoch));
    }

    fn requests_max(&self) -> usize {
        IN_FLIGHT_MAX
    }

    fn admit(&mut self, lanes: &mut [Lane], at: usize, now_us: u64) -> Option<usize> {
        let (id, epoch) = self.id?;
        let state = self.lanes.get_mut(at)?;
        let lane = lanes.get_mut(at)?;
        let oldest = tracked(lane).first().and_then(|batch| batch.first_sequence());
        let first = lane.queue.front_mut().filter(|batch| batch.ready_us <= now_us)?;
        if first.identity.is_some() {
            return (first.first_sequence() == oldest).then_some(0);
        }
        let stale = state.id != Some((id, epoch));
        if (stale && oldest.is_some()) || state.unresolved.is_some() {
            return None;
        }
        if stale {
            *state = State {
                id: Some((id, epoch)),
                ..State::default()
            };
        }
        first.identify(Identity {
            id,
            epoch,
            first_sequence: state.next,
        });
        state.next = advance(state.next, first.records.count);
        Some(0)
    }

    fn answered(
        &mut self,
        _lanes: &mut [Lane],
        at: usize,
        batch: &mut Outgoing,
        answer: Answer,
        now_us: u64,
        wishes: &mut Wishes,
    ) -> Fate {
        let error = match answer {
            Answer::Acked | Answer::Refused(DUPLICATE) => {
                self.acked_late(at, batch);
                return if answer == Answer::Acked {
                    Fate::Done
                } else {
                    Fate::GivenUp
                };
            }
            Answer::Lost => {
                wishes.refresh = true;
                None
            }
            Answer::Refused(error) => {
                wishes.refresh |= wants_refresh(error);
                Some(error)
            }
        };
        let expired = self.too_old(batch, now_us);
        if !expired && error.is_none_or(|error| self.may_retry(at, batch, error)) {
            return Fate::Again;
        }
        self.bumps.insert(at);
        Fate::GivenUp
    }

    fn acked_late(&mut self, at: usize, batch: &Outgoing) {
        let (Some(state), Some(identity)) = (self.lanes.get_mut(at), batch.identity) else {
            return;
        };
        if let (true, Some(next)) = (
            state.id == Some((identity.id, identity.epoch)),
            batch.next_sequence(),
        ) {
            state.next_ack = state.next_ack.max(next);
        }
    }

    fn tend(&mut self, lanes: &mut [Lane], now_us: u64, wishes: &mut Wishes) {
        self.expire(lanes, now_us, wishes);
        self.resolve(lanes);
        self.bump(lanes);
    }

    fn dropped(&mut self, _lanes: &mut [Lane], at: usize, batches: &[Outgoing]) {
        if let Some(state) = self.lanes.get_mut(at) {
            for batch in batches {
                state.mark_unresolved(batch);
            }
        }
    }

    fn moved(&mut self, at: usize, before: bool) {
        if let Some(state) = self.lanes.get_mut(at) {
            *state = State::default();
        }
        // Its sequences from 0 on were used there in this epoch.
        if before {
            self.bumps.insert(at);
        }
    }
}
