//! Administration: topics, configs, the cluster.

use esker_protocol::StrBytes;
use esker_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use esker_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use esker_protocol::messages::delete_topics_request::DeleteTopicState;
use esker_protocol::messages::describe_configs_request::DescribeConfigsResource;
use esker_protocol::messages::describe_configs_response::DescribeConfigsResult;
use esker_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use esker_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeClusterResponse, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    ListConfigResourcesRequest,
};

use super::cluster::topic_name;
use super::{ClientError, Cluster, Result};

/// Kafka's codes of config operations.
const OPERATION_SET: i8 = 0;
const OPERATION_DELETE: i8 = 1;
/// Kafka's codes of resource types.
pub(crate) const TYPE_TOPIC: i8 = 2;
pub(crate) const TYPE_BROKER: i8 = 4;
pub(crate) const TYPE_GROUP: i8 = 32;
/// From this version on ListConfigResources can be asked for more than client metrics.
const LIST_RESOURCES_TYPES: i16 = 1;
/// From this version on DeleteTopics has its names in another field.
const DELETE_TOPICS_STRUCTS: i16 = 6;

/// Whose configs.
#[derive(Clone, Debug)]
pub(crate) enum Resource {
    Topic(String),
    Broker(i32),
    Group(String),
}

impl Resource {
    fn code(&self) -> i8 {
        match self {
            Self::Topic(_) => TYPE_TOPIC,
            Self::Broker(_) => TYPE_BROKER,
            Self::Group(_) => TYPE_GROUP,
        }
    }

    fn name(&self) -> StrBytes {
        StrBytes::from_string(match self {
            Self::Topic(name) | Self::Group(name) => name.clone(),
            Self::Broker(id) => id.to_string(),
        })
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::Broker(id) => write!(f, "broker {id}"),
            Self::Group(name) => write!(f, "group {name}"),
        }
    }
}

fn timeout_ms(cluster: &Cluster) -> i32 {
    i32::try_from(cluster.deadline().as_millis()).unwrap_or(i32::MAX)
}

/// A topic as the broker created it.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) name: String,
    /// -1 where the broker does not say.
    pub(crate) partitions: i32,
    pub(crate) replication_factor: i16,
}

/// Creates a topic; -1 partitions or replicas leave it to the broker.
pub(crate) async fn create_topic(
    cluster: &mut Cluster,
    name: &str,
    partitions: i32,
    replication_factor: i16,
    configs: &[(String, String)],
) -> Result<Created> {
    let configs = configs
        .iter()
        .map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(name.clone()))
                .with_value(Some(StrBytes::from_string(value.clone())))
        })
        .collect();
    let request = CreateTopicsRequest::default()
        .with_timeout_ms(timeout_ms(cluster))
        .with_topics(vec![
            CreatableTopic::default()
                .with_name(topic_name(name))
                .with_num_partitions(partitions)
                .with_replication_factor(replication_factor)
                .with_configs(configs),
        ]);
    let response = cluster.tell_any(&request).await?;
    let topic = response
        .topics
        .first()
        .ok_or_else(|| ClientError::Input(format!("no answer about topic {name}")))?;
    ClientError::check(
        topic.error_code,
        || format!("cannot create topic {name}"),
        topic.error_message.as_deref(),
    )?;
    Ok(Created {
        name: name.to_owned(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
    })
}

/// Deletes a topic.
pub(crate) async fn delete_topic(cluster: &mut Cluster, name: &str) -> Result<()> {
    let request = DeleteTopicsRequest::default().with_timeout_ms(timeout_ms(cluster));
    let connection = cluster.any().await?;
    let request = if connection.version_of::<DeleteTopicsRequest>()? < DELETE_TOPICS_STRUCTS {
        request.with_topic_names(vec![topic_name(name)])
    } else {
        request.with_topics(vec![
            DeleteTopicState::default().with_name(Some(topic_name(name))),
        ])
    };
    let response = cluster.tell_any(&request).await?;
    let topic = response
        .responses
        .first()
        .ok_or_else(|| ClientError::Input(format!("no answer about topic {name}")))?;
    ClientError::check(
        topic.error_code,
        || format!("cannot delete topic {name}"),
        topic.error_message.as_deref(),
    )
}

