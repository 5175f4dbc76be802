//! Sizes that DescribeLogDirs shows, wherever the records lie.

use std::collections::BTreeMap;
use std::time::Duration;

use esker_protocol::messages::DescribeLogDirsRequest;

use crate::support::{Client, World};
use crate::world::*;

/// The size of each partition.
type Sizes = BTreeMap<(String, i32), i64>;

/// As shown by all agents together: each partition is listed by the one that leads it.
async fn sizes(clients: &mut [Client]) -> Sizes {
    let request = DescribeLogDirsRequest::default().with_topics(None);
    let mut sizes = Sizes::new();
    for client in clients {
        let response = client.call(4, &request).await;
        for topic in &response.results[0].topics {
            for one in &topic.partitions {
                sizes.insert((topic.name.to_string(), one.partition_index), one.partition_size);
            }
        }
    }
    sizes
}

async fn until_sizes(clients: &mut [Client], right: impl Fn(&Sizes) -> bool) {
    let mut found = Sizes::new();
    for _ in 0..100 {
        found = sizes(clients).await;
        if right(&found) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the sizes stay {found:?}");
}

/// The sizes are those of what was written.
#[tokio::test]
async fn archiving_changes_no_size() {
    let world = World::new();
    let first = serving(&world, "a").await;
    let mut clients = vec![first.connect()];
    create_all(&mut clients[0], FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut clients[0], 5, &mut records).await;
    let written = sizes(&mut clients).await;
    assert_eq!(written.len(), every_partition().len());
    assert!(written.values().all(|size| *size > 0), "{written:?}");
    let archiver = archiving(&world, "b", Duration::ZERO).await;
    clients.push(archiver.connect());
    until_archived(&world).await;
    until_sizes(&mut clients, |found| *found == written).await;
}

#[tokio::test]
async fn merging_changes_no_size_and_what_is_cut_off_counts_until_it_is_dropped() {
    let world = World::new();
    let first = serving(&world, "a").await;
    let mut clients = vec![first.connect()];
    create_all(&mut clients[0], FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut clients[0], 5, &mut records).await;
    let written = sizes(&mut clients).await;
    let merger = merging(&world, "b", Duration::ZERO).await;
    clients.push(merger.connect());
    until_merged(&world).await;
    until_sizes(&mut clients, |found| *found == written).await;
    produce(&mut clients[0], 5, &mut records).await;
    let larger = |found: &Sizes| {
        let size = |key| found.get(key).copied().unwrap_or(-1);
        written.iter().all(|(key, once)| size(key) >= 2 * *once)
    };
    until_sizes(&mut clients, larger).await;
    until_merged(&world).await;
    until_sizes(&mut clients, larger).await;
    // What nobody can read any more is dropped.
    for (topic, partition) in written.keys() {
        let end = records[&(topic.clone(), *partition)].len() as i64;
        delete_records(&mut clients[0], topic, *partition, end).await;
    }
    let nothing: Sizes = written.keys().map(|key| (key.clone(), 0)).collect();
    until_sizes(&mut clients, |found| *found == nothing).await;
}
