//! The schema: numbered migrations, forward only, embedded in the program.
//!
//! What holds: each migration is one transaction together with the row that records it, after the indexes that can
//! only be built outside of one; a lock lets one program migrate at a time; repeating is harmless. Migrations only add, so that agents of this release
//! and the next work side by side: nothing here stops a running agent.
//! A failure leaves the schema at the last migration that was recorded.
//!
//! A migration that this program does not know may still leave it all that it needs: such a one records from which version
//! on programs can use what it leaves (`usable_from`). So agents of the release before may also start anew between the
//! migration and their update, and a release can be taken back. The first migration that says so brings the column; until
//! then, and where it is null, only programs that know a migration can use what it leaves.

use std::time::Duration;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};

use super::address::{Address, Target};
use super::error::{self, Effect};
use super::pool::Pool;
use super::session::Session;
use crate::{MetastoreError, Result};

/// The oldest schema that this program works with.
pub const SCHEMA_NEEDED: i64 = 13;
/// The newest schema that this program knows.
pub const SCHEMA_KNOWN: i64 = 14;

/// Programs that migrate at the same time wait for each other on this advisory lock ("eskermig").
const LOCK: i64 = 0x6573_6b65_726d_6967;

/// How often, and for how long, they are waited for: a minute.
const LOCK_PAUSE: Duration = Duration::from_millis(100);
const LOCK_ATTEMPTS: u32 = 600;

struct Migration {
    version: i64,
    name: &'static str,
    /// Indexes that are built beforehand, one by one, while agents go on writing: name, and what follows it. One
    /// that was left half built is built anew.
    indexes: &'static [(&'static str, &'static str)],
    parts: &'static [&'static str],
}

