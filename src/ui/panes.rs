//! The table of the stepper's panes. Each pane has a row in the table, and a file that draws a [`StepView`] into an area.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::hints::Hints;
use super::layout::{Dock, PaneLayout, layout};
use super::line::DrawLine as _;
use super::theme::StyleRole;
use super::view::StepView;
use super::{
    ClickTarget, below_title, draw_title, equation, header, losses, operands, ops, picture, statement, status, tensors, timeline, watch,
    words, zoom,
};
use crate::app::{Focus, Setting};

/// A function that returns the click target under a cell of a pane's area, if there is one.
type HitTest = fn(&StepView<'_>, Rect, u16, u16) -> Option<ClickTarget>;

/// A pane.
#[derive(Debug)]
pub struct Pane {
    /// The title on the first line; empty for a pane without a title.
    pub title: &'static str,
    /// The part of the screen in which the pane is.
    pub dock: Dock,
    /// Returns the number of lines that the pane requests below its title, given the view, the screen, and the area in which the pane may be. For a pane at an
    /// edge, this is the whole screen. If its [`Dock`] is `Left` or `Main`, it is a number of columns. A pane that requests 0 is hidden, except a pane
    /// `Beside`, which gets the area that is left.
    pub wants: fn(&StepView<'_>, Rect, Rect) -> u16,
    /// Draws the pane into an area, below the title.
    pub draw: fn(&StepView<'_>, Rect, &mut Buffer),
    /// Returns the target of a click in the same area; `None` if clicks on the pane do nothing.
    pub hit: Option<HitTest>,
}

/// All panes in the order in which they are cut from the screen. Tab shows panes that share an area in this order.
#[rustfmt::skip]
pub static PANES: &[Pane] = &[
    Pane { title: "",         dock: Dock::Top,    wants: one_line,                              draw: header::render,    hit: Some(header::hit) },
    Pane { title: "",         dock: Dock::Top,    wants: one_line,                              draw: timeline::render,  hit: Some(timeline::hit) },
    Pane { title: "",         dock: Dock::Bottom, wants: one_line,                              draw: status::last_line,      hit: None },
    Pane { title: "",         dock: Dock::Bottom, wants: one_line,                              draw: status::status_line,  hit: None },
    Pane { title: "",         dock: Dock::Bottom, wants: watch::height,                         draw: watch::render,        hit: Some(watch::hit) },
    Pane { title: "",         dock: Dock::Top,    wants: ops::chain_height,                 draw: ops::chain,        hit: Some(ops::chain_hit) },
    gap(statement::gap_height),
    Pane { title: "ops",      dock: Dock::Left,   wants: ops::list_width,                   draw: ops::list,         hit: Some(ops::list_hit) },
    Pane { title: "",         dock: Dock::Top,    wants: statement::height,                     draw: statement::render, hit: None },
    Pane { title: "",         dock: Dock::Top,    wants: equation::height,                draw: equation::render,  hit: Some(equation::hit) },
    gap(|_, screen, _| u16::from(screen.height >= 30)),
    Pane { title: "picture",  dock: Dock::Beside, wants: |_, _, _| 0,                       draw: picture::render,   hit: Some(picture::hit) },
    Pane { title: "why",      dock: Dock::Below,  wants: words::height,                     draw: words::render,     hit: None },
    Pane { title: "other tensors", dock: Dock::Under, wants: |view, screen, room| tensors::height(view, screen, room, operands::filled_lines(view, room)), draw: tensors::render, hit: Some(tensors::hit) },
    Pane { title: "loss so far", dock: Dock::UnderBeside, wants: losses::height,            draw: losses::render,    hit: Some(losses::hit) },
    Pane { title: "matrices", dock: Dock::Main,   wants: operands::width, draw: operands::render,  hit: Some(operands::hit) },
];

/// The panes if the setting `Zoom` is on.
#[rustfmt::skip]
static ZOOMED: &[Pane] = &[
    Pane { title: "", dock: Dock::Top,    wants: one_line,     draw: header::render,      hit: None },
    Pane { title: "", dock: Dock::Bottom, wants: one_line,     draw: status::last_line,   hit: None },
    Pane { title: "", dock: Dock::Bottom, wants: one_line,     draw: status::status_line, hit: None },
    gap(|_, _, _| 1),
    Pane { title: "", dock: Dock::Top,    wants: zoom::height, draw: zoom::equation,      hit: None },
    Pane { title: "", dock: Dock::Beside, wants: |_, _, _| 0,  draw: zoom::matrices,      hit: None },
];

/// Returns the table for the current settings.
fn table(view: &StepView<'_>) -> &'static [Pane] {
    if view.state.settings.is_on(Setting::Zoom) { ZOOMED } else { PANES }
}

/// Returns an empty pane, which puts blank lines between two others.
const fn gap(wants: fn(&StepView<'_>, Rect, Rect) -> u16) -> Pane {
    Pane { title: "", dock: Dock::Top, wants, draw: |_, _, _| {}, hit: None }
}

/// Requests one line.
fn one_line(_: &StepView<'_>, _: Rect, _: Rect) -> u16 {
    1
}

impl Pane {
    /// Returns the number of lines or columns that the pane requests. Lines include the title.
    fn wants(&self, view: &StepView<'_>, screen: Rect, room: Rect) -> u16 {
        let wanted = (self.wants)(view, screen, room);
        let has_title_line = wanted > 0 && !self.title.is_empty() && !matches!(self.dock, Dock::Left | Dock::Main);
        wanted.saturating_add(has_title_line.into())
    }
}

/// Returns the areas of all panes.
fn pane_layout(view: &StepView<'_>, screen: Rect) -> PaneLayout {
    let panes = table(view);
    let docks: Vec<Dock> = panes.iter().map(|pane| pane.dock).collect();
    // the pane `why` is in front while it shows the effect of an edit, or the question of prediction
    let is_answering = view.state.focus() == Focus::Answer;
    let mut shared = panes.iter().filter(|pane| matches!(pane.dock, Dock::Beside | Dock::Below));
    let why_index = shared.position(|pane| pane.dock == Dock::Below).filter(|_| is_answering || view.stepper.shown_effect().is_some());
    // of the `shared_count` panes that share an area, the index of the one in front; on a roomy screen the pane `why` has its own area and is not among them
    let front = |shared_count: usize| {
        why_index.filter(|index| *index < shared_count).unwrap_or_else(|| view.state.settings.choice(Setting::Pane, shared_count))
    };
    layout(&docks, screen, &front, &|n, room| panes[n].wants(view, screen, room))
}

/// Draws all panes.
pub fn render(view: &StepView<'_>, screen: Rect, buf: &mut Buffer) {
    let layout = pane_layout(view, screen);
    for (pane, area) in table(view).iter().zip(&layout.areas).filter(|(_, area)| !area.is_empty()) {
        let inner = if pane.title.is_empty() { *area } else { draw_title(pane.title, &view.theme, *area, buf) };
        (pane.draw)(view, inner, buf);
    }
    if let Some((place, hints)) = next_pane(view, &layout) {
        hints.line(&view.theme).draw(place, buf);
    }
}

/// Returns the click target under a cell of the screen.
#[must_use]
pub fn hit(view: &StepView<'_>, screen: Rect, x: u16, y: u16) -> Option<ClickTarget> {
    let cell = (x, y).into();
    let layout = pane_layout(view, screen);
    let areas = layout.areas.iter().copied();
    let (pane, area) = table(view).iter().zip(areas).find(|(_, area)| area.contains(cell))?;
    if let Some(key) = next_pane(view, &layout).and_then(|(place, hints)| hints.key_at(place.x.into(), x).filter(|_| place.contains(cell)))
    {
        return Some(ClickTarget::Key(key));
    }
    let inner = if pane.title.is_empty() { area } else { below_title(area) };
    pane.hit.filter(|_| inner.contains(cell)).and_then(|hit| hit(view, inner, x, y))
}

/// Returns the name of the pane that Tab shows next, and the area for it at the right end of the title.
fn next_pane(view: &StepView<'_>, layout: &PaneLayout) -> Option<(Rect, Hints)> {
    let (shared_area, next) = (layout.areas[layout.front], &table(view)[layout.next]);
    let alone = if next.dock == Dock::Main { " alone" } else { "" };
    let hints = Hints::default().key(StyleRole::Key, "<Tab>", " Tab").key(StyleRole::KeyBar, "<Tab>", format!(" {}{alone} ", next.title));
    let wide = u16::try_from(hints.width()).unwrap_or(u16::MAX);
    // at least 12 columns must remain for the title of the pane in front
    let has_room = layout.front != layout.next && shared_area.width > wide.saturating_add(12);
    has_room.then(|| (Rect { x: shared_area.right() - wide - 1, width: wide, height: 1, ..shared_area }, hints))
}
