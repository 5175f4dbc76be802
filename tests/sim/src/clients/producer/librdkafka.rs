//! The idempotent producer of librdkafka.
//!
//! What holds per partition: sequences are given when a batch is first sent and stay as they are within one
//! epoch; up to five batches are on the wire; after any failure the partition is *drained* (nothing is sent
//! until all that is on the wire was answered), then everything is sent again from the oldest on, pipelined.
//! It is drained as well when another host leads it.
//!
//! - An acknowledgement acknowledges everything before it: an earlier batch whose answer was lost must have
//!   been written. Its offset stays unknown, so the history says that it was given up.
//! - 45 for the batch after the last acknowledged one: producer and broker disagree, fatal. For a later one:
//!   a consequence of an earlier failure, sent again in a new epoch.
//! - 46: it was written before; its offset stays unknown.
//! - 47 and every other error that does not pass: the batch is given up, and the gap that it leaves is
//!   closed by a new epoch.
//! - A batch that waits in the queue longer than the delivery timeout is given up, with the same consequence.
//!
//! A *new epoch* begins once nothing is on the wire on any partition: all that waits is numbered anew from 0.
//! What was sent in the old epoch and may have been written can then come twice; each attempt's identity is
//! in the history.

use std::time::Duration;

use esker_history::event::Identity;

use super::lane::{Lane, Outgoing, advance};
use super::policy::{Answer, Fate, IN_FLIGHT_MAX, Policy, Wishes, is_retriable, too_old_us, wants_refresh};

const OUT_OF_ORDER: i16 = 45;
const DUPLICATE: i16 = 46;
const UNKNOWN_PRODUCER: i16 = 59;

/// State of the producer.
pub(super) struct Librdkafka {
    delivery_timeout: Duration,
    id: Option<(i64, i16)>,
    /// A new epoch begins when nothing is on the wire.
    bumping: bool,
    lanes: Vec<State>,
}

/// State of one partition.
#[derive(Clone, Default)]
struct State {
    /// Producer id and epoch that the sequences belong to.
    id: Option<(i64, i16)>,
    /// Sequence of the next batch that is sent for the first time.
    next: i32,
    /// First sequence that is not acknowledged.
    next_ack: i32,
    draining: bool,
}

impl Librdkafka {
    /// A producer without id.
    pub(super) fn new(lanes: usize, delivery_timeout: Duration) -> Self {
        Self {
            delivery_timeout,
            id: None,
            bumping: false,
            lanes: vec![State::default(); lanes],
        }
    }

    /// What an error code means for a batch that may be sent again as it is.
    fn refused(&mut self, error: i16, wishes: &mut Wishes) -> Fate {
        wishes.refresh |= wants_refresh(error);
        if is_retriable(error) {
            return Fate::Again;
        }
        self.bumping = true;
        Fate::GivenUp
    }

    /// 45: fatal for the oldest, a consequence for the others.
    fn out_of_order(&mut self, at: usize, batch: &Outgoing, wishes: &mut Wishes) -> Fate {
        let expected = self.lanes.get(at).map_or(0, |state| state.next_ack);
        let found = batch.first_sequence().unwrap_or(-1);
        if found > expected {
            self.bumping = true;
            return Fate::Again;
        }
        let why = format!(
            "batch {} with sequence {found}, {expected} is next",
            batch.name.number
        );
        wishes.fatal = Some((OUT_OF_ORDER, why));
        Fate::GivenUp
    }

    fn acked(&mut self, lanes: &mut [Lane], at: usize, batch: &Outgoing, wishes: &mut Wishes) {
        if let Some(lane) = lanes.get_mut(at) {
            let number = batch.name.number;
            let before = lane.queue.partition_point(|other| other.name.number < number);
            wishes.given_up.extend(lane.queue.drain(..before));
        }
        if let (Some(state), Some(next)) = (self.lanes.get_mut(at), batch.next_sequence()) {
            state.next_ack = next;
        }
    }
}

