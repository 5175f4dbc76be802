//! Consumer groups: looking after them, and being a member of one.
//!
//! Everything about one group goes to its [`Coordinator`]. [`list`] asks every broker; [`describe`], [`offsets`],
//! [`progress`] and [`remove`] are what somebody does who looks after a group; [`member`] takes part in one, with the classic protocol.
//! Both kinds of groups are known: classic ones, and those of KIP-848, which Kafka calls `consumer` groups.

mod assignment;
mod coordinator;
pub(crate) mod describe;
mod heart;
pub(crate) mod list;
pub(crate) mod member;
pub(crate) mod offsets;
pub(crate) mod progress;
pub(crate) mod remove;

pub(crate) use coordinator::Coordinator;

use esker_protocol::ErrorCode;
use esker_protocol::messages::GroupId;

use super::ClientError;
use super::cluster::text;

/// What consumers call themselves; groups of other kinds of clients have another protocol type.
pub(crate) const CONSUMER: &str = "consumer";

/// A group id as messages have it.
fn group_id(group: &str) -> GroupId {
    GroupId(text(group))
}

/// Whether the broker refused with this code.
pub(crate) fn is_code(error: &ClientError, wanted: ErrorCode) -> bool {
    matches!(error, ClientError::Refused { code, .. } if *code == wanted.code())
}
