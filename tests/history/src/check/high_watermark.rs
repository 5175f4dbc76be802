//! P2: what one agent shows of a log never goes back while it lives.
//!
//! *hw-back*, *start-back-in-life*: an agent answered a Fetch with a lower high watermark or log start than
//! before.
//!
//! A log start that the same agent told in an answer of ListOffsets or DeleteRecords counts as well: what it was told
//! by the primary it knows from then on.
//!
//! Sound because an agent's view of a log only rises (another agent may lag behind, and so may the same
//! name after a restart). Two requests on different connections may be answered in either order: an answer
//! is compared only with those that had come before it was asked.

use crate::event::{Life, Partition, Query};
use crate::{About, History, Promise, What, names};

use super::ends::slot;
use super::findings::Findings;
use super::rising::{Known, Rising};
use super::{At, Context};

pub(crate) struct HighWatermarks {
    /// By life and partition.
    lives: Vec<Vec<OfPlace>>,
}

#[derive(Clone, Default)]
struct OfPlace {
    ends: Rising,
    starts: Rising,
}

impl HighWatermarks {
    pub(crate) fn new(history: &History) -> Self {
        Self {
            lives: vec![Vec::new(); history.lives.len()],
        }
    }

    pub(crate) fn fetched(
        &mut self,
        context: &Context<'_>,
        at: At<'_>,
        place: usize,
        findings: &mut Findings,
    ) {
        let What::Fetched {
            partition,
            by_name,
            asked_us,
            by: Some(life),
            error: 0,
            high_watermark,
            log_start,
            ..
        } = &at.event.what
        else {
            return;
        };
        if !context.places.get(place).shows(*by_name, at.us()) {
            return;
        }
        let Some(places) = self.lives.get_mut(life.0 as usize) else {
            return;
        };
        let known = slot(places, place);
        let about = (*partition, *life);
        if let Some(before) = known.ends.before(*asked_us)
            && before.value > *high_watermark
            && *high_watermark >= 0
        {
            back(context, at, "hw-back", about, *high_watermark, before, findings);
        }
        if let Some(before) = known.starts.before(*asked_us)
            && before.value > *log_start
            && *log_start >= 0
        {
            back(
                context,
                at,
                "start-back-in-life",
                about,
                *log_start,
                before,
                findings,
            );
        }
        known.ends.learn(at.us(), *high_watermark, at.at);
        known.starts.learn(at.us(), *log_start, at.at);
    }

    /// ListOffsets gave an offset.
    pub(crate) fn listed(&mut self, context: &mut Context<'_>, at: At<'_>) {
        if let What::Listed {
            partition,
            query: Query::Earliest,
            by,
            error: 0,
            offset,
            ..
        } = &at.event.what
        {
            let place = context.places.place(*partition);
            if context.places.get(place).answers_by_name(at.us()) {
                self.told_start(at, *by, place, *offset);
            }
        }
    }

    /// An agent told where the log of this partition surely begins.
    pub(crate) fn told_start(&mut self, at: At<'_>, by: Option<Life>, place: usize, start: i64) {
        if let Some(places) = by.and_then(|by| self.lives.get_mut(by.0 as usize)) {
            slot(places, place).starts.learn(at.us(), start, at.at);
        }
    }
}

fn back(
    context: &Context<'_>,
    at: At<'_>,
    rule: &'static str,
    (partition, life): (Partition, Life),
    value: i64,
    before: Known,
    findings: &mut Findings,
) {
    findings.add(Promise::ImmutableLog, rule, at.us(), || {
        let which = match rule {
            "hw-back" => "high watermark",
            _ => "log start",
        };
        let what = format!(
            "{} showed the {which} {value} of {} after it had shown {} at {} s",
            names::life(context.history, life),
            names::partition(context.history, partition),
            before.value,
            names::seconds(before.at_us),
        );
        let about = About::events([before.event, at.at])
            .partition(partition)
            .offsets(value, before.value)
            .life(Some(life));
        (what, about)
    });
}
