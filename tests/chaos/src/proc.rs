//! Signals to processes, and what the kernel knows of them.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

pub(crate) use esker_harness::proc::{family, is_stopped, open_files, resident_bytes};

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

/// Sends a signal to a process that leads a group, and to that group. Whether there was one.
pub(crate) fn signal_group(leader: u32, signal: Signal) -> bool {
    pid(leader).is_some_and(|pid| kill_process_group(pid, signal).is_ok())
}

/// Sends a signal to one process. Whether there was one.
pub(crate) fn signal_one(process: u32, signal: Signal) -> bool {
    pid(process).is_some_and(|pid| kill_process(pid, signal).is_ok())
}
