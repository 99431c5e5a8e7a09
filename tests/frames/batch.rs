//! Frames of the ops of a batch, such as the sum of the samples' gradients. These ops have a network of their own.

use gradstep::app::{Action, update};
use gradstep::ui::{RenderOptions, export, view::StepView};

use super::{frame, layers::open};

const SMALL: &str = include_str!("../valid/batch-of-two.toml");
const TRANSPOSED: &str = include_str!("../valid/batch-of-transposed.toml");
const LAYERS: &str = include_str!("layers.toml");

/// The frame at the first step of every op of the batch has the name of the op, and its matrices.
#[test]
fn every_op_of_a_batch_is_drawn() {
    for text in [SMALL, TRANSPOSED, LAYERS] {
        let mut state = open(text, "");
        let document = state.document().cloned().expect("open");
        let batch = document.trace.ops().filter(|(run_index, ..)| document.trace.runs()[*run_index].sample.is_none());
        for (_, _, steps) in batch {
            update(&mut state, Action::GoToStep(steps.start));
            let op = StepView::of(&state, RenderOptions::default()).expect("a step").step.op.clone();
            for (width, height) in [(80, 24), (120, 40)] {
                let shown = export::text(&frame(&state, &RenderOptions::default(), width, height));
                assert!(shown.contains(&*op) && shown.contains("─ matrices"), "{shown}");
            }
        }
    }
}

/// The labels of a filter's leading dimensions do not depend on the op that reads it.
#[test]
fn a_filter_has_the_same_dimensions_in_every_pass() {
    for address in [
        "convt1.z[3,1,1]",
        "grad.convt1.weight[2,3,1,1]",
        "reduce:grad.convt1.weight[2,3,1,1]",
        "update:velocity.convt1.weight[2,3,1,1]",
        "update:convt1.weight[2,3,1,1]",
        "2/update:velocity.convt1.weight[2,3,1,1]",
    ] {
        for (width, height) in [(80, 24), (120, 40), (200, 60)] {
            let state = open(TRANSPOSED, &format!(":{address}<Enter><Tab><Tab>"));
            let shown = export::text(&frame(&state, &RenderOptions::default(), width, height));
            // the input channels are the first axis of a transposed convolution's weight
            assert!(shown.contains("in 3, out 4") || shown.contains("in 1, out 4"), "{address} at {width}x{height}:\n{shown}");
            assert!(
                !shown.lines().any(|line| line.contains("  out ") && line.contains(", in ")),
                "{address} at {width}x{height}:\n{shown}"
            );
        }
    }
}
