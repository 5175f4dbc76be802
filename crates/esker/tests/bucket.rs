//! `esker bucket init`, and what `esker check` says about a bucket, against MinIO and moto.
//!
//! What somebody else configured is configured by boto3, whose requests are not ours.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod support;

use std::process::Command;

use esker_harness::dirs::TestDir;
use esker_harness::minio::Minio;
use esker_harness::moto::Moto;
use esker_harness::{free_port, skipped};
use support::{Ended, esker, run, run_command};

/// A server and how to reach it.
struct Server {
    environment: Vec<(String, String)>,
    dir: TestDir,
}

impl Server {
    fn new(dir: TestDir, environment: Vec<(String, String)>) -> Self {
        Self { environment, dir }
    }

    fn with(&self, more: &[(&str, &str)]) -> Self {
        let mut environment = self.environment.clone();
        environment.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        Self {
            environment,
            dir: TestDir::new("bucket-more"),
        }
    }

    fn esker(&self, arguments: &[&str]) -> Ended {
        let mut command = esker(arguments);
        command.envs(self.environment.iter().cloned());
        run_command(command, b"")
    }

    fn init(&self, url: &str, more: &[&str]) -> Ended {
        self.esker(&[&["bucket", "init", "--bucket-url", url], more].concat())
    }

    fn check(&self, url: &str) -> Ended {
        let data = self.dir.join("data");
        self.esker(&[
            "check",
            "--data-dir",
            data.to_str().unwrap(),
            "--bucket-url",
            url,
            "--kafka-addr",
            "127.0.0.1:0",
            "--admin-addr",
            "none",
        ])
    }

    /// Runs lines of Python with boto3's client in `s3`, and returns what they print.
    fn boto(&self, lines: &str) -> Option<String> {
        let Some(python) = std::env::var_os("ESKER_TEST_PYTHON") else {
            skipped("no Python (ESKER_TEST_PYTHON is not set: run scripts/setup)");
            return None;
        };
        let script = format!(
            "import boto3, json, os\ns3 = boto3.client('s3', endpoint_url=os.environ['AWS_ENDPOINT_URL'])\n{lines}"
        );
        let mut command = Command::new(python);
        command
            .args(["-c", &script])
            .envs(self.environment.iter().cloned());
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Some(String::from_utf8(output.stdout).unwrap())
    }
}

/// The line of a finding or a step.
fn line<'a>(out: &'a str, name: &str) -> &'a str {
    out.lines()
        .find(|line| line.split_whitespace().any(|word| word == name))
        .unwrap_or_else(|| panic!("no {name} in {out}"))
}

fn moto() -> Option<(Moto, Server)> {
    let dir = TestDir::new("bucket-moto");
    let moto = Moto::start(dir.path())?;
    let environment = moto.environment();
    Some((moto, Server::new(dir, environment)))
}

fn minio() -> Option<(Minio, Server)> {
    let dir = TestDir::new("bucket-minio");
    let minio = Minio::start(dir.path())?;
    let environment = minio.environment();
    Some((minio, Server::new(dir, environment)))
}

#[test]
fn a_bucket_is_made_and_made_again_without_a_change() {
    let Some((_moto, server)) = moto() else {
        return;
    };
    let url = "s3://fresh/esker";
    let dry = server.init(url, &["--dry-run"]).ok();
    assert!(
        dry.lines().count() == 4 && dry.lines().all(|line| line.starts_with("would ")),
        "{dry}"
    );
    assert!(line(&server.check(url).out, "bucket.readable").contains("does not exist"));

    let made = server.init(url, &[]).ok();
    assert!(made.lines().all(|line| line.starts_with("done ")), "{made}");
    assert!(line(&made, "encryption").contains("AES256"), "{made}");
    let again = server.init(url, &[]).ok();
    assert_eq!(again.lines().count(), 4, "{again}");
    assert!(
        again.lines().all(|line| line.starts_with("already so ")),
        "{again}"
    );

    let checked = server.check(url).ok();
    for (name, words) in [
        ("bucket.lifecycle", "never finished go after 7 days"),
        ("bucket.encryption", "encrypted with AES256"),
        ("bucket.public_access", "public access is blocked"),
    ] {
        let line = line(&checked, name);
        assert!(line.starts_with("ok ") && line.contains(words), "{line}");
    }
}

