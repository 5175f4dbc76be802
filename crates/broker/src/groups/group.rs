//! A group of either kind.

use esker_model::groups::classic::ClassicGroup;
use esker_model::groups::consumer::ConsumerGroup;
use esker_model::seams::Instant;

/// What members that are consumers are, as classic ones say it: the protocol type.
pub(super) const CONSUMER: &str = "consumer";

/// A group.
pub(super) enum Group {
    /// Its members speak the classic protocol, or it has none and only offsets.
    Classic(ClassicGroup),
    /// Its members speak that of KIP-848.
    Consumer(ConsumerGroup),
    /// It was deleted; only what has to be written of that is left.
    Gone,
}

impl Group {
    /// A group without members.
    pub(super) fn new_classic() -> Self {
        Self::Classic(ClassicGroup::new())
    }

    /// The same of the other kind.
    pub(super) fn new_consumer() -> Self {
        Self::Consumer(ConsumerGroup::new())
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }

    /// Whether it has no members.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Classic(group) => group.is_empty(),
            Self::Consumer(group) => group.is_empty(),
            Self::Gone => true,
        }
    }

    /// When it wants to be woken.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        match self {
            Self::Classic(group) => group.next_wake(),
            Self::Consumer(group) => group.next_wake(),
            Self::Gone => None,
        }
    }

    /// Bytes that are kept for its members.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Classic(group) => group.bytes(),
            Self::Consumer(group) => group.bytes(),
            Self::Gone => 0,
        }
    }

    /// What its members speak, as metrics and responses name it; `None` once it was deleted.
    pub(super) fn protocol(&self) -> Option<&'static str> {
        match self {
            Self::Classic(_) => Some("classic"),
            Self::Consumer(_) => Some("consumer"),
            Self::Gone => None,
        }
    }

    /// How many members it has.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Classic(group) => group.size(),
            Self::Consumer(group) => group.size(),
            Self::Gone => 0,
        }
    }

    /// Goes up each time that partitions are given out anew.
    pub(super) fn round(&self) -> i32 {
        match self {
            Self::Classic(group) => group.generation(),
            Self::Consumer(group) => group.assignment_epoch(),
            Self::Gone => 0,
        }
    }

    /// Kafka's name of its kind, as it is on the wire.
    pub(super) fn kind(&self) -> &'static str {
        self.protocol().unwrap_or("classic")
    }

    /// Kafka's name of its state.
    pub(super) fn state(&self) -> String {
        match self {
            Self::Classic(group) => group.state().to_string(),
            Self::Consumer(group) => group.state().to_string(),
            Self::Gone => "Dead".to_owned(),
        }
    }

    /// What its members are: `consumer`, or what the classic ones said.
    pub(super) fn protocol_type(&self) -> &str {
        match self {
            Self::Classic(group) => group.protocol_type().unwrap_or_default(),
            Self::Consumer(_) => CONSUMER,
            Self::Gone => "",
        }
    }
}