macro_rules! function {
    ($name:literal) => {
        include_str!(concat!(
            "../../../../migrations/postgres/functions/",
            $name,
            ".sql"
        ))
    };
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "base",
        indexes: &[],
        parts: &[
            function!("past_v1"),
            include_str!("../../../../migrations/postgres/0001_base.sql"),
            function!("commit_v1"),
            function!("settle_v1"),
            function!("register_v1"),
            function!("heartbeat_v1"),
            function!("fence_expired_v1"),
            function!("leave_v1"),
            function!("heads_v1"),
            function!("plan_v1"),
            function!("find_by_time_v1"),
            function!("catalog_v1"),
            function!("create_topics_v1"),
            function!("delete_topics_v1"),
            function!("create_partitions_v1"),
            function!("alter_configs_v1"),
            function!("forget_idle_producers_v1"),
            function!("same_past_v1"),
        ],
    },
    // Version 1 of both functions stays: agents of the release before call it.
    Migration {
        version: 2,
        name: "names_again",
        indexes: &[],
        parts: &[
            include_str!("../../../../migrations/postgres/0002_names_again.sql"),
            function!("create_topics_v2"),
            function!("create_partitions_v2"),
        ],
    },
    Migration {
        version: 3,
        name: "archive",
        indexes: &[],
        parts: &[
            include_str!("../../../../migrations/postgres/0003_archive.sql"),
            function!("claim_job_v1"),
            function!("waiting_segments_v1"),
            function!("unarchived_v1"),
            function!("archive_v1"),
            function!("release_v1"),
            function!("unneeded_v1"),
            function!("forget_segments_v1"),
            function!("empty_bucket_v1"),
            function!("advance_log_start_v1"),
            function!("retain_v1"),
            function!("drop_archived_v1"),
            function!("plan_v2"),
            function!("find_by_time_v2"),
            function!("delete_topics_v2"),
        ],
    },
    Migration {
        version: 4,
        name: "archive_indexes",
        indexes: &[
            (
                "segment_waiting",
                "segment (committed_at NULLS FIRST, incarnation, seq) WHERE state = 0",
            ),
            ("segment_released", "segment (released_at) WHERE state = 1"),
            ("extent_0_by_segment", "extent_0 (incarnation, seq)"),
            ("extent_1_by_segment", "extent_1 (incarnation, seq)"),
            ("extent_2_by_segment", "extent_2 (incarnation, seq)"),
            ("extent_3_by_segment", "extent_3 (incarnation, seq)"),
            ("extent_4_by_segment", "extent_4 (incarnation, seq)"),
            ("extent_5_by_segment", "extent_5 (incarnation, seq)"),
            ("extent_6_by_segment", "extent_6 (incarnation, seq)"),
            ("extent_7_by_segment", "extent_7 (incarnation, seq)"),
        ],
        parts: &[include_str!(
            "../../../../migrations/postgres/0004_archive_indexes.sql"
        )],
    },
    // What the indexes name is there already, so they need no migration of their own.
    Migration {
        version: 5,
        name: "manifests",
        indexes: &[
            (
                "segment_tombstone",
                "segment (committed_at NULLS FIRST) WHERE state = 2",
            ),
            (
                "archive_extent_hole",
                "archive_extent (incarnation, seq) WHERE kind = 0",
            ),
            ("agent_ended", "agent (state) WHERE state <> 0"),
        ],
        parts: &[
            include_str!("../../../../migrations/postgres/0005_manifests.sql"),
            // Once more, for agents of the release before: it does not pass over manifests.
            function!("retain_v1"),
            function!("from_lost_past_v1"),
            function!("settled_through_v1"),
            function!("waiting_segments_v2"),
            function!("claim_job_v2"),
            function!("release_archived_v1"),
            function!("release_v2"),
            function!("registered_v1"),
            function!("drop_archived_v2"),
            function!("delete_topics_v3"),
            // These two once more as well: they know neither manifests nor the order of the locks.
            function!("drop_archived_v1"),
            function!("delete_topics_v2"),
            function!("plan_v3"),
            function!("find_by_time_v3"),
            function!("retain_v2"),
            function!("merge_candidates_v1"),
            function!("to_merge_v1"),
            function!("merge_v1"),
            function!("mostly_dead_v1"),
            function!("archived_in_v1"),
            function!("move_archived_v1"),
            function!("unneeded_v2"),
            function!("forget_objects_v1"),
            function!("topics_to_empty_v1"),
            function!("topics_emptied_v1"),
            function!("orphans_v1"),
            function!("references_v1"),
            function!("to_sweep_v1"),
            function!("swept_v1"),
            function!("report_job_v1"),
            function!("upkeep_status_v1"),
        ],
    },
    Migration {
        version: 6,
        name: "gone_objects",
        indexes: &[("segment_gone", "segment (incarnation, seq) WHERE state = 3")],
        parts: &[
            function!("unneeded_v3"),
            function!("forget_objects_v2"),
            function!("swept_v2"),
        ],
    },
    // Version 1 stays: agents of the release before call it.
    Migration {
        version: 7,
        name: "clock",
        indexes: &[],
        parts: &[function!("heartbeat_v2")],
    },
    Migration {
        version: 8,
        name: "groups",
        indexes: &[],
        parts: &[
            include_str!("../../../../migrations/postgres/0006_groups.sql"),
            function!("claim_shards_v1"),
            function!("release_shards_v1"),
            function!("load_groups_v1"),
            function!("write_groups_v1"),
            function!("committed_offsets_v1"),
            function!("expire_offsets_v1"),
        ],
    },
    // Version 1 of both once more, for agents of the release before: theirs moved what was being forgotten.
    Migration {
        version: 9,
        name: "moves_above_log_start",
        indexes: &[],
        parts: &[
            function!("archived_in_v2"),
            function!("move_archived_v2"),
            function!("archived_in_v1"),
            function!("move_archived_v1"),
        ],
    },
    // The function once more, as it says now what the column knows: to agents of the release before, too.
    Migration {
        version: 10,
        name: "from_zero",
        indexes: &[],
        parts: &[
            include_str!("../../../../migrations/postgres/0007_from_zero.sql"),
            function!("commit_v1"),
        ],
    },
    Migration {
        version: 11,
        name: "stored_bytes",
        indexes: &[],
        parts: &[function!("stored_bytes_v1")],
    },
    // Version 1 of both stays: agents of the release before call it, and know nothing of groups' configs.
    Migration {
        version: 12,
        name: "group_configs",
        indexes: &[],
        parts: &[
            include_str!("../../../../migrations/postgres/0008_group_configs.sql"),
            function!("catalog_v2"),
            function!("alter_configs_v2"),
        ],
    },
    // Version 1 stays: agents of the release before call it.
    Migration {
        version: 13,
        name: "old_offsets",
        indexes: &[],
        parts: &[
            function!("expire_offsets_v2"),
            function!("old_offsets_v1"),
            function!("forget_offsets_v1"),
        ],
    },
    Migration {
        version: 14,
        name: "alter_configs_by_index",
        indexes: &[],
        parts: &[include_str!(
            "../../../../migrations/postgres/0009_alter_configs_by_index.sql"
        )],
    },
];

const RECORD: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    version    bigint      PRIMARY KEY,
    name       text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)";

/// What a call of [`migrate`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationReport {
    /// The version found; 0 for an empty database.
    pub from: i64,
    /// The version left.
    pub to: i64,
    /// Names of the migrations applied, in order.
    pub applied: Vec<&'static str>,
}

