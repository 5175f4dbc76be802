//! Topics: the catalog that every agent keeps, what their configs and those of groups mean, and the requests about them.
//!
//! Each request has its file, named after it. Changes are made in the metastore, one transaction per
//! request; before a change is answered this agent has learned it, the others learn it with their next
//! heartbeat, and a miss makes an agent ask at once. An item of a request that fails leaves the other
//! items alone.

pub(crate) mod alter_configs;
mod assignments;
mod broker_configs;
mod catalog;
mod config_changes;
mod config_entries;
mod config_subject;
mod config_table;
mod config_values;
pub mod configs;
pub(crate) mod create;
pub(crate) mod create_partitions;
pub(crate) mod delete;
pub(crate) mod delete_records;
pub(crate) mod describe_configs;
pub(crate) mod describe_partitions;
pub(crate) mod elect_leaders;
mod fixed_configs;
pub(crate) mod group_configs;
pub(crate) mod incremental_alter_configs;
pub(crate) mod list_config_resources;
pub(crate) mod log_dirs;
pub(crate) mod metadata;
pub(crate) mod names;
pub(crate) mod reassignments;
pub mod reference;
mod repeat;
mod resources;
pub(crate) mod stored_bytes;

pub(crate) use catalog::Lookup;
pub use catalog::{Catalog, TopicState};
