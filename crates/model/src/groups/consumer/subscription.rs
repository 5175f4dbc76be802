//! What members subscribe to, and which topics that is.
//!
//! Members that subscribe alike share one [`Subscription`]: the usual group has one, whatever its size. What it stands
//! for is looked up when the subscriptions or the topics change, not with each heartbeat.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::SubscribableTopics;
use super::pattern::Pattern;
use crate::TopicUuid;
use crate::groups::GroupError;
use crate::seams::Instant;

/// Different regular expressions in one group: each is matched with all topics. A member with one more is answered 81.
pub(super) const GROUP_REGEXES_MAX: usize = 100;

/// All topics are matched again at most so often in one group, however often topics change.
pub(super) const REGEX_REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// What a member subscribes to: topics by name, and those that match an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subscription {
    /// Ascending, no name twice.
    pub(super) names: Vec<Arc<str>>,
    /// Not empty.
    pub(super) regex: Option<Arc<str>>,
    /// Bytes of its text.
    pub(super) bytes: usize,
}

impl Subscription {
    /// The names in any order; an empty expression is none.
    pub(super) fn new(mut names: Vec<Arc<str>>, regex: Option<Arc<str>>) -> Self {
        names.sort_unstable();
        names.dedup();
        let regex = regex.filter(|regex| !regex.is_empty());
        let bytes = names.iter().chain(&regex).map(|text| text.len()).sum();
        Self { names, regex, bytes }
    }

    /// This one with what a heartbeat changes: `None` leaves as it is, an empty expression takes it away.
    pub(super) fn changed(&self, names: Option<Vec<String>>, regex: Option<String>) -> Self {
        let names = match names {
            Some(names) => names.into_iter().map(Arc::from).collect(),
            None => self.names.clone(),
        };
        Self::new(names, regex.map(Arc::from).or_else(|| self.regex.clone()))
    }
}

/// An expression that subscriptions of the group have.
#[derive(Default)]
struct Expression {
    subscriptions: usize,
    /// The topics that match; `None`: not looked up yet.
    topics: Option<Vec<Arc<str>>>,
}

/// The different subscriptions of a group.
#[derive(Default)]
pub(super) struct Subscriptions {
    /// How many members have each.
    members: BTreeMap<Arc<Subscription>, usize>,
    expressions: BTreeMap<Arc<str>, Expression>,
    /// The version of the topics that were looked at; `None` if the subscriptions changed since then.
    seen: Option<i64>,
    /// The version of the topics that all expressions were matched with, and when.
    matched: Option<(i64, Instant)>,
}

impl Subscriptions {
    /// Whether a member may come with this one.
    ///
    /// The expression is new here and cannot be read: `InvalidRegularExpression`. There are too many different ones:
    /// `GroupMaxSizeReached`.
    pub(super) fn check(&self, subscription: &Subscription) -> Result<(), GroupError> {
        let Some(regex) = &subscription.regex else {
            return Ok(());
        };
        if self.expressions.contains_key(regex) {
            return Ok(());
        }
        Pattern::new(regex)?;
        if self.expressions.len() >= GROUP_REGEXES_MAX {
            return Err(GroupError::GroupMaxSizeReached);
        }
        Ok(())
    }

    /// A member has this subscription from now on.
    pub(super) fn add(&mut self, subscription: Subscription) -> Arc<Subscription> {
        if let Some((shared, members)) = self.members.range_mut::<Subscription, _>(&subscription..).next()
            && **shared == subscription
        {
            *members += 1;
            return shared.clone();
        }
        self.seen = None;
        if let Some(regex) = &subscription.regex {
            self.expressions.entry(regex.clone()).or_default().subscriptions += 1;
        }
        let shared = Arc::new(subscription);
        self.members.insert(shared.clone(), 1);
        shared
    }

    /// A member does not have this subscription any more.
    pub(super) fn remove(&mut self, subscription: &Arc<Subscription>) {
        let Some(members) = self.members.get_mut(subscription) else {
            return;
        };
        *members -= 1;
        if *members > 0 {
            return;
        }
        self.seen = None;
        self.members.remove(subscription);
        if let Some(regex) = &subscription.regex
            && let Some(expression) = self.expressions.get_mut(regex)
        {
            expression.subscriptions -= 1;
            if expression.subscriptions == 0 {
                self.expressions.remove(regex);
            }
        }
    }

