//! Asking the leaders of some partitions of a topic, each about its own.
//!
//! A leader that does not answer, or leads no more, is looked for again until the deadline; those that answered are
//! not asked twice.

use std::collections::BTreeMap;
use std::time::Duration;

use esker_protocol::client::ClientRequest;

use super::attempts::Attempts;
use super::{Cluster, Partition, Result};

/// Sends what `build` makes for the partitions of one leader, to each of them, and hands its answer to `take`. That
/// may be called again for partitions of which it refused an answer.
pub(super) async fn ask<R: ClientRequest>(
    cluster: &mut Cluster,
    topic: &str,
    partitions: &[Partition],
    build: impl Fn(&[i32]) -> R,
    mut take: impl FnMut(&[i32], R::Response) -> Result<()>,
) -> Result<()> {
    let mut left = partitions.to_vec();
    let mut attempts = Attempts::new(cluster);
    loop {
        let mut failed = None;
        for (leader, indexes) in by_leader(&left) {
            let answer = one(cluster, leader, &build(&indexes), attempts.share(cluster)).await;
            match answer.and_then(|response| take(&indexes, response)) {
                Ok(()) => left.retain(|partition| !indexes.contains(&partition.index)),
                Err(error) if error.is_elsewhere() => failed = Some(error),
                Err(error) => return Err(error),
            }
        }
        let Some(error) = failed else { return Ok(()) };
        attempts.pause(cluster, error).await?;
        // Who cannot be found now is looked for after the next attempt.
        let name = [topic.to_owned()];
        match cluster.look(Some(&name), attempts.share(cluster)).await {
            Ok(found) => {
                for (_, now) in found {
                    move_to(&mut left, &now?.partitions);
                }
            }
            Err(error) if error.is_elsewhere() => {}
            Err(error) => return Err(error),
        }
    }
}

fn by_leader(partitions: &[Partition]) -> BTreeMap<i32, Vec<i32>> {
    let mut by_leader: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        by_leader
            .entry(partition.leader)
            .or_default()
            .push(partition.index);
    }
    by_leader
}

async fn one<R: ClientRequest>(
    cluster: &Cluster,
    leader: i32,
    request: &R,
    share: Duration,
) -> Result<R::Response> {
    let mut connection = cluster.connect(leader).await?;
    connection.call_within(request, share).await
}

fn move_to(left: &mut [Partition], now: &[Partition]) {
    for partition in left {
        if let Some(found) = now.iter().find(|found| found.index == partition.index) {
            partition.leader = found.leader;
        }
    }
}
