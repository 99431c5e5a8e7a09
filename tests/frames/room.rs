//! At each size of the screen, texts are not cut, no pane disappears, and no pane moves during an op.

use gradstep::app::{Action, update};
use gradstep::expr::Notation;
use gradstep::op::rule::Equation;
use gradstep::step::Unit;
use gradstep::tensor::shape_on_screen;
use gradstep::ui::view::StepView;
use gradstep::ui::{RenderOptions, export};

use super::{SIZES, bundled_documents, frame, open};

fn text(name: &str, keys: &str, (width, height): (u16, u16)) -> String {
    export::text(&frame(&open(name, keys), &RenderOptions::default(), width, height))
}

/// The first step of each op.
fn op_starts(name: &str) -> Vec<u64> {
    bundled_documents()[name].trace.ops().map(|(_, _, steps)| steps.start).collect()
}

/// Draws the first step of every op of every scenario at 80x24. Calls `look_at` with its view, its equation and its frame.
fn each_op_at_80x24(keys: &str, look_at: impl Fn(&StepView<'_>, Equation, &str)) {
    for name in bundled_documents().keys() {
        for step in op_starts(name) {
            let mut state = open(name, keys);
            update(&mut state, Action::GoToStep(step));
            let shown = export::text(&frame(&state, &RenderOptions::default(), 80, 24));
            let view = StepView::of(&state, RenderOptions::default()).expect("a step");
            let equation = view.equation(view.part());
            look_at(&view, equation, &shown);
        }
    }
}

#[test]
fn at_80x24_the_equation_and_its_title_are_not_cut() {
    each_op_at_80x24("", |view, equation, shown| {
        // in a graph, one line shows the statement, with « and » around the part that this op computes. It may have a = too, but is not the equation
        let line = shown.lines().skip(2).find(|line| line.contains(['=', '←']) && !line.contains('«')).expect("an equation");
        let title = &view.document.scenario.title;
        // a long sum may be written with its first and last terms only
        let cut = line.replacen(" + … + ", "", 1).contains('…');
        let names = [equation.title(Notation::Unicode), equation.gist.text(Notation::Unicode), equation.name.into()];
        // if the equation is long, its title is at the end of the statement's line
        let statement = shown.lines().find(|line| line.contains('«')).unwrap_or_default();
        let is_named = names.iter().any(|name| !name.is_empty() && (line.ends_with(name.as_ref()) || statement.ends_with(name.as_ref())));
        assert!(!cut && is_named, "{title}: {line}");
        assert!(shown.starts_with(title.as_str()), "{title}: {shown}");
    });
}

#[test]
fn at_80x24_tab_shows_the_whole_pane_why() {
    each_op_at_80x24("<Tab>", |_, equation, shown| {
        let last_word = equation.words.split(' ').next_back().expect("a word");
        // the lines after the first 22 are the status and the keys
        let is_shown = shown.lines().take(22).any(|line| line.ends_with(last_word) || line.contains(&format!("{last_word} ")));
        assert!(is_shown, "{last_word}: {shown}");
    });
}

/// Panes and names of matrices keep their places during an op.
#[test]
fn nothing_moves_within_an_op() {
    let mut names_seen = 0;
    for name in bundled_documents().keys() {
        for (width, height) in SIZES {
            for (_, _, steps) in bundled_documents()[name].trace.ops() {
                let mut places = Vec::new();
                // at most five steps of the op are drawn
                let stride = (steps.end - steps.start).div_ceil(5).max(1);
                for step in steps.step_by(usize::try_from(stride).expect("small")) {
                    let mut state = open(name, "");
                    update(&mut state, Action::GoToStep(step));
                    let shown = export::text(&frame(&state, &RenderOptions::default(), width, height));
                    let view = StepView::of(&state, RenderOptions::default()).expect("a step");
                    let matrices = view.tensors().into_iter().map(|on_screen| {
                        let info = view.network().tensor(on_screen.tensor);
                        format!(" {}  {}", info.name, shape_on_screen(&info.shape))
                    });
                    let texts: Vec<String> = ["─ why", "─ picture", "─ matrices"].map(str::to_owned).into_iter().chain(matrices).collect();
                    let mut found = Vec::new();
                    for (y, line) in shown.lines().enumerate() {
                        for text in &texts {
                            found.extend(line.find(text).map(|at| (text.clone(), y, line[..at].chars().count())));
                        }
                    }
                    names_seen += found.iter().filter(|(text, ..)| !text.starts_with('─')).count();
                    places.push((step, found));
                }
                assert!(places.windows(2).all(|pair| pair[0].1 == pair[1].1), "{name} at {width}x{height}: {places:?}");
            }
        }
    }
    assert!(names_seen > 1000, "{names_seen}");
}

#[test]
fn the_key_of_the_help_is_always_shown() {
    for (width, height) in [(60, 16), (80, 24), (120, 40), (200, 60)] {
        for keys in ["l", "l<Tab>", "o"] {
            let shown = text("figure-17", keys, (width, height));
            assert!(shown.lines().last().expect("keys").contains("? help"), "{keys} at {width}x{height}: {shown}");
        }
    }
}

#[test]
fn an_area_that_panes_share_shows_the_name_of_the_next_pane() {
    assert!(text("figure-17", "", (80, 24)).contains("Tab why"));
    assert!(text("figure-17", "<Tab>", (80, 24)).contains("Tab matrices alone"));
    assert!(text("figure-17", "<Tab><Tab>", (80, 24)).contains("Tab picture"));
    // on this larger screen every pane has its own area
    assert!(!text("figure-17", "", (120, 40)).contains("Tab"));
}

#[test]
fn the_picker_opens_at_the_open_scenario() {
    let shown = text("figure-17", "o", (80, 24));
    assert!(shown.contains("▸ figure-17"), "{shown}");
    // j chooses another scenario, and Esc closes the picker: the last o opens it again
    let shown = text("figure-17", "oj<Esc>o", (80, 24));
    assert!(shown.contains("▸ figure-17"), "{shown}");
}

#[test]
fn the_chosen_completion_is_in_view() {
    let after = |keys: &str| text("figure-01", keys, (80, 24));
    for tabs in 1..=20 {
        let shown = after(&format!(":grad{}", "<Tab>".repeat(tabs)));
        // the last line is the prompt: a colon, and the chosen completion
        let prompt = shown.lines().last().expect("a line");
        let completion = prompt[1..].split("  ").next().expect("a name").trim_end();
        assert_eq!(shown.matches(&format!("│▸{completion}")).count(), 1, "{shown}");
    }
    // the number of the sample stays before the completed name
    assert!(after(":1:gra<Tab>").contains("\n:1:grad."), "{}", after(":1:gra<Tab>"));
}

/// In ASCII the sign of a product is a star. The items of the header and the status line are separated by bars, not by the sign of a product.
#[test]
fn ascii_separates_items_with_bars() {
    let state = open("figure-18", "l");
    let shown = export::text(&frame(&state, &RenderOptions { ascii: true, ..RenderOptions::default() }, 80, 24));
    let line = |n: usize| shown.lines().nth(n).expect("a line").to_owned();
    let (header, equation, status) = (line(0), line(4), line(22));
    assert!(header.contains(" | ") && status.contains(" | unit:"), "{shown}");
    assert!(!header.contains('*') && !status.contains('*') && equation.contains('*'), "{shown}");
}

/// A step that is a single difference shows its two numbers.
#[test]
fn a_difference_shows_its_numbers() {
    let shown = text("mazur-2-2-2", ":grad.fc2.a[0]<Enter>", (80, 24));
    assert!(shown.contains("=  (a₁−t₁)\n") && shown.contains("=  (0.7514−0.01)\n") && shown.contains("=  0.7414\n"), "{shown}");
}

#[test]
fn a_scenario_that_replaces_another_opens_unscrolled_with_the_unit_step() {
    let mut state = open("figure-01", "<PgDn><PgDn>");
    assert_ne!(state.stepper().expect("open").scroll, [0, 0]);
    state.open(std::sync::Arc::clone(&bundled_documents()["figure-17"]), None);
    assert_eq!((state.stepper().expect("open").scroll, state.stepper().expect("open").unit), ([0, 0], Unit::Step));
}

#[test]
fn huge_padding_does_not_panic() {
    let text = r#"title = "wide"
input = [[[1.0]]]
target = [[[1.0, 1.0], [1.0, 1.0]]]
loss = "squared_error"
[[layer]]
type = "conv2d"
weight = [[[[1.0, 1.0], [1.0, 1.0]]]]
padding = 2000000000
dilation = 2000000000
stride = 2000000000
"#;
    for size in [(1, 1), (20, 5), (80, 24), (200, 60)] {
        for address in ["conv1.z", "grad.conv1.weight", "grad.input"] {
            let shown =
                export::text(&frame(&super::layers::open(text, &format!(":{address}<Enter>")), &RenderOptions::default(), size.0, size.1));
            // if the screen is large enough, it shows the number 1 that the step reads, in brackets
            assert!(size.0 < 80 || shown.contains("[1]"), "{address} at {size:?}:\n{shown}");
        }
    }
}

/// Names can be as long as their file. Some of these names are longer than the 65,535 columns of the largest screen.
#[test]
fn very_long_names_do_not_panic() {
    for length in [300, 60_000, 65_530, 65_536, 70_000] {
        let name = "a".repeat(length);
        let graph = format!(
            "title = \"long\"\n[graph]\ninputs = {{ {name} = 2, b = 3 }}\nnodes = [\"{name}b = {name} * b\", \"J = {name}b * {name}\"]\n"
        );
        let layer = format!("[[layer]]\nname = \"{name}\"\ntype = \"linear\"\nweight = [[1, 2], [3, 4]]\nactivation = \"tanh\"\n");
        let samples = "[[sample]]\ninput = [1, 2]\ntarget = [0, 1]\n".repeat(2);
        let layers = format!("title = \"long\"\nloss = \"squared_error\"\n[train]\nlearning_rate = 1\n{samples}{layer}");
        for text in [graph, layers] {
            let mut state = super::layers::open(&text, "");
            let document = state.document().cloned().expect("open");
            for (_, _, steps) in document.trace.ops() {
                update(&mut state, Action::GoToStep(steps.start));
                for (width, height) in [(60, 16), (80, 24), (120, 40), (200, 60)] {
                    let shown = export::text(&frame(&state, &RenderOptions::default(), width, height));
                    assert!(shown.contains("aaaa") || shown.contains("loss") || shown.contains('J'), "{shown}");
                    assert!(shown.lines().all(|line| line.chars().count() <= usize::from(width)), "{shown}");
                }
            }
        }
    }
}

/// A screen of at least 30 lines names the ops around this one: in the list, or if there is no room for it, in the chain.
#[test]
fn a_screen_of_30_lines_has_the_chain_or_the_list_of_ops() {
    for width in [80, 110, 159, 160, 170, 200] {
        for height in 30..=36 {
            let shown = text("xor", ":1:fc1.a[0]<Enter>", (width, height));
            let [has_chain, has_list] = ["fc1.z → fc1.a → fc2.z → fc2.a", "─ ops ─"].map(|ops| shown.contains(ops));
            assert_eq!((has_chain, has_list), (!has_list, width >= 160 && height >= 34), "{width}x{height}:\n{shown}");
        }
    }
}
