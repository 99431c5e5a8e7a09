//! Opens scenarios and reads the numbers of their tensors.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gradstep::network::{Network, Run};
use gradstep::scenario::{Limits, Scenario, Source, read};

/// Returns the scenario files in a folder of `tests/graphs`, sorted by name.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/graphs").join(folder);
    let entries = fs::read_dir(folder).expect("the folder exists").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    files.sort();
    files
}

/// Returns the name of a scenario file without its extension.
pub fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).expect("a name")
}

/// Reads a scenario. A fault is returned as the program prints it.
pub fn open(path: &Path) -> Result<Scenario, String> {
    let text = fs::read_to_string(path).expect("the file can be read");
    let name = stem(path).to_owned();
    let source = Source { path_shown: format!("{name}.toml"), name, text };
    read(source, Limits::default()).map_err(|faults| faults.to_string())
}

/// Computes the only sample of a scenario.
pub fn run(scenario: &Scenario) -> (Arc<Network>, Run) {
    let network = Arc::clone(&scenario.network);
    let run = Run::new(&network, &[]);
    (network, run)
}
