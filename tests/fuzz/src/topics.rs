//! The topics that exist in every world, with ids that never change, so that seeds can name them.

use uuid::Uuid;

/// A topic that exists from the start.
#[derive(Clone, Copy)]
pub(crate) struct KnownTopic {
    pub(crate) name: &'static str,
    pub(crate) id: Uuid,
    pub(crate) configs: &'static [(&'static str, &'static str)],
}

/// Partitions of each of them.
pub(crate) const PARTITIONS: i32 = 2;

/// A topic without any setting.
pub(crate) const PLAIN: KnownTopic = KnownTopic {
    name: "t",
    id: Uuid::from_u128(0x7070),
    configs: &[],
};

/// A topic that keeps the last value per key: its batches are opened when they arrive.
pub(crate) const COMPACT: KnownTopic = KnownTopic {
    name: "k",
    id: Uuid::from_u128(0x6b6b),
    configs: &[("cleanup.policy", "compact")],
};

/// A topic whose batches are stamped when they arrive.
pub(crate) const APPEND_TIME: KnownTopic = KnownTopic {
    name: "a",
    id: Uuid::from_u128(0x6161),
    configs: &[("message.timestamp.type", "LogAppendTime")],
};

/// All of them.
pub(crate) const KNOWN_TOPICS: [KnownTopic; 3] = [PLAIN, COMPACT, APPEND_TIME];
