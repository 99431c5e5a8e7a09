//! The sentences of the plain mode have the numbers of the trace, and do not depend on numbers that are computed later.

use std::sync::Arc;

use gradstep::app::Document;
use gradstep::plain::{self, PlainReader};
use gradstep::tensor::len;
use gradstep::ui::RenderOptions;
use gradstep::ui::view::StepView;
use proptest::prelude::*;

use super::early::{FUTURES, Scenarios, bundled, other_scenarios, sampled_steps};
use super::{open, open_at, press};

/// No key, or a key that opens an overlay or the cursor, which the plain mode reads out.
const OPENING_KEYS: [&str; 9] = ["", "t", "w", "r", "d", "M", "y", "i", "?"];

/// The answer at a step after keys, and the matrices of the step.
fn answers(document: &Arc<Document>, step: u64, keys: &str) -> Vec<String> {
    let mut state = open_at(document, step);
    press(&mut state, keys);
    let mut lines = PlainReader::default().answer(&state, RenderOptions::default(), true);
    lines.extend(plain::matrices(&StepView::of(&state, RenderOptions::default()).expect("a step")));
    lines
}

fn assert_same_answers(scenarios: Scenarios, most_steps: u64) {
    for (name, document) in scenarios {
        for (n, step) in sampled_steps(&document, most_steps).into_iter().enumerate() {
            let (what, future) = FUTURES[n % FUTURES.len()];
            let altered = Arc::new(document.with_future(step, future));
            for keys in OPENING_KEYS {
                // r lists the steps that read the entry. With later numbers NaN the list may differ, because the gradient of the output's activation has
                // other steps if the chain rule gives NaN. The scenario `masks` has no activation
                if keys == "r" && what == "not a number" && name != "masks" {
                    continue;
                }
                let [real, with_other_numbers] = [&document, &altered].map(|document| answers(document, step, keys));
                assert_eq!(real, with_other_numbers, "{name} at step {step} after {keys:?}, {what}");
            }
        }
    }
}

#[test]
fn no_answer_depends_on_later_numbers() {
    assert_same_answers(bundled(), 24);
    assert_same_answers(other_scenarios(), 12);
}

/// A test of the comparison: if the number of the step itself is replaced too, the answers differ.
#[test]
fn an_answer_depends_on_the_number_of_its_step() {
    let (_, to_nan) = FUTURES[3];
    for (name, document) in bundled() {
        for step in sampled_steps(&document, 6).into_iter().filter(|step| *step > 1) {
            let altered = Arc::new(document.with_future(step - 1, to_nan));
            assert_ne!(answers(&document, step, ""), answers(&altered, step, ""), "{name} at step {step}");
        }
    }
}

/// The numbers in a row of a matrix, with `None` for a text: `row 2: 0.1, [-0.25], not computed yet` gives 0.1, −0.25 and `None`.
fn numbers(line: &str) -> Vec<Option<f64>> {
    let row = line.split_once(": ").map_or(line, |(head, row)| if head.starts_with("row ") { row } else { line });
    row.split(", ").map(|number| number.trim_matches(['[', ']']).parse().ok()).collect()
}

#[test]
fn rows_have_the_numbers_of_the_trace() {
    for (name, document) in bundled() {
        let step = document.trace.len() / 2;
        let state = open_at(&document, step.max(1));
        let view = StepView::of(&state, RenderOptions::default()).expect("a step");
        for shown in view.tensors() {
            let shape = &view.network().tensor(shown.tensor).shape;
            // `plain::matrix` gives only a part of a matrix with more than 32 rows or columns, and lines for each matrix of a tensor with more axes
            if shape.iter().any(|size| *size > 32) || shape.len() > 2 {
                continue;
            }
            // the first line has the name
            let numbers_read: Vec<Option<f64>> = plain::matrix(&view, shown.tensor)[1..].iter().flat_map(|line| numbers(line)).collect();
            assert_eq!(numbers_read.len(), len(shape), "{name}: {:?}", plain::matrix(&view, shown.tensor));
            for (entry, read) in numbers_read.into_iter().enumerate() {
                match (read, view.number(shown.tensor, entry)) {
                    // the text has four digits
                    (Some(read), Some(number)) => {
                        assert!((read - number).abs() <= 5e-4 * number.abs().max(0.1), "{name}: {read} for {number}");
                    }
                    (read, number) => assert_eq!(read, number, "{name}"),
                }
            }
        }
    }
}

