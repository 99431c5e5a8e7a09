//! The timeline: a progress bar for each pass.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::step::Pass;
use crate::ui::ClickTarget;
use crate::ui::theme::StyleRole;
use crate::ui::view::View;

/// One pass on the timeline, with its bar and its count.
struct PassBar {
    pass: Pass,
    role: StyleRole,
    steps: Range<u64>,
    done: u64,
    /// The first column of the bar, and its width.
    x: usize,
    bar: usize,
    count: String,
}

/// The smallest average width of a bar.
const LEAST: usize = 5;

/// Returns the passes of the current sample, laid out on a line of this width.
fn pass_bars(view: &View<'_>, room: usize) -> Vec<PassBar> {
    let mut pass_bars: Vec<PassBar> = Vec::new();
    for (pass, steps) in view.passes() {
        let all = steps.end - steps.start;
        let done = (view.at.step + 1).saturating_sub(steps.start).min(all);
        let role = if pass == Pass::Backward { StyleRole::Backward } else { StyleRole::Forward };
        pass_bars.push(PassBar { pass, role, steps, done, x: 0, bar: 0, count: format!(" {done}/{all}  ") });
    }
    let left = |pass_bars: &[PassBar]| room.saturating_sub(pass_bars.iter().map(|s| s.pass.name().len() + 1 + s.count.len()).sum());
    if left(&pass_bars) < LEAST * pass_bars.len() {
        // if bars and counts do not fit, only the current pass has a count
        for bar in pass_bars.iter_mut().filter(|bar| bar.pass != view.step.pass) {
            "  ".clone_into(&mut bar.count);
        }
    }
    let bars: usize = left(&pass_bars);
    // the bar of the loss is short; the others share the rest
    let long = pass_bars.iter().filter(|s| s.pass != Pass::Loss).count().max(1);
    let mut x = 0;
    for bar in &mut pass_bars {
        bar.x = x + bar.pass.name().len() + 1;
        bar.bar = if bar.pass == Pass::Loss { bars.min(4) } else { bars.saturating_sub(4) / long };
        x = bar.x + bar.bar + bar.count.len();
    }
    pass_bars
}

/// Draws the passes of the current sample, each as a bar.
pub fn render(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let dim = view.theme.style(StyleRole::Dim);
    let mut spans = Vec::new();
    for bar in pass_bars(view, area.width as usize) {
        let filled = filled_cells(bar.done, bar.steps.end - bar.steps.start, bar.bar);
        let style = view.theme.style(bar.role);
        let here = view.step.pass == bar.pass;
        spans.push(Span::styled(format!("{} ", bar.pass.name()), if here { style.bold() } else { style }));
        spans.push(Span::styled("━".repeat(filled), style.bold()));
        spans.push(Span::styled("┄".repeat(bar.bar - filled), dim));
        spans.push(Span::styled(bar.count, dim));
    }
    Line::from(spans).render(area, buf);
}

/// Returns the step under a column of the timeline.
#[must_use]
pub fn hit(view: &View<'_>, area: Rect, x: u16, _y: u16) -> Option<ClickTarget> {
    let x = usize::from(x - area.x);
    let pass_bars = pass_bars(view, area.width as usize);
    let bar = pass_bars.iter().rev().find(|s| s.x - s.pass.name().len() - 1 <= x)?;
    let all = bar.steps.end - bar.steps.start;
    let part = match x.checked_sub(bar.x) {
        Some(x) if x < bar.bar => u128::from(all) * x as u128 / bar.bar as u128,
        Some(_) if x >= bar.x => u128::from(all - 1),
        _ => 0,
    };
    Some(ClickTarget::Step(bar.steps.start + u64::try_from(part).unwrap_or(0)))
}

/// Returns `length · done / all`, rounded down, but at least 1 if `done > 0`, and less than `length` unless `done = all`.
fn filled_cells(done: u64, all: u64, length: usize) -> usize {
    if done == 0 || all == 0 {
        return 0;
    }
    if done == all {
        return length;
    }
    let part = u128::from(done) * length as u128 / u128::from(all);
    usize::try_from(part).unwrap_or(length).clamp(1.min(length), length.saturating_sub(1).max(1.min(length)))
}
