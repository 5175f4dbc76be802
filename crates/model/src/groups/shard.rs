//! Which shard a group belongs to. The answer is kept with the group: it must not change between releases.

use crate::ShardId;

/// Shards of all groups. Few enough to be looked at every second, enough to be spread over all agents.
pub const SHARDS: i16 = 64;

/// The shard of a group: FNV-1a of its id in 64 bits (Fowler, Noll, Vo), its upper half folded into the lower.
pub fn shard_of(group: &str) -> ShardId {
    let hash = group.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let folded = (hash >> 32) ^ (hash & 0xffff_ffff);
    ShardId((folded % SHARDS.unsigned_abs() as u64) as i16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_stays_in_its_shard() {
        let shards = ["", "a", "orders", "console-consumer-12345", "größe"].map(|group| shard_of(group).0);
        assert_eq!(shards, [1, 0, 30, 36, 4]);
    }

    #[test]
    fn groups_are_spread() {
        let mut counts = vec![0; SHARDS as usize];
        for group in 0..64_000 {
            counts[shard_of(&format!("group-{group}")).0 as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (800..1200).contains(count)),
            "{counts:?}"
        );
    }
}
