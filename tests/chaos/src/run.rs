//! One run: start everything, break it, heal it, read through, judge.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use esker_history::History;
use serde_json::{Value, json};

use crate::clients::{self, Client, Ended};
use crate::clock::Clock;
use crate::options::{Options, StoreChoice};
use crate::parts::Parts;
use crate::plan::{self, Needs};
use crate::system::{System, TOPICS};
use crate::{driver, figures, judge};
use esker_harness::stop::Stop;

/// Clients work for so long before the first fault, and after the last one.
const CALM: Duration = Duration::from_secs(4);
/// After the producers: what they gave up may still be written until then. An agent lets go of what is older
/// than 25 s.
const SETTLE: Duration = Duration::from_secs(30);
/// After the readers: for memory to be given back.
const IDLE: Duration = Duration::from_secs(5);

/// Resident memory of an agent beside its budget: the program itself, what thousands of connections need before
/// anything is charged, and free pages that the allocator keeps for a while.
const RESIDENT_BESIDE_BUDGET: u64 = 128 << 20;

/// How a run ended.
pub(crate) enum Verdict {
    Kept,
    Broken,
    Interrupted,
}

/// Which faults a run can have.
pub(crate) fn has(options: &Options) -> Needs {
    Needs {
        store_rules: options.store == StoreChoice::Ours,
    }
}

/// The plan of a run, with only those faults that were asked for.
pub(crate) fn plan_of(options: &Options, seed: u64) -> Vec<plan::Planned> {
    let mut plan = plan::draw(seed, options.length(), crate::system::AGENTS, has(options));
    if !options.only.is_empty() {
        plan.retain(|planned| {
            let name = planned.fault.kind.name();
            options.only.iter().any(|part| name.contains(part.as_str()))
        });
    }
    plan
}

/// Runs it. An error is a sentence about what could not be started.
pub(crate) fn run(options: &Options, seed: u64, stop: &Stop) -> Result<Verdict, String> {
    let parts = Parts::find(options)?;
    let dir = directory(options, &parts, seed)?;
    let plan = plan_of(options, seed);
    println!(
        "seed {seed}: {} faults planned in {} min; files in {}",
        plan.len(),
        options.minutes,
        dir.display()
    );
    let clock = Clock::start();
    let system = System::start(&parts, &dir, seed, options.memory_mib << 20, clock)?;
    println!(
        "{:>5.0} s: three agents, Postgres and the S3 server run",
        clock.elapsed().as_secs_f64()
    );
    let over = Stop::default();
    let outcome = thread::scope(|scope| {
        let looked_after = scope.spawn(|| system.look_after(&over));
        let outcome = work(options, &parts, &system, &dir, &plan, stop);
        over.set();
        let _ = looked_after.join();
        outcome
    })?;
    let Some((mut ended, settled_us)) = outcome else {
        println!("interrupted: everything that was started ends now");
        return Ok(Verdict::Interrupted);
    };
    let mut known = History {
        clients: ended.iter().map(|one| one.what.clone()).collect(),
        topics: TOPICS
            .iter()
            .zip(1..)
            .map(|(topic, number)| judge::topic(topic.name, number))
            .collect(),
        ..History::default()
    };
    for agent in &system.agents {
        for panic in agent.panics() {
            system.journal.problem(panic);
        }
    }
    for one in &mut ended {
        if let Some(problem) = one.problem.take() {
            system.journal.problem(problem);
        }
    }
    system
        .journal
        .judge_memory((options.memory_mib << 20) + RESIDENT_BESIDE_BUDGET);
    let notes = system.journal.finish(&mut known);
    judge::write_system(&known, &dir)?;
    let began = clock.elapsed();
    let history = judge::read(&dir)?;
    let violations = judge::judge(&history, Some(settled_us));
    let judged = clock.elapsed() - began;
    let about = json!({
        "seed": seed,
        "minutes": options.minutes,
        "store": format!("{:?}", options.store).to_lowercase(),
        "agent_memory_mib": options.memory_mib,
        "directory": dir.display().to_string(),
        "settled_from_us": settled_us,
        "judged_in_s": judged.as_secs_f64(),
        "store_counts": system.store.counts(),
    });
    let summary = figures::summary(&history, &notes, &ended, violations.len(), about);
    figures::print(&summary);
    write_summary(&summary, &dir)?;
    let kept = violations.is_empty() && notes.problems.is_empty();
    if !kept {
        system.postgres.dump(&dir.join("postgres.sql"));
    }
    drop(system);
    if kept {
        // Only what explains a failure is worth its place on the disk.
        let _ = fs::remove_dir_all(dir.join("s3"));
        let _ = fs::remove_dir_all(dir.join("minio"));
    }
    println!("histories, logs and summary.json: {}", dir.display());
    Ok(if kept { Verdict::Kept } else { Verdict::Broken })
}

