//! What the parent wants of a client: lines on stdin.

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const WORK: u8 = 0;
const MEASURE: u8 = 1;
const STOP: u8 = 2;

/// The newest order.
#[derive(Clone)]
pub(super) struct Orders(Arc<AtomicU8>);

impl Orders {
    /// Listens to stdin from now on; this process ends when that is closed.
    pub(super) fn listen() -> Result<Self, String> {
        let orders = Self(Arc::new(AtomicU8::new(WORK)));
        let heard = orders.clone();
        std::thread::Builder::new()
            .name("orders".to_owned())
            .spawn(move || {
                for line in std::io::stdin().lock().lines() {
                    match line.as_deref() {
                        Ok("measure") => heard.0.store(MEASURE, Ordering::Release),
                        Ok("stop") => heard.0.store(STOP, Ordering::Release),
                        _ => break,
                    }
                }
                std::process::exit(1);
            })
            .map_err(|err| format!("no thread: {err}"))?;
        Ok(orders)
    }

    pub(super) fn is_measuring(&self) -> bool {
        self.0.load(Ordering::Acquire) == MEASURE
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire) == STOP
    }
}
