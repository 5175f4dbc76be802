//! The client that a bucket is administered with: aws-sdk-s3 over the connections and with the credentials of an agent.
//!
//! What it is told is sorted by what can be done about it ([`Refusal`]). Nothing is tried for longer than a few seconds.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, HttpClient, Region, RuntimeComponents};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use bytes::Bytes;
use esker_storage::{NoAnswer, S3Access, S3Sender};

use crate::failure::{Failure, Outcome};

/// How often a request is sent, and how long each may take.
const ATTEMPTS: u32 = 3;
const ATTEMPT: Duration = Duration::from_secs(10);

/// A bucket of S3 and its client.
pub(crate) struct S3 {
    pub(crate) client: Client,
    pub(crate) bucket: String,
    pub(crate) prefix: String,
    pub(crate) region: String,
    /// For people.
    pub(crate) place: String,
}

impl S3 {
    /// With the credentials that an agent would have now.
    pub(crate) async fn open(access: &S3Access) -> Outcome<Self> {
        let credentials = access.credentials().await;
        let credentials = credentials.map_err(|error| Failure::Failed(error.to_string()))?;
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(access.region.clone()))
            .force_path_style(!access.virtual_hosted)
            .http_client(Sender(access.sender()))
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(ATTEMPT)
                    .build(),
            );
        if let Some(endpoint) = &access.endpoint {
            config = config.endpoint_url(endpoint);
        }
        config = match credentials {
            Some(keys) => config.credentials_provider(Credentials::new(
                keys.key_id,
                keys.secret_key,
                keys.token,
                None,
                "esker",
            )),
            None => config.allow_no_auth(),
        };
        Ok(Self {
            client: Client::from_conf(config.build()),
            bucket: access.bucket.clone(),
            prefix: access.prefix.clone(),
            region: access.region.clone(),
            place: access.place(),
        })
    }

    /// A sentence about a request that was refused, for those who cannot go on without it.
    pub(crate) fn refused(&self, action: &str, refusal: &Refusal) -> String {
        let place = &self.place;
        match refusal {
            Refusal::Denied => format!("{place} denies access: the credentials are not allowed {action}"),
            Refusal::Credentials(code) => format!(
                "{place} refuses the credentials ({code}): check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the \
                 platform's identity"
            ),
            Refusal::NoBucket => {
                format!("{place} does not exist: run esker bucket init, or correct bucket_url")
            }
            Refusal::Elsewhere => format!("{place} is in another region: set AWS_REGION"),
            Refusal::NotThere | Refusal::Unsupported => format!("{place} does not support {action}"),
            Refusal::Unreadable => format!("{place} answers {action} with something that S3 does not say"),
            Refusal::NoAnswer(why) => format!("{place} cannot be reached: {why}"),
            Refusal::Other(why) => format!("{place} refuses {action}: {why}"),
        }
    }
}

/// Why a request had no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The credentials are good, but not for this.
    Denied,
    /// The credentials are not known, or expired.
    Credentials(String),
    /// There is no such bucket.
    NoBucket,
    /// The bucket is in another region.
    Elsewhere,
    /// Nobody configured that: as good as an empty answer.
    NotThere,
    /// This server has no such thing.
    Unsupported,
    /// It may have been done, but the answer is not one of S3's.
    Unreadable,
    /// Nobody answered.
    NoAnswer(String),
    /// Anything else, in the server's words.
    Other(String),
}

/// Sorts an error.
pub(crate) fn refusal<E>(error: &SdkError<E>) -> Refusal
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let status = error.raw_response().map_or(0, |answer| answer.status().as_u16());
    if (200..300).contains(&status) {
        return Refusal::Unreadable;
    }
    let Some(said) = error.as_service_error() else {
        return match error {
            SdkError::TimeoutError(_) => Refusal::NoAnswer("it did not answer in time".to_owned()),
            SdkError::DispatchFailure(failure) => {
                let cause = failure.as_connector_error().map_or_else(
                    || DisplayErrorContext(error).to_string(),
                    |failure| innermost(failure),
                );
                Refusal::NoAnswer(cause)
            }
            _ if status == 501 || status == 405 => Refusal::Unsupported,
            _ => Refusal::Other(innermost(error)),
        };
    };
    let code = said.code().unwrap_or_default();
    match (status, code) {
        (_, "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "Forbidden") => Refusal::Denied,
        (
            _,
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidToken"
            | "ExpiredToken"
            | "TokenRefreshRequired"
            | "InvalidClientTokenId",
        ) => Refusal::Credentials(code.to_owned()),
        (_, "NoSuchBucket") => Refusal::NoBucket,
        (301 | 302 | 307 | 308, _)
        | (_, "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
            Refusal::Elsewhere
        }
        (
            _,
            "NoSuchLifecycleConfiguration"
            | "ServerSideEncryptionConfigurationNotFoundError"
            | "NoSuchPublicAccessBlockConfiguration"
            | "NoSuchBucketPolicy",
        ) => Refusal::NotThere,
        (405 | 501, _) | (_, "NotImplemented" | "MethodNotAllowed" | "KMSNotConfigured") => {
            Refusal::Unsupported
        }
        // A HEAD has no body that could hold a code.
        (404, "" | "NotFound") => Refusal::NoBucket,
        (403, _) => Refusal::Denied,
        _ => Refusal::Other(match (code, said.message()) {
            // A HEAD says no more than this.
            ("", None) if status == 400 => {
                "HTTP 400: no bucket can have this name, or it is in another region".to_owned()
            }
            ("", None) => format!("HTTP {status}"),
            (code, None) => format!("HTTP {status}, {code}"),
            (code, Some(message)) => format!("{} ({code})", message.trim().trim_end_matches('.')),
        }),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// The SDK's requests, on an agent's connections.
#[derive(Clone, Debug)]
struct Sender(S3Sender);

impl HttpClient for Sender {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Sender {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sender = self.0.clone();
        HttpConnectorFuture::new(async move {
            let broken = |why: &'static str| ConnectorError::user(why.into());
            let request = request
                .try_into_http1x()
                .map_err(|error| ConnectorError::user(error.into()))?;
            let (head, body) = request.into_parts();
            // Administration sends documents, never streams.
            let body = body.bytes().ok_or_else(|| broken("the request is no document"))?;
            let request = http::Request::from_parts(head, Bytes::copy_from_slice(body));
            let answer = sender.send(request).await.map_err(trouble)?;
            HttpResponse::try_from(answer.map(SdkBody::from))
                .map_err(|error| ConnectorError::user(error.into()))
        })
    }
}

fn trouble(why: NoAnswer) -> ConnectorError {
    match why.timed_out {
        true => ConnectorError::timeout(why.into()),
        false => ConnectorError::io(why.into()),
    }
}
