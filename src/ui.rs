//! Floor 8: draws the screen. Pure functions turn a [`State`] into a [`Buffer`]. They take all numbers from the scene of the step and compute none.
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
//! grad.conv1.weight[0,0,0,1]  step 57/337                        unit: step   status
//! l → forward  h ← back …                                                     keys
//! ```

pub mod ascii;
mod backdrop;
mod chart;
pub mod equation;
pub mod export;
pub mod header;
pub mod layout;
mod losses;
pub mod marker;
pub mod matrix;
mod operand;
pub mod operands;
pub mod ops;
pub mod overlay;
pub mod panes;
pub mod picker;
pub mod picture;
mod popup;
pub mod status;
pub mod svg;
mod tensors;
pub mod theme;
pub mod timeline;
pub mod view;
pub mod watch;
pub mod words;
mod zoom;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::app::{Action, Focus, Screen, State};
use crate::expr::Notation;
use crate::keys::Key;
use crate::network::Id;
use layout::SMALLEST;
use theme::{StyleRole, Theme};
use view::View;

/// The options of drawing, from the command line and the terminal.
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

/// Draws the whole screen.
pub fn render(state: &State, options: &RenderOptions, screen: Rect, buf: &mut Buffer) {
    let theme = &options.theme;
    let screen = screen.intersection(buf.area);
    if screen.is_empty() {
        return;
    }
    match (&state.screen, View::of(state, *options)) {
        (_, Some(view)) if is_too_small(screen) => render_too_small(&view, screen, buf),
        (Screen::Stepper(_), Some(view)) => panes::render(&view, screen, buf),
        _ => {
            let last_line = Rect { y: screen.bottom() - 1, height: 1, ..screen };
            picker::render(state, theme, Rect { height: screen.height - 1, ..screen }, buf);
            status::key_bar(state, theme, last_line, buf);
        }
    }
    popup::render(state, theme, screen, buf);
    overlay::render(state, options, screen, buf);
    if options.ascii {
        ascii::ascii(buf);
    }
}

/// Returns whether a screen is too small for the panes.
fn is_too_small(screen: Rect) -> bool {
    screen.width < SMALLEST.0 || screen.height < SMALLEST.1
}

/// The object under a cell of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClickTarget {
    /// A step of the trace.
    Step(u64),
    /// An entry of a tensor: the tensor and the entry's row-major index.
    Entry(Id, usize),
    /// An iteration.
    Iteration(u64),
}

/// Returns the key of the key bar that is drawn at a cell of the screen.
#[must_use]
pub fn key_at(state: &State, options: &RenderOptions, screen: Rect, x: u16, y: u16) -> Option<Key> {
    let is_last_line = y + 1 == screen.bottom() && x < screen.right();
    let view = View::of(state, *options).filter(|_| is_last_line && !is_too_small(screen) && matches!(state.screen, Screen::Stepper(_)))?;
    status::key_at(&view, Rect { y, height: 1, ..screen }, x)
}

/// Returns the action of a click on the cell in column `x` and row `y` of the screen; `None` if the click does nothing.
#[must_use]
pub fn click(state: &State, options: &RenderOptions, screen: Rect, x: u16, y: u16) -> Option<Action> {
    if state.focus() == Focus::List {
        return overlay::row_at(state, screen, x, y).map(Action::Choose);
    }
    if state.focus() == Focus::Map {
        return overlay::block_at(state, screen, x, y).map(Action::GoToBlock);
    }
    if state.focus() == Focus::Curve {
        return overlay::iteration_at(state, screen, x, y).map(Action::GoToIteration);
    }
    if !matches!(state.focus(), Focus::Normal | Focus::Cursor | Focus::Answer) || is_too_small(screen) {
        return None;
    }
    let view = View::of(state, *options)?;
    panes::hit(&view, screen, x, y).map(|target| match target {
        ClickTarget::Step(step) => Action::GoToStep(step),
        ClickTarget::Entry(tensor, entry) => Action::GoToEntry(tensor, entry),
        ClickTarget::Iteration(iteration) => Action::GoToIteration(iteration),
    })
}

/// Draws the address and the step, and the size that the screen needs to show the panes.
fn render_too_small(view: &View<'_>, screen: Rect, buf: &mut Buffer) {
    let (width, height) = SMALLEST;
    let lines = [
        format!("{}  step {}/{}", view.address(), view.at.step, view.step_count()),
        format!("needs at least {width}x{height}; the terminal is {}x{}", screen.width, screen.height),
    ];
    for (line, row) in lines.into_iter().zip(screen.rows()) {
        Line::raw(crate::text::cut(&line, row.width as usize)).render(row, buf);
    }
}

/// Draws a title on the first line of an area. Returns the area below the title.
fn draw_title(title: &str, theme: &Theme, area: Rect, buf: &mut Buffer) -> Rect {
    let title = if title.is_empty() { String::new() } else { format!(" {title} ") };
    let rule = "─".repeat((area.width as usize).saturating_sub(crate::text::width(&title) + 1));
    let line = Line::from(vec![
        Span::styled("─", theme.style(StyleRole::Dim)),
        Span::styled(title, theme.style(StyleRole::Heading)),
        Span::styled(rule, theme.style(StyleRole::Dim)),
    ]);
    line.render(Rect { height: 1.min(area.height), ..area }, buf);
    below_title(area)
}

/// Returns an area without its first line.
fn below_title(area: Rect) -> Rect {
    let title_height = 1.min(area.height);
    Rect { y: area.y + title_height, height: area.height - title_height, ..area }
}
