//! Reading archived records: how fast, with how many GETs and statements, by one consumer and by many.

mod data;
mod read;

use super::{Entry, each};
use crate::results::{Declared, Figure, higher, lower, told};
use crate::system::Bench;
use data::{History, LONG, SHORT, Shape};

const CONSUMERS: usize = 16;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "history-read",
        title: "one consumer reads one archived partition after the other, GET 20 ms, nothing in memory",
        metrics: READ_METRICS,
        by_default: false,
        take: read,
    },
    Entry {
        name: "history-16",
        title: "16 consumers read the same archived partitions at once on one agent, GET 20 ms",
        metrics: &[
            lower("gets-ratio", "16/1").at_most(1.05),
            lower("short-gets-ratio", "16/1").at_most(1.05),
            higher("mb-per-s", "MB/s"),
            higher("short-mb-per-s", "MB/s"),
            told("one-mb-per-s", "MB/s"),
            told("short-one-mb-per-s", "MB/s"),
        ],
        by_default: false,
        take: sixteen,
    },
];

const READ_METRICS: &[Declared] = &[
    higher("short-mb-per-s", "MB/s").at_least(100.0),
    lower("short-gets-per-gib", "GETs/GiB"),
    lower("short-steady-statements", "statements").at_most(0.0),
    told("short-plans-per-partition", "statements"),
    told("short-heads-per-partition", "statements"),
    told("short-kib", "KiB"),
    higher("long-mb-per-s", "MB/s").at_least(100.0),
    lower("long-gets-per-gib", "GETs/GiB"),
    lower("long-steady-statements", "statements").at_most(0.0),
    told("long-plans-per-partition", "statements"),
    told("long-heads-per-partition", "statements"),
    told("long-kib", "KiB"),
    higher("merged-mb-per-s", "MB/s").at_least(100.0),
    lower("merged-gets-per-gib", "GETs/GiB"),
    lower("merged-steady-statements", "statements").at_most(0.0),
    told("merged-plans-per-partition", "statements"),
    told("merged-heads-per-partition", "statements"),
];

fn read(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    each(bench, figure, |bench, figure| {
        let mut history = unmerged(bench, figure, SHORT, "short")?;
        history.merge(bench)?;
        history.forget()?;
        note(figure, "merged", &history)?;
        history.end()?;
        unmerged(bench, figure, LONG, "long")?.end()
    })
}

/// Histories that were archived, and read before they are merged.
fn unmerged(bench: &mut Bench, figure: &mut Figure, shape: Shape, name: &str) -> Result<History, String> {
    let mut history = History::write(bench, figure, shape, &format!("{name}-kib"))?;
    history.forget()?;
    note(figure, name, &history)?;
    Ok(history)
}

/// Reads everything twice: where it lies may be asked for once for each partition. What asks for the heads of logs are
/// consumers that came to the end and wait there.
fn note(figure: &mut Figure, name: &str, history: &History) -> Result<(), String> {
    let (first, again) = (history.one_by_one()?, history.one_by_one()?);
    let partitions = f64::from(history.partitions);
    let plans = first.statements("plan");
    let mut add = |metric: &str, value| figure.esker(&format!("{name}-{metric}"), value);
    add("mb-per-s", first.mb_per_s());
    add("gets-per-gib", first.gets_per_gib());
    add(
        "steady-statements",
        first.asked() - plans.min(partitions) + again.asked(),
    );
    add("plans-per-partition", plans / partitions);
    add("heads-per-partition", first.statements("heads") / partitions);
    Ok(())
}

fn sixteen(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    each(bench, figure, |bench, figure| {
        // How long the stretches are is a metric of the other figure.
        let mut history = History::write(bench, figure, SHORT, "short-kib")?;
        for prefix in ["short-", ""] {
            history.forget()?;
            let one = history.all_at_once(1)?;
            history.forget()?;
            let many = history.all_at_once(CONSUMERS)?;
            figure.esker(&format!("{prefix}gets-ratio"), many.gets() / one.gets());
            figure.esker(&format!("{prefix}mb-per-s"), many.mb_per_s());
            figure.esker(&format!("{prefix}one-mb-per-s"), one.mb_per_s());
            if prefix == "short-" {
                history.merge(bench)?;
            }
        }
        history.end()
    })
}
