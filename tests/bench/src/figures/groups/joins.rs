//! Five hundred members that join one group at once, until all of them know what to read.

use super::members;
use crate::client::{Client, MembersSpec, Protocol, Spec, Work};
use crate::figures::{Entry, System, alternate, on, sample};
use crate::results::{Figure, lower};
use crate::system::{Bench, Broker, Settings, create_topic};

const MEMBERS: usize = 500;
/// One for each member.
const PARTITIONS: i32 = MEMBERS as i32;
/// The default of `group.initial.rebalance.delay.ms`, of both systems. Members that join while a new group waits for it
/// make it wait once more for as long, of both systems, too.
const INITIAL_DELAY_S: f64 = 3.0;
/// The default of classic consumers. With the newer protocol the broker says when members are to come.
const INTERVAL_MS: u64 = 3000;

pub(in crate::figures) const ENTRIES: &[Entry] = &[Entry {
    name: "join-500",
    title: "500 members join one group at once: until all have their part of 500 partitions",
    metrics: &[
        lower("classic-beyond-delay-s", "s").at_most(5.0),
        lower("classic-s", "s"),
        lower("consumer-s", "s").at_most(5.0),
    ],
    by_default: true,
    take,
}];

fn take(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    alternate(bench, figure, |bench, figure, system| {
        let (classic, consumer) = on(bench, system, &Settings::default(), |bench, broker, topic| {
            create_topic(&bench.parts, broker, topic, PARTITIONS)?;
            let classic = joined(broker, system, topic, Protocol::Classic)?;
            Ok((classic, joined(broker, system, topic, Protocol::Consumer)?))
        })?;
        sample(figure, system, "classic-s", classic);
        sample(
            figure,
            system,
            "classic-beyond-delay-s",
            classic - INITIAL_DELAY_S,
        );
        sample(figure, system, "consumer-s", consumer);
        Ok(())
    })
}

/// Seconds until the group rests.
fn joined(broker: &dyn Broker, system: System, topic: &str, protocol: Protocol) -> Result<f64, String> {
    let name = match protocol {
        Protocol::Classic => "classic",
        Protocol::Consumer => "consumer",
    };
    let spec = MembersSpec {
        name: format!("{topic}-{name}"),
        partitions: PARTITIONS,
        members: MEMBERS,
        interval_ms: INTERVAL_MS,
        ..members(broker, system, topic, protocol, Work::Join)
    };
    let outcome = Client::start(&Spec::Members(spec))?.finish()?;
    match outcome.first_error {
        None => Ok(outcome.seconds),
        Some(why) => Err(why),
    }
}
