//! A frame does not depend on numbers that are computed after its step. Each frame is drawn from the real run and from runs in which all later numbers are
//! replaced; the frames must be equal, cell by cell.

use std::env;
use std::sync::Arc;

use gradstep::app::{Action, Document, Setting, State, update};
use gradstep::trace::Replacement;
use gradstep::ui::{RenderOptions, export};
use ratatui::buffer::Buffer;

use super::{bundled_documents, ends, frame, layers, press};

pub const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (200, 60)];

/// Replacements of all later numbers.
pub const FUTURES: [(&str, Replacement); 4] = [
    ("other signs", |x| if x == 0.0 { -0.375 } else { -x }),
    ("100,000 times as large", |x| if x == 0.0 { 43_210.5 } else { 1e5 * x }),
    ("a millionth", |x| if x == 0.0 { 1.25e-7 } else { 1e-6 * x }),
    ("not a number", |_| f64::NAN),
];

/// Keys that put something over the panes.
pub const OVERLAYS: [&str; 9] = ["?", "n", ":", ":grad<Tab>", "M", "H", "Z", "r", ":update<Tab>"];

/// The number of checked steps of a bundled scenario and of any other scenario, unless `EARLY_STEPS` is set.
const STEPS: [u64; 2] = [72, 32];

/// Scenarios with features that no bundled one has, and keys that lead to an iteration.
const OTHERS: [(&str, &str, &str); 10] = [
    ("masks", MASKS, ""),
    ("logistic", super::graphs::LOGISTIC, ""),
    ("layers", include_str!("layers.toml"), ""),
    ("layers, iteration 2", include_str!("layers.toml"), ":2/1<Enter>"),
    ("every-layer", include_str!("../valid/every-layer.toml"), ""),
    ("batch-of-two", include_str!("../valid/batch-of-two.toml"), ""),
    ("batch-of-transposed", include_str!("../valid/batch-of-transposed.toml"), ""),
    ("dropout", layers::DROPOUT, ""),
    ("batch-norm", super::tensors::BATCH_NORM, ""),
    ("two-layer-net", super::tensors::TWO_LAYERS, ""),
];

/// Masks that are computed: by comparisons of computed numbers, by the largest entry of each row, and from constants alone.
const MASKS: &str = "title = \"masks\"\n[graph]\nnodes = \"\"\"\n\
    h = x @ W\nr = np.where(h > 0, h, 0.1 * b)\nkeep = torch.tril(torch.ones(3, 3)) == 1\ns = r.masked_fill(~keep, 0.5)\n\
    m = s.max(1).values\nd = h.clone()\nd[h < 0.2] = 0.0\n\
    loss = (m**2).sum() + (d**2).mean() + torch.maximum(h, s).sum()\n\"\"\"\n\
    [graph.inputs]\nx = [[1, -2], [0.5, 1], [-1, 0.25]]\nW = [[0.5, -1, 0.75], [1, 0.5, -0.25]]\nb = [1, -1, 2]\n";

pub type Scenarios = Vec<(String, Arc<Document>)>;

