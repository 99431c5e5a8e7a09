//! Checks of a function's rules, for the unit tests of the functions. They compare
//!
//! - the kernels with single terms,
//! - the lists [`Rule::uses`] and [`Rule::terms_at`] with a search through all terms,
//! - the gradients with difference quotients.

use super::rule::{Function, Operands, Rule, Term};
use super::slot::{Reads, Slot};
use crate::step::Kind;
use crate::tensor::len;

/// Pseudo-random numbers between −1 and 1 (a linear congruential generator).
pub fn numbers(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut number = || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        f64::from(u32::try_from(state >> 32).expect("32 bits")) / f64::from(1_u32 << 31) - 1.0
    };
    (0..count).map(|_| number()).collect()
}

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// The tensor that a rule computes from its operands.
pub fn computed(rule: &dyn Rule, tensors: &Reads<&[f64]>, count: usize) -> Vec<f64> {
    let memo = rule.memo(tensors);
    let x = Operands { tensors: tensors.reborrow(), memo: &memo };
    // arbitrary numbers, which `overwrite` must not read
    let mut sums = vec![7.0; count];
    rule.overwrite(&x, &mut sums);
    sums
}

/// The value of a function.
pub fn value(function: &dyn Function, inputs: &[&[f64]], count: usize) -> Vec<f64> {
    computed(&*function.forward(), &Reads::inputs(inputs.iter().copied()), count)
}

/// The gradient of an input, for the derivative `dy` of the function's value; `None` if the input has none.
pub fn gradient(function: &dyn Function, inputs: &[&[f64]], dy: &[f64], slot: usize) -> Option<Vec<f64>> {
    let y = value(function, inputs, dy.len());
    let tensors = Reads::inputs(inputs.iter().copied()).with_output(&y[..]).with_upstream(dy);
    Some(computed(&*function.backward(slot)?, &tensors, inputs[slot].len()))
}

/// All terms of each entry.
pub fn terms(rule: &dyn Rule, tensors: &Reads<&[f64]>, count: usize) -> Vec<Vec<Term>> {
    let memo = rule.memo(tensors);
    let x = Operands { tensors: tensors.reborrow(), memo: &memo };
    let count_of = |entry: usize| rule.prefix_terms(&x, entry + 1) - rule.prefix_terms(&x, entry);
    (0..count).map(|entry| (0..count_of(entry)).map(|term| rule.term(&x, entry, term)).collect()).collect()
}

/// The values of the arguments of each term, for one entry of a gradient.
pub fn factors(function: &dyn Function, inputs: &[&[f64]], dy: &[f64], slot: usize, entry: usize) -> Vec<Vec<f64>> {
    let y = value(function, inputs, dy.len());
    let tensors = Reads::inputs(inputs.iter().copied()).with_output(&y[..]).with_upstream(dy);
    let all = terms(&*function.backward(slot).expect("a gradient"), &tensors, inputs[slot].len());
    all[entry].iter().map(|term| term.args.iter().map(|arg| arg.value).collect()).collect()
}

/// Compares the results of all methods of a rule with its single terms.
pub fn check_rule(rule: &dyn Rule, tensors: &Reads<&[f64]>, count: usize) {
    let memo = rule.memo(tensors);
    let x = Operands { tensors: tensors.reborrow(), memo: &memo };
    let all = terms(rule, tensors, count);
    let (fresh, start) = (computed(rule, tensors, count), numbers(3, count));
    let mut added = start.clone();
    rule.accumulate(&x, &mut added);
    let has_terms = rule.has_terms(&x, count);
    assert_eq!(rule.prefix_terms(&x, 0), 0, "{rule:?}");
    for (entry, terms) in all.iter().enumerate() {
        let what = format!("{rule:?}: entry {entry} of {} terms", terms.len());
        // −0 + x has the bits of x for every x, so −0 is the start of a sum
        let sum = |from: f64| terms.iter().fold(from, |sum, term| sum + term.value);
        assert!(same(fresh[entry], if terms.is_empty() { 0.0 } else { sum(-0.0) }), "{what}: {:?}", fresh[entry]);
        assert!(same(added[entry], sum(start[entry])), "{what}, accumulated");
        let n = terms.len() as u64;
        let halves = rule.add_terms(&x, entry, n / 2..n, rule.add_first_terms(&x, entry, n / 2, -0.0));
        assert!(same(halves, sum(-0.0)), "{what}, in halves");
        let mut visited = Vec::new();
        let last = rule.visit_terms(&x, entry, 0..n, -0.0, &mut |term, _| visited.push(term.clone()));
        // a term may hold NaN, which differs from itself
        assert!(same(last, sum(-0.0)) && format!("{visited:?}") == format!("{terms:?}"), "{what}, visited");
        assert_eq!(has_terms.as_ref().is_none_or(|has| has[entry]), n > 0, "{what}");
        assert!(rule.terms_per_entry().is_none_or(|per_entry| per_entry == n), "{what}");
        for term in terms.iter().filter(|term| matches!(term.kind, Kind::Product | Kind::Copy)) {
            let product = term.args.iter().map(|arg| arg.value).reduce(|product, factor| product * factor);
            assert!(same(product.unwrap_or(1.0), term.value), "{what}: {term:?}");
        }
        if n == 0 {
            // the default reason, which a rule with such entries must replace
            assert_ne!(rule.reason_unreached(&x, entry), "no term contributes to it", "{what}");
        }
    }
    let lengths = tensors.map(<[f64]>::len);
    assert!(rule.work(&lengths, count) >= rule.prefix_terms(&x, count), "{rule:?}: too little work");
    for (slot, tensor) in tensors.each() {
        for at in 0..tensor.len() {
            check_reads(rule, &x, &all, slot, at);
        }
    }
}

