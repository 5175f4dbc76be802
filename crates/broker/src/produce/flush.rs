//! When to seal, and the sealing.
//!
//! *Adaptive flush.* Every PUT costs money; a full segment is worth it, a small one is paid from a budget.
//! Tokens come at one per `flush_interval`, with a burst of [`BURST`], and every byte earns its part of a
//! segment: sealing costs what is missing to a full one. So a quiet agent seals at once (an
//! acknowledgement takes one PUT and one commit), a busy one fills segments, and the price of small ones
//! never passes the ceiling. As tokens run low, they are spent where they buy most: when nothing has
//! arrived for [`QUIET`], which is when the producers that wait for us have sent all they may, or when
//! the oldest batch has waited longer than the state of the budget says it should.
//!
//! The ceiling holds for all that an agent asks of the bucket while little is written: the epoch gate's reads of
//! `cluster.json` are paid from it, too.
//!
//! With a `flush_interval` of zero a segment is sealed whenever something waits and an upload slot is free.

use std::sync::Arc;
use std::time::Duration;

use esker_model::limits::EPOCH_READ_INTERVAL;
use esker_model::planted::{Mistake, planted};
use esker_model::seams::Instant;
use tokio::sync::{mpsc, oneshot};

use super::hot_segment::Waiting;
use super::seal::{self, SealedSegment};
use super::upload::{self, Uploaded};
use super::{Stages, UPLOADS_MAX};

/// Tokens that a quiet agent saves up.
const BURST: f64 = 20.0;

/// No batch for this long: whoever has something to send waits for an answer first.
const QUIET: Duration = Duration::from_millis(2);

/// Shortest wait: what is left of a token may round to no time at all, and waiting for nothing spins.
const TICK: Duration = Duration::from_millis(1);

/// The token bucket of small flushes.
pub(super) struct FlushBudget {
    interval: Duration,
    segment_bytes: u64,
    tokens: f64,
    refilled: Instant,
}

/// What to do with the hot segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Seal now.
    Seal,
    /// Look again after this time, or when something arrives.
    Wait(Duration),
}

impl FlushBudget {
    pub(super) fn new(interval: Duration, segment_bytes: u64, now: Instant) -> Self {
        Self {
            interval,
            segment_bytes,
            tokens: BURST,
            refilled: now,
        }
    }

    /// Decides, and refills the bucket up to `now`.
    pub(super) fn decide(&mut self, now: Instant, waiting: Waiting) -> Decision {
        if self.interval.is_zero() || waiting.bytes >= self.segment_bytes {
            return Decision::Seal;
        }
        self.refill(now);
        if self.tokens < 1.0 {
            return Decision::Wait(self.interval.mul_f64(1.0 - self.tokens).max(TICK));
        }
        let patience = self.interval.mul_f64(1.0 - self.tokens / BURST);
        let (quiet, waited) = (now - waiting.last_at, now - waiting.first_at);
        if quiet >= QUIET || waited >= patience {
            return Decision::Seal;
        }
        Decision::Wait((QUIET - quiet).min(patience - waited).max(TICK))
    }

    /// A segment of this many payload bytes was sealed.
    pub(super) fn sealed(&mut self, bytes: u64) {
        let missing = 1.0 - bytes as f64 / self.segment_bytes as f64;
        self.tokens = (self.tokens - missing.max(0.0)).max(0.0);
    }

    fn refill(&mut self, now: Instant) {
        let earned = (now - self.refilled).div_duration_f64(self.interval);
        self.tokens = (self.tokens + earned).min(BURST);
        self.refilled = now;
    }
}

/// The time between small flushes that leaves one request in each `flush_interval` when the epoch gate has read.
fn between_flushes(flush_interval: Duration) -> Duration {
    let reads = flush_interval.div_duration_f64(EPOCH_READ_INTERVAL);
    flush_interval.div_f64(1.0 - reads.min(0.5))
}

/// A sealed segment on its way to the commit stage.
pub(super) struct Sealing {
    pub segment: SealedSegment,
    /// How its upload ended, and when.
    pub upload: oneshot::Receiver<(Uploaded, Instant)>,
}

/// Seals until the incarnation ends.
pub(super) async fn run(stages: Arc<Stages>, sealed: mpsc::Sender<Sealing>) {
    let clock = Arc::clone(&stages.seams.clock);
    let mut budget = FlushBudget::new(
        between_flushes(stages.config.flush_interval),
        stages.config.segment_bytes,
        clock.now(),
    );
    let mut next_seq = 1;
    loop {
        tokio::select! {
            biased;
            _ = stages.member.until_stopped() => break,
            () = until_due(&stages, &mut budget) => {}
        }
        // Both limits are waited for before anything is taken, so that the hot segment gathers meanwhile.
        let (Ok(slot), Ok(place)) = (
            Arc::clone(&stages.upload_slots).acquire_owned().await,
            sealed.reserve().await,
        ) else {
            break;
        };
        let taken = {
            let mut hot = stages.hot.lock();
            let taken = hot.take(stages.config.segment_bytes);
            stages.metrics.hot_segment_bytes.set(hot.bytes() as i64);
            taken
        };
        let bytes = taken.iter().map(|appended| appended.batch.slices.bytes()).sum();
        let Some((segment, object)) = seal::seal(&stages, next_seq, taken) else {
            continue;
        };
        if !planted(Mistake::ReuseSegmentKey) || next_seq % 4 != 0 {
            next_seq += 1;
        }
        budget.sealed(bytes);
        stages.metrics.segments.inc();
        stages.metrics.segment_bytes.observe(bytes as f64);
        let (done, upload) = oneshot::channel();
        let uploading = upload::upload(Arc::clone(&stages), segment.id, object, slot, done);
        stages
            .seams
            .spawner
            .spawn("upload", segment.traced.within(Box::pin(uploading)));
        place.send(Sealing { segment, upload });
    }
    seal::refuse_rest(&stages);
}