pub fn bundled() -> Scenarios {
    // separate documents, because a test counts the computed iterations of these while other tests run
    let own = |document: &Document| Arc::new(Document::new((*document.scenario).clone()));
    let mut all: Scenarios = bundled_documents().iter().map(|(name, document)| (name.clone(), own(document))).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

pub fn other_scenarios() -> Scenarios {
    let open = |(name, text, keys): (&str, &str, &str)| (name.to_owned(), layers::open(text, keys).document().cloned().expect("open"));
    OTHERS.map(open).into_iter().chain(ends::scenarios()).collect()
}

/// Returns all steps of a short trace. For a longer one: the first, middle and last steps of some ops, and pseudo-random steps, the same in every run.
pub fn sampled_steps(document: &Document, most: u64) -> Vec<u64> {
    let len = document.trace.len();
    if len <= most {
        return (1..=len).collect();
    }
    let ops: Vec<_> = document.trace.ops().collect();
    let distance = (2 * ops.len() as u64).div_ceil(most);
    let mut random = 20_261_123_u64;
    let mut steps = Vec::new();
    for (n, (_, _, span)) in (0_u64..).zip(&ops) {
        if n % distance == 0 {
            steps.extend([span.start, span.start + (span.end - span.start) / 2, span.end - 1]);
        }
    }
    while (steps.len() as u64) < most {
        // Knuth's linear congruential generator
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        steps.push(1 + (random >> 16) % len);
    }
    steps.sort_unstable();
    steps.dedup();
    steps
}

/// A variant in which a step is drawn: a size, which of the panes that share an area is shown, and keys that open an overlay.
type Screen = ((u16, u16), i64, &'static str);

/// The variants in which a step is drawn, with one of the overlays.
pub fn screens(step: u64) -> Vec<Screen> {
    let mut screens = Vec::new();
    for size in SIZES {
        let small = size.0 < 120;
        screens.extend((0..if small { 3 } else { 1 }).map(|pane| (size, pane, "")));
    }
    let overlay = OVERLAYS[usize::try_from(step).expect("small") % OVERLAYS.len()];
    screens.push(((80, 24), 0, overlay));
    screens
}

pub fn draw(document: &Arc<Document>, step: u64, (size, pane, keys): Screen) -> Buffer {
    let mut state = State::picker(Vec::new());
    state.open(Arc::clone(document), Some(step));
    update(&mut state, Action::CycleSetting(Setting::Pane, pane));
    press(&mut state, keys);
    frame(&state, &RenderOptions::default(), size.0, size.1)
}

/// The first row in which two frames differ, from both frames; the two rows look equal if only a colour differs.
pub fn difference(one: &Buffer, other: &Buffer) -> Option<String> {
    let width = usize::from(one.area.width);
    let at = one.content().iter().zip(other.content()).position(|(a, b)| a != b)?;
    let row = |buffer: &Buffer| export::text(buffer).lines().nth(at / width).unwrap_or_default().to_owned();
    Some(format!("row {}, column {}:\n  {}\n  {}", at / width, at % width, row(one), row(other)))
}

/// Draws steps of scenarios with the real and with replaced later numbers, and returns the differences.
fn early_numbers(scenarios: Scenarios, most: u64) -> Vec<String> {
    let steps_asked = env::var("EARLY_STEPS").ok().map(|number| number.parse().expect("EARLY_STEPS is a number"));
    let mut found = Vec::new();
    for (name, document) in scenarios {
        let computed = document.descent.computed();
        for (n, step) in sampled_steps(&document, steps_asked.unwrap_or(most)).into_iter().enumerate() {
            let shown: Vec<_> = screens(step).into_iter().map(|screen| (screen, draw(&document, step, screen))).collect();
            // a step is compared with one of the futures, or with all if `EARLY_STEPS` is set
            let futures = FUTURES.iter().enumerate().filter(|(future, _)| steps_asked.is_some() || *future == n % FUTURES.len());
            for (future_name, replacement) in futures.map(|(_, future)| future) {
                let altered = Arc::new(document.with_future(step, *replacement));
                let differing =
                    shown.iter().filter_map(|(screen, frame)| Some((screen, difference(frame, &draw(&altered, step, *screen))?)));
                found.extend(differing.map(|(screen, rows)| format!("{name} at step {step}, {screen:?}, {future_name}, {rows}\n")));
            }
        }
        assert_eq!(document.descent.computed(), computed, "{name}: a frame must not compute an iteration");
    }
    found
}

#[test]
fn no_frame_of_a_bundled_scenario_depends_on_later_numbers() {
    let found = early_numbers(bundled(), STEPS[0]);
    assert!(found.is_empty(), "{} frames depend on later numbers:\n{}", found.len(), found[..found.len().min(20)].concat());
}

#[test]
fn no_frame_of_another_scenario_depends_on_later_numbers() {
    let found = early_numbers(other_scenarios(), STEPS[1]);
    assert!(found.is_empty(), "{} frames depend on later numbers:\n{}", found.len(), found[..found.len().min(20)].concat());
}

/// A test of the comparison: if the number of the step itself is replaced too, the frames differ.
#[test]
fn a_frame_depends_on_the_number_of_its_step() {
    let (_, to_nan) = FUTURES[3];
    for (name, document) in bundled().into_iter().chain(other_scenarios()) {
        for step in sampled_steps(&document, 12).into_iter().filter(|step| *step > 1) {
            let altered = Arc::new(document.with_future(step - 1, to_nan));
            let screen = ((120, 40), 0, "");
            let [shown, altered_frame] = [&document, &altered].map(|document| draw(document, step, screen));
            assert!(difference(&shown, &altered_frame).is_some(), "{name} at step {step}: no replaced number is on the screen");
        }
    }
}
