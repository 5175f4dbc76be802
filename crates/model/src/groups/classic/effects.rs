//! What comes of an event.

use bytes::Bytes;

use crate::groups::{CallId, GroupError};

/// What is to be done after an event, in this order: keep, then answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Calls and their answers.
    pub answers: Vec<(CallId, Answer)>,
    /// The group must be kept ([`ClassicGroup::stored`](super::ClassicGroup::stored)) before these answers go out.
    pub keep: bool,
}

/// The answer to a call that may have waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To JoinGroup.
    Join(Result<Joined, JoinRefused>),
    /// To SyncGroup.
    Sync(Result<Synced, GroupError>),
}

/// A Join that did not lead to a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRefused {
    /// Why.
    pub error: GroupError,
    /// With 79 the id to come again with; empty if the member was removed while it waited; else the id of the request.
    pub member_id: String,
}

/// A member's place in a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The generation.
    pub generation: i32,
    /// The group's protocol type (v7+).
    pub protocol_type: Option<String>,
    /// The protocol that was chosen.
    pub protocol: Option<String>,
    /// Who assigns. A static leader that comes back and cannot skip the assignment (v5-8) is told its former id, so that
    /// it takes itself for a follower.
    pub leader: String,
    /// The member's id.
    pub member_id: String,
    /// The leader shall not assign: the assignment stands (KIP-814).
    pub skip_assignment: bool,
    /// All members, for the leader only.
    pub members: Vec<JoinedMember>,
}

/// A member as the leader is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: String,
    /// Its instance id.
    pub instance_id: Option<String>,
    /// Its metadata for the protocol that was chosen.
    pub metadata: Bytes,
}

/// A member's assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The group's protocol type (v5+).
    pub protocol_type: Option<String>,
    /// The protocol that was chosen (v5+).
    pub protocol: Option<String>,
    /// What the leader gave.
    pub assignment: Bytes,
}

impl Effects {
    pub(super) fn joined(&mut self, call: CallId, joined: Joined) {
        self.answers.push((call, Answer::Join(Ok(joined))));
    }

    pub(super) fn refuse_join(&mut self, call: CallId, error: GroupError, member_id: String) {
        self.answers
            .push((call, Answer::Join(Err(JoinRefused { error, member_id }))));
    }

    pub(super) fn synced(&mut self, call: CallId, synced: Synced) {
        self.answers.push((call, Answer::Sync(Ok(synced))));
    }

    pub(super) fn refuse_sync(&mut self, call: CallId, error: GroupError) {
        self.answers.push((call, Answer::Sync(Err(error))));
    }
}
