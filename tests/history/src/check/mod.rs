//! The rules that a history is held against.
//!
//! One pass over the events, in the order of time, feeds the rules that look at single answers or compare
//! answers by time, and collects what was seen of each partition's log. Then the logs are judged, one
//! partition after the other. A rule reports only what no correct system could have shown to these clients:
//! where a history leaves open what happened, nothing is concluded.
//!
//! Everything is a sort or a search: the whole takes `n log n` for `n` events and runs of records. (Where records go
//! by size, each move of a log start looks at what is known to stand in that log once more.)

mod acknowledged;
mod audit;
mod batches;
mod bytes;
mod duplicates;
mod ends;
mod epoch;
mod errors;
mod evidence;
mod findings;
mod groups;
mod high_watermark;
mod list_offsets;
mod log;
mod lost;
mod memory;
mod offsets;
mod order;
mod places;
mod plain;
mod progress;
mod removal;
mod requests;
mod restorable;
mod rising;
mod sequences;
mod topics;
mod well_formed;
mod written;

#[cfg(test)]
mod tests;

use crate::event::Event;
pub use crate::terms::Terms;
use crate::{History, Violation, What};

use batches::Batches;
use findings::Findings;
use log::PlaceLog;
use lost::Lost;
use places::Places;

/// What all rules look things up in.
pub(crate) struct Context<'h> {
    pub history: &'h History,
    pub terms: &'h Terms,
    pub places: Places,
    pub batches: Batches,
    pub lost: Lost,
    /// When the partitions forgot their producers for the first time.
    forgotten_us: Option<u64>,
}

/// What was sent longer before the producers were forgotten had its fate by then.
const UNDER_WAY_US: u64 = 60_000_000;

impl Context<'_> {
    /// Whether a batch may have come to a partition that did not know its producer: one that forgot it, or
    /// that of a topic that was created again under its name. There any sequence is the first.
    pub(crate) fn may_begin_anywhere(&self, place: usize, batch: u32) -> bool {
        if !self.places.get(place).only_bearer {
            return true;
        }
        let sent = self.history.events.get(self.batches.get(batch).event);
        let sent_us = sent.map_or(0, |event| event.at_us);
        self.forgotten_us
            .is_some_and(|forgotten_us| sent_us + UNDER_WAY_US >= forgotten_us)
    }
}

/// An event and its place in the history.
#[derive(Clone, Copy)]
pub(crate) struct At<'h> {
    pub event: &'h Event,
    pub at: usize,
}

impl At<'_> {
    pub(crate) fn us(&self) -> u64 {
        self.event.at_us
    }
}

/// Holds a history against the promises. The violations come in the order of time; none means that no rule
/// found anything wrong.
pub fn check(history: &History, terms: &Terms) -> Vec<Violation> {
    let mut context = Context {
        history,
        terms,
        places: Places::new(history),
        batches: Batches::new(history.clients.len()),
        lost: Lost::default(),
        forgotten_us: first_forgotten_us(history),
    };
    let mut findings = Findings::default();
    let mut pass = Pass::new(&context);
    for (at, event) in history.events.iter().enumerate() {
        let at = At { event, at };
        if well_formed::judge(&mut context, at, &mut findings) {
            pass.event(&mut context, at, &mut findings);
        }
    }
    pass.finish(&context, &mut findings);
    findings.finish()
}

fn first_forgotten_us(history: &History) -> Option<u64> {
    let forgotten = |event: &&Event| event.what == What::ProducersForgotten;
    history.events.iter().find(forgotten).map(|event| event.at_us)
}

/// The state of the rules during the pass.
struct Pass {
    logs: Vec<PlaceLog>,
    topics: topics::Topics,
    ends: ends::Ends,
    high_watermarks: high_watermark::HighWatermarks,
    errors: errors::Errors,
    offsets: offsets::Offsets,
    epoch: epoch::Epoch,
    progress: progress::Progress,
    acknowledged: acknowledged::Acknowledged,
    written: written::Written,
    removal: removal::Removal,
    groups: groups::Groups,
    /// Places of the restores' events.
    restorable: Vec<usize>,
}

impl Pass {
    fn new(context: &Context<'_>) -> Self {
        let history = context.history;
        Self {
            logs: Vec::new(),
            topics: topics::Topics::new(history),
            ends: ends::Ends::default(),
            high_watermarks: high_watermark::HighWatermarks::new(history),
            errors: errors::Errors::default(),
            offsets: offsets::Offsets::new(history),
            epoch: epoch::Epoch::default(),
            progress: progress::Progress::new(history),
            acknowledged: acknowledged::Acknowledged::default(),
            written: written::Written::default(),
            removal: removal::Removal::new(context),
            groups: groups::Groups::default(),
            restorable: Vec::new(),
        }
    }

