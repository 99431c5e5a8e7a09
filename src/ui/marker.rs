//! Lines about a replay: a marker over the first line of the screen, and a caption below the last one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::RenderOptions;
use super::line::DrawLine as _;
use super::theme::StyleRole;
use super::typed_line::typed_line;
use crate::glyph;
use crate::keys::{self, Key};
use crate::text::cut;

/// The texts of a marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker<'a> {
    /// The state of the replay: `replay 3/40, paused`.
    pub what: String,
    /// The text that the user types; `None` if no line is open.
    pub typed: Option<&'a str>,
    /// The text that names the keys.
    pub keys: &'a str,
}

/// Draws a marker over the first line: the state of the replay, the typed text if a line is open, and the keys.
pub fn render(marker: &Marker<'_>, options: &RenderOptions, screen: Rect, buf: &mut Buffer) {
    let style = options.theme.style(StyleRole::Status);
    let [what, keys] = [&*marker.what, marker.keys].map(|text| if options.ascii { glyph::ascii_text(text) } else { text.to_owned() });
    let room = usize::from(screen.width);
    let what = format!(" {what} ");
    let mut texts = match marker.typed {
        Some(typed) => typed_line(&what, typed, typed.chars().count(), room, &options.theme),
        None => Line::from(Span::styled(cut(&what, room), style.bold())),
    };
    let keys = cut(&format!(" {keys} "), room.saturating_sub(texts.width()));
    texts.push_span(Span::styled(keys, style));
    let line = Rect { height: 1, ..screen }.intersection(buf.area);
    // clears the whole first line
    Line::styled(" ".repeat(room), style).draw(line, buf);
    texts.draw(line, buf);
}

/// Returns a frame with two more lines below it: a blank one, and a caption with the key that was pressed and the name of its command. Without a key, the
/// caption is empty.
#[must_use]
pub fn with_caption(mut frame: Buffer, key: Option<(Key, Option<&str>)>, options: &RenderOptions) -> Buffer {
    let screen = frame.area;
    frame.resize(Rect { height: screen.height.saturating_add(2), ..screen });
    let Some((key, name)) = key else { return frame };
    let shown = |text: String| if options.ascii { glyph::ascii_text(&text) } else { text };
    let key = Span::styled(shown(format!(" {} ", keys::shown(&key.to_string()))), options.theme.style(StyleRole::Status).bold());
    let name = Span::styled(shown(name.map_or_else(String::new, |name| format!(" {name}"))), options.theme.style(StyleRole::KeyBar));
    let line = Rect { x: screen.x + 1, y: screen.bottom() + 1, width: screen.width.saturating_sub(2), height: 1 }.intersection(frame.area);
    Line::from(vec![key, name]).draw(line, &mut frame);
    frame
}
