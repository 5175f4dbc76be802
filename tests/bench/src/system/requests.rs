//! S3 requests by what they are for: the folder of the bucket that they go to.
//!
//! Counted by rules of the S3 server that match and do nothing (a latency of 0 ms). A deletion of many objects is one
//! request, whatever it deletes.

use std::collections::BTreeMap;

use esker_harness::s3_server::S3Server;
use serde_json::json;

/// What is counted: kinds of requests, and the folders of their objects. The last one is every folder.
const OPS: [&str; 4] = ["get", "put", "delete", "list"];
const FOLDERS: [&str; 5] = ["ingest", "archive", "merged", "manifest", ""];

/// Requests from a moment on, or up to one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(BTreeMap<(&'static str, &'static str), f64>);

impl Requests {
    /// Has a new server count. To be called once, before there is a rule.
    pub(super) fn watch(store: &S3Server) {
        let rules: Vec<_> = all()
            .map(|(op, folder)| {
                let prefix = if folder.is_empty() {
                    String::new()
                } else {
                    format!("data/{folder}/")
                };
                json!({"op": op, "key_prefix": prefix, "kind": "latency", "ms": 0})
            })
            .collect();
        store.add_faults(&json!(rules));
    }

    /// What a server counted so far.
    pub(super) fn read(store: &S3Server) -> Self {
        let rules = store.control("GET", "/faults", "");
        let matched = |at: usize| rules[at]["matched"].as_f64().unwrap_or(f64::NAN);
        Self(all().enumerate().map(|(at, what)| (what, matched(at))).collect())
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        let more = |(what, count): (&(&'static str, &'static str), &f64)| {
            (*what, count - before.0.get(what).copied().unwrap_or(0.0))
        };
        Self(self.0.iter().map(more).collect())
    }

    /// Requests of a kind to a folder; to all of them with an empty name.
    pub(crate) fn of(&self, op: &'static str, folder: &'static str) -> f64 {
        self.0.get(&(op, folder)).copied().unwrap_or(f64::NAN)
    }

    /// All GETs and PUTs of objects in folders, and all deletions and listings. An agent's looks at `cluster.json` are
    /// not among them: they are the same whatever it does.
    pub(crate) fn of_work(&self) -> f64 {
        let folders = FOLDERS.iter().filter(|folder| !folder.is_empty());
        let objects: f64 = folders
            .map(|folder| self.of("get", folder) + self.of("put", folder))
            .sum();
        objects + self.of("delete", "") + self.of("list", "")
    }
}

fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    OPS.into_iter()
        .flat_map(|op| FOLDERS.into_iter().map(move |folder| (op, folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_what_goes_to_folders_and_every_deletion() {
        let counted = |count: f64| Requests(all().map(|what| (what, count)).collect());
        let more = counted(5.0).since(&counted(2.0));
        assert_eq!(more.of("get", "ingest"), 3.0);
        // Four folders, read and written; deletions and listings once each.
        assert_eq!(more.of_work(), 3.0 * (4.0 * 2.0 + 2.0));
        assert!(Requests::default().of("get", "ingest").is_nan());
    }
}
