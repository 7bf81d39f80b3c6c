//! Columns for a terminal.

use std::fmt;

/// What stands between two columns.
const GAP: &str = "  ";

/// Rows of cells under headings, each column as wide as its widest cell.
///
/// Widths count characters; what v6tun shows in tables (names, addresses, keys) has no wide ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    rows: Vec<Vec<String>>,
    columns: usize,
}

impl Table {
    /// An empty table with these headings.
    #[must_use]
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self { rows: vec![headings.map(str::to_owned).to_vec()], columns: N }
    }

    /// Adds a row. A missing cell is empty; what exceeds the headings is dropped.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) -> &mut Self {
        let mut row: Vec<String> = cells.into_iter().map(Into::into).take(self.columns).collect();
        row.resize(self.columns, String::new());
        self.rows.push(row);
        self
    }

    /// Whether there are no rows under the headings.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max();
        (0..self.columns).map(|column| width(column).unwrap_or(0)).collect()
    }
}

impl fmt::Display for Table {
    /// One line a row, each ended by a newline, no white space before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            writeln!(f, "{}", cells.collect::<Vec<_>>().join(GAP).trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["name", "address", "key"]);
        table.row(["pc", "2001:db8::2330", "hSDwCYkw…"]).row(["näher", "::", ""]);
        let expected = "\
name   address         key
pc     2001:db8::2330  hSDwCYkw…
näher  ::
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn a_row_has_as_many_cells_as_there_are_headings() {
        let mut table = Table::new(["a", "b"]);
        assert!(table.is_empty());
        table.row(["1"]).row(["1", "2", "3"]);
        assert!(!table.is_empty());
        assert_eq!(table.to_string(), "a  b\n1\n1  2\n");
    }
}
