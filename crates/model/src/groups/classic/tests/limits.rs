//! What is bounded.

use super::*;
use crate::groups::{
    GROUP_BYTES_MAX, MEMBER_ID_BYTES_MAX, MEMBER_METADATA_BYTES_MAX, MEMBER_PROTOCOLS_MAX,
    PENDING_MEMBERS_MAX,
};

fn with_metadata(member_id: &str, bytes: usize) -> Join {
    Join {
        protocols: vec![("range".to_owned(), Bytes::from(vec![0; bytes]))],
        ..a_join(member_id)
    }
}

#[test]
fn a_join_that_is_too_large_is_refused() {
    let names: Vec<String> = (0..=MEMBER_PROTOCOLS_MAX).map(|at| at.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let many = |count: usize| Join {
        protocols: protocols(&names[..count]),
        ..a_join("")
    };
    let name = "range".len();
    for (join, fits) in [
        (many(MEMBER_PROTOCOLS_MAX), true),
        (many(MEMBER_PROTOCOLS_MAX + 1), false),
        (with_metadata("", MEMBER_METADATA_BYTES_MAX - name), true),
        (with_metadata("", MEMBER_METADATA_BYTES_MAX - name + 1), false),
        (a_static_join(&"i".repeat(MEMBER_ID_BYTES_MAX)), true),
        (a_static_join(&"i".repeat(MEMBER_ID_BYTES_MAX + 1)), false),
    ] {
        let mut bench = Bench::new();
        let call = bench.join(join);
        assert_eq!(bench.waits(call), fits);
        if !fits {
            assert_eq!(bench.refused(call).0, GroupError::InvalidRequest);
        }
    }
}

#[test]
fn a_group_takes_no_more_than_its_size() {
    let mut bench = Bench::stable(2);
    bench.limits.max_size = 2;
    let call = bench.join(a_join(""));
    assert_eq!(
        bench.refused(call),
        (GroupError::GroupMaxSizeReached, String::new())
    );
    assert_eq!(bench.group.state(), ClassicState::Stable);
    let call = bench.join(a_join("m1"));
    assert_eq!(bench.joined(call).generation, 1, "who is in stays in");
}

#[test]
fn a_group_that_is_too_large_does_not_take_the_last_back() {
    let mut bench = Bench::stable(3);
    bench.limits.max_size = 2;
    let calls = [bench.join(a_join("m0")), bench.join(a_join("m1"))];
    assert!(bench.waits(calls[0]));
    let last = bench.join(a_join("m2"));
    assert_eq!(
        bench.refused(last),
        (GroupError::GroupMaxSizeReached, "m2".to_owned())
    );
    assert_eq!(bench.joined(calls[0]).members.len(), 2, "nobody waits for it");
    assert_eq!(bench.heartbeat("m2", 2), Err(GroupError::UnknownMemberId));
}

#[test]
fn a_static_member_comes_back_into_a_full_group() {
    let mut bench = Bench::stable_of(vec![a_static_join("i0"), a_static_join("i1")]);
    bench.limits.max_size = 2;
    let call = bench.join(a_static_join("i1"));
    assert_eq!(bench.joined(call).member_id, "m2");
    let call = bench.join(a_static_join("i2"));
    assert_eq!(bench.refused(call).0, GroupError::GroupMaxSizeReached);
}

#[test]
fn a_pending_id_is_forgotten_when_there_is_no_room_for_it() {
    let mut bench = Bench::stable(1);
    bench.limits.max_size = 2;
    for id in ["m1", "m2"] {
        let call = bench.join(Join {
            id_required: true,
            ..a_join("")
        });
        assert_eq!(bench.refused(call).1, id);
    }
    let second = bench.join(a_join("m1"));
    let leader = bench.join(a_join("m0"));
    assert!(bench.waits(leader), "m2 may still come");
    let third = bench.join(a_join("m2"));
    assert_eq!(bench.refused(third).0, GroupError::GroupMaxSizeReached);
    assert_eq!(bench.joined(leader).members.len(), 2);
    assert_eq!(bench.joined(second).generation, 2);
}

#[test]
fn pending_ids_are_bounded() {
    let ask = Join {
        id_required: true,
        ..a_join("")
    };
    let mut bench = Bench::new();
    for _ in 0..PENDING_MEMBERS_MAX {
        bench.join(ask.clone());
    }
    assert!(
        bench
            .answers
            .iter()
            .all(|(_, answer)| matches!(answer, Answer::Join(Err(refused)) if refused.error == GroupError::MemberIdRequired))
    );
    let call = bench.join(ask.clone());
    assert_eq!(bench.refused(call).0, GroupError::GroupMaxSizeReached);
    bench.pass(secs(10));
    assert_eq!(bench.group.next_wake(), None);
    let call = bench.join(ask);
    assert_eq!(bench.refused(call).0, GroupError::MemberIdRequired);
}

#[test]
fn the_bytes_of_a_group_are_bounded() {
    let mut bench = Bench::new();
    let large = with_metadata("", MEMBER_METADATA_BYTES_MAX - 100);
    let fit = GROUP_BYTES_MAX / MEMBER_METADATA_BYTES_MAX;
    let calls: Vec<CallId> = (0..=fit).map(|_| bench.join(large.clone())).collect();
    assert_eq!(bench.refused(calls[fit]).0, GroupError::GroupMaxSizeReached);
    let small = bench.join(a_join(""));
    bench.pass(secs(10));
    assert_eq!(bench.joined(small).generation, 1);

    // Nor can a member grow beyond it, or an assignment.
    let call = bench.join(with_metadata(
        &format!("m{}", fit + 1),
        MEMBER_METADATA_BYTES_MAX - 100,
    ));
    assert_eq!(bench.refused(call).0, GroupError::GroupMaxSizeReached);
    let assign = |bytes: usize| Sync {
        assignments: vec![("m1".to_owned(), Bytes::from(vec![0; bytes]))],
        ..a_sync("m0", 1)
    };
    let call = bench.sync(assign(MEMBER_METADATA_BYTES_MAX));
    assert_eq!(bench.unsynced(call), GroupError::InvalidRequest);
    let call = bench.sync(assign(10));
    assert!(bench.synced(call).is_ok());
}

#[test]
fn an_assignment_that_is_too_large_is_refused() {
    let mut bench = Bench::new();
    let call = bench.join(a_join(""));
    bench.pass(secs(3));
    bench.joined(call);
    let assign = |bytes: usize| Sync {
        assignments: vec![("m0".to_owned(), Bytes::from(vec![0; bytes]))],
        ..a_sync("m0", 1)
    };
    let call = bench.sync(assign(MEMBER_METADATA_BYTES_MAX + 1));
    assert_eq!(bench.unsynced(call), GroupError::InvalidRequest);
    assert_eq!(bench.group.state(), ClassicState::CompletingRebalance);
    let call = bench.sync(assign(MEMBER_METADATA_BYTES_MAX));
    assert_eq!(
        bench.synced(call).map(|bytes| bytes.len()),
        Ok(MEMBER_METADATA_BYTES_MAX)
    );
}
