//! Which agent is named as leader of a partition: rendezvous hashing over the live agents of a zone.
//!
//! It is a hint. Every agent serves every partition; the hint only makes the writes of a partition meet
//! in one hot segment and its tail be read from memory. All agents that see the same live agents give
//! the same answer, and when an agent joins or leaves only its own share of partitions moves.

use crate::{NodeId, ShardId, TopicUuid};

/// The node of `nodes` that rendezvous hashing picks for a partition; `None` if there are none.
pub fn leader(topic: TopicUuid, partition: i32, nodes: &[NodeId]) -> Option<NodeId> {
    nodes
        .iter()
        .copied()
        .max_by_key(|node| (weight(topic, partition, *node), *node))
}

/// The nodes of `nodes`, the most preferred first, at most `count` of them.
pub fn preference(topic: TopicUuid, partition: i32, nodes: &[NodeId], count: usize) -> Vec<NodeId> {
    let mut ranked: Vec<_> = nodes
        .iter()
        .map(|node| (weight(topic, partition, *node), *node))
        .collect();
    ranked.sort_unstable_by(|a, b| b.cmp(a));
    ranked.into_iter().take(count).map(|(_, node)| node).collect()
}

/// The node of `nodes` that is to coordinate a shard of groups; `None` if there are none.
pub fn coordinator(shard: ShardId, nodes: &[NodeId]) -> Option<NodeId> {
    let weight = |node: NodeId| mix(mix(u64::from(shard.0 as u16)) ^ u64::from(node.0 as u32));
    nodes.iter().copied().max_by_key(|node| (weight(*node), *node))
}

fn weight(topic: TopicUuid, partition: i32, node: NodeId) -> u64 {
    let (high, low) = topic.0.as_u64_pair();
    let mut hash = mix(high);
    hash = mix(hash ^ low);
    hash = mix(hash ^ u64::from(partition as u32));
    mix(hash ^ u64::from(node.0 as u32))
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, 2014): every input bit moves half the output bits.
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn nodes(count: i32) -> Vec<NodeId> {
        (1..=count).map(NodeId).collect()
    }

    #[test]
    fn spreads_partitions_evenly() {
        let topic = TopicUuid(Uuid::from_u128(7));
        let mut counts = [0; 4];
        for partition in 0..4000 {
            let node = leader(topic, partition, &nodes(4)).unwrap();
            counts[node.0 as usize - 1] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn only_the_share_of_a_lost_node_moves() {
        let topic = TopicUuid(Uuid::from_u128(9));
        for partition in 0..1000 {
            let before = leader(topic, partition, &nodes(5)).unwrap();
            let after = leader(topic, partition, &nodes(4)).unwrap();
            assert!(before == after || before == NodeId(5));
        }
    }

    #[test]
    fn shards_are_spread_and_only_those_of_a_lost_node_move() {
        let mut counts = [0; 4];
        for shard in (0..1000).map(ShardId) {
            let before = coordinator(shard, &nodes(4)).unwrap();
            counts[before.0 as usize - 1] += 1;
            let after = coordinator(shard, &nodes(3)).unwrap();
            assert!(before == after || before == NodeId(4));
        }
        assert!(
            counts.iter().all(|count| (190..310).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn preference_starts_with_the_leader_and_repeats_nobody() {
        let topic = TopicUuid(Uuid::from_u128(11));
        for partition in 0..100 {
            let ranked = preference(topic, partition, &nodes(5), 3);
            assert_eq!(ranked.len(), 3);
            assert_eq!(Some(ranked[0]), leader(topic, partition, &nodes(5)));
            assert!(ranked[0] != ranked[1] && ranked[1] != ranked[2] && ranked[0] != ranked[2]);
        }
        assert_eq!(leader(topic, 0, &[]), None);
    }
}
