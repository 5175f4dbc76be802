//! An S3 server on a bad day.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Outcome, seconds};
use crate::guard::resume_later;
use crate::plan::{Fault, Kind};
use crate::proc;
use crate::system::System;
use esker_harness::stop::Stop;

/// How often a rule is taken back; one try lasts a few seconds if nobody answers.
const END_TRIES: u32 = 10;

pub(super) fn pause(fault: &Fault, system: &System, stop: &Stop) -> Outcome {
    let Some(_claim) = system.claims.store() else {
        return Outcome::LeftOut;
    };
    let pid = system.store.pid();
    let lasts = seconds(fault.lasts);
    system
        .journal
        .fault(format!("the S3 server is paused, for {lasts}"));
    let guard = resume_later(&[pid], fault.lasts);
    let held = proc::signal_group(pid, Signal::STOP);
    stop.wait(fault.lasts);
    proc::signal_group(pid, Signal::CONT);
    drop(guard);
    system.journal.fault("the S3 server goes on");
    Outcome::held(held)
}

/// A rule that is there for some time. It took hold if it acted on a request.
pub(super) fn rule(fault: &Fault, system: &System, stop: &Stop) -> Outcome {
    let rule = rule_of(fault);
    let Some(_one_of_few) = system.claims.rule() else {
        return Outcome::LeftOut;
    };
    // What leaves all agents without an answer, one at a time.
    let _claim = match fault.kind {
        Kind::StoreHang | Kind::StoreHangAfterEffect => match system.claims.store() {
            None => return Outcome::LeftOut,
            claim => claim,
        },
        _ => None,
    };
    let lasts = seconds(fault.lasts);
    let Some(id) = system.store.add_rule(&rule) else {
        return Outcome::Missed;
    };
    system
        .journal
        .fault(format!("{}, for {lasts}: {rule}", fault.kind.name()));
    stop.wait(fault.lasts);
    // The server may be paused just now.
    let done = (0..END_TRIES).find_map(|_| system.store.end_rule(id));
    if done.is_none() {
        system.journal.problem("the S3 server did not take a rule back");
    }
    let done = done.unwrap_or(0);
    system
        .journal
        .fault(format!("{} is over, after {done} requests", fault.kind.name()));
    Outcome::held(done > 0)
}

/// Weak ones hit some requests, strong ones all; some hit reads, some writes, some both.
fn rule_of(fault: &Fault) -> Value {
    let probability = if fault.strength > 0.7 {
        1.0
    } else {
        0.1 + fault.strength
    };
    let op = match (fault.strength * 1000.0) as u32 % 4 {
        0 => "get",
        1 => "any",
        _ => "put",
    };
    let effect = "put";
    let ms = |shortest: f64, longest: f64| (shortest + (longest - shortest) * fault.strength) as u64;
    match fault.kind {
        Kind::StoreSlowDown => json!({"op": op, "probability": probability, "kind": "slow_down"}),
        Kind::StoreInternalError => json!({"op": op, "probability": probability, "kind": "internal_error"}),
        Kind::StoreHang => {
            json!({"op": op, "probability": probability, "kind": "hang", "ms": ms(500.0, 12_000.0)})
        }
        Kind::StoreHangAfterEffect => json!({
            "op": effect, "probability": probability, "kind": "hang", "ms": ms(500.0, 12_000.0), "after_effect": true
        }),
        Kind::StoreDropBefore => json!({"op": op, "probability": probability, "kind": "drop_before"}),
        Kind::StoreDropAfter => json!({"op": effect, "probability": probability, "kind": "drop_after"}),
        Kind::StoreLateEffect => json!({
            "op": effect, "probability": probability, "kind": "late_effect", "ms": ms(50.0, 15_000.0)
        }),
        Kind::StoreDuplicateEffect => {
            json!({"op": effect, "probability": probability, "kind": "duplicate_effect"})
        }
        Kind::StoreSlowBody => json!({
            "op": op, "probability": probability, "kind": "slow_body", "bytes_per_s": ms(4_000_000.0, 60_000.0)
        }),
        Kind::StoreTruncatedBody => {
            json!({"op": "get", "probability": probability, "kind": "truncated_body"})
        }
        _ => json!({
            "op": op, "probability": probability, "kind": "latency", "ms": ms(20.0, 600.0), "p99_ms": ms(100.0, 6_000.0)
        }),
    }
}
