//! Lifecycle rules: whether one concerns the objects below a prefix, and what it would do to them.

use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule, LifecycleRuleFilter, TransitionStorageClass};

/// What a rule does to objects that are in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// It deletes them, `when` in words.
    Deletes { when: String },
    /// It moves them to where no GET reads them.
    Locks { class: String, when: String },
    /// It moves them to where reading costs more.
    Moves { class: String, when: String },
}

/// The rule's name, for people.
pub(crate) fn name(rule: &LifecycleRule) -> String {
    match rule.id() {
        Some(id) if !id.is_empty() => format!("the lifecycle rule {id:?}"),
        _ => "a lifecycle rule without an id".to_owned(),
    }
}

/// Everything that a rule would do to current objects below `prefix`; nothing if it is off or about others.
pub(crate) fn harms(rule: &LifecycleRule, prefix: &str) -> Vec<Harm> {
    if !is_on(rule) || !concerns(rule, prefix) {
        return Vec::new();
    }
    let mut harms = Vec::new();
    if let Some(expiration) = rule.expiration()
        && let Some(when) = when(expiration.days(), expiration.date())
    {
        harms.push(Harm::Deletes { when });
    }
    for transition in rule.transitions() {
        let when = when(transition.days(), transition.date()).unwrap_or_else(|| "at once".to_owned());
        let class = transition.storage_class();
        let class_name = class
            .map_or("another storage class", TransitionStorageClass::as_str)
            .to_owned();
        harms.push(match class {
            Some(
                TransitionStorageClass::StandardIa
                | TransitionStorageClass::OnezoneIa
                | TransitionStorageClass::IntelligentTiering
                | TransitionStorageClass::GlacierIr,
            ) => Harm::Moves {
                class: class_name,
                when,
            },
            // What this version does not know may be anything.
            _ => Harm::Locks {
                class: class_name,
                when,
            },
        });
    }
    harms
}

/// After how many days a rule removes the parts of uploads that were never finished, everywhere below `prefix`.
pub(crate) fn aborts_uploads(rule: &LifecycleRule, prefix: &str) -> Option<i32> {
    let days = rule
        .abort_incomplete_multipart_upload()?
        .days_after_initiation()?;
    (is_on(rule) && covers(rule, prefix)).then_some(days)
}

/// Whether a rule is about the keys below `prefix` and does nothing but remove the parts of unfinished uploads.
pub(crate) fn only_aborts_uploads(rule: &LifecycleRule, prefix: &str) -> bool {
    prefix_of(rule) == ours(prefix)
        && rule.abort_incomplete_multipart_upload().is_some()
        && rule.expiration().is_none()
        && rule.transitions().is_empty()
        && rule.noncurrent_version_expiration().is_none()
        && rule.noncurrent_version_transitions().is_empty()
}

/// Whether a rule is still the one that it was. A server may give an id to one that had none.
pub(crate) fn is_same(now: &LifecycleRule, before: &LifecycleRule) -> bool {
    let mut now = now.clone();
    if before.id().is_none() {
        now.id = None;
    }
    now == *before
}

/// After how many days a rule removes noncurrent versions, everywhere below `prefix`.
pub(crate) fn removes_versions(rule: &LifecycleRule, prefix: &str) -> Option<i32> {
    let days = rule.noncurrent_version_expiration()?.noncurrent_days()?;
    (is_on(rule) && covers(rule, prefix)).then_some(days)
}

fn is_on(rule: &LifecycleRule) -> bool {
    *rule.status() == ExpirationStatus::Enabled
}

/// Whether the rule may match a key below `prefix`. Esker's objects have no tags, so a rule that asks for one does not;
/// one that asks for a size may.
fn concerns(rule: &LifecycleRule, prefix: &str) -> bool {
    if has_tags(rule.filter()) {
        return false;
    }
    let theirs = prefix_of(rule);
    let ours = ours(prefix);
    ours.starts_with(theirs) || theirs.starts_with(&ours)
}

/// Whether the rule matches every key below `prefix`, whatever its size.
fn covers(rule: &LifecycleRule, prefix: &str) -> bool {
    let sized = rule.filter().is_some_and(|filter| {
        let and = filter.and();
        filter.object_size_greater_than().is_some()
            || filter.object_size_less_than().is_some()
            || and.is_some_and(|and| {
                and.object_size_greater_than().is_some() || and.object_size_less_than().is_some()
            })
    });
    !sized && !has_tags(rule.filter()) && ours(prefix).starts_with(prefix_of(rule))
}

fn has_tags(filter: Option<&LifecycleRuleFilter>) -> bool {
    filter.is_some_and(|filter| {
        filter.tag().is_some() || filter.and().is_some_and(|and| !and.tags().is_empty())
    })
}

/// What the rule's keys start with; the field of old is still written by some.
#[allow(
    deprecated,
    reason = "rules that were written long ago have their prefix there"
)]
fn prefix_of(rule: &LifecycleRule) -> &str {
    let filter = rule.filter();
    filter
        .and_then(LifecycleRuleFilter::prefix)
        .or_else(|| {
            filter
                .and_then(LifecycleRuleFilter::and)
                .and_then(|and| and.prefix())
        })
        .or_else(|| rule.prefix())
        .unwrap_or_default()
}

