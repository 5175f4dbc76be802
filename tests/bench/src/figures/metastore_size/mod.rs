//! How large the metastore becomes, and that it stays so.
//!
//! One agent's commits and upkeep, without a bucket: what they say to the metastore, in the order and at the times at
//! which the product says it, with the product's limits. The database's clock is set by hand, so that 10^5 segments, one
//! a second for 28 hours, take minutes.

mod agent;
mod archive;
mod clock;
mod merge;
mod rows;

use std::time::Duration;

use super::{Entry, each};
use crate::load::MB;
use crate::results::{Declared, Figure, lower, told};
use crate::system::{Bench, Sql};
use agent::{Agent, EXTENTS, PARTITIONS, SEGMENT_BYTES};
use archive::ROUND_BYTES;
use rows::{COUNTED, Rows};

/// After so many segments it is looked at.
const MARKS: [(i64, &str); 3] = [(1_000, "1k"), (10_000, "10k"), (100_000, "100k")];

/// Segments of one commit: one a second comes to so many seconds.
const COMMIT: i64 = 10;
/// How often the jobs look: the archive job and the remove job, the merge job.
const LOOK: i64 = 30;
const MERGE: i64 = 60;
/// How often rows are counted, and tables vacuumed.
const COUNT: i64 = 300;
const VACUUM: i64 = 600;

/// Seconds until an object that nothing needs is forgotten.
const FORGET: i64 = archive::GRACE_MS / 1000 + LOOK;
/// Seconds in which a round fills.
const ROUND: i64 = (ROUND_BYTES / SEGMENT_BYTES) as i64;

/// A bucket of extents takes 900 s, and is emptied when the next but one has begun: at the next look.
const EXTENTS_BOUND: i64 = (900 + 900 + LOOK + COMMIT) * EXTENTS as i64;
/// Rounds from one merging to the next, and one that a look finds beside, on both sides.
const ROUNDS: i64 = MERGE / ROUND + 2;
/// Archived extents of a partition: one for each round that is not merged.
const UNMERGED: i64 = merge::EXTENTS as i64 + ROUNDS;
const ARCHIVE_EXTENTS_BOUND: i64 = PARTITIONS as i64 * UNMERGED;
/// Archive segments of a round: each has no room for more bytes, or for more partitions, or is the last.
const OF_ROUND: i64 = (ROUND_BYTES / archive::OBJECT_BYTES_MAX) as i64
    + PARTITIONS as i64 / archive::OBJECT_PARTITIONS_MAX as i64
    + 1;
/// Ingest segments until their round is archived, and until they are forgotten; archive segments of the rounds that are not
/// merged, and of as many that were and are not forgotten yet.
const SEGMENTS_BOUND: i64 = ROUND + LOOK + COMMIT + FORGET + 2 * OF_ROUND * UNMERGED;
/// Of each partition its head, its manifest, the one before, and two merged segments that were written again; and a few
/// for the cluster.
const OTHERS_BOUND: i64 = PARTITIONS as i64 * (1 + 1 + 3) + 10;
const ROWS_BOUND: i64 = EXTENTS_BOUND + ARCHIVE_EXTENTS_BOUND + SEGMENTS_BOUND + OTHERS_BOUND;

const METRICS: &[Declared] = &[
    lower("rows-100k-to-10k", "ratio").at_most(1.05),
    lower("bytes-100k-to-10k", "ratio").at_most(1.1),
    lower("extents-to-bound", "ratio").at_most(1.0),
    lower("archive-extents-to-bound", "ratio").at_most(1.0),
    lower("rows-to-bound", "ratio").at_most(1.0),
    told("extent-rows-1k", "rows"),
    told("extent-rows-10k", "rows"),
    told("extent-rows-100k", "rows"),
    told("archive-extent-rows-1k", "rows"),
    told("archive-extent-rows-10k", "rows"),
    told("archive-extent-rows-100k", "rows"),
    told("segment-rows-1k", "rows"),
    told("segment-rows-10k", "rows"),
    told("segment-rows-100k", "rows"),
    told("manifest-rows-1k", "rows"),
    told("manifest-rows-10k", "rows"),
    told("manifest-rows-100k", "rows"),
    told("other-rows-1k", "rows"),
    told("other-rows-10k", "rows"),
    told("other-rows-100k", "rows"),
    told("mb-1k", "MB"),
    told("mb-10k", "MB"),
    told("mb-100k", "MB"),
];