    /// Looks at the topics if they or the subscriptions changed: the hash of all that is subscribed to, else `None`.
    pub(super) fn look(&mut self, now: Instant, topics: &dyn SubscribableTopics) -> Option<i64> {
        let version = topics.version();
        let matched = self.match_topics(now, topics, version);
        if !matched && self.seen == Some(version) {
            return None;
        }
        self.seen = Some(version);
        Some(self.hash(topics))
    }

    /// Matches expressions that were not, or all of them if the topics changed. Whether there were any to match.
    fn match_topics(&mut self, now: Instant, topics: &dyn SubscribableTopics, version: i64) -> bool {
        if self.expressions.is_empty() {
            self.matched = None;
            return false;
        }
        let all = match self.matched {
            None => true,
            Some((before, at)) => before != version && now.since(at) >= REGEX_REFRESH_INTERVAL,
        };
        let mut any = false;
        for (regex, expression) in &mut self.expressions {
            if all || expression.topics.is_none() {
                expression.topics = Some(matching(regex, topics));
                any = true;
            }
        }
        if all {
            self.matched = Some((version, now));
        }
        any
    }

    /// The topics that there are of those subscribed to, by name: their ids and partitions.
    pub(super) fn topics_of(
        &self,
        subscription: &Subscription,
        topics: &dyn SubscribableTopics,
    ) -> BTreeMap<Arc<str>, (TopicUuid, i32)> {
        let matching = subscription
            .regex
            .as_ref()
            .and_then(|regex| self.expressions.get(regex));
        let matching = matching.and_then(|expression| expression.topics.as_ref());
        let names = subscription.names.iter().chain(matching.into_iter().flatten());
        names
            .filter_map(|name| Some((name.clone(), topics.topic(name)?)))
            .collect()
    }

    /// Whether everything was looked at since it last changed.
    #[cfg(test)]
    pub(super) fn is_current(&self, topics: &dyn SubscribableTopics) -> bool {
        let version = topics.version();
        let matched = self.matched.is_some_and(|(matched, _)| matched == version);
        self.seen == Some(version) && (matched || self.expressions.is_empty())
    }

    /// The different subscriptions.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        self.members.keys()
    }

    /// Whether a member is subscribed to the topic.
    pub(super) fn include(&self, topic: &str) -> bool {
        let mut subscriptions = self.members.keys();
        let named = subscriptions.any(|s| s.names.binary_search_by(|name| (**name).cmp(topic)).is_ok());
        named
            || self
                .expressions
                .iter()
                .any(|(regex, expression)| match &expression.topics {
                    Some(topics) => topics.iter().any(|name| **name == *topic),
                    None => Pattern::new(regex).is_ok_and(|pattern| pattern.matches(topic)),
                })
    }

    /// Whether every expression was matched.
    pub(super) fn have_matched(&self) -> bool {
        self.expressions
            .values()
            .all(|expression| expression.topics.is_some())
    }

    /// FNV-1a in 64 bits: it is kept, so it must not change between releases.
    fn hash(&self, topics: &dyn SubscribableTopics) -> i64 {
        let mut all = BTreeMap::new();
        for subscription in self.members.keys() {
            all.extend(self.topics_of(subscription, topics));
        }
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        for (name, (id, partitions)) in all {
            add(name.as_bytes());
            add(&[0]);
            add(id.0.as_bytes());
            add(&partitions.to_be_bytes());
        }
        hash.cast_signed()
    }
}

/// The topics that match. None if the expression cannot be read: it could when a member came with it.
fn matching(regex: &str, topics: &dyn SubscribableTopics) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    if let Ok(pattern) = Pattern::new(regex) {
        topics.each(&mut |name| {
            if pattern.matches(name) {
                names.push(Arc::from(name));
            }
        });
    }
    names
}

#[cfg(test)]
#[path = "tests/subscription.rs"]
mod tests;
