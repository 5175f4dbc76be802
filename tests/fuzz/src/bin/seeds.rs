//! Writes the seeds of all targets: `seeds DIRECTORY` makes `DIRECTORY/<target>/<seed>`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tool for developers: an error ends it"
)]

use std::path::PathBuf;

fn main() {
    let directory = PathBuf::from(std::env::args_os().nth(1).expect("usage: seeds DIRECTORY"));
    for target in esker_fuzz::TARGETS {
        let folder = directory.join(target.name);
        std::fs::create_dir_all(&folder).unwrap();
        for seed in (target.seeds)() {
            std::fs::write(folder.join(&seed.name), &seed.bytes).unwrap();
        }
    }
}
