//! Mistakes at activations: ∂C/∂z = ∂C/∂a · g′(z).

use std::sync::Arc;

use smallvec::SmallVec;

use super::super::planting::Variant;
use super::super::site::Site;
use super::super::wrong_rule::with_terms;
use super::places::{upstream, upstream_times};
use crate::expr::{Expr, Primitive, SQRT};
use crate::network::Id;
use crate::op::activation::{ACTIVATIONS, ActivationBackward};
use crate::op::contraction::Contraction;
use crate::op::downcast::downcast;
use crate::op::edges::BilinearRule;
use crate::op::elementwise::{ElementwiseBackward, ElementwiseForward, ElementwiseOperand};
use crate::op::functions::guarded::ROOT_OF_SQUARES;
use crate::op::functions::{GELU, RECIPROCAL, RELU, RSQRT, SIGMOID, SILU, SQUARE, TANH};
use crate::op::math;
use crate::op::operator::Operator;
use crate::op::rule::{Operands, Rule};
use crate::op::slot::Slot::{self, Input, Output, Upstream};
use crate::op::softmax::SoftmaxBackward;

/// The function g of an activation, and its arguments other than z, such as the slope of a leaky relu.
#[derive(Clone, Debug)]
pub(super) struct AppliedActivation {
    pub function: &'static Primitive,
    constants: SmallVec<[f64; 2]>,
}

impl AppliedActivation {
    /// The function of a site; `None` if the part is not that of a function of z and constants.
    pub fn at(site: &Site<'_>) -> Option<Self> {
        if let Some(rule) = site.rule_as::<ActivationBackward>() {
            return Some(Self { function: rule.function(), constants: rule.keys().into() });
        }
        let ElementwiseBackward { operation, operand: 0, slot: 0 } = site.rule_as::<ElementwiseBackward>()? else { return None };
        let Operator::Call(called) = operation.operator else { return None };
        let constant = |operand: &ElementwiseOperand| if let ElementwiseOperand::Constant(value) = operand { Some(*value) } else { None };
        let constants: Option<SmallVec<[f64; 2]>> = operation.operands[1..].iter().map(constant).collect();
        Some(Self { function: called.function, constants: constants? })
    }

    fn arguments(&self, z: f64) -> SmallVec<[f64; 4]> {
        std::iter::once(z).chain(self.constants.iter().copied()).collect()
    }

    fn value(&self, z: f64) -> f64 {
        self.function.value(&self.arguments(z)).unwrap_or(f64::NAN)
    }

    /// Returns g′(z). Its formula may contain the value a = g(z), as a (1 − a) does for the sigmoid.
    fn slope(&self, z: f64, a: f64) -> f64 {
        self.function.derivative(0, &self.arguments(z), a).unwrap_or(f64::NAN)
    }

    /// Returns whether the formula of g′(z) contains the value a.
    fn is_written_with_value(&self) -> bool {
        self.function.derivatives.first().is_some_and(|derivative| derivative.names_entry(Output))
    }
}

/// The rule ∂C/∂a · slope, where the slope is computed from z, a and ∂C/∂a.
fn with_slope(rule: &Arc<dyn Rule>, slope: impl Fn(f64, f64, f64) -> f64 + Send + Sync + 'static) -> Arc<dyn Rule> {
    with_terms(rule, move |_, x: &Operands<'_>, at| {
        let [z, a, da] = [Input(0), Output, Upstream].map(|slot| x.get(slot, at));
        vec![upstream_times(x, at, slope(z, a, da))]
    })
}

/// The derivatives of the usual activations, as people write them.
const RIGHT_FORMULAS: [(&Primitive, &str); 3] =
    [(SIGMOID, "a (1 − a) of the sigmoid"), (TANH, "1 − a² of tanh"), (RELU, "of relu, which is 1 where z > 0 and 0 elsewhere")];

