//! Compares the table of translations with the names of the format.

use std::collections::HashSet;

use crate::op::LAYERS;
use crate::op::activation::ACTIVATIONS;
use crate::op::loss::LOSSES;
use crate::op::operator::{FUNCTIONS, NamedFunction};
use crate::scenario::{graph, init, layers, place, samples, spelling, train};
use crate::words::{TRANSLATIONS, Translation, Vocabulary, equal, help, meant, normalized};

/// Returns the format's names in a vocabulary.
fn names(at: Vocabulary) -> Vec<&'static str> {
    match at {
        Vocabulary::File => spelling::KEYS.to_vec(),
        Vocabulary::Type => LAYERS.iter().map(|kind| kind.name).collect(),
        Vocabulary::Layer => layers::keys().collect(),
        Vocabulary::Activation => ACTIVATIONS.iter().map(|activation| activation.name).collect(),
        Vocabulary::Padding | Vocabulary::Bias | Vocabulary::Name => Vec::new(),
        Vocabulary::Loss => LOSSES.iter().map(|loss| loss.name).collect(),
        Vocabulary::LossKey => LOSSES.iter().flat_map(|loss| loss.keys).copied().chain(["type", "batch_reduction"]).collect(),
        Vocabulary::Reduction => vec!["mean", "sum", "half_sum"],
        Vocabulary::Sample => samples::KEYS.to_vec(),
        Vocabulary::Train => train::KEYS.to_vec(),
        Vocabulary::Graph => graph::KEYS.to_vec(),
        Vocabulary::Note => place::NOTE.to_vec(),
        Vocabulary::Expect => place::EXPECT.to_vec(),
        Vocabulary::Init => init::names().collect(),
        Vocabulary::InitKey => init::keys().collect(),
        Vocabulary::Function => FUNCTIONS.iter().map(NamedFunction::name).collect(),
        Vocabulary::Part => vec!["weight", "bias", "z", "a", "mask", "norm", "mean", "var", "rstd", "centred"],
    }
}

/// A translated word must be a name of the format, and a foreign word must not be one.
#[test]
fn every_row_agrees_with_the_format() {
    let mut wrong = Vec::new();
    let mut seen = HashSet::new();
    for Translation { vocabulary: at, words, ours: is, help } in TRANSLATIONS {
        let names = names(*at);
        if !is.is_empty() && !names.contains(is) {
            wrong.push(format!("{at:?}: there is no {is}"));
        }
        if is.is_empty() && help.is_empty() {
            wrong.push(format!("{at:?}: nothing is said of {words}"));
        }
        for word in words.split(' ') {
            if normalized(word).as_deref() != Some(word) {
                wrong.push(format!("{at:?}: \"{word}\" can never be found"));
            }
            // a key of one layer or loss may be a foreign word for another
            if !matches!(at, Vocabulary::Layer | Vocabulary::LossKey) && equal(word, &names).is_some() {
                wrong.push(format!("{at:?}: the format has {word}"));
            }
            if !seen.insert((at, word, is)) {
                wrong.push(format!("{at:?}: {word} is there twice"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_word_is_found_however_it_is_written() {
    let types = names(Vocabulary::Type);
    for word in ["conv", "Conv", "nn.Conv2d", "tf.keras.layers.Conv2D(32, 3)", "Conv_2D", "convolutional"] {
        assert_eq!(meant(Vocabulary::Type, word, &types), Some("conv2d"), "{word}");
    }
    assert_eq!(meant(Vocabulary::Type, "batch_norm2d", &types), None);
    assert!(help(Vocabulary::Type, "BatchNorm2d", &types).contains("layer_norm"));
    // a word is not translated to a key that this layer does not have
    assert_eq!(meant(Vocabulary::Layer, "strides", &["out_features"]), None);
    assert_eq!(meant(Vocabulary::Layer, "filters", &["out_channels"]), Some("out_channels"));
    assert_eq!(meant(Vocabulary::Type, "...", &types), None);
}
