//! What every store must do, whatever it is: the same checks through a `Bucket`.
//!
//! `all` takes an empty bucket and leaves objects in it.

use bytes::Bytes;
use esker_model::seams::Instant;
use esker_model::{ClusterEpoch, ClusterId, SegmentId, SegmentKind};
use esker_storage::bucket::{ChunkPlace, DELETE_AT_ONCE};
use esker_storage::cluster_file::{self, ClusterFile};
use esker_storage::keys::{manifest_key, object_key};
use esker_storage::metrics::Op;
use esker_storage::segment::{Receipts, TAIL_BYTES, verify};
use esker_storage::{Bucket, ObjectInfo, StoreError, preflight};
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use std::ops::Range;
use std::time::Duration;

use super::{manifests, segments};

pub struct Size {
    /// Objects for the check of long listings: more than one page, unless the store is too slow.
    pub listed: usize,
    pub races: usize,
}

pub const FULL: Size = Size {
    listed: 2300,
    races: 30,
};

pub async fn all(bucket: &Bucket, size: &Size) {
    for finding in preflight::preflight(bucket).await {
        assert!(finding.ok, "{}: {}", finding.name, finding.sentence);
    }
    objects_come_back(bucket).await;
    missing_objects(bucket).await;
    nothing_is_replaced(bucket).await;
    ranges(bucket).await;
    chunks_together(bucket).await;
    listings(bucket, size).await;
    many_deletes(bucket, size).await;
    one_winner(bucket, size.races).await;
    segments_are_verified(bucket).await;
    manifests_are_verified(bucket).await;
    one_cluster_file(bucket).await;
}

fn soon(bucket: &Bucket) -> Instant {
    bucket.seams().clock.now().plus(Duration::from_secs(30))
}

fn tail_of(object: &[u8]) -> [u8; TAIL_BYTES] {
    *object.last_chunk().unwrap()
}

fn object(fill: u8, bytes: usize) -> Bytes {
    (0..bytes).map(|i| (i as u8) ^ fill).collect::<Vec<u8>>().into()
}

async fn put(bucket: &Bucket, key: &str, object: &Bytes) -> Result<(), StoreError> {
    bucket
        .put_new(key, vec![object.clone()], tail_of(object), soon(bucket))
        .await
}

async fn keys(bucket: &Bucket, prefix: &str) -> Vec<String> {
    bucket
        .list(prefix)
        .map_ok(|object: ObjectInfo| object.key)
        .try_collect()
        .await
        .unwrap()
}

async fn objects_come_back(bucket: &Bucket) {
    for bytes in [TAIL_BYTES, 1000, 9 << 20] {
        let whole = object(7, bytes);
        let key = format!("kit/back/{bytes}");
        let mut slices: Vec<_> = (0..bytes)
            .step_by(16 << 10)
            .map(|at| whole.slice(at..bytes.min(at + (16 << 10))))
            .collect();
        slices.insert(1, Bytes::new());
        slices.push(Bytes::new());
        bucket
            .put_new(&key, slices, tail_of(&whole), soon(bucket))
            .await
            .unwrap();
        assert!(bucket.get(&key).await.unwrap() == whole);
        assert_eq!(
            bucket.head(&key).await.unwrap(),
            ObjectInfo {
                key,
                bytes: bytes as u64
            }
        );
    }
}

async fn missing_objects(bucket: &Bucket) {
    let key = "kit/nothing/here";
    let missing = StoreError::NotFound { key: key.into() };
    assert_eq!(bucket.get(key).await, Err(missing.clone()));
    assert_eq!(bucket.get_range(key, 0..4).await, Err(missing.clone()));
    assert_eq!(bucket.head(key).await, Err(missing));
    assert_eq!(bucket.delete(key).await, Ok(()));
    assert_eq!(keys(bucket, "kit/nothing/").await, [""; 0]);
    let written = object(1, 100);
    put(bucket, key, &written).await.unwrap();
    assert_eq!(bucket.delete(key).await, Ok(()));
    assert!(bucket.get(key).await.unwrap_err().is_not_found());
    put(bucket, key, &written).await.unwrap();
    assert_eq!(
        bucket.get("kit/nothing").await,
        Err(StoreError::NotFound {
            key: "kit/nothing".into()
        })
    );
}

async fn nothing_is_replaced(bucket: &Bucket) {
    let key = "kit/once";
    let first = object(1, 5000);
    put(bucket, key, &first).await.unwrap();
    put(bucket, key, &first).await.unwrap();
    let conflict = Err(StoreError::Conflict { key: key.into() });
    assert_eq!(
        put(bucket, key, &object(2, 5000)).await,
        conflict,
        "same size, other bytes"
    );
    assert_eq!(put(bucket, key, &object(1, 5001)).await, conflict, "longer");
    assert_eq!(
        put(bucket, key, &object(1, TAIL_BYTES)).await,
        conflict,
        "shorter"
    );
    assert!(bucket.get(key).await.unwrap() == first);
}

