//! Floor 5: known mistakes, and the judgement of a number that the user predicts.
//!
//! A mistake is a rule that takes the place of the right one. [`MISTAKES`] is the table of them, the simplest first. Each row computes the number that its wrong
//! rule gives for a term or an entry: without a factor, with the filter not turned, with the neighbour's numbers. A wrong number gets a hint only if it is the
//! number of such a rule.
//!
//! In z = 0.5·2 + 3·(−1) + 0.1, the answer is −1.9. The number −2 is that of the rule `term-left-out`, which leaves out the last term.

mod judge;
mod question;
mod rows;
mod typed;

pub use judge::{Hint, Verdict};
pub use question::{Mistake, Question};
pub use rows::MISTAKES;
pub use typed::TypedNumber;
