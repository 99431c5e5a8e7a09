use super::*;
use crate::op::checked::{check, check_rules, factors, gradient, numbers, terms, value};
use crate::tensor::len;

/// The labels of a text such as `ik,kj->ij`: a is label 0.
fn parse(text: &str) -> (Vec<Vec<usize>>, Vec<usize>) {
    let labels = |text: &str| text.bytes().map(|label| usize::from(label - b'a')).collect::<Vec<usize>>();
    let (operands, output) = text.split_once("->").expect("an arrow");
    (operands.split(',').map(labels).collect(), labels(output))
}

/// The sizes of the labels a to f.
const SIZES: &[usize] = &[2, 3, 4, 2, 3, 1];

/// The function of a text such as `ik,kj->ij`, and the shapes of its operands.
fn from_text(text: &str) -> (Arc<dyn Function>, Vec<Vec<usize>>) {
    let (operands, output) = parse(text);
    let slices: Vec<&[usize]> = operands.iter().map(Vec::as_slice).collect();
    let shapes = operands.iter().map(|axes| axes.iter().map(|label| SIZES[*label]).collect()).collect();
    (einsum(&slices, &output, SIZES, EinsumKind::General), shapes)
}

/// The einsum of a text, always computed by the general rule, even if it has a contraction.
fn general(text: &str) -> Einsum {
    let (operands, output) = parse(text);
    let slices: Vec<&[usize]> = operands.iter().map(Vec::as_slice).collect();
    let shape = output.iter().map(|label| SIZES[*label]).collect();
    Einsum(Arc::new(EinsumShared {
        written: Vec::new(),
        plan: EinsumPlan::new(&slices, &output, SIZES),
        shape,
        texts: EinsumKind::General.texts(operands.len()),
    }))
}

/// Einsums of one and two operands, some of which have a contraction.
const SHORT: &[&str] = &[
    "ac,cb->ab",
    "ca,cb->ba",
    "abc,acd->abd",
    "a,a->",
    "a,b->ab",
    ",a->a",
    "ab->a",
    "ab->b",
    "ab->",
    "a->ab",
    "ab->ba",
    "abc->b",
    "aa->a",
    "aa->",
    "ada,b->db",
    "abcd,dcba->",
    "fab,bc->ac",
    "ad,da->",
    "abe,be->a",
    "aa,a->a",
    "->",
];
/// Einsums of more operands.
const LONG: &[&str] = &["ab,bc,cd->ad", "a,b,c->abc", "ab,ab,ab->a", "a,a,a,a->", "abc,b,c->a", "aa,ab,b->"];

#[test]
fn the_rules_agree_with_their_terms_and_with_difference_quotients() {
    for text in SHORT.iter().chain(LONG) {
        let (function, shapes) = from_text(text);
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        let inputs: Vec<Vec<f64>> = shapes.iter().zip(1..).map(|(shape, seed)| numbers(seed, len(shape))).collect();
        check(&*function, &shapes, &inputs);
        let mut with_minus_zeros = inputs.clone();
        with_minus_zeros[0].iter_mut().step_by(2).for_each(|x| *x = -0.0);
        check_rules(&*function, &shapes, &with_minus_zeros);
    }
}

#[test]
fn a_contraction_and_the_general_rule_have_the_same_terms() {
    let mut contractions = 0;
    for text in SHORT {
        let ((function, shapes), general) = (from_text(text), general(text));
        let is_contraction = !format!("{function:?}").starts_with("Einsum");
        contractions += usize::from(is_contraction);
        let inputs: Vec<Vec<f64>> = shapes.iter().zip(1..).map(|(shape, seed)| numbers(seed, len(shape))).collect();
        let tensors = Reads::inputs(inputs.iter().map(Vec::as_slice));
        let count = len(&general.0.shape);
        assert_eq!(terms(&*function.forward(), &tensors, count), terms(&*general.forward(), &tensors, count), "{text}");
        let (y, dy) = (numbers(1, count), numbers(2, count));
        let tensors = Reads::inputs(inputs.iter().map(Vec::as_slice)).with_output(&y[..]).with_upstream(&dy[..]);
        for (slot, input) in inputs.iter().enumerate() {
            let gradient_terms = |function: &dyn Function| terms(&*function.backward(slot).expect("a gradient"), &tensors, input.len());
            assert_eq!(gradient_terms(&*function), gradient_terms(&general), "the derivative of {text} by operand {slot}");
        }
    }
    assert!(contractions > 12, "only {contractions} of {} einsums have a contraction, so the test compares little", SHORT.len());
}

#[test]
fn a_product_of_matrices_has_the_terms_of_rows_and_columns() {
    let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, 2.0, 1.0, 0.0, 3.0]);
    // 2 x 3 times 3 x 2
    let product = einsum(&[&[0, 2], &[2, 1]], &[0, 1], &[2, 2, 3], EinsumKind::MatMul);
    assert_eq!(value(&*product, &[&a, &b], 4), [5.0, 11.0, 14.0, 23.0]);
    let dy = [1.0, 10.0, 100.0, 1000.0];
    assert_eq!(gradient(&*product, &[&a, &b], &dy, 0), Some(vec![1.0, 12.0, 30.0, 100.0, 1200.0, 3000.0]));
    // ∂C/∂a[0,1] has a term for each column of b, ∂C/∂b[2,0] one for each row of a; the first factor is ∂C/∂y
    assert_eq!(factors(&*product, &[&a, &b], &dy, 0, 1), [[1.0, 2.0], [10.0, 1.0]]);
    assert_eq!(factors(&*product, &[&a, &b], &dy, 1, 4), [[1.0, 3.0], [100.0, 6.0]]);
    let forward = terms(&*product.forward(), &Reads::inputs([&a[..], &b]), 4);
    let factors: Vec<Vec<f64>> = forward[1].iter().map(|term| term.args.iter().map(|arg| arg.value).collect()).collect();
    assert_eq!(factors, [[1.0, 0.0], [2.0, 1.0], [3.0, 3.0]]);
}

#[test]
fn three_operands_multiply_from_left_to_right_and_a_trace_reads_only_the_diagonal() {
    let product = einsum(&[&[0], &[0], &[0]], &[], &[2], EinsumKind::General);
    let inputs: [&[f64]; 3] = [&[2.0, 3.0], &[5.0, 7.0], &[11.0, 13.0]];
    assert_eq!(value(&*product, &inputs, 1), [2.0 * 5.0 * 11.0 + 3.0 * 7.0 * 13.0]);
    assert_eq!(factors(&*product, &inputs, &[10.0], 1, 1), [[10.0, 3.0, 13.0]]);
    let trace = einsum(&[&[0, 0]], &[], &[2], EinsumKind::Sum);
    assert_eq!(value(&*trace, &[&[1.0, 2.0, 3.0, 4.0]], 1), [5.0]);
    assert_eq!(gradient(&*trace, &[&[1.0, 2.0, 3.0, 4.0]], &[7.0], 0), Some(vec![7.0, 0.0, 0.0, 7.0]));
}
