//! Requests and replies, by consumer.

pub(crate) mod agents;
pub(crate) mod archive;
pub(crate) mod cluster;
pub(crate) mod commit;
pub(crate) mod configs;
pub(crate) mod groups;
pub(crate) mod jobs;
pub(crate) mod manifest;
pub(crate) mod read;
pub(crate) mod retention;
pub(crate) mod sweep;
pub(crate) mod topics;

use configs::GroupConfigs;
use topics::Topic;
