//! What a run did and how Esker took it, in numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esker_history::{History, What};
use serde_json::{Value, json};

use crate::clients::Ended;
use crate::system::{Notes, Recovery};

/// A time in which nothing was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Silence {
    pub from_us: u64,
    pub to_us: u64,
}

impl Silence {
    fn us(self) -> u64 {
        self.to_us - self.from_us
    }
}

/// The longest time between two acknowledgements while producers worked: of all of them, and of each client.
pub(crate) fn silences(history: &History) -> (Silence, BTreeMap<u32, Silence>) {
    let mut all = (None, Silence::default());
    let mut each: BTreeMap<u32, (Option<u64>, Silence)> = BTreeMap::new();
    for event in &history.events {
        let (What::Acked { .. }, Some(client)) = (&event.what, event.client) else {
            continue;
        };
        let own = each.entry(client.0).or_default();
        for (last, longest) in [&mut all, own] {
            if let Some(from_us) = last.replace(event.at_us) {
                let silence = Silence {
                    from_us,
                    to_us: event.at_us,
                };
                if silence.us() > longest.us() {
                    *longest = silence;
                }
            }
        }
    }
    (
        all.1,
        each.into_iter()
            .map(|(client, (_, silence))| (client, silence))
            .collect(),
    )
}

/// The share of seconds, while faults came, in which something was acknowledged.
pub(crate) fn seconds_with_acks(history: &History) -> f64 {
    let mut faults = history
        .events
        .iter()
        .filter(|event| matches!(event.what, What::Fault { .. }));
    let Some(first) = faults.next() else { return 1.0 };
    let last = faults.next_back().unwrap_or(first);
    let (from, to) = (first.at_us / 1_000_000, last.at_us / 1_000_000 + 1);
    let acked = history
        .events
        .iter()
        .filter(|event| matches!(event.what, What::Acked { .. }));
    let seconds: BTreeSet<u64> = acked.map(|event| event.at_us / 1_000_000).collect();
    seconds.range(from..to).count() as f64 / (to - from) as f64
}

/// Faults that began or ended within a silence, or shortly before.
pub(crate) fn faults_around(history: &History, silence: Silence) -> Vec<String> {
    const BEFORE_US: u64 = 3_000_000;
    let around = silence.from_us.saturating_sub(BEFORE_US)..silence.to_us;
    let faults = history
        .events
        .iter()
        .filter(|event| around.contains(&event.at_us));
    let told = faults.filter_map(|event| match &event.what {
        What::Fault { what } => Some(format!("{:.1} s {what}", event.at_us as f64 / 1e6)),
        _ => None,
    });
    told.take(12).collect()
}

/// All of it.
pub(crate) fn summary(
    history: &History,
    notes: &Notes,
    ended: &[Ended],
    violations: usize,
    about: Value,
) -> Value {
    let (silence, silences) = silences(history);
    let faults: BTreeMap<&str, Value> = notes
        .tallies
        .iter()
        .map(|(kind, tally)| {
            let counts =
                json!({"took_hold": tally.held, "did_not": tally.missed, "left_out": tally.left_out});
            (kind.name(), counts)
        })
        .collect();
    let sum = |name: &str| -> u64 {
        let numbers = ended.iter().filter(|one| one.part.is_some());
        numbers.filter_map(|one| one.summary[name].as_u64()).sum()
    };
    let of_producers = |name: &str| -> u64 {
        let producers = ended
            .iter()
            .filter(|one| one.part.is_some_and(|part| part.is_producer()));
        producers.filter_map(|one| one.summary[name].as_u64()).sum()
    };
    json!({
        "run": about,
        "faults_took_hold": notes.tallies.values().map(|tally| tally.held).sum::<u64>(),
        "faults": faults,
        "records_sent": of_producers("records"),
        "records_acknowledged": sum("acknowledged"),
        "records_given_up": sum("given_up"),
        "records_read_through": ended.iter().filter(|one| one.part.is_none())
            .filter_map(|one| one.summary["records"].as_u64()).sum::<u64>(),
        "events": history.events.len(),
        "agent_lives": history.lives.len(),
        "longest_silence": {
            "seconds": silence.us() as f64 / 1e6,
            "from_s": silence.from_us as f64 / 1e6,
            "faults_around": faults_around(history, silence),
        },
        "seconds_with_acknowledgements": (seconds_with_acks(history) * 1000.0).round() / 1000.0,
        "slowest_recoveries": slowest(&notes.recoveries),
        "agent_resident_mib_max": notes.resident_max.iter()
            .map(|(agent, bytes)| (agent.clone(), bytes >> 20)).collect::<BTreeMap<_, _>>(),
        "clients": ended.iter().map(|one| json!({
            "client": one.number,
            "what": one.what,
            "longest_silence_s": silences.get(&one.number).map(|silence| silence.us() as f64 / 1e6),
            "summary": one.summary,
        })).collect::<Vec<_>>(),
        "problems": notes.problems,
        "violations": violations,
    })
}

