//! The memory budget of a scenario. If a network needs more memory, it is refused, so that the machine's memory is not used up.
//!
//! Code that allocates data whose size depends on the scenario (iterations, checkpoints, kept tensors) first reserves the bytes in the [`MemoryBudget`].
//! A [`Reservation`] gives its bytes back to the budget when it is dropped.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The memory budget of a scenario, set by `--memory-limit`.
#[derive(Debug)]
pub struct MemoryBudget {
    limit: u64,
    taken: AtomicU64,
}

/// Reserved bytes, which are free again when the reservation is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<MemoryBudget>,
    bytes: u64,
}

/// The error of a request for more bytes than are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverBudget {
    requested: u64,
    free: u64,
    limit: u64,
}

impl MemoryBudget {
    /// Makes a budget of `limit` bytes. `taken` of them are in use from the start and are never freed, because they hold the scenario itself.
    #[must_use]
    pub fn new(limit: u64, taken: u64) -> Self {
        Self { limit, taken: AtomicU64::new(taken) }
    }

    /// The number of bytes that are in use.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// The number of bytes of the whole budget.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Reserves `bytes`.
    ///
    /// # Errors
    /// [`OverBudget`] if fewer bytes are free.
    pub fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reservation, OverBudget> {
        // the new number of bytes in use; `None` if it would exceed the limit
        let total_within_limit = |taken: u64| taken.checked_add(bytes).filter(|total| *total <= self.limit);
        match self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, total_within_limit) {
            Ok(_) => Ok(Reservation { budget: Arc::clone(self), bytes }),
            Err(taken) => Err(OverBudget { requested: bytes, free: self.limit.saturating_sub(taken), limit: self.limit }),
        }
    }

    /// Reserves `bytes` even if fewer are free. It is for data that is allocated in any case.
    #[must_use]
    pub fn reserve_anyway(self: &Arc<Self>, bytes: u64) -> Reservation {
        // the sum of all reservations must fit into a u64
        let bytes = bytes.min(u64::MAX - self.taken());
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        Reservation { budget: Arc::clone(self), bytes }
    }
}

impl Reservation {
    /// The number of bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: u64 = 1 << 20;
        // suggest a round number: a multiple of 64 MiB
        const ROUND_MIB: u64 = 64;
        // a limit that is high enough: the present limit plus the missing bytes
        let enough_bytes = self.limit.saturating_add(self.requested.saturating_sub(self.free));
        let enough_mib = enough_bytes.div_ceil(ROUND_MIB * MIB).saturating_mul(ROUND_MIB);
        let [requested, free, limit] = [self.requested, self.free, self.limit].map(|bytes| text(bytes.into()));
        write!(f, "needs {requested}, but only {free} of {limit} are left; raise the limit with --memory-limit {enough_mib}MiB")
    }
}

/// Formats a number of bytes for messages: `100 bytes`, `1.5 MiB`, `2.0 GiB`.
#[must_use]
pub fn text(bytes: u128) -> String {
    const MIB: u128 = 1 << 20;
    const GIB: u128 = 1 << 30;
    const MAX_SHOWN: u128 = 4096 * GIB;
    #[allow(clippy::cast_precision_loss)] // only one digit after the point is shown
    let number = bytes as f64;
    match bytes {
        0..MIB => format!("{bytes} bytes"),
        MIB..GIB => format!("{:.1} MiB", number / f64::from(1 << 20)),
        GIB..MAX_SHOWN => format!("{:.1} GiB", number / f64::from(1 << 30)),
        _ => "more than 4096 GiB".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_reservations_are_free_again() {
        let budget = Arc::new(MemoryBudget::new(1000, 100));
        let reserved = budget.reserve(700).expect("900 are free");
        let error = budget.reserve(300).expect_err("200 are free");
        assert_eq!(
            error.to_string(),
            "needs 300 bytes, but only 200 bytes of 1000 bytes are left; raise the limit with --memory-limit 64MiB"
        );
        let reserved_anyway = budget.reserve_anyway(u64::MAX);
        assert!(budget.reserve(1).is_err());
        drop((reserved, reserved_anyway));
        assert_eq!(budget.taken(), 100);
    }
}
