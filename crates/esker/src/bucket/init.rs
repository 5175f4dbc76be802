//! `esker bucket init`: a bucket as a cluster wants it, made or mended step by step.
//!
//! `there → encryption → public access → uploads that were never finished → versioning`
//!
//! What holds: doing it again changes nothing. Nothing that somebody else configured is made weaker or dropped: another
//! encryption stays unless one is asked for, and lifecycle rules are written back with ours among them. A step that this
//! server does not have is said and passed over; a refusal ends in a line and exit code 1, after the other steps.

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint,
    BucketVersioningStatus, CreateBucketConfiguration, ExpirationStatus, LifecycleRule, LifecycleRuleFilter,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, VersioningConfiguration,
};

use super::client::{Refusal, S3, refusal};
use super::rules;

/// What the ids of our lifecycle rules begin with; the prefix follows, since a bucket may hold several clusters.
const RULE: &str = "esker-abort-incomplete-uploads";
/// Longest id of a rule, in characters (S3).
const ID_MAX: usize = 255;
/// The region whose buckets are made without naming it.
const FIRST_REGION: &str = "us-east-1";

/// What is wanted. `None`: as it is, or the least that is sensible.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) encryption: Option<ServerSideEncryption>,
    pub(super) kms_key: Option<String>,
    pub(super) versioning: Option<BucketVersioningStatus>,
    pub(super) abort_days: i32,
    pub(super) dry_run: bool,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Done,
    AlreadySo,
    Would,
    Unsupported,
    Failed,
}

/// What a step did.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) how: How,
    pub(super) sentence: String,
}

impl Step {
    fn new(name: &'static str, how: How, sentence: impl Into<String>) -> Self {
        Self {
            name,
            how,
            sentence: sentence.into(),
        }
    }
}

/// All steps; the others are left out where there is no bucket.
pub(super) async fn init(s3: &S3, wanted: &Wanted) -> Vec<Step> {
    let there = bucket(s3, wanted).await;
    let (how, made) = (there.how, there.how == How::Would);
    let mut steps = vec![there];
    if how == How::Failed {
        return steps;
    }
    if made {
        // There is nothing to look at yet.
        steps.extend(on_a_new_bucket(wanted));
        return steps;
    }
    steps.push(encryption(s3, wanted).await);
    steps.push(public_access(s3, wanted).await);
    steps.push(uploads(s3, wanted).await);
    if wanted.versioning.is_some() {
        steps.push(versioning(s3, wanted).await);
    }
    steps
}

fn on_a_new_bucket(wanted: &Wanted) -> Vec<Step> {
    let would = |name, sentence: String| Step::new(name, How::Would, sentence);
    let mut steps = vec![
        would(
            "encryption",
            format!(
                "encrypt new objects with {}",
                words(&of_choice(wanted), wanted.kms_key.as_deref())
            ),
        ),
        would("public_access", "block public access".to_owned()),
        would("uploads", removing(wanted.abort_days)),
    ];
    if let Some(status) = &wanted.versioning {
        steps.push(would("versioning", format!("set versioning to {status}")));
    }
    steps
}

async fn bucket(s3: &S3, wanted: &Wanted) -> Step {
    const NAME: &str = "bucket";
    let head = s3.client.head_bucket().bucket(&s3.bucket).send().await;
    let missing = match head {
        Ok(_) => return Step::new(NAME, How::AlreadySo, format!("{} is there", s3.place)),
        Err(error) => refusal(&error),
    };
    match missing {
        Refusal::NoBucket => {}
        // Somebody else's bucket, or ours without the permission to ask: S3 says the same.
        Refusal::Denied => {
            let why = format!(
                "{} may not be looked at: it is somebody else's, or the credentials are refused or not allowed s3:ListBucket",
                s3.place
            );
            return Step::new(NAME, How::Failed, why);
        }
        other => return Step::new(NAME, How::Failed, s3.refused("s3:ListBucket", &other)),
    }
    if wanted.dry_run {
        return Step::new(NAME, How::Would, format!("create {}", s3.place));
    }
    let mut request = s3.client.create_bucket().bucket(&s3.bucket);
    if s3.region != FIRST_REGION {
        let place = BucketLocationConstraint::from(s3.region.as_str());
        request = request.create_bucket_configuration(
            CreateBucketConfiguration::builder()
                .location_constraint(place)
                .build(),
        );
    }
    match request.send().await {
        Ok(_) => Step::new(NAME, How::Done, format!("created {}", s3.place)),
        Err(error) => failed(NAME, s3, "s3:CreateBucket", &refusal(&error)),
    }
}

