//! Any bytes: each on a connection of its own. The answer is Kafka's error or a closed connection.

use std::io::Write;
use std::time::Duration;

use ::bytes::Bytes;
use esker_protocol::StrBytes;
use esker_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use esker_protocol::messages::{BrokerId, ListOffsetsRequest, TopicName};

use crate::bystander::create_topic;
use crate::frames::{self, METADATA, PRODUCE, framed, header, varint};
use crate::stand::{Others, Stand};
use esker_e2e::wire::{Fate, Wire};

/// An answer or a closed connection comes within this time.
const SOON: Duration = Duration::from_secs(10);

/// Frames that no client sends, by what is wrong with them; all of them close the connection.
fn hopeless() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |what: &str, bytes: Vec<u8>| all.push((what.to_owned(), bytes));
    for size in [-1, 0, 1, i32::MIN, i32::MAX, 100 * 1024 * 1024 + 1] {
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.extend([0, 0, 0, 9]);
        add(&format!("a frame of {size} bytes"), bytes);
    }
    add("9 MiB of Metadata", frames::announcement(METADATA, 9 << 20));
    add(
        "100 MiB for 64 MiB of memory",
        frames::announcement(PRODUCE, 100 << 20),
    );
    add("HTTP", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec());
    add("TLS", [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3].repeat(20));
    for key in [-1, 4, 77, 9999, i16::MIN, i16::MAX] {
        add(&format!("API {key}"), framed(&header(key, 0, false)));
    }
    for version in [-1, 99, i16::MIN] {
        add(
            &format!("Metadata {version}"),
            framed(&header(METADATA, version, false)),
        );
    }
    for length in [i16::MAX, -2, i16::MIN] {
        let mut body = header(METADATA, 1, false)[..8].to_vec();
        body.extend(length.to_be_bytes());
        add(&format!("a client id of {length} bytes"), framed(&body));
    }
    for count in [i32::MAX, -2, i32::MIN, 100_001, 1_000_000] {
        let mut body = header(METADATA, 1, false);
        body.extend(count.to_be_bytes());
        body.extend([0; 100]);
        add(&format!("an array of {count}"), framed(&body));
    }
    for (what, bytes) in [
        ("a compact array of 4 billion", varint(u64::from(u32::MAX))),
        ("a varint that does not end", vec![0xff; 12]),
        (
            "a compact string of 4 billion",
            [vec![2], vec![0; 16], varint(u64::from(u32::MAX))].concat(),
        ),
        (
            "4 billion tags",
            [vec![0, 1, 0], varint(u64::from(u32::MAX))].concat(),
        ),
        (
            "a tag of 4 billion bytes",
            [vec![0, 1, 0, 1, 100], varint(u64::from(u32::MAX))].concat(),
        ),
    ] {
        let body = [header(METADATA, 12, true), bytes].concat();
        add(what, framed(&body));
    }
    let mut tags = [header(METADATA, 12, true), vec![0, 1, 0], varint(20_000)].concat();
    for tag in 0..20_000u64 {
        tags.extend(varint(tag + 100));
        tags.push(0);
    }
    add("20,000 unknown tags", framed(&tags));
    for length in [-5, i32::MAX, 1 << 20] {
        let mut body = header(PRODUCE, 8, false);
        body.extend([
            0xff, 0xff, 0xff, 0xff, 0, 0, 0x75, 0x30, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0,
        ]);
        body.extend(i32::to_be_bytes(length));
        body.extend([0; 64]);
        add(&format!("{length} bytes of records"), framed(&body));
    }
    all
}

