//! Where a group's coordinator is, and what its errors mean to a member.

use std::sync::Arc;
use std::time::Duration;

use esker_history::event::Life;
use esker_protocol::StrBytes;
use esker_protocol::client::ClientRequest;
use esker_protocol::messages::FindCoordinatorRequest;

use crate::clients::ClientContext;
use crate::clients::metadata::Cluster;

/// The longest that a member waits for an answer that comes at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

const FIND_VERSION: i16 = 5;

/// Why something did not come about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trouble {
    /// No answer, or one that says that another time is better.
    Again,
    /// It has to do with the member: Kafka's error code.
    Member(i16),
}

/// The way to the coordinator of one group, over connections of its own: answers of one connection come in order, and
/// some take long.
pub(super) struct Coordinator {
    cluster: Arc<Cluster>,
    group: String,
    host: Option<String>,
}

impl Coordinator {
    pub(super) fn new(ctx: &ClientContext, group: &str) -> Self {
        Self {
            cluster: Cluster::new(ctx.clone(), PATIENCE),
            group: group.to_owned(),
            host: None,
        }
    }

    async fn find(&mut self) -> Result<String, Trouble> {
        if let Some(host) = &self.host {
            return Ok(host.clone());
        }
        let request = FindCoordinatorRequest::default()
            .with_key_type(0)
            .with_coordinator_keys(vec![StrBytes::from_string(self.group.clone())]);
        let any = self.cluster.any_host();
        let answer = self.cluster.call(&any, FIND_VERSION, &request).await;
        let (_, answer) = answer.map_err(|_| Trouble::Again)?;
        let Some(found) = answer.coordinators.first() else {
            return Err(strange(&self.cluster.ctx, "FindCoordinator", -1));
        };
        match found.error_code {
            0 => Ok(self.host.insert(found.host.to_string()).clone()),
            14 | 15 => Err(Trouble::Again),
            error => Err(strange(&self.cluster.ctx, "FindCoordinator", error)),
        }
    }

    /// Asks the coordinator. Answers: when it was asked, who answered, and what.
    pub(super) async fn call<R>(
        &mut self,
        version: i16,
        request: &R,
        patience: Duration,
    ) -> Result<(u64, Life, R::Response), Trouble>
    where
        R: ClientRequest + Sync + 'static,
        R::Response: Send,
    {
        let host = self.find().await?;
        let Ok(link) = self.cluster.link(&host).await else {
            self.host = None;
            return Err(Trouble::Again);
        };
        let asked_us = self.cluster.ctx.record.now_us();
        match link.send(version, request, patience).await {
            Ok(response) => Ok((asked_us, link.life(), response)),
            Err(_) => {
                self.host = None;
                Err(Trouble::Again)
            }
        }
    }

    /// Connects to the coordinator, so that the next request can be sent at once. Answers whose life it is.
    pub(super) async fn reach(&mut self) -> Result<Life, Trouble> {
        let host = self.find().await?;
        match self.cluster.link(&host).await {
            Ok(link) => Ok(link.life()),
            Err(_) => {
                self.host = None;
                Err(Trouble::Again)
            }
        }
    }

    /// What an error code of the coordinator means.
    pub(super) fn judge(&mut self, api: &str, error: i16) -> Result<(), Trouble> {
        match error {
            0 => Ok(()),
            14 => Err(Trouble::Again),
            15 | 16 => {
                self.host = None;
                Err(Trouble::Again)
            }
            22 | 25 | 27 | 69 | 79 | 82 | 110 | 113 => Err(Trouble::Member(error)),
            error => Err(strange(&self.cluster.ctx, api, error)),
        }
    }
}

/// No correct client can be given this. Tells the history; the client tries again, so that the run goes on.
fn strange(ctx: &ClientContext, api: &str, error: i16) -> Trouble {
    let why = format!("{api} of a member of a group that keeps the protocol");
    ctx.record.tell(ctx.me, esker_history::What::Fatal { error, why });
    Trouble::Again
}
