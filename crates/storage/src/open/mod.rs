//! From a `bucket_url` to a [`Bucket`].
//!
//! | URL | store |
//! |---|---|
//! | `s3://bucket/prefix` | S3 or a server that speaks its API, by the `AWS_*` environment |
//! | `gs://bucket/prefix` | Google Cloud Storage, by the `GOOGLE_*` environment |
//! | `az://container/prefix` | Azure Blob Storage, by the `AZURE_*` environment |
//! | `file:///directory` | a local directory ([`crate::local`]) |
//! | `memory://` | memory, for tests |
//!
//! Opening checks the URL and the settings; only `file://` touches its directory, and not even that for those
//! who only read. Whether the store answers is found out by the first request, or by [`crate::preflight`].

mod cloud;
mod s3_access;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::bucket::{Bucket, BucketOptions};
use crate::error::StoreError;
use crate::local::LocalStore;
pub use s3_access::{NoAnswer, S3Access, S3Credentials, S3Sender};

/// Environment variables by name.
pub type Environment = BTreeMap<String, String>;

/// What is to be done with a bucket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    ReadAndWrite,
    /// A directory is not made, and stays as it is.
    Read,
}

/// Opens the bucket that a setting names, with the process's environment.
pub fn open(bucket_url: &str, options: BucketOptions) -> Result<Bucket, StoreError> {
    open_for(Access::ReadAndWrite, bucket_url, &environment(), options)
}

/// As [`open`], for those who only look: nothing is created, written or removed, and a directory that is not
/// there is no bucket.
pub fn open_to_read(bucket_url: &str, options: BucketOptions) -> Result<Bucket, StoreError> {
    open_for(Access::Read, bucket_url, &environment(), options)
}

/// Opens the bucket that a setting names, with credentials and endpoints from `environment` alone.
pub fn open_with(
    bucket_url: &str,
    environment: &Environment,
    options: BucketOptions,
) -> Result<Bucket, StoreError> {
    open_for(Access::ReadAndWrite, bucket_url, environment, options)
}

fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn open_for(
    access: Access,
    bucket_url: &str,
    environment: &Environment,
    options: BucketOptions,
) -> Result<Bucket, StoreError> {
    let Some((scheme, rest)) = bucket_url.split_once("://") else {
        return Err(wrong(bucket_url, "it has no scheme"));
    };
    if scheme == "memory" {
        return Ok(Bucket::new(Arc::new(InMemory::new()), "", bucket_url, options));
    }
    if scheme == "file" {
        return open_directory(access, bucket_url, rest, options);
    }
    let (name, prefix) = parts(bucket_url, rest)?;
    let store: Result<Arc<dyn ObjectStore>, object_store::Error> = match scheme {
        "s3" => cloud::s3(name, environment),
        "gs" => cloud::gcs(name, environment),
        "az" => cloud::azure(name, environment),
        _ => return Err(wrong(bucket_url, "its scheme is unknown")),
    };
    let store = store.map_err(|err| wrong(bucket_url, &with_causes(&err)))?;
    let place = format!(
        "the bucket {scheme}://{name}{}",
        cloud::endpoint_for_people(scheme, environment)
    );
    Ok(Bucket::new(store, prefix, &place, options))
}

/// Name and prefix of a bucket in a store of many.
fn parts<'a>(bucket_url: &str, rest: &'a str) -> Result<(&'a str, &'a str), StoreError> {
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_matches('/');
    if name.is_empty() {
        return Err(wrong(bucket_url, "it names no bucket"));
    }
    let is_relative = |part: &str| part.is_empty() || part == "." || part == "..";
    if !prefix.is_empty() && prefix.split('/').any(is_relative) {
        return Err(wrong(bucket_url, "its prefix has an empty or relative part"));
    }
    Ok((name, prefix))
}