#[test]
fn a_step_is_sentences() {
    let state = open("figure-19", ":grad.conv1.weight[0,0,0,1]#3<Enter>");
    let lines = PlainReader::default().answer(&state, RenderOptions::default(), false);
    assert_eq!(
        lines,
        [
            "grad.conv1.weight[0,0,0,1]  step 39/64, backward, layer 1/1 conv2d conv1, unit step",
            "weight gradient: the input convolved with the error. d C by d W of layer 1 equals a of layer 0 convolved with delta of layer 1.",
            "d C by d w 1 2 equals a 1 2 times delta 1 1 plus a 1 3 times delta 1 2 plus a 2 2 times delta 2 1 plus a 2 3 times delta 2 2.",
            "Term 3 of 4 of d C by d w 1 2: a 2 2 times delta 2 1 equals 3 times 3 equals 9.",
            "a 2 2 is input[0,1,1], given: 3.",
            "delta 2 1 is grad.conv1.z[0,1,0], from step 31: 3.",
            "So far: 2 plus 9 equals 11.",
            "Why: Every output of the channel uses the shared weight once. Its gradient is the sum over all these edges: the input at the start of the edge \
             times the error at its end.",
        ]
    );
}

/// A filter of 3×3 with padding 1 over a single pixel: only the weight in the middle is used, so the gradients of the others have no terms.
#[test]
fn the_gradient_of_an_unused_weight_in_the_batch_is_not_given() {
    let sample = "[[sample]]\ninput = [[[1]]]\ntarget = [[[2]]]\n";
    let text = format!(
        "title = \"pixel\"\nloss = \"squared_error\"\n[[layer]]\ntype = \"conv2d\"\nweight = [[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]]\npadding = 1\n{sample}{sample}"
    );
    let state = super::layers::open(&text, ":reduce:grad.conv1.weight[0,0,0,0]<Enter>");
    let lines = PlainReader::default().answer(&state, RenderOptions::default(), false);
    let said = "d C 1 by d w 1 1 is 1:grad.conv1.weight[0,0,0,0], it is over padding in every window: 0.";
    assert!(lines.iter().any(|line| line == said), "{lines:#?}");
}

/// Keys that reach every mode.
const KEYS: [&str; 44] = [
    "l",
    "h",
    "j",
    "k",
    "s",
    "S",
    "f",
    "z",
    "g",
    "G",
    "b",
    "m",
    "r",
    "t",
    "w",
    "x",
    "d",
    "y",
    "v",
    "'",
    "M",
    "H",
    "I",
    "i",
    "[",
    "]",
    "<Tab>",
    "<Enter>",
    "<Esc>",
    "<Down>",
    "<Up>",
    "?",
    "a",
    "o",
    "L",
    "p",
    "0.5<Enter>",
    "e",
    "u",
    "B",
    "c",
    "n",
    ":loss<Enter>",
    "/> 0<Enter>",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn after_any_keys_the_answer_begins_with_the_status(
        name in prop::sample::select(vec!["figure-14", "figure-17", "figure-07", "xor", "figure-02"]),
        keys in prop::collection::vec(prop::sample::select(KEYS.to_vec()), 1..24),
    ) {
        let mut state = open(name, "");
        let mut reader = PlainReader::default();
        for key in keys {
            press(&mut state, key);
            let lines = reader.answer(&state, RenderOptions::default(), false);
            let view = StepView::of(&state, RenderOptions::default()).expect("a step");
            prop_assert!(lines[0].starts_with(&format!("{}  step {}/{}", view.address(), view.at.step, view.step_count())), "{}", lines[0]);
            // a line has no control characters and none that draw boxes or bars
            for line in &lines {
                prop_assert!(!line.chars().any(|c| c.is_control() || ('\u{2500}'..='\u{259f}').contains(&c)), "{line:?}");
                prop_assert!(!line.ends_with(' ') && !line.is_empty(), "{line:?}");
            }
        }
    }
}
