//! How long the large groups take that people have. The bounds are loose: these tests run without optimization, beside
//! others.

use super::*;

#[allow(clippy::disallowed_methods)]
fn measured<T>(what: &str, most: Duration, run: impl FnOnce() -> T) -> T {
    let begun = std::time::Instant::now();
    let result = run();
    let took = begun.elapsed();
    println!("{what}: {took:?}");
    assert!(took < most, "{what}: {took:?}");
    result
}

/// A group with so many members, each subscribed to all but every `skip`th topic; 0 skips none.
fn large(members: usize, topics: usize, partitions: i32, skip: usize) -> World {
    let names: Vec<String> = (0..topics).map(|topic| format!("topic-{topic}")).collect();
    let mut world = World::new(&[]);
    for name in &names {
        world.topics.set(name, partitions);
    }
    let (group, stored) = {
        world.beat(join("first", &[]));
        world.snapshot()
    };
    // As restored, so that the target is made once and not once for each that joins.
    let members = (0..members).map(|member| StoredConsumerMember {
        member_id: Arc::from(format!("member-{member:05}")),
        subscribed_names: {
            let names = names.iter().enumerate();
            let names = names.filter(|(index, _)| skip == 0 || (index + member) % skip > 0);
            names.map(|(_, name)| Arc::from(name.as_str())).collect()
        },
        member_epoch: 1,
        ..stored[0].clone()
    });
    world.group = ConsumerGroup::restore(group, members.collect(), world.now);
    world
}

#[test]
fn a_large_group_is_assigned_quickly() {
    for (what, topics, partitions, skip) in [
        ("one topic", 1, 10_000, 0),
        ("many topics", 1_000, 10, 0),
        ("mixed subscriptions", 1_000, 10, 7),
    ] {
        for assignor in Assignor::ALL {
            let mut world = large(500, topics, partitions, skip);
            let first = Heartbeat {
                assignor: Some(assignor.name().into()),
                ..keep_alive("member-00000", 1)
            };
            let what = format!("{} over {what}", assignor.name());
            measured(&what, secs(10), || world.beat(first));
            let left = world
                .group
                .members
                .values()
                .map(|member| member.target.iter().count());
            assert_eq!(left.sum::<usize>(), 10_000);
            // One member less, or a topic that grew.
            world.beat(keep_alive("member-00007", -1));
            world.topics.set("topic-0", partitions + 1);
            measured(&format!("{what}, again"), secs(10), || {
                world.beat(keep_alive("member-00000", 2))
            });
        }
    }
}

#[test]
fn a_heartbeat_that_says_nothing_costs_nothing() {
    let mut world = large(500, 100, 10, 0);
    world.beat(keep_alive("member-00000", 1));
    let epoch = world.group.stored_member("member-00000").unwrap().member_epoch;
    measured("10,000 heartbeats", secs(10), || {
        for _ in 0..10_000 {
            let (reply, keep) = world.send(keep_alive("member-00000", epoch));
            assert!(reply.is_ok() && keep.is_empty());
            assert!(world.group.next_wake().is_some());
        }
    });
}

#[test]
fn no_expression_costs_much() {
    let names: Vec<String> = (0..10_000)
        .map(|topic| format!("some.team.topic-{topic}"))
        .collect();
    for bomb in [
        "(a|b)*a(a|b){20}",
        ".*.*.*.*.*.*x",
        "(?:.{1,60}x){1,60}",
        "(.*){1,30}y",
        "(?:.{0,50}a.{0,50}|.{0,50}b.{0,50}){1,5}",
        "(?:[a-z.]{0,3}c?){0,300}",
        "(?:(?:(?:a?){30}){30}){30}",
        &"(?:a?){40}".repeat(40),
        "[a-z.]{1,500}",
        "(?i:.*s.*o.*m.*e.*t.*e.*a.*m.*)",
        &(0..300).map(|n| format!(".*{n}.*")).collect::<Vec<_>>().join("|"),
    ] {
        measured(bomb.get(..20).unwrap_or(bomb), secs(10), || {
            if let Ok(pattern) = pattern::Pattern::new(bomb) {
                println!("{}", names.iter().filter(|name| pattern.matches(name)).count());
            }
        });
    }
}
