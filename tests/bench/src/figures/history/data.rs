//! Histories to read: a few partitions among a thousand, archived in rounds of a known size.
//!
//! A thousand partitions with long histories do not fit into the memory of one machine. What a reader of one of them
//! meets is only how long its stretches are: as many bytes as a round of archiving had of that partition. So a few
//! partitions get more than the others, in the same ingest segments, and rounds are made small (by the archiving agent's
//! `memory_bytes`), so that their stretches are as long as they would be in rounds of full size.

use std::time::Duration;

use super::super::archive::wait::{AT_ONCE, MERGE_AT_ONCE, SERVE, UPKEEP, until_archived, until_merged};
use crate::client::{Client, ProduceSpec, Spec};
use crate::load::{MB, RECORD_BYTES, producer};
use crate::results::Figure;
use crate::system::{Bench, Esker, Settings, create_topic, end};

/// All partitions together.
const PARTITIONS: i32 = 1000;
/// The partitions that are read are a topic of their own, so that their rows are easily told.
pub(super) const READ: &str = "history";
const OTHERS: &str = "others";
/// Written at this rate, so that both topics are in every segment.
const MB_PER_S: f64 = 40.0;
const MIB: u64 = 1 << 20;
/// Partitions that were ready before the round ended have longer stretches, others shorter ones: 16 batches at least.
const BATCH_BYTES: usize = 16 * 1024;
/// A GET as slow as a PUT.
const GET_MS: u64 = 20;

/// What there is to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Bytes that a round has of each partition that is read.
    pub stretch_bytes: u64,
    /// Partitions that are read.
    pub partitions: i32,
    pub rounds: u64,
    /// Bytes of a round.
    round_bytes: u64,
}

/// Short stretches: a round of 256 MiB that is spread evenly over 1,000 partitions. With 128 of them a partition is
/// merged, so there are fewer.
pub(super) const SHORT: Shape = Shape {
    stretch_bytes: 256 * 1024,
    partitions: 8,
    rounds: 96,
    round_bytes: 8 * MIB,
};

/// Long stretches: nearly a whole chunk of 4 MiB. With 64 MiB a partition is merged, so there are fewer.
pub(super) const LONG: Shape = Shape {
    stretch_bytes: 3840 * 1024,
    partitions: 4,
    rounds: 15,
    round_bytes: 32 * MIB,
};

impl Shape {
    fn records_per_partition(&self) -> u64 {
        self.rounds * self.stretch_bytes / RECORD_BYTES as u64
    }
}

/// Archived histories.
pub(super) struct History {
    pub esker: Esker,
    pub partitions: i32,
    pub records_per_partition: u64,
}

impl History {
    /// Writes them and has them archived, not merged. What the rounds made of it goes to `figure` as `metric`.
    pub(super) fn write(
        bench: &mut Bench,
        figure: &mut Figure,
        shape: Shape,
        metric: &str,
    ) -> Result<Self, String> {
        let rounds = if bench.quick {
            shape.rounds / 4
        } else {
            shape.rounds
        };
        let shape = Shape { rounds, ..shape };
        // Small segments, so that a round is not much larger than it should be.
        let esker = bench.esker(&Settings::with(
            &[&SERVE[..], &["--segment-bytes", "1MiB"]].concat(),
        ))?;
        create_topic(&bench.parts, &esker, READ, shape.partitions)?;
        create_topic(&bench.parts, &esker, OTHERS, PARTITIONS - shape.partitions)?;
        let records_per_partition = shape.records_per_partition();
        let read = records_per_partition * u64::from(shape.partitions.unsigned_abs());
        let all = shape.rounds * shape.round_bytes / RECORD_BYTES as u64;
        let mut clients = Vec::new();
        for (topic, partitions, records) in [
            (READ, shape.partitions, read),
            (OTHERS, PARTITIONS - shape.partitions, all - read),
        ] {
            let spec = ProduceSpec {
                in_a_row: 1,
                rate: Some(MB_PER_S * MB / RECORD_BYTES as f64 * records as f64 / all as f64),
                records_max: Some(records),
                ..producer(&esker, topic, partitions, BATCH_BYTES)
            };
            clients.push(Client::start(&Spec::Produce(spec))?);
        }
        for client in clients {
            if let Some(error) = client.finish()?.first_error {
                return Err(format!("writing a history failed: {error}"));
            }
        }
        // An eighth of its memory is a round.
        let memory = format!("{}MiB", shape.round_bytes * 8 / MIB);
        let arguments = [&UPKEEP[..], &AT_ONCE, &["--memory-bytes", &memory]].concat();
        let mut upkeep = esker.beside("upkeep", &arguments);
        let mut sql = esker.sql()?;
        until_archived(bench, &mut sql)?;
        end(&mut upkeep)?;
        let of_read = format!("FROM archive_extent a JOIN topic t USING (topic_id) WHERE t.name = '{READ}'");
        let bytes = sql.number(&format!("SELECT avg(a.bytes) {of_read}"))?;
        figure.esker(metric, bytes / 1024.0);
        if sql.number("SELECT count(*) FROM manifest")? > 0.0 {
            figure.note("some partitions were merged before they were read");
        }
        esker.slow_gets(GET_MS);
        bench.wait(Duration::ZERO)?;
        Ok(Self {
            esker,
            partitions: shape.partitions,
            records_per_partition,
        })
    }

    /// Has them merged.
    pub(super) fn merge(&mut self, bench: &Bench) -> Result<(), String> {
        let arguments = [&UPKEEP[..], &AT_ONCE, &MERGE_AT_ONCE].concat();
        let mut upkeep = self.esker.beside("upkeep", &arguments);
        until_merged(bench, &mut self.esker.sql()?)?;
        end(&mut upkeep)
    }

    /// A new agent, which has nothing in memory.
    pub(super) fn forget(&mut self) -> Result<(), String> {
        self.esker.start_again(&SERVE)
    }
}
