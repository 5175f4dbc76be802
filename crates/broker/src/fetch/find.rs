//! Finding the records of a request, and waiting until there are enough of them.
//!
//! What holds: a client waits only if nothing is wrong, and no longer than it says; while it waits no
//! query is made for it alone, except where the index lost track of its partition. A stopped incarnation
//! lets nobody wait: it sends its clients elsewhere, for it learns of nothing new. A request so large that memory
//! is charged for it is answered early when others wait for that memory.

use std::time::Duration;

use esker_protocol::ErrorCode;

use super::asked::Asked;
use super::plan::{self, Found, Wanted};
use crate::Broker;

/// A response with an error of our own making waits this long (no longer than the client would wait for
/// records): clients ask again at once.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// A charged request waits at least this long, however many want its memory: clients ask again at once.
const CHARGED_WAIT_MIN: Duration = Duration::from_millis(100);

/// Readers of history see heads that are no older than this, where the metastore answers: what they say of the
/// log's end is for people. All partitions of an agent are asked for in one statement.
const HISTORY_HEAD_AGE: Duration = Duration::from_secs(10);

/// Finds the records wanted; if there are too few, waits for more as long as the client allows. `charged`: memory
/// is held for this request meanwhile.
pub(super) async fn find_or_wait(
    broker: &Broker,
    asked: &Asked,
    wanted: &[Wanted],
    charged: bool,
) -> Vec<Result<Found, ErrorCode>> {
    let mut found = plan::find(broker, wanted, asked.max_wait.is_zero()).await;
    if !is_ready(asked, wanted, &found) {
        let wait = async {
            tokio::select! {
                biased;
                _ = broker.member.until_stopped() => {}
                () = until_pressed(broker), if charged => {}
                () = wait_for_more(broker, asked, wanted, &mut found) => {}
            }
        };
        let _ = tokio::time::timeout(asked.max_wait, wait).await;
        // At the end of the wait the client gets what there is, if it was not worth waking up for.
        for (one, found) in wanted.iter().zip(&mut found) {
            if let (Some(now), Ok(_)) = (
                plan::in_index(broker, one, false, plan::extents_max(wanted.len())),
                &found,
            ) {
                *found = Ok(now);
            }
        }
    }
    if broker.member.stopped().is_some() {
        // It will never learn of anything newer: its clients go elsewhere.
        for found in &mut found {
            if found.as_ref().is_ok_and(|found| found.extents.is_empty()) {
                *found = Err(ErrorCode::NotLeaderOrFollower);
            }
        }
    }
    let ours = |found: &Result<Found, ErrorCode>| {
        matches!(
            found,
            Err(ErrorCode::KafkaStorageError | ErrorCode::NotLeaderOrFollower)
        )
    };
    if found.iter().any(ours) {
        tokio::time::sleep(FAILURE_PAUSE.min(asked.max_wait)).await;
    }
    note_quiet(broker, wanted, &found);
    found
}

/// Returns when others want the memory of requests.
async fn until_pressed(broker: &Broker) {
    tokio::time::sleep(CHARGED_WAIT_MIN).await;
    tokio::select! {
        biased;
        () = broker.budget.decoded.until_wanted() => {}
        () = broker.budget.control.until_wanted() => {}
    }
}

/// Partitions that had nothing while others had enough: what other agents write there is looked for all
/// the same, or a client whose other partitions are always busy would never see it. Nothing else confirms
/// the heads of partitions whose readers are far behind: they are looked at now and then.
fn note_quiet(broker: &Broker, wanted: &[Wanted], found: &[Result<Found, ErrorCode>]) {
    let stale = |partition| {
        let known = broker.hot_index.head(partition);
        known.is_some_and(|(_, confirmed)| !broker.heads.is_fresh(confirmed))
    };
    let now = broker.seams.clock.now();
    let aged = |partition| {
        let known = broker.hot_index.head(partition);
        known.is_some_and(|(_, confirmed)| now - confirmed >= HISTORY_HEAD_AGE)
    };
    let in_history = |found: &Found| found.extents.first().is_some_and(|first| first.chunk.is_some());
    let behind = wanted
        .iter()
        .zip(found)
        .filter(|(_, found)| found.as_ref().is_ok_and(in_history))
        .map(|(wanted, _)| wanted.partition);
    broker
        .heads
        .note_once(behind.filter(|partition| aged(*partition)));
    let quiet = wanted
        .iter()
        .zip(found)
        .filter(|(_, found)| found.as_ref().is_ok_and(|found| found.extents.is_empty()))
        .map(|(wanted, _)| wanted.partition);
    broker.heads.note(quiet.filter(|partition| stale(*partition)));
}

/// Whether the client need not wait: an error, enough bytes, no patience, or nothing asked for.
fn is_ready(asked: &Asked, wanted: &[Wanted], found: &[Result<Found, ErrorCode>]) -> bool {
    asked.max_wait.is_zero()
        || wanted.len() < asked.partitions.len()
        || wanted.is_empty()
        || found.iter().any(Result::is_err)
        || available(wanted, found).iter().sum::<u64>() >= asked.min_bytes
}

/// Bytes that each partition could give, as far as extents tell.
pub(super) fn available(wanted: &[Wanted], found: &[Result<Found, ErrorCode>]) -> Vec<u64> {
    let bytes = |(wanted, found): (&Wanted, &Result<Found, ErrorCode>)| match found {
        Ok(found) => found.bytes(wanted.from).min(wanted.bytes_max),
        Err(_) => 0,
    };
    wanted.iter().zip(found).map(bytes).collect()
}

/// Returns when there is enough. `found` is right whenever this is dropped.
async fn wait_for_more(
    broker: &Broker,
    asked: &Asked,
    wanted: &[Wanted],
    found: &mut [Result<Found, ErrorCode>],
) {
    loop {
        // In this order: what moves after the heads were looked at is noticed when waiting begins.
        let heads: Vec<_> = wanted
            .iter()
            .filter_map(|one| Some((one.partition, broker.hot_index.head(one.partition)?.0)))
            .collect();
        look_again(broker, wanted, found).await;
        if is_ready(asked, wanted, found) {
            return;
        }
        let so_far: u64 = available(wanted, found).iter().sum();
        if let Some(watching) = broker.heads.wait(&heads, asked.min_bytes.saturating_sub(so_far)) {
            watching.waiting.woken().await;
        }
    }
}

/// Looks at the index again, and asks the metastore where the index lost track.
async fn look_again(broker: &Broker, wanted: &[Wanted], found: &mut [Result<Found, ErrorCode>]) {
    let mut lost = Vec::new();
    for (at, one) in wanted.iter().enumerate() {
        match plan::in_index(broker, one, false, plan::extents_max(wanted.len())) {
            Some(now) => found[at] = Ok(now),
            // A reader of history goes on with what it found there.
            None if found[at].as_ref().is_ok_and(|found| !found.extents.is_empty()) => {}
            None => lost.push(at),
        }
    }
    if !lost.is_empty() {
        let again: Vec<Wanted> = lost.iter().map(|at| wanted[*at]).collect();
        for (at, answer) in lost.into_iter().zip(plan::find(broker, &again, false).await) {
            found[at] = answer;
        }
    }
}
