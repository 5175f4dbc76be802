//! How soon members are to come again.

use super::*;
use crate::groups::consumer::pace::{REBALANCING_HEARTBEATS_PER_S_MAX, REBALANCING_INTERVAL};

const AT_REST: Duration = Duration::from_secs(5);

/// Members that all wait for what the first one has, in a group that was just restored.
fn waiting(members: usize) -> World {
    let mut world = World::new(&[("t", 1)]);
    world.beat(join("a", &["t"]));
    let first = world.group.stored_member("a").unwrap();
    let others = (1..members).map(|number| StoredConsumerMember {
        member_id: format!("b{number}").into(),
        state: MemberState::Waiting,
        assigned: Vec::new(),
        ..first.clone()
    });
    let all = std::iter::once(first.clone()).chain(others).collect();
    world.group = ConsumerGroup::restore(world.group.stored(), all, world.now);
    world
}

#[test]
fn members_come_sooner_for_an_interval_after_the_epoch_was_raised() {
    let mut world = World::new(&[("t", 2)]);
    assert_eq!(
        world.beat(join("a", &["t"])).heartbeat_interval,
        REBALANCING_INTERVAL
    );
    world.now = world.now.plus(AT_REST - Duration::from_millis(1));
    assert_eq!(
        world.beat(keep_alive("a", 1)).heartbeat_interval,
        REBALANCING_INTERVAL
    );
    world.now = world.now.plus(Duration::from_millis(1));
    assert_eq!(world.beat(keep_alive("a", 1)).heartbeat_interval, AT_REST);
}

#[test]
fn whoever_goes_makes_the_others_come_sooner() {
    type Goes = fn(&mut World);
    let ways: [Goes; 3] = [
        |world| _ = world.beat(keep_alive("b", -1)),
        |world| assert_eq!(world.group.leave(world.now, "b", None).0, Ok(())),
        |world| {
            for _ in 0..4 {
                world.pass(secs(10));
                world.beat(keep_alive("a", 2));
            }
            assert!(!world.pass(secs(5)).is_empty());
        },
    ];
    for goes in ways {
        let mut world = World::pair();
        world.now = world.now.plus(AT_REST);
        assert_eq!(world.beat(keep_alive("a", 2)).heartbeat_interval, AT_REST);
        world.beat(keep_alive("b", 2));
        goes(&mut world);
        let told = world.beat(keep_alive("a", 2));
        assert_eq!(
            (told.member_epoch, told.heartbeat_interval),
            (3, REBALANCING_INTERVAL)
        );
        world.now = world.now.plus(AT_REST);
        assert_eq!(world.beat(keep_alive("a", 3)).heartbeat_interval, AT_REST);
    }
}

#[test]
fn who_has_not_all_of_its_target_comes_sooner_however_long_that_takes() {
    let mut world = World::new(&[("t", 2)]);
    let both = world.beat(join("a", &["t"])).assignment.unwrap();
    world.beat(join("b", &["t"]));
    let kept = world.beat(keep_alive("a", 1)).assignment.unwrap();
    world.now = world.now.plus(AT_REST.saturating_mul(2));
    let revokes = world.beat(owning("a", 1, &both));
    let waits = world.beat(keep_alive("b", 2));
    assert_eq!(revokes.heartbeat_interval, REBALANCING_INTERVAL);
    assert_eq!(waits.heartbeat_interval, REBALANCING_INTERVAL);
    let revoked = world.beat(owning("a", 1, &kept));
    assert_eq!((revoked.member_epoch, revoked.heartbeat_interval), (2, AT_REST));
    assert_eq!(world.beat(keep_alive("b", 2)).heartbeat_interval, AT_REST);
}

#[test]
fn a_large_group_sends_no_more_than_so_many_heartbeats_a_second() {
    let per_s = REBALANCING_HEARTBEATS_PER_S_MAX as usize;
    for (members, interval) in [
        (2, REBALANCING_INTERVAL),
        (per_s, REBALANCING_INTERVAL),
        (per_s * 3, secs(3)),
        (per_s * 20, AT_REST),
    ] {
        let told = waiting(members).beat(keep_alive("b1", 1));
        assert_eq!(told.heartbeat_interval, interval, "{members} members");
    }
}

#[test]
fn members_never_come_later_than_at_rest() {
    let mut world = waiting(2);
    world.limits.consumer_heartbeat_interval = Duration::from_millis(300);
    let told = world.beat(keep_alive("b1", 1));
    assert_eq!(told.heartbeat_interval, Duration::from_millis(300));
}

#[test]
fn members_that_join_at_once_have_their_parts_within_three_seconds() {
    const MEMBERS: usize = 100;
    let mut world = World::new(&[("t", MEMBERS as i32)]);
    let began = world.now;
    // When each says something next, its epoch, and what it has to report.
    let mut due: BTreeMap<(Instant, usize), (i32, Option<List>)> = (0..MEMBERS)
        .map(|member| {
            (
                (began.plus(Duration::from_millis(member as u64)), member),
                (0, None),
            )
        })
        .collect();
    while world.group.members.len() < MEMBERS || world.group.state() != ConsumerState::Stable {
        let ((at, member), (epoch, owned)) = due.pop_first().unwrap();
        assert!(at.since(began) <= secs(3), "{:?}", world.group.state());
        world.now = at;
        let id = format!("m{member}");
        let said = match epoch {
            0 => join(&id, &["t"]),
            epoch => Heartbeat {
                owned,
                ..keep_alive(&id, epoch)
            },
        };
        let told = world.beat(said);
        // What it was given it reports at once.
        let wait = match told.assignment {
            Some(_) => Duration::ZERO,
            None => told.heartbeat_interval,
        };
        due.insert((at.plus(wait), member), (told.member_epoch, told.assignment));
    }
}
