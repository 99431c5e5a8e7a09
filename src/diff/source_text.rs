//! The source texts of tensors of a graph whose names are not in its text: `att@1.2` is a part of a statement, `h@1` is an earlier version of a name.

use std::collections::HashSet;
use std::ops::Range;

use super::gradient::Gradient;
use crate::network::{Id, Network, Role, Turn};
use crate::text::{cut, line};
use crate::trace::Trace;

/// The largest width of a source text beside a name, in cells.
const MAX_WIDTH: usize = 40;

/// Puts the source text of a tensor beside its name, where the name occurs for the first time: `att@1.2 (scores / sqrt(d), line 7)`.
#[derive(Debug)]
pub struct SourceTexts<'a> {
    network: &'a Network,
    /// The tensors whose texts were shown already.
    explained: HashSet<Id>,
    /// The places of the text that were shown already: the number of a statement, and the bytes of a part of it. For a tensor of another turn of a loop, only
    /// the number of the turn is shown.
    places: HashSet<(usize, Range<usize>)>,
}

impl<'a> SourceTexts<'a> {
    /// Prepares the texts of a network of samples.
    #[must_use]
    pub fn new(network: &'a Network) -> Self {
        Self { network, explained: HashSet::new(), places: HashSet::new() }
    }

    /// Returns the source text of a gradient's tensor, escaped: `scores / sqrt(d), line 7`. `None` for a layer, for a given tensor, and for a name that is in
    /// the text.
    #[must_use]
    pub fn of(trace: &Trace, gradient: Gradient) -> Option<String> {
        source_text(trace.network(), gradient.of)
    }

    /// Inserts the source texts after the names in an escaped sentence.
    pub fn explain(&mut self, sentence: &str) -> String {
        let mut explained = String::with_capacity(sentence.len());
        let mut rest = sentence;
        while let Some(start) = rest.find(is_name) {
            let length = rest[start..].find(|c| !is_name(c)).unwrap_or(rest.len() - start);
            let (before, after) = rest.split_at(start + length);
            explained += before;
            rest = after;
            let name = before[start..].trim_end_matches('.');
            let Some((id, text)) = self.unexplained(name) else { continue };
            // the text follows the index of an entry, but comes before a point that ends the sentence
            let points = before[start..].len() - name.len();
            explained.truncate(explained.len() - points);
            if let Some(end) = rest.starts_with('[').then(|| rest.find(']')).flatten().filter(|_| points == 0) {
                explained += &rest[..=end];
                rest = &rest[end + 1..];
            }
            explained.extend([" (", &text, ")", &before[before.len() - points..]]);
            self.explained.insert(id);
            self.places.extend(self.network.text().origin(id).map(|origin| (origin.statement, origin.byte_range.clone())));
        }
        explained + rest
    }

    /// Returns the tensor with this name, and its text, if the text was not shown yet.
    fn unexplained(&self, name: &str) -> Option<(Id, String)> {
        let id = self.network.find(name)?;
        let id = if let Role::Gradient(of) = self.network.tensor(id).role { of } else { id };
        let text = source_text(self.network, id).filter(|_| !self.explained.contains(&id))?;
        let origin = self.network.text().origin(id)?;
        let turn = origin.turn.filter(|_| self.places.contains(&(origin.statement, origin.byte_range.clone())));
        Some((id, turn.map_or(text, turn_text)))
    }
}

/// Returns whether a character may be one of a tensor's name.
fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '@')
}

fn turn_text(turn: Turn) -> String {
    format!("turn {} of {}", turn.number, turn.count)
}

/// Returns the source text of a tensor; see [`SourceTexts::of`].
fn source_text(network: &Network, id: Id) -> Option<String> {
    let name = &network.tensor(id).name;
    let origin = network.text().origin(id).filter(|_| name.contains(['.', '@']))?;
    let statement = network.text().statement(origin.statement)?;
    let part = statement.text.get(origin.byte_range.clone()).filter(|part| !part.is_empty())?;
    let turn = origin.turn.map_or_else(String::new, |turn| format!(", {}", turn_text(turn)));
    Some(format!("{}, line {}{turn}", cut(&line(part), MAX_WIDTH), statement.line))
}
