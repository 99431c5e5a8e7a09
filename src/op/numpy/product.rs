//! Gradients of sums of products, in NumPy. They are written with `@`, `*` and `.sum` if possible, and with `einsum` otherwise.

use super::NumPyForm;
use super::code::NumPyCode;
use crate::op::slot::Slot::Input;

/// The letters that stand for the labels 0, 1, …
const LETTERS: &str = "ijklmnopqrstuvwxyzabcdefgh";

/// The labels of an einsum: those of each operand and of the output, and the size of each label.
#[derive(Clone, Copy, Debug)]
pub struct EinsumLabels<'a> {
    /// The labels of the axes of each operand.
    pub operands: &'a [&'a [usize]],
    /// The labels of the axes of the output.
    pub output: &'a [usize],
    /// The size of each label.
    pub sizes: &'a [usize],
}

/// A factor of a product: its expression, and the labels of its axes.
struct ProductFactor {
    code: NumPyCode,
    labels: Vec<usize>,
}

impl EinsumLabels<'_> {
    /// Returns the gradient of an operand. `None` if the operand or the output has a label twice, or if `einsum` needs more labels than there are letters.
    #[must_use]
    pub fn gradient(&self, operand: usize) -> Option<NumPyForm> {
        let target = self.operands[operand];
        if repeats_label(target) || repeats_label(self.output) {
            return None;
        }
        let others = || (0..self.operands.len()).filter(|other| *other != operand);
        let is_shared = |label: &usize| self.output.contains(label) || others().any(|other| self.operands[other].contains(label));
        // the labels of the axes along which the gradient may vary. Along an axis whose label only this operand has, it is constant
        let varying: Vec<usize> = target.iter().copied().filter(is_shared).collect();
        let upstream = ProductFactor { code: NumPyCode::upstream(), labels: self.output.to_vec() };
        let factor = |other: usize| ProductFactor { code: NumPyCode::input(other), labels: self.operands[other].to_vec() };
        if others().next().is_none() && self.is_aligned(target) {
            // NumPy broadcasts `dy` as it is
            let has_whole_shape = target.iter().all(|label| is_shared(label) || self.sizes[*label] == 1);
            return Some(NumPyForm { code: upstream.code, broadcast_to: (!has_whole_shape).then_some(Input(operand)) });
        }
        let without_einsum = match others().map(factor).collect::<Vec<_>>().as_slice() {
            [] => rearranged(&upstream, &varying),
            // the operands keep their order, with ∂C/∂y in the position of the operand whose gradient this is
            [other] if operand == 0 => product(&upstream, other, &varying),
            [other] => product(other, &upstream, &varying),
            _ => None,
        };
        let code = match without_einsum {
            Some(code) => code,
            None if self.output.is_empty() => {
                // ∂C/∂y is a number
                let others: Vec<ProductFactor> = others().map(factor).collect();
                let product = if let [first, second] = &others[..] { product(first, second, &varying) } else { None };
                NumPyCode::upstream().times(product.or_else(|| einsum(&others, &varying))?)
            }
            None => einsum(&std::iter::once(upstream).chain(others().map(factor)).collect::<Vec<_>>(), &varying)?,
        };
        // an axis along which the gradient is constant has the size 1
        let index: Vec<Option<usize>> = target.iter().map(|label| is_shared(label).then_some(*label)).collect();
        // `new_axes` writes no axes in front. So the expression lacks the first axis of the operand if its label is not shared
        let has_whole_shape =
            target.first().is_none_or(is_shared) && target.iter().all(|label| is_shared(label) || self.sizes[*label] == 1);
        Some(NumPyForm { code: code.then(new_axes(&index)), broadcast_to: (!has_whole_shape).then_some(Input(operand)) })
    }

    /// Returns whether the output has the axes of the target in the same order, except that some of them may have the size 1.
    fn is_aligned(&self, target: &[usize]) -> bool {
        let fits = |(output_label, label): (&usize, &usize)| {
            output_label == label || !target.contains(output_label) && self.sizes[*output_label] == 1
        };
        self.output.len() == target.len() && self.output.iter().zip(target).all(fits)
    }
}

