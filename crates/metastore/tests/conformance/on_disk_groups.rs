//! What groups keep in a file.

use esker_metastore::{GroupChange, GroupWrites, StateChange};
use esker_model::groups::shard_of;

use crate::on_disk::world;
use crate::world::World;

#[tokio::test]
async fn what_groups_keep_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    let first = world(&path);
    let id = first.writer("a").await.incarnation;
    let owners = first.store.claim_shards(id, &[shard_of("group")]).await.unwrap();
    let change = GroupChange {
        lease: owners[0].lease,
        group: "group".into(),
        state: StateChange::Put {
            state: b"state".to_vec().into(),
            empty: false,
        },
        members: vec![("member".into(), Some(b"its".to_vec().into()))],
        offsets: Vec::new(),
    };
    let mut writes = GroupWrites {
        incarnation: id,
        number: 1,
        changes: vec![change],
    };
    assert_eq!(first.store.write_groups(&writes).await, Ok(vec![true]));
    let load = async |world: &World| world.store.load_groups(id, owners[0].lease, None, 10).await;
    let before = load(&first).await;
    drop(first);
    let second = world(&path);
    assert_eq!(load(&second).await, before);
    assert_eq!(before.unwrap().unwrap()[0].members.len(), 1);
    assert_eq!(
        second.store.write_groups(&writes).await,
        Ok(vec![false]),
        "it comes late"
    );
    writes.number = 2;
    assert_eq!(second.store.write_groups(&writes).await, Ok(vec![true]));
}
