//! Buckets.

use super::{BUCKET, Request, Target};

pub async fn live_and_die(target: &Target) {
    let name = "esker-other";
    let request = |method: &str| target.bucket_request(method, name);
    assert_eq!(request("PUT").send().await.status, 200);
    assert_eq!(request("HEAD").send().await.status, 200);
    request("PUT")
        .send()
        .await
        .is_error(409, "BucketAlreadyOwnedByYou");
    let location = request("GET").query("location", "").send().await;
    assert_eq!(
        (location.status, location.first("LocationConstraint")),
        (200, String::new())
    );
    let object = |method| Request::new(target, method, "/esker-other/key");
    assert_eq!(object("PUT").body(b"x").send().await.status, 200);
    request("DELETE").send().await.is_error(409, "BucketNotEmpty");
    // The other bucket's key of the same name is another object.
    target
        .request("GET", "key")
        .send()
        .await
        .is_error(404, "NoSuchKey");
    assert_eq!(object("DELETE").send().await.status, 204);
    assert_eq!(request("DELETE").send().await.status, 204);
    request("HEAD").send().await.is_error(404, "");
    request("DELETE").send().await.is_error(404, "NoSuchBucket");
    let all = Request::new(target, "GET", "/").send().await;
    assert_eq!(all.texts("Name"), [BUCKET]);
    Request::new(target, "PUT", "/X")
        .send()
        .await
        .is_error(400, "InvalidBucketName");
}
