//! Reports, and histories as lines.

use super::{Story, identity};
use crate::{History, What, lines, report};

#[test]
fn a_report_shows_what_explains_the_violation() {
    let mut story = Story::new();
    let one = story.idempotent(2, 0);
    let unrelated = story.plain(1);
    story.acked(unrelated, 2);
    story.unanswered(one);
    let what = "agent-1 is killed".to_owned();
    story.tell(None, What::Fault { what });
    story.send(one);
    story.acked(one, 0);
    for _ in 0..50 {
        story.reads(&[(0, one)]);
    }
    story.reads(&[(0, one), (2, unrelated), (3, one)]);
    let violations = story.violations();
    let duplicate = violations.iter().find(|one| one.rule == "duplicate").unwrap();
    let told = report::tell(duplicate, &story.history);
    assert!(
        told.starts_with("P2 immutable log broken (duplicate): batch 1 of producer [0]"),
        "{told}"
    );
    for part in [
        "1.000  producer [0]: sends batch 1 to agent-1 #1: records 0 to 1 for orders-0, as producer 7/0 from sequence 0",
        "batch 1 gets no answer",
        "—: fault: agent-1 is killed",
        "batch 1 acknowledged at offset 0",
        "reads orders-0 from 0 by agent-1 #1",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert!(told.lines().count() <= 16, "{told}");
    assert!(!told.contains("batch 2 acknowledged"), "{told}");
}

#[test]
fn a_long_report_leaves_out_what_matters_least() {
    let mut story = Story::new();
    let one = story.idempotent(1, 0);
    for _ in 0..200 {
        story.refused(one, 19);
        story.send(one);
    }
    let other = story.batch(1, Some(identity(0, 9)));
    story.send(other);
    story.acked(one, 0);
    story.reads(&[(0, other)]);
    let violations = story.violations();
    assert!(!violations.is_empty());
    for violation in &violations {
        let told = report::tell(violation, &story.history);
        let lines = told.lines().count();
        assert!(lines <= 46, "{lines} lines\n{told}");
        assert!(
            violation.rule != "acknowledged" || told.contains("… 36"),
            "{told}"
        );
    }
}

#[test]
fn lines_give_the_same_history() {
    let mut story = Story::new();
    let one = story.idempotent(2, 0);
    story.acked(one, 0);
    story.reads(&[(0, one)]);
    story.history.lives[0].ended_us = Some(7);
    story.tell(Some(story.producer), What::Finished);
    let mut out = Vec::new();
    lines::write(&story.history, &mut out).unwrap();
    let mut back = History::default();
    lines::read(&mut back, out.as_slice()).unwrap();
    lines::sort(&mut back);
    assert_eq!(back.events, story.history.events);
    assert_eq!(back.topics, story.history.topics);
    assert_eq!(back.lives, story.history.lives);
    assert_eq!(back.clients, story.history.clients);
}

#[test]
fn files_of_several_clients_become_one_history() {
    let mut history = History::default();
    let first = r#"
        {"who": {"number": 1, "what": "reader"}}
        {"topic": {"number": 0, "name": "orders", "id": "00000000-0000-0000-0000-000000000001", "created_from_us": null, "deleted_from_us": null}}
        {"at_us": 30, "client": 1, "what": "Finished"}
        {"at_us": 20, "client": 1, "what": {"Fetched": {"partition": {"topic": 0, "index": 2}, "by_name": true, "from": 0, "asked_us": 3, "by": null, "error": 0, "high_watermark": -1, "log_start": -1, "seen": [{"base_offset": 0, "records": {"by": 0, "first": 5, "count": 2}, "batch_hash": null}]}}}
    "#;
    let second = r#"
        {"who": {"number": 0, "what": "producer"}}
        {"life": {"number": 0, "node": "agent-1", "began_us": 4, "ended_us": null}}
        {"life": {"number": 0, "node": "agent-1", "began_us": 4, "ended_us": 90}}
        {"at_us": 20, "client": 0, "what": {"Sent": {"batch": {"by": 0, "number": 0}, "partition": {"topic": 0, "index": 2}, "by_name": true, "identity": null, "records": {"by": 0, "first": 5, "count": 2}, "to": null}}}
    "#;
    for file in [first, second] {
        lines::read(&mut history, file.as_bytes()).unwrap();
    }
    lines::sort(&mut history);
    assert_eq!(history.clients, ["producer", "reader"]);
    assert_eq!(history.lives[0].ended_us, Some(90));
    // What was sent in the same microsecond was sent before.
    assert!(matches!(history.events[0].what, What::Sent { .. }));
    assert_eq!(history.events.len(), 3);
    let terms = crate::Terms {
        requests_shown: false,
        ..crate::Terms::default()
    };
    assert_eq!(crate::check(&history, &terms), []);
}

#[test]
fn a_wrong_line_is_named() {
    for (line, why) in [
        ("{\"at_us\": 1}", "neither an event"),
        (
            "{\"at_us\": 1, \"what\": \"Nothing\"}",
            "line 2: unknown variant `Nothing`",
        ),
        (
            "{\"who\": {\"number\": 4000000000, \"what\": \"x\"}}",
            "too large",
        ),
        ("{\"at_us\": 1, \"wat\": \"Healed\"}", "unknown field `wat`"),
    ] {
        let file = format!("{{\"at_us\": 1, \"what\": \"Healed\"}}\n{line}\n");
        let err = lines::read(&mut History::default(), file.as_bytes()).unwrap_err();
        assert!(err.to_string().contains(why), "{err}");
        assert!(err.to_string().starts_with("line 2"), "{err}");
    }
}
