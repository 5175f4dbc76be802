//! What members of groups did and were told.

use serde::{Deserialize, Serialize};

use crate::event::{Life, Partition};

/// How the members of a group come to what each of them reads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// A leader among the members assigns, in generations that all members share.
    Classic,
    /// The coordinator assigns (KIP-848); each member has an epoch of its own.
    Consumer,
}

/// A member as it names itself in a request.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Member {
    /// The group.
    pub group: String,
    /// Its kind.
    pub kind: Kind,
    /// The member's id: of one process, which may join again under it after it gave up everything.
    pub id: String,
    /// Generation or member epoch.
    pub generation: i32,
}

/// What happened in a group.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum InGroup {
    /// A member was taken into a generation (JoinGroup), or into the group (the first heartbeat of KIP-848).
    Joined {
        /// The member, with what it was given.
        member: Member,
        /// When it asked.
        asked_us: u64,
        /// Who answered.
        by: Option<Life>,
    },
    /// A member was told what is its own from now on, in this generation: these partitions and no others. It may go on
    /// with what it had before until it says what it [`InGroup::Keeps`].
    Owns {
        /// The member.
        member: Member,
        /// The partitions.
        partitions: Vec<Partition>,
        /// When it asked.
        asked_us: u64,
        /// Who answered.
        by: Option<Life>,
    },
    /// A member reads nothing but these any more. To be told before anybody else can know.
    Keeps {
        /// The member.
        member: Member,
        /// The partitions.
        partitions: Vec<Partition>,
    },
    /// A member's heartbeat was answered without an error.
    Heard {
        /// The member, as it said.
        member: Member,
        /// When it asked.
        asked_us: u64,
        /// Who answered.
        by: Option<Life>,
    },
    /// A member asks for an offset to be kept.
    Committing {
        /// The member.
        member: Member,
        /// The partition.
        partition: Partition,
        /// The next offset that the group has to read.
        offset: i64,
        /// The agent, if the client knows.
        to: Option<Life>,
    },
    /// That was answered, or will never be.
    Committed {
        /// The member.
        member: Member,
        /// The partition.
        partition: Partition,
        /// When it asked: the time of its `Committing`.
        asked_us: u64,
        /// Who answered.
        by: Option<Life>,
        /// Kafka's error code; `None`: there was no answer.
        error: Option<i16>,
    },
    /// Somebody was told what a group has committed.
    Told {
        /// The group.
        group: String,
        /// The partition.
        partition: Partition,
        /// When it was asked.
        asked_us: u64,
        /// Who answered.
        by: Option<Life>,
        /// The offset; -1: none.
        offset: i64,
    },
}

impl InGroup {
    /// The group.
    pub fn group(&self) -> &str {
        match self {
            Self::Told { group, .. } => group,
            Self::Joined { member, .. }
            | Self::Owns { member, .. }
            | Self::Keeps { member, .. }
            | Self::Heard { member, .. }
            | Self::Committing { member, .. }
            | Self::Committed { member, .. } => &member.group,
        }
    }

    /// The agent that it names.
    pub fn life(&self) -> Option<Life> {
        match self {
            Self::Keeps { .. } => None,
            Self::Committing { to: life, .. }
            | Self::Joined { by: life, .. }
            | Self::Owns { by: life, .. }
            | Self::Heard { by: life, .. }
            | Self::Committed { by: life, .. }
            | Self::Told { by: life, .. } => *life,
        }
    }

    /// The partitions that it names.
    pub fn partitions(&self) -> &[Partition] {
        match self {
            Self::Joined { .. } | Self::Heard { .. } => &[],
            Self::Owns { partitions, .. } | Self::Keeps { partitions, .. } => partitions,
            Self::Committing { partition, .. }
            | Self::Committed { partition, .. }
            | Self::Told { partition, .. } => std::slice::from_ref(partition),
        }
    }
}
