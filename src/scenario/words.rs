//! Words from other libraries and from textbooks, with the format's word for each; or, where the format has no such thing, with what to write instead.
//!
//! All of it is data, [`ROWS`]: what the format learns loses its row. Words are compared without case, `_`, `-`, a module before them (`nn.Conv2d`)
//! and arguments after them (`Conv2d(1, 6, 5)`).

use super::suggest;

mod rows;

use rows::ROWS;

/// The place of the file where a word is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum At {
    /// A key of the file itself.
    File,
    /// The `type` of a layer, and a key of one.
    Type,
    Layer,
    /// The name of an activation.
    Activation,
    /// A text where `padding` or `bias` should be numbers.
    Padding,
    Bias,
    /// The name of a loss, and a key of one.
    Loss,
    LossKey,
    /// The word under `reduction`, and under `batch_reduction`.
    Reduction,
    Sample,
    Train,
    Graph,
    Note,
    Expect,
    /// The name of a rule that makes a tensor, and a key of one.
    Init,
    InitKey,
    /// A function in an expression.
    Function,
    /// A name in an expression.
    Name,
    /// A tensor of a layer in an address, after the point.
    Part,
}

/// One row of the table.
#[derive(Debug)]
struct Row {
    at: At,
    /// The words, with a blank between two.
    words: &'static str,
    /// The format's word; empty where it has none.
    is: &'static str,
    /// What else there is to say of it, or what to do instead.
    help: &'static str,
}

/// The letters and digits of a word in lower case, without what is before the last point and from the first parenthesis on.
fn plain(word: &str) -> Option<String> {
    if word.len() > suggest::LONGEST {
        return None;
    }
    let word = word.split('(').next().unwrap_or(word).trim_end_matches('.');
    let word = word.rsplit('.').next().unwrap_or(word);
    let plain: String = word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    (!plain.is_empty()).then_some(plain)
}

/// The first row for a word whose own word is `possible`, or that has none.
fn row(at: At, word: &str, possible: impl Fn(&str) -> bool) -> Option<&'static Row> {
    let word = plain(word)?;
    ROWS.iter().find(|row| row.at == at && (row.is.is_empty() || possible(row.is)) && row.words.split(' ').any(|own| own == word))
}

/// The candidate that is the same word, written in another way.
fn same<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let word = plain(word)?;
    candidates.iter().copied().find(|candidate| plain(candidate).as_ref() == Some(&word))
}

/// The candidate that a word means: the same one, or the format's word for it, or else the nearest.
pub(super) fn meant<'a>(at: At, word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    meant_where(at, word, candidates, |_| true)
}

/// The candidate that the table has for a word.
pub(super) fn translated<'a>(at: At, word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let row = row(at, word, |is| candidates.contains(&is))?;
    candidates.iter().copied().find(|candidate| *candidate == row.is)
}

/// The same, of those of the format's words that are `possible`.
pub(super) fn meant_where<'a>(at: At, word: &str, candidates: &[&'a str], possible: impl Fn(&str) -> bool) -> Option<&'a str> {
    if let Some(same) = same(word, candidates) {
        return Some(same);
    }
    match row(at, word, |is| candidates.contains(&is) && possible(is)) {
        Some(row) => candidates.iter().copied().find(|candidate| *candidate == row.is),
        None => suggest::nearest(word, candidates.iter().copied()),
    }
}

/// The help line for a word that is not one of the candidates, from the table; `None` where the table does not have the word.
pub(super) fn answer(at: At, word: &str, candidates: &[&str], possible: impl Fn(&str) -> bool) -> Option<String> {
    if let Some(same) = same(word, candidates) {
        return Some(format!("did you mean \"{same}\"?"));
    }
    let Row { is, help, .. } = row(at, word, |is| candidates.contains(&is) && possible(is))?;
    Some(match (*is, *help) {
        ("", help) => help.to_owned(),
        (is, "") => format!("it is called \"{is}\" here"),
        (is, help) => format!("it is called \"{is}\" here; {help}"),
    })
}

/// A help line: what the table says of the word, or the nearest candidate, or all of them.
pub(super) fn help(at: At, word: &str, candidates: &[&str]) -> String {
    answer(at, word, candidates, |_| true).unwrap_or_else(|| suggest::help(word, candidates))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::op::LAYERS;
    use crate::op::activation::ACTIVATIONS;
    use crate::op::loss::LOSSES;
    use crate::op::scalar::FUNCTIONS;
    use crate::scenario::{graph, init, layers, place, samples, spelling, train};

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
            At::Function => FUNCTIONS.iter().map(|function| function.name).collect(),
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
}
