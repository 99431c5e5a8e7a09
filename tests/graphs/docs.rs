//! Compares `docs/graphs.md` with the program: the tables list exactly the functions that exist, and the examples are valid.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use gradstep::scenario::{Limits, Source, graph_functions, read};

/// Returns the text of the page.
fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/graphs.md")).expect("the page can be read")
}

/// Returns the part of the page between two headings.
fn section<'p>(page: &'p str, from: &str, to: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("\n## {from}\n")).expect("the heading exists");
    rest.split_once(&format!("\n## {to}\n")).expect("the next heading exists").0
}

/// Returns the words in backticks in the first column of all tables.
fn first_column(section: &str) -> Vec<&str> {
    let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn the_page_lists_all_functions_once() {
    let page = page();
    let listed = first_column(section(&page, "Functions", "Names of parts and versions"));
    let set: BTreeSet<&str> = listed.iter().copied().collect();
    let functions: BTreeSet<&str> = graph_functions().collect();
    let missing: Vec<_> = functions.difference(&set).collect();
    let unknown: Vec<_> = set.difference(&functions).collect();
    assert!(missing.is_empty(), "docs/graphs.md lacks {missing:?}");
    assert!(unknown.is_empty(), "docs/graphs.md lists functions that do not exist: {unknown:?}");
    let twice: Vec<_> = set.iter().filter(|name| listed.iter().filter(|other| other == name).count() > 1).collect();
    assert!(twice.is_empty(), "docs/graphs.md lists {twice:?} twice");
}

#[test]
fn the_examples_of_the_pages_are_valid() {
    let mut examples = 0;
    for name in ["docs/graphs.md", "docs/scenarios.md", "README.md"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("the page can be read");
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            if !block.contains("[graph]") {
                continue;
            }
            // an example within a list is indented; `'''` keeps the indentation of its lines, which is allowed
            let block: String = block.lines().flat_map(|line| [line.strip_prefix("   ").unwrap_or(line), "\n"]).collect();
            let source = Source { path_shown: name.to_owned(), name: name.to_owned(), text: block };
            if let Err(faults) = read(source, Limits::default()) {
                panic!("{faults}");
            }
            examples += 1;
        }
    }
    assert!(examples >= 3, "{examples} examples");
}
