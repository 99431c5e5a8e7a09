//! Floor 0: the memory budget of a scenario. Everything whose size depends on the scenario (iterations, checkpoints, kept tensors) reserves its bytes
//! here first. A reservation is returned when its last owner drops it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The memory budget of a scenario, set by `--memory-limit`.
#[derive(Debug)]
pub struct MemoryBudget {
    limit: u64,
    taken: AtomicU64,
}

/// Reserved bytes, which return to the budget on drop.
#[derive(Debug)]
pub struct Reservation {
    room: Arc<MemoryBudget>,
    bytes: u64,
}

/// The error of a reservation that is larger than the rest of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverBudget {
    asked: u64,
    left: u64,
    limit: u64,
}

impl MemoryBudget {
    /// A budget of `limit` bytes, of which `taken` are never returned.
    #[must_use]
    pub fn new(limit: u64, taken: u64) -> Self {
        Self { limit, taken: AtomicU64::new(taken) }
    }

    /// The number of reserved bytes.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// The number of bytes of the whole budget.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Reserves `bytes` if as many are left.
    ///
    /// # Errors
    /// [`OverBudget`] if fewer are left.
    pub fn claim(self: &Arc<Self>, bytes: u64) -> Result<Reservation, OverBudget> {
        let fits = |taken: u64| taken.checked_add(bytes).filter(|total| *total <= self.limit);
        match self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(Reservation { room: Arc::clone(self), bytes }),
            Err(taken) => Err(OverBudget { asked: bytes, left: self.limit.saturating_sub(taken), limit: self.limit }),
        }
    }

    /// Reserves `bytes` even if fewer are left.
    #[must_use]
    pub fn insist(self: &Arc<Self>, bytes: u64) -> Reservation {
        // the sum of all reservations must not overflow
        let bytes = bytes.min(u64::MAX - self.taken());
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        Reservation { room: Arc::clone(self), bytes }
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
        self.room.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const STEP: u64 = 64 << 20;
        let enough = self.limit.saturating_add(self.asked.saturating_sub(self.left));
        let enough = enough.div_ceil(STEP).saturating_mul(STEP >> 20);
        let [asked, left, limit] = [self.asked, self.left, self.limit].map(|bytes| text(bytes.into()));
        write!(f, "needs {asked}, but only {left} of {limit} are left; raise the limit with --memory-limit {enough}MiB")
    }
}

/// Formats a number of bytes for messages: `100 bytes`, `1.5 MiB`, `2.0 GiB`.
#[must_use]
pub fn text(bytes: u128) -> String {
    #[allow(clippy::cast_precision_loss)] // one digit after the point
    let number = bytes as f64;
    match bytes {
        0..0x10_0000 => format!("{bytes} bytes"),
        0x10_0000..0x4000_0000 => format!("{:.1} MiB", number / f64::from(1 << 20)),
        0x4000_0000..0x400_0000_0000 => format!("{:.1} GiB", number / f64::from(1 << 30)),
        _ => "more than 4096 GiB".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_reservations_return_to_the_budget() {
        let room = Arc::new(MemoryBudget::new(1000, 100));
        let some = room.claim(700).expect("enough is left");
        let short = room.claim(300).expect_err("200 are left");
        assert_eq!(
            short.to_string(),
            "needs 300 bytes, but only 200 bytes of 1000 bytes are left; raise the limit with --memory-limit 64MiB"
        );
        let more = room.insist(u64::MAX);
        assert!(room.claim(1).is_err());
        drop((some, more));
        assert_eq!(room.taken(), 100);
    }
}
