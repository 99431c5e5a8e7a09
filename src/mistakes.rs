//! Known mistakes: wrong rules that people use instead of the right one. The table [`MISTAKES`] lists them.
//!
//! The table answers two questions:
//!
//! - **Which mistake gives this one number?** The user predicts a number of a step. Each row computes the number that its wrong rule gives for a term or an
//!   entry: without a factor, with the filter not turned, with the neighbour's numbers. A wrong number gets a hint only if one of these rules gives it. For
//!   z = 0.5·2 + 3·(−1) + 0.1, the answer is −1.9. The rule `term-left-out`, which leaves out the last term, gives −2.
//! - **Which mistake gives all these gradients?** The user has the gradients of a backward pass written by hand. [`causes`] *plants* each mistake at each
//!   possible place of the network: it changes the rule of an op, computes everything that depends on the op, and compares the numbers with the user's. So a
//!   cause is named only if it gives exactly the user's numbers.

mod apart;
mod candidates;
mod cause;
mod explanation;
mod fit;
mod hints;
mod judge;
mod mistake;
mod plan;
mod planted;
mod planting;
mod plants;
mod question;
mod search;
mod site;
mod suspects;
mod table;
mod typed;
mod wrong_rule;

pub use cause::{Cause, WrongEntry, WrongOp, WrongTerm};
pub use explanation::Explanation;
pub use judge::{Hint, Judgement};
pub use mistake::{HintRow, Mistake, Specificity};
pub use planted::{PlantedPair, Planting, gradients_with, gradients_with_other, planted_pair, plantings};
pub use question::Question;
pub use search::{Findings, GoOn, cause_of_shape, causes};
pub use table::MISTAKES;
pub use typed::TypedNumber;
