//! The memory of one run's tensors.
//!
//! Small tensors are packed into one array, in the order in which they are computed. So a graph of 10⁵ scalars takes only 8 bytes for each, and neighbouring
//! tensors share cache lines. Each large tensor has its own allocation. So does each parameter and constant, because the runs of all samples share it.

use std::mem;
use std::sync::{Arc, OnceLock};

use super::{Id, Op, TensorInfo};
use crate::tensor::{Tensor, aligned_zeros, flat, flat_mut, from_flat, len};

/// The largest number of entries of a packed tensor.
const SMALL: usize = 64;

/// The location of one tensor.
#[derive(Clone, Copy, Debug)]
enum TensorLocation {
    /// A packed tensor: its offset in the array and its number of entries.
    Packed(usize, usize),
    /// A tensor with its own allocation: its index among the allocated tensors.
    Allocated(usize),
}

/// The locations of a network's tensors. All runs of the network share one layout.
#[derive(Debug)]
pub(super) struct MemoryLayout {
    locations: Vec<TensorLocation>,
    /// The length of the array of packed tensors.
    packed_len: usize,
    /// The first value of [`Numbers::allocated`] in a run: each element is a reference to one empty tensor.
    allocated: Vec<Arc<Tensor>>,
    /// The bytes of a run with its tensors, memos and stored sums, which are estimated at their first use ([`Sizes`](super::Sizes)).
    pub run_bytes: OnceLock<u64>,
}

impl MemoryLayout {
    /// Lays out the tensors of these ops. `shared` tensors are the same for all samples, and are never packed.
    pub fn of(tensors: &[TensorInfo], ops: &[Op], shared: &[(Id, Arc<Tensor>)]) -> Self {
        let empty = Arc::new(from_flat(&[0], Vec::new()));
        let locations = vec![TensorLocation::Allocated(0); tensors.len()];
        let mut layout = Self { locations, packed_len: 0, allocated: vec![empty], run_bytes: OnceLock::new() };
        let mut is_input_of_run = vec![true; tensors.len()];
        for op in ops {
            is_input_of_run[op.output] = false;
        }
        for (id, _) in shared {
            layout.allocate(*id);
            is_input_of_run[*id] = false;
        }
        // inputs and targets come first, then the outputs in the order of the ops, because `Numbers::compute` needs the operands of an op before its output
        let inputs = (0..tensors.len()).filter(|id| is_input_of_run[*id]);
        for id in inputs.chain(ops.iter().map(|op| op.output)) {
            match len(&tensors[id].shape) {
                entries @ 0..=SMALL => {
                    layout.locations[id] = TensorLocation::Packed(layout.packed_len, entries);
                    layout.packed_len += entries;
                }
                _ => layout.allocate(id),
            }
        }
        layout
    }

    fn allocate(&mut self, id: Id) {
        self.locations[id] = TensorLocation::Allocated(self.allocated.len());
        self.allocated.push(Arc::clone(&self.allocated[0]));
    }

    /// Returns whether a tensor has its own allocation.
    pub fn is_allocated(&self, id: Id) -> bool {
        matches!(self.locations[id], TensorLocation::Allocated(_))
    }

    /// The size in bytes of the array and of the list of allocated tensors, without the allocations themselves.
    pub fn bytes(&self) -> u64 {
        (self.packed_len * size_of::<f64>() + self.allocated.len() * size_of::<Arc<Tensor>>()) as u64
    }
}

/// The numbers of all tensors.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    layout: Arc<MemoryLayout>,
    packed: Vec<f64>,
    /// The allocated tensors. Index 0 is an empty tensor, which does not belong to the network. Every tensor that is not computed yet is a reference to it.
    allocated: Vec<Arc<Tensor>>,
}

impl Numbers {
    /// Creates memory in which the entries of packed tensors are 0, and allocated tensors are empty.
    pub fn new(layout: &Arc<MemoryLayout>) -> Self {
        Self { layout: Arc::clone(layout), packed: vec![0.0; layout.packed_len], allocated: layout.allocated.clone() }
    }

