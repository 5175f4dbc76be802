//! How an incarnation begins: prove that metastore and bucket belong together, then register.
//!
//! The first start draws the cluster's id, records it in the metastore and writes `cluster.json` by a
//! conditional PUT. From then on both must agree. A bucket of another cluster, a metastore without its
//! bucket and a bucket without its metastore are refused before anything is written.

use std::sync::Arc;

use esker_metastore::{
    AdvertisedAddress, Agent, AgentProfile, HISTORY_READ, Metastore, MetastoreError, Registration,
};
use esker_model::seams::Seams;
use esker_model::{ClusterEpoch, ClusterId, IncarnationId, NodeId};
use esker_storage::StoreError;
use esker_storage::bucket::Bucket;
use esker_storage::cluster_file::{self, ClusterFile};
use tracing::info;

use super::{EpochGate, Membership, StopReason, gate, heartbeat};
use crate::config::BrokerConfig;
use crate::groups::GROUPS_COORDINATED;
use crate::metrics::BrokerMetrics;
use crate::topics::Catalog;

/// Who this incarnation is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The cluster's id.
    pub cluster_id: ClusterId,
    /// The epoch it begins in.
    pub epoch: ClusterEpoch,
    /// This life.
    pub incarnation: IncarnationId,
    /// The id that belongs to its name.
    pub node_id: NodeId,
}

/// Why an incarnation could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The metastore refused or could not be reached.
    #[error(transparent)]
    Metastore(#[from] MetastoreError),
    /// The bucket refused or could not be reached.
    #[error(transparent)]
    Bucket(#[from] StoreError),
    /// Metastore and bucket do not belong together, or the setting contradicts them.
    #[error("{0}")]
    Identity(String),
}

impl StartError {
    /// Whether somebody may put it right while the agent waits: a bucket or a database that is not there yet, a password, a
    /// permission.
    pub fn may_be_mended(&self) -> bool {
        match self {
            Self::Metastore(err) => matches!(err, MetastoreError::Refused(_)),
            Self::Bucket(err) => matches!(
                err,
                StoreError::Denied(_) | StoreError::Forbidden(_) | StoreError::Misconfigured(_)
            ),
            Self::Identity(_) => false,
        }
    }

    /// Whether waiting may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Metastore(err) => err.is_transient(),
            Self::Bucket(err) => err.is_transient(),
            Self::Identity(_) => false,
        }
    }
}

/// Proves the identity, registers, hears who is alive, and starts the heartbeat and the epoch's watch.
pub async fn join(
    config: &BrokerConfig,
    metastore: Arc<dyn Metastore>,
    bucket: Bucket,
    catalog: Arc<Catalog>,
    seams: &Seams,
    metrics: &BrokerMetrics,
) -> Result<(Arc<Membership>, Arc<EpochGate>), StartError> {
    let (file, confirmed) = prove_identity(config, metastore.as_ref(), &bucket, seams).await?;
    let incarnation = IncarnationId(seams.rng.uuid());
    let profile = profile(config);
    let registered = metastore
        .register(&Registration {
            node_name: config.node_name.clone(),
            incarnation,
            epoch: file.epoch,
            profile: profile.clone(),
        })
        .await?;
    for fenced in &registered.fenced {
        info!(incarnation = %fenced, "fenced an earlier life of this agent");
    }
    let identity = Identity {
        cluster_id: file.cluster_id,
        epoch: file.epoch,
        incarnation,
        node_id: registered.node_id,
    };
    let me = Agent {
        node_id: registered.node_id,
        node_name: config.node_name.clone(),
        incarnation,
        profile,
    };
    let (time, first) = heartbeat::send(incarnation, metastore.as_ref(), seams).await?;
    let member = Arc::new(Membership::new(identity, me, Arc::clone(&seams.clock), time));
    heartbeat::heed(&member, time, first)?;
    let gate = Arc::new(EpochGate::new(Arc::clone(&seams.clock), confirmed));
    let beat = heartbeat::beat(
        Arc::clone(&member),
        metastore,
        Arc::clone(&catalog),
        seams.clone(),
    );
    seams.spawner.spawn("heartbeat", Box::pin(beat));
    // A large catalog may take longer than this agent may be silent.
    if let Err(err) = catalog.refresh().await {
        member.stop(StopReason::Fenced);
        return Err(err.into());
    }
    let watch = gate::watch_epoch(
        Arc::clone(&gate),
        Arc::clone(&member),
        bucket,
        seams.clone(),
        metrics.epoch_reads.clone(),
    );
    seams.spawner.spawn("epoch", Box::pin(watch));
    Ok((member, gate))
}

