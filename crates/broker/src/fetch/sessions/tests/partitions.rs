use bytes::Bytes;
use esker_protocol::messages::TopicName;
use esker_protocol::{ErrorCode, StrBytes};

use super::super::partitions::*;
use super::*;

fn forgotten(topic: &str, partitions: &[i32]) -> ForgottenTopic {
    ForgottenTopic::default()
        .with_topic(name(topic))
        .with_partitions(partitions.to_vec())
}

/// Topic, index and offset of each partition, in the order of answers.
fn order(partitions: &mut Partitions) -> Vec<(String, i32, i64)> {
    let names: Vec<_> = partitions
        .topics_mut()
        .map(|topic| topic.name.to_string())
        .collect();
    let asks = partitions.asks();
    asks.map(|(topic, index, ask)| (names[topic].clone(), index, ask.from))
        .collect()
}

fn indexes(partitions: &Partitions) -> Vec<i32> {
    partitions.asks().map(|(_, index, _)| index).collect()
}

fn part(offsets: [i64; 3], records: &'static [u8]) -> FetchPartitionParts {
    FetchPartitionParts {
        high_watermark: offsets[0],
        last_stable_offset: offsets[1],
        log_start_offset: offsets[2],
        records: vec![Bytes::from_static(records)],
        ..FetchPartitionParts::error(0, ErrorCode::None)
    }
}

#[test]
fn a_request_names_what_is_new_what_changes_and_what_goes() {
    let mut partitions = Partitions::new(&[topic("a", &[(0, 10), (1, 11)]), topic("b", &[(0, 20)])]);
    let of = |topic: &str, index, from| (topic.to_owned(), index, from);
    assert_eq!(
        order(&mut partitions),
        [of("a", 0, 10), of("a", 1, 11), of("b", 0, 20)]
    );
    // Changed ones stay where they are, new ones come last.
    partitions.update(&[topic("c", &[(7, 1)]), topic("a", &[(1, 12), (2, 13)])], &[]);
    assert_eq!(
        order(&mut partitions),
        [
            of("a", 0, 10),
            of("a", 1, 12),
            of("b", 0, 20),
            of("c", 7, 1),
            of("a", 2, 13)
        ]
    );
    let unknown = [
        forgotten("x", &[0]),
        forgotten("c", &[8]),
        forgotten("b", &[0, 0]),
        forgotten("a", &[0, 2]),
    ];
    partitions.update(&[], &unknown);
    assert_eq!(order(&mut partitions), [of("a", 1, 12), of("c", 7, 1)]);
    // What became free is used again: by another topic, too.
    partitions.update(&[topic("d", &[(0, 3), (1, 4)]), topic("a", &[(0, 5)])], &[]);
    let all = [
        of("a", 1, 12),
        of("c", 7, 1),
        of("d", 0, 3),
        of("d", 1, 4),
        of("a", 0, 5),
    ];
    assert_eq!((order(&mut partitions), partitions.len()), (all.to_vec(), 5));
    // What is added and forgotten in one request is forgotten.
    partitions.update(
        &[topic("e", &[(0, 0)])],
        &[forgotten("e", &[0]), forgotten("a", &[0, 1])],
    );
    partitions.update(&[], &[forgotten("c", &[7]), forgotten("d", &[1, 0])]);
    assert_eq!((order(&mut partitions), partitions.len()), (vec![], 0));
}

#[test]
fn of_a_partition_named_twice_the_last_word_holds() {
    let mut partitions = Partitions::new(&[topic("a", &[(0, 1), (0, 2)]), topic("a", &[(0, 3)])]);
    assert_eq!(order(&mut partitions), [("a".to_owned(), 0, 3)]);
}

#[test]
fn topics_by_id_are_told_apart_by_id() {
    let by_id = |id: u128| {
        FetchTopic::default()
            .with_topic_id(Uuid::from_u128(id))
            .with_partitions(vec![FetchPartition::default()])
    };
    let mut partitions = Partitions::new(&[by_id(1), by_id(2), by_id(1)]);
    assert_eq!(partitions.len(), 2);
    let gone = ForgottenTopic::default()
        .with_topic_id(Uuid::from_u128(1))
        .with_partitions(vec![0]);
    partitions.update(&[], &[gone]);
    assert_eq!(
        partitions.asks().map(|(topic, ..)| topic).collect::<Vec<_>>(),
        [1]
    );
}

