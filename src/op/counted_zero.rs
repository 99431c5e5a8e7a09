//! Terms that are 0 without a computation, either because the product of their factors has no value, or because a mask chose another term.

use crate::expr::{Form, Primitive};

/// The function of a loss term whose target is 0 and whose logarithm is −∞. Its value is 0, so the term adds nothing to the loss
/// ([`Term::of_loss`](super::rule::Term::of_loss)).
pub const LEFT_OUT: &Primitive = &Primitive::new("left_out").form(Form::Product);

/// The function of a term in the derivative of a choice ([`choose`](super::choose::choose)): the mask is computed, and it chose the other operand.
pub const NOT_CHOSEN: &Primitive = &Primitive::new("not_chosen").form(Form::Product);

/// Returns why a term with this function is 0; `None` for other functions.
#[must_use]
pub fn reason(function: Option<&Primitive>) -> Option<&'static str> {
    let function = function?;
    if function == LEFT_OUT {
        Some("The target makes one factor 0, and the logarithm beside it is −∞. The product 0 · −∞ has no value, so this term counts as 0.")
    } else if function == NOT_CHOSEN {
        Some(
            "The mask chose the other operand, so the result does not depend on this entry here: this term counts as 0. It is a step all the same, because the number of steps does not depend on a mask that is computed.",
        )
    } else {
        None
    }
}
