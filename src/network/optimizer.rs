//! The optimizers of PyTorch: SGD, Adam, `AdamW`, `RMSprop` and Adagrad. Each update is a list of sums. The update pass shows these sums step by step, and
//! `train` computes them without steps.
//!
//! g is the gradient of the batch, w the parameter, and t the number of the iteration. With weight decay λ, every optimizer except SGD and `AdamW` first
//! computes g ← g + λ w.
//!
//! ```text
//! SGD      v ← μ v + (1 − τ) (g + λ w)        w ← w − η v         τ: dampening, 0 in the first iteration; Nesterov: w ← w − η (g + λ w + μ v)
//! Adam     m ← β₁ m + (1 − β₁) g              v ← β₂ v + (1 − β₂) g²
//!          w ← w − η / (1 − β₁ᵗ) · m · 1 / (√v / √(1 − β₂ᵗ) + ε)
//! AdamW    as Adam, with w ← w − η λ w − …
//! RMSprop  s ← α s + (1 − α) g²               w ← w − η g · 1 / (√s + ε)      centered: √(s − m²) with m ← α m + (1 − α) g
//! Adagrad  s ← s + g²                         w ← w − η / (1 + (t − 1) · lr_decay) · g · 1 / (√s + ε)
//! ```
//!
//! Sources: the pages of `torch.optim`; D. Kingma and J. Ba, "Adam" (2014); I. Loshchilov and F. Hutter, "Decoupled weight decay regularization" (2017).

mod equations;

use super::schedule::Schedule;
use crate::expr::{Expr, Join, whole};
use crate::op::rule::Equation;
use crate::op::update::{RATE, RATE_OF_CENTRED, RateOptions};

/// An optimizer with its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimizer {
    /// The learning rate η of the first iteration.
    pub learning_rate: f64,
    /// The schedule of the learning rate; `None` if the learning rate is constant.
    pub schedule: Option<Schedule>,
    /// λ in g ← g + λ w.
    pub weight_decay: f64,
    /// The rule of the update.
    pub rule: UpdateRule,
}

/// The rule of an update, with its own settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UpdateRule {
    /// Gradient descent with momentum.
    Sgd {
        /// μ in v ← μ v + g.
        momentum: f64,
        /// τ in v ← μ v + (1 − τ) g.
        dampening: f64,
        /// `true` for Nesterov's momentum.
        is_nesterov: bool,
    },
    /// Adam and `AdamW`.
    Adam {
        /// β₁ and β₂.
        betas: [f64; 2],
        /// ε.
        eps: f64,
        /// `true` for `AdamW`: the weight decay is not part of the gradient.
        is_decoupled: bool,
    },
    /// `RMSprop`.
    RmsProp {
        /// α in s ← α s + (1 − α) g².
        alpha: f64,
        /// ε.
        eps: f64,
        /// μ in v ← μ v + g / (√s + ε).
        momentum: f64,
        /// `true` if the squared mean of the gradients is subtracted: √(s − m²) instead of √s.
        is_centred: bool,
    },
    /// Adagrad.
    Adagrad {
        /// The decay of the learning rate.
        lr_decay: f64,
        /// ε.
        eps: f64,
        /// The first value of s.
        initial: f64,
    },
}

/// A tensor that an update computes in addition to the new parameter, such as a velocity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateInfo {
    /// The beginning of its name, before the name of the parameter: `velocity` for `velocity.fc1.weight`.
    pub prefix: &'static str,
    /// The letter of its symbol: v in "v of w".
    pub letter: &'static str,
    /// `true` if the next iteration reads it.
    pub is_kept: bool,
}

const VELOCITY: StateInfo = StateInfo { prefix: "velocity", letter: "v", is_kept: true };
const DECAYED: StateInfo = StateInfo { prefix: "decayed", letter: "g", is_kept: false };
const EXP_AVG: StateInfo = StateInfo { prefix: "exp_avg", letter: "m", is_kept: true };
const EXP_AVG_SQ: StateInfo = StateInfo { prefix: "exp_avg_sq", letter: "v", is_kept: true };
const SQUARE_AVG: StateInfo = StateInfo { prefix: "square_avg", letter: "s", is_kept: true };
const GRAD_AVG: StateInfo = StateInfo { prefix: "grad_avg", letter: "m", is_kept: true };
const SUM_OF_SQUARES: StateInfo = StateInfo { prefix: "sum", letter: "s", is_kept: true };