/// The rule ∂C/∂z = ∂C/∂a.
fn passed_on(site: &Site<'_>) -> Variant {
    let function = activation(site).map(|g| g.function);
    let formula = RIGHT_FORMULAS.iter().find(|(of, _)| function == Some(*of));
    let detail = formula.map_or_else(String::new, |(_, formula)| format!(": the factor {formula}"));
    Variant { detail, ..Variant::unnamed(site.with_rule(with_terms(site.rule, |_, x, at| vec![upstream(x, at)]))) }
}

/// The functions that are powers: they have mistakes of their own.
const POWERS: [&Primitive; 5] = [SQUARE, SQRT, ROOT_OF_SQUARES, RECIPROCAL, RSQRT];

/// The activation of a site. In a graph, this is a function of `ACTIVATIONS`, or another function of one number that is not a power.
fn activation(site: &Site<'_>) -> Option<AppliedActivation> {
    let is_activation = |g: &AppliedActivation| {
        let is_named = || ACTIVATIONS.iter().any(|activation| activation.primitive == Some(g.function));
        site.iteration.has_layers() || is_named() || (g.constants.is_empty() && !POWERS.contains(&g.function))
    };
    AppliedActivation::at(site).filter(is_activation)
}

/// Whether the site is an activation: a function of one number, or a softmax.
fn is_activation(site: &Site<'_>) -> bool {
    activation(site).is_some() || site.rule_as::<SoftmaxBackward>().is_some()
}

/// The derivative of a hidden activation is missing.
pub fn missing(site: &Site<'_>) -> Vec<Variant> {
    let is_output = site.iteration.has_layers() && site.is_output();
    if is_activation(site) && !is_output { vec![passed_on(site)] } else { Vec::new() }
}

/// The derivative of the output's activation is missing.
pub fn missing_at_output(site: &Site<'_>) -> Vec<Variant> {
    let is_output = site.iteration.has_layers() && site.is_output();
    if is_activation(site) && is_output { vec![passed_on(site)] } else { Vec::new() }
}

/// The derivative is computed at a instead of z: g′(a), or z (1 − z) instead of a (1 − a).
pub fn at_a(site: &Site<'_>) -> Vec<Variant> {
    let Some(g) = activation(site) else { return Vec::new() };
    let is_written_with_value = g.is_written_with_value();
    let own = g.clone();
    let at_a = site.with_rule(with_slope(site.rule, move |_, a, _| own.slope(a, own.value(a))));
    let mut variants = vec![Variant::named("at-a", ": from a instead of z, as g′(a)", [at_a])];
    if is_written_with_value {
        let formula = site.with_rule(with_slope(site.rule, move |z, _, _| g.slope(z, z)));
        variants.push(Variant::named("formula-in-a-with-z", ": from z, by its formula in a", [formula]));
    }
    variants
}

/// A wrong formula of a derivative: the name of the variant, the end of its sentence, and the formula in z and a.
type OtherDerivative = (&'static str, &'static str, fn(f64, f64) -> f64);

/// The formulas that people write for the derivative of a function by mistake.
const FORMULAS: &[(&Primitive, &[OtherDerivative])] = &[
    (
        TANH,
        &[
            ("1 - a", ": 1 − a instead of 1 − a²", |_, a| 1.0 - a),
            ("1 + a^2", ": 1 + a² instead of 1 − a²", |_, a| 1.0 + a * a),
            ("a^2", ": a² instead of 1 − a²", |_, a| a * a),
            ("1 / cosh z", ": 1 / cosh z instead of 1 / cosh² z", |z, _| 1.0 / libm::cosh(z)),
        ],
    ),
    (
        SIGMOID,
        &[
            ("1 - a", ": 1 − a instead of a (1 − a)", |_, a| 1.0 - a),
            ("a (1 + a)", ": a (1 + a) instead of a (1 − a)", |_, a| a * (1.0 + a)),
            ("a^2", ": a² instead of a (1 − a)", |_, a| a * a),
        ],
    ),
    (SILU, &[("sigmoid(z)", ": σ(z) alone, without z σ′(z)", |z, _| math::sigmoid(z))]),
    (
        RELU,
        &[
            ("z >= 0", ": 1 where z ≥ 0 instead of where z > 0", |z, _| if z >= 0.0 { 1.0 } else { 0.0 }),
            ("z < 0", ": 1 where z < 0 instead of where z > 0", |z, _| if z < 0.0 { 1.0 } else { 0.0 }),
            ("z <= 0", ": 1 where z ≤ 0 instead of where z > 0", |z, _| if z <= 0.0 { 1.0 } else { 0.0 }),
        ],
    ),
    (GELU, &[("a / z", ": Φ(z) alone, without z Φ′(z)", |z, a| if z == 0.0 { 0.5 } else { a / z })]),
];

