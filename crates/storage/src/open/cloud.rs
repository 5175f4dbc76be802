//! The stores of cloud providers, configured from the environment by their own standard names.
//!
//! The clients do not retry: the bucket does, so that each request is counted. Payloads are not hashed
//! for the signature (`UNSIGNED-PAYLOAD`): SHA-256 of every byte would cost more than everything else an
//! agent does. TLS protects the bytes on their way, and each segment's CRC-32C is checked after every
//! GET.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};

use super::Environment;
use super::s3_access::client_key;

type Store = Result<Arc<dyn ObjectStore>, object_store::Error>;

/// Where a bucket is of which nobody says where.
pub(super) const REGION: &str = "us-east-1";

/// How the HTTP clients behave. Attempts are cut off by the bucket, in proportion to their size; the
/// timeout here is a last resort. Connections are dropped sooner than S3 drops idle ones (about 20 s),
/// so that none breaks when it is used again.
const CLIENT: [(ClientConfigKey, &str); 4] = [
    (ClientConfigKey::Timeout, "300s"),
    (ClientConfigKey::ConnectTimeout, "3s"),
    (ClientConfigKey::PoolIdleTimeout, "15s"),
    (ClientConfigKey::PoolMaxIdlePerHost, "64"),
];

fn no_retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 0,
        retry_timeout: Duration::ZERO,
    }
}

/// The variables that belong to one provider, as the names of its settings.
fn settings<'a, K: std::str::FromStr>(
    environment: &'a Environment,
    prefix: &'a str,
) -> impl Iterator<Item = (K, &'a str)> {
    environment
        .iter()
        .filter(move |(name, _)| name.starts_with(prefix))
        .filter_map(|(name, value)| {
            let key = name.to_ascii_lowercase().parse().ok()?;
            Some((key, value.as_str()))
        })
}

pub(super) fn s3(bucket: &str, environment: &Environment) -> Store {
    Ok(Arc::new(s3_builder(bucket, environment)?.build()?))
}

/// The client of an S3 bucket, before it is built.
pub(super) fn s3_builder(bucket: &str, environment: &Environment) -> object_store::Result<AmazonS3Builder> {
    if let Some((name, endpoint)) = s3_endpoint(environment) {
        check_endpoint(name, endpoint)?;
    }
    let mut builder = AmazonS3Builder::new();
    for (key, value) in CLIENT {
        builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
    }
    for (key, value) in settings(environment, "AWS_") {
        builder = builder.with_config(key, value);
    }
    if is_plain_http(environment) {
        builder = builder.with_config(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp), "true");
    }
    let regions = [AmazonS3ConfigKey::Region, AmazonS3ConfigKey::DefaultRegion];
    if regions.iter().all(|key| builder.get_config_value(key).is_none()) {
        builder = builder.with_region(REGION);
    }
    Ok(builder
        .with_bucket_name(bucket)
        .with_retry(no_retries())
        .with_unsigned_payload(true)
        .with_conditional_put(S3ConditionalPut::ETagMatch))
}

/// How the HTTP client of an S3 bucket behaves.
pub(super) fn client_settings(environment: &Environment) -> Vec<(ClientConfigKey, String)> {
    let own = CLIENT.into_iter().map(|(key, value)| (key, value.to_owned()));
    let said =
        settings(environment, "AWS_").filter_map(|(key, value)| Some((client_key(key)?, value.to_owned())));
    let plain = is_plain_http(environment).then(|| (ClientConfigKey::AllowHttp, "true".to_owned()));
    own.chain(said).chain(plain).collect()
}

fn is_plain_http(environment: &Environment) -> bool {
    s3_endpoint(environment).is_some_and(|(_, endpoint)| endpoint.starts_with("http://"))
}

/// Where S3 is, if the environment says so: variable and value; the names in the order in which they win.
pub(super) fn s3_endpoint(environment: &Environment) -> Option<(&'static str, &str)> {
    ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
        .into_iter()
        .find_map(|name| Some((name, environment.get(name)?.as_str())))
}

/// The client takes an endpoint as it is, and panics at its first request if that is no address.
fn check_endpoint(name: &'static str, endpoint: &str) -> object_store::Result<()> {
    let host = endpoint
        .strip_prefix("http://")
        .or_else(|| endpoint.strip_prefix("https://"));
    let authority = host.map(|rest| rest.split('/').next().unwrap_or(""));
    let is_address = authority.is_some_and(|authority| {
        !authority.is_empty()
            && authority
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-:[]_".contains(c))
    });
    if is_address {
        return Ok(());
    }
    Err(object_store::Error::Generic {
        store: "S3",
        source: format!(
            "{name} is `{endpoint}`, which is no address: write http://host:port or https://host"
        )
        .into(),
    })
}

pub(super) fn gcs(bucket: &str, environment: &Environment) -> Store {
    let mut builder = GoogleCloudStorageBuilder::new();
    for (key, value) in CLIENT {
        builder = builder.with_config(GoogleConfigKey::Client(key), value);
    }
    if let Some(path) = environment.get("SERVICE_ACCOUNT") {
        builder = builder.with_service_account_path(path);
    }
    for (key, value) in settings(environment, "GOOGLE_") {
        builder = builder.with_config(key, value);
    }
    Ok(Arc::new(
        builder
            .with_bucket_name(bucket)
            .with_retry(no_retries())
            .build()?,
    ))
}

pub(super) fn azure(container: &str, environment: &Environment) -> Store {
    let mut builder = MicrosoftAzureBuilder::new();
    for (key, value) in CLIENT {
        builder = builder.with_config(AzureConfigKey::Client(key), value);
    }
    for (key, value) in settings(environment, "AZURE_") {
        builder = builder.with_config(key, value);
    }
    if let Some(endpoint) = environment.get("IDENTITY_ENDPOINT") {
        builder = builder.with_msi_endpoint(endpoint);
    }
    Ok(Arc::new(
        builder
            .with_container_name(container)
            .with_retry(no_retries())
            .build()?,
    ))
}

/// Variables that say who we are, or that nobody needs to know.
const IDENTITIES: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
];

/// Where the store is, in words to follow its name.
pub(super) fn endpoint_for_people(scheme: &str, environment: &Environment) -> String {
    if scheme != "s3" {
        return String::new();
    }
    let endpoint = s3_endpoint(environment).map_or(String::new(), |(_, endpoint)| format!(" at {endpoint}"));
    // Without keys the client asks the machine who it is, and where nobody answers that, the bucket seems not to.
    match IDENTITIES.iter().any(|name| environment.contains_key(*name)) {
        true => endpoint,
        false => format!(
            "{endpoint} (no credentials are set, such as AWS_ACCESS_KEY_ID: with the machine's own identity)"
        ),
    }
}
