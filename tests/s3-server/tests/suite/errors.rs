//! The right errors.

use super::chunked::{crc32c_base64, md5_base64};
use super::sign::sha256_hex;
use super::{Target, encode};

pub async fn missing_things(target: &Target) {
    for method in ["GET", "HEAD"] {
        let answer = target.request(method, "errors/none").send().await;
        assert_eq!(answer.status, 404);
        assert!(answer.header("x-amz-request-id").is_some());
        if method == "GET" {
            answer.is_error(404, "NoSuchKey");
            assert!(!answer.first("Message").is_empty());
            assert_eq!(answer.header("content-type"), Some("application/xml"));
        } else {
            assert_eq!(answer.body, b"", "HEAD has no body");
        }
    }
    let in_none = |method: &str| target.bucket_request(method, "no-such-bucket");
    in_none("GET")
        .query("list-type", "2")
        .send()
        .await
        .is_error(404, "NoSuchBucket");
    in_none("HEAD").send().await.is_error(404, "");
    let path = format!("no-such-bucket/{}", encode("a key", false));
    let of_none = |method: &str| target.bucket_request(method, &path);
    of_none("GET").send().await.is_error(404, "NoSuchBucket");
    of_none("PUT")
        .body(b"x")
        .send()
        .await
        .is_error(404, "NoSuchBucket");
    of_none("DELETE").send().await.is_error(404, "NoSuchBucket");
    of_none("POST")
        .query("uploads", "")
        .send()
        .await
        .is_error(404, "NoSuchBucket");
}

pub async fn wrong_checksums(target: &Target) {
    let key = "errors/checksum";
    let put =
        |name: &'static str, value: String| target.request("PUT", key).header(name, &value).body(b"body");
    let right = [
        ("content-md5", md5_base64(b"body")),
        ("x-amz-content-sha256", sha256_hex(b"body")),
        ("x-amz-checksum-crc32c", crc32c_base64(b"body")),
    ];
    for (name, value) in right {
        let answer = put(name, value).send().await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert_eq!(target.request("DELETE", key).send().await.status, 204);
    }
    let wrong = [
        ("content-md5", md5_base64(b"corpse")),
        ("x-amz-content-sha256", sha256_hex(b"corpse")),
        ("x-amz-checksum-crc32c", crc32c_base64(b"corpse")),
    ];
    for (name, value) in wrong {
        let answer = put(name, value).send().await;
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
        target.request("GET", key).send().await.is_error(404, "NoSuchKey");
    }
}
