//! What goes by age and size, and what has to.

use super::super::Story;
use super::SECOND_US;
use crate::What;
use crate::event::Query;

#[test]
fn by_age_only_old_records_go() {
    // Told 4 seconds after they were made, a second old.
    let told = |ms: Option<i64>, start: i64| {
        let mut story = Story::filled(4);
        story.created(ms, None);
        story.now_us += 4 * SECOND_US;
        story.listed(Query::Earliest, start);
        story
    };
    told(Some(4_900), 12).passes();
    told(Some(5_100), 12).breaks(&["start-too-far"]);
    told(Some(5_100), 0).passes();
    told(None, 3).breaks(&["start-too-far"]);
    told(Some(0), 12).passes();
    // Without a clock or a timestamp nothing is concluded.
    let mut story = told(Some(5_100), 12);
    story.terms.database_ms = None;
    story.passes();
    let mut story = told(Some(5_100), 3);
    story
        .history
        .events
        .retain(|event| !matches!(event.what, What::Made { .. }));
    story.passes();
    // A younger batch behind old ones.
    let mut story = told(Some(4_900), 12);
    story.old(12, 0);
    story.listed(Query::Earliest, 15);
    story.breaks(&["start-too-far"]);
}

#[test]
fn by_size_only_what_has_enough_behind_it_goes() {
    let told = |bytes: u64, start: i64| {
        let mut story = Story::filled(4);
        story.created(None, Some(bytes));
        story.listed(Query::Earliest, start);
        story
    };
    told(200, 6).passes();
    told(201, 6).breaks(&["start-too-far"]);
    told(0, 12).passes();
    told(1, 12).breaks(&["start-too-far"]);
    // What was sent and may stand behind it counts.
    let mut story = Story::filled(4);
    story.created(None, Some(300));
    let sent = story.batch(3, None);
    let what = What::Made {
        batch: sent.batch,
        bytes: 100,
        max_timestamp_ms: 0,
    };
    story.tell(Some(sent.batch.by), what);
    story.send(sent);
    story.listed(Query::Earliest, 6);
    story.passes();
    // What is sent later does not.
    let mut story = Story::filled(4);
    story.created(None, Some(300));
    story.listed(Query::Earliest, 6);
    story.old(12, 0);
    story.breaks(&["start-too-far"]);
    // Either limit is enough.
    let mut story = told(200, 6);
    story.created(Some(1_000_000), Some(200));
    story.passes();
}

#[test]
fn an_alteration_counts_from_when_it_is_asked_for() {
    let mut story = Story::filled(4);
    let asked = story.altering(Some(0), None);
    story.listed(Query::Earliest, 6);
    story.altered(asked, 0);
    story.listed(Query::Earliest, 12);
    story.passes();
    let mut story = Story::filled(4);
    story.listed(Query::Earliest, 6);
    let asked = story.altering(Some(0), None);
    story.altered(asked, 0);
    story.breaks(&["start-too-far"]);
    let refused = |error: i16| {
        let mut story = Story::filled(4);
        let asked = story.altering(Some(0), None);
        story.altered(asked, error);
        story.listed(Query::Earliest, 6);
        story
    };
    refused(7).passes();
    refused(41).breaks(&["start-too-far"]);
    refused(44).breaks(&["error-code", "start-too-far"]);
    // What was altered back may go on for a while.
    let mut story = Story::filled(4);
    for ms in [Some(0), None] {
        let asked = story.altering(ms, None);
        story.altered(asked, 0);
    }
    story.listed(Query::Earliest, 6);
    story.passes();
}

#[test]
fn what_nobody_has_to_keep_is_gone_after_a_while() {
    let story = |ms: Option<i64>, bytes: Option<u64>, start: i64| {
        let mut story = Story::filled(4);
        story.created(ms, bytes);
        story.terms.settled_from_us = Some(3 * SECOND_US);
        story.terms.retention_us = Some(5 * SECOND_US);
        story.now_us = 10 * SECOND_US;
        story.listed(Query::Earliest, start);
        story
    };
    story(Some(0), None, 12).passes();
    story(Some(0), None, 9).breaks(&["kept"]);
    story(None, Some(0), 9).breaks(&["kept"]);
    story(Some(6_000), None, 0).passes();
    // Old for long enough: they were a second old at the first one.
    story(Some(4_900), None, 0).breaks(&["kept"]);
    story(Some(5_100), None, 0).passes();
    story(None, Some(1), 9).passes();
    let mut early = story(Some(0), None, 9);
    early.terms.settled_from_us = Some(6 * SECOND_US);
    early.passes();
    // A young record keeps what lies around it.
    let mut young = story(Some(4_000), None, 0);
    young.breaks(&["kept"]);
    young.old(12, 0);
    young.listed(Query::Earliest, 0);
    young.passes();
}

#[test]
fn what_was_altered_at_last_counts_for_what_goes() {
    let story = |changes: &[(Option<i64>, i16)]| {
        let mut story = Story::filled(4);
        for (ms, error) in changes {
            let asked = story.altering(*ms, None);
            if *error >= 0 {
                story.altered(asked, *error);
            }
        }
        story.terms.settled_from_us = Some(3 * SECOND_US);
        story.terms.retention_us = Some(5 * SECOND_US);
        story.now_us = 10 * SECOND_US;
        story.listed(Query::Earliest, 0);
        story
    };
    story(&[(Some(0), 0)]).breaks(&["kept"]);
    story(&[(Some(0), 0), (None, 0)]).passes();
    story(&[(None, 0), (Some(0), 0)]).breaks(&["kept"]);
    // Perhaps it was not done; perhaps one before it comes late.
    story(&[(Some(0), -1)]).passes();
    story(&[(Some(0), 7)]).passes();
    story(&[(None, 7), (Some(0), 0)]).passes();
    story(&[(None, 41), (Some(0), 0)]).breaks(&["kept"]);
    story(&[(Some(0), 0), (None, -1)]).passes();
}