/// Checks the lists [`Rule::uses`] and [`Rule::terms_at`] of one entry of an operand. `all` has all terms of each entry that the rule computes; the terms that
/// read the entry are searched in it.
fn check_reads(rule: &dyn Rule, x: &Operands<'_>, all: &[Vec<Term>], slot: Slot, at: usize) {
    let mut expected = Vec::new();
    for (entry, terms) in all.iter().enumerate() {
        let found =
            |reads: &dyn Fn(&Term) -> bool| (0_u64..).zip(terms).filter(|(_, term)| reads(term)).map(|(n, _)| n).collect::<Vec<_>>();
        expected.extend(found(&|term| term.args.iter().any(|arg| arg.reads(slot, at))).into_iter().map(|term| (entry, term)));
        let with_this_entry = found(&|term| term.args.iter().any(|arg| arg.reads_single_entry(slot, at)));
        let with_this_entry_or_its_slice = found(&|term| term.args.iter().any(|arg| arg.reads(slot, at) && !arg.reads_whole(slot)));
        let listed = rule.terms_at(x, entry, slot, at).to_vec();
        // a rule with its own `terms_at` may also list the terms that have the entry in a slice
        assert!(
            listed == with_this_entry || listed == with_this_entry_or_its_slice,
            "{rule:?}: terms of {entry} at {slot:?} {at}: {listed:?}, not {with_this_entry:?}"
        );
    }
    let mut uses: Vec<(usize, u64)> = rule.uses(x, slot, at).into_iter().map(|found| (found.entry, found.term)).collect();
    uses.sort_unstable();
    assert_eq!(uses, expected, "{rule:?}: the uses of {slot:?} {at}");
}

/// Checks the rules of a function for inputs with these shapes and entries, and its gradients against difference quotients.
pub fn check(function: &dyn Function, shapes: &[&[usize]], inputs: &[Vec<f64>]) {
    check_rules(function, shapes, inputs);
    let count = len(&function.shape(shapes).expect("shapes that fit"));
    let dy = numbers(11, count);
    // a loss whose derivative by y is `dy`
    let loss = |inputs: &[Vec<f64>]| -> f64 {
        let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        value(function, &inputs, count).iter().zip(&dy).map(|(y, dy)| y * dy).sum()
    };
    for slot in 0..inputs.len() {
        let all: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        let Some(gradient) = gradient(function, &all, &dy, slot) else { continue };
        for (at, derivative) in gradient.into_iter().enumerate() {
            let moved_loss = |by: f64| {
                let mut moved = inputs.to_vec();
                moved[slot][at] += by;
                loss(&moved)
            };
            let slope = (moved_loss(1e-6) - moved_loss(-1e-6)) / 2e-6;
            let agrees = (slope - derivative).abs() <= 1e-7 * derivative.abs().max(1.0);
            assert!(agrees, "{function:?}: the derivative by entry {at} of input {slot} is {derivative}, but the slope is {slope}");
        }
    }
}

/// Checks the rules of a function, without difference quotients, so the inputs may be at a kink.
pub fn check_rules(function: &dyn Function, shapes: &[&[usize]], inputs: &[Vec<f64>]) {
    let count = len(&function.shape(shapes).expect("shapes that fit"));
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let tensors = Reads::inputs(inputs.iter().copied());
    check_rule(&*function.forward(), &tensors, count);
    let (y, dy) = (value(function, &inputs, count), numbers(11, count));
    let tensors = Reads::inputs(inputs.iter().copied()).with_output(&y[..]).with_upstream(&dy[..]);
    for (slot, input) in inputs.iter().enumerate() {
        if let Some(rule) = function.backward(slot) {
            check_rule(&*rule, &tensors, input.len());
        }
    }
}