#[test]
fn what_others_configured_stays() {
    let Some((_moto, server)) = moto() else {
        return;
    };
    let theirs = "s3.create_bucket(Bucket='shared')\n\
        s3.put_bucket_encryption(Bucket='shared', ServerSideEncryptionConfiguration={'Rules': [{'ApplyServerSideEncryptionByDefault': {'SSEAlgorithm': 'aws:kms', 'KMSMasterKeyID': 'alias/theirs'}}]})\n\
        s3.put_bucket_lifecycle_configuration(Bucket='shared', LifecycleConfiguration={'Rules': [\
        {'ID': 'theirs', 'Status': 'Enabled', 'Filter': {'And': {'Prefix': 'logs/', 'Tags': [{'Key': 'kind', 'Value': 'scratch'}]}}, 'Expiration': {'Days': 3}, 'Transitions': [{'Days': 1, 'StorageClass': 'GLACIER'}]},\
        {'ID': 'off', 'Status': 'Disabled', 'Filter': {'Prefix': ''}, 'Expiration': {'Days': 1}}]})";
    let rules =
        "print(json.dumps(s3.get_bucket_lifecycle_configuration(Bucket='shared')['Rules'], sort_keys=True))";
    if server.boto(theirs).is_none() {
        return;
    }
    let before = server.boto(rules).unwrap();
    let made = server
        .init("s3://shared/esker", &["--versioning", "enabled"])
        .ok();
    assert!(line(&made, "bucket").starts_with("already so "), "{made}");
    let encryption = line(&made, "encryption");
    assert!(
        encryption.starts_with("already so ") && encryption.contains("aws:kms and the key alias/theirs"),
        "{encryption}"
    );
    assert!(
        line(&made, "uploads").contains("keep the 2 lifecycle rules that there are"),
        "{made}"
    );
    assert!(line(&made, "versioning").starts_with("done "), "{made}");
    let status = server.boto("print(s3.get_bucket_versioning(Bucket='shared').get('Status'))");
    assert_eq!(status.unwrap().trim(), "Enabled");

    let before: Vec<serde_json::Value> = serde_json::from_str(&before).unwrap();
    let after: Vec<serde_json::Value> = serde_json::from_str(&server.boto(rules).unwrap()).unwrap();
    assert_eq!(after.len(), 3, "{after:?}");
    for rule in &before {
        assert!(after.contains(rule), "{rule} is not in {after:?}");
    }
    let ours = after.iter().find(|rule| !before.contains(rule)).unwrap();
    assert_eq!(ours["Filter"]["Prefix"], "esker/");
    assert_eq!(ours["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"], 7);
    // Somebody who asks for another encryption gets it.
    let asked = server.init("s3://shared/esker", &["--encryption", "AES256"]).ok();
    assert!(line(&asked, "encryption").starts_with("done "), "{asked}");
}

/// Has `server` delete or move what is below the prefix, and expects to hear of it.
fn eats(server: &Server, bucket: &str) {
    let rule = format!(
        "s3.put_bucket_lifecycle_configuration(Bucket='{bucket}', LifecycleConfiguration={{'Rules': [\
         {{'ID': 'tidy-up', 'Status': 'Enabled', 'Filter': {{'Prefix': 'da'}}, 'Expiration': {{'Days': 30}}}},\
         {{'ID': 'logs', 'Status': 'Enabled', 'Filter': {{'Prefix': 'logs/'}}, 'Expiration': {{'Days': 3}}}}]}})"
    );
    if server.boto(&rule).is_none() {
        return;
    }
    let url = format!("s3://{bucket}/data");
    let checked = server.check(&url);
    assert_eq!(checked.code, Some(1), "{}", checked.out);
    let found: Vec<_> = checked
        .out
        .lines()
        .filter(|line| line.starts_with("FAIL"))
        .collect();
    assert_eq!(found.len(), 1, "{}", checked.out);
    assert!(
        found[0].contains("the lifecycle rule \"tidy-up\" deletes objects after 30 days"),
        "{}",
        found[0]
    );
    // Beside it, nothing is wrong.
    assert!(server.check(&format!("s3://{bucket}/records")).code == Some(0));
}

