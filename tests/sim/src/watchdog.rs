//! Runs that do not end.

use std::time::Duration;

/// A seed that runs for so long has stopped making progress.
const SEED_MAX: Duration = Duration::from_secs(120);

/// Ends the program with a word about the seed if it does not end.
pub(crate) struct Watchdog(std::sync::mpsc::Sender<()>);

impl Watchdog {
    /// Begins to wait for a seed's end, which is when this is dropped.
    pub(crate) fn start(seed: u64) -> Self {
        let (alive, dead) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            if dead.recv_timeout(SEED_MAX) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                eprintln!(
                    "seed {seed} makes no progress: {} s of real time have passed; replay it with: make sim SEED={seed}",
                    SEED_MAX.as_secs()
                );
                std::process::exit(1);
            }
        });
        Self(alive)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