/// The formulas of relu's derivative that differ from z > 0, or from z < 0, only where z is 0.
const AT_ZERO: [&str; 2] = ["z >= 0", "z <= 0"];

/// The derivative has a wrong formula.
pub fn formula_wrong(site: &Site<'_>) -> Vec<Variant> {
    let Some(g) = activation(site) else { return Vec::new() };
    let formulas =
        FORMULAS.iter().find(|(function, _)| *function == g.function).map_or(&[] as &[OtherDerivative], |(_, formulas)| formulas);
    let variant = |(name, detail, slope): &OtherDerivative| {
        let slope = *slope;
        Variant::named(*name, *detail, [site.with_rule(with_slope(site.rule, move |z, a, _| slope(z, a)))])
    };
    // a formula of `AT_ZERO` is tried only if a z is 0
    let trace = site.iteration.trace;
    let has_zero = || (0..trace.samples()).any(|run| trace.run(run).values(site.operands[Input(0)]).contains(&0.0));
    let tries_all = g.function != RELU || has_zero();
    let tried = formulas.iter().filter(|(name, ..)| tries_all || !AT_ZERO.contains(name));
    let mut variants: Vec<Variant> = tried.map(variant).collect();
    // in a loop, a is the new state, and z is computed from the state of the previous turn
    if let Some(state) = state_before(site).filter(|_| g.is_written_with_value()) {
        let rule = with_slope(site.rule, move |z, a, _| g.slope(z, a));
        let edit = site.with_part(rule, site.operands.clone().with(Output, state));
        variants.push(Variant::named("state-before", ": it reads the state before this turn", [edit]));
    }
    variants
}

/// The largest number of operations among which the product of matrices is searched that reads a state.
const MAX_BETWEEN: usize = 6;

/// The state before a turn of a loop, from which a site's z is computed: a tensor with the shape of y that a product of matrices reads.
fn state_before(site: &Site<'_>) -> Option<Id> {
    let iteration = &site.iteration;
    let mut to_visit = vec![site.of];
    for _ in 0..MAX_BETWEEN {
        let (_, op) = iteration.producer(to_visit.pop()?).filter(|_| !iteration.has_layers())?;
        for part in &op.parts {
            if downcast::<BilinearRule<Contraction>>(&part.rule).is_some() {
                let is_state =
                    |id: &&Id| iteration.shape(**id) == iteration.shape(site.y) && !iteration.network.tensor(**id).role.is_learnable();
                if let Some(state) = part.operands.iter().find(is_state) {
                    return Some(*state);
                }
            } else if downcast::<ElementwiseForward>(&part.rule).is_some() {
                to_visit.extend(
                    part.operands.iter().filter(|id| iteration.len(**id) == iteration.len(site.y) && iteration.producer(**id).is_some()),
                );
            }
        }
    }
    None
}

/// The error is multiplied by a.
pub fn times_value(site: &Site<'_>) -> Vec<Variant> {
    activation(site).map(|_| Variant::unnamed(site.with_rule(with_slope(site.rule, |_, a, _| a)))).into_iter().collect()
}

