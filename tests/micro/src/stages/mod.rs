//! The stages by name, in the order of the data path.

mod assemble;
mod commit;
mod footer;
mod frame;
mod plan;
mod seal;
mod stores;
mod validate;

use crate::Stage;

/// A stage and how it is made.
pub struct Entry {
    pub name: &'static str,
    /// It needs nothing but this process, and computes the same every time: its instructions can be counted.
    pub is_pure: bool,
    pub needs_postgres: bool,
    pub build: fn() -> Box<dyn Stage>,
}

pub const STAGES: &[Entry] = &[
    pure("frame/1mb", || frame::of_1_mb()),
    pure("frame/16k", || frame::of_16_kib()),
    pure("validate/1mb", || validate::of_1_mb()),
    pure("validate/16k", || validate::of_16_kib()),
    pure("seal/1mb", || seal::of_1_mb()),
    pure("seal/16k", || seal::of_16_kib()),
    pure("seal/640", || seal::of_640_runs()),
    pure("seal/1600", || seal::of_1600_runs()),
    pure("footer-encode/1600", || footer::encode()),
    pure("footer-decode/1600", || footer::decode()),
    pure("commit-sqlite/1", || commit::in_memory(1)),
    pure("commit-sqlite/1600", || commit::in_memory(crate::inputs::RUNS)),
    on_disk("commit-sqlite-file/1", || stores::sqlite_file(1)),
    on_disk("commit-sqlite-file/1600", || {
        stores::sqlite_file(crate::inputs::RUNS)
    }),
    on_postgres("commit-postgres/1", || stores::postgres(1, 1)),
    on_postgres("commit-postgres/1600", || {
        stores::postgres(1, crate::inputs::RUNS)
    }),
    on_postgres("commit-postgres/3x1600", || {
        stores::postgres(3, crate::inputs::RUNS)
    }),
    pure("plan/50", || plan::of_50()),
    pure("read/50x1mb", || assemble::read_1_mb()),
    pure("read/50x16k", || assemble::read_16_kib()),
    pure("assemble/50x1mb", || assemble::of_1_mb()),
    pure("assemble/50x16k", || assemble::of_16_kib()),
];

const fn pure(name: &'static str, build: fn() -> Box<dyn Stage>) -> Entry {
    Entry {
        name,
        is_pure: true,
        needs_postgres: false,
        build,
    }
}

const fn on_disk(name: &'static str, build: fn() -> Box<dyn Stage>) -> Entry {
    Entry {
        is_pure: false,
        ..pure(name, build)
    }
}

const fn on_postgres(name: &'static str, build: fn() -> Box<dyn Stage>) -> Entry {
    Entry {
        needs_postgres: true,
        ..on_disk(name, build)
    }
}

/// The stage of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    STAGES.iter().find(|entry| entry.name == name)
}
