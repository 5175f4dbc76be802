//! What coordinators keep of groups.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use esker_metastore::*;
use esker_model::groups::shard_of;
use esker_model::{IncarnationId, PartitionKey, ShardId, TopicKey};

use crate::world::World;

/// A coordinator of every shard that it was asked for.
pub struct Coordinator<'a> {
    world: &'a World,
    pub id: IncarnationId,
    /// Of the last write.
    number: AtomicU64,
}

pub async fn coordinator<'a>(world: &'a World, name: &str) -> Coordinator<'a> {
    let id = world.writer(name).await.incarnation;
    Coordinator {
        world,
        id,
        number: AtomicU64::new(0),
    }
}

impl Coordinator<'_> {
    pub async fn lease(&self, group: &str) -> ShardLease {
        let shard = shard_of(group);
        let owners = self.world.store.claim_shards(self.id, &[shard]).await.unwrap();
        let ours = owners.iter().find(|owner| owner.lease.shard == shard).unwrap();
        assert_eq!(ours.incarnation, Some(self.id));
        ours.lease
    }

    pub async fn change(&self, group: &str, state: StateChange) -> GroupChange {
        GroupChange {
            lease: self.lease(group).await,
            group: group.into(),
            state,
            members: Vec::new(),
            offsets: Vec::new(),
        }
    }

    pub async fn write(&self, changes: Vec<GroupChange>) -> Result<Vec<bool>> {
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        self.write_as(number, changes).await
    }

    pub async fn write_as(&self, number: u64, changes: Vec<GroupChange>) -> Result<Vec<bool>> {
        let writes = GroupWrites {
            incarnation: self.id,
            number,
            changes,
        };
        self.world.store.write_groups(&writes).await
    }

    /// One change, which is made.
    async fn make(&self, change: GroupChange) {
        assert_eq!(self.write(vec![change]).await, Ok(vec![true]));
    }

    pub async fn put(&self, group: &str, state: StateChange, offsets: &[(PartitionKey, i64)]) {
        let change = self.change(group, state).await;
        let offsets = offsets.iter().map(|(at, offset)| (*at, Some(committed(*offset))));
        self.make(GroupChange {
            offsets: offsets.collect(),
            ..change
        })
        .await;
    }

    async fn load(&self, group: &str, after: Option<&str>, limit: usize) -> Vec<StoredGroup> {
        let lease = self.lease(group).await;
        let groups = self.world.store.load_groups(self.id, lease, after, limit).await;
        groups.unwrap().unwrap()
    }

    /// A group that is there.
    pub async fn stored(&self, group: &str) -> Option<StoredGroup> {
        let groups = self.load(group, None, 1000).await;
        groups.into_iter().find(|stored| &*stored.id == group)
    }

    pub async fn expire(&self, group: &str, retention_ms: i64, limit: usize) -> Vec<Arc<str>> {
        self.expired(group, retention_ms, limit).await.unused
    }

    pub async fn expired(&self, group: &str, retention_ms: i64, limit: usize) -> Expired {
        let lease = self.lease(group).await;
        let store = &self.world.store;
        let expired = store.expire_offsets(self.id, lease, retention_ms, limit).await;
        expired.unwrap().unwrap()
    }

    /// What is to be forgotten of one group, with the next number.
    pub async fn forgetting(&self, group: &str, age_ms: i64, partitions: &[PartitionKey]) -> ForgetOffsets {
        let offsets = partitions.iter().map(|partition| (group.into(), *partition));
        ForgetOffsets {
            incarnation: self.id,
            lease: self.lease(group).await,
            number: self.number.fetch_add(1, Ordering::Relaxed) + 1,
            age_ms,
            offsets: offsets.collect(),
        }
    }
}

pub fn put(state: &str, empty: bool) -> StateChange {
    StateChange::Put {
        state: Bytes::copy_from_slice(state.as_bytes()),
        empty,
    }
}

