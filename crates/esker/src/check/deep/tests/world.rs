//! A small cluster without agents: what they would write, written by hand into a SQLite file and a bucket in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::*;
use esker_model::seams::{Seams, SystemClock};
use esker_model::{
    ClusterEpoch, ClusterId, IncarnationId, LogId, PartitionKey, SegmentId, SegmentKind, TopicUuid,
};
use esker_protocol::batch::{Attributes, BATCH_HEADER_BYTES, BatchHeader, LOG_OVERHEAD_BYTES};
use esker_storage::Bucket;
use uuid::Uuid;

use crate::check::deep::chunk::Ends;
use crate::check::deep::finding::{Finding, Findings};
use crate::check::deep::ingest::Tail;
use crate::check::deep::progress::Progress;
use crate::check::deep::reader::Reader;
use crate::check::deep::{Deep, Log};
use crate::settings::MetastoreUrl;
use crate::settings::secret::SecretUrl;

pub(super) const EPOCH: ClusterEpoch = ClusterEpoch(1);
pub(super) const WRITER: IncarnationId = IncarnationId(Uuid::from_u128(7));

pub(super) struct World {
    pub metastore: Arc<SqliteMetastore>,
    pub bucket: Bucket,
    pub seams: Seams,
    pub directory: tempfile::TempDir,
    pub topic: Topic,
    pub seqs: std::sync::atomic::AtomicU64,
}

/// A batch of so many records, as a producer sends it. What is in it, nobody opens.
pub(super) fn batch(records: i32, bytes: usize) -> Bytes {
    let payload = vec![records as u8; bytes];
    let header = BatchHeader {
        base_offset: 0,
        batch_length: (BATCH_HEADER_BYTES - LOG_OVERHEAD_BYTES + bytes) as i32,
        partition_leader_epoch: -1,
        crc: 0,
        attributes: Attributes(0),
        last_offset_delta: records - 1,
        base_timestamp: 1_700_000_000_000,
        max_timestamp: 1_700_000_000_000,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        record_count: records,
    };
    let mut batch = header.write().to_vec();
    batch.extend(payload);
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    Bytes::from(batch)
}

impl World {
    /// A topic with so many partitions.
    pub(super) async fn new(partitions: i32) -> Self {
        let seams = Seams::real();
        let bucket = Bucket::memory(seams.clone());
        Self::on(bucket, seams, partitions).await
    }

    /// The same on this bucket.
    pub(super) async fn on(bucket: Bucket, seams: Seams, partitions: i32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metastore.sqlite");
        let metastore =
            SqliteMetastore::open(&path, Arc::new(SystemClock::new()), MetastoreMetrics::default()).unwrap();
        metastore.init_cluster(&ClusterId("c".to_owned())).await.unwrap();
        let registration = Registration {
            node_name: "a".to_owned(),
            incarnation: WRITER,
            epoch: EPOCH,
            profile: AgentProfile::default(),
        };
        metastore.register(&registration).await.unwrap();
        let topic = NewTopic {
            uuid: TopicUuid(Uuid::from_u128(0xabc)),
            name: "orders".to_owned(),
            partitions,
            replication_factor: 1,
            configs: BTreeMap::new(),
        };
        let topic = metastore
            .create_topics(&[topic])
            .await
            .unwrap()
            .remove(0)
            .unwrap();
        Self {
            metastore: Arc::new(metastore),
            bucket,
            seams,
            directory,
            topic,
            seqs: std::sync::atomic::AtomicU64::new(1),
        }
    }

    pub(super) fn log(&self, partition: i32) -> Log {
        Log {
            key: self.key(partition),
            topic: Arc::from(self.topic.name.as_str()),
        }
    }

    pub(super) fn key(&self, partition: i32) -> PartitionKey {
        PartitionKey {
            topic: self.topic.key,
            partition,
        }
    }

    pub(super) fn log_id(&self, partition: i32) -> LogId {
        LogId {
            topic: self.topic.uuid,
            partition,
        }
    }

