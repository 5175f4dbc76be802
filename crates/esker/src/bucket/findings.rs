//! What `esker check` says about a bucket's configuration: lifecycle rules, versioning, encryption, who else may read.
//!
//! Only looks. What the credentials may not read is a note: an agent does not need it. What would destroy records is a
//! failure, whatever else is right.

use aws_sdk_s3::types::{BucketVersioningStatus, LifecycleRule};
use serde_json::Value;

use super::client::{Refusal, S3, refusal};
use super::rules::{self, Harm};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grade {
    Ok,
    Note,
    Bad,
}

/// One finding: a stable name, how bad, a sentence.
pub(crate) type Finding = (&'static str, Grade, String);

/// Looks at everything.
pub(crate) async fn findings(s3: &S3) -> Vec<Finding> {
    let mut found = Vec::new();
    let rules = lifecycle(s3, &mut found).await;
    found.push(versioning(s3, rules.as_deref()).await);
    found.push(encryption(s3).await);
    found.push(public_access(s3).await);
    found
}

/// The rules, if they may be read.
async fn lifecycle(s3: &S3, found: &mut Vec<Finding>) -> Option<Vec<LifecycleRule>> {
    const NAME: &str = "bucket.lifecycle";
    let answer = s3
        .client
        .get_bucket_lifecycle_configuration()
        .bucket(&s3.bucket)
        .send()
        .await;
    let rules = match answer {
        Ok(answer) => answer.rules.unwrap_or_default(),
        Err(error) => match refusal(&error) {
            Refusal::NotThere => Vec::new(),
            refusal => {
                found.push(unread(NAME, s3, "s3:GetLifecycleConfiguration", &refusal));
                return None;
            }
        },
    };
    let before = found.len();
    for rule in &rules {
        let name = rules::name(rule);
        for harm in rules::harms(rule, &s3.prefix) {
            found.push(match harm {
                Harm::Deletes { when } => (
                    NAME,
                    Grade::Bad,
                    format!("{name} deletes objects {when}: records would be lost; only Esker may delete below its prefix"),
                ),
                Harm::Locks { class, when } => (
                    NAME,
                    Grade::Bad,
                    format!("{name} moves objects to {class} {when}: no consumer could read them there"),
                ),
                Harm::Moves { class, when } => (
                    NAME,
                    Grade::Note,
                    format!("{name} moves objects to {class} {when}: reading costs more there, and so does what is deleted early"),
                ),
            });
        }
    }
    if found.len() == before {
        found.push(match rules.iter().find_map(|rule| rules::aborts_uploads(rule, &s3.prefix)) {
            Some(days) => (
                NAME,
                Grade::Ok,
                format!("no lifecycle rule touches records; uploads that were never finished go after {days} days"),
            ),
            None => (NAME, Grade::Ok, "no lifecycle rule touches records".to_owned()),
        });
    }
    Some(rules)
}

async fn versioning(s3: &S3, rules: Option<&[LifecycleRule]>) -> Finding {
    const NAME: &str = "bucket.versioning";
    let answer = s3.client.get_bucket_versioning().bucket(&s3.bucket).send().await;
    let status = match answer {
        Ok(answer) => answer.status,
        Err(error) => return unread(NAME, s3, "s3:GetBucketVersioning", &refusal(&error)),
    };
    let removed = rules
        .unwrap_or_default()
        .iter()
        .find_map(|rule| rules::removes_versions(rule, &s3.prefix));
    match (status, removed) {
        (Some(BucketVersioningStatus::Enabled), Some(days)) => (
            NAME,
            Grade::Note,
            format!(
                "versions are kept: what Esker deletes, which is each record at least twice, is paid for another {days} \
                 days"
            ),
        ),
        (Some(BucketVersioningStatus::Enabled), None) => (
            NAME,
            Grade::Note,
            "versions are kept and nothing removes them: what Esker deletes, which is each record at least twice, is paid \
             for ever; add a lifecycle rule for noncurrent versions"
                .to_owned(),
        ),
        (Some(_), _) => (
            NAME,
            Grade::Note,
            "versions are not kept any more; those of before stay until a lifecycle rule removes them".to_owned(),
        ),
        (None, _) => (NAME, Grade::Ok, "versions are not kept: what is deleted is gone".to_owned()),
    }
}

async fn encryption(s3: &S3) -> Finding {
    const NAME: &str = "bucket.encryption";
    match super::init::encryption_of(s3).await {
        Ok(Some(what)) => (NAME, Grade::Ok, format!("new objects are encrypted with {what}")),
        Ok(None) => (
            NAME,
            Grade::Note,
            "new objects are not encrypted by the bucket's own setting: esker bucket init sets it".to_owned(),
        ),
        Err(refusal) => unread(NAME, s3, "s3:GetEncryptionConfiguration", &refusal),
    }
}

/// Whether the bucket's policy lets anybody in; `None` if that may not be known.
async fn is_public(s3: &S3) -> Option<bool> {
    let status = s3
        .client
        .get_bucket_policy_status()
        .bucket(&s3.bucket)
        .send()
        .await;
    match status {
        Ok(answer) => return answer.policy_status.and_then(|status| status.is_public),
        Err(error) if refusal(&error) == Refusal::NotThere => return Some(false),
        Err(_) => {}
    }
    // Not every server answers that, or in the words of S3: then the policy itself says it.
    match s3.client.get_bucket_policy().bucket(&s3.bucket).send().await {
        Ok(answer) => lets_anybody_in(&answer.policy?),
        Err(error) if refusal(&error) == Refusal::NotThere => Some(false),
        Err(_) => None,
    }
}

/// Whether a policy allows something to everybody, without a condition.
fn lets_anybody_in(policy: &str) -> Option<bool> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let statements = match policy.get("Statement")? {
        Value::Array(statements) => statements.as_slice(),
        one => std::slice::from_ref(one),
    };
    let everybody = |principal: &Value| {
        let names = match principal {
            Value::Object(by_kind) => by_kind.get("AWS").unwrap_or(&Value::Null),
            other => other,
        };
        names == "*"
            || names
                .as_array()
                .is_some_and(|names| names.iter().any(|name| name == "*"))
    };
    Some(statements.iter().any(|statement| {
        statement.get("Effect").is_some_and(|effect| effect == "Allow")
            && statement.get("Principal").is_some_and(everybody)
            && statement.get("Condition").is_none()
    }))
}

