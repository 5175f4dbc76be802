//! What is known of a log's bounds at any time, from acks and reads (P2).
//!
//! - *log-start*: a log start above the end;
//! - *too-far*: an end, a high watermark or an ack lies beyond everything that was sent until then.
//!
//! Sound because the end of the log and its start only rise, and what an agent shows was true at some time
//! before. Only facts that are surely about this topic count (see [`super::places`]). What was sent is
//! counted for all topics of a name together; a batch counts once for each identity and once for each
//! sending without.

use crate::event::{Life, Partition};
use crate::{About, Promise, What, names};

use super::batches::Sent;
use super::findings::Findings;
use super::offsets::end_of;
use super::places::Place;
use super::rising::{Known, Rising};
use super::{At, Context};

const OFFSET_OUT_OF_RANGE: i16 = 1;

#[derive(Default)]
pub(crate) struct Ends {
    pub(super) places: Vec<OfPlace>,
    /// By family.
    sent: Vec<SentRecords>,
}

#[derive(Clone, Default)]
pub(super) struct OfPlace {
    pub ends: Rising,
    pub starts: Rising,
    /// The end that a read-through showed when nothing could be written any more, and its event.
    pub settled: Option<(i64, usize)>,
    /// The last word of ListOffsets on where the log begins, and on where it ends.
    pub first: Option<Listed>,
    pub last: Option<Listed>,
}

/// Where a log begins or ends, as ListOffsets said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    pub asked_us: u64,
    pub offset: i64,
    pub event: usize,
}

#[derive(Clone, Copy, Default)]
struct SentRecords {
    records: i64,
    /// There may have been more.
    unlimited: bool,
}

impl Ends {
    /// Notes records that may be in the log from now on.
    pub(crate) fn sent(&mut self, context: &Context<'_>, sent: &Sent) {
        let known = slot(&mut self.sent, sent.family);
        if !sent.repeated {
            known.records = known.records.saturating_add(i64::from(sent.records.count));
        }
        let hidden = sent.identity.is_none_or(|identity| identity.first_sequence < 0);
        known.unlimited |= hidden && !context.terms.requests_shown;
    }

    pub(crate) fn acked(&mut self, context: &Context<'_>, at: At<'_>, findings: &mut Findings) {
        let What::Acked {
            batch,
            base_offset,
            log_start,
            ..
        } = &at.event.what
        else {
            return;
        };
        let Some(found) = context.batches.find(*batch) else {
            return;
        };
        if !(0..i64::MAX / 2).contains(base_offset) {
            return;
        }
        let Some(place) = context.acked_place(found, at.us()) else {
            return;
        };
        let end = base_offset + i64::from(context.batches.get(found).records.count);
        self.too_far(context, at, context.places.get(place), end, findings);
        // The log start in an ack is today's; the offset of a repeated batch may lie far below it.
        self.learn(context, at, place, (*log_start, end.max(*log_start)), findings);
    }

    pub(crate) fn fetched(
        &mut self,
        context: &Context<'_>,
        at: At<'_>,
        place: usize,
        findings: &mut Findings,
    ) {
        let What::Fetched {
            by_name,
            error: 0,
            high_watermark,
            log_start,
            seen,
            ..
        } = &at.event.what
        else {
            return;
        };
        let known = context.places.get(place);
        if known.shows(*by_name, at.us()) {
            let shown = seen.last().map_or(-1, end_of);
            let end = shown.max(*high_watermark);
            self.too_far(context, at, known, end, findings);
            self.learn(context, at, place, (*log_start, end), findings);
        }
    }

    /// Whether an offset surely was in the log when a question was asked.
    pub(crate) fn surely_holds(&self, place: usize, offset: i64, asked_us: u64) -> bool {
        let known = self.end_before(place, asked_us);
        offset >= 0 && known.is_some_and(|known| offset <= known.value)
    }

