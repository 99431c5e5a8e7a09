//! The overlay of the key `L`: curves of the loss, or of the values of a parameter, over the iterations.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block as Frame, BorderType, Clear, Widget};

use crate::app::{Curve, CurveMarker, Curves, Job, Setting};
use crate::glyph::SEPARATOR;
use crate::number::Digits;
use crate::text::{counted, cut, width};
use crate::ui::ClickTarget;
use crate::ui::chart::{Chart, FIRST_OTHER_LETTER, HERE, MARKER, scenario_style};
use crate::ui::line::DrawLine as _;
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;

/// Draws the curves.
pub(super) fn render(view: &StepView<'_>, marker: CurveMarker, screen: Rect, buf: &mut Buffer) {
    let area = frame(screen);
    let Some(curves) = view.state.curves().filter(|_| area.height >= 4 && area.width >= 24) else { return };
    Clear.render(area, buf);
    let is_log = view.state.settings.is_on(Setting::LogScale);
    draw_frame(view, &curves, marker, is_log, area, buf);
    let (lines, inside) = legend_and_chart(&curves, area);
    for ((text, style), row) in legend(&curves, view).into_iter().zip(lines.rows()) {
        Line::styled(cut(&text, row.width.into()), style).draw(row, buf);
    }
    Chart { curves: &curves, is_log, begins_at_zero: false, marker: Some(marker.iteration), theme: &view.theme }.render(inside, buf);
}

/// Returns the area of the curves with their border. The status line and the key bar stay in view.
fn frame(screen: Rect) -> Rect {
    Rect { height: screen.height.saturating_sub(2), ..screen }
}

/// Returns the area of the legend, which is empty if there is none, and the area of the chart.
fn legend_and_chart(curves: &Curves, area: Rect) -> (Rect, Rect) {
    let inside = Rect { x: area.x + 2, y: area.y + 1, width: area.width.saturating_sub(4), height: area.height.saturating_sub(2) };
    let names = if curves.has_other_scenarios() {
        1 + u16::try_from(curves.others.len()).unwrap_or(u16::MAX)
    } else {
        u16::from(!curves.others.is_empty())
    };
    let lines = names.saturating_add(u16::from(curves.current.not_finite.is_some()));
    // the chart has at least six lines
    let height = lines.min(inside.height.saturating_sub(6));
    (Rect { height, ..inside }, Rect { y: inside.y + height, height: inside.height - height, ..inside })
}

/// Returns the iteration under a cell of the screen.
pub(super) fn hit(view: &StepView<'_>, screen: Rect, x: u16, y: u16) -> Option<ClickTarget> {
    let curves = view.state.curves()?;
    let is_log = view.state.settings.is_on(Setting::LogScale);
    let chart = Chart { curves: &curves, is_log, begins_at_zero: false, marker: None, theme: &view.theme };
    let iteration = chart.iteration_at(legend_and_chart(&curves, frame(screen)).1, x, y)?;
    Some(ClickTarget::Row(usize::try_from(iteration).ok()?))
}

/// Draws the border. Its upper line has the title and the progress of the training. Its lower line has the iterations and values of the marker and of the step
/// on the screen.
fn draw_frame(view: &StepView<'_>, curves: &Curves, marker: CurveMarker, is_log: bool, area: Rect, buf: &mut Buffer) {
    let dim = view.theme.style(StyleRole::Dim);
    let room = usize::from(area.width.saturating_sub(6));
    let scale = if is_log { ", logarithmic" } else { "" };
    let progress = format!(" {} ", progress(view, curves));
    let title = format!(" {} over the iterations{scale} ─ {} ", curves.name, view.document.scenario.title);
    Frame::bordered()
        .border_type(BorderType::Rounded)
        .border_style(dim)
        .title(Span::styled(cut(&title, room.saturating_sub(width(&progress))), view.theme.style(StyleRole::Heading)))
        .title(Line::from(Span::styled(progress, dim)).right_aligned())
        .title_bottom(Line::from(Span::styled(marks(curves, marker, view.digits, room), view.theme.style(StyleRole::Heading))))
        .render(area, buf);
}