/// Returns a sum of products as a call of `einsum`.
fn einsum(factors: &[ProductFactor], target: &[usize]) -> Option<NumPyCode> {
    let letters = |labels: &[usize]| labels.iter().map(|label| LETTERS.chars().nth(*label)).collect::<Option<String>>();
    let subscripts: Vec<String> = factors.iter().map(|factor| letters(&factor.labels)).collect::<Option<_>>()?;
    let codes: Vec<NumPyCode> = factors.iter().map(|factor| factor.code.clone()).collect();
    let placeholders: Vec<String> = (0..codes.len()).map(|n| format!("{{{n}}}")).collect();
    Some(NumPyCode::Call(format!("np.einsum(\"{}->{}\", {})", subscripts.join(","), letters(target)?, placeholders.join(", ")), codes))
}

fn repeats_label(labels: &[usize]) -> bool {
    labels.iter().enumerate().any(|(n, label)| labels[..n].contains(label))
}

/// Returns the index that inserts an axis of size 1 where there is no label: `[:, None]`. Axes of size 1 in front are not written, because NumPy adds them.
/// Empty if nothing has to be written.
fn new_axes(index: &[Option<usize>]) -> String {
    let first = index.iter().position(Option::is_some).unwrap_or(index.len());
    let index = &index[first..];
    let Some(last) = index.iter().rposition(Option::is_none) else { return String::new() };
    let items: Vec<&str> = index.iter().map(|label| if label.is_some() { ":" } else { "None" }).collect();
    let before = items.iter().take_while(|item| **item == ":").count();
    // `...` stands for the axes before those that are written
    if before > 1 { format!("[..., {}]", items[before..].join(", ")) } else { format!("[{}]", items[..=last].join(", ")) }
}

/// Returns a factor with its axes in the order of `target`. `None` if the labels of its axes are not those of `target`.
fn rearranged(factor: &ProductFactor, target: &[usize]) -> Option<NumPyCode> {
    let ProductFactor { code, labels } = factor;
    if *labels == target {
        return Some(code.clone());
    }
    let order: Vec<usize> = target.iter().map(|label| labels.iter().position(|axis_label| axis_label == label)).collect::<Option<_>>()?;
    (order.len() == labels.len()).then(|| code.clone().permuted(&order))
}

/// Returns the sum of the products of two factors over the labels that the target lacks. `None` if it needs `einsum`.
fn product(left: &ProductFactor, right: &ProductFactor, target: &[usize]) -> Option<NumPyCode> {
    if repeats_label(&left.labels) || repeats_label(&right.labels) {
        return None;
    }
    if target.iter().any(|label| !left.labels.contains(label) && !right.labels.contains(label)) {
        return None;
    }
    if let ([i], [j]) = (&left.labels[..], &right.labels[..])
        && target.len() == 2
        && i != j
    {
        let [first, second] = if target[0] == *i { [left, right] } else { [right, left] };
        return Some(NumPyCode::call("np.outer", vec![first.code.clone(), second.code.clone()]));
    }
    matrix_product(left, right, target).or_else(|| {
        // a product entry by entry, and then its sum over axes
        let all = merged(&left.labels, &right.labels)?;
        let not_summed: Vec<usize> = all.iter().copied().filter(|label| target.contains(label)).collect();
        let aligned = |factor: &ProductFactor| {
            let index: Vec<Option<usize>> = all.iter().map(|label| factor.labels.contains(label).then_some(*label)).collect();
            factor.code.clone().then(new_axes(&index))
        };
        let summed: Vec<usize> = (0..all.len()).filter(|axis| !target.contains(&all[*axis])).collect();
        let product = aligned(left).times(aligned(right));
        let keepdims = false;
        (not_summed == target).then(|| product.sum_over(&summed, all.len(), keepdims))
    })
}

