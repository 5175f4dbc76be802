//! XML out, by hand: elements without attributes, and text that comes back as it was.
//!
//! Characters that XML 1.0 has no place for (most control characters) go out as numeric references, as S3
//! sends them; a client that cannot read those asks for `encoding-type=url`.

use std::fmt::Write;

/// A document being written.
pub(crate) struct Xml(String);

impl Xml {
    /// Begins a document and writes `fill`'s elements into its root.
    pub(crate) fn document(root: &str, fill: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self(String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
        let _ = write!(
            xml.0,
            "<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        );
        fill(&mut xml);
        let _ = write!(xml.0, "</{root}>");
        xml.0
    }

    /// Like `document`, without the namespace that errors do not have.
    pub(crate) fn error_document(fill: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self(String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
        xml.nested("Error", fill);
        xml.0
    }

    pub(crate) fn nested(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        let _ = write!(self.0, "<{name}>");
        fill(self);
        let _ = write!(self.0, "</{name}>");
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) {
        let _ = write!(self.0, "<{name}>");
        self.escape(text);
        let _ = write!(self.0, "</{name}>");
    }

    pub(crate) fn number(&mut self, name: &str, number: u64) {
        let _ = write!(self.0, "<{name}>{number}</{name}>");
    }

    fn escape(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&apos;"),
                // A parser would turn these into spaces or line feeds.
                '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                    let _ = write!(self.0, "&#x{:X};", u32::from(c));
                }
                _ => self.0.push(c),
            }
        }
    }
}
