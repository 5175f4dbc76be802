//! P1, P4: once the cluster epoch is raised, the old agents fall silent.
//!
//! *ack-after-epoch*, *offset-after-epoch*: an agent that began before the epoch was raised acknowledged a
//! batch, or answered ListOffsets, after the time of silence began. A restored cluster would know nothing of
//! it.
//!
//! Sound because both need a look at the bucket, less than T old, that showed the old epoch, and the time of
//! silence begins T and the longest way of a message after it showed the new one. (A Fetch may go on: what
//! it shows was visible before.) An answer whose agent is not known counts only if no agent began later.

use crate::event::Life;
use crate::{About, Promise, What, names};

use super::findings::Findings;
use super::{At, Context};

#[derive(Default)]
pub(crate) struct Epoch {
    raised: Vec<Raised>,
}

struct Raised {
    at_us: u64,
    silence_from_us: u64,
    event: usize,
}

impl Epoch {
    pub(crate) fn raised(&mut self, at: At<'_>) {
        if let What::EpochRaised { silence_from_us } = &at.event.what {
            self.raised.push(Raised {
                at_us: at.us(),
                silence_from_us: *silence_from_us,
                event: at.at,
            });
        }
    }

    pub(crate) fn acked(&self, context: &Context<'_>, at: At<'_>, findings: &mut Findings) {
        let What::Acked { batch, by, .. } = &at.event.what else {
            return;
        };
        if let Some(raised) = self.broken_by(context, at, *by) {
            findings.add(Promise::DurableAck, "ack-after-epoch", at.us(), || {
                let told = names::batch(context.history, *batch);
                let what = format!(
                    "{told} was acknowledged by {}, {}",
                    agent(context, *by),
                    since(at, raised)
                );
                let about = About::events([raised.event, at.at]).batches([*batch]);
                (what, about.life(*by))
            });
        }
    }

    pub(crate) fn listed(&self, context: &Context<'_>, at: At<'_>, findings: &mut Findings) {
        let What::Listed {
            partition,
            by,
            error: 0,
            ..
        } = &at.event.what
        else {
            return;
        };
        if let Some(raised) = self.broken_by(context, at, *by) {
            findings.add(Promise::TwoStores, "offset-after-epoch", at.us(), || {
                let name = names::partition(context.history, *partition);
                let what = format!(
                    "an offset of {name} was told by {}, {}",
                    agent(context, *by),
                    since(at, raised)
                );
                let about = About::events([raised.event, at.at]).partition(*partition);
                (what, about.life(*by))
            });
        }
    }

    fn broken_by(&self, context: &Context<'_>, at: At<'_>, by: Option<Life>) -> Option<&Raised> {
        self.raised
            .iter()
            .find(|raised| at.us() > raised.silence_from_us && is_old(context, by, raised.at_us))
    }
}

/// Whether an answer is surely from an agent that began before `began_before_us`.
fn is_old(context: &Context<'_>, by: Option<Life>, began_before_us: u64) -> bool {
    let lives = &context.history.lives;
    match by.and_then(|by| lives.get(by.0 as usize)) {
        Some(life) => life.began_us < began_before_us,
        None => lives.iter().all(|life| life.began_us < began_before_us),
    }
}

fn agent(context: &Context<'_>, by: Option<Life>) -> String {
    by.map_or_else(
        || "an old agent".to_owned(),
        |by| names::life(context.history, by),
    )
}

fn since(at: At<'_>, raised: &Raised) -> String {
    format!(
        "{} s after the cluster epoch was raised and {} s after silence began",
        names::seconds(at.us().saturating_sub(raised.at_us)),
        names::seconds(at.us().saturating_sub(raised.silence_from_us)),
    )
}
