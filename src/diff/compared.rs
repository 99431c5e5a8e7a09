//! The comparison of all gradients of a user.

use super::flips::{self, Flipped};
use super::report::Report;
use super::tolerance::Precision;
use super::user::UserGradients;
use crate::text::line;
use crate::trace::Trace;

/// The comparison of a user's gradients with the trace. In low precision, rounding can move an entry (a *gate*, see `diff/flips.rs`) to the other side of a
/// kink: the gate is *flipped*. If more of the user's tensors are equal to those of a trace with flipped gates, they are compared with that trace.
#[derive(Debug)]
pub struct Compared {
    /// The report.
    pub report: Report,
    /// The trace with flipped gates with which the gradients are compared; `None` if they are compared with the right trace.
    pub flipped: Option<Trace>,
    /// Sentences about the flipped gates.
    pub notes: Vec<String>,
}

impl Compared {
    /// Compares a user's gradients. If they are in single or half precision, traces with flipped gates are tried too.
    #[must_use]
    pub fn new(trace: &Trace, user: &UserGradients) -> Self {
        let report = Report::new(trace, &user.tensors, user.tolerance);
        let flipped = if user.precision < Precision::Double { flips::find(trace, &user.tensors, &report, user.tolerance) } else { None };
        let Some(Flipped { trace, entries }) = flipped else { return Self { report, flipped: None, notes: Vec::new() } };
        let report = Report::new(&trace, &user.tensors, user.tolerance);
        let note = |entry: &String| {
            format!("{} is so near a kink that float32 and float64 are on different sides of it: counted as equal", line(entry))
        };
        Self { report, flipped: Some(trace), notes: entries.iter().map(note).collect() }
    }
}
