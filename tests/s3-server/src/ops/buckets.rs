//! Buckets: made, removed, asked after.

use hyper::header::LOCATION;

use super::{Effect, effect};
use crate::action::Action;
use crate::error::S3Error;
use crate::reply::Reply;
use crate::route::Call;
use crate::shared::Shared;
use crate::time;
use crate::xml::Xml;

/// The rules for names of buckets that are kept to here: length and characters.
pub(crate) fn check_name(name: &str) -> Result<(), S3Error> {
    let characters = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-.".contains(&c);
    let ends = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    if (3..=63).contains(&bytes.len())
        && bytes.iter().copied().all(characters)
        && ends(bytes.first())
        && ends(bytes.last())
    {
        Ok(())
    } else {
        Err(S3Error::new(
            400,
            "InvalidBucketName",
            "A bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens.",
        ))
    }
}

pub(super) fn list(shared: &Shared) -> Result<Reply, S3Error> {
    Ok(Reply::xml(Xml::document("ListAllMyBucketsResult", |xml| {
        xml.nested("Owner", |xml| xml.text("ID", "esker"));
        xml.nested("Buckets", |xml| {
            for (name, created_ms) in shared.store.buckets() {
                xml.nested("Bucket", |xml| {
                    xml.text("Name", &name);
                    xml.text("CreationDate", &time::iso(created_ms));
                });
            }
        });
    })))
}

pub(super) fn of_one(call: Call) -> Result<Effect, S3Error> {
    effect(move |shared| {
        let (store, bucket) = (&shared.store, call.bucket.as_str());
        match call.action {
            Action::CreateBucket => {
                check_name(bucket)?;
                store.create_bucket(bucket)?;
                Ok(Reply::new(200).header(LOCATION, &format!("/{bucket}")))
            }
            Action::DeleteBucket => {
                store.delete_bucket(bucket)?;
                Ok(Reply::new(204))
            }
            Action::GetBucketLocation => {
                store.check_bucket(bucket)?;
                // No text stands for us-east-1.
                Ok(Reply::xml(Xml::document("LocationConstraint", |_| {})))
            }
            Action::GetBucketVersioning => {
                store.check_bucket(bucket)?;
                Ok(Reply::xml(Xml::document("VersioningConfiguration", |_| {})))
            }
            _ => {
                store.check_bucket(bucket)?;
                Ok(Reply::new(200))
            }
        }
    })
}
