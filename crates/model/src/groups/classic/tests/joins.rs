//! Joining: who is let in, the first rebalance, the choice of the protocol.

use super::*;

#[test]
fn the_first_member_leads_and_is_told_of_all() {
    let mut bench = Bench::new();
    let first = bench.join(a_join(""));
    let second = bench.join(a_join(""));
    assert_eq!(bench.group.state(), ClassicState::PreparingRebalance);
    assert!(bench.waits(first) && bench.waits(second));
    bench.pass(secs(6));

    let first = bench.joined(first);
    assert_eq!(first.generation, 1);
    assert_eq!(first.leader, "m0");
    assert_eq!(first.member_id, "m0");
    assert_eq!(first.protocol.as_deref(), Some("range"));
    assert_eq!(first.protocol_type.as_deref(), Some("consumer"));
    assert!(!first.skip_assignment);
    let told: Vec<&str> = first
        .members
        .iter()
        .map(|member| member.member_id.as_str())
        .collect();
    assert_eq!(told, ["m0", "m1"]);
    assert_eq!(first.members[0].metadata, "m");
    let second = bench.joined(second);
    assert_eq!((second.generation, second.leader.as_str()), (1, "m0"));
    assert!(second.members.is_empty(), "the list is for the leader only");
    assert_eq!(bench.group.state(), ClassicState::CompletingRebalance);
}

#[test]
fn the_first_rebalance_waits_while_members_come_up_to_the_rebalance_timeout() {
    let mut bench = Bench::new();
    let alone = bench.join(a_join(""));
    bench.pass(Duration::from_millis(2_999));
    assert!(bench.waits(alone));
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.joined(alone).generation, 1);

    let mut bench = Bench::new();
    let join = Join {
        rebalance_timeout: secs(10),
        ..a_join("")
    };
    let first = bench.join(join.clone());
    for _ in 0..9 {
        bench.pass(secs(1));
        bench.join(join.clone());
        assert!(bench.waits(first));
    }
    bench.pass(Duration::from_millis(999));
    assert!(bench.waits(first));
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.joined(first).members.len(), 10);
}

#[test]
fn without_an_initial_delay_the_group_begins_at_once() {
    let mut bench = Bench::new();
    bench.limits.initial_rebalance_delay = Duration::ZERO;
    let first = bench.join(a_join(""));
    bench.join(a_join(""));
    bench.pass(Duration::ZERO);
    assert_eq!(bench.joined(first).members.len(), 2);
}

#[test]
fn session_timeouts_out_of_bounds_are_refused() {
    for (session_timeout, fits) in [
        (Duration::from_millis(5_999), false),
        (secs(6), true),
        (secs(1_800), true),
        (Duration::from_millis(1_800_001), false),
    ] {
        let mut bench = Bench::new();
        let call = bench.join(Join {
            session_timeout,
            ..a_join("")
        });
        assert_eq!(bench.waits(call), fits);
        if !fits {
            assert_eq!(
                bench.refused(call),
                (GroupError::InvalidSessionTimeout, String::new())
            );
        }
    }
}

#[test]
fn protocols_that_do_not_fit_are_refused() {
    let no_type = Join {
        protocol_type: String::new(),
        ..a_join("")
    };
    let no_protocols = Join {
        protocols: Vec::new(),
        ..a_join("")
    };
    let other_type = Join {
        protocol_type: "connect".to_owned(),
        ..a_join("")
    };
    let none_in_common = Join {
        protocols: protocols(&["sticky"]),
        ..a_join("")
    };
    for join in [&no_type, &no_protocols] {
        let mut bench = Bench::new();
        let call = bench.join(join.clone());
        assert_eq!(bench.refused(call).0, GroupError::InconsistentGroupProtocol);
        assert!(bench.group.is_empty());
    }
    for join in [&no_type, &no_protocols, &other_type, &none_in_common] {
        let mut bench = Bench::stable(1);
        let call = bench.join(join.clone());
        assert_eq!(bench.refused(call).0, GroupError::InconsistentGroupProtocol);
        let rejoin = Join {
            member_id: "m0".to_owned(),
            ..join.clone()
        };
        let call = bench.join(rejoin);
        assert_eq!(
            bench.refused(call),
            (GroupError::InconsistentGroupProtocol, "m0".to_owned())
        );
        assert_eq!(bench.group.state(), ClassicState::Stable);
    }
}

#[test]
fn an_empty_group_takes_another_type() {
    let mut bench = Bench::stable(1);
    assert_eq!(bench.leave(&[member("m0")]), [Ok(())]);
    assert_eq!(bench.group.protocol_type(), Some("consumer"));
    let call = bench.join(Join {
        protocol_type: "connect".to_owned(),
        protocols: protocols(&["compatible"]),
        ..a_join("")
    });
    bench.pass(secs(3));
    assert_eq!(bench.joined(call).protocol.as_deref(), Some("compatible"));
    assert_eq!(bench.group.protocol_type(), Some("connect"));
}