    /// The entries of a tensor in row-major order.
    pub fn of(&self, id: Id) -> &[f64] {
        ReadAccess { layout: &self.layout, packed: &self.packed, allocated: &self.allocated }.of(id)
    }

    /// The entries of a tensor, mutable.
    pub fn of_mut(&mut self, id: Id) -> &mut [f64] {
        match self.layout.locations[id] {
            TensorLocation::Packed(first, entries) => &mut self.packed[first..first + entries],
            TensorLocation::Allocated(index) => flat_mut(Arc::make_mut(&mut self.allocated[index])),
        }
    }

    /// Returns a tensor as an array of this shape. A packed tensor is copied.
    pub fn tensor(&self, id: Id, shape: &[usize]) -> Arc<Tensor> {
        match self.layout.locations[id] {
            TensorLocation::Packed(..) => Arc::new(from_flat(shape, self.of(id).to_vec())),
            TensorLocation::Allocated(index) => Arc::clone(&self.allocated[index]),
        }
    }

    /// Sets a tensor to these values. A packed tensor gets a copy of the values; an allocated tensor shares them.
    pub fn give(&mut self, id: Id, tensor: &Arc<Tensor>) {
        match self.layout.locations[id] {
            TensorLocation::Packed(first, entries) => self.packed[first..first + entries].copy_from_slice(flat(tensor)),
            TensorLocation::Allocated(index) => self.allocated[index] = Arc::clone(tensor),
        }
    }

    /// Sets the tensor `id` of this shape to a tensor of another run. `source` has the numbers of that run, and `source_id` is the tensor in it. The values are
    /// copied if one of the two tensors is packed; otherwise they are shared.
    pub fn share(&mut self, id: Id, source: &Self, source_id: Id, shape: &[usize]) {
        match self.layout.locations[id] {
            TensorLocation::Packed(first, entries) => self.packed[first..first + entries].copy_from_slice(source.of(source_id)),
            TensorLocation::Allocated(index) => self.allocated[index] = source.tensor(source_id, shape),
        }
    }

    /// Drops this run's reference to an allocated tensor.
    pub fn forget(&mut self, id: Id) {
        if let TensorLocation::Allocated(index) = self.layout.locations[id] {
            self.allocated[index] = Arc::clone(&self.allocated[0]);
        }
    }

    /// Computes a tensor of this shape. `compute` can read the tensors before it, and overwrites its memory, which contains arbitrary numbers at first. Returns
    /// the result of `compute`.
    pub fn compute<T>(&mut self, id: Id, shape: &[usize], compute: impl FnOnce(ReadAccess<'_>, &mut [f64]) -> T) -> T {
        let Self { layout, packed, allocated } = self;
        match layout.locations[id] {
            TensorLocation::Packed(first, entries) => {
                let (before, memory) = packed.split_at_mut(first);
                compute(ReadAccess { layout, packed: before, allocated }, &mut memory[..entries])
            }
            TensorLocation::Allocated(index) => {
                let empty = Arc::clone(&allocated[0]);
                // the old allocation is used again, unless another run shares it
                let mut old = mem::replace(&mut allocated[index], empty);
                if let Some(tensor) = Arc::get_mut(&mut old).filter(|tensor| tensor.shape() == shape) {
                    let result = compute(ReadAccess { layout, packed, allocated }, flat_mut(tensor));
                    allocated[index] = old;
                    return result;
                }
                let mut tensor = aligned_zeros(shape);
                let result = compute(ReadAccess { layout, packed, allocated }, flat_mut(&mut tensor));
                allocated[index] = Arc::new(tensor);
                result
            }
        }
    }
}

/// Read access to the tensors that precede the one being computed.
#[derive(Clone, Copy)]
pub(super) struct ReadAccess<'a> {
    layout: &'a MemoryLayout,
    packed: &'a [f64],
    allocated: &'a [Arc<Tensor>],
}

impl<'a> ReadAccess<'a> {
    /// The entries of a tensor in row-major order.
    #[inline]
    pub fn of(self, id: Id) -> &'a [f64] {
        match self.layout.locations[id] {
            TensorLocation::Packed(first, entries) => &self.packed[first..first + entries],
            TensorLocation::Allocated(index) => flat(&self.allocated[index]),
        }
    }
}