/// The prefixes of all states.
const PREFIXES: [&str; 7] =
    [VELOCITY.prefix, DECAYED.prefix, EXP_AVG.prefix, EXP_AVG_SQ.prefix, SQUARE_AVG.prefix, GRAD_AVG.prefix, SUM_OF_SQUARES.prefix];

/// Returns the name of the parameter to which a state belongs; `None` if the name is not that of a state.
///
/// ```
/// assert_eq!(gradstep::network::parameter_of_state("exp_avg.fc1.weight"), Some("fc1.weight"));
/// assert_eq!(gradstep::network::parameter_of_state("fc1.weight"), None);
/// ```
#[must_use]
pub fn parameter_of_state(name: &str) -> Option<&str> {
    PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)?.strip_prefix('.'))
}

/// A tensor that a summand reads. A number is an index into [`UpdatePlan::states`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateOperand {
    /// The gradient of the batch.
    Gradient,
    /// The parameter before the update.
    Old,
    /// A state of the previous iteration.
    Previous(usize),
    /// A state of this iteration.
    State(usize),
}

/// One summand of a sum of the update. In its expression, `whole::X` is the operand.
#[derive(Clone, Copy, Debug)]
pub enum UpdateSummand {
    /// c · x, and its expression. The coefficient c is `None` for 1.
    Scaled(Option<f64>, Expr, UpdateOperand),
    /// c · x · x, and its expression. The coefficient c is `None` for 1.
    Squared(Option<f64>, Expr, UpdateOperand),
    /// c · x · rate(s), or c · x · rate(s, m). s and m are states. rate(s) is the factor 1 / (√s + ε) of the formulas in the docs of this file.
    Rated {
        /// c.
        coefficient: f64,
        /// The expression, in which `whole::W` is s, and the whole operand `Input(2)` is m.
        expr: Expr,
        /// x.
        operand: UpdateOperand,
        /// The index of the state s.
        squares: usize,
        /// The index of the state m, if the rate is centred.
        mean: Option<usize>,
        /// The settings of the rate.
        options: RateOptions,
    },
}

/// A tensor that an update computes as a sum.
#[derive(Clone, Debug)]
pub struct UpdateSum {
    /// The index of the state; `None` for the new parameter.
    pub state: Option<usize>,
    /// The equation. Its right-hand side is a placeholder: the expression of each summand replaces it.
    pub equation: Equation,
    /// The summands, in order.
    pub summands: Vec<UpdateSummand>,
}

/// The sums of one update, in order. The last sum is the new parameter.
#[derive(Clone, Debug, Default)]
pub struct UpdatePlan {
    /// The states that the update computes.
    pub states: Vec<StateInfo>,
    /// The sums.
    pub sums: Vec<UpdateSum>,
}

impl UpdatePlan {
    /// Adds the sum of a state, and returns the index of the state.
    fn state(&mut self, info: StateInfo, equation: Equation, summands: Vec<UpdateSummand>) -> usize {
        self.states.push(info);
        let number = self.states.len() - 1;
        self.sums.push(UpdateSum { state: Some(number), equation, summands });
        number
    }

    /// Adds the sum of the new parameter, which completes the plan.
    fn parameter(mut self, equation: Equation, summands: Vec<UpdateSummand>) -> Self {
        self.sums.push(UpdateSum { state: None, equation, summands });
        self
    }
}

use UpdateOperand::{Gradient, Old, Previous, State};
use UpdateSummand::{Rated, Scaled, Squared};
use equations::{
    ADAGRAD, ADAM, DECAYED_GRADIENT, MEAN_OF_GRADIENTS, MEAN_OF_SQUARES, MOVE_BY_GRADIENT, MOVE_BY_GRADIENT_AT_T, MOVE_BY_VELOCITY,
    MOVE_BY_VELOCITY_AT_T, RMS_PROP, adam_w_equation, nesterov_equation, sum_equation, velocity_equation, velocity_of_rates_equation,
};

const ETA: Expr = Expr::Name("η");
/// The learning rate of iteration t.
const ETA_T: Expr = Expr::Name("ηₜ");
const LAMBDA: Expr = Expr::Name("λ");
const MU: Expr = Expr::Name("μ");
const ALPHA: Expr = Expr::Name("α");
const BETA_1: Expr = Expr::Name("β₁");
const BETA_2: Expr = Expr::Name("β₂");
const DAMPED: Expr = Expr::Sub(&[whole::ONE, Expr::Name("τ")]);
const LAMBDA_X: Expr = Expr::Product(Join::Juxtaposed, &[LAMBDA, whole::X]);
/// −ηₜ (x ⊙ rate(s)).
const RATED: Expr =
    Expr::Neg(&Expr::Product(Join::Juxtaposed, &[ETA_T, Expr::Product(Join::Hadamard, &[whole::X, Expr::Of(RATE, &[whole::W])])]));