    pub(super) fn segment_id(&self, kind: SegmentKind) -> SegmentId {
        SegmentId {
            kind,
            epoch: EPOCH,
            incarnation: WRITER,
            seq: self.seqs.fetch_add(1, Ordering::Relaxed),
        }
    }

    pub(super) async fn put(&self, key: &str, payload: Vec<Bytes>) {
        let whole = payload.concat();
        let deadline = self.seams.clock.now().plus(Duration::from_secs(5));
        let tail = whole.last_chunk().copied().unwrap_or_default();
        self.bucket.put_new(key, payload, tail, deadline).await.unwrap();
    }

    async fn replace(&self, key: &str, bytes: Bytes) {
        self.bucket.delete(key).await.unwrap();
        self.put(key, vec![bytes]).await;
    }

    /// What a check finds while an object has other bytes. Then it has its own again.
    pub(super) async fn changed(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) -> (u64, Vec<String>) {
        outcome(&self.checked_while_changed(key, change).await)
    }

    /// As [`World::changed`]: the check itself.
    pub(super) async fn checked_while_changed(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) -> Deep {
        let right = self.bucket.get(key).await.unwrap();
        let mut bytes = right.to_vec();
        change(&mut bytes);
        self.replace(key, Bytes::from(bytes)).await;
        let checked = self.checked().await;
        self.replace(key, right).await;
        checked
    }

    /// What a check finds while an object is not there.
    pub(super) async fn without(&self, key: &str) -> (u64, Vec<String>) {
        let right = self.bucket.get(key).await.unwrap();
        self.bucket.delete(key).await.unwrap();
        let found = self.check().await;
        self.put(key, vec![right]).await;
        found
    }

    /// Moves the log start of a partition.
    pub(super) async fn advance(&self, partition: i32, log_start: i64) {
        let starts = [(self.key(partition), log_start)];
        self.metastore.advance_log_start(&starts).await.unwrap();
    }

    /// Where a partition's records lie.
    pub(super) async fn plan(&self, partition: i32, from: i64) -> Plan {
        let request = PlanRequest {
            partition: self.key(partition),
            from,
            bytes_max: u64::MAX,
            extents_max: 1_000,
        };
        self.metastore.plan(&[request]).await.unwrap().remove(0)
    }

    /// Changes the metastore as nobody may.
    pub(super) fn sql(&self, statement: &str) {
        let path = self.directory.path().join("metastore.sqlite");
        let connection = rusqlite::Connection::open(path).unwrap();
        assert!(connection.execute(statement, []).unwrap() > 0, "{statement}");
    }

    /// A check of this cluster.
    pub(super) fn deep(&self) -> Deep {
        let path = self.directory.path().join("metastore.sqlite");
        let clock = Arc::clone(&self.seams.clock);
        let read = SqliteMetastore::open_to_read(&path, clock, MetastoreMetrics::default()).unwrap();
        let progress = Arc::new(Progress::new(self.seams.clone()));
        let url = SecretUrl::new("memory://");
        Deep {
            metastore: Arc::new(read),
            url: MetastoreUrl::Sqlite(path),
            reader: Reader::new(self.bucket.clone(), url, None, Arc::clone(&progress)),
            progress,
            findings: Findings::new(false),
            ends: Ends::default(),
            seams: self.seams.clone(),
        }
    }

    /// Checks everything; returns how many offsets are right, and the findings in words.
    pub(super) async fn check(&self) -> (u64, Vec<String>) {
        outcome(&self.checked().await)
    }

    async fn checked(&self) -> Deep {
        let deep = self.deep();
        deep.everything_in(&Tail::default()).await.unwrap();
        deep
    }
}

fn outcome(deep: &Deep) -> (u64, Vec<String>) {
    (deep.progress.offsets.load(Ordering::Relaxed), found(deep))
}

/// The findings in words, in order: kind, partition, offsets, object.
pub(super) fn found(deep: &Deep) -> Vec<String> {
    deep.findings.sorted().iter().map(words).collect()
}

fn words(finding: &Finding) -> String {
    let key = finding.key.as_deref().unwrap_or("-");
    format!(
        "{} {} {}..{} {key}",
        finding.kind.name(),
        finding.partition,
        finding.first,
        finding.end
    )
}
