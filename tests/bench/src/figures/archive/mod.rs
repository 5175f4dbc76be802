//! What it costs to archive and to merge: CPU, and S3 requests.
//!
//! An agent that only archives stands beside the one that was written to, so that its CPU time is that of archiving.
//! Where the agent that was written to archives, the cost is the difference to one that does not.

mod full;
mod trickle;
pub(super) mod wait;

use super::Entry;
use crate::results::{higher, lower, told};

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "archive-full",
        title: "CPU and S3 requests to archive full segments of 1 MB batches, then to merge them",
        metrics: &[
            lower("cpu-s-per-gib", "CPU-s/GiB").at_most(0.6),
            lower("requests-per-gib", "requests/GiB").at_most(250.0),
            told("gets-per-gib", "requests/GiB"),
            told("puts-per-gib", "requests/GiB"),
            lower("merge-cpu-s-per-gib", "CPU-s/GiB"),
            lower("requests-with-merging-per-gib", "requests/GiB"),
            higher("mb-per-s", "MB/s"),
            told("postgres-cpu-s-per-gib", "CPU-s/GiB"),
            told("resident-mib", "MiB"),
            lower("cached-cpu-s-per-gib", "CPU-s/GiB"),
            lower("cached-requests-per-gib", "requests/GiB"),
            told("cached-mb-per-s", "MB/s"),
        ],
        by_default: false,
        take: full::take,
    },
    Entry {
        name: "archive-trickle",
        title: "GETs per ingest segment to archive what came at 1 MB/s",
        metrics: &[
            lower("gets-per-object", "GETs").at_most(1.0),
            lower("cached-gets-per-object", "GETs").at_most(0.0),
            told("objects", "objects"),
            told("object-kib", "KiB"),
            told("requests-per-gib", "requests/GiB"),
        ],
        by_default: true,
        take: trickle::take,
    },
];