/// rate(s, m).
const CENTRED: Expr = Expr::Of(RATE_OF_CENTRED, &[whole::W, Expr::All(crate::op::slot::Slot::Input(2))]);

impl Optimizer {
    /// Creates SGD without a schedule.
    #[must_use]
    pub fn sgd(learning_rate: f64, momentum: f64, weight_decay: f64) -> Self {
        Self { learning_rate, schedule: None, weight_decay, rule: UpdateRule::Sgd { momentum, dampening: 0.0, is_nesterov: false } }
    }

    /// The learning rate η of an iteration (from 1), according to the schedule.
    #[must_use]
    pub fn learning_rate_at(&self, iteration: u64) -> f64 {
        self.schedule.map_or(self.learning_rate, |schedule| schedule.rate(self.learning_rate, iteration - 1))
    }

    /// The first iteration whose update has the same sums with the same coefficients as the update of `iteration`. So both iterations can use the same ops.
    #[must_use]
    pub fn equivalent_iteration(&self, iteration: u64) -> u64 {
        let changes_each_time = self.schedule.is_some()
            || match self.rule {
                UpdateRule::Sgd { .. } | UpdateRule::RmsProp { .. } => false,
                UpdateRule::Adam { .. } => true,
                UpdateRule::Adagrad { lr_decay, .. } => lr_decay != 0.0,
            };
        // otherwise, only the first iteration differs from the others: it has no previous state
        if changes_each_time { iteration } else { iteration.min(2) }
    }

    /// The value of the states before the first iteration; `None` if the first iteration reads none.
    #[must_use]
    pub fn initial_state(&self) -> Option<f64> {
        match self.rule {
            UpdateRule::Adagrad { initial, .. } if initial != 0.0 => Some(initial),
            _ => None,
        }
    }

    /// The number of the states of a parameter, and the number of those states that the next iteration reads.
    #[must_use]
    pub fn state_counts(&self) -> [u64; 2] {
        let states = self.plan(2).states;
        [states.len(), states.iter().filter(|state| state.is_kept).count()].map(|n| n as u64)
    }

    /// The sums of the update of an iteration, from 1.
    #[must_use]
    pub fn plan(&self, iteration: u64) -> UpdatePlan {
        match self.rule {
            UpdateRule::Sgd { momentum, dampening, is_nesterov } => self.sgd_plan(iteration, momentum, dampening, is_nesterov),
            UpdateRule::Adam { betas, eps, is_decoupled } => self.adam_plan(iteration, betas, eps, is_decoupled),
            UpdateRule::RmsProp { alpha, eps, momentum, is_centred } => self.rms_plan(iteration, [alpha, eps, momentum], is_centred),
            UpdateRule::Adagrad { lr_decay, eps, .. } => self.adagrad_plan(iteration, lr_decay, eps),
        }
    }

