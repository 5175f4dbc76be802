//! Reading as a member of a group.
//!
//! Every record is printed at least once: offsets are committed after the output took the records, every
//! [`COMMIT_INTERVAL`], before each rebalance and at the end. The end is the first SIGINT or SIGTERM, the wanted number
//! of records, or a failure; whichever it is, the member leaves, so that others take over at once. A second signal ends
//! the command where it is: then others read some records again.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use esker_model::seams::Seams;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::printer::Printer;
use super::{ConsumeArgs, From, finish};
use crate::client::consumer::Consumer;
use crate::client::group::describe::Partitions;
use crate::client::group::member::{Commit, Member};
use crate::client::group::offsets::Offsets;
use crate::client::offsets::{self, Place};
use crate::client::{Cluster, Partition, TopicPartition};
use crate::failure::{Failure, Outcome};

/// Between two commits.
const COMMIT_INTERVAL: Duration = Duration::from_secs(5);
/// How often the leader looks whether topics have more partitions.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);
/// How long committing and leaving may take at the end, together.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a member without partitions waits before it looks around.
const NOTHING_TO_READ: Duration = Duration::from_millis(500);
/// Exit code of a second signal, as of any agent.
const AT_ONCE: i32 = 1;

/// How a generation ended.
enum Next {
    /// The members join again.
    Join,
    /// What was asked for is done.
    End,
}

/// Runs the command.
pub(super) async fn run(args: &ConsumeArgs, group: &str, cluster: Cluster) -> Outcome {
    let seams = Seams::real();
    let stop = signals(&seams)?;
    let (topics, instance_id) = (args.topics.clone(), args.instance_id.clone());
    let member = Member::new(cluster, seams.clone(), group, instance_id, topics);
    let mut reading = Reading {
        args,
        seams,
        stop,
        member,
        printer: Printer::new(args),
        committed: Offsets::new(),
    };
    let outcome = reading.run().await;
    let ended = tokio::time::timeout(END_TIMEOUT, reading.end()).await;
    outcome?;
    let late = |_| {
        Failure::Failed(format!(
            "could not commit and leave group {group} within {} s: the last records may be read again",
            END_TIMEOUT.as_secs()
        ))
    };
    ended.map_err(late)?
}

/// The token is cancelled by the first signal; the second one ends the process.
fn signals(seams: &Seams) -> Outcome<CancellationToken> {
    let catch =
        |kind| signal(kind).map_err(|error| Failure::Failed(format!("cannot catch signals: {error}")));
    let (mut terminate, mut interrupt) = (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let first = stop.clone();
    seams.spawner.spawn(
        "signals",
        Box::pin(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if first.is_cancelled() {
                    std::process::exit(AT_ONCE);
                }
                first.cancel();
            }
        }),
    );
    Ok(stop)
}

struct Reading<'a> {
    args: &'a ConsumeArgs,
    seams: Seams,
    stop: CancellationToken,
    member: Member,
    printer: Printer<'a>,
    /// What this generation committed.
    committed: Offsets,
}

