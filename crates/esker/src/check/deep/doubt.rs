//! What was found wrong, and when it is believed: when another plan leads to the same object again. Until then it is in
//! doubt: the records may have moved, and the object gone because nothing needs it.

use std::collections::BTreeSet;

use esker_model::{ObjectId, PartitionKey};
use esker_storage::keys::key_of;

use super::Log;
use super::finding::{Finding, Kind};

/// How often a part of a log is looked at. Whoever meets something else that is wrong each time stops then.
const LOOKS_MAX: u32 = 6;

/// Something that is wrong, perhaps.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub log: Log,
    /// First offset of the records that it is about.
    pub first: i64,
    /// Offset after the last of them.
    pub end: i64,
    pub object: ObjectId,
    pub kind: Kind,
    pub what: String,
}

/// What was wrong in earlier looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubts {
    looks: u32,
    seen: BTreeSet<(PartitionKey, ObjectId, i64)>,
}

/// Problems by what is to be done about them.
pub(super) struct Judged {
    /// These are believed.
    pub findings: Vec<Finding>,
    /// These parts of logs are looked at again, with these doubts.
    pub again: Vec<(Log, i64, i64)>,
    pub doubts: Doubts,
}

impl Doubts {
    /// Whether nothing was looked at before.
    pub(super) fn is_first_look(&self) -> bool {
        self.looks == 0
    }

    /// Sorts what a look found. Problems of one partition follow on each other, ascending by offset.
    pub(super) fn judge(&self, problems: Vec<Problem>) -> Judged {
        let mut judged = Judged {
            findings: Vec::new(),
            again: Vec::new(),
            doubts: Self {
                looks: self.looks + 1,
                seen: self.seen.clone(),
            },
        };
        for problem in problems {
            let doubt = (problem.log.key, problem.object, problem.first);
            if self.seen.contains(&doubt) {
                judged.believe(problem);
            } else if judged.doubts.looks == LOOKS_MAX {
                judged.believe(Problem {
                    kind: Kind::Unsettled,
                    what: format!("something else was wrong each time, at last: {}", problem.what),
                    ..problem
                });
            } else {
                judged.doubts.seen.insert(doubt);
                judged.doubt(problem);
            }
        }
        judged
    }
}

impl Judged {
    fn believe(&mut self, problem: Problem) {
        let finding = Finding {
            kind: problem.kind,
            topic: problem.log.topic,
            partition: problem.log.key.partition,
            first: problem.first,
            end: problem.end,
            key: Some(key_of(&problem.object)),
            what: problem.what,
        };
        match self.findings.last_mut() {
            Some(last) if last.continues_with(&finding) => last.end = finding.end,
            _ => self.findings.push(finding),
        }
    }

    fn doubt(&mut self, problem: Problem) {
        match self.again.last_mut() {
            Some((log, first, end))
                if log.key == problem.log.key && (*first..=*end).contains(&problem.first) =>
            {
                *end = problem.end.max(*end);
            }
            _ => self.again.push((problem.log, problem.first, problem.end)),
        }
    }
}
