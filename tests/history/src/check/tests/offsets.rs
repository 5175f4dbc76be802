//! Rules about answers and their times: offsets, ends, high watermarks, read-throughs.

use super::{STEP_US, Story};
use crate::What;
use crate::event::{Life, Query};

#[test]
fn an_answer_begins_where_it_was_asked_and_leaves_nothing_out() {
    let mut story = Story::new();
    let (one, two, three) = (story.plain(2), story.plain(2), story.plain(1));
    story.fetched(story.p, 0, 5, &[(0, one), (2, two), (4, three)]);
    story.fetched(story.p, 5, 5, &[]);
    // Nothing is always an answer.
    story.fetched(story.p, 0, 5, &[]);
    story.passes();
    story.fetched(story.p, 0, 5, &[(0, one), (4, three)]);
    story.breaks(&["answer-gap"]);
    let mut story = Story::new();
    let (_, two) = (story.plain(2), story.plain(2));
    story.fetched(story.p, 0, 4, &[(2, two)]);
    story.breaks(&["skipped"]);
}

#[test]
fn nothing_lies_beyond_the_high_watermark() {
    let mut story = Story::new();
    let (one, two) = (story.plain(2), story.plain(2));
    story.fetched(story.p, 0, 3, &[(0, one), (2, two)]);
    story.breaks(&["beyond-high-watermark"]);
    let mut story = Story::new();
    story.fetched(story.p, 2, 0, &[]);
    story.breaks(&["beyond-high-watermark"]);
    // A library that does not show it.
    let mut story = Story::new();
    let one = story.plain(2);
    story.fetched(story.p, 0, -1, &[(0, one)]);
    story.terms.requests_shown = false;
    story.passes();
    story.terms.requests_shown = true;
    story.breaks(&["beyond-high-watermark"]);
}

#[test]
fn a_read_through_leaves_nothing_out() {
    let mut story = Story::new();
    story.terms.read_through = true;
    let (one, two) = (story.plain(2), story.plain(2));
    story.acked(one, 0);
    let nobody = |story: &Story| {
        let (began, a) = (story.now_us, story.a);
        (began, a)
    };
    story.breaks(&["unread"]);
    story.now_us += STEP_US;
    let (began, a) = nobody(&story);
    story.fetched(story.p, 0, 4, &[(0, one)]);
    story.fetched(story.p, 2, 4, &[(2, two)]);
    story.read_through(began, a, 4);
    story.passes();
    // Through another agent that showed nothing.
    story.read_through(began, story.b, 4);
    story.breaks(&["read-through-gap"]);
    let mut story = Story::new();
    let one = story.plain(2);
    story.fetched(story.p, 0, 2, &[(0, one)]);
    let began = story.now_us + 1;
    story.read_through(began, story.a, 2);
    // What was read before it began does not count.
    story.breaks(&["read-through-gap"]);
}

#[test]
fn what_was_acknowledged_lies_below_the_end() {
    let mut story = Story::new();
    let (one, two) = (story.plain(2), story.plain(2));
    story.acked(one, 0);
    story.acked(two, 2);
    story.listed(Query::Latest, 4);
    story.passes();
    story.now_us += STEP_US;
    let began = story.now_us;
    story.fetched(story.p, 0, 4, &[(0, one)]);
    story.read_through(began, story.a, 2);
    story.breaks(&["lost"]);
}

#[test]
fn listed_offsets_lie_between_question_and_answer() {
    let mut story = Story::new();
    let one = story.plain(5);
    let asked_us = story.now_us;
    story.acked(one, 0);
    let at = story.listed(Query::Latest, 0);
    // Asked before the ack came: both 0 and 5 are right.
    if let What::Listed { asked_us: asked, .. } = &mut story.history.events[at].what {
        *asked = asked_us;
    }
    story.passes();
    story.listed(Query::Latest, 4);
    story.breaks(&["lost"]);
    let mut story = Story::new();
    let one = story.plain(5);
    story.reads(&[(0, one)]);
    story.listed(Query::Latest, 3);
    story.breaks(&["end-back"]);
    let mut story = Story::new();
    story.plain(5);
    story.listed(Query::Latest, 5);
    story.passes();
    story.listed(Query::Latest, 6);
    story.breaks(&["too-far"]);
}

