//! When a producer asks where its topics are, and what it makes of the answer.

use std::time::Duration;

use super::lane::{Home, Lane, Outgoing};
use super::policy::Policy;
use crate::clients::metadata::{Found, View};

/// Asked at least this often, in case that leaders change without an error.
const REFRESH_EVERY: Duration = Duration::from_secs(10);
/// Asked this often while a topic is missing that an application wants to write to.
const REFRESH_MISSING: Duration = Duration::from_secs(1);
/// Asked at most this often.
const REFRESH_PAUSE: Duration = Duration::from_millis(100);
/// So many answers in a row say that a topic is gone: its batches are given up.
const GONE_MAX: u32 = 8;

/// Whether Metadata is wanted, under way, or fresh.
#[derive(Default)]
pub(super) struct Refresh {
    wanted: bool,
    under_way: bool,
    missing: bool,
    last_us: Option<u64>,
}

impl Refresh {
    /// It is out of date.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// Asked for but not answered.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// When it is to be asked next.
    pub(super) fn due_us(&self) -> u64 {
        let pause = match (self.wanted, self.missing) {
            (true, _) => REFRESH_PAUSE,
            (false, true) => REFRESH_MISSING,
            (false, false) => REFRESH_EVERY,
        };
        self.last_us
            .map_or(0, |last_us| last_us + pause.as_micros() as u64)
    }

    /// True if it has to be asked now; it is under way then.
    pub(super) fn begins(&mut self, now_us: u64) -> bool {
        let begins = !self.under_way && self.due_us() <= now_us;
        if begins {
            self.under_way = true;
            self.wanted = false;
        }
        begins
    }

    /// It was answered, and has been taken over by the lanes.
    pub(super) fn ended(&mut self, lanes: &[Lane], now_us: u64) {
        self.under_way = false;
        self.missing = lanes.iter().any(|lane| lane.home.is_none() || lane.gone > 0);
        self.last_us = Some(now_us);
    }
}

/// Takes over what Metadata says of one lane; returns the batches that are given up.
pub(super) fn apply(
    view: &View,
    lanes: &mut [Lane],
    at: usize,
    by_id: bool,
    policy: &mut dyn Policy,
) -> Vec<Outgoing> {
    let Some(lane) = lanes.get_mut(at) else {
        return Vec::new();
    };
    let found = view.topics.get(&lane.topic);
    if let Some(Found::Here(topic)) = found
        && topic.leaders.contains_key(&lane.index)
    {
        lane.gone = 0;
        let home = Home {
            uuid: topic.uuid,
            topic: topic.topic,
        };
        let before = lane.home.replace(home).map(|before| before.uuid);
        let Some(before) = before.filter(|before| by_id && *before != home.uuid) else {
            return Vec::new();
        };
        lane.past.push(before);
        for batch in &mut lane.wire {
            batch.abandoned = true;
            batch.identity = None;
        }
        policy.moved(at, lane.past.contains(&home.uuid));
        return lane.queue.drain(..).collect();
    }
    if matches!(found, Some(Found::Gone | Found::Here(_))) {
        lane.gone += 1;
    }
    if lane.gone < GONE_MAX || lane.queue.is_empty() {
        return Vec::new();
    }
    let dropped: Vec<Outgoing> = lane.queue.drain(..).collect();
    policy.dropped(lanes, at, &dropped);
    dropped
}
