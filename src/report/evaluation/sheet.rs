//! A table before anybody knows where it will be shown.

use super::words::clean;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Words, from the left.
    Words,
    /// Figures, from the right.
    Figures,
}

/// A table with a heading and notes below it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sheet {
    /// Heading.
    pub(super) title: String,
    /// Columns.
    pub(super) header: Vec<(String, Holds)>,
    /// Cells, as many in each row as there are columns.
    pub(super) rows: Vec<Vec<String>>,
    /// What has to be known to read it right.
    pub(super) notes: Vec<String>,
}

impl Sheet {
    /// An empty table.
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self {
            title: clean(&title.into()),
            header: Vec::new(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// With one more column of words.
    pub(super) fn words(mut self, name: impl Into<String>) -> Self {
        self.header.push((clean(&name.into()), Holds::Words));
        self
    }

    /// With one more column of figures.
    pub(super) fn figures(mut self, name: impl Into<String>) -> Self {
        self.header.push((clean(&name.into()), Holds::Figures));
        self
    }

    /// Adds a row. What is missing stays empty, what is too much is not shown.
    pub(super) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row: Vec<String> = cells.into_iter().map(|cell| clean(&cell)).collect();
        row.resize(self.header.len(), String::new());
        self.rows.push(row);
    }

    /// Adds a row of a name and what it is.
    pub(super) fn fact(&mut self, name: &str, value: impl Into<String>) {
        self.push([name.to_owned(), value.into()]);
    }

    /// Adds a note.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(clean(&note.into()));
    }
}
