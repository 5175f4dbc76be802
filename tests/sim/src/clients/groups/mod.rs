//! Members of consumer groups, as Kafka's clients are: of the classic protocol, eager or cooperative, dynamic or static,
//! and of KIP-848.
//!
//! `find the coordinator → join → own partitions → read → commit`, and heartbeats all the time. Each member has a seat in
//! its group; one process after the other sits there. While there is load a process crashes, leaves, or stands still for
//! longer than its session now and then.
//!
//! What holds: a member that hears that it is none any more, or joins again, gives up what it owns before it asks
//! anything else (a cooperative one: before it joins again, what it was told to give up); one that hears nothing does not
//! know, and goes on. Where it goes on reading is what the group committed, else the start of the log; positions only
//! grow. What it is told, what it gives up and what it commits is in the history
//! ([`esker_history::group::InGroup`]).
//!
//! After the faults an observer of each group asks for what must be the case then ([`observer`]), and lets the members go.

mod assign;
mod board;
mod classic;
mod consumer;
mod coordinator;
mod life;
mod observer;
mod offsets;
mod reader;
mod seat;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use esker_history::group::Kind;

pub use observer::{CAUGHT_UP_MAX, observe};
pub use seat::run_member;

pub use board::Board;

/// How the members of a group speak with their coordinator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speech {
    /// The classic protocol: who joins again gives up everything before.
    Eager,
    /// The classic protocol: who joins again keeps what it owns until it is told otherwise (KIP-429).
    Cooperative,
    /// KIP-848, with the assignor of the coordinator.
    Consumer,
}

impl Speech {
    fn kind(self) -> Kind {
        match self {
            Self::Eager | Self::Cooperative => Kind::Classic,
            Self::Consumer => Kind::Consumer,
        }
    }
}

/// A group and its members.
#[derive(Clone, Debug)]
pub struct GroupPlan {
    /// Its id.
    pub name: String,
    /// How its members speak.
    pub speech: Speech,
    /// What it reads: topic names, each with its number of partitions.
    pub topics: Vec<(String, i32)>,
    /// The members; whether each is static (KIP-345, classic only).
    pub members: Vec<bool>,
    /// `session.timeout.ms`. (In KIP-848 the agents decide.)
    pub session: Duration,
    /// `max.poll.interval.ms`, how long a rebalance may take.
    pub rebalance: Duration,
    /// `heartbeat.interval.ms`. (In KIP-848 the agents decide.)
    pub heartbeat: Duration,
    /// Mean pause between two fetches.
    pub poll: Duration,
    /// `auto.commit.interval.ms`.
    pub commit: Duration,
    /// The mean time after which something happens to a process; nothing, if there is none.
    pub lives_for: Option<Duration>,
}

/// The seats of a group, and who watches them.
pub fn board(plan: &GroupPlan) -> Arc<Board> {
    Board::new(plan.members.len())
}
