//! Translates words from other libraries and textbooks into words of the scenario format. For example, `Conv2d` and `convolution` become `conv2d`, and `lr`
//! becomes `learning_rate`.
//!
//! The table is [`TRANSLATIONS`]. For things that the format does not have, such as `batchnorm`, the table has a help text that says what to write instead.
//! When the format gets a new word, this word must be removed from the table. Words are compared after [normalization](normalized), so `nn.Conv_2d(1, 6, 5)`
//! and `conv2d` are equal.

pub mod fuzzy;
mod rows;
pub mod suggest;
pub mod tensors;

pub use rows::TRANSLATIONS;

/// The kind of name that the user wrote, such as a key of a layer or the name of a loss. A word may have different translations in different vocabularies:
/// `filters` means `out_channels` as a key of a layer, and `weight` as a tensor in an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vocabulary {
    /// Top-level keys of the file.
    FileKey,
    /// Types of layers.
    LayerType,
    /// Keys of layers.
    LayerKey,
    /// Names of activations.
    Activation,
    /// Words that are written instead of the numbers of `padding`, such as `"same"`.
    Padding,
    /// Words that are written instead of the numbers of `bias`, such as `true`.
    Bias,
    /// Names of losses.
    Loss,
    /// Keys of losses.
    LossKey,
    /// Values of `reduction` and `batch_reduction`.
    Reduction,
    /// Keys of `[[sample]]`.
    SampleKey,
    /// Keys of `[train]`.
    TrainKey,
    /// Keys of `[graph]`.
    GraphKey,
    /// Keys of `[[note]]`.
    NoteKey,
    /// Keys of `[[expect]]`.
    ExpectKey,
    /// Names of the rules in `{ init = … }`, such as `he_normal`.
    InitRule,
    /// Keys of `{ init = … }` and `{ file = … }`.
    InitKey,
    /// Functions of a graph, and of a number that the user types.
    Function,
    /// Variables in the expressions of a graph.
    Variable,
    /// Tensors of a layer: the text after the dot of an address, such as `weight` in `fc1.weight`.
    LayerTensor,
    /// Templates of `gradstep new` and bundled scenarios.
    ScenarioKind,
}

/// One row of the table: words of other libraries, and the format's word with the same meaning.
#[derive(Debug)]
pub struct Translation {
    /// The vocabulary of the words.
    pub vocabulary: Vocabulary,
    /// The words of other libraries, normalized and separated by spaces.
    pub words: &'static str,
    /// The format's word; empty if the format has no such thing.
    pub format_word: &'static str,
    /// If `format_word` is empty, it says what to write instead. Otherwise it explains the difference; it may be empty.
    pub help: &'static str,
}

/// Normalizes a word: keeps only its letters and digits, in lower case, without the module before it and the arguments after it. `nn.Conv_2d(1, 6)` becomes
/// `conv2d`. Returns `None` if the word is too long to compare, or nothing is left.
pub fn normalized(word: &str) -> Option<String> {
    if !suggest::is_comparable(word) {
        return None;
    }
    let word = word.split('(').next().unwrap_or(word).trim_end_matches('.');
    let word = word.rsplit('.').next().unwrap_or(word);
    let normalized: String = word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    (!normalized.is_empty()).then_some(normalized)
}

/// Returns the first row of the table that contains a word. If a row has a translation for which `is_allowed` returns `false`, it is skipped.
fn find_row(vocabulary: Vocabulary, word: &str, is_allowed: impl Fn(&str) -> bool) -> Option<&'static Translation> {
    let word = normalized(word)?;
    TRANSLATIONS.iter().find(|row| {
        row.vocabulary == vocabulary
            && (row.format_word.is_empty() || is_allowed(row.format_word))
            && row.words.split(' ').any(|foreign| foreign == word)
    })
}

/// Returns the candidate that equals the word after both are [`normalized`].
pub fn equal_name<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let word = normalized(word)?;
    candidates.iter().copied().find(|candidate| normalized(candidate).as_ref() == Some(&word))
}

/// Returns the candidate that a word most probably means. It is an equal name; if there is none, the word's translation; if there is none, the most similar
/// name. Returns `None` if the table says that the format has no such thing, or if no name is similar.
pub fn best_match<'a>(vocabulary: Vocabulary, word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let is_allowed = |_: &str| true;
    best_match_where(vocabulary, word, candidates, is_allowed)
}

/// Returns the translation of a word in the table, if the translation is one of the candidates.
pub fn translation<'a>(vocabulary: Vocabulary, word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let row = find_row(vocabulary, word, |translation| candidates.contains(&translation))?;
    candidates.iter().copied().find(|candidate| *candidate == row.format_word)
}

/// Does the same as [`best_match`], but ignores translations for which `is_allowed` returns `false`. Equal and similar names are not passed to `is_allowed`.
pub fn best_match_where<'a>(
    vocabulary: Vocabulary,
    word: &str,
    candidates: &[&'a str],
    is_allowed: impl Fn(&str) -> bool,
) -> Option<&'a str> {
    if let Some(equal) = equal_name(word, candidates) {
        return Some(equal);
    }
    match find_row(vocabulary, word, |translation| candidates.contains(&translation) && is_allowed(translation)) {
        Some(row) => candidates.iter().copied().find(|candidate| *candidate == row.format_word),
        None => suggest::nearest(word, candidates.iter().copied()),
    }
}

/// Returns the help line for a word that is not one of the candidates. It names the candidate that is equal after normalization. If there is none, it explains
/// the word's row of the table. Returns `None` if there is no such row.
///
/// A row is ignored if its translation is not a candidate, or if `is_allowed` returns `false` for its translation.
pub fn table_help(vocabulary: Vocabulary, word: &str, candidates: &[&str], is_allowed: impl Fn(&str) -> bool) -> Option<String> {
    if let Some(equal) = equal_name(word, candidates) {
        return Some(suggest::did_you_mean(equal));
    }
    let row = find_row(vocabulary, word, |translation| candidates.contains(&translation) && is_allowed(translation))?;
    Some(match (row.format_word, row.help) {
        ("", help) => help.to_owned(),
        (translation, "") => format!("it is called \"{translation}\" here"),
        (translation, help) => format!("it is called \"{translation}\" here; {help}"),
    })
}

/// Returns the help line for a word that is not one of the candidates. It is the help of [`table_help`]; if there is none, the most similar candidate; if there
/// is none, a list of all candidates.
pub fn help(vocabulary: Vocabulary, word: &str, candidates: &[&str]) -> String {
    let is_allowed = |_: &str| true;
    table_help(vocabulary, word, candidates, is_allowed).unwrap_or_else(|| suggest::help(word, candidates))
}
