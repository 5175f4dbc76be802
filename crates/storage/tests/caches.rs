//! One suite for both caches.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use esker_model::seams::BoxFuture;
use esker_storage::StoreError;
use esker_storage::cache::{CacheKey, LruCache, MokaCache, SegmentCache};
use futures::future::join_all;
use support::segments::segment_id;

type Load = BoxFuture<'static, Result<Bytes, StoreError>>;
type Loads = Arc<AtomicUsize>;

fn key(seq: u64) -> CacheKey {
    CacheKey::whole(segment_id(seq))
}

fn load(loads: &Loads, result: Result<Bytes, StoreError>) -> Load {
    let loads = Arc::clone(loads);
    Box::pin(async move {
        loads.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        result
    })
}

fn filled(bytes: usize) -> Bytes {
    Bytes::from(vec![7; bytes])
}

async fn conforms(cache: Arc<dyn SegmentCache>, bytes_max: u64) {
    one_load_serves_all(&cache).await;
    errors_are_shared_and_forgotten(&cache).await;
    a_caller_that_leaves_does_not_stop_the_others(&cache).await;
    parts_are_apart(&cache).await;
    capacity_is_respected(&cache, bytes_max).await;
}

async fn one_load_serves_all(cache: &Arc<dyn SegmentCache>) {
    let loads = Loads::default();
    let gets = (0..100).map(|_| cache.get(key(1), load(&loads, Ok(filled(10)))));
    assert!(join_all(gets).await.into_iter().all(|got| got == Ok(filled(10))));
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(cache.peek(&key(1)), Some(filled(10)));
    assert_eq!(
        cache.get(key(1), load(&loads, Ok(filled(11)))).await,
        Ok(filled(10))
    );
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    cache.invalidate(&key(1)).await;
    assert_eq!(cache.peek(&key(1)), None);
    assert_eq!(
        cache.get(key(1), load(&loads, Ok(filled(12)))).await,
        Ok(filled(12))
    );
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

async fn errors_are_shared_and_forgotten(cache: &Arc<dyn SegmentCache>) {
    let loads = Loads::default();
    let missing = StoreError::NotFound { key: "x".into() };
    let gets = (0..10).map(|_| cache.get(key(2), load(&loads, Err(missing.clone()))));
    assert!(
        join_all(gets)
            .await
            .into_iter()
            .all(|got| got == Err(missing.clone()))
    );
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(cache.peek(&key(2)), None);
    assert_eq!(
        cache.get(key(2), load(&loads, Ok(filled(3)))).await,
        Ok(filled(3))
    );
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

async fn a_caller_that_leaves_does_not_stop_the_others(cache: &Arc<dyn SegmentCache>) {
    let loads = Loads::default();
    let leaver = tokio::time::timeout(
        Duration::from_millis(5),
        cache.get(key(3), load(&loads, Ok(filled(4)))),
    );
    let stayers = join_all((0..5).map(|_| cache.get(key(3), load(&loads, Ok(filled(4))))));
    let (left, stayed) = futures::join!(leaver, stayers);
    assert!(left.is_err());
    assert!(stayed.into_iter().all(|got| got == Ok(filled(4))));
    assert_eq!(cache.peek(&key(3)), Some(filled(4)));

    let loads = Loads::default();
    let alone = tokio::time::timeout(
        Duration::from_millis(5),
        cache.get(key(4), load(&loads, Ok(filled(4)))),
    );
    assert!(alone.await.is_err());
    assert_eq!(
        cache.get(key(4), load(&loads, Ok(filled(5)))).await,
        Ok(filled(5))
    );
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

async fn parts_are_apart(cache: &Arc<dyn SegmentCache>) {
    let loads = Loads::default();
    for part in 0..3 {
        let key = CacheKey::chunk(segment_id(9), part);
        let bytes = filled(part as usize + 1);
        assert_eq!(cache.get(key, load(&loads, Ok(bytes.clone()))).await, Ok(bytes));
    }
    assert_eq!(loads.load(Ordering::SeqCst), 3);
}

async fn capacity_is_respected(cache: &Arc<dyn SegmentCache>, bytes_max: u64) {
    cache.clear();
    let entry = bytes_max as usize / 10;
    for seq in 100..160 {
        let loads = Loads::default();
        cache
            .get(key(seq), load(&loads, Ok(filled(entry))))
            .await
            .unwrap();
        assert_eq!(cache.peek(&key(seq)), Some(filled(entry)), "the newest is there");
    }
    settle(cache, bytes_max).await;
    assert!(cache.weight() > bytes_max / 2, "{}", cache.weight());
    assert_eq!(cache.peek(&key(100)), None, "the oldest is gone");
    let loads = Loads::default();
    let huge = filled(bytes_max as usize + 1);
    assert_eq!(
        cache.get(key(200), load(&loads, Ok(huge.clone()))).await,
        Ok(huge)
    );
    settle(cache, bytes_max).await;
    cache.clear();
    settle(cache, 0).await;
}

/// Waits until the weight is at most this: moka's own housekeeping comes a little later.
async fn settle(cache: &Arc<dyn SegmentCache>, weight: u64) {
    for round in 0..200 {
        if cache.weight() <= weight {
            return;
        }
        let loads = Loads::default();
        let _ = cache
            .get(
                key(10_000 + round),
                load(&loads, Err(StoreError::Unavailable("x".into()))),
            )
            .await;
        cache.peek(&key(1));
    }
    panic!("{} bytes where {weight} are allowed", cache.weight());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn moka() {
    conforms(Arc::new(MokaCache::new(1 << 20)), 1 << 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lru() {
    conforms(Arc::new(LruCache::new(1 << 20)), 1 << 20).await;
}

#[tokio::test(start_paused = true)]
async fn lru_on_one_thread_with_paused_time() {
    conforms(Arc::new(LruCache::new(1 << 20)), 1 << 20).await;
}

#[tokio::test]
async fn lru_keeps_what_is_used() {
    let cache = LruCache::new(3 * 1200);
    let loads = Loads::default();
    for seq in 0..3 {
        cache.get(key(seq), load(&loads, Ok(filled(1000)))).await.unwrap();
    }
    assert!(cache.peek(&key(0)).is_some());
    cache.get(key(3), load(&loads, Ok(filled(1000)))).await.unwrap();
    let kept: Vec<_> = (0..4).filter(|seq| cache.peek(&key(*seq)).is_some()).collect();
    assert_eq!(kept, [0, 2, 3]);
}
