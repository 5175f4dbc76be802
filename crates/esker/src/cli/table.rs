//! Tables of aligned columns: no borders, so that other programs can read them as well. On a terminal they fit its
//! width, as far as columns can become narrower; elsewhere nothing is cut.

use crate::plain::plain;

/// Narrowest that a column becomes, in characters; longer text is cut with `…`.
const COLUMN_MIN: usize = 8;
/// Between two columns.
const GAP: usize = 2;

/// Rows under a heading.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()],
        }
    }

    /// Adds a row; it has as many cells as there are headings.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// The text: columns as wide as needed, two spaces between them, nothing at the end of a line. With a `width`, the
    /// widest columns are made narrower until a line fits, or all are at their narrowest.
    pub(crate) fn render(&self, width: Option<usize>) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let needed = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let mut widths: Vec<_> = (0..columns).map(needed).collect();
        if let Some(width) = width {
            narrow(&mut widths, width);
        }
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths.get(column).copied().unwrap_or_default();
                line.push_str(&fit(cell, width));
                if column + 1 < columns {
                    line.push_str(&" ".repeat(GAP));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Takes from the widest columns what is too much.
fn narrow(widths: &mut [usize], width: usize) {
    loop {
        let line = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        match widths.iter_mut().max() {
            Some(widest) if line > width && *widest > COLUMN_MIN => *widest -= 1,
            _ => return,
        }
    }
}

fn fit(cell: &str, width: usize) -> String {
    let cell = plain(cell);
    let length = cell.chars().count();
    if length > width {
        let mut cut: String = cell.chars().take(width.saturating_sub(1)).collect();
        cut.push('…');
        return cut;
    }
    format!("{cell}{}", " ".repeat(width - length))
}

#[cfg(test)]
mod tests {
    use super::Table;

    fn table() -> Table {
        let mut table = Table::new(&["NAME", "COUNT", "WHERE"]);
        table.row(["a".repeat(60), "1".into(), "here and there".into()]);
        table.row(["b\n".into(), "22".into(), "c".into()]);
        table
    }

    #[test]
    fn aligns_columns_and_cuts_nothing() {
        let text = table().render(None);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("NAME ") && lines[0].ends_with("  WHERE"));
        assert!(lines[1].contains(&"a".repeat(60)));
        assert_eq!(
            lines[2].chars().position(|c| c == '2'),
            lines[0].chars().position(|c| c == 'C')
        );
    }

    #[test]
    fn fits_a_terminal() {
        for width in [25, 30, 40, 60, 80] {
            let text = table().render(Some(width));
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(width), "{width}: {text}");
            assert!(text.contains('…'), "{width}: {text}");
        }
        // Narrower than columns can be.
        assert!(table().render(Some(5)).contains("aaaaaaa…  1"));
        assert_eq!(table().render(Some(200)), table().render(None));
    }
}