    fn sgd_plan(&self, iteration: u64, momentum: f64, dampening: f64, is_nesterov: bool) -> UpdatePlan {
        let mut plan = UpdatePlan::default();
        let (eta, decay) = (self.learning_rate_at(iteration), self.weight_decay);
        let is_scheduled = self.schedule.is_some();
        // two branches of constants here and below, because the references in an `Expr` are `'static`
        let minus_eta: Expr = if is_scheduled {
            Expr::Neg(&Expr::Product(Join::Juxtaposed, &[ETA_T, whole::X]))
        } else {
            Expr::Neg(&Expr::Product(Join::Juxtaposed, &[ETA, whole::X]))
        };
        let (has_decay, has_momentum) = (decay != 0.0, momentum != 0.0);
        let velocity = (has_momentum || has_decay).then(|| {
            let has_previous = has_momentum && iteration > 1;
            // 1 − τ
            let damping = (has_previous && dampening != 0.0).then_some(1.0 - dampening);
            let gradient = if damping.is_some() { Expr::Product(Join::Juxtaposed, &[DAMPED, whole::X]) } else { whole::X };
            let mut summands = vec![Scaled(damping, gradient, Gradient)];
            if has_decay {
                let (factor, expr) = damping.map_or((decay, LAMBDA_X), |damping| {
                    (damping * decay, Expr::Product(Join::Juxtaposed, &[Expr::Product(Join::Juxtaposed, &[DAMPED, LAMBDA]), whole::X]))
                });
                summands.push(Scaled(Some(factor), expr, Old));
            }
            if has_previous {
                summands.push(Scaled(Some(momentum), Expr::Product(Join::Juxtaposed, &[MU, whole::X]), Previous(0)));
            }
            let waits_for_previous = has_momentum && iteration == 1;
            let info = StateInfo { is_kept: has_momentum, ..VELOCITY };
            plan.state(info, velocity_equation(has_decay, has_previous, waits_for_previous), summands)
        });
        let old = Scaled(None, whole::X, Old);
        if is_nesterov && let Some(velocity) = velocity {
            let minus_eta_mu = if is_scheduled {
                Expr::Neg(&Expr::Product(Join::Juxtaposed, &[Expr::Product(Join::Juxtaposed, &[ETA_T, MU]), whole::X]))
            } else {
                Expr::Neg(&Expr::Product(Join::Juxtaposed, &[Expr::Product(Join::Juxtaposed, &[ETA, MU]), whole::X]))
            };
            let mut summands = vec![old, Scaled(Some(-eta), minus_eta, Gradient)];
            if has_decay {
                let minus_eta_lambda = if is_scheduled {
                    Expr::Neg(&Expr::Product(Join::Juxtaposed, &[Expr::Product(Join::Juxtaposed, &[ETA_T, LAMBDA]), whole::X]))
                } else {
                    Expr::Neg(&Expr::Product(Join::Juxtaposed, &[Expr::Product(Join::Juxtaposed, &[ETA, LAMBDA]), whole::X]))
                };
                summands.push(Scaled(Some(-eta * decay), minus_eta_lambda, Old));
            }
            summands.push(Scaled(Some(-eta * momentum), minus_eta_mu, State(velocity)));
            return plan.parameter(nesterov_equation(has_decay), summands);
        }
        let (equation, direction) = match (velocity, is_scheduled) {
            (None, false) => (MOVE_BY_GRADIENT, Gradient),
            (None, true) => (MOVE_BY_GRADIENT_AT_T, Gradient),
            (Some(velocity), false) => (MOVE_BY_VELOCITY, State(velocity)),
            (Some(velocity), true) => (MOVE_BY_VELOCITY_AT_T, State(velocity)),
        };
        plan.parameter(equation, vec![old, Scaled(Some(-eta), minus_eta, direction)])
    }

    /// Returns the operand that the other sums use as the gradient: a new state g + λ w, or without weight decay the gradient itself.
    fn decayed(&self, plan: &mut UpdatePlan) -> UpdateOperand {
        if self.weight_decay == 0.0 {
            return Gradient;
        }
        let summands = vec![Scaled(None, whole::X, Gradient), Scaled(Some(self.weight_decay), LAMBDA_X, Old)];
        State(plan.state(DECAYED, DECAYED_GRADIENT, summands))
    }

