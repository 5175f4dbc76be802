//! Keys of all kinds are told apart, and listed as they are.

use super::{BUCKET, Target};

const KEYS: [&str; 22] = [
    "keys/a b",
    "keys/a+b",
    "keys/a%20b",
    "keys/a%2Fb",
    "keys/a&b=c",
    "keys/a?b#c",
    "keys/a'b\"c",
    "keys/a<b>c",
    "keys/a;b,c",
    "keys/a@b:c",
    "keys/a~b_c-d.e",
    "keys/a(b)[c]{d}",
    "keys/a!b*c",
    "keys/a$b^c`d|e",
    "keys/deep/er/and/deep/er",
    "keys/esker-ås-北-🧊",
    "keys/e\u{301}",
    "keys/é",
    "keys/UPPER",
    "keys/upper",
    "keys/ends with space ",
    "keys/...",
];

pub async fn of_all_kinds(target: &Target) {
    for key in KEYS {
        target.put(key, key.as_bytes()).await;
    }
    for key in KEYS {
        assert_eq!(target.get(key).await, key.as_bytes(), "{key}");
    }
    let mut expected = KEYS.map(str::to_owned).to_vec();
    expected.sort();
    let list = target
        .bucket_request("GET", BUCKET)
        .query("list-type", "2")
        .query("prefix", "keys/");
    let answer = list.send().await;
    assert_eq!(answer.texts("Key"), expected);
    for prefix in ["keys/a+", "keys/a ", "keys/a%", "keys/a&b=", "keys/esker-ås-北"] {
        let list = target
            .bucket_request("GET", BUCKET)
            .query("list-type", "2")
            .query("prefix", prefix);
        let answer = list.send().await;
        let among: Vec<_> = expected
            .iter()
            .filter(|key| key.starts_with(prefix))
            .cloned()
            .collect();
        assert!(!among.is_empty());
        assert_eq!(answer.texts("Key"), among, "{prefix}");
        assert_eq!(answer.first("Prefix"), prefix);
    }
    for key in KEYS {
        assert_eq!(target.request("DELETE", key).send().await.status, 204, "{key}");
    }
    let list = target
        .bucket_request("GET", BUCKET)
        .query("list-type", "2")
        .query("prefix", "keys/");
    assert_eq!(list.send().await.texts("Key"), [""; 0]);
}
