//! What the kernel knows of processes, and signals to them.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

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

/// A process and all that it started, directly or not.
pub(crate) fn family(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        if let Some(parent) = parent(process) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut family = vec![root];
    let mut next = 0;
    while let Some(one) = family.get(next) {
        family.extend(children.remove(one).unwrap_or_default());
        next += 1;
    }
    family
}

/// Fields of `/proc/PID/stat` after the name, which may hold spaces: the state is the first.
fn stat(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')').map(|(_, fields)| fields.trim().to_owned())
}

fn parent(process: u32) -> Option<u32> {
    stat(process)?.split_whitespace().nth(1)?.parse().ok()
}

/// Whether a process was stopped by a signal.
pub(crate) fn is_stopped(process: u32) -> bool {
    stat(process).is_some_and(|fields| fields.starts_with('T'))
}

/// How many files a process has open.
pub(crate) fn open_files(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}

/// Resident memory of a process, and the most it ever was, in bytes.
pub(crate) fn resident_bytes(process: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let bytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    };
    (bytes("VmRSS:"), bytes("VmHWM:"))
}