/// How new objects are encrypted, in words; `None`: not at all.
pub(super) async fn encryption_of(s3: &S3) -> Result<Option<String>, Refusal> {
    let answer = s3.client.get_bucket_encryption().bucket(&s3.bucket).send().await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            return match refusal(&error) {
                Refusal::NotThere => Ok(None),
                refusal => Err(refusal),
            };
        }
    };
    let rules = answer
        .server_side_encryption_configuration
        .map(|found| found.rules);
    let found = rules
        .unwrap_or_default()
        .into_iter()
        .find_map(|rule| rule.apply_server_side_encryption_by_default);
    Ok(found.map(|found| words(&found.sse_algorithm, found.kms_master_key_id.as_deref())))
}

fn words(algorithm: &ServerSideEncryption, key: Option<&str>) -> String {
    match key {
        Some(key) if !key.is_empty() => format!("{} and the key {key}", algorithm.as_str()),
        _ => algorithm.as_str().to_owned(),
    }
}

fn of_choice(wanted: &Wanted) -> ServerSideEncryption {
    let fallback = match wanted.kms_key {
        Some(_) => ServerSideEncryption::AwsKms,
        None => ServerSideEncryption::Aes256,
    };
    wanted.encryption.clone().unwrap_or(fallback)
}

async fn encryption(s3: &S3, wanted: &Wanted) -> Step {
    const NAME: &str = "encryption";
    let choice = of_choice(wanted);
    let described = words(&choice, wanted.kms_key.as_deref());
    let chosen = wanted.encryption.is_some() || wanted.kms_key.is_some();
    match encryption_of(s3).await {
        // Whose key it is was not said: theirs stays.
        Ok(Some(now))
            if now == described || !chosen || wanted.kms_key.is_none() && now.starts_with(&described) =>
        {
            return Step::new(
                NAME,
                How::AlreadySo,
                format!("new objects are encrypted with {now}"),
            );
        }
        Ok(_) => {}
        Err(refusal) => return failed(NAME, s3, "s3:GetEncryptionConfiguration", &refusal),
    }
    let sentence = format!("encrypt new objects with {described}");
    if wanted.dry_run {
        return Step::new(NAME, How::Would, sentence);
    }
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(choice.clone())
        .set_kms_master_key_id(wanted.kms_key.clone())
        .build();
    let rule = default.map(|default| {
        ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(default)
            // One key for the bucket instead of one request to the key service for each object.
            .set_bucket_key_enabled((choice != ServerSideEncryption::Aes256).then_some(true))
            .build()
    });
    let configuration =
        rule.and_then(|rule| ServerSideEncryptionConfiguration::builder().rules(rule).build());
    let configuration = match configuration {
        Ok(configuration) => configuration,
        Err(error) => return Step::new(NAME, How::Failed, error.to_string()),
    };
    let answer = s3
        .client
        .put_bucket_encryption()
        .bucket(&s3.bucket)
        .server_side_encryption_configuration(configuration)
        .send()
        .await;
    ended(
        NAME,
        s3,
        "s3:PutEncryptionConfiguration",
        answer.map_err(|error| refusal(&error)),
        sentence,
    )
}

/// Whether all four ways to the public are blocked.
pub(super) async fn is_blocked(s3: &S3) -> Result<bool, Refusal> {
    match s3
        .client
        .get_public_access_block()
        .bucket(&s3.bucket)
        .send()
        .await
    {
        Ok(answer) => Ok(answer.public_access_block_configuration.is_some_and(|block| {
            [
                block.block_public_acls,
                block.ignore_public_acls,
                block.block_public_policy,
                block.restrict_public_buckets,
            ]
            .iter()
            .all(|blocked| *blocked == Some(true))
        })),
        Err(error) => match refusal(&error) {
            Refusal::NotThere => Ok(false),
            refusal => Err(refusal),
        },
    }
}

