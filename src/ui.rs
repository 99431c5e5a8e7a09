//! Floor 8: the screen. Pure functions from a state into a [`Buffer`]; no number is computed here.
//!
//! ```text
//! title                                  iteration · sample · pass · layer    header
//! forward ━━━━━━━━ 112/112  loss ━━ 1/1  backward ━━━━┄┄┄┄ 57/224             timeline
//!
//! ∂C/∂W⁽¹⁾ = a⁽⁰⁾ * δ⁽¹⁾                weight gradient: the input convolved with the error
//!    ∂C/∂w₁₂ =  a₁₂·δ₁₁ + a₁₃·δ₁₂ +[a₂₂·δ₂₁]+ a₂₃·δ₂₂                        equation
//!            =  …
//! ─ matrices ──────────────────────  ─ picture ─────────────────────
//!   the operands and the result        what is connected with what
//! ─ why ────────────────────────────────────────────────────────────
//!   the rule in words
//! grad.conv1.weight[0,0,0,1]  step 57/337                        unit: step   status
//! l → forward  h ← back …                                                     keys
//! ```

pub mod ascii;
pub mod equation;
pub mod export;
pub mod header;
pub mod layout;
pub mod matrix;
mod operand;
pub mod operands;
pub mod ops;
pub mod overlay;
pub mod picker;
pub mod picture;
pub mod status;
pub mod svg;
pub mod theme;
pub mod timeline;
pub mod view;
pub mod words;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::app::{self, Action, Mode, Pane, State};
use crate::network::Id;
use layout::SMALLEST;
use theme::{Role, Theme};
use view::View;

/// How the screen looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Colours and background.
    pub theme: Theme,
    /// Without Unicode.
    pub ascii: bool,
}

/// Draws the whole screen.
pub fn render(state: &State, look: &Look, screen: Rect, buf: &mut Buffer) {
    let theme = &look.theme;
    let screen = screen.intersection(buf.area);
    match View::of(state, look.theme) {
        _ if screen.is_empty() => return,
        Some(_) if screen.width < SMALLEST.0 || screen.height < SMALLEST.1 => too_small(state, theme, screen, buf),
        Some(view) if state.picking.is_none() => stepper(&view, screen, buf),
        _ => {
            let keys = Rect { y: screen.bottom() - 1, height: 1, ..screen };
            picker::render(state, theme, Rect { height: screen.height - 1, ..screen }, buf);
            status::keys(state, theme, keys, buf);
        }
    }
    overlay::render(state, theme, screen, buf);
    if look.ascii {
        ascii::ascii(buf);
    }
}

/// What lies under a place of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A step of the trace.
    Step(u64),
    /// An entry of a tensor: the tensor and the row-major place.
    Entry(Id, usize),
}

/// A pane draws the view into its place.
type Draw = fn(&View<'_>, Rect, &mut Buffer);
/// A pane says what lies under a cell of its place.
type Hit = fn(&View<'_>, Rect, u16, u16) -> Option<Target>;

/// What a click on a cell of the screen does.
#[must_use]
pub fn click(state: &State, screen: Rect, x: u16, y: u16) -> Option<Action> {
    if state.mode() != Mode::Stepper || screen.width < SMALLEST.0 || screen.height < SMALLEST.1 {
        return None;
    }
    let view = View::of(state, Theme::default())?;
    let places = places(&view, screen);
    let panes: [(Hit, Rect); 4] =
        [(timeline::hit, places.timeline), (ops::chain_hit, places.chain), (ops::list_hit, places.ops), (operands::hit, places.operands)];
    let (hit, place) = panes.into_iter().find(|(_, place)| place.contains((x, y).into()))?;
    hit(&view, place, x, y).map(|target| match target {
        Target::Step(step) => Action::Go(step),
        Target::Entry(tensor, entry) => Action::Visit(tensor, entry),
    })
}

/// Where the panes lie, by what they want.
fn places(view: &View<'_>, screen: Rect) -> layout::Places {
    let words = |columns| words::height(view, columns);
    layout::places(screen, view.state.pane, layout::Wants { matrices: operands::width(view), words: &words })
}

fn stepper(view: &View<'_>, screen: Rect, buf: &mut Buffer) {
    let places = places(view, screen);
    let panes: [(Draw, Rect); 9] = [
        (header::render, places.header),
        (timeline::render, places.timeline),
        (ops::chain, places.chain),
        (ops::list, places.ops),
        (equation::render, places.equation),
        (operands::render, places.operands),
        (picture::render, places.picture),
        (words::render, places.words),
        (status::position, places.status),
    ];
    for (draw, place) in panes {
        if !place.is_empty() {
            draw(view, place, buf);
        }
    }
    turned_over(view, &places, buf);
    status::last(view, places.keys, buf);
}

/// Where we are and what would help, on a screen that is too small for the panes.
fn too_small(state: &State, theme: &Theme, screen: Rect, buf: &mut Buffer) {
    let (width, height) = SMALLEST;
    let mut lines = vec![format!("{width}x{height} is the least; this is {}x{}", screen.width, screen.height)];
    if let Some(view) = View::of(state, *theme) {
        let name = view.place();
        lines.insert(0, format!("{name}  step {}/{}", view.at.step, view.trace().len()));
    }
    for (line, row) in lines.into_iter().zip(screen.rows()) {
        Line::raw(crate::text::cut(&line, row.width as usize)).render(row, buf);
    }
}

/// Draws a pane's title on its first line; the rest of its place.
fn titled(title: &str, theme: &Theme, area: Rect, buf: &mut Buffer) -> Rect {
    let title = if title.is_empty() { String::new() } else { format!(" {title} ") };
    let rule = "─".repeat((area.width as usize).saturating_sub(crate::text::width(&title) + 1));
    let line = Line::from(vec![
        Span::styled("─", theme.style(Role::Dim)),
        Span::styled(title, theme.style(Role::Heading)),
        Span::styled(rule, theme.style(Role::Dim)),
    ]);
    line.render(Rect { height: 1.min(area.height), ..area }, buf);
    below_title(area)
}

/// Says at the right end of the panes' first line what Tab shows, where panes share a place.
fn turned_over(view: &View<'_>, places: &layout::Places, buf: &mut Buffer) {
    let hidden = [places.picture, places.words].iter().any(|place| place.is_empty());
    let last = [places.picture, places.words, places.operands].into_iter().find(|place| !place.is_empty());
    let Some(last) = last.filter(|_| hidden) else { return };
    let next = match app::turn(view.state.pane, 1) {
        Pane::Operands => "matrices alone",
        Pane::Picture => "picture",
        Pane::Words => "why",
    };
    let text = format!(" Tab {next} ");
    let wide = u16::try_from(crate::text::width(&text)).unwrap_or(u16::MAX);
    if last.width > wide + 12 {
        let at = Rect { x: last.right() - wide - 1, width: wide, height: 1, ..last };
        Line::from(vec![
            Span::styled(" Tab", view.theme.style(Role::Key)),
            Span::styled(format!(" {next} "), view.theme.style(Role::KeyBar)),
        ])
        .render(at, buf);
    }
}

/// A pane's place without its title.
fn below_title(area: Rect) -> Rect {
    let title = 1.min(area.height);
    Rect { y: area.y + title, height: area.height - title, ..area }
}
