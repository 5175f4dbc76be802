//! A number that may only rise, as far as it is known at any time.

/// That the number had reached `value` was known at `at_us`, from an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub at_us: u64,
    pub value: i64,
    pub event: usize,
}

/// What was known when. To be told in the order of time.
#[derive(Clone, Default)]
pub(crate) struct Rising {
    steps: Vec<Known>,
}

impl Rising {
    /// Somebody learned at `at_us` that the number is at least `value`.
    pub(crate) fn learn(&mut self, at_us: u64, value: i64, event: usize) {
        if self.steps.last().is_none_or(|last| last.value < value) {
            self.steps.push(Known { at_us, value, event });
        }
    }

    /// When the number was first known to be so large, each time that it was more than before.
    pub(crate) fn steps(&self) -> &[Known] {
        &self.steps
    }

    /// The most that was known before `at_us`. What was learned in the same microsecond does not count:
    /// nobody knows which was first.
    pub(crate) fn before(&self, at_us: u64) -> Option<Known> {
        // Nearly always the last ones are asked for.
        let recent = self.steps.len().saturating_sub(4);
        let from = match self.steps.get(recent) {
            Some(step) if step.at_us < at_us => recent,
            _ => 0,
        };
        let count = from + self.steps[from..].partition_point(|step| step.at_us < at_us);
        count.checked_sub(1).map(|last| self.steps[last])
    }
}
