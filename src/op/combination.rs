//! Scaled copies of whole tensors, for linear combinations: the mean over samples, and the update of a weight.

/// Adds c x to y, entry by entry: a product, then a sum.
pub fn add_scaled(by: Option<f64>, x: &[f64], y: &mut [f64]) {
    match by {
        Some(by) => y.iter_mut().zip(x).for_each(|(y, x)| *y += by * x),
        None => y.iter_mut().zip(x).for_each(|(y, x)| *y += x),
    }
}

/// Sets y to c x.
pub fn scaled(by: Option<f64>, x: &[f64], y: &mut [f64]) {
    match by {
        Some(by) => y.iter_mut().zip(x).for_each(|(y, x)| *y = by * x),
        None => y.copy_from_slice(x),
    }
}

/// Multiplies x by c.
pub fn scale(by: Option<f64>, x: &mut [f64]) {
    if let Some(by) = by {
        for x in x {
            *x *= by;
        }
    }
}
