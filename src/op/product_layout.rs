//! The positions in which the stepper draws the three tensors of a matrix product.

use super::slot::Slot;

/// The three tensors of a matrix product Z = A B. In the drawing, each row of Z continues a row of A, and each column of Z continues a column of B. The
/// gradients have the shapes of A, B and Z, so the products of the backward pass have the same drawing:
///
/// ```text
///      B        Z = A B       ∂C/∂A = ∂C/∂Z Bᵀ       ∂C/∂B = Aᵀ ∂C/∂Z
///   A  Z
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductLayout<T> {
    /// The tensor on the left: A, or its gradient.
    pub left: T,
    /// The tensor above: B, or its gradient.
    pub above: T,
    /// The tensor in the corner: Z, or its gradient.
    pub corner: T,
}

/// The slots of the tensors of a matrix product; `None` for the computed tensor.
pub type ProductSlots = ProductLayout<Option<Slot>>;
