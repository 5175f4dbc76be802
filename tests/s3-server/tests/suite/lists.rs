//! Listings: order, pages, common prefixes, encoding.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;

use super::{Answer, BUCKET, Request, Target, encode};

const KEYS: [&str; 10] = [
    "lists/a/1",
    "lists/a/2",
    "lists/a/b/3",
    "lists/a-4",
    "lists/a0",
    "lists/b",
    "lists/c/5",
    "lists/c/6",
    "lists/d/7",
    "lists/e",
];

async fn fill(target: &Target) {
    for key in KEYS {
        target.put(key, key.as_bytes()).await;
    }
}

fn list<'a>(target: &'a Target, prefix: &str) -> Request<'a> {
    target
        .bucket_request("GET", BUCKET)
        .query("list-type", "2")
        .query("prefix", prefix)
}

fn sorted(keys: impl IntoIterator<Item = &'static str>) -> Vec<String> {
    let keys: BTreeSet<_> = keys.into_iter().map(str::to_owned).collect();
    keys.into_iter().collect()
}

/// Keys and common prefixes of one page.
fn entries(answer: &Answer) -> (Vec<String>, Vec<String>) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let (objects, prefixes) = match answer.text().split_once("<CommonPrefixes>") {
        None => (answer.texts("Key"), Vec::new()),
        Some((_, rest)) => {
            let prefixes = rest.split("<Prefix>").skip(1);
            let prefixes = prefixes.map(|rest| rest.split('<').next().unwrap().to_owned());
            (answer.texts("Key"), prefixes.collect())
        }
    };
    (objects, prefixes)
}

pub async fn pages(target: &Target) {
    fill(target).await;
    let expected = sorted(KEYS);
    for page in [1, 3, 10, 11] {
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut request = list(target, "lists/").query("max-keys", &page.to_string());
            if let Some(token) = &token {
                request = request.query("continuation-token", token);
            }
            let answer = request.send().await;
            let (keys, _) = entries(&answer);
            assert!(keys.len() <= page);
            assert_eq!(answer.first("KeyCount"), keys.len().to_string());
            found.extend(keys);
            let next = answer.first("NextContinuationToken");
            assert_eq!(answer.first("IsTruncated"), (!next.is_empty()).to_string());
            if next.is_empty() {
                break;
            }
            token = Some(next);
        }
        assert_eq!(found, expected, "pages of {page}");
    }
    let answer = list(target, "lists/")
        .query("start-after", "lists/a0")
        .send()
        .await;
    assert_eq!(
        entries(&answer).0,
        ["lists/b", "lists/c/5", "lists/c/6", "lists/d/7", "lists/e"]
    );
    let answer = list(target, "lists/")
        .query("start-after", "lists/a/11")
        .send()
        .await;
    assert_eq!(entries(&answer).0.len(), 8, "a key that is not there");
    let answer = list(target, "lists/").query("max-keys", "0").send().await;
    assert_eq!(
        (entries(&answer).0.len(), answer.first("IsTruncated")),
        (0, "false".to_owned())
    );
    let answer = list(target, "lists/none/").send().await;
    assert_eq!(entries(&answer).0.len(), 0);
    assert_eq!(list(target, "lists/e").send().await.first("Size"), "7");
}

pub async fn delimiters(target: &Target) {
    fill(target).await;
    let answer = list(target, "lists/").query("delimiter", "/").send().await;
    let (keys, prefixes) = entries(&answer);
    assert_eq!(keys, ["lists/a-4", "lists/a0", "lists/b", "lists/e"]);
    assert_eq!(prefixes, ["lists/a/", "lists/c/", "lists/d/"]);
    assert_eq!(answer.first("KeyCount"), "7");
    let answer = list(target, "lists/a").query("delimiter", "/").send().await;
    assert_eq!(entries(&answer).1, ["lists/a/"]);
    for page in 1..8_usize {
        let (mut keys, mut prefixes, mut token) = (Vec::new(), Vec::new(), None::<String>);
        loop {
            let mut request = list(target, "lists/")
                .query("delimiter", "/")
                .query("max-keys", &page.to_string());
            if let Some(token) = &token {
                request = request.query("continuation-token", token);
            }
            let answer = request.send().await;
            let (more_keys, more_prefixes) = entries(&answer);
            assert!(more_keys.len() + more_prefixes.len() <= page);
            keys.extend(more_keys);
            prefixes.extend(more_prefixes);
            let next = answer.first("NextContinuationToken");
            if next.is_empty() {
                break;
            }
            token = Some(next);
        }
        assert_eq!(
            keys,
            ["lists/a-4", "lists/a0", "lists/b", "lists/e"],
            "pages of {page}"
        );
        assert_eq!(prefixes, ["lists/a/", "lists/c/", "lists/d/"], "pages of {page}");
    }
}

pub async fn encoded(target: &Target) {
    let odd = "lists-encoded/a b+c%d&e/ü";
    target.put(odd, b"x").await;
    let answer = list(target, "lists-encoded/")
        .query("encoding-type", "url")
        .send()
        .await;
    assert_eq!(answer.first("EncodingType"), "url");
    // Servers differ in what they encode beyond need, and in `+` for a space.
    let decoded = percent_encoding::percent_decode_str(&answer.first("Key").replace('+', "%20"))
        .decode_utf8()
        .unwrap()
        .into_owned();
    assert_eq!(decoded, odd);
    assert!(answer.first("Key").contains(&encode("ü", true)));
    let plain = list(target, "lists-encoded/").send().await;
    assert_eq!(plain.first("Key"), odd);
    let by_prefix = list(target, "lists-encoded/a b+c%")
        .query("delimiter", "&")
        .send()
        .await;
    assert!(
        by_prefix
            .text()
            .contains("<CommonPrefixes><Prefix>lists-encoded/a b+c%d&amp;</Prefix>")
    );
}

pub async fn through_object_store(target: &Target) {
    let store = &target.store();
    let names: Vec<String> = (0..1300)
        .map(|i| format!("lists-many/{:02x}/{i:05}", i % 37))
        .collect();
    futures::stream::iter(names.iter().map(Ok::<_, object_store::Error>))
        .try_for_each_concurrent(16, |name| async move {
            store
                .put_opts(&Path::from(name.as_str()), "x".into(), Default::default())
                .await?;
            Ok(())
        })
        .await
        .unwrap();
    let mut expected = names.clone();
    expected.sort();
    let prefix = Path::from("lists-many");
    let keys = |objects: Vec<object_store::ObjectMeta>| -> Vec<String> {
        objects
            .into_iter()
            .map(|object| object.location.to_string())
            .collect()
    };
    let all = store.list(Some(&prefix)).try_collect().await.unwrap();
    assert!(keys(all) == expected);
    let offset = Path::from(expected[700].as_str());
    let rest = store
        .list_with_offset(Some(&prefix), &offset)
        .try_collect()
        .await
        .unwrap();
    assert!(keys(rest) == expected[701..]);
    let shallow = store.list_with_delimiter(Some(&prefix)).await.unwrap();
    assert_eq!((shallow.objects.len(), shallow.common_prefixes.len()), (0, 37));
    let paths = expected
        .iter()
        .map(|name| Ok(Path::from(name.as_str())))
        .collect::<Vec<_>>();
    let deleted = store.delete_stream(Box::pin(futures::stream::iter(paths)));
    let deleted: Vec<_> = deleted.try_collect().await.unwrap();
    assert_eq!(deleted.len(), 1300);
    let none: Vec<_> = store.list(Some(&prefix)).try_collect().await.unwrap();
    assert!(none.is_empty());
}
