//! Members that join again, and that leave.

use super::*;

#[test]
fn a_follower_with_the_same_metadata_hears_the_current_generation() {
    let mut bench = Bench::stable(2);
    let call = bench.join(a_join("m1"));
    let joined = bench.joined(call);
    assert_eq!((joined.generation, joined.leader.as_str()), (1, "m0"));
    assert!(joined.members.is_empty());
    assert_eq!(bench.group.state(), ClassicState::Stable);
}

#[test]
fn a_leader_that_joins_again_asks_for_a_rebalance() {
    let mut bench = Bench::stable(2);
    let leader = bench.join(a_join("m0"));
    assert_eq!(bench.group.state(), ClassicState::PreparingRebalance);
    assert_eq!(bench.heartbeat("m1", 1), Err(GroupError::RebalanceInProgress));
    assert!(bench.waits(leader));
    let follower = bench.join(a_join("m1"));
    let joined = [bench.joined(leader), bench.joined(follower)];
    assert_eq!((joined[0].generation, joined[1].generation), (2, 2));
    bench.sync_all(&joined);
}

#[test]
fn changed_metadata_ask_for_a_rebalance() {
    let mut bench = Bench::stable(2);
    let changed = Join {
        protocols: vec![("range".to_owned(), Bytes::from_static(b"changed"))],
        ..a_join("m1")
    };
    let follower = bench.join(changed.clone());
    let leader = bench.join(a_join("m0"));
    assert_eq!(bench.joined(leader).members[1].metadata, "changed");
    assert_eq!(bench.joined(follower).generation, 2);

    // In Completing too; with the same metadata there, each hears the generation again, the leader with the list.
    let follower = bench.join(changed);
    assert_eq!(bench.joined(follower).generation, 2);
    let leader = bench.join(a_join("m0"));
    assert_eq!(bench.joined(leader).members.len(), 2);
    assert_eq!(bench.group.state(), ClassicState::CompletingRebalance);
    let follower = bench.join(a_join("m1"));
    assert!(bench.waits(follower));
    assert_eq!(bench.group.state(), ClassicState::PreparingRebalance);
}

#[test]
fn a_newer_join_answers_the_earlier_one() {
    let mut bench = Bench::stable(2);
    let earlier = bench.join(a_join("m0"));
    let newer = bench.join(a_join("m0"));
    assert_eq!(
        bench.refused(earlier),
        (GroupError::RebalanceInProgress, "m0".to_owned())
    );
    bench.join(a_join("m1"));
    assert_eq!(bench.joined(newer).generation, 2);
}

#[test]
fn a_new_member_rebalances_a_stable_group() {
    let mut bench = Bench::stable(1);
    let newcomer = bench.join(a_join(""));
    assert!(bench.waits(newcomer));
    let leader = bench.join(a_join("m0"));
    let joined = [bench.joined(leader), bench.joined(newcomer)];
    assert_eq!(joined[0].members.len(), 2);
    bench.sync_all(&joined);
}

#[test]
fn a_member_that_leaves_rebalances_the_others() {
    let mut bench = Bench::stable(3);
    assert_eq!(
        bench.leave(&[member("m0"), member("nobody"), member("m2"), member("m2")]),
        [
            Ok(()),
            Err(GroupError::UnknownMemberId),
            Ok(()),
            Err(GroupError::UnknownMemberId)
        ]
    );
    assert_eq!(bench.group.state(), ClassicState::PreparingRebalance);
    let call = bench.join(a_join("m1"));
    let joined = bench.joined(call);
    assert_eq!((joined.generation, joined.leader.as_str()), (2, "m1"));
}

#[test]
fn a_group_that_all_leave_is_empty_in_a_generation_of_its_own() {
    let mut bench = Bench::stable(2);
    let keeps = bench.keeps;
    assert_eq!(bench.leave(&[member("m0"), member("m1")]), [Ok(()), Ok(())]);
    assert_eq!(bench.group.state(), ClassicState::Empty);
    assert!(bench.group.is_empty());
    assert_eq!(bench.keeps, keeps + 1);
    let kept = bench.kept.clone().unwrap();
    assert_eq!((kept.generation, kept.members.len()), (2, 0));
    assert_eq!(kept.protocol, None);
    assert_eq!(bench.group.next_wake(), None);
    assert_eq!(bench.heartbeat("m0", 2), Err(GroupError::UnknownMemberId));

    let call = bench.join(a_join(""));
    assert!(bench.waits(call), "a group that was Empty waits for more members");
    bench.pass(secs(3));
    assert_eq!(bench.joined(call).generation, 3);
}

#[test]
fn a_pending_id_does_not_keep_a_group_from_being_empty() {
    let mut bench = Bench::stable(1);
    bench.join(Join {
        id_required: true,
        ..a_join("")
    });
    assert_eq!(bench.leave(&[member("m0")]), [Ok(())]);
    assert!(bench.group.is_empty());
    assert!(bench.group.next_wake().is_some());
}

#[test]
fn calls_of_a_member_that_leaves_are_answered() {
    let mut bench = Bench::stable(2);
    let join = bench.join(a_join("m0"));
    assert_eq!(bench.leave(&[member("m0")]), [Ok(())]);
    assert_eq!(bench.refused(join), (GroupError::UnknownMemberId, String::new()));

    let follower = bench.join(a_join("m1"));
    let newcomer = bench.join(a_join(""));
    assert_eq!(bench.joined(follower).generation, 2);
    assert!(bench.waits(newcomer));
    let follower = bench.join(a_join("m1"));
    assert_eq!(bench.joined(follower).leader, "m1");
    assert_eq!(bench.joined(newcomer).generation, 3);
    let sync = bench.sync(a_sync("m2", 3));
    assert_eq!(bench.leave(&[member("m2")]), [Ok(())]);
    assert_eq!(bench.unsynced(sync), GroupError::UnknownMemberId);
}

#[test]
fn abandoning_gives_every_waiting_call_back() {
    let mut bench = Bench::stable(3);
    let join = bench.join(a_join("m0"));
    assert_eq!(bench.group.abandon(), [join]);
    assert_eq!(bench.group.abandon(), []);

    let mut bench = Bench::stable(3);
    let calls = ["m0", "m1", "m2"].map(|id| bench.join(a_join(id)));
    let leader = bench.joined(calls[0]);
    let sync = bench.sync(a_sync("m1", leader.generation));
    assert_eq!(bench.group.abandon(), [sync]);
}
