//! Tables of aligned columns for terminals: no borders, so that other programs can read them as well.

/// Widest column, in characters; longer text is cut with `…`. The last column is never cut.
const COLUMN_MAX: usize = 48;

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

    /// The text: columns as wide as needed, two spaces between them, nothing at the end of a line.
    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
                .min(COLUMN_MAX)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths.get(column).copied().unwrap_or_default();
                let last = column + 1 == columns;
                line.push_str(&if last { one_line(cell) } else { fit(cell, width) });
                if !last {
                    line.push_str("  ");
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Control characters would break the lines, or the terminal.
fn one_line(cell: &str) -> String {
    cell.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn fit(cell: &str, width: usize) -> String {
    let cell = one_line(cell);
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

    #[test]
    fn aligns_columns_and_cuts_long_ones() {
        let mut table = Table::new(&["NAME", "COUNT"]);
        table.row(["a".repeat(60), "1".into()]);
        table.row(["b\n".into(), "22".into()]);
        let text = table.render();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("NAME ") && lines[0].ends_with("  COUNT"));
        assert!(lines[1].contains("…  1"));
        assert_eq!(
            lines[2].chars().position(|c| c == '2'),
            lines[0].chars().position(|c| c == 'C')
        );
    }
}
