//! Frames: the cells that changed since the last, in one write.

use std::io;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::pen::Pen;
use super::{Program, modes};

/// No real screen is larger; a terminal that claims so costs cells, not memory without end.
const LARGEST: (u16, u16) = (1000, 500);

/// What the terminal shows, and the way to change it.
pub(super) struct Screen {
    pen: Pen,
    shown: Buffer,
    next: Buffer,
    /// What the terminal shows is not known: it is cleared before the next frame.
    unknown: bool,
}

impl Screen {
    /// A screen of `columns` and `rows`, of which nothing is known.
    pub(super) fn new((columns, rows): (u16, u16)) -> Self {
        let mut screen = Self { pen: Pen::default(), shown: Buffer::default(), next: Buffer::default(), unknown: true };
        screen.resize((columns, rows));
        screen
    }

    /// The terminal's new size. Nothing is known of what it shows: it may have wrapped lines.
    pub(super) fn resize(&mut self, (columns, rows): (u16, u16)) {
        let area = Rect::new(0, 0, columns.min(LARGEST.0), rows.min(LARGEST.1));
        self.shown = Buffer::empty(area);
        self.next = Buffer::empty(area);
        self.unknown = true;
    }

    /// Brings the terminal to what `program` draws now.
    pub(super) fn draw(&mut self, program: &dyn Program) -> io::Result<()> {
        let area = self.next.area;
        if area.is_empty() {
            return Ok(());
        }
        self.next.reset();
        program.draw(area, &mut self.next);
        if self.unknown {
            self.pen.write(b"\x1b[0m\x1b[2J");
        }
        self.pen.draw(&self.shown, &self.next);
        let bytes = self.pen.take();
        if !bytes.is_empty() {
            modes::write_frame(&bytes)?;
        }
        self.unknown = false;
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(())
    }
}
