//! Writes of groups that come late.

use esker_metastore::*;
use esker_model::groups::shard_of;

use crate::groups::{Coordinator, committed, coordinator, key, offsets, put};
use crate::world::World;

/// One that puts the group's state and an offset.
async fn change(of: &Coordinator<'_>, group: &str, state: &str, offset: i64) -> GroupChange {
    GroupChange {
        offsets: vec![(key(1, 0), Some(committed(offset)))],
        ..of.change(group, put(state, false)).await
    }
}

pub async fn a_late_write_changes_nothing(world: &World) {
    let a = coordinator(world, "a").await;
    let first = change(&a, "g", "first", 1).await;
    assert_eq!(a.write_as(5, vec![first.clone()]).await, Ok(vec![true]));
    let second = change(&a, "g", "second", 2).await;
    assert_eq!(a.write_as(7, vec![second.clone()]).await, Ok(vec![true]));
    for number in [0, 1, 5, 6, 7] {
        let mut deletion = first.clone();
        deletion.state = StateChange::Delete;
        for late in [first.clone(), deletion] {
            let made = a.write_as(number, vec![late.clone(), late]).await;
            assert_eq!(made, Ok(vec![false, false]), "{number} after 7");
        }
        assert_eq!(a.stored("g").await.unwrap().state, "second");
        assert_eq!(offsets(world, "g").await, [(key(1, 0), 2)]);
    }
    // The same changes again, as a new attempt.
    assert_eq!(a.write_as(8, vec![first]).await, Ok(vec![true]));
    assert_eq!(offsets(world, "g").await, [(key(1, 0), 1)]);
}

/// Each shard has the numbers of its own writes.
pub async fn what_is_not_late_is_made(world: &World) {
    let a = coordinator(world, "a").await;
    let (late, other) = ("g", "another");
    assert_ne!(shard_of(late), shard_of(other));
    assert_eq!(
        a.write_as(3, vec![change(&a, late, "new", 3).await]).await,
        Ok(vec![true])
    );
    let both = vec![
        change(&a, other, "old", 2).await,
        change(&a, late, "old", 2).await,
        change(&a, other, "last", 2).await,
    ];
    assert_eq!(a.write_as(2, both.clone()).await, Ok(vec![true, false, true]));
    assert_eq!(a.stored(late).await.unwrap().state, "new");
    assert_eq!(offsets(world, late).await, [(key(1, 0), 3)]);
    assert_eq!(a.stored(other).await.unwrap().state, "last");
    assert_eq!(offsets(world, other).await, [(key(1, 0), 2)]);
    assert_eq!(a.write_as(2, both.clone()).await, Ok(vec![false; 3]));
    assert_eq!(a.write_as(4, both).await, Ok(vec![true; 3]));
    assert_eq!(offsets(world, late).await, [(key(1, 0), 2)]);
}

/// Also the same incarnation's.
pub async fn a_new_lease_begins_anew(world: &World) {
    let a = coordinator(world, "a").await;
    let b = coordinator(world, "b").await;
    let old = change(&a, "g", "old", 1).await;
    assert_eq!(a.write_as(100, vec![old.clone()]).await, Ok(vec![true]));
    let release = async |of: &Coordinator<'_>, lease| {
        world.store.release_shards(of.id, &[lease]).await.unwrap();
    };
    release(&a, old.lease).await;
    let of_b = change(&b, "g", "b", 2).await;
    assert_eq!(b.write_as(1, vec![of_b.clone()]).await, Ok(vec![true]));
    release(&b, of_b.lease).await;
    let again = change(&a, "g", "again", 3).await;
    assert_eq!(again.lease.epoch, old.lease.epoch + 2);
    // What is refused for its lease does not count.
    assert_eq!(a.write_as(200, vec![old]).await, Ok(vec![false]));
    assert_eq!(a.write_as(1, vec![again.clone()]).await, Ok(vec![true]));
    assert_eq!(a.write_as(1, vec![again.clone()]).await, Ok(vec![false]));
    // Who claims what it holds already goes on.
    assert_eq!(a.lease("g").await, again.lease);
    assert_eq!(a.write_as(1, vec![again]).await, Ok(vec![false]));
    assert_eq!(offsets(world, "g").await, [(key(1, 0), 3)]);
}

/// An error has changed nothing, numbers included.
pub async fn a_refused_call_uses_no_number(world: &World) {
    let a = coordinator(world, "a").await;
    let good = change(&a, "g", "s", 1).await;
    let mut wrong = good.clone();
    wrong.group = "another".into();
    assert_ne!(shard_of(&wrong.group), good.lease.shard);
    let b = coordinator(world, "b").await;
    world.store.leave(b.id).await.unwrap();
    assert_eq!(
        b.write_as(9, vec![good.clone()]).await,
        Err(MetastoreError::Fenced)
    );
    for (number, changes) in [(9, vec![good.clone(), wrong]), (1 << 63, vec![good.clone()])] {
        let refused = a.write_as(number, changes).await;
        assert!(matches!(refused, Err(MetastoreError::Corrupt(_))), "{refused:?}");
    }
    assert_eq!(offsets(world, "g").await, []);
    assert_eq!(a.write_as(1, vec![good]).await, Ok(vec![true]));
    let last = change(&a, "g", "s", 2).await;
    let highest = i64::MAX as u64;
    assert_eq!(a.write_as(highest, vec![last.clone()]).await, Ok(vec![true]));
    assert_eq!(a.write_as(highest, vec![last]).await, Ok(vec![false]));
}