    fn event(&mut self, context: &mut Context<'_>, at: At<'_>, findings: &mut Findings) {
        self.progress.event(context, at, findings);
        match &at.event.what {
            What::Sent { .. } => {
                if let Some(sent) = context.batches.sent(&mut context.places, at, findings) {
                    self.topics.sent(sent.records);
                    self.ends.sent(context, &sent);
                    self.errors.sent(&sent);
                }
            }
            What::Acked { .. } => {
                self.epoch.acked(context, at, findings);
                self.acknowledged.acked(context, at, &mut self.logs, findings);
                self.ends.acked(context, at, findings);
            }
            What::Refused { .. } => {
                self.errors.refused(context, at, findings);
                self.written.refused(context, at);
            }
            What::GivenUp { .. } => context.batches.gave_up(at),
            What::Fatal { .. } => {
                context.batches.gave_up(at);
                self.errors.fatal(context, at, findings);
            }
            What::Fetched { partition, .. } => {
                let place = context.places.place(*partition);
                self.errors.fetched(context, at, place, findings);
                self.ends.out_of_range(context, at, place, findings);
                self.offsets.fetched(context, at, findings);
                self.topics.fetched(context, at, place, findings);
                log::fetched(context, at, place, &mut self.logs);
                self.high_watermarks.fetched(context, at, place, findings);
                self.ends.fetched(context, at, place, findings);
            }
            What::Damaged { .. } => bytes::damaged(context, at, findings),
            What::Listed { .. } => {
                self.errors.listed(context, at, findings);
                self.epoch.listed(context, at, findings);
                self.ends.listed(context, at, findings);
                self.high_watermarks.listed(context, at);
            }
            What::Made { .. }
            | What::Created { .. }
            | What::Altering { .. }
            | What::Altered { .. }
            | What::Deleting { .. }
            | What::Deleted { .. } => {
                let told = (&mut self.ends, &mut self.high_watermarks, &self.errors);
                self.removal.event(context, at, told, findings);
            }
            What::ReadThrough { .. } => {
                self.offsets.read_through(context, at, findings);
                self.ends.read_through(context, at, findings);
                self.acknowledged.read_through(context, at);
                self.written.read_through(context, at);
            }
            What::InGroup(what) => self.groups.event(context, at, what, findings),
            What::MemoryUsed { .. } => memory::judge(context, at, findings),
            What::ReadAgain { .. } => requests::judge(context, at, findings),
            What::EpochRaised { .. } => {
                self.epoch.raised(at);
                self.errors.raised();
            }
            What::Restorable { .. } => self.restorable.push(at.at),
            What::Unsettled { .. } => restorable::unsettled(at, findings),
            What::Audited { .. } => audit::judge(at, findings),
            What::Lost { .. } => context.lost.event(&mut context.places, at),
            What::ProducersForgotten
            | What::Unanswered { .. }
            | What::Finished
            | What::Stuck { .. }
            | What::Fault { .. }
            | What::Healed => {}
        }
    }

    fn finish(mut self, context: &Context<'_>, findings: &mut Findings) {
        self.progress.finish(context, findings);
        self.acknowledged.finish(context, &self.logs, findings);
        self.topics.finish(context, findings);
        let identities = sequences::Identities::default();
        let mut copies = duplicates::Copies::new(context);
        self.removal.sort();
        self.logs.resize(context.places.len(), PlaceLog::default());
        for (place, log) in self.logs.iter_mut().enumerate() {
            let segments = bytes::merge_seen(context, place, &mut log.seen, findings);
            plain::judge(context, place, &log.claims, findings);
            acknowledged::judge(context, place, &mut log.claims, &segments, findings);
            let standing = topics::walk(context, place, &segments, findings);
            let known = (standing.as_slice(), log.claims.as_slice());
            self.removal.judge(context, place, &self.ends, known, findings);
            copies.judge(context, place, &segments, &standing, findings);
            self.written.log(place, &segments);
            order::judge(context, place, &segments, &standing, &identities, findings);
        }
        self.written.finish(context, &copies, findings);
        for at in self.restorable {
            let event = &context.history.events[at];
            restorable::judge(context, &self.removal, At { event, at }, findings);
        }
        if !findings.is_empty() {
            // It may explain all the others.
            context.batches.same_identity(identities.get(context), findings);
        }
    }
}
