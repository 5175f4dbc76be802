//! The end of a check: how much was verified, and whether all of it is right.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::finding::{Finding, Findings};
use super::progress::Progress;
use crate::cli::{counted, print_json, print_lines};
use crate::failure::{Failure, Outcome};
use crate::settings::size;

/// Prints it. Lines of findings were printed when they were found. Fails if something is wrong or was not looked at.
pub(super) fn print(findings: &Findings, progress: &Progress, outcome: Outcome, as_json: bool) -> Outcome {
    let stopped = match outcome {
        Ok(()) => None,
        Err(Failure::Failed(sentence)) => Some(sentence),
        Err(failure) => return Err(failure),
    };
    let wrong = findings.wrong();
    let is_ok = wrong == 0 && stopped.is_none();
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    if as_json {
        print_json(&json!({
            "ok": is_ok,
            "stopped": stopped,
            "findings": findings.sorted().iter().map(Finding::document).collect::<Vec<_>>(),
            "findings_left_out": findings.left_out(),
            "verified": {
                "topics": count(&progress.topics),
                "partitions": count(&progress.partitions),
                "offsets": count(&progress.offsets),
                "objects": count(&progress.objects),
                "bytes": count(&progress.bytes),
            },
        }))?;
    } else {
        let mut lines = Vec::new();
        if let Some(sentence) = stopped {
            lines.push(format!(
                "FAIL  {:12}  before everything was looked at: {sentence}",
                "stopped"
            ));
        }
        let word = if is_ok { "ok" } else { "FAIL" };
        let found = match wrong {
            0 => String::new(),
            _ => format!("; {}", counted(wrong, "finding")),
        };
        lines.push(format!(
            "{word:4}  {:12}  {}, {}: {} right; {}, {}{found}",
            "verified",
            counted(count(&progress.topics), "topic"),
            counted(count(&progress.partitions), "partition"),
            match count(&progress.offsets) {
                1 => "1 offset is".to_owned(),
                offsets => format!("{offsets} offsets are"),
            },
            counted(count(&progress.objects), "object"),
            size::show(count(&progress.bytes)),
        ));
        print_lines(&lines)?;
    }
    if is_ok { Ok(()) } else { Err(Failure::Said) }
}
