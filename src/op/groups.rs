//! Groups: the entries of a tensor, divided along some of its axes. A sum, a maximum or a product over axes turns each group into one number.
//!
//! The groups of a 2 x 3 tensor along axis 0 are its three columns. The groups are in the row-major order of the other axes, and the entries of a group are in
//! row-major order too.

use smallvec::SmallVec;

use super::rule::{Factors, MAX_NAMED, Operands, entries, entry};
use super::slot::Slot;
use crate::tensor::{Places, len};

/// The groups of a tensor along some axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// The loops over the groups, from the outermost to the innermost.
    group_loops: SmallVec<[GroupLoop; 3]>,
    /// The loops over the entries of a group.
    entry_loops: SmallVec<[GroupLoop; 3]>,
    /// The number of entries of each group.
    pub len: usize,
    /// The number of groups.
    pub count: usize,
}

/// A loop over one axis, or over several neighbouring axes that are merged into one loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct GroupLoop {
    size: usize,
    /// The distance in the tensor between the entries of neighbouring iterations.
    stride: usize,
}

/// The flat index in the tensor of iteration `number` of the nested loops.
fn flat_index(loops: &[GroupLoop], number: usize) -> usize {
    let mut rest = number;
    loops.iter().rev().fold(0, |place, GroupLoop { size, stride }| {
        let value = rest % size;
        rest /= size;
        place + value * stride
    })
}

/// The number of the iteration of these loops that visits this flat index: the inverse of [`flat_index`].
fn iteration_number(loops: &[GroupLoop], place: usize) -> usize {
    loops.iter().fold(0, |number, GroupLoop { size, stride }| number * size + place / stride % size)
}

impl Groups {
    /// The groups of a tensor of this shape along some of its axes.
    #[must_use]
    pub fn along(shape: &[usize], axes: &[usize]) -> Self {
        let (mut group_loops, mut entry_loops): (SmallVec<[GroupLoop; 3]>, SmallVec<[GroupLoop; 3]>) = Default::default();
        for (axis, &size) in shape.iter().enumerate().filter(|(_, size)| **size != 1) {
            let stride = len(&shape[axis + 1..]);
            let loops = if axes.contains(&axis) { &mut entry_loops } else { &mut group_loops };
            match loops.last_mut() {
                Some(outer) if outer.stride == stride * size => *outer = GroupLoop { size: outer.size * size, stride },
                _ => loops.push(GroupLoop { size, stride }),
            }
        }
        let [len, count] = [&entry_loops, &group_loops].map(|loops| loops.iter().map(|one| one.size).product());
        Self { group_loops, entry_loops, len, count }
    }

    /// Returns whether the entries of a group form a grid of at most two dimensions: rows at equal distances, with entries at equal distances. Only then a step
    /// can have the group as one argument ([`Places`]). For other groups, the tensor must first be copied so that its axes have another order.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        self.entry_loops.len() <= 2
    }

    /// The flat index in the tensor of the n-th entry of a group.
    #[must_use]
    pub fn flat_index(&self, group: usize, n: usize) -> usize {
        flat_index(&self.group_loops, group) + flat_index(&self.entry_loops, n)
    }

    /// The flat indices of the entries of a group, in order.
    pub fn flat_indices(&self, group: usize) -> impl Iterator<Item = usize> + Clone + '_ {
        let first = flat_index(&self.group_loops, group);
        // with a single loop, the entries are at equal distances, and no division is needed
        let stride = if let [GroupLoop { stride, .. }] = self.entry_loops[..] { Some(stride) } else { None };
        (0..self.len).map(move |n| first + stride.map_or_else(|| flat_index(&self.entry_loops, n), |stride| n * stride))
    }

    /// The index of the group to which the entry at a flat index belongs, and the index of the entry in the group.
    #[must_use]
    pub fn group_of(&self, at: usize) -> (usize, usize) {
        (iteration_number(&self.group_loops, at), iteration_number(&self.entry_loops, at))
    }

    /// The entries of a group as the arguments of a function. A group of more than [`MAX_NAMED`] entries becomes two arguments: the entry with the flat index
    /// `main`, which the step shows, such as the largest entry of a maximum, and then all entries as one argument.
    #[must_use]
    pub fn arguments(&self, x: &Operands<'_>, slot: Slot, group: usize, main: usize) -> Factors {
        if self.len <= MAX_NAMED || !self.is_regular() {
            return self.flat_indices(group).map(|at| entry(x, slot, at)).collect();
        }
        let one = GroupLoop { size: 1, stride: 0 };
        let [rows, columns] = match self.entry_loops[..] {
            [rows, columns] => [rows, columns],
            [columns] => [one, columns],
            _ => [one, one],
        };
        let places =
            Places { first: flat_index(&self.group_loops, group), counts: [rows.size, columns.size], steps: [rows.stride, columns.stride] };
        entries(x, slot, main, places, std::iter::empty())
    }
}

/// The shape that remains after a reduction over axes. With `keepdim` a reduced axis stays, with size 1.
#[must_use]
pub fn reduced_shape(shape: &[usize], axes: &[usize], keepdim: bool) -> Vec<usize> {
    let sizes = shape.iter().enumerate().map(|(axis, size)| if axes.contains(&axis) { keepdim.then_some(1) } else { Some(*size) });
    sizes.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_in_row_major_order_and_so_are_their_entries() {
        let columns = Groups::along(&[2, 3], &[0]);
        assert_eq!((columns.count, columns.len), (3, 2));
        assert_eq!(columns.flat_indices(1).collect::<Vec<_>>(), [1, 4]);
        let planes = Groups::along(&[2, 3, 1, 2], &[0, 3]);
        assert_eq!(planes.flat_indices(2).collect::<Vec<_>>(), [4, 5, 10, 11]);
        assert!(planes.is_regular() && !Groups::along(&[2, 2, 2, 2, 2], &[0, 2, 4]).is_regular());
        assert_eq!((reduced_shape(&[2, 3, 4], &[0, 2], false), reduced_shape(&[2, 3, 4], &[0, 2], true)), (vec![3], vec![1, 3, 1]));
        for groups in [columns, planes, Groups::along(&[], &[]), Groups::along(&[4], &[0]), Groups::along(&[2, 3, 2], &[1])] {
            for group in 0..groups.count {
                for n in 0..groups.len {
                    assert_eq!(groups.group_of(groups.flat_index(group, n)), (group, n), "{groups:?}");
                }
            }
        }
    }
}
