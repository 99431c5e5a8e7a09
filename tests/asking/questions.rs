//! The questions of a learner: each is answered with at most three keys on a screen of 120x40. A line of the prompt, from `:` to Enter, counts as one key.

use super::*;

/// Returns the number of keys of a text; `:…<Enter>` counts as one key.
fn key_count(text: &str) -> usize {
    match text.split_once(':') {
        None => keys::parse(text).unwrap().len(),
        Some((before, typed)) => {
            keys::parse(before).unwrap().len() + 1 + typed.split_once("<Enter>").map_or(0, |(_, rest)| key_count(rest))
        }
    }
}

#[test]
fn a_question_is_answered_within_three_keys() {
    let scenarios = scenarios();
    // a scenario, the keys that are pressed at its start, and the answer on the screen
    #[rustfmt::skip]
    let questions = [
        // where does this entry come from
        ("figure-18", "", "z₂₂ = [w₁₁·a₂₂]"),
        ("xor", "m", "1:grad.fc2.weight[0,0]  step 18/203"),
        // which products add up to it
        ("figure-18", "ft", "terms of conv1.z[0,1,1]: 4"),
        ("xor", "t", "terms of reduce:grad.fc2.weight[0,0]"),
        // where is it used
        ("figure-18", "r", "conv1.z[0,1,1] is read by 1 step"),
        ("figure-07", "r", "pool1.a[0,0,0] is read by 1 step"),
        // which rule, in words
        ("figure-18", "", "Each neuron sees one window of the input."),
        ("figure-07", "", "Each window becomes its largest entry"),
        // why is the filter turned
        ("figure-18", ":turned<Enter>", "the filter lies on the error turned by 180°"),
        // which neurons share this weight
        ("figure-18", ":conv1.weight[0,0,0,0]<Enter>r", "conv1.weight[0,0,0,0] is read by 8 steps"),
        ("xor", ":1:fc1.z<Enter>i<Tab>", "fc1.weight[0,0] = "),
        // the derivative as a product along its paths
        ("figure-14", ":grad.c<Enter>", "along the path J ← v ← c"),
        // is it right
        ("figure-18", "x", "gradient check of grad.conv1.z[0,1,1]"),
        ("xor", "x", "of the loss of the batch;"),
        // the error vector of a layer, whole, of a chosen sample
        ("xor", ":3:grad.fc1.z<Enter>f", "2   =0.1226"),
        ("figure-18", ":error<Enter>f", "grad.conv1.z[0,1,1]  step 32/64"),
        // the stride's part
        ("figure-07", ":stride<Enter>", "Stride 2, so no two windows share a pixel."),
        // why is this entry 0
        ("figure-07", ":grad.input[0,0,1]<Enter>", "grad.input[0,0,1] is 0: it was not the maximum of any window that covers it"),
        // all digits
        ("xor", "d", "value of this step  0.013137105465378173"),
        // what if this weight grows by 0.1
        ("figure-18", ":set conv1.weight[0,0,0,0] 1.1<Enter>", "ΔC"),
        ("xor", "e", "W⁽²⁾"),
        // how do I make a slide of this step, record and replay a session, open the program at this step, and check the gradients in CI
        ("xor", ":slide<Enter>", "copied: gradstep show xor --at '1/reduce:grad.fc2.weight[0,0]#1' --format svg -o slide.svg"),
        ("figure-18", ":record<Enter>", "copied: gradstep figure-18 --record lecture.session"),
        ("figure-18", ":same run twice", "replay"),
        ("figure-18", ":open at<Enter>", "copied: gradstep figure-18 --at 'conv1.z[0,1,1]#1'"),
        ("figure-18", ":ci<Enter>", "copied: gradstep gradcheck figure-18"),
        // hide the result
        ("figure-18", ":hide<Enter>", "Enter judge"),
        // my own note at this step
        ("figure-18", ":mark look at a₂₂<Enter>", "bookmarked conv1.z[0,1,1]#1 as look at a₂₂"),
        // my own weights in
        ("figure-18", ":my own weights<Enter>", "weight = { file = "),
        // down to the leaves
        ("xor", "w", "fc1.bias[0]"),
    ];
    for (name, keys, answer) in questions {
        let (_, document) = scenarios.iter().find(|(other, _)| other == name).unwrap();
        let mut state = State::picker(picker_entries::bundled());
        state.open(Arc::clone(document), None);
        let mut driver = Driver::new(state, ScenarioLoader::bundled(Limits::default()));
        driver.finish_all().unwrap();
        press(&mut driver, keys);
        let shown = frame(&driver, (120, 40));
        assert!(shown.contains(answer), "{name} {keys}: {answer} is not in\n{shown}");
        assert!(key_count(keys) <= 3, "{name} {keys}");
    }
}