fn member(id: &str, state: Option<&str>) -> (Arc<str>, Option<Bytes>) {
    (
        id.into(),
        state.map(|state| Bytes::copy_from_slice(state.as_bytes())),
    )
}

pub fn committed(offset: i64) -> CommittedOffset {
    CommittedOffset {
        offset,
        leader_epoch: 7,
        metadata: "note".into(),
    }
}

pub async fn offsets(world: &World, group: &str) -> Vec<(PartitionKey, i64)> {
    let request = OffsetsRequest {
        group: group.into(),
        partitions: None,
    };
    let found = world.store.committed_offsets(&[request]).await.unwrap().remove(0);
    found
        .into_iter()
        .map(|(at, offset)| (at, offset.offset))
        .collect()
}

pub fn key(topic: i32, partition: i32) -> PartitionKey {
    PartitionKey {
        topic: TopicKey(topic),
        partition,
    }
}

/// Groups of one shard.
pub fn neighbours(count: usize) -> Vec<String> {
    let all = (0..).map(|number| format!("group-{number}"));
    let mut found: Vec<_> = all
        .filter(|group| shard_of(group) == ShardId(5))
        .take(count)
        .collect();
    found.sort();
    found
}

pub async fn a_group_is_found_again(world: &World) {
    let a = coordinator(world, "a").await;
    assert_eq!(a.load("g", None, 10).await, []);
    let mut change = a.change("g", put("first", false)).await;
    change.members = vec![
        member("m2", Some("two")),
        member("m1", Some("")),
        member("m3", Some("3")),
    ];
    a.make(change).await;
    let mut change = a.change("g", put("second", false)).await;
    change.members = vec![
        member("m2", Some("new")),
        member("m3", None),
        member("nobody", None),
    ];
    a.make(change).await;
    let mut change = a.change("g", StateChange::Keep).await;
    change.members = vec![member("m4", Some("four"))];
    a.make(change).await;
    let members = vec![
        ("m1".into(), Bytes::new()),
        ("m2".into(), "new".into()),
        ("m4".into(), "four".into()),
    ];
    let expected = StoredGroup {
        id: "g".into(),
        state: "second".into(),
        members,
    };
    assert_eq!(a.load("g", None, 10).await, [expected]);
}

pub async fn groups_are_loaded_page_by_page(world: &World) {
    let a = coordinator(world, "a").await;
    let groups = neighbours(5);
    for group in groups.iter().rev() {
        a.put(group, put(group, true), &[]).await;
    }
    let ids = |groups: Vec<StoredGroup>| -> Vec<String> {
        groups.iter().map(|group| group.id.to_string()).collect()
    };
    assert_eq!(ids(a.load(&groups[0], None, 2).await), groups[..2]);
    assert_eq!(ids(a.load(&groups[0], Some(&groups[1]), 2).await), groups[2..4]);
    assert_eq!(ids(a.load(&groups[0], Some(&groups[3]), 2).await), groups[4..]);
    assert_eq!(ids(a.load(&groups[0], Some(&groups[4]), 2).await), [""; 0]);
    assert_eq!(ids(a.load(&groups[0], None, 0).await), [""; 0]);
    let other = "another";
    assert_ne!(shard_of(other), ShardId(5));
    assert_eq!(a.load(other, None, 10).await, []);
}

