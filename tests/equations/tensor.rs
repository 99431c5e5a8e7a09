//! A tensor whose operations are plain loops, so that the evaluator of equations shares no code with gradstep.

/// A shape and the entries in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

pub fn len(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// The shape without axes of length 1 at either end: [1, 3, 2, 1] becomes [3, 2].
fn bare(shape: &[usize]) -> &[usize] {
    let from = shape.iter().position(|n| *n != 1).unwrap_or(shape.len());
    let to = shape.iter().rposition(|n| *n != 1).map_or(from, |last| last + 1);
    &shape[from..to]
}

/// The number of neighbouring entries of `large` that share one entry of `small`. `small` has one entry for each channel, for each group of channels, or for
/// all: [2] in [4, 3, 3] gives 18.
fn entries_per_number(small: &[usize], large: &[usize]) -> Result<usize, String> {
    let fits = match (bare(small), bare(large)) {
        ([], _) => true,
        (same, other) if same == other => true,
        ([groups], [channels, ..]) => channels % groups == 0,
        _ => false,
    };
    if fits { Ok(len(large) / len(small)) } else { Err(format!("{small:?} has no place in {large:?}")) }
}

impl Tensor {
    pub fn new(shape: &[usize], values: Vec<f64>) -> Self {
        assert_eq!(len(shape), values.len(), "{shape:?}");
        Self { shape: shape.to_vec(), values }
    }

    pub fn number(value: f64) -> Self {
        Self::new(&[], vec![value])
    }

    pub fn zeros(shape: &[usize]) -> Self {
        Self::new(shape, vec![0.0; len(shape)])
    }

    pub fn is_number(&self) -> bool {
        self.shape.is_empty()
    }

    /// The same entries in another shape.
    pub fn shaped(self, shape: &[usize]) -> Result<Self, String> {
        if len(shape) == self.values.len() { Ok(Self::new(shape, self.values)) } else { Err(format!("{:?} is not {shape:?}", self.shape)) }
    }

    pub fn get(&self, index: &[usize]) -> f64 {
        self.values[self.offset(index)]
    }

    pub fn offset(&self, index: &[usize]) -> usize {
        assert!(index.len() == self.shape.len() && index.iter().zip(&self.shape).all(|(i, n)| i < n), "{index:?} in {:?}", self.shape);
        index.iter().zip(&self.shape).fold(0, |at, (i, n)| at * n + i)
    }

    pub fn map(self, of: impl Fn(f64) -> f64) -> Self {
        Self { values: self.values.into_iter().map(of).collect(), ..self }
    }

    /// Applies a function to the pairs of entries with the same index. A number is paired with every entry.
    pub fn zip(self, other: Self, of: impl Fn(f64, f64) -> f64) -> Result<Self, String> {
        match (self.is_number(), other.is_number()) {
            (true, false) => Ok(other.map(|b| of(self.values[0], b))),
            (_, true) => Ok(self.map(|a| of(a, other.values[0]))),
            _ if self.shape == other.shape => {
                let values = self.values.iter().zip(&other.values).map(|(a, b)| of(*a, *b)).collect();
                Ok(Self { values, ..self })
            }
            _ => Err(format!("{:?} and {:?} have no entries at the same places", self.shape, other.shape)),
        }
    }

    /// Multiplies entry by entry; one operand may have one number for each channel or group.
    pub fn hadamard(self, other: Self) -> Result<Self, String> {
        let (small, large) = if self.values.len() < other.values.len() { (self, other) } else { (other, self) };
        let small = if small.is_number() { small } else { small.spread(&large.shape)? };
        large.zip(small, |a, b| a * b)
    }

    /// Repeats each entry over its channel or group.
    pub fn spread(self, shape: &[usize]) -> Result<Self, String> {
        let per_number = entries_per_number(&self.shape, shape)?;
        Ok(Self::new(shape, (0..len(shape)).map(|at| self.values[at / per_number]).collect()))
    }

    /// Sums over each channel or group, or over all entries, as the target shape requires.
    pub fn sum(&self, shape: &[usize]) -> Result<Self, String> {
        let per_number = entries_per_number(shape, &self.shape)?;
        let mut sums = Self::zeros(shape);
        for (at, value) in self.values.iter().enumerate() {
            sums.values[at / per_number] += value;
        }
        Ok(sums)
    }

    /// Swaps the axes of a matrix, or makes a row of a vector.
    pub fn transposed(&self) -> Result<Self, String> {
        match self.shape[..] {
            [n] => Ok(Self::new(&[1, n], self.values.clone())),
            [m, n] => {
                let values = (0..m * n).map(|at| self.get(&[at % m, at / m])).collect();
                Ok(Self::new(&[n, m], values))
            }
            _ => Err(format!("{:?} is not a matrix", self.shape)),
        }
    }

    /// The product of two matrices; a vector is a column.
    pub fn matrix_product(&self, other: &Self) -> Result<Self, String> {
        let as_matrix = |shape: &[usize]| match *shape {
            [m] => Some([m, 1]),
            [m, n] => Some([m, n]),
            _ => None,
        };
        let error = || format!("{:?} and {:?} have no matrix product", self.shape, other.shape);
        let (Some([m, k]), Some([rows, n])) = (as_matrix(&self.shape), as_matrix(&other.shape)) else { return Err(error()) };
        if k != rows {
            return Err(error());
        }
        let mut values = vec![0.0; m * n];
        for (at, value) in values.iter_mut().enumerate() {
            *value = (0..k).map(|l| self.values[at / n * k + l] * other.values[l * n + at % n]).sum();
        }
        Ok(if other.shape.len() == 1 { Self::new(&[m], values) } else { Self::new(&[m, n], values) })
    }
}
