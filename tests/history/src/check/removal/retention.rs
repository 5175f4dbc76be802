//! What topics have to keep, and since when.
//!
//! *error-code* (P8): an alteration was refused with an error that it cannot have caused. What is left are our
//! own failures: 41 if surely nothing was done, 7 if something may have been.

use crate::event::{Client, Retention, Topic};
use crate::{About, History, Promise, What, names};

use super::super::findings::Findings;
use super::super::{At, Context};

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const REQUEST_TIMED_OUT: i16 = 7;
const NOT_CONTROLLER: i16 = 41;

/// A request without an answer has taken effect by then, or never will: agents stand still for 30 seconds at
/// most, and calls do not last so long.
const LATE_US: u64 = 60_000_000;

/// By topic.
pub(super) struct Retentions(Vec<OfTopic>);

#[derive(Clone, Default)]
struct OfTopic {
    created: Retention,
    changes: Vec<Change>,
}

#[derive(Clone)]
struct Change {
    by: Option<Client>,
    asked_us: u64,
    retention: Retention,
    /// When it was answered, and whether it was done then.
    answered: Option<(u64, bool)>,
}

impl Change {
    /// Nothing was done, and nothing will be.
    fn is_void(&self) -> bool {
        matches!(self.answered, Some((_, false)))
    }
}

impl Retentions {
    pub(super) fn new(history: &History) -> Self {
        Self(vec![OfTopic::default(); history.topics.len()])
    }

    pub(super) fn created(&mut self, at: At<'_>) {
        if let What::Created { topic, retention } = &at.event.what
            && let Some(known) = self.0.get_mut(topic.0 as usize)
        {
            known.created = *retention;
        }
    }

    pub(super) fn asked(&mut self, at: At<'_>) {
        if let What::Altering { topic, retention, .. } = &at.event.what
            && let Some(known) = self.0.get_mut(topic.0 as usize)
        {
            known.changes.push(Change {
                by: at.event.client,
                asked_us: at.us(),
                retention: *retention,
                answered: None,
            });
        }
    }

    pub(super) fn answered(&mut self, context: &Context<'_>, at: At<'_>, findings: &mut Findings) {
        let What::Altered {
            topic,
            asked_us,
            error,
            by,
            ..
        } = &at.event.what
        else {
            return;
        };
        let Some(known) = self.0.get_mut(topic.0 as usize) else {
            return;
        };
        let mut changes = known.changes.iter_mut().rev();
        let asked = changes.find(|one| one.asked_us == *asked_us && one.by == at.event.client);
        if let Some(change) = asked
            && *error != REQUEST_TIMED_OUT
        {
            change.answered = Some((at.us(), *error == 0));
        }
        let gone = context.history.topics.get(topic.0 as usize);
        let gone = gone.is_some_and(|topic| topic.deleted_from_us.is_some());
        let allowed = match *error {
            0 | REQUEST_TIMED_OUT | NOT_CONTROLLER => true,
            UNKNOWN_TOPIC_OR_PARTITION => gone || context.terms.partitions_added,
            _ => false,
        };
        if !allowed {
            findings.add(Promise::HonestErrors, "error-code", at.us(), || {
                let name = names::topic(context.history, *topic);
                let what = format!("altering {name} got error {error}, which it cannot have caused");
                (what, About::events([at.at]).life(*by).client(at.event.client))
            });
        }
    }

    /// Whether a topic ever had to keep less than everything.
    pub(super) fn tell_of(&self, topic: Topic) -> bool {
        self.least(topic, u64::MAX) != Retention::EVERYTHING
    }

    /// The least that an agent may have thought has to be kept until then.
    pub(super) fn least(&self, topic: Topic, at_us: u64) -> Retention {
        let Some(known) = self.0.get(topic.0 as usize) else {
            return Retention::EVERYTHING;
        };
        let asked = known.changes.iter().filter(|one| one.asked_us <= at_us);
        let asked = asked.filter(|one| !one.is_void()).map(|one| one.retention);
        asked.fold(known.created, |least, one| Retention {
            ms: least.ms.into_iter().chain(one.ms).min(),
            bytes: least.bytes.into_iter().chain(one.bytes).min(),
        })
    }

    /// What may have had to be kept at any moment between two, if agents know of what was altered before.
    pub(super) fn between(&self, topic: Topic, from_us: u64, to_us: u64) -> Vec<Retention> {
        let Some(known) = self.0.get(topic.0 as usize) else {
            return vec![Retention::EVERYTHING];
        };
        let done_before =
            |one: &&Change| matches!(one.answered, Some((answered_us, true)) if answered_us <= from_us);
        let last = known
            .changes
            .iter()
            .filter(done_before)
            .max_by_key(|one| one.asked_us);
        let (first, since_us) = last.map_or((known.created, 0), |one| (one.retention, one.asked_us));
        let later = known.changes.iter().filter(|one| {
            let may_follow = one.asked_us > since_us
                || (one.answered.is_none_or(|(answered_us, _)| answered_us > since_us)
                    && one.asked_us.saturating_add(LATE_US) >= since_us);
            !one.is_void() && one.asked_us <= to_us && may_follow
        });
        [first]
            .into_iter()
            .chain(later.map(|one| one.retention))
            .collect()
    }
}
