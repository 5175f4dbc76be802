//! Segments for tests. Every byte follows from the arguments.

use bytes::Bytes;
use esker_model::sequence::{Outcome, Piece, Refusal};
use esker_model::{
    ClusterEpoch, IncarnationId, ProducerEpoch, ProducerId, SegmentId, SegmentKind, TopicUuid,
};
use esker_storage::keys::ObjectKind;
use esker_storage::segment::{
    Batch, Receipt, Receipts, Run, RunProducer, Sealed, SegmentWriter, TAIL_BYTES, Tail,
};
use uuid::Uuid;

pub fn segment_id(seq: u64) -> SegmentId {
    SegmentId {
        kind: SegmentKind::Ingest,
        epoch: ClusterEpoch(3),
        incarnation: IncarnationId(Uuid::from_u128(0x0102_0304_0506_4708_890a_0b0c_0d0e_0f10)),
        seq,
    }
}

/// Bytes with a record batch's CRC in its place.
pub fn batch_bytes(seed: u8, bytes: usize) -> Bytes {
    let mut batch: Vec<u8> = (0..bytes)
        .map(|i| (i as u8).wrapping_mul(7).wrapping_add(seed))
        .collect();
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    Bytes::from(batch)
}

fn run(topic: u128, partition: i32, batches: Vec<Batch>) -> Run {
    Run {
        topic: TopicUuid(Uuid::from_u128(topic)),
        partition,
        producer: None,
        transactional: false,
        control: false,
        max_timestamp: 1_700_000_000_000,
        batches,
    }
}

/// A run of every kind: plain, idempotent, transactional, control, with small and large batches, whole
/// and rewritten.
pub fn runs() -> Vec<Run> {
    let whole = |seed, records, bytes| Batch::whole(records, batch_bytes(seed, bytes));
    let mut rest = batch_bytes(9, 9000);
    let head = rest.split_to(61);
    vec![
        run(1, 0, vec![whole(1, 1, 70)]),
        Run {
            producer: Some(RunProducer {
                id: ProducerId(4001),
                epoch: ProducerEpoch(2),
                first_sequence: i32::MAX - 1,
            }),
            ..run(1, 0, vec![whole(2, 3, 200), whole(3, 5, 20_000)])
        },
        Run {
            max_timestamp: -1,
            ..run(1, 7, vec![Batch::rewritten(300, head, rest)])
        },
        Run {
            transactional: true,
            producer: Some(RunProducer {
                id: ProducerId(i64::MAX),
                epoch: ProducerEpoch(i16::MAX),
                first_sequence: 0,
            }),
            ..run(u128::MAX, 0, vec![whole(4, 1, 61)])
        },
        Run {
            control: true,
            transactional: true,
            ..run(u128::MAX, 1, vec![whole(5, 1, 78)])
        },
    ]
}

pub fn receipts() -> Receipts {
    let piece = |first_batch, batches, outcome| Piece {
        first_batch,
        batches,
        outcome,
    };
    Receipts {
        settled_through: 39,
        receipts: vec![
            Receipt {
                seq: 40,
                runs: vec![
                    vec![piece(
                        0,
                        2,
                        Outcome::Appended {
                            base_offset: 123_456_789_012,
                        },
                    )],
                    vec![],
                    vec![
                        piece(
                            0,
                            1,
                            Outcome::Duplicate {
                                base_offset: 5,
                                max_timestamp: 1_600_000_000_000,
                            },
                        ),
                        piece(1, 300, Outcome::Refused(Refusal::Gap)),
                    ],
                ],
            },
            Receipt {
                seq: 41,
                runs: [
                    Refusal::OutOfOrder,
                    Refusal::StaleEpoch,
                    Refusal::UnknownPartition,
                ]
                .map(|refusal| vec![piece(0, 1, Outcome::Refused(refusal))])
                .to_vec(),
            },
        ],
    }
}

pub fn seal(id: SegmentId, runs: Vec<Run>, receipts: Receipts) -> Sealed {
    let mut writer = SegmentWriter::new(id, receipts);
    for run in runs {
        writer.push(run).unwrap();
    }
    writer.seal()
}

pub fn whole(sealed: &Sealed) -> Bytes {
    Bytes::from(sealed.payload.concat())
}

/// A segment with about this many bytes, in batches of `batch` bytes.
pub fn large(seq: u64, bytes: usize, batch: usize) -> Sealed {
    let batches = (0..bytes / batch)
        .map(|i| Batch::whole(10, batch_bytes(i as u8, batch)))
        .collect();
    seal(segment_id(seq), vec![run(1, 0, batches)], Receipts::default())
}

/// An object with this payload and a footer of the test's own making, with right checksums.
pub fn with_footer(kind: ObjectKind, payload: &[u8], footer: &[u8]) -> Bytes {
    let tail = Tail {
        kind,
        object_bytes: (payload.len() + footer.len() + TAIL_BYTES) as u64,
        footer_bytes: footer.len() as u32,
        footer_crc: crc32c::crc32c(footer),
        payload_crc: crc32c::crc32c(payload),
    };
    Bytes::from([payload, footer, &tail.encode()].concat())
}