async fn ranges(bucket: &Bucket) {
    let key = "kit/ranges";
    let whole = object(3, 1000);
    put(bucket, key, &whole).await.unwrap();
    for range in [0..1, 0..1000, 999..1000, 10..20, 500..500] {
        let expected = whole.slice(range.start as usize..range.end as usize);
        assert_eq!(bucket.get_range(key, range).await.unwrap(), expected);
    }
    for range in [0..1001, 999..1001, 1000..1001, 5000..6000] {
        let err = bucket.get_range(key, range.clone()).await.unwrap_err();
        assert!(matches!(err, StoreError::Corrupt { .. }), "{range:?}: {err}");
    }
}

async fn chunks_together(bucket: &Bucket) {
    let id = SegmentId {
        kind: SegmentKind::Archive,
        ..segments::segment_id(77)
    };
    let whole = object(9, 1000);
    let place = |range: Range<u64>| ChunkPlace {
        crc: crc32c::crc32c(&whole[range.start as usize..range.end as usize]),
        range,
    };
    let mut places = [place(100..200), place(200..350), place(900..1000)];
    let missing = bucket.get_chunks(&id, &places).await;
    assert_eq!(missing.len(), 3);
    for one in missing {
        assert!(matches!(one, Err(StoreError::NotFound { .. })), "{one:?}");
    }
    put(bucket, &object_key(&id), &whole).await.unwrap();
    let before = bucket.metrics().requests(Op::Get, "ok");
    let read = bucket.get_chunks(&id, &places).await;
    for (one, place) in read.into_iter().zip(&places) {
        let range = place.range.start as usize..place.range.end as usize;
        assert_eq!(one.unwrap(), whole.slice(range));
    }
    assert_eq!(bucket.metrics().requests(Op::Get, "ok") - before, 1);
    // One that is wrong, and one that is not there at all, fail by themselves.
    places[1].crc ^= 1;
    places[2].range = 950..1050;
    let read = bucket.get_chunks(&id, &places).await;
    assert_eq!(*read[0].as_ref().unwrap(), whole.slice(100..200));
    for one in &read[1..] {
        assert!(matches!(one, Err(StoreError::Corrupt { .. })), "{one:?}");
    }
    assert!(bucket.get_chunks(&id, &[]).await.is_empty());
}

/// Deletes what the listings left.
async fn many_deletes(bucket: &Bucket, size: &Size) {
    let mut names = keys(bucket, "kit/many/").await;
    assert_eq!(names.len(), size.listed);
    let kept = names.remove(7);
    names.insert(3, "kit/many/never-was".to_owned());
    let before = bucket.metrics().requests(Op::Delete, "ok");
    for part in names.chunks(DELETE_AT_ONCE) {
        let outcomes = bucket.delete_many(part).await.unwrap();
        assert_eq!(outcomes, vec![Ok(()); part.len()]);
    }
    let requests = bucket.metrics().requests(Op::Delete, "ok") - before;
    assert_eq!(requests, size.listed.div_ceil(DELETE_AT_ONCE) as u64);
    assert_eq!(keys(bucket, "kit/many/").await, [kept]);
    assert_eq!(bucket.delete_many(&[]).await, Ok(vec![]));
    // What is gone already is deleted.
    assert_eq!(bucket.delete_many(&names[..2]).await, Ok(vec![Ok(()); 2]));
}

async fn listings(bucket: &Bucket, size: &Size) {
    let small = object(5, 40);
    let odd = ["a", "a-b", "a/b", "a/c/d", "a0", "b/1", "b/10", "b/2", "b1/1"];
    for key in odd {
        // A directory cannot hold both `a` and `a/b`.
        if key != "a" {
            put(bucket, &format!("kit/list/{key}"), &small).await.unwrap();
        }
    }
    let found = keys(bucket, "kit/list/").await;
    let expected: Vec<_> = odd[1..].iter().map(|key| format!("kit/list/{key}")).collect();
    assert_eq!(found, expected, "in the order of the keys");
    assert_eq!(
        keys(bucket, "kit/list/b/").await,
        ["kit/list/b/1", "kit/list/b/10", "kit/list/b/2"]
    );
    assert_eq!(keys(bucket, "kit/list/none/").await, [""; 0]);

    let names: Vec<_> = (0..size.listed)
        .map(|i| format!("kit/many/{:02x}/{i:06}", i % 37))
        .collect();
    futures::stream::iter(&names)
        .for_each_concurrent(16, |key| async { put(bucket, key, &small).await.unwrap() })
        .await;
    let mut sorted = names.clone();
    sorted.sort();
    let before = bucket.metrics().requests(Op::List, "ok");
    let found: Vec<_> = bucket.list("kit/many/").try_collect().await.unwrap();
    assert!(found.iter().all(|object: &ObjectInfo| object.bytes == 40));
    assert!(found.iter().map(|object| &object.key).eq(&sorted));
    let pages = bucket.metrics().requests(Op::List, "ok") - before;
    assert_eq!(pages, size.listed as u64 / 1000 + 1, "one request per page");
    let everything: Vec<_> = keys(bucket, "").await;
    assert!(everything.contains(&names[0]) && everything.contains(&"kit/once".to_owned()));
}

