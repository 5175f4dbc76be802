//! What the pages are put together from.

/// A line of a table.
pub(super) fn row(cells: &[&str]) -> String {
    let cells: Vec<_> = cells
        .iter()
        .map(|cell| cell.replace('|', "\\|").replace('\n', " "))
        .collect();
    format!("| {} |\n", cells.join(" | ").trim_end())
}

/// The first two lines of a table.
pub(super) fn head(cells: &[&str]) -> String {
    format!("{}{}|\n", row(cells), "|---".repeat(cells.len()))
}

/// Text that is typed or shown as it is.
pub(super) fn code(text: &str) -> String {
    if text.is_empty() {
        "(empty)".to_owned()
    } else {
        format!("`{text}`")
    }
}

/// A name that links lead to: `#name`.
pub(super) fn anchored(name: &str) -> String {
    format!("<a id=\"{name}\"></a>`{name}`")
}

/// A phrase with a full stop.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with('.') {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}
