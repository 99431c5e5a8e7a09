//! The panes with the names of ops. Most screens show the ops of this pass in one line: `conv1.z → conv1.a → loss`. Wide and high screens show a list of all
//! ops of the sample.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::network::Id;
use crate::step::Pass;
use crate::tensor::shape_on_screen;
use crate::text::{cut, width};
use crate::ui::ClickTarget;
use crate::ui::layout::is_roomy;
use crate::ui::line::DrawLine as _;
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;

/// The smallest width of a screen that shows the list.
const WIDE_SCREEN: u16 = 160;
/// The width of the list.
const LIST_WIDTH: u16 = 30;

/// Returns the number of lines of the chain. It is 1 if the screen is high enough and has no list, and 0 otherwise.
#[must_use]
pub fn chain_height(_: &StepView<'_>, screen: Rect, _: Rect) -> u16 {
    u16::from(screen.height >= 30 && !has_list(screen))
}

/// Returns whether the screen is large enough for the list.
fn has_list(screen: Rect) -> bool {
    screen.width >= WIDE_SCREEN && is_roomy(screen)
}

/// Returns the number of columns of the list; 0 if the screen is too small for a list.
#[must_use]
pub fn list_width(_: &StepView<'_>, screen: Rect, _: Rect) -> u16 {
    if has_list(screen) { LIST_WIDTH } else { 0 }
}

/// An op in the chain.
struct ChainOp {
    /// The tensor that the op computes.
    id: Id,
    /// The first column of its name.
    x: usize,
    /// The first step of the op.
    first_step: u64,
}

/// The text between two ops of the chain.
const ARROW: &str = " → ";
/// The text before the first op of the chain, if earlier ops do not fit.
const EARLIER: &str = "… → ";

/// The mark before the name of an op with a breakpoint.
const BREAKPOINT: &str = "● ";

/// Returns the name of an op, with a mark if it has a breakpoint.
fn marked_name(view: &StepView<'_>, id: Id) -> String {
    let mark = if view.stepper.breakpoints.has_breakpoint_in_op(view, id) { BREAKPOINT } else { "" };
    format!("{mark}{}", view.network().tensor(id).name)
}

/// Returns the ops of this pass that fit into a line, including the current op, and whether earlier ops are left out.
fn chain_ops(view: &StepView<'_>, room: usize) -> (Vec<ChainOp>, bool) {
    let in_pass = |(id, _): &(Id, Range<u64>)| view.pass_of(*id) == Some(view.step.pass);
    let link_width = |id: Id| width(&marked_name(view, id)) + width(ARROW);
    let mut used = link_width(view.output) + width(EARLIER);
    let mut earlier = view.ops_before().take_while(in_pass).peekable();
    let mut ops = Vec::new();
    while let Some(op) = earlier.next_if(|(id, _)| used + link_width(*id) <= room) {
        used += link_width(op.0);
        ops.push(op);
    }
    let has_earlier = earlier.peek().is_some();
    ops.reverse();
    let mut x = if has_earlier { width(EARLIER) } else { 0 };
    let mut chain_ops = Vec::new();
    for (id, steps) in ops.into_iter().chain(view.ops_from().take_while(in_pass)) {
        // the ops so far end at the column `x - width(ARROW)`. If this is beyond the end of the line, `chain` cuts the line and writes `…`, which shows that
        // there are more ops. Otherwise this op is added even if it does not fit, so that `chain` cuts it and writes `…`
        if x > room + width(ARROW) {
            break;
        }
        chain_ops.push(ChainOp { id, x, first_step: steps.start });
        x += link_width(id);
    }
    (chain_ops, has_earlier)
}

/// Draws the chain: the ops of this pass in one line, with the current op in view.
pub fn chain(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    let (chain_ops, has_earlier) = chain_ops(view, area.width as usize);
    let current = chain_ops.iter().position(|op| op.id == view.output).unwrap_or(0);
    let dim = view.theme.style(StyleRole::Dim);
    let mut spans = vec![Span::styled(if has_earlier { EARLIER } else { "" }, dim)];
    for (i, op) in chain_ops.iter().enumerate() {
        if i > 0 {
            spans.push(Span::styled(ARROW, dim));
        }
        let style = match i.cmp(&current) {
            std::cmp::Ordering::Less => view.theme.style(view.pass_role()),
            std::cmp::Ordering::Equal => view.theme.style(StyleRole::Step),
            std::cmp::Ordering::Greater => dim,
        };
        spans.push(Span::styled(marked_name(view, op.id), style));
    }
    let line = Line::from(spans);
    let is_cut = line.width() > area.width as usize && !area.is_empty();
    line.draw(area, buf);
    if is_cut && let Some(end) = buf.cell_mut((area.right() - 1, area.y)) {
        end.set_symbol("…").set_style(dim);
    }
}

/// Returns the first step of the op under a column of the chain.
#[must_use]
pub fn chain_hit(view: &StepView<'_>, area: Rect, x: u16, _y: u16) -> Option<ClickTarget> {
    let x = usize::from(x - area.x);
    let (chain_ops, _) = chain_ops(view, area.width as usize);
    chain_ops.iter().rev().find(|op| op.x <= x).map(|op| ClickTarget::Step(op.first_step))
}

/// Returns the ops of the sample that fit into `rows` rows, each with its first step, and the index of the current op among them.
fn ops_in_list(view: &StepView<'_>, rows: usize) -> (Vec<(Id, u64)>, usize) {
    let with_first_step = |(id, steps): (Id, Range<u64>)| (id, steps.start);
    let mut ops: Vec<(Id, u64)> = view.ops_before().take(rows).map(with_first_step).collect();
    ops.reverse();
    let current = ops.len();
    ops.extend(view.ops_from().take(rows).map(with_first_step));
    // the current op is in the middle, except near the ends of the list
    let first = current.saturating_sub(rows / 2).min(ops.len().saturating_sub(rows));
    (ops.into_iter().skip(first).take(rows).collect(), current - first)
}

/// Draws the list: the ops of the sample, one in each row, with the current op in view.
pub fn list(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    let (ops, current) = ops_in_list(view, area.height as usize);
    for (row, (i, (id, _))) in area.rows().zip(ops.iter().enumerate()) {
        let info = view.network().tensor(*id);
        let shape = shape_on_screen(&info.shape);
        let room = row.width as usize;
        let name = cut(&marked_name(view, *id), room.saturating_sub(width(&shape) + 4));
        let mark = if i == current { "▸ " } else { "  " };
        let gap = room.saturating_sub(width(&name) + width(&shape) + 2);
        let style = match i.cmp(&current) {
            std::cmp::Ordering::Equal => view.theme.style(StyleRole::Step),
            std::cmp::Ordering::Less if view.pass_of(*id) == Some(Pass::Backward) => view.theme.style(StyleRole::Backward),
            std::cmp::Ordering::Less => view.theme.style(StyleRole::Forward),
            std::cmp::Ordering::Greater => view.theme.style(StyleRole::Dim),
        };
        Line::styled(format!("{mark}{name}{}{shape}", " ".repeat(gap)), style).draw(row, buf);
    }
}

/// Returns the first step of the op on a row of the list.
#[must_use]
pub fn list_hit(view: &StepView<'_>, area: Rect, _x: u16, y: u16) -> Option<ClickTarget> {
    let row = usize::from(y - area.y);
    let (ops, _) = ops_in_list(view, usize::from(area.height));
    ops.get(row).map(|(_, step)| ClickTarget::Step(*step))
}
