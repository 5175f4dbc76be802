//! Rules as the control listener takes and shows them: one flat object, checked field by field, so that a
//! wrong one is refused with a sentence that says which.

use serde::{Deserialize, Serialize};

use super::rule::{ErrorAnswer, Kind, Rule};
use crate::action::Target;

/// A rule in JSON. README.md says what the fields mean.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(
    missing_docs,
    reason = "the fields of `Rule` and `Kind`, which are documented there"
)]
pub struct RuleJson {
    #[serde(default = "any")]
    pub op: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key_prefix: String,
    #[serde(default = "always")]
    pub probability: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    #[serde(default)]
    pub skip: u64,
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_s: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_effect: Option<bool>,
}

/// A rule in force, and what it has done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleStatus {
    /// Its id.
    pub id: u64,
    /// The rule.
    #[serde(flatten)]
    pub rule: RuleJson,
    /// Requests that it was for.
    pub matched: u64,
    /// Requests that it acted on.
    pub done: u64,
}

fn any() -> String {
    Target::Any.name().to_owned()
}

fn always() -> f64 {
    1.0
}

/// The fields that each kind takes, beside those of every rule.
const KINDS: [(&str, &[&str]); 13] = [
    ("latency", &["ms", "p99_ms"]),
    ("slow_body", &["bytes_per_s"]),
    ("slow_down", &["retry_after_s", "after_effect"]),
    ("internal_error", &["after_effect"]),
    ("conflict", &[]),
    ("error", &["status", "code", "retry_after_s", "after_effect"]),
    ("hang", &["ms", "after_effect"]),
    ("drop_before", &[]),
    ("drop_after", &[]),
    ("late_effect", &["ms"]),
    ("duplicate_effect", &[]),
    ("truncated_body", &["bytes"]),
    ("bit_flip", &[]),
];

impl RuleJson {
    fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            ("ms", self.ms.is_some()),
            ("p99_ms", self.p99_ms.is_some()),
            ("bytes_per_s", self.bytes_per_s.is_some()),
            ("bytes", self.bytes.is_some()),
            ("status", self.status.is_some()),
            ("code", self.code.is_some()),
            ("retry_after_s", self.retry_after_s.is_some()),
            ("after_effect", self.after_effect.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
    }

    fn needed<T>(&self, name: &str, value: Option<T>) -> Result<T, String> {
        value.ok_or_else(|| format!("a rule of the kind {} needs the field {name}", self.kind))
    }

    /// The rule, or a sentence that says what is wrong with it.
    pub fn rule(&self) -> Result<Rule, String> {
        let Some((_, fields)) = KINDS.iter().find(|(name, _)| *name == self.kind) else {
            let names: Vec<_> = KINDS.iter().map(|(name, _)| *name).collect();
            return Err(format!(
                "kind is {:?}, which is none of {}",
                self.kind,
                names.join(", ")
            ));
        };
        if let Some(stray) = self.given().find(|name| !fields.contains(name)) {
            return Err(format!("a rule of the kind {} has no field {stray}", self.kind));
        }
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(format!(
                "probability is {}, which is not within 0 and 1",
                self.probability
            ));
        }
        Ok(Rule {
            target: self.op.parse()?,
            key_prefix: self.key_prefix.clone(),
            probability: self.probability,
            count: self.count,
            skip: self.skip,
            kind: self.kind()?,
        })
    }

    fn kind(&self) -> Result<Kind, String> {
        let after_effect = self.after_effect.unwrap_or(false);
        Ok(match self.kind.as_str() {
            "latency" => {
                let ms = self.needed("ms", self.ms)?;
                if self.p99_ms.is_some_and(|p99_ms| p99_ms < ms.max(1)) {
                    return Err("p99_ms is less than ms, the median".to_owned());
                }
                Kind::Latency {
                    ms,
                    p99_ms: self.p99_ms,
                }
            }
            "slow_body" => Kind::SlowBody {
                bytes_per_s: self.needed("bytes_per_s", self.bytes_per_s.filter(|pace| *pace > 0))?,
            },
            "slow_down" => self.error(Kind::slow_down()),
            "internal_error" => self.error(Kind::internal_error()),
            "conflict" => Kind::conflict(),
            "error" => {
                let status = self.needed("status", self.status)?;
                if !(400..=599).contains(&status) {
                    return Err(format!("status is {status}, which is not within 400 and 599"));
                }
                let code = self.needed("code", self.code.as_deref())?;
                self.error(Kind::error(status, code))
            }
            "hang" => Kind::Hang {
                ms: self.ms,
                after_effect,
            },
            "drop_before" => Kind::DropBefore,
            "drop_after" => Kind::DropAfter,
            "late_effect" => Kind::LateEffect {
                ms: self.needed("ms", self.ms)?,
            },
            "duplicate_effect" => Kind::DuplicateEffect,
            "truncated_body" => Kind::TruncatedBody { bytes: self.bytes },
            _ => Kind::BitFlip,
        })
    }

    fn error(&self, kind: Kind) -> Kind {
        match kind {
            Kind::Error(name, answer) => Kind::Error(
                name,
                ErrorAnswer {
                    retry_after_s: self.retry_after_s,
                    after_effect: self.after_effect.unwrap_or(false),
                    ..answer
                },
            ),
            other => other,
        }
    }
}

impl From<&Rule> for RuleJson {
    fn from(rule: &Rule) -> Self {
        let mut json = Self {
            op: rule.target.name().to_owned(),
            key_prefix: rule.key_prefix.clone(),
            probability: rule.probability,
            count: rule.count,
            skip: rule.skip,
            kind: rule.kind.name().to_owned(),
            ..Self::default()
        };
        match &rule.kind {
            Kind::Latency { ms, p99_ms } => {
                json.ms = Some(*ms);
                json.p99_ms = *p99_ms;
            }
            Kind::SlowBody { bytes_per_s } => json.bytes_per_s = Some(*bytes_per_s),
            Kind::Error(name, answer) => {
                if *name == "error" {
                    json.status = Some(answer.status);
                    json.code = Some(answer.code.clone());
                }
                json.retry_after_s = answer.retry_after_s;
                json.after_effect = answer.after_effect.then_some(true);
            }
            Kind::Hang { ms, after_effect } => {
                json.ms = *ms;
                json.after_effect = after_effect.then_some(true);
            }
            Kind::LateEffect { ms } => json.ms = Some(*ms),
            Kind::TruncatedBody { bytes } => json.bytes = *bytes,
            Kind::DropBefore | Kind::DropAfter | Kind::DuplicateEffect | Kind::BitFlip => {}
        }
        json
    }
}
