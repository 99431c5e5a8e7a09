//! The first line of the screen: the scenario's title, and the current iteration, sample, pass and layer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::FileChange;
use crate::glyph::SEPARATOR;
use crate::keys::Code;
use crate::network::{Id, Role};
use crate::step::Unit;
use crate::text::{cut, width};
use crate::ui::ClickTarget;
use crate::ui::line::DrawLine as _;
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;

/// The largest number of samples that are listed. No line has room for more.
const MAX_LISTED: usize = 512;
/// The smallest number of blanks between the title and the facts.
const MIN_GAP: usize = 3;
/// The shorter text of a fact that is left out on a narrow screen.
const LEFT_OUT: Option<String> = Some(String::new());

/// Draws the title on the left. On the right, draws the iteration, the sample, the pass and the layer, and whether there are unsaved edits.
pub fn render(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    let (title, facts) = texts(view, area);
    let right = cut(&joined(&facts), area.width.into());
    let gap = usize::from(area.width).saturating_sub(width(&title) + width(&right));
    Line::from(vec![
        Span::styled(title, view.theme.style(StyleRole::Heading).bold()),
        Span::raw(" ".repeat(gap)),
        Span::styled(right, view.theme.style(view.pass_role())),
    ])
    .draw(area, buf);
}

/// Returns the target of a click. On the title, it is the key of the notes. On a fact, it is the first step of the sample or pass, or the key of an overlay
/// about the fact.
#[must_use]
pub fn hit(view: &StepView<'_>, area: Rect, x: u16, _y: u16) -> Option<ClickTarget> {
    let (title, facts) = texts(view, area);
    let x = usize::from(x - area.x);
    if x < width(&title) {
        return Some(key('a'));
    }
    let mut left = usize::from(area.width).checked_sub(width(&joined(&facts)))?;
    for fact in facts.iter().filter(|fact| !fact.text.is_empty()) {
        if (left..left + width(&fact.text)).contains(&x) {
            return Some((fact.hit)(view));
        }
        left += width(&fact.text) + width(SEPARATOR);
    }
    None
}

fn key(c: char) -> ClickTarget {
    ClickTarget::Key(Code::Char(c).into())
}

/// Returns the title and the facts of a line.
fn texts(view: &StepView<'_>, area: Rect) -> (String, Vec<Fact>) {
    let room = area.width as usize;
    let title = &view.document.scenario.title;
    let mut facts = facts(view);
    // facts are shortened or left out, from left to right, until there is room for the title
    while width(title) + MIN_GAP + width(&joined(&facts)) > room
        && let Some(fact) = facts.iter_mut().find(|fact| fact.shorter.is_some())
    {
        fact.text = fact.shorter.take().unwrap_or_default();
    }
    let right = cut(&joined(&facts), room);
    (cut(title, room.saturating_sub(width(&right) + MIN_GAP)), facts)
}

/// Returns the facts about the step, such as `iteration 3/40`.
#[must_use]
pub fn fact_texts(view: &StepView<'_>) -> Vec<String> {
    facts(view).into_iter().map(|fact| fact.text).collect()
}