    fn adam_plan(&self, iteration: u64, [beta_1, beta_2]: [f64; 2], eps: f64, is_decoupled: bool) -> UpdatePlan {
        let mut plan = UpdatePlan::default();
        let eta = self.learning_rate_at(iteration);
        let gradient = if is_decoupled { Gradient } else { self.decayed(&mut plan) };
        let new_mean = Scaled(Some(1.0 - beta_1), Expr::Product(Join::Juxtaposed, &[Expr::Sub(&[whole::ONE, BETA_1]), whole::X]), gradient);
        let new_square = Squared(
            Some(1.0 - beta_2),
            Expr::Product(Join::Juxtaposed, &[Expr::Sub(&[whole::ONE, BETA_2]), Expr::Square(&whole::X)]),
            gradient,
        );
        // the next two states: the mean m, and after it the squares v
        let mean = plan.states.len();
        let kept_mean = Scaled(Some(beta_1), Expr::Product(Join::Juxtaposed, &[BETA_1, whole::X]), Previous(mean));
        let kept_square = Scaled(Some(beta_2), Expr::Product(Join::Juxtaposed, &[BETA_2, whole::X]), Previous(mean + 1));
        let is_first = iteration == 1;
        plan.state(EXP_AVG, MEAN_OF_GRADIENTS, if is_first { vec![new_mean] } else { vec![kept_mean, new_mean] });
        let squares = plan.state(EXP_AVG_SQ, MEAN_OF_SQUARES, if is_first { vec![new_square] } else { vec![kept_square, new_square] });
        #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ iterations
        let corrections = [beta_1, beta_2].map(|beta| 1.0 - libm::pow(beta, iteration as f64));
        let mut summands = vec![Scaled(None, whole::X, Old)];
        let has_decay = is_decoupled && self.weight_decay != 0.0;
        if has_decay {
            // ηₜ is η / (1 − β₁ᵗ) in this equation, so the scheduled learning rate is written η(t)
            let decay = if self.schedule.is_some() {
                Expr::Neg(&Expr::Product(Join::Juxtaposed, &[Expr::Product(Join::Juxtaposed, &[Expr::Name("η(t)"), LAMBDA]), whole::X]))
            } else {
                Expr::Neg(&Expr::Product(Join::Juxtaposed, &[Expr::Product(Join::Juxtaposed, &[ETA, LAMBDA]), whole::X]))
            };
            summands.push(Scaled(Some(-eta * self.weight_decay), decay, Old));
        }
        summands.push(Rated {
            coefficient: -(eta / corrections[0]),
            expr: RATED,
            operand: State(mean),
            squares,
            mean: None,
            options: RateOptions { correction: corrections[1], eps },
        });
        plan.parameter(if is_decoupled { adam_w_equation(has_decay) } else { ADAM }, summands)
    }

    fn rms_plan(&self, iteration: u64, [alpha, eps, momentum]: [f64; 3], is_centred: bool) -> UpdatePlan {
        let mut plan = UpdatePlan::default();
        let eta = self.learning_rate_at(iteration);
        let gradient = self.decayed(&mut plan);
        let is_first = iteration == 1;
        let kept = |state| Scaled(Some(alpha), Expr::Product(Join::Juxtaposed, &[ALPHA, whole::X]), Previous(state));
        let new_square = Squared(
            Some(1.0 - alpha),
            Expr::Product(Join::Juxtaposed, &[Expr::Sub(&[whole::ONE, ALPHA]), Expr::Square(&whole::X)]),
            gradient,
        );
        let squares = plan.states.len();
        plan.state(SQUARE_AVG, MEAN_OF_SQUARES, if is_first { vec![new_square] } else { vec![kept(squares), new_square] });
        let mean = is_centred.then(|| {
            let new = Scaled(Some(1.0 - alpha), Expr::Product(Join::Juxtaposed, &[Expr::Sub(&[whole::ONE, ALPHA]), whole::X]), gradient);
            let summands = if is_first { vec![new] } else { vec![kept(squares + 1), new] };
            plan.state(GRAD_AVG, MEAN_OF_GRADIENTS, summands)
        });
        let options = RateOptions { correction: 1.0, eps };
        let old = Scaled(None, whole::X, Old);
        let rated = |coefficient, expr| Rated { coefficient, expr, operand: gradient, squares, mean, options };
        if momentum == 0.0 {
            let centred = Expr::Neg(&Expr::Product(Join::Juxtaposed, &[ETA_T, Expr::Product(Join::Hadamard, &[whole::X, CENTRED])]));
            return plan.parameter(RMS_PROP, vec![old, rated(-eta, if is_centred { centred } else { RATED })]);
        }
        let rated_gradient = if is_centred {
            Expr::Product(Join::Hadamard, &[whole::X, CENTRED])
        } else {
            Expr::Product(Join::Hadamard, &[whole::X, Expr::Of(RATE, &[whole::W])])
        };
        let velocity = plan.states.len();
        let mut summands = vec![rated(1.0, rated_gradient)];
        if !is_first {
            summands.insert(0, Scaled(Some(momentum), Expr::Product(Join::Juxtaposed, &[MU, whole::X]), Previous(velocity)));
        }
        plan.state(VELOCITY, velocity_of_rates_equation(is_centred, is_first), summands);
        let minus_eta = Expr::Neg(&Expr::Product(Join::Juxtaposed, &[ETA_T, whole::X]));
        plan.parameter(MOVE_BY_VELOCITY_AT_T, vec![old, Scaled(Some(-eta), minus_eta, State(velocity))])
    }