/// Returns when the hot segment is to be sealed.
async fn until_due(stages: &Stages, budget: &mut FlushBudget) {
    loop {
        let waiting = stages.hot.lock().waiting();
        let appended = stages.appended.notified();
        match waiting {
            None => appended.await,
            Some(waiting) => {
                if stages.is_draining() {
                    return;
                }
                match budget.decide(stages.seams.clock.now(), waiting) {
                    Decision::Seal => return,
                    Decision::Wait(time) => {
                        let _ = tokio::time::timeout(time, appended).await;
                    }
                }
            }
        }
    }
}

const _: () = assert!(UPLOADS_MAX > 0);

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(100);
    const FULL: u64 = 1000;

    fn at(ms: u64) -> Instant {
        Instant(Duration::from_millis(ms))
    }

    fn waiting(bytes: u64, first_ms: u64, last_ms: u64) -> Waiting {
        Waiting {
            bytes,
            first_at: at(first_ms),
            last_at: at(last_ms),
        }
    }

    #[test]
    fn a_quiet_agent_seals_at_once() {
        let mut budget = FlushBudget::new(INTERVAL, FULL, at(0));
        assert_eq!(budget.decide(at(0), waiting(1, 0, 0)), Decision::Seal);
    }

    #[test]
    fn a_full_segment_is_sealed_without_a_token() {
        let mut budget = FlushBudget::new(INTERVAL, FULL, at(0));
        budget.tokens = 0.0;
        assert_eq!(budget.decide(at(0), waiting(FULL, 0, 0)), Decision::Seal);
        budget.sealed(FULL);
        assert_eq!(budget.tokens, 0.0);
        budget.tokens = 5.0;
        budget.sealed(FULL);
        assert_eq!(budget.tokens, 5.0);
        budget.sealed(FULL / 4);
        assert_eq!(budget.tokens, 4.25);
    }

    #[test]
    fn small_flushes_never_pass_the_ceiling() {
        let mut budget = FlushBudget::new(INTERVAL, FULL, at(0));
        let mut sealed = 0;
        for ms in 0..10_000 {
            if budget.decide(at(ms), waiting(1, ms, ms.saturating_sub(5))) == Decision::Seal {
                budget.sealed(1);
                sealed += 1;
            }
        }
        assert!(
            (115..=120).contains(&sealed),
            "{sealed}: 100 in ten seconds and a burst of 20"
        );
    }

    #[test]
    fn few_tokens_wait_for_quiet_but_not_longer_than_the_interval() {
        let mut budget = FlushBudget::new(INTERVAL, FULL, at(0));
        budget.tokens = 2.0;
        assert_eq!(budget.decide(at(0), waiting(1, 0, 0)), Decision::Wait(QUIET));
        assert_eq!(budget.decide(at(3), waiting(1, 0, 0)), Decision::Seal);
        assert_eq!(budget.decide(at(100), waiting(1, 0, 100)), Decision::Seal);
    }

    #[test]
    fn a_wait_is_never_empty() {
        let mut budget = FlushBudget::new(INTERVAL, FULL, at(0));
        budget.tokens = 1.0 - f64::EPSILON;
        assert_eq!(budget.decide(at(0), waiting(1, 0, 0)), Decision::Wait(TICK));
    }

    #[test]
    fn flushes_and_the_reads_of_the_gate_together_are_one_request_an_interval() {
        let minute = Duration::from_secs(60);
        for interval in [Duration::from_millis(1), INTERVAL, Duration::from_secs(1)] {
            let flushes = minute.div_duration_f64(between_flushes(interval));
            let reads = minute.div_duration_f64(EPOCH_READ_INTERVAL);
            let requests = (flushes + reads) / minute.div_duration_f64(interval);
            assert!((requests - 1.0).abs() < 1e-4, "{interval:?}: {requests}");
        }
        assert_eq!(between_flushes(Duration::ZERO), Duration::ZERO);
        assert_eq!(between_flushes(minute), minute * 2);
    }

    #[test]
    fn an_interval_of_zero_never_waits() {
        let mut budget = FlushBudget::new(Duration::ZERO, FULL, at(0));
        for ms in 0..100 {
            assert_eq!(budget.decide(at(ms), waiting(1, ms, ms)), Decision::Seal);
            budget.sealed(1);
        }
    }
}
