//! Text that others chose, on its way to a terminal: names of groups and members, messages of brokers, keys of objects.
//!
//! Control characters in it would move the cursor, ring, or begin lines that look like ours. Everything that is printed
//! for people passes here; JSON escapes them by itself, and records are printed byte for byte.

use std::borrow::Cow;

/// The text with a space instead of each control character, line ends among them.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    match text.contains(char::is_control) {
        true => Cow::Owned(text.replace(char::is_control, " ")),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(
            plain("\x1b[2Jg\x07\r\nesker: done\u{9b}1m\x7f"),
            " [2Jg   esker: done 1m "
        );
        assert_eq!(plain("größer … 大"), "größer … 大");
    }
}
