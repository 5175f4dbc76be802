//! Topics that are deleted and created again.

use super::{Sent, Story};
use crate::What;
use crate::event::{Partition, Query};

fn by_name(story: &mut Story, at: usize) {
    match &mut story.history.events[at].what {
        What::Fetched { by_name, .. } => *by_name = true,
        other => panic!("{other:?}"),
    }
}

/// `orders` deleted, and created again.
fn twice(story: &mut Story) -> Partition {
    story.deleted(story.p.topic);
    story.topic("orders")
}

#[test]
fn what_was_sent_by_name_may_be_in_the_next_topic_of_that_name() {
    let mut story = Story::new();
    let batch = story.batch(2, None);
    let one = story.send(Sent {
        by_name: true,
        ..batch
    });
    let next = twice(&mut story);
    story.acked(one, 5);
    story.fetched(next, 0, 2, &[(0, one)]);
    story.passes();
    // By id it may not.
    let two = story.plain(1);
    story.fetched(next, 2, 3, &[(2, two)]);
    story.breaks(&["elsewhere"]);
}

#[test]
fn what_was_sent_elsewhere_is_told() {
    let mut story = Story::new();
    let other = story.topic("returns");
    let one = story.plain(1);
    story.fetched(other, 0, 1, &[(0, one)]);
    assert_eq!(story.broken(), ["elsewhere", "too-far"]);
    // By name too, whatever log it was.
    let mut story = Story::new();
    let first = story.topic("returns");
    story.topic("returns");
    let one = story.plain(1);
    let at = story.fetched(first, 0, 1, &[(0, one)]);
    by_name(&mut story, at);
    story.breaks(&["elsewhere"]);
}

#[test]
fn a_read_by_name_may_show_the_former_topic() {
    let mut story = Story::new();
    let one = story.plain(1);
    story.acked(one, 0);
    let next = twice(&mut story);
    let batch = story.batch(1, None);
    let two = story.send(Sent {
        partition: next,
        by_name: true,
        ..batch
    });
    story.acked(two, 0);
    // The client believes that it reads the new one; the agent still knows the old one. The producer sent
    // this one by id.
    let at = story.fetched(next, 0, 1, &[(0, one)]);
    by_name(&mut story, at);
    story.fetched(next, 0, 1, &[(0, two)]);
    story.passes();
}

#[test]
fn offsets_of_a_topic_that_may_be_gone_tell_nothing() {
    let mut story = Story::new();
    let batch = story.batch(3, None);
    let one = story.send(Sent {
        by_name: true,
        ..batch
    });
    story.acked(one, 0);
    story.listed(Query::Latest, 3);
    story.deleted(story.p.topic);
    story.listed(Query::Latest, 0);
    story.passes();
}

#[test]
fn an_ack_for_a_deleted_topic_is_still_true_by_id() {
    let mut story = Story::new();
    let one = story.plain(1);
    story.deleted(story.p.topic);
    story.acked(one, 0);
    story.terms.read_through = true;
    story.passes();
    let two = story.plain(1);
    story.fetched(story.p, 0, 1, &[(0, two)]);
    story.breaks(&["acknowledged"]);
}

#[test]
fn a_batch_sent_to_both_topics_of_a_name_is_not_missed_in_either() {
    let mut story = Story::new();
    let one = story.idempotent(2, 0);
    story.unanswered(one);
    let next = twice(&mut story);
    let again = story.send(Sent {
        partition: next,
        ..one
    });
    story.acked(again, 0);
    story.fetched(story.p, 0, 2, &[(0, one)]);
    story.fetched(next, 0, 2, &[(0, one)]);
    story.passes();
}

#[test]
fn unknown_means_deleted() {
    let mut story = Story::new();
    let one = story.plain(1);
    story.refused(one, 100);
    story.breaks(&["unknown-topic"]);
    let mut story = Story::new();
    let one = story.plain(1);
    story.deleted(story.p.topic);
    story.refused(one, 100);
    story.passes();
    // By name, an agent may know the former topic a moment longer.
    let mut story = Story::new();
    let next = twice(&mut story);
    let batch = story.batch(1, None);
    let one = story.send(Sent {
        partition: next,
        by_name: true,
        ..batch
    });
    story.refused(one, 3);
    story.passes();
}
