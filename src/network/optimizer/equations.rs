//! The equations of the updates: a name, a gist and a text for each sum. [`UpdateSum`](super::UpdateSum) has the summands.

use crate::expr::whole;
use crate::op::rule::{Equation, Gist};

/// Returns an equation with a placeholder as its right-hand side: the expression of each summand replaces it.
const fn equation(name: &'static str, gist: Gist, words: &'static str) -> Equation {
    Equation { right: whole::X, name, gist, words }
}

pub(super) const MOVE_BY_GRADIENT: Equation = equation(
    "gradient descent",
    Gist::Words("a move against the gradient"),
    "The gradient is the direction in which the loss grows fastest. So the parameter moves in the opposite direction, by the learning rate η times the gradient.",
);
pub(super) const MOVE_BY_VELOCITY: Equation = equation(
    "gradient descent",
    Gist::Words("a move against the velocity"),
    "The velocity v takes the place of the gradient here. The parameter moves in the opposite direction, by the learning rate η times the velocity.",
);
/// [`MOVE_BY_GRADIENT`] with the learning rate ηₜ of an iteration.
pub(super) const MOVE_BY_GRADIENT_AT_T: Equation = equation(
    MOVE_BY_GRADIENT.name,
    MOVE_BY_GRADIENT.gist,
    "The gradient is the direction in which the loss grows fastest. So the parameter moves in the opposite direction, by ηₜ times the gradient. ηₜ is the learning rate of the iteration.",
);
/// [`MOVE_BY_VELOCITY`] with the learning rate ηₜ of an iteration.
pub(super) const MOVE_BY_VELOCITY_AT_T: Equation = equation(
    MOVE_BY_VELOCITY.name,
    MOVE_BY_VELOCITY.gist,
    "The velocity v takes the place of the gradient here. The parameter moves in the opposite direction, by ηₜ times the velocity. ηₜ is the learning rate of the iteration.",
);
pub(super) const DECAYED_GRADIENT: Equation = equation(
    "the gradient with weight decay",
    Gist::None,
    "Weight decay λ pulls the parameter towards 0: it adds λ w to the gradient, as the penalty ½ λ w² would. The next sums read this gradient.",
);
pub(super) const MEAN_OF_GRADIENTS: Equation = equation(
    "the mean of the gradients",
    Gist::Words("the first moment"),
    "A running mean: a weighted mean of the previous mean and the new gradient. It begins at 0, so in the first iteration there is no mean to keep.",
);
pub(super) const MEAN_OF_SQUARES: Equation = equation(
    "the mean of the squared gradients",
    Gist::Words("the second moment"),
    "A running mean of the squares: it measures how large the gradients of this entry usually are. It begins at 0, so in the first iteration there is no mean to keep.",
);
pub(super) const ADAM: Equation = equation(
    "Adam",
    Gist::Words("the mean gradient over its usual size"),
    "Each entry moves against the mean m of its gradients, divided by their usual size: rate(v) = 1 / (√v / √(1 − β₂ᵗ) + ε) in iteration t. Both means begin at 0 and are too small at first; ηₜ, the learning rate over 1 − β₁ᵗ, and the root √(1 − β₂ᵗ) make up for it.",
);
pub(super) const RMS_PROP: Equation = equation(
    "RMSprop",
    Gist::Words("the gradient over its usual size"),
    "Each entry of the gradient is divided by its usual size, the root of the mean square: rate(s) = 1 / (√s + ε). If the mean m of the gradients is subtracted (centered), rate(s, m) = 1 / (√(s − m²) + ε). ηₜ is the learning rate of the iteration.",
);
pub(super) const ADAGRAD: Equation = equation(
    "Adagrad",
    Gist::Words("the gradient over the root of all squares"),
    "Each entry of the gradient is divided by the root of its sum s: rate(s) = 1 / (√s + ε). ηₜ is the learning rate over 1 + (t − 1) · lr_decay in iteration t.",
);

