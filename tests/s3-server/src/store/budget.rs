//! The bound on bodies kept in memory: those of objects, of unfinished uploads, and on their way in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::S3Error;

#[derive(Debug)]
struct Account {
    used: AtomicU64,
    bytes_max: u64,
}

/// What may be kept.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Account>);

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    account: Arc<Account>,
    bytes: u64,
}

impl Budget {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self(Arc::new(Account {
            used: AtomicU64::new(0),
            bytes_max,
        }))
    }

    pub(crate) fn hold(&self, bytes: u64) -> Result<Hold, S3Error> {
        let mut hold = Hold {
            account: Arc::clone(&self.0),
            bytes: 0,
        };
        hold.grow(bytes)?;
        Ok(hold)
    }
}

impl Hold {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn grow(&mut self, bytes: u64) -> Result<(), S3Error> {
        let Account { used, bytes_max } = &*self.account;
        let before = used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > *bytes_max {
            used.fetch_sub(bytes, Ordering::Relaxed);
            return Err(S3Error::new(
                507,
                "InsufficientStorage",
                format!("The server keeps at most {bytes_max} bytes in memory (--memory-bytes-max)."),
            ));
        }
        self.bytes += bytes;
        Ok(())
    }

    pub(crate) fn shrink_to(&mut self, bytes: u64) {
        let excess = self.bytes.saturating_sub(bytes);
        self.account.used.fetch_sub(excess, Ordering::Relaxed);
        self.bytes -= excess;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}
