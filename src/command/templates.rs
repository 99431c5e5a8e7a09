//! The templates of `gradstep new`: commented scenarios that teach the format. `words/rows.rs` has other words for them, such as `cnn`.

use super::bundled;
use crate::words::{self, Vocabulary, suggest};

/// A commented scenario that teaches the format.
pub(super) struct Template {
    /// The kind of scenario, by which the user names the template: `graph`.
    pub kind: &'static str,
    /// The text of the file.
    pub text: &'static str,
}

/// Makes a [`Template`] for each kind from the file `new/KIND.toml`.
macro_rules! templates {
    ($($kind:literal)*) => {
        &[$(Template { kind: $kind, text: include_str!(concat!("new/", $kind, ".toml")) }),*]
    };
}

/// All templates, the simplest first.
pub(super) const TEMPLATES: &[Template] = templates!["graph" "fully-connected" "convolution" "classifier" "training"];

/// Returns the names of all templates.
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    TEMPLATES.iter().map(|template| template.kind)
}

/// Returns the end of a sentence that suggests a template or a bundled scenario for a word that names neither; empty if there is nothing to suggest.
pub(super) fn clause(word: &str) -> String {
    let names: Vec<&str> = kinds().chain(bundled::ALL.iter().map(|bundled| bundled.name)).collect();
    if let Some(name) = words::best_match(Vocabulary::ScenarioKind, word, &names) {
        return suggest::clause(Some(name));
    }
    let is_allowed = |_: &str| true;
    let help = words::table_help(Vocabulary::ScenarioKind, word, &names, is_allowed);
    help.map_or_else(String::new, |help| format!("; {help}"))
}

/// Returns the template that a word names or probably means. Returns `None` if the word means a bundled scenario, such as `maxpool`, or
/// nothing.
pub(super) fn kind_meant_by(word: &str) -> Option<&'static str> {
    let names: Vec<&str> = kinds().collect();
    words::equal_name(word, &names).or_else(|| words::translation(Vocabulary::ScenarioKind, word, &names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Document;
    use crate::scenario::{Limits, Source, read};
    use crate::words::TRANSLATIONS;

    #[test]
    fn every_template_is_valid_and_teaches_with_comments() {
        for Template { kind, text } in TEMPLATES {
            let source = Source { name: (*kind).into(), path_shown: format!("{kind}.toml"), text: (*text).into() };
            let scenario = read(source, Limits::default()).unwrap_or_else(|faults| panic!("{kind}: {}", faults.render(false)));
            let start = scenario.start.clone().unwrap_or_else(|| panic!("{kind} has no start"));
            assert!(scenario.summary.is_some() && text.lines().filter(|line| line.starts_with('#')).count() >= 5, "{kind}");
            assert!(Document::open(scenario, &start, &mut |_, _| true).is_ok_and(|opened| opened.is_some()), "{kind}: no step {start}");
        }
    }

    #[test]
    fn other_words_lead_to_a_template_or_a_bundled_scenario() {
        for (word, expected) in [
            ("cnn", "; did you mean classifier?"),
            ("MNIST", "; did you mean classifier?"),
            ("classification", "; did you mean classifier?"),
            ("clasifier", "; did you mean classifier?"),
            ("conv", "; did you mean convolution?"),
            ("nn.Conv2d", "; did you mean convolution?"),
            ("mlp", "; did you mean fully-connected?"),
            ("dense", "; did you mean fully-connected?"),
            ("FullyConnected", "; did you mean fully-connected?"),
            ("sgd", "; did you mean training?"),
            ("autograd", "; did you mean graph?"),
            ("max_pool", "; did you mean figure-07?"),
            ("exclusive or", "; did you mean xor?"),
            ("quux", ""),
        ] {
            assert_eq!(clause(word), expected, "{word}");
        }
        assert!(clause("lstm").contains("did you mean lstm?"), "{}", clause("lstm"));
        assert_eq!(
            [kind_meant_by("cnn"), kind_meant_by("training"), kind_meant_by("maxpool"), kind_meant_by("quux")],
            [Some("classifier"), Some("training"), None, None]
        );
    }

    #[test]
    fn the_words_of_the_table_mean_templates_and_bundled_scenarios() {
        let names: Vec<&str> = kinds().chain(bundled::ALL.iter().map(|bundled| bundled.name)).collect();
        for row in TRANSLATIONS.iter().filter(|row| row.vocabulary == Vocabulary::ScenarioKind && !row.format_word.is_empty()) {
            assert!(names.contains(&row.format_word), "{}", row.format_word);
        }
    }
}
