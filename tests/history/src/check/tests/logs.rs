//! Rules about what stands in a log: acknowledged, in one piece, order, bytes, topics.

use super::{Sent, Story, identity, seen};
use crate::What;
use crate::event::{Client, Records};

#[test]
fn an_acknowledged_batch_that_stands_where_it_was_said_passes() {
    let mut story = Story::new();
    let (one, two) = (story.plain(3), story.plain(2));
    story.acked(one, 0);
    story.reads(&[(0, one), (3, two)]);
    story.acked(two, 3);
    story.passes();
}

#[test]
fn another_record_at_an_acknowledged_offset_is_told() {
    let mut story = Story::new();
    let (one, two) = (story.plain(3), story.plain(2));
    story.acked(one, 0);
    story.acked(two, 3);
    // The second stands one too high, behind a third.
    let three = story.plain(1);
    story.reads(&[(0, one), (3, three), (4, two)]);
    story.breaks(&["acknowledged"]);
    // A read before the ack counts as well.
    let mut story = Story::new();
    let (one, two) = (story.plain(2), story.plain(2));
    story.reads(&[(0, one), (2, two)]);
    story.acked(two, 0);
    story.breaks(&["acknowledged"]);
}

#[test]
fn an_ack_without_an_offset_is_told() {
    let mut story = Story::new();
    let one = story.plain(1);
    story.acked(one, -1);
    story.breaks(&["acknowledged"]);
}

#[test]
fn one_offset_for_two_batches_is_told() {
    let mut story = Story::new();
    let (one, two) = (story.plain(3), story.plain(3));
    story.acked(one, 0);
    story.acked(two, 2);
    story.breaks(&["acked-twice"]);
}

#[test]
fn a_torn_batch_is_told() {
    let mut story = Story::new();
    let (one, two) = (story.plain(4), story.plain(1));
    let half = |first, count| Sent {
        records: Records {
            first,
            count,
            ..one.records
        },
        ..one
    };
    story.reads(&[(0, half(0, 2)), (2, two)]);
    story.breaks(&["torn"]);
    let mut story = Story::new();
    let one = story.plain(4);
    // The log cannot begin in the middle of a batch.
    let rest = Sent {
        records: Records {
            first: 2,
            count: 2,
            ..one.records
        },
        ..one
    };
    story.reads(&[(0, rest)]);
    story.breaks(&["torn"]);
}

#[test]
fn a_reader_that_begins_in_the_middle_of_a_batch_sees_its_rest() {
    let mut story = Story::new();
    let (one, two) = (story.plain(4), story.plain(1));
    let rest = Sent {
        records: Records {
            first: 3,
            count: 1,
            ..one.records
        },
        ..one
    };
    story.reads(&[(3, rest), (4, two)]);
    story.reads(&[(0, one), (4, two)]);
    story.passes();
}

#[test]
fn batches_of_one_epoch_stand_in_their_order() {
    let mut story = Story::new();
    let (one, two) = (story.idempotent(2, 0), story.idempotent(1, 2));
    story.reads(&[(0, two), (1, one)]);
    story.breaks(&["order"]);
    // Without an identity, order is the client's business.
    let mut story = Story::new();
    let (one, two) = (story.plain(2), story.plain(1));
    story.reads(&[(0, two), (1, one)]);
    story.passes();
}

#[test]
fn an_older_epoch_does_not_come_after_a_newer() {
    let mut story = Story::new();
    let one = story.idempotent(1, 0);
    story.given_up(one);
    let two = story.batch(1, Some(identity(1, 0)));
    story.send(two);
    story.reads(&[(0, one), (1, two)]);
    story.passes();
    let mut story = Story::new();
    let one = story.idempotent(1, 0);
    story.given_up(one);
    let two = story.batch(1, Some(identity(1, 0)));
    story.send(two);
    story.reads(&[(0, two), (1, one)]);
    story.breaks(&["old-epoch"]);
}

#[test]
fn plain_batches_stand_in_the_order_in_which_one_agent_got_them() {
    let mut story = Story::new();
    let (one, two) = (story.plain(1), story.plain(2));
    story.acked(one, 0);
    story.acked(two, 1);
    story.passes();
    let mut story = Story::new();
    let (one, two) = (story.plain(1), story.plain(2));
    story.acked(two, 0);
    story.acked(one, 2);
    story.breaks(&["plain-order"]);
    // Sent again, it may stand anywhere.
    let mut story = Story::new();
    let (one, two) = (story.plain(1), story.plain(2));
    story.unanswered(one);
    story.send(one);
    story.acked(two, 0);
    story.acked(one, 2);
    story.passes();
}

