//! What the next coordinator goes on with.

use super::*;

#[test]
fn a_stable_group_goes_on_as_if_nothing_was() {
    let mut bench = Bench::stable_of(vec![a_join(""), a_static_join("i")]);
    bench.pass(secs(9));
    bench.restore();
    assert_eq!(bench.group.state(), ClassicState::Stable);
    bench.pass(secs(9));
    assert_eq!(bench.heartbeat("m0", 1), Ok(()), "sessions began anew");
    let call = bench.sync(a_sync("m1", 1));
    assert_eq!(bench.synced(call).unwrap(), "m1");
    assert_eq!(
        bench.group.heartbeat(bench.now, &static_member("m1", "i"), 1),
        Ok(())
    );
    let call = bench.join(a_join("m1"));
    assert_eq!(bench.joined(call).leader, "m0");
    bench.pass(secs(10));
    assert!(bench.group.is_empty(), "and end");
}

#[test]
fn stored_and_restored_is_the_same() {
    let bench = Bench::stable_of(vec![a_join(""), a_static_join("i")]);
    let stored = bench.group.stored();
    assert_eq!(Some(&stored), bench.kept.as_ref());
    let again = ClassicGroup::restore(stored.clone(), bench.now).stored();
    assert_eq!(again, stored);
}

#[test]
fn a_generation_that_was_told_and_not_kept_is_not_given_again() {
    let mut bench = Bench::stable(2);
    let keeps = bench.keeps;
    let calls = [bench.join(a_join("m0")), bench.join(a_join("m1"))];
    let told = calls.map(|call| bench.joined(call).generation);
    assert_eq!(told, [2, 2]);
    assert_eq!(bench.keeps, keeps, "room for it was kept before");

    bench.restore();
    assert_eq!(bench.heartbeat("m0", 2), Err(GroupError::IllegalGeneration));
    assert_eq!(bench.heartbeat("m0", 1), Ok(()));
    let calls = [bench.join(a_join("m0")), bench.join(a_join("m1"))];
    let joined = calls.map(|call| bench.joined(call));
    assert!(joined[0].generation > 2);
    assert_eq!(bench.keeps, keeps + 1, "there is no room left after a takeover");
    bench.sync_all(&joined);
}

#[test]
fn the_first_generation_is_kept_before_it_is_told() {
    let mut bench = Bench::new();
    bench.join(a_join(""));
    bench.now = bench.now.plus(secs(3));
    let effects = bench.group.wake(bench.now, &bench.limits);
    assert!(effects.keep);
    assert_eq!(effects.answers.len(), 1);
}

#[test]
fn many_generations_without_an_assignment_are_kept_now_and_then() {
    let mut bench = Bench::stable(1);
    let keeps = bench.keeps;
    let mut last = 1;
    for round in 0..1_000 {
        let changed = Join {
            protocols: vec![("range".to_owned(), Bytes::from(format!("{round}")))],
            ..a_join("m0")
        };
        let call = bench.join(changed);
        let generation = bench.joined(call).generation;
        assert!(generation > last);
        assert!(generation <= bench.kept.clone().unwrap().given_up_to);
        last = generation;
    }
    let more = bench.keeps - keeps;
    assert!((5..=20).contains(&more), "kept {more} times");
}

#[test]
fn a_group_kept_before_it_was_stable_prepares_again() {
    let mut bench = Bench::new();
    let calls = [bench.join(a_join("")), bench.join(a_join(""))];
    bench.pass(secs(6));
    for call in calls {
        bench.joined(call);
    }
    bench.restore();
    assert_eq!(bench.group.state(), ClassicState::PreparingRebalance);
    assert_eq!(bench.heartbeat("m0", 1), Err(GroupError::RebalanceInProgress));
    let sync = bench.sync(a_sync("m1", 1));
    assert_eq!(bench.unsynced(sync), GroupError::RebalanceInProgress);
    let calls = [bench.join(a_join("m0")), bench.join(a_join("m1"))];
    let joined = calls.map(|call| bench.joined(call));
    assert!(joined[0].generation > 1);
    bench.sync_all(&joined);
}

#[test]
fn who_does_not_come_after_a_takeover_is_removed() {
    let mut bench = Bench::new();
    let calls = [bench.join(a_join("")), bench.join(a_join(""))];
    bench.pass(secs(6));
    for call in calls {
        bench.joined(call);
    }
    bench.restore();
    bench.pass(secs(9));
    let call = bench.join(a_join("m1"));
    bench.pass(secs(1));
    let joined = bench.joined(call);
    assert_eq!((joined.leader.as_str(), joined.members.len()), ("m1", 1));
}

#[test]
fn an_empty_group_keeps_its_generation_and_type() {
    let mut bench = Bench::stable(1);
    bench.leave(&[member("m0")]);
    bench.restore();
    assert!(bench.group.is_empty());
    assert_eq!(bench.group.protocol_type(), Some("consumer"));
    let call = bench.join(a_join(""));
    bench.pass(secs(3));
    assert!(bench.joined(call).generation > 2);
}

#[test]
fn what_no_group_wrote_is_read_without_harm() {
    let mut stored = Bench::stable_of(vec![a_join(""), a_static_join("i")])
        .group
        .stored();
    let again = stored.members.clone();
    stored.members.extend(again);
    let mut other = stored.members[1].clone();
    other.member_id = "other".to_owned();
    stored.members.push(other);
    stored.leader = Some("nobody".to_owned());
    stored.generation = i32::MAX;
    let group = ClassicGroup::restore(stored, Instant(Duration::ZERO));
    assert_eq!(group.describe().members.len(), 2);

    let mut bench = Bench::stable(1);
    bench.group = group;
    bench.leave(&[member("m0"), member("m1")]);
    assert!(bench.group.is_empty());
}
