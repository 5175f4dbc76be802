//! Every stage that needs nothing but this process works, and does what it says.

use super::stages::STAGES;
use super::*;

#[test]
fn every_stage_runs() {
    for entry in STAGES.iter().filter(|entry| entry.is_pure) {
        let mut stage = (entry.build)();
        let work = stage.work();
        assert!(work.items > 0 && work.comes_out > 0, "{}", entry.name);
        repeat(&mut *stage, 2);
    }
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = STAGES.iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), STAGES.len());
}