#[test]
fn the_same_microsecond_orders_nothing() {
    let mut story = Story::new();
    let one = story.plain(5);
    story.acked(one, 0);
    let acked_us = story.now_us;
    let at = story.listed(Query::Latest, 0);
    if let What::Listed { asked_us, .. } = &mut story.history.events[at].what {
        *asked_us = acked_us;
    }
    story.passes();
}

#[test]
fn only_what_can_be_appended_counts_for_the_end() {
    let mut story = Story::new();
    let one = story.idempotent(5, 0);
    story.unanswered(one);
    story.send(one);
    story.listed(Query::Latest, 6);
    story.breaks(&["too-far"]);
    let mut story = Story::new();
    let one = story.plain(5);
    story.unanswered(one);
    story.send(one);
    story.listed(Query::Latest, 10);
    story.passes();
}

#[test]
fn a_log_start_rises_only_where_records_are_deleted() {
    let mut story = Story::new();
    story.plain(9);
    story.listed(Query::Earliest, 0);
    story.passes();
    story.listed(Query::Earliest, 4);
    story.breaks(&["start-too-far"]);
    story.terms.records_deleted = true;
    story.passes();
    story.listed(Query::Earliest, 3);
    story.breaks(&["start-back"]);
    let mut story = Story::new();
    story.terms.records_deleted = true;
    story.plain(9);
    story.listed(Query::Earliest, 4);
    story.listed(Query::Latest, 3);
    story.breaks(&["end-back"]);
}

#[test]
fn offsets_by_time_lie_within_the_log() {
    let mut story = Story::new();
    story.plain(2);
    story.listed(Query::Time(5), -1);
    story.listed(Query::Time(5), 1);
    story.passes();
    story.listed(Query::Time(5), 2);
    story.breaks(&["too-far"]);
}

/// A read of nothing at offset 0, asked and answered then.
fn high_watermark(story: &mut Story, life: Life, asked_us: u64, high_watermark: i64) {
    let at = story.fetched(story.p, 0, high_watermark, &[]);
    if let What::Fetched {
        by, asked_us: asked, ..
    } = &mut story.history.events[at].what
    {
        (*by, *asked) = (Some(life), asked_us);
    }
}

#[test]
fn the_high_watermark_of_one_life_never_goes_back() {
    let mut story = Story::new();
    story.plain(9);
    let (a, b) = (story.a, story.b);
    let asked_us = story.asked_us();
    high_watermark(&mut story, a, asked_us, 9);
    // Another agent lags behind.
    let asked_us = story.asked_us();
    high_watermark(&mut story, b, asked_us, 4);
    story.passes();
    let asked_us = story.asked_us();
    high_watermark(&mut story, a, asked_us, 8);
    story.breaks(&["hw-back"]);
}

#[test]
fn overlapping_reads_may_be_answered_in_either_order() {
    let mut story = Story::new();
    story.plain(9);
    let a = story.a;
    let asked_us = story.asked_us();
    high_watermark(&mut story, a, asked_us, 9);
    // Asked before that answer came.
    high_watermark(&mut story, a, asked_us, 4);
    story.passes();
    let asked_us = story.asked_us();
    high_watermark(&mut story, a, asked_us, 4);
    story.breaks(&["hw-back"]);
}

#[test]
fn read_throughs_agree_when_nobody_writes() {
    let agree = |ends: [i64; 2], settled| {
        let mut story = Story::new();
        let (one, two) = (story.plain(2), story.plain(2));
        story.terms.settled_from_us = settled;
        for (life, end) in [story.a, story.b].into_iter().zip(ends) {
            let began = story.asked_us();
            let batches = [(0, one), (2, two)];
            let at = story.fetched(story.p, 0, end, &batches[..end as usize / 2]);
            if let What::Fetched { by, .. } = &mut story.history.events[at].what {
                *by = Some(life);
            }
            story.read_through(began, life, end);
        }
        story
    };
    agree([4, 4], Some(0)).passes();
    agree([2, 4], None).passes();
    agree([2, 4], Some(0)).breaks(&["disagree"]);
    agree([4, 2], None).breaks(&["end-back"]);
}
