//! Tells a violation with the events that explain it.

use crate::{History, Violation};

/// In words.
pub fn tell(violation: &Violation, _history: &History) -> String {
    format!("{}: {}", violation.promise, violation.what)
}
