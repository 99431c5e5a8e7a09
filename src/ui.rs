//! Floor 8: draws the screen. Functions without side effects turn a [`State`] into a [`Buffer`], a table of characters and colours. The numbers of tensors come
//! from the scene of the step.
//!
//! ```text
//! title                                  iteration · sample · pass · layer    header
//! forward ━━━━━━━━ 112/112  loss ━━ 1/1  backward ━━━━┄┄┄┄ 57/224             timeline
//!
//! ∂C/∂W⁽¹⁾ = a⁽⁰⁾ * δ⁽¹⁾                weight gradient: the input convolved with the error
//!    ∂C/∂w₁₂ =  a₁₂·δ₁₁  +  a₁₃·δ₁₂  + [a₂₂·δ₂₁] +  a₂₃·δ₂₂                  equation
//!            =  …
//! ─ matrices ──────────────────────  ─ picture ─────────────────────
//!   the operands and the result        neurons and their edges
//! ─ why ────────────────────────────────────────────────────────────
//!   the rule in words
//! grad.conv1.weight[0,0,0,1]  step 170/337                       unit: step   status
//! l → forward  h ← back …                                                     keys
//! ```

pub mod animation;
pub mod ascii;
mod backdrop;
mod chart;
pub mod comparison;
pub mod equation;
pub mod export;
pub mod header;
pub mod hints;
pub mod layout;
mod line;
mod losses;
pub mod marker;
pub mod matrix;
mod notice;
mod operand;
pub mod operands;
pub mod ops;
pub mod overlay;
pub mod panes;
pub mod picker;
pub mod picture;
mod popup;
pub mod statement;
pub mod status;
pub mod svg;
mod tensors;
pub mod theme;
pub mod timeline;
mod typed_line;
pub mod view;
pub mod watch;
pub mod words;
mod zoom;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use self::line::DrawLine as _;
use crate::app::{Action, Curves, Focus, Screen, State};
use crate::expr::Notation;
use crate::keys::{self, Key};
use crate::network::Id;
use layout::SMALLEST;
use theme::{StyleRole, Theme};
use view::StepView;

/// Options for drawing. They come from the command line and the terminal.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenderOptions {
    /// Colours and background.
    pub theme: Theme,
    /// `true` if only ASCII characters are drawn.
    pub ascii: bool,
}

impl RenderOptions {
    /// Returns the notation of equations.
    #[must_use]
    pub fn notation(&self) -> Notation {
        if self.ascii { Notation::Ascii } else { Notation::Unicode }
    }
}

/// Returns a chart of curves as text of this many columns and rows, without colours.
#[must_use]
pub fn chart_text(curves: &Curves, (columns, rows): (u16, u16), is_ascii: bool) -> String {
    let area = Rect::new(0, 0, columns, rows);
    let mut buf = Buffer::empty(area);
    let theme = Theme { colours: theme::Colours::None, ..Theme::default() };
    chart::Chart { curves, is_log: false, begins_at_zero: true, marker: None, theme: &theme }.render(area, &mut buf);
    if is_ascii {
        ascii::ascii(&mut buf);
    }
    // without the blank lines above the chart
    export::text(&buf).trim_start_matches('\n').to_owned()
}

/// Draws the whole screen.
pub fn render(state: &State, options: &RenderOptions, screen: Rect, buf: &mut Buffer) {
    let theme = &options.theme;
    let screen = screen.intersection(buf.area);
    if screen.is_empty() {
        return;
    }
    let view = StepView::of(state, *options);
    let stepper = view.as_ref().filter(|_| matches!(state.screen, Screen::Stepper(_)));
    match stepper {
        Some(view) if is_too_small(screen) => render_too_small(view, screen, buf),
        Some(view) => panes::render(view, screen, buf),
        None => {
            let last_line = Rect { y: screen.bottom() - 1, height: 1, ..screen };
            picker::render(state, theme, above_last_line(screen), buf);
            status::key_bar(state, theme, last_line, buf);
        }
    }
    popup::render(state, theme, screen, buf);
    overlay::render(state, options, screen, buf);
    if let Some(view) = stepper.filter(|_| !is_too_small(screen)) {
        notice::render(view, screen, buf);
    }
    if options.ascii {
        ascii::ascii(buf);
    }
}

/// Returns whether a screen is too small for the panes.
fn is_too_small(screen: Rect) -> bool {
    screen.width < SMALLEST.0 || screen.height < SMALLEST.1
}

