//! The values of a number over the iterations of a descent, such as the loss. A curve draws them. If there are too many, only some are kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::memory_budget::{MemoryBudget, Reservation};

/// The largest number of points of a series.
const MAX_POINTS: usize = 4096;
/// The number of points that a series can have without taking memory from the budget.
const FREE_POINTS: usize = 256;
/// The memory of a point, in bytes.
const POINT_BYTES: u64 = 16;

/// The iterations in which a number is infinite or NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFinite {
    /// The first of these iterations.
    first: u64,
    /// The first later iteration in which the number is finite again; `None` if there is none.
    finite_again: Option<u64>,
}

impl NotFinite {
    /// Returns the iterations in which a number is not finite. `values` are its values in the iterations 1, 2, 3, ….
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        (1..).zip(values).fold(None, |known, (iteration, value)| Self::after(known, iteration, value))
    }

    /// Returns the iterations up to `iteration`, if `known` are those before it, and `value` is the value in it.
    fn after(known: Option<Self>, iteration: u64, value: f64) -> Option<Self> {
        match known {
            None => (!value.is_finite()).then_some(Self { first: iteration, finite_again: None }),
            Some(known) => Some(Self { finite_again: known.finite_again.or(value.is_finite().then_some(iteration)), ..known }),
        }
    }

    /// Returns these iterations without those after `iteration`.
    fn up_to(self, iteration: u64) -> Option<Self> {
        let finite_again = self.finite_again.filter(|again| *again <= iteration);
        (self.first <= iteration).then_some(Self { finite_again, ..self })
    }

    /// Returns a sentence about the number, such as `from iteration 3 on the loss is not finite`.
    #[must_use]
    pub fn sentence(self, name: &str) -> String {
        match self.finite_again {
            None => format!("from iteration {} on {name} is not finite", self.first),
            Some(_) => format!("in iteration {} {name} is not finite for the first time", self.first),
        }
    }
}

/// The values of a number in the iterations 1, 2, 3, …. When there are too many, every second one is dropped. The last one always stays.
#[derive(Clone, Debug)]
pub struct Series {
    /// The kept iterations with their values: 1, 1 + gap, 1 + 2 gap, …
    points: Vec<(u64, f64)>,
    /// The distance between two kept iterations.
    gap: u64,
    /// The last iteration with its value.
    last: Option<(u64, f64)>,
    /// The iterations in which the number is not finite. They are known even if their values are dropped.
    not_finite: Option<NotFinite>,
    /// The memory budget.
    budget: Arc<MemoryBudget>,
    /// The reserved memory of the points. Copies of the series share it.
    memory: Option<Arc<Reservation>>,
}

impl Series {
    /// Creates an empty series.
    #[must_use]
    pub fn new(budget: Arc<MemoryBudget>) -> Self {
        Self { points: Vec::new(), gap: 1, last: None, not_finite: None, budget, memory: None }
    }

    /// The last iteration; 0 if there is none.
    #[must_use]
    pub fn last_iteration(&self) -> u64 {
        self.last.map_or(0, |(iteration, _)| iteration)
    }

    /// Appends the value of an iteration. Does nothing if the iteration is not the next one, such as an earlier iteration that was computed again.
    pub fn push(&mut self, iteration: u64, value: f64) {
        if iteration != self.last_iteration() + 1 {
            return;
        }
        self.last = Some((iteration, value));
        self.not_finite = NotFinite::after(self.not_finite, iteration, value);
        if (iteration - 1).is_multiple_of(self.gap) {
            self.points.push((iteration, value));
            if self.points.len() > self.reserve_points() {
                let mut n = 0;
                self.points.retain(|_| {
                    n += 1;
                    n % 2 == 1
                });
                self.gap *= 2;
            }
        }
    }

    /// Returns the largest number of points for which memory is reserved. If there are already more points, first tries to double the reservation.
    fn reserve_points(&mut self) -> usize {
        let reserved =
            self.memory.as_ref().map_or(FREE_POINTS, |memory| usize::try_from(memory.bytes() / POINT_BYTES).unwrap_or(MAX_POINTS));
        if self.points.len() <= reserved || reserved >= MAX_POINTS {
            return reserved;
        }
        match self.budget.reserve(reserved as u64 * 2 * POINT_BYTES) {
            Ok(memory) => {
                self.memory = Some(Arc::new(memory));
                reserved * 2
            }
            Err(_) => reserved,
        }
    }

    /// Returns the kept iterations up to `iteration` with their values. The last iteration is included if it is not later than `iteration`.
    #[must_use]
    pub fn up_to(&self, iteration: u64) -> Vec<(u64, f64)> {
        let count = self.points.partition_point(|(number, _)| *number <= iteration);
        let mut points = self.points[..count].to_vec();
        let last = self.last.filter(|(number, _)| *number <= iteration && points.last().is_none_or(|(kept, _)| kept < number));
        points.extend(last);
        points
    }

