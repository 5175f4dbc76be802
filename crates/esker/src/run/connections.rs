//! How many connections a process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::debug;

/// Most client connections of one agent. At the limit new ones wait in the system's queue.
pub(crate) const CONNECTIONS_MAX: usize = 10_000;

/// Connections that the system queues per listener until they are accepted.
pub(super) const BACKLOG: u32 = 1024;

/// Lets the process open as many files as it may: the usual default of 1,024 is a limit for programs
/// that use `select`.
pub(super) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        debug!(%error, "cannot raise the limit of open files");
    }
}
