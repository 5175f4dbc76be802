//! P6: an agent reads an object whole at most once in its life, as long as its cache has room.
//!
//! *read-again*: it read one more often than the terms allow. Sound because the event counts only reads that
//! succeeded, of a cache that had room: what was fetched once is there, and readers that want it at the same
//! time share one read.

use crate::{About, Promise, What, names};

use super::findings::Findings;
use super::{At, Context};

/// Judges one object of one life.
pub(crate) fn judge(context: &Context<'_>, at: At<'_>, findings: &mut Findings) {
    let What::ReadAgain { life, key, times } = &at.event.what else {
        return;
    };
    if *times > context.terms.object_reads_max {
        findings.add(Promise::CheapReads, "read-again", at.us(), || {
            let who = names::life(context.history, *life);
            let what = format!("{who} read {key} {times} times");
            (what, About::events([at.at]).life(Some(*life)))
        });
    }
}
