//! Rules about errors, progress, memory, requests, the cluster epoch, and histories that are wrong.

use super::{STEP_US, Sent, Story, identity};
use crate::What;
use crate::event::{Batch, Life, Memory, Query};

/// A read that got an error.
pub(super) fn failed_read(story: &mut Story, from: i64, error: i16) -> usize {
    let what = What::Fetched {
        partition: story.p,
        by_name: false,
        from,
        asked_us: story.asked_us(),
        by: Some(story.a),
        error,
        high_watermark: -1,
        log_start: -1,
        seen: Vec::new(),
    };
    story.tell(Some(story.reader), what)
}

#[test]
fn errors_that_a_producer_can_get() {
    let mut story = Story::new();
    let one = story.idempotent(1, 0);
    for error in [6, 7, 19] {
        story.refused(one, error);
    }
    story.passes();
    for error in [-1, 2, 10, 45, 46, 47, 59, 87] {
        let mut story = Story::new();
        let one = story.idempotent(1, 0);
        story.refused(one, error);
        story.breaks(&["error-code"]);
    }
}

#[test]
fn forty_six_is_right_for_what_later_batches_may_have_pushed_out_of_memory() {
    let refused = |later: i32, error: i16| {
        let mut story = Story::new();
        let one = story.idempotent(1, 0);
        for sequence in 1..=later {
            story.idempotent(1, sequence);
        }
        story.refused(one, error);
        story
    };
    refused(4, 46).breaks(&["error-code"]);
    refused(5, 46).passes();
    refused(5, 45).breaks(&["error-code"]);
}

#[test]
fn what_was_answered_with_forty_six_stands_in_the_log() {
    let read = |first_is_there: bool, read_before: bool| {
        let mut story = Story::new();
        let batches: Vec<_> = (0..7).map(|sequence| story.idempotent(1, sequence)).collect();
        let shown = if first_is_there {
            &batches[..]
        } else {
            &batches[1..]
        };
        let shown: Vec<_> = (0..).zip(shown.iter().copied()).collect();
        let before_us = story.asked_us();
        if !read_before {
            story.refused(batches[0], 46);
        }
        let began_us = if read_before { before_us } else { story.asked_us() };
        story.reads(&shown);
        story.read_through(began_us, story.a, shown.len() as i64);
        if read_before {
            story.refused(batches[0], 46);
        }
        story
    };
    read(true, false).passes();
    read(false, false).breaks(&["hole", "written-nowhere"]);
    // It may have been appended behind what was read.
    read(false, true).breaks(&["hole"]);
}

#[test]
fn forty_five_is_right_where_the_producers_were_forgotten_and_a_later_batch_came_first() {
    let mut story = Story::new();
    story.tell(None, What::ProducersForgotten);
    let one = story.idempotent(1, 0);
    story.refused(one, 45);
    story.breaks(&["error-code"]);
    let mut story = Story::new();
    story.tell(None, What::ProducersForgotten);
    let (one, two) = (story.idempotent(1, 0), story.idempotent(1, 1));
    story.acked(two, 0);
    story.refused(one, 45);
    story.passes();
}

#[test]
fn forty_seven_is_right_after_a_higher_epoch() {
    let mut story = Story::new();
    let one = story.idempotent(1, 0);
    let two = story.batch(1, Some(identity(1, 0)));
    story.send(two);
    story.refused(one, 47);
    story.passes();
    story.refused(two, 47);
    story.breaks(&["error-code"]);
}

#[test]
fn an_error_carries_no_offset() {
    let mut story = Story::new();
    let one = story.plain(1);
    let at = story.refused(one, 19);
    if let What::Refused { base_offset, .. } = &mut story.history.events[at].what {
        *base_offset = 0;
    }
    story.breaks(&["error-with-offset"]);

    let mut story = Story::new();
    let at = failed_read(&mut story, 0, 56);
    story.passes();
    if let What::Fetched { high_watermark, .. } = &mut story.history.events[at].what {
        *high_watermark = 0;
    }
    story.breaks(&["error-with-offset"]);

    let mut story = Story::new();
    let at = story.listed(Query::Latest, -1);
    story.breaks(&["no-offset"]);
    if let What::Listed { error, .. } = &mut story.history.events[at].what {
        *error = 6;
    }
    story.passes();
    if let What::Listed { offset, .. } = &mut story.history.events[at].what {
        *offset = 0;
    }
    story.breaks(&["error-with-offset"]);
}

#[test]
fn errors_that_a_reader_can_get() {
    let mut story = Story::new();
    failed_read(&mut story, 0, 6);
    failed_read(&mut story, 0, 56);
    // Nobody knows yet how far the log goes.
    failed_read(&mut story, 1, 1);
    story.passes();
    for error in [-1, 2, 7, 42, 74] {
        let mut story = Story::new();
        failed_read(&mut story, 0, error);
        story.breaks(&["error-code"]);
    }
    let mut story = Story::new();
    failed_read(&mut story, 0, 2);
    story.terms.objects_damaged = true;
    story.passes();
}

#[test]
fn out_of_range_is_what_lies_outside() {
    let mut story = Story::new();
    let one = story.plain(3);
    story.plain(1);
    story.acked(one, 0);
    failed_read(&mut story, 4, 1);
    failed_read(&mut story, -1, 1);
    story.passes();
    failed_read(&mut story, 3, 1);
    story.breaks(&["out-of-range"]);
    story.terms.records_deleted = true;
    story.passes();
}

#[test]
fn whoever_gives_up_for_good_is_told() {
    let mut story = Story::new();
    let what = What::Fatal {
        error: 45,
        why: "sequences do not fit".to_owned(),
    };
    story.tell(Some(story.producer), what);
    story.breaks(&["fatal"]);
}

