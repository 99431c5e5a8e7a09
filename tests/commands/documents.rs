//! Compares the README, ARCHITECTURE, CONTRIBUTING and `docs` with the program and its files, where a statement can be compared by a program.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use gradstep::op::LAYERS;
use gradstep::op::activation::ACTIVATIONS;
use gradstep::op::loss::{BATCH_REDUCTION, L2, LOSSES};

use super::{printed, with_input};

/// Compares the picture in the README with the frame that the program draws now.
#[test]
fn the_picture_of_the_readme_is_a_real_frame() {
    let picture = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/frame.svg")).expect("the picture");
    let frame = printed(&["show", "figure-19", "--at", "grad.conv1.weight[0,0,0,1]#3", "--size", "100x32", "--format", "svg"]);
    assert!(
        picture == frame,
        "draw it again: gradstep show figure-19 --at 'grad.conv1.weight[0,0,0,1]#3' --size 100x32 --format svg -o docs/frame.svg"
    );
}

/// Checks that the README's scenario is valid, and that the README's error message is printed if a key of the scenario is misspelt. The lines of the message
/// with the path or with a line of the scenario are not compared.
#[test]
fn the_scenario_and_the_error_of_the_readme_are_real() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("the README");
    let first_block = |language: &str| {
        let (_, after) = readme.split_once(&format!("```{language}\n")).expect("a block");
        after.split_once("```").expect("its end").0.to_owned()
    };
    let run = with_input(&["check", "-"], first_block("toml").as_bytes());
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    let wrong = first_block("toml").replace("bias = 0.5\n", "kernel_sise = 2\n");
    let run = with_input(&["check", "-"], wrong.as_bytes());
    for line in
        first_block("text").lines().filter(|line| !line.contains("-->") && !line.trim_start().starts_with(|c: char| c.is_ascii_digit()))
    {
        assert!(run.out.contains(line.trim()), "{line:?} is not in the message:\n{}", run.out);
    }
}

/// Checks that the page on scenario files names every layer, activation, loss and key, and that its examples are valid.
#[test]
fn the_page_on_scenarios_is_complete() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scenarios.md")).expect("the page");
    let examples: Vec<&str> = page.split("```toml\n").skip(1).map(|after| after.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 4);
    for example in examples {
        let run = with_input(&["check", "-"], example.as_bytes());
        assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    }
    let words: HashSet<&str> = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let layers = LAYERS.iter().flat_map(|kind| kind.keys.iter().copied().chain([kind.name]));
    let activations = ACTIVATIONS.iter().flat_map(|kind| kind.keys.iter().map(|(key, _)| *key).chain([kind.name]));
    let losses = LOSSES.iter().flat_map(|kind| kind.keys.iter().copied().chain([kind.name, BATCH_REDUCTION, L2]));
    let missing: Vec<&str> = layers.chain(activations).chain(losses).filter(|name| !words.contains(name)).collect();
    assert!(missing.is_empty(), "docs/scenarios.md does not mention {missing:?}");
}

/// Returns the text of a file of the project.
fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Appends the paths of all files in a folder of `src` and in its subfolders, relative to `src`.
fn sources(folder: &Path, to: &mut Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(root.join(folder)).expect("a folder") {
        let path = entry.expect("an entry").path();
        let inside = path.strip_prefix(&root).expect("a path in src").to_owned();
        if path.is_dir() {
            sources(&inside, to);
        } else {
            to.push(inside.to_string_lossy().into_owned());
        }
    }
}

/// Checks that each file or folder in backticks exists. A name may be relative to the project or to `src`, or the end of a path in `src`.
#[test]
fn the_files_that_the_pages_name_exist() {
    let mut all = Vec::new();
    sources(Path::new(""), &mut all);
    for page in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let page_text = text(page);
        let names = page_text.split('`').filter(|name| {
            let is_path = name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'));
            is_path && [".rs", ".py", ".md", ".toml", ".snap", "/"].iter().any(|end| name.ends_with(end))
        });
        let mut counted = 0;
        for name in names {
            let is_in_project = Path::new(env!("CARGO_MANIFEST_DIR")).join(name).exists();
            let is_in_src = all.iter().any(|path| path.starts_with(name) || format!("/{path}").ends_with(&format!("/{name}")));
            assert!(is_in_project || is_in_src, "{page} names {name}, which does not exist");
            counted += 1;
        }
        assert!(counted > 10, "only {counted} files are named in {page}");
    }
}

/// Checks the diffs of the worked example: the file of a diff has each line that the diff adds. Comments and lines with an ellipsis are not compared.
#[test]
fn the_worked_example_is_in_the_code() {
    let page = text("CONTRIBUTING.md");
    let mut counted = 0;
    for block in page.split("```diff\n").skip(1) {
        let block = block.split("```").next().expect("a block");
        let path = block.lines().find_map(|line| line.strip_prefix("+++ b/").or(line.strip_prefix("--- a/"))).expect("a file");
        let file = text(path);
        for line in block.lines().filter(|line| !line.starts_with("+++")).filter_map(|line| line.strip_prefix('+')) {
            let line = line.trim();
            if !line.starts_with("//") && !line.contains('…') {
                assert!(file.lines().any(|other| other.trim() == line), "{path} has no line {line:?}");
                counted += 1;
            }
        }
    }
    assert!(counted > 30, "only {counted} lines are compared");
}
