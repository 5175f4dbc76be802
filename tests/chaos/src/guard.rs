//! What was paused goes on, even if this program is gone by then.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use std::os::unix::process::CommandExt;

/// How much later than planned the guard acts.
const SLACK: Duration = Duration::from_secs(3);

/// A shell that waits; dropping it calls it off.
pub(crate) struct Guard(Option<Child>);

/// Resumes processes a little after `lasts`, whatever becomes of this program.
pub(crate) fn resume_later(processes: &[u32], lasts: Duration) -> Guard {
    let child = Command::new("sh")
        .args(["-c", "sleep \"$0\"; kill -CONT \"$@\" 2>/dev/null"])
        .arg((lasts + SLACK).as_secs().to_string())
        .args(processes.iter().map(ToString::to_string))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    Guard(child.ok())
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            crate::proc::signal_group(child.id(), rustix::process::Signal::KILL);
            let _ = child.wait();
        }
    }
}
