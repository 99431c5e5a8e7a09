//! The state while the shapes of names without a value are inferred, and the rules of broadcasting and of products. For `y = x @ W + b`, where x is 4x3 and W
//! is 3x2, the name b gets the likely shape 2.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use compact_str::CompactString;

use super::shapes::{Shape, Shapes, Size};

/// Everything that is known about the value of an expression. Of a tensor, only the shape matters.
#[derive(Clone, Debug)]
pub enum Implied {
    /// A tensor, or a name without a value.
    Tensor(Shape),
    /// The values and indices of `x.max(1)`, both of this shape.
    Pair(Shape),
    /// The pieces of `x.split(2)`, each with this shape.
    Pieces(Shape),
    /// A whole number that is known.
    Integer(i64),
    /// A whole number that is a size of a tensor.
    Size(Size),
    /// Another number.
    Number,
    /// A list, a tuple or a shape.
    Items(Rc<Vec<Self>>),
    /// A string.
    Text(CompactString),
    /// The start, stop and step of a slice. `true` if it is `:`, the whole axis.
    Slice([Option<i64>; 3], bool),
    /// `...`
    Ellipsis,
    /// `None`, or `newaxis`.
    Nothing,
    /// A value about which nothing is known.
    Unknown,
}

/// The use of a name without a value, beside its shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// As numbers.
    #[default]
    Numbers,
    /// As indices or classes below this size, if it is known.
    Indices(Option<Size>),
    /// As a table with at least this number of rows.
    Table(usize),
    /// As numbers that cannot have a derivative, such as the statistics of a batch norm.
    Constant,
    /// As a size, such as the `n` of `x.view(n, -1)`.
    Size(Size),
}

/// The shape that is likely for a name of unknown rank, if the name is broadcast with another tensor.
#[derive(Clone, Copy, Debug)]
pub enum Likely {
    /// The last axis of this shape, as of a bias.
    Last(Shape),
    /// This shape, as of a target.
    Whole(Shape),
    /// Any shape that is broadcast with this one, also a number.
    Any(Shape),
}

/// A name without a value.
#[derive(Debug)]
pub struct MissingName {
    /// The name.
    pub name: CompactString,
    /// Its shape.
    pub shape: Shape,
    /// Its use.
    pub usage: Usage,
    /// The shape that is likely, if the text implies none.
    pub likely: Option<Likely>,
    /// The assumption about the rank, if there is one.
    pub assumed: Option<Assumed>,
    /// The last size, if the rank is not known.
    pub last_size: Option<Size>,
    /// For classes, the shape of a tensor of probabilities that is possible in their place.
    pub probabilities: Option<Shape>,
}

/// The assumption that a name is a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assumed {
    /// A matrix or a vector: the right operand of `@`.
    Matrix,
    /// A matrix or several: the right operand of `@`, if the left operand is several matrices.
    Matrices,
}

/// The state of the inference.
#[derive(Debug, Default)]
pub struct Inference {
    /// All sizes and shapes.
    pub shapes: Shapes,
    /// The values of names.
    pub names: HashMap<CompactString, Implied>,
    /// The names without a value.
    pub missing: Vec<MissingName>,
    /// Lists of sizes with equal products: the sizes before and after a `view`.
    pub products: Vec<[Vec<Size>; 2]>,
    /// The given tensors that may be indices, each with its largest number.
    pub largest: Vec<(Shape, usize)>,
    /// `true` in the second phase, which assumes likely shapes.
    pub assumes: bool,
    /// The names to the right of `@` that are vectors. As matrices they would be broadcast by accident (see [`Inference::doubt_matrix`]).
    pub vectors: HashSet<CompactString>,
    /// The shapes of the results of all lookups `table[indices]`, in the order of the text.
    pub lookups: Vec<Shape>,
    /// The number of lookups so far in this reading of the text.
    pub lookup_count: usize,
    /// The number of statements so far in this reading of the text.
    pub statement_count: usize,
}

impl Inference {
    /// Returns the name without a value that has this shape.
    pub fn missing_of(&mut self, shape: Shape) -> Option<&mut MissingName> {
        let Self { shapes, missing, .. } = self;
        missing.iter_mut().find(|missing| shapes.is_same(missing.shape, shape))
    }

