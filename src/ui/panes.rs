//! The table of the stepper's panes. A pane is a file that draws a [`View`] into an area, and a row here.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::layout::{Dock, PaneLayout, layout};
use super::theme::StyleRole;
use super::view::View;
use super::{ClickTarget, below_title, equation, header, operands, ops, picture, status, timeline, titled, words};
use crate::app::Setting;
use crate::text::width;

/// Returns the click target under a cell of a pane's area, if there is one.
type Hit = fn(&View<'_>, Rect, u16, u16) -> Option<ClickTarget>;

/// A pane.
#[derive(Debug)]
pub struct Pane {
    /// The title on its first line; empty for a pane without one.
    pub title: &'static str,
    /// The edge at which it is docked.
    pub dock: Dock,
    /// Returns the lines that it requests below its title, or the columns if its [`Dock`] is `Left` or `Main`, for a screen and a width. 0 means that it is
    /// hidden or, at `Beside`, that it takes the remaining area.
    pub wants: fn(&View<'_>, Rect, u16) -> u16,
    /// Draws it into its area below its title.
    pub draw: fn(&View<'_>, Rect, &mut Buffer),
    /// Looks up a click in that area.
    pub hit: Option<Hit>,
}

/// All panes in the order in which they are cut from the screen. Panes that share an area are in the order of Tab.
#[rustfmt::skip]
pub static PANES: &[Pane] = &[
    Pane { title: "",         dock: Dock::Top,    wants: line,                              draw: header::render,    hit: None },
    Pane { title: "",         dock: Dock::Top,    wants: line,                              draw: timeline::render,  hit: Some(timeline::hit) },
    Pane { title: "",         dock: Dock::Bottom, wants: line,                              draw: status::last,      hit: None },
    Pane { title: "",         dock: Dock::Bottom, wants: line,                              draw: status::position,  hit: None },
    Pane { title: "",         dock: Dock::Top,    wants: ops::chain_height,                 draw: ops::chain,        hit: Some(ops::chain_hit) },
    gap(|_, screen, _| u16::from(screen.height >= 22)),
    Pane { title: "ops",      dock: Dock::Left,   wants: ops::list_width,                   draw: ops::list,         hit: Some(ops::list_hit) },
    Pane { title: "",         dock: Dock::Top,    wants: |_, _, _| equation::HEIGHT,        draw: equation::render,  hit: None },
    gap(|_, screen, _| u16::from(screen.height >= 30)),
    Pane { title: "picture",  dock: Dock::Beside, wants: |_, _, _| 0,                       draw: picture::render,   hit: None },
    Pane { title: "why",      dock: Dock::Below,  wants: words::height,                     draw: words::render,     hit: None },
    Pane { title: "matrices", dock: Dock::Main,   wants: |view, _, _| operands::width(view), draw: operands::render,  hit: Some(operands::hit) },
];

/// An empty pane between two others.
const fn gap(wants: fn(&View<'_>, Rect, u16) -> u16) -> Pane {
    Pane { title: "", dock: Dock::Top, wants, draw: |_, _, _| {}, hit: None }
}

fn line(_: &View<'_>, _: Rect, _: u16) -> u16 {
    1
}

impl Pane {
    /// Returns the lines or columns that it requests; lines include its title.
    fn wants(&self, view: &View<'_>, screen: Rect, columns: u16) -> u16 {
        let wanted = (self.wants)(view, screen, columns);
        let title = wanted > 0 && !self.title.is_empty() && !matches!(self.dock, Dock::Left | Dock::Main);
        wanted.saturating_add(title.into())
    }
}

/// Returns the areas of all panes.
fn pane_layout(view: &View<'_>, screen: Rect) -> PaneLayout {
    let docks: Vec<Dock> = PANES.iter().map(|pane| pane.dock).collect();
    let front = |count| view.state.settings.choice(Setting::Pane, count);
    layout(&docks, screen, &front, &|n, columns| PANES[n].wants(view, screen, columns))
}

/// Draws all panes.
pub fn render(view: &View<'_>, screen: Rect, buf: &mut Buffer) {
    let layout = pane_layout(view, screen);
    for (pane, place) in PANES.iter().zip(&layout.places).filter(|(_, place)| !place.is_empty()) {
        let inner = if pane.title.is_empty() { *place } else { titled(pane.title, &view.theme, *place, buf) };
        (pane.draw)(view, inner, buf);
    }
    name_next(view, &layout, buf);
}

/// Returns the click target under a cell of the screen.
#[must_use]
pub fn hit(view: &View<'_>, screen: Rect, x: u16, y: u16) -> Option<ClickTarget> {
    let at = (x, y).into();
    let places = pane_layout(view, screen).places;
    let (pane, place) = PANES.iter().zip(places).find(|(_, place)| place.contains(at))?;
    let inner = if pane.title.is_empty() { place } else { below_title(place) };
    pane.hit.filter(|_| inner.contains(at)).and_then(|hit| hit(view, inner, x, y))
}

/// Writes the name of the pane that Tab shows next, at the right end of the title in the shared area.
fn name_next(view: &View<'_>, layout: &PaneLayout, buf: &mut Buffer) {
    let (place, next) = (layout.places[layout.front], &PANES[layout.next]);
    if layout.front == layout.next {
        return;
    }
    let alone = if next.dock == Dock::Main { " alone" } else { "" };
    let next = format!(" {}{alone} ", next.title);
    let wide = u16::try_from(width(" Tab") + width(&next)).unwrap_or(u16::MAX);
    if place.width > wide + 12 {
        let at = Rect { x: place.right() - wide - 1, width: wide, height: 1, ..place };
        Line::from(vec![Span::styled(" Tab", view.theme.style(StyleRole::Key)), Span::styled(next, view.theme.style(StyleRole::KeyBar))])
            .render(at, buf);
    }
}
