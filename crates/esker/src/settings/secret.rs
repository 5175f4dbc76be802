//! URLs that may hold a password. They print without it.

use std::fmt;
use std::path::PathBuf;

use esker_metastore::postgres::Address;

/// A URL whose password is for the one who connects, not for logs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretUrl {
    url: String,
    /// Where it is, if it is not here.
    url_file: Option<PathBuf>,
    /// Where its password is, if it has none itself.
    password_file: Option<PathBuf>,
}

impl SecretUrl {
    /// Wraps a URL.
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            url_file: None,
            password_file: None,
        }
    }

    /// The URL that a file holds, or will hold.
    pub(crate) fn in_file(file: PathBuf) -> Self {
        Self {
            url_file: Some(file),
            ..Self::new("")
        }
    }

    /// Whether it holds its password.
    pub(crate) fn has_password(&self) -> bool {
        !self.secrets().is_empty()
    }

    /// With a file that holds its password. The error says what is wrong with that.
    pub(crate) fn with_password_file(self, file: PathBuf) -> Result<Self, String> {
        if !self.secrets().is_empty() {
            return Err("metastore_url holds a password, and metastore_password_file is set as well: give the password in one place".to_owned());
        }
        Ok(Self {
            password_file: Some(file),
            ..self
        })
    }

    /// A database's URL, and where its password is.
    pub(crate) fn address(&self) -> Address {
        Address {
            url: self.url.clone(),
            url_file: self.url_file.clone(),
            password_file: self.password_file.clone(),
        }
    }

    /// The URL with its password: only to connect with.
    pub(crate) fn expose(&self) -> &str {
        &self.url
    }

    /// `text` without this URL's password, should it hold it.
    pub(crate) fn scrub(&self, text: &str) -> String {
        if self.url.is_empty() {
            return text.to_owned();
        }
        let text = text.replace(&self.url, &self.to_string());
        let secrets = self.secrets();
        let longest_first = {
            let mut secrets = secrets;
            secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
            secrets
        };
        longest_first
            .into_iter()
            // Shorter ones are in every other word; what repeats them repeats nothing secret.
            .filter(|secret| secret.len() >= 4)
            .fold(text, |text, secret| text.replace(secret, "***"))
    }

    /// The passwords in the URL: after the user, and of the parameter `password`.
    fn secrets(&self) -> Vec<&str> {
        let mut secrets = Vec::new();
        if let Some((_, password)) = self.userinfo().and_then(|(_, info)| info.split_once(':')) {
            secrets.push(password);
        }
        for parameter in self.url.split_once('?').map_or("", |(_, query)| query).split('&') {
            if let Some((name, value)) = parameter.split_once('=')
                && name.to_ascii_lowercase().contains("password")
            {
                secrets.push(value);
            }
        }
        secrets
    }

    /// Position and text of what stands between `//` and the last `@` of the authority.
    fn userinfo(&self) -> Option<(usize, &str)> {
        let start = self.url.find("://")? + 3;
        let rest = &self.url[start..];
        // A password may hold a slash that its writer forgot to encode; host names hold no `@`.
        let end = rest.rfind('@')?;
        Some((start, &rest[..end]))
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.url_file {
            return write!(f, "the URL in {}", file.display());
        }
        let (head, query) = self
            .url
            .split_once('?')
            .map_or((self.url.as_str(), None), |(h, q)| (h, Some(q)));
        match self.userinfo() {
            Some((start, info)) => {
                let user = info.split(':').next().unwrap_or_default();
                let after = start + info.len();
                let tail = self.url.get(after..head.len().max(after)).unwrap_or_default();
                write!(f, "{}{user}{tail}", &self.url[..start])?;
            }
            None => f.write_str(head)?,
        }
        let shown: Vec<_> = query
            .unwrap_or_default()
            .split('&')
            .filter(|parameter| !parameter.is_empty())
            .filter(|parameter| !parameter.to_ascii_lowercase().contains("password"))
            .collect();
        if shown.is_empty() {
            Ok(())
        } else {
            write!(f, "?{}", shown.join("&"))
        }
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::SecretUrl;

    #[test]
    fn prints_without_the_password() {
        for (url, shown) in [
            (
                "postgres://user:hush-hush@host:5432/db",
                "postgres://user@host:5432/db",
            ),
            ("postgres://user:a/b@c@host/db", "postgres://user@host/db"),
            (
                "postgres://host/db?sslmode=require&password=hush-hush",
                "postgres://host/db?sslmode=require",
            ),
            ("postgres://user@host/db", "postgres://user@host/db"),
            ("sqlite:/var/lib/x.db", "sqlite:/var/lib/x.db"),
        ] {
            let url = SecretUrl::new(url);
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("hush"));
        }
    }

    #[test]
    fn scrubs_what_others_say() {
        let url = SecretUrl::new("postgres://user:hush-hush@host/db");
        assert_eq!(
            url.scrub("cannot parse postgres://user:hush-hush@host/db near hush-hush"),
            "cannot parse postgres://user@host/db near ***"
        );
    }
}