/// Brings a database's schema up to date. A later one that this program can use is left as it is; `TooNew` if it cannot.
pub async fn migrate(address: impl Into<Address>) -> Result<MigrationReport> {
    let mut connection = connect(&address.into()).await?;
    execute(&mut connection, "SET statement_timeout = 0".to_owned()).await?;
    lock(&mut connection).await?;
    // A waiting DDL statement blocks whoever comes after it: better to fail and be repeated.
    execute(&mut connection, "SET lock_timeout = '5s'".to_owned()).await?;
    if found(&mut connection).await?.version == 0 {
        execute(&mut connection, RECORD.to_owned()).await?;
    }
    let found = found(&mut connection).await?;
    found.is_usable()?;
    let from = found.version;
    let mut applied = Vec::new();
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > from) {
        apply(&mut connection, migration).await?;
        applied.push(migration.name);
    }
    // Ending the session releases the lock.
    let _ = connection.close().await;
    Ok(MigrationReport {
        from,
        to: from.max(SCHEMA_KNOWN),
        applied,
    })
}

/// Waits for other programs that migrate; asks again and again, because a statement that waits has a snapshot, which
/// would keep the others from building indexes.
async fn lock(connection: &mut PgConnection) -> Result<()> {
    for _ in 0..LOCK_ATTEMPTS {
        let row = sqlx::query("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
        if row.try_get(0)? {
            return Ok(());
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Err(MetastoreError::Unavailable(
        "another program has been migrating this database for a minute: try again when it is done".to_owned(),
    ))
}

/// The version of a database's schema; 0 if it has none.
pub async fn schema_version(address: impl Into<Address>) -> Result<i64> {
    let mut connection = connect(&address.into()).await?;
    let found = found(&mut connection).await?;
    let _ = connection.close().await;
    Ok(found.version)
}

async fn connect(address: &Address) -> Result<PgConnection> {
    let target = Target::of(address, |options| options.application_name("esker migrate"))?;
    target.connect().await
}

async fn apply(connection: &mut PgConnection, migration: &Migration) -> Result<()> {
    for (name, rest) in migration.indexes {
        // Each in a statement of its own: in a transaction the build would stop commits.
        execute(connection, format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")).await?;
        execute(connection, format!("CREATE INDEX CONCURRENTLY {name} ON {rest}")).await?;
    }
    let mut transaction = connection.begin().await.map_err(failed)?;
    for part in migration.parts {
        execute(&mut transaction, (*part).to_owned()).await?;
    }
    sqlx::query("INSERT INTO schema_migration (version, name) VALUES ($1, $2)")
        .bind(migration.version)
        .bind(migration.name)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

async fn execute(connection: &mut PgConnection, sql: String) -> Result<()> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

const EXISTS: &str = "SELECT to_regclass('schema_migration') IS NOT NULL";
/// Read as JSON, the row may lack the column.
const FOUND: &str = "SELECT coalesce(max(version), 0),
        coalesce(max(coalesce((to_jsonb(migration) ->> 'usable_from')::bigint, version)), 0)
    FROM schema_migration migration";

/// A database's schema.
#[derive(Clone, Copy, Default)]
struct Found {
    /// 0 if it has none.
    version: i64,
    /// The oldest [`SCHEMA_KNOWN`] of programs that can use it.
    usable_from: i64,
}

impl Found {
    fn of(row: &PgRow) -> Result<Self> {
        Ok(Self {
            version: row.try_get(0)?,
            usable_from: row.try_get(1)?,
        })
    }

    /// Whether it leaves this program what it needs, should it be later.
    fn is_usable(self) -> Result<()> {
        if self.version > SCHEMA_KNOWN && self.usable_from > SCHEMA_KNOWN {
            return Err(MetastoreError::TooNew {
                found: self.version,
                known: SCHEMA_KNOWN,
            });
        }
        Ok(())
    }
}

async fn found(connection: &mut PgConnection) -> Result<Found> {
    let exists = sqlx::query(EXISTS)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if !exists.try_get::<bool, _>(0)? {
        return Ok(Found::default());
    }
    let row = sqlx::query(FOUND).fetch_one(connection).await.map_err(failed)?;
    Found::of(&row)
}

/// Repeating a migration is harmless, so whether it took effect matters to nobody.
fn failed(error: sqlx::Error) -> MetastoreError {
    error::of_statement(&error, Effect::Reads)
}

/// Fails unless the schema fits this program.
pub(super) async fn check(session: &Session, pool: &Pool) -> Result<()> {
    let exists = session
        .row(pool, "schema", Effect::Reads, || sqlx::query(EXISTS))
        .await?;
    let found = if exists.try_get(0)? {
        let row = session
            .row(pool, "schema", Effect::Reads, || sqlx::query(FOUND))
            .await?;
        Found::of(&row)?
    } else {
        Found::default()
    };
    if found.version < SCHEMA_NEEDED {
        return Err(MetastoreError::NotMigrated {
            found: found.version,
            needed: SCHEMA_NEEDED,
        });
    }
    found.is_usable()
}
