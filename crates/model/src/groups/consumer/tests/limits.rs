//! Limits that change while members are there: those of the moment hold.

use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_interval_of_the_moment_is_told() {
    let mut world = World::new(&[("t", 1)]);
    world.beat(join("a", &["t"]));
    // At rest: nobody joined for longer than the intervals here.
    world.now = world.now.plus(10 * SECOND);
    world.limits.consumer_heartbeat_interval = 7 * SECOND;
    assert_eq!(world.beat(keep_alive("a", 1)).heartbeat_interval, 7 * SECOND);
    world.limits.consumer_heartbeat_interval = 9 * SECOND;
    assert_eq!(world.beat(keep_alive("a", 1)).heartbeat_interval, 9 * SECOND);
}

#[test]
fn running_sessions_are_judged_by_the_timeout_of_the_moment() {
    let mut world = World::new(&[("t", 1)]);
    world.limits.consumer_session_timeout = 60 * SECOND;
    world.beat(join("a", &["t"]));
    let end = world.group.next_wake().unwrap();
    world.pass(20 * SECOND);
    world.limits.consumer_session_timeout = 45 * SECOND;
    assert_eq!(world.group.next_wake(), Some(end), "nobody has said so");
    world.group.look_again(world.now);
    assert_eq!(world.group.next_wake(), Some(world.now));
    assert!(world.pass(Duration::ZERO).is_empty());
    assert_eq!(world.group.next_wake(), Some(world.now.plus(25 * SECOND)));
    // Longer again: what it is woken for is not there any more.
    world.limits.consumer_session_timeout = 60 * SECOND;
    assert!(world.pass(25 * SECOND).is_empty());
    assert_eq!(world.group.next_wake(), Some(end));
    assert_eq!(world.pass(15 * SECOND).members, [(Arc::from("a"), false)]);
    // A group without members is not looked at.
    world.group.look_again(world.now);
    assert_eq!(world.group.next_wake(), None);
}

#[test]
fn a_session_begins_when_the_answer_goes_out() {
    let mut world = World::new(&[("t", 1)]);
    world.limits.consumer_session_timeout = 45 * SECOND;
    world.beat(join("a", &["t"]));
    world.now = world.now.plus(30 * SECOND);
    world.group.answered(world.now, "a");
    // Of somebody who left meanwhile.
    world.group.answered(world.now, "b");
    assert!(world.pass(44 * SECOND).is_empty());
    assert_eq!(world.pass(SECOND).members, [(Arc::from("a"), false)]);
}