#[test]
fn a_hole_in_the_sequences_is_told_where_everything_was_seen() {
    let mut story = Story::new();
    let (one, two) = (story.idempotent(2, 0), story.idempotent(1, 2));
    story.given_up(one);
    // What lies before is not known.
    let other = story.plain(2);
    story.fetched(story.p, 2, 3, &[(2, two)]);
    story.passes();
    story.fetched(story.p, 0, 3, &[(0, other)]);
    story.breaks(&["hole"]);
}

#[test]
fn a_hole_is_right_where_the_producers_were_forgotten() {
    let mut story = Story::new();
    story.tell(None, What::ProducersForgotten);
    let (one, two) = (story.idempotent(2, 0), story.idempotent(1, 2));
    story.given_up(one);
    story.reads(&[(0, two)]);
    story.passes();
    // Everything that was under way had its fate long before.
    let mut story = Story::new();
    let (one, two) = (story.idempotent(2, 0), story.idempotent(1, 2));
    story.given_up(one);
    story.reads(&[(0, two)]);
    story.tell(None, What::ProducersForgotten);
    let forgotten = story.history.events.last_mut().expect("just told");
    forgotten.at_us += 120_000_000;
    story.breaks(&["hole"]);
}

#[test]
fn sequences_go_on_at_zero_after_the_largest() {
    let mut story = Story::new();
    // What lies before was not seen.
    story.plain(2);
    let one = story.idempotent(2, i32::MAX - 1);
    let two = story.idempotent(1, 0);
    let three = story.idempotent(1, 1);
    story.fetched(story.p, 2, 6, &[(2, one), (4, two), (5, three)]);
    story.passes();
}

#[test]
fn different_records_at_one_offset_are_told() {
    let mut story = Story::new();
    let (one, two) = (story.plain(2), story.plain(2));
    story.reads(&[(0, one)]);
    story.reads(&[(0, one), (2, two)]);
    story.passes();
    story.reads(&[(0, two)]);
    assert!(story.broken().contains(&"same-offset"));
}

#[test]
fn other_bytes_of_the_same_batch_are_told() {
    let hashed = |hash| {
        let mut story = Story::new();
        let one = story.plain(2);
        for hash in [Some(5), None, Some(hash)] {
            let at = story.reads(&[(0, one)]);
            if let What::Fetched { seen, .. } = &mut story.history.events[at].what {
                seen[0].batch_hash = hash;
            }
        }
        story
    };
    hashed(5).passes();
    hashed(6).breaks(&["batch-bytes"]);
}

#[test]
fn damage_that_a_reader_found_is_told() {
    let mut story = Story::new();
    let what = What::Damaged {
        partition: story.p,
        offset: 3,
        why: "a value is too short".to_owned(),
    };
    story.tell(Some(story.reader), what);
    story.breaks(&["damaged"]);
}

#[test]
fn records_that_were_not_sent_are_told() {
    let mut story = Story::new();
    let one = story.batch(1, None);
    story.reads(&[(0, one)]);
    story.send(one);
    story.breaks(&["never-sent", "too-far"]);
    // A number between two that were sent.
    let mut story = Story::new();
    let (one, never) = (story.plain(1), story.batch(1, None));
    let two = story.plain(1);
    story.send(two);
    story.reads(&[(0, one), (1, never)]);
    story.breaks(&["never-sent"]);
    // Somebody else's.
    let mut story = Story::new();
    let one = story.plain(1);
    let strange = Sent {
        records: Records {
            by: Client(1),
            ..one.records
        },
        ..one
    };
    story.reads(&[(0, strange)]);
    story.breaks(&["never-sent"]);
}

#[test]
fn seen_runs_of_many_batches_are_put_together() {
    let mut story = Story::new();
    let batches: Vec<_> = (0..10).map(|_| story.plain(2)).collect();
    for (sent, base) in batches.iter().zip((0..).step_by(2)) {
        story.acked(*sent, base);
    }
    let run = |first, count| Records {
        by: Client(0),
        first,
        count,
    };
    let at = story.reads(&[(0, batches[0])]);
    if let What::Fetched {
        seen: runs,
        high_watermark,
        ..
    } = &mut story.history.events[at].what
    {
        *runs = vec![seen(0, run(0, 15)), seen(15, run(15, 5))];
        *high_watermark = 20;
    }
    story.passes();
    let at = story.reads(&[(0, batches[0])]);
    if let What::Fetched {
        seen: runs,
        high_watermark,
        ..
    } = &mut story.history.events[at].what
    {
        *runs = vec![seen(0, run(0, 9)), seen(9, run(10, 1))];
        *high_watermark = 20;
    }
    story.breaks(&["same-offset"]);
}
