//! A marker over the first line of the screen, such as that of a replay.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::RenderOptions;
use super::theme::StyleRole;
use crate::glyph;
use crate::text::cut;

/// Draws the marker at the left of the first line: what is going on in bold, then the keys.
pub fn render(what: &str, keys: &str, options: &RenderOptions, screen: Rect, buf: &mut Buffer) {
    let style = options.theme.style(StyleRole::Status);
    let [what, keys] = [what, keys].map(|text| if options.ascii { glyph::ascii_text(text) } else { text.to_owned() });
    let room = usize::from(screen.width);
    let what = cut(&format!(" {what} "), room);
    let keys = cut(&format!(" {keys} "), room.saturating_sub(crate::text::width(&what)));
    let line = Rect { height: 1, ..screen }.intersection(buf.area);
    // nothing of the first line stays beside it
    Line::styled(" ".repeat(room), style).render(line, buf);
    Line::from(vec![Span::styled(what, style.bold()), Span::styled(keys, style)]).render(line, buf);
}