/// The slowest of each sort.
fn slowest(recoveries: &[Recovery]) -> Vec<Value> {
    let mut sorts: BTreeMap<&str, (u64, &Recovery)> = BTreeMap::new();
    for recovery in recoveries {
        let sort = recovery.what.split_once(' ').map_or("", |(_, sort)| sort);
        let slowest = sorts.entry(sort).or_insert((0, recovery));
        slowest.0 += 1;
        if recovery.took > slowest.1.took {
            slowest.1 = recovery;
        }
    }
    let tell = |(count, slowest): &(u64, &Recovery)| {
        json!({
            "what": slowest.what,
            "seconds": seconds(slowest.took),
            "at_s": slowest.at_us as f64 / 1e6,
            "of": count,
        })
    };
    sorts.values().map(tell).collect()
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// The summary in words.
pub(crate) fn print(summary: &Value) {
    println!("\nfaults that took hold: {}", summary["faults_took_hold"]);
    for (kind, counts) in summary["faults"].as_object().into_iter().flatten() {
        println!(
            "  {:>5}  {kind} (did not: {}, left out: {})",
            counts["took_hold"].to_string(),
            counts["did_not"],
            counts["left_out"]
        );
    }
    println!(
        "records: {} sent, {} acknowledged, {} given up, {} read through (all agents together)",
        summary["records_sent"],
        summary["records_acknowledged"],
        summary["records_given_up"],
        summary["records_read_through"]
    );
    let silence = &summary["longest_silence"];
    println!(
        "longest time without any acknowledgement: {:.1} s, from {:.1} s on",
        silence["seconds"].as_f64().unwrap_or(0.0),
        silence["from_s"].as_f64().unwrap_or(0.0)
    );
    for fault in silence["faults_around"].as_array().into_iter().flatten() {
        println!("    {}", fault.as_str().unwrap_or_default());
    }
    println!(
        "something was acknowledged in {:.1} % of the seconds with faults",
        summary["seconds_with_acknowledgements"].as_f64().unwrap_or(0.0) * 100.0
    );
    println!("slowest recoveries:");
    for recovery in summary["slowest_recoveries"].as_array().into_iter().flatten() {
        println!(
            "  {:>8.3} s  {} (at {:.0} s; slowest of {})",
            recovery["seconds"].as_f64().unwrap_or(0.0),
            recovery["what"].as_str().unwrap_or_default(),
            recovery["at_s"].as_f64().unwrap_or(0.0),
            recovery["of"]
        );
    }
    println!(
        "resident memory of agents, at most, in MiB: {}",
        summary["agent_resident_mib_max"]
    );
    println!("clients:");
    for client in summary["clients"].as_array().into_iter().flatten() {
        println!("  {}", client_line(client));
    }
    for problem in summary["problems"].as_array().into_iter().flatten() {
        println!("PROBLEM: {}", problem.as_str().unwrap_or_default());
    }
    println!(
        "events judged: {}; violations: {}",
        summary["events"], summary["violations"]
    );
}

fn client_line(client: &Value) -> String {
    let said = &client["summary"];
    let mut line = format!(
        "{} [{}]:",
        client["what"].as_str().unwrap_or_default(),
        client["client"]
    );
    for name in ["records", "acknowledged", "given_up"] {
        if let Some(number) = said[name].as_u64() {
            line.push_str(&format!(" {number} {}", name.replace('_', " ")));
        }
    }
    if let Some(silence) = client["longest_silence_s"].as_f64() {
        line.push_str(&format!(", longest silence {silence:.1} s"));
    }
    for name in ["errors", "client_errors"] {
        if said[name].as_object().is_some_and(|errors| !errors.is_empty()) {
            line.push_str(&format!(", {} {}", name.replace('_', " "), said[name]));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use esker_history::event::{Batch, Client};

    #[test]
    fn the_longest_time_without_an_acknowledgement() {
        let mut history = History::default();
        let mut acked = |at_us, client| {
            let batch = Batch {
                by: Client(client),
                number: at_us,
            };
            let what = What::Acked {
                batch,
                base_offset: 0,
                log_start: -1,
                by: None,
            };
            history.push(at_us, Some(Client(client)), what);
        };
        acked(10, 0);
        acked(20, 1);
        acked(50, 0);
        acked(55, 1);
        let (all, each) = silences(&history);
        assert_eq!((all.from_us, all.to_us), (20, 50));
        assert_eq!((each[&0].us(), each[&1].us()), (40, 35));
    }

    #[test]
    fn seconds_with_acknowledgements_are_counted_from_the_first_fault_to_the_last() {
        let mut history = History::default();
        let fault = || What::Fault { what: String::new() };
        let acked = || What::Acked {
            batch: Batch {
                by: Client(0),
                number: 0,
            },
            base_offset: 0,
            log_start: -1,
            by: None,
        };
        history.push(500_000, None, acked());
        history.push(1_000_000, None, fault());
        history.push(1_200_000, None, acked());
        history.push(1_300_000, None, acked());
        history.push(4_999_999, None, fault());
        assert_eq!(seconds_with_acks(&history), 0.25);
    }
}