#[test]
fn unknown_ids_are_refused_also_by_a_new_group() {
    for mut bench in [Bench::new(), Bench::stable(1)] {
        let call = bench.join(a_join("nobody"));
        assert_eq!(
            bench.refused(call),
            (GroupError::UnknownMemberId, "nobody".to_owned())
        );
        let call = bench.join(Join {
            instance_id: Some("i".to_owned()),
            ..a_join("nobody")
        });
        assert_eq!(bench.refused(call).0, GroupError::UnknownMemberId);
    }
}

#[test]
fn a_new_dynamic_member_is_told_its_id_first() {
    let ask = Join {
        id_required: true,
        ..a_join("")
    };
    let mut bench = Bench::new();
    let call = bench.join(ask.clone());
    assert_eq!(
        bench.refused(call),
        (GroupError::MemberIdRequired, "m0".to_owned())
    );
    assert!(bench.group.is_empty());
    let call = bench.join(Join {
        id_required: true,
        ..a_join("m0")
    });
    bench.pass(secs(3));
    assert_eq!(bench.joined(call).member_id, "m0");

    // It is pending for its session timeout, and no longer.
    let call = bench.join(ask.clone());
    assert_eq!(bench.refused(call).1, "m1");
    bench.pass(secs(10));
    let call = bench.join(a_join("m1"));
    assert_eq!(bench.refused(call).0, GroupError::UnknownMemberId);

    // Not a static member.
    let call = bench.join(Join {
        id_required: true,
        ..a_static_join("i")
    });
    assert!(bench.waits(call), "it has joined");
}

#[test]
fn a_pending_id_holds_up_a_rebalance_until_it_joins_leaves_or_expires() {
    let begin = || {
        let mut bench = Bench::stable(1);
        let ask = bench.join(Join {
            id_required: true,
            ..a_join("")
        });
        assert_eq!(bench.refused(ask).0, GroupError::MemberIdRequired);
        assert_eq!(bench.group.state(), ClassicState::Stable);
        let leader = bench.join(a_join("m0"));
        assert!(bench.waits(leader));
        (bench, leader)
    };
    let (mut bench, leader) = begin();
    let newcomer = bench.join(a_join("m1"));
    assert_eq!(bench.joined(leader).members.len(), 2);
    assert_eq!(bench.joined(newcomer).generation, 2);

    let (mut bench, leader) = begin();
    assert_eq!(bench.leave(&[member("m1")]), [Ok(())]);
    assert_eq!(bench.joined(leader).members.len(), 1);

    let (mut bench, leader) = begin();
    bench.pass(secs(10));
    assert_eq!(bench.joined(leader).members.len(), 1);
}

#[test]
fn a_pending_id_that_leaves_a_stable_group_disturbs_nobody() {
    let mut bench = Bench::stable(1);
    bench.join(Join {
        id_required: true,
        ..a_join("")
    });
    assert_eq!(bench.leave(&[member("m1")]), [Ok(())]);
    assert_eq!(bench.group.state(), ClassicState::Stable);
    assert_eq!(bench.leave(&[member("m1")]), [Err(GroupError::UnknownMemberId)]);
}

#[test]
fn an_id_that_is_drawn_twice_is_given_once() {
    let mut bench = Bench::stable(1);
    let call = bench.join(Join {
        new_member_id: "m0".to_owned(),
        ..a_join("")
    });
    assert_eq!(bench.refused(call).0, GroupError::UnknownMemberId);
    assert_eq!(bench.group.state(), ClassicState::Stable);
}

fn chosen(members: &[&[&str]]) -> String {
    let mut bench = Bench::new();
    let calls: Vec<CallId> = members
        .iter()
        .map(|names| {
            bench.join(Join {
                protocols: protocols(names),
                ..a_join("")
            })
        })
        .collect();
    bench.pass(secs(6));
    bench.joined(calls[0]).protocol.unwrap()
}

#[test]
fn the_protocol_is_chosen_by_votes_among_those_that_all_support() {
    assert_eq!(chosen(&[&["a", "b"]]), "a");
    assert_eq!(chosen(&[&["a", "b"], &["b", "a"], &["b", "a"]]), "b");
    // `a` has most friends, but not everybody knows it.
    assert_eq!(chosen(&[&["a", "b"], &["a", "b"], &["b"]]), "b");
    assert_eq!(chosen(&[&["a", "b", "c"], &["b", "c"], &["c", "b"]]), "b");
    // A tie: what the leader likes better.
    assert_eq!(chosen(&[&["b", "a"], &["a", "b"]]), "b");
    assert_eq!(chosen(&[&["a", "b"], &["b", "a"]]), "a");
    // Named twice, it counts once.
    assert_eq!(chosen(&[&["a", "a", "b"], &["b", "a"], &["b", "a"]]), "b");
}
