//! README and `docs`: what they say is true.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use gradstep::op::LAYERS;
use gradstep::op::activation::ACTIVATIONS;
use gradstep::op::loss::LOSSES;
use gradstep::op::operator::{FUNCTIONS, NamedFunction};

use super::{printed, with_input};

/// The picture in the README is a frame of this program.
#[test]
fn the_picture_of_the_readme_is_a_real_frame() {
    let picture = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/frame.svg")).expect("the picture");
    let frame = printed(&["show", "figure-19", "--at", "grad.conv1.weight[0,0,0,1]#3", "--size", "100x32", "--format", "svg"]);
    assert!(
        picture == frame,
        "draw it anew: gradstep show figure-19 --at 'grad.conv1.weight[0,0,0,1]#3' --size 100x32 --format svg -o docs/frame.svg"
    );
}

/// The scenario in the README is valid, and the fault that it shows is what is said.
#[test]
fn the_readme_is_true() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("the README");
    let block = |kind: &str| {
        let (_, after) = readme.split_once(&format!("```{kind}\n")).expect("a block");
        after.split_once("```").expect("its end").0.to_owned()
    };
    let run = with_input(&["check", "-"], block("toml").as_bytes());
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    let wrong = block("toml").replace("bias = 0.5\n", "kernel_sise = 2\n");
    let run = with_input(&["check", "-"], wrong.as_bytes());
    for line in block("text").lines().filter(|line| !line.contains("-->") && !line.trim_start().starts_with(|c: char| c.is_ascii_digit())) {
        assert!(run.out.contains(line.trim()), "{line:?} is not said:\n{}", run.out);
    }
}

/// The page on scenario files names everything that there is, and its examples are valid.
#[test]
fn the_page_on_scenarios_is_true_and_whole() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scenarios.md")).expect("the page");
    let examples: Vec<&str> = page.split("```toml\n").skip(1).map(|after| after.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let run = with_input(&["check", "-"], example.as_bytes());
        assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    }
    let words: HashSet<&str> = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let layers = LAYERS.iter().flat_map(|kind| kind.keys.iter().copied().chain([kind.name]));
    let activations = ACTIVATIONS.iter().flat_map(|kind| kind.keys.iter().map(|(key, _)| *key).chain([kind.name]));
    let losses = LOSSES.iter().flat_map(|kind| kind.keys.iter().copied().chain([kind.name]));
    let missing: Vec<&str> = layers
        .chain(activations)
        .chain(losses)
        .chain(FUNCTIONS.iter().map(NamedFunction::name))
        .filter(|name| !words.contains(name))
        .collect();
    assert!(missing.is_empty(), "docs/scenarios.md is silent about {missing:?}");
}