fn open_directory(
    access: Access,
    bucket_url: &str,
    rest: &str,
    options: BucketOptions,
) -> Result<Bucket, StoreError> {
    if !rest.starts_with('/') {
        return Err(wrong(
            bucket_url,
            "a directory is named by its absolute path: file:///dir",
        ));
    }
    let directory = Path::new(rest);
    let store = match access {
        Access::ReadAndWrite => LocalStore::open(directory)
            .map_err(|err| format!("the directory {rest} cannot hold a bucket: {err}")),
        Access::Read if !directory.is_dir() => Err(format!(
            "there is no directory {rest}, and so no bucket: correct bucket_url or data_dir"
        )),
        Access::Read => LocalStore::open_to_read(directory)
            .map_err(|err| format!("the directory {rest} cannot be read: {err}")),
    };
    let store = store.map_err(StoreError::Misconfigured)?;
    Ok(Bucket::new(
        Arc::new(store),
        "",
        &format!("the directory {rest}"),
        options,
    ))
}

/// An error with its causes: the outer one may say no more than that a client could not be built.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

fn wrong(bucket_url: &str, why: &str) -> StoreError {
    StoreError::Misconfigured(format!(
        "bucket_url {bucket_url:?} cannot be used: {why} (expected s3://bucket/prefix, gs://…, az://… or \
         file:///dir)"
    ))
}

#[cfg(test)]
mod tests {
    use esker_model::seams::Seams;

    use super::*;
    use crate::metrics::StoreMetrics;

    #[tokio::test]
    async fn who_only_reads_leaves_a_directory_as_it_is() {
        let options = || BucketOptions::new(Seams::real(), StoreMetrics::default());
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("a/b");
        match open_to_read(&format!("file://{}", missing.display()), options()) {
            Err(StoreError::Misconfigured(sentence)) => {
                let expected = format!("there is no directory {}, and so no bucket", missing.display());
                assert!(sentence.starts_with(&expected), "{sentence}");
            }
            Err(err) => panic!("{err}"),
            Ok(_) => panic!("it was opened"),
        }
        std::fs::write(directory.path().join("object"), "abc").unwrap();
        let bucket = open_to_read(&format!("file://{}", directory.path().display()), options()).unwrap();
        assert_eq!(bucket.get("object").await.unwrap(), "abc");
        let deadline = Seams::real().clock.now().plus(std::time::Duration::from_secs(5));
        let put = bucket.put_new("new", vec!["x".into()], Default::default(), deadline);
        assert!(put.await.is_err());
        assert!(bucket.delete("object").await.is_err());
        let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(left.len(), 1);
    }

    #[tokio::test]
    async fn urls_that_cannot_be_used_say_why() {
        let options = || BucketOptions::new(Seams::real(), StoreMetrics::default());
        for (url, why) in [
            ("bucket", "no scheme"),
            ("s3:///x", "names no bucket"),
            ("ftp://x", "scheme is unknown"),
            ("s3://b/a/../c", "relative part"),
            ("file://relative", "absolute path"),
            ("file:///proc/nowhere", "cannot hold a bucket"),
        ] {
            match open(url, options()) {
                Err(StoreError::Misconfigured(sentence)) => assert!(sentence.contains(why), "{sentence}"),
                Err(err) => panic!("{url}: {err}"),
                Ok(_) => panic!("{url} was opened"),
            }
        }
        assert!(open("memory://", options()).is_ok());
        for endpoint in [
            "127.0.0.1:9000",
            "foo",
            "http://",
            "http://a b",
            "ftp://127.0.0.1:9000",
        ] {
            let environment = Environment::from([("AWS_ENDPOINT_URL".to_owned(), endpoint.to_owned())]);
            match open_with("s3://bucket", &environment, options()) {
                Err(StoreError::Misconfigured(sentence)) => {
                    assert!(sentence.contains("AWS_ENDPOINT_URL"), "{sentence}")
                }
                Err(err) => panic!("{endpoint}: {err}"),
                Ok(_) => panic!("{endpoint} was taken"),
            }
        }
        assert!(open("s3://bucket/some/prefix/", options()).is_ok());
    }
}
