//! SyncGroup and Heartbeat.

use super::*;

/// Two members in Completing, generation 1.
fn completing() -> Bench {
    let mut bench = Bench::new();
    let calls = [bench.join(a_join("")), bench.join(a_join(""))];
    bench.pass(secs(6));
    for call in calls {
        assert_eq!(bench.joined(call).generation, 1);
    }
    bench
}

fn assigning(assignments: &[(&str, &'static str)]) -> Sync {
    Sync {
        assignments: assignments
            .iter()
            .map(|(id, assignment)| ((*id).to_owned(), Bytes::from_static(assignment.as_bytes())))
            .collect(),
        ..a_sync("m0", 1)
    }
}

#[test]
fn the_leader_brings_the_assignment_and_it_is_kept_before_it_is_told() {
    let mut bench = completing();
    let follower = bench.sync(a_sync("m1", 1));
    assert!(bench.waits(follower));
    let keeps = bench.keeps;
    let effects = bench
        .group
        .sync(bench.now, CallId(99), assigning(&[("m0", "zero"), ("m1", "one")]));
    assert!(effects.keep);
    assert_eq!(effects.answers.len(), 2);
    bench.take(effects);
    assert_eq!(bench.keeps, keeps + 1);
    assert_eq!(bench.synced(CallId(99)).unwrap(), "zero");
    assert_eq!(bench.synced(follower).unwrap(), "one");
    let kept = bench.kept.clone().unwrap();
    assert!(kept.stable);
    assert_eq!(kept.members[1].assignment, "one");
}

#[test]
fn a_stable_group_gives_the_assignment_again() {
    let mut bench = completing();
    bench.sync(assigning(&[("m0", "zero"), ("m1", "one"), ("nobody", "lost")]));
    for _ in 0..2 {
        let late = bench.sync(Sync {
            protocol_type: Some("consumer".to_owned()),
            protocol: Some("range".to_owned()),
            ..a_sync("m1", 1)
        });
        match bench.answer(late) {
            Some(Answer::Sync(Ok(synced))) => {
                assert_eq!(synced.assignment, "one");
                assert_eq!(synced.protocol_type.as_deref(), Some("consumer"));
                assert_eq!(synced.protocol.as_deref(), Some("range"));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bench.kept.clone().unwrap().members.len(), 2);
}

#[test]
fn members_that_the_leader_leaves_out_get_an_empty_assignment() {
    let mut bench = completing();
    let follower = bench.sync(a_sync("m1", 1));
    let leader = bench.sync(assigning(&[("m0", "first"), ("m0", "second")]));
    assert_eq!(bench.synced(follower).unwrap(), "");
    assert_eq!(
        bench.synced(leader).unwrap(),
        "second",
        "of two the last one counts"
    );
}

#[test]
fn a_sync_that_does_not_fit_is_refused() {
    let rows = [
        (a_sync("nobody", 1), GroupError::UnknownMemberId),
        (a_sync("", 1), GroupError::UnknownMemberId),
        (a_sync("m0", 0), GroupError::IllegalGeneration),
        (a_sync("m0", 2), GroupError::IllegalGeneration),
        (
            Sync {
                protocol_type: Some("connect".to_owned()),
                ..a_sync("m0", 1)
            },
            GroupError::InconsistentGroupProtocol,
        ),
        (
            Sync {
                protocol: Some("sticky".to_owned()),
                ..a_sync("m0", 1)
            },
            GroupError::InconsistentGroupProtocol,
        ),
        (
            Sync {
                instance_id: Some("i".to_owned()),
                ..a_sync("m0", 1)
            },
            GroupError::UnknownMemberId,
        ),
    ];
    for mut bench in [completing(), Bench::stable(2)] {
        let state = bench.group.state();
        for (sync, error) in rows.clone() {
            let call = bench.sync(sync);
            assert_eq!(bench.unsynced(call), error);
        }
        assert_eq!(bench.group.state(), state);
    }
    let mut bench = Bench::new();
    let call = bench.sync(a_sync("m0", 0));
    assert_eq!(bench.unsynced(call), GroupError::UnknownMemberId);
}

#[test]
fn while_the_group_prepares_a_sync_hears_of_it() {
    let mut bench = Bench::stable(2);
    bench.join(a_join("m0"));
    let call = bench.sync(a_sync("m1", 1));
    assert_eq!(bench.unsynced(call), GroupError::RebalanceInProgress);
}

#[test]
fn syncs_that_wait_are_answered_when_the_group_prepares_again() {
    let mut bench = completing();
    let waiting = bench.sync(a_sync("m1", 1));
    bench.join(a_join(""));
    assert_eq!(bench.unsynced(waiting), GroupError::RebalanceInProgress);
    assert_eq!(bench.group.state(), ClassicState::PreparingRebalance);
}

#[test]
fn a_newer_sync_answers_the_earlier_one() {
    let mut bench = completing();
    let earlier = bench.sync(a_sync("m1", 1));
    let newer = bench.sync(a_sync("m1", 1));
    assert_eq!(bench.unsynced(earlier), GroupError::RebalanceInProgress);
    bench.sync(assigning(&[("m1", "one")]));
    assert_eq!(bench.synced(newer).unwrap(), "one");
}

#[test]
fn heartbeats_by_state() {
    let mut bench = completing();
    assert_eq!(bench.heartbeat("m1", 1), Ok(()), "in Completing");
    assert_eq!(bench.heartbeat("m1", 0), Err(GroupError::IllegalGeneration));
    assert_eq!(bench.heartbeat("nobody", 1), Err(GroupError::UnknownMemberId));
    bench.sync(assigning(&[]));
    assert_eq!(bench.heartbeat("m1", 1), Ok(()), "in Stable");
    assert_eq!(bench.heartbeat("m1", 2), Err(GroupError::IllegalGeneration));
    bench.join(a_join("m0"));
    assert_eq!(bench.heartbeat("m1", 1), Err(GroupError::RebalanceInProgress));
    assert_eq!(
        bench.group.heartbeat(bench.now, &static_member("m1", "i"), 1),
        Err(GroupError::UnknownMemberId)
    );
    assert_eq!(
        ClassicGroup::new().heartbeat(bench.now, &member(""), 0),
        Err(GroupError::UnknownMemberId)
    );
}

#[test]
fn descriptions_show_metadata_and_protocol_while_stable_only() {
    let mut bench = completing();
    let described = bench.group.describe();
    assert_eq!(described.state.to_string(), "CompletingRebalance");
    assert_eq!((described.protocol, described.members.len()), (None, 2));
    assert_eq!(described.members[0].metadata, "");

    bench.sync(assigning(&[("m0", "zero"), ("m1", "one")]));
    let described = bench.group.describe();
    assert_eq!(described.state.to_string(), "Stable");
    assert_eq!(described.protocol.as_deref(), Some("range"));
    assert_eq!(described.protocol_type.as_deref(), Some("consumer"));
    let second = &described.members[1];
    assert_eq!(second.member_id, "m1");
    assert_eq!(
        (&*second.client_id, &*second.client_host),
        ("client", "/127.0.0.1")
    );
    assert_eq!((&*second.metadata, &*second.assignment), (&b"m"[..], &b"one"[..]));

    bench.join(a_join("m0"));
    assert_eq!(bench.group.describe().state.to_string(), "PreparingRebalance");
    assert_eq!(bench.group.describe().members[1].metadata, "");
    assert_eq!(ClassicGroup::new().describe().state.to_string(), "Empty");
    assert_eq!(ClassicState::Dead.to_string(), "Dead");
}
