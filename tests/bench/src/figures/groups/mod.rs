//! Consumer groups: what it costs that members are there, that they commit, and how soon they begin.
//!
//! What an idle broker costs is measured just before, on the same one: heartbeats of the agent, leases, upkeep.

mod commits;
mod heartbeats;
mod joins;

pub(super) use commits::ENTRIES as COMMITS;
pub(super) use heartbeats::ENTRIES as HEARTBEATS;
pub(super) use joins::ENTRIES as JOINS;

use std::time::Duration;

use super::System;
use crate::client::{MembersSpec, Protocol, Spec, Work};
use crate::clock::{monotonic_ns, seconds};
use crate::load::{Load, Measured};
use crate::results::Figure;
use crate::system::{Bench, Broker, Usage};

/// How long an idle broker is looked at.
const IDLE_S: f64 = 15.0;
const IDLE_QUICK_S: f64 = 2.0;
/// What is measured begins when a broker has nothing to do any more with its own start.
const CALM: Duration = Duration::from_secs(2);

/// Members of one load.
fn members(broker: &dyn Broker, system: System, topic: &str, protocol: Protocol, work: Work) -> MembersSpec {
    MembersSpec {
        bootstrap: broker.bootstrap(),
        topic: topic.to_owned(),
        partitions: 1,
        name: format!("{topic}-group"),
        groups: 1,
        members: 1,
        protocol,
        work,
        interval_ms: 3000,
        // An Esker ends with what is measured; the Apache Kafka of a run lives on.
        leave: system == System::Kafka,
    }
}

/// What something cost per second.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// Cores of the broker, and of Postgres.
    broker_cpu: f64,
    postgres_cpu: f64,
    /// Statements to the metastore, as the agent counts them.
    statements: f64,
}

impl Cost {
    fn of(used: &Usage, seconds: f64) -> Self {
        Self {
            broker_cpu: used.broker_cpu_s / seconds,
            postgres_cpu: used.postgres_cpu_s / seconds,
            statements: used.statements / seconds,
        }
    }
}

/// What a broker costs that nobody uses.
fn idle(bench: &Bench, broker: &dyn Broker) -> Result<Cost, String> {
    bench.wait(CALM)?;
    let (before, from) = (broker.usage(), monotonic_ns());
    let idle_s = if bench.quick { IDLE_QUICK_S } else { IDLE_S };
    bench.wait(Duration::from_secs_f64(idle_s))?;
    let used = broker.usage().since(&before);
    Ok(Cost::of(&used, seconds(from, monotonic_ns())))
}

/// What came of members, and what they and an idle broker cost.
struct Taken {
    idle: Cost,
    cost: Cost,
    measured: Measured,
    /// Transactions of Postgres per second meanwhile.
    transactions: Option<f64>,
}

/// Measures an idle broker, then members on it.
fn take(
    bench: &Bench,
    broker: &dyn Broker,
    spec: MembersSpec,
    warm_up_s: f64,
    measure_s: f64,
) -> Result<Taken, String> {
    let idle = idle(bench, broker)?;
    let mut counted = Vec::new();
    let load = Load::new(bench, vec![Spec::Members(spec)], warm_up_s, measure_s);
    let measured = load.run_with(bench, broker, &mut |_| {
        counted.push((broker.transactions(), monotonic_ns()));
    })?;
    let transactions = match counted.as_slice() {
        [(Ok(Some(before)), from), (Ok(Some(after)), to)] => Some((after - before) / seconds(*from, *to)),
        _ => None,
    };
    Ok(Taken {
        idle,
        cost: Cost::of(&measured.used, measured.seconds),
        measured,
        transactions,
    })
}

/// Samples that both figures have.
fn note(figure: &mut Figure, system: System, taken: &Taken, rate: &str) -> Result<(), String> {
    let outcome = taken
        .measured
        .outcomes
        .first()
        .ok_or("the members said nothing of what they did")?;
    let latency = outcome.latency.ok_or("nothing was answered")?;
    let mut add = |metric: &str, value| super::sample(figure, system, metric, value);
    add("p50-ms", latency.p50_ms);
    add("p99-ms", latency.p99_ms);
    add(rate, outcome.records as f64 / outcome.seconds);
    add("broker-cpu", taken.cost.broker_cpu);
    add("idle-broker-cpu", taken.idle.broker_cpu);
    add("client-cpu", taken.measured.client_cpu_s / taken.measured.seconds);
    if system == System::Esker {
        add("statements-per-s", taken.cost.statements);
        add("idle-statements-per-s", taken.idle.statements);
        add("postgres-cpu", taken.cost.postgres_cpu);
        add("idle-postgres-cpu", taken.idle.postgres_cpu);
    }
    super::note_complaint(figure, system, &taken.measured);
    Ok(())
}

/// Says so if members did less than they were to do.
fn note_rate(figure: &mut Figure, system: System, taken: &Taken, wanted: f64) {
    let outcome = taken.measured.outcomes.first();
    let rate = outcome.map_or(0.0, |outcome| outcome.records as f64 / outcome.seconds);
    if rate < 0.95 * wanted {
        figure.note(format!(
            "{}: only {rate:.0} of {wanted:.0} requests a second were answered",
            system.name()
        ));
    }
}
