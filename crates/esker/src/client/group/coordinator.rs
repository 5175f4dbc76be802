//! The broker that coordinates a group: found, asked, and found again when it moved.
//!
//! A request that gets COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE or NOT_COORDINATOR, or whose connection
//! breaks or gives no answer for a share of the deadline of the cluster, is sent again until that has passed. So only requests that may be repeated go here;
//! all of a group are. A call that is dropped midway takes its connection with it.

use std::time::Duration;

use esker_model::seams::Seams;
use esker_protocol::ErrorCode;
use esker_protocol::client::ClientRequest;
use esker_protocol::messages::FindCoordinatorRequest;

use super::text;
use crate::client::cluster::host_port;
use crate::client::{ClientError, Cluster, Connection, Result};

/// Wait before a retry; doubles up to the second.
const BACKOFF: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// From this version on FindCoordinator asks for several keys.
const FIND_SEVERAL: i16 = 4;

/// Where a coordinator is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Node id.
    pub(crate) node: i32,
    /// `host:port`.
    pub(crate) address: String,
}

/// The way to the coordinator of one group.
pub(crate) struct Coordinator {
    group: String,
    seams: Seams,
    place: Option<Place>,
    /// It was found before: then a cluster that answers nothing is starting again.
    found: bool,
    connection: Option<Connection>,
}

/// Whether a code says that somebody else is asked, or the same one later.
pub(crate) fn has_moved(code: i16) -> bool {
    matches!(
        ErrorCode::from_code(code),
        Some(
            ErrorCode::CoordinatorLoadInProgress
                | ErrorCode::CoordinatorNotAvailable
                | ErrorCode::NotCoordinator
        )
    )
}

impl Coordinator {
    /// The coordinator of `group`; nothing is asked yet.
    pub(crate) fn new(group: &str, seams: Seams) -> Self {
        Self {
            group: group.to_owned(),
            seams,
            place: None,
            found: false,
            connection: None,
        }
    }

    /// The group.
    pub(crate) fn group(&self) -> &str {
        &self.group
    }

    /// Where it was found last.
    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Sends what `build` makes for the version that both sides know. `wait` is how long the broker may take by
    /// intention; `code` finds the code in the answer that could say that the coordinator moved. Other codes are the
    /// caller's.
    pub(crate) async fn ask<R: ClientRequest>(
        &mut self,
        cluster: &mut Cluster,
        wait: Duration,
        build: impl Fn(i16) -> Result<R>,
        code: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response> {
        let mut failing_since = None;
        let mut backoff = BACKOFF;
        loop {
            let error = match self.attempt(cluster, wait, &build).await {
                Ok((connection, response)) => {
                    match ClientError::check(code(&response), || format!("group {}", self.group), None) {
                        Err(error) if has_moved(code(&response)) => error,
                        _ => {
                            self.connection = Some(connection);
                            return Ok(response);
                        }
                    }
                }
                Err(error) => error,
            };
            // That not even one broker answers is said at once, as by every other command, but to who was at work.
            let nobody = !self.found && matches!(error, ClientError::Connect { .. });
            // Not from the beginning: an answer may take longer than that by intention.
            let now = self.seams.clock.now();
            let late = now - *failing_since.get_or_insert(now) >= cluster.deadline();
            if nobody || late || !error.is_retriable() {
                return Err(error);
            }
            self.place = None;
            tokio::time::sleep(self.seams.rng.jitter(backoff)).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    async fn attempt<R: ClientRequest>(
        &mut self,
        cluster: &mut Cluster,
        wait: Duration,
        build: &impl Fn(i16) -> Result<R>,
    ) -> Result<(Connection, R::Response)> {
        let mut connection = match (self.connection.take(), &self.place) {
            (Some(connection), Some(_)) => connection,
            _ => {
                let place = self.find(cluster).await?;
                let address = place.address.clone();
                self.place = Some(place);
                self.found = true;
                Connection::open(&address, cluster.share(), cluster.deadline()).await?
            }
        };
        let request = build(connection.version_of::<R>()?)?;
        let response = connection.call_within(&request, cluster.share() + wait).await?;
        Ok((connection, response))
    }

    /// Asks any broker who coordinates the group.
    async fn find(&self, cluster: &mut Cluster) -> Result<Place> {
        let answer = self.ask_any(cluster).await;
        if answer.is_err() {
            cluster.lose();
        }
        answer
    }

    async fn ask_any(&self, cluster: &mut Cluster) -> Result<Place> {
        let share = cluster.share();
        let connection = cluster.any().await?;
        let request = FindCoordinatorRequest::default();
        let several = connection.version_of::<FindCoordinatorRequest>()? >= FIND_SEVERAL;
        let request = if several {
            request.with_coordinator_keys(vec![text(&self.group)])
        } else {
            request.with_key(text(&self.group))
        };
        let response = connection.call_within(&request, share).await?;
        let what = || format!("cannot find the coordinator of group {}", self.group);
        if !several {
            ClientError::check(response.error_code, what, response.error_message.as_deref())?;
            return Ok(Place {
                node: response.node_id.0,
                address: host_port(&response.host, response.port),
            });
        }
        let found = response
            .coordinators
            .first()
            .ok_or_else(|| ClientError::Input(format!("{}: no answer", what())))?;
        ClientError::check(found.error_code, what, found.error_message.as_deref())?;
        Ok(Place {
            node: found.node_id.0,
            address: host_port(&found.host, found.port),
        })
    }
}
