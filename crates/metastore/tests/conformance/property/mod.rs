//! Random commands, the same to every metastore and to the reference: every reply must be equal.
//!
//! A case is a seed: its commands follow from it alone (and from the reference's replies). A failure
//! prints seed, step and command; `ESKER_PROPERTY_SEED=<seed>` runs that case alone and prints all, and
//! `ESKER_PROPERTY_CASES=<n>` runs n cases however long they take. Time stands still for the reference
//! and SQLite but for a little between commands; commands expire everything or nothing, so that
//! Postgres, which lives in real time, must agree.

mod archiving;
mod commands;
mod generate;
mod grouping;
mod merging;
mod offers;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::world::World;
use commands::{Command, Reply};
use generate::Generator;

/// Commands of one case.
const STEPS: u64 = 250;
/// How long cases are begun, unless their number was asked for.
const BUDGET: Duration = Duration::from_secs(7);

/// What a run must have seen, so that it is known to test something.
const EXPECTED: [&str; 47] = [
    "Appended {",
    "Duplicate {",
    "OldDuplicate",
    "Refused(Gap)",
    "Refused(OutOfOrder)",
    "Refused(StaleEpoch)",
    "Refused(UnknownPartition)",
    "Err(Fenced)",
    "Err(WrongEpoch",
    "Err(AlreadySettled)",
    "Tombstoned",
    "Committed(",
    "Collides(",
    "Exists",
    "NotMore(",
    "Archive(Ok([true",
    "Archive(Ok([false",
    "Archive(Err(Fenced",
    "Archive(Err(WrongEpoch",
    "Unarchived(Ok([(",
    "Release(Ok([true",
    "Release(Ok([false",
    "Unneeded(Ok([Segment(SegmentId { kind: Ingest",
    "kind: Archive",
    "ClaimJob(Ok(true",
    "MostlyDead(Ok([S",
    "MoveArchived(Ok([true",
    "MoveArchived(Ok([false",
    "Merge(Ok([true",
    "Merge(Ok([false",
    "manifest: Some(ManifestRef",
    "has_dead: true",
    "ripe: [Ripe",
    "moved: [(",
    "Orphans(Ok([S",
    "TopicsToEmpty(Ok([T",
    "Swept(Ok(1",
    "ClaimShards(Ok([S",
    "LoadGroups(Ok(Some([S",
    "LoadGroups(Ok(None",
    "WriteGroups(Ok([true",
    "WriteGroups(Ok([false",
    "CommittedOffset {",
    "ExpireOffsets(Ok(Some(Expired { more: false, unused: [\"",
    "OldOffsets(Ok([(",
    "ForgetOffsets(Ok(true",
    "ForgetOffsets(Ok(false",
];

/// Likewise: a producer of a deleted topic went on in the one that was created under its name.
const TAKEN_UP: &str = "taken up in a topic created again";

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test]
async fn sqlite_answers_as_the_rules_say() {
    let worlds = async || vec![World::sqlite_memory()];
    run_cases(0, 60, worlds).await;
}

#[tokio::test]
async fn postgres_answers_as_the_rules_say() {
    // Asked once, so that a missing Postgres is said once.
    if World::postgres().await.is_none() {
        return;
    }
    let worlds = async || vec![World::sqlite_memory(), World::postgres().await.unwrap()];
    run_cases(1_000_000, 20, worlds).await;
}

async fn run_cases(first_seed: u64, cases: u64, worlds: impl AsyncFn() -> Vec<World>) {
    let mut seen = BTreeMap::new();
    if let Some(seed) = number("ESKER_PROPERTY_SEED") {
        return run_case(seed, worlds().await, &mut seen).await;
    }
    let asked = number("ESKER_PROPERTY_CASES");
    let start = Instant::now();
    let mut run = 0;
    while run < asked.unwrap_or(cases) && (asked.is_some() || start.elapsed() < BUDGET) {
        run_case(first_seed + run, worlds().await, &mut seen).await;
        run += 1;
    }
    println!(
        "seeds {first_seed} to {}: {seen:?} in {:?}",
        first_seed + run - 1,
        start.elapsed()
    );
    // A slow machine may run few cases; those that ran were equal.
    if run >= 18 {
        for expected in EXPECTED.into_iter().chain([TAKEN_UP]) {
            assert!(seen.contains_key(expected), "no case saw {expected}: {seen:?}");
        }
    }
}

async fn run_case(seed: u64, worlds: Vec<World>, seen: &mut BTreeMap<&'static str, usize>) {
    let reference = World::reference();
    let mut generator = Generator::new(seed);
    let mut step = 0;
    while let Some(command) = generator.next(step, STEPS) {
        if number("ESKER_PROPERTY_SEED").is_some() {
            println!("{step}: {command:?}");
        }
        let expected = check(seed, step, &command, &reference, &worlds).await;
        let text = format!("{expected:?}");
        for what in EXPECTED {
            if text.contains(what) {
                *seen.entry(what).or_default() += 1;
            }
        }
        generator.observe(&command, &expected);
        step += 1;
    }
    if generator.taken_up > 0 {
        *seen.entry(TAKEN_UP).or_default() += generator.taken_up;
    }
}

async fn check(seed: u64, step: u64, command: &Command, reference: &World, worlds: &[World]) -> Reply {
    reference.tick();
    let expected = command.run(&*reference.store).await;
    for (index, world) in worlds.iter().enumerate() {
        world.tick();
        let reply = command.run(&*world.store).await;
        assert!(
            reply == expected,
            "ESKER_PROPERTY_SEED={seed}, step {step}, store {index} (0: SQLite, 1: Postgres)\n\
             {command:#?}\nanswered {reply:#?}\nexpected {expected:#?}"
        );
    }
    expected
}
