//! How far through each pass: a bar for each.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::step::Pass;
use crate::ui::Target;
use crate::ui::theme::Role;
use crate::ui::view::View;

/// One pass on the timeline, with its bar and its count.
struct PassBar {
    pass: Pass,
    role: Role,
    steps: Range<u64>,
    done: u64,
    /// Columns before the bar, and of it.
    x: usize,
    bar: usize,
    count: String,
}

/// The least columns of a bar, on average.
const LEAST: usize = 5;

/// The passes of the current sample, laid out on a line of this width.
fn stretches(view: &View<'_>, room: usize) -> Vec<PassBar> {
    let mut stretches: Vec<PassBar> = Vec::new();
    for (pass, steps) in view.passes() {
        let all = steps.end - steps.start;
        let done = (view.at.step + 1).saturating_sub(steps.start).min(all);
        let role = if pass == Pass::Backward { Role::Backward } else { Role::Forward };
        stretches.push(PassBar { pass, role, steps, done, x: 0, bar: 0, count: format!(" {done}/{all}  ") });
    }
    let left = |stretches: &[PassBar]| room.saturating_sub(stretches.iter().map(|s| s.pass.name().len() + 1 + s.count.len()).sum());
    if left(&stretches) < LEAST * stretches.len() {
        // where there is no room for bars and counts, the pass at hand alone is counted
        for stretch in stretches.iter_mut().filter(|stretch| stretch.pass != view.step.pass) {
            "  ".clone_into(&mut stretch.count);
        }
    }
    let bars: usize = left(&stretches);
    // the loss is short; the others share the rest
    let long = stretches.iter().filter(|s| s.pass != Pass::Loss).count().max(1);
    let mut x = 0;
    for stretch in &mut stretches {
        stretch.x = x + stretch.pass.name().len() + 1;
        stretch.bar = if stretch.pass == Pass::Loss { bars.min(4) } else { bars.saturating_sub(4) / long };
        x = stretch.x + stretch.bar + stretch.count.len();
    }
    stretches
}

/// The passes of the current sample, each as a bar.
pub fn render(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let dim = view.theme.style(Role::Dim);
    let mut spans = Vec::new();
    for stretch in stretches(view, area.width as usize) {
        let filled = share(stretch.done, stretch.steps.end - stretch.steps.start, stretch.bar);
        let style = view.theme.style(stretch.role);
        let here = view.step.pass == stretch.pass;
        spans.push(Span::styled(format!("{} ", stretch.pass.name()), if here { style.bold() } else { style }));
        spans.push(Span::styled("━".repeat(filled), style.bold()));
        spans.push(Span::styled("┄".repeat(stretch.bar - filled), dim));
        spans.push(Span::styled(stretch.count, dim));
    }
    Line::from(spans).render(area, buf);
}

/// The step under a column of the timeline.
#[must_use]
pub fn hit(view: &View<'_>, area: Rect, x: u16, _y: u16) -> Option<Target> {
    let x = usize::from(x - area.x);
    let stretches = stretches(view, area.width as usize);
    let stretch = stretches.iter().rev().find(|s| s.x - s.pass.name().len() - 1 <= x)?;
    let all = stretch.steps.end - stretch.steps.start;
    let part = match x.checked_sub(stretch.x) {
        Some(x) if x < stretch.bar => u128::from(all) * x as u128 / stretch.bar as u128,
        Some(_) if x >= stretch.x => u128::from(all - 1),
        _ => 0,
    };
    Some(Target::Step(stretch.steps.start + u64::try_from(part).unwrap_or(0)))
}

/// The part of `length` that `done` of `all` is; something when anything is done, and all only when all is.
fn share(done: u64, all: u64, length: usize) -> usize {
    if done == 0 || all == 0 {
        return 0;
    }
    if done == all {
        return length;
    }
    let part = u128::from(done) * length as u128 / u128::from(all);
    usize::try_from(part).unwrap_or(length).clamp(1.min(length), length.saturating_sub(1).max(1.min(length)))
}
