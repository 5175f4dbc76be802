//! Who may commit offsets.

use super::*;

fn commit(bench: &mut Bench, member_id: &str, generation: i32) -> Result<(), GroupError> {
    bench
        .group
        .check_commit(bench.now, &member(member_id), generation)
}

#[test]
fn without_members_anybody_commits_who_names_no_generation() {
    for mut bench in [Bench::new(), {
        let mut bench = Bench::stable(1);
        bench.leave(&[member("m0")]);
        bench
    }] {
        assert_eq!(commit(&mut bench, "", -1), Ok(()));
        assert_eq!(commit(&mut bench, "m0", 1), Err(GroupError::UnknownMemberId));
    }
}

#[test]
fn with_members_only_they_commit() {
    let mut bench = Bench::stable(1);
    assert_eq!(commit(&mut bench, "", -1), Err(GroupError::UnknownMemberId));
    assert_eq!(commit(&mut bench, "nobody", 1), Err(GroupError::UnknownMemberId));
    assert_eq!(commit(&mut bench, "m0", -1), Err(GroupError::IllegalGeneration));
    assert_eq!(commit(&mut bench, "m0", 2), Err(GroupError::IllegalGeneration));
    assert_eq!(commit(&mut bench, "m0", 1), Ok(()));
    assert_eq!(
        bench.group.check_commit(bench.now, &static_member("m0", "i"), 1),
        Err(GroupError::UnknownMemberId)
    );
}

#[test]
fn a_rebalance_lets_commit_while_it_prepares_and_not_while_it_completes() {
    let mut bench = Bench::stable(2);
    let leader = bench.join(a_join("m0"));
    assert_eq!(commit(&mut bench, "m1", 1), Ok(()));
    let follower = bench.join(a_join("m1"));
    assert_eq!(commit(&mut bench, "m1", 1), Err(GroupError::IllegalGeneration));
    assert_eq!(commit(&mut bench, "m1", 2), Err(GroupError::RebalanceInProgress));
    assert_eq!(commit(&mut bench, "", -1), Err(GroupError::UnknownMemberId));
    let joined = [bench.joined(leader), bench.joined(follower)];
    bench.sync_all(&joined);
    assert_eq!(commit(&mut bench, "m1", 2), Ok(()));
}

#[test]
fn a_commit_restarts_the_session() {
    let mut bench = Bench::stable(1);
    for _ in 0..3 {
        bench.pass(secs(9));
        assert_eq!(commit(&mut bench, "m0", 1), Ok(()));
    }
    bench.pass(secs(10));
    assert!(bench.group.is_empty());
}
