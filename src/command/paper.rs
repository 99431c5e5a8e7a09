//! A writer of text for people. It writes a tensor in pieces of a row, because the whole text would be several times as large as the numbers.

use std::io;

use crate::number::Format as Numbers;
use crate::tensor::{index_text, len, unravel};

/// A writer of text for people. It calls a function with each piece of the text.
pub(super) struct Paper<'a>(pub &'a mut dyn FnMut(&str) -> io::Result<()>);

/// The number of entries of a row that are written at once.
const AT_ONCE: usize = 1024;

impl Paper<'_> {
    /// Writes a text.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        (self.0)(text)
    }

    /// Writes a text and a newline.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.text(text)?;
        self.text("\n")
    }

    /// Writes the rows of a tensor, aligned at the decimal points. A tensor of several matrices has a line with the index before each.
    pub fn matrix(&mut self, shape: &[usize], values: &[f64]) -> io::Result<()> {
        let numbers = Numbers::of(values.iter().copied());
        let columns = shape.last().copied().unwrap_or(1);
        let rows = if shape.len() > 1 { shape[shape.len() - 2] } else { 1 };
        let outer = &shape[..shape.len().saturating_sub(2)];
        let mut text = String::new();
        for (place, values) in values.chunks(rows * columns).enumerate() {
            if len(outer) > 1 {
                self.line(&format!("  {}", index_text(&unravel(place, outer))))?;
            }
            for row in values.chunks(columns) {
                let pieces = row.len().div_ceil(AT_ONCE);
                for (n, piece) in row.chunks(AT_ONCE).enumerate() {
                    text.clear();
                    for &value in piece {
                        text.push_str("  ");
                        text.push_str(&numbers.cell(value));
                    }
                    self.text(if n + 1 == pieces { text.trim_end() } else { &text })?;
                }
                self.text("\n")?;
            }
        }
        Ok(())
    }
}
