//! The table of words against the names that the format has.

use std::collections::HashSet;

use crate::op::LAYERS;
use crate::op::activation::ACTIVATIONS;
use crate::op::loss::LOSSES;
use crate::op::operator::{FUNCTIONS, NamedFunction};
use crate::scenario::{graph, init, layers, place, samples, spelling, train};
use crate::words::{At, ROWS, Row, help, meant, plain, same};

/// The names that the format has at a place.
fn names(at: At) -> Vec<&'static str> {
    match at {
        At::File => spelling::KEYS.to_vec(),
        At::Type => LAYERS.iter().map(|kind| kind.name).collect(),
        At::Layer => layers::keys().collect(),
        At::Activation => ACTIVATIONS.iter().map(|activation| activation.name).collect(),
        At::Padding | At::Bias | At::Name => Vec::new(),
        At::Loss => LOSSES.iter().map(|loss| loss.name).collect(),
        At::LossKey => LOSSES.iter().flat_map(|loss| loss.keys).copied().chain(["type", "batch_reduction"]).collect(),
        At::Reduction => vec!["mean", "sum", "half_sum"],
        At::Sample => samples::KEYS.to_vec(),
        At::Train => train::KEYS.to_vec(),
        At::Graph => graph::KEYS.to_vec(),
        At::Note => place::NOTE.to_vec(),
        At::Expect => place::EXPECT.to_vec(),
        At::Init => init::names().collect(),
        At::InitKey => init::keys().collect(),
        At::Function => FUNCTIONS.iter().map(NamedFunction::name).collect(),
        At::Part => vec!["weight", "bias", "z", "a", "mask", "norm", "mean", "var", "rstd", "centred"],
    }
}

/// A row whose word the format knows must go, and a row must not lead to a word that it does not know.
#[test]
fn every_row_agrees_with_the_format() {
    let mut wrong = Vec::new();
    let mut seen = HashSet::new();
    for Row { at, words, is, help } in ROWS {
        let names = names(*at);
        if !is.is_empty() && !names.contains(is) {
            wrong.push(format!("{at:?}: there is no {is}"));
        }
        if is.is_empty() && help.is_empty() {
            wrong.push(format!("{at:?}: nothing is said of {words}"));
        }
        for word in words.split(' ') {
            if plain(word).as_deref() != Some(word) {
                wrong.push(format!("{at:?}: \"{word}\" can never be found"));
            }
            // a key of another layer or loss may have a word of its own
            if !matches!(at, At::Layer | At::LossKey) && same(word, &names).is_some() {
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
    let types = names(At::Type);
    for word in ["conv", "Conv", "nn.Conv2d", "tf.keras.layers.Conv2D(32, 3)", "Conv_2D", "convolutional"] {
        assert_eq!(meant(At::Type, word, &types), Some("conv2d"), "{word}");
    }
    assert_eq!(meant(At::Type, "batch_norm2d", &types), None);
    assert!(help(At::Type, "BatchNorm2d", &types).contains("layer_norm"));
    // what the file cannot be meant to say is not said
    assert_eq!(meant(At::Layer, "strides", &["out_features"]), None);
    assert_eq!(meant(At::Layer, "filters", &["out_channels"]), Some("out_channels"));
    assert_eq!(meant(At::Type, "...", &types), None);
}