async fn public_access(s3: &S3) -> Finding {
    const NAME: &str = "bucket.public_access";
    let public = is_public(s3).await;
    if public == Some(true) {
        return (
            NAME,
            Grade::Bad,
            "the bucket's policy lets anybody in: records can be read without credentials".to_owned(),
        );
    }
    match super::init::is_blocked(s3).await {
        Ok(true) => (NAME, Grade::Ok, "public access is blocked".to_owned()),
        Ok(false) => (
            NAME,
            Grade::Note,
            "public access is not blocked: a policy or an ACL could let anybody in; esker bucket init blocks it".to_owned(),
        ),
        Err(refusal) => match (public, refusal) {
            (Some(false), Refusal::Unsupported) => (
                NAME,
                Grade::Ok,
                "no policy lets anybody in; this server cannot block it altogether".to_owned(),
            ),
            (_, refusal) => unread(NAME, s3, "s3:GetBucketPublicAccessBlock", &refusal),
        },
    }
}

/// What could not be looked at.
fn unread(name: &'static str, s3: &S3, action: &str, refusal: &Refusal) -> Finding {
    let sentence = match refusal {
        Refusal::Denied => {
            format!("not looked at: the credentials are not allowed {action}, which agents do not need")
        }
        Refusal::NotThere | Refusal::Unsupported => "this server has no such setting".to_owned(),
        other => format!("not looked at: {}", s3.refused(action, other)),
    };
    (name, Grade::Note, sentence)
}

#[cfg(test)]
mod tests {
    use super::lets_anybody_in;

    #[test]
    fn policies_that_let_anybody_in() {
        let with = |statement: &str| lets_anybody_in(&format!("{{\"Statement\": {statement}}}"));
        for (statement, public) in [
            (r#"[{"Effect": "Allow", "Principal": "*"}]"#, true),
            (r#"{"Effect": "Allow", "Principal": {"AWS": "*"}}"#, true),
            (
                r#"[{"Effect": "Allow", "Principal": {"AWS": ["arn:x", "*"]}}]"#,
                true,
            ),
            (r#"[{"Effect": "Deny", "Principal": "*"}]"#, false),
            (r#"[{"Effect": "Allow", "Principal": {"AWS": "arn:x"}}]"#, false),
            (
                r#"[{"Effect": "Allow", "Principal": "*", "Condition": {"StringEquals": {}}}]"#,
                false,
            ),
            ("[]", false),
        ] {
            assert_eq!(with(statement), Some(public), "{statement}");
        }
        assert_eq!(lets_anybody_in("not a policy"), None);
    }
}
