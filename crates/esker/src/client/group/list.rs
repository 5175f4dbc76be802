//! Which groups there are: each broker tells those that it coordinates.

use std::collections::BTreeMap;
use std::time::Duration;

use esker_protocol::messages::{ListGroupsRequest, ListGroupsResponse};
use futures::future::join_all;

use crate::client::attempts::Attempts;
use crate::client::{ClientError, Cluster, Result};

/// A group in a list.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) group: String,
    /// `consumer`, `connect`, …; empty if the group was never joined.
    pub(crate) protocol_type: String,
    /// As Kafka names it; `None` of a broker that is too old to tell.
    pub(crate) state: Option<String>,
    /// `classic`, `consumer`, …; `None` of a broker that is too old to tell.
    pub(crate) kind: Option<String>,
    /// Node id of the broker that told.
    pub(crate) coordinator: i32,
}

/// All groups of the cluster, ascending by name. Every broker must answer: a list with holes would mislead. If one does
/// not, all are asked again, those that there are then: what it coordinated may have gone to one that had answered.
pub(crate) async fn list(cluster: &mut Cluster) -> Result<Vec<Listed>> {
    let mut attempts = Attempts::new(cluster);
    cluster.topics(Some(&[]), false).await?;
    loop {
        match round(cluster, attempts.share(cluster)).await {
            Ok(groups) => return Ok(groups),
            Err(error) => attempts.pause(cluster, error).await?,
        }
        // Who cannot say who is there now is asked after the next attempt.
        match cluster.look(Some(&[]), attempts.share(cluster)).await {
            Err(error) if !error.is_elsewhere() => return Err(error),
            _ => {}
        }
    }
}

/// Asks every broker once.
async fn round(cluster: &Cluster, share: Duration) -> Result<Vec<Listed>> {
    let asks = cluster.nodes().into_iter().map(|node| async move {
        let response = ask(cluster, node, share).await?;
        Ok::<_, ClientError>((node, response))
    });
    let mut groups = BTreeMap::new();
    for answer in join_all(asks).await {
        let (node, response) = answer?;
        let told = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        for group in response.groups {
            let listed = Listed {
                group: group.group_id.to_string(),
                protocol_type: group.protocol_type.to_string(),
                state: told(&group.group_state),
                kind: told(&group.group_type).map(|kind| kind.to_lowercase()),
                coordinator: node,
            };
            groups.insert(listed.group.clone(), listed);
        }
    }
    Ok(groups.into_values().collect())
}

async fn ask(cluster: &Cluster, node: i32, share: Duration) -> Result<ListGroupsResponse> {
    let mut connection = cluster.connect(node).await?;
    let response = connection
        .call_within(&ListGroupsRequest::default(), share)
        .await?;
    let what = || format!("cannot list the groups of broker {node}");
    ClientError::check(response.error_code, what, None)?;
    Ok(response)
}