/// Everything between the start of the system and its end. `None`: interrupted.
fn work(
    options: &Options,
    parts: &Parts,
    system: &System,
    dir: &Path,
    plan: &[plan::Planned],
    stop: &Stop,
) -> Result<Option<(Vec<Ended>, u64)>, String> {
    let clients = clients::start(parts, system, dir, options.rate)?;
    if stop.wait(CALM) {
        return Ok(None);
    }
    driver::run(plan, system, stop);
    if stop.is_set() {
        return Ok(None);
    }
    say(system, "the faults are over: healing");
    system.heal(stop);
    if stop.wait(CALM) {
        return Ok(None);
    }
    let (mut producers, mut consumers): (Vec<Client>, Vec<Client>) = clients
        .into_iter()
        .partition(|client| client.part.is_some_and(|part| part.is_producer()));
    let first_reader = producers.len() + consumers.len();
    clients::tell_to_end(&mut producers);
    let mut ended = clients::wait(producers, system, stop);
    say(system, "the producers are through");
    clients::tell_to_end(&mut consumers);
    ended.extend(clients::wait(consumers, system, stop));
    say(
        system,
        "the consumers are through: reading everything through every agent",
    );
    if stop.wait(SETTLE) {
        return Ok(None);
    }
    let settled_us = system.clock.now_us();
    let readers = clients::start_readers(system, dir, first_reader as u32)?;
    ended.extend(clients::wait(readers, system, stop));
    if stop.wait(IDLE) {
        return Ok(None);
    }
    system.look_at_memory(true);
    ended.sort_by_key(|one| one.number);
    say(system, "all is read: judging");
    Ok(Some((ended, settled_us)))
}

fn say(system: &System, what: &str) {
    println!("{:>5.0} s: {what}", system.clock.elapsed().as_secs_f64());
}

fn directory(options: &Options, parts: &Parts, seed: u64) -> Result<PathBuf, String> {
    let dir = match &options.dir {
        Some(dir) => dir.clone(),
        None => parts
            .build
            .join("chaos")
            .join(format!("{seed}-{}", std::process::id())),
    };
    let made = fs::create_dir_all(&dir).and_then(|()| fs::canonicalize(&dir));
    let dir = made.map_err(|err| format!("{}: {err}", dir.display()))?;
    match fs::read_dir(&dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(dir),
        _ => Err(format!("{} is not empty", dir.display())),
    }
}

fn write_summary(summary: &Value, dir: &Path) -> Result<(), String> {
    let path = dir.join("summary.json");
    let text = serde_json::to_string_pretty(summary).unwrap_or_default();
    fs::write(&path, text + "\n").map_err(|err| format!("{}: {err}", path.display()))
}

/// Judges an earlier run again.
pub(crate) fn judge_again(dir: &Path) -> Result<Verdict, String> {
    let summary = fs::read_to_string(dir.join("summary.json")).unwrap_or_default();
    let summary: Value = serde_json::from_str(&summary).unwrap_or_default();
    let history = judge::read(dir)?;
    let violations = judge::judge(&history, summary["run"]["settled_from_us"].as_u64());
    println!(
        "events judged: {}; violations: {}",
        history.events.len(),
        violations.len()
    );
    Ok(if violations.is_empty() {
        Verdict::Kept
    } else {
        Verdict::Broken
    })
}