impl Policy for Librdkafka {
    fn wants_id(&self) -> bool {
        self.id.is_none()
    }

    fn set_id(&mut self, id: i64, epoch: i16) {
        self.id = Some((id, epoch));
    }

    fn leader_changed(&mut self, at: usize) {
        if let Some(state) = self.lanes.get_mut(at) {
            state.draining = true;
        }
    }

    fn admit(&mut self, lanes: &mut [Lane], at: usize, now_us: u64) -> Option<usize> {
        let (id, epoch) = self.id.filter(|_| !self.bumping)?;
        let state = self.lanes.get_mut(at)?;
        let lane = lanes.get_mut(at)?;
        if state.draining || state.id != Some((id, epoch)) {
            if !lane.wire.is_empty() {
                return None;
            }
            state.draining = false;
        }
        if state.id != Some((id, epoch)) {
            *state = State {
                id: Some((id, epoch)),
                ..State::default()
            };
            for batch in &mut lane.queue {
                batch.renamed |= batch.identity.take().is_some();
                batch.bytes = None;
            }
        }
        if lane.wire.len() >= IN_FLIGHT_MAX {
            return None;
        }
        let first = lane.queue.front_mut().filter(|batch| batch.ready_us <= now_us)?;
        if first.identity.is_none() {
            first.identify(Identity {
                id,
                epoch,
                first_sequence: state.next,
            });
            state.next = advance(state.next, first.records.count);
        }
        Some(0)
    }

    fn answered(
        &mut self,
        lanes: &mut [Lane],
        at: usize,
        batch: &mut Outgoing,
        answer: Answer,
        _now_us: u64,
        wishes: &mut Wishes,
    ) -> Fate {
        let fate = match answer {
            Answer::Acked => {
                self.acked(lanes, at, batch, wishes);
                return Fate::Done;
            }
            Answer::Refused(DUPLICATE) => {
                self.acked(lanes, at, batch, wishes);
                return Fate::GivenUp;
            }
            Answer::Lost => {
                wishes.refresh = true;
                Fate::Again
            }
            Answer::Refused(OUT_OF_ORDER) => self.out_of_order(at, batch, wishes),
            Answer::Refused(UNKNOWN_PRODUCER) => {
                // Nobody can have it twice if it was never sent before, and all before it is known.
                let next_ack = self.lanes.get(at).map(|state| state.next_ack);
                if batch.retried || next_ack != batch.first_sequence() {
                    let why = format!("batch {} of a producer that was forgotten", batch.name.number);
                    wishes.fatal = Some((UNKNOWN_PRODUCER, why));
                    Fate::GivenUp
                } else {
                    self.bumping = true;
                    Fate::Again
                }
            }
            Answer::Refused(error) => self.refused(error, wishes),
        };
        if let (Fate::Again, Some(state)) = (fate, self.lanes.get_mut(at)) {
            state.draining = true;
        }
        fate
    }

    fn tend(&mut self, lanes: &mut [Lane], now_us: u64, wishes: &mut Wishes) {
        if let Some(limit_us) = too_old_us(now_us, self.delivery_timeout) {
            for lane in &mut *lanes {
                let old = lane.take_made_before(limit_us);
                self.bumping |= !old.is_empty() && self.id.is_some();
                wishes.given_up.extend(old);
            }
        }
        if self.bumping && lanes.iter().all(|lane| lane.wire.is_empty()) {
            self.bumping = false;
            // A used-up id is replaced by a new one.
            self.id = self.id.and_then(|(id, epoch)| Some((id, epoch.checked_add(1)?)));
        }
    }

    fn dropped(&mut self, _lanes: &mut [Lane], _at: usize, batches: &[Outgoing]) {
        self.bumping |= batches.iter().any(|batch| batch.identity.is_some());
    }

    fn moved(&mut self, at: usize, before: bool) {
        // Its sequences from 0 on were used there in this epoch.
        self.bumping |= before;
        if let Some(state) = self.lanes.get_mut(at) {
            *state = State::default();
        }
    }
}