async fn public_access(s3: &S3, wanted: &Wanted) -> Step {
    const NAME: &str = "public_access";
    match is_blocked(s3).await {
        Ok(true) => return Step::new(NAME, How::AlreadySo, "public access is blocked"),
        Ok(false) => {}
        Err(refusal) => return failed(NAME, s3, "s3:GetBucketPublicAccessBlock", &refusal),
    }
    if wanted.dry_run {
        return Step::new(NAME, How::Would, "block public access");
    }
    let all = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build();
    let answer = s3
        .client
        .put_public_access_block()
        .bucket(&s3.bucket)
        .public_access_block_configuration(all)
        .send()
        .await;
    ended(
        NAME,
        s3,
        "s3:PutBucketPublicAccessBlock",
        answer.map_err(|error| refusal(&error)),
        "block public access".to_owned(),
    )
}

fn removing(days: i32) -> String {
    format!("remove the parts of uploads that were not finished within {days} days")
}

/// Adds our rule to those that are there.
async fn uploads(s3: &S3, wanted: &Wanted) -> Step {
    const NAME: &str = "uploads";
    const READ: &str = "s3:GetLifecycleConfiguration";
    let (rules, minimum) = match rules_of(s3).await {
        Ok(found) => found,
        Err(refusal) => return failed(NAME, s3, READ, &refusal),
    };
    if let Some(days) = rules
        .iter()
        .find_map(|rule| rules::aborts_uploads(rule, &s3.prefix))
    {
        let sentence = format!("parts of uploads that were not finished go after {days} days");
        return Step::new(NAME, How::AlreadySo, sentence);
    }
    let sentence = match rules.len() {
        0 => removing(wanted.abort_days),
        count => format!(
            "{}, and keep the {} that there {}",
            removing(wanted.abort_days),
            crate::cli::counted(count as u64, "lifecycle rule"),
            if count == 1 { "is" } else { "are" }
        ),
    };
    if wanted.dry_run {
        return Step::new(NAME, How::Would, sentence);
    }
    let ours = match our_rule(&s3.prefix, wanted.abort_days, &rules) {
        Ok(ours) => ours,
        Err(error) => return Step::new(NAME, How::Failed, error.to_string()),
    };
    // One of ours that does too little is replaced; nobody else's is touched.
    let (replaced, others): (Vec<_>, Vec<_>) = rules
        .into_iter()
        .partition(|rule| rules::only_aborts_uploads(rule, &s3.prefix) && is_our_id(rule.id()));
    drop(replaced);
    let configuration = BucketLifecycleConfiguration::builder()
        .set_rules(Some(others.iter().cloned().chain([ours]).collect()))
        .build();
    let configuration = match configuration {
        Ok(configuration) => configuration,
        Err(error) => return Step::new(NAME, How::Failed, error.to_string()),
    };
    let answer = s3
        .client
        .put_bucket_lifecycle_configuration()
        .bucket(&s3.bucket)
        .lifecycle_configuration(configuration)
        .set_transition_default_minimum_object_size(minimum)
        .send()
        .await;
    if let Err(error) = answer {
        return match refusal(&error) {
            // Servers that do not know this kind of rule find nothing in it.
            Refusal::Other(why)
                if others.is_empty() && (why.contains("MalformedXML") || why.contains("InvalidArgument")) =>
            {
                Step::new(
                    NAME,
                    How::Unsupported,
                    "this server has no lifecycle rule for unfinished uploads",
                )
            }
            refusal => failed(NAME, s3, "s3:PutLifecycleConfiguration", &refusal),
        };
    }
    // Rules are written as a whole: see that none of the others went missing.
    match rules_of(s3).await {
        Ok((now, _)) => {
            let lost: Vec<_> = others
                .iter()
                .filter(|rule| !now.iter().any(|kept| rules::is_same(kept, rule)))
                .map(rules::name)
                .collect();
            if lost.is_empty() {
                Step::new(NAME, How::Done, sentence)
            } else {
                let why = format!("{} did not keep {}: write it again", s3.place, lost.join(" and "));
                Step::new(NAME, How::Failed, why)
            }
        }
        Err(refusal) => failed(NAME, s3, READ, &refusal),
    }
}

