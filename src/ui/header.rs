//! The first line of the screen: the scenario's title, and the current iteration, sample, pass and layer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::glyph::BETWEEN;
use crate::text::{cut, width};
use crate::ui::theme::StyleRole;
use crate::ui::view::View;

/// The most sample numbers that are listed: more than fit into a line.
const MOST: usize = 512;

/// Draws the title on the left; iteration, sample, pass and layer on the right.
pub fn render(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let room = area.width as usize;
    let title = &view.document.scenario.title;
    let mut place = place(view);
    // to keep the title, facts are shortened or dropped: those with only one possible value, and the pass, which the timeline shows too
    while width(title) + 3 + width(&joined(&place)) > room
        && let Some(fact) = place.iter_mut().find(|fact| fact.shorter.is_some())
    {
        fact.text = fact.shorter.take().unwrap_or_default();
    }
    let right = cut(&joined(&place), room);
    let title = cut(title, room.saturating_sub(width(&right) + 3));
    let gap = room.saturating_sub(width(&title) + width(&right));
    Line::from(vec![
        Span::styled(title, view.theme.style(StyleRole::Heading).bold()),
        Span::raw(" ".repeat(gap)),
        Span::styled(right, view.theme.style(view.pass_role())),
    ])
    .render(area, buf);
}

/// One fact, with a shorter text for narrow screens; `None` if it cannot be shortened.
struct Fact {
    text: String,
    shorter: Option<String>,
}

/// Returns iteration, sample, pass and layer.
fn place(view: &View<'_>) -> Vec<Fact> {
    let step = &view.step;
    let fact = |text: String, shorter: Option<String>| Fact { text, shorter };
    let spare = Some(String::new());
    let iteration = step.iteration;
    let mut place = vec![match view.document.iterations() {
        1 => fact("iteration 1".to_owned(), spare.clone()),
        _ if view.document.ends_early(step.step) => fact(format!("iteration {iteration}/{iteration} (tolerance)"), None),
        all => fact(format!("iteration {iteration}/{all}"), None),
    }];
    place.extend(sample(view));
    place.push(fact(step.pass.name().to_owned(), spare));
    if let Some(layer) = view.network().tensor(view.output).layer {
        let layers = view.network().layers();
        let info = &layers[layer];
        let number = format!("layer {}/{}", layer + 1, layers.len());
        place.push(fact(format!("{number} {} {}", info.kind, info.name), Some(format!("{number} {}", info.name))));
    } else if !view.network().reads_samples() {
        place.push(fact(format!("node {}", view.network().tensor(view.neuron(view.output)).name), None));
    }
    place
}

/// Returns the sample with its name. For a batch of some of the samples, adds its position in the batch; for a step of that batch, lists the samples.
fn sample(view: &View<'_>) -> Option<Fact> {
    let samples = &view.document.scenario.samples;
    let batch = view.samples().len();
    let whole = batch == samples.len();
    let Some(number) = view.sample() else {
        let list: Vec<String> = view.samples().take(MOST).map(|number| (number + 1).to_string()).collect();
        return (!whole).then(|| Fact { text: format!("batch of samples {}", list.join(", ")), shorter: Some(String::new()) });
    };
    if !view.network().reads_samples() {
        return None;
    }
    let mut text = format!("sample {}/{}", number + 1, samples.len());
    let shorter = Some(if samples.len() > 1 { text.clone() } else { String::new() });
    if let Some(name) = &samples[number].name {
        text = format!("{text} {name}");
    }
    if !whole {
        text = format!("{text}, {} of {batch} in the batch", view.at.sample_run + 1);
    }
    Some(Fact { text, shorter })
}

fn joined(place: &[Fact]) -> String {
    place.iter().map(|fact| fact.text.as_str()).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(BETWEEN)
}
