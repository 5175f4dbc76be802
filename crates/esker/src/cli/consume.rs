//! `esker consume`: records to standard output, byte for byte.
//!
//! All partitions of a topic, or some; without a group, so nothing is committed. Records of one partition
//! come in order. A reader that goes away ends the command quietly.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};

use clap::Args;
use esker_model::seams::Seams;
use esker_protocol::limits::DECOMPRESSED_BYTES_MAX;
use esker_protocol::records::OpenBatch;

use super::output;
use super::record_format::{Format, print, unescape};
use super::target::Target;
use crate::client::consumer::{Consumer, Fetched};
use crate::client::offsets::{self, Place};
use crate::client::{Cluster, Topic};
use crate::failure::{Failure, Outcome};

/// Output that is gathered before it is written.
const OUTPUT_BYTES: usize = 256 * 1024;

#[derive(Debug, Args)]
pub(crate) struct ConsumeArgs {
    /// The topic
    topic: String,
    /// Where to start: `beginning`, `end`, an offset, or a time (2026-01-31T12:00:00Z, or milliseconds since 1970 after `@`)
    #[arg(long, short = 'o', value_name = "PLACE", default_value = "beginning", value_parser = from)]
    from: From,
    /// Read this partition only; may be repeated
    #[arg(long, short = 'p', value_name = "PARTITION", value_parser = clap::value_parser!(i32).range(0..))]
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
}

fn from(text: &str) -> Result<From, String> {
    let wrong = || "write beginning, end, an offset, 2026-01-31T12:00:00Z or @MILLISECONDS".to_owned();
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
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(time) if time.timestamp_millis() >= 0 => Ok(From::Place(Place::Time(time.timestamp_millis()))),
        _ => Err(wrong()),
    }
}

/// Runs the command.
pub(crate) async fn run(args: ConsumeArgs) -> Outcome {
    let mut cluster = args.target.cluster()?;
    let topic = chosen(cluster.topic(&args.topic, false).await?, &args.partition)?;
    let positions = match args.from {
        From::Offset(offset) => topic.partitions.iter().map(|p| (p.index, offset)).collect(),
        From::Place(place) => offsets::find(&mut cluster, &args.topic, &topic.partitions, place).await?,
    };
    let ends = ends(&mut cluster, &args, &topic).await?;
    let leaders = topic.partitions.iter().map(|p| (p.index, p.leader)).collect();
    let mut consumer = Consumer::new(cluster, Seams::real(), &args.topic, leaders, positions);
    finish(&mut consumer, &ends);
    let mut printer = Printer::new(&args);
    while !consumer.is_finished() && !printer.is_done() {
        for fetched in consumer.fetch().await? {
            printer.print(&fetched, ends.get(&fetched.partition).copied())?;
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

async fn ends(cluster: &mut Cluster, args: &ConsumeArgs, topic: &Topic) -> Outcome<BTreeMap<i32, i64>> {
    if !args.until_end {
        return Ok(BTreeMap::new());
    }
    Ok(offsets::find(cluster, &args.topic, &topic.partitions, Place::End).await?)
}

/// Takes out the partitions that were read to their end.
fn finish(consumer: &mut Consumer, ends: &BTreeMap<i32, i64>) {
    for (partition, end) in ends {
        if consumer
            .position(*partition)
            .is_some_and(|position| position >= *end)
        {
            consumer.finish(*partition);
        }
    }
}

struct Printer<'a> {
    args: &'a ConsumeArgs,
    format: Format,
    out: Vec<u8>,
    printed: u64,
}

impl<'a> Printer<'a> {
    fn new(args: &'a ConsumeArgs) -> Self {
        let format = if args.target.json {
            Format::Json
        } else {
            args.format
        };
        Self {
            args,
            format,
            out: Vec::new(),
            printed: 0,
        }
    }

    fn is_done(&self) -> bool {
        self.args.count.is_some_and(|count| self.printed >= count)
    }

    fn print(&mut self, fetched: &Fetched, end: Option<i64>) -> Outcome {
        for batch in &fetched.batches {
            // Markers of transactions are for clients, not for people.
            if batch.header.attributes.is_control() {
                continue;
            }
            let damaged = |error| {
                let (topic, partition, offset) =
                    (&self.args.topic, fetched.partition, batch.header.base_offset);
                Failure::Failed(format!(
                    "cannot open the batch at {topic}/{partition} offset {offset}: {error}"
                ))
            };
            let open = OpenBatch::open(batch, DECOMPRESSED_BYTES_MAX).map_err(damaged)?;
            for record in open.records() {
                let record = record.map_err(damaged)?;
                if record.offset < fetched.from || end.is_some_and(|end| record.offset >= end) {
                    continue;
                }
                if self.is_done() {
                    return Ok(());
                }
                let (topic, delimiter) = (&self.args.topic, &self.args.delimiter);
                print(
                    self.format,
                    topic,
                    fetched.partition,
                    &record,
                    delimiter,
                    &mut self.out,
                );
                self.printed += 1;
                if self.out.len() >= OUTPUT_BYTES {
                    self.flush()?;
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Outcome {
        output::write(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// For somebody at a terminal who asked for an end and may see nothing.
    fn report(&self) {
        if self.printed == 0 && io::stderr().is_terminal() {
            eprintln!("no records");
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
        assert_eq!(from("@1000"), Ok(From::Place(Place::Time(1000))));
        assert_eq!(from("1970-01-01T00:00:01Z"), Ok(From::Place(Place::Time(1000))));
        for wrong in [
            "",
            "-1",
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
