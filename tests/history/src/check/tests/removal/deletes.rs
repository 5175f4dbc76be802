//! DeleteRecords: how far log starts may move, and its answers.

use super::super::Story;
use crate::event::{Partition, Query};

#[test]
fn a_log_starts_where_delete_records_was_asked_for() {
    let mut story = Story::filled(4);
    let asked = story.deleting(4);
    story.deleted_below(asked, 0, 4);
    story.listed(Query::Earliest, 4);
    story.passes();
    story.listed(Query::Earliest, 5);
    story.breaks(&["start-too-far"]);
    // Before it was asked for it was not there.
    let mut story = Story::filled(4);
    story.listed(Query::Earliest, 4);
    let asked = story.deleting(4);
    story.deleted_below(asked, 0, 4);
    story.breaks(&["start-too-far"]);
}

#[test]
fn a_request_without_an_answer_may_take_effect() {
    let mut story = Story::filled(4);
    story.deleting(4);
    story.listed(Query::Earliest, 4);
    story.passes();
    story.listed(Query::Earliest, 6);
    story.breaks(&["start-too-far"]);
    // Nor does one count whose answer says that nothing was done.
    let refused = |error: i16| {
        let mut story = Story::filled(4);
        let asked = story.deleting(99);
        story.deleted_below(asked, error, -1);
        story.listed(Query::Earliest, 4);
        story
    };
    refused(56).passes();
    refused(7).passes();
    refused(1).breaks(&["start-too-far"]);
}

#[test]
fn the_high_watermark_may_be_asked_for() {
    let mut story = Story::filled(4);
    let asked = story.deleting(-1);
    story.deleted_below(asked, 0, 12);
    story.listed(Query::Earliest, 12);
    story.passes();
    let mut story = Story::filled(4);
    story.deleting(-1);
    story.listed(Query::Earliest, 12);
    story.passes();
    // An answer says how far it went.
    let mut story = Story::filled(4);
    let asked = story.deleting(-1);
    let one = story.old(12, 0);
    story.deleted_below(asked, 0, 12);
    story.listed(Query::Earliest, 12 + i64::from(one.records.count));
    story.breaks(&["start-too-far"]);
}

#[test]
fn what_was_deleted_is_gone() {
    let answered = |offset: i64, low_watermark: i64| {
        let mut story = Story::filled(4);
        let first = story.deleting(5);
        story.deleted_below(first, 0, 5);
        let asked = story.deleting(offset);
        story.deleted_below(asked, 0, low_watermark);
        story
    };
    answered(7, 7).passes();
    answered(7, 6).breaks(&["not-deleted"]);
    // Below the log start nothing is to be done.
    answered(2, 5).passes();
    answered(2, 4).breaks(&["start-back"]);
    answered(-1, 12).passes();
    answered(-1, 11).breaks(&["not-deleted"]);
    answered(7, 8).breaks(&["start-too-far"]);
    // An answer that came before tells of no more than was there.
    let mut story = Story::filled(2);
    let asked = story.deleting(-1);
    story.old(6, 0);
    story.deleted_below(asked, 0, 6);
    story.passes();
}

#[test]
fn delete_records_may_be_refused_for_some_reasons() {
    let refused = |offset: i64, error: i16, low_watermark: i64| {
        let mut story = Story::filled(4);
        let asked = story.deleting(offset);
        story.deleted_below(asked, error, low_watermark);
        story
    };
    for error in [6, 7, 56] {
        refused(3, error, -1).passes();
    }
    for error in [-1, 19, 41, 44] {
        refused(3, error, -1).breaks(&["error-code"]);
    }
    refused(13, 1, -1).passes();
    refused(-2, 1, -1).passes();
    refused(12, 1, -1).breaks(&["out-of-range"]);
    refused(-1, 1, -1).breaks(&["out-of-range"]);
    refused(3, 3, -1).breaks(&["unknown-topic"]);
    refused(3, 56, 3).breaks(&["error-with-offset"]);
    refused(3, 0, -1).breaks(&["no-offset"]);
}

#[test]
fn another_partition_is_another_log() {
    let mut story = Story::filled(4);
    let asked = story.deleting(6);
    story.deleted_below(asked, 0, 6);
    let other = Partition { index: 1, ..story.p };
    story.p = other;
    story.listed(Query::Earliest, 0);
    story.passes();
    story.listed(Query::Earliest, 1);
    assert!(story.broken().contains(&"start-too-far"));
}
