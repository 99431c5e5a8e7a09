//! Words from other libraries and from textbooks, with the format's word for each; or, where the format has no such thing, with what to write instead.
//!
//! All of it is data, [`TRANSLATIONS`]: what the format learns loses its row. Words are compared without case, `_`, `-`, a module before them (`nn.Conv2d`)
//! and arguments after them (`Conv2d(1, 6, 5)`).

mod rows;
pub mod suggest;
pub mod tensors;

pub use rows::TRANSLATIONS;

/// The place of the file where a word is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vocabulary {
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
pub struct Translation {
    /// Where it is written.
    pub at: Vocabulary,
    /// The words, with a blank between two.
    pub words: &'static str,
    /// The format's word; empty where it has none.
    pub is: &'static str,
    /// What else there is to say of it, or what to do instead.
    pub help: &'static str,
}

/// The letters and digits of a word in lower case, without what is before the last point and from the first parenthesis on.
pub fn plain(word: &str) -> Option<String> {
    if word.len() > suggest::LONGEST {
        return None;
    }
    let word = word.split('(').next().unwrap_or(word).trim_end_matches('.');
    let word = word.rsplit('.').next().unwrap_or(word);
    let plain: String = word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    (!plain.is_empty()).then_some(plain)
}

/// The first row for a word whose own word is `possible`, or that has none.
fn row(at: Vocabulary, word: &str, possible: impl Fn(&str) -> bool) -> Option<&'static Translation> {
    let word = plain(word)?;
    TRANSLATIONS.iter().find(|row| row.at == at && (row.is.is_empty() || possible(row.is)) && row.words.split(' ').any(|own| own == word))
}

/// The candidate that is the same word, written in another way.
pub fn same<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let word = plain(word)?;
    candidates.iter().copied().find(|candidate| plain(candidate).as_ref() == Some(&word))
}

/// The candidate that a word means: the same one, or the format's word for it, or else the nearest.
pub fn meant<'a>(at: Vocabulary, word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    meant_where(at, word, candidates, |_| true)
}

/// The candidate that the table has for a word.
pub fn translated<'a>(at: Vocabulary, word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let row = row(at, word, |is| candidates.contains(&is))?;
    candidates.iter().copied().find(|candidate| *candidate == row.is)
}

/// The same, of those of the format's words that are `possible`.
pub fn meant_where<'a>(at: Vocabulary, word: &str, candidates: &[&'a str], possible: impl Fn(&str) -> bool) -> Option<&'a str> {
    if let Some(same) = same(word, candidates) {
        return Some(same);
    }
    match row(at, word, |is| candidates.contains(&is) && possible(is)) {
        Some(row) => candidates.iter().copied().find(|candidate| *candidate == row.is),
        None => suggest::nearest(word, candidates.iter().copied()),
    }
}

/// The help line for a word that is not one of the candidates, from the table; `None` where the table does not have the word.
pub fn answer(at: Vocabulary, word: &str, candidates: &[&str], possible: impl Fn(&str) -> bool) -> Option<String> {
    if let Some(same) = same(word, candidates) {
        return Some(suggest::question(same));
    }
    let Translation { is, help, .. } = row(at, word, |is| candidates.contains(&is) && possible(is))?;
    Some(match (*is, *help) {
        ("", help) => help.to_owned(),
        (is, "") => format!("it is called \"{is}\" here"),
        (is, help) => format!("it is called \"{is}\" here; {help}"),
    })
}

/// A help line: what the table says of the word, or the nearest candidate, or all of them.
pub fn help(at: Vocabulary, word: &str, candidates: &[&str]) -> String {
    answer(at, word, candidates, |_| true).unwrap_or_else(|| suggest::help(word, candidates))
}
