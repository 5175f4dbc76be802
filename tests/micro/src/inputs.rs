//! What the stages work on: records of 1 KiB in the batches that clients make of them, one topic of 640
//! partitions, and segments as a busy agent seals them.

use std::collections::BTreeMap;

use bytes::Bytes;
use esker_metastore::Topic;
use esker_model::{PartitionKey, TopicKey, TopicUuid};
use esker_protocol::records::BatchBuilder;
use uuid::Uuid;

pub(crate) const KIB: u64 = 1024;
pub(crate) const MIB: u64 = 1024 * KIB;
pub(crate) const PARTITIONS: i32 = 640;
/// Runs that a busy agent commits in one call.
pub(crate) const RUNS: usize = 1600;
/// Records of 1 KiB in a batch of 1 MB, of 16 KiB and of 5 KiB.
pub(crate) const OF_1_MB: i32 = 960;
pub(crate) const OF_16_KIB: i32 = 15;
pub(crate) const OF_5_KIB: i32 = 5;
const RECORD_BYTES: usize = 1024;

/// The time of all records.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

pub(crate) fn topic() -> Topic {
    Topic {
        key: TopicKey(1),
        uuid: TopicUuid(Uuid::from_u128(1)),
        name: "micro".into(),
        partitions: PARTITIONS,
        replication_factor: 1,
        configs: BTreeMap::new(),
        version: 1,
    }
}

pub(crate) fn partition(index: usize) -> PartitionKey {
    PartitionKey {
        topic: TopicKey(1),
        partition: index as i32,
    }
}

/// A batch as a client without idempotence sends it.
pub(crate) fn batch(records: i32) -> Bytes {
    filled(BatchBuilder::new(), records)
}

/// The first batch of a producer.
pub(crate) fn batch_of(producer: usize, records: i32) -> Bytes {
    filled(BatchBuilder::new().producer(producer as i64, 0, 0), records)
}

fn filled(mut builder: BatchBuilder, records: i32) -> Bytes {
    for number in 0..records {
        // Nothing looks into a value; different ones keep the checksums honest.
        let value = [number as u8; RECORD_BYTES];
        builder = builder.record(NOW_MS, None, Some(&value), &[]);
    }
    builder.build().expect("a batch")
}
