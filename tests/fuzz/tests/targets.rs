//! Every target on stable Rust: its seeds, the inputs that once failed, and a bounded number of mutations.
//!
//! `ESKER_FUZZ_RUNS=n` multiplies the number of mutations; a failure prints the input in hexadecimal.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failure here is a failed test"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use esker_fuzz::mutate::{Numbers, mutate};
use esker_fuzz::{Seed, TARGETS, Target};

/// No input may take longer, even in a debug build on a busy machine.
const INPUT_TIME_MAX: Duration = Duration::from_secs(10);

fn target(name: &str) -> Target {
    TARGETS.into_iter().find(|target| target.name == name).unwrap()
}

fn regressions(target: &Target) -> Vec<Seed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("regressions")
        .join(target.name);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|file| Seed {
            name: file.file_name().unwrap().to_string_lossy().into_owned(),
            bytes: std::fs::read(&file).unwrap(),
        })
        .collect()
}

/// Runs one input; says which it was if it fails.
fn feed(target: &Target, name: &str, bytes: &[u8]) {
    let began = Instant::now();
    let run = target.run;
    if let Err(panic) = std::panic::catch_unwind(|| run(bytes)) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("{} failed on {name}, {} bytes: {hex}", target.name, bytes.len());
        std::panic::resume_unwind(panic);
    }
    let took = began.elapsed();
    assert!(took < INPUT_TIME_MAX, "{} took {took:?} on {name}", target.name);
}

fn run(name: &str, mutations: usize) {
    let target = target(name);
    let mut inputs = (target.seeds)();
    inputs.extend(regressions(&target));
    for input in &inputs {
        feed(&target, &input.name, &input.bytes);
    }
    let factor = std::env::var("ESKER_FUZZ_RUNS").map_or(1, |factor| factor.parse().unwrap());
    let mut numbers = Numbers::new(1);
    for round in 0..mutations * factor {
        let one = &inputs[numbers.below(inputs.len())];
        let other = &inputs[numbers.below(inputs.len())];
        let mut bytes = one.bytes.clone();
        mutate(&mut bytes, &other.bytes, &mut numbers);
        feed(&target, &format!("mutation {round} of {}", one.name), &bytes);
    }
}

macro_rules! targets {
    ($($name:ident = $mutations:literal;)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name), $mutations);
        })*

        #[test]
        fn every_target_runs_and_has_its_program() {
            let names = [$(stringify!($name)),*];
            assert_eq!(names, TARGETS.map(|target| target.name));
            let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
            for name in names {
                let program = std::fs::read_to_string(programs.join(format!("{name}.rs"))).unwrap();
                assert!(program.contains(&format!("esker_fuzz::{name}(data)")), "{name}");
            }
        }
    };
}

targets! {
    request_frame = 20_000;
    request_stream = 500;
    record_batch = 10_000;
    segment_footer = 10_000;
    metastore_values = 20_000;
    fetch_response = 5_000;
    settings = 500;
}
