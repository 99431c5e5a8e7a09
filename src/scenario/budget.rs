//! The memory that a scenario has claimed so far.

/// The memory limit and the claimed memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub limit: u64,
    /// Tensors, their gradients, and the overhead of both.
    pub asked: u64,
    /// The overhead: claimed bytes that are not entries of tensors.
    pub besides: u64,
    /// The parsed text.
    pub tree: u64,
    /// `true` once a claim was beyond the limit.
    pub refused: bool,
}

impl Budget {
    pub fn new(limit: u64) -> Self {
        Self { limit, asked: 0, besides: 0, tree: 0, refused: false }
    }
}