#[test]
fn rules_that_eat_records_fail_the_check_on_moto() {
    let Some((_moto, server)) = moto() else {
        return;
    };
    server.init("s3://eaten/data", &[]).ok();
    eats(&server, "eaten");
    let cold = "s3.put_bucket_lifecycle_configuration(Bucket='eaten', LifecycleConfiguration={'Rules': [\
        {'ID': 'cold', 'Status': 'Enabled', 'Filter': {'Prefix': 'data/archive/'}, 'Transitions': [{'Days': 90, 'StorageClass': 'DEEP_ARCHIVE'}]},\
        {'ID': 'cool', 'Status': 'Enabled', 'Filter': {'Prefix': ''}, 'Transitions': [{'Days': 30, 'StorageClass': 'STANDARD_IA'}]}]})";
    if server.boto(cold).is_none() {
        return;
    }
    let checked = server.check("s3://eaten/data");
    assert_eq!(checked.code, Some(1), "{}", checked.out);
    assert!(
        checked
            .out
            .contains("\"cold\" moves objects to DEEP_ARCHIVE after 90 days: no consumer could read them"),
        "{}",
        checked.out
    );
    let cool = checked
        .out
        .lines()
        .find(|line| line.contains("\"cool\""))
        .unwrap();
    assert!(
        cool.starts_with("note ") && cool.contains("STANDARD_IA"),
        "{cool}"
    );
}

#[test]
fn rules_that_eat_records_fail_the_check_on_minio() {
    let Some((_minio, server)) = minio() else {
        return;
    };
    eats(&server, "esker");
}

#[test]
fn minio_does_what_it_can_and_says_what_it_cannot() {
    let Some((_minio, server)) = minio() else {
        return;
    };
    let url = "s3://fresh/esker";
    let made = server.init(url, &["--versioning", "enabled"]).ok();
    assert!(line(&made, "bucket").starts_with("done "), "{made}");
    assert!(line(&made, "versioning").starts_with("done "), "{made}");
    assert!(line(&made, "public_access").starts_with("not here "), "{made}");
    assert!(!made.contains("FAIL"), "{made}");
    let again = server.init(url, &["--versioning", "enabled"]).ok();
    assert!(line(&again, "bucket").starts_with("already so "), "{again}");
    assert!(line(&again, "versioning").starts_with("already so "), "{again}");
    // Versions that nothing removes are said.
    let checked = server.check(url).ok();
    let note = line(&checked, "bucket.versioning");
    assert!(
        note.starts_with("note ") && note.contains("paid for ever"),
        "{note}"
    );
    assert!(line(&checked, "bucket.lifecycle").starts_with("ok "), "{checked}");
    let other = server.check("s3://esker/data").ok();
    let other = line(&other, "bucket.versioning");
    assert!(
        other.starts_with("ok ") && other.contains("versions are not kept"),
        "{other}"
    );
    let removes = "s3.put_bucket_lifecycle_configuration(Bucket='fresh', LifecycleConfiguration={'Rules': [\
        {'ID': 'old', 'Status': 'Enabled', 'Filter': {'Prefix': ''}, 'NoncurrentVersionExpiration': {'NoncurrentDays': 2}}]})";
    if server.boto(removes).is_some() {
        let removed = server.check(url).ok();
        let removed = line(&removed, "bucket.versioning");
        assert!(
            removed.starts_with("note ") && removed.contains("another 2 days"),
            "{removed}"
        );
    }
}

/// MinIO gives those who do not sign what the bucket's policy allows, action by action.
#[test]
fn permissions_that_are_missing_are_named() {
    let Some((_minio, server)) = minio() else {
        return;
    };
    let anybody = server.with(&[("AWS_SKIP_SIGNATURE", "true")]);
    let policy = |actions: &str| {
        format!(
            "s3.put_bucket_policy(Bucket='esker', Policy=json.dumps({{'Version': '2012-10-17', 'Statement': [{{'Effect': 'Allow', \
             'Principal': {{'AWS': ['*']}}, 'Action': [{actions}], 'Resource': ['arn:aws:s3:::esker', 'arn:aws:s3:::esker/*']}}]}}))"
        )
    };
    for (allowed, missing) in [
        ("'s3:ListBucket','s3:GetObject','s3:DeleteObject'", "s3:PutObject"),
        ("'s3:ListBucket','s3:PutObject','s3:DeleteObject'", "s3:GetObject"),
        ("'s3:ListBucket','s3:PutObject','s3:GetObject'", "s3:DeleteObject"),
        ("'s3:GetObject','s3:PutObject','s3:DeleteObject'", "s3:ListBucket"),
    ] {
        if server.boto(&policy(allowed)).is_none() {
            return;
        }
        let checked = anybody.check("s3://esker/data");
        assert_eq!(checked.code, Some(1), "{}", checked.out);
        let failed: Vec<_> = checked
            .out
            .lines()
            .filter(|line| line.starts_with("FAIL"))
            .collect();
        assert_eq!(failed.len(), 1, "{missing}: {}", checked.out);
        assert!(
            failed[0].ends_with(&format!("what is missing is {missing}")),
            "{}",
            failed[0]
        );
        // What an agent does not need may be denied.
        let note = line(&checked.out, "bucket.lifecycle");
        assert!(
            note.starts_with("note ") && note.contains("not allowed s3:GetLifecycleConfiguration"),
            "{note}"
        );
    }
    let init = anybody.init("s3://esker/data", &[]);
    assert_eq!(init.code, Some(1), "{}", init.out);
    // To those who sign it is a bucket that lets anybody in.
    let all = "'s3:ListBucket','s3:GetObject','s3:PutObject','s3:DeleteObject'";
    server.boto(&policy(all)).unwrap();
    let public = server.check("s3://esker/data");
    let public = line(&public.out, "bucket.public_access");
    assert!(
        public.starts_with("FAIL") && public.contains("lets anybody in"),
        "{public}"
    );
}

