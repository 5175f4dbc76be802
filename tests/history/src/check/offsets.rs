//! P2: offsets are dense, and a read skips none.
//!
//! Of a single answer to a Fetch:
//! - *skipped*: its records begin at another offset than the one asked for;
//! - *answer-gap*: its records do not follow on each other;
//! - *below-log-start*: it gives no error, though it says that the log begins behind the offset asked for;
//! - *beyond-high-watermark*: it shows records at or above its own high watermark, or was asked for an
//!   offset above it and gave no error.
//!
//! Of a read-through:
//! - *read-through-gap*: what its reader was shown since it began, by the agent that it names, leaves out an
//!   offset between the log start and the end, other than those that were lost on purpose.
//!
//! Sound because offsets are given without gaps (no topic is cleaned by key yet), an answer begins with the
//! batch that holds the offset asked for, of which the reader leaves out what lies before it, and nothing
//! becomes visible before the high watermark covers it. An answer without records is always allowed, unless the
//! offset lies below the log start in that very answer: both come from one look at the log. (That no agent goes back
//! to an earlier log start is another rule, [`super::high_watermark`]; so no agent serves what it said was gone.)

use crate::event::Seen;
use crate::{About, History, Promise, What, names};

use super::findings::Findings;
use super::{At, Context};

pub(crate) struct Offsets {
    /// By client: the Fetch answers that showed records.
    fetched: Vec<Vec<usize>>,
}

impl Offsets {
    pub(crate) fn new(history: &History) -> Self {
        Self {
            fetched: vec![Vec::new(); history.clients.len()],
        }
    }

    pub(crate) fn fetched(&mut self, context: &Context<'_>, at: At<'_>, findings: &mut Findings) {
        let What::Fetched {
            partition,
            from,
            error: 0,
            high_watermark,
            log_start,
            seen,
            by,
            ..
        } = &at.event.what
        else {
            return;
        };
        if !seen.is_empty()
            && let Some(client) = at.event.client
            && let Some(fetched) = self.fetched.get_mut(client.0 as usize)
        {
            fetched.push(at.at);
        }
        let mut tell = |rule, what: &dyn Fn(String) -> String, offsets: (i64, i64)| {
            findings.add(Promise::ImmutableLog, rule, at.us(), || {
                let what = what(names::partition(context.history, *partition));
                let about = About::events([at.at])
                    .partition(*partition)
                    .offsets(offsets.0, offsets.1)
                    .life(*by)
                    .client(at.event.client);
                (what, about)
            });
        };
        let high_watermark = *high_watermark;
        let hidden = high_watermark == -1 && !context.terms.requests_shown;
        let end = seen.last().map_or(*from, end_of);
        if !hidden && high_watermark < end {
            let what = |partition| match seen.len() {
                0 => format!(
                    "a read of {partition} from {from} got no error, but the high watermark {high_watermark}"
                ),
                _ => format!(
                    "an answer shows offsets of {partition} up to {}, with the high watermark {high_watermark}",
                    end - 1
                ),
            };
            tell("beyond-high-watermark", &what, (high_watermark.max(0), end));
        }
        if log_start > from {
            let what = |partition| {
                format!(
                    "a read of {partition} from {from} got no error, though the log begins at {log_start} \
                     as the same answer says"
                )
            };
            tell("below-log-start", &what, (*from, *log_start));
        }
        if let Some(first) = seen.first().filter(|first| first.base_offset != *from) {
            let base = first.base_offset;
            let what = |partition| format!("a read of {partition} from {from} begins at offset {base}");
            tell("skipped", &what, (base.min(*from), base.max(*from)));
        }
        for pair in seen.windows(2) {
            let (end, base) = (end_of(&pair[0]), pair[1].base_offset);
            if end != base {
                let what = |partition| {
                    format!(
                        "in an answer of {partition}, offset {base} follows on {}",
                        end - 1
                    )
                };
                tell("answer-gap", &what, (base.min(end), base.max(end)));
            }
        }
    }

    pub(crate) fn read_through(&mut self, context: &Context<'_>, at: At<'_>, findings: &mut Findings) {
        let What::ReadThrough {
            partition,
            through,
            began_us,
            log_start,
            end,
        } = &at.event.what
        else {
            return;
        };
        let events = &context.history.events;
        let client = at.event.client.map_or(usize::MAX, |client| client.0 as usize);
        let fetched = self.fetched.get(client).map_or(&[][..], Vec::as_slice);
        let since = fetched.partition_point(|event| events[*event].at_us < *began_us);
        let mut shown: Vec<(i64, i64)> = fetched[since..]
            .iter()
            .filter_map(|event| match &events[*event].what {
                What::Fetched {
                    partition: of,
                    by,
                    seen,
                    ..
                } if of == partition && (by == through || by.is_none() || through.is_none()) => {
                    Some((seen.first()?.base_offset, end_of(seen.last()?)))
                }
                _ => None,
            })
            .collect();
        let place = context.places.find(*partition);
        shown.extend_from_slice(place.map_or(&[], |place| context.lost.of(place)));
        shown.sort_unstable();
        let mut next = *log_start;
        for (first, end) in shown {
            if first > next {
                break;
            }
            next = next.max(end);
        }
        if next < *end {
            findings.add(Promise::ImmutableLog, "read-through-gap", at.us(), || {
                let what = format!(
                    "a read-through of {} from {log_start} to {end} shows nothing at offset {next}",
                    names::partition(context.history, *partition),
                );
                let about = About::events([at.at])
                    .partition(*partition)
                    .offsets(next, next + 1)
                    .life(*through)
                    .client(at.event.client);
                (what, about)
            });
        }
    }
}

/// The offset after the last record.
pub(crate) fn end_of(seen: &Seen) -> i64 {
    seen.base_offset.saturating_add(i64::from(seen.records.count))
}
