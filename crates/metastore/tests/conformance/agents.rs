//! Who is alive.

use esker_metastore::{Heartbeat, MetastoreError};
use esker_model::{ClusterEpoch, IncarnationId};

use crate::runs::*;
use crate::world::{EPOCH, LONG_MS, World, Writer, registration};

pub async fn a_name_keeps_its_node_id(world: &World) {
    world.init().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "a", "c", "b"] {
        let registered = world
            .store
            .register(&registration(name, IncarnationId(world.id())))
            .await
            .unwrap();
        assert!(registered.node_id.0 >= 0);
        ids.push(registered.node_id);
    }
    assert_eq!((ids[0], ids[1]), (ids[2], ids[4]));
    assert!(ids[0] != ids[1] && ids[1] != ids[3] && ids[0] != ids[3]);
}

pub async fn a_new_life_fences_the_earlier_one(world: &World) {
    world.init().await;
    let mut earlier = vec![];
    for _ in 0..3 {
        let incarnation = IncarnationId(world.id());
        let registered = world.store.register(&registration("a", incarnation)).await;
        assert_eq!(
            registered.unwrap().fenced,
            earlier,
            "only those that were alive until now"
        );
        for old in earlier {
            let refused = world.store.heartbeat(old, LONG_MS).await;
            assert_eq!(refused, Err(MetastoreError::Fenced));
        }
        earlier = vec![incarnation];
    }
    let registered = world
        .store
        .register(&registration("b", IncarnationId(world.id())))
        .await;
    assert!(registered.unwrap().fenced.is_empty());
    assert!(world.store.heartbeat(earlier[0], LONG_MS).await.is_ok());
}

pub async fn registering_again_changes_nothing(world: &World) {
    let a = world.writer("a").await;
    let partition = world.partition().await;
    world.commit(&a, vec![plain(partition, &[1])]).await;
    let first = world.store.heartbeat(a.incarnation, LONG_MS).await.unwrap();
    let mut again = registration("a", a.incarnation);
    again.profile.zone = None;
    let registered = world.store.register(&again).await.unwrap();
    assert_eq!(registered.node_id, first.live[0].node_id);
    assert!(registered.fenced.is_empty());
    world.commit(&a, vec![plain(partition, &[1])]).await;
    let heartbeat = world.store.heartbeat(a.incarnation, LONG_MS).await.unwrap();
    assert_eq!(
        heartbeat.live[0].profile, again.profile,
        "except what it tells of itself"
    );
}

pub async fn a_fenced_incarnation_does_not_come_back(world: &World) {
    let old = world.writer("a").await;
    let gone = world.writer("c").await;
    let new = world.writer("a").await;
    world.store.leave(gone.incarnation).await.unwrap();
    for (name, incarnation) in [("a", old.incarnation), ("c", gone.incarnation)] {
        let refused = world.store.register(&registration(name, incarnation)).await;
        assert_eq!(refused, Err(MetastoreError::Fenced));
    }
    // Nor under another name, nor does a living one change its name.
    for incarnation in [old.incarnation, new.incarnation] {
        let refused = world.store.register(&registration("b", incarnation)).await;
        assert_eq!(refused, Err(MetastoreError::Fenced));
    }
    assert!(world.store.heartbeat(new.incarnation, LONG_MS).await.is_ok());
}

pub async fn registering_needs_the_epoch(world: &World) {
    let a = world.writer("a").await;
    let mut newer = registration("a", IncarnationId(world.id()));
    newer.epoch = ClusterEpoch(EPOCH.0 + 1);
    let refused = world.store.register(&newer).await;
    let expected = MetastoreError::WrongEpoch {
        expected: EPOCH.0 + 1,
        found: EPOCH.0,
    };
    assert_eq!(refused, Err(expected));
    assert!(
        world.store.heartbeat(a.incarnation, LONG_MS).await.is_ok(),
        "nobody was fenced"
    );
}