#[test]
fn news_are_records_errors_and_each_offset() {
    let mut partitions = Partitions::new(&[topic("a", &[(0, 0)])]);
    let mut news = |part: &FetchPartitionParts| {
        let is_news = partitions.is_news(0, part);
        partitions.rotate();
        is_news
    };
    assert!(news(&part([5, 5, 0], b"")), "never told");
    assert!(!news(&part([5, 5, 0], b"")));
    assert!(news(&part([5, 5, 0], b"records")));
    assert!(!news(&part([5, 5, 0], b"")));
    for offsets in [[6, 5, 0], [6, 6, 0], [6, 6, 1]] {
        assert!(news(&part(offsets, b"")), "{offsets:?}");
        assert!(!news(&part(offsets, b"")));
    }
    // An error is told until it is gone, and then that it is gone.
    let error = FetchPartitionParts::error(0, ErrorCode::KafkaStorageError);
    assert!(news(&error) && news(&error) && news(&error));
    assert!(news(&part([6, 6, 1], b"")));
    assert!(!news(&part([6, 6, 1], b"")));
    // One that is asked for otherwise was told all the same.
    partitions.update(&[topic("a", &[(0, 9)])], &[]);
    assert!(!partitions.is_news(0, &part([6, 6, 1], b"")));
    // One that was forgotten meanwhile was not.
    partitions.update(&[], &[forgotten("a", &[0])]);
    partitions.update(&[topic("a", &[(0, 9)])], &[]);
    assert!(partitions.is_news(0, &part([6, 6, 1], b"")));
}

#[test]
fn those_that_gave_records_go_to_the_end() {
    let mut partitions = Partitions::new(&[topic("a", &[(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)])]);
    let answer = |partitions: &mut Partitions, giving: &[i32]| {
        for (place, index) in indexes(partitions).into_iter().enumerate() {
            let records: &[u8] = if giving.contains(&index) { b"records" } else { b"" };
            partitions.is_news(place, &part([1, 1, 0], records));
        }
    };
    answer(&mut partitions, &[0, 1, 2, 3, 4]);
    partitions.stay();
    assert_eq!(indexes(&partitions), [0, 1, 2, 3, 4], "not with the first answer");
    answer(&mut partitions, &[0, 2]);
    partitions.rotate();
    assert_eq!(indexes(&partitions), [1, 3, 4, 0, 2]);
    answer(&mut partitions, &[]);
    partitions.rotate();
    assert_eq!(indexes(&partitions), [1, 3, 4, 0, 2]);
    answer(&mut partitions, &[2]);
    partitions.rotate();
    assert_eq!(indexes(&partitions), [1, 3, 4, 0, 2]);
    answer(&mut partitions, &[0, 1, 2, 3, 4]);
    partitions.rotate();
    assert_eq!(indexes(&partitions), [1, 3, 4, 0, 2]);
    // They are found where they went.
    partitions.update(&[topic("a", &[(1, 77)])], &[forgotten("a", &[3, 0])]);
    let asks: Vec<_> = partitions
        .asks()
        .map(|(_, index, ask)| (index, ask.from))
        .collect();
    assert_eq!(asks, [(1, 77), (4, 0), (2, 0)]);
}

#[test]
fn bytes_follow_partitions_and_names() {
    let many: Vec<(i32, i64)> = (0..1000).map(|index| (index, 0)).collect();
    let partitions = Partitions::new(&[topic("a", &many)]);
    let bytes = partitions.bytes();
    assert!((1000 * PARTITION_BYTES..3000 * PARTITION_BYTES).contains(&bytes));
    let long = "n".repeat(200);
    let named = Partitions::new(&[topic(&long, &[(0, 0)])]).bytes();
    assert_eq!(named - Partitions::new(&[topic("n", &[(0, 0)])]).bytes(), 2 * 199);
    assert_eq!(Partitions::default().bytes(), 0);
}

#[test]
fn a_session_keeps_no_frame_alive() {
    let frame = Bytes::from(b"frame with a topic in it".to_vec());
    let in_frame = StrBytes::try_from(frame.slice(13..18)).unwrap();
    let named = FetchTopic::default()
        .with_topic(TopicName(in_frame))
        .with_partitions(vec![FetchPartition::default()]);
    let mut partitions = Partitions::new(&[named]);
    assert!(partitions.topics_mut().all(|topic| &*topic.name == "topic"));
    assert!(frame.is_unique(), "the request is gone");
}
