//! Configs of topics and of groups, and what the catalog tells of them.

use std::collections::BTreeMap;

use esker_metastore::{AlterRefusal, Altered, Catalog, ConfigChange, ConfigSubject, GroupConfigs};
use esker_model::TopicUuid;
use esker_model::groups::GROUP_ID_BYTES_MAX;
use esker_model::limits::GROUP_CONFIGS_MAX;

use crate::topics::{configs, unchanged};
use crate::world::World;

type Changes<'a> = &'a [(&'a str, Option<&'a str>)];

/// A change: whether it replaces all, and what it changes; and what is set then.
type Step = (bool, Changes<'static>, &'static [(&'static str, &'static str)]);

/// Kinds of changes, one after the other.
const STEPS: [Step; 5] = [
    (
        false,
        &[("b", Some("1")), ("a", Some("ü \" ' \\"))],
        &[("a", "ü \" ' \\"), ("b", "1")],
    ),
    (
        false,
        &[("a", None), ("c", Some("")), ("never", None)],
        &[("b", "1"), ("c", "")],
    ),
    (false, &[("b", Some("2"))], &[("b", "2"), ("c", "")]),
    (true, &[("c", Some("3")), ("b", None)], &[("c", "3")]),
    (true, &[], &[]),
];

fn change(subject: ConfigSubject, replace_all: bool, changes: Changes<'_>) -> ConfigChange {
    let changes = changes.iter();
    ConfigChange {
        subject,
        replace_all,
        changes: changes
            .map(|(name, value)| (name.to_string(), value.map(str::to_owned)))
            .collect(),
    }
}

fn group(id: &str) -> ConfigSubject {
    ConfigSubject::Group(id.into())
}

fn set(id: &str, value: &str) -> ConfigChange {
    change(group(id), false, &[("a", Some(value))])
}

fn unset(id: &str) -> ConfigChange {
    change(group(id), false, &[("a", None)])
}

async fn alter(world: &World, changes: &[ConfigChange]) -> Vec<Result<Altered, AlterRefusal>> {
    world.store.alter_configs(changes).await.unwrap()
}

/// The groups that a catalog tells, with the value of `a`.
fn told(catalog: &Catalog) -> Vec<(&str, &str)> {
    let groups = catalog.groups.iter();
    groups
        .map(|group| (&*group.group, group.configs["a"].as_str()))
        .collect()
}

pub async fn configs_are_set_and_removed(world: &World) {
    let topic = world.topic("orders", 1).await;
    let subject = ConfigSubject::Topic(topic.uuid);
    for (replace_all, changes, expected) in STEPS {
        let before = world.store.catalog(0).await.unwrap();
        let replies = alter(world, &[change(subject.clone(), replace_all, changes)]).await;
        let Ok(Altered::Topic(altered)) = &replies[0] else {
            panic!("{replies:?}");
        };
        assert_eq!(altered.configs, configs(expected));
        let after = world.store.catalog(before.version).await.unwrap();
        assert_eq!(after.changed, std::slice::from_ref(altered));
        assert!(after.groups.is_empty());
    }
    let nobody = ConfigSubject::Topic(TopicUuid(world.id()));
    let both = [nobody, subject].map(|subject| change(subject, false, &[("a", Some("1"))]));
    let replies = alter(world, &both).await;
    assert_eq!(replies[0], Err(AlterRefusal::UnknownTopic));
    assert!(replies[1].is_ok());
}

pub async fn groups_have_configs_of_their_own(world: &World) {
    let topic = world.topic("orders", 1).await;
    let (one, other) = ("one", "\u{0} ü'\"\\");
    alter(world, &[set(other, "its own")]).await;
    for (replace_all, changes, expected) in STEPS {
        let before = world.store.catalog(0).await.unwrap();
        let replies = alter(world, &[change(group(one), replace_all, changes)]).await;
        let altered = GroupConfigs {
            group: one.into(),
            configs: configs(expected),
        };
        assert_eq!(replies, [Ok(Altered::Group(altered.clone()))]);
        let after = world.store.catalog(before.version).await.unwrap();
        assert!(after.version > before.version && after.changed.is_empty());
        if expected.is_empty() {
            assert!(after.groups_anew);
            assert_eq!(told(&after), [(other, "its own")]);
        } else {
            assert!(!after.groups_anew);
            assert_eq!(after.groups, [altered]);
        }
    }
    // With a topic in one call, each on its own; the longest id that there is.
    let long = "ü".repeat(GROUP_ID_BYTES_MAX / 2);
    let of_topic = change(ConfigSubject::Topic(topic.uuid), false, &[("a", Some("2"))]);
    let nobody = ConfigSubject::Topic(TopicUuid(world.id()));
    let nobody = change(nobody, false, &[("a", Some("2"))]);
    let before = world.store.catalog(0).await.unwrap().version;
    let replies = alter(world, &[set(&long, "1"), nobody, of_topic, set(other, "3")]).await;
    assert!(matches!(replies[0], Ok(Altered::Group(_))));
    assert_eq!(replies[1], Err(AlterRefusal::UnknownTopic));
    assert!(matches!(replies[2], Ok(Altered::Topic(_))));
    let after = world.store.catalog(before).await.unwrap();
    assert_eq!(told(&after), [(long.as_str(), "1"), (other, "3")]);
    assert_eq!(after.changed[0].configs, configs(&[("a", "2")]));
    assert_eq!(after.version, before + 3);
}

