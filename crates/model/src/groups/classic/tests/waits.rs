//! What time does: sessions, waits for joins and syncs.

use super::*;
use crate::groups::NEW_MEMBER_JOIN_TIMEOUT;

#[test]
fn a_silent_member_is_removed_after_its_session_timeout() {
    let mut bench = Bench::stable(2);
    bench.pass(secs(9));
    assert_eq!(bench.heartbeat("m0", 1), Ok(()));
    bench.pass(Duration::from_millis(999));
    assert_eq!(bench.group.state(), ClassicState::Stable);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.group.state(), ClassicState::PreparingRebalance);
    assert_eq!(bench.heartbeat("m1", 1), Err(GroupError::UnknownMemberId));
    assert_eq!(bench.heartbeat("m0", 1), Err(GroupError::RebalanceInProgress));
    let call = bench.join(a_join("m0"));
    assert_eq!(bench.joined(call).members.len(), 1);
}

#[test]
fn refused_heartbeats_do_not_keep_a_member() {
    let mut bench = Bench::stable(1);
    bench.pass(secs(9));
    assert_eq!(bench.heartbeat("m0", 7), Err(GroupError::IllegalGeneration));
    bench.pass(secs(1));
    assert!(bench.group.is_empty());
}

#[test]
fn sessions_rest_while_a_join_waits_and_begin_at_its_answer() {
    let mut bench = Bench::stable(2);
    let waiting = bench.join(a_join("m0"));
    for _ in 0..10 {
        bench.pass(secs(5));
        assert_eq!(bench.heartbeat("m1", 1), Err(GroupError::RebalanceInProgress));
    }
    assert!(bench.waits(waiting));
    let last = bench.join(a_join("m1"));
    assert_eq!(bench.joined(waiting).members.len(), 2);
    bench.joined(last);
    bench.pass(Duration::from_millis(9_999));
    assert_eq!(bench.group.state(), ClassicState::CompletingRebalance);
    bench.pass(Duration::from_millis(1));
    assert!(bench.group.is_empty(), "neither was heard of since");
}

#[test]
fn sessions_rest_while_a_sync_waits() {
    let mut bench = Bench::stable(2);
    let calls = [bench.join(a_join("m0")), bench.join(a_join("m1"))];
    let joined = calls.map(|call| bench.joined(call));
    let sync = bench.sync(a_sync("m1", 2));
    for _ in 0..5 {
        bench.pass(secs(9));
        assert_eq!(bench.heartbeat("m0", 2), Ok(()));
    }
    assert!(bench.waits(sync));
    let leader = bench.sync(Sync {
        assignments: vec![("m1".to_owned(), Bytes::from_static(b"all"))],
        ..a_sync("m0", joined[0].generation)
    });
    assert!(bench.synced(leader).is_ok());
    assert_eq!(bench.synced(sync).unwrap(), "all");
    bench.pass(secs(10));
    assert!(bench.group.is_empty(), "the session began anew at the answer");
}

#[test]
fn who_does_not_join_in_time_is_removed() {
    let mut bench = Bench::stable(2);
    let leader = bench.join(a_join("m0"));
    for _ in 0..59 {
        bench.pass(secs(1));
        assert_eq!(bench.heartbeat("m1", 1), Err(GroupError::RebalanceInProgress));
    }
    assert!(bench.waits(leader));
    bench.pass(secs(1));
    assert_eq!(bench.joined(leader).members.len(), 1);
    assert_eq!(bench.heartbeat("m1", 1), Err(GroupError::UnknownMemberId));
}

#[test]
fn the_largest_rebalance_timeout_counts() {
    let patient = Join {
        rebalance_timeout: secs(120),
        session_timeout: secs(500),
        ..a_join("")
    };
    let mut bench = Bench::stable_of(vec![a_join(""), patient]);
    let leader = bench.join(a_join("m0"));
    bench.pass(secs(119));
    assert!(bench.waits(leader));
    bench.pass(secs(1));
    assert_eq!(bench.joined(leader).members.len(), 1);
}