    /// Returns the name without a value that has this size as its last one, and whose rank is assumed.
    fn assumed_with_last(&mut self, size: Size) -> Option<CompactString> {
        let found = self.missing.iter().find(|missing| {
            let last = self.shapes.sizes(missing.shape).and_then(|sizes| sizes.last().copied());
            missing.assumed.is_some() && last.is_some_and(|last| self.shapes.is_joined(last, size))
        });
        found.map(|missing| missing.name.clone())
    }

    /// Returns the shape of a tensor, of a number, or of a list as a tensor. `None` for other values, and if the rank of a list is not known.
    pub fn shape(&mut self, value: &Implied) -> Option<Shape> {
        match value {
            Implied::Tensor(shape) | Implied::Pair(shape) => Some(*shape),
            Implied::Integer(_) | Implied::Size(_) | Implied::Number => Some(self.shapes.known(&[])),
            Implied::Items(items) => {
                let first = items.first().cloned()?;
                let inner = self.shape(&first)?;
                let mut sizes = self.shapes.sizes(inner)?;
                sizes.insert(0, self.shapes.size(items.len()));
                Some(self.shapes.of(sizes))
            }
            _ => None,
        }
    }

    /// Returns the shape of a value as [`Self::shape`] does; an unknown shape in place of `None`.
    pub fn any_shape(&mut self, value: &Implied) -> Shape {
        self.shape(value).unwrap_or_else(|| self.shapes.unknown_shape())
    }

    /// Returns a value as a whole number, if it is known.
    pub fn integer(&self, value: &Implied) -> Option<i64> {
        match value {
            Implied::Integer(n) => Some(*n),
            Implied::Size(size) => self.shapes.value(*size).and_then(|n| i64::try_from(n).ok()),
            _ => None,
        }
    }

    /// Returns a value as a size. A name without a value becomes a whole number.
    pub fn size(&mut self, value: &Implied) -> Size {
        match value {
            Implied::Integer(n) => self.shapes.size_or_unknown(usize::try_from(*n).ok()),
            Implied::Size(size) => *size,
            Implied::Tensor(shape) => {
                let fresh = self.shapes.unknown_size();
                if self.shapes.sizes(*shape).is_some() {
                    return fresh;
                }
                let Some(missing) = self.missing_of(*shape) else { return fresh };
                if let Usage::Size(size) = missing.usage {
                    return size;
                }
                missing.usage = Usage::Size(fresh);
                fresh
            }
            _ => self.shapes.unknown_size(),
        }
    }

    /// Records that a value is used as indices or classes below a size.
    pub fn mark_indices(&mut self, value: &Implied, below: Option<Size>) {
        if let Implied::Tensor(shape) = value
            && let Some(missing) = self.missing_of(*shape)
            && missing.usage == Usage::Numbers
        {
            missing.usage = Usage::Indices(below);
        }
    }

    /// Records that a name without a value has at least this number of rows.
    pub fn mark_rows(&mut self, table: Shape, rows: usize) {
        if let Some(missing) = self.missing_of(table) {
            let before = if let Usage::Table(rows) = missing.usage { rows } else { 0 };
            missing.usage = Usage::Table(rows.max(before));
        }
    }

    /// Records that a name without a value is a table with a row for each of these indices.
    pub fn mark_table(&mut self, table: Shape, indices: &Implied) {
        let Implied::Tensor(indices) = indices else { return };
        let largest = self.largest.iter().find(|(shape, _)| self.shapes.is_same(*shape, *indices)).map(|(_, largest)| *largest);
        if let Some(largest) = largest {
            self.mark_rows(table, largest.saturating_add(1));
        }
    }

    /// Returns the shape of the result of the next lookup `table[indices]` of this reading of the text. If an earlier reading found the sizes of the result, a
    /// table of unknown shape gets a size for its rows, and then the sizes of the result after those of the indices.
    pub fn looked_up(&mut self, table: Shape, indices: Shape) -> Shape {
        let number = self.lookup_count;
        self.lookup_count += 1;
        let Some(result) = self.lookups.get(number).copied() else {
            let result = self.shapes.unknown_shape();
            self.lookups.push(result);
            return result;
        };
        if self.shapes.sizes(table).is_none()
            && let (Some(sizes), Some(index_sizes)) = (self.shapes.sizes(result), self.shapes.sizes(indices))
            && let Some(row) = sizes.get(index_sizes.len()..)
        {
            let rows = self.shapes.unknown_size();
            self.shapes.set(table, [&[rows], row].concat());
        }
        result
    }

