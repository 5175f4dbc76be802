//! Footer: 1,600 runs of 640 partitions, and the receipt of a segment of as many.
//!
//! Encoding is measured at the nearest public seam, `SegmentWriter::seal`: the footer, its checksum and the tail.
//! What writing a run costs before that is part of `seal`.

use esker_model::sequence::{Outcome, Piece};
use esker_model::{
    ClusterEpoch, IncarnationId, ProducerEpoch, ProducerId, SegmentId, SegmentKind, TopicUuid,
};
use esker_storage::segment::{
    Batch, Footer, Receipt, Receipts, Run, RunProducer, Sealed, SegmentWriter, TAIL_BYTES, Tail,
};
use uuid::Uuid;

use crate::inputs::{NOW_MS, OF_5_KIB, PARTITIONS, RUNS, batch};
use crate::{Stage, Work};

struct Encode {
    runs: Vec<Run>,
    footer_bytes: u64,
    writer: Option<SegmentWriter>,
    sealed: Option<Sealed>,
}

pub(super) fn encode() -> Box<dyn Stage> {
    let runs = runs();
    let footer_bytes = end_of(&writer(&runs).seal()).len() as u64;
    Box::new(Encode {
        runs,
        footer_bytes,
        writer: None,
        sealed: None,
    })
}

/// As sealing leaves them: by partition, then by producer.
fn runs() -> Vec<Run> {
    let bytes = batch(OF_5_KIB);
    let partitions = PARTITIONS as usize;
    let mut order: Vec<usize> = (0..RUNS).collect();
    order.sort_by_key(|at| (at % partitions, *at));
    let run = |at: usize| Run {
        topic: TopicUuid(Uuid::from_u128(1)),
        partition: (at % partitions) as i32,
        producer: Some(RunProducer {
            id: ProducerId(at as i64),
            epoch: ProducerEpoch(0),
            first_sequence: 0,
        }),
        transactional: false,
        control: false,
        max_timestamp: NOW_MS,
        batches: vec![Batch::whole(OF_5_KIB, bytes.clone())],
    };
    order.into_iter().map(run).collect()
}

fn writer(runs: &[Run]) -> SegmentWriter {
    let pieces = |at: usize| {
        vec![Piece {
            first_batch: 0,
            batches: 1,
            outcome: Outcome::Appended {
                base_offset: at as i64 * 1000,
            },
        }]
    };
    let receipts = Receipts {
        settled_through: 1,
        receipts: vec![Receipt {
            seq: 1,
            runs: (0..RUNS).map(pieces).collect(),
        }],
    };
    let id = SegmentId {
        kind: SegmentKind::Ingest,
        epoch: ClusterEpoch(1),
        incarnation: IncarnationId(Uuid::from_u128(1)),
        seq: 2,
    };
    let mut writer = SegmentWriter::new(id, receipts);
    for run in runs {
        writer.push(run.clone()).expect("a run that can be written");
    }
    writer
}

/// Footer and tail.
fn end_of(sealed: &Sealed) -> &[u8] {
    sealed.payload.last().expect("a segment has an end")
}

impl Stage for Encode {
    fn work(&self) -> Work {
        Work {
            bytes: 0,
            items: RUNS as u64,
            item: "run",
            comes_out: self.footer_bytes,
        }
    }

    fn prepare(&mut self) {
        self.sealed = None;
        self.writer = Some(writer(&self.runs));
    }

    fn run(&mut self) -> u64 {
        let sealed = self.writer.take().expect("prepared").seal();
        let bytes = end_of(&sealed).len() as u64;
        self.sealed = Some(sealed);
        bytes
    }
}

struct Decode {
    end: Vec<u8>,
    footer: Option<Footer>,
}

pub(super) fn decode() -> Box<dyn Stage> {
    Box::new(Decode {
        end: end_of(&writer(&runs()).seal()).to_vec(),
        footer: None,
    })
}

impl Stage for Decode {
    fn work(&self) -> Work {
        Work {
            bytes: 0,
            items: RUNS as u64,
            item: "run",
            comes_out: RUNS as u64,
        }
    }

    fn prepare(&mut self) {
        self.footer = None;
    }

    fn run(&mut self) -> u64 {
        let (footer, tail) = self.end.split_last_chunk::<TAIL_BYTES>().expect("a tail");
        let tail = Tail::decode(tail).expect("a tail");
        let footer = Footer::read_after_tail(&tail, footer).expect("a footer");
        self.footer.insert(footer).runs.len() as u64
    }
}
