//! Changes whose outcome is unknown are made again: each can be repeated without harm.
//!
//! What holds: the caller learns whether any attempt may have taken effect, because a second attempt then
//! finds the work done ("no such topic", "not more partitions") and must not call that a failure.

use std::time::Duration;

use esker_metastore::MetastoreError;

/// Attempts to make one change.
const ATTEMPTS: u32 = 3;
/// Time before the next attempt.
const PAUSE: Duration = Duration::from_millis(200);

/// What a change answered.
pub(super) struct Repeated<T> {
    pub(super) answer: T,
    /// An earlier attempt may have done it already.
    pub(super) may_be_done: bool,
}

/// Calls until the outcome is known, a few times at most.
pub(super) async fn until_known<T, F>(call: impl Fn() -> F) -> Result<Repeated<T>, MetastoreError>
where
    F: Future<Output = Result<T, MetastoreError>>,
{
    let mut unknown: Option<MetastoreError> = None;
    for attempt in 1..=ATTEMPTS {
        match call().await {
            Ok(answer) => {
                return Ok(Repeated {
                    answer,
                    may_be_done: unknown.is_some(),
                });
            }
            Err(error @ MetastoreError::UnknownOutcome(_)) => unknown = Some(error),
            // A later attempt that surely did nothing says nothing of the earlier ones.
            Err(error) if unknown.is_none() || !error.is_transient() => {
                return Err(unknown.unwrap_or(error));
            }
            Err(_) => {}
        }
        if attempt < ATTEMPTS {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Err(unknown.unwrap_or_else(|| MetastoreError::Unavailable("no attempt was made".to_owned())))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Runs a script of answers; returns the outcome and the attempts made.
    async fn run(script: &[Result<i32, MetastoreError>]) -> (Result<(i32, bool), MetastoreError>, usize) {
        let at = AtomicUsize::new(0);
        let outcome = until_known(|| {
            let answer = script[at.fetch_add(1, Ordering::SeqCst)].clone();
            async move { answer }
        });
        let outcome = outcome.await.map(|done| (done.answer, done.may_be_done));
        (outcome, at.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn repeats_only_what_may_have_been_done() {
        let unknown = || Err(MetastoreError::UnknownOutcome("lost".into()));
        let down = || Err(MetastoreError::Unavailable("down".into()));
        assert_eq!(run(&[Ok(1)]).await, (Ok((1, false)), 1));
        assert_eq!(run(&[unknown(), Ok(1)]).await, (Ok((1, true)), 2));
        assert_eq!(run(&[unknown(), down(), Ok(1)]).await, (Ok((1, true)), 3));
        assert_eq!(run(&[down()]).await, (down().map(|_: i32| (0, false)), 1));
        let (outcome, attempts) = run(&[unknown(), down(), down()]).await;
        assert!(matches!(outcome, Err(MetastoreError::UnknownOutcome(_))) && attempts == 3);
        let (outcome, attempts) = run(&[unknown(), Err(MetastoreError::Fenced)]).await;
        assert!(matches!(outcome, Err(MetastoreError::UnknownOutcome(_))) && attempts == 2);
    }
}
