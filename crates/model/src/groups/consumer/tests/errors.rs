//! What is refused, and with what.

use super::*;
use crate::groups::{GROUP_BYTES_MAX, MEMBER_ID_BYTES_MAX, REGEX_BYTES_MAX, SUBSCRIBED_TOPICS_MAX};

fn with(change: impl FnOnce(&mut Heartbeat)) -> Heartbeat {
    let mut heartbeat = join("a", &["t"]);
    change(&mut heartbeat);
    heartbeat
}

#[test]
fn malformed_heartbeats_are_invalid() {
    let mut world = World::new(&[("t", 1)]);
    let owned = vec![(world.topics.id("t"), vec![0])];
    let long = "x".repeat(MEMBER_ID_BYTES_MAX + 1);
    let malformed = [
        with(|h| h.member_id.clear()),
        with(|h| h.member_id = " \t".into()),
        with(|h| h.member_id = long.clone()),
        with(|h| h.instance_id = Some(String::new())),
        with(|h| h.instance_id = Some(long.clone())),
        with(|h| h.instance_id = Some(" ".into())),
        with(|h| h.rack = Some(String::new())),
        with(|h| h.rack = Some(long.clone())),
        with(|h| h.rebalance_timeout = None),
        with(|h| h.subscribed_names = None),
        with(|h| h.owned = None),
        with(|h| h.owned = Some(owned)),
        with(|h| h.member_epoch = -2),
        with(|h| h.member_epoch = -3),
        with(|h| h.member_epoch = i32::MIN),
        with(|h| h.subscribed_names = Some(vec!["t".into(); SUBSCRIBED_TOPICS_MAX + 1])),
        with(|h| h.subscribed_names = Some(vec!["t".repeat(2 << 20)])),
        with(|h| (h.member_id, h.member_epoch, h.new_member_id) = (String::new(), 1, Some("n".into()))),
        with(|h| (h.member_id, h.member_epoch, h.new_member_id) = (String::new(), -1, Some("n".into()))),
    ];
    for heartbeat in malformed {
        assert_eq!(
            world.refused(heartbeat.clone()),
            GroupError::InvalidRequest,
            "{heartbeat:?}"
        );
    }
    assert_eq!(world.group.state(), ConsumerState::Empty);
}

#[test]
fn what_looks_odd_but_is_fine() {
    let mut world = World::new(&[("t", 1)]);
    let nothing = world.beat(with(|h| h.subscribed_names = Some(Vec::new())));
    assert_eq!((nothing.member_epoch, nothing.assignment), (1, Some(Vec::new())));
    let by_empty_regex = with(|h| {
        h.member_id = "b".into();
        h.subscribed_names = None;
        h.subscribed_regex = Some(String::new());
    });
    assert_eq!(world.beat(by_empty_regex).assignment, Some(Vec::new()));
    // Twice the same topic is once the topic.
    let twice = with(|h| h.subscribed_names = Some(vec!["t".into(), "t".into()]));
    assert_eq!(
        world.beat(twice).assignment,
        Some(vec![(world.topics.id("t"), vec![0])])
    );
}

#[test]
fn the_broker_names_members_of_version_0() {
    let mut world = World::new(&[("t", 1)]);
    let nameless = with(|h| (h.member_id, h.new_member_id) = (String::new(), Some("made".into())));
    let reply = world.beat(nameless);
    assert_eq!(reply.member_id, "made");
    assert_eq!(
        world.beat(keep_alive("made", reply.member_epoch)).member_id,
        "made"
    );
}

#[test]
fn groups_and_members_that_are_not_there() {
    let mut world = World::new(&[("t", 1)]);
    for epoch in [1, -1] {
        assert_eq!(world.refused(keep_alive("a", epoch)), GroupError::GroupIdNotFound);
    }
    let static_leave = as_static(keep_alive("a", -2), "i");
    assert_eq!(world.refused(static_leave.clone()), GroupError::GroupIdNotFound);
    world.beat(join("a", &["t"]));
    for epoch in [1, -1] {
        assert_eq!(world.refused(keep_alive("b", epoch)), GroupError::UnknownMemberId);
        let heartbeat = as_static(keep_alive("a", epoch), "i");
        assert_eq!(world.refused(heartbeat), GroupError::UnknownMemberId);
    }
    assert_eq!(world.refused(static_leave), GroupError::UnknownMemberId);
    // A group that became empty is still known.
    world.beat(keep_alive("a", -1));
    assert_eq!(world.refused(keep_alive("a", 1)), GroupError::UnknownMemberId);
}