#[test]
fn everybody_finishes_after_the_faults() {
    let mut story = Story::new();
    let one = story.plain(1);
    story.acked(one, 0);
    story.tell(None, What::Healed);
    story.breaks(&["unfinished"]);
    let finished = story.tell(Some(story.producer), What::Finished);
    story.passes();
    story.terms.progress_us = Some(STEP_US);
    story.passes();
    story.history.events[finished].at_us += 1;
    story.breaks(&["unfinished"]);

    let mut story = Story::new();
    story.plain(1);
    let why = "a consumer does not get to the end".to_owned();
    story.tell(Some(story.producer), What::Stuck { why });
    story.tell(None, What::Healed);
    story.breaks(&["stuck"]);
}

#[test]
fn memory_has_its_limits_and_is_given_back() {
    let used = |idle, uses: &[(&str, u64)]| {
        let mut story = Story::new();
        let memory = uses
            .iter()
            .map(|(r#use, used)| Memory {
                r#use: (*r#use).to_owned(),
                used: *used,
                max: 100,
            })
            .collect();
        let life = story.a;
        story.tell(None, What::MemoryUsed { life, idle, memory });
        story
    };
    used(
        false,
        &[("control", 100), ("fetch", 1), ("produce", 5), ("cache", 7)],
    )
    .passes();
    used(false, &[("fetch", 101)]).breaks(&["memory-limit"]);
    used(true, &[("control", 0), ("fetch", 0), ("cache", 7)]).passes();
    used(true, &[("fetch", 1)]).breaks(&["memory-leak"]);
    // Frames of recent segments may be there, unless there are none.
    used(true, &[("produce", 9)]).passes();
    used(true, &[("produce", 9), ("recent", 1)]).passes();
    used(true, &[("produce", 9), ("recent", 0)]).breaks(&["memory-leak"]);
}

#[test]
fn an_object_is_read_once() {
    let mut story = Story::new();
    let (life, key) = (story.a, "ingest/1".to_owned());
    story.tell(None, What::ReadAgain { life, key, times: 2 });
    story.breaks(&["read-again"]);
    story.terms.object_reads_max = 2;
    story.passes();
}

#[test]
fn old_agents_fall_silent_once_the_epoch_is_raised() {
    let mut story = Story::new();
    let one = story.plain(1);
    let silence_from_us = story.now_us + 2 * STEP_US;
    story.tell(None, What::EpochRaised { silence_from_us });
    story.acked(one, 0);
    story.passes();
    let two = story.plain(1);
    story.acked(two, 1);
    story.listed(Query::Latest, 2);
    story.breaks(&["ack-after-epoch", "offset-after-epoch"]);
    // A new agent may.
    story
        .history
        .lives
        .iter_mut()
        .for_each(|life| life.began_us = silence_from_us);
    story.passes();
}

#[test]
fn what_was_acknowledged_can_be_restored() {
    let mut story = Story::new();
    let (one, two) = (story.plain(2), story.plain(2));
    story.acked(one, 0);
    let at = story.tell(
        None,
        What::Restorable {
            records: vec![one.records],
        },
    );
    story.passes();
    story.acked(two, 2);
    story.breaks(&["not-restorable"]);
    if let What::Restorable { records } = &mut story.history.events[at].what {
        records.insert(0, two.records);
    }
    story.passes();
}

#[test]
fn what_was_shown_can_be_restored() {
    let mut story = Story::new();
    let (one, two) = (story.plain(2), story.plain(2));
    story.reads(&[(0, one)]);
    let records = vec![one.records];
    let at = story.tell(None, What::Restorable { records });
    story.reads(&[(0, one)]);
    story.passes();
    story.reads(&[(0, one), (2, two)]);
    story.breaks(&["not-restorable"]);
    if let What::Restorable { records } = &mut story.history.events[at].what {
        records.push(two.records);
    }
    story.passes();
}

#[test]
fn a_history_that_is_wrong_is_told() {
    // Out of time.
    let mut story = Story::new();
    story.plain(1);
    story.now_us -= 2 * STEP_US;
    story.plain(1);
    story.breaks(&["history"]);
    // Somebody and something that nobody described.
    let mut story = Story::new();
    let what = What::Finished;
    story.tell(Some(crate::event::Client(9)), what);
    story.breaks(&["history"]);
    let mut story = Story::new();
    story.a = Life(9);
    story.plain(1);
    story.breaks(&["history"]);
    let mut story = Story::new();
    story.p.index = -1;
    story.plain(1);
    story.breaks(&["history"]);
    // An answer to what was not sent.
    let mut story = Story::new();
    let one = story.batch(1, None);
    story.acked(one, 0);
    story.breaks(&["history"]);
    // A batch with other records than before, and records in two batches.
    let mut story = Story::new();
    let one = story.plain(2);
    let mut other = one;
    other.records.count = 1;
    story.send(other);
    story.breaks(&["history"]);
    let mut story = Story::new();
    let one = story.plain(2);
    // A sequence that was used twice explains what else is wrong.
    let mut other = Story::new();
    let two = [other.idempotent(1, 0), other.idempotent(1, 0)];
    other.passes();
    for sent in two {
        other.acked(sent, 0);
    }
    other.breaks(&["acked-twice", "history"]);
    story.send(Sent {
        batch: Batch {
            number: 77,
            ..one.batch
        },
        ..one
    });
    story.breaks(&["history"]);
}

#[test]
fn of_one_rule_only_the_first_violations_are_told() {
    let mut story = Story::new();
    for _ in 0..100 {
        failed_read(&mut story, 0, 42);
    }
    let violations = story.violations();
    assert_eq!(violations.len(), 12);
    assert!(
        violations[11].what.ends_with("(88 more like this)"),
        "{}",
        violations[11].what
    );
}