pub async fn a_heartbeat_tells_who_is_alive(world: &World) {
    let a = world.writer("a").await;
    let b = world.writer("b").await;
    let c = world.writer("c").await;
    let topic = world.topic("orders", 1).await;
    let heartbeat = world.store.heartbeat(b.incarnation, LONG_MS).await.unwrap();
    assert!(heartbeat.live.is_sorted_by_key(|agent| agent.node_id));
    let mut names: Vec<_> = heartbeat
        .live
        .iter()
        .map(|agent| agent.node_name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c"]);
    for (name, writer) in [("a", &a), ("b", &b), ("c", &c)] {
        let agent = heartbeat
            .live
            .iter()
            .find(|agent| agent.node_name == name)
            .unwrap();
        let told = registration(name, writer.incarnation);
        assert_eq!(
            (agent.incarnation, &agent.profile),
            (writer.incarnation, &told.profile)
        );
    }
    assert!(heartbeat.expired.is_empty());
    assert_eq!(heartbeat.epoch, EPOCH);
    assert_eq!(heartbeat.catalog_version, topic.version);
    let stranger = world.store.heartbeat(IncarnationId(world.id()), LONG_MS).await;
    assert_eq!(stranger, Err(MetastoreError::Fenced));
}

pub async fn a_heartbeat_tells_the_time(world: &World) {
    let a = world.writer("a").await;
    for _ in 0..3 {
        let before_ms = world.now_ms();
        let heartbeat = world.store.heartbeat(a.incarnation, LONG_MS).await.unwrap();
        let after_ms = world.now_ms();
        assert!(
            (before_ms..=after_ms).contains(&heartbeat.now_ms),
            "{before_ms} <= {} <= {after_ms}",
            heartbeat.now_ms
        );
        world.pass(30).await;
    }
}

fn lives(heartbeat: &Heartbeat) -> Vec<IncarnationId> {
    heartbeat.live.iter().map(|agent| agent.incarnation).collect()
}

pub async fn silence_expires_and_is_fenced(world: &World) {
    let a = world.writer("a").await;
    let b = world.writer("b").await;
    let partition = world.partition().await;
    world.pass(300).await;
    let short_ms = 250;
    let heartbeat = world.store.heartbeat(a.incarnation, LONG_MS).await.unwrap();
    assert_eq!(heartbeat.live.len(), 2);
    let heartbeat = world.store.heartbeat(a.incarnation, short_ms).await.unwrap();
    assert_eq!(lives(&heartbeat), [a.incarnation]);
    assert_eq!(heartbeat.expired, [b.incarnation]);

    let fence = async |incarnations: &[&Writer], liveness_ms| {
        let ids: Vec<_> = incarnations.iter().map(|writer| writer.incarnation).collect();
        world.store.fence_expired(&ids, liveness_ms).await.unwrap()
    };
    assert!(
        fence(&[&b], LONG_MS).await.is_empty(),
        "it is not silent for long enough"
    );
    assert!(fence(&[], short_ms).await.is_empty());
    world.commit(&b, vec![plain(partition, &[1])]).await;
    world.store.heartbeat(a.incarnation, LONG_MS).await.unwrap();
    assert_eq!(
        fence(&[&b], short_ms).await,
        [b.incarnation],
        "a commit is no heartbeat"
    );
    assert_eq!(
        fence(&[&b], LONG_MS).await,
        [b.incarnation],
        "a fencer that crashed may go on"
    );
    let strangers = world.store.fence_expired(&[IncarnationId(world.id())], 0).await;
    assert_eq!(strangers, Ok(vec![]));
    let left = world.writer("c").await;
    world.store.leave(left.incarnation).await.unwrap();
    assert_eq!(
        fence(&[&left, &a, &b], LONG_MS).await,
        [left.incarnation, b.incarnation],
        "one that left can never commit either"
    );

    let refused = world
        .store
        .commit(b.request(vec![vec![plain(partition, &[1])]]))
        .await;
    assert_eq!(refused, Err(MetastoreError::Fenced));
    let heartbeat = world.store.heartbeat(a.incarnation, LONG_MS).await.unwrap();
    assert_eq!(
        (lives(&heartbeat), heartbeat.expired),
        (vec![a.incarnation], vec![])
    );
}

pub async fn a_heartbeat_keeps_alive(world: &World) {
    let a = world.writer("a").await;
    let b = world.writer("b").await;
    world.pass(500).await;
    // Silent for too long, but nobody fenced it: it goes on.
    world.store.heartbeat(b.incarnation, 400).await.unwrap();
    let fenced = world
        .store
        .fence_expired(&[a.incarnation, b.incarnation], 400)
        .await;
    assert_eq!(fenced, Ok(vec![a.incarnation]));
    let heartbeat = world.store.heartbeat(b.incarnation, LONG_MS).await.unwrap();
    assert_eq!(lives(&heartbeat), [b.incarnation]);
}

pub async fn one_that_announces_its_leave_has_no_roles_and_lives_on(world: &World) {
    world.init().await;
    let [a, b] = [(); 2].map(|()| IncarnationId(world.id()));
    for (name, incarnation) in [("a", a), ("b", b)] {
        let mut registration = registration(name, incarnation);
        registration.profile.roles = vec!["serve".to_owned(), "upkeep".to_owned()];
        registration.profile.zone = Some("z".to_owned());
        world.store.register(&registration).await.unwrap();
    }
    for _ in 0..2 {
        assert_eq!(world.store.announce_leave(a).await, Ok(()));
    }
    for who in [a, b] {
        let heartbeat = world.store.heartbeat(who, LONG_MS).await.unwrap();
        let roles: Vec<_> = heartbeat
            .live
            .iter()
            .map(|agent| agent.profile.roles.len())
            .collect();
        assert_eq!(roles, [0, 2]);
        assert!(
            heartbeat
                .live
                .iter()
                .all(|agent| agent.profile.zone.as_deref() == Some("z"))
        );
    }
    assert_eq!(world.store.leave(a).await, Ok(()));
    // It tells nothing of one that is gone, or never was.
    for gone in [a, IncarnationId(world.id())] {
        assert_eq!(world.store.announce_leave(gone).await, Ok(()));
    }
}

pub async fn leaving_ends_a_life(world: &World) {
    let a = world.writer("a").await;
    let b = world.writer("b").await;
    let partition = world.partition().await;
    world.commit(&a, vec![plain(partition, &[1])]).await;
    for _ in 0..2 {
        assert_eq!(world.store.leave(a.incarnation).await, Ok(()));
    }
    let refused = world
        .store
        .commit(a.request(vec![vec![plain(partition, &[1])]]))
        .await;
    assert_eq!(refused, Err(MetastoreError::Fenced));
    assert_eq!(
        world.store.settle(a.incarnation, &[1]).await,
        Err(MetastoreError::Fenced)
    );
    let heartbeat = world.store.heartbeat(b.incarnation, LONG_MS).await.unwrap();
    assert_eq!(
        (lives(&heartbeat), heartbeat.expired),
        (vec![b.incarnation], vec![])
    );
    let next = IncarnationId(world.id());
    let registered = world.store.register(&registration("a", next)).await.unwrap();
    assert!(registered.fenced.is_empty(), "it had ended already");
}