#[test]
fn wrong_credentials_and_wrong_places_are_one_line() {
    let Some((_minio, server)) = minio() else {
        return;
    };
    let stranger = server.with(&[
        ("AWS_ACCESS_KEY_ID", "nobody"),
        ("AWS_SECRET_ACCESS_KEY", "hush-hush"),
    ]);
    let init = stranger.init("s3://esker/data", &[]);
    assert_eq!(
        (init.code, init.out.lines().count()),
        (Some(1), 1),
        "{}",
        init.out
    );
    assert!(
        init.out.starts_with("FAIL") && init.out.contains("credentials"),
        "{}",
        init.out
    );
    let checked = stranger.check("s3://esker/data");
    let failed: Vec<_> = checked
        .out
        .lines()
        .filter(|line| line.starts_with("FAIL"))
        .collect();
    assert!(
        failed.len() == 1 && failed[0].contains("refuses the credentials"),
        "{failed:?}"
    );
    assert!(!checked.out.contains("hush") && !init.out.contains("hush"));

    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let nowhere = server.with(&[("AWS_ENDPOINT_URL", &nowhere)]);
    let init = nowhere.init("s3://esker/data", &[]);
    assert_eq!(
        (init.code, init.out.lines().count()),
        (Some(1), 1),
        "{}",
        init.out
    );
    assert!(init.out.contains("cannot be reached"), "{}", init.out);

    let short = server.init("s3://b1/data", &[]);
    assert!(
        short.code == Some(1) && short.out.contains("no bucket can have this name"),
        "{}",
        short.out
    );

    let missing = server.check("s3://absent/data");
    let failed: Vec<_> = missing
        .out
        .lines()
        .filter(|line| line.starts_with("FAIL"))
        .collect();
    assert!(
        failed.len() == 1 && failed[0].contains("does not exist"),
        "{failed:?}"
    );
}

#[test]
fn other_stores() {
    for url in ["gs://bucket/x", "az://container/x"] {
        run(&["bucket", "init", "--bucket-url", url]).says(2, "provider's own tools");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b");
    let url = format!("file://{}", path.display());
    assert!(
        run(&["bucket", "init", "--bucket-url", &url, "--dry-run"])
            .ok()
            .starts_with("would ")
    );
    assert!(!path.exists());
    assert!(
        run(&["bucket", "init", "--bucket-url", &url])
            .ok()
            .starts_with("done ")
    );
    assert!(path.is_dir());
    assert!(
        run(&["bucket", "init", "--bucket-url", &url])
            .ok()
            .starts_with("already so ")
    );
    run(&["bucket", "init", "--bucket-url", &url, "--versioning", "enabled"])
        .says(2, "a directory has neither");
    run(&["bucket", "init"]).says(2, "bucket_url is not set");
    run(&[
        "bucket",
        "init",
        "--bucket-url",
        "s3://b",
        "--encryption",
        "AES256",
        "--kms-key",
        "k",
    ])
    .says(2, "--kms-key needs");
    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "x").unwrap();
    let url = format!("file://{}/below", blocked.display());
    let failed = run(&["bucket", "init", "--bucket-url", &url]);
    assert_eq!(failed.code, Some(1));
    assert!(
        failed.out.contains("cannot create the directory"),
        "{}",
        failed.out
    );
}
