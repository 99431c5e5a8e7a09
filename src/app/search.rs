//! A search: for ops with a text in their names, or for entries whose values meet a condition, such as `> 1`. An entry counts when its value is complete.

use super::Document;
use crate::network::Id;
use crate::trace::{Stop, Stops, Trace, ValueTest};

/// A search, as the user types it after `/`.
#[derive(Clone, Debug, PartialEq)]
pub enum Search {
    /// Ops whose name contains the text.
    Name(String),
    /// Entries whose value meets the condition.
    Value(ValueTest),
    /// The wrong entries of the user's gradient file. The comparison has already found them, so no scan is needed.
    Differences,
}

impl Search {
    /// Parses a search: a condition such as `> 1` or `nan`; any other text is searched in the names of ops.
    ///
    /// # Errors
    /// A sentence about an incomplete condition.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if ValueTest::starts_condition(text) { text.parse().map(Self::Value) } else { Ok(Self::Name(text.to_owned())) }
    }

    /// Returns the places in the op of a tensor at which this search stops: the op itself, or the entries that meet the condition. There may be none.
    pub(super) fn stops(&self, trace: &Trace, run_index: usize, tensor: Id) -> Stops {
        // each place of `Stops` has the number of its breakpoint; a search has no breakpoints, so the number is not used
        let number = 0;
        match self {
            Self::Value(test) => Stops::from_iter([(number, Stop::Values(*test))]),
            Self::Name(text) if trace.network_of(run_index).tensor(tensor).name.contains(text.as_str()) => {
                Stops::from_iter([(number, Stop::Op)])
            }
            Self::Name(_) | Self::Differences => Stops::new(),
        }
    }

    /// Returns the message for a search without a match.
    pub(super) fn nothing(&self, document: &Document) -> String {
        let iteration =
            if document.iterations() > 1 { format!("iteration {}", document.trace.iteration()) } else { "this scenario".to_owned() };
        match self {
            Self::Value(test) if test.is_on_magnitude => format!("no value x in {iteration} has |x| {test}"),
            Self::Value(test) => format!("no value in {iteration} is {test}"),
            Self::Differences => "no entry of your gradients differs".to_owned(),
            Self::Name(text) => format!("no op has {text} in its name; to search for values, type > 1, == 0 or nan after /"),
        }
    }
}