pub(super) const ENTRIES: &[Entry] = &[Entry {
    name: "metastore-size",
    title: "rows and bytes of the metastore after 1,000 to 100,000 segments of 200 extents over 1,000 partitions",
    metrics: METRICS,
    by_default: false,
    take,
}];

fn take(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    each(bench, figure, |bench, figure| {
        let url = bench.database()?.url;
        clock::install(&mut Sql::connect(&url)?)?;
        let mut agent = Agent::new(&url)?;
        let mut sql = Sql::connect(&url)?;
        let marks = if bench.quick { &MARKS[..2] } else { &MARKS };
        let mut second = 0;
        let mut found = Vec::new();
        for (mark, name) in marks {
            let most = until(bench, &mut agent, &mut sql, &mut second, *mark)?;
            let bytes = rows::bytes(&mut sql)?;
            for ((counted, _), rows) in COUNTED.iter().zip(most.0) {
                figure.esker(&format!("{counted}-{name}"), rows);
            }
            figure.esker(&format!("mb-{name}"), bytes / MB);
            eprintln!("  {mark} segments: {:.0} rows, {:.0} MB", most.all(), bytes / MB);
            found.push((most, bytes));
        }
        let most = found
            .iter()
            .fold(Rows::default(), |most, (rows, _)| most.most(*rows));
        let [extents, archive_extents, ..] = most.0;
        figure.esker("extents-to-bound", extents / EXTENTS_BOUND as f64);
        figure.esker(
            "archive-extents-to-bound",
            archive_extents / ARCHIVE_EXTENTS_BOUND as f64,
        );
        figure.esker("rows-to-bound", most.all() / ROWS_BOUND as f64);
        figure.note(format!(
            "extents <= {EXTENTS} a second x {} s = {EXTENTS_BOUND}; archived extents <= {PARTITIONS} partitions x \
             ({} + {ROUNDS} rounds) = {ARCHIVE_EXTENTS_BOUND}; all rows <= {ROWS_BOUND}",
            EXTENTS_BOUND / EXTENTS as i64,
            merge::EXTENTS,
        ));
        if let [_, (rows_before, bytes_before), (rows, bytes)] = found.as_slice() {
            figure.esker("rows-100k-to-10k", rows.all() / rows_before.all());
            figure.esker("bytes-100k-to-10k", bytes / bytes_before);
        }
        Ok(())
    })
}

/// Lets time pass until there are so many segments; the most rows that there were on the way, of each kind.
fn until(
    bench: &Bench,
    agent: &mut Agent,
    sql: &mut Sql,
    second: &mut i64,
    end: i64,
) -> Result<Rows, String> {
    let mut most = Rows::default();
    while *second < end {
        bench.wait(Duration::ZERO)?;
        *second += COMMIT;
        let is_time = |every: i64| *second % every == 0;
        clock::set(sql, *second)?;
        agent.commit(COMMIT as u64)?;
        if is_time(LOOK) {
            agent.archive()?;
        }
        // Before rows go.
        if is_time(COUNT) || *second == end || (is_time(MERGE) && rows::is_merge_due(sql)?) {
            most = most.most(Rows::count(sql)?);
        }
        if is_time(LOOK) {
            agent.remove()?;
        }
        if is_time(MERGE) {
            agent.merge()?;
        }
        if is_time(VACUUM) {
            rows::vacuum(sql)?;
        }
    }
    Ok(most)
}