/// The derivative of another activation.
pub fn of_another(site: &Site<'_>) -> Vec<Variant> {
    let Some(own) = activation(site) else { return Vec::new() };
    let trace = site.iteration.trace;
    let numbers = |slot: Slot| (0..trace.samples()).flat_map(move |run| trace.run(run).values(site.operands[slot]).iter().copied());
    // a derivative that is 0 everywhere, or 1 everywhere, does not show which activation it belongs to
    let is_telling = |slope: &dyn Fn(f64, f64) -> f64| {
        let mut slopes = numbers(Input(0)).zip(numbers(Output)).map(|(z, a)| slope(z, a));
        let first = slopes.next();
        slopes.any(|slope| Some(slope) != first) || first.is_some_and(|slope| slope != 0.0 && slope != 1.0)
    };
    let mut variants = Vec::new();
    for activation in ACTIVATIONS {
        let Some(function) = activation.primitive.filter(|function| *function != own.function) else { continue };
        let other = AppliedActivation { function, constants: activation.keys.iter().map(|(_, value)| *value).collect() };
        let detail = format!(" ({} instead of {})", activation.name, own.function.name);
        if other.is_written_with_value() {
            let of_a = other.clone();
            if !is_telling(&|z, a| of_a.slope(z, a)) {
                continue;
            }
            let edit = site.with_rule(with_slope(site.rule, move |z, a, _| of_a.slope(z, a)));
            variants.push(Variant::named(format!("{} of a", activation.name), detail.clone(), [edit]));
        }
        if !is_telling(&|z, _| other.slope(z, other.value(z))) {
            continue;
        }
        let edit = site.with_rule(with_slope(site.rule, move |z, _, _| other.slope(z, other.value(z))));
        variants.push(Variant::named(activation.name, detail, [edit]));
    }
    variants
}

/// The gate of a relu (its derivative: open is 1, closed is 0) is open where ∂C/∂a is positive, or where both ∂C/∂a and z are.
pub fn mask_from_gradient(site: &Site<'_>) -> Vec<Variant> {
    if AppliedActivation::at(site).is_none_or(|g| g.function != RELU) {
        return Vec::new();
    }
    let of_gradient = with_slope(site.rule, |_, _, da| if da > 0.0 { 1.0 } else { 0.0 });
    let of_both = with_slope(site.rule, |z, _, da| if da > 0.0 && z > 0.0 { 1.0 } else { 0.0 });
    vec![
        Variant::named("gradient", "", [site.with_rule(of_gradient)]),
        Variant::named("gradient-and-z", " and z is positive", [site.with_rule(of_both)]),
    ]
}

/// The largest number of other layers whose gates are tried.
const MAX_OTHER_GATES: usize = 8;

/// The gate of a relu is open where the z of another layer of the same shape is positive.
pub fn mask_of_another(site: &Site<'_>) -> Vec<Variant> {
    let is_relu = |site: &Site<'_>| AppliedActivation::at(site).is_some_and(|g| g.function == RELU);
    let iteration = &site.iteration;
    if !is_relu(site) {
        return Vec::new();
    }
    let others = iteration.sites().into_iter().filter(|other| {
        other.of != site.of
            && is_activation(other)
            && iteration.shape(other.y) == iteration.shape(site.y)
            && iteration.shape(other.of) == iteration.shape(site.of)
    });
    let variant = |other: Site<'_>| {
        let rule = with_slope(site.rule, |z, _, _| if z > 0.0 { 1.0 } else { 0.0 });
        let name = iteration.place_of(other.y);
        let edit = site.with_part(rule, site.operands.clone().with(Input(0), other.of));
        Variant::named(name.clone(), format!(": where that of {name} is"), [edit])
    };
    others.take(MAX_OTHER_GATES).map(variant).collect()
}

/// Whether an expression applies one of these functions.
pub(super) fn applies(expr: &Expr, functions: &[&Primitive]) -> bool {
    match expr {
        Expr::Of(function, _) => functions.contains(function),
        Expr::Sub(both) | Expr::Mul(both) => both.iter().any(|expr| applies(expr, functions)),
        _ => false,
    }
}
