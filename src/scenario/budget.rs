//! The memory that a scenario has asked for so far.

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub limit: u64,
    /// Bytes of tensors and their gradients.
    pub asked: u64,
    /// Those that are no entries.
    pub besides: u64,
    /// Bytes of the parsed text.
    pub tree: u64,
    /// Whether more was asked for than there may be.
    pub refused: bool,
}

impl Budget {
    pub fn new(limit: u64) -> Self {
        Self { limit, asked: 0, besides: 0, tree: 0, refused: false }
    }
}
