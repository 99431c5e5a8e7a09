//! Shapes that are known in part. If two sizes or two shapes must be equal, they are joined (union-find). From `x @ W` with x of 4x3
//! it follows that the first size of W is 3; the second size stays unknown until another operation determines it.

/// A size that may be unknown: its index in [`Shapes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(usize);

/// A shape whose rank may be unknown: its index in [`Shapes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape(usize);

/// The knowledge about a size or a shape.
#[derive(Clone, Debug)]
enum Knowledge<T> {
    /// Equal to the size or shape with this index.
    Same(usize),
    Unknown,
    Known(T),
}

/// All sizes and shapes.
#[allow(clippy::struct_field_names)] // the field `shapes` is named like the struct
#[derive(Debug, Default)]
pub struct Shapes {
    sizes: Vec<Knowledge<usize>>,
    shapes: Vec<Knowledge<Vec<Size>>>,
    /// `true` if two different sizes or ranks were joined: the text has a fault, or an assumption was wrong.
    pub has_conflict: bool,
}

/// Returns the last index of a chain of equal sizes or shapes: the one that is not `Same`.
fn root<T>(all: &[Knowledge<T>], at: usize) -> usize {
    let mut at = at;
    while let Knowledge::Same(next) = all[at] {
        at = next;
    }
    at
}

impl Shapes {
    /// Adds a size that is not known.
    pub fn unknown_size(&mut self) -> Size {
        self.sizes.push(Knowledge::Unknown);
        Size(self.sizes.len() - 1)
    }

    /// Adds a known size.
    pub fn size(&mut self, n: usize) -> Size {
        self.sizes.push(Knowledge::Known(n));
        Size(self.sizes.len() - 1)
    }

    /// Adds a size: a known one, or an unknown one for `None`.
    pub fn size_or_unknown(&mut self, n: Option<usize>) -> Size {
        match n {
            Some(n) => self.size(n),
            None => self.unknown_size(),
        }
    }

    /// Returns the value of a size, such as 3; `None` if it is not known.
    pub fn value(&self, size: Size) -> Option<usize> {
        if let Knowledge::Known(n) = self.sizes[root(&self.sizes, size.0)] { Some(n) } else { None }
    }

    /// Returns whether two sizes are joined.
    pub fn is_joined(&self, a: Size, b: Size) -> bool {
        root(&self.sizes, a.0) == root(&self.sizes, b.0)
    }

    /// Joins two sizes.
    pub fn join(&mut self, a: Size, b: Size) {
        let [a, b] = [a, b].map(|size| root(&self.sizes, size.0));
        match (&self.sizes[a], &self.sizes[b]) {
            _ if a == b => {}
            (Knowledge::Known(m), Knowledge::Known(n)) => self.has_conflict |= m != n,
            (Knowledge::Known(_), _) => self.sizes[b] = Knowledge::Same(a),
            _ => self.sizes[a] = Knowledge::Same(b),
        }
    }

    /// Adds a shape of which nothing is known.
    pub fn unknown_shape(&mut self) -> Shape {
        self.shapes.push(Knowledge::Unknown);
        Shape(self.shapes.len() - 1)
    }

    /// Adds a shape of these sizes.
    pub fn of(&mut self, sizes: Vec<Size>) -> Shape {
        self.shapes.push(Knowledge::Known(sizes));
        Shape(self.shapes.len() - 1)
    }

    /// Adds a shape that is known.
    pub fn known(&mut self, shape: &[usize]) -> Shape {
        let sizes = shape.iter().map(|n| self.size(*n)).collect();
        self.of(sizes)
    }

    /// Returns the sizes of a shape; `None` if the rank is not known.
    pub fn sizes(&self, shape: Shape) -> Option<Vec<Size>> {
        if let Knowledge::Known(sizes) = &self.shapes[root(&self.shapes, shape.0)] { Some(sizes.clone()) } else { None }
    }

    /// Returns whether two shapes are joined.
    pub fn is_same(&self, a: Shape, b: Shape) -> bool {
        root(&self.shapes, a.0) == root(&self.shapes, b.0)
    }

    /// Joins two shapes.
    pub fn equate(&mut self, a: Shape, b: Shape) {
        let [a, b] = [a, b].map(|shape| root(&self.shapes, shape.0));
        match (&self.shapes[a], &self.shapes[b]) {
            _ if a == b => {}
            (Knowledge::Known(x), Knowledge::Known(y)) => {
                let pairs: Vec<(Size, Size)> = x.iter().copied().zip(y.iter().copied()).collect();
                self.has_conflict |= x.len() != y.len();
                for (x, y) in pairs {
                    self.join(x, y);
                }
            }
            (Knowledge::Known(_), _) => self.shapes[b] = Knowledge::Same(a),
            _ => self.shapes[a] = Knowledge::Same(b),
        }
    }

    /// Gives a shape these sizes.
    pub fn set(&mut self, shape: Shape, sizes: Vec<Size>) {
        let other = self.of(sizes);
        self.equate(shape, other);
    }

    /// Gives a shape of unknown rank this rank, and returns its sizes.
    pub fn with_rank(&mut self, shape: Shape, rank: usize) -> Vec<Size> {
        if self.sizes(shape).is_none() {
            let sizes = (0..rank).map(|_| self.unknown_size()).collect();
            self.set(shape, sizes);
        }
        self.sizes(shape).unwrap_or_default()
    }
}
