//! What every S3 server must do that Esker is tested on. `all` takes an empty bucket `esker`.
//!
//! Through the `object_store` crate, as Esker does it, and through HTTP by hand where that hides something.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "shared by several test programs"
)]

mod buckets;
mod chunked;
mod conditions;
mod errors;
mod keys;
mod lists;
mod multipart;
mod objects;
mod raw;
mod sign;

use std::time::Instant;

use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::{ClientOptions, RetryConfig};

pub use raw::{Answer, Request};
pub use sign::encode;

pub const BUCKET: &str = "esker";

/// A server, and how to be let in.
#[derive(Clone, Debug)]
pub struct Target {
    pub endpoint: String,
    pub access_key: String,
    pub secret_key: String,
}

impl Target {
    pub fn new(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            access_key: "esker-test".to_owned(),
            secret_key: "esker-test-password".to_owned(),
        }
    }

    /// A client as Esker builds it: no retries, payloads unsigned.
    pub fn store(&self) -> AmazonS3 {
        let retry = RetryConfig {
            max_retries: 0,
            ..RetryConfig::default()
        };
        AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_region("us-east-1")
            .with_access_key_id(&self.access_key)
            .with_secret_access_key(&self.secret_key)
            .with_bucket_name(BUCKET)
            .with_retry(retry)
            .with_unsigned_payload(true)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .build()
            .unwrap()
    }

    /// A request for an object of the bucket.
    pub fn request(&self, method: &str, key: &str) -> Request<'_> {
        Request::new(self, method, &format!("/{BUCKET}/{}", encode(key, false)))
    }

    /// A request for a bucket.
    pub fn bucket_request(&self, method: &str, bucket: &str) -> Request<'_> {
        Request::new(self, method, &format!("/{bucket}"))
    }

    pub async fn put(&self, key: &str, body: &[u8]) -> Answer {
        let answer = self.request("PUT", key).body(body).send().await;
        assert_eq!(answer.status, 200, "PUT {key}: {answer:?}");
        answer
    }

    pub async fn get(&self, key: &str) -> Vec<u8> {
        let answer = self.request("GET", key).send().await;
        assert_eq!(answer.status, 200, "GET {key}: {answer:?}");
        answer.body
    }
}

/// Bytes that tell objects and places in them apart.
pub fn bytes(fill: u8, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at as u8) ^ ((at >> 8) as u8) ^ fill)
        .collect()
}

macro_rules! cases {
    ($target:ident, $($case:path,)*) => {$(
        let start = Instant::now();
        $case($target).await;
        println!("{:32} {:6} ms", stringify!($case), start.elapsed().as_millis());
    )*};
}

pub async fn all(target: &Target) {
    cases!(
        target,
        objects::come_back,
        objects::keep_what_is_said_about_them,
        objects::in_ranges,
        objects::large_ones,
        objects::go,
        objects::many_go_at_once,
        objects::are_copied,
        keys::of_all_kinds,
        conditions::on_reading,
        conditions::on_writing,
        conditions::one_creator_wins,
        conditions::no_update_is_lost,
        lists::pages,
        lists::delimiters,
        lists::encoded,
        lists::through_object_store,
        multipart::in_order,
        multipart::through_object_store,
        multipart::refused,
        multipart::under_a_condition,
        multipart::listed,
        chunked::with_a_trailer,
        errors::missing_things,
        errors::wrong_checksums,
        buckets::live_and_die,
    );
}
