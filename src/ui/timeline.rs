//! The timeline: a line with a progress bar for each pass of the current sample and of the batch.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::step::Pass;
use crate::ui::ClickTarget;
use crate::ui::line::DrawLine as _;
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;

/// A pass on the timeline: its name, its bar and its number of steps, as in `backward ━━━━┄┄┄┄ 57/224`.
struct PassBar {
    pass: Pass,
    role: StyleRole,
    steps: Range<u64>,
    /// The number of steps up to and including the step on the screen.
    done: u64,
    /// The first column of the bar, counted from the left edge of the timeline.
    x: usize,
    /// The width of the bar.
    bar_width: usize,
    /// The text after the bar, such as ` 57/224`; only blanks if space is short.
    count: String,
}

/// The smallest average width of a bar.
const MIN_BAR: usize = 5;

/// The largest width of the bar of the loss, which has few steps.
const LOSS_BAR: usize = 4;

/// Returns the passes of the current sample and of the batch, laid out on a line of `room` columns.
fn pass_bars(view: &StepView<'_>, room: usize) -> Vec<PassBar> {
    let mut pass_bars: Vec<PassBar> = Vec::new();
    for (pass, steps) in view.passes() {
        let all = steps.end - steps.start;
        let done = (view.at.step + 1).saturating_sub(steps.start).min(all);
        let role = if pass == Pass::Backward { StyleRole::Backward } else { StyleRole::Forward };
        pass_bars.push(PassBar { pass, role, steps, done, x: 0, bar_width: 0, count: format!(" {done}/{all}  ") });
    }
    // the line ends with the last count, without the blanks after it
    let trim = |pass_bars: &mut [PassBar]| {
        if let Some(last) = pass_bars.last_mut() {
            last.count.truncate(last.count.trim_end().len());
        }
    };
    trim(&mut pass_bars);
    // the number of columns for the bars
    let bar_room =
        |pass_bars: &[PassBar]| room.saturating_sub(pass_bars.iter().map(|bar| bar.pass.name().len() + 1 + bar.count.len()).sum());
    if bar_room(&pass_bars) < MIN_BAR * pass_bars.len() {
        // if there is not enough room, only the current pass has a count
        for bar in pass_bars.iter_mut().filter(|bar| bar.pass != view.step.pass) {
            "  ".clone_into(&mut bar.count);
        }
        trim(&mut pass_bars);
    }
    let bar_room: usize = bar_room(&pass_bars);
    // the bar of the loss is short; the others share the rest
    let long_bars = pass_bars.iter().filter(|bar| bar.pass != Pass::Loss).count().max(1);
    let loss_bar = if pass_bars.iter().any(|bar| bar.pass == Pass::Loss) { bar_room.min(LOSS_BAR) } else { 0 };
    // each long bar gets `share` columns, and the first `rest` long bars get one more
    let (share, mut rest) = ((bar_room - loss_bar) / long_bars, (bar_room - loss_bar) % long_bars);
    let mut x = 0;
    for bar in &mut pass_bars {
        bar.x = x + bar.pass.name().len() + 1;
        bar.bar_width = if bar.pass == Pass::Loss { loss_bar } else { share + usize::from(rest > 0) };
        rest = rest.saturating_sub(usize::from(bar.pass != Pass::Loss));
        x = bar.x + bar.bar_width + bar.count.len();
    }
    pass_bars
}

/// Draws the passes, each as a bar.
pub fn render(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    let dim = view.theme.style(StyleRole::Dim);
    let mut spans = Vec::new();
    for bar in pass_bars(view, area.width as usize) {
        let filled = filled_cells(bar.done, bar.steps.end - bar.steps.start, bar.bar_width);
        let style = view.theme.style(bar.role);
        let is_current = view.step.pass == bar.pass;
        spans.push(Span::styled(format!("{} ", bar.pass.name()), if is_current { style.bold() } else { style }));
        spans.push(Span::styled("━".repeat(filled), style.bold()));
        spans.push(Span::styled("┄".repeat(bar.bar_width - filled), dim));
        spans.push(Span::styled(bar.count, dim));
    }
    Line::from(spans).draw(area, buf);
}

/// Returns the step under column `x`. On a bar, the position decides the step. A click on the name goes to the first step of the pass, and a click on the count
/// to the last.
#[must_use]
pub fn hit(view: &StepView<'_>, area: Rect, x: u16, _y: u16) -> Option<ClickTarget> {
    let x = usize::from(x - area.x);
    let pass_bars = pass_bars(view, area.width as usize);
    let bar = pass_bars.iter().rev().find(|bar| bar.x - bar.pass.name().len() - 1 <= x)?;
    // if the step on the screen belongs to the batch, a click on the loss goes to the loss of the batch, not to that of the last sample
    if bar.pass == Pass::Loss && view.sample().is_none() {
        return view.state_of(view.network().loss(), 0).first_step().map(ClickTarget::Step);
    }
    let all = bar.steps.end - bar.steps.start;
    // u128, because the product may be larger than u64
    let offset = match x.checked_sub(bar.x) {
        None => 0,
        Some(cell) if cell < bar.bar_width => u128::from(all) * cell as u128 / bar.bar_width as u128,
        Some(_) => u128::from(all - 1),
    };
    Some(ClickTarget::Step(bar.steps.start + u64::try_from(offset).unwrap_or(0)))
}

/// Returns the number of filled cells of a bar: `length · done / all`, rounded down. If `done > 0`, at least one cell is filled. If `done < all`, at least one
/// cell is not filled, unless the bar has only one cell.
pub(super) fn filled_cells(done: u64, all: u64, length: usize) -> usize {
    if done == 0 || all == 0 {
        return 0;
    }
    if done == all {
        return length;
    }
    let filled = u128::from(done) * length as u128 / u128::from(all);
    usize::try_from(filled).unwrap_or(length).clamp(1.min(length), length.saturating_sub(1).max(1.min(length)))
}
