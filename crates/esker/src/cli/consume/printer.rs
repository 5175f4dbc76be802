//! Records as lines of the output, and how far each partition was printed.

use std::io::{self, IsTerminal};

use esker_protocol::limits::DECOMPRESSED_BYTES_MAX;
use esker_protocol::records::OpenBatch;

use super::ConsumeArgs;
use crate::cli::output;
use crate::cli::record_format::{Format, print};
use crate::client::consumer::Fetched;
use crate::client::group::offsets::Offsets;
use crate::failure::{Failure, Outcome};

/// Output that is gathered before it is written.
const OUTPUT_BYTES: usize = 256 * 1024;

/// Prints records until there are as many as were asked for.
pub(super) struct Printer<'a> {
    args: &'a ConsumeArgs,
    format: Format,
    out: Vec<u8>,
    printed: u64,
    /// Next offset by partition; what lies before was printed, though perhaps not written yet.
    passed: Offsets,
    /// The same as of the last [`Self::flush`].
    written: Offsets,
}

impl<'a> Printer<'a> {
    pub(super) fn new(args: &'a ConsumeArgs) -> Self {
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
            passed: Offsets::new(),
            written: Offsets::new(),
        }
    }

    /// Whether nothing more is wanted.
    pub(super) fn is_done(&self) -> bool {
        self.args.count.is_some_and(|count| self.printed >= count)
    }

    /// Next offset by partition: everything before it was written to the output.
    pub(super) fn written(&self) -> &Offsets {
        &self.written
    }

    /// Forgets how far partitions were printed.
    pub(super) fn forget(&mut self) {
        self.passed.clear();
        self.written.clear();
    }

    /// Forgets how far the partitions of a topic were printed.
    pub(super) fn forget_topic(&mut self, topic: &str) {
        self.passed.retain(|(name, _), _| name != topic);
        self.written.retain(|(name, _), _| name != topic);
    }

    /// Prints what was fetched, but nothing from the offset `end` on.
    pub(super) fn print(&mut self, fetched: &Fetched, end: Option<i64>) -> Outcome {
        let (topic, partition) = (&fetched.of.0, fetched.of.1);
        for batch in &fetched.batches {
            if self.is_done() {
                return Ok(());
            }
            let next = batch.header.next_offset();
            // Markers of transactions are for clients, not for people.
            if batch.header.attributes.is_control() {
                self.pass(fetched, next, end);
                continue;
            }
            let damaged = |error| {
                let offset = batch.header.base_offset;
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
                let delimiter = &self.args.delimiter;
                print(self.format, topic, partition, &record, delimiter, &mut self.out);
                self.printed += 1;
                self.pass(fetched, record.offset + 1, end);
                if self.out.len() >= OUTPUT_BYTES {
                    self.flush()?;
                }
            }
            self.pass(fetched, next, end);
        }
        Ok(())
    }

    fn pass(&mut self, fetched: &Fetched, next: i64, end: Option<i64>) {
        let next = end.map_or(next, |end| next.min(end)).max(fetched.from);
        self.passed.insert(fetched.of.clone(), next);
    }

    /// Writes what was gathered.
    pub(super) fn flush(&mut self) -> Outcome {
        output::write(&self.out)?;
        self.out.clear();
        self.written.clone_from(&self.passed);
        Ok(())
    }

    /// For somebody at a terminal who asked for an end and may see nothing.
    pub(super) fn report(&self) {
        if self.printed == 0 && io::stderr().is_terminal() {
            eprintln!("no records");
        }
    }
}
