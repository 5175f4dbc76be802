//! Offsets that go by themselves, and groups that may.

use std::sync::Arc;

use esker_metastore::*;

use crate::groups::{coordinator, key, neighbours, offsets, put};
use crate::world::{LONG_MS, World, at};

pub async fn offsets_of_groups_without_members_expire(world: &World) {
    let a = coordinator(world, "a").await;
    let topic = world.topic("orders", 3).await;
    let (first, second) = (at(&topic, 0), at(&topic, 1));
    a.put("g", put("s", true), &[(first, 1)]).await;
    world.pass(400).await;
    assert_eq!(a.expire("g", LONG_MS, 10).await, []);
    // One just committed, one long ago; still without members.
    a.put("g", put("s", true), &[(second, 2)]).await;
    assert_eq!(a.expire("g", 300, 10).await, []);
    assert_eq!(offsets(world, "g").await, [(second, 2)]);
    // A member came, and went: the time begins anew.
    world.pass(400).await;
    a.put("g", put("s", false), &[]).await;
    assert_eq!(a.expire("g", 0, 10).await, [], "it has members");
    a.put("g", put("s", true), &[]).await;
    assert_eq!(a.expire("g", 300, 10).await, []);
    assert_eq!(offsets(world, "g").await, [(second, 2)]);
    world.pass(400).await;
    assert_eq!(a.expire("g", 300, 10).await, ["g".into()]);
    assert_eq!(offsets(world, "g").await, []);
    a.put("g", StateChange::DeleteWithoutOffsets, &[]).await;
    assert_eq!(a.expire("g", 300, 10).await, []);
}

pub async fn a_group_that_had_a_member_for_a_moment_is_empty_anew(world: &World) {
    let a = coordinator(world, "a").await;
    let topic = world.topic("orders", 1).await;
    a.put("g", put("s", true), &[(at(&topic, 0), 1)]).await;
    world.pass(400).await;
    let in_between = vec![
        a.change("g", put("s", false)).await,
        a.change("g", put("s", true)).await,
    ];
    assert_eq!(a.write(in_between).await, Ok(vec![true, true]));
    assert_eq!(a.expire("g", 300, 10).await, []);
    assert_eq!(offsets(world, "g").await.len(), 1);
}

pub async fn offsets_of_deleted_topics_go(world: &World) {
    let a = coordinator(world, "a").await;
    let (kept, gone) = (world.topic("kept", 1).await, world.topic("gone", 3).await);
    let never = key(1_000, 0);
    let of_gone: Vec<_> = (0..3).map(|partition| (at(&gone, partition), 5)).collect();
    a.put("g", put("s", false), &of_gone).await;
    a.put("g", StateChange::Keep, &[(at(&kept, 0), 1), (never, 2)])
        .await;
    a.put("another", put("s", false), &[(at(&gone, 0), 1)]).await;
    assert_eq!(a.expire("g", LONG_MS, 10).await, []);
    assert_eq!(
        offsets(world, "g").await.len(),
        4,
        "one of a topic that never was"
    );
    world.store.delete_topics(&[gone.uuid]).await.unwrap();
    assert!(a.expired("g", LONG_MS, 2).await.more);
    assert_eq!(offsets(world, "g").await.len(), 2, "no more than asked for");
    assert!(!a.expired("g", LONG_MS, 2).await.more);
    assert_eq!(offsets(world, "g").await, [(at(&kept, 0), 1)]);
    assert_eq!(offsets(world, "another").await.len(), 1, "it is of another shard");
}

pub async fn groups_without_offsets_are_told(world: &World) {
    let a = coordinator(world, "a").await;
    let topic = world.topic("orders", 1).await;
    let groups = neighbours(4);
    a.put(&groups[0], put("s", true), &[]).await;
    a.put(&groups[1], put("s", false), &[]).await;
    a.put(&groups[2], put("s", true), &[(at(&topic, 0), 1)]).await;
    a.put(&groups[3], put("s", true), &[]).await;
    let told = |indexes: &[usize]| -> Vec<Arc<str>> {
        indexes
            .iter()
            .map(|index| groups[*index].as_str().into())
            .collect()
    };
    assert_eq!(a.expire(&groups[0], LONG_MS, 10).await, told(&[0, 3]));
    assert_eq!(a.expire(&groups[0], LONG_MS, 1).await, told(&[0]));
    world.pass(20).await;
    assert_eq!(a.expire(&groups[0], 1, 10).await, told(&[0, 2, 3]));
    assert_eq!(a.expire(&groups[0], 1, 0).await, told(&[]));
}

