//! P1: what was acknowledged without an offset stands in the log, too.
//!
//! - *written-nowhere*: a batch was answered with DUPLICATE_SEQUENCE_NUMBER, which says that it was appended before, and
//!   the log, read from offset 0 to its end after that answer, does not have it.
//!
//! Sound because nothing is concluded where the beginning of the log was not seen, where it is not certain which topic
//! was asked, or where records were removed or lost.

use crate::{About, Promise, What, names};

use super::duplicates::Copies;
use super::findings::Findings;
use super::log::{self, Segment};
use super::{At, Context};

pub(crate) const DUPLICATE_SEQUENCE_NUMBER: i16 = 46;

/// The answers, and what may be held against them.
#[derive(Default)]
pub(crate) struct Written {
    said: Vec<Said>,
    places: Vec<Read>,
}

#[derive(Clone, Copy)]
struct Said {
    batch: u32,
    place: usize,
    event: usize,
}

#[derive(Clone, Copy, Default)]
struct Read {
    /// When the last reading to its end began.
    through_us: Option<u64>,
    /// All of it was seen.
    whole: bool,
}

impl Written {
    pub(crate) fn refused(&mut self, context: &Context<'_>, at: At<'_>) {
        let What::Refused { batch, error, .. } = &at.event.what else {
            return;
        };
        if *error != DUPLICATE_SEQUENCE_NUMBER {
            return;
        }
        let found = context.batches.find(*batch);
        let said = found.and_then(|batch| Some((batch, context.acked_place(batch, at.us())?)));
        self.said.extend(said.map(|(batch, place)| Said {
            batch,
            place,
            event: at.at,
        }));
    }

    pub(crate) fn read_through(&mut self, context: &mut Context<'_>, at: At<'_>) {
        if let What::ReadThrough {
            partition, began_us, ..
        } = &at.event.what
        {
            let place = context.places.place(*partition);
            let through_us = &mut self.read(place).through_us;
            *through_us = (*through_us).max(Some(*began_us));
        }
    }

    /// Notes what was seen of one partition.
    pub(crate) fn log(&mut self, place: usize, segments: &[Segment]) {
        let end = segments.last().map_or(0, |segment| segment.end);
        self.read(place).whole = log::known_prefix(segments) == end;
    }

    fn read(&mut self, place: usize) -> &mut Read {
        if self.places.len() <= place {
            self.places.resize(place + 1, Read::default());
        }
        &mut self.places[place]
    }

    pub(crate) fn finish(self, context: &Context<'_>, copies: &Copies, findings: &mut Findings) {
        for said in self.said {
            let Read { through_us, whole } = self.places.get(said.place).copied().unwrap_or_default();
            let at_us = context.history.events[said.event].at_us;
            if !whole || through_us < Some(at_us) || copies.is_anywhere(said.batch) {
                continue;
            }
            findings.add(Promise::DurableAck, "written-nowhere", at_us, || {
                let partition = context.places.get(said.place).partition;
                let what = format!(
                    "{} was said to be in the log, but {}, read from 0 to its end, does not have it",
                    context.batches.tell(context, said.batch),
                    names::partition(context.history, partition),
                );
                let about = About::events([said.event]).partition(partition);
                (what, about.batches([context.batches.get(said.batch).batch]))
            });
        }
    }
}
