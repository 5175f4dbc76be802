//! What every part of Esker agrees on: ids, offsets, limits, the seams to clock, randomness and
//! spawning, and the pure rules (producer sequences, groups, routing).
//!
//! Nothing here does I/O, and nothing here knows Kafka's wire, SQL or an object store. The rules are
//! plain functions over plain data, so that the metastores, the simulator and the tests share one
//! definition of what is right.

pub mod collections;
pub mod groups;
pub mod ids;
pub mod limits;
pub mod planted;
pub mod routing;
pub mod seams;
pub mod sequence;

pub use ids::{
    ClusterEpoch, ClusterId, IncarnationId, LogId, ManifestId, NodeId, ObjectId, PartitionKey, ProducerEpoch,
    ProducerId, SegmentId, SegmentKind, ShardId, TopicKey, TopicUuid,
};