/// Merges two lists of labels into one list in which the labels of each have the same order as before. `None` if that is impossible.
fn merged(left: &[usize], right: &[usize]) -> Option<Vec<usize>> {
    let mut all = Vec::new();
    let (mut l, mut r) = (left, right);
    loop {
        match (l.split_first(), r.split_first()) {
            (None, None) => return Some(all),
            (Some((a, left_rest)), Some((b, right_rest))) if a == b => {
                all.push(*a);
                (l, r) = (left_rest, right_rest);
            }
            (Some((a, left_rest)), _) if !right.contains(a) => {
                all.push(*a);
                l = left_rest;
            }
            (_, Some((b, right_rest))) if !left.contains(b) => {
                all.push(*b);
                r = right_rest;
            }
            _ => return None,
        }
    }
}

/// Returns the product of two factors, written with `@`; leading axes that the target lacks are then summed. `None` if that is impossible.
fn matrix_product(left: &ProductFactor, right: &ProductFactor, target: &[usize]) -> Option<NumPyCode> {
    let is_summed = |label: &&usize| !target.contains(label) && right.labels.contains(label);
    let summed: Vec<usize> = left.labels.iter().filter(is_summed).copied().collect();
    let is_only_in_one = |label: &usize| !target.contains(label) && !summed.contains(label);
    let inner = *summed.last()?;
    if left.labels.iter().chain(&right.labels).any(is_only_in_one) {
        return None;
    }
    // `@` sums over `inner` only; the other summed labels are batch axes of its result, which are summed afterwards
    let batch = &summed[..summed.len() - 1];
    let with_batch: Vec<usize> = batch.iter().chain(target).copied().collect();
    let in_order = |first: &ProductFactor, second: &ProductFactor| {
        let keepdims = false;
        let code = matmul(first, second, inner, &with_batch)?;
        Some(code.sum_over(&(0..batch.len()).collect::<Vec<_>>(), with_batch.len(), keepdims))
    };
    in_order(left, right).or_else(|| in_order(right, left))
}

/// Returns `first @ second` if this is the product with the labels `target`, summed over `inner`.
fn matmul(first: &ProductFactor, second: &ProductFactor, inner: usize, target: &[usize]) -> Option<NumPyCode> {
    let free = |factor: &ProductFactor| factor.labels.iter().copied().filter(|label| *label != inner).collect::<Vec<usize>>();
    let (first_free, second_free) = (free(first), free(second));
    // vector @ vector
    if first_free.is_empty() && second.labels.len() < 2 && target.is_empty() {
        return Some(first.code.clone().matmul(second.code.clone()));
    }
    // matrix @ vector
    if second_free.is_empty() {
        let code = oriented(first, &[first_free.clone(), vec![inner]].concat())?;
        return (first_free == target).then(|| code.matmul(second.code.clone()));
    }
    // vector @ matrix
    if first_free.is_empty() {
        let [batch @ .., column] = &second_free[..] else { return None };
        let code = oriented(second, &[batch, &[inner, *column]].concat())?;
        return (second_free == target).then(|| first.code.clone().matmul(code));
    }
    // matrix @ matrix
    let ([first_batch @ .., row], [second_batch @ .., column]) = (&first_free[..], &second_free[..]) else { return None };
    let [target_batch @ .., i, j] = target else { return None };
    // `@` pairs the batch axes of its operands from the last one backwards
    if (row, column) != (i, j) || row == column || !target_batch.ends_with(first_batch) || !target_batch.ends_with(second_batch) {
        return None;
    }
    // one of the two must have all batch axes
    if first_batch.len() < target_batch.len() && second_batch.len() < target_batch.len() {
        return None;
    }
    let left = oriented(first, &[first_batch, &[*row, inner]].concat())?;
    let right = oriented(second, &[second_batch, &[inner, *column]].concat())?;
    Some(left.matmul(right))
}

