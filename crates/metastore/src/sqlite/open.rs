//! Opening: the directory, its lock, the file, the settings, the schema. Everything that can be wrong
//! with them is said in one sentence.
//!
//! The lock is the operating system's, on a file beside the database: it goes when the process goes,
//! however it dies, and it also covers whatever else one process keeps in that directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use esker_model::seams::Clock;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::create::{self, Failure};
use super::database::Database;
use super::migrate::{self, Problem};
use crate::{MetastoreError, Result};

/// Name of the lock file in the database's directory.
const LOCK_FILE: &str = "esker.lock";
/// Attempts to lock the directory, and the time between them.
const LOCK_ATTEMPTS: u32 = 6;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// How long a call waits for a tool of the operator that locks the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn open_memory(clock: Arc<dyn Clock>) -> Result<Database> {
    let mut connection = Connection::open_in_memory()?;
    migrate::migrate(&mut connection).map_err(|problem| explain(Path::new(":memory:"), problem))?;
    Database::new(connection, clock)
}

/// Opens the database at `path` to read, beside a process that may be using it. Takes no lock of the directory, creates
/// no database and changes no schema. SQLite lets readers and the writer go on beside each other; who never writes does
/// not tidy up its log either, so the writer alone decides when that is done.
pub(super) fn open_to_read(path: &Path, clock: Arc<dyn Clock>) -> Result<Database> {
    if !path.exists() {
        return Err(MetastoreError::Misconfigured(format!(
            "there is no database {}",
            path.display()
        )));
    }
    let opened = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.pragma_update(None, "query_only", true)?;
        let found = migrate::version(&connection)?;
        Ok((connection, found))
    };
    let (connection, found) = opened().map_err(|problem| match problem {
        Problem::Sqlite(error) if cannot_open(&error) => {
            MetastoreError::Misconfigured(format!("cannot read {}: {error}", path.display()))
        }
        problem => explain(path, problem),
    })?;
    let needed = migrate::KNOWN;
    if found < needed {
        let (found, needed) = (found as i64, needed as i64);
        return Err(MetastoreError::NotMigrated { found, needed });
    }
    Database::new(connection, clock)
}

/// Opens the database at `path`; the returned file holds the directory's lock.
pub(super) fn open_file(path: &Path, clock: Arc<dyn Clock>) -> Result<(Database, File)> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let lock = lock(directory)?;
    if !path.exists() {
        create::create(directory, path).map_err(|failure| match failure {
            Failure::Schema(problem) => explain(path, problem),
            Failure::File(error) => misconfigured("cannot write to the directory", directory, &error),
        })?;
    }
    let connection = connect(path).map_err(|problem| explain(path, problem))?;
    Ok((Database::new(connection, clock)?, lock))
}

fn lock(directory: &Path) -> Result<File> {
    std::fs::create_dir_all(directory)
        .map_err(|error| misconfigured("cannot create the directory", directory, &error))?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join(LOCK_FILE))
        .map_err(|error| misconfigured("cannot write to the directory", directory, &error))?;
    match try_lock(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(MetastoreError::Misconfigured(format!(
            "another esker process is using {}",
            directory.display()
        ))),
        Err(TryLockError::Error(error)) => Err(misconfigured("cannot lock the directory", directory, &error)),
    }
}

/// A lock that its owner gave up is held for an instant longer when somebody's child process was being
/// started just then: until it runs its program, the child shares the file. So a few attempts.
fn try_lock(file: &File) -> std::result::Result<(), TryLockError> {
    for _ in 1..LOCK_ATTEMPTS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            decided => return decided,
        }
    }
    file.try_lock()
}

fn misconfigured(what: &str, directory: &Path, error: &std::io::Error) -> MetastoreError {
    MetastoreError::Misconfigured(format!("{what} {}: {error}", directory.display()))
}

fn connect(path: &Path) -> std::result::Result<Connection, Problem> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Before anything is written: the file may be somebody else's.
    migrate::version(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS a plain fsync does not reach the disk.
    connection.pragma_update(None, "fullfsync", true)?;
    migrate::migrate(&mut connection)?;
    Ok(connection)
}

fn explain(path: &Path, problem: Problem) -> MetastoreError {
    let path = path.display();
    match problem {
        Problem::TooNew { found, known } => MetastoreError::TooNew { found, known },
        Problem::NotOurs => MetastoreError::Misconfigured(format!("{path} is not an esker database")),
        Problem::Sqlite(error) => match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                MetastoreError::Misconfigured(format!("{path} is not an esker database"))
            }
            _ if cannot_open(&error) => {
                MetastoreError::Misconfigured(format!("cannot open {path} for writing: {error}"))
            }
            _ => error.into(),
        },
    }
}

fn cannot_open(error: &rusqlite::Error) -> bool {
    use ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
    matches!(
        error.sqlite_error_code(),
        Some(CannotOpen | ReadOnly | PermissionDenied)
    )
}
