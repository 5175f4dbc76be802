//! Listings: keys in the order of their bytes, those that share what comes before a delimiter as one.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::Object;

/// Where a listing begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Start {
    #[default]
    Beginning,
    AfterKey(String),
    /// After every key that starts so.
    AfterPrefix(String),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ListQuery {
    pub(crate) prefix: String,
    pub(crate) delimiter: Option<String>,
    pub(crate) start: Start,
    /// Keys and common prefixes together.
    pub(crate) entries_max: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) objects: Vec<(String, Arc<Object>)>,
    pub(crate) prefixes: Vec<String>,
    /// Where the next page begins, if there is more.
    pub(crate) next: Option<Start>,
}

type Objects = BTreeMap<String, Arc<Object>>;

/// What follows all keys that start with `prefix`.
fn after_prefix<'a>(
    objects: &'a Objects,
    prefix: &str,
) -> Box<dyn Iterator<Item = (&'a String, &'a Arc<Object>)> + 'a> {
    // Nearly all of them are below this bound; the rest is stepped over.
    let bound = format!("{prefix}{}", char::MAX);
    let prefix = prefix.to_owned();
    let range = objects.range::<str, _>((Bound::Excluded(bound.as_str()), Bound::Unbounded));
    Box::new(range.skip_while(move |(key, _)| key.starts_with(&prefix)))
}

/// The part of a key up to the first delimiter behind the prefix.
pub(crate) fn common_prefix<'a>(key: &'a str, query: &ListQuery) -> Option<&'a str> {
    let delimiter = query.delimiter.as_deref()?;
    let rest = key.get(query.prefix.len()..)?;
    let at = rest.find(delimiter)?;
    key.get(..query.prefix.len() + at + delimiter.len())
}

pub(super) fn list(objects: &Objects, query: &ListQuery) -> Listing {
    let mut listing = Listing::default();
    if query.entries_max == 0 {
        return listing;
    }
    let from = |bound: Bound<&str>| objects.range::<str, _>((bound, Bound::Unbounded));
    let mut entries: Box<dyn Iterator<Item = _>> = match &query.start {
        Start::AfterKey(key) if key.as_str() >= query.prefix.as_str() => {
            Box::new(from(Bound::Excluded(key.as_str())))
        }
        Start::AfterPrefix(prefix) if prefix.as_str() >= query.prefix.as_str() => {
            after_prefix(objects, prefix)
        }
        _ => Box::new(from(Bound::Included(query.prefix.as_str()))),
    };
    let mut last = Start::Beginning;
    while let Some((key, object)) = entries.next() {
        if !key.starts_with(&query.prefix) {
            break;
        }
        if listing.objects.len() + listing.prefixes.len() == query.entries_max {
            listing.next = Some(last);
            break;
        }
        match common_prefix(key, query) {
            None => {
                listing.objects.push((key.clone(), Arc::clone(object)));
                last = Start::AfterKey(key.clone());
            }
            Some(prefix) => {
                listing.prefixes.push(prefix.to_owned());
                last = Start::AfterPrefix(prefix.to_owned());
                entries = after_prefix(objects, prefix);
            }
        }
    }
    listing
}
