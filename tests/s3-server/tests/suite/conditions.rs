//! Conditions on reading and writing, alone and in races.

use bytes::Bytes;
use futures::future::join_all;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, UpdateVersion};

use super::{Target, bytes};

const WRITERS: u8 = 8;
const ROUNDS: usize = 30;
const LONG_AGO: &str = "Sat, 01 Jan 2000 00:00:00 GMT";
const FAR_AHEAD: &str = "Fri, 01 Jan 2100 00:00:00 GMT";

pub async fn on_reading(target: &Target) {
    let key = "conditions/read";
    let etag = target.put(key, b"there").await.etag().to_owned();
    for (name, value, status) in [
        ("if-match", etag.as_str(), 200),
        ("if-match", "\"other\"", 412),
        ("if-match", "*", 200),
        ("if-none-match", etag.as_str(), 304),
        ("if-none-match", "\"other\"", 200),
        ("if-none-match", "*", 304),
        ("if-modified-since", LONG_AGO, 200),
        ("if-modified-since", FAR_AHEAD, 304),
        ("if-unmodified-since", LONG_AGO, 412),
        ("if-unmodified-since", FAR_AHEAD, 200),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = target.request(method, key).header(name, value).send().await;
            assert_eq!(answer.status, status, "{method} {name}: {value}: {answer:?}");
            if status == 304 {
                assert_eq!(answer.body, b"");
            }
        }
    }
    let both = target
        .request("GET", key)
        .header("if-match", &etag)
        .header("if-unmodified-since", LONG_AGO);
    assert_eq!(
        both.send().await.status,
        200,
        "the tag counts for more than the date"
    );
    let missing = target.request("GET", "conditions/none").header("if-match", &etag);
    missing.send().await.is_error(404, "NoSuchKey");
}

pub async fn on_writing(target: &Target) {
    let key = "conditions/write";
    let put = |name: &'static str, value: String, body: &'static [u8]| {
        target.request("PUT", key).header(name, &value).body(body).send()
    };
    let any = || "*".to_owned();
    let first = put("if-none-match", any(), b"first").await;
    assert_eq!(first.status, 200);
    put("if-none-match", any(), b"second")
        .await
        .is_error(412, "PreconditionFailed");
    // The same bytes again are a second object all the same.
    put("if-none-match", any(), b"first")
        .await
        .is_error(412, "PreconditionFailed");
    let etag = first.etag().to_owned();
    let second = put("if-match", etag.clone(), b"second").await;
    assert_eq!(second.status, 200);
    put("if-match", etag.clone(), b"third")
        .await
        .is_error(412, "PreconditionFailed");
    assert_eq!(target.get(key).await, b"second");
    let missing = target
        .request("PUT", "conditions/none")
        .header("if-match", &etag)
        .body(b"x");
    missing.send().await.is_error(404, "NoSuchKey");
    // What was deleted can be created again.
    assert_eq!(target.request("DELETE", key).send().await.status, 204);
    assert_eq!(put("if-none-match", any(), b"again").await.status, 200);
    assert_eq!(target.get(key).await, b"again");
}

/// Of writers of one new key exactly one wins, and the object is the winner's, however large it is.
pub async fn one_creator_wins(target: &Target) {
    let stores: Vec<_> = (0..WRITERS).map(|_| target.store()).collect();
    for round in 0..ROUNDS {
        let path = Path::from(format!("conditions/race/{round}"));
        let length = if round % 3 == 0 { 600_000 } else { 1000 };
        let writes = stores.iter().zip(0..WRITERS).map(|(store, writer)| {
            let body = Bytes::from(bytes(writer, length));
            let path = &path;
            async move {
                match store.put_opts(path, body.into(), PutMode::Create.into()).await {
                    Ok(_) => Some(writer),
                    Err(Error::AlreadyExists { .. }) => None,
                    Err(err) => panic!("round {round}, writer {writer}: {err}"),
                }
            }
        });
        let winners: Vec<u8> = join_all(writes).await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        let stored = stores[0].get(&path).await.unwrap().bytes().await.unwrap();
        assert!(
            stored == bytes(winners[0], length),
            "round {round}: another's bytes"
        );
    }
}

/// Writers that add to a number under `If-Match` count every success.
pub async fn no_update_is_lost(target: &Target) {
    let path = &Path::from("conditions/number");
    let store = &target.store();
    store.put(path, "0".into()).await.unwrap();
    let add = |_| async move {
        let mut added = 0_u64;
        for _ in 0..10 {
            let now = store.get(path).await.unwrap();
            let version = UpdateVersion {
                e_tag: now.meta.e_tag.clone(),
                version: None,
            };
            let number: u64 = String::from_utf8(now.bytes().await.unwrap().to_vec())
                .unwrap()
                .parse()
                .unwrap();
            let next = (number + 1).to_string();
            match store
                .put_opts(path, next.into(), PutMode::Update(version).into())
                .await
            {
                Ok(_) => added += 1,
                Err(Error::Precondition { .. }) => {}
                Err(err) => panic!("{err}"),
            }
        }
        added
    };
    let added: u64 = join_all((0..WRITERS).map(add)).await.into_iter().sum();
    assert!(added > 0);
    assert_eq!(
        target.get("conditions/number").await,
        added.to_string().as_bytes()
    );
}