/// Raises the number of partitions of a topic to `count`.
pub(crate) async fn create_partitions(cluster: &mut Cluster, name: &str, count: i32) -> Result<()> {
    let request = CreatePartitionsRequest::default()
        .with_timeout_ms(timeout_ms(cluster))
        .with_topics(vec![
            CreatePartitionsTopic::default()
                .with_name(topic_name(name))
                .with_count(count)
                .with_assignments(None),
        ]);
    let response = cluster.tell_any(&request).await?;
    let topic = response
        .results
        .first()
        .ok_or_else(|| ClientError::Input(format!("no answer about topic {name}")))?;
    ClientError::check(
        topic.error_code,
        || format!("cannot alter topic {name}"),
        topic.error_message.as_deref(),
    )
}

/// The configs of a resource.
pub(crate) async fn describe_configs(
    cluster: &mut Cluster,
    resource: &Resource,
) -> Result<DescribeConfigsResult> {
    let request = DescribeConfigsRequest::default()
        .with_include_synonyms(false)
        .with_resources(vec![
            DescribeConfigsResource::default()
                .with_resource_type(resource.code())
                .with_resource_name(resource.name())
                .with_configuration_keys(None),
        ]);
    let response = match resource {
        // A broker answers for its own configs only.
        Resource::Broker(id) => {
            cluster.topics(Some(&[]), false).await?;
            cluster.connect(*id).await?.call(&request).await?
        }
        Resource::Topic(_) | Resource::Group(_) => cluster.ask_any(&request).await?,
    };
    let result = response
        .results
        .into_iter()
        .next()
        .ok_or_else(|| ClientError::Input(format!("no answer about {resource}")))?;
    ClientError::check(
        result.error_code,
        || format!("cannot describe {resource}"),
        result.error_message.as_deref(),
    )?;
    Ok(result)
}

/// Sets and deletes configs of a resource, all or none.
pub(crate) async fn alter_configs(
    cluster: &mut Cluster,
    resource: &Resource,
    set: &[(String, String)],
    delete: &[String],
) -> Result<()> {
    let change = |name: &str, operation: i8, value: Option<&str>| {
        AlterableConfig::default()
            .with_name(StrBytes::from_string(name.to_owned()))
            .with_config_operation(operation)
            .with_value(value.map(|value| StrBytes::from_string(value.to_owned())))
    };
    let changes = set
        .iter()
        .map(|(name, value)| change(name, OPERATION_SET, Some(value)))
        .chain(delete.iter().map(|name| change(name, OPERATION_DELETE, None)))
        .collect();
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![
        AlterConfigsResource::default()
            .with_resource_type(resource.code())
            .with_resource_name(resource.name())
            .with_configs(changes),
    ]);
    let response = match resource {
        // A broker alters its own configs only.
        Resource::Broker(id) => {
            cluster.topics(Some(&[]), false).await?;
            cluster.connect(*id).await?.call(&request).await?
        }
        Resource::Topic(_) | Resource::Group(_) => cluster.tell_any(&request).await?,
    };
    let result = response
        .responses
        .first()
        .ok_or_else(|| ClientError::Input(format!("no answer about {resource}")))?;
    ClientError::check(
        result.error_code,
        || format!("cannot alter {resource}"),
        result.error_message.as_deref(),
    )
}

/// What can be asked for its configs, by Kafka's code of its type and by name: topics, brokers, and groups that have
/// configs of their own; or those of one type.
pub(crate) async fn config_resources(cluster: &mut Cluster, only: Option<i8>) -> Result<Vec<(i8, String)>> {
    if cluster.any().await?.version_of::<ListConfigResourcesRequest>()? < LIST_RESOURCES_TYPES {
        let message = "this broker is too old to list what has configs";
        return Err(ClientError::Input(message.to_owned()));
    }
    let types = only.map_or_else(|| vec![TYPE_TOPIC, TYPE_BROKER, TYPE_GROUP], |one| vec![one]);
    let request = ListConfigResourcesRequest::default().with_resource_types(types);
    let response = cluster.ask_any(&request).await?;
    let what = || "cannot list what has configs".to_owned();
    ClientError::check(response.error_code, what, None)?;
    let found = response.config_resources.into_iter();
    let mut found: Vec<_> = found
        .map(|one| (one.resource_type, one.resource_name.to_string()))
        .collect();
    found.sort();
    Ok(found)
}

/// The cluster and its brokers.
pub(crate) async fn describe_cluster(cluster: &mut Cluster) -> Result<DescribeClusterResponse> {
    let response = cluster.ask_any(&DescribeClusterRequest::default()).await?;
    ClientError::check(
        response.error_code,
        || "cannot describe the cluster".to_owned(),
        response.error_message.as_deref(),
    )?;
    Ok(response)
}
