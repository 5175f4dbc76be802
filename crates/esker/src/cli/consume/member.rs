//! Reading as a member of a group.
//!
//! Every record is printed at least once: offsets are committed after the output took the records, every
//! [`COMMIT_INTERVAL`], before each rebalance and at the end. The end is the first SIGINT or SIGTERM, the wanted number
//! of records, or a failure; whichever it is, the member leaves, so that others take over at once. A second signal ends
//! the command where it is: then others read some records again.
//!
//! A topic that is deleted meanwhile is said, and done without: what was read of it and not committed is forgotten. One
//! that comes again under its name is read as a new one. When none is left the command fails, as it does at the start.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::time::Duration;

use esker_model::seams::Seams;
use esker_protocol::ErrorCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::printer::Printer;
use super::{ConsumeArgs, finish};
use crate::cli::output;
use crate::client::consumer::Consumer;
use crate::client::group::describe::Partitions;
use crate::client::group::is_code;
use crate::client::group::member::{Commit, Member};
use crate::client::group::offsets::Offsets;
use crate::client::offsets::{self, Place};
use crate::client::{Cluster, Result, Topic, TopicPartition};
use crate::failure::{Failure, Outcome};

/// Between two commits. Before each one, a member looks whether its topics are still there, and the leader whether any
/// have more partitions: what was read of a topic is not to be committed to one that took its name.
const COMMIT_INTERVAL: Duration = Duration::from_secs(5);
/// How often it looks while its fetches say that there is no such topic.
const UNKNOWN_LOOK_INTERVAL: Duration = Duration::from_millis(500);
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
        ids: BTreeMap::new(),
        gone: BTreeSet::new(),
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
    /// The topics that this generation reads.
    ids: BTreeMap<String, Uuid>,
    /// Topics that are not there any more, and of which that was said.
    gone: BTreeSet<String>,
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
            self.ids.clear();
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
                        self.forget_replaced().await;
                        self.commit().await?;
                    }
                    return Ok(Next::Join);
                }
                fetched = consumer.fetch(), if !consumer.is_finished() => match fetched {
                    // Perhaps this is the log of another topic, which took the name.
                    Err(error) if is_code(&error, ErrorCode::OffsetOutOfRange) => {
                        match self.look(&mut consumer).await? {
                            Some(next) => return Ok(next),
                            None => return Err(error.into()),
                        }
                    }
                    fetched => fetched?,
                },
                () = tokio::time::sleep(NOTHING_TO_READ), if consumer.is_finished() => Vec::new(),
            };
            self.member.at_work();
            for fetched in fetched {
                self.printer.print(&fetched, ends.get(&fetched.of).copied())?;
            }
            self.printer.flush()?;
            finish(&mut consumer, &ends);
            let now = self.seams.clock.now();
            let commits = now - committed_at >= COMMIT_INTERVAL;
            if commits || (consumer.has_unknown() && now - looked_at >= UNKNOWN_LOOK_INTERVAL) {
                looked_at = now;
                if let Some(next) = self.look(&mut consumer).await? {
                    return Ok(next);
                }
            }
            if commits {
                committed_at = now;
                if self.commit().await? == Commit::TooLate {
                    return Ok(Next::Join);
                }
            }
        }
    }

    /// Looks what became of the topics, and does without those that are gone. Returns how the generation ends, if it does.
    async fn look(&mut self, consumer: &mut Consumer) -> Outcome<Option<Next>> {
        let Some(looked) = self.member.look().await else {
            return Ok(None);
        };
        let mut joins = looked.is_outdated;
        for (topic, id) in &looked.topics {
            match id {
                None => {
                    consumer.finish_topic(topic);
                    self.leave_out(topic);
                }
                Some(id) if self.ids.get(topic).is_some_and(|read| read != id) => {
                    self.printer.forget_topic(topic);
                    joins = true;
                }
                Some(_) => {}
            }
        }
        if !looked.topics.is_empty() && looked.topics.values().all(Option::is_none) {
            let sentence = match self.args.topics.as_slice() {
                [topic] => format!("topic {topic} is gone: nothing is left to read"),
                _ => "all topics are gone: nothing is left to read".to_owned(),
            };
            return Err(Failure::Failed(sentence));
        }
        if !joins {
            return Ok(None);
        }
        self.commit().await?;
        Ok(Some(Next::Join))
    }

    /// Forgets what was read of topics that are gone, or whose names others have by now: it says nothing of those.
    async fn forget_replaced(&mut self) {
        let Some(looked) = self.member.look().await else {
            return;
        };
        for (topic, id) in &looked.topics {
            if self.ids.get(topic).is_some_and(|read| Some(*read) != *id) {
                self.printer.forget_topic(topic);
            }
        }
    }

    /// Goes on without a topic that is gone.
    fn leave_out(&mut self, topic: &str) {
        self.printer.forget_topic(topic);
        if self.gone.insert(topic.to_owned()) && self.args.topics.len() > 1 {
            output::say(&format!("esker: topic {topic} is gone: going on without it"));
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
        let (done, gone) = self.member.commit(&news).await?;
        for topic in &gone {
            self.leave_out(topic);
        }
        if done == Commit::Done {
            self.committed.extend(news);
        }
        Ok(done)
    }

    /// Commits and leaves; leaves even if it cannot commit.
    async fn end(&mut self) -> Outcome {
        self.forget_replaced().await;
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
            let places = match self.places(name, indexes).await {
                Ok(places) => places,
                // It was deleted since it was given out.
                Err(error) if is_code(&error, ErrorCode::UnknownTopicOrPartition) => {
                    self.leave_out(name);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            self.gone.remove(name);
            self.ids.insert(name.clone(), places.topic.id);
            for partition in &places.topic.partitions {
                let (of, index) = ((name.clone(), partition.index), partition.index);
                let offset = |offsets: &BTreeMap<i32, i64>| offsets.get(&index).copied().unwrap_or_default();
                let known = offset(&places.first)..=offset(&places.last);
                let position = match committed.get(&of) {
                    Some(committed) if known.contains(committed) => *committed,
                    _ => offset(&places.wanted),
                };
                positions.insert(of.clone(), position);
                leaders.insert(of.clone(), partition.leader);
                if self.args.until_end {
                    ends.insert(of, offset(&places.last));
                }
            }
        }
        let cluster = self.member.cluster().another();
        let consumer = Consumer::new(cluster, self.seams.clone(), leaders, positions);
        Ok(Start { consumer, ends })
    }

    /// Where these partitions of a topic begin and end, and where `--from` is in them.
    async fn places(&mut self, name: &str, indexes: &[i32]) -> Result<Places> {
        let cluster = self.member.cluster();
        let mut topic = cluster.topic(name, false).await?;
        topic
            .partitions
            .retain(|partition| indexes.contains(&partition.index));
        let partitions = &topic.partitions;
        let first = offsets::find(cluster, name, partitions, Place::Beginning).await?;
        let last = offsets::find(cluster, name, partitions, Place::End).await?;
        let wanted = self.args.from.find(cluster, name, partitions).await?;
        Ok(Places {
            topic,
            first,
            last,
            wanted,
        })
    }
}

/// What is known of the assigned partitions of a topic: offsets by partition.
struct Places {
    topic: Topic,
    first: BTreeMap<i32, i64>,
    last: BTreeMap<i32, i64>,
    wanted: BTreeMap<i32, i64>,
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
        true => output::say("waiting: other members have all partitions"),
        false => output::say(&format!("reading {}", topics.join(" "))),
    }
}
