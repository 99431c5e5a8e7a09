//! The lanes at the left of the map: vertical lines for the data between blocks, with a mark for each block.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use crate::scene::{Block, Blocks, MAX_LANES};
use crate::ui::line::DrawLine as _;
use crate::ui::theme::{StyleRole, Theme};

/// Draws the lanes.
pub(super) struct MapLanes<'a> {
    pub blocks: &'a Blocks,
    pub theme: &'a Theme,
    /// `true` in the backward pass.
    pub is_backward: bool,
    /// The number of columns before the first lane.
    pub left: u16,
}

/// The progress of a pass through a block. A pass without steps counts as complete.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PassProgress {
    None,
    Part,
    All,
}

impl PassProgress {
    fn of((done, all): (u64, u64)) -> Self {
        match done {
            _ if done == all => Self::All,
            0 => Self::None,
            _ => Self::Part,
        }
    }

    fn mark(self) -> &'static str {
        match self {
            Self::None => "□",
            Self::Part => "▣",
            Self::All => "■",
        }
    }
}

impl MapLanes<'_> {
    /// Draws the lanes beside a block: its mark, the lines that end in it, and the lines that pass it. The mark is `top` lines below the first row. `forward`
    /// and `backward` are the numbers of done steps and of all steps in each pass.
    pub(super) fn draw(&self, number: usize, [forward, backward]: [(u64, u64); 2], rows: Rect, top: u16, buf: &mut Buffer) {
        let Some(block) = self.blocks.get(number) else { return };
        // as bits, one for each lane: `above` and `below` are the lanes in use before and after the block, `joins` those of the blocks that it reads
        let above = number.checked_sub(1).and_then(|number| self.blocks.get(number)).map_or(0, |block| block.below);
        let has = |bits: u16, lane: usize| bits >> lane & 1 == 1;
        let x_of = |lane: usize| rows.x + self.left + u16::try_from(2 * lane).unwrap_or(0);
        let line_style = self.theme.style(StyleRole::Dim);
        let mut put = |x: u16, y: u16, text: &str, style: Style| {
            if y < rows.bottom() && x < rows.right() {
                buf.set_stringn(x, y, text, 1, style);
            }
        };
        let block_lane = block.lane;
        for lane in 0..MAX_LANES {
            for y in rows.y..rows.y + top {
                if has(above, lane) {
                    let ends_here = y + 1 == rows.y + top && block_lane == Some(lane) && has(block.joins, lane);
                    put(x_of(lane), y, if ends_here { "↓" } else { "│" }, line_style);
                }
            }
            // without a frame, the next block's mark is directly below the last line of this block, so this line ends with the arrow to the mark
            let ends_in_next = self.blocks.get(number + 1).is_some_and(|next| next.lane == Some(lane) && has(next.joins, lane));
            for y in rows.y + top + 1..rows.bottom() {
                if has(block.below, lane) {
                    let ends_here = y + 1 == rows.bottom() && top == 0 && ends_in_next;
                    put(x_of(lane), y, if ends_here { "↓" } else { "│" }, line_style);
                }
            }
        }
        self.draw_joins(&block, above, Rect { y: rows.y + top, height: 1, ..rows }.intersection(rows), buf);
        let (forward, backward) = (PassProgress::of(forward), PassProgress::of(backward));
        let role = match (forward, backward) {
            (PassProgress::None, _) => StyleRole::Dim,
            (PassProgress::All, PassProgress::All | PassProgress::Part) if self.is_backward => StyleRole::Backward,
            _ => StyleRole::Forward,
        };
        // the mark shows the backward pass while it is in progress in this block; otherwise it shows the forward pass
        let state = if backward == PassProgress::Part { PassProgress::Part } else { forward };
        let mark = Rect { x: x_of(block_lane.unwrap_or(self.blocks.lanes)), y: rows.y + top, width: 1, height: 1 }.intersection(rows);
        Line::styled(state.mark(), self.theme.style(role).bold()).draw(mark, buf);
    }

    /// Draws the row of a block's mark. The row has the lines that end in the block or branch off to it, and the lines that pass it. The bits of `above` are
    /// the lanes that are in use before the block.
    fn draw_joins(&self, block: &Block<'_>, above: u16, row: Rect, buf: &mut Buffer) {
        let has = |bits: u16, lane: usize| bits >> lane & 1 == 1;
        let line_style = self.theme.style(StyleRole::Dim);
        let x_of = |lane: usize| row.x + self.left + u16::try_from(2 * lane).unwrap_or(0);
        let mut put = |x: u16, text: &str| {
            if x < row.right() && !row.is_empty() {
                buf.set_stringn(x, row.y, text, 1, line_style);
            }
        };
        let block_lane = block.lane.unwrap_or(self.blocks.lanes);
        let joined = |lane: usize| has(above & block.joins, lane) && lane != block_lane;
        // the ends of the horizontal line: from the leftmost to the rightmost of the joined lanes and the block's own lane
        let (first, last) = ((0..MAX_LANES).find(|lane| joined(*lane)), (0..MAX_LANES).rev().find(|lane| joined(*lane)));
        let (first, last) = (first.unwrap_or(block_lane).min(block_lane), last.unwrap_or(block_lane).max(block_lane));
        for lane in (0..self.blocks.lanes).filter(|lane| *lane != block_lane) {
            let (is_from_above, ends) = (has(above, lane), !has(block.below, lane));
            let is_crossed = first < lane && lane < last;
            let text = match (is_from_above, joined(lane)) {
                (true, true) if lane < block_lane => {
                    if ends {
                        if first < lane { "┴" } else { "╰" }
                    } else if first < lane {
                        "┼"
                    } else {
                        "├"
                    }
                }
                (true, true) => {
                    if ends {
                        if lane < last { "┴" } else { "╯" }
                    } else if lane < last {
                        "┼"
                    } else {
                        "┤"
                    }
                }
                (true, false) => "│",
                (false, _) => {
                    if is_crossed {
                        "─"
                    } else {
                        " "
                    }
                }
            };
            put(x_of(lane), text);
        }
        for lane in first..last {
            let text = if lane + 1 == block_lane {
                "→"
            } else if lane == block_lane {
                "←"
            } else {
                "─"
            };
            put(x_of(lane) + 1, text);
        }
    }
}
