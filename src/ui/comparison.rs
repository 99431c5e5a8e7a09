//! The words about the user's own gradients at the step on the screen: the user's number beside the right one, and the pattern of the wrong numbers.

use crate::app::OwnEntry;
use crate::diff::both;
use crate::text::{line, wrap};
use crate::ui::view::View;

/// The number of lines that are kept for the number of an entry.
const ENTRY_LINES: usize = 1;

/// Returns the sentences about the step: none before its entry is complete, or while a number is asked for.
#[must_use]
pub fn sentences(view: &View<'_>) -> Vec<String> {
    let mut sentences: Vec<String> = entry_sentence(view).into_iter().collect();
    if !view.asks() {
        sentences.extend(op_sentences(view));
    }
    sentences
}

/// Returns the sentence about the entry of the step: both numbers, if they differ.
fn entry_sentence(view: &View<'_>) -> Option<String> {
    let (tensor, at) = (view.output, view.at.entry);
    let OwnEntry { mine, differs, tensor: index } = view.own_entry(tensor, at)?;
    let right = view.complete_number(tensor, at)?;
    if differs {
        return Some(format!("≠ {}", both(mine, right)));
    }
    // in a tensor without a wrong entry, nothing is to be said
    view.own()?.has_wrong_entries(index).then(|| "your number is equal here".to_owned())
}

/// Returns the sentences about the tensor that the step computes, which are the same at each step of the op.
fn op_sentences(view: &View<'_>) -> Vec<String> {
    let Some((own, tensor)) = view.own().zip(view.own_tensor(view.output)) else { return Vec::new() };
    own.words(tensor).iter().map(|words| line(words)).collect()
}

/// Returns the number of lines that the sentences take at most at any step of the op.
#[must_use]
pub fn height(view: &View<'_>, wide: usize) -> usize {
    if view.own_tensor(view.output).is_none() {
        return 0;
    }
    let op: usize = op_sentences(view).iter().map(|sentence| wrap(sentence, wide).len()).sum();
    ENTRY_LINES + op
}
