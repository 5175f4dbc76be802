//! The end of a run, or of a part of it: whoever waits for something else wakes up for it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// Exit code of a run that was ended from outside.
pub const INTERRUPTED: u8 = 130;

/// Set once, and for all.
#[derive(Default)]
pub struct Stop {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub fn set(&self) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    pub fn is_set(&self) -> bool {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, but not longer than until it is set. Whether it is.
    pub fn wait(&self, limit: Duration) -> bool {
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(set, limit, |set| !*set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// From now on the first SIGINT or SIGTERM sets `stop`, so that a run ends in good order; the second ends this
/// program at once, and with it what it started.
pub fn on_signals(stop: &Arc<Stop>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|err| format!("cannot start: {err}"))?;
    let stop = Arc::clone(stop);
    let listening = move || {
        runtime.block_on(async {
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if stop.is_set() {
                    std::process::exit(i32::from(INTERRUPTED));
                }
                eprintln!("ending: once more ends at once");
                stop.set();
            }
        });
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(listening)
        .map(|_| ())
        .map_err(|err| format!("cannot start: {err}"))
}
