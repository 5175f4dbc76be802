//! Objects that nobody needs any more go, then their rows.
//!
//! What holds: what was released is never needed again, so deleting it twice, or late, does no harm. Its row goes after
//! its object: what a failure leaves is found again. Objects that cannot be deleted do not hold up those behind them.
//! A deleted topic's merged segments and manifests are found by a listing: its id is never used again. It counts as
//! emptied when all of them are gone.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use esker_metastore::{JobReport, MetastoreError};
use esker_model::{ClusterEpoch, ObjectId, TopicUuid};
use esker_storage::bucket::DELETE_AT_ONCE;
use esker_storage::keys::{self, ObjectKind};
use esker_storage::{ObjectInfo, StoreError};
use futures::StreamExt;
use tracing::{info, warn};

use super::Upkeep;
use super::job::{Lease, Work};

/// The longest time between two rounds.
const EVERY_MAX: Duration = Duration::from_secs(30);

/// Pages with failures, and calls that fail as a whole, until a round gives up.
const FAILED_PAGES_MAX: u32 = 3;

/// Deleted topics of one round.
const TOPICS_MAX: usize = 100;

/// Topics with failures until a round gives up.
const FAILED_TOPICS_MAX: u32 = 3;

/// Topics with failures that are remembered.
const STUCK_MAX: usize = 1_000;

/// Why a round of removing stopped.
#[derive(Debug, thiserror::Error)]
enum RemoveError {
    #[error(transparent)]
    Metastore(#[from] MetastoreError),
    #[error(transparent)]
    Bucket(#[from] StoreError),
}

/// The job of one incarnation.
pub(super) struct Remove {
    upkeep: Upkeep,
    /// Objects at the head of the queue that could not be deleted.
    skip: usize,
    /// Deleted topics of which something could not be deleted.
    stuck: BTreeSet<TopicUuid>,
    objects: u64,
    topics: u64,
    failures: u64,
}

#[async_trait]
impl Work for Remove {
    const NAME: &'static str = "remove";

    fn every(&self) -> Duration {
        (self.upkeep.interval / 4).min(EVERY_MAX)
    }

    async fn round(&mut self, lease: &Lease) {
        let removed = self.remove(lease).await;
        let emptied = self.empty_topics(lease).await;
        let buckets = self.upkeep.metastore.empty_buckets().await;
        let failures = [removed.err(), emptied.err(), buckets.err().map(RemoveError::from)];
        for err in failures.into_iter().flatten() {
            self.failed();
            warn!(%err, "what nobody needs stays until the next round");
        }
    }

    fn report(&self) -> JobReport {
        [
            ("objects", self.objects),
            ("topics", self.topics),
            ("failures", self.failures),
        ]
        .map(|(name, number)| (name.to_owned(), number as i64))
        .into()
    }
}

impl Remove {
    pub(super) fn new(upkeep: Upkeep) -> Self {
        Self {
            upkeep,
            skip: 0,
            stuck: BTreeSet::new(),
            objects: 0,
            topics: 0,
            failures: 0,
        }
    }

    fn failed(&mut self) {
        self.failures += 1;
        self.upkeep.metrics.remove.failures.inc();
    }

    /// Removes what was released so long ago.
    async fn remove(&mut self, lease: &Lease) -> Result<(), RemoveError> {
        let Upkeep {
            metastore,
            bucket,
            metrics,
            grace,
            ..
        } = self.upkeep.clone();
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        let mut failed_pages = 0;
        while failed_pages < FAILED_PAGES_MAX && lease.renew().await {
            let page = metastore.unneeded(grace_ms, self.skip, DELETE_AT_ONCE).await?;
            let keys: Vec<String> = page.iter().map(keys::key_of).collect();
            let outcomes = bucket.delete_many(&keys).await?;
            let gone: Vec<ObjectId> = page
                .iter()
                .zip(&outcomes)
                .filter_map(|(id, outcome)| outcome.is_ok().then_some(*id))
                .collect();
            if !gone.is_empty() {
                metastore.forget_objects(&gone).await?;
                self.objects += gone.len() as u64;
                metrics.archive.removed.inc_by(gone.len() as u64);
            }
            // They stay at the head of the queue: the next page begins behind them.
            self.skip += page.len() - gone.len();
            if let Some(err) = outcomes.into_iter().find_map(Result::err) {
                failed_pages += 1;
                self.failed();
                warn!(%err, objects = page.len() - gone.len(), "some objects cannot be deleted now");
            }
            if page.len() < DELETE_AT_ONCE {
                self.skip = 0;
                break;
            }
        }
        Ok(())
    }

    /// Removes what belonged to deleted topics only. One of which something cannot be deleted comes behind the others in
    /// the next round.
    async fn empty_topics(&mut self, lease: &Lease) -> Result<(), RemoveError> {
        let Upkeep { metastore, grace, .. } = self.upkeep.clone();
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        let limit = TOPICS_MAX + self.stuck.len();
        let mut topics = metastore.topics_to_empty(grace_ms, limit).await?;
        topics.sort_by_key(|topic| self.stuck.contains(topic));
        let (mut failed_topics, mut first) = (0, None);
        for topic in topics {
            if failed_topics >= FAILED_TOPICS_MAX || !lease.renew().await {
                break;
            }
            let (objects, failure) = self.empty_topic(topic).await;
            match failure {
                None => {
                    metastore.topics_emptied(&[topic]).await?;
                    self.topics += 1;
                    self.stuck.remove(&topic);
                }
                Some(err) => {
                    failed_topics += 1;
                    if self.stuck.len() >= STUCK_MAX {
                        self.stuck.clear();
                    }
                    self.stuck.insert(topic);
                    first.get_or_insert(err);
                }
            }
            if objects > 0 {
                info!(%topic, objects, "removed what belonged to a deleted topic");
            }
        }
        match first {
            None => Ok(()),
            Some(err) => Err(err.into()),
        }
    }

    /// Removes all objects of a deleted topic; returns how many went, and why others did not.
    async fn empty_topic(&mut self, topic: TopicUuid) -> (u64, Option<StoreError>) {
        let (mut removed, mut failure) = (0, None);
        for kind in ObjectKind::ALL.into_iter().filter(|kind| kind.is_of_one_log()) {
            for epoch in 1..=self.upkeep.member.epoch().0 {
                let prefix = keys::topic_prefix(kind, ClusterEpoch(epoch), topic);
                let mut pages = self.upkeep.bucket.list(&prefix).ready_chunks(DELETE_AT_ONCE);
                while let Some(page) = pages.next().await {
                    let (keys, unlisted) = keys_of(page);
                    failure = failure.or(unlisted);
                    match self.upkeep.bucket.delete_many(&keys).await {
                        Ok(outcomes) => {
                            let gone = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
                            removed += gone as u64;
                            failure = failure.or(outcomes.into_iter().find_map(Result::err));
                        }
                        Err(err) => {
                            failure.get_or_insert(err);
                            break;
                        }
                    }
                }
            }
        }
        self.objects += removed;
        self.upkeep.metrics.archive.removed.inc_by(removed);
        (removed, failure)
    }
}

/// The keys of a page, and why it is not whole.
fn keys_of(page: Vec<Result<ObjectInfo, StoreError>>) -> (Vec<String>, Option<StoreError>) {
    let (mut keys, mut failure) = (Vec::new(), None);
    for one in page {
        match one {
            Ok(object) => keys.push(object.key),
            Err(err) => failure = failure.or(Some(err)),
        }
    }
    (keys, failure)
}
