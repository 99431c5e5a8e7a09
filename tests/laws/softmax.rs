//! Softmax and log-softmax normalise each slice of a tensor by itself.

use gradstep::op::rule::{Function, Operands, Rule, Use, expand_slice};
use gradstep::op::slot::Reads;
use gradstep::op::softmax::{Slices, Softmax};
use gradstep::tensor::len;
use proptest::prelude::*;

use super::config;
use crate::kernels::{check_views, forward, numbers};

/// Calls `read` with the operands of a rule.
fn with_operands<R>(rule: &dyn Rule, slots: &Reads<&[f64]>, read: impl FnOnce(&Operands<'_>) -> R) -> R {
    let tensors = slots.map(|slot| slot);
    let memo = rule.memo(&tensors);
    let x = Operands { tensors, memo: &memo };
    read(&x)
}

/// Compares two methods of a rule with a search through all terms: `uses` lists the terms that read an entry of an operand, and `terms_at` lists the terms of a
/// given entry of the result that read it by itself or as a part of a slice.
fn check_reads(rule: &dyn Rule, slots: &Reads<&[f64]>, entries: usize) -> Result<(), TestCaseError> {
    with_operands(rule, slots, |x| {
        let terms = |entry: usize| (0..rule.prefix_terms(x, entry + 1) - rule.prefix_terms(x, entry)).map(move |term| (entry, term));
        for (slot, tensor) in slots.each() {
            for at in 0..tensor.len() {
                let reads = |&(entry, term): &(usize, u64)| rule.term(x, entry, term).args.iter().any(|arg| arg.reads(slot, at));
                let expected: Vec<Use> = (0..entries).flat_map(terms).filter(reads).map(|(entry, term)| Use { entry, term }).collect();
                let mut uses = rule.uses(x, slot, at);
                uses.sort_unstable();
                uses.dedup();
                prop_assert_eq!(uses, expected, "{:?}: uses of {} in {:?}", rule, at, slot);
                for entry in 0..entries {
                    // an argument that is read as part of a slice counts too
                    let args = |entry, term| expand_slice(x, rule.term(x, entry, term).args);
                    let reads_single = |&(entry, term): &(usize, u64)| args(entry, term).iter().any(|arg| arg.reads_single_entry(slot, at));
                    let expected: Vec<u64> = terms(entry).filter(reads_single).map(|(_, term)| term).collect();
                    prop_assert_eq!(rule.terms_at(x, entry, slot, at).to_vec(), expected, "{:?}: {} and {} in {:?}", rule, entry, at, slot);
                }
            }
        }
        Ok(())
    })
}

/// The slices of a tensor, each as the offsets of its entries.
fn slices(shape: &[usize], axis: Option<usize>) -> Vec<Vec<usize>> {
    let Some(axis) = axis else { return vec![(0..len(shape)).collect()] };
    let inner = len(&shape[axis + 1..]);
    let mut slices: Vec<Vec<usize>> = Vec::new();
    for outer in 0..len(&shape[..axis]) {
        for rest in 0..inner {
            slices.push((0..shape[axis]).map(|j| (outer * shape[axis] + j) * inner + rest).collect());
        }
    }
    slices
}

proptest! {
    #![proptest_config(config(60, 200))]

    #[test]
    fn each_slice_is_normalised_by_itself(
        shape in prop::collection::vec(1..=4_usize, 1..4),
        axis in 0..4_usize,
        seed in any::<u64>(),
        special_every in 2..=9_u64,
    ) {
        let axis = (axis < shape.len()).then_some(axis);
        let along = axis.map_or(Slices::Whole, |axis| Slices::along(&shape, axis));
        let z = numbers(seed, len(&shape), special_every, false);
        let da = numbers(seed.wrapping_add(1), len(&shape), special_every, false);
        for (function, is_log) in [(Softmax::within(along), false), (Softmax::log_within(along), true)] {
            // the numbers 7 must be overwritten
            let mut a = vec![7.0; z.len()];
            forward(&function, &z, &mut a);
            let backward = function.backward(0).expect("a derivative");
            let slots = Reads::inputs([&z[..]]).with_output(&a[..]).with_upstream(&da[..]);
            let mut dz = vec![7.0; z.len()];
            with_operands(&*backward, &slots, |x| backward.overwrite(x, &mut dz));
            for slice in slices(&shape, axis) {
                let total: f64 = slice.iter().map(|at| z[*at].exp()).sum();
                let weighted_sum: f64 = slice.iter().map(|at| da[*at] * if is_log { 1.0 } else { z[*at].exp() / total }).sum();
                for &at in &slice {
                    let p = z[at].exp() / total;
                    let (right_a, right_dz) = if is_log { (p.ln(), da[at] - p * weighted_sum) } else { (p, p * (da[at] - weighted_sum)) };
                    prop_assert!((a[at] - right_a).abs() < 1e-14, "{function:?}: {} is not {right_a}", a[at]);
                    prop_assert!((dz[at] - right_dz).abs() < 1e-14, "{function:?}: {} is not {right_dz}", dz[at]);
                }
            }
            check_reads(&*function.forward(), &Reads::inputs([&z[..]]), z.len())?;
            check_reads(&*backward, &slots, z.len())?;
            check_views(&function, &shape, None, &shape, seed, special_every, false)?;
        }
    }

    /// A slice so long that a step names it as a whole.
    #[test]
    fn long_slices_add_in_order(n in 15..=40_usize, inner in 1..=3_usize, seed in any::<u64>()) {
        let shape = [2, n, inner];
        for along in [Slices::Whole, Slices::along(&shape, 1)] {
            check_views(&Softmax::within(along), &shape, None, &shape, seed, 5, false)?;
            check_views(&Softmax::log_within(along), &shape, None, &shape, seed, 5, false)?;
        }
    }
}

/// By hand: the softmax of [0, ln 3] is [1/4, 3/4]. Adding 1000 to both entries does not change it, although exp 1000 overflows.
#[test]
fn large_entries_do_not_overflow() {
    let z = [1000.0, 1000.0, 0.0, 1000.0 + 3f64.ln()];
    let mut a = [7.0; 4];
    forward(&Softmax::log_within(Slices::along(&[2, 2], 0)), &z, &mut a);
    // the slices are [1000, 0] and [1000, 1000 + ln 3]
    for (is, right) in a.into_iter().zip([0.0, -(4f64.ln()), -1000.0, -((4.0 / 3.0_f64).ln())]) {
        assert!((is - right).abs() < 1e-12, "{a:?}");
    }
}
