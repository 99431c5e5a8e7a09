//! Kernels for linear combinations of whole tensors, such as the mean over the samples of a batch, or the update of a parameter.
//!
//! The factor c is optional. Without it nothing is multiplied, which gives the same bits as c = 1.

use pulp::Arch;

use crate::sums::{Init, put};

/// y += c x, entry by entry. The product is rounded before it is added. Many implementations of the same function in BLAS (`axpy`) round only once, with a
/// fused multiply-add.
pub fn add_scaled(c: Option<f64>, x: &[f64], y: &mut [f64]) {
    match c {
        Some(c) => put(y, x.iter().map(|x| c * x), Init::Accumulate),
        None => put(y, x.iter().copied(), Init::Accumulate),
    }
}

/// y = c x, entry by entry.
pub fn set_scaled(c: Option<f64>, x: &[f64], y: &mut [f64]) {
    match c {
        Some(c) => put(y, x.iter().map(|x| c * x), Init::Overwrite),
        None => y.copy_from_slice(x),
    }
}

/// x = c x, entry by entry.
pub fn scale(c: Option<f64>, x: &mut [f64]) {
    if let Some(c) = c {
        Arch::new().dispatch(move || x.iter_mut().for_each(|x| *x *= c));
    }
}