/// By bytes, not by what letters mean somewhere; and every string is one.
pub async fn any_string_is_an_id(world: &World) {
    let a = coordinator(world, "a").await;
    let strange = ["", "A\0b", "a", "B", "_", "ß", "\u{10ffff}", "\0"];
    let long = "\u{7}é".repeat(341) + "x";
    assert_eq!(long.len(), 1024);
    let mut groups: Vec<&str> = strange.into_iter().chain([long.as_str()]).collect();
    let mut changes = Vec::new();
    for group in &groups {
        let mut change = a.change(group, put(group, true)).await;
        change.members = groups.iter().map(|id| member(id, Some(id))).collect();
        let mut offset = committed(1);
        offset.metadata = (*group).into();
        change.offsets = vec![(key(1, 0), Some(offset))];
        changes.push(change);
    }
    let made = a.write(changes).await;
    assert_eq!(made, Ok(vec![true; groups.len()]));
    groups.sort_unstable();
    for group in &groups {
        let stored = a.stored(group).await.unwrap();
        assert_eq!(stored.state, group.as_bytes());
        let members: Vec<_> = stored.members.iter().map(|(id, _)| &**id).collect();
        assert_eq!(members, groups, "ascending by bytes");
        assert!(stored.members.iter().all(|(id, state)| id.as_bytes() == state));
        let request = OffsetsRequest {
            group: (*group).into(),
            partitions: None,
        };
        let found = world.store.committed_offsets(&[request]).await.unwrap();
        assert_eq!(&*found[0][0].1.metadata, *group);
    }
    // Also where a page ends at one.
    let mut ours: Vec<_> = (0..400).map(|number| format!("a\0{number}")).collect();
    ours.retain(|group| shard_of(group) == shard_of(&ours_first()));
    ours.sort();
    for group in &ours {
        a.put(group, put("s", true), &[]).await;
    }
    let mut after: Option<Arc<str>> = None;
    let mut found = Vec::new();
    while let Some(group) = a.load(&ours_first(), after.as_deref(), 1).await.pop() {
        found.push(group.id.to_string());
        after = Some(group.id);
    }
    found.retain(|group| ours.contains(group));
    assert!(ours.len() > 1);
    assert_eq!(found, ours);
}

fn ours_first() -> String {
    "a\u{0}0".to_owned()
}

pub async fn a_group_without_a_state_keeps_nothing(world: &World) {
    let a = coordinator(world, "a").await;
    let mut change = a.change("g", StateChange::Keep).await;
    change.members = vec![member("m", Some("m"))];
    change.offsets = vec![(key(1, 0), Some(committed(1)))];
    a.make(change.clone()).await;
    assert_eq!(offsets(world, "g").await, []);
    a.put("g", put("s", false), &[]).await;
    assert_eq!(a.stored("g").await.unwrap().members, [], "nothing was waiting");
    assert_eq!(offsets(world, "g").await, []);
    a.make(change).await;
    assert_eq!(offsets(world, "g").await, [(key(1, 0), 1)]);
}

pub async fn a_deleted_group_leaves_nothing(world: &World) {
    let a = coordinator(world, "a").await;
    let mut change = a.change("g", put("s", false)).await;
    change.members = vec![member("m", Some("m"))];
    change.offsets = vec![(key(1, 0), Some(committed(1)))];
    a.make(change).await;
    a.put("other", put("s", false), &[(key(1, 0), 5)]).await;
    a.put("g", StateChange::Delete, &[(key(1, 1), 2)]).await;
    assert_eq!(a.stored("g").await, None);
    assert_eq!(offsets(world, "g").await, []);
    a.put("g", StateChange::Delete, &[]).await;
    a.put("g", put("again", false), &[]).await;
    assert_eq!(a.stored("g").await.unwrap().members, []);
    assert_eq!(offsets(world, "g").await, []);
    assert_eq!(offsets(world, "other").await, [(key(1, 0), 5)]);
}

pub async fn a_group_goes_only_without_offsets(world: &World) {
    let a = coordinator(world, "a").await;
    let goes = StateChange::DeleteWithoutOffsets;
    a.put("g", goes.clone(), &[]).await;
    a.put("g", put("s", true), &[(key(1, 0), 1), (key(1, 1), 2)])
        .await;
    a.put("g", goes.clone(), &[]).await;
    assert_eq!(offsets(world, "g").await.len(), 2);
    let mut change = a.change("g", goes.clone()).await;
    change.offsets = vec![(key(1, 0), None)];
    change.members = vec![member("m", Some("m"))];
    a.make(change.clone()).await;
    assert_eq!(a.stored("g").await.unwrap().members.len(), 1);
    assert_eq!(offsets(world, "g").await, [(key(1, 1), 2)]);
    change.offsets = vec![(key(1, 1), None)];
    a.make(change).await;
    assert_eq!(a.stored("g").await, None);
}

