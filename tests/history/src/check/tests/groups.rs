//! Who owns what in a group, and what was committed.

use super::Story;
use crate::event::Partition;
use crate::group::{InGroup, Kind, Member};
use crate::{Promise, What};

fn member(kind: Kind, id: &str, generation: i32) -> Member {
    Member {
        group: "readers".to_owned(),
        kind,
        id: id.to_owned(),
        generation,
    }
}

fn classic(id: &str, generation: i32) -> Member {
    member(Kind::Classic, id, generation)
}

fn consumer(id: &str, epoch: i32) -> Member {
    member(Kind::Consumer, id, epoch)
}

impl Story {
    fn in_group(&mut self, what: InGroup) -> usize {
        let reader = self.reader;
        self.tell(Some(reader), What::InGroup(what))
    }

    fn owns(&mut self, member: &Member, partitions: &[Partition]) {
        let asked_us = self.asked_us();
        self.owns_as_asked(member, partitions, asked_us);
    }

    fn owns_as_asked(&mut self, member: &Member, partitions: &[Partition], asked_us: u64) {
        self.in_group(InGroup::Owns {
            member: member.clone(),
            partitions: partitions.to_vec(),
            asked_us,
            by: Some(self.a),
        });
    }

    fn keeps(&mut self, member: &Member, partitions: &[Partition]) {
        self.in_group(InGroup::Keeps {
            member: member.clone(),
            partitions: partitions.to_vec(),
        });
    }

    fn heard(&mut self, member: &Member) {
        let asked_us = self.asked_us();
        self.in_group(InGroup::Heard {
            member: member.clone(),
            asked_us,
            by: Some(self.a),
        });
    }

    /// Sends a commit; answers when.
    fn committing(&mut self, member: &Member, offset: i64) -> u64 {
        self.in_group(InGroup::Committing {
            member: member.clone(),
            partition: self.p,
            offset,
            to: Some(self.a),
        });
        self.now_us
    }

    fn committed(&mut self, member: &Member, asked_us: u64, error: Option<i16>) {
        self.in_group(InGroup::Committed {
            member: member.clone(),
            partition: self.p,
            asked_us,
            by: Some(self.a),
            error,
        });
    }

    fn commits(&mut self, member: &Member, offset: i64) {
        let asked_us = self.committing(member, offset);
        self.committed(member, asked_us, Some(0));
    }

    fn told(&mut self, offset: i64) {
        let asked_us = self.asked_us();
        self.in_group(InGroup::Told {
            group: "readers".to_owned(),
            partition: self.p,
            asked_us,
            by: Some(self.a),
            offset,
        });
    }
}

#[test]
fn a_partition_that_is_given_up_first_moves() {
    let mut story = Story::new();
    let p = story.p;
    let (one, other) = (consumer("one", 1), consumer("other", 2));
    story.owns(&one, &[p]);
    story.heard(&one);
    story.keeps(&one, &[]);
    story.owns(&other, &[p]);
    story.heard(&other);
    story.heard(&one);
    story.passes();
}

#[test]
fn two_members_that_are_confirmed_do_not_own_the_same() {
    for (one, other) in [
        (classic("one", 3), classic("other", 3)),
        (consumer("one", 1), consumer("other", 2)),
    ] {
        let mut story = Story::new();
        let p = story.p;
        // Both had asked before either heard.
        let asked_us = story.asked_us();
        story.owns_as_asked(&one, &[p], asked_us);
        story.owns_as_asked(&other, &[p], asked_us);
        story.heard(&one);
        story.passes();
        story.commits(&other, 5);
        story.breaks(&["two-owners"]);
        assert_eq!(story.violations()[0].promise, Promise::StatelessAgents);
    }
}

