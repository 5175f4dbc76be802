//! Removing objects, many with one request where the store can do that.

use futures::{StreamExt, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStore};

use super::Bucket;
use super::attempt::attempt_time;
use super::failure::Failure;
use crate::error::StoreError;
use crate::metrics::Op;

/// Objects of one call of [`Bucket::delete_many`]: what S3 takes with one request.
pub const DELETE_AT_ONCE: usize = 1_000;

impl Bucket {
    /// Removes an object. One that is not there is removed already.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let keys = [key.to_owned()];
        let mut outcomes = self.delete_many(&keys).await?;
        outcomes.pop().unwrap_or(Ok(()))
    }

    /// Removes at most [`DELETE_AT_ONCE`] objects; says what became of each. Those that are not there are removed
    /// already. `Err`: the store did not answer, or refused all of them; some may be gone.
    pub async fn delete_many(&self, keys: &[String]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        debug_assert!(keys.len() <= DELETE_AT_ONCE);
        let Some(first) = keys.first() else {
            return Ok(Vec::new());
        };
        let paths: Vec<Path> = keys.iter().map(|key| self.path(key)).collect();
        let patience = self.0.options.read_patience;
        let request = || self.delete_once(paths.clone());
        let answers = self
            .retry(Op::Delete, first, patience, attempt_time(0), request)
            .await;
        let answers = match answers {
            Err(StoreError::NotFound { .. }) if keys.len() == 1 => return Ok(vec![Ok(())]),
            answers => answers?,
        };
        Ok(keys
            .iter()
            .zip(answers)
            .map(|(key, answer)| match answer {
                Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
                Err(err) => Err(Failure::of(&err, self.place()).into_error(key)),
            })
            .collect())
    }

    /// One answer for each path, or that of all of them.
    async fn delete_once(&self, paths: Vec<Path>) -> Result<Vec<Result<Path, Error>>, Error> {
        let count = paths.len();
        let locations = stream::iter(paths.into_iter().map(Ok)).boxed();
        let mut answers: Vec<_> = self.0.store.delete_stream(locations).collect().await;
        // A request that failed as a whole has one answer.
        let whole = answers.len() == 1 || answers.len() != count;
        match answers.iter().position(Result::is_err) {
            Some(at) if whole => Err(answers.swap_remove(at).err().unwrap_or_else(unanswered)),
            _ if answers.len() != count => Err(unanswered()),
            _ => Ok(answers),
        }
    }
}

fn unanswered() -> Error {
    Error::Generic {
        store: "bucket",
        source: "the store did not say what became of each object".into(),
    }
}
