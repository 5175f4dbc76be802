//! What is kept of groups in the metastore: JSON, so that a later release can add to it and people can read it.
//!
//! A classic group is one text with its members. Of a group of KIP-848 each member has its own, because one changes
//! without the others. Names of fields are never used for anything else again; what is missing has its default.

mod classic;
mod consumer;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use esker_metastore::{StateChange, StoredGroup};
use esker_model::seams::Instant;
use serde::{Deserialize, Serialize};

use super::group::Group;

/// A group's own text.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum GroupText {
    Classic(classic::ClassicText),
    Consumer(consumer::ConsumerText),
}

/// Why what is kept cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreadable(#[from] serde_json::Error);

/// A group as it was kept.
pub(super) fn group(stored: &StoredGroup, now: Instant) -> Result<Group, Unreadable> {
    match serde_json::from_slice(&stored.state)? {
        GroupText::Classic(text) => Ok(Group::Classic(text.restore(now))),
        GroupText::Consumer(text) => Ok(Group::Consumer(text.restore(&stored.members, now)?)),
    }
}

/// A group's own state, as it is to be kept.
pub(super) fn state(group: &Group) -> StateChange {
    let text = match group {
        Group::Classic(group) => GroupText::Classic(group.stored().into()),
        Group::Consumer(group) => GroupText::Consumer(group.stored().into()),
        Group::Gone => return StateChange::Keep,
    };
    StateChange::Put {
        state: text_of(&text),
        empty: group.is_empty(),
    }
}

/// A member, as it is to be kept; `None` if it is gone.
pub(super) fn member(group: &Group, id: Arc<str>) -> (Arc<str>, Option<Bytes>) {
    let stored = match group {
        Group::Consumer(group) => group.stored_member(&id),
        Group::Classic(_) | Group::Gone => None,
    };
    let text = stored.map(|stored| text_of(&consumer::MemberText::from(stored)));
    (id, text)
}

/// Nothing in these types can fail to be written: keys are texts, and no number is without end.
fn text_of(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// Bytes of clients, as text.
#[derive(Clone, Default)]
struct Base64(Bytes);

impl Serialize for Base64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD_NO_PAD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes.into()))
    }
}

#[cfg(test)]
mod tests;
