//! The memory of one run's tensors. Small tensors are packed into one array in the order in which they are computed: 10⁵ scalars then take 8 bytes each and few
//! cache lines. Large tensors, and parameters that all samples share, have an allocation each.

use std::mem;
use std::sync::Arc;

use super::{Id, Op, TensorInfo};
use crate::tensor::{Tensor, flat, flat_mut, from_flat, len};

/// The largest number of entries of a packed tensor.
const SMALL: usize = 64;

/// The location of one tensor.
#[derive(Clone, Copy, Debug)]
enum TensorLocation {
    /// Packed: its offset in the array and its number of entries.
    Packed(usize, usize),
    /// Allocated: its index among the allocated tensors.
    Allocated(usize),
}

/// The locations of a network's tensors; all runs of the network share them.
#[derive(Debug)]
pub(super) struct MemoryLayout {
    locations: Vec<TensorLocation>,
    /// The length of the array.
    packed: usize,
    /// An empty tensor for each allocated one, and one more: the allocated tensors of a run before anything is computed.
    allocated: Vec<Arc<Tensor>>,
}

impl MemoryLayout {
    /// Lays out the tensors of these ops. `fixed` tensors are shared by all samples and never packed.
    pub fn of(tensors: &[TensorInfo], ops: &[Op], fixed: &[(Id, Arc<Tensor>)]) -> Self {
        let nothing = Arc::new(from_flat(&[0], Vec::new()));
        let mut layout = Self { locations: vec![TensorLocation::Allocated(0); tensors.len()], packed: 0, allocated: vec![nothing] };
        let mut given = vec![true; tensors.len()];
        for op in ops {
            given[op.output] = false;
        }
        for (id, _) in fixed {
            layout.allocate(*id);
            given[*id] = false;
        }
        // an op reads only tensors that precede its output
        let given = given.iter().enumerate().filter(|(_, given)| **given).map(|(id, _)| id);
        for id in given.chain(ops.iter().map(|op| op.output)) {
            match len(&tensors[id].shape) {
                entries @ 0..=SMALL => {
                    layout.locations[id] = TensorLocation::Packed(layout.packed, entries);
                    layout.packed += entries;
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

    /// Returns whether a tensor has an allocation of its own.
    pub fn is_allocated(&self, id: Id) -> bool {
        matches!(self.locations[id], TensorLocation::Allocated(_))
    }

    /// Size in bytes of the array and of the list of allocated tensors.
    pub fn bytes(&self) -> u64 {
        (self.packed * size_of::<f64>() + self.allocated.len() * size_of::<Arc<Tensor>>()) as u64
    }
}

/// The numbers of all tensors.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    layout: Arc<MemoryLayout>,
    packed: Vec<f64>,
    /// The allocated tensors. The first is empty; each tensor that is not computed yet is a reference to it.
    allocated: Vec<Arc<Tensor>>,
}

impl Numbers {
    /// Memory in which packed tensors are 0 and allocated ones empty.
    pub fn new(layout: &Arc<MemoryLayout>) -> Self {
        Self { layout: Arc::clone(layout), packed: vec![0.0; layout.packed], allocated: layout.allocated.clone() }
    }

    /// The entries of a tensor in row-major order.
    pub fn of(&self, id: Id) -> &[f64] {
        ReadAccess { layout: &self.layout, packed: &self.packed, allocated: &self.allocated }.of(id)
    }

    /// The entries of a tensor, mutable.
    pub fn of_mut(&mut self, id: Id) -> &mut [f64] {
        match self.layout.locations[id] {
            TensorLocation::Packed(first, entries) => &mut self.packed[first..first + entries],
            TensorLocation::Allocated(place) => flat_mut(Arc::make_mut(&mut self.allocated[place])),
        }
    }

    /// A tensor as an array of this shape; copies a packed one.
    pub fn tensor(&self, id: Id, shape: &[usize]) -> Arc<Tensor> {
        match self.layout.locations[id] {
            TensorLocation::Packed(..) => Arc::new(from_flat(shape, self.of(id).to_vec())),
            TensorLocation::Allocated(place) => Arc::clone(&self.allocated[place]),
        }
    }

    /// Sets a tensor; copies a packed one, shares an allocated one.
    pub fn give(&mut self, id: Id, tensor: &Arc<Tensor>) {
        match self.layout.locations[id] {
            TensorLocation::Packed(first, entries) => self.packed[first..first + entries].copy_from_slice(flat(tensor)),
            TensorLocation::Allocated(place) => self.allocated[place] = Arc::clone(tensor),
        }
    }

    /// Sets a tensor of this shape to the tensor `other` of another run.
    pub fn share(&mut self, id: Id, from: &Self, other: Id, shape: &[usize]) {
        match self.layout.locations[id] {
            TensorLocation::Packed(first, entries) => self.packed[first..first + entries].copy_from_slice(from.of(other)),
            TensorLocation::Allocated(place) => self.allocated[place] = from.tensor(other, shape),
        }
    }

    /// Drops this run's reference to an allocated tensor.
    pub fn forget(&mut self, id: Id) {
        if let TensorLocation::Allocated(place) = self.layout.locations[id] {
            self.allocated[place] = Arc::clone(&self.allocated[0]);
        }
    }

    /// Computes a tensor of this shape into its memory, from tensors that precede it. `compute` gets the memory with arbitrary contents.
    pub fn compute<T>(&mut self, id: Id, shape: &[usize], compute: impl FnOnce(ReadAccess<'_>, &mut [f64]) -> T) -> T {
        let Self { layout, packed, allocated } = self;
        match layout.locations[id] {
            TensorLocation::Packed(first, entries) => {
                let (before, own) = packed.split_at_mut(first);
                compute(ReadAccess { layout, packed: before, allocated }, &mut own[..entries])
            }
            TensorLocation::Allocated(place) => {
                let nothing = Arc::clone(&allocated[0]);
                let memory = Arc::into_inner(mem::replace(&mut allocated[place], nothing));
                let mut own = memory.map_or_else(Vec::new, |tensor| tensor.into_raw_vec_and_offset().0);
                if own.capacity() == 0 {
                    // `vec![0.0; n]` takes pages that the system has zeroed already
                    own = vec![0.0; len(shape)];
                }
                own.resize(len(shape), 0.0);
                let found = compute(ReadAccess { layout, packed, allocated }, &mut own);
                allocated[place] = Arc::new(from_flat(shape, own));
                found
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
    pub fn of(self, id: Id) -> &'a [f64] {
        match self.layout.locations[id] {
            TensorLocation::Packed(first, entries) => &self.packed[first..first + entries],
            TensorLocation::Allocated(place) => flat(&self.allocated[place]),
        }
    }
}