#[test]
fn who_does_not_sync_in_time_is_removed() {
    // The leader does not: the follower, whose call waits, joins again and leads.
    let mut bench = Bench::stable(2);
    let calls = [bench.join(a_join("m0")), bench.join(a_join("m1"))];
    for call in calls {
        bench.joined(call);
    }
    let sync = bench.sync(a_sync("m1", 2));
    for _ in 0..60 {
        assert!(bench.waits(sync));
        bench.heartbeat("m0", 2).unwrap();
        bench.pass(secs(1));
    }
    assert_eq!(bench.unsynced(sync), GroupError::RebalanceInProgress);
    assert_eq!(bench.heartbeat("m0", 2), Err(GroupError::UnknownMemberId));
    let call = bench.join(a_join("m1"));
    let joined = bench.joined(call);
    assert_eq!((joined.generation, joined.leader.as_str()), (3, "m1"));

    // A follower does not, in a group that is Stable by then.
    let mut bench = Bench::stable(2);
    let calls = [bench.join(a_join("m0")), bench.join(a_join("m1"))];
    for call in calls {
        bench.joined(call);
    }
    bench.sync(a_sync("m0", 2));
    for _ in 0..60 {
        assert_eq!(bench.group.state(), ClassicState::Stable);
        bench.heartbeat("m0", 2).unwrap();
        bench.heartbeat("m1", 2).unwrap();
        bench.pass(secs(1));
    }
    assert_eq!(bench.group.state(), ClassicState::PreparingRebalance);
    assert_eq!(bench.heartbeat("m1", 2), Err(GroupError::UnknownMemberId));
}

#[test]
fn a_new_member_does_not_wait_for_ever() {
    let slow = Join {
        rebalance_timeout: secs(1_000),
        session_timeout: secs(1_000),
        ..a_join("")
    };
    let mut bench = Bench::stable_of(vec![slow]);
    let newcomer = bench.join(a_join(""));
    bench.pass(NEW_MEMBER_JOIN_TIMEOUT - Duration::from_millis(1));
    // Its client may have come again meanwhile: that does not count from the start.
    let again = bench.join(a_join("m1"));
    assert_eq!(bench.refused(newcomer).0, GroupError::RebalanceInProgress);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.refused(again), (GroupError::UnknownMemberId, String::new()));
    let leader = bench.join(a_join("m0"));
    assert_eq!(bench.joined(leader).members.len(), 1);
}

#[test]
fn a_group_that_nobody_looked_after_rebalances_once() {
    let mut bench = Bench::stable(5);
    bench.now = bench.now.plus(secs(3_600));
    let effects = bench.group.wake(bench.now, &bench.limits);
    bench.take(effects);
    assert!(bench.group.is_empty());
    assert_eq!(bench.group.generation(), 2);
    assert_eq!(bench.group.next_wake(), None);
}

#[test]
fn waking_too_early_changes_nothing() {
    let mut bench = Bench::stable(2);
    let wake = bench.group.next_wake();
    assert_eq!(bench.group.wake(bench.now, &bench.limits), Effects::default());
    assert_eq!(bench.group.next_wake(), wake);
    assert_eq!(wake, Some(bench.now.plus(secs(10))));
}

#[test]
fn all_leave_a_first_rebalance() {
    let mut bench = Bench::new();
    let call = bench.join(a_join(""));
    assert_eq!(bench.leave(&[member("m0")]), [Ok(())]);
    assert_eq!(bench.refused(call).0, GroupError::UnknownMemberId);
    bench.pass(secs(3));
    assert!(bench.group.is_empty());
    assert_eq!(bench.group.next_wake(), None);
}

#[test]
fn ten_thousand_members() {
    const MEMBERS: usize = 10_000;
    let mut bench = Bench::new();
    let calls: Vec<CallId> = (0..MEMBERS).map(|_| bench.join(a_join(""))).collect();
    bench.pass(secs(6));
    assert_eq!(bench.group.state(), ClassicState::CompletingRebalance);
    let leader = bench.joined(calls[0]);
    assert_eq!(leader.members.len(), MEMBERS);
    bench.answers.clear();
    let syncs: Vec<CallId> = (1..MEMBERS)
        .map(|at| bench.sync(a_sync(&format!("m{at}"), 1)))
        .collect();
    assert!(bench.waits(syncs[0]));
    bench.sync(a_sync("m0", 1));
    assert_eq!(bench.answers.len(), MEMBERS);
    for _ in 0..5 {
        bench.pass(secs(3));
        for member in &leader.members {
            assert_eq!(bench.heartbeat(&member.member_id, 1), Ok(()));
            assert!(bench.group.next_wake().is_some());
        }
    }
    bench.pass(secs(10));
    assert!(bench.group.is_empty());
}
