//! The stores of cloud providers, configured from the environment by their own standard names.
//!
//! The clients do not retry: the bucket does, so that each request is counted. Payloads are not hashed
//! for the signature (`UNSIGNED-PAYLOAD`): SHA-256 of every byte would cost more than everything else an
//! agent does. TLS protects the bytes on their way, and each segment's CRC-32C is checked after every
//! GET.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};

type Store = Result<Arc<dyn ObjectStore>, object_store::Error>;

const CONNECT: Duration = Duration::from_secs(3);
/// Shorter than the 20 s or so after which S3 closes idle connections, so that none breaks when used.
const IDLE: Duration = Duration::from_secs(15);
const IDLE_CONNECTIONS_MAX: usize = 64;
const REGION: &str = "us-east-1";

fn no_retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 0,
        retry_timeout: Duration::ZERO,
    }
}

/// Each attempt is cut off by the bucket, in proportion to its size.
fn client() -> ClientOptions {
    ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT)
        .with_pool_idle_timeout(IDLE)
        .with_pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
}

pub(super) fn s3(bucket: &str) -> Store {
    let mut builder = AmazonS3Builder::from_env();
    let endpoint = s3_endpoint(&builder);
    let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let http = plain || asked_for_http(&builder);
    if builder.get_config_value(&AmazonS3ConfigKey::Region).is_none() {
        builder = builder.with_region(REGION);
    }
    let store = builder
        .with_bucket_name(bucket)
        .with_client_options(client().with_allow_http(http))
        .with_retry(no_retries())
        .with_unsigned_payload(true)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .build()?;
    Ok(Arc::new(store))
}

fn s3_endpoint(builder: &AmazonS3Builder) -> Option<String> {
    [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key))
}

fn asked_for_http(builder: &AmazonS3Builder) -> bool {
    let asked = builder.get_config_value(&AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
    asked.is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
}

pub(super) fn gcs(bucket: &str) -> Store {
    let store = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(client())
        .with_retry(no_retries())
        .build()?;
    Ok(Arc::new(store))
}

pub(super) fn azure(container: &str) -> Store {
    let store = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_client_options(client())
        .with_retry(no_retries())
        .build()?;
    Ok(Arc::new(store))
}

/// Where the store is, if the environment says so.
pub(super) fn endpoint_for_people(scheme: &str) -> String {
    match scheme {
        "s3" => s3_endpoint(&AmazonS3Builder::from_env())
            .map(|endpoint| format!(" at {endpoint}"))
            .unwrap_or_default(),
        _ => String::new(),
    }
}
