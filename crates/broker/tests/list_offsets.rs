//! ListOffsets: the special timestamps, and records by time.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fetch_support;

use bytes::Bytes;
use esker_metastore::Topic;
use esker_protocol::StrBytes;
use esker_protocol::batch::Codec;
use esker_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use esker_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use esker_protocol::messages::{ListOffsetsRequest, TopicName};
use esker_protocol::records::BatchBuilder;
use fetch_support::{Client, Cluster, batch};

async fn ask(
    client: &mut Client,
    version: i16,
    topic: &Topic,
    asked: &[(i32, i64)],
) -> Vec<ListOffsetsPartitionResponse> {
    let partitions = asked
        .iter()
        .map(|(partition, timestamp)| {
            let asked = ListOffsetsPartition::default()
                .with_partition_index(*partition)
                .with_timestamp(*timestamp);
            if version >= 4 {
                asked.with_current_leader_epoch(-1)
            } else {
                asked
            }
        })
        .collect();
    let topic = ListOffsetsTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.name.clone())))
        .with_partitions(partitions);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![topic]);
    client.ask(version, &request).await.topics.remove(0).partitions
}

async fn one(client: &mut Client, version: i16, topic: &Topic, timestamp: i64) -> (i16, i64, i64) {
    let answer = &ask(client, version, topic, &[(0, timestamp)]).await[0];
    let epoch = if version >= 4 && answer.offset >= 0 { 1 } else { -1 };
    assert_eq!(answer.leader_epoch, epoch);
    (answer.error_code, answer.offset, answer.timestamp)
}

#[tokio::test(start_paused = true)]
async fn special_timestamps_in_every_version() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let mut client = agent.client();
    for version in 1..=10 {
        assert_eq!(one(&mut client, version, &topic, -1).await, (0, 0, -1));
        assert_eq!(one(&mut client, version, &topic, 5).await, (0, -1, -1));
    }
    assert_eq!(one(&mut client, 10, &topic, -3).await, (0, -1, -1));
    let mut writer = cluster.writer("elsewhere").await;
    writer.write(&[(&topic, 0, vec![batch(&[10, 30, 20], 10)])]).await;
    for version in 1..=10 {
        let none = (0, -1, -1);
        let unsupported = (35, -1, -1);
        let since = |first, answer| if version >= first { answer } else { unsupported };
        let mut answer = async |timestamp| one(&mut client, version, &topic, timestamp).await;
        assert_eq!(answer(-1).await, (0, 3, -1));
        assert_eq!(answer(-2).await, (0, 0, -1));
        assert_eq!(answer(-3).await, since(7, (0, 1, 30)));
        assert_eq!(answer(-4).await, since(8, (0, 0, -1)));
        assert_eq!(answer(-5).await, since(9, none));
        assert_eq!(answer(-6).await, unsupported);
        assert_eq!(answer(i64::MIN).await, unsupported);
        assert_eq!(answer(0).await, (0, 0, 10));
        assert_eq!(answer(11).await, (0, 1, 30));
        assert_eq!(answer(31).await, none);
    }
    // Twice: one entry. Unknown partition: its own error.
    let answers = ask(&mut client, 7, &topic, &[(0, -1), (1, -1), (0, -2)]).await;
    let codes: Vec<_> = answers
        .iter()
        .map(|one| (one.partition_index, one.error_code, one.offset))
        .collect();
    assert_eq!(codes, [(0, 42, -1), (1, 3, -1)]);
    let unknown = fetch_support::unknown_topic(&topic);
    assert_eq!(one(&mut client, 7, &unknown, -1).await, (3, -1, -1));
}

fn compressed(timestamps: &[i64], codec: Codec) -> Bytes {
    let batch = timestamps
        .iter()
        .fold(BatchBuilder::new().codec(codec), |batch, at| {
            batch.record(*at, None, Some(b"value"), &[])
        });
    batch.build().unwrap()
}

/// Against a list of all records: for every time, codec and shape of segments.
#[tokio::test(start_paused = true)]
async fn by_time_names_the_very_record() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let mut client = agent.client();
    let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    for round in 0..20 {
        let topic = cluster.topic(&format!("t{round}"), 1).await;
        let mut writer = cluster.writer(&format!("w{round}")).await;
        let rng = &cluster.seams.rng;
        let mut records: Vec<i64> = Vec::new();
        for _ in 0..=rng.below(5) {
            let batches: Vec<Bytes> = (0..=rng.below(3))
                .map(|_| {
                    let times: Vec<i64> = (0..=rng.below(4)).map(|_| rng.below(60) as i64).collect();
                    records.extend(&times);
                    compressed(&times, codecs[rng.below(5) as usize])
                })
                .collect();
            writer.write(&[(&topic, 0, batches)]).await;
        }
        for timestamp in 0..61 {
            let expected = records
                .iter()
                .position(|at| *at >= timestamp)
                .map_or((0, -1, -1), |offset| (0, offset as i64, records[offset]));
            assert_eq!(
                one(&mut client, 10, &topic, timestamp).await,
                expected,
                "{timestamp} in {records:?}"
            );
        }
        let largest = *records.iter().max().unwrap();
        let first = records.iter().position(|at| *at == largest).unwrap() as i64;
        assert_eq!(
            one(&mut client, 10, &topic, -3).await,
            (0, first, largest),
            "{records:?}"
        );
    }
}

/// A header's or an extent's largest timestamp may promise more than the records hold.
#[tokio::test(start_paused = true)]
async fn broken_promises_are_looked_behind() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let mut client = agent.client();
    let topic = cluster.topic("t", 1).await;
    let mut writer = cluster.writer("elsewhere").await;
    let lying = |timestamps: &[i64], claimed: i64| {
        use esker_protocol::batch::BatchHeader;
        let honest = batch(timestamps, 10);
        let mut header = BatchHeader::parse(&honest).unwrap();
        header.max_timestamp = claimed;
        let mut bytes = header.write().to_vec();
        bytes.extend_from_slice(&honest[bytes.len()..]);
        let crc = crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        Bytes::from(bytes)
    };
    writer.write(&[(&topic, 0, vec![lying(&[5, 6], 1000)])]).await;
    writer.write(&[(&topic, 0, vec![batch(&[7, 90], 10)])]).await;
    writer.write(&[(&topic, 0, vec![lying(&[8], 500)])]).await;
    writer.write(&[(&topic, 0, vec![batch(&[50], 10)])]).await;
    assert_eq!(one(&mut client, 10, &topic, 7).await, (0, 2, 7));
    assert_eq!(one(&mut client, 10, &topic, 60).await, (0, 3, 90));
    assert_eq!(one(&mut client, 10, &topic, 91).await, (0, -1, -1));
    assert_eq!(one(&mut client, 10, &topic, -3).await, (0, 3, 90));
}

/// CRC-32C, bit by bit: enough for a test.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    })
}