/// Returns the equation of the parameter with Nesterov's momentum. With `has_decay` it has a term for weight decay.
pub(super) fn nesterov_equation(has_decay: bool) -> Equation {
    let words = if has_decay {
        "Nesterov's momentum: the parameter moves against the sum of the gradient, the weight decay λ w, and the new velocity v times the momentum μ."
    } else {
        "Nesterov's momentum: the parameter moves against the sum of the gradient and the new velocity v times the momentum μ."
    };
    equation("gradient descent", Gist::Words("Nesterov's momentum"), words)
}

/// Returns the equation of the parameter of `AdamW`. With `has_decay` it has a term for weight decay.
pub(super) fn adam_w_equation(has_decay: bool) -> Equation {
    let words = if has_decay {
        "Weight decay λ shrinks the parameter itself, not through the gradient. Then each entry moves against the mean m of its gradients, divided by their usual size: rate(v) = 1 / (√v / √(1 − β₂ᵗ) + ε), with ηₜ, the learning rate over 1 − β₁ᵗ, in iteration t."
    } else {
        ADAM.words
    };
    equation("AdamW", ADAM.gist, words)
}

/// Returns the equation of Adagrad's sum. With `has_initial` the sum begins at another value than 0.
pub(super) fn sum_equation(has_initial: bool) -> Equation {
    let words = if has_initial {
        "All squares so far are added to initial_accumulator_value. The sum never falls, so an entry with large gradients moves less and less."
    } else {
        "All squares so far are added up. The sum never falls, so an entry with large gradients moves less and less."
    };
    equation("the sum of the squared gradients", Gist::None, words)
}

/// Returns the equation of `RMSprop`'s velocity. `is_first` is `true` in the first iteration, which has no previous velocity.
pub(super) fn velocity_of_rates_equation(is_centred: bool, is_first: bool) -> Equation {
    let words = match (is_centred, is_first) {
        (false, true) => {
            "The gradient is divided by its usual size: rate(s) = 1 / (√s + ε). This is the first iteration, so it has no previous velocity."
        }
        (false, false) => {
            "The gradient is divided by its usual size: rate(s) = 1 / (√s + ε). Momentum μ keeps a part of the velocity of the previous iteration."
        }
        (true, true) => {
            "The gradient is divided by its usual distance from its mean m: rate(s, m) = 1 / (√(s − m²) + ε). This is the first iteration, so it has no previous velocity."
        }
        (true, false) => {
            "The gradient is divided by its usual distance from its mean m: rate(s, m) = 1 / (√(s − m²) + ε). Momentum μ keeps a part of the velocity of the previous iteration."
        }
    };
    equation("the velocity", Gist::None, words)
}

/// Returns the equation of a velocity. With `has_decay` it has a term for weight decay, and with `has_previous` a term for the previous velocity.
/// `waits_for_previous` is `true` in the first iteration with momentum, which has no previous velocity yet.
pub(super) fn velocity_equation(has_decay: bool, has_previous: bool, waits_for_previous: bool) -> Equation {
    let words = match (has_decay, has_previous) {
        (false, false) => "This is the first iteration. It has no previous velocity, so the velocity is the gradient itself.",
        (false, true) => {
            "The parameter does not follow the gradient alone: momentum μ keeps a part of the velocity of the previous iteration, and so a part of its direction."
        }
        (true, false) if waits_for_previous => {
            "The parameter does not follow the gradient alone: weight decay λ pulls the parameter towards 0. The first iteration has no previous velocity."
        }
        (true, false) => "The parameter does not follow the gradient alone: weight decay λ pulls the parameter towards 0.",
        (true, true) => {
            "The parameter does not follow the gradient alone: weight decay λ pulls the parameter towards 0, and momentum μ keeps a part of the previous velocity."
        }
    };
    equation("the velocity of gradient descent", Gist::None, words)
}
