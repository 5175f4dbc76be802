//! P3: once the faults are over, everybody gets on.
//!
//! - *stuck*: a client or the run itself says that something did not happen in time;
//! - *unfinished*: after the faults a client that produces, reads or asks for offsets did not finish, or not
//!   within the time that the terms give.
//!
//! Sound because clients judge by the time that the run gives them after the faults. A client that only
//! reads partitions through at the end need not say that it finished. After the cluster epoch was raised
//! the old agents stop for good, and nothing is concluded from who did not finish.

use crate::{About, History, Promise, What, names};

use super::findings::Findings;
use super::{At, Context};

pub(crate) struct Progress {
    clients: Vec<OfClient>,
    healed_us: Option<u64>,
    epoch_raised: bool,
}

#[derive(Clone, Default)]
struct OfClient {
    works: bool,
    reads_through: bool,
    is_broken: bool,
    finished: Option<usize>,
    last: Option<usize>,
}

impl Progress {
    pub(crate) fn new(history: &History) -> Self {
        Self {
            clients: vec![OfClient::default(); history.clients.len()],
            healed_us: None,
            epoch_raised: false,
        }
    }

    pub(crate) fn event(&mut self, context: &Context<'_>, at: At<'_>, findings: &mut Findings) {
        match &at.event.what {
            What::Healed => self.healed_us = Some(at.us()),
            What::EpochRaised { .. } => self.epoch_raised = true,
            What::Stuck { why } => findings.add(Promise::StatelessAgents, "stuck", at.us(), || {
                let what = match at.event.client {
                    Some(client) => format!("{} is stuck: {why}", names::client(context.history, client)),
                    None => why.clone(),
                };
                (what, About::events([at.at]).client(at.event.client))
            }),
            _ => {}
        }
        let Some(client) = at.event.client else { return };
        let Some(client) = self.clients.get_mut(client.0 as usize) else {
            return;
        };
        client.last = Some(at.at);
        match &at.event.what {
            What::Sent { .. }
            | What::Fetched { .. }
            | What::Listed { .. }
            | What::Altering { .. }
            | What::InGroup(_)
            | What::Deleting { .. } => client.works = true,
            What::ReadThrough { .. } => client.reads_through = true,
            What::Fatal { .. } | What::Stuck { .. } => client.is_broken = true,
            What::Finished => client.finished = Some(at.at),
            _ => {}
        }
    }

    pub(crate) fn finish(&self, context: &Context<'_>, findings: &mut Findings) {
        let Some(healed_us) = self.healed_us.filter(|_| !self.epoch_raised) else {
            return;
        };
        let events = &context.history.events;
        for (number, client) in self.clients.iter().enumerate() {
            if !client.works || client.reads_through || client.is_broken {
                continue;
            }
            let us = |at: usize| events.get(at).map_or(0, |event| event.at_us);
            let took_us = client.finished.map(|at| us(at).saturating_sub(healed_us));
            let patience_us = context.terms.progress_us.unwrap_or(u64::MAX);
            if took_us.is_some_and(|took| took <= patience_us) {
                continue;
            }
            let number = crate::event::Client(number as u32);
            let last = client.finished.or(client.last);
            findings.add(Promise::StatelessAgents, "unfinished", last.map_or(0, us), || {
                let who = names::client(context.history, number);
                let what = match took_us {
                    Some(took) => format!("{who} finished {} s after the faults", names::seconds(took)),
                    None => format!("{who} never finished after the faults"),
                };
                (what, About::events(last).client(Some(number)))
            });
        }
    }
}
