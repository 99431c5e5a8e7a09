//! Compares the gradients of a user with those of the trace.
//!
//! A user writes a backward pass by hand, saves its gradients, and asks which of them is wrong. A [`UserTensor`] is one of the saved tensors, with the
//! [`Gradient`] of the trace that it should be. [`Report::new`] compares all of them within a [`Tolerance`], in the order in which the trace computes them.
//! The mistake is made on the way to the first tensor that differs: later ones may differ only because they are computed from it.

mod compared;
mod file;
mod flips;
mod gradient;
mod json;
mod layout;
mod names;
mod patterns;
mod reached;
mod report;
mod scale;
mod source_text;
mod terms;
mod tolerance;
mod user;

pub use compared::Compared;
pub use file::{Choice, FileTensor, read};
pub use gradient::{Gradient, LossOf};
pub use patterns::{CLIPPED, NOT_FINITE, Pattern, ROUNDED, patterns};
pub use reached::reached;
pub use report::{Comparison, Report, Status, UserTensor, Worst, both, both_on_screen};
pub use source_text::SourceTexts;
pub use terms::TermSums;
pub use tolerance::{Precision, Tolerance, is_float32, largest};
pub use user::{UserGradients, UserTolerance};
