//! Kernels for linear combinations of whole tensors: the mean over samples, and the update of a parameter. Without a factor they add or copy.

/// y += c x, entry by entry, with the product rounded before the sum (BLAS's axpy).
pub fn add_scaled(by: Option<f64>, x: &[f64], y: &mut [f64]) {
    match by {
        Some(by) => y.iter_mut().zip(x).for_each(|(y, x)| *y += by * x),
        None => y.iter_mut().zip(x).for_each(|(y, x)| *y += x),
    }
}

/// y = c x
pub fn scaled(by: Option<f64>, x: &[f64], y: &mut [f64]) {
    match by {
        Some(by) => y.iter_mut().zip(x).for_each(|(y, x)| *y = by * x),
        None => y.copy_from_slice(x),
    }
}

/// x *= c
pub fn scale(by: Option<f64>, x: &mut [f64]) {
    if let Some(by) = by {
        for x in x {
            *x *= by;
        }
    }
}
