//! The first line: what is open, and where in it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::ui::theme::Role;
use crate::ui::view::{View, cut, width};

/// The title on the left; iteration, sample, pass and layer on the right.
pub fn render(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let step = &view.step;
    let mut place = vec![format!("iteration {}", step.iteration)];
    if let Some(sample) = step.sample {
        place.push(format!("sample {sample}/{}", view.lesson.scenario.samples.len()));
    }
    place.push(step.pass.name().to_owned());
    if let Some(layer) = view.network().tensor(view.output).layer {
        let layers = view.network().layers();
        let info = &layers[layer];
        place.push(format!("layer {}/{} {} {}", layer + 1, layers.len(), info.kind, info.name));
    } else if view.network().is_graph() {
        place.push(format!("node {}", view.network().tensor(view.neuron(view.output)).name));
    }
    let room = area.width as usize;
    // a title that has no room is worse than a pass that the timeline shows too
    let title = width(&view.lesson.scenario.title).min(room * 2 / 5);
    for part in ["iteration", "sample", step.pass.name()] {
        if width(&place.join(" · ")) + title + 3 > room {
            place
                .retain(|text| !text.starts_with(part) || (part != step.pass.name() && (view.trace().samples() > 1 || step.iteration > 1)));
        }
    }
    let right = cut(&place.join(" · "), room);
    let title = cut(&view.lesson.scenario.title, room.saturating_sub(width(&right) + 3));
    let gap = room.saturating_sub(width(&title) + width(&right));
    Line::from(vec![
        Span::styled(title, view.theme.style(Role::Heading).bold()),
        Span::raw(" ".repeat(gap)),
        Span::styled(right, view.theme.style(view.pass_role())),
    ])
    .render(area, buf);
}
