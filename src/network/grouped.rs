//! Lists of values by number, in one allocation.

/// A list of values for each number below a limit.
#[derive(Debug)]
pub(super) struct Grouped<T> {
    /// The lists, one after another.
    values: Vec<T>,
    /// The end of each list in `values`.
    ends: Vec<usize>,
}

impl<T: Copy> Grouped<T> {
    /// Groups pairs of a number and a value by number. Each list keeps the order of the pairs. All numbers are below `count`.
    pub fn new(count: usize, pairs: impl Iterator<Item = (usize, T)> + Clone) -> Self {
        let mut ends = vec![0; count];
        pairs.clone().for_each(|(number, _)| ends[number] += 1);
        let mut total = 0;
        for end in &mut ends {
            // the beginning of the list, until its values are filled in
            (*end, total) = (total, total + *end);
        }
        // placeholders, which are all overwritten
        let mut values: Vec<T> = pairs.clone().take(1).cycle().take(total).map(|(_, value)| value).collect();
        pairs.for_each(|(number, value)| {
            values[ends[number]] = value;
            ends[number] += 1;
        });
        Self { values, ends }
    }

    /// Returns the values of a number.
    pub fn of(&self, number: usize) -> &[T] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.values[start..self.ends[number]]
    }
}
