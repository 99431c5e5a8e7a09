//! The bundled scenarios: the files of `scenarios/`, which are compiled into the binary.

/// Makes a [`Bundled`] of each name, with the text of the file `scenarios/NAME.toml`.
macro_rules! bundled {
    ($($name:literal)*) => {
        &[$(Bundled { name: $name, text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/", $name, ".toml")) }),*]
    };
}

/// A bundled scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bundled {
    /// The name: its file's name without `.toml`.
    pub name: &'static str,
    /// The text of the file.
    pub text: &'static str,
}

/// All bundled scenarios, in the order in which they are listed.
pub const ALL: &[Bundled] = bundled![
    "attention" "batch-norm" "batch-norm-lines" "character-model"
    "figure-01" "figure-02" "figure-07" "figure-09" "figure-14" "figure-15" "figure-16" "figure-17" "figure-18" "figure-19" "figure-20"
    "graph-convolution" "layer-norm" "lstm" "mazur-2-2-2" "rnn" "softmax-cross-entropy" "svm-loss" "word2vec" "xor"
];

/// The names of all bundled scenarios in the recommended order for learning: the chain rule and a fully-connected network, convolutions, whole networks and
/// their training, and graphs of tensors (losses, normalisations, language models, recurrent networks, attention, a convolution).
pub const LEARNING: &[&str] = &[
    "figure-14",
    "figure-15",
    "figure-16",
    "figure-17",
    "figure-09",
    "figure-18",
    "figure-19",
    "figure-20",
    "figure-02",
    "figure-07",
    "mazur-2-2-2",
    "xor",
    "figure-01",
    "softmax-cross-entropy",
    "svm-loss",
    "batch-norm-lines",
    "batch-norm",
    "layer-norm",
    "word2vec",
    "character-model",
    "rnn",
    "lstm",
    "attention",
    "graph-convolution",
];

/// The scenarios in the picker in the replay of an old recording, which has no list of them: those that were bundled when recordings had no list.
pub const OF_OLD_RECORDINGS: &[&str] = &[
    "figure-01",
    "figure-02",
    "figure-07",
    "figure-09",
    "figure-14",
    "figure-15",
    "figure-16",
    "figure-17",
    "figure-18",
    "figure-19",
    "figure-20",
    "mazur-2-2-2",
    "xor",
];

/// Returns the bundled scenario of this name.
#[must_use]
pub fn find(name: &str) -> Option<Bundled> {
    ALL.iter().copied().find(|bundled| bundled.name == name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_bundled() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut files: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str().unwrap().strip_suffix(".toml").map(str::to_owned))
            .collect();
        files.sort();
        let table: Vec<&str> = ALL.iter().map(|bundled| bundled.name).collect();
        assert_eq!(table, files);
        let mut learning = LEARNING.to_vec();
        learning.sort_unstable();
        assert_eq!(learning, files);
    }
}
