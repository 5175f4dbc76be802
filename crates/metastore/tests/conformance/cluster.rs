//! The cluster's identity.

use esker_metastore::Cluster;
use esker_model::ClusterId;

use crate::world::{EPOCH, World};

pub async fn the_cluster_is_recorded_once(world: &World) {
    assert_eq!(world.store.cluster().await, Ok(None));
    let id = ClusterId("wHmWSyTPTH-B5wJFMxVvlg".to_owned());
    let expected = Cluster {
        id: id.clone(),
        epoch: EPOCH,
        bucket_bound: false,
    };
    let other = ClusterId("AAAAAAAAAAAAAAAAAAAAAA".to_owned());
    for id in [&id, &id, &other] {
        assert_eq!(world.store.init_cluster(id).await.as_ref(), Ok(&expected));
        assert_eq!(world.store.cluster().await, Ok(Some(expected.clone())));
    }
}

pub async fn the_bucket_is_bound_for_ever(world: &World) {
    let cluster = world.init().await;
    for _ in 0..2 {
        world.store.bucket_bound().await.unwrap();
        let bound = Cluster {
            bucket_bound: true,
            ..cluster.clone()
        };
        assert_eq!(world.init().await, bound);
        assert_eq!(world.store.cluster().await, Ok(Some(bound)));
    }
}
