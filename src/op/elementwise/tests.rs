use super::ElementwiseOperand::{Constant, Input as In};
use super::*;
use crate::expr::Notation;
use crate::op::checked::{check, check_rules, gradient, numbers, value};
use crate::op::operator::named;
use crate::tensor::len;

fn operation(name: &str, operands: &[ElementwiseOperand], shapes: &[&[usize]]) -> Elementwise {
    Elementwise::new(named(name).expect("an operator"), operands).broadcast(shapes).expect("shapes that fit")
}

fn inputs(shapes: &[&[usize]]) -> Vec<Vec<f64>> {
    shapes.iter().zip(3..).map(|(shape, seed)| numbers(seed, len(shape))).collect()
}

#[test]
fn three_operands_and_constants_are_broadcast() {
    let shapes_of_three: [&[&[usize]]; 3] = [&[&[2, 3], &[3], &[2, 1]], &[&[], &[2, 2], &[2]], &[&[4], &[4], &[4]]];
    for shapes in shapes_of_three {
        check(&operation("clamp", &[In(0), In(1), In(2)], shapes), shapes, &inputs(shapes));
    }
    let two_shapes: &[&[usize]] = &[&[2, 3], &[3]];
    check(&operation("clamp", &[In(0), Constant(-0.2), In(1)], two_shapes), two_shapes, &inputs(two_shapes));
    check(&operation("add", &[In(1), In(0)], two_shapes), two_shapes, &inputs(two_shapes));
    for name in ["mul", "div", "maximum", "leaky_relu"] {
        check(&operation(name, &[In(0), In(1)], two_shapes), two_shapes, &inputs(two_shapes));
        check(&operation(name, &[In(1), In(0)], &[&[3], &[2, 3]]), &[&[3], &[2, 3]], &inputs(&[&[3], &[2, 3]]));
    }
    // 1e-310 is too small for a difference quotient, so only the kernels and the terms are compared
    let with_subnormal = [vec![1e-310, 2.0, 3.0, 4.0, 5.0, 6.0], vec![0.5, 1.5, 2.5]];
    check_rules(&operation("pow", &[In(0), In(1)], two_shapes), two_shapes, &with_subnormal);
    let one_shape: &[&[usize]] = &[&[2, 3]];
    for operands in [[In(0), Constant(0.3)], [Constant(0.3), In(0)]] {
        for name in ["add", "sub", "mul", "div", "maximum", "minimum", "leaky_relu", "elu", "clamp_min", "clamp_max"] {
            check(&operation(name, &operands, one_shape), one_shape, &inputs(one_shape));
        }
    }
}

/// A message counts the constants among the operands.
#[test]
fn a_mismatch_names_the_operands_by_their_places() {
    let operation = Elementwise::new(named("clamp").expect("an operator"), &[Constant(0.5), In(1), In(0)]);
    let message = operation.broadcast(&[&[2], &[3]]).expect_err("2 and 3 do not fit").to_string();
    assert!(message.contains("second operand") && message.contains("third operand") && !message.contains("first operand"), "{message}");
}

#[test]
fn derivatives_at_kinks_are_those_of_pytorch() {
    let x: &[f64] = &[-1.0, 0.0, 1.0, 2.0];
    let slope = |name: &str, parameters: &[f64]| {
        let operands: Vec<_> = [In(0)].into_iter().chain(parameters.iter().map(|number| Constant(*number))).collect();
        gradient(&operation(name, &operands, &[&[4]]), &[x], &[1.0; 4], 0).expect("a gradient")
    };
    assert_eq!(slope("clamp", &[0.0, 1.0]), [0.0, 0.0, 0.0, 0.0]);
    assert_eq!(slope("clamp", &[-1.0, 2.0]), [0.0, 1.0, 1.0, 0.0]);
    assert_eq!(slope("clamp_min", &[0.0]), [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(slope("leaky_relu", &[0.1]), [0.1, 0.1, 1.0, 1.0]);
    assert_eq!(slope("maximum", &[1.0]), [0.0, 0.0, 0.5, 1.0]);
}

#[test]
fn comparisons_have_values_and_no_gradient() {
    let less = operation("<", &[In(0), In(1)], &[&[3], &[2, 1]]);
    assert_eq!(value(&less, &[&[1.0, 2.0, 3.0], &[2.0, 3.0]], 6), [1.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
    assert!(less.backward(0).is_none() && less.backward(1).is_none());
    check_rules(&less, &[&[3], &[2, 1]], &inputs(&[&[3], &[2, 1]]));
    let text = less.forward().equation().right.equation(Notation::Unicode, &less.arguments(), |slot, _| format!("x{slot}"));
    assert_eq!(text, "x0 < x1");
}
