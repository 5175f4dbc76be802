//! What another client of the same S3 bucket needs: the same place, the same identity, the same way to it.
//!
//! Agents read and write through the object store's own client. Whoever administers the bucket with another one must not
//! end up elsewhere, or as somebody else: endpoint, region and credentials are those that an agent with this environment
//! would use, and so are the HTTP connections with their TLS.

use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3ConfigKey};
use object_store::client::{HttpClient, HttpConnector, HttpErrorKind, ReqwestConnector};
use object_store::{ClientConfigKey, ClientOptions};

use super::{Environment, cloud, parts, wrong};
use crate::error::StoreError;

/// Keys to sign requests with.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Credentials {
    /// Whose they are.
    pub key_id: String,
    /// What signs.
    pub secret_key: String,
    /// Of keys that were lent.
    pub token: Option<String>,
}

/// A bucket on S3, or on a server that speaks its API.
pub struct S3Access {
    /// Its name.
    pub bucket: String,
    /// Where ours begins in it, without a slash at the end; may be empty.
    pub prefix: String,
    /// Its region, as requests are signed for it.
    pub region: String,
    /// Where the server is, if the environment says so.
    pub endpoint: Option<String>,
    /// Whether the bucket is named by the host and not by the path.
    pub virtual_hosted: bool,
    store: AmazonS3,
    unsigned: bool,
    http: HttpClient,
}

impl S3Access {
    /// Of the bucket that a setting names, with the process's environment; `None` for buckets that are not on S3.
    pub fn of(bucket_url: &str) -> Result<Option<Self>, StoreError> {
        Self::with(bucket_url, &super::environment())
    }

    /// As [`Self::of`], with credentials and endpoints from `environment` alone.
    pub fn with(bucket_url: &str, environment: &Environment) -> Result<Option<Self>, StoreError> {
        let Some(("s3", rest)) = bucket_url.split_once("://") else {
            return Ok(None);
        };
        let (bucket, prefix) = parts(bucket_url, rest)?;
        let misconfigured = |err: object_store::Error| wrong(bucket_url, &err.to_string());
        let builder = cloud::s3_builder(bucket, environment).map_err(misconfigured)?;
        let is = |key: AmazonS3ConfigKey| {
            builder
                .get_config_value(&key)
                .is_some_and(|value| value == "true")
        };
        let mut options = ClientOptions::new();
        for (key, value) in cloud::client_settings(environment) {
            options = options.with_config(key, value);
        }
        let endpoint = cloud::s3_endpoint(environment).map(|(_, endpoint)| endpoint.to_owned());
        Ok(Some(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            region: builder
                .get_config_value(&AmazonS3ConfigKey::Region)
                .unwrap_or_else(|| cloud::REGION.to_owned()),
            // Servers of one's own seldom have a name for each bucket; Amazon has.
            virtual_hosted: endpoint.is_none() || is(AmazonS3ConfigKey::VirtualHostedStyleRequest),
            endpoint,
            unsigned: is(AmazonS3ConfigKey::SkipSignature),
            store: builder.build().map_err(misconfigured)?,
            http: ReqwestConnector::default()
                .connect(&options)
                .map_err(misconfigured)?,
        }))
    }

    /// The bucket and where it is, for people.
    pub fn place(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("the bucket s3://{} at {endpoint}", self.bucket),
            None => format!("the bucket s3://{}", self.bucket),
        }
    }

    /// The keys that an agent would sign with now; `None` where requests are not signed.
    pub async fn credentials(&self) -> Result<Option<S3Credentials>, StoreError> {
        if self.unsigned {
            return Ok(None);
        }
        match self.store.credentials().get_credential().await {
            Ok(found) => Ok(Some(S3Credentials {
                key_id: found.key_id.clone(),
                secret_key: found.secret_key.clone(),
                token: found.token.clone(),
            })),
            Err(_) => Err(StoreError::Denied(format!(
                "there are no credentials for {}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine an \
                 identity",
                self.place()
            ))),
        }
    }

    /// Something that sends requests as an agent would.
    pub fn sender(&self) -> S3Sender {
        S3Sender(self.http.clone())
    }
}

/// Sends requests, without trying again.
#[derive(Clone, Debug)]
pub struct S3Sender(HttpClient);

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct NoAnswer {
    /// Whether it may have been too slow only.
    pub timed_out: bool,
    /// Whether the request never reached anybody.
    pub not_sent: bool,
    /// For people.
    pub what: String,
}

impl S3Sender {
    /// Sends one request and reads its whole answer.
    pub async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, NoAnswer> {
        let answer = self
            .0
            .execute(request.map(Into::into))
            .await
            .map_err(|err| no_answer(&err))?;
        let (head, body) = answer.into_parts();
        let body = body.bytes().await.map_err(|err| no_answer(&err))?;
        Ok(http::Response::from_parts(head, body))
    }
}

fn no_answer(err: &object_store::client::HttpError) -> NoAnswer {
    // The innermost cause is the one that says something: `connection refused`, `certificate expired`.
    let mut cause: &dyn std::error::Error = err;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    NoAnswer {
        timed_out: err.kind() == HttpErrorKind::Timeout,
        not_sent: err.kind() == HttpErrorKind::Connect,
        what: cause.to_string(),
    }
}

/// What clients of S3 are told about HTTP by the environment, `AWS_ALLOW_HTTP` and the like.
pub(super) fn client_key(key: AmazonS3ConfigKey) -> Option<ClientConfigKey> {
    match key {
        AmazonS3ConfigKey::Client(key) => Some(key),
        _ => None,
    }
}
