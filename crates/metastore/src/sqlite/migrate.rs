//! The schema: numbered files, applied in order, forward only, each in one transaction with the new
//! version. The version is SQLite's `user_version`; `application_id` marks a file as ours.

use rusqlite::{Connection, TransactionBehavior};

/// The migrations; number `i + 1` is at index `i`. Released ones are never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../../migrations/sqlite/0001_first_tables.sql"),
    include_str!("../../../../migrations/sqlite/0002_names_again.sql"),
    include_str!("../../../../migrations/sqlite/0003_archive.sql"),
    include_str!("../../../../migrations/sqlite/0004_manifests.sql"),
    include_str!("../../../../migrations/sqlite/0005_gone_objects.sql"),
    include_str!("../../../../migrations/sqlite/0006_groups.sql"),
    include_str!("../../../../migrations/sqlite/0007_from_zero.sql"),
    include_str!("../../../../migrations/sqlite/0008_group_configs.sql"),
];

/// The version that all of them lead to.
pub(super) const KNOWN: usize = MIGRATIONS.len();

/// "Eskr" in ASCII.
const APPLICATION_ID: i32 = 0x4573_6b72;

/// Why a schema could not be used or brought up to date.
pub(super) enum Problem {
    Sqlite(rusqlite::Error),
    /// The database of another program.
    NotOurs,
    TooNew {
        found: i64,
        known: i64,
    },
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// The schema's version; 0 for a new database. Changes nothing.
pub(super) fn version(connection: &Connection) -> Result<usize, Problem> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = pragma("user_version")?;
    if pragma("application_id")? != i64::from(APPLICATION_ID) {
        let anything: bool =
            connection.query_row("SELECT EXISTS (SELECT * FROM sqlite_schema)", [], |row| {
                row.get(0)
            })?;
        if anything || found != 0 {
            return Err(Problem::NotOurs);
        }
    }
    let known = KNOWN as i64;
    if found > known {
        return Err(Problem::TooNew { found, known });
    }
    usize::try_from(found).map_err(|_| Problem::NotOurs)
}

/// Applies what is missing.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Problem> {
    let from = version(connection)?;
    for (index, script) in MIGRATIONS.iter().enumerate().skip(from) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "user_version", index as i64 + 1)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
    }
    Ok(())
}
