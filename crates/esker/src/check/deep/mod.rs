//! `esker check --deep`: whether everything that readers could ask for is there and right.
//!
//! `heads → records that are not archived yet → archived ones`, and for each partition
//! `plan → manifest and its leaves → extents → chunks and ingest segments → batches`.
//!
//! What holds: nothing is changed, and agents may go on beside it. What is found wrong is asked for again by another plan,
//! and believed only if that leads to the same object: records move to other objects, and objects go that nothing needs.
//! Each ingest segment is read once, whole, and each chunk once, however many partitions share it.
//!
//! Bounded: [`PARTITIONS_AT_ONCE`] partitions, each with one plan's extents and at most two manifests in memory;
//! [`reader::READS_AT_ONCE`] objects or chunks being read; a cache for shared chunks; extents that wait for their ingest
//! segment ([`ingest::EXTENTS_MAX`]); what is found ([`finding::FINDINGS_MAX`]).
//!
//! A store that does not answer is waited for; then the check stops and says what it found until then. An object that the
//! bucket does not give out while it shows `cluster.json` is a finding ([`unreadable`]), and the check goes on.

mod batches;
mod chunk;
mod doubt;
mod finding;
mod ingest;
mod listed;
mod progress;
mod reader;
mod report;
mod summary;
#[cfg(test)]
mod tests;
mod unreadable;
mod walk;

use std::sync::Arc;

use esker_metastore::{Cluster, Head, Metastore};
use esker_model::PartitionKey;
use esker_model::limits::QUERY_PARTITIONS_MAX;
use esker_model::seams::Seams;
use esker_storage::cluster_file;
use futures::{TryStreamExt, stream};

use crate::failure::{Failure, Outcome};
use crate::run::{Looked, open_bucket_to_read, sentence_of};
use crate::settings::MetastoreUrl;
use crate::settings::secret::SecretUrl;
use chunk::Ends;
use doubt::Doubts;
use finding::Findings;
use ingest::Tail;
use progress::Progress;
use reader::Reader;

/// Partitions that are looked at together.
const PARTITIONS_AT_ONCE: usize = 4;

/// One partition, and what people call its topic.
#[derive(Clone, Debug)]
struct Log {
    key: PartitionKey,
    topic: Arc<str>,
}

/// A partition with its head as it was when the check began.
struct Begun {
    log: Log,
    head: Head,
}

/// Everything that the check works with.
struct Deep {
    metastore: Arc<dyn Metastore>,
    url: MetastoreUrl,
    reader: Reader,
    progress: Arc<Progress>,
    findings: Findings,
    ends: Ends,
    seams: Seams,
}

/// Runs the check.
pub(super) async fn run(
    metastore: &MetastoreUrl,
    bucket: &SecretUrl,
    bytes_per_second: Option<u64>,
    as_json: bool,
) -> Outcome {
    let seams = Seams::real();
    let progress = Arc::new(Progress::new(seams.clone()));
    let opened = open_bucket_to_read(bucket, &seams)?;
    let looked = Looked::at(metastore, &seams).await;
    let looked = looked.map_err(|error| Failure::Failed(sentence_of(metastore, &error)))?;
    let deep = Deep {
        metastore: looked.metastore(),
        url: metastore.clone(),
        reader: Reader::new(opened, bucket.clone(), bytes_per_second, Arc::clone(&progress)),
        progress: Arc::clone(&progress),
        findings: Findings::new(!as_json),
        ends: Ends::default(),
        seams,
    };
    let outcome = tokio::select! {
        biased;
        outcome = deep.everything() => outcome,
        () = progress.tell(&deep.findings) => Ok(()),
    };
    looked.close().await;
    report::print(&deep.findings, &progress, outcome, as_json)
}

impl Deep {
    async fn everything(&self) -> Outcome {
        let Some(cluster) = self.ask(|| self.metastore.cluster()).await? else {
            // Nothing was ever started here.
            return Ok(());
        };
        self.same_cluster(&cluster).await?;
        self.everything_in(&Tail::default()).await
    }

