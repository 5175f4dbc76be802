//! P2: what a plain producer sends to one agent stands in the order in which it was sent.
//!
//! - *plain-order*: of two batches for one partition the one sent later was acknowledged at a lower offset.
//!
//! A producer without an identity is promised no more than the order of its connection. Sound because only
//! batches are compared that were sent once, to the same life of an agent, and were both acknowledged: a
//! connection that broke answers nothing more, so that what was sent over the next one came after every
//! acknowledgement of the first. Where repetitions are hidden nothing is concluded.

use std::collections::BTreeMap;

use crate::event::{Client, Life};
use crate::{About, Promise, What, names};

use super::Context;
use super::findings::Findings;
use super::log::Run;

/// Judges the acknowledgements of one partition.
pub(crate) fn judge(context: &Context<'_>, place: usize, claims: &[Run], findings: &mut Findings) {
    if !context.terms.requests_shown {
        return;
    }
    let mut by_sender: BTreeMap<(Client, Life), Vec<(usize, &Run)>> = BTreeMap::new();
    for claim in claims {
        let Some((_, batch)) = context.batches.batches_from(claim.by, claim.first).first() else {
            continue;
        };
        let sending = context.batches.get(*batch);
        if sending.plain != 1 || sending.identity.is_some() {
            continue;
        }
        let event = context.history.events.get(sending.event);
        if let Some(What::Sent { to: Some(life), .. }) = event.map(|event| &event.what) {
            let sent = by_sender.entry((claim.by, *life)).or_default();
            sent.push((sending.event, claim));
        }
    }
    for (_, mut sent) in by_sender {
        sent.sort_unstable_by_key(|(event, _)| *event);
        for pair in sent.windows(2) {
            let [(sent_before, before), (sent_after, after)] = pair else {
                continue;
            };
            if before.base < after.base {
                continue;
            }
            let partition = context.places.get(place).partition;
            let events = [before.event as usize, after.event as usize];
            let at_us = context
                .history
                .events
                .get(events[1])
                .map_or(0, |event| event.at_us);
            findings.add(Promise::ImmutableLog, "plain-order", at_us, || {
                let what = format!(
                    "of two batches of {} for {}, sent once each to one agent, the later one was acknowledged \
                     at offset {}, the earlier one at {}",
                    names::client(context.history, before.by),
                    names::partition(context.history, partition),
                    after.base,
                    before.base,
                );
                let shown = [*sent_before, *sent_after, events[0], events[1]];
                (what, About::events(shown).partition(partition))
            });
        }
    }
}
