//! Ten thousand commits a second: 1,000 groups of one member, which commits an offset of one partition every 100 ms.

use super::{members, note, note_rate, take};
use crate::client::{MembersSpec, Protocol, Work};
use crate::figures::{Entry, System, alternate, on, sample};
use crate::load::PARTITIONS;
use crate::results::{Figure, lower, told};
use crate::system::{Bench, Settings, create_topic};

const GROUPS: usize = 1000;
const COMMITS_PER_S: usize = 10_000;
const INTERVAL_MS: u64 = (1000 * GROUPS / COMMITS_PER_S) as u64;
/// Connections that asked for offsets while members joined tell Postgres's counters of it up to 10 s later.
const WARM_UP_S: f64 = 12.0;
const MEASURE_S: f64 = 15.0;

pub(in crate::figures) const ENTRIES: &[Entry] = &[Entry {
    name: "commits-10k",
    title: "10,000 offset commits a second by the members of 1,000 classic groups, one partition each",
    metrics: &[
        lower("statements-per-s", "statements/s").at_most(200.0),
        lower("p99-ms", "ms").at_most(50.0),
        lower("p50-ms", "ms"),
        lower("broker-cpu", "cores"),
        lower("postgres-cpu", "cores"),
        told("commits-per-s", "commits/s"),
        told("transactions-per-s", "transactions/s"),
        told("idle-statements-per-s", "statements/s"),
        told("idle-broker-cpu", "cores"),
        told("idle-postgres-cpu", "cores"),
        told("client-cpu", "cores"),
    ],
    by_default: true,
    take: take_all,
}];

fn take_all(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    alternate(bench, figure, |bench, figure, system| {
        let taken = on(bench, system, &Settings::default(), |bench, broker, topic| {
            create_topic(&bench.parts, broker, topic, PARTITIONS)?;
            let spec = MembersSpec {
                partitions: PARTITIONS,
                groups: GROUPS,
                interval_ms: INTERVAL_MS,
                ..members(broker, system, topic, Protocol::Classic, Work::Commit)
            };
            take(bench, broker, spec, WARM_UP_S, MEASURE_S)
        })?;
        note(figure, system, &taken, "commits-per-s")?;
        if let (System::Esker, Some(transactions)) = (system, taken.transactions) {
            sample(figure, system, "transactions-per-s", transactions);
        }
        note_rate(figure, system, &taken, COMMITS_PER_S as f64);
        Ok(())
    })
}
