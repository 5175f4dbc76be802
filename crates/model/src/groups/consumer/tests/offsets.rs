//! Commits and fetches of offsets.

use super::*;

#[test]
fn commits_come_from_members_in_their_epoch() {
    let mut world = World::new(&[("t", 1)]);
    let group = &mut world.group;
    assert_eq!(group.check_commit("", None, -1), Ok(()));
    assert_eq!(group.check_commit("x", None, 1), Err(GroupError::UnknownMemberId));
    world.beat(as_static(join("a", &["t"]), "i"));
    let group = &mut world.group;
    assert_eq!(group.check_commit("", None, -1), Err(GroupError::UnknownMemberId));
    assert_eq!(group.check_commit("a", None, 1), Ok(()));
    assert_eq!(group.check_commit("a", Some("i"), 1), Ok(()));
    for epoch in [-1, 0, 2] {
        assert_eq!(
            group.check_commit("a", None, epoch),
            Err(GroupError::StaleMemberEpoch)
        );
    }
}

#[test]
fn fetches_without_a_member_are_fine() {
    let mut world = World::new(&[("t", 1)]);
    assert_eq!(world.group.check_fetch("", -1), Ok(()));
    assert_eq!(world.group.check_fetch("a", 1), Err(GroupError::UnknownMemberId));
    world.beat(join("a", &["t"]));
    assert_eq!(world.group.check_fetch("", -1), Ok(()));
    assert_eq!(world.group.check_fetch("a", 1), Ok(()));
    assert_eq!(world.group.check_fetch("a", 2), Err(GroupError::StaleMemberEpoch));
    assert_eq!(world.group.check_fetch("", 0), Err(GroupError::UnknownMemberId));
}