pub async fn later_changes_of_a_call_win(world: &World) {
    let a = coordinator(world, "a").await;
    let (at, other) = (key(1, 0), key(1, 1));
    let change = async |state, partition, offset: Option<i64>| GroupChange {
        offsets: vec![(partition, offset.map(committed))],
        ..a.change("g", state).await
    };
    let (keep, goes) = (StateChange::Keep, StateChange::DeleteWithoutOffsets);
    let changes = vec![
        // Nothing of it: there is no group yet.
        change(keep.clone(), at, Some(1)).await,
        change(put("one", true), other, Some(2)).await,
        change(keep.clone(), other, Some(3)).await,
        change(goes.clone(), other, None).await,
        change(keep.clone(), at, Some(4)).await,
        change(put("two", true), at, Some(5)).await,
        change(goes.clone(), other, Some(6)).await,
        change(keep.clone(), at, Some(7)).await,
    ];
    assert_eq!(a.write(changes).await, Ok(vec![true; 8]));
    assert_eq!(offsets(world, "g").await, [(at, 7), (other, 6)]);
    let changes = vec![
        change(StateChange::Delete, at, Some(8)).await,
        change(keep, at, Some(9)).await,
        change(goes, at, Some(10)).await,
        change(put("three", true), other, Some(11)).await,
    ];
    assert_eq!(a.write(changes).await, Ok(vec![true; 4]));
    assert_eq!(offsets(world, "g").await, [(other, 11)]);
    assert_eq!(a.stored("g").await.unwrap().state, "three");
    assert_eq!(a.write(vec![]).await, Ok(vec![]));
}

pub async fn only_the_holder_writes_and_loads(world: &World) {
    let a = coordinator(world, "a").await;
    let b = coordinator(world, "b").await;
    let (ours, theirs) = ("g", "another");
    assert_ne!(shard_of(ours), shard_of(theirs));
    let old = a.change(ours, put("a", false)).await;
    a.make(old.clone()).await;
    b.put(theirs, put("b", false), &[]).await;
    world.store.release_shards(a.id, &[old.lease]).await.unwrap();
    assert_eq!(a.write(vec![old.clone()]).await, Ok(vec![false]), "given back");
    let next = b.lease(ours).await;
    let mut ahead = old.clone();
    ahead.lease = next;
    let mut beyond = old.clone();
    beyond.lease.epoch = 100;
    // Neither with its own lease nor with another's; what is its own is made.
    let taken = [shard_of(ours), shard_of(theirs)];
    let mut names = (0..).map(|number| format!("mine-{number}"));
    let mine = names.find(|group| !taken.contains(&shard_of(group))).unwrap();
    let mut own = a.change(&mine, put("mine", true)).await;
    own.offsets = vec![(key(1, 0), Some(committed(1)))];
    let mixed = vec![
        old.clone(),
        own.clone(),
        ahead.clone(),
        beyond.clone(),
        own.clone(),
    ];
    assert_eq!(a.write(mixed).await, Ok(vec![false, true, false, false, true]));
    assert_eq!(b.stored(ours).await.unwrap().state, "a");
    assert_eq!(offsets(world, &mine).await, [(key(1, 0), 1)]);
    for (id, lease) in [(a.id, old.lease), (a.id, next), (b.id, old.lease)] {
        assert_eq!(world.store.load_groups(id, lease, None, 10).await, Ok(None));
        assert_eq!(world.store.expire_offsets(id, lease, 0, 10).await, Ok(None));
    }
    let mut both = ahead.clone();
    both.state = put("b", false);
    assert_eq!(b.write(vec![old, both]).await, Ok(vec![false, true]));
    assert_eq!(b.stored(ours).await.unwrap().state, "b");
}

