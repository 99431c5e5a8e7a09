//! The numbers of one run. Its small tensors lie side by side in one array, in the order in which they are computed, so that a run of very many takes
//! little more than their numbers and is read without a search of the memory; large ones, and what all samples share, have memory of their own.

use std::mem;
use std::sync::Arc;

use super::{Id, Op, TensorInfo};
use crate::tensor::{Tensor, flat, flat_mut, from_flat, len};

/// Entries up to which a tensor lies beside the others.
const SMALL: usize = 64;

/// Where a tensor lies.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the array, from one number on.
    Beside(usize, usize),
    /// In memory of its own.
    Apart(usize),
}

/// Where a network's tensors lie in each of its runs.
#[derive(Debug)]
pub(super) struct Layout {
    places: Vec<Place>,
    /// Numbers of the array.
    beside: usize,
    /// What is in the place of each tensor with memory of its own before it is there.
    apart: Vec<Arc<Tensor>>,
}

impl Layout {
    /// The layout of these tensors, which these ops compute; `fixed` ones are shared by all samples.
    pub fn of(tensors: &[TensorInfo], ops: &[Op], fixed: &[(Id, Arc<Tensor>)]) -> Self {
        let nothing = Arc::new(from_flat(&[0], Vec::new()));
        let mut layout = Self { places: vec![Place::Apart(0); tensors.len()], beside: 0, apart: vec![nothing] };
        let mut given = vec![true; tensors.len()];
        for op in ops {
            given[op.output] = false;
        }
        for (id, _) in fixed {
            layout.apart(*id);
            given[*id] = false;
        }
        // what an op reads lies before what it computes
        let given = given.iter().enumerate().filter(|(_, given)| **given).map(|(id, _)| id);
        for id in given.chain(ops.iter().map(|op| op.output)) {
            match len(&tensors[id].shape) {
                entries @ 0..=SMALL => {
                    layout.places[id] = Place::Beside(layout.beside, entries);
                    layout.beside += entries;
                }
                _ => layout.apart(id),
            }
        }
        layout
    }

    fn apart(&mut self, id: Id) {
        self.places[id] = Place::Apart(self.apart.len());
        self.apart.push(Arc::clone(&self.apart[0]));
    }

    /// Whether a tensor has memory of its own.
    pub fn is_apart(&self, id: Id) -> bool {
        matches!(self.places[id], Place::Apart(_))
    }

    /// Bytes of a run besides the tensors that have memory of their own.
    pub fn bytes(&self) -> u64 {
        (self.beside * size_of::<f64>() + self.apart.len() * size_of::<Arc<Tensor>>()) as u64
    }
}

/// The numbers of all tensors.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    layout: Arc<Layout>,
    beside: Vec<f64>,
    /// The first has no entries: it is in the place of each that is not there yet.
    apart: Vec<Arc<Tensor>>,
}

impl Numbers {
    /// 0 in small tensors, no entries in others.
    pub fn new(layout: &Arc<Layout>) -> Self {
        Self { layout: Arc::clone(layout), beside: vec![0.0; layout.beside], apart: layout.apart.clone() }
    }

    /// A tensor's entries in row-major order.
    pub fn of(&self, id: Id) -> &[f64] {
        Read { layout: &self.layout, beside: &self.beside, apart: &self.apart }.of(id)
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, id: Id) -> &mut [f64] {
        match self.layout.places[id] {
            Place::Beside(first, entries) => &mut self.beside[first..first + entries],
            Place::Apart(place) => flat_mut(Arc::make_mut(&mut self.apart[place])),
        }
    }

    /// A tensor of this shape.
    pub fn tensor(&self, id: Id, shape: &[usize]) -> Arc<Tensor> {
        match self.layout.places[id] {
            Place::Beside(..) => Arc::new(from_flat(shape, self.of(id).to_vec())),
            Place::Apart(place) => Arc::clone(&self.apart[place]),
        }
    }

    /// Sets a tensor.
    pub fn give(&mut self, id: Id, tensor: &Arc<Tensor>) {
        match self.layout.places[id] {
            Place::Beside(first, entries) => self.beside[first..first + entries].copy_from_slice(flat(tensor)),
            Place::Apart(place) => self.apart[place] = Arc::clone(tensor),
        }
    }

    /// Sets a tensor of this shape to one of another run.
    pub fn share(&mut self, id: Id, from: &Self, other: Id, shape: &[usize]) {
        match self.layout.places[id] {
            Place::Beside(first, entries) => self.beside[first..first + entries].copy_from_slice(from.of(other)),
            Place::Apart(place) => self.apart[place] = from.tensor(other, shape),
        }
    }

    /// Lets go of a tensor that others have too.
    pub fn forget(&mut self, id: Id) {
        if let Place::Apart(place) = self.layout.places[id] {
            self.apart[place] = Arc::clone(&self.apart[0]);
        }
    }

    /// Computes a tensor of this shape in its own memory, whatever was in it, from those that lie before it.
    pub fn compute<T>(&mut self, id: Id, shape: &[usize], compute: impl FnOnce(Read<'_>, &mut [f64]) -> T) -> T {
        let Self { layout, beside, apart } = self;
        match layout.places[id] {
            Place::Beside(first, entries) => {
                let (before, own) = beside.split_at_mut(first);
                compute(Read { layout, beside: before, apart }, &mut own[..entries])
            }
            Place::Apart(place) => {
                let nothing = Arc::clone(&apart[0]);
                let memory = Arc::into_inner(mem::replace(&mut apart[place], nothing));
                let mut own = memory.map_or_else(Vec::new, |tensor| tensor.into_raw_vec_and_offset().0);
                if own.capacity() == 0 {
                    // pages that the system has cleared already
                    own = vec![0.0; len(shape)];
                }
                own.resize(len(shape), 0.0);
                let found = compute(Read { layout, beside, apart }, &mut own);
                apart[place] = Arc::new(from_flat(shape, own));
                found
            }
        }
    }
}

/// Tensors to be read while another is computed.
#[derive(Clone, Copy)]
pub(super) struct Read<'a> {
    layout: &'a Layout,
    beside: &'a [f64],
    apart: &'a [Arc<Tensor>],
}

impl<'a> Read<'a> {
    /// A tensor's entries in row-major order.
    pub fn of(self, id: Id) -> &'a [f64] {
        match self.layout.places[id] {
            Place::Beside(first, entries) => &self.beside[first..first + entries],
            Place::Apart(place) => flat(&self.apart[place]),
        }
    }
}