/// Describes the progress of the training. During another computation, it is the progress of this one, as in the status line.
fn progress(view: &StepView<'_>, curves: &Curves) -> String {
    let computed = curves.computed;
    let count = format!("{computed} of {}", counted(curves.iterations, "iteration"));
    match &view.stepper.job {
        Some(Job::Train(_)) => format!("running: {count}"),
        _ if curves.is_complete && computed < view.document.iterations() => {
            format!("{}, ended by the tolerance", counted(computed, "iteration"))
        }
        _ if curves.is_complete => counted(computed, "iteration"),
        Some(job) => format!("computing: {}, then Space continues", job.describe()),
        None => format!("paused: {count}, Space continues"),
    }
}

/// Describes the marker with its value, and the iteration on the screen. If there is not enough room, the last parts are left out.
fn marks(curves: &Curves, marker: CurveMarker, digits: Digits, room: usize) -> String {
    let Curves { name, here, known, .. } = curves;
    let Some((iteration, value)) = curves.nearest(marker.iteration) else { return format!(" {HERE} here: {here} ") };
    let ahead = if iteration > *known { ", computed ahead" } else { "" };
    let mut parts = vec![format!("{MARKER} iteration {iteration}: {name} {}{ahead}", digits.short(value))];
    if iteration != *here {
        parts.push(format!("{HERE} here: {here}"));
    } else if let Some(first) = parts.first_mut() {
        *first = format!("{HERE} here, iteration {iteration}: {name} {}{ahead}", digits.short(value));
    }
    if curves.current.points.last().is_some_and(|(last, _)| last > known) {
        parts.push("dashed: ahead of this step".to_owned());
    }
    while parts.len() > 1 && width(&parts.join(SEPARATOR)) + 2 > room {
        parts.pop();
    }
    cut(&format!(" {} ", parts.join(SEPARATOR)), room)
}

/// Returns the lines of the legend. The first one says from which iteration on the values are not finite, if they are not.
fn legend(curves: &Curves, view: &StepView<'_>) -> Vec<(String, Style)> {
    let not_finite = curves.not_finite_sentence().map(|sentence| (sentence, view.theme.style(StyleRole::Error)));
    not_finite.into_iter().chain(names(curves, view)).collect()
}

/// Returns the lines with the names of the curves. With curves of other scenarios, each curve has a line with its first and its last loss. Otherwise all curves
/// are in one line, and a single curve has no line.
fn names(curves: &Curves, view: &StepView<'_>) -> Vec<(String, Style)> {
    let digits = view.digits;
    let faint = view.theme.style(StyleRole::Forward);
    let label = |curve: &Curve| curve.label(digits);
    if !curves.has_other_scenarios() {
        let others = curves.others.iter().zip(FIRST_OTHER_LETTER..).map(|(curve, letter)| format!("{letter} (dotted): {}", label(curve)));
        let all: Vec<String> = [format!("a (now): {}", label(&curves.current))].into_iter().chain(others).collect();
        return if all.len() > 1 { vec![(all.join(SEPARATOR), faint)] } else { Vec::new() };
    }
    let values = |curve: &Curve| match (curve.points.first(), curve.points.last()) {
        (Some((_, first)), Some((iteration, last))) => {
            let end = if *iteration == curves.iterations { String::new() } else { format!(" in iteration {iteration}") };
            let not_finite = curve.not_finite.filter(|_| curve.other_scenario.is_some());
            let not_finite = not_finite.map_or_else(String::new, |not_finite| format!(", {}", not_finite.sentence("it")));
            format!("{} → {}{end}{not_finite}{SEPARATOR}", digits.short(*first), digits.short(*last))
        }
        _ => String::new(),
    };
    let separator = if curves.optimizer.is_empty() { "" } else { ": " };
    let now = format!("a  {}now, {}{separator}{}", values(&curves.current), label(&curves.current), curves.optimizer);
    let mut lines = vec![(now, view.theme.style(StyleRole::Backward))];
    for ((n, curve), letter) in curves.others.iter().enumerate().zip(FIRST_OTHER_LETTER..) {
        let style = if curve.other_scenario.is_some() { scenario_style(&view.theme, n) } else { faint };
        lines.push((format!("{letter}  {}{}", values(curve), label(curve)), style));
    }
    lines
}
