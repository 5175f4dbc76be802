//! Members of consumer groups, many thousands in one process: a connection each, one thread for all.
//!
//! `connect → join → (all groups have come to rest) → ready → heartbeat or commit when it is due → leave`. Until it is ready a
//! member's next heartbeat is due an interval after the one before, with the newer protocol when the broker told it to come;
//! from then on all members together share the interval evenly. A member that has to join again while it is measured is an
//! error.

mod classic;
mod consumer;
mod members;
mod pace;
mod rest;

use std::rc::Rc;
use std::time::Duration;

use esker_protocol::messages::FindCoordinatorRequest;
use esker_protocol::{ErrorCode, StrBytes};
use serde::{Deserialize, Serialize};
use tokio::task::LocalSet;

use super::connection::{Connection, runtime};
use super::orders::Orders;
use super::{Outcome, process};
use crate::clock::{monotonic_ns, seconds};
use members::Members;
use rest::Standing;

/// How soon an order is noticed.
const LOOK: Duration = Duration::from_millis(2);
/// Until everything rests; a machine that takes longer is of no use.
const SETTLE_LIMIT: Duration = Duration::from_secs(180);
/// How long members may take to leave.
const LEAVE_LIMIT: Duration = Duration::from_secs(60);
/// Groups whose coordinator is asked for in one request.
const COORDINATORS: usize = 500;

/// Members of groups, and what they do. All of them read one topic.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MembersSpec {
    pub bootstrap: String,
    pub topic: String,
    /// Of the topic; all of a group's members share them.
    pub partitions: i32,
    /// The groups' ids begin with it.
    pub name: String,
    pub groups: usize,
    /// Of each group.
    pub members: usize,
    pub protocol: Protocol,
    pub work: Work,
    /// Between two heartbeats, or two commits, of a member.
    pub interval_ms: u64,
    /// They leave at the end: the broker goes on without them.
    pub leave: bool,
}

/// How members talk to their coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Protocol {
    /// JoinGroup, SyncGroup, Heartbeat.
    Classic,
    /// ConsumerGroupHeartbeat (KIP-848).
    Consumer,
}

/// What members do once they have joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Nothing more: it is over when all groups have come to rest. The outcome's seconds are those since the first one
    /// began to join; all connections were there before.
    Join,
    Heartbeat,
    /// Each commits one offset of one partition, as a member. Only classic ones do.
    Commit,
}

/// How an answer to a heartbeat, or to a commit, is taken.
enum Beat {
    Heard,
    /// It was heard, and the member stands elsewhere.
    Moved(Standing),
    /// It was not heard this time.
    Refused(String),
    MustJoin,
}

/// Plays the members until the parent has seen enough.
pub(super) fn run(spec: &MembersSpec, orders: &Orders) -> Result<Outcome, String> {
    LocalSet::new().block_on(&runtime()?, play(spec, orders))
}

async fn play(spec: &MembersSpec, orders: &Orders) -> Result<Outcome, String> {
    let mut connections = Vec::new();
    for _ in 0..spec.groups * spec.members {
        connections.push(Connection::open(&spec.bootstrap).await?);
    }
    if let Some(first) = connections.first_mut() {
        until_coordinated(first, spec).await?;
    }
    if spec.work == Work::Join {
        process::say_ready();
    }
    let members = Rc::new(Members::new(spec));
    let began = monotonic_ns();
    let tasks: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(at, connection)| tokio::task::spawn_local(members::live(Rc::clone(&members), at, connection)))
        .collect();
    let settled = tokio::time::timeout(SETTLE_LIMIT, members.until_settled()).await;
    let settled = settled.map_err(|_| members.unsettled())??;
    let mut outcome = if spec.work == Work::Join {
        Outcome {
            seconds: seconds(began, settled),
            records: (spec.groups * spec.members) as u64,
            ..Outcome::default()
        }
    } else {
        members.begin(monotonic_ns());
        process::say_ready();
        let from = until(orders, &members).await?;
        members.outcome(from, monotonic_ns())
    };
    members.end();
    if spec.leave {
        let all = async {
            for task in tasks {
                // How it ended was told already.
                let _ = task.await;
            }
        };
        if tokio::time::timeout(LEAVE_LIMIT, all).await.is_err() {
            outcome
                .first_error
                .get_or_insert_with(|| "not all members could leave".to_owned());
        }
    }
    Ok(outcome)
}

/// Waits until it is over; when measuring began.
async fn until(orders: &Orders, members: &Members) -> Result<u64, String> {
    let mut from = None;
    while !orders.is_over() {
        if from.is_none() && orders.is_measuring() {
            members.measure();
            from = Some(monotonic_ns());
        }
        pause(LOOK).await;
        members.check()?;
    }
    Ok(from.unwrap_or_else(monotonic_ns))
}

/// Waits until the broker knows a coordinator for every group: Apache Kafka makes a topic for that first.
async fn until_coordinated(connection: &mut Connection, spec: &MembersSpec) -> Result<(), String> {
    let groups: Vec<StrBytes> = (0..spec.groups).map(|group| group_id(spec, group)).collect();
    for some in groups.chunks(COORDINATORS) {
        loop {
            let request = FindCoordinatorRequest::default().with_coordinator_keys(some.to_vec());
            let answer = connection.call(&request).await?;
            let mut codes = answer.coordinators.iter().map(|found| found.error_code);
            match codes.find(|code| *code != 0) {
                None => break,
                Some(code) if asks_again(code) => pause(Duration::from_millis(100)).await,
                Some(code) => return Err(refused("FindCoordinator", code)),
            }
        }
    }
    Ok(())
}

fn group_id(spec: &MembersSpec, group: usize) -> StrBytes {
    StrBytes::from_string(format!("{}-{group}", spec.name))
}

/// Whether a client asks again, later: the coordinator is not there yet, or reads what it has to know.
fn asks_again(code: i16) -> bool {
    matches!(
        ErrorCode::from_code(code),
        Some(
            ErrorCode::CoordinatorLoadInProgress
                | ErrorCode::CoordinatorNotAvailable
                | ErrorCode::NotCoordinator
        )
    )
}

fn refused(what: &str, code: i16) -> String {
    match ErrorCode::from_code(code) {
        Some(error) => format!("{what} was refused: {}", error.name()),
        None => format!("{what} was refused: error {code}"),
    }
}

async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
