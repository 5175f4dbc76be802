//! P7: memory has its limits, and what is done with is given back.
//!
//! - *memory-limit*: a use holds more than its share;
//! - *memory-leak*: nothing is under way, but something is still charged.
//!
//! An agent with nothing to do may keep its cache, and the segments that it wrote a moment ago. Those hold
//! the whole frames that their batches came in, which may be much larger than what is left of them, so that
//! nothing can be said of `produce` unless `recent` is told and holds nothing. To find leaks there, recent
//! segments are given up before an idle agent is looked at.

use crate::{About, Promise, What, names};

use super::findings::Findings;
use super::{At, Context};

/// Judges one look at an agent's memory.
pub(crate) fn judge(context: &Context<'_>, at: At<'_>, findings: &mut Findings) {
    let What::MemoryUsed { life, idle, memory } = &at.event.what else {
        return;
    };
    let who = || names::life(context.history, *life);
    let recent = memory.iter().find(|share| share.r#use == "recent");
    let may_keep_recent = recent.is_none_or(|share| share.used > 0);
    for share in memory {
        if share.used > share.max {
            findings.add(Promise::Bounded, "memory-limit", at.us(), || {
                let what = format!(
                    "{} uses {} bytes for {}, of which there are {}",
                    who(),
                    share.used,
                    share.r#use,
                    share.max
                );
                (what, About::events([at.at]).life(Some(*life)))
            });
        }
        let may_stay = match share.r#use.as_str() {
            "cache" | "recent" => true,
            "produce" => may_keep_recent,
            _ => false,
        };
        if *idle && share.used > 0 && !may_stay {
            findings.add(Promise::Bounded, "memory-leak", at.us(), || {
                let what = format!(
                    "{} has nothing to do, but {} bytes are in use for {}",
                    who(),
                    share.used,
                    share.r#use
                );
                (what, About::events([at.at]).life(Some(*life)))
            });
        }
    }
}
