//! When it is told that a job's lease cannot be taken.
//!
//! What holds: what nobody but a person can put right (rights, a missing function, a server with another past) is told
//! at once, again when it changes and every few minutes; what may be over soon, only if it lasts that long. The end of
//! what was told is told, too.

use std::time::Duration;

use esker_metastore::MetastoreError;
use esker_model::seams::Instant;

/// How often trouble is told that stays the same.
const TOLD_EVERY: Duration = Duration::from_secs(5 * 60);

#[derive(Default)]
pub(super) struct Trouble {
    /// When it was told last; before that, when it began.
    since: Option<Instant>,
    told: Option<String>,
}

impl Trouble {
    /// There is some; whether to tell it.
    pub(super) fn meets(&mut self, err: &MetastoreError, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let is_new = || {
            let text = err.to_string();
            self.told.as_ref().is_none_or(|told| *told != text)
        };
        // Whoever is fenced ends, and says so.
        let matters = !err.is_transient() && *err != MetastoreError::Fenced;
        let tell = now.since(since) >= TOLD_EVERY || (matters && is_new());
        if tell {
            self.since = Some(now);
            self.told = Some(err.to_string());
        }
        tell
    }

    /// It is over; whether to tell that.
    pub(super) fn is_over(&mut self) -> bool {
        self.since = None;
        self.told.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant(Duration::from_secs(seconds))
    }

    #[test]
    fn what_somebody_has_to_put_right_is_told_at_once_and_now_and_then() {
        let mut trouble = Trouble::default();
        let rights = MetastoreError::Misconfigured("no rights".into());
        let function = MetastoreError::Corrupt("no such function".into());
        assert!(!trouble.is_over());
        for (seconds, err, told) in [
            (10, &rights, true),
            (40, &rights, false),
            (309, &rights, false),
            (310, &rights, true),
            (340, &function, true),
            (370, &function, false),
            (640, &function, true),
            (700, &rights, true),
        ] {
            assert_eq!(trouble.meets(err, at(seconds)), told, "{seconds}");
        }
        assert!(trouble.is_over());
        assert!(!trouble.is_over());
        assert!(trouble.meets(&rights, at(710)));
    }

    #[test]
    fn what_may_be_over_soon_is_told_if_it_lasts() {
        let mut trouble = Trouble::default();
        for number in 0..10 {
            let away = MetastoreError::Unavailable(format!("no connection {number}"));
            assert!(!trouble.meets(&away, at(number * 30)));
        }
        assert!(!trouble.is_over());
        let away = MetastoreError::Unavailable("no connection".into());
        assert!(!trouble.meets(&away, at(1_000)));
        assert!(!trouble.meets(&MetastoreError::Fenced, at(1_030)));
        assert!(trouble.meets(&away, at(1_300)));
        assert!(!trouble.meets(&away, at(1_330)));
        assert!(trouble.is_over());
    }
}
