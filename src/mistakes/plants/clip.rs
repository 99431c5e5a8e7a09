//! Errors that are clipped inside the backward pass, so that everything behind them follows: `dz = np.clip(dz, -1, 1)`.

use std::any::Any;
use std::sync::Arc;

use super::super::plan::{OpChange, PassChange};
use super::super::planting::{Planted, Variant, WrongTensor};
use super::super::wrong_rule::{WrongRule, WrongTerms, with_terms};
use crate::network::{Id, Op, Part, Role};
use crate::op::rule::{Memo, Operands, Rule, Term, constant};
use crate::op::slot::{Reads, Slot};

/// The leading digits of the bounds that are tried, times powers of ten. People write round numbers.
const DIGITS: [u8; 4] = [1, 2, 3, 5];
/// The largest number of bounds that are tried for a tensor: those next to its largest entry, which clip the fewest entries.
const MAX_BOUNDS: usize = 4;

/// The rule of a whole op: all its parts are added up, and the sum is clipped.
#[derive(Debug)]
struct ClippedRule {
    /// The rules of the parts, with the places of their operands in the list of all operands.
    parts: Vec<(Arc<dyn Rule>, Reads<usize>)>,
    bound: f64,
}

/// The sums before they are clipped.
struct Sums(Vec<f64>);

impl ClippedRule {
    /// Makes the rule of an op with its operands.
    fn of(op: &Op, bound: f64) -> (Self, Vec<Id>) {
        let mut all = Vec::new();
        let parts = op.parts.iter().map(|Part { rule, operands }| {
            let places = operands.map(|id| {
                all.push(id);
                all.len() - 1
            });
            (Arc::clone(rule), places)
        });
        (Self { parts: parts.collect(), bound }, all)
    }
}

/// The operands are those of all parts, and then a tensor of which only the size is read: it is the size of the result.
impl WrongTerms for ClippedRule {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let mut sums = vec![0.0; tensors.last().map_or(0, |result| result.len())];
        for (rule, places) in &self.parts {
            let operands = places.map(|place| tensors[Slot::Input(place)]);
            let memo = rule.memo(&operands);
            rule.accumulate(&Operands { tensors: operands.reborrow(), memo: &memo }, &mut sums);
        }
        Some(Arc::new(Sums(sums)) as Arc<dyn Any + Send + Sync>)
    }

    fn terms(&self, x: &Operands<'_>, at: usize) -> Vec<Term> {
        let Sums(sums) = x.memo().expect("the memo of this rule");
        vec![Term::product([constant(sums[at].clamp(-self.bound, self.bound))].into_iter().collect())]
    }
}

/// The round bounds between the smallest magnitude other than 0 and the largest one, the largest bound first; at most [`MAX_BOUNDS`].
fn bounds(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let sizes: Vec<f64> = numbers.map(f64::abs).filter(|size| *size > 0.0 && size.is_finite()).collect();
    let (least, largest) = (sizes.iter().copied().fold(f64::INFINITY, f64::min), sizes.iter().copied().fold(0.0, f64::max));
    // the text 3e-1 is read as 0.3; the product 3.0 * 0.1 would be 0.30000000000000004
    let round = |power: i32| DIGITS.iter().rev().filter_map(move |digit| format!("{digit}e{power}").parse::<f64>().ok());
    (-8..=4).rev().flat_map(round).filter(|bound| least < *bound && *bound < largest).take(MAX_BOUNDS).collect()
}

/// The error of a tensor is clipped.
pub fn clipped(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let iteration = &wrong_tensor.iteration;
    let (trace, network) = (iteration.trace, iteration.network);
    #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ samples
    let samples = trace.samples() as f64;
    let mut planted = Vec::new();
    for (number, op) in iteration.backward_ops() {
        let Role::Gradient(of) = network.tensor(op.output).role else { continue };
        // the gradients of values: others are not passed on
        let Some((_, forward)) = iteration.producer(of) else { continue };
        let all = || (0..trace.samples()).flat_map(|run| trace.run(run).values(op.output).iter().copied());
        // the trace has the errors of each sample's own loss. Those of the mean loss are these, divided by the number of samples
        let scales = if trace.samples() == 1 { &[1.0][..] } else { &[samples, 1.0] };
        let scaled_bounds =
            scales.iter().flat_map(|scale| bounds(all().map(|error| error / scale)).into_iter().map(move |bound| (bound, scale)));
        for (bound, scale) in scaled_bounds {
            let (rule, mut operands) = ClippedRule::of(op, bound * scale);
            // the last operand of the rule has the size of the result, as the tensor x of ∂C/∂x has
            operands.push(forward.output);
            let rule: Arc<dyn Rule> = Arc::new(WrongRule(rule));
            let nothing = with_terms(&rule, |_, _, _| Vec::new());
            let operands = Reads::inputs(operands);
            let part = |part: usize, rule: &Arc<dyn Rule>| {
                PassChange::sample(number, OpChange::Part(part, Part { rule: Arc::clone(rule), operands: operands.clone() }))
            };
            let edits: Vec<PassChange> = (0..op.parts.len()).map(|n| part(n, if n == 0 { &rule } else { &nothing })).collect();
            let is_of_mean = samples.to_bits() == scale.to_bits();
            let of_own = if is_of_mean { "" } else { ", in the derivative of each sample's own loss" };
            let detail = format!(": no entry is below −{bound} or above {bound}{of_own}");
            let name = format!("{bound}{}", if is_of_mean { "" } else { " of each sample" });
            planted.push(Variant::named(name, detail, edits).at(vec![network.tensor(of).name.to_string()]));
        }
    }
    planted
}