/// Batches that lie: the request is answered, with an error.
fn bad_batches() -> Vec<(&'static str, Bytes)> {
    let count = |at: usize, number: i32| frames::doctored(at, &number.to_be_bytes());
    let mut wrong_crc = frames::batch(b"value", 200).to_vec();
    wrong_crc[frames::CRC] ^= 1;
    let cut = frames::batch(b"value", 200).slice(..100);
    let codec = |number: u8| frames::doctored(frames::CRC_COVERS, &[0, number]);
    vec![
        ("wrong CRC", wrong_crc.into()),
        ("cut off", cut),
        ("no bytes", Bytes::from_static(b"\0")),
        ("magic 0", frames::doctored(frames::MAGIC, &[0])),
        ("magic 1", frames::doctored(frames::MAGIC, &[1])),
        ("magic 3", frames::doctored(frames::MAGIC, &[3])),
        ("length 0", count(frames::BATCH_LENGTH, 0)),
        ("length -1", count(frames::BATCH_LENGTH, -1)),
        ("longest length", count(frames::BATCH_LENGTH, i32::MAX)),
        ("no records", count(frames::RECORD_COUNT, 0)),
        ("-1 records", count(frames::RECORD_COUNT, -1)),
        ("2 billion records", count(frames::RECORD_COUNT, i32::MAX)),
        (
            "an offset of 2 billion",
            count(frames::LAST_OFFSET_DELTA, i32::MAX),
        ),
        (
            "a record of 2 billion bytes",
            frames::doctored(frames::RECORDS, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
        ),
        ("a record of -1 bytes", frames::doctored(frames::RECORDS, &[1])),
        ("codec 7", codec(7)),
    ]
}

fn send_all(stand: &Stand, turns: usize) {
    create_topic(stand.at, "t", 1);
    create_compacted(stand, "keyed");
    for _ in 0..turns {
        for (what, bytes) in hopeless() {
            let mut wire = Wire::connect(stand.at).unwrap();
            let _ = wire.stream.write_all(&bytes);
            assert_eq!(wire.fate(SOON), Fate::Closed, "{what}");
        }
        for (what, batch) in bad_batches() {
            let mut wire = Wire::connect(stand.at).unwrap();
            let answer = wire.call(9, &frames::produce("t", 0, batch)).expect(what);
            let part = &answer.responses[0].partition_responses[0];
            assert!(part.error_code > 0 && part.base_offset == -1, "{what}: {part:?}");
        }
        // Cut off at every place.
        let mut wire = Wire::connect(stand.at).unwrap();
        let whole = wire.frame(9, &frames::produce("t", 0, frames::batch(b"v", 100)));
        for at in 1..whole.len() {
            let mut wire = Wire::connect(stand.at).unwrap();
            wire.stream.write_all(&whole[..at]).unwrap();
        }
        compressed(stand);
    }
}

/// Garbage that claims to be compressed, and bombs. A Produce does not open them, except where a topic's records
/// must have keys; a search by time does. Bounded everywhere.
fn compressed(stand: &Stand) {
    let garbage = |number: u8| frames::doctored(frames::CRC_COVERS, &[0, number]);
    let bomb = frames::bomb(60 << 20);
    assert!(bomb.len() < 100_000);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut wire = Wire::connect(stand.at).unwrap();
                for codec in 1..=4 {
                    let _ = wire.call(9, &frames::produce("t", 0, garbage(codec))).unwrap();
                    let keyed = wire
                        .call(9, &frames::produce("keyed", 0, garbage(codec)))
                        .unwrap();
                    assert!(
                        keyed.responses[0].partition_responses[0].error_code > 0,
                        "codec {codec}"
                    );
                }
                let _ = wire.call(9, &frames::produce("t", 0, bomb.clone())).unwrap();
                let _ = wire.call(9, &frames::produce("keyed", 0, bomb.clone())).unwrap();
                for timestamp in [-3, 1] {
                    let part = ListOffsetsPartition::default().with_timestamp(timestamp);
                    let topic = ListOffsetsTopic::default()
                        .with_name(TopicName(StrBytes::from_static_str("t")))
                        .with_partitions(vec![part]);
                    let request = ListOffsetsRequest::default()
                        .with_replica_id(BrokerId(-1))
                        .with_topics(vec![topic]);
                    let _ = wire.call(7, &request).unwrap();
                }
            });
        }
    });
}

fn create_compacted(stand: &Stand, name: &str) {
    use esker_protocol::messages::CreateTopicsRequest;
    use esker_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
    let config = CreatableTopicConfig::default()
        .with_name(StrBytes::from_static_str("cleanup.policy"))
        .with_value(Some(StrBytes::from_static_str("compact")));
    let topic = CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_string(name.to_owned())))
        .with_num_partitions(1)
        .with_replication_factor(1)
        .with_configs(vec![config]);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(10_000);
    let answer = Wire::connect(stand.at).unwrap().call(7, &request).unwrap();
    assert_eq!(answer.topics[0].error_code, 0);
}

#[test]
fn any_bytes() {
    Stand::new("attack-bytes", &[]).suffer("any bytes", Others::Unaffected, |stand| send_all(stand, 1));
}

#[test]
#[ignore = "the long form"]
fn any_bytes_again_and_again() {
    let Some(stand) = Stand::on_network("attack-bytes-long", &[]) else {
        return;
    };
    stand.suffer("any bytes", Others::Unaffected, |stand| send_all(stand, 60));
}