    /// Records the likely shape of a name without a value.
    pub fn mark_likely(&mut self, shape: Shape, likely: Likely) {
        if let Some(missing) = self.missing_of(shape) {
            missing.likely = Some(likely);
        }
    }

    /// Assumes that a name of unknown rank is a matrix, or a vector if it is one of `vectors`. `may_be_several` is `true` if it may be several matrices.
    pub fn assume_matrix(&mut self, shape: Shape, may_be_several: bool) {
        if !self.assumes || self.shapes.sizes(shape).is_some() {
            return;
        }
        // taken out of `self`, because `missing_of` borrows the whole of it
        let vectors = std::mem::take(&mut self.vectors);
        if let Some(missing) = self.missing_of(shape) {
            let rank = if vectors.contains(&missing.name) { 1 } else { 2 };
            missing.assumed = Some(if may_be_several { Assumed::Matrices } else { Assumed::Matrix });
            self.shapes.with_rank(shape, rank);
        }
        self.vectors = vectors;
    }

    /// Records the last size of a left operand of `@` whose rank is not known.
    fn mark_last(&mut self, left: Shape, right: Shape) {
        let Some(sizes) = self.shapes.sizes(right) else { return };
        let summed = if sizes.len() < 2 { sizes.first() } else { sizes.get(sizes.len() - 2) };
        if let Some(missing) = self.missing_of(left) {
            missing.last_size = summed.copied();
        }
    }

    /// Returns the shape of tensors that are broadcast. `likely` is the shape that is likely for a name without a value, given the shape of the other operand.
    pub fn broadcast(&mut self, values: &[Implied], likely: fn(Shape) -> Likely) -> Implied {
        let tensors = values.iter().filter(|value| !matches!(value, Implied::Integer(_) | Implied::Size(_) | Implied::Number)).cloned();
        let shapes: Vec<Shape> = tensors.collect::<Vec<_>>().iter().map(|value| self.any_shape(value)).collect();
        let Some((first, others)) = shapes.split_first() else { return Implied::Number };
        Implied::Tensor(others.iter().fold(*first, |a, b| self.broadcast_two(a, *b, likely)))
    }

    fn broadcast_two(&mut self, a: Shape, b: Shape, likely: fn(Shape) -> Likely) -> Shape {
        if self.shapes.is_same(a, b) {
            return a;
        }
        let (x, y) = match (self.shapes.sizes(a), self.shapes.sizes(b)) {
            (Some(x), Some(y)) => (x, y),
            (Some(_), None) => return self.unknown_with(a, b, likely),
            (None, Some(_)) => return self.unknown_with(b, a, likely),
            (None, None) => return self.shapes.unknown_shape(),
        };
        // the bias of x @ w tells nothing about the rank of w
        if self.assumes && !matches!(likely(a), Likely::Last(_)) {
            self.doubt_matrix(&x, &y);
            self.doubt_matrix(&y, &x);
        }
        let rank = x.len().max(y.len());
        // the size on axis n of the result; the axes are aligned at the last one
        let size_at = |sizes: &[Size], n: usize| (n + sizes.len()).checked_sub(rank).map(|n| sizes[n]);
        let sizes = (0..rank)
            .filter_map(|n| match (size_at(&x, n), size_at(&y, n)) {
                (Some(x), Some(y)) => Some(self.broadcast_size(x, y)),
                (x, y) => x.or(y),
            })
            .collect();
        self.shapes.of(sizes)
    }

    /// Returns the size of the result of broadcasting an axis of size `a` with one of size `b`.
    pub fn broadcast_size(&mut self, a: Size, b: Size) -> Size {
        match (self.shapes.value(a), self.shapes.value(b)) {
            (Some(1), _) => b,
            (_, Some(1)) => a,
            // the unknown size is the same or 1
            (Some(_), None) if !self.assumes => a,
            (None, Some(_)) if !self.assumes => b,
            (None, None) if !self.assumes => {
                if self.shapes.is_joined(a, b) {
                    a
                } else {
                    self.shapes.unknown_size()
                }
            }
            _ => {
                self.shapes.join(a, b);
                a
            }
        }
    }

