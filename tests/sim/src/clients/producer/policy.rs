//! What makes one kind of producer differ from another: when a batch may be sent, and what follows from an
//! answer. Policies are plain state: they neither send nor wait.

use std::time::Duration;

use esker_protocol::ErrorCode;

use super::lane::{Lane, Outgoing};

/// Batches of one partition that an idempotent client has on the wire at most.
pub(super) const IN_FLIGHT_MAX: usize = 5;

/// What came of one attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// Acknowledged.
    Acked,
    /// Answered with an error.
    Refused(i16),
    /// Not answered.
    Lost,
}

/// What becomes of a batch after an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It is written.
    Done,
    /// It is sent again after a wait.
    Again,
    /// It is not sent again, and nobody knows whether it is written.
    GivenUp,
}

/// What a policy wants done besides.
#[derive(Default, Debug)]
pub(super) struct Wishes {
    /// Metadata is out of date.
    pub(super) refresh: bool,
    /// Batches that are not sent again.
    pub(super) given_up: Vec<Outgoing>,
    /// The producer is broken for good: error code and reason.
    pub(super) fatal: Option<(i16, String)>,
}

/// A kind of producer. `at` is the index of a lane.
pub(super) trait Policy: Send {
    /// Whether it waits for a producer id.
    fn wants_id(&self) -> bool {
        false
    }

    /// Gives it a producer id and epoch.
    fn set_id(&mut self, _id: i64, _epoch: i16) {}

    /// Produce requests that one connection has in flight at most.
    fn requests_max(&self) -> usize {
        usize::MAX
    }

    /// The acks that it asks for.
    fn acks(&self) -> i16 {
        -1
    }

    /// Another host leads this partition now, or it is told for the first time.
    fn leader_changed(&mut self, _at: usize) {}

    /// Index in the lane's queue of the batch that may be sent now, with its identity if it needs one.
    fn admit(&mut self, lanes: &mut [Lane], at: usize, now_us: u64) -> Option<usize>;

    /// An attempt ended. The batch is neither on the wire nor in the queue.
    fn answered(
        &mut self,
        lanes: &mut [Lane],
        at: usize,
        batch: &mut Outgoing,
        answer: Answer,
        now_us: u64,
        wishes: &mut Wishes,
    ) -> Fate;

    /// A batch that was given up on the wire was acknowledged.
    fn acked_late(&mut self, _at: usize, _batch: &Outgoing) {}

    /// What is due without an answer: batches that have waited too long, epochs.
    fn tend(&mut self, lanes: &mut [Lane], now_us: u64, wishes: &mut Wishes);

    /// These batches were given up because their topic is gone.
    fn dropped(&mut self, _lanes: &mut [Lane], _at: usize, _batches: &[Outgoing]) {}

    /// The lane leads to another topic: one that never saw this producer, or one that it led to before.
    fn moved(&mut self, _at: usize, _before: bool) {}
}

/// Error codes after which a client asks for Metadata.
pub(super) fn wants_refresh(error: i16) -> bool {
    matches!(
        error,
        3 | 5 | 6 | 8 | 9 | 13 | 56 | 72 | 74 | 80 | 83 | 84 | 100 | 103
    )
}

/// Error codes after which a client tries again.
pub(super) fn is_retriable(error: i16) -> bool {
    ErrorCode::from_code(error).is_some_and(ErrorCode::is_retriable)
}

/// The oldest batch that may still be sent was made after this; `None`: all may.
pub(super) fn too_old_us(now_us: u64, delivery_timeout: Duration) -> Option<u64> {
    now_us.checked_sub(delivery_timeout.as_micros() as u64)
}

/// No idempotence: what fails is sent again, at once with others, or not at all.
pub(super) struct Plain {
    /// Tries once and with acks=1.
    pub(super) careless: bool,
    /// How long a batch is tried.
    pub(super) delivery_timeout: Duration,
}

impl Policy for Plain {
    fn acks(&self) -> i16 {
        if self.careless { 1 } else { -1 }
    }

    fn admit(&mut self, lanes: &mut [Lane], at: usize, now_us: u64) -> Option<usize> {
        let lane = lanes.get(at)?;
        if lane.wire.len() >= IN_FLIGHT_MAX {
            return None;
        }
        lane.queue.iter().position(|batch| batch.ready_us <= now_us)
    }

    fn answered(
        &mut self,
        _lanes: &mut [Lane],
        _at: usize,
        _batch: &mut Outgoing,
        answer: Answer,
        _now_us: u64,
        wishes: &mut Wishes,
    ) -> Fate {
        let again = match answer {
            Answer::Acked => return Fate::Done,
            Answer::Lost => {
                wishes.refresh = true;
                true
            }
            Answer::Refused(error) => {
                wishes.refresh |= wants_refresh(error);
                is_retriable(error)
            }
        };
        if again && !self.careless {
            Fate::Again
        } else {
            Fate::GivenUp
        }
    }

    fn tend(&mut self, lanes: &mut [Lane], now_us: u64, wishes: &mut Wishes) {
        if let Some(limit_us) = too_old_us(now_us, self.delivery_timeout) {
            for lane in lanes {
                wishes.given_up.extend(lane.take_made_before(limit_us));
            }
        }
    }
}
