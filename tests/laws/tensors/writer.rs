//! The state while a random graph of tensors is written: its inputs and results, with their shapes.

use std::ops::RangeInclusive;

use crate::generated::choices::{Choices, Flavour};

/// The largest size of an axis.
pub const MAX_SIZE: usize = 3;

/// A call in two spellings, with the shape of its result.
pub struct Written {
    /// PyTorch's spelling and the other one.
    pub both: [String; 2],
    pub shape: Vec<usize>,
}

/// The state while a graph is written.
pub struct Writer<'t> {
    pub choices: &'t mut Choices,
    pub flavour: Flavour,
    /// The inputs and the results so far, with their shapes.
    pub tensors: Vec<(String, Vec<usize>)>,
    pub inputs: Vec<String>,
    pub constants: Vec<String>,
    /// `true` if the graph may have functions that stop derivatives, such as `detach`.
    pub may_detach: bool,
}

impl Writer<'_> {
    /// A random shape.
    pub fn shape(&mut self, rank: usize) -> Vec<usize> {
        (0..rank).map(|_| 1 + self.choices.pick(MAX_SIZE)).collect()
    }

    /// Nested arrays of random numbers.
    pub fn numbers(&mut self, shape: &[usize]) -> String {
        match shape {
            [] => format!("{:?}", self.choices.number(self.flavour)),
            [n, inner @ ..] => format!("[{}]", (0..*n).map(|_| self.numbers(inner)).collect::<Vec<_>>().join(", ")),
        }
    }

    /// Nested arrays of whole numbers below `below`.
    pub fn indices(&mut self, shape: &[usize], below: usize) -> String {
        match shape {
            [] => self.choices.pick(below).to_string(),
            [n, inner @ ..] => format!("[{}]", (0..*n).map(|_| self.indices(inner, below)).collect::<Vec<_>>().join(", ")),
        }
    }

    /// Adds an input with random numbers, and returns its name.
    pub fn input(&mut self, shape: &[usize]) -> String {
        let name = format!("x{}", self.inputs.len());
        let numbers = self.numbers(shape);
        self.inputs.push(format!("{name} = {numbers}"));
        self.tensors.push((name.clone(), shape.to_vec()));
        name
    }

    /// Adds a constant with random indices below `below`, and returns its name.
    pub fn index_constant(&mut self, shape: &[usize], below: usize) -> String {
        let name = format!("ix{}", self.constants.len());
        let numbers = self.indices(shape, below);
        self.constants.push(format!("{name} = {numbers}"));
        name
    }

    /// A tensor of a rank in this range: one of those so far, or a new one.
    pub fn ranked(&mut self, ranks: RangeInclusive<usize>) -> (String, Vec<usize>) {
        let fitting: Vec<_> = self.tensors.iter().filter(|(_, shape)| ranks.contains(&shape.len())).cloned().collect();
        if !fitting.is_empty() && !self.choices.one_in(4) {
            return fitting[self.choices.pick(fitting.len())].clone();
        }
        let rank = ranks.start() + self.choices.pick(ranks.end() - ranks.start() + 1);
        let shape = self.shape(rank);
        (self.input(&shape), shape)
    }

    /// A tensor of any rank.
    pub fn any(&mut self) -> (String, Vec<usize>) {
        self.ranked(0..=4)
    }

    /// A shape that can be broadcast with this one, and the shape of the result.
    pub fn other_shape(&mut self, shape: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let rank = self.choices.pick(5);
        let joined = rank.max(shape.len());
        let mut result: Vec<usize> = vec![1; joined - shape.len()].into_iter().chain(shape.iter().copied()).collect();
        let mut other = Vec::new();
        for size in &mut result[joined - rank..] {
            let other_size = match (*size, self.choices.pick(3)) {
                (_, 0) => 1,
                (1, _) => 1 + self.choices.pick(MAX_SIZE),
                (n, _) => n,
            };
            other.push(other_size);
            *size = other_size.max(*size);
        }
        (other, result)
    }

    /// An axis of a tensor, and its text, which may count from the back.
    pub fn axis(&mut self, rank: usize) -> (usize, String) {
        let axis = self.choices.pick(rank);
        let text = if self.choices.one_in(3) { format!("-{}", rank - axis) } else { axis.to_string() };
        (axis, text)
    }
}

/// Returns a call in PyTorch's spelling and in another one, in `Some`, as the functions of the table `FUNCTIONS` return it.
#[allow(clippy::unnecessary_wraps)]
pub fn written(torch: String, numpy: String, shape: &[usize]) -> Option<Written> {
    Some(Written { both: [torch, numpy], shape: shape.to_vec() })
}

/// Returns sizes as a tuple of Python.
pub fn tuple(sizes: &[usize]) -> String {
    format!("({},)", sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}
