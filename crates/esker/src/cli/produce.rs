//! `esker produce`: lines of the input become records.
//!
//! A thread reads the input and hands lines over in chunks through a bounded channel; whenever the
//! channel is empty, what was gathered is sent. So a file goes in full batches, and a line that somebody
//! types goes at once. Exit code 0 means that every line is acknowledged.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use esker_model::seams::Seams;
use esker_protocol::batch::Codec;
use serde_json::json;
use tokio::sync::mpsc;

use super::output;
use super::record_format::{LineFormat, unescape};
use super::target::{Target, name_value};
use crate::client::producer::{Producer, RECORD_BYTES_MAX, Written};
use crate::failure::{Failure, Outcome, io_reason};
use crate::settings::size;

/// Lines handed over together, up to so many bytes; and how many such chunks may wait.
const CHUNK_BYTES: usize = 256 * 1024;
const CHUNKS_MAX: usize = 8;
/// How often progress is said on a terminal.
const PROGRESS: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct ProduceArgs {
    /// The topic
    topic: String,
    /// Read lines from this file instead of standard input
    #[arg(long, short = 'f', value_name = "FILE")]
    file: Option<PathBuf>,
    /// What stands between key and value; \t, \n, \0 and \xNN are understood. Without it records have no key
    #[arg(long, short = 'K', value_name = "TEXT", value_parser = unescape)]
    key_separator: Option<std::vec::Vec<u8>>,
    /// A key or value of exactly this text is null
    #[arg(long, value_name = "TEXT", value_parser = unescape)]
    null: Option<std::vec::Vec<u8>>,
    /// Write to this partition only [default: by key as Kafka's clients do; without key one after the other]
    #[arg(long, short = 'p', value_name = "PARTITION", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// Compression
    #[arg(long, short = 'z', value_name = "CODEC", default_value = "none", value_parser = PossibleValuesParser::new(Codec::ALL.map(Codec::name)).try_map(codec))]
    compression: Codec,
    /// A header of every record; may be repeated
    #[arg(long, short = 'H', value_name = "NAME=VALUE", value_parser = name_value)]
    header: Vec<(String, String)>,
    /// Say nothing but errors
    #[arg(long, short = 'q')]
    quiet: bool,
    #[command(flatten)]
    target: Target,
}

fn codec(name: String) -> Result<Codec, String> {
    Codec::from_name(&name).ok_or_else(|| "there is no such codec".to_owned())
}

type Chunk = io::Result<Vec<Vec<u8>>>;

/// Runs the command.
pub(crate) async fn run(args: ProduceArgs) -> Outcome {
    if args.key_separator.as_ref().is_some_and(Vec::is_empty) {
        return Err(Failure::Usage(
            "--key-separator: the separator is empty".to_owned(),
        ));
    }
    let cluster = args.target.cluster()?;
    let mut chunks = open(args.file.as_ref())?;
    let seams = Seams::real();
    let mut producer = Producer::start(
        cluster,
        seams.clone(),
        &args.topic,
        args.compression,
        args.partition,
    )
    .await?;
    let format = LineFormat {
        key_separator: args.key_separator.clone(),
        null: args.null.clone(),
        headers: args.header.clone(),
    };
    let started = seams.clock.now();
    let mut said = started;
    let progress =
        !args.quiet && io::stderr().is_terminal() && (args.file.is_some() || !io::stdin().is_terminal());
    let mut line = 0_u64;
    loop {
        let chunk = match chunks.try_recv() {
            Ok(chunk) => chunk,
            Err(_) => {
                producer
                    .flush()
                    .await
                    .map_err(|error| failed(&error, &producer))?;
                match chunks.recv().await {
                    Some(chunk) => chunk,
                    None => break,
                }
            }
        };
        for text in
            chunk.map_err(|error| Failure::Failed(format!("cannot read the input: {}", io_reason(&error))))?
        {
            line += 1;
            let record = match format.parse(&text) {
                Ok(record) => record,
                Err(reason) => {
                    // What came before the bad line is written, so that the count says where to go on.
                    producer
                        .flush()
                        .await
                        .map_err(|error| failed(&error, &producer))?;
                    let written = producer.written().records;
                    return Err(Failure::Failed(format!(
                        "line {line}: {reason} ({written} records were written)"
                    )));
                }
            };
            producer
                .add(&record)
                .await
                .map_err(|error| failed(&error, &producer))?;
        }
        if progress && seams.clock.now() - said >= PROGRESS {
            said = seams.clock.now();
            eprint!("\r{}  ", summary(producer.written(), said - started));
        }
    }
    if progress && said != started {
        eprintln!();
    }
    report(&args, producer.written(), seams.clock.now() - started)
}