/// Returns a factor whose axes have these labels: the factor as it is, or with its last two axes exchanged. `None` if neither has them.
fn oriented(factor: &ProductFactor, labels: &[usize]) -> Option<NumPyCode> {
    let ProductFactor { code, labels: own } = factor;
    if own == labels {
        return Some(code.clone());
    }
    let mut exchanged = own.clone();
    let [.., a, b] = &mut exchanged[..] else { return None };
    std::mem::swap(a, b);
    let after = if own.len() == 2 { ".T" } else { ".swapaxes(-1, -2)" };
    (exchanged == labels).then(|| code.clone().then(after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::slot::Slot;

    /// The gradients of all operands of an einsum such as `ij,jk->ik`.
    fn gradients(labels: &str) -> Vec<String> {
        let (operands, output) = labels.split_once("->").expect("an arrow");
        let number = |letter: char| LETTERS.find(letter).expect("a letter");
        let operands: Vec<Vec<usize>> = operands.split(',').map(|own| own.chars().map(number).collect()).collect();
        let operands: Vec<&[usize]> = operands.iter().map(Vec::as_slice).collect();
        let output: Vec<usize> = output.chars().map(number).collect();
        // the last letter, h, has the size 1
        let sizes: Vec<usize> = (0..26).map(|n| if n == 25 { 1 } else { n + 2 }).collect();
        let labels = EinsumLabels { operands: &operands, output: &output, sizes: &sizes };
        let name = |slot: Slot| match slot {
            Input(n) => ["a", "b", "c"][n].to_owned(),
            _ => "dy".to_owned(),
        };
        (0..operands.len()).map(|n| labels.gradient(n).map_or("-".to_owned(), |form| form.text(&mut |slot| name(slot)))).collect()
    }

    #[test]
    fn a_product_of_matrices_has_transposes() {
        assert_eq!(gradients("ik,kj->ij"), ["dy @ b.T", "a.T @ dy"]);
        assert_eq!(gradients("ik,jk->ij"), ["dy @ b", "dy.T @ a"]);
        assert_eq!(gradients("lik,kj->lij"), ["dy @ b.T", "(a.swapaxes(-1, -2) @ dy).sum(0)"]);
        assert_eq!(gradients("lik,lkj->lij"), ["dy @ b.swapaxes(-1, -2)", "a.swapaxes(-1, -2) @ dy"]);
        assert_eq!(gradients("ij,j->i"), ["np.outer(dy, b)", "a.T @ dy"]);
        assert_eq!(gradients("i,ij->j"), ["dy @ b.T", "np.outer(a, dy)"]);
        assert_eq!(gradients("i,i->"), ["dy * b", "a * dy"]);
        assert_eq!(gradients("i,j->ij"), ["dy @ b", "a @ dy"]);
        assert_eq!(gradients("lij,j->li"), ["dy[..., None] * b", "(a * dy[..., None]).sum((0, 1))"]);
    }

    #[test]
    fn the_derivative_of_a_sum_is_repeated() {
        assert_eq!(gradients("ij->i"), ["np.broadcast_to(dy[:, None], a.shape)"]);
        assert_eq!(gradients("ij->j"), ["np.broadcast_to(dy, a.shape)"]);
        assert_eq!(gradients("ij->ih"), ["np.broadcast_to(dy, a.shape)"]);
        assert_eq!(gradients("ijk->ij"), ["np.broadcast_to(dy[..., None], a.shape)"]);
        assert_eq!(gradients("ijk->ik"), ["np.broadcast_to(dy[:, None], a.shape)"]);
        assert_eq!(gradients("ijkl->ijl"), ["np.broadcast_to(dy[..., None, :], a.shape)"]);
        assert_eq!(gradients("ijk->"), ["np.broadcast_to(dy, a.shape)"]);
        assert_eq!(gradients("ij->ji"), ["dy.T"]);
        assert_eq!(gradients("ijk->kij"), ["dy.transpose(1, 2, 0)"]);
        assert_eq!(gradients("ij,ij->i"), ["dy[:, None] * b", "a * dy[:, None]"]);
    }
}
