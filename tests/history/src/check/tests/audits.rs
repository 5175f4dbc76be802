//! What audits find, and records that were lost on purpose.

use super::Story;
use super::faults::failed_read;
use crate::event::{Flaw, Query};
use crate::{Promise, What};

const CORRUPT: i16 = 2;

#[test]
fn what_an_audit_finds_breaks_a_promise() {
    for (flaw, promise, rule) in [
        (Flaw::Missing, Promise::TwoStores, "missing-object"),
        (Flaw::Uncovered, Promise::ImmutableLog, "uncovered"),
        (Flaw::Miscounted, Promise::TwoStores, "miscounted"),
        (Flaw::Orphan, Promise::Bounded, "orphan"),
        (Flaw::Rows, Promise::SmallMetastore, "rows"),
    ] {
        let mut story = Story::new();
        let what = "it is not as it should be".to_owned();
        story.tell(None, What::Audited { flaw, what });
        let violations = story.violations();
        assert_eq!(violations.len(), 1);
        assert_eq!((violations[0].promise, violations[0].rule), (promise, rule));
    }
}

fn lose(story: &mut Story, first: i64, end: i64) {
    let partition = story.p;
    story.tell(
        None,
        What::Lost {
            partition,
            first,
            end,
        },
    );
}

#[test]
fn what_was_lost_may_be_called_corrupt_from_then_on_and_nothing_else() {
    let mut story = Story::new();
    lose(&mut story, 2, 4);
    failed_read(&mut story, 2, CORRUPT);
    failed_read(&mut story, 3, CORRUPT);
    story.passes();
    for from in [1, 4] {
        let mut story = Story::new();
        lose(&mut story, 2, 4);
        failed_read(&mut story, from, CORRUPT);
        story.breaks(&["error-code"]);
    }
    let mut story = Story::new();
    failed_read(&mut story, 2, CORRUPT);
    lose(&mut story, 2, 4);
    story.breaks(&["error-code"]);
}

#[test]
fn a_search_by_time_may_meet_what_was_lost() {
    let corrupt = |query, loses: bool| {
        let mut story = Story::new();
        if loses {
            lose(&mut story, 2, 4);
        }
        let at = story.listed(query, -1);
        if let What::Listed { error, .. } = &mut story.history.events[at].what {
            *error = CORRUPT;
        }
        story
    };
    corrupt(Query::Time(7), true).passes();
    corrupt(Query::Time(7), false).breaks(&["error-code"]);
    corrupt(Query::Latest, true).breaks(&["error-code"]);
}

#[test]
fn a_read_through_may_leave_out_what_was_lost() {
    let through = |lost: Option<(i64, i64)>| {
        let mut story = Story::new();
        let (one, two, three) = (story.plain(2), story.plain(2), story.plain(1));
        for (sent, offset) in [(one, 0), (two, 2), (three, 4)] {
            story.acked(sent, offset);
        }
        if let Some((first, end)) = lost {
            lose(&mut story, first, end);
        }
        let began_us = story.asked_us();
        story.listed(Query::Latest, 5);
        let (p, a) = (story.p, story.a);
        story.fetched(p, 0, 5, &[(0, one)]);
        story.fetched(p, 4, 5, &[(4, three)]);
        story.read_through(began_us, a, 5);
        story
    };
    through(Some((2, 4))).passes();
    through(None).breaks(&["read-through-gap"]);
    through(Some((2, 3))).breaks(&["read-through-gap"]);
}
