//! The ops: those of the pass as a chain in one line, or those of the sample as a list.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::network::Id;
use crate::step::Pass;
use crate::tensor::shape_text;
use crate::ui::Target;
use crate::ui::theme::Role;
use crate::ui::view::{View, cut, width};

/// An op in the chain: its tensor, its column, its first step.
struct Link {
    id: Id,
    x: usize,
    step: u64,
}

/// Between two ops of the chain, and before the first where there are more.
const ARROW: &str = " → ";
const EARLIER: &str = "… → ";

/// The ops of this pass that fit a line, the current one among them; whether there are earlier ones.
fn links(view: &View<'_>, room: usize) -> (Vec<Link>, bool) {
    let in_pass = |(stretch, id, _): &(usize, Id, _)| *stretch == view.at.stretch && pass_of(view, *id) == view.step.pass;
    let ops: Vec<_> = view.trace().ops().filter(in_pass).collect();
    let here = ops.iter().position(|(_, id, _)| *id == view.output).unwrap_or(0);
    let wide = |i: usize| width(&view.network().tensor(ops[i].1).name) + width(ARROW);
    let mut first = here;
    let mut used = wide(here) + width(EARLIER);
    while first > 0 && used + wide(first - 1) <= room {
        first -= 1;
        used += wide(first);
    }
    let mut x = if first > 0 { width(EARLIER) } else { 0 };
    let mut links = Vec::new();
    for (i, (_, id, steps)) in ops.iter().enumerate().skip(first) {
        links.push(Link { id: *id, x, step: steps.start });
        x += wide(i);
    }
    (links, first > 0)
}

/// The ops of this pass in one line, the current one in view.
pub fn chain(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let (links, earlier) = links(view, area.width as usize);
    let here = links.iter().position(|link| link.id == view.output).unwrap_or(0);
    let dim = view.theme.style(Role::Dim);
    let mut spans = vec![Span::styled(if earlier { EARLIER } else { "" }, dim)];
    for (i, link) in links.iter().enumerate() {
        if i > 0 {
            spans.push(Span::styled(ARROW, dim));
        }
        let style = match i.cmp(&here) {
            std::cmp::Ordering::Less => view.theme.style(view.pass_role()),
            std::cmp::Ordering::Equal => view.theme.style(Role::Step),
            std::cmp::Ordering::Greater => dim,
        };
        spans.push(Span::styled(view.network().tensor(link.id).name.to_string(), style));
    }
    let line = Line::from(spans);
    let cut = line.width() > area.width as usize && !area.is_empty();
    line.render(area, buf);
    if cut && let Some(end) = buf.cell_mut((area.right() - 1, area.y)) {
        end.set_symbol("…").set_style(dim);
    }
}

/// The op under a column of the chain.
#[must_use]
pub fn chain_hit(view: &View<'_>, area: Rect, x: u16, _y: u16) -> Option<Target> {
    let x = usize::from(x - area.x);
    let (links, _) = links(view, area.width as usize);
    links.iter().rev().find(|link| link.x <= x).map(|link| Target::Step(link.step))
}

fn pass_of(view: &View<'_>, id: usize) -> Pass {
    view.network().made_by(id).map_or(Pass::Forward, |number| view.network().ops()[number].pass)
}

/// The ops of the sample that fit so many rows, and the place of the current one among them.
fn listed(view: &View<'_>, rows: usize) -> (Vec<(Id, u64)>, usize) {
    let of_sample = view.trace().ops().filter(|(stretch, ..)| *stretch == view.at.stretch);
    let ops: Vec<(Id, u64)> = of_sample.map(|(_, id, steps)| (id, steps.start)).collect();
    let here = ops.iter().position(|(id, _)| *id == view.output).unwrap_or(0);
    let first = here.saturating_sub(rows / 2).min(ops.len().saturating_sub(rows));
    (ops.into_iter().skip(first).take(rows).collect(), here - first)
}

/// All ops of the sample as a list, the current one in view.
pub fn list(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let inner = crate::ui::titled("ops", &view.theme, area, buf);
    let (ops, here) = listed(view, inner.height as usize);
    for (row, (i, (id, _))) in inner.rows().zip(ops.iter().enumerate()) {
        let info = view.network().tensor(*id);
        let shape = shape_text(&info.shape);
        let room = row.width as usize;
        let name = cut(&info.name, room.saturating_sub(shape.len() + 4));
        let mark = if i == here { "▸ " } else { "  " };
        let gap = room.saturating_sub(width(&name) + shape.len() + 2);
        let style = match i.cmp(&here) {
            std::cmp::Ordering::Equal => view.theme.style(Role::Step),
            std::cmp::Ordering::Less if pass_of(view, *id) == Pass::Backward => view.theme.style(Role::Backward),
            std::cmp::Ordering::Less => view.theme.style(Role::Forward),
            std::cmp::Ordering::Greater => view.theme.style(Role::Dim),
        };
        Line::styled(format!("{mark}{name}{}{shape}", " ".repeat(gap)), style).render(row, buf);
    }
}

/// The op on a row of the list.
#[must_use]
pub fn list_hit(view: &View<'_>, area: Rect, _x: u16, y: u16) -> Option<Target> {
    let row = usize::from(y.checked_sub(area.y + 1)?);
    let (ops, _) = listed(view, usize::from(area.height - 1));
    ops.get(row).map(|(_, step)| Target::Step(*step))
}
