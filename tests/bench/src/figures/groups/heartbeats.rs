//! Ten thousand members that are there: 1,000 groups of 10, a connection each, a heartbeat every 3 s.
//!
//! The agent leaves upkeep to others: its jobs ask the metastore at times of their own, which would look like what
//! heartbeats ask.

use super::{members, note, note_rate, take};
use crate::client::{MembersSpec, Protocol, Work};
use crate::figures::archive::wait::SERVE;
use crate::figures::{Entry, alternate, on, sample};
use crate::load::MB;
use crate::results::{Declared, Figure, lower, told};
use crate::system::{Bench, Settings, create_topic};

const GROUPS: usize = 1000;
const MEMBERS: usize = 10;
/// One for each member of a group.
const PARTITIONS: i32 = MEMBERS as i32;
const INTERVAL_MS: u64 = 3000;
/// Two heartbeats of each member.
const WARM_UP_S: f64 = 6.0;
/// Six of each.
const MEASURE_S: f64 = 18.0;

const METRICS: &[Declared] = &[
    lower("broker-cpu", "cores").at_most(0.1),
    // What the agent does by itself comes a little sooner or later: 0.3 counts as none.
    lower("more-statements-per-s", "statements/s").at_most(0.3),
    lower("p50-ms", "ms"),
    lower("p99-ms", "ms"),
    told("idle-broker-cpu", "cores"),
    told("statements-per-s", "statements/s"),
    told("idle-statements-per-s", "statements/s"),
    told("postgres-cpu", "cores"),
    told("idle-postgres-cpu", "cores"),
    told("heartbeats-per-s", "heartbeats/s"),
    told("resident-mb", "MB"),
    told("client-cpu", "cores"),
];

pub(in crate::figures) const ENTRIES: &[Entry] = &[
    Entry {
        name: "heartbeats-classic",
        title: "10,000 members of 1,000 classic groups, a heartbeat of each every 3 s",
        metrics: METRICS,
        by_default: true,
        take: |bench, figure| take_with(bench, figure, Protocol::Classic),
    },
    Entry {
        name: "heartbeats-consumer",
        title: "10,000 members of 1,000 groups with the newer protocol (KIP-848), a heartbeat of each every 3 s",
        metrics: METRICS,
        by_default: true,
        take: |bench, figure| take_with(bench, figure, Protocol::Consumer),
    },
];

fn take_with(bench: &mut Bench, figure: &mut Figure, protocol: Protocol) -> Result<(), String> {
    alternate(bench, figure, |bench, figure, system| {
        let taken = on(bench, system, &Settings::with(&SERVE), |bench, broker, topic| {
            create_topic(&bench.parts, broker, topic, PARTITIONS)?;
            let spec = MembersSpec {
                partitions: PARTITIONS,
                groups: GROUPS,
                members: MEMBERS,
                interval_ms: INTERVAL_MS,
                ..members(broker, system, topic, protocol, Work::Heartbeat)
            };
            take(bench, broker, spec, WARM_UP_S, MEASURE_S)
        })?;
        note(figure, system, &taken, "heartbeats-per-s")?;
        sample(
            figure,
            system,
            "resident-mb",
            taken.measured.resident_bytes as f64 / MB,
        );
        if system == super::System::Esker {
            let more = taken.cost.statements - taken.idle.statements;
            figure.esker("more-statements-per-s", more);
        }
        let wanted = (GROUPS * MEMBERS) as f64 * 1000.0 / INTERVAL_MS as f64;
        note_rate(figure, system, &taken, wanted);
        Ok(())
    })
}
