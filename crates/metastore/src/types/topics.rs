//! Topics as the metastore keeps them. Names and configs are validated by the broker.

use std::collections::BTreeMap;

use esker_model::{TopicKey, TopicUuid};

use super::GroupConfigs;

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Short id inside this metastore.
    pub key: TopicKey,
    /// Public id.
    pub uuid: TopicUuid,
    /// Name.
    pub name: String,
    /// Partitions are 0 to this, exclusive.
    pub partitions: i32,
    /// The factor that was asked for: shown, without effect.
    pub replication_factor: i16,
    /// Configs that were set, by Kafka's names.
    pub configs: BTreeMap<String, String>,
    /// Catalog version of the last change.
    pub version: i64,
}

/// What changed after a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// The catalog's version: ask from here next time. Grows with every change.
    pub version: i64,
    /// Topics created or changed.
    pub changed: Vec<Topic>,
    /// Topics deleted.
    pub deleted: Vec<TopicUuid>,
    /// Groups whose configs were set or changed; none of them is without any.
    pub groups: Vec<GroupConfigs>,
    /// A group has lost its last config since: `groups` names all that have some, and no other has any.
    pub groups_anew: bool,
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Public id, freshly drawn.
    pub uuid: TopicUuid,
    /// Name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// Replication factor to show.
    pub replication_factor: i16,
    /// Configs.
    pub configs: BTreeMap<String, String>,
}

/// Why a topic was not created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreateTopicRefusal {
    /// A topic of that name exists.
    Exists,
    /// A topic exists whose name is the same once `.` is read as `_`; its name.
    Collides(String),
    /// This very topic (its id) was created before, and deleted since: the call was repeated. An id is never
    /// used again, for offsets and bytes hang on it.
    Deleted,
}

/// A partition count to raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewPartitions {
    /// The topic.
    pub topic: TopicUuid,
    /// The count wanted.
    pub partitions: i32,
}

/// Why the number of partitions was not raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreatePartitionsRefusal {
    /// The topic does not exist.
    UnknownTopic,
    /// It has this many already.
    NotMore(i32),
}
