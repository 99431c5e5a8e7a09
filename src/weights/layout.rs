//! The layout of a tensor in a file: its shape, number type, byte order, and row-major or column-major order.

use std::ops::Range;

use ndarray::{ArrayD, IxDyn, ShapeBuilder as _};

use super::WeightsError;
use super::dtype::{Dtype, check_finite};
use crate::tensor::{index_text, shape_text, unravel};
use crate::text::{are, counted};

/// The largest number of dimensions. No framework has tensors with more.
const MAX_RANK: usize = 32;

/// The shape, the type and the order of a tensor. They fit the number of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorLayout {
    shape: Vec<usize>,
    pub(super) dtype: Dtype,
    pub(super) big_endian: bool,
    /// `true` for column-major order (Fortran's): the numbers of a column are neighbours.
    pub(super) fortran: bool,
}

impl TensorLayout {
    /// Makes a layout, or an error if a tensor of this shape and type does not take exactly `bytes` bytes. An axis of size 0 is allowed: such a tensor has no
    /// numbers.
    pub(super) fn new(shape: &[u64], dtype: Dtype, big_endian: bool, fortran: bool, bytes: usize) -> Result<Self, WeightsError> {
        if shape.len() > MAX_RANK {
            return Err(WeightsError::new(format!("it has {} dimensions, but at most {MAX_RANK} are possible", shape.len()), ""));
        }
        let sizes: Option<Vec<usize>> = shape.iter().map(|&n| usize::try_from(n).ok()).collect();
        // beside an axis of size 0, the product of the other sizes must not overflow either, in whatever order the sizes are multiplied
        let other_sizes = shape.iter().filter(|n| **n > 0).try_fold(dtype.size() as u64, |bytes, &n| bytes.checked_mul(n));
        let claimed_bytes = other_sizes.map(|bytes| if shape.contains(&0) { 0 } else { bytes });
        match (sizes, claimed_bytes) {
            (Some(shape), Some(claimed)) if claimed == bytes as u64 => Ok(Self { shape, dtype, big_endian, fortran }),
            (Some(shape), Some(claimed)) => {
                let [size, claimed] = [dtype.size() as u64, claimed].map(|bytes| counted(bytes, "byte"));
                let what = format!("its header claims {} of {size} each: {claimed}", shape_text(&shape));
                let are = are(bytes);
                Err(WeightsError::new(format!("{what}, but there {are} {bytes}"), "the file is damaged or incomplete"))
            }
            _ => Err(WeightsError::new("its header claims more numbers than any file can hold", "the file is damaged")),
        }
    }

    /// Returns the shape.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns an error that says so if the tensor has no numbers.
    ///
    /// # Errors
    /// If an axis has size 0.
    pub fn check_not_empty(&self) -> Result<(), WeightsError> {
        let has_numbers = !self.shape.contains(&0);
        if has_numbers {
            Ok(())
        } else {
            Err(WeightsError::new(format!("it has no numbers: its shape is {}", shape_text(&self.shape)), ""))
        }
    }

    /// Returns the name of the number type, such as `f32`.
    #[must_use]
    pub fn type_name(&self) -> String {
        self.dtype.name()
    }

    /// Returns whether the numbers are in half precision: float16 or bfloat16.
    #[must_use]
    pub fn is_half(&self) -> bool {
        matches!(self.dtype, Dtype::F16 | Dtype::Bf16)
    }

    /// Returns the number of bytes that the values take in the file.
    #[must_use]
    pub fn size(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size()
    }

    /// Converts bytes to numbers in row-major order.
    ///
    /// # Errors
    /// If a number is not finite, is an integer that f64 cannot hold, or is a boolean other than 0 and 1.
    ///
    /// # Panics
    /// If the number of bytes is not [`Self::size`].
    pub fn numbers(&self, bytes: &[u8]) -> Result<Vec<f64>, WeightsError> {
        let data = self.decode(bytes)?;
        check_finite(&data).map_err(|error| self.with_entry(error))?;
        Ok(self.row_major(data))
    }

    /// Converts bytes to numbers in row-major order. In contrast to [`Self::numbers`], infinities and NaN are allowed.
    ///
    /// # Errors
    /// If a number is an integer that f64 cannot hold, or a boolean other than 0 and 1.
    ///
    /// # Panics
    /// As [`Self::numbers`].
    pub fn numbers_or_nan(&self, bytes: &[u8]) -> Result<Vec<f64>, WeightsError> {
        Ok(self.row_major(self.decode(bytes)?))
    }

    /// Converts bytes to numbers in the order of the file.
    fn decode(&self, bytes: &[u8]) -> Result<Vec<f64>, WeightsError> {
        assert_eq!(bytes.len(), self.size(), "as many bytes as the layout has");
        self.dtype.numbers(bytes, self.big_endian).map_err(|error| self.with_entry(error))
    }

    /// Completes an error about the `position`-th number of the file: writes its entry, such as "entry `[0,1]` is", before the message.
    fn with_entry(&self, (position, error): (usize, WeightsError)) -> WeightsError {
        let index = self.index(position);
        let which = if index.is_empty() { "the number".to_owned() } else { format!("entry {}", index_text(&index)) };
        WeightsError::new(format!("{which} is {}", error.message), error.help)
    }

    /// Sorts numbers from the order of the file to row-major order.
    fn row_major(&self, data: Vec<f64>) -> Vec<f64> {
        if !self.fortran || self.shape.len() < 2 {
            return data;
        }
        // `f()` means column-major order; then `iter` returns the entries in row-major order
        let tensor = ArrayD::from_shape_vec(IxDyn(&self.shape).f(), data).expect("as many entries as the shape has");
        tensor.iter().copied().collect()
    }

    /// Converts the bytes of some rows to numbers in row-major order. A row is all entries with the same first index. `bytes` has the whole tensor.
    ///
    /// # Errors
    /// If a number of these rows is not finite, is an integer that f64 cannot hold, or is a boolean other than 0 and 1.
    ///
    /// # Panics
    /// If the number of bytes is not [`Self::size`], if `rows` goes beyond the last row, or if the tensor is a single number or has no rows.
    pub fn row_numbers(&self, bytes: &[u8], rows: Range<usize>) -> Result<Vec<f64>, WeightsError> {
        assert_eq!(bytes.len(), self.size(), "as many bytes as the layout has");
        let row_count = self.shape[0];
        let row_bytes = self.size() / row_count;
        let shape = [&[rows.len()], &self.shape[1..]].concat();
        let layout = Self { shape, ..self.clone() };
        if !self.fortran || self.shape.len() < 2 {
            return layout.numbers(&bytes[rows.start * row_bytes..rows.end * row_bytes]).map_err(|error| error.of_rows(&rows));
        }
        // in column-major order, each column has one number of each row: those of `rows` are neighbours
        let size = self.dtype.size();
        let columns = bytes.chunks_exact(row_count * size);
        let bytes: Vec<u8> = columns.flat_map(|column| column[rows.start * size..rows.end * size].iter().copied()).collect();
        layout.numbers(&bytes).map_err(|error| error.of_rows(&rows))
    }

    /// Returns the index, one number for each axis, of the `position`-th number of the tensor in the file.
    fn index(&self, position: usize) -> Vec<usize> {
        if !self.fortran {
            return unravel(position, &self.shape).to_vec();
        }
        // column-major order is row-major order with reversed dimensions
        let reversed: Vec<usize> = self.shape.iter().rev().copied().collect();
        unravel(position, &reversed).iter().rev().copied().collect()
    }
}
