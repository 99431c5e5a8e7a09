//! An elementwise operation on tensors of several shapes gives the same numbers as the operation on single numbers.

use gradstep::op::elementwise::{Elementwise, ElementwiseOperand};
use gradstep::op::operator::{FUNCTIONS, Operator};
use gradstep::op::rule::{Function, Operands, Rule};
use gradstep::op::slot::Reads;
use gradstep::tensor::{len, ravel, unravel};
use proptest::prelude::*;

use super::config;
use crate::kernels::{check_views, numbers, same};

/// Every operation, with its number of operands.
fn operations() -> Vec<(Operator, usize)> {
    let arithmetic = [Operator::Add, Operator::Sub, Operator::Mul, Operator::DIV, Operator::POW].map(|operator| (operator, 2));
    let unary = [Operator::Neg, Operator::Copy].map(|operator| (operator, 1));
    let functions = FUNCTIONS.iter().map(|named| (Operator::Call(named), named.arity()));
    arithmetic.into_iter().chain(unary).chain(functions).collect()
}

/// The shapes of three operands: axes of a common shape, some of size 1, some missing at the front.
fn shapes() -> impl Strategy<Value = [Vec<usize>; 3]> {
    // the size of one axis in each of the three operands
    let axis =
        || prop_oneof![(2..=4_usize).prop_map(|n| [n, n, 1]), (2..=4_usize).prop_map(|n| [n, 1, n]), (2..=4_usize).prop_map(|n| [1, n, n])];
    (prop::collection::vec(axis(), 0..=4), 0..=4_usize, 0..=2_usize).prop_map(|(axes, missing, shorter_operand)| {
        let mut shapes = [0, 1, 2].map(|operand| axes.iter().map(|sizes| sizes[operand]).collect::<Vec<usize>>());
        shapes[shorter_operand].drain(..missing.min(axes.len()));
        shapes
    })
}

/// Returns the tensor that a rule computes from its inputs and, for a backward rule, from y and ∂C/∂y.
fn sums(rule: &dyn Rule, inputs: &[&[f64]], y_and_upstream: &[&[f64]], entries: usize) -> Vec<f64> {
    let mut tensors = Reads::inputs(inputs.iter().copied());
    if let [y, upstream] = *y_and_upstream {
        tensors = tensors.with_output(y).with_upstream(upstream);
    }
    let memo = rule.memo(&tensors);
    let mut sums = vec![0.0; entries];
    let x = Operands { tensors, memo: &memo };
    rule.overwrite(&x, &mut sums);
    sums
}

/// Returns the offset of the operand's entry that the result's entry at `index` reads.
fn offset_read(operand_shape: &[usize], index: &[usize]) -> usize {
    let aligned = &index[index.len() - operand_shape.len()..];
    let operand_index: Vec<usize> = aligned.iter().zip(operand_shape).map(|(at, size)| if *size == 1 { 0 } else { *at }).collect();
    ravel(&operand_index, operand_shape).expect("an entry")
}

/// Compares an operation on tensors with the same operation on the numbers of each entry: the values, and the derivatives, which are added up for an entry that
/// is read several times. `seed` and `special_every` choose the numbers, see [`numbers`].
fn agrees_with_numbers(operator: Operator, shapes: &[Vec<usize>], seed: u64, special_every: u64) -> Result<(), TestCaseError> {
    let operands: Vec<ElementwiseOperand> = (0..shapes.len()).map(ElementwiseOperand::Input).collect();
    let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
    let on_numbers = Elementwise::new(operator, &operands);
    let on_tensors = on_numbers.clone().broadcast(&shapes).expect("they fit");
    let y_shape = on_tensors.shape(&shapes).expect("they fit");
    let inputs: Vec<Vec<f64>> = shapes.iter().zip(seed..).map(|(shape, seed)| numbers(seed, len(shape), special_every, true)).collect();
    let all: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let y = sums(&*on_tensors.forward(), &all, &[], len(&y_shape));
    let dy = numbers(seed.wrapping_add(7), y.len(), special_every, true);
    // −0 is the start of a sum: −0 + x is x, even for x = −0
    let mut expected: Vec<Vec<f64>> = inputs.iter().map(|input| vec![-0.0; input.len()]).collect();
    for at in 0..y.len() {
        let index = unravel(at, &y_shape);
        let places: Vec<usize> = shapes.iter().map(|shape| offset_read(shape, &index)).collect();
        let entries: Vec<[f64; 1]> = inputs.iter().zip(&places).map(|(input, place)| [input[*place]]).collect();
        let entries: Vec<&[f64]> = entries.iter().map(<[f64; 1]>::as_slice).collect();
        let value = sums(&*on_numbers.forward(), &entries, &[], 1)[0];
        prop_assert!(same(value, y[at]), "{operator:?} of {entries:?} is {value:?}, not {:?}", y[at]);
        for (slot, place) in places.into_iter().enumerate() {
            let rule = on_numbers.backward(slot).expect("a derivative");
            expected[slot][place] += sums(&*rule, &entries, &[&y[at..=at], &dy[at..=at]], 1)[0];
        }
    }
    for (slot, expected) in expected.iter().enumerate() {
        let rule = on_tensors.backward(slot).expect("a derivative");
        let is = sums(&*rule, &all, &[&y, &dy], expected.len());
        let equal = is.iter().zip(expected).all(|(is, right)| same(*is, *right));
        prop_assert!(equal, "{operator:?} of {shapes:?}, by operand {slot}: {is:?}, not {expected:?}");
    }
    match shapes[..] {
        [x] => check_views(&on_tensors, x, None, &y_shape, seed, special_every, true),
        [x, w] => check_views(&on_tensors, x, Some(w), &y_shape, seed, special_every, true),
        // operations with three operands are tested in the unit tests of the operations
        _ => Ok(()),
    }
}

proptest! {
    #![proptest_config(config(40, 400))]

    #[test]
    fn operations_on_tensors_agree_with_those_on_numbers(shapes in shapes(), seed in any::<u64>(), special_every in 1..=9_u64) {
        for (operator, count) in operations() {
            agrees_with_numbers(operator, &shapes[..count], seed, special_every)?;
        }
    }
}
