//! A choice between two tensors, entry by entry: PyTorch's `where(mask, a, b)`.
//!
//! An entry of the result is a copy of a's entry where the mask is not 0, and of b's entry where it is 0. In the backward pass only the copied entry gets a
//! term. The other entry gets none, not even a product with 0, which would be NaN for an infinite error. The mask has no derivative.

use std::sync::Arc;

use super::broadcast::Broadcast;
use super::elementwise::ElementwiseOperand;
use super::links::{Direction, Linked, Linking, Links};
use super::mismatch::Mismatch;
use super::one_term::{OneTerm, OneTermEach};
use super::rule::{Arguments, Equation, Function, Gist, Memo, Operands, Rule, Term, constant, entry};
use super::slot::{
    Reads,
    Slot::{self, Input},
};
use crate::expr::{Expr, Form, Primitive, SUM, whole};
use crate::tensor::len;

/// Creates the choice of `operands`: the mask, a and b, each an input or a number. `shapes` has the shape of each input; they are broadcast to one shape.
///
/// ```
/// use gradstep::op::{choose::choose, elementwise::ElementwiseOperand::{Constant, Input}};
///
/// // where(mask, −∞, x) for a mask of 3 entries and 2 x 3 entries of x
/// let masked = choose([Input(0), Constant(f64::NEG_INFINITY), Input(1)], &[&[3], &[2, 3]]).expect("shapes that fit");
/// assert_eq!(masked.shape(&[&[3], &[2, 3]]), Ok(vec![2, 3]));
/// assert!(masked.backward(0).is_none() && masked.backward(1).is_some());
/// ```
///
/// # Errors
/// If the shapes cannot be broadcast to one shape.
pub fn choose(operands: [ElementwiseOperand; 3], shapes: &[&[usize]]) -> Result<Arc<dyn Function>, Mismatch> {
    let name = |operand| match operands.iter().position(|own| *own == ElementwiseOperand::Input(operand)) {
        Some(0) => "mask",
        Some(1) => "first operand",
        _ => "second operand",
    };
    let named: Vec<(&'static str, &[usize])> = shapes.iter().enumerate().map(|(n, shape)| (name(n), *shape)).collect();
    let broadcast = Broadcast::new(&named)?;
    let counts = shapes.iter().map(|shape| len(shape)).collect();
    Ok(Arc::new(Choose(Arc::new(ChoosePlan { operands, broadcast, counts }))))
}

/// The operands of a choice.
#[derive(Debug)]
struct ChoosePlan {
    /// The mask, a and b.
    operands: [ElementwiseOperand; 3],
    broadcast: Broadcast,
    /// The number of entries of each input.
    counts: Vec<usize>,
}

impl ChoosePlan {
    /// The operand that the entry `at` of the result copies.
    fn chosen(&self, tensors: &Reads<&[f64]>, at: usize) -> ElementwiseOperand {
        let mask = match self.operands[0] {
            ElementwiseOperand::Input(slot) => tensors[Input(slot)][self.broadcast.operand_entry(slot, at)],
            ElementwiseOperand::Constant(value) => value,
        };
        // NaN counts as true, as in NumPy and PyTorch
        self.operands[if mask == 0.0 { 2 } else { 1 }]
    }

    /// The operand that each entry of the result copies.
    fn all_chosen(&self, tensors: &Reads<&[f64]>) -> impl Iterator<Item = ElementwiseOperand> {
        let of_mask = |mask: f64| self.operands[if mask == 0.0 { 2 } else { 1 }];
        let places = match self.operands[0] {
            ElementwiseOperand::Input(slot) => self.broadcast.operand_entries(slot),
            ElementwiseOperand::Constant(_) => vec![0; len(self.broadcast.shape())],
        };
        places.into_iter().map(move |place| match self.operands[0] {
            ElementwiseOperand::Input(slot) => of_mask(tensors[Input(slot)][place]),
            ElementwiseOperand::Constant(mask) => of_mask(mask),
        })
    }

    /// The place in the input `slot` that the entry `at` of the result copies; `None` if it copies something else.
    fn source(&self, tensors: &Reads<&[f64]>, slot: usize, at: usize) -> Option<usize> {
        (self.chosen(tensors, at) == ElementwiseOperand::Input(slot)).then(|| self.broadcast.operand_entry(slot, at))
    }
}

/// The function of [`choose`].
#[derive(Debug)]
struct Choose(Arc<ChoosePlan>);

impl Function for Choose {
    fn shape(&self, _inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(self.0.broadcast.shape().to_vec())
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(OneTerm(ChooseForward(Arc::clone(&self.0))))
    }

    fn backward(&self, input: usize) -> Option<Arc<dyn Rule>> {
        let links = ChooseLinks { plan: Arc::clone(&self.0), slot: input };
        let is_mask = self.0.operands[0] == ElementwiseOperand::Input(input);
        (!is_mask).then(|| Arc::new(Linked::new(links, Direction::Backward, input)) as Arc<dyn Rule>)
    }
}

/// The rule of the result.
#[derive(Debug)]
struct ChooseForward(Arc<ChoosePlan>);

impl OneTermEach for ChooseForward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let places = self.0.operands.map(|operand| match operand {
            ElementwiseOperand::Input(slot) => self.0.broadcast.operand_entries(slot),
            ElementwiseOperand::Constant(_) => Vec::new(),
        });
        let [_, of_first, of_second] = &places;
        for (at, (sum, chosen)) in out.iter_mut().zip(self.0.all_chosen(&x.tensors)).enumerate() {
            *sum += match chosen {
                ElementwiseOperand::Input(slot) => {
                    let places = if chosen == self.0.operands[1] { of_first } else { of_second };
                    x.tensors[Input(slot)][places[at]]
                }
                ElementwiseOperand::Constant(value) => value,
            };
        }
    }

    fn value(&self, x: &Operands<'_>, at: usize) -> f64 {
        match self.0.chosen(&x.tensors, at) {
            ElementwiseOperand::Input(slot) => x.get(Input(slot), self.0.broadcast.operand_entry(slot, at)),
            ElementwiseOperand::Constant(value) => value,
        }
    }

    fn term(&self, x: &Operands<'_>, at: usize) -> Term {
        Term::copy(match self.0.chosen(&x.tensors, at) {
            ElementwiseOperand::Input(slot) => entry(x, Input(slot), self.0.broadcast.operand_entry(slot, at)),
            ElementwiseOperand::Constant(value) => constant(value),
        })
    }

    fn readers(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<usize> {
        let Input(input) = slot else { return Vec::new() };
        let readers = (0..self.0.broadcast.reader_count(input)).map(|n| self.0.broadcast.reader(input, at, n));
        readers.filter(|entry| self.0.source(&x.tensors, input, *entry).is_some()).collect()
    }

    fn reads(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> bool {
        matches!(slot, Input(input) if self.0.source(&x.tensors, input, entry) == Some(at))
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Of(WHERE, &[Expr::Arg(0), Expr::Arg(1), Expr::Arg(2)]),
            name: "choice",
            gist: Gist::None,
            words: "Where the mask is true, the entry is a copy of the first operand, elsewhere of the second. Nothing is computed.",
        }
    }

    fn arguments(&self) -> Arguments {
        let expr = |operand: &ElementwiseOperand| match *operand {
            ElementwiseOperand::Input(slot) => Expr::All(Input(slot)),
            ElementwiseOperand::Constant(value) => Expr::Number(value),
        };
        self.0.operands.iter().map(expr).collect()
    }
}

