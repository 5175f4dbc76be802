//! The group epoch and the target assignment.
//!
//! The group epoch is raised when a member comes, goes or subscribes to something else, and when the topics that are
//! subscribed to change. The next heartbeat then makes the target of that epoch: once for each epoch, and for all members.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::assign::{Assignor, Candidate, Task};
use super::subscription::Subscription;
use super::{Changes, ConsumerGroup, SubscribableTopics};
use crate::collections::FixedMap;
use crate::seams::Instant;

impl ConsumerGroup {
    /// Raises the group epoch if it has to be, and makes the target that it lacks.
    pub(super) fn refresh(
        &mut self,
        subscription_changed: bool,
        now: Instant,
        topics: &dyn SubscribableTopics,
        changes: &mut Changes,
    ) {
        let mut raise = subscription_changed || self.epoch == 0;
        if let Some(hash) = self.subscriptions.look(now, topics)
            && hash != self.metadata_hash
        {
            self.metadata_hash = hash;
            changes.group = true;
            // An epoch that has no target yet will see these topics.
            raise |= self.epoch == self.assignment_epoch;
        }
        if raise {
            self.raise_epoch(now, changes);
        }
        if self.epoch > self.assignment_epoch {
            self.make_target(topics, changes);
        }
    }

    pub(super) fn raise_epoch(&mut self, now: Instant, changes: &mut Changes) {
        self.epoch = self.epoch.saturating_add(1);
        self.raised_at = Some(now);
        changes.group = true;
    }

    /// The assignor that most members would like; the default if none says or as many would like it.
    pub(super) fn assignor(&self) -> Assignor {
        let wishes = |assignor: Assignor| {
            let members = self.members.values();
            members.filter(|member| member.assignor == Some(assignor)).count()
        };
        if wishes(Assignor::Range) > wishes(Assignor::Uniform) {
            Assignor::Range
        } else {
            Assignor::Uniform
        }
    }

    fn make_target(&mut self, topics: &dyn SubscribableTopics, changes: &mut Changes) {
        let targets = self.assignor().assign(&self.task(topics));
        for (member, target) in self.members.values_mut().zip(targets) {
            if member.target != target {
                member.target = target;
                changes.kept(&member.id);
            }
        }
        self.assignment_epoch = self.epoch;
        changes.group = true;
    }

    fn task(&self, topics: &dyn SubscribableTopics) -> Task<'_> {
        let subscribed: Vec<_> = {
            let subscriptions = self.subscriptions.iter();
            subscriptions
                .map(|of| (of, self.subscriptions.topics_of(of, topics)))
                .collect()
        };
        let mut task = Task::default();
        let mut index: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for (name, topic) in subscribed.iter().flat_map(|(_, topics)| topics) {
            if !index.contains_key(name) {
                index.insert(name.clone(), task.topics.len());
                task.topics.push(*topic);
            }
        }
        // Members that subscribe alike share their subscription: its address tells it.
        let mut places: FixedMap<*const Subscription, usize> = FixedMap::default();
        for (subscription, topics) in &subscribed {
            places.insert(Arc::as_ptr(subscription), task.subscriptions.len());
            let mut topics: Vec<usize> = topics
                .keys()
                .filter_map(|name| index.get(name).copied())
                .collect();
            topics.sort_unstable();
            task.subscriptions.push(topics);
        }
        task.members = {
            let members = self.members.values();
            members
                .filter_map(|member| {
                    Some(Candidate {
                        id: &member.id,
                        instance: member.instance.as_deref(),
                        subscription: *places.get(&Arc::as_ptr(&member.subscription))?,
                        current: &member.target,
                    })
                })
                .collect()
        };
        task
    }
}
