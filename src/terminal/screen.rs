//! Draws frames on the terminal. Only the cells that have changed since the last frame are written, in one write.

use std::io;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::pen::Pen;
use super::{TerminalProgram, modes};

/// The largest drawn size, in columns and rows. It limits the memory if a terminal reports a wrong size.
const MAX_SIZE: (u16, u16) = (1000, 500);

/// The frame on the terminal, and the next frame.
pub(super) struct TerminalScreen {
    pen: Pen,
    shown: Buffer,
    next: Buffer,
    /// `true` if the content of the terminal is unknown, so that it must be cleared before the next frame.
    needs_clear: bool,
}

impl TerminalScreen {
    /// A screen of `columns` and `rows` with unknown contents.
    pub(super) fn new((columns, rows): (u16, u16)) -> Self {
        let mut screen = Self { pen: Pen::default(), shown: Buffer::default(), next: Buffer::default(), needs_clear: true };
        screen.resize((columns, rows));
        screen
    }

    /// Sets the size. The content of the terminal is unknown after this, because a terminal can wrap lines when it is resized.
    pub(super) fn resize(&mut self, (columns, rows): (u16, u16)) {
        let area = Rect::new(0, 0, columns.min(MAX_SIZE.0), rows.min(MAX_SIZE.1));
        self.shown = Buffer::empty(area);
        self.next = Buffer::empty(area);
        self.needs_clear = true;
    }

    /// Draws `program` and writes the changes to the terminal.
    pub(super) fn draw(&mut self, program: &dyn TerminalProgram) -> io::Result<()> {
        let area = self.next.area;
        if area.is_empty() {
            return Ok(());
        }
        self.next.reset();
        program.draw(area, &mut self.next);
        if self.needs_clear {
            // default colours, then clear
            self.pen.write(b"\x1b[0m\x1b[2J");
        }
        self.pen.draw(&self.shown, &self.next);
        let bytes = self.pen.take();
        if !bytes.is_empty() {
            modes::write_frame(&bytes)?;
        }
        self.needs_clear = false;
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(())
    }
}
