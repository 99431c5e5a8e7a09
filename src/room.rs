//! Floor 0: the memory that a scenario may take. All that grows with it is taken from one budget, and goes back to it with the last who needs it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The budget of a scenario.
#[derive(Debug)]
pub struct Room {
    limit: u64,
    taken: AtomicU64,
}

/// A part of it, for as long as this lives.
#[derive(Debug)]
pub struct Claim {
    room: Arc<Room>,
    bytes: u64,
}

/// More was asked for than is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    asked: u64,
    left: u64,
    limit: u64,
}

impl Room {
    /// A budget of so many bytes, of which some are taken for good.
    #[must_use]
    pub fn new(limit: u64, taken: u64) -> Self {
        Self { limit, taken: AtomicU64::new(taken) }
    }

    /// Bytes that are taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Bytes of all.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes bytes, if there are as many left.
    ///
    /// # Errors
    /// How many are missing.
    pub fn claim(self: &Arc<Self>, bytes: u64) -> Result<Claim, Short> {
        let fits = |taken: u64| taken.checked_add(bytes).filter(|total| *total <= self.limit);
        match self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(Claim { room: Arc::clone(self), bytes }),
            Err(taken) => Err(Short { asked: bytes, left: self.limit.saturating_sub(taken), limit: self.limit }),
        }
    }

    /// Takes bytes, whatever is left.
    #[must_use]
    pub fn insist(self: &Arc<Self>, bytes: u64) -> Claim {
        // so that the sum of all never wraps around
        let bytes = bytes.min(u64::MAX - self.taken());
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        Claim { room: Arc::clone(self), bytes }
    }
}

impl Claim {
    /// How much it is.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const STEP: u64 = 64 << 20;
        let enough = self.limit.saturating_add(self.asked.saturating_sub(self.left));
        let enough = enough.div_ceil(STEP).saturating_mul(STEP >> 20);
        let [asked, left, limit] = [self.asked, self.left, self.limit].map(|bytes| text(bytes.into()));
        write!(f, "takes {asked}, and {left} of {limit} are left; raise the limit with --memory-limit {enough}MiB")
    }
}

/// A number of bytes as messages have it.
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
    fn what_is_taken_goes_back() {
        let room = Arc::new(Room::new(1000, 100));
        let some = room.claim(700).expect("enough is left");
        let short = room.claim(300).expect_err("200 are left");
        assert_eq!(short.to_string(), "takes 300 bytes, and 200 bytes of 1000 bytes are left; raise the limit with --memory-limit 64MiB");
        let more = room.insist(u64::MAX);
        assert!(room.claim(1).is_err());
        drop((some, more));
        assert_eq!(room.taken(), 100);
    }
}
