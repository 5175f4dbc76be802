//! Two agents change configs of one group at a time. The meeting returns what is wrong afterwards.

use std::collections::BTreeMap;

use esker_metastore::{ConfigChange, ConfigSubject, Topics};

use crate::functions::Mistake;
use crate::meetings::meeting;
use crate::world::{Agent, World, end, start};

meeting!(alterations_meet);

type Reply = Result<(), String>;

fn set(agent: &Agent, name: &str) -> tokio::task::JoinHandle<Reply> {
    let (agent, name) = (agent.clone(), name.to_owned());
    start(async move {
        let change = ConfigChange {
            subject: ConfigSubject::Group("g".into()),
            replace_all: false,
            changes: BTreeMap::from([(name, Some("1".to_owned()))]),
        };
        match agent.store.alter_configs(&[change]).await {
            Ok(replies) if replies[0].is_ok() => Ok(()),
            other => Err(format!("a change was not made: {other:?}")),
        }
    })
}

/// Each sets another config of a group that has none yet.
pub(crate) async fn alterations_meet(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (one, two) = (world.agent("one").await, world.agent("two").await);
    let before = one.store.catalog(0).await.unwrap().version;
    world.hold("alter holds catalog").await;
    let first = set(&one, "a");
    world.wait_for("alter holds catalog", 1).await;
    let second = set(&two, "b");
    world.is_blocked(&second).await;
    world.release("alter holds catalog").await;
    let mut wrong: Vec<String> = [end(first).await, end(second).await]
        .into_iter()
        .filter_map(Reply::err)
        .collect();
    let catalog = one.store.catalog(before).await.unwrap();
    let left: Vec<_> = catalog
        .groups
        .iter()
        .flat_map(|group| group.configs.keys())
        .collect();
    if left != ["a", "b"] {
        wrong.push(format!("left of a and b: {left:?}"));
    }
    if catalog.version != before + 2 {
        wrong.push("two changes did not raise the version by two".to_owned());
    }
    Some(wrong)
}