    /// Returns the shape of the result of broadcasting a tensor of the shape `known` with one of unknown rank, and records the likely shape of `unknown`. The
    /// second phase assumes that the result has the shape `known`. If `known` is the shape of a number, it says nothing about `unknown`.
    fn unknown_with(&mut self, known: Shape, unknown: Shape, likely: fn(Shape) -> Likely) -> Shape {
        let is_number = self.shapes.sizes(known).is_some_and(|sizes| sizes.is_empty());
        let Some(missing) = self.missing_of(unknown) else { return self.shapes.unknown_shape() };
        if matches!(missing.likely, None | Some(Likely::Any(_))) && !is_number {
            missing.likely = Some(likely(known));
        }
        if self.assumes && !is_number { known } else { self.shapes.unknown_shape() }
    }

    /// Corrects the assumption that w in `x @ w - t` is a matrix, if t is a vector with an entry for each row of `x @ w`: then w is a vector. `matrix` and
    /// `vector` are the sizes of `x @ w` and of t.
    fn doubt_matrix(&mut self, matrix: &[Size], vector: &[Size]) {
        if let ([rows, last], [entries]) = (matrix, vector)
            && self.shapes.value(*last).is_none()
            && self.shapes.value(*rows).is_some_and(|rows| self.shapes.value(*entries) == Some(rows))
            && let Some(name) = self.assumed_with_last(*last)
        {
            self.vectors.insert(name);
        }
    }

    /// Returns the shape of `a @ b`.
    pub fn matmul(&mut self, a: &Implied, b: &Implied) -> Implied {
        let (a, b) = (self.any_shape(a), self.any_shape(b));
        match self.shapes.sizes(a).map(|sizes| sizes.len()) {
            Some(0) => return Implied::Unknown,
            Some(rank) => self.assume_matrix(b, rank > 2),
            // the left operand may be a vector, a matrix, or several
            None => self.mark_last(a, b),
        }
        let (x, y) = (self.shapes.sizes(a), self.shapes.sizes(b));
        let (Some(x), Some(y)) = (x, y) else { return Implied::Tensor(self.shapes.unknown_shape()) };
        let (Some((inner, before_inner)), false) = (x.split_last(), y.is_empty()) else { return Implied::Unknown };
        let (summed, columns) = if y.len() == 1 { (y[0], None) } else { (y[y.len() - 2], y.last().copied()) };
        self.shapes.join(*inner, summed);
        let (rows, batch) = before_inner.split_last().map_or((None, &[][..]), |(rows, batch)| (Some(*rows), batch));
        let right_batch: Vec<Size> = y[..y.len().saturating_sub(2)].to_vec();
        let [left, right] = [batch.to_vec(), right_batch].map(|sizes| Implied::Tensor(self.shapes.of(sizes)));
        let batch = match self.broadcast(&[left, right], Likely::Any) {
            Implied::Tensor(batch) => self.shapes.sizes(batch).unwrap_or_default(),
            _ => Vec::new(),
        };
        let sizes = batch.into_iter().chain(rows).chain(columns).collect();
        Implied::Tensor(self.shapes.of(sizes))
    }

    /// Solves the equations of [`Inference::products`] in which one size is unknown, and drops all of them.
    pub fn solve_products(&mut self) {
        for [left, right] in std::mem::take(&mut self.products) {
            let known_product = |sizes: &[Size], shapes: &Shapes| sizes.iter().filter_map(|size| shapes.value(*size)).product::<usize>();
            let (mut left, mut right) = (left, right);
            // an unknown size on both sides cancels
            left.retain(|size| {
                let twin = right.iter().position(|other| self.shapes.value(*size).is_none() && self.shapes.is_joined(*size, *other));
                if let Some(at) = twin {
                    right.remove(at);
                }
                twin.is_none()
            });
            let unknown: Vec<Size> = left.iter().chain(&right).copied().filter(|size| self.shapes.value(*size).is_none()).collect();
            let [left_product, right_product] = [known_product(&left, &self.shapes), known_product(&right, &self.shapes)];
            if let [size] = unknown[..] {
                // product = size · others
                let (product, others) = if left.contains(&size) { (right_product, left_product) } else { (left_product, right_product) };
                if others > 0 && product % others == 0 {
                    let number = self.shapes.size(product / others);
                    self.shapes.join(size, number);
                }
            }
        }
    }
}
