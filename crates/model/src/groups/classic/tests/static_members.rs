//! Static members (KIP-345), and the leader that need not assign (KIP-814).

use super::*;

/// A Stable group of static members `i0` (leader, `m0`) and `i1` (`m1`).
fn stable() -> Bench {
    Bench::stable_of(vec![a_static_join("i0"), a_static_join("i1")])
}

#[test]
fn a_static_follower_comes_back_without_a_rebalance() {
    let mut bench = stable();
    let keeps = bench.keeps;
    let call = bench.join(a_static_join("i1"));
    let joined = bench.joined(call);
    assert_eq!((joined.generation, joined.member_id.as_str()), (1, "m2"));
    assert_eq!(joined.leader, "m0");
    assert!(!joined.skip_assignment && joined.members.is_empty());
    assert_eq!(bench.group.state(), ClassicState::Stable);
    assert_eq!(bench.keeps, keeps + 1, "the new id is kept before it is told");

    let call = bench.sync(a_sync("m2", 1));
    assert_eq!(bench.synced(call).unwrap(), "m1", "what the member had before");
    assert_eq!(bench.heartbeat("m2", 1), Ok(()));
}

#[test]
fn whoever_uses_the_old_id_is_fenced() {
    let mut bench = stable();
    bench.join(a_static_join("i1"));
    let old = static_member("m1", "i1");
    assert_eq!(
        bench.group.heartbeat(bench.now, &old, 1),
        Err(GroupError::FencedInstanceId)
    );
    assert_eq!(
        bench.group.check_commit(bench.now, &old, 1),
        Err(GroupError::FencedInstanceId)
    );
    assert_eq!(
        bench.leave(std::slice::from_ref(&old)),
        [Err(GroupError::FencedInstanceId)]
    );
    let call = bench.join(Join {
        instance_id: Some("i1".to_owned()),
        ..a_join("m1")
    });
    assert_eq!(
        bench.refused(call),
        (GroupError::FencedInstanceId, "m1".to_owned())
    );
    let call = bench.sync(Sync {
        instance_id: Some("i1".to_owned()),
        ..a_sync("m1", 1)
    });
    assert_eq!(bench.unsynced(call), GroupError::FencedInstanceId);
    assert_eq!(bench.heartbeat("m1", 1), Err(GroupError::UnknownMemberId));
    let unknown = static_member("m2", "nobody");
    assert_eq!(
        bench.group.heartbeat(bench.now, &unknown, 1),
        Err(GroupError::UnknownMemberId)
    );
    assert_eq!(bench.group.state(), ClassicState::Stable);
}

#[test]
fn a_static_leader_that_comes_back_does_not_assign() {
    let mut bench = stable();
    let call = bench.join(a_static_join("i0"));
    let joined = bench.joined(call);
    assert!(joined.skip_assignment);
    assert_eq!((joined.leader.as_str(), joined.member_id.as_str()), ("m2", "m2"));
    let told: Vec<Option<&str>> = joined
        .members
        .iter()
        .map(|member| member.instance_id.as_deref())
        .collect();
    assert_eq!(told, [Some("i1"), Some("i0")]);
    let call = bench.sync(a_sync("m2", 1));
    assert_eq!(bench.synced(call).unwrap(), "m0");

    let mut bench = stable();
    let call = bench.join(Join {
        can_skip_assignment: false,
        ..a_static_join("i0")
    });
    let joined = bench.joined(call);
    assert!(!joined.skip_assignment && joined.members.is_empty());
    assert_eq!((joined.leader.as_str(), joined.member_id.as_str()), ("m0", "m2"));
    // It leads all the same: when it joins again it asks for a rebalance.
    let call = bench.join(Join {
        instance_id: Some("i0".to_owned()),
        ..a_join("m2")
    });
    assert!(bench.waits(call));
    assert_eq!(bench.group.state(), ClassicState::PreparingRebalance);
}

