//! The metastore in one SQLite file, or in memory: for one process.
//!
//! What holds: every method is one transaction; a write that succeeded is on disk (WAL,
//! synchronous=FULL, one fsync); the rules are those of `esker_model::sequence`, called directly.
//! SQLite runs one writer at a time, so there are no lock mistakes to make here, and none to find.
//!
//! From a file, all calls run one after the other on a named thread of their own; a caller that goes
//! away does not stop its call. A crash of the process or the machine at any moment leaves the calls
//! that were answered, perhaps the one under way, and nothing of the others. A second process on the
//! same directory is refused, unless it only wants to read. In memory there is no thread: calls run where
//! they are made, in the order in which they are made, so that a simulation repeats itself.
//!
//! `commit` → `settle` are the write path, `reads` the read path; `archive` → `moves` → `merge` → `release` → `removal`
//! the way of segments out of the store, `sweep` what was never in it; `coordinators`, `groups` and `group_writes` are what groups
//! keep; the other files are named after their trait.

mod agents;
mod archive;
#[cfg(feature = "auditing")]
mod auditing;
mod cluster;
mod codec;
mod commit;
mod configs;
mod coordinators;
mod create;
mod database;
mod error;
mod executor;
mod extents;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod group_writes;
mod groups;
mod jobs;
mod memory;
mod merge;
mod migrate;
mod moves;
mod open;
mod producers;
mod reads;
mod release;
mod removal;
mod retention;
mod settle;
mod sweep;
mod topics;
mod traits;
mod values;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use esker_model::seams::Clock;

use crate::{MetastoreMetrics, Result};
use executor::Executor;

/// A metastore on SQLite.
pub struct SqliteMetastore {
    executor: Executor,
    metrics: MetastoreMetrics,
    clock: Arc<dyn Clock>,
}

impl SqliteMetastore {
    /// Opens or creates the database at `path` and brings its schema up to date. Creates the directory.
    ///
    /// `clock` is the database's clock. Dropping the metastore finishes the calls that are queued and
    /// gives the directory free.
    ///
    /// Errors: `Misconfigured` if another process uses the directory, if it cannot be written or if
    /// `path` is no database of ours; `TooNew` if a newer program wrote it; `Corrupt` if it is damaged.
    pub fn open(path: &Path, clock: Arc<dyn Clock>, metrics: MetastoreMetrics) -> Result<Self> {
        let (database, lock) = open::open_file(path, Arc::clone(&clock))?;
        Ok(Self {
            executor: Executor::thread(database, Some(lock))?,
            metrics,
            clock,
        })
    }

    /// Opens the database at `path` to read, also while another process uses it. Nothing is created, locked against
    /// others or brought up to date; calls that write fail.
    ///
    /// Errors: `Misconfigured` if there is no database of ours or it cannot be read; `NotMigrated`, `TooNew` and
    /// `Corrupt` as their names say.
    pub fn open_to_read(path: &Path, clock: Arc<dyn Clock>, metrics: MetastoreMetrics) -> Result<Self> {
        Ok(Self {
            executor: Executor::thread(open::open_to_read(path, Arc::clone(&clock))?, None)?,
            metrics,
            clock,
        })
    }

    /// A database in memory, which lives as long as the metastore. Calls never wait.
    pub fn in_memory(clock: Arc<dyn Clock>, metrics: MetastoreMetrics) -> Result<Self> {
        Ok(Self {
            executor: Executor::inline(open::open_memory(Arc::clone(&clock))?),
            metrics,
            clock,
        })
    }
}
