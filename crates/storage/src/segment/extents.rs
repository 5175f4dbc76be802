//! The footer's list of runs. Runs lie back to back from byte 0, so positions are not stored.

use esker_model::{ProducerEpoch, ProducerId, TopicUuid};
use uuid::Uuid;

use super::codec::{Decoder, Encoder};
use super::error::SegmentError;
use super::run::{BatchExtent, Run, RunExtent, RunProducer};

const HAS_PRODUCER: u8 = 1;
const TRANSACTIONAL: u8 = 2;
const CONTROL: u8 = 4;

/// Smallest sizes of a group, of a run in it and of a batch in that: bounds for counts.
const GROUP_BYTES_MIN: usize = 16 + 4 + 1 + RUN_BYTES_MIN;
const RUN_BYTES_MIN: usize = 1 + 8 + 1 + BATCH_BYTES_MIN;
const BATCH_BYTES_MIN: usize = 2;

/// Groups of neighbouring runs of one partition, then each group's runs.
pub(super) fn encode(runs: &[Run], out: &mut Encoder) {
    let groups = || runs.chunk_by(|a, b| a.topic == b.topic && a.partition == b.partition);
    out.varint(groups().count() as u64);
    for group in groups() {
        out.bytes(group[0].topic.0.as_bytes());
        out.i32(group[0].partition);
        out.varint(group.len() as u64);
        for run in group {
            encode_run(run, out);
        }
    }
}

fn encode_run(run: &Run, out: &mut Encoder) {
    let mut flags = 0;
    for (set, flag) in [
        (run.producer.is_some(), HAS_PRODUCER),
        (run.transactional, TRANSACTIONAL),
        (run.control, CONTROL),
    ] {
        if set {
            flags |= flag;
        }
    }
    out.u8(flags);
    if let Some(producer) = run.producer {
        out.i64(producer.id.0);
        out.i16(producer.epoch.0);
        out.i32(producer.first_sequence);
    }
    out.i64(run.max_timestamp);
    out.varint(run.batches.len() as u64);
    for batch in &run.batches {
        out.varint(u64::from(batch.records.unsigned_abs()));
        out.varint(batch.len() as u64);
    }
}

/// Reads the runs back. They must fill `payload_bytes` exactly.
pub(super) fn decode(body: &[u8], payload_bytes: u64) -> Result<Vec<RunExtent>, SegmentError> {
    let mut from = Decoder::new(body, "extents");
    let mut runs = Vec::new();
    let mut position = 0u64;
    for _ in 0..from.count(GROUP_BYTES_MIN)? {
        let topic = TopicUuid(Uuid::from_bytes(from.array()?));
        let partition = from.i32()?;
        if partition < 0 {
            return Err(from.malformed("a partition is negative"));
        }
        let count = from.count(RUN_BYTES_MIN)?;
        if count == 0 {
            return Err(from.malformed("a partition has no runs"));
        }
        for _ in 0..count {
            let run = decode_run(&mut from, topic, partition, position)?;
            position += run.bytes;
            if position > payload_bytes {
                return Err(from.malformed("its runs are longer than the payload"));
            }
            runs.push(run);
        }
    }
    if position != payload_bytes {
        return Err(from.malformed("its runs are shorter than the payload"));
    }
    from.end()?;
    Ok(runs)
}

fn decode_run(
    from: &mut Decoder<'_>,
    topic: TopicUuid,
    partition: i32,
    position: u64,
) -> Result<RunExtent, SegmentError> {
    let flags = from.u8()?;
    if flags & !(HAS_PRODUCER | TRANSACTIONAL | CONTROL) != 0 {
        return Err(from.malformed("a run has an unknown flag"));
    }
    let producer = if flags & HAS_PRODUCER == 0 {
        None
    } else {
        Some(RunProducer {
            id: ProducerId(from.i64()?),
            epoch: ProducerEpoch(from.i16()?),
            first_sequence: from.i32()?,
        })
    };
    let max_timestamp = from.i64()?;
    let count = from.count(BATCH_BYTES_MIN)?;
    if count == 0 {
        return Err(from.malformed("a run has no batches"));
    }
    let mut batches = Vec::with_capacity(count);
    let mut records = 0u64;
    let mut bytes = 0u64;
    for _ in 0..count {
        let batch = BatchExtent {
            records: from.positive(i32::MAX as u64)? as i32,
            bytes: from.positive(u64::from(u32::MAX))? as u32,
        };
        records += u64::from(batch.records.unsigned_abs());
        bytes += u64::from(batch.bytes);
        batches.push(batch);
    }
    if records > i32::MAX as u64 {
        return Err(from.malformed("a run has too many records"));
    }
    Ok(RunExtent {
        topic,
        partition,
        position,
        bytes,
        producer,
        transactional: flags & TRANSACTIONAL != 0,
        control: flags & CONTROL != 0,
        max_timestamp,
        batches,
    })
}
