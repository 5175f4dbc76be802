//! Who does the work.

use esker_metastore::MetastoreError;

use crate::world::{LONG_MS, World, Writer};

pub async fn a_lease_is_held_renewed_and_taken_over(world: &World) {
    let (a, b) = (world.writer("a").await, world.writer("b").await);
    let claim =
        async |job, who: &Writer, lease_ms| world.store.claim_job(job, who.incarnation, lease_ms).await;
    assert_eq!(claim("archive", &a, LONG_MS).await, Ok(true));
    assert_eq!(claim("archive", &b, LONG_MS).await, Ok(false));
    assert_eq!(claim("clean", &b, LONG_MS).await, Ok(true), "another job");
    assert_eq!(claim("archive", &a, LONG_MS).await, Ok(true));
    assert_eq!(
        claim("archive", &a, 20).await,
        Ok(true),
        "the holder may also shorten it"
    );
    world.pass(60).await;
    assert_eq!(claim("archive", &b, LONG_MS).await, Ok(true));
    assert_eq!(claim("archive", &a, LONG_MS).await, Ok(false));
    assert_eq!(claim("clean", &a, LONG_MS).await, Ok(false));
}

pub async fn the_lease_of_one_that_is_gone_is_free(world: &World) {
    let (a, b) = (world.writer("a").await, world.writer("b").await);
    let claim = async |who: &Writer| world.store.claim_job("archive", who.incarnation, LONG_MS).await;
    assert_eq!(claim(&a).await, Ok(true));
    let next = world.writer("a").await;
    assert_eq!(claim(&a).await, Err(MetastoreError::Fenced));
    assert_eq!(claim(&b).await, Ok(true), "the holder is fenced");
    assert_eq!(claim(&next).await, Ok(false));
    world.store.leave(b.incarnation).await.unwrap();
    assert_eq!(claim(&next).await, Ok(true), "the holder has left");
    assert_eq!(claim(&b).await, Err(MetastoreError::Fenced));
}