#[test]
fn wrong_epochs_are_fenced() {
    let mut world = World::pair();
    for epoch in [3, i32::MAX] {
        assert_eq!(
            world.refused(keep_alive("a", epoch)),
            GroupError::FencedMemberEpoch
        );
    }
    // The former epoch needs to say that nothing else is owned.
    assert_eq!(world.refused(keep_alive("a", 1)), GroupError::FencedMemberEpoch);
    let others = world.assigned("b");
    assert_eq!(
        world.refused(owning("a", 1, &others)),
        GroupError::FencedMemberEpoch
    );
    let unknown = vec![(TopicUuid(Uuid::from_u128(99)), vec![0])];
    assert_eq!(
        world.refused(owning("a", 1, &unknown)),
        GroupError::FencedMemberEpoch
    );
}

#[test]
fn only_the_former_epoch_can_be_that_of_a_lost_answer() {
    let mut world = World::pair();
    let owned = world.assigned("a");
    world.beat(keep_alive("b", -1));
    assert_eq!(world.beat(keep_alive("a", 2)).member_epoch, 3);
    assert_eq!(
        world.refused(owning("a", 1, &owned)),
        GroupError::FencedMemberEpoch
    );
    assert_eq!(
        world.refused(owning("a", 1, &Vec::new())),
        GroupError::FencedMemberEpoch
    );
    assert_eq!(world.beat(owning("a", 2, &owned)).member_epoch, 3);
}

#[test]
fn assignors_and_expressions_that_there_are_not() {
    let mut world = World::new(&[("t", 1)]);
    let assignor = with(|h| h.assignor = Some("cooperative-sticky".into()));
    assert_eq!(world.refused(assignor), GroupError::UnsupportedAssignor);
    for regex in ["(", "a{1000}{1000}", &"a".repeat(REGEX_BYTES_MAX + 1)] {
        let bad = with(|h| h.subscribed_regex = Some(regex.into()));
        assert_eq!(world.refused(bad), GroupError::InvalidRegularExpression);
    }
    world.beat(join("a", &["t"]));
    let later = Heartbeat {
        subscribed_regex: Some("[".into()),
        ..keep_alive("a", 1)
    };
    assert_eq!(world.refused(later), GroupError::InvalidRegularExpression);
}

#[test]
fn a_group_can_be_full() {
    let mut world = World::new(&[("t", 1)]);
    world.limits.consumer_max_size = 2;
    world.beat(as_static(join("a", &["t"]), "i"));
    world.beat(join("b", &["t"]));
    assert_eq!(world.refused(join("c", &["t"])), GroupError::GroupMaxSizeReached);
    world.beat(join("b", &["t"]));
    // Who takes the place of a member that left for a while makes the group no larger.
    world.beat(as_static(keep_alive("a", -2), "i"));
    world.beat(as_static(join("c", &["t"]), "i"));
    world.beat(keep_alive("b", -1));
    world.beat(join("d", &["t"]));
}

#[test]
fn a_group_takes_so_many_bytes() {
    let mut world = World::new(&[("t", 1)]);
    let large = "t".repeat((1 << 20) - 1000);
    let members = GROUP_BYTES_MAX / large.len();
    for member in 0..members {
        world.beat(join(&format!("m{member}"), &[&large]));
    }
    assert_eq!(
        world.refused(join("one more", &[&large])),
        GroupError::GroupMaxSizeReached
    );
    // Its place is free when it subscribes to less, or leaves.
    world.beat(Heartbeat {
        subscribed_names: Some(Vec::new()),
        ..keep_alive("m0", 1)
    });
    world.beat(join("one more", &[&large]));
    world.beat(keep_alive("m1", -1));
    world.beat(join("another", &[&large]));
    assert_eq!(
        world.refused(join("too many", &[&large])),
        GroupError::GroupMaxSizeReached
    );
}

#[test]
fn a_group_has_so_many_expressions() {
    let mut world = World::new(&[("t", 1)]);
    let by_regex = |member: &str, regex: String| Heartbeat {
        subscribed_regex: Some(regex),
        ..join(member, &[])
    };
    for number in 0..100 {
        world.beat(by_regex(&number.to_string(), format!("t{number}")));
    }
    assert_eq!(
        world.refused(by_regex("more", "u".into())),
        GroupError::GroupMaxSizeReached
    );
    world.beat(by_regex("more", "t7".into()));
}
