//! The memory that a scenario needs. It is counted while the file is parsed: if the network needs more than the limit, the file is refused before the tensors
//! are allocated.

/// The memory limit and the memory that is claimed so far, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub limit: u64,
    /// The memory of tensors and their gradients, including `overhead`.
    pub claimed: u64,
    /// The part of `claimed` that is not for entries of tensors, but for names, shapes and so on.
    pub overhead: u64,
    /// The memory of the parsed TOML text, which is freed after parsing. It is not included in `claimed`.
    pub parsed_text: u64,
    /// `true` if a claim was larger than the limit allows. Only the first such claim is reported.
    pub is_exceeded: bool,
}

impl Budget {
    pub fn new(limit: u64) -> Self {
        Self { limit, claimed: 0, overhead: 0, parsed_text: 0, is_exceeded: false }
    }
}