/// A fact about the step, such as `sample 2/4`.
struct Fact {
    text: String,
    /// A shorter text for narrow screens; if it is empty, the fact is left out. `None` if the fact is always shown in full.
    shorter: Option<String>,
    /// Returns the target of a click.
    hit: fn(&StepView<'_>) -> ClickTarget,
}

/// Returns the first step of the sample or of the batch.
fn start_of_sample(view: &StepView<'_>) -> ClickTarget {
    ClickTarget::Step(view.at.step + 1 - view.progress(Unit::Sample).0)
}

/// Returns the first step of the pass.
fn start_of_pass(view: &StepView<'_>) -> ClickTarget {
    ClickTarget::Step(view.at.step + 1 - view.progress(Unit::Pass).0)
}

/// Returns the facts: the iteration and the sample if there are several, the pass, the layer (or the node, if the network reads no samples), and whether the
/// file has changed and there are unsaved edits. The pass can be left out, because the timeline shows it too.
fn facts(view: &StepView<'_>) -> Vec<Fact> {
    let step = &view.step;
    // unless another target is set, a click opens the curve of the loss
    let fact = |text: String, shorter: Option<String>| Fact { text, shorter, hit: |_| key('L') };
    let iteration = step.iteration;
    let mut facts = Vec::new();
    match view.document.iterations() {
        1 => {}
        // too little memory for the update is known before the first step
        iterations if view.document.shortage.is_some() => {
            facts.push(fact(
                format!("iteration {iteration}/{iterations} (no memory for the next)"),
                Some(format!("iteration {iteration}/{iterations} (memory)")),
            ));
        }
        _ if view.document.ends_early(view.last_known) => facts.push(fact(format!("iteration {iteration}/{iteration} (tolerance)"), None)),
        iterations => facts.push(fact(format!("iteration {iteration}/{iterations}"), None)),
    }
    facts.extend(sample(view));
    facts.push(Fact { hit: start_of_pass, ..fact(step.pass.name().to_owned(), LEFT_OUT) });
    if let Some((layer, target)) = layer(view) {
        let layers = view.network().layers();
        let info = &layers[layer];
        let number = format!("layer {}/{}", layer + 1, layers.len());
        let layer = fact(format!("{number} {} {}{target}", info.kind, info.name), Some(format!("{number} {}{target}", info.name)));
        facts.push(Fact { hit: |_| key('M'), ..layer });
    } else if !view.network().reads_samples() {
        let node = fact(format!("node {}", view.network().tensor(view.neuron(view.output)).name), None);
        facts.push(Fact { hit: |_| key('M'), ..node });
    }
    // these facts come last, because facts are left out from left to right
    match view.stepper.file_change {
        Some(FileChange::Changed) => facts.push(fact("file changed".to_owned(), LEFT_OUT)),
        Some(FileChange::Deleted) => facts.push(fact("file deleted".to_owned(), LEFT_OUT)),
        None => {}
    }
    if view.stepper.edits.are_unsaved() {
        facts.push(Fact { hit: |_| key('W'), ..fact("edited".to_owned(), LEFT_OUT) });
    }
    facts
}

/// Returns the layer whose rule the step applies, and a text after its name. If the rule computes the derivative of another layer's output, the text names
/// this other layer; otherwise it is empty. For example, the backward rule of `conv2` computes the derivative of the output of `pool1`: the layer is `conv2`,
/// and the text is ` into pool1`. Returns `None` if no layer is involved.
fn layer(view: &StepView<'_>) -> Option<(usize, String)> {
    let network = view.network();
    let output = network.tensor(view.output);
    let is_gradient = |id: &Id| matches!(network.tensor(*id).role, Role::Gradient(_));
    // a backward rule of a layer reads the derivative of the output of this layer
    let read_layer =
        view.op().parts[view.part()].operands.iter().copied().filter(is_gradient).filter_map(|id| network.tensor(id).layer).max();
    match (read_layer.filter(|_| view.is_backward()), output.layer) {
        (Some(read), Some(layer)) if read == layer => Some((read, String::new())),
        (Some(read), Some(layer)) => Some((read, format!(" into {}", network.layers()[layer].name))),
        (Some(read), None) => Some((read, format!(" into {}", network.tensor(view.neuron(view.output)).name))),
        (None, layer) => layer.map(|layer| (layer, String::new())),
    }
}

/// Returns the fact about the sample: its number and name and, if the batch has only some of the samples, its position in the batch. At a step of the batch
/// itself, the fact is the list of the batch's samples, or `None` if the batch has all samples. At other steps, `None` if the network reads no samples, or if
/// the only sample has no name.
fn sample(view: &StepView<'_>) -> Option<Fact> {
    let samples = &view.document.scenario.samples;
    let batch_size = view.samples().len();
    let has_all_samples = batch_size == samples.len();
    let Some(number) = view.sample() else {
        let list: Vec<String> = view.samples().take(MAX_LISTED).map(|number| (number + 1).to_string()).collect();
        return (!has_all_samples).then(|| Fact {
            text: format!("batch of samples {}", list.join(", ")),
            shorter: LEFT_OUT,
            hit: start_of_sample,
        });
    };
    if !view.network().reads_samples() {
        return None;
    }
    let name = samples[number].name.as_deref();
    if let [_] = samples.as_slice() {
        let fact = |name| Fact { text: format!("sample {name}"), shorter: LEFT_OUT, hit: start_of_sample };
        return name.map(fact);
    }
    let mut text = format!("sample {}/{}", number + 1, samples.len());
    let shorter = Some(text.clone());
    if let Some(name) = name {
        text = format!("{text}: {name}");
    }
    if !has_all_samples {
        text = format!("{text}, {} of {batch_size} in the batch", view.at.run_index + 1);
    }
    Some(Fact { text, shorter, hit: start_of_sample })
}

/// Joins the facts that are not left out.
fn joined(facts: &[Fact]) -> String {
    facts.iter().map(|fact| fact.text.as_str()).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(SEPARATOR)
}
