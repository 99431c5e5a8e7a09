//! The key `Z` shows only the equation and the operands, in large characters.

use gradstep::app::State;
use gradstep::ui::theme::{Background, Colours, Theme};
use gradstep::ui::{RenderOptions, export};

use super::{bounded, frame, open, open_at, press};

/// The frame as text.
fn shown(state: &State, width: u16, height: u16) -> String {
    export::text(&frame(state, &RenderOptions::default(), width, height))
}

#[test]
fn a_zoomed_step_in_large_characters() {
    let state = open("figure-19", ":grad.conv1.weight[0,0,0,1]#3<Enter>Z");
    insta::assert_snapshot!("zoom", shown(&state, 120, 40));
    let theme = Theme::new(Colours::None, Background::Dark);
    let ascii = export::text(&frame(&state, &RenderOptions { theme, ascii: true }, 120, 40));
    insta::assert_snapshot!("zoom_ascii", ascii);
}

#[test]
fn z_again_shows_all_panes() {
    let mut state = open("figure-17", "");
    // without the status line, which has a message at first
    let panes = |state: &State| shown(state, 120, 40).lines().take(38).map(str::to_owned).collect::<Vec<_>>();
    let before = panes(&state);
    press(&mut state, "Z");
    assert_ne!(panes(&state), before);
    press(&mut state, "Z");
    assert_eq!(panes(&state), before);
}

/// The numbers on a zoomed frame with ordinary characters are those of the trace.
#[test]
fn a_zoomed_step_has_the_numbers_of_the_step() {
    for (name, address, texts) in [
        ("mazur-2-2-2", "grad.fc1.weight[0,0]", ["0.05·0.008771", "=", "0.000439"]),
        ("figure-20", "grad.input[0,1,1]#2", ["(−1)·3 = −3", "1 + (−3) = −2", "term 2 of 4"]),
    ] {
        let text = shown(&open(name, &format!(":{address}<Enter>Z")), 70, 19);
        assert!(texts.iter().all(|part| text.contains(part)), "{name}:\n{text}");
    }
}

/// The title of a tensor of a graph with leading dimensions names the matrix by its index, as the matrices pane does. With indices from 0, the range has both
/// ends.
#[test]
fn the_title_names_the_matrix_as_the_matrices_pane_does() {
    let graph = |shape: &str, index: &str| {
        let text = format!(
            "title = \"leading\"\n[graph]\nnodes = \"\"\"\ny = 2 * x\nJ = y.sum()\n\"\"\"\n[graph.inputs]\nx = {{ init = \"normal\", seed = 1, shape = {shape} }}\n"
        );
        let mut state = open_at(&bounded::document(&text), 1);
        press(&mut state, &format!(":y{index}<Enter>Z"));
        state
    };
    let mut state = graph("[2, 3, 2, 2]", "[1,2,0,0]");
    let text = shown(&state, 120, 40);
    assert!(text.contains("matrix 2,3 of 2×3") && !text.contains("out 2"), "{text}");
    press(&mut state, "I");
    assert!(shown(&state, 120, 40).contains("matrix 1,2 of 2×3"), "{}", shown(&state, 120, 40));
    let mut state = graph("[2, 2, 2]", "[1,0,0]");
    assert!(shown(&state, 120, 40).contains("matrix 2 of 2"), "{}", shown(&state, 120, 40));
    state = graph("[40, 40]", "[20,20]");
    let rows_and_columns = |state: &State| {
        let text = shown(state, 120, 40);
        let title = text.lines().find(|line| line.contains("rows ")).unwrap_or_else(|| panic!("{text}"));
        title.to_owned()
    };
    assert!(rows_and_columns(&state).contains(" of 40"), "{}", rows_and_columns(&state));
    press(&mut state, "I");
    assert!(rows_and_columns(&state).contains(" of 0–39"), "{}", rows_and_columns(&state));
}

/// The symbols are as large as the numbers if there is room for both; otherwise they are above the numbers.
#[test]
fn symbols_are_large_where_they_fit() {
    let wide = shown(&open("figure-19", ":grad.conv1.weight[0,0,0,1]#4<Enter>Z"), 120, 40);
    assert!(!wide.contains("a₂₃·δ₂₂") && !wide.contains("∂C/∂w₁₂") && wide.contains("\nall 4 terms\n"), "{wide}");
    let narrow = shown(&open("figure-19", ":grad.conv1.weight[0,0,0,1]#4<Enter>Z"), 70, 24);
    assert!(narrow.contains("\na₂₃·δ₂₂\n") && narrow.contains("∂C/∂w₁₂, all 4 terms"), "{narrow}");
    // the sum so far is not equal to the entry, so there is no equals sign between them
    let part = shown(&open("figure-19", ":grad.conv1.weight[0,0,0,1]#3<Enter>Z"), 120, 40);
    assert!(part.contains("∂C/∂w₁₂ so far, term 3 of 4"), "{part}");
}