impl Reading<'_> {
    async fn run(&mut self) -> Outcome {
        let stop = self.stop.clone();
        // A topic that does not exist would be an assignment of nothing, for ever.
        for topic in &self.args.topics {
            self.member.cluster().topic(topic, false).await?;
        }
        loop {
            self.printer.forget();
            self.committed.clear();
            let assigned = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                joined = self.member.join() => joined?,
            };
            say(&assigned);
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                next = self.generation(&assigned) => next?,
            };
            match next {
                Next::Join => {}
                Next::End => return Ok(()),
            }
        }
    }

    async fn generation(&mut self, assigned: &Partitions) -> Outcome<Next> {
        let Start { mut consumer, ends } = self.start(assigned).await?;
        let (mut committed_at, mut looked_at) = (self.seams.clock.now(), self.seams.clock.now());
        finish(&mut consumer, &ends);
        loop {
            if self.printer.is_done() || (self.args.until_end && consumer.is_finished()) {
                return Ok(Next::End);
            }
            let fetched = tokio::select! {
                biased;
                commit = self.member.disturbed() => {
                    if commit == Commit::Done {
                        self.commit().await?;
                    }
                    return Ok(Next::Join);
                }
                fetched = consumer.fetch(), if !consumer.is_finished() => fetched?,
                () = tokio::time::sleep(NOTHING_TO_READ), if consumer.is_finished() => Vec::new(),
            };
            self.member.at_work();
            for fetched in fetched {
                self.printer.print(&fetched, ends.get(&fetched.of).copied())?;
            }
            self.printer.flush()?;
            finish(&mut consumer, &ends);
            let now = self.seams.clock.now();
            if now - committed_at >= COMMIT_INTERVAL {
                committed_at = now;
                if self.commit().await? == Commit::TooLate {
                    return Ok(Next::Join);
                }
            }
            if now - looked_at >= LOOK_INTERVAL {
                looked_at = now;
                if self.member.has_outdated_assignment().await {
                    self.commit().await?;
                    return Ok(Next::Join);
                }
            }
        }
    }

    /// Commits what was written since the last time.
    async fn commit(&mut self) -> Outcome<Commit> {
        let news: Offsets = self
            .printer
            .written()
            .iter()
            .filter(|(of, offset)| self.committed.get(*of) != Some(*offset))
            .map(|(of, offset)| (of.clone(), *offset))
            .collect();
        let done = self.member.commit(&news).await?;
        if done == Commit::Done {
            self.committed.extend(news);
        }
        Ok(done)
    }

    /// Commits and leaves; leaves even if it cannot commit.
    async fn end(&mut self) -> Outcome {
        let committed = self.commit().await.map(|_| ());
        let left = self.member.leave().await;
        committed?;
        Ok(left?)
    }

    /// Where each partition is read from: what is committed, as long as the log has it; else what `--from` says.
    async fn start(&mut self, assigned: &Partitions) -> Outcome<Start> {
        let committed = match assigned.is_empty() {
            true => Offsets::new(),
            false => self.member.committed(assigned).await?,
        };
        let (mut positions, mut ends) = (Offsets::new(), Offsets::new());
        let mut leaders: BTreeMap<TopicPartition, i32> = BTreeMap::new();
        for (name, indexes) in assigned {
            let cluster = self.member.cluster();
            let mut partitions = cluster.topic(name, false).await?.partitions;
            partitions.retain(|partition| indexes.contains(&partition.index));
            let first = offsets::find(cluster, name, &partitions, Place::Beginning).await?;
            let last = offsets::find(cluster, name, &partitions, Place::End).await?;
            let from = self.wanted(name, &partitions).await?;
            for partition in &partitions {
                let (of, index) = ((name.clone(), partition.index), partition.index);
                let offset = |offsets: &BTreeMap<i32, i64>| offsets.get(&index).copied().unwrap_or_default();
                let known = offset(&first)..=offset(&last);
                let position = match committed.get(&of) {
                    Some(committed) if known.contains(committed) => *committed,
                    _ => offset(&from),
                };
                positions.insert(of.clone(), position);
                leaders.insert(of.clone(), partition.leader);
                if self.args.until_end {
                    ends.insert(of, offset(&last));
                }
            }
        }
        let cluster = self.member.cluster().another();
        let consumer = Consumer::new(cluster, self.seams.clone(), leaders, positions);
        Ok(Start { consumer, ends })
    }

    async fn wanted(&mut self, topic: &str, partitions: &[Partition]) -> Outcome<BTreeMap<i32, i64>> {
        match self.args.from {
            From::Offset(offset) => Ok(partitions.iter().map(|p| (p.index, offset)).collect()),
            From::Place(place) => Ok(offsets::find(self.member.cluster(), topic, partitions, place).await?),
        }
    }
}

struct Start {
    consumer: Consumer,
    /// Where to stop, if an end was asked for.
    ends: Offsets,
}

/// Tells somebody at a terminal which partitions are read.
fn say(assigned: &Partitions) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let topics = assigned.iter().map(|(topic, indexes)| {
        let indexes: Vec<_> = indexes.iter().map(ToString::to_string).collect();
        format!("{topic}/{}", indexes.join(","))
    });
    let topics: Vec<_> = topics.collect();
    match topics.is_empty() {
        true => eprintln!("waiting: other members have all partitions"),
        false => eprintln!("reading {}", topics.join(" ")),
    }
}
