use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use esker_metastore::*;
use esker_model::limits::GROUP_CONFIGS_MAX;
use esker_model::{PartitionKey, TopicKey, TopicUuid};

use super::{Log, Reference, State};

#[async_trait]
impl Topics for Reference {
    async fn catalog(&self, since: i64) -> Result<Catalog> {
        let state = self.state();
        let mut changed: Vec<_> = state
            .topics
            .iter()
            .filter(|t| t.version > since)
            .cloned()
            .collect();
        changed.sort_by_key(|topic| topic.version);
        let deleted = state.deleted.iter().filter(|(version, _)| *version > since);
        let groups_anew = state.group_configs_emptied > since;
        let groups_since = if groups_anew { 0 } else { since };
        let groups = state.group_configs.iter();
        let mut groups: Vec<_> = groups.filter(|(_, row)| row.0 > groups_since).collect();
        groups.sort_by_key(|(_, row)| row.0);
        let groups = groups.into_iter().map(|(group, (_, configs))| GroupConfigs {
            group: Arc::clone(group),
            configs: configs.clone(),
        });
        Ok(Catalog {
            version: state.catalog_version,
            changed,
            deleted: deleted.map(|(_, topic)| topic.uuid).collect(),
            groups: groups.collect(),
            groups_anew,
        })
    }

    async fn create_topics(
        &self,
        topics: &[NewTopic],
    ) -> Result<Vec<std::result::Result<Topic, CreateTopicRefusal>>> {
        let mut state = self.state();
        Ok(topics.iter().map(|new| state.create(new)).collect())
    }

    async fn delete_topics(&self, topics: &[TopicUuid]) -> Result<Vec<bool>> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        Ok(topics.iter().map(|uuid| state.delete(*uuid, now_ms)).collect())
    }

    async fn create_partitions(
        &self,
        requests: &[NewPartitions],
    ) -> Result<Vec<std::result::Result<Topic, CreatePartitionsRefusal>>> {
        let mut state = self.state();
        Ok(requests.iter().map(|request| state.grow(request)).collect())
    }

    async fn alter_configs(
        &self,
        changes: &[ConfigChange],
    ) -> Result<Vec<std::result::Result<Altered, AlterRefusal>>> {
        let mut state = self.state();
        Ok(changes.iter().map(|change| state.alter(change)).collect())
    }
}

impl State {
    fn raise_version(&mut self) -> i64 {
        self.catalog_version += 1;
        self.catalog_version
    }

    fn position(&self, uuid: TopicUuid) -> Option<usize> {
        self.topics.iter().position(|topic| topic.uuid == uuid)
    }

    fn add_logs(&mut self, topic: &Topic, partitions: std::ops::Range<i32>) {
        for partition in partitions {
            let had = |earlier: &Topic| earlier.name == topic.name && partition < earlier.partitions;
            let mut log = Log::default();
            if self.deleted.iter().any(|(_, earlier)| had(earlier)) {
                log.forgotten_through = self.producer_ids_before[topic.key.0 as usize - 1] - 1;
            }
            let topic = topic.key;
            self.logs.insert(PartitionKey { topic, partition }, log);
        }
    }

    fn create(&mut self, new: &NewTopic) -> std::result::Result<Topic, CreateTopicRefusal> {
        let same = |topic: &&Topic| topic.name.replace('.', "_") == new.name.replace('.', "_");
        if let Some(topic) = self.topics.iter().find(same) {
            return if topic.name != new.name {
                Err(CreateTopicRefusal::Collides(topic.name.clone()))
            } else if topic.uuid != new.uuid {
                Err(CreateTopicRefusal::Exists)
            } else {
                Ok(topic.clone())
            };
        }
        if self.deleted.iter().any(|(_, topic)| topic.uuid == new.uuid) {
            return Err(CreateTopicRefusal::Deleted);
        }
        self.topics_made += 1;
        self.producer_ids_before.push(self.next_producer_id);
        let topic = Topic {
            key: TopicKey(self.topics_made),
            uuid: new.uuid,
            name: new.name.clone(),
            partitions: new.partitions,
            replication_factor: new.replication_factor,
            configs: new.configs.clone(),
            version: self.raise_version(),
        };
        self.add_logs(&topic, 0..new.partitions);
        self.topics.push(topic.clone());
        Ok(topic)
    }

    fn delete(&mut self, uuid: TopicUuid, now_ms: i64) -> bool {
        let Some(index) = self.position(uuid) else {
            return false;
        };
        let topic = self.topics.remove(index);
        let version = self.raise_version();
        self.logs.retain(|key, _| key.topic != topic.key);
        self.release_unused(now_ms);
        self.to_empty.push((now_ms, topic.uuid));
        self.deleted.push((version, topic));
        true
    }

    fn grow(&mut self, request: &NewPartitions) -> std::result::Result<Topic, CreatePartitionsRefusal> {
        let index = self
            .position(request.topic)
            .ok_or(CreatePartitionsRefusal::UnknownTopic)?;
        let topic = self.topics[index].clone();
        if request.partitions <= topic.partitions {
            return Err(CreatePartitionsRefusal::NotMore(topic.partitions));
        }
        self.add_logs(&topic, topic.partitions..request.partitions);
        self.topics[index].partitions = request.partitions;
        self.topics[index].version = self.raise_version();
        Ok(self.topics[index].clone())
    }

    fn alter(&mut self, change: &ConfigChange) -> std::result::Result<Altered, AlterRefusal> {
        let group = match &change.subject {
            ConfigSubject::Group(group) => group,
            ConfigSubject::Topic(uuid) => {
                let index = self.position(*uuid).ok_or(AlterRefusal::UnknownTopic)?;
                let version = self.raise_version();
                let topic = &mut self.topics[index];
                topic.version = version;
                apply(&mut topic.configs, change);
                return Ok(Altered::Topic(topic.clone()));
            }
        };
        let mut configs = self.group_configs.get(group).cloned().unwrap_or_default().1;
        apply(&mut configs, change);
        let known = self.group_configs.contains_key(group);
        if configs.is_empty() {
            if self.group_configs.remove(group).is_some() {
                self.group_configs_emptied = self.raise_version();
            }
        } else if !known && self.group_configs.len() >= GROUP_CONFIGS_MAX {
            return Err(AlterRefusal::TooManyGroups);
        } else {
            let row = (self.raise_version(), configs.clone());
            self.group_configs.insert(Arc::clone(group), row);
        }
        let group = Arc::clone(group);
        Ok(Altered::Group(GroupConfigs { group, configs }))
    }
}

fn apply(configs: &mut BTreeMap<String, String>, change: &ConfigChange) {
    if change.replace_all {
        configs.clear();
    }
    for (name, value) in &change.changes {
        match value {
            Some(value) => configs.insert(name.clone(), value.clone()),
            None => configs.remove(name),
        };
    }
}