    /// Looks at all partitions. `tail` is empty before and after.
    async fn everything_in(&self, tail: &Tail) -> Outcome {
        let begun = self.begin().await?;
        // First what moves soonest.
        let recent = |one: &Begun| (one.head.archived_to.max(one.head.log_start), one.head.next_offset);
        self.walk_all(&begun, recent, tail).await?;
        self.flush(tail.take().await, &Doubts::default()).await?;
        let archived = |one: &Begun| (one.head.log_start, one.head.archived_to);
        self.walk_all(&begun, archived, tail).await?;
        self.flush(tail.take().await, &Doubts::default()).await
    }

    /// Whoever compares a metastore with another cluster's bucket finds everything missing.
    async fn same_cluster(&self, cluster: &Cluster) -> Outcome {
        let file = self.reader.cluster_file().await?;
        let wrong = match file {
            None if !cluster.bucket_bound => None,
            None => Some(format!(
                "it has no {}: is it the bucket of cluster {}?",
                cluster_file::CLUSTER_FILE,
                cluster.id
            )),
            Some(file) if file.cluster_id != cluster.id => Some(format!(
                "it belongs to cluster {}, the metastore to {}",
                file.cluster_id, cluster.id
            )),
            Some(file) if file.epoch != cluster.epoch => Some(format!(
                "it is in cluster epoch {}, the metastore in {}: use the metastore that was restored last",
                file.epoch, cluster.epoch
            )),
            Some(_) => None,
        };
        match wrong {
            None => Ok(()),
            Some(what) => Err(Failure::Failed(format!(
                "the bucket is another cluster's: {what}"
            ))),
        }
    }

    /// All partitions with their heads, in the order in which archive segments hold them: so a chunk that several share
    /// is still in the cache when the next one wants it.
    async fn begin(&self) -> Outcome<Vec<Begun>> {
        let mut topics = self.ask(|| self.metastore.catalog(0)).await?.changed;
        topics.sort_by_key(|topic| topic.uuid);
        let logs = topics.iter().flat_map(|topic| {
            let name: Arc<str> = Arc::from(topic.name.as_str());
            (0..topic.partitions).map(move |partition| Log {
                key: PartitionKey {
                    topic: topic.key,
                    partition,
                },
                topic: Arc::clone(&name),
            })
        });
        let logs: Vec<Log> = logs.collect();
        let mut begun = Vec::with_capacity(logs.len());
        for part in logs.chunks(QUERY_PARTITIONS_MAX) {
            let keys: Vec<_> = part.iter().map(|log| log.key).collect();
            let heads = self.ask(|| self.metastore.heads(&keys)).await?;
            let there = part.iter().zip(heads);
            begun.extend(there.filter_map(|(log, head)| {
                Some(Begun {
                    log: log.clone(),
                    head: head?,
                })
            }));
        }
        let status = self.ask(|| self.metastore.upkeep_status()).await?;
        let offsets = begun
            .iter()
            .map(|one| one.head.log_start.abs_diff(one.head.next_offset));
        let with: std::collections::BTreeSet<_> = begun.iter().map(|one| one.log.key.topic).collect();
        self.progress
            .begin(with.len(), begun.len(), offsets.sum(), &status);
        Ok(begun)
    }

    /// Looks at a part of every partition.
    async fn walk_all(&self, begun: &[Begun], part: impl Fn(&Begun) -> (i64, i64), tail: &Tail) -> Outcome {
        let parts = begun.iter().map(|one| Ok((&one.log, part(one))));
        stream::iter(parts)
            .try_for_each_concurrent(PARTITIONS_AT_ONCE, |(log, (from, to))| async move {
                self.walk(log, from, to, &Doubts::default(), tail).await
            })
            .await
    }
}
