//! Failures of a command that is about several things: one that fails does not stop the others, and each is said.

use crate::failure::{Failure, Outcome};
use crate::plain::plain;

/// What failed so far, one line each.
#[derive(Default)]
pub(super) struct Failures(Vec<String>);

impl Failures {
    /// A line of its own, whatever names it holds.
    pub(super) fn add(&mut self, failure: impl std::fmt::Display) {
        self.0.push(plain(&failure.to_string()).into_owned());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How the command ends.
    pub(super) fn outcome(self) -> Outcome {
        match self.is_empty() {
            true => Ok(()),
            false => Err(Failure::Failed(self.0.join("\n"))),
        }
    }
}
