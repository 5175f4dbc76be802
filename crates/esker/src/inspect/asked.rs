//! What was typed: what an object has to be, and where it is.

use esker_storage::cluster_file::CLUSTER_FILE;
use esker_storage::inspect::Class;
use esker_storage::keys::{ObjectKind, parse_end};

use crate::failure::{Failure, Outcome};

/// An object by its key, with a bucket that is named elsewhere or in the object's URL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub bucket_url: Option<String>,
    pub key: String,
}

/// The words in front of the flags.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Asked<'a> {
    pub class: Option<Class>,
    /// A key or a URL.
    pub object: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// Takes `segment OBJECT`, `manifest OBJECT`, `OBJECT` or the first word alone.
    pub(super) fn of(words: &'a [String]) -> Outcome<Self> {
        let (class, object) = match words {
            [] => (None, None),
            [one] => match class(one) {
                Some(class) => (Some(class), None),
                None => (None, Some(&one[..])),
            },
            [first, object, ..] => match class(first) {
                Some(class) => (Some(class), Some(&object[..])),
                None => {
                    return Err(Failure::Usage(format!(
                        "{first:?} is not what an object can be: write segment or manifest before {object}, or nothing"
                    )));
                }
            },
        };
        Ok(Self { class, object })
    }

    /// Where the object is.
    pub(super) fn place(&self) -> Outcome<Place> {
        match (self.object, self.class) {
            (Some(object), _) if object.contains("://") => place_of(object),
            (Some(key), _) => Ok(Place {
                bucket_url: None,
                key: key.to_owned(),
            }),
            (None, class) => {
                let what = class.map_or("object".to_owned(), |class| class.to_string());
                Err(Failure::Usage(format!("which {what}? Write its key or its URL")))
            }
        }
    }
}

fn class(word: &str) -> Option<Class> {
    match word {
        "segment" => Some(Class::Segment),
        "manifest" => Some(Class::Manifest),
        _ => None,
    }
}

/// Cuts an object's URL where its key begins.
fn place_of(url: &str) -> Outcome<Place> {
    let ends_with = |key: &str| url.strip_suffix(key).is_some_and(|rest| rest.ends_with('/'));
    let whole = parse_end(url).map(|(key, _)| url.len() - key.len());
    let cluster_file = ends_with(CLUSTER_FILE).then(|| url.len() - CLUSTER_FILE.len());
    // No key that Esker writes, but in one of its folders.
    let in_folder = || {
        let folders = ObjectKind::ALL.into_iter();
        let begins = folders.filter_map(|kind| url.rfind(&format!("/{}/", kind.folder())));
        begins.max().map(|slash| slash + 1)
    };
    match whole.or(cluster_file).or_else(in_folder) {
        Some(begin) => Ok(Place {
            bucket_url: Some(url[..begin - 1].to_owned()),
            key: url[begin..].to_owned(),
        }),
        None => Err(Failure::Usage(format!(
            "{url} does not end with the key of an object (archive/…, for example): write the key alone, and the \
             bucket as --bucket-url"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "archive/7/33d/00112233445566778899aabbccddeeff/00000000000000000042";

    fn place(object: &str) -> Outcome<(Option<String>, String)> {
        let words = [object.to_owned()];
        Asked::of(&words)?
            .place()
            .map(|place| (place.bucket_url, place.key))
    }

    #[test]
    fn an_objects_url_is_cut_where_its_key_begins() {
        for bucket in [
            "s3://b",
            "s3://b/archive/ingest",
            "gs://b/p",
            "az://b/p",
            "file:///d/e",
        ] {
            for key in [KEY, "cluster.json", "ingest/1/000/other"] {
                let found = place(&format!("{bucket}/{key}")).unwrap();
                assert_eq!(found, (Some(bucket.to_owned()), key.to_owned()));
            }
        }
        assert_eq!(place(KEY).unwrap(), (None, KEY.to_owned()));
        assert!(matches!(place("s3://b/p/notes.txt"), Err(Failure::Usage(_))));
    }

    #[test]
    fn the_first_of_two_words_says_what_it_is() {
        let of = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let asked = Asked::of(&words)?;
            Outcome::Ok((asked.class, asked.object.map(str::to_owned)))
        };
        let key = || Some("k".to_owned());
        assert_eq!(of(&["k"]).unwrap(), (None, key()));
        assert_eq!(of(&["segment", "k"]).unwrap(), (Some(Class::Segment), key()));
        assert_eq!(of(&["manifest", "k"]).unwrap(), (Some(Class::Manifest), key()));
        assert_eq!(of(&["manifest"]).unwrap(), (Some(Class::Manifest), None));
        assert!(matches!(of(&["topic", "k"]), Err(Failure::Usage(_))));
        assert!(
            matches!(place("segment"), Err(Failure::Usage(sentence)) if sentence.starts_with("which segment?"))
        );
    }
}
