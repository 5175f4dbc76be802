//! Which groups there are: each broker tells those that it coordinates.

use std::collections::BTreeMap;

use esker_model::seams::Seams;
use esker_protocol::messages::{ListGroupsRequest, ListGroupsResponse};
use futures::future::join_all;

use super::coordinator::has_moved;
use crate::client::{ClientError, Cluster, Connection, Result};

/// How often a broker that is still loading its groups is asked.
const ATTEMPTS_MAX: u32 = 20;
/// Wait before it is asked again.
const BACKOFF: std::time::Duration = std::time::Duration::from_millis(500);

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

/// All groups of the cluster, ascending by name. Every broker must answer: a list with holes would mislead.
pub(crate) async fn list(cluster: &mut Cluster, seams: &Seams) -> Result<Vec<Listed>> {
    cluster.topics(Some(&[]), false).await?;
    let asks = cluster.nodes().into_iter().map(|node| {
        let cluster = &*cluster;
        async move {
            let mut connection = cluster.connect(node).await?;
            let response = ask(&mut connection, node, seams).await?;
            Ok::<_, ClientError>((node, response))
        }
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

async fn ask(connection: &mut Connection, node: i32, seams: &Seams) -> Result<ListGroupsResponse> {
    let mut attempt = 1;
    loop {
        let response = connection.call(&ListGroupsRequest::default()).await?;
        if has_moved(response.error_code) && attempt < ATTEMPTS_MAX {
            attempt += 1;
            tokio::time::sleep(seams.rng.jitter(BACKOFF)).await;
            continue;
        }
        let what = || format!("cannot list the groups of broker {node}");
        ClientError::check(response.error_code, what, None)?;
        return Ok(response);
    }
}