    /// The furthest that a log was known to reach before that time.
    pub(crate) fn end_before(&self, place: usize, at_us: u64) -> Option<Known> {
        self.places.get(place)?.ends.before(at_us)
    }

    /// What was told of where a log begins, as far as it was more than before.
    pub(crate) fn starts(&self, place: usize) -> &[Known] {
        let known = self.places.get(place);
        known.map(|known| known.starts.steps()).unwrap_or_default()
    }

    /// The last word of ListOffsets on where a log begins.
    pub(crate) fn listed_start(&self, place: usize) -> Option<Listed> {
        self.places.get(place)?.first
    }

    /// The last word of ListOffsets on where a log ends.
    pub(crate) fn listed_end(&self, place: usize) -> Option<Listed> {
        self.places.get(place)?.last
    }

    /// A Fetch was told that its offset is out of range: if that surely is below the end, the log begins
    /// behind it.
    pub(crate) fn out_of_range(
        &mut self,
        context: &Context<'_>,
        at: At<'_>,
        place: usize,
        findings: &mut Findings,
    ) {
        let What::Fetched {
            by_name,
            from,
            asked_us,
            error: OFFSET_OUT_OF_RANGE,
            ..
        } = &at.event.what
        else {
            return;
        };
        let known = context.places.get(place);
        let is_about_this = (!by_name || known.is_steady()) && known.answers_by_name(at.us());
        if is_about_this && self.surely_holds(place, *from, *asked_us) {
            self.too_far(context, at, known, from + 1, findings);
            self.learn(context, at, place, (from + 1, -1), findings);
        }
    }

    pub(super) fn learn(
        &mut self,
        context: &Context<'_>,
        at: At<'_>,
        place: usize,
        (start, end): (i64, i64),
        findings: &mut Findings,
    ) {
        let partition = context.places.get(place).partition;
        if end >= 0 && start > end {
            let what = |partition| format!("{partition} begins at offset {start} and ends at {end}");
            let about = (about(at, partition, None).offsets(0, start), None);
            tell(
                context,
                at,
                Promise::ImmutableLog,
                "log-start",
                what,
                about,
                findings,
            );
        }
        let known = slot(&mut self.places, place);
        known.starts.learn(at.us(), start.max(0), at.at);
        known.ends.learn(at.us(), end.max(start).max(0), at.at);
    }

    pub(super) fn too_far(
        &self,
        context: &Context<'_>,
        at: At<'_>,
        place: &Place,
        end: i64,
        findings: &mut Findings,
    ) {
        let sent = self.sent.get(place.family).copied().unwrap_or_default();
        if end <= sent.records || sent.unlimited {
            return;
        }
        let what = |partition| {
            format!(
                "{partition} reaches offset {end}, though only {} records had been sent to it",
                sent.records
            )
        };
        let about = about(at, place.partition, None).offsets(sent.records, end);
        tell(
            context,
            at,
            Promise::ImmutableLog,
            "too-far",
            what,
            (about, None),
            findings,
        );
    }
}

pub(crate) fn slot<T: Clone + Default>(list: &mut Vec<T>, at: usize) -> &mut T {
    if list.len() <= at {
        list.resize(at + 1, T::default());
    }
    &mut list[at]
}

pub(crate) fn about(at: At<'_>, partition: Partition, by: Option<Life>) -> About {
    About::events([at.at])
        .partition(partition)
        .life(by)
        .client(at.event.client)
}

pub(crate) fn tell(
    context: &Context<'_>,
    at: At<'_>,
    promise: Promise,
    rule: &'static str,
    what: impl FnOnce(String) -> String,
    (mut about, other): (About, Option<usize>),
    findings: &mut Findings,
) {
    findings.add(promise, rule, at.us(), || {
        about.events.extend(other);
        let partition = about.partitions.first();
        let name = partition.map(|partition| names::partition(context.history, *partition));
        (what(name.unwrap_or_default()), about)
    });
}
