//! Who coordinates which groups.

use esker_metastore::*;
use esker_model::{IncarnationId, ShardId};

use crate::world::{LONG_MS, World};

fn shards(numbers: &[i16]) -> Vec<ShardId> {
    numbers.iter().copied().map(ShardId).collect()
}

fn owner(shard: i16, epoch: i64, incarnation: Option<IncarnationId>) -> ShardOwner {
    ShardOwner {
        lease: ShardLease {
            shard: ShardId(shard),
            epoch,
        },
        incarnation,
    }
}

async fn claim(world: &World, id: IncarnationId, wanted: &[i16]) -> Result<Vec<ShardOwner>> {
    world.store.claim_shards(id, &shards(wanted)).await
}

pub async fn a_shard_is_taken_once(world: &World) {
    let (a, b) = (
        world.writer("a").await.incarnation,
        world.writer("b").await.incarnation,
    );
    assert_eq!(claim(world, a, &[]).await, Ok(vec![]));
    // In whatever order, and however often.
    let expected = vec![owner(0, 1, Some(a)), owner(63, 1, Some(a))];
    assert_eq!(claim(world, a, &[63, 0, 63]).await, Ok(expected.clone()));
    assert_eq!(claim(world, a, &[0, 63]).await, Ok(expected.clone()), "again");
    assert_eq!(claim(world, b, &[0]).await, Ok(expected));
    let expected = vec![owner(0, 1, Some(a)), owner(7, 1, Some(b)), owner(63, 1, Some(a))];
    assert_eq!(claim(world, b, &[0, 7]).await, Ok(expected.clone()));
    assert_eq!(claim(world, a, &[]).await, Ok(expected));
}

pub async fn a_shard_that_was_given_back_is_free(world: &World) {
    let (a, b) = (
        world.writer("a").await.incarnation,
        world.writer("b").await.incarnation,
    );
    claim(world, a, &[1, 2, 3]).await.unwrap();
    let lease = |shard, epoch| owner(shard, epoch, None).lease;
    // Not what another holds, nor with another epoch, nor what nobody took.
    world
        .store
        .release_shards(b, &[lease(1, 1), lease(4, 1)])
        .await
        .unwrap();
    world
        .store
        .release_shards(a, &[lease(3, 2), lease(2, 1)])
        .await
        .unwrap();
    world.store.release_shards(a, &[]).await.unwrap();
    let expected = vec![owner(1, 1, Some(a)), owner(2, 1, None), owner(3, 1, Some(a))];
    assert_eq!(claim(world, b, &[]).await, Ok(expected));
    let taken = claim(world, b, &[1, 2, 3]).await.unwrap();
    assert_eq!(taken[1], owner(2, 2, Some(b)));
    // A late repetition of the return changes nothing.
    world.store.release_shards(a, &[lease(2, 1)]).await.unwrap();
    assert_eq!(claim(world, a, &[]).await, Ok(taken));
    // Who takes its own again, has it anew.
    world.store.release_shards(b, &[lease(2, 2)]).await.unwrap();
    assert_eq!(claim(world, b, &[2]).await.unwrap()[1], owner(2, 3, Some(b)));
}

pub async fn the_shards_of_one_that_is_gone_are_free(world: &World) {
    let mut dead = Vec::new();
    for (index, name) in ["fenced", "left", "followed", "forgotten"]
        .into_iter()
        .enumerate()
    {
        let id = world.writer(name).await.incarnation;
        claim(world, id, &[index as i16]).await.unwrap();
        dead.push(id);
    }
    world.pass(20).await;
    world.store.fence_expired(&dead[..1], 1).await.unwrap();
    world.store.leave(dead[1]).await.unwrap();
    world.writer("followed").await;
    world.store.leave(dead[3]).await.unwrap();
    assert_eq!(world.store.swept(&dead[3..]).await, Ok(1), "its row is gone");

    let next = world.writer("next").await.incarnation;
    let free: Vec<_> = (0..4).map(|shard| owner(shard, 1, None)).collect();
    assert_eq!(claim(world, next, &[]).await, Ok(free));
    let taken: Vec<_> = (0..4).map(|shard| owner(shard, 2, Some(next))).collect();
    assert_eq!(claim(world, next, &[0, 1, 2, 3]).await, Ok(taken.clone()));
    // The dead give nothing back.
    let leases: Vec<_> = taken.iter().map(|owner| owner.lease).collect();
    for id in dead {
        world.store.release_shards(id, &leases).await.unwrap();
    }
    assert_eq!(claim(world, next, &[]).await, Ok(taken));
}

pub async fn the_dead_claim_nothing(world: &World) {
    let (a, b) = (
        world.writer("a").await.incarnation,
        world.writer("b").await.incarnation,
    );
    let unknown = IncarnationId(world.id());
    world.store.leave(a).await.unwrap();
    for id in [a, unknown] {
        assert_eq!(claim(world, id, &[1]).await, Err(MetastoreError::Fenced));
        assert_eq!(claim(world, id, &[]).await, Err(MetastoreError::Fenced));
    }
    assert_eq!(claim(world, b, &[]).await, Ok(vec![]), "no trace of it");
    assert!(world.store.heartbeat(b, LONG_MS).await.is_ok());
}