    /// Returns the iterations up to `iteration` in which the number is not finite; `None` if there is none.
    #[must_use]
    pub fn not_finite_up_to(&self, iteration: u64) -> Option<NotFinite> {
        self.not_finite?.up_to(iteration)
    }
}

/// The losses of the iterations that a descent has computed. No iteration is missing, because every computation continues from a checkpoint.
#[derive(Debug)]
pub struct Losses(Mutex<Series>);

impl Losses {
    /// Creates an empty list.
    pub(super) fn new(budget: Arc<MemoryBudget>) -> Self {
        Self(Mutex::new(Series::new(budget)))
    }

    fn series(&self) -> MutexGuard<'_, Series> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends the loss of an iteration: [`Series::push`].
    pub(super) fn push(&self, iteration: u64, loss: f64) {
        self.series().push(iteration, loss);
    }

    /// Returns the losses of the kept iterations up to `iteration`: [`Series::up_to`].
    #[must_use]
    pub fn up_to(&self, iteration: u64) -> Vec<(u64, f64)> {
        self.series().up_to(iteration)
    }

    /// Returns the iterations up to `iteration` whose loss is not finite: [`Series::not_finite_up_to`].
    #[must_use]
    pub fn not_finite_up_to(&self, iteration: u64) -> Option<NotFinite> {
        self.series().not_finite_up_to(iteration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(iteration: u64) -> f64 {
        1.0 / f64::from(u32::try_from(iteration).expect("small"))
    }

    /// Returns a series of `count` values within a budget.
    fn series(count: u64, bytes: u64) -> Series {
        let mut series = Series::new(Arc::new(MemoryBudget::new(bytes, 0)));
        (1..=count).for_each(|iteration| series.push(iteration, value(iteration)));
        series
    }

    #[test]
    fn a_long_series_is_thinned_evenly_and_keeps_its_ends() {
        // with a budget of 0 bytes, a series has at most FREE_POINTS points; its last value is kept in addition
        for (count, bytes, max_points) in [(100, 0, 100), (1000, 1 << 20, 1000), (100_000, 1 << 20, MAX_POINTS), (100_000, 0, FREE_POINTS)]
        {
            let all = series(count, bytes).up_to(u64::MAX);
            assert!(all.len() <= max_points + 1 && all.len() >= max_points / 2, "{} of {max_points}", all.len());
            assert!(all.iter().all(|(iteration, kept)| kept.to_bits() == value(*iteration).to_bits()));
            assert_eq!((all[0].0, all[all.len() - 1].0), (1, count));
            let gaps: Vec<u64> = all.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
            assert!(gaps[..gaps.len() - 1].iter().all(|gap| *gap == gaps[0]), "{gaps:?}");
        }
    }

    #[test]
    fn the_memory_of_a_long_series_is_counted() {
        let long = series(100_000, 1 << 20);
        assert_eq!(long.budget.taken(), MAX_POINTS as u64 * POINT_BYTES);
        let budget = Arc::clone(&long.budget);
        drop(long);
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn an_iteration_that_is_computed_again_is_not_added_again() {
        let mut pushed_twice = series(10, 0);
        (3..=12).for_each(|iteration| pushed_twice.push(iteration, value(iteration)));
        assert_eq!(pushed_twice.up_to(u64::MAX), series(12, 0).up_to(u64::MAX));
        assert_eq!(pushed_twice.up_to(5), series(5, 0).up_to(u64::MAX));
        assert_eq!(pushed_twice.up_to(0), []);
    }

    #[test]
    fn the_first_iteration_that_is_not_finite_is_known_after_its_value_is_dropped() {
        // without memory from the budget a series keeps few values, and iteration 400 is not among them
        let mut series = Series::new(Arc::new(MemoryBudget::new(0, 0)));
        (1..=2000).for_each(|iteration| series.push(iteration, if iteration < 400 { 1.0 } else { f64::NAN }));
        assert!(series.up_to(u64::MAX).iter().all(|(iteration, _)| *iteration != 400));
        let sentence = |until| series.not_finite_up_to(until).map(|not_finite| not_finite.sentence("the loss"));
        assert_eq!(sentence(2000).as_deref(), Some("from iteration 400 on the loss is not finite"));
        assert_eq!((sentence(400), sentence(399)), (sentence(2000), None));
        let of = |values: &[f64]| NotFinite::of(values.iter().copied()).map(|not_finite| not_finite.sentence("w"));
        assert_eq!(of(&[1.0, f64::INFINITY, 1.0]).as_deref(), Some("in iteration 2 w is not finite for the first time"));
        assert_eq!(of(&[1.0, 2.0]), None);
    }
}
