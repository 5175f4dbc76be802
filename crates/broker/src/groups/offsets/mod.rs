//! Committed offsets: where groups go on reading. They are in the metastore only; nobody keeps them in memory.

pub(crate) mod commit;
pub(crate) mod delete;
pub(crate) mod fetch;

/// The member epoch, or generation, of who is in no group.
const NO_MEMBER: i32 = -1;

/// The leader epoch of a record that nobody told the epoch of, and of an offset that was never committed.
const NO_EPOCH: i32 = -1;
