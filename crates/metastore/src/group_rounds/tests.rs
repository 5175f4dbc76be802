use esker_model::{IncarnationId, ShardId, TopicKey};
use uuid::Uuid;

use super::*;

fn change(state: StateChange) -> GroupChange {
    GroupChange {
        lease: lease("g", 1),
        group: "g".into(),
        state,
        members: Vec::new(),
        offsets: Vec::new(),
    }
}

fn lease(group: &str, epoch: i64) -> ShardLease {
    ShardLease {
        shard: shard_of(group),
        epoch,
    }
}

fn put(state: &'static str, empty: bool) -> StateChange {
    StateChange::Put {
        state: Bytes::from_static(state.as_bytes()),
        empty,
    }
}

fn member(id: &str, state: Option<&'static str>) -> (Arc<str>, Option<Bytes>) {
    (id.into(), state.map(|state| Bytes::from_static(state.as_bytes())))
}

fn offset(partition: i32, offset: i64) -> (PartitionKey, Option<CommittedOffset>) {
    let partition = PartitionKey {
        topic: TopicKey(1),
        partition,
    };
    let committed = (offset >= 0).then(|| CommittedOffset {
        offset,
        leader_epoch: -1,
        metadata: "".into(),
    });
    (partition, committed)
}

fn of(changes: Vec<GroupChange>) -> Vec<Vec<Step>> {
    rounds(&GroupWrites {
        incarnation: IncarnationId(Uuid::from_u128(1)),
        number: 1,
        changes,
    })
    .unwrap()
}

/// The only step of each round.
fn steps(changes: Vec<GroupChange>) -> Vec<Step> {
    let rounds = of(changes).into_iter();
    rounds
        .map(|mut round| {
            assert_eq!(round.len(), 1);
            round.remove(0)
        })
        .collect()
}

fn with_offset(state: StateChange, partition: i32, value: i64) -> GroupChange {
    GroupChange {
        offsets: vec![offset(partition, value)],
        ..change(state)
    }
}

#[test]
fn of_one_partition_or_member_the_last_one_stands() {
    let mut first = with_offset(put("one", true), 0, 5);
    first.members = vec![member("m", Some("old")), member("n", Some("n"))];
    let mut second = with_offset(put("two", true), 0, 3);
    second.members = vec![member("m", None)];
    let third = with_offset(StateChange::Keep, 1, -1);
    let found = steps(vec![first, second, third]);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].put,
        Some(Put {
            state: "two".into(),
            empty: true
        })
    );
    assert_eq!(
        found[0].members.clone().into_iter().collect::<Vec<_>>(),
        [member("m", None), member("n", Some("n"))]
    );
    assert_eq!(
        found[0].offsets.clone().into_iter().collect::<Vec<_>>(),
        [offset(0, 3), offset(1, -1)]
    );
}

#[test]
fn what_was_said_before_a_deletion_does_not_matter() {
    let found = steps(vec![
        with_offset(put("one", false), 0, 5),
        with_offset(StateChange::DeleteWithoutOffsets, 1, 6),
        with_offset(StateChange::Delete, 2, 7),
        with_offset(StateChange::Keep, 3, 8),
        change(StateChange::DeleteWithoutOffsets),
        with_offset(put("two", false), 4, 9),
    ]);
    assert_eq!(found.len(), 1);
    assert!(found[0].delete && !found[0].delete_without_offsets);
    assert_eq!(
        found[0].put.as_ref().map(|put| put.state.clone()),
        Some("two".into())
    );
    assert_eq!(
        found[0].offsets.clone().into_iter().collect::<Vec<_>>(),
        [offset(4, 9)]
    );
}

#[test]
fn offsets_before_a_state_need_a_group_that_was_there() {
    let found = steps(vec![
        with_offset(StateChange::Keep, 0, 5),
        with_offset(put("one", true), 1, 6),
        with_offset(StateChange::Keep, 2, 7),
    ]);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].put.is_some(), found[0].offsets.len()), (false, 1));
    assert_eq!((found[1].put.is_some(), found[1].offsets.len()), (true, 2));
}

#[test]
fn what_follows_a_deletion_without_offsets_waits_for_its_outcome() {
    let found = steps(vec![
        with_offset(StateChange::DeleteWithoutOffsets, 0, -1),
        change(put("one", true)),
    ]);
    assert_eq!(found.len(), 2);
    assert!(found[0].delete_without_offsets && found[0].offsets.len() == 1);
    assert!(found[1].put.is_some() && !found[1].delete_without_offsets);
}

#[test]
fn a_group_that_had_members_in_between_is_empty_anew() {
    let empties = |states: &[bool]| -> Vec<bool> {
        let changes = states.iter().map(|empty| change(put("s", *empty))).collect();
        let found = steps(changes).into_iter();
        found.map(|step| step.put.unwrap().empty).collect()
    };
    assert_eq!(empties(&[true, true]), [true]);
    assert_eq!(empties(&[true, false]), [false]);
    assert_eq!(empties(&[true, false, true]), [false, true]);
    assert_eq!(empties(&[false, false, true, false]), [false, false]);
}

#[test]
fn groups_and_leases_go_each_on_their_own() {
    let other = |group: &str, epoch| GroupChange {
        lease: lease(group, epoch),
        group: group.into(),
        ..change(put("s", true))
    };
    let found = of(vec![
        other("h", 1),
        other("g", 2),
        other("g", 1),
        change(StateChange::DeleteWithoutOffsets),
        change(StateChange::Keep),
    ]);
    let names: Vec<Vec<_>> = found
        .iter()
        .map(|round| {
            round
                .iter()
                .map(|step| (&*step.group, step.lease.epoch))
                .collect()
        })
        .collect();
    assert_eq!(names, [vec![("g", 1), ("g", 2), ("h", 1)], vec![("g", 1)]]);
}

#[test]
fn a_group_is_of_its_own_shard() {
    let mut wrong = change(StateChange::Keep);
    wrong.lease.shard = ShardId(wrong.lease.shard.0 + 1);
    let refused = rounds(&GroupWrites {
        incarnation: IncarnationId(Uuid::from_u128(1)),
        number: 1,
        changes: vec![wrong],
    });
    assert!(matches!(refused, Err(MetastoreError::Corrupt(_))), "{refused:?}");
}
