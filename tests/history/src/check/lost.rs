//! Records whose only copy was removed or damaged on purpose: nobody can read them from then on.
//!
//! A read of such an offset may be answered with CORRUPT_MESSAGE, and a search by time in such a partition too, because
//! it may have to look there. A read-through may leave these offsets out. All else is as of other records: they keep
//! their offsets, and whoever has them in memory may show them.

use crate::What;

use super::At;
use super::places::Places;

/// What was lost in each partition.
#[derive(Default)]
pub(crate) struct Lost {
    /// By place: offsets of the first record and after the last one.
    places: Vec<Vec<(i64, i64)>>,
}

impl Lost {
    /// Notes what is lost from now on.
    pub(crate) fn event(&mut self, places: &mut Places, at: At<'_>) {
        if let What::Lost {
            partition,
            first,
            end,
        } = &at.event.what
        {
            let place = places.place(*partition);
            if self.places.len() <= place {
                self.places.resize(place + 1, Vec::new());
            }
            self.places[place].push((*first, *end));
        }
    }

    /// What was lost of a partition so far.
    pub(crate) fn of(&self, place: usize) -> &[(i64, i64)] {
        self.places.get(place).map_or(&[], Vec::as_slice)
    }

    /// Whether the record at an offset was lost.
    pub(crate) fn has(&self, place: usize, offset: i64) -> bool {
        let covers = |(first, end): &(i64, i64)| *first <= offset && offset < *end;
        self.of(place).iter().any(covers)
    }
}
