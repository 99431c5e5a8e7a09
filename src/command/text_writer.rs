//! Writes text for people. A row of a tensor is written in chunks, because its whole text would need several times the memory of its numbers.

use std::io;

use crate::number::ColumnFormat;
use crate::tensor::{index_text, len, unravel};

/// A writer of text. It passes one piece of the text after the other to a function.
pub(super) struct TextWriter<'a>(pub &'a mut dyn FnMut(&str) -> io::Result<()>);

/// The largest number of entries in a chunk of a row.
const ENTRIES_AT_ONCE: usize = 1024;

impl TextWriter<'_> {
    /// Writes a text.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        (self.0)(text)
    }

    /// Writes a text and a newline.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.text(text)?;
        self.text("\n")
    }

    /// Writes the rows of a tensor, aligned at the decimal points. If the tensor has several matrices, a line before each of them has its index.
    pub fn matrix(&mut self, shape: &[usize], values: &[f64]) -> io::Result<()> {
        let format = ColumnFormat::of(values.iter().copied());
        let columns = shape.last().copied().unwrap_or(1);
        let rows = if shape.len() > 1 { shape[shape.len() - 2] } else { 1 };
        let outer = &shape[..shape.len().saturating_sub(2)];
        let mut text = String::new();
        for (matrix, values) in values.chunks(rows * columns).enumerate() {
            if len(outer) > 1 {
                self.line(&format!("  {}", index_text(&unravel(matrix, outer))))?;
            }
            for row in values.chunks(columns) {
                let chunks = row.len().div_ceil(ENTRIES_AT_ONCE);
                for (n, chunk) in row.chunks(ENTRIES_AT_ONCE).enumerate() {
                    text.clear();
                    for &value in chunk {
                        text.push_str("  ");
                        text.push_str(&format.cell(value));
                    }
                    // the last cell may end in blanks, which align the decimal points
                    self.text(if n + 1 == chunks { text.trim_end() } else { &text })?;
                }
                self.text("\n")?;
            }
        }
        Ok(())
    }
}