async fn one_winner(bucket: &Bucket, races: usize) {
    for race in 0..races {
        let key = format!("kit/race/{race}");
        let writers = (0..8u8).map(|writer| {
            let bytes = object(writer.wrapping_mul(31), 20_000);
            let (bucket, key) = (bucket.clone(), key.clone());
            async move { (put(&bucket, &key, &bytes).await, bytes) }
        });
        let results = join_all(writers).await;
        let winners: Vec<_> = results.iter().filter(|(result, _)| result.is_ok()).collect();
        assert_eq!(
            winners.len(),
            1,
            "race {race}: {:?}",
            results.iter().map(|r| &r.0).collect::<Vec<_>>()
        );
        assert!(bucket.get(&key).await.unwrap() == winners[0].1);
        let conflict = StoreError::Conflict { key };
        assert_eq!(
            results
                .iter()
                .filter(|(result, _)| *result == Err(conflict.clone()))
                .count(),
            7
        );
    }
}

async fn segments_are_verified(bucket: &Bucket) {
    let id = segments::segment_id(1);
    assert!(bucket.get_segment(&id).await.unwrap_err().is_not_found());
    let sealed = segments::seal(id, segments::runs(), segments::receipts());
    bucket
        .put_new(
            &object_key(&id),
            sealed.payload.clone(),
            sealed.tail,
            soon(bucket),
        )
        .await
        .unwrap();
    let read = bucket.get_segment(&id).await.unwrap();
    assert_eq!(verify(&read).unwrap().id, id);
    assert_eq!(bucket.get_segment_slices(&id).await.unwrap(), read);

    let damaged_id = segments::segment_id(2);
    let sealed = segments::seal(damaged_id, segments::runs(), Receipts::default());
    let mut damaged = segments::whole(&sealed).to_vec();
    damaged[100] ^= 1;
    put(bucket, &object_key(&damaged_id), &damaged.into())
        .await
        .unwrap();
    assert!(matches!(
        bucket.get_segment(&damaged_id).await,
        Err(StoreError::Corrupt { .. })
    ));
    assert!(matches!(
        bucket.get_segment_slices(&damaged_id).await,
        Err(StoreError::Corrupt { .. })
    ));

    let misplaced = segments::segment_id(3);
    let sealed = segments::seal(id, segments::runs(), Receipts::default());
    put(bucket, &object_key(&misplaced), &segments::whole(&sealed))
        .await
        .unwrap();
    assert!(matches!(
        bucket.get_segment(&misplaced).await,
        Err(StoreError::Corrupt { .. })
    ));
}

async fn manifests_are_verified(bucket: &Bucket) {
    let right = manifests::everything();
    let named = |seq| {
        let id = manifests::manifest_id(seq);
        (id, manifest_key(&id))
    };
    assert!(bucket.get_manifest(&right.id).await.unwrap_err().is_not_found());
    let encoded = right.encode().unwrap();
    let payload = vec![encoded.payload.clone()];
    bucket
        .put_new(&manifest_key(&right.id), payload, encoded.tail, soon(bucket))
        .await
        .unwrap();
    assert_eq!(bucket.get_manifest(&right.id).await, Ok(encoded.payload.clone()));

    let (damaged_id, key) = named(31);
    let mut damaged = manifests::everything();
    damaged.id = damaged_id;
    let mut damaged = damaged.encode().unwrap().payload.to_vec();
    damaged[100] ^= 1;
    put(bucket, &key, &damaged.into()).await.unwrap();
    let (misplaced, key) = named(32);
    put(bucket, &key, &encoded.payload).await.unwrap();
    let (ingest, key) = named(33);
    let sealed = segments::seal(segments::segment_id(33), vec![], Receipts::default());
    put(bucket, &key, &segments::whole(&sealed)).await.unwrap();
    for (id, why) in [
        (damaged_id, "checksum"),
        (misplaced, "it holds manifest 3/"),
        (ingest, "another kind"),
    ] {
        match bucket.get_manifest(&id).await {
            Err(StoreError::Corrupt { what, .. }) => assert!(what.contains(why), "{what}"),
            other => panic!("{other:?}"),
        }
    }
}

async fn one_cluster_file(bucket: &Bucket) {
    assert_eq!(cluster_file::read(bucket).await, Ok(None));
    let created = join_all((0..8).map(|i| {
        let file = ClusterFile::new(ClusterId(format!("cluster-{i}")), ClusterEpoch(1));
        async move { cluster_file::create(bucket, &file).await.unwrap() }
    }))
    .await;
    assert!(created.iter().all(|file| *file == created[0]));
    assert_eq!(
        cluster_file::read(bucket).await.unwrap().as_ref(),
        Some(&created[0])
    );
    let junk = bucket.list("cluster.json").boxed().next().await;
    assert!(junk.is_none(), "an object is not below itself");
}