#[test]
fn a_static_member_that_changes_the_chosen_protocol_rebalances() {
    let both = |instance_id| Join {
        protocols: protocols(&["range", "sticky"]),
        ..a_static_join(instance_id)
    };
    let mut bench = Bench::stable_of(vec![both("i0"), both("i1")]);
    let call = bench.join(Join {
        protocols: protocols(&["sticky"]),
        ..a_static_join("i1")
    });
    assert!(bench.waits(call));
    assert_eq!(bench.group.state(), ClassicState::PreparingRebalance);
    let leader = bench.join(Join {
        member_id: "m0".to_owned(),
        ..both("i0")
    });
    assert_eq!(bench.joined(leader).protocol.as_deref(), Some("sticky"));
    assert_eq!(bench.joined(call).member_id, "m2");
}

#[test]
fn waiting_calls_of_the_old_id_are_fenced() {
    // A join that waits.
    let mut bench = stable();
    let old = bench.join(a_join("m0"));
    let new = bench.join(a_static_join("i0"));
    assert_eq!(
        bench.refused(old),
        (GroupError::FencedInstanceId, "m0".to_owned())
    );
    assert!(bench.waits(new));
    let other = bench.join(a_join("m1"));
    let joined = [bench.joined(new), bench.joined(other)];
    assert_eq!(joined[0].member_id, "m2");
    assert_eq!(joined[0].leader, "m2");

    // A sync that waits; in Completing the return rebalances.
    let old = bench.sync(a_sync("m1", 2));
    let new = bench.join(a_static_join("i1"));
    assert_eq!(bench.unsynced(old), GroupError::FencedInstanceId);
    assert!(bench.waits(new));
    assert_eq!(bench.group.state(), ClassicState::PreparingRebalance);
    let leader = bench.join(a_join("m2"));
    let joined = [bench.joined(leader), bench.joined(new)];
    bench.sync_all(&joined);
}

#[test]
fn an_instance_id_alone_removes_whoever_has_it() {
    let mut bench = stable();
    assert_eq!(
        bench.leave(&[
            static_member("", "nobody"),
            static_member("", "i1"),
            static_member("", "i1"),
            MemberRef::default(),
        ]),
        [
            Err(GroupError::UnknownMemberId),
            Ok(()),
            Err(GroupError::UnknownMemberId),
            Err(GroupError::UnknownMemberId)
        ]
    );
    assert_eq!(bench.group.describe().members.len(), 1);
}

#[test]
fn absent_static_members_stay_until_they_do_not_sync() {
    let mut bench = Bench::stable_of(vec![
        a_static_join("i0"),
        Join {
            session_timeout: secs(1_000),
            ..a_static_join("i1")
        },
    ]);
    let leader = bench.join(a_join("m0"));
    bench.pass(secs(60));
    let joined = bench.joined(leader);
    assert_eq!(joined.members.len(), 2, "who is static may come back");
    let sync = bench.sync(a_sync("m0", 2));
    assert!(bench.synced(sync).is_ok());
    for _ in 0..60 {
        bench.pass(secs(1));
        bench.heartbeat("m0", 2).ok();
    }
    assert_eq!(bench.group.state(), ClassicState::PreparingRebalance);
    let leader = bench.join(a_join("m0"));
    assert_eq!(bench.joined(leader).members.len(), 1);
}

#[test]
fn a_leader_that_is_absent_passes_the_lead_on() {
    let patient = |instance_id| Join {
        session_timeout: secs(1_000),
        ..a_static_join(instance_id)
    };
    let mut bench = Bench::stable_of(vec![patient("i0"), patient("i1")]);
    let call = bench.join(Join {
        protocols: vec![("range".to_owned(), Bytes::from_static(b"changed"))],
        ..a_join("m1")
    });
    bench.pass(secs(60));
    let joined = bench.joined(call);
    assert_eq!(joined.leader, "m1");
    assert_eq!(joined.members.len(), 2);
}

#[test]
fn a_group_of_absent_static_members_waits_for_the_end_of_their_sessions() {
    let patient = |instance_id| Join {
        session_timeout: secs(1_000),
        ..a_static_join(instance_id)
    };
    let mut bench = Bench::stable_of(vec![patient("i0"), patient("i1"), a_join("")]);
    assert_eq!(bench.leave(&[member("m2")]), [Ok(())]);
    bench.pass(secs(900));
    assert_eq!(bench.group.state(), ClassicState::PreparingRebalance);
    assert_eq!(bench.group.generation(), 1);
    bench.pass(secs(101));
    assert!(bench.group.is_empty());
    assert_eq!(bench.group.generation(), 2);
}
