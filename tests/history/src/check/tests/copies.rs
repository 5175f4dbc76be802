//! How often a batch may stand in a log.

use super::{Sent, Story, identity};

#[test]
fn an_idempotent_batch_is_acknowledged_at_one_offset() {
    let mut story = Story::new();
    let one = story.idempotent(2, 0);
    story.unanswered(one);
    story.send(one);
    story.acked(one, 0);
    story.acked(one, 0);
    story.passes();
    story.acked(one, 2);
    story.breaks(&["acked-again", "too-far"]);
    // A plain one may be, as often as it was sent.
    let mut story = Story::new();
    let one = story.plain(2);
    story.send(one);
    story.acked(one, 0);
    story.acked(one, 2);
    story.passes();
}

#[test]
fn a_batch_that_was_given_up_may_show_later_and_once() {
    let mut story = Story::new();
    let (one, two) = (story.idempotent(2, 0), story.plain(1));
    story.unanswered(one);
    story.given_up(one);
    story.acked(two, 0);
    story.reads(&[(0, two)]);
    story.reads(&[(0, two), (1, one)]);
    story.passes();
    // Its producer sent it twice: once is all it may stand there.
    story.send(one);
    story.fetched(story.p, 3, 5, &[(3, one)]);
    story.breaks(&["duplicate", "too-far"]);
}

#[test]
fn a_lost_reply_does_not_double_an_idempotent_batch() {
    let mut story = Story::new();
    let one = story.idempotent(1, 0);
    story.unanswered(one);
    story.send(one);
    story.refused(one, 19);
    let other = story.plain(1);
    story.reads(&[(0, one), (1, other), (2, one)]);
    story.breaks(&["duplicate", "too-far"]);
}

#[test]
fn a_plain_batch_stands_as_often_as_it_was_sent() {
    let mut story = Story::new();
    let one = story.plain(2);
    story.unanswered(one);
    story.send(one);
    story.acked(one, 2);
    story.reads(&[(0, one), (2, one)]);
    story.passes();
    let other = story.plain(2);
    story.fetched(story.p, 4, 6, &[(4, one)]);
    story.breaks(&["duplicate"]);
    // What repeats by itself is not counted.
    story.terms.requests_shown = false;
    story.given_up(other);
    story.passes();
}

#[test]
fn a_new_epoch_makes_a_new_batch() {
    let mut story = Story::new();
    let (one, two) = (story.idempotent(1, 0), story.idempotent(1, 1));
    story.unanswered(one);
    story.unanswered(two);
    story.given_up(one);
    let again = Sent {
        identity: Some(identity(1, 0)),
        ..two
    };
    story.send(again);
    story.acked(again, 2);
    story.reads(&[(0, one), (1, two), (2, two)]);
    story.passes();
    let other = story.plain(1);
    story.fetched(story.p, 3, 4, &[(3, two)]);
    story.breaks(&["duplicate"]);
    story.given_up(other);
}

#[test]
fn a_library_that_hides_its_sequences_may_take_a_new_epoch_after_giving_up() {
    let mut story = Story::new();
    story.terms.requests_shown = false;
    let (one, two) = (story.idempotent(1, -1), story.idempotent(1, -1));
    story.acked(one, 0);
    story.reads(&[(0, one), (1, two), (2, two)]);
    story.breaks(&["duplicate"]);
    story.given_up(one);
    story.passes();
}
