//! Static members (KIP-345).

use super::*;

fn pair() -> World {
    let mut world = World::new(&[("t", 4)]);
    let all = world.beat(as_static(join("a", &["t"]), "i")).assignment.unwrap();
    world.beat(as_static(join("b", &["t"]), "j"));
    let less = world
        .beat(as_static(owning("a", 1, &all), "i"))
        .assignment
        .unwrap();
    world.beat(as_static(owning("a", 1, &less), "i"));
    world.beat(as_static(keep_alive("b", 2), "j"));
    assert_eq!(world.group.state(), ConsumerState::Stable);
    world
}

#[test]
fn a_member_that_will_be_back_keeps_its_partitions() {
    let mut world = pair();
    let before = world.assigned("a");
    let (reply, keep) = world.send(as_static(keep_alive("a", -2), "i"));
    assert_eq!(reply.unwrap().member_epoch, -2);
    assert_eq!((keep.group, keep.members), (false, vec![(Arc::from("a"), true)]));
    assert!(world.send(as_static(keep_alive("a", -2), "i")).1.is_empty());
    assert_eq!(world.beat(as_static(keep_alive("b", 2), "j")).assignment, None);
    assert_eq!(world.group.state(), ConsumerState::Reconciling);
    assert_eq!(world.group.stored_member("a").unwrap().member_epoch, -2);

    let (reply, keep) = world.send(as_static(join("a2", &["t"]), "i"));
    let reply = reply.unwrap();
    assert_eq!((reply.member_epoch, reply.assignment), (2, Some(before)));
    assert_eq!(keep.members, [(Arc::from("a"), false), (Arc::from("a2"), true)]);
    assert_eq!(world.group.state(), ConsumerState::Stable);
    // It has had no epoch before.
    assert_eq!(world.group.stored_member("a2").unwrap().previous_epoch, 0);
    assert_eq!(
        world.refused(as_static(keep_alive("a", 2), "i")),
        GroupError::FencedInstanceId
    );
    assert_eq!(world.refused(keep_alive("a", 2)), GroupError::UnknownMemberId);
}

#[test]
fn it_can_be_back_under_its_former_id() {
    let mut world = pair();
    let before = world.assigned("a");
    world.beat(as_static(keep_alive("a", -2), "i"));
    assert_eq!(
        world.refused(as_static(keep_alive("a", 2), "i")),
        GroupError::FencedMemberEpoch
    );
    let reply = world.beat(as_static(join("a", &["t"]), "i"));
    assert_eq!((reply.member_epoch, reply.assignment), (2, Some(before)));
}

#[test]
fn it_is_gone_when_its_session_ends() {
    let mut world = pair();
    world.beat(as_static(keep_alive("a", -2), "i"));
    world.pass(secs(44));
    world.beat(as_static(keep_alive("b", 2), "j"));
    assert_eq!(world.pass(secs(1)).members, [(Arc::from("a"), false)]);
    assert_eq!(
        world.beat(as_static(keep_alive("b", 2), "j")).assignment.unwrap()[0].1,
        [0, 1, 2, 3]
    );
    assert_eq!(world.beat(as_static(join("a2", &["t"]), "i")).member_epoch, 4);
}

#[test]
fn an_instance_id_is_one_members() {
    let mut world = pair();
    assert_eq!(
        world.refused(as_static(join("c", &["t"]), "i")),
        GroupError::UnreleasedInstanceId
    );
    assert_eq!(
        world.refused(as_static(keep_alive("b", 2), "i")),
        GroupError::FencedInstanceId
    );
    assert_eq!(
        world.refused(as_static(keep_alive("b", -1), "i")),
        GroupError::FencedInstanceId
    );
    assert_eq!(
        world.refused(as_static(keep_alive("b", -2), "i")),
        GroupError::FencedInstanceId
    );
    // The member itself may begin again: its answer was lost.
    assert_eq!(world.beat(as_static(join("a", &["t"]), "i")).member_epoch, 2);
    // Nobody comes back as a member that is there.
    world.beat(as_static(keep_alive("a", -2), "i"));
    assert_eq!(
        world.refused(as_static(join("b", &["t"]), "i")),
        GroupError::InvalidRequest
    );
}

#[test]
fn what_it_was_to_give_up_it_gave_up_by_leaving() {
    let mut world = pair();
    world.beat(join("c", &["t"]));
    let told = world.beat(as_static(keep_alive("a", 2), "i")).assignment;
    if told.is_none() {
        world.beat(as_static(keep_alive("b", 2), "j")).assignment.unwrap();
        world.beat(as_static(keep_alive("b", -2), "j"));
    } else {
        world.beat(as_static(keep_alive("a", -2), "i"));
    }
    assert_eq!(world.beat(keep_alive("c", 3)).assignment.unwrap()[0].1.len(), 1);
}

#[test]
fn what_is_to_move_away_waits_for_it_to_be_back() {
    let mut world = World::new(&[("t", 2)]);
    world.beat(as_static(join("a", &["t"]), "i"));
    world.beat(as_static(keep_alive("a", -2), "i"));
    world.beat(join("b", &["t"]));
    assert_eq!(world.beat(keep_alive("b", 2)).assignment, None);
    let back = world.beat(as_static(join("a2", &["t"]), "i"));
    assert_eq!(back.assignment.unwrap()[0].1.len(), 1);
    assert_eq!(world.beat(keep_alive("b", 2)).assignment.unwrap()[0].1.len(), 1);
    assert_eq!(world.group.state(), ConsumerState::Stable);
}

#[test]
fn a_member_can_take_an_instance_id() {
    let mut world = World::new(&[("t", 2)]);
    world.beat(join("a", &["t"]));
    world.beat(as_static(join("a", &["t"]), "i"));
    assert_eq!(
        world.refused(as_static(join("b", &["t"]), "i")),
        GroupError::UnreleasedInstanceId
    );
    // Another one: the former is free.
    world.beat(as_static(join("a", &["t"]), "j"));
    world.beat(as_static(join("b", &["t"]), "i"));
    world.beat(as_static(keep_alive("a", -1), "j"));
    assert_eq!(world.group.statics.len(), 1);
}