fn failed(error: &crate::client::ClientError, producer: &Producer) -> Failure {
    match producer.written().records {
        0 => Failure::Failed(error.to_string()),
        records => Failure::Failed(format!(
            "{error} (the first {records} records or more were written)"
        )),
    }
}

fn report(args: &ProduceArgs, written: &Written, took: Duration) -> Outcome {
    if args.target.json {
        let partitions: Vec<_> = written
            .offsets
            .iter()
            .map(|(partition, (first, last))| json!({ "partition": partition, "first_offset": first, "last_offset": last }))
            .collect();
        return output::json(&json!({
            "topic": args.topic,
            "records": written.records,
            "bytes": written.bytes,
            "seconds": took.as_secs_f64(),
            "partitions": partitions,
        }));
    }
    if !args.quiet {
        eprintln!("{}", summary(written, took));
    }
    Ok(())
}

fn summary(written: &Written, took: Duration) -> String {
    let records = if written.records == 1 { "record" } else { "records" };
    let per_second = written.bytes as f64 / took.as_secs_f64().max(0.001);
    format!(
        "{} {records} acknowledged, {} in {:.1} s ({}/s)",
        written.records,
        size::show(written.bytes),
        took.as_secs_f64(),
        size::show(per_second as u64)
    )
}

/// Starts reading; the channel ends with the input.
fn open(file: Option<&PathBuf>) -> Outcome<mpsc::Receiver<Chunk>> {
    let input: Box<dyn Read + Send> = match file {
        None => Box::new(io::stdin()),
        Some(path) => {
            let unreadable = |error: io::Error| {
                Failure::Failed(format!("cannot read {}: {}", path.display(), io_reason(&error)))
            };
            let file = File::open(path).map_err(unreadable)?;
            if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
                return Err(Failure::Failed(format!(
                    "cannot read {}: it is a directory",
                    path.display()
                )));
            }
            Box::new(file)
        }
    };
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    std::thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || read_lines(BufReader::with_capacity(CHUNK_BYTES, input), &sender))
        .map_err(|error| Failure::Failed(format!("cannot start: {}", io_reason(&error))))?;
    Ok(receiver)
}

/// Reads until the end, an error, or until nobody listens. A chunk ends when it is full or when the next
/// line is not there yet.
fn read_lines(mut input: BufReader<Box<dyn Read + Send>>, chunks: &mpsc::Sender<Chunk>) {
    let mut lines = Vec::new();
    let mut bytes = 0;
    loop {
        match read_line(&mut input) {
            Ok(Some(line)) => {
                bytes += line.len();
                lines.push(line);
                if bytes < CHUNK_BYTES && input.buffer().contains(&b'\n') {
                    continue;
                }
            }
            Ok(None) => {
                if !lines.is_empty() {
                    let _ = chunks.blocking_send(Ok(lines));
                }
                return;
            }
            Err(error) => {
                let _ = chunks.blocking_send(Err(error));
                return;
            }
        }
        bytes = 0;
        if chunks.blocking_send(Ok(std::mem::take(&mut lines))).is_err() {
            return;
        }
    }
}

/// A line without its end; a last line may have none.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let most = RECORD_BYTES_MAX as u64 + 1;
    if input.take(most).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 == most {
        let reason = format!("a line is longer than {}", size::show(RECORD_BYTES_MAX as u64));
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bytes() {
        let mut input = io::Cursor::new(b"a\r\n\n\xff\0b".to_vec());
        assert_eq!(read_line(&mut input).unwrap(), Some(b"a\r".to_vec()));
        assert_eq!(read_line(&mut input).unwrap(), Some(Vec::new()));
        assert_eq!(read_line(&mut input).unwrap(), Some(b"\xff\0b".to_vec()));
        assert_eq!(read_line(&mut input).unwrap(), None);
    }
}
