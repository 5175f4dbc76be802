//! A promise that a history breaks.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::{Batch, Client, Life, Partition};

/// The promises of the design, by name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Promise {
    /// P1: what was acknowledged stays.
    DurableAck,
    /// P2: offsets are dense and never change.
    ImmutableLog,
    /// P3: any agent serves anything.
    StatelessAgents,
    /// P4: bucket and metastore are the whole state.
    TwoStores,
    /// P5: the metastore's size does not follow retention.
    SmallMetastore,
    /// P6: a read costs few requests.
    CheapReads,
    /// P7: everything has a limit, and work goes on.
    Bounded,
    /// P8: no error looks like an answer.
    HonestErrors,
    /// P9: what it costs is a metric.
    VisibleCost,
}

impl Promise {
    /// Its number and name, for example `P1 durable ack`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DurableAck => "P1 durable ack",
            Self::ImmutableLog => "P2 immutable log",
            Self::StatelessAgents => "P3 stateless agents",
            Self::TwoStores => "P4 two stores",
            Self::SmallMetastore => "P5 small metastore",
            Self::CheapReads => "P6 cheap reads",
            Self::Bounded => "P7 bounded",
            Self::HonestErrors => "P8 honest errors",
            Self::VisibleCost => "P9 visible cost",
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a violation is about: enough to find the events that explain it.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct About {
    /// The events that contradict each other or the promise: places in [`crate::History::events`].
    pub events: Vec<usize>,
    /// Partitions.
    pub partitions: Vec<Partition>,
    /// Offsets in these partitions: the first, and the one after the last.
    pub offsets: Option<(i64, i64)>,
    /// Batches.
    pub batches: Vec<Batch>,
    /// Clients.
    pub clients: Vec<Client>,
    /// Lives of agents.
    pub lives: Vec<Life>,
}

impl About {
    /// Only events: where these speak for themselves.
    pub fn events(events: impl IntoIterator<Item = usize>) -> Self {
        Self {
            events: events.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Also a partition.
    #[must_use]
    pub fn partition(mut self, partition: Partition) -> Self {
        if !self.partitions.contains(&partition) {
            self.partitions.push(partition);
        }
        self
    }

    /// Also offsets from `first` up to `end`.
    #[must_use]
    pub fn offsets(mut self, first: i64, end: i64) -> Self {
        self.offsets = Some((first, end));
        self
    }

    /// Also batches.
    #[must_use]
    pub fn batches(mut self, batches: impl IntoIterator<Item = Batch>) -> Self {
        for batch in batches {
            if !self.batches.contains(&batch) {
                self.batches.push(batch);
            }
        }
        self
    }

    /// Also a client.
    #[must_use]
    pub fn client(mut self, client: Option<Client>) -> Self {
        self.clients.extend(client);
        self
    }

    /// Also a life.
    #[must_use]
    pub fn life(mut self, life: Option<Life>) -> Self {
        self.lives.extend(life);
        self
    }
}

/// A promise that was not kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Violation {
    /// Which promise.
    pub promise: Promise,
    /// The rule that found it, in a word or two.
    pub rule: &'static str,
    /// What is wrong, in a sentence with numbers.
    pub what: String,
    /// When it showed.
    pub at_us: u64,
    /// What it is about.
    pub about: About,
}
