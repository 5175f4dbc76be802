//! Tells a violation with the events that explain it, and no others.
//!
//! The events that contradict each other come first; then what happened to the batches in question, who
//! else read the offsets in question, the agents' lives, and the faults around. If that is too much, what
//! matters least is left out, and the report says how much.

mod describe;
mod groups;

pub(crate) use describe::{kept, life_of};

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Client, Event, Life, Partition, Topic, What};
use crate::violation::{About, Violation};
use crate::{History, names};

/// Most lines of history in one report.
const LINES_MAX: usize = 40;

/// Faults are told from this long before the first event in question.
const FAULTS_BEFORE_US: u64 = 2_000_000;

/// Events of a client that does not get on.
const LAST_OF_CLIENT: usize = 12;

/// Reads of the same offsets that are told of each client.
const READS_OF_CLIENT: usize = 2;

/// What a violation says, and the shortest history that explains it.
pub fn tell(violation: &Violation, history: &History) -> String {
    let lines = Selection::of(violation, history).into_lines(history, &violation.about);
    let mut out = format!(
        "{} broken ({}): {}\n  shown at {} s\n",
        violation.promise,
        violation.rule,
        violation.what,
        names::seconds(violation.at_us),
    );
    for line in lines {
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// What may be told, by how much it matters: 0 is what the violation itself names.
struct Selection {
    events: BTreeMap<usize, u8>,
    /// Lives that began or ended: when, what, and whose.
    lives: Vec<(u64, &'static str, Life)>,
}

impl Selection {
    fn of(violation: &Violation, history: &History) -> Self {
        let about = &violation.about;
        let mut selection = Self {
            events: BTreeMap::new(),
            lives: Vec::new(),
        };
        for at in &about.events {
            selection.take(*at, 0);
        }
        let (from_us, to_us) = selection.span(violation, history);
        selection.batches(history, about);
        selection.readers(history, about, (from_us, to_us));
        selection.removals(history, about, to_us);
        if about.partitions.is_empty() && about.batches.is_empty() {
            // It is the client itself that has a problem.
            for client in &about.clients {
                selection.last_of(history, *client, to_us);
            }
        }
        let faults_from_us = from_us.saturating_sub(FAULTS_BEFORE_US);
        for (at, event) in history.events.iter().enumerate() {
            let marks = matches!(
                event.what,
                What::Fault { .. } | What::Healed | What::EpochRaised { .. }
            );
            if marks && (faults_from_us..=to_us).contains(&event.at_us) {
                selection.take(at, 4);
            }
        }
        selection.lives(history, about, (faults_from_us, to_us));
        selection
    }

    fn take(&mut self, at: usize, weight: u8) {
        let known = self.events.entry(at).or_insert(weight);
        *known = weight.min(*known);
    }

    /// From the first to the last event that the violation names.
    fn span(&self, violation: &Violation, history: &History) -> (u64, u64) {
        let times = self.events.keys().filter_map(|at| history.events.get(*at));
        times.fold((violation.at_us, violation.at_us), |(from, to), event| {
            (from.min(event.at_us), to.max(event.at_us))
        })
    }

    fn batches(&mut self, history: &History, about: &About) {
        for (at, event) in history.events.iter().enumerate() {
            let batch = match &event.what {
                What::Made { batch, .. }
                | What::Sent { batch, .. }
                | What::Acked { batch, .. }
                | What::Refused { batch, .. }
                | What::Unanswered { batch }
                | What::GivenUp { batch } => batch,
                _ => continue,
            };
            if about.batches.contains(batch) {
                self.take(at, 1);
            }
        }
    }

    /// Who else was shown the offsets in question, or asked where the log ends.
    fn readers(&mut self, history: &History, about: &About, (from_us, to_us): (u64, u64)) {
        let Some((first, end)) = about.offsets else { return };
        let mut reads: BTreeMap<Option<Client>, usize> = BTreeMap::new();
        for (at, event) in history.events.iter().enumerate() {
            match &event.what {
                What::Fetched { partition, seen, .. } if about.partitions.contains(partition) => {
                    let shows = seen.iter().any(|seen| {
                        seen.base_offset < end
                            && seen.base_offset.saturating_add(i64::from(seen.records.count)) > first
                    });
                    let reads = reads.entry(event.client).or_default();
                    if shows && *reads < READS_OF_CLIENT {
                        *reads += 1;
                        self.take(at, 3);
                    }
                }
                What::Listed { partition, .. } | What::ReadThrough { partition, .. }
                    if about.partitions.contains(partition) && (from_us..=to_us).contains(&event.at_us) =>
                {
                    self.take(at, 3);
                }
                _ => {}
            }
        }
    }

    /// What may have removed records of the partitions in question.
    fn removals(&mut self, history: &History, about: &About, to_us: u64) {
        if about.offsets.is_none() {
            return;
        }
        let is_of = |topic: &Topic| about.partitions.iter().any(|partition| partition.topic == *topic);
        for (at, event) in history.events.iter().enumerate() {
            let (weight, removes) = match &event.what {
                What::Altering { topic, .. } | What::Altered { topic, .. } => (3, is_of(topic)),
                What::Deleting { partition, .. } | What::Deleted { partition, .. } => {
                    (3, about.partitions.contains(partition))
                }
                What::Created { topic, .. } => (1, is_of(topic)),
                What::Lost { partition, .. } => (1, about.partitions.contains(partition)),
                _ => continue,
            };
            if removes && event.at_us <= to_us {
                self.take(at, weight);
            }
        }
    }

    /// The last that a client did or was told.
    fn last_of(&mut self, history: &History, client: Client, to_us: u64) {
        let of_client = |(_, event): &(usize, &Event)| event.client == Some(client) && event.at_us <= to_us;
        let events = history.events.iter().enumerate().rev();
        let last: Vec<usize> = events
            .filter(of_client)
            .take(LAST_OF_CLIENT)
            .map(|(at, _)| at)
            .collect();
        for at in last {
            self.take(at, 2);
        }
    }

    fn lives(&mut self, history: &History, about: &About, (from_us, to_us): (u64, u64)) {
        let mut lives: BTreeSet<Life> = about.lives.iter().copied().collect();
        for (at, weight) in &self.events {
            if *weight <= 1
                && let Some(event) = history.events.get(*at)
            {
                lives.extend(describe::life_of(&event.what));
            }
        }
        for life in lives {
            let Some(info) = history.lives.get(life.0 as usize) else {
                continue;
            };
            if (from_us..=to_us).contains(&info.began_us) {
                self.lives.push((info.began_us, "begins to live", life));
            }
            if let Some(ended_us) = info.ended_us.filter(|us| (from_us..=to_us).contains(us)) {
                self.lives.push((ended_us, "ends", life));
            }
        }
    }

    /// The lines, the least important left out, in the order of time.
    fn into_lines(self, history: &History, about: &About) -> Vec<String> {
        let room = LINES_MAX.saturating_sub(self.lives.len());
        let mut by_weight: Vec<(u8, usize)> = self.events.iter().map(|(at, weight)| (*weight, *at)).collect();
        by_weight.sort_unstable();
        let chosen: BTreeSet<usize> = spread(&by_weight, room).collect();
        let mut lives = self.lives;
        lives.sort_unstable();
        let mut lives = lives.into_iter().peekable();
        let mut lines = Vec::new();
        let mut left_out = 0;
        for at in self.events.keys() {
            let Some(event) = history.events.get(*at) else {
                continue;
            };
            if !chosen.contains(at) {
                left_out += 1;
                continue;
            }
            if left_out > 0 {
                lines.push(format!("{:>12}  … {left_out} more", ""));
                left_out = 0;
            }
            while let Some((us, what, life)) = lives.next_if(|(us, ..)| *us <= event.at_us) {
                lines.push(life_line(history, us, what, life));
            }
            lines.push(line(history, event, about));
        }
        if left_out > 0 {
            lines.push(format!("{:>12}  … {left_out} more", ""));
        }
        lines.extend(lives.map(|(us, what, life)| life_line(history, us, what, life)));
        lines
    }
}

/// The weightiest events, as many as there is room for. Where a weight does not fit, its first and its last
/// events are kept: what began it, and what became of it.
fn spread(by_weight: &[(u8, usize)], room: usize) -> impl Iterator<Item = usize> {
    let mut chosen = Vec::new();
    for same in by_weight.chunk_by(|a, b| a.0 == b.0) {
        let left = room.saturating_sub(chosen.len());
        if same.len() <= left {
            chosen.extend(same.iter().map(|(_, at)| *at));
            continue;
        }
        let first = left.div_ceil(2);
        chosen.extend(same[..first].iter().map(|(_, at)| *at));
        chosen.extend(same[same.len() - (left - first)..].iter().map(|(_, at)| *at));
        break;
    }
    chosen.into_iter()
}

fn line(history: &History, event: &Event, about: &About) -> String {
    let who = match event.client {
        Some(client) => names::client(history, client),
        None => "—".to_owned(),
    };
    let what = describe::what(history, &event.what, offsets(about, &event.what));
    format!("{:>12}  {who}: {what}", names::seconds(event.at_us))
}

fn life_line(history: &History, us: u64, what: &str, life: Life) -> String {
    format!(
        "{:>12}  —: {} {what}",
        names::seconds(us),
        names::life(history, life)
    )
}

/// The offsets in question, if an event concerns one of the partitions.
fn offsets(about: &About, what: &What) -> Option<(i64, i64)> {
    let partition: Option<&Partition> = match what {
        What::Fetched { partition, .. } => Some(partition),
        _ => None,
    };
    about
        .offsets
        .filter(|_| partition.is_some_and(|partition| about.partitions.contains(partition)))
}
