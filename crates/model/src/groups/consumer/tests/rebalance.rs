//! Partitions move from member to member.

use super::*;

#[test]
fn the_first_member_has_everything() {
    let mut world = World::new(&[("t", 3)]);
    let (reply, keep) = world.send(join("a", &["t"]));
    let t = world.topics.id("t");
    assert_eq!(
        reply.unwrap(),
        HeartbeatReply {
            member_id: "a".into(),
            member_epoch: 1,
            heartbeat_interval: pace::REBALANCING_INTERVAL,
            assignment: Some(vec![(t, vec![0, 1, 2])]),
        }
    );
    assert_eq!(keep.members, [(Arc::from("a"), true)]);
    assert!(keep.group);
    assert_eq!(world.group.state(), ConsumerState::Stable);
    // Nothing new is not told again, and nothing is kept.
    let (reply, keep) = world.send(keep_alive("a", 1));
    assert_eq!(reply.unwrap().assignment, None);
    assert!(keep.is_empty());
}

#[test]
fn a_partition_moves_when_its_owner_reports_it_gone() {
    let mut world = World::new(&[("t", 2)]);
    let t = world.topics.id("t");
    let both = world.beat(join("a", &["t"])).assignment.unwrap();
    let joined = world.beat(join("b", &["t"]));
    assert_eq!((joined.member_epoch, joined.assignment), (2, Some(Vec::new())));
    assert_eq!(world.group.state(), ConsumerState::Reconciling);
    // The owner is told, and keeps its epoch.
    let told = world.beat(keep_alive("a", 1));
    assert_eq!(
        (told.member_epoch, told.assignment),
        (1, Some(vec![(t, vec![0])]))
    );
    // As long as it does not report, or still reports the partition, nothing moves.
    for _ in 0..2 {
        let waits = world.beat(keep_alive("b", 2));
        assert_eq!((waits.member_epoch, waits.assignment), (2, None));
        let revokes = world.beat(owning("a", 1, &both));
        assert_eq!((revokes.member_epoch, revokes.assignment), (1, None));
        assert_eq!(world.beat(keep_alive("a", 1)).member_epoch, 1);
    }
    let done = world.beat(owning("a", 1, &vec![(t, vec![0])]));
    assert_eq!((done.member_epoch, done.assignment), (2, None));
    assert_eq!(
        world.beat(keep_alive("b", 2)).assignment,
        Some(vec![(t, vec![1])])
    );
    assert_eq!(world.group.state(), ConsumerState::Stable);
}

#[test]
fn a_member_that_never_had_it_needs_no_revocation() {
    let mut world = World::new(&[("t", 2)]);
    world.beat(join("a", &["t"]));
    world.beat(join("b", &["t"]));
    // It says at once that it owns nothing: its answer to the join was lost.
    let reply = world.beat(owning("a", 1, &Vec::new()));
    assert_eq!(reply.member_epoch, 2);
    assert_eq!(
        world.beat(keep_alive("b", 2)).assignment.map(|list| list.len()),
        Some(1)
    );
}

#[test]
fn who_is_too_slow_to_revoke_is_fenced() {
    let mut world = World::new(&[("t", 2)]);
    let both = world.beat(Heartbeat {
        rebalance_timeout: Some(secs(30)),
        ..join("a", &["t"])
    });
    let both = both.assignment.unwrap();
    world.beat(join("b", &["t"]));
    world.beat(keep_alive("a", 1));
    for _ in 0..5 {
        assert!(world.pass(secs(5)).is_empty());
        world.beat(owning("a", 1, &both));
        world.beat(keep_alive("b", 2));
    }
    assert!(world.group.next_wake().unwrap() <= world.now.plus(secs(5)));
    let keep = world.pass(secs(5));
    assert_eq!(keep.members, [(Arc::from("a"), false)]);
    assert!(keep.group);
    assert_eq!(world.group.state(), ConsumerState::Assigning);
    assert_eq!(world.refused(owning("a", 1, &both)), GroupError::UnknownMemberId);
    let all = world.beat(keep_alive("b", 2));
    assert_eq!((all.member_epoch, all.assignment), (3, Some(both)));
    assert_eq!(world.beat(join("a", &["t"])).member_epoch, 4);
}

#[test]
fn who_is_silent_is_fenced() {
    let mut world = World::pair();
    for _ in 0..8 {
        assert!(world.pass(secs(5)).is_empty());
        world.beat(keep_alive("a", 2));
    }
    assert!(world.pass(secs(4)).is_empty());
    let keep = world.pass(secs(1));
    assert_eq!(keep.members, [(Arc::from("b"), false)]);
    assert_eq!(
        world.beat(keep_alive("a", 2)).assignment.unwrap()[0].1,
        [0, 1, 2, 3]
    );
    world.pass(secs(45));
    assert_eq!(world.group.state(), ConsumerState::Empty);
    assert_eq!(world.group.next_wake(), None);
    assert!(world.group.owners.is_empty());
    assert_eq!(world.group.bytes, 0);
}