/// The notation of the choice.
const WHERE: &Primitive = &Primitive::new("where").form(Form::Call);

/// The links between the entries of an input and the results that copied them.
#[derive(Debug)]
struct ChooseLinks {
    plan: Arc<ChoosePlan>,
    slot: usize,
}

impl Linking for ChooseLinks {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let places = self.plan.broadcast.operand_entries(self.slot);
        let own = ElementwiseOperand::Input(self.slot);
        let sources = self.plan.all_chosen(tensors).zip(places).map(|(chosen, place)| (chosen == own).then_some(place));
        Some(Arc::new(Links::of_sources(sources, self.plan.counts[self.slot])))
    }

    fn links<'a>(&'a self, x: &'a Operands<'_>) -> &'a Links {
        x.memo::<Links>().expect("the memo of this rule")
    }

    fn reason(&self, _x: &Operands<'_>, _direction: Direction, _entry: usize) -> &'static str {
        "the mask chose the other operand"
    }

    fn equation(&self, _direction: Direction) -> Equation {
        let is_repeated = self.plan.broadcast.reader_count(self.slot) > 1;
        Equation {
            right: if is_repeated {
                Expr::Remark(&Expr::Of(SUM, &[whole::DY]), "where it was chosen, else 0")
            } else {
                Expr::Remark(&whole::DY, "where it was chosen, else 0")
            },
            name: "derivative of a choice",
            gist: Gist::None,
            words: "Only what the mask chose is in the result and gets its derivative, unchanged. What was not chosen has no effect: its derivative is 0.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ElementwiseOperand::{Constant, Input as In};
    use super::*;
    use crate::op::checked::{check, gradient, numbers, value};

    #[test]
    fn the_rules_agree_with_their_terms_and_with_difference_quotients() {
        let cases: [([ElementwiseOperand; 3], &[&[usize]]); 5] = [
            ([In(0), In(1), In(2)], &[&[3], &[3], &[3]]),
            ([In(0), In(1), In(2)], &[&[2, 3], &[3], &[2, 1]]),
            ([In(0), In(1), In(2)], &[&[3], &[2, 3], &[]]),
            ([In(0), Constant(f64::NEG_INFINITY), In(1)], &[&[2, 1], &[2, 3]]),
            ([In(1), In(0), Constant(0.0)], &[&[3], &[2, 3]]),
        ];
        for (operands, shapes) in cases {
            let function = choose(operands, shapes).expect("shapes that fit");
            let In(mask) = operands[0] else { panic!("the mask is an input") };
            let mut inputs: Vec<Vec<f64>> = shapes.iter().zip(1..).map(|(shape, seed)| numbers(seed, len(shape))).collect();
            inputs[mask] = inputs[mask].iter().map(|x| f64::from(u8::from(*x > 0.0))).collect();
            if operands.contains(&Constant(f64::NEG_INFINITY)) {
                crate::op::checked::check_rules(&*function, shapes, &inputs);
            } else {
                check(&*function, shapes, &inputs);
            }
        }
    }

    #[test]
    fn nothing_passes_to_the_operand_that_was_not_chosen() {
        let function = choose([In(0), In(1), In(2)], &[&[3], &[3], &[]]).expect("shapes that fit");
        let inputs: [&[f64]; 3] = [&[1.0, 0.0, 0.0], &[5.0, 6.0, 7.0], &[9.0]];
        assert_eq!(value(&*function, &inputs, 3), [5.0, 9.0, 9.0]);
        let dy = [f64::INFINITY, 2.0, 3.0];
        assert_eq!(gradient(&*function, &inputs, &dy, 1), Some(vec![f64::INFINITY, 0.0, 0.0]));
        assert_eq!(gradient(&*function, &inputs, &dy, 2), Some(vec![5.0]));
        assert_eq!(gradient(&*function, &inputs, &dy, 0), None);
        let error = choose([In(0), In(1), Constant(0.0)], &[&[2], &[3]]).expect_err("shapes that do not fit").to_string();
        assert!(error.starts_with("the first operand is a vector of 3 numbers, but the mask is a vector of 2 numbers"), "{error}");
    }
}