pub async fn the_dead_write_nothing(world: &World) {
    let a = coordinator(world, "a").await;
    let change = a.change("g", put("s", false)).await;
    a.make(change.clone()).await;
    world.store.leave(a.id).await.unwrap();
    assert_eq!(a.write(vec![change.clone()]).await, Err(MetastoreError::Fenced));
    assert_eq!(a.write(vec![]).await, Err(MetastoreError::Fenced));
    let loaded = world.store.load_groups(a.id, change.lease, None, 10).await;
    assert_eq!(loaded, Ok(None));
    let expired = world.store.expire_offsets(a.id, change.lease, 0, 10).await;
    assert_eq!(expired, Ok(None));
    let b = coordinator(world, "b").await;
    assert_eq!(b.stored("g").await.unwrap().state, "s");
}

pub async fn a_group_is_of_its_own_shard(world: &World) {
    let a = coordinator(world, "a").await;
    let mut change = a.change("another", put("s", false)).await;
    change.group = "g".into();
    let refused = a.write(vec![change]).await;
    assert!(matches!(refused, Err(MetastoreError::Corrupt(_))), "{refused:?}");
}

pub async fn committed_offsets_answer_in_order(world: &World) {
    let a = coordinator(world, "a").await;
    let all = [(key(1, 0), 5), (key(1, 2), i64::MAX), (key(3, 1), 0)];
    a.put("g", put("s", false), &all).await;
    a.put("h", put("s", false), &[(key(1, 0), 9)]).await;
    let ask = |group: &str, partitions: Option<&[PartitionKey]>| OffsetsRequest {
        group: group.into(),
        partitions: partitions.map(<[_]>::to_vec),
    };
    let requests = [
        ask("h", None),
        ask("nobody", None),
        ask("g", Some(&[key(3, 1), key(1, 0), key(9, 9), key(3, 1)])),
        ask("g", Some(&[])),
        ask("g", None),
        ask("nobody", Some(&[key(1, 0)])),
        ask("h", Some(&[key(1, 2)])),
    ];
    let of = |wanted: &[(PartitionKey, i64)]| -> CommittedOffsets {
        let wanted = wanted.iter();
        wanted.map(|(at, offset)| (*at, committed(*offset))).collect()
    };
    let expected = vec![
        of(&[(key(1, 0), 9)]),
        of(&[]),
        of(&[all[0], all[2]]),
        of(&[]),
        of(&all),
        of(&[]),
        of(&[]),
    ];
    assert_eq!(world.store.committed_offsets(&requests).await, Ok(expected));
    assert_eq!(world.store.committed_offsets(&[]).await, Ok(vec![]));
}

/// As many as one call carries.
pub async fn a_large_call_is_made_at_once(world: &World) {
    let a = coordinator(world, "a").await;
    let mut changes = Vec::new();
    let all: Vec<_> = (0..esker_model::groups::SHARDS).map(ShardId).collect();
    let owners = world.store.claim_shards(a.id, &all).await.unwrap();
    for number in 0..GROUP_CHANGES_MAX {
        let group = format!("group-{number}");
        changes.push(GroupChange {
            lease: owners[shard_of(&group).0 as usize].lease,
            group: group.as_str().into(),
            state: put("state", false),
            members: vec![member("m", Some("m"))],
            offsets: (0..10).map(|at| (key(1, at), Some(committed(1)))).collect(),
        });
    }
    for change in changes.iter_mut().skip(1).step_by(2) {
        change.state = put("state", true);
    }
    for _ in 0..2 {
        let made = a.write(changes.clone()).await.unwrap();
        assert!(made.len() == GROUP_CHANGES_MAX && made.iter().all(|made| *made));
    }
    let requests: Vec<_> = changes
        .iter()
        .map(|change| OffsetsRequest {
            group: Arc::clone(&change.group),
            partitions: None,
        })
        .collect();
    let found = world.store.committed_offsets(&requests).await.unwrap();
    let offsets: usize = found.iter().map(Vec::len).sum();
    assert_eq!(offsets, GROUP_OFFSETS_MAX);
}
