//! Translates words from other libraries and textbooks into words of the scenario format: `Conv2d` and `convolution` are `conv2d`, `lr` is `learning_rate`.
//! For things that the format does not have, such as `batchnorm`, the table says what to write instead.
//!
//! The table is [`TRANSLATIONS`]; a word that the format learns leaves it. Words are compared without case, `_`, `-`, a module in front (`nn.Conv2d`) and
//! arguments behind (`Conv2d(1, 6, 5)`).

mod rows;
pub mod suggest;
pub mod tensors;

pub use rows::TRANSLATIONS;

/// The vocabulary that a word belongs to: the same word has another meaning as a key of a layer and as the name of a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vocabulary {
    /// Top-level keys of the file.
    File,
    /// Types of layers.
    Type,
    /// Keys of layers.
    Layer,
    /// Names of activations.
    Activation,
    /// Words in place of the numbers of `padding`.
    Padding,
    /// Words in place of the numbers of `bias`.
    Bias,
    /// Names of losses.
    Loss,
    /// Keys of losses.
    LossKey,
    /// Values of `reduction` and `batch_reduction`.
    Reduction,
    /// Keys of `[[sample]]`.
    Sample,
    /// Keys of `[train]`.
    Train,
    /// Keys of `[graph]`.
    Graph,
    /// Keys of `[[note]]`.
    Note,
    /// Keys of `[[expect]]`.
    Expect,
    /// Names of initializers.
    Init,
    /// Keys of tensors that are made by an initializer or read from a file.
    InitKey,
    /// Functions in expressions.
    Function,
    /// Other names in expressions.
    Name,
    /// Tensors of a layer: the part of an address after the dot, such as `weight` in `fc1.weight`.
    Part,
}

/// One row of the table: foreign words, and the format's word for them.
#[derive(Debug)]
pub struct Translation {
    /// The vocabulary of the words.
    pub vocabulary: Vocabulary,
    /// The foreign words, normalized and separated by spaces.
    pub words: &'static str,
    /// The format's word; empty if it has none.
    pub ours: &'static str,
    /// An explanation, or what to write instead if the format has no such word.
    pub help: &'static str,
}

/// Normalizes a word: its letters and digits in lower case, without a module in front and arguments behind. `nn.Conv_2d(1, 6)` becomes `conv2d`.
pub fn normalized(word: &str) -> Option<String> {
    if word.len() > suggest::LONGEST {
        return None;
    }
    let word = word.split('(').next().unwrap_or(word).trim_end_matches('.');
    let word = word.rsplit('.').next().unwrap_or(word);
    let normalized: String = word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    (!normalized.is_empty()).then_some(normalized)
}

/// Returns the first row for a word whose translation is `possible` or missing.
fn row(vocabulary: Vocabulary, word: &str, possible: impl Fn(&str) -> bool) -> Option<&'static Translation> {
    let word = normalized(word)?;
    TRANSLATIONS.iter().find(|row| {
        row.vocabulary == vocabulary && (row.ours.is_empty() || possible(row.ours)) && row.words.split(' ').any(|own| own == word)
    })
}

/// Returns the candidate that equals the word after normalization.
pub fn equal<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let word = normalized(word)?;
    candidates.iter().copied().find(|candidate| normalized(candidate).as_ref() == Some(&word))
}

/// Returns the candidate that a word most likely means: an equal one, its translation, or the most similar one.
pub fn meant<'a>(vocabulary: Vocabulary, word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    meant_where(vocabulary, word, candidates, |_| true)
}

/// Returns the candidate that is the translation of a word.
pub fn translated<'a>(vocabulary: Vocabulary, word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let row = row(vocabulary, word, |ours| candidates.contains(&ours))?;
    candidates.iter().copied().find(|candidate| *candidate == row.ours)
}

/// Returns what [`meant`] does, with only those translations that are `possible`.
pub fn meant_where<'a>(vocabulary: Vocabulary, word: &str, candidates: &[&'a str], possible: impl Fn(&str) -> bool) -> Option<&'a str> {
    if let Some(equal) = equal(word, candidates) {
        return Some(equal);
    }
    match row(vocabulary, word, |ours| candidates.contains(&ours) && possible(ours)) {
        Some(row) => candidates.iter().copied().find(|candidate| *candidate == row.ours),
        None => suggest::nearest(word, candidates.iter().copied()),
    }
}

/// Returns the table's help line for a word that is not a candidate; `None` if the table lacks the word.
pub fn answer(vocabulary: Vocabulary, word: &str, candidates: &[&str], possible: impl Fn(&str) -> bool) -> Option<String> {
    if let Some(equal) = equal(word, candidates) {
        return Some(suggest::question(equal));
    }
    let Translation { ours, help, .. } = row(vocabulary, word, |ours| candidates.contains(&ours) && possible(ours))?;
    Some(match (*ours, *help) {
        ("", help) => help.to_owned(),
        (ours, "") => format!("it is called \"{ours}\" here"),
        (ours, help) => format!("it is called \"{ours}\" here; {help}"),
    })
}

/// Returns a help line: the table's, or the most similar candidate, or the list of all candidates.
pub fn help(vocabulary: Vocabulary, word: &str, candidates: &[&str]) -> String {
    answer(vocabulary, word, candidates, |_| true).unwrap_or_else(|| suggest::help(word, candidates))
}
