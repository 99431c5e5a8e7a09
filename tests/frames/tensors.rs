//! Frames of graphs of tensors, as snapshots. Also tests how a product and its gradients are arranged.

use gradstep::app::State;
use gradstep::ui::{RenderOptions, export};

use super::layers::open;
use super::{frame, snapshot};

macro_rules! exercise {
    ($name:literal) => {
        include_str!(concat!("../graphs/exercises/", $name, ".toml"))
    };
}

const ATTENTION: &str = exercise!("attention-one-head");
pub const TWO_LAYERS: &str = exercise!("two-layer-net");
const TWO_HEADS: &str = exercise!("attention-two-heads");
const RNN: &str = exercise!("rnn");
const EMBEDDING: &str = exercise!("embedding");
pub const BATCH_NORM: &str = exercise!("batch-norm");
const SVM: &str = exercise!("svm-loss");

#[test]
fn frames_of_tensors() {
    let cases = [
        (TWO_LAYERS, ":pre.2[1,1]#2<Enter>", "product"),
        (TWO_LAYERS, ":grad.W1[0,1]#3<Enter>", "product-right"),
        (TWO_LAYERS, ":grad.b1[1]#2<Enter>", "broadcast-back"),
        (ATTENTION, ":grad.q[0,1,0]<Enter>", "attention"),
        (TWO_HEADS, ":grad.q<Enter>", "rank-4"),
        (RNN, ":grad.Wh[1,1]<Enter>", "rnn"),
        (EMBEDDING, ":grad.E[1,0]<Enter>", "lookup-back"),
        (BATCH_NORM, ":grad.var<Enter>", "batch-norm"),
        (SVM, "bl", "svm"),
    ];
    for (text, keys, name) in cases {
        for (width, height) in [(80, 24), (120, 40)] {
            insta::assert_snapshot!(format!("tensors-{name}-{width}x{height}"), snapshot(&open(text, keys), width, height));
        }
    }
    insta::assert_snapshot!("tensors-rnn-200x60", snapshot(&open(RNN, ":grad.Wh[1,1]<Enter>"), 200, 60));
}

fn text(state: &State) -> String {
    export::text(&frame(state, &RenderOptions::default(), 120, 40))
}

/// Returns the line and the column of a text on the screen, from the pane of the matrices on.
fn place(screen: &str, what: &str) -> (usize, usize) {
    let lines = screen.lines().enumerate().skip_while(|(_, line)| !line.contains("─ matrices"));
    let mut found = lines.filter_map(|(y, line)| line.find(what).map(|at| (y, line[..at].chars().count())));
    found.next().unwrap_or_else(|| panic!("no {what} on the screen:\n{screen}"))
}

/// A product of two matrices and its gradients.
const PRODUCT: &str = "title = \"product\"\n[graph]\nnodes = '''\nZ = A @ B\nJ = (Z * G).sum()\n'''\n[graph.inputs]\n\
    A = [[1, 2, 3], [4, 5, 6]]\nB = [[1, 0, 2, 1], [0, 1, 1, 2], [2, 2, 0, 1]]\nG = [[1, 2, 0, 1], [0, 1, 1, 3]]\n";

#[test]
fn a_product_and_its_two_gradients_have_the_same_arrangement() {
    for (keys, [left, above, corner]) in [
        (":Z[1,2]<Enter>", [" A  2×3", " B  3×4", "→ Z  2×4"]),
        (":grad.A[1,2]<Enter>", ["→ ∂J/∂A", " B  3×4", " ∂J/∂Z"]),
        (":grad.B[1,2]<Enter>", [" A  2×3", "→ ∂J/∂B", " ∂J/∂Z"]),
    ] {
        let screen = text(&open(PRODUCT, keys));
        let names = [left, above, corner].map(|title| {
            let (y, x) = place(&screen, title);
            // the name is after the sign
            (y, x + title.chars().take_while(|sign| "→ ".contains(*sign)).count())
        });
        // each name is at [row, column]: one operand is left of the corner, the other is above it
        let [left, above, corner] = names;
        assert!(left.0 == corner.0 && above.1 == corner.1 && left.1 < corner.1 && above.0 < corner.0, "{keys}:\n{screen}");
    }
}

#[test]
fn the_text_about_a_gradient_has_the_number_of_uses_of_its_entry() {
    for (scenario, keys, words) in [
        (TWO_LAYERS, ":grad.b1[1]<Enter>", "b1₂ was used 4 times, so its gradient is the sum of"),
        (TWO_LAYERS, ":grad.b1[1]<Enter>I", "b1₁ was used 4 times, so its gradient is the sum of"),
        (EMBEDDING, ":grad.E[1,0]<Enter>", "Row 2 of E was read 3 times here"),
    ] {
        let screen = text(&open(scenario, keys));
        let why = screen.split("─ why").nth(1).expect("the words").replace('\n', " ");
        let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(why.contains(words), "{keys}: {why}");
    }
}

#[test]
fn the_matrices_of_a_tensor_of_four_axes_are_counted() {
    let scenario = "title = \"rank 4\"\n[graph]\nnodes = '''\ny = x * 2\nJ = (y * x).sum()\n'''\n[graph.inputs]\n\
        x = { init = \"normal\", seed = 1, shape = [3, 4, 6, 9] }\n";
    let screen = text(&open(scenario, ":y[1,2,3,4]<Enter>"));
    assert!(screen.contains("matrix 2,3 of 3×4"), "{screen}");
    let moved = text(&open(scenario, ":y[1,2,3,4]<Enter>]"));
    assert!(moved.contains("matrix 2,4 of 3×4"), "{moved}");
    assert!(!screen.contains("channel") && !screen.contains("out "), "{screen}");
}
