//! `esker consume`: records to standard output, byte for byte.
//!
//! All partitions of topics, or some of one; or, as a member of a group, those that the group gives it: see [`member`].
//! Without a group nothing is committed. Records of one partition come in order. A reader that goes away ends the
//! command quietly.

mod member;
mod printer;

use std::collections::BTreeMap;

use clap::Args;
use esker_model::seams::Seams;

use super::record_format::{Format, unescape};
use super::target::Target;
use crate::client::consumer::Consumer;
use crate::client::group::offsets::Offsets;
use crate::client::offsets::{self, Place};
use crate::client::{ClientError, Cluster, Partition, Topic, TopicPartition};
use crate::failure::{Failure, Outcome};
use printer::Printer;

#[derive(Debug, Args)]
pub(crate) struct ConsumeArgs {
    /// The topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Read as a member of this group: partitions are shared with its other members, and what was read is committed
    #[arg(long, short = 'g')]
    group: Option<String>,
    /// Name of a static member: it keeps its partitions over a restart, until the session timeout of 30 s
    #[arg(long, value_name = "ID", requires = "group")]
    instance_id: Option<String>,
    /// Where to start: `beginning`, `end`, an offset, `-COUNT` for the last so many of each partition, or a time (2026-01-31T12:00:00Z, or milliseconds since 1970 after `@`). With a group: where nothing is committed
    #[arg(long, short = 'o', value_name = "PLACE", default_value = "beginning", allow_hyphen_values = true, value_parser = from)]
    from: From,
    /// Read this partition of the one topic only; may be repeated
    #[arg(long, short = 'p', value_name = "PARTITION", conflicts_with = "group", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Vec<i32>,
    /// Stop after so many records
    #[arg(long, short = 'c', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Stop at the end that the partitions have now
    #[arg(long, short = 'e')]
    until_end: bool,
    /// What to print of a record; --json is short for json
    #[arg(long, value_enum, default_value = "value")]
    format: Format,
    /// What to print after each record; \n, \t, \0 and \xNN are understood
    #[arg(long, short = 'D', value_name = "TEXT", default_value = "\\n", value_parser = unescape)]
    delimiter: std::vec::Vec<u8>,
    #[command(flatten)]
    target: Target,
}

/// Where to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Place(Place),
    Offset(i64),
    /// So many offsets before the end of each partition.
    Last(i64),
}

impl From {
    /// Where this is in each of the partitions.
    async fn find(
        self,
        cluster: &mut Cluster,
        topic: &str,
        partitions: &[Partition],
    ) -> Result<BTreeMap<i32, i64>, ClientError> {
        match self {
            Self::Offset(offset) => Ok(partitions.iter().map(|p| (p.index, offset)).collect()),
            Self::Place(place) => offsets::find(cluster, topic, partitions, place).await,
            Self::Last(count) => {
                let first = offsets::find(cluster, topic, partitions, Place::Beginning).await?;
                let mut places = offsets::find(cluster, topic, partitions, Place::End).await?;
                for (index, place) in &mut places {
                    let first = first.get(index).copied().unwrap_or_default();
                    *place = place.saturating_sub(count).max(first);
                }
                Ok(places)
            }
        }
    }
}

fn from(text: &str) -> Result<From, String> {
    let wrong = || {
        "write beginning, end, an offset, -COUNT for the last so many, 2026-01-31T12:00:00Z or @MILLISECONDS"
            .to_owned()
    };
    match text {
        "beginning" | "earliest" => return Ok(From::Place(Place::Beginning)),
        "end" | "latest" => return Ok(From::Place(Place::End)),
        _ => {}
    }
    if let Some(ms) = text.strip_prefix('@') {
        let ms: u64 = ms.parse().map_err(|_| wrong())?;
        return i64::try_from(ms)
            .map(|ms| From::Place(Place::Time(ms)))
            .map_err(|_| wrong());
    }
    if let Ok(offset) = text.parse::<u64>() {
        return i64::try_from(offset).map(From::Offset).map_err(|_| wrong());
    }
    if let Some(count) = text
        .strip_prefix('-')
        .filter(|count| count.starts_with(|c: char| c.is_ascii_digit()))
    {
        return count.parse().map(From::Last).map_err(|_| wrong());
    }
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(time) if time.timestamp_millis() >= 0 => Ok(From::Place(Place::Time(time.timestamp_millis()))),
        _ => Err(wrong()),
    }
}

