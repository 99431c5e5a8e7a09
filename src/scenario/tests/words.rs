//! Checks the table that translates words of other libraries (`words/rows.rs`). Each translation must be a name of the scenario format.

use std::collections::HashSet;

use crate::op::LAYERS;
use crate::op::activation::ACTIVATIONS;
use crate::op::loss::LOSSES;
use crate::op::operator::{FUNCTIONS, NamedFunction};
use crate::scenario::{addresses, graph, init, layers, samples, spelling, train};
use crate::words::{TRANSLATIONS, Translation, Vocabulary, best_match, equal_name, help, normalized};

/// Returns the names that belong to the format in a vocabulary.
fn names(vocabulary: Vocabulary) -> Vec<&'static str> {
    match vocabulary {
        Vocabulary::FileKey => spelling::KEYS.to_vec(),
        Vocabulary::LayerType => LAYERS.iter().map(|kind| kind.name).collect(),
        Vocabulary::LayerKey => layers::keys().collect(),
        Vocabulary::Activation => ACTIVATIONS.iter().map(|activation| activation.name).collect(),
        Vocabulary::Padding | Vocabulary::Bias | Vocabulary::Variable => Vec::new(),
        Vocabulary::Loss => LOSSES.iter().map(|loss| loss.name).collect(),
        Vocabulary::LossKey => LOSSES.iter().flat_map(|loss| loss.keys).copied().chain(["type", "batch_reduction", "l2"]).collect(),
        Vocabulary::Reduction => vec!["mean", "sum", "half_sum"],
        Vocabulary::SampleKey => samples::KEYS.to_vec(),
        Vocabulary::TrainKey => train::KEYS.to_vec(),
        Vocabulary::GraphKey => graph::KEYS.to_vec(),
        Vocabulary::NoteKey => addresses::NOTE_KEYS.to_vec(),
        Vocabulary::ExpectKey => addresses::EXPECT_KEYS.to_vec(),
        Vocabulary::InitRule => init::names().collect(),
        Vocabulary::InitKey => init::keys().collect(),
        Vocabulary::Function => FUNCTIONS.iter().map(NamedFunction::name).collect(),
        // the templates are defined on a higher floor, and a test there checks them
        Vocabulary::ScenarioKind => TRANSLATIONS.iter().filter(|row| row.vocabulary == vocabulary).map(|row| row.format_word).collect(),
        Vocabulary::LayerTensor => vec!["weight", "bias", "z", "a", "mask", "norm", "mean", "var", "rstd", "centred"],
    }
}

/// The translation of a word must be a name of the format, and the word itself must not be one.
#[test]
fn every_row_agrees_with_the_format() {
    let mut wrong = Vec::new();
    let mut seen = HashSet::new();
    for Translation { vocabulary, words, format_word, help } in TRANSLATIONS {
        let names = names(*vocabulary);
        if !format_word.is_empty() && !names.contains(format_word) {
            wrong.push(format!("{vocabulary:?}: there is no {format_word}"));
        }
        if format_word.is_empty() && help.is_empty() {
            wrong.push(format!("{vocabulary:?}: neither a translation nor a help text for {words}"));
        }
        for word in words.split(' ') {
            if normalized(word).as_deref() != Some(word) {
                wrong.push(format!("{vocabulary:?}: \"{word}\" is not normalized, so it is never found"));
            }
            // a key of some layers may be a word of another library for other layers: a group norm has `num_groups` for the word `groups`, but a convolution
            // has a key `groups`
            if !matches!(vocabulary, Vocabulary::LayerKey | Vocabulary::LossKey) && equal_name(word, &names).is_some() {
                wrong.push(format!("{vocabulary:?}: the format has {word}"));
            }
            if !seen.insert((vocabulary, word, format_word)) {
                wrong.push(format!("{vocabulary:?}: {word} has the same translation twice"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_word_is_found_with_any_case_module_and_arguments() {
    let types = names(Vocabulary::LayerType);
    for word in ["conv", "Conv", "nn.Conv2d", "tf.keras.layers.Conv2D(32, 3)", "Conv_2D", "convolutional"] {
        assert_eq!(best_match(Vocabulary::LayerType, word, &types), Some("conv2d"), "{word}");
    }
    assert_eq!(best_match(Vocabulary::LayerType, "lstm_cell", &types), None);
    assert!(help(Vocabulary::LayerType, "LSTMCell", &types).contains("gradstep new lstm"));
    // a word is translated only to one of the candidates
    assert_eq!(best_match(Vocabulary::LayerKey, "strides", &["out_features"]), None);
    assert_eq!(best_match(Vocabulary::LayerKey, "filters", &["out_channels"]), Some("out_channels"));
    assert_eq!(best_match(Vocabulary::LayerType, "...", &types), None);
}
