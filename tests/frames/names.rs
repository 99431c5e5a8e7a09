//! Each tensor and each function has one name in a frame, and no text is cut or covered while there is room.

use std::collections::HashSet;

use gradstep::app::State;
use gradstep::step::Unit;
use gradstep::ui::{RenderOptions, export};

use super::{bundled_documents, frame, open};

fn text(state: &State, (width, height): (u16, u16)) -> String {
    export::text(&frame(state, &RenderOptions::default(), width, height))
}

/// Checks that a frame of a scenario after these keys has some texts, and lacks others.
#[track_caller]
fn check(scenario: &str, keys: &str, size: (u16, u16), has: &[&str], lacks: &[&str]) {
    let text = text(&open(scenario, keys), size);
    for words in has {
        assert!(text.contains(words), "{words}\n{text}");
    }
    for words in lacks {
        assert!(!text.contains(words), "not {words}\n{text}");
    }
}

#[test]
fn the_equals_sign_in_a_matrix_is_directly_before_the_result() {
    check("figure-20", ":grad.input[0,1,1]#3<Enter>", (200, 60), &["9    =−8"], &["9  = −8", "9   = −8"]);
    check("figure-15", ":fc2.a[1]<Enter>", (120, 40), &["2   =0.2387"], &["2 = "]);
}

#[test]
fn two_tensors_never_have_one_title() {
    for (name, document) in bundled_documents() {
        let mut step = 1;
        while let Some(scene) = document.scene(step) {
            let mut seen = HashSet::new();
            for tensor in 0..scene.network().tensors().len() {
                let title = scene.title(tensor);
                assert!(seen.insert(title.clone()), "{name} step {step}: {title} is the title of two tensors");
            }
            // all ops of a run have the tensors of one network
            step = scene.span(Unit::Sample).end;
        }
    }
    check("xor", ":update:fc1.weight[0,1]<Enter>", (200, 60), &["old W⁽¹⁾ fc1.weight", "new W⁽¹⁾ fc1.weight", "old b⁽¹⁾", "new b⁽¹⁾"], &[]);
}

#[test]
fn a_function_has_one_name_in_all_panes_and_factors_have_enough_digits_for_the_result() {
    check("mazur-2-2-2", ":fc2.a[1]<Enter>", (120, 40), &["σ(z₂)", "σ(1.2249)"], &["sigmoid(z₂)"]);
    check("mazur-2-2-2", ":grad.fc1.z[1]<Enter>", (120, 40), &["σ′(z₂)", "0.04137·0.2406\n"], &["sigmoid′"]);
    check("figure-01", ":loss<Enter>", (120, 40), &["(−1)·1·(−1.2465)"], &["−1.247)"]);
}

#[test]
fn the_header_names_the_layer_whose_backward_rule_the_step_applies() {
    check("figure-01", ":grad.pool1.a[1,3,4]<Enter>", (120, 40), &["conv2 into pool1"], &["max_pool2d pool1"]);
    check("figure-20", ":grad.input[0,1,1]<Enter>", (120, 40), &["conv1 into input"], &[]);
}

#[test]
fn matrices_are_not_cut_if_there_is_room() {
    check("figure-02", ":conv1.z[1,1,1]<Enter>", (120, 40), &["W⁽¹⁾ conv1.weight  4×1×3×3", "out 4"], &["out 2–3"]);
    check("figure-20", ":grad.input[0,1,1]#3<Enter><Tab>", (80, 24), &["1    2     −5      2", "2    9    =−8      ∙"], &[]);
    // a matrix with a single row has the index of this row
    check("xor", ":update:fc2.bias[0]<Enter>", (120, 40), &["1   0.5  −0.3"], &[]);
}

#[test]
fn a_heat_map_keeps_marks_and_indices_apart() {
    for address in ["conv1.z[0,14,14]#9", "conv2.z[3,4,4]#30", "conv1.z[0,0,27]"] {
        let text = text(&open("figure-01", &format!(":{address}<Enter>H")), (120, 40));
        assert!(text.contains('▼'), "{text}");
        let chars: Vec<char> = text.chars().collect();
        let touches = |pair: &[char]| matches!(pair, [one, other] if one.is_ascii_digit() && "▾▼".contains(*other) || "▾▼".contains(*one) && other.is_ascii_digit());
        assert!(!chars.windows(2).any(touches), "{text}");
    }
}

#[test]
fn a_box_does_not_cover_the_equation_and_the_key_bar_has_its_keys() {
    let equation = |text: &str| text.lines().skip(4).take(6).map(str::to_owned).collect::<Vec<_>>();
    let address = ":conv1.z[0,1,1]#3<Enter>";
    for size in [(120, 40), (200, 60)] {
        let plain = text(&open("figure-18", address), size);
        for key in ["t", "d", "w", "r", "y"] {
            let with_box = text(&open("figure-18", &format!("{address}{key}")), size);
            assert_eq!(equation(&with_box), equation(&plain), "{key}");
        }
    }
    let bar = |keys: &str| text(&open("figure-18", keys), (120, 40)).lines().last().unwrap_or_default().to_owned();
    assert!(bar("t").contains("choose") && !bar("d").contains("choose"), "{}", bar("d"));
}

#[test]
fn a_tensor_of_a_graph_has_no_input_and_output_channels_in_the_update_either() {
    let document = super::bounded::document(
        "title = \"t\"\n[graph]\nnodes = \"J = (W * W).sum()\"\n[graph.inputs]\nW = { init = \"normal\", seed = 1, shape = [2, 2, 2, 2] }\n\
         [train]\nlearn = [\"W\"]\nlearning_rate = 0.1\n",
    );
    for address in ["J.1[0,0,0,0]", "update:W[0,0,0,0]"] {
        let state = super::open_at(&document, document.trace.resolve(&address.parse().unwrap()).unwrap());
        let text = text(&state, (120, 40));
        assert!(text.contains("2×2×2×2") && !text.contains("out ") && !text.contains("in 1"), "{address}\n{text}");
    }
}

#[test]
fn the_map_has_a_legend_and_names_its_sample() {
    // at a step of the batch, the map shows the last sample
    check("xor", "M", (80, 24), &["▸ chosen", "sample 4/4"], &[]);
    check("xor", "M", (120, 40), &["iteration 1/60", "sample 4/4", "loss     "], &[]);
}

#[test]
fn an_edit_has_room_for_its_effect() {
    // the pane `why` shows the effect in place of its other texts, and the message does not repeat the change
    let keys = ":conv1.a[2,1,1]<Enter>:set conv1.weight[1,0,0,0] 0.123456<Enter>";
    check("figure-02", keys, (120, 40), &["ΔC", "∂C/∂w₂₁₁·Δw₂₁₁", " u undoes it, W writes it"], &["* Convolution", "0.1235; u"]);
}