fn ours(prefix: &str) -> String {
    match prefix {
        "" => String::new(),
        _ => format!("{prefix}/"),
    }
}

fn when(days: Option<i32>, date: Option<&aws_sdk_s3::primitives::DateTime>) -> Option<String> {
    match (days, date) {
        (Some(1), _) => Some("after a day".to_owned()),
        (Some(days), _) => Some(format!("after {days} days")),
        (None, Some(date)) => Some(format!(
            "from {} on",
            chrono::DateTime::from_timestamp(date.secs(), 0)
                .map_or_else(|| date.to_string(), |date| date.format("%Y-%m-%d").to_string())
        )),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{
        AbortIncompleteMultipartUpload, LifecycleExpiration, LifecycleRuleAndOperator, Tag, Transition,
    };

    use super::*;

    fn rule(filter: LifecycleRuleFilter) -> aws_sdk_s3::types::builders::LifecycleRuleBuilder {
        LifecycleRule::builder()
            .id("theirs")
            .status(ExpirationStatus::Enabled)
            .filter(filter)
    }

    fn at(prefix: &str) -> LifecycleRuleFilter {
        LifecycleRuleFilter::builder().prefix(prefix).build()
    }

    fn thirty_days() -> LifecycleExpiration {
        LifecycleExpiration::builder().days(30).build()
    }

    #[test]
    fn a_rule_deletes_what_its_prefix_overlaps() {
        for (theirs, ours, hit) in [
            ("", "data", true),
            ("data", "data", true),
            ("data/", "data", true),
            ("da", "data", true),
            ("data/ingest/", "data", true),
            ("database/", "data", false),
            ("data/", "database", false),
            ("logs/", "data", false),
            ("logs/", "", true),
        ] {
            let rule = rule(at(theirs)).expiration(thirty_days()).build().unwrap();
            let found = harms(&rule, ours);
            assert_eq!(!found.is_empty(), hit, "{theirs:?} over {ours:?}: {found:?}");
        }
    }

    #[test]
    fn rules_that_are_off_or_about_tagged_objects_harm_nothing() {
        let off = LifecycleRule::builder()
            .status(ExpirationStatus::Disabled)
            .filter(at(""))
            .expiration(thirty_days())
            .build()
            .unwrap();
        assert!(harms(&off, "data").is_empty());
        let tag = Tag::builder().key("kind").value("scratch").build().unwrap();
        let tagged = LifecycleRuleFilter::builder().tag(tag.clone()).build();
        assert!(harms(&rule(tagged).expiration(thirty_days()).build().unwrap(), "data").is_empty());
        let both = LifecycleRuleAndOperator::builder()
            .prefix("data/")
            .tags(tag)
            .build();
        let both = LifecycleRuleFilter::builder().and(both).build();
        assert!(harms(&rule(both).expiration(thirty_days()).build().unwrap(), "data").is_empty());
        // Large objects are ours as well.
        let large = LifecycleRuleAndOperator::builder()
            .prefix("data/")
            .object_size_greater_than(1_000)
            .build();
        let large = LifecycleRuleFilter::builder().and(large).build();
        assert!(!harms(&rule(large).expiration(thirty_days()).build().unwrap(), "data").is_empty());
        // Delete markers are nobody's data.
        let markers = LifecycleExpiration::builder()
            .expired_object_delete_marker(true)
            .build();
        assert!(harms(&rule(at("")).expiration(markers).build().unwrap(), "data").is_empty());
    }

    #[test]
    fn moves_are_told_apart_by_whether_a_get_still_reads() {
        let to = |class: TransitionStorageClass| {
            let transition = Transition::builder().days(1).storage_class(class).build();
            harms(&rule(at("")).transitions(transition).build().unwrap(), "data")
        };
        let when = "after a day".to_owned();
        assert_eq!(
            to(TransitionStorageClass::Glacier),
            [Harm::Locks {
                class: "GLACIER".into(),
                when: when.clone()
            }]
        );
        assert!(matches!(to("COLDER".into())[..], [Harm::Locks { .. }]));
        assert_eq!(
            to(TransitionStorageClass::StandardIa),
            [Harm::Moves {
                class: "STANDARD_IA".into(),
                when
            }]
        );
    }

    #[test]
    fn uploads_are_only_taken_for_removed_where_all_of_ours_are() {
        let abort = || {
            AbortIncompleteMultipartUpload::builder()
                .days_after_initiation(7)
                .build()
        };
        let with = |filter| {
            let rule = rule(filter)
                .abort_incomplete_multipart_upload(abort())
                .build()
                .unwrap();
            aborts_uploads(&rule, "data")
        };
        assert_eq!(with(at("")), Some(7));
        assert_eq!(with(at("data/")), Some(7));
        assert_eq!(with(at("data/ingest/")), None);
        assert_eq!(
            with(LifecycleRuleFilter::builder().object_size_greater_than(5).build()),
            None
        );
    }
}
