//! One request on the wire, and the loop that repeats it.

use std::future::Future;
use std::time::Duration;

use esker_model::seams::Instant;

use super::Bucket;
use super::failure::Failure;
use crate::error::StoreError;
use crate::metrics::Op;

/// Time that one small request may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// A transfer gets one more second for each of these.
const BYTES_PER_SECOND_MIN: u64 = 2 * 1024 * 1024;
/// Wait before the first retry; doubles with each.
const BACKOFF_MIN: Duration = Duration::from_millis(40);
/// The longest wait between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Time that one attempt may take that moves `bytes`.
pub(super) fn attempt_time(bytes: u64) -> Duration {
    ATTEMPT + Duration::from_secs(bytes / BYTES_PER_SECOND_MIN)
}

/// The wait after the given number of failed attempts, before jitter.
pub(super) fn backoff(failed: u32) -> Duration {
    BACKOFF_MIN
        .saturating_mul(1 << failed.saturating_sub(1).min(16))
        .min(BACKOFF_MAX)
}

impl Bucket {
    /// Sends one request: waits for its turn, cuts it off after `time` or at `deadline`, counts it.
    pub(super) async fn attempt<T>(
        &self,
        op: Op,
        time: Duration,
        deadline: Instant,
        request: impl Future<Output = Result<T, object_store::Error>>,
    ) -> Result<T, Failure> {
        let clock = &self.seams().clock;
        if !self.0.pace.turn(clock.as_ref(), deadline).await {
            // Not sent, so not counted.
            return Err(Failure::Throttled(format!(
                "{} asks for fewer requests",
                self.place()
            )));
        }
        let time = time.min(deadline - clock.now());
        let started = clock.now();
        let result = match tokio::time::timeout(time, request).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(err)) => Err(Failure::of(&err, self.place())),
            Err(_) => Err(Failure::TimedOut(format!(
                "{} did not answer a {} within {:.1} s",
                self.place(),
                op.as_str(),
                time.as_secs_f32()
            ))),
        };
        let now = clock.now();
        let outcome = result.as_ref().err().map_or("ok", Failure::outcome);
        self.metrics().attempt(op, outcome, now - started);
        match &result {
            Err(Failure::Throttled(_)) => self.0.pace.throttled(started, now),
            Ok(_) => self.0.pace.succeeded(),
            Err(_) => {}
        }
        result
    }

    /// Waits before the next attempt. `false`: the deadline comes first, there is no next attempt.
    pub(super) async fn pause(&self, failed: u32, deadline: Instant) -> bool {
        let wait = self.seams().rng.jitter(backoff(failed));
        if self.seams().clock.now().plus(wait) >= deadline {
            return false;
        }
        tokio::time::sleep(wait).await;
        true
    }

    /// Repeats a request that changes nothing, or whose repetition changes nothing more, until it
    /// succeeds, fails for good, or the patience is over.
    pub(super) async fn retry<T, F>(
        &self,
        op: Op,
        key: &str,
        patience: Duration,
        time: Duration,
        mut request: impl FnMut() -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, object_store::Error>>,
    {
        let deadline = self.seams().clock.now().plus(patience);
        let mut failed = 0;
        loop {
            // The first attempt leaves time for another: it may have met a connection that is dead.
            let share = if failed == 0 { patience / 3 } else { patience };
            match self.attempt(op, time.min(share), deadline, request()).await {
                Ok(done) => return Ok(done),
                Err(failure) if failure.is_transient() => {
                    failed += 1;
                    if !self.pause(failed, deadline).await {
                        return Err(failure.into_error(key));
                    }
                }
                Err(failure) => return Err(failure.into_error(key)),
            }
        }
    }
}
