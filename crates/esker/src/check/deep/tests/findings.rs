//! What is said of findings, and when a problem becomes one.

use std::sync::Arc;

use esker_model::{ClusterEpoch, IncarnationId, ObjectId, PartitionKey, SegmentId, SegmentKind, TopicKey};
use uuid::Uuid;

use crate::check::deep::Log;
use crate::check::deep::doubt::{Doubts, Problem};
use crate::check::deep::finding::{FINDINGS_MAX, Finding, Findings, Kind};

fn problem(seq: u64, partition: i32, first: i64, end: i64, what: &str) -> Problem {
    Problem {
        log: Log {
            key: PartitionKey {
                topic: TopicKey(1),
                partition,
            },
            topic: Arc::from("t"),
        },
        first,
        end,
        object: ObjectId::Segment(SegmentId {
            kind: SegmentKind::Ingest,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::nil()),
            seq,
        }),
        kind: Kind::Missing,
        what: what.to_owned(),
    }
}

fn ranges(again: &[(Log, i64, i64)]) -> Vec<(i32, i64, i64)> {
    let of = |(log, first, end): &(Log, i64, i64)| (log.key.partition, *first, *end);
    again.iter().map(of).collect()
}

#[test]
fn what_another_plan_leads_to_again_is_believed() {
    let all = vec![
        problem(1, 0, 0, 5, "gone"),
        problem(1, 0, 5, 9, "gone"),
        problem(2, 0, 20, 30, "gone"),
        problem(1, 1, 0, 5, "gone"),
    ];
    let first = Doubts::default().judge(all.clone());
    assert!(first.findings.is_empty());
    assert_eq!(ranges(&first.again), [(0, 0, 9), (0, 20, 30), (1, 0, 5)]);
    // The records of the first moved to another object, which is wrong as well.
    let second = vec![problem(3, 0, 0, 9, "gone"), all[2].clone(), all[3].clone()];
    let second = first.doubts.judge(second);
    let of = |finding: &Finding| (finding.partition, finding.first, finding.end);
    assert_eq!(
        second.findings.iter().map(of).collect::<Vec<_>>(),
        [(0, 20, 30), (1, 0, 5)]
    );
    assert_eq!(ranges(&second.again), [(0, 0, 9)]);
    // The same of neighbouring records is one finding.
    let both = vec![problem(3, 0, 0, 9, "gone"), all[0].clone(), all[1].clone()];
    let third = second.doubts.judge(both);
    assert_eq!(
        third.findings.iter().map(of).collect::<Vec<_>>(),
        [(0, 0, 9), (0, 0, 9)]
    );
    assert!(third.again.is_empty());
}

#[test]
fn nobody_looks_for_ever() {
    let mut doubts = Doubts::default();
    let mut seq = 0;
    loop {
        seq += 1;
        let judged = doubts.judge(vec![problem(seq, 0, 0, 5, "gone")]);
        doubts = judged.doubts;
        if let [finding] = &judged.findings[..] {
            assert_eq!(finding.kind, Kind::Unsettled);
            assert_eq!(finding.what, "something else was wrong each time, at last: gone");
            assert!(judged.again.is_empty());
            break;
        }
        assert!(seq < 10);
    }
}

fn finding(kind: Kind, topic: &str, partition: i32, first: i64) -> Finding {
    Finding {
        kind,
        topic: Arc::from(topic),
        partition,
        first,
        end: first + 2,
        key: None,
        what: "why".to_owned(),
    }
}

#[test]
fn they_are_counted_sorted_and_bounded() {
    let findings = Findings::new(false);
    findings.add(finding(Kind::Gap, "b", 0, 0)).unwrap();
    findings.add(finding(Kind::Repaired, "a", 10, 0)).unwrap();
    findings.add(finding(Kind::Hole, "a", 2, 9)).unwrap();
    findings.add(finding(Kind::Hole, "a", 2, 8)).unwrap();
    assert_eq!((findings.wrong(), findings.left_out()), (3, 0));
    let sorted = findings.sorted();
    let places: Vec<_> = sorted
        .iter()
        .map(|one| (&*one.topic, one.partition, one.first))
        .collect();
    assert_eq!(places, [("a", 2, 8), ("a", 2, 9), ("a", 10, 0), ("b", 0, 0)]);
    let document = sorted[0].document();
    assert_eq!(document["result"], "fail");
    assert_eq!(
        (&document["first_offset"], &document["last_offset"]),
        (&8.into(), &9.into())
    );
    assert_eq!(sorted[2].document()["result"], "note");
    for first in 0..FINDINGS_MAX as i64 {
        findings.add(finding(Kind::Gap, "c", 0, first)).unwrap();
    }
    assert_eq!(findings.wrong(), 3 + FINDINGS_MAX as u64);
    assert_eq!(findings.left_out(), 4);
    assert_eq!(findings.sorted().len(), FINDINGS_MAX);
}
