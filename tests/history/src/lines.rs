//! Histories as lines of JSON, so that clients that are processes of their own can write them.
//!
//! A line is one of
//!
//! ```json
//! {"at_us": 1203300, "client": 3, "what": {"Acked": {"batch": {"by": 3, "number": 7}, "base_offset": 41, "log_start": 0, "by": null}}}
//! {"who": {"number": 3, "what": "Java producer, idempotent"}}
//! {"topic": {"number": 0, "name": "orders", "id": "6f1c…", "created_from_us": null, "deleted_from_us": null}}
//! {"life": {"number": 2, "node": "agent-1", "began_us": 0, "ended_us": 5000000}}
//! ```
//!
//! The first is an [`Event`]: `what` is its variant's name with its fields, or only the name if it has none
//! (`"Finished"`). Who starts the clients gives out the numbers of clients, topics and lives, so that they
//! mean the same in all files of a run. A client, topic or life may be described in any file and more than
//! once: of several times the earliest is kept, of names the first. All that events name has to be described.
//!
//! What a writer has to keep:
//! - `at_us` and `asked_us` count from one instant for all; a *sending* gets a time before the library was
//!   given the records, a *question* one before it was asked, everything else one after it was known. Lines
//!   need not be in order;
//! - records get numbers in the order in which a client makes them, each once; a client whose library does
//!   not show its batches writes a batch for each record, or for records that were surely stored together;
//! - a library that repeats by itself and does not show it makes `requests_shown` false in [`crate::Terms`].
//!   If it is idempotent, `identity` is any id of this client alone, an epoch and `first_sequence` -1;
//! - an error that the library made itself is no `Refused`: the batch is `Unanswered`, and `GivenUp` if it is
//!   not sent again;
//! - `from` of a `Fetched` is the position of the reader; `high_watermark` and `log_start` are -1 if unknown;
//! - a member of a group says what it keeps (`Keeps`) when it stops reading, before anybody else can know; the ids of its
//!   members are never used again, except that one of KIP-848 may join again under its own after it gave up everything;
//! - a batch that may have been sent must not be missing, even if the client dies; nor must a request that may
//!   have altered a topic's retention or deleted records.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::{Client, Event, What};
use crate::group::InGroup;
use crate::history::{History, LifeInfo, TopicInfo};

/// Most clients, topics or lives of a history: a larger number is a mistake.
const NUMBER_MAX: u32 = 1 << 20;

/// All that a line may hold; one of the four is there.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    at_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Client>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<What>,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<Who>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<NumberedTopic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    life: Option<NumberedLife>,
}

#[derive(Serialize, Deserialize)]
struct Who {
    number: u32,
    what: String,
}

#[derive(Serialize, Deserialize)]
struct NumberedTopic {
    number: u32,
    #[serde(flatten)]
    topic: TopicInfo,
}

#[derive(Serialize, Deserialize)]
struct NumberedLife {
    number: u32,
    #[serde(flatten)]
    life: LifeInfo,
}

/// Adds what lines say to a history. Call [`sort`] when all files are read. Errors: the input cannot be read,
/// or a line is not one of those above; the message has its number.
pub fn read(history: &mut History, lines: impl BufRead) -> io::Result<()> {
    for (at, line) in lines.lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |why: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {why}", at + 1))
        };
        let line: Line = serde_json::from_str(&line).map_err(|err| wrong(&err))?;
        match take(history, line) {
            Some(true) => {}
            Some(false) => return Err(wrong(&"a number is too large")),
            None => return Err(wrong(&"it is neither an event nor a description")),
        }
    }
    Ok(())
}

/// Adds what a line says; `None` if it says nothing.
fn take(history: &mut History, line: Line) -> Option<bool> {
    match line {
        Line {
            at_us: Some(at_us),
            client,
            what: Some(what),
            ..
        } => {
            history.push(at_us, client, what);
            Some(true)
        }
        Line { who: Some(who), .. } => Some(describe(
            &mut history.clients,
            who.number,
            String::new(),
            |known| {
                if known.is_empty() {
                    *known = who.what;
                }
            },
        )),
        Line {
            topic: Some(NumberedTopic { number, topic }),
            ..
        } => {
            let unknown = TopicInfo {
                name: String::new(),
                id: Uuid::nil(),
                created_from_us: None,
                deleted_from_us: None,
            };
            Some(describe(&mut history.topics, number, unknown, |known| {
                if known.name.is_empty() {
                    (known.name, known.id) = (topic.name, topic.id);
                }
                known.created_from_us = earliest(known.created_from_us, topic.created_from_us);
                known.deleted_from_us = earliest(known.deleted_from_us, topic.deleted_from_us);
            }))
        }
        Line {
            life: Some(NumberedLife { number, life }),
            ..
        } => {
            let unknown = LifeInfo {
                node: String::new(),
                began_us: u64::MAX,
                ended_us: None,
            };
            Some(describe(&mut history.lives, number, unknown, |known| {
                if known.node.is_empty() {
                    known.node = life.node;
                }
                known.began_us = known.began_us.min(life.began_us);
                known.ended_us = earliest(known.ended_us, life.ended_us);
            }))
        }
        _ => None,
    }
}

fn describe<T: Clone>(list: &mut Vec<T>, number: u32, unknown: T, learn: impl FnOnce(&mut T)) -> bool {
    if number >= NUMBER_MAX {
        return false;
    }
    let at = number as usize;
    if list.len() <= at {
        list.resize(at + 1, unknown);
    }
    if let Some(known) = list.get_mut(at) {
        learn(known);
    }
    true
}

fn earliest(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

/// Puts the events in the order of time. Of events in the same microsecond sendings come first: what came of
/// them cannot have come before. The events of one file keep their order otherwise.
pub fn sort(history: &mut History) {
    let rank = |event: &Event| match event.what {
        What::Made { .. }
        | What::Sent { .. }
        | What::Altering { .. }
        | What::Deleting { .. }
        | What::InGroup(InGroup::Keeps { .. } | InGroup::Committing { .. }) => 0_u8,
        _ => 1,
    };
    history.events.sort_by_key(|event| (event.at_us, rank(event)));
}

/// Writes a history as lines that [`read`] takes.
pub fn write(history: &History, mut out: impl Write) -> io::Result<()> {
    let mut put = |line: &Line| -> io::Result<()> {
        serde_json::to_writer(&mut out, line)?;
        out.write_all(b"\n")
    };
    for (number, what) in (0..).zip(&history.clients) {
        let what = what.clone();
        put(&Line {
            who: Some(Who { number, what }),
            ..Line::default()
        })?;
    }
    for (number, topic) in (0..).zip(&history.topics) {
        let topic = topic.clone();
        put(&Line {
            topic: Some(NumberedTopic { number, topic }),
            ..Line::default()
        })?;
    }
    for (number, life) in (0..).zip(&history.lives) {
        let life = life.clone();
        put(&Line {
            life: Some(NumberedLife { number, life }),
            ..Line::default()
        })?;
    }
    for event in &history.events {
        put(&Line {
            at_us: Some(event.at_us),
            client: event.client,
            what: Some(event.what.clone()),
            ..Line::default()
        })?;
    }
    Ok(())
}
