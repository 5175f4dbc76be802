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
    a.expire("g", LONG_MS, 2).await;
    assert_eq!(offsets(world, "g").await.len(), 2, "no more than asked for");
    a.expire("g", LONG_MS, 2).await;
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
