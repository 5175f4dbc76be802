//! Standard output: whole pieces, quiet when the reader went away.

use std::io::Write;

use serde::Serialize;

use super::table::Table;
use crate::failure::{Failure, Outcome};
use crate::plain::plain;

/// Writes bytes and flushes them.
pub(crate) fn write(bytes: &[u8]) -> Outcome {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|error| Failure::of_output(&error))
}

/// Prints a value as JSON, one document.
pub(crate) fn json(value: &impl Serialize) -> Outcome {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::Failed(format!("cannot print JSON: {error}")))?;
    text.push('\n');
    write(text.as_bytes())
}

/// Prints a table; on a terminal it fits.
pub(crate) fn table(table: &Table) -> Outcome {
    write(table.render(terminal_width()).as_bytes())
}

/// Columns of the terminal that the output goes to, if it does.
fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// Prints one line.
pub(crate) fn line(text: &str) -> Outcome {
    lines([text])
}

/// Prints lines.
pub(crate) fn lines<T: AsRef<str>>(lines: impl IntoIterator<Item = T>) -> Outcome {
    let mut text = String::new();
    for line in lines {
        text.push_str(&plain(line.as_ref()));
        text.push('\n');
    }
    write(text.as_bytes())
}

/// Tells whoever runs the command something beside the output.
pub(crate) fn say(text: &str) {
    eprintln!("{}", plain(text));
}

/// A number of things, in words.
pub(crate) fn counted(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
