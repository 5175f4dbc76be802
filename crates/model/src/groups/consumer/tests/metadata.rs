//! Topics come, grow and go; expressions are looked up again.

use super::*;

#[test]
fn topics_that_change_make_a_new_epoch() {
    let mut world = World::new(&[("t", 1)]);
    world.beat(join("a", &["t", "u"]));
    let t = world.topics.id("t");
    let mut partitions_after = |change: &dyn Fn(&mut Topics), epoch: i32| {
        change(&mut world.topics);
        let member = world.group.stored_member("a").unwrap();
        let reply = world.beat(owning("a", member.member_epoch, &member.assigned));
        // What it is to give up it is told first.
        let member = world.group.stored_member("a").unwrap();
        let reply = match member.state {
            MemberState::Revoking => world.beat(owning("a", reply.member_epoch, &member.assigned)),
            _ => reply,
        };
        assert_eq!(reply.member_epoch, epoch);
        world
            .assigned("a")
            .iter()
            .map(|(_, partitions)| partitions.len())
            .sum::<usize>()
    };
    assert_eq!(partitions_after(&|_| {}, 1), 1);
    assert_eq!(partitions_after(&|topics| _ = topics.set("other", 1), 1), 1);
    assert_eq!(partitions_after(&|topics| _ = topics.set("t", 3), 2), 3);
    assert_eq!(partitions_after(&|topics| _ = topics.set("u", 2), 3), 5);
    assert_eq!(partitions_after(&|topics| topics.remove("t"), 4), 2);
    // Under the same name, and yet another topic.
    assert_eq!(partitions_after(&|topics| _ = topics.set("t", 1), 5), 3);
    assert_ne!(world.topics.id("t"), t);
}

#[test]
fn expressions_stand_for_the_topics_that_there_are() {
    let mut world = World::new(&[("orders.eu", 1), ("orders", 1), ("xorders.eu", 1)]);
    let by_regex = Heartbeat {
        subscribed_names: None,
        subscribed_regex: Some(r"orders\..*".into()),
        ..join("a", &[])
    };
    let eu = world.topics.id("orders.eu");
    assert_eq!(world.beat(by_regex).assignment, Some(vec![(eu, vec![0])]));
    assert!(world.group.is_subscribed("orders.eu"));
    assert!(!world.group.is_subscribed("orders"));

    let us = world.topics.set("orders.us", 1);
    world.pass(secs(1));
    let reply = world.beat(keep_alive("a", 1));
    assert_eq!(
        (reply.member_epoch, reply.assignment),
        (2, Some(vec![(eu, vec![0]), (us, vec![0])]))
    );
    // What does not match changes nothing.
    world.topics.set("payments", 1);
    world.pass(secs(1));
    assert!(world.send(keep_alive("a", 2)).1.is_empty());
    // Many changes are looked at together.
    world.topics.set("orders.a", 1);
    assert!(world.send(keep_alive("a", 2)).1.is_empty());
    world.topics.set("orders.b", 1);
    world.pass(secs(1));
    assert_eq!(world.beat(keep_alive("a", 2)).assignment.unwrap().len(), 4);
}

#[test]
fn names_and_an_expression_add_up() {
    let mut world = World::new(&[("a", 1), ("b", 1), ("c", 1)]);
    world.beat(Heartbeat {
        subscribed_regex: Some("a|b".into()),
        ..join("m", &["b", "c"])
    });
    assert_eq!(world.assigned("m").len(), 3);
    let reply = world.beat(Heartbeat {
        subscribed_regex: Some(String::new()),
        ..owning("m", 1, &Vec::new())
    });
    assert_eq!((reply.member_epoch, reply.assignment.unwrap().len()), (2, 2));
    let described = &world.group.describe().members[0];
    assert_eq!(described.subscribed_regex, None);
    assert_eq!(described.subscribed_names.len(), 2);
}

#[test]
fn a_restored_group_has_no_new_epoch_for_the_same_topics() {
    let mut world = World::new(&[("a", 1), ("b", 1)]);
    world.beat(Heartbeat {
        subscribed_regex: Some(".*".into()),
        ..join("m", &[])
    });
    let (group, members) = world.snapshot();
    world.group = ConsumerGroup::restore(group, members.clone(), world.now);
    // Also before the topics were looked at.
    assert!(world.group.is_subscribed("a") && !world.group.has_matched());
    assert!(world.send(keep_alive("m", 1)).1.is_empty());
    assert!(world.group.has_matched());
    world.group = ConsumerGroup::restore(group, members, world.now);
    world.topics.set("c", 1);
    assert_eq!(world.beat(keep_alive("m", 1)).member_epoch, 2);
}

#[test]
fn the_hash_of_topics_stays_what_it_is() {
    let mut world = World::new(&[("orders", 3), ("payments", 1)]);
    world.beat(join("m", &["orders", "payments", "none"]));
    // A group that is kept has it: another release must not find another one.
    assert_eq!(world.group.stored().metadata_hash, 5_276_184_340_059_677_774);
}
