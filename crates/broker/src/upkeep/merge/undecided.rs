//! Manifests of which nobody knows whether they replaced others.
//!
//! What holds: nobody deletes what one refers to as long as it may still take effect, or may have. It cannot any more
//! once its partition's manifest has another version than it wanted to replace; and it did not if the very next version
//! is another manifest. Where more versions have passed nobody can tell any more: that is left to the sweep, as is what
//! is undecided when the incarnation ends.

use esker_metastore::{MetastoreError, ToMerge};
use tracing::debug;

use super::put::Offered;
use crate::upkeep::Upkeep;

/// Most that are remembered; what comes on top is left to the sweep.
const UNDECIDED_MAX: usize = 256;

#[derive(Default)]
pub(super) struct Undecided(Vec<Offered>);

impl Undecided {
    /// Remembers what was offered.
    pub(super) fn add(&mut self, offered: Vec<Offered>) {
        let room = UNDECIDED_MAX.saturating_sub(self.0.len());
        self.0.extend(offered.into_iter().take(room));
    }

    /// Finds out what became of them, and has the objects go that nothing needs.
    pub(super) async fn decide(&mut self, upkeep: &Upkeep) -> Result<(), MetastoreError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = self.0.iter().map(|one| one.merged.partition).collect();
        let now = upkeep.metastore.to_merge(&keys, 0).await?;
        let mut open = Vec::new();
        for (one, now) in std::mem::take(&mut self.0).into_iter().zip(now) {
            match outcome(&one, now.as_ref()) {
                Outcome::Open => open.push(one),
                Outcome::Never => {
                    debug!(manifest = %one.merged.manifest.id, "a manifest did not replace another");
                    upkeep.leftovers.add(one.objects);
                }
                Outcome::Perhaps => {}
            }
        }
        self.0 = open;
        Ok(())
    }
}

enum Outcome {
    /// It may still take effect.
    Open,
    /// It did not, and never will.
    Never,
    /// It did, or nobody can tell.
    Perhaps,
}

fn outcome(offered: &Offered, now: Option<&ToMerge>) -> Outcome {
    let Some(now) = now else {
        // Its topic is gone, and with it all that belonged to it.
        return Outcome::Perhaps;
    };
    let replaces = offered.merged.replaces;
    let is_present = now
        .manifest
        .is_some_and(|manifest| manifest.id == offered.merged.manifest.id);
    match now.version {
        version if version <= replaces => Outcome::Open,
        version if version == replaces + 1 && !is_present => Outcome::Never,
        _ => Outcome::Perhaps,
    }
}