type Rules = (
    Vec<LifecycleRule>,
    Option<aws_sdk_s3::types::TransitionDefaultMinimumObjectSize>,
);

async fn rules_of(s3: &S3) -> Result<Rules, Refusal> {
    let answer = s3
        .client
        .get_bucket_lifecycle_configuration()
        .bucket(&s3.bucket)
        .send()
        .await;
    match answer {
        Ok(answer) => Ok((
            answer.rules.unwrap_or_default(),
            answer.transition_default_minimum_object_size,
        )),
        Err(error) => match refusal(&error) {
            Refusal::NotThere => Ok((Vec::new(), None)),
            refusal => Err(refusal),
        },
    }
}

fn is_our_id(id: Option<&str>) -> bool {
    id.is_some_and(|id| id.starts_with(RULE))
}

/// An id that no rule has whose prefix or actions are not ours.
fn free_id(prefix: &str, rules: &[LifecycleRule]) -> String {
    let base = match prefix {
        "" => RULE.to_owned(),
        _ => format!("{RULE}-{}", prefix.replace('/', "-")),
    };
    let taken = |id: &str| {
        rules
            .iter()
            .any(|rule| rule.id() == Some(id) && !rules::only_aborts_uploads(rule, prefix))
    };
    (1..)
        .map(|number| {
            let tail = if number == 1 {
                String::new()
            } else {
                format!("-{number}")
            };
            let most = ID_MAX - tail.len();
            let start: String = base.chars().take(most).collect();
            format!("{start}{tail}")
        })
        .find(|id| !taken(id))
        .unwrap_or(base)
}

fn our_rule(
    prefix: &str,
    days: i32,
    rules: &[LifecycleRule],
) -> Result<LifecycleRule, aws_sdk_s3::error::BuildError> {
    let id = free_id(prefix, rules);
    let prefix = match prefix {
        "" => String::new(),
        _ => format!("{prefix}/"),
    };
    LifecycleRule::builder()
        .id(id)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
        .abort_incomplete_multipart_upload(
            AbortIncompleteMultipartUpload::builder()
                .days_after_initiation(days)
                .build(),
        )
        .build()
}

async fn versioning(s3: &S3, wanted: &Wanted) -> Step {
    const NAME: &str = "versioning";
    let Some(status) = &wanted.versioning else {
        return Step::new(NAME, How::AlreadySo, "left as it is");
    };
    let now = match s3.client.get_bucket_versioning().bucket(&s3.bucket).send().await {
        Ok(answer) => Some(answer.status),
        Err(error) => match refusal(&error) {
            // Setting it again does no harm.
            Refusal::Unreadable => None,
            refusal => return failed(NAME, s3, "s3:GetBucketVersioning", &refusal),
        },
    };
    let is_so = now.is_some_and(|now| match now {
        Some(now) => now == *status,
        None => *status == BucketVersioningStatus::Suspended,
    });
    if is_so {
        return Step::new(NAME, How::AlreadySo, format!("versioning is {status}"));
    }
    let sentence = format!("set versioning to {status}");
    if wanted.dry_run {
        return Step::new(NAME, How::Would, sentence);
    }
    let answer = s3
        .client
        .put_bucket_versioning()
        .bucket(&s3.bucket)
        .versioning_configuration(VersioningConfiguration::builder().status(status.clone()).build())
        .send()
        .await;
    ended(
        NAME,
        s3,
        "s3:PutBucketVersioning",
        answer.map_err(|error| refusal(&error)),
        sentence,
    )
}

fn ended<T>(name: &'static str, s3: &S3, action: &str, answer: Result<T, Refusal>, sentence: String) -> Step {
    match answer {
        Ok(_) => Step::new(name, How::Done, sentence),
        Err(refusal) => failed(name, s3, action, &refusal),
    }
}

fn failed(name: &'static str, s3: &S3, action: &str, refusal: &Refusal) -> Step {
    match refusal {
        Refusal::Unsupported => Step::new(name, How::Unsupported, "this server has no such setting"),
        _ => Step::new(name, How::Failed, s3.refused(action, refusal)),
    }
}
