//! Segments as agents write them, whole and in parts.

use bytes::Bytes;
use esker_model::sequence::{Outcome, Piece, Refusal};
use esker_model::{ProducerEpoch, ProducerId, SegmentId, SegmentKind, TopicUuid};
use esker_storage::keys::object_key;
use esker_storage::segment::archive::{ArchiveWriter, ArchivedBatch};
use esker_storage::segment::{Batch, Receipt, Receipts, Run, RunProducer, SegmentWriter, TAIL_BYTES, Tail};
use uuid::Uuid;

use super::{batches, manifests, seed};
use crate::Seed;
use crate::input::put_block;
use crate::segment_footer::{kind, segment_id};

pub(crate) fn segment_footer() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let cases = [
        ("empty", Vec::new(), Receipts::default()),
        ("runs", runs(), Receipts::default()),
        ("receipts", Vec::new(), receipts()),
        ("both", runs(), receipts()),
        ("large-batches", vec![large_run()], receipts()),
    ];
    for (name, runs, receipts) in cases {
        let object = write(runs, receipts);
        let tail = Tail::of_object(&object).unwrap();
        let (payload_bytes, footer_bytes) = (tail.payload_bytes() as usize, tail.footer_bytes as usize);
        let footer = &object[payload_bytes..][..footer_bytes];
        if object.len() < 4096 {
            seeds.push(seed(format!("object-{name}"), &[&[kind::OBJECT], &object]));
        }
        seeds.push(seed(format!("footer-{name}"), &[&[kind::FOOTER], footer]));
        seeds.push(seed(format!("sections-{name}"), &[&sections(footer)]));
        seeds.push(seed(
            format!("tail-{name}"),
            &[&[kind::TAIL], &object[object.len() - TAIL_BYTES..]],
        ));
    }
    let unknown: [u8; 8] = [0, 99, 0, 0, 0, 0, 0, 0];
    let object = write(Vec::new(), Receipts::default());
    let footer = &object[..object.len() - TAIL_BYTES];
    // A group of one run whose two batches have as many records each as one may have.
    let mut extents = vec![1];
    extents.extend_from_slice(&[0; 20]);
    extents.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    extents.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 7, 1, 0xff, 0xff, 0xff, 0xff, 7, 1]);
    let mut input = vec![kind::SECTIONS];
    put_block(&mut input, &extents);
    input.extend_from_slice(&[0; 9]);
    seeds.push(seed("sections-many-records", &[&input]));
    seeds.push(seed(
        "footer-unknown-section",
        &[&[kind::FOOTER], footer, &unknown],
    ));
    for (name, json) in [
        (
            "",
            r#"{"format_version":1,"cluster_id":"x3Xh1Zl9SqCyGyuUMRNVhg","epoch":1}"#,
        ),
        ("-no-epoch", r#"{"format_version":1,"cluster_id":"a","epoch":0}"#),
        ("-no-id", r#"{"format_version":1,"cluster_id":"","epoch":1}"#),
        (
            "-later",
            r#"{"format_version":2,"more":[1.5e300,null,{"a":"\u0000"}]}"#,
        ),
        (
            "-more",
            r#" {"epoch":7,"x":{},"cluster_id":"\ud83d\ude00","format_version":1}"#,
        ),
    ] {
        seeds.push(seed(
            format!("cluster-file{name}"),
            &[&[kind::CLUSTER_FILE], json.as_bytes()],
        ));
    }
    seeds.push(seed("key", &[&[kind::KEY], object_key(&segment_id()).as_bytes()]));
    seeds.extend(archive_seeds());
    seeds.extend(manifests::merged_and_manifests());
    seeds
}

fn archive_seeds() -> Vec<Seed> {
    let id = SegmentId {
        kind: SegmentKind::Archive,
        ..segment_id()
    };
    let mut writer = ArchiveWriter::new(id);
    for partition in 0..3 {
        let batch = ArchivedBatch {
            records: 7,
            max_timestamp: 5,
            epoch: id.epoch,
            bytes: Bytes::from(vec![1; 100]).into(),
        };
        let batches = vec![batch; 1 + partition as usize];
        let base_offset = i64::from(partition) << 33;
        writer
            .push(TopicUuid(Uuid::from_u128(4)), partition, base_offset, &batches)
            .unwrap();
    }
    let payload_bytes = writer.payload_bytes() as usize;
    let object = Bytes::from(writer.seal().payload.concat());
    let footer = &object[payload_bytes..object.len() - TAIL_BYTES];
    vec![
        seed(
            "archive-footer",
            &[
                &[kind::ARCHIVE_FOOTER],
                &(payload_bytes as u16).to_be_bytes(),
                footer,
            ],
        ),
        seed("archive", &[&[kind::OBJECT], &object]),
        seed("archive-key", &[&[kind::KEY], object_key(&id).as_bytes()]),
    ]
}

fn write(runs: Vec<Run>, receipts: Receipts) -> Bytes {
    let mut writer = SegmentWriter::new(segment_id(), receipts);
    for run in runs {
        writer.push(run).unwrap();
    }
    Bytes::from(writer.seal().payload.concat())
}

/// The input that has the sections' bodies by themselves.
fn sections(footer: &[u8]) -> Vec<u8> {
    let mut input = vec![kind::SECTIONS];
    let mut rest = footer;
    while let Some((head, behind)) = rest.split_first_chunk::<8>() {
        let bytes = u32::from_be_bytes(head[4..].try_into().unwrap()) as usize;
        let (body, behind) = behind.split_at(bytes);
        match head[1] {
            2 => put_block(&mut input, body),
            3 => input.extend_from_slice(body),
            _ => {}
        }
        rest = behind;
    }
    input
}

fn run(partition: i32, batches: Vec<Batch>) -> Run {
    Run {
        topic: TopicUuid(Uuid::from_u128(5)),
        partition,
        producer: None,
        transactional: false,
        control: false,
        max_timestamp: batches::TIMESTAMP,
        batches,
    }
}

fn runs() -> Vec<Run> {
    let batch = |records: i64| Batch::whole(records as i32, batches::plain(records));
    vec![
        run(0, vec![batch(1), batch(3)]),
        Run {
            producer: Some(RunProducer {
                id: ProducerId(77),
                epoch: ProducerEpoch(3),
                first_sequence: i32::MAX,
            }),
            transactional: true,
            ..run(0, vec![batch(2)])
        },
        Run {
            control: true,
            max_timestamp: -1,
            ..run(3, vec![batch(1)])
        },
    ]
}

/// Batches so large that the payload's checksum is made from theirs.
fn large_run() -> Run {
    run(9, vec![Batch::whole(400, batches::plain(400)); 2])
}

fn receipts() -> Receipts {
    let piece = |first_batch, batches, outcome| Piece {
        first_batch,
        batches,
        outcome,
    };
    let duplicate = Outcome::Duplicate {
        base_offset: 10,
        max_timestamp: batches::TIMESTAMP,
    };
    let runs = vec![
        vec![
            piece(0, 1, duplicate),
            piece(1, 300, Outcome::Appended { base_offset: 11 }),
        ],
        Vec::new(),
        vec![piece(0, 1, Outcome::Refused(Refusal::Gap))],
        vec![piece(0, 2, Outcome::Refused(Refusal::OutOfOrder))],
        vec![piece(0, 3, Outcome::Refused(Refusal::StaleEpoch))],
        vec![piece(0, 4, Outcome::Refused(Refusal::UnknownPartition))],
    ];
    Receipts {
        settled_through: 3,
        receipts: vec![
            Receipt { seq: 5, runs },
            Receipt {
                seq: 8,
                runs: Vec::new(),
            },
        ],
    }
}
