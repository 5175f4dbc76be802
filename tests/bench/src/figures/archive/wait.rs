//! Agents that archive and merge, and when they are done.

use std::time::Duration;

use crate::system::{Bench, Sql};

/// An agent that does no more than that.
pub(in crate::figures) const UPKEEP: [&str; 2] = ["--roles", "upkeep"];
/// An agent that leaves it to others.
pub(in crate::figures) const SERVE: [&str; 2] = ["--roles", "serve"];
/// What waits is archived within seconds, and what is not needed goes then: a run does not take minutes to wait.
pub(in crate::figures) const AT_ONCE: [&str; 4] =
    ["--archive-interval-ms", "1000", "--archive-grace-ms", "1000"];
/// What is archived is merged at once, instead of when there is enough of it.
pub(in crate::figures) const MERGE_AT_ONCE: [&str; 2] = ["--merge-interval-ms", "500"];

const LOOK: Duration = Duration::from_millis(100);
/// What takes longer than this does not come to an end.
const LIMIT: Duration = Duration::from_secs(600);

/// Waits until every ingest segment is archived.
pub(in crate::figures) fn until_archived(bench: &Bench, sql: &mut Sql) -> Result<(), String> {
    until_none(bench, sql, "SELECT count(*) FROM segment WHERE state = 0")
}

/// Waits until all that is archived is merged.
pub(in crate::figures) fn until_merged(bench: &Bench, sql: &mut Sql) -> Result<(), String> {
    until_none(bench, sql, "SELECT count(*) FROM archive_extent")
}

fn until_none(bench: &Bench, sql: &mut Sql, count: &str) -> Result<(), String> {
    let mut waited = Duration::ZERO;
    loop {
        let left = sql.number(count)?;
        if left == 0.0 {
            return Ok(());
        }
        if waited >= LIMIT {
            return Err(format!(
                "{left} were left after {} s of `{count}`",
                LIMIT.as_secs()
            ));
        }
        bench.wait(LOOK)?;
        waited += LOOK;
    }
}
