//! Somebody who creates topics and deletes them again.
//!
//! What holds for every topic of a churned name in the history: `created_from_us` is not after the request
//! that made it was sent, and `deleted_from_us` not after the first request that may have deleted it was. A
//! request whose outcome is unknown may take effect at any later time, so it counts for all that come after;
//! a deletion by id can hit one topic only.
//!
//! Errors and lost answers are nothing special: Metadata says what is there, and the next change follows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use esker_history::{TopicInfo, What};
use esker_model::seams::Rng;
use esker_protocol::StrBytes;
use esker_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use esker_protocol::messages::delete_topics_request::DeleteTopicState;
use esker_protocol::messages::{CreateTopicsRequest, DeleteTopicsRequest};
use uuid::Uuid;

use super::metadata::{Cluster, Found, topic_name};
use super::{AdminPlan, ClientContext, Phase, TopicPlan, configs, pause};

const CREATE_VERSION: i16 = 7;
const DELETE_VERSION: i16 = 6;
const TIMEOUT_MS: i32 = 10_000;
/// One deletion in so many names its topic by name.
const BY_NAME: u64 = 4;

/// Changes topics until the run is healed.
pub async fn run_admin(ctx: ClientContext, plan: AdminPlan) {
    let mut admin = Admin {
        cluster: Cluster::new(ctx.clone(), super::PATIENCE),
        names: BTreeMap::new(),
        foreign: BTreeSet::new(),
    };
    let flush = super::until(ctx.phase.clone(), Phase::Flush);
    tokio::select! {
        biased;
        () = flush => {}
        () = admin.work(&plan) => {}
    }
    // Topics that somebody else saw first get their times, too; again later, because a request that was
    // given up may still take effect.
    admin.date();
    ctx.record.tell(ctx.me, What::Finished);
    super::until(ctx.phase.clone(), Phase::Over).await;
    admin.date();
}

/// What was asked for one name.
#[derive(Clone, Copy, Default)]
struct Asked {
    /// The first creation that may have made, or may still make, a topic.
    created_us: Option<u64>,
    /// The first deletion by name that may have hit, or may still hit, any topic.
    deleted_us: Option<u64>,
}

struct Admin {
    cluster: Arc<Cluster>,
    names: BTreeMap<String, Asked>,
    /// Topics that were there before their name was first created here.
    foreign: BTreeSet<Uuid>,
}

impl Admin {
    async fn work(&mut self, plan: &AdminPlan) {
        let ctx = self.cluster.ctx.clone();
        if plan.churn.is_empty() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(pause(&ctx.rng, plan.pause)).await;
            let at = ctx.rng.below(plan.churn.len() as u64) as usize;
            let Some(topic) = plan.churn.get(at) else {
                continue;
            };
            let name = &topic.name;
            let view = self.cluster.find(std::slice::from_ref(name)).await;
            self.date();
            match view.topics.get(name) {
                Some(Found::Here(found)) => self.delete(name, found.uuid).await,
                Some(Found::Gone) => self.create(topic).await,
                Some(Found::Unsure(_)) | None => {}
            }
            self.date();
        }
    }

    async fn create(&mut self, plan: &TopicPlan) {
        let name = plan.name.as_str();
        let configs = configs(plan.retention).map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_static_str(name))
                .with_value(Some(StrBytes::from_string(value)))
        });
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(plan.partitions)
            .with_replication_factor(1)
            .with_configs(configs.into());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(TIMEOUT_MS);
        let now_us = self.cluster.ctx.record.now_us();
        if self
            .names
            .get(name)
            .is_none_or(|asked| asked.created_us.is_none())
        {
            // Whatever is known by now and was not made here, somebody else made.
            self.cluster.ctx.record.with(|history| {
                let strange = |info: &&TopicInfo| info.name == name && info.created_from_us.is_none();
                self.foreign
                    .extend(history.topics.iter().filter(strange).map(|info| info.id));
            });
        }
        let asked = self.names.entry(name.to_owned()).or_default();
        let before = asked.created_us;
        asked.created_us.get_or_insert(now_us);
        let host = self.cluster.any_host();
        let Ok((_, answer)) = self.cluster.call(&host, CREATE_VERSION, &request).await else {
            return;
        };
        let Some(result) = answer.topics.first() else {
            return;
        };
        if result.error_code == 0 {
            self.cluster.ctx.record.topic(name, result.topic_id);
            self.date();
        }
        // An answer says that this request does nothing more, unless it is one that the agent does not know
        // the outcome of.
        if !outcome_unknown(result.error_code) {
            self.names.entry(name.to_owned()).or_default().created_us = before;
        }
    }

    async fn delete(&mut self, name: &str, id: Uuid) {
        let ctx = self.cluster.ctx.clone();
        let by_name = ctx.rng.below(BY_NAME) == 0;
        let topic = if by_name {
            DeleteTopicState::default().with_name(Some(topic_name(name)))
        } else {
            DeleteTopicState::default().with_name(None).with_topic_id(id)
        };
        let request = DeleteTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(TIMEOUT_MS);
        let now_us = ctx.record.now_us();
        let before = self.names.get(name).and_then(|asked| asked.deleted_us);
        if by_name {
            let asked = self.names.entry(name.to_owned()).or_default();
            asked.deleted_us.get_or_insert(now_us);
            self.date();
        } else {
            let topic = ctx.record.topic(name, id);
            ctx.record.with(|history| {
                if let Some(info) = history.topics.get_mut(topic.0 as usize) {
                    info.deleted_from_us.get_or_insert(now_us);
                }
            });
        }
        let host = self.cluster.any_host();
        let answer = self.cluster.call(&host, DELETE_VERSION, &request).await;
        let error = answer
            .ok()
            .and_then(|(_, answer)| Some(answer.responses.first()?.error_code));
        if by_name {
            // Whatever exists now may have been hit, whether it was seen yet or not.
            self.date();
            if error.is_some_and(|error| !outcome_unknown(error)) {
                self.names.entry(name.to_owned()).or_default().deleted_us = before;
            }
        }
    }

    /// Writes the times of all topics of the churned names that have none yet.
    fn date(&self) {
        self.cluster.ctx.record.with(|history| {
            for info in &mut history.topics {
                let Some(asked) = self.names.get(&info.name) else {
                    continue;
                };
                if !self.foreign.contains(&info.id) {
                    info.created_from_us = info.created_from_us.or(asked.created_us);
                }
                info.deleted_from_us = info.deleted_from_us.or(asked.deleted_us);
            }
        });
    }
}

/// The agent says that it does not know what became of the request.
fn outcome_unknown(error: i16) -> bool {
    matches!(error, -1 | 7)
}
