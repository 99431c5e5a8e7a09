//! Groups of a user's gradients. The gradients of one tensor in several samples are reported together.

use super::GradientComparison;
use crate::diff::{Comparison, LossOf};
use crate::text::line;
use crate::trace::Trace;

/// The gradients of one tensor: that of the batch, or those of one or more samples.
#[derive(Debug)]
pub struct Group {
    /// The indices of the tensors in the user's list.
    pub tensors: Vec<usize>,
}

/// Groups tensors of the user, which are given by their indices. Two are in one group if they are the gradients of one tensor in two samples, and `key`, for
/// example their status, is the same for both. The groups are in the order of their first tensors.
#[must_use]
pub fn groups<K: PartialEq>(
    comparison: &GradientComparison,
    tensors: impl IntoIterator<Item = usize>,
    key: impl Fn(usize) -> K,
) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let gradient = |index: usize| comparison.user.tensors[index].gradient;
    for index in tensors {
        let is_of_sample = |index: usize| matches!(gradient(index).loss, LossOf::Sample(_));
        let joins = |first: usize| {
            gradient(first).of == gradient(index).of && is_of_sample(first) && is_of_sample(index) && key(first) == key(index)
        };
        match groups.iter_mut().find(|group| joins(group.tensors[0])) {
            Some(group) => group.tensors.push(index),
            None => groups.push(Group { tensors: vec![index] }),
        }
    }
    groups
}

/// Returns the names of tensors, with one name for each group: `conv1.weight`, `conv1.z of samples 1 to 3`.
#[must_use]
pub fn group_names(comparison: &GradientComparison, trace: &Trace, tensors: impl IntoIterator<Item = usize>) -> Vec<String> {
    groups(comparison, tensors, |_| ()).iter().map(|group| group.name(comparison, trace)).collect()
}

impl Group {
    /// The name of the group, escaped.
    #[must_use]
    pub fn name(&self, comparison: &GradientComparison, trace: &Trace) -> String {
        if let [index] = self.tensors[..] {
            return comparison.name(trace, index);
        }
        let gradient = comparison.user.tensors[self.tensors[0]].gradient;
        let mut samples: Vec<usize> = self.tensors.iter().filter_map(|index| sample_number(comparison, trace, *index)).collect();
        samples.sort_unstable();
        format!("{} of samples {}", line(&trace.network().tensor(gradient.of).name), ranges(&samples))
    }

    /// The comparisons of its tensors, each with the index of the tensor.
    pub fn comparisons<'a>(&self, comparison: &'a GradientComparison) -> impl Iterator<Item = (usize, &'a Comparison)> {
        self.tensors.iter().map(|index| (*index, &comparison.report.tensors[*index]))
    }
}

/// The number of the sample of a user's tensor, from 1; `None` for a gradient of the batch.
fn sample_number(comparison: &GradientComparison, trace: &Trace, index: usize) -> Option<usize> {
    let LossOf::Sample(run) = comparison.user.tensors[index].gradient.loss else { return None };
    Some(trace.runs()[run].sample? + 1)
}

/// Writes ascending numbers as ranges: `1 to 3, 5`.
fn ranges(numbers: &[usize]) -> String {
    let ranges = numbers.chunk_by(|one, next| one + 1 == *next);
    let text = |range: &[usize]| match range {
        [first, .., last] if range.len() > 2 => format!("{first} to {last}"),
        _ => range.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
    };
    ranges.map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn neighbours_are_a_range() {
        for (numbers, text) in [(&[2][..], "2"), (&[1, 2], "1, 2"), (&[1, 2, 3], "1 to 3"), (&[1, 3, 4, 5, 9, 10], "1, 3 to 5, 9, 10")] {
            assert_eq!(ranges(numbers), text);
        }
    }
}
