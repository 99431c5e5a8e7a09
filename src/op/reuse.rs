//! The reason why an op reads one entry of an operand several times. The gradient of the entry has a term for each use.

/// The reason why an entry is used several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// A broadcast repeats the entry: in x + b, each row of x uses the same b.
    Entry,
    /// An index tensor can name an entry several times.
    IndexedEntry,
    /// An index tensor can name a row several times. The number of the row counts from 0.
    IndexedRow(usize),
}
