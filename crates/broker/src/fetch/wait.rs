//! Waiting for a partition to grow.
//!
//! Commits of this agent wake its readers through the [`HotIndex`]. Commits of other agents are found by
//! asking: one statement per agent and [`POLL_INTERVAL`] for the heads of all partitions that somebody
//! waits for, only while somebody waits, and only for heads that nothing confirmed since. Where a head
//! has moved, the new extents are fetched in one more statement, so that all who wake up find them in
//! the index. What the statements show becomes visible only if the epoch gate is open after them.
//!
//! When the metastore does not answer, nobody is woken: requests end at their own time. The polling
//! ends with the incarnation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use esker_metastore::{Head, Metastore, MetastoreError, PlanRequest};
use esker_model::PartitionKey;
use esker_model::limits::QUERY_PARTITIONS_MAX;
use esker_model::seams::{Clock, Instant, Rng};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::{info, warn};

use super::hot_index::{HotIndex, Waiting};
use crate::broker::Dependencies;
use crate::membership::{EpochGate, Membership};

/// How often the heads that somebody waits for are asked for.
pub const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The longest pause between polls while the metastore fails.
const POLL_PAUSE_MAX: Duration = Duration::from_secs(2);

/// How long a partition is polled after a request that did not wait for it, because other partitions had
/// enough: its next request finds what was written meanwhile.
const INTEREST: Duration = Duration::from_secs(2);

/// Partitions of one statement that fetches new extents, and the extents of each. A partition that got
/// more is planned by its readers.
const MOVED_PARTITIONS_MAX: usize = 1_000;
const MOVED_EXTENTS_MAX: usize = 64;
const MOVED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Who waits for which partition, and the task that asks for their heads.
pub struct HeadWatch {
    clock: Arc<dyn Clock>,
    hot_index: Arc<HotIndex>,
    interest: Mutex<BTreeMap<PartitionKey, Interest>>,
    arrived: Notify,
}

/// Why a partition is polled.
#[derive(Default)]
struct Interest {
    waiting: u32,
    until: Option<Instant>,
}

/// Keeps partitions polled until it is dropped.
pub(crate) struct Watching<'a> {
    watch: &'a HeadWatch,
    partitions: Vec<PartitionKey>,
    /// What wakes up when they grow.
    pub waiting: Waiting<'a>,
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        let mut interest = self.watch.interest.lock();
        for partition in &self.partitions {
            if let Some(entry) = interest.get_mut(partition) {
                entry.waiting = entry.waiting.saturating_sub(1);
                if entry.waiting == 0 && entry.until.is_none() {
                    interest.remove(partition);
                }
            }
        }
    }
}

impl HeadWatch {
    /// Starts the polling task of one incarnation. It does nothing until somebody waits.
    pub fn start(
        on: &Dependencies,
        member: &Arc<Membership>,
        gate: &Arc<EpochGate>,
        hot_index: &Arc<HotIndex>,
    ) -> Arc<Self> {
        let watch = Arc::new(Self {
            clock: Arc::clone(&on.seams.clock),
            hot_index: Arc::clone(hot_index),
            interest: Mutex::default(),
            arrived: Notify::new(),
        });
        let poll = Poll {
            watch: Arc::clone(&watch),
            metastore: Arc::clone(&on.metastore),
            member: Arc::clone(member),
            gate: Arc::clone(gate),
            rng: Arc::clone(&on.seams.rng),
        };
        on.seams.spawner.spawn("heads", Box::pin(poll.run()));
        watch
    }

