//! What the kernel knows of processes.

use std::collections::BTreeMap;
use std::fs;

/// The kernel counts CPU time in ticks; Linux shows user space 100 of them a second on every machine.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process and all that it started, directly or not.
pub fn family(root: u32) -> Vec<u32> {
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

/// Fields of `/proc/PID/stat` after the name, which may hold spaces and parentheses: the state is the first.
fn fields(stat: &str) -> Option<&str> {
    stat.rsplit_once(')').map(|(_, fields)| fields.trim())
}

fn stat(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    fields(&stat).map(str::to_owned)
}

fn parent(process: u32) -> Option<u32> {
    stat(process)?.split_whitespace().nth(1)?.parse().ok()
}

/// Whether a process was stopped by a signal.
pub fn is_stopped(process: u32) -> bool {
    stat(process).is_some_and(|fields| fields.starts_with('T'))
}

/// How many files a process has open.
pub fn open_files(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}

/// CPU time of a process in user space and in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    /// Seconds that all its threads used, those that ended too.
    pub own_s: f64,
    /// Seconds of its children that ended and that it waited for.
    pub reaped_s: f64,
}

/// Reads the text of `/proc/PID/stat`.
pub fn parse_cpu(stat: &str) -> Option<Cpu> {
    let mut fields = fields(stat)?.split_whitespace().skip(11);
    let mut seconds = || Some(fields.next()?.parse::<f64>().ok()? / TICKS_PER_SECOND);
    Some(Cpu {
        own_s: seconds()? + seconds()?,
        reaped_s: seconds()? + seconds()?,
    })
}

/// CPU time of one process so far; `None` if there is none.
pub fn cpu(process: u32) -> Option<Cpu> {
    parse_cpu(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// CPU seconds of a process and all that it started so far, those that ended too.
pub fn cpu_seconds_of_family(root: u32) -> f64 {
    let all = family(root).into_iter().filter_map(cpu);
    all.map(|cpu| cpu.own_s + cpu.reaped_s).sum()
}

/// Resident memory of a process, and the most it ever was, in bytes.
pub fn resident_bytes(process: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    parse_resident(&status)
}

/// Reads the text of `/proc/PID/status`.
pub fn parse_resident(status: &str) -> (u64, u64) {
    let bytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    };
    (bytes("VmRSS:"), bytes("VmHWM:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_a_name_with_spaces_and_parentheses() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 30 7 20 0 9 0 1 2 3";
        let cpu = parse_cpu(stat).unwrap();
        assert!(
            (cpu.own_s - 2.0).abs() < 1e-9 && (cpu.reaped_s - 0.37).abs() < 1e-9,
            "{cpu:?}"
        );
        assert_eq!(parse_cpu("42 (cut) S 1 42"), None);
        assert_eq!(parse_cpu(""), None);
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(
            parse_resident("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n"),
            (1 << 20, 2 << 20)
        );
        assert_eq!(parse_resident("Name:\tkthread\n"), (0, 0));
    }

    #[test]
    fn work_shows_in_the_account_of_this_process() {
        let me = std::process::id();
        let before = cpu(me).unwrap().own_s;
        let mut sum = 0u64;
        while cpu(me).unwrap().own_s < before + 0.05 {
            sum = (0..100_000).fold(sum, |sum, next| std::hint::black_box(sum ^ next));
        }
        assert!(cpu_seconds_of_family(me) >= before + 0.05);
        assert!(family(me).contains(&me));
        assert!(resident_bytes(me).0 > 1 << 20);
    }
}