#[test]
fn a_member_whose_partition_was_given_away_is_not_confirmed_any_more() {
    let mut story = Story::new();
    let p = story.p;
    let (one, other) = (consumer("one", 1), consumer("other", 2));
    story.owns(&one, &[p]);
    story.owns(&other, &[p]);
    // It does not know yet: nobody has told it.
    story.passes();
    // That the other one gives it up again makes it no better.
    story.keeps(&other, &[]);
    story.heard(&one);
    story.breaks(&["two-owners"]);
}

#[test]
fn what_was_asked_before_somebody_else_heard_proves_nothing() {
    let mut story = Story::new();
    let p = story.p;
    let (one, other) = (consumer("one", 1), consumer("other", 2));
    story.owns(&one, &[p]);
    let asked_us = story.asked_us();
    story.owns(&other, &[p]);
    story.in_group(InGroup::Heard {
        member: one,
        asked_us,
        by: None,
    });
    story.passes();
}

#[test]
fn nobody_is_confirmed_in_a_generation_that_is_over() {
    let mut story = Story::new();
    let (one, other) = (classic("one", 3), classic("other", 4));
    story.owns(&one, &[]);
    story.owns(&other, &[]);
    story.heard(&other);
    story.passes();
    story.heard(&one);
    story.breaks(&["old-generation"]);
    assert_eq!(story.violations()[0].promise, Promise::HonestErrors);
}

#[test]
fn a_group_that_begins_anew_counts_anew() {
    let mut story = Story::new();
    let asked_us = story.asked_us();
    let (late, one) = (classic("late", 9), classic("one", 1));
    story.owns(&one, &[]);
    // What was asked before is of the time before.
    story.owns_as_asked(&late, &[], asked_us);
    story.heard(&one);
    story.passes();
}

#[test]
fn what_was_acknowledged_is_told() {
    let mut story = Story::new();
    let one = classic("one", 1);
    story.told(-1);
    story.commits(&one, 5);
    story.told(5);
    story.commits(&one, 9);
    story.told(9);
    story.passes();
    story.told(5);
    story.breaks(&["committed-back"]);
}

#[test]
fn what_was_acknowledged_is_not_lost() {
    let mut story = Story::new();
    story.commits(&classic("one", 1), 5);
    story.told(-1);
    story.breaks(&["committed-lost"]);
    assert_eq!(story.violations()[0].promise, Promise::DurableAck);
}

#[test]
fn what_nobody_committed_is_not_told() {
    let mut story = Story::new();
    story.commits(&classic("one", 1), 5);
    story.told(6);
    story.breaks(&["committed-unknown"]);
    let mut story = Story::new();
    let one = classic("one", 1);
    let asked_us = story.committing(&one, 6);
    story.committed(&one, asked_us, Some(22));
    story.told(6);
    story.breaks(&["committed-unknown"]);
}

#[test]
fn a_commit_without_an_answer_may_come_late_but_not_behind_the_next_generation() {
    for error in [None, Some(15), Some(16)] {
        let mut story = Story::new();
        let one = classic("one", 1);
        let asked_us = story.committing(&one, 5);
        story.committed(&one, asked_us, error);
        story.commits(&one, 9);
        story.told(9);
        // It was on its way all the time.
        story.told(5);
        story.passes();
        let two = classic("one", 2);
        story.owns(&two, &[]);
        story.commits(&two, 12);
        story.told(5);
        story.breaks(&["committed-back"]);
    }
}

#[test]
fn what_was_read_once_is_not_unread() {
    let mut story = Story::new();
    let (one, two) = (consumer("one", 1), consumer("two", 2));
    let p = story.p;
    story.owns(&one, &[p]);
    let first_us = story.committing(&one, 5);
    story.committed(&one, first_us, None);
    story.keeps(&one, &[]);
    story.owns(&two, &[p]);
    let second_us = story.committing(&two, 9);
    story.committed(&two, second_us, None);
    // Neither has an answer: either may be there.
    story.told(5);
    story.told(9);
    story.passes();
    story.told(5);
    story.breaks(&["committed-back"]);
}