    fn adagrad_plan(&self, iteration: u64, lr_decay: f64, eps: f64) -> UpdatePlan {
        let mut plan = UpdatePlan::default();
        let gradient = self.decayed(&mut plan);
        let squares = plan.states.len();
        let mut summands = vec![Squared(None, Expr::Square(&whole::X), gradient)];
        let has_initial = self.initial_state().is_some();
        if iteration > 1 || has_initial {
            summands.insert(0, Scaled(None, whole::X, Previous(squares)));
        }
        plan.state(SUM_OF_SQUARES, sum_equation(has_initial), summands);
        #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ iterations
        let eta = self.learning_rate_at(iteration) / (1.0 + (iteration - 1) as f64 * lr_decay);
        let options = RateOptions { correction: 1.0, eps };
        let rated = Rated { coefficient: -eta, expr: RATED, operand: gradient, squares, mean: None, options };
        plan.parameter(ADAGRAD, vec![Scaled(None, whole::X, Old), rated])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of an update names the learning rate as its formula does: η if it is constant, else ηₜ.
    #[test]
    fn the_words_and_the_formula_of_an_update_have_the_same_learning_rate() {
        let sgd = |momentum, is_nesterov| UpdateRule::Sgd { momentum, dampening: 0.0, is_nesterov };
        let rms = |momentum| UpdateRule::RmsProp { alpha: 0.9, eps: 1e-8, momentum, is_centred: false };
        let adam = |is_decoupled| UpdateRule::Adam { betas: [0.9, 0.99], eps: 1e-8, is_decoupled };
        let adagrad = UpdateRule::Adagrad { lr_decay: 0.1, eps: 1e-8, initial: 0.0 };
        let schedule = Schedule::Step { size: 1, gamma: 0.5 };
        let mut texts = 0;
        for rule in [sgd(0.0, false), sgd(0.9, false), sgd(0.9, true), rms(0.0), rms(0.9), adam(false), adam(true), adagrad] {
            for schedule in [None, Some(schedule)] {
                let sums = Optimizer { learning_rate: 0.1, schedule, weight_decay: 0.0, rule }.plan(2).sums;
                let UpdateSum { equation, summands, .. } = sums.last().expect("the new parameter");
                let formula = format!("{summands:?}");
                assert_ne!(formula.contains("\"η\""), formula.contains("\"ηₜ\""), "{formula}");
                if equation.words.contains('η') {
                    texts += 1;
                    assert_eq!(equation.words.contains("ηₜ"), formula.contains("\"ηₜ\""), "{rule:?}, {schedule:?}: {}", equation.words);
                }
            }
        }
        assert_eq!(texts, 14, "each of the 8 rules without and with a schedule, except Nesterov's momentum");
    }

    /// The text of each sum names weight decay, a mean, and a previous or an initial value exactly if the sum has a summand with it.
    #[test]
    fn the_words_of_an_update_are_about_its_own_summands() {
        let nesterov = UpdateRule::Sgd { momentum: 0.9, dampening: 0.0, is_nesterov: true };
        let rms = |is_centred| UpdateRule::RmsProp { alpha: 0.9, eps: 1e-8, momentum: 0.9, is_centred };
        let adam_w = UpdateRule::Adam { betas: [0.9, 0.99], eps: 1e-8, is_decoupled: true };
        let adagrad = |initial| UpdateRule::Adagrad { lr_decay: 0.1, eps: 1e-8, initial };
        for rule in [nesterov, rms(false), rms(true), adam_w, adagrad(0.0), adagrad(0.5)] {
            for (weight_decay, iteration) in [(0.0, 1), (0.0, 2), (0.1, 1), (0.1, 2)] {
                let optimizer = Optimizer { learning_rate: 0.1, schedule: None, weight_decay, rule };
                for UpdateSum { equation, summands, .. } in optimizer.plan(iteration).sums {
                    let (words, formula) = (equation.words, format!("{summands:?}"));
                    let context = format!("{rule:?}, iteration {iteration}: {words}\n{formula}");
                    assert_eq!(words.contains('λ'), formula.contains("\"λ\""), "{context}");
                    match equation.name {
                        "the velocity" => {
                            assert_eq!(words.contains("previous iteration"), formula.contains("Previous"), "{context}");
                            assert_eq!(words.contains("rate(s, m)"), formula.contains("mean: Some"), "{context}");
                            assert_eq!(words.contains("rate(s)"), formula.contains("mean: None"), "{context}");
                        }
                        "the sum of the squared gradients" => {
                            assert_eq!(words.contains("initial"), rule == adagrad(0.5), "{context}");
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}