pub async fn old_offsets_of_groups_with_members_are_told(world: &World) {
    let a = coordinator(world, "a").await;
    let (one, other) = (world.topic("one", 2).await, world.topic("other", 1).await);
    let groups = neighbours(3);
    let all = [(at(&one, 0), 1), (at(&one, 1), 2), (at(&other, 0), 3)];
    for (group, empty) in groups.iter().zip([false, true, false]) {
        a.put(group, put("s", empty), &all).await;
    }
    a.put("another", put("s", false), &all).await;
    world.pass(400).await;
    // One is committed again, one has no time to be old, and one is of a deleted topic.
    a.put(&groups[0], StateChange::Keep, &[(at(&one, 1), 5)]).await;
    world.store.delete_topics(&[other.uuid]).await.unwrap();
    let shard = a.lease(&groups[0]).await.shard;
    let of = |group: usize, partition| -> OffsetOf { (groups[group].as_str().into(), partition) };
    let expected = [
        of(0, at(&one, 0)),
        of(0, at(&other, 0)),
        of(2, at(&one, 0)),
        of(2, at(&one, 1)),
        of(2, at(&other, 0)),
    ];
    let store = &world.store;
    assert_eq!(store.old_offsets(shard, 300, None, 10).await.unwrap(), expected);
    assert_eq!(store.old_offsets(shard, LONG_MS, None, 10).await, Ok(vec![]));
    assert_eq!(store.old_offsets(shard, 0, None, 10).await.unwrap().len(), 6);
    assert_eq!(
        store.old_offsets(shard, 300, None, 2).await.unwrap(),
        expected[..2]
    );
    for (index, after) in expected.iter().enumerate() {
        let rest = store.old_offsets(shard, 300, Some(after), 10).await.unwrap();
        assert_eq!(rest, expected[index + 1..]);
    }
    // From behind what is not there, or not old.
    let behind = of(0, at(&one, 1));
    assert_eq!(
        store.old_offsets(shard, 300, Some(&behind), 1).await.unwrap(),
        expected[1..2]
    );
    let behind = of(1, at(&one, 0));
    assert_eq!(
        store.old_offsets(shard, 300, Some(&behind), 1).await.unwrap(),
        expected[2..3]
    );
}

pub async fn named_offsets_are_forgotten_if_they_are_old(world: &World) {
    let a = coordinator(world, "a").await;
    let topic = world.topic("orders", 3).await;
    let (first, second, third) = (at(&topic, 0), at(&topic, 1), at(&topic, 2));
    a.put("g", put("s", false), &[(first, 1), (second, 2), (third, 3)])
        .await;
    world.pass(400).await;
    let forget = a.forgetting("g", 300, &[first, second, key(1_000, 0)]).await;
    // One was committed anew meanwhile; that came with a number of its own.
    a.put("g", StateChange::Keep, &[(second, 9)]).await;
    assert_eq!(
        world.store.forget_offsets(&forget).await,
        Ok(false),
        "it comes late"
    );
    assert_eq!(offsets(world, "g").await.len(), 3);
    let again = a.forgetting("g", 300, &[first, second, key(1_000, 0)]).await;
    assert_eq!(world.store.forget_offsets(&again).await, Ok(true));
    assert_eq!(offsets(world, "g").await, [(second, 9), (third, 3)]);
    assert_eq!(
        world.store.forget_offsets(&again).await,
        Ok(false),
        "a second time"
    );
    // A write with a lower number than that comes late, too.
    let late = a.change("g", put("late", true)).await;
    assert_eq!(a.write_as(again.number, vec![late]).await, Ok(vec![false]));
    let none = a.forgetting("nobody", 0, &[first]).await;
    assert_eq!(world.store.forget_offsets(&none).await, Ok(true));
    assert_eq!(offsets(world, "g").await, [(second, 9), (third, 3)]);
}

pub async fn only_who_holds_the_shard_forgets_offsets(world: &World) {
    let (a, b) = (coordinator(world, "a").await, coordinator(world, "b").await);
    let topic = world.topic("orders", 1).await;
    a.put("g", put("s", false), &[(at(&topic, 0), 1)]).await;
    let store = &world.store;
    let former = a.forgetting("g", 0, &[at(&topic, 0)]).await;
    let mut another = former.clone();
    another.incarnation = b.id;
    assert_eq!(store.forget_offsets(&another).await, Ok(false));
    let mut ahead = former.clone();
    ahead.lease.epoch += 1;
    assert_eq!(store.forget_offsets(&ahead).await, Ok(false));
    let mut elsewhere = former.clone();
    elsewhere.offsets = vec![("another".into(), at(&topic, 0))];
    let refused = store.forget_offsets(&elsewhere).await;
    assert!(matches!(refused, Err(MetastoreError::Corrupt(_))), "{refused:?}");
    let mut beyond = former.clone();
    beyond.number = u64::MAX;
    let refused = store.forget_offsets(&beyond).await;
    assert!(matches!(refused, Err(MetastoreError::Corrupt(_))), "{refused:?}");
    // Another one takes the shard.
    store.release_shards(a.id, &[former.lease]).await.unwrap();
    assert_eq!(store.forget_offsets(&former).await, Ok(false));
    b.lease("g").await;
    assert_eq!(store.forget_offsets(&former).await, Ok(false));
    store.leave(a.id).await.unwrap();
    assert_eq!(store.forget_offsets(&former).await, Err(MetastoreError::Fenced));
    assert_eq!(offsets(world, "g").await.len(), 1);
    let holder = b.forgetting("g", 0, &[at(&topic, 0)]).await;
    assert_eq!(store.forget_offsets(&holder).await, Ok(true));
    assert_eq!(offsets(world, "g").await, []);
}