async fn prove_identity(
    config: &BrokerConfig,
    metastore: &dyn Metastore,
    bucket: &Bucket,
    seams: &Seams,
) -> Result<(ClusterFile, esker_model::seams::Instant), StartError> {
    let began = seams.clock.now();
    let in_bucket = cluster_file::read(bucket).await?;
    let in_metastore = metastore.cluster().await?;
    let cluster = match (&in_bucket, in_metastore) {
        (Some(file), None) => {
            return Err(StartError::Identity(format!(
                "the bucket belongs to cluster {} but the metastore is empty: use that cluster's metastore, or another bucket",
                file.cluster_id
            )));
        }
        (_, Some(cluster)) => cluster,
        (None, None) => {
            let id = config
                .cluster_id
                .clone()
                .map_or_else(|| draw_cluster_id(seams), ClusterId);
            metastore.init_cluster(&id).await?
        }
    };
    if let Some(wanted) = &config.cluster_id
        && *wanted != cluster.id.0
    {
        return Err(StartError::Identity(format!(
            "the setting cluster_id is {wanted}, but the metastore belongs to cluster {}",
            cluster.id
        )));
    }
    let (file, confirmed) = match in_bucket {
        Some(file) => (file, began),
        // Another agent's first start may have come between our look into the bucket and the one into the
        // metastore: what is bound now was written before that.
        None if cluster.bucket_bound => match cluster_file::read(bucket).await? {
            Some(file) => (file, began),
            None => {
                return Err(StartError::Identity(format!(
                    "the bucket has no cluster.json, but cluster {} has used a bucket before: is bucket_url right?",
                    cluster.id
                )));
            }
        },
        None => {
            let file = ClusterFile::new(cluster.id.clone(), cluster.epoch);
            (cluster_file::create(bucket, &file).await?, began)
        }
    };
    if file.cluster_id != cluster.id {
        return Err(StartError::Identity(format!(
            "the bucket belongs to cluster {}, the metastore to cluster {}",
            file.cluster_id, cluster.id
        )));
    }
    if file.epoch != cluster.epoch {
        return Err(StartError::Identity(format!(
            "the bucket is in cluster epoch {}, the metastore in {}: this metastore was replaced by a restore",
            file.epoch, cluster.epoch
        )));
    }
    if !cluster.bucket_bound {
        metastore.bucket_bound().await?;
    }
    Ok((file, confirmed))
}

fn profile(config: &BrokerConfig) -> AgentProfile {
    AgentProfile {
        addresses: config
            .listeners
            .iter()
            .map(|listener| AdvertisedAddress {
                listener: listener.name.clone(),
                host: listener.advertised_host.clone(),
                port: listener.advertised_port,
            })
            .collect(),
        zone: config.zone.clone(),
        roles: config.roles.clone(),
        version: config.version.clone(),
        history: HISTORY_READ,
        groups: GROUPS_COORDINATED,
    }
}

/// 128 random bits as 22 characters of URL-safe base 64, the form of Kafka's own cluster ids.
fn draw_cluster_id(seams: &Seams) -> ClusterId {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits = seams.rng.uuid().as_u128();
    let mut id = String::with_capacity(22);
    for _ in 0..22 {
        id.push(char::from(ALPHABET[(bits >> 122) as usize]));
        bits <<= 6;
    }
    ClusterId(id)
}