pub async fn a_group_without_configs_is_forgotten(world: &World) {
    let nothing = GroupConfigs {
        group: "g".into(),
        configs: BTreeMap::new(),
    };
    // It never had any: nothing changes.
    let replies = alter(world, &[unset("g"), change(group("g"), true, &[])]).await;
    assert_eq!(replies, vec![Ok(Altered::Group(nothing.clone())); 2]);
    let version = world.store.catalog(0).await.unwrap().version;
    assert_eq!(world.store.catalog(0).await, Ok(unchanged(version)));

    alter(world, &[set("g", "1"), set("h", "1")]).await;
    let both = world.store.catalog(version).await.unwrap();
    assert_eq!(
        (told(&both), both.groups_anew),
        (vec![("g", "1"), ("h", "1")], false)
    );
    let replies = alter(world, &[unset("g")]).await;
    assert_eq!(replies, [Ok(Altered::Group(nothing))]);
    for since in [0, version, both.version] {
        let left = world.store.catalog(since).await.unwrap();
        assert_eq!(
            (told(&left), left.groups_anew),
            (vec![("h", "1")], true),
            "{since}"
        );
    }
    let version = world.store.catalog(0).await.unwrap().version;
    assert_eq!(world.store.catalog(version).await, Ok(unchanged(version)));
    // The last one, too.
    alter(world, &[unset("h")]).await;
    let nobody = world.store.catalog(version).await.unwrap();
    assert!(nobody.groups.is_empty() && nobody.groups_anew);
}

pub async fn the_catalog_tells_what_groups_have_set(world: &World) {
    alter(world, &[set("a", "1"), set("b", "1"), set("c", "1")]).await;
    let one = world.store.catalog(0).await.unwrap();
    assert_eq!(told(&one), [("a", "1"), ("b", "1"), ("c", "1")]);
    alter(world, &[set("b", "2")]).await;
    let two = world.store.catalog(one.version).await.unwrap();
    assert_eq!((told(&two), two.groups_anew), (vec![("b", "2")], false));
    // Set again after it was forgotten: who knows the former one hears of this one.
    alter(world, &[unset("a"), set("a", "3"), set("c", "4")]).await;
    let three = world.store.catalog(two.version).await.unwrap();
    assert!(three.groups_anew);
    assert_eq!(told(&three), [("b", "2"), ("a", "3"), ("c", "4")]);
    alter(world, &[set("b", "5")]).await;
    let four = world.store.catalog(three.version).await.unwrap();
    assert_eq!((told(&four), four.groups_anew), (vec![("b", "5")], false));
    assert_eq!(
        world.store.catalog(four.version).await,
        Ok(unchanged(four.version))
    );
}

pub async fn only_so_many_groups_have_configs(world: &World) {
    let ids: Vec<String> = (0..GROUP_CONFIGS_MAX)
        .map(|number| format!("g{number}"))
        .collect();
    for some in ids.chunks(2_000) {
        let some: Vec<_> = some.iter().map(|id| set(id, "1")).collect();
        assert!(alter(world, &some).await.iter().all(Result::is_ok));
    }
    let all = world.store.catalog(0).await.unwrap();
    assert_eq!(all.groups.len(), GROUP_CONFIGS_MAX);
    let refused = Err(AlterRefusal::TooManyGroups);
    let replies = alter(world, &[set("more", "1"), set("g0", "2"), unset("more")]).await;
    assert_eq!(replies[0], refused);
    assert!(replies[1].is_ok() && replies[2].is_ok());
    // One that goes makes room for another one, and no more.
    let replies = alter(world, &[unset("g1"), set("more", "1"), set("g1", "1")]).await;
    assert!(replies[0].is_ok() && replies[1].is_ok());
    assert_eq!(replies[2], refused);
    let left = world.store.catalog(all.version).await.unwrap();
    assert!(left.groups_anew);
    assert_eq!(left.groups.len(), GROUP_CONFIGS_MAX);
    assert_eq!(told(&left).last(), Some(&("more", "1")));
}