#[test]
fn an_answer_that_was_lost_is_given_again() {
    let mut world = World::pair();
    let before = world.assigned("a");
    world.beat(keep_alive("b", -1));
    // The answer with epoch 3 is lost, any number of times.
    let lost = world.beat(keep_alive("a", 2));
    assert_eq!(lost.member_epoch, 3);
    for _ in 0..3 {
        let again = world.beat(owning("a", 2, &before));
        assert_eq!((again.member_epoch, &again.assignment), (3, &lost.assignment));
        assert_eq!(
            world.beat(owning("a", 2, &Vec::new())).assignment,
            lost.assignment
        );
    }
    // Meanwhile somebody else is to have some of it. What the former epoch owns does not say what it was told.
    world.beat(join("c", &["t"]));
    let again = world.beat(owning("a", 2, &before));
    assert_eq!((again.member_epoch, &again.assignment), (3, &lost.assignment));
    assert_eq!(world.beat(keep_alive("c", 4)).assignment, None);
    let told = world.beat(owning("a", 3, &lost.assignment.unwrap()));
    let rest = told.assignment.unwrap();
    assert_eq!(world.beat(owning("a", 3, &rest)).member_epoch, 4);
    assert_eq!(world.beat(keep_alive("c", 4)).assignment.unwrap()[0].1.len(), 2);
}

#[test]
fn a_full_heartbeat_is_told_everything() {
    let mut world = World::pair();
    let full = Heartbeat {
        member_epoch: 2,
        ..join("a", &["t"])
    };
    let (reply, keep) = world.send(full);
    assert_eq!(reply.unwrap().assignment, Some(world.assigned("a")));
    assert!(keep.is_empty());
}

#[test]
fn a_member_begins_again() {
    let mut world = World::pair();
    let assigned = world.assigned("a");
    let (reply, keep) = world.send(join("a", &["t"]));
    let reply = reply.unwrap();
    assert_eq!((reply.member_epoch, reply.assignment), (2, Some(assigned)));
    assert!(keep.is_empty());
    // While it was to revoke: it owns nothing any more.
    world.beat(join("c", &["t"]));
    world.beat(keep_alive("a", 2));
    assert_eq!(world.beat(join("a", &["t"])).member_epoch, 3);
}

#[test]
fn who_leaves_sets_its_partitions_free() {
    let mut world = World::pair();
    let (reply, keep) = world.send(keep_alive("a", -1));
    let reply = reply.unwrap();
    assert_eq!(
        (reply.member_epoch, reply.heartbeat_interval),
        (-1, Duration::ZERO)
    );
    assert_eq!(keep.members, [(Arc::from("a"), false)]);
    assert_eq!(
        world.beat(keep_alive("b", 2)).assignment.unwrap()[0].1,
        [0, 1, 2, 3]
    );
    // Its id comes again with a higher epoch.
    assert_eq!(world.beat(join("a", &["t"])).member_epoch, 4);
}

#[test]
fn a_member_can_be_removed() {
    let mut world = World::pair();
    world.beat(as_static(join("s", &["t"]), "i"));
    let now = world.now;
    let mut leave = |member: &str, instance: Option<&str>| world.group.leave(now, member, instance);
    assert_eq!(leave("x", None).0, Err(GroupError::UnknownMemberId));
    assert_eq!(leave("", None).0, Err(GroupError::UnknownMemberId));
    assert_eq!(leave("s", Some("j")).0, Err(GroupError::UnknownMemberId));
    assert_eq!(leave("a", Some("i")).0, Err(GroupError::FencedInstanceId));
    assert_eq!(leave("", Some("i")).1.members, [(Arc::from("s"), false)]);
    assert_eq!(leave("a", None).1.members, [(Arc::from("a"), false)]);
    assert_eq!(world.group.describe().members.len(), 1);
}

#[test]
fn a_member_subscribes_to_something_else_while_it_revokes() {
    let mut world = World::new(&[("t", 2), ("u", 2)]);
    let (t, u) = (world.topics.id("t"), world.topics.id("u"));
    let all = world.beat(join("a", &["t", "u"])).assignment.unwrap();
    world.beat(join("b", &["t", "u"]));
    assert_eq!(
        world.beat(owning("a", 1, &all)).assignment,
        Some(vec![(t, vec![0, 1])])
    );
    // It is left with nothing of t, and is told so although it has not revoked yet.
    let reply = world.beat(Heartbeat {
        subscribed_names: Some(vec!["u".into()]),
        ..owning("a", 1, &all)
    });
    assert_eq!((reply.member_epoch, reply.assignment), (1, Some(Vec::new())));
    assert_eq!(world.group.stored_member("a").unwrap().revoking, all);
    assert_eq!(world.beat(keep_alive("b", 2)).assignment, None);
    // What it has given up and is to have now is free for it.
    let reply = world.beat(owning("a", 1, &Vec::new()));
    assert_eq!(
        (reply.member_epoch, reply.assignment),
        (3, Some(vec![(u, vec![0, 1])]))
    );
    assert_eq!(
        world.beat(keep_alive("b", 3)).assignment,
        Some(vec![(t, vec![0, 1])])
    );
}

#[test]
fn the_assignor_is_chosen_by_most() {
    let mut world = World::new(&[("t", 2)]);
    assert_eq!(world.group.describe().assignor, "uniform");
    for (member, assignor, chosen) in [
        ("a", "range", "range"),
        ("b", "uniform", "uniform"),
        ("c", "range", "range"),
    ] {
        world.beat(Heartbeat {
            assignor: Some(assignor.into()),
            ..join(member, &["t"])
        });
        assert_eq!(world.group.describe().assignor, chosen);
    }
}
