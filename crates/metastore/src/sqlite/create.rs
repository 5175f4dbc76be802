//! Creating a database file: whole or not at all.
//!
//! It is built beside its place without any sync, synced once, and renamed into its place. A crash
//! leaves at most a `.new` file, which the next start throws away. This is also twice as fast as a
//! creation in place, which syncs after every step.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::migrate::{self, Problem};

/// Why no file was created.
pub(super) enum Failure {
    Schema(Problem),
    File(io::Error),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Schema(problem)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Schema(error.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// Creates the database at `path`, where nothing is, in `directory`, which the caller has locked.
pub(super) fn create(directory: &Path, path: &Path) -> Result<(), Failure> {
    let new = with_suffix(path, ".new");
    // A log that outlived its database (somebody removed only the latter) would be taken for this one's.
    let log = with_suffix(path, "-wal");
    for leftover in [new.clone(), with_suffix(&new, "-journal"), log] {
        match std::fs::remove_file(leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    let mut connection = Connection::open(&new)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    migrate::migrate(&mut connection)?;
    // Recorded in the file. Last, so that there is no log beside it when it is renamed.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.close().map_err(|(_, error)| error)?;
    File::open(&new)?.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(directory)?.sync_all()?;
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