    /// Waits for `wanted` more bytes on partitions whose heads were seen as given. `None` if one of them
    /// has moved since: look again.
    pub(crate) fn wait(&self, partitions: &[(PartitionKey, Head)], wanted: u64) -> Option<Watching<'_>> {
        let waiting = self.hot_index.wait(partitions, wanted)?;
        let partitions: Vec<_> = partitions.iter().map(|(partition, _)| *partition).collect();
        let mut interest = self.interest.lock();
        for partition in &partitions {
            interest.entry(*partition).or_default().waiting += 1;
        }
        drop(interest);
        self.arrived.notify_one();
        Some(Watching {
            watch: self,
            partitions,
            waiting,
        })
    }

    /// Has partitions polled for a moment although nobody waits for them.
    pub(crate) fn note(&self, partitions: impl Iterator<Item = PartitionKey>) {
        self.note_for(partitions, INTEREST);
    }

    /// Has the heads of partitions looked at once although nobody waits for them.
    pub(crate) fn note_once(&self, partitions: impl Iterator<Item = PartitionKey>) {
        self.note_for(partitions, POLL_INTERVAL.saturating_mul(2));
    }

    fn note_for(&self, partitions: impl Iterator<Item = PartitionKey>, interest_for: Duration) {
        let until = self.clock.now().plus(interest_for);
        let mut interest = self.interest.lock();
        let mut any = false;
        for partition in partitions {
            let entry = interest.entry(partition).or_default();
            entry.until = entry.until.max(Some(until));
            any = true;
        }
        drop(interest);
        if any {
            self.arrived.notify_one();
        }
    }

    /// Whether what the index says of a head was the metastore's a moment ago.
    pub(crate) fn is_fresh(&self, confirmed: Instant) -> bool {
        self.clock.now() - confirmed < POLL_INTERVAL
    }

    async fn somebody_waits(&self) {
        while self.interest.lock().is_empty() {
            self.arrived.notified().await;
        }
    }

    /// The partitions whose heads nothing confirmed for an interval, ascending. Forgets who has gone.
    fn due(&self) -> Vec<PartitionKey> {
        let now = self.clock.now();
        let mut interest = self.interest.lock();
        interest.retain(|_, entry| {
            entry.until = entry.until.filter(|until| *until > now);
            entry.waiting > 0 || entry.until.is_some()
        });
        let waited: Vec<_> = interest.keys().copied().collect();
        drop(interest);
        let stale = |partition: &PartitionKey| {
            self.hot_index
                .head(*partition)
                .is_none_or(|(_, confirmed)| now - confirmed >= POLL_INTERVAL)
        };
        waited.into_iter().filter(stale).collect()
    }
}

/// The polling task.
struct Poll {
    watch: Arc<HeadWatch>,
    metastore: Arc<dyn Metastore>,
    member: Arc<Membership>,
    gate: Arc<EpochGate>,
    rng: Arc<dyn Rng>,
}

impl Poll {
    async fn run(self) {
        tokio::select! {
            biased;
            _ = self.member.until_stopped() => {}
            () = self.poll_for_ever() => {}
        }
    }

    async fn poll_for_ever(&self) {
        let mut failures = 0;
        loop {
            self.watch.somebody_waits().await;
            let pause = match self.poll_due().await {
                Ok(()) => {
                    if failures > 0 {
                        info!(failures, "the metastore tells new offsets again");
                    }
                    failures = 0;
                    POLL_INTERVAL
                }
                Err(err) => {
                    if failures == 0 {
                        warn!(%err, "cannot ask the metastore for new offsets");
                    }
                    failures += 1;
                    self.rng.jitter(
                        POLL_INTERVAL
                            .saturating_mul(1 << failures.min(8))
                            .min(POLL_PAUSE_MAX),
                    )
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn poll_due(&self) -> Result<(), MetastoreError> {
        let due = self.watch.due();
        let mut moved = Vec::new();
        for partitions in due.chunks(QUERY_PARTITIONS_MAX) {
            let read_at = self.watch.clock.now();
            let heads = self.metastore.heads(partitions).await?;
            if !self.gate.is_open() {
                return Ok(());
            }
            for (partition, head) in partitions.iter().zip(heads) {
                self.learn(*partition, head, read_at, &mut moved);
            }
        }
        for requests in moved.chunks(MOVED_PARTITIONS_MAX) {
            self.fetch_extents(requests).await?;
        }
        Ok(())
    }

    fn learn(
        &self,
        partition: PartitionKey,
        head: Option<Head>,
        read_at: Instant,
        moved: &mut Vec<PlanRequest>,
    ) {
        let hot_index = &self.watch.hot_index;
        let Some(head) = head else {
            return hot_index.forget(partition);
        };
        match hot_index.head(partition) {
            // Its readers must not wake up before the extents are there: they would all ask for them.
            Some((known, _)) if known.next_offset < head.next_offset => moved.push(PlanRequest {
                partition,
                from: known.next_offset,
                bytes_max: MOVED_BYTES_MAX,
                extents_max: MOVED_EXTENTS_MAX,
            }),
            _ => {
                hot_index.absorb(partition, &[], head, read_at);
            }
        }
    }

    async fn fetch_extents(&self, requests: &[PlanRequest]) -> Result<(), MetastoreError> {
        let read_at = self.watch.clock.now();
        let plans = self.metastore.plan(requests).await?;
        if !self.gate.is_open() {
            return Ok(());
        }
        for (request, plan) in requests.iter().zip(plans) {
            match plan.head {
                Some(head) => {
                    self.watch
                        .hot_index
                        .absorb(request.partition, &plan.extents, head, read_at);
                }
                None => self.watch.hot_index.forget(request.partition),
            }
        }
        Ok(())
    }
}