/// Runs the command.
pub(crate) async fn run(args: ConsumeArgs) -> Outcome {
    let mut cluster = args.target.cluster()?;
    if let Some(group) = &args.group {
        return member::run(&args, group, cluster).await;
    }
    if args.topics.len() > 1 && !args.partition.is_empty() {
        return Err(Failure::Usage(
            "--partition is for one topic: name one, or leave it out".to_owned(),
        ));
    }
    let (mut positions, mut ends) = (Offsets::new(), Offsets::new());
    let mut leaders = BTreeMap::new();
    for name in &args.topics {
        let topic = chosen(cluster.topic(name, false).await?, &args.partition)?;
        let of = |index: i32| -> TopicPartition { (name.clone(), index) };
        let found = args.from.find(&mut cluster, name, &topic.partitions).await?;
        positions.extend(found.into_iter().map(|(index, offset)| (of(index), offset)));
        if args.until_end {
            let found = offsets::find(&mut cluster, name, &topic.partitions, Place::End).await?;
            ends.extend(found.into_iter().map(|(index, offset)| (of(index), offset)));
        }
        leaders.extend(topic.partitions.iter().map(|p| (of(p.index), p.leader)));
    }
    let mut consumer = Consumer::new(cluster, Seams::real(), leaders, positions);
    finish(&mut consumer, &ends);
    let mut printer = Printer::new(&args);
    while !consumer.is_finished() && !printer.is_done() {
        for fetched in consumer.fetch().await? {
            printer.print(&fetched, ends.get(&fetched.of).copied())?;
        }
        printer.flush()?;
        finish(&mut consumer, &ends);
    }
    printer.flush()?;
    printer.report();
    Ok(())
}

/// The topic with the chosen partitions only.
fn chosen(mut topic: Topic, partitions: &[i32]) -> Outcome<Topic> {
    if let Some(missing) = partitions
        .iter()
        .find(|index| topic.partitions.iter().all(|p| p.index != **index))
    {
        return Err(Failure::Failed(format!(
            "topic {} has no partition {missing}: it has {}",
            topic.name,
            topic.partitions.len()
        )));
    }
    topic
        .partitions
        .retain(|partition| partitions.is_empty() || partitions.contains(&partition.index));
    Ok(topic)
}

/// Takes out the partitions that were read to their end.
fn finish(consumer: &mut Consumer, ends: &Offsets) {
    for (partition, end) in ends {
        if consumer
            .position(partition)
            .is_some_and(|position| position >= *end)
        {
            consumer.finish(partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_start() {
        assert_eq!(from("beginning"), Ok(From::Place(Place::Beginning)));
        assert_eq!(from("latest"), Ok(From::Place(Place::End)));
        assert_eq!(from("42"), Ok(From::Offset(42)));
        assert_eq!(from("-5"), Ok(From::Last(5)));
        assert_eq!(from("@1000"), Ok(From::Place(Place::Time(1000))));
        assert_eq!(from("1970-01-01T00:00:01Z"), Ok(From::Place(Place::Time(1000))));
        for wrong in [
            "",
            "-",
            "--1",
            "-x",
            "-99999999999999999999",
            "yesterday",
            "@",
            "@-1",
            "1969-12-31T00:00:00Z",
            "99999999999999999999",
        ] {
            assert!(from(wrong).is_err(), "{wrong}");
        }
    }
}