/// The object that is drawn at a cell of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClickTarget {
    /// A step of the trace.
    Step(u64),
    /// An entry of a tensor: the tensor and the entry's row-major index.
    Entry(Id, usize),
    /// A row of the part of the screen with the focus: a row of a list, a block of the map, an iteration of the curve, a scenario of the picker, or a text
    /// above the prompt.
    Row(usize),
    /// A text that names a key.
    Key(Key),
}

impl ClickTarget {
    /// Returns the action of a click on the target.
    #[must_use]
    pub fn action(self, state: &State) -> Option<Action> {
        match self {
            Self::Step(step) => Some(Action::GoToStep(step)),
            Self::Entry(tensor, entry) => Some(Action::GoToEntry(tensor, entry)),
            Self::Row(row) => Some(Action::Choose(row)),
            Self::Key(key) => keys::action(state, key),
        }
    }
}

/// Returns the target of a click on the cell in column `x` and row `y` of the screen. Returns `None` if there is nothing to click.
#[must_use]
pub fn click(state: &State, options: &RenderOptions, screen: Rect, x: u16, y: u16) -> Option<ClickTarget> {
    let last_line = Rect { y: screen.bottom().saturating_sub(1), height: 1, ..screen }.intersection(screen);
    let view = StepView::of(state, *options);
    let stepper = view.as_ref().filter(|_| matches!(state.screen, Screen::Stepper(_)));
    if last_line.contains((x, y).into()) {
        return match stepper {
            Some(view) if !is_too_small(screen) => status::key_at(view, last_line, x),
            _ => status::bar_key_at(state, last_line, x),
        }
        .map(ClickTarget::Key);
    }
    match state.focus() {
        _ if stepper.is_some_and(|view| !is_too_small(screen) && notice::contains(view, screen, x, y)) => None,
        Focus::List | Focus::Map | Focus::Curve | Focus::Overlay => overlay::hit(state, screen, x, y),
        Focus::Prompt => popup::row_at(state, screen, x, y).map(ClickTarget::Row),
        Focus::Picker | Focus::Filter => picker::scenario_at(state, above_last_line(screen), x, y).map(ClickTarget::Row),
        Focus::Normal | Focus::Cursor | Focus::Answer if is_too_small(screen) => None,
        // the prompt of a question has nothing to click, so the click is on a pane
        Focus::Normal | Focus::Cursor | Focus::Answer => panes::hit(stepper?, screen, x, y),
    }
}

/// Returns a screen without its last line.
fn above_last_line(screen: Rect) -> Rect {
    Rect { height: screen.height.saturating_sub(1), ..screen }
}

/// Draws the stepper on a screen that is too small for its panes: the message, the address and the step, the size that it needs, and the keys or the prompt.
/// Texts are wrapped. If there is no room for all, the last ones are left out.
fn render_too_small(view: &StepView<'_>, screen: Rect, buf: &mut Buffer) {
    let (width, height) = SMALLEST;
    let message = view.state.message.as_ref().filter(|message| !message.is_hint).map(|message| message.text.clone());
    let texts = message.into_iter().chain([
        format!("{}  step {}/{}", view.address(), view.at.step, view.step_count()),
        format!("needs {width}x{height}, has {}x{}", screen.width, screen.height),
    ]);
    let last_line = Rect { y: screen.bottom() - 1, height: 1, ..screen };
    let has_keys = screen.height > 2;
    let rows = if has_keys { above_last_line(screen) } else { screen };
    for (line, row) in texts.flat_map(|text| crate::text::wrap(&text, screen.width.into())).zip(rows.rows()) {
        Line::raw(line).draw(row, buf);
    }
    if has_keys {
        status::key_bar(view.state, &view.theme, last_line, buf);
    }
}

/// Draws a title on the first line of an area. Returns the area below the title.
fn draw_title(title: &str, theme: &Theme, area: Rect, buf: &mut Buffer) -> Rect {
    let line = Rect { height: 1.min(area.height), ..area }.intersection(buf.area);
    let begin = line.x + 1.min(line.width);
    let end = if title.is_empty() || line.height == 0 {
        begin
    } else {
        line::put_text(buf, [begin, line.y], &format!(" {title} "), line.right() - begin, theme.style(StyleRole::Heading))
    };
    let dim = theme.style(StyleRole::Dim);
    line::fill(buf, Rect { width: begin - line.x, ..line }, '─', dim);
    line::fill(buf, Rect { x: end, width: line.right() - end, ..line }, '─', dim);
    below_title(area)
}

/// Returns an area without its first line.
fn below_title(area: Rect) -> Rect {
    let title_height = 1.min(area.height);
    Rect { y: area.y + title_height, height: area.height - title_height, ..area }
}
