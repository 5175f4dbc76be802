//! What an agent with the same settings would meet: addresses, metastore, bucket. Nothing is left behind but, perhaps, an
//! empty bucket directory.

use esker_metastore::postgres::PostgresMetastore;
use esker_metastore::{Clusters, MetastoreError, MetastoreMetrics};
use esker_model::seams::Seams;
use esker_storage::StoreMetrics;
use esker_storage::preflight::preflight;
use serde_json::json;

use crate::bucket::{self, Grade};
use crate::cli::{print_json, print_lines};
use crate::failure::{Failure, Outcome};
use crate::run::{bind, open_bucket, open_sqlite, postgres_config, sentence_of};
use crate::settings::{Listener, MetastoreUrl, Settings};

struct Finding {
    name: String,
    grade: Grade,
    sentence: String,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, name: impl Into<String>, grade: Grade, sentence: impl Into<String>) {
        self.0.push(Finding {
            name: name.into(),
            grade,
            sentence: sentence.into(),
        });
    }
}

/// Looks at everything once and says what it found.
pub(super) async fn run(settings: &Settings, as_json: bool) -> Outcome {
    let seams = Seams::real();
    let mut findings = Findings::default();
    addresses(settings, &mut findings).await;
    metastore(settings, &seams, &mut findings).await;
    bucket(settings, &seams, &mut findings).await;
    print(&findings, as_json)
}

fn print(findings: &Findings, as_json: bool) -> Outcome {
    let word = |grade| match grade {
        Grade::Ok => "ok",
        Grade::Note => "note",
        Grade::Bad => "FAIL",
    };
    let bad = findings.0.iter().any(|finding| finding.grade == Grade::Bad);
    if as_json {
        let list: Vec<_> = findings
            .0
            .iter()
            .map(|finding| {
                json!({
                    "name": finding.name,
                    "result": word(finding.grade).to_lowercase(),
                    "sentence": finding.sentence,
                })
            })
            .collect();
        print_json(&json!({ "ok": !bad, "findings": list }))?;
    } else {
        let width = findings
            .0
            .iter()
            .map(|finding| finding.name.len())
            .max()
            .unwrap_or(0);
        let lines: Vec<_> = findings
            .0
            .iter()
            .map(|finding| {
                format!(
                    "{:4}  {:width$}  {}",
                    word(finding.grade),
                    finding.name,
                    finding.sentence
                )
            })
            .collect();
        print_lines(&lines)?;
    }
    if bad { Err(Failure::Said) } else { Ok(()) }
}

async fn addresses(settings: &Settings, findings: &mut Findings) {
    for listener in &settings.listeners {
        let name = format!("listener.{}", listener.name.to_lowercase());
        match bind(&listener.bind, "kafka_addr").await {
            Ok(_) => findings.add(&name, Grade::Ok, format!("can listen on {}", listener.bind)),
            Err(failure) => {
                // An agent that runs already holds its port: whether that is wrong, a person must say.
                let sentence = failure.to_string();
                let grade = if sentence.contains("another process") {
                    Grade::Note
                } else {
                    Grade::Bad
                };
                findings.add(&name, grade, sentence);
            }
        }
        advertised(listener, findings).await;
    }
    if let Some(address) = &settings.admin_addr {
        match bind(address, "admin_addr").await {
            Ok(_) => findings.add("admin", Grade::Ok, format!("can listen on {address}")),
            Err(failure) => {
                let sentence = failure.to_string();
                let grade = if sentence.contains("another process") {
                    Grade::Note
                } else {
                    Grade::Bad
                };
                findings.add("admin", grade, sentence);
            }
        }
    }
}

async fn advertised(listener: &Listener, findings: &mut Findings) {
    let name = format!("advertised.{}", listener.name.to_lowercase());
    let address = listener.advertised.as_ref().unwrap_or(&listener.bind);
    match tokio::net::lookup_host((address.host.as_str(), address.port)).await {
        Ok(mut resolved) => {
            let loopback = resolved
                .next()
                .is_some_and(|resolved| resolved.ip().is_loopback());
            if loopback && listener.bind.is_wildcard() {
                let sentence = format!("clients are told {address}: only those on this machine can connect");
                findings.add(&name, Grade::Note, sentence);
            } else {
                findings.add(&name, Grade::Ok, format!("clients are told {address}"));
            }
        }
        Err(_) => {
            let sentence = format!(
                "clients are told {address}, but {:?} does not resolve here",
                address.host
            );
            findings.add(&name, Grade::Bad, sentence);
        }
    }
}

async fn metastore(settings: &Settings, seams: &Seams, findings: &mut Findings) {
    let said = |error: &MetastoreError| sentence_of(&settings.metastore, error);
    let cluster = match &settings.metastore {
        MetastoreUrl::Sqlite(path) => match open_sqlite(path, seams, MetastoreMetrics::default()) {
            Ok(metastore) => metastore.cluster().await,
            Err(error) => Err(error),
        },
        MetastoreUrl::Postgres(url) => {
            match PostgresMetastore::connect(postgres_config(url, MetastoreMetrics::default())).await {
                Ok(metastore) => {
                    let cluster = metastore.cluster().await;
                    metastore.close().await;
                    cluster
                }
                Err(error) => Err(error),
            }
        }
    };
    match cluster {
        Ok(cluster) => {
            let of = cluster.map_or("no cluster yet".to_owned(), |cluster| {
                format!("cluster {} in epoch {}", cluster.id, cluster.epoch)
            });
            findings.add(
                "metastore",
                Grade::Ok,
                format!("{} answers and is migrated: {of}", settings.metastore),
            );
        }
        Err(error) => findings.add("metastore", Grade::Bad, said(&error)),
    }
}

async fn bucket(settings: &Settings, seams: &Seams, findings: &mut Findings) {
    match open_bucket(&settings.bucket, seams, StoreMetrics::default()) {
        Ok(bucket) => {
            let mut answers = false;
            for finding in preflight(&bucket).await {
                let grade = if finding.ok { Grade::Ok } else { Grade::Bad };
                answers |= finding.ok;
                findings.add(finding.name, grade, settings.bucket.scrub(&finding.sentence));
            }
            // Of a bucket that does not answer, or lets us do nothing, that is all there is to say.
            if answers {
                for (name, grade, sentence) in bucket::configuration(&settings.bucket).await {
                    findings.add(name, grade, settings.bucket.scrub(&sentence));
                }
            }
        }
        Err(failure) => findings.add("bucket", Grade::Bad, failure.to_string()),
    }
}
