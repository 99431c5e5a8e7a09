//! The history of jumps, as in vim's jump list or in a browser: a jump can be undone and redone.
//!
//! ```text
//! at A, jump to B, jump to C    back: A B     here: C    forward: –
//! Ctrl-O                        back: A       here: B    forward: C
//! jump to D                     back: A B     here: D    forward: –
//! ```

/// The largest number of stored places; the oldest are dropped first.
const MAX_VISITS: usize = 1000;

/// A step of an iteration, as it is stored in histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The iteration, from 1.
    pub iteration: u64,
    /// The step within the iteration, from 1.
    pub step: u64,
}

/// The steps at which jumps began, for back and forward.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visits {
    /// The steps to which `go_back` returns. The next one is at the end of the list.
    back: Vec<Visit>,
    /// The steps to which `go_forward` returns. The next one is at the end of the list.
    forward: Vec<Visit>,
}

impl Visits {
    /// Adds the step at which a jump begins. Jumps that were undone before can no longer be redone.
    pub fn record_jump_from(&mut self, here: Visit) {
        self.forward.clear();
        if self.back.last() != Some(&here) {
            self.back.push(here);
        }
        if self.back.len() > MAX_VISITS {
            self.back.remove(0);
        }
    }

    /// Undoes the last `times` jumps, or all if there are fewer. Returns the step at which the first of them began; `None` if there is none.
    pub fn go_back(&mut self, here: Visit, times: u64) -> Option<Visit> {
        Self::move_between(&mut self.back, &mut self.forward, here, times)
    }

    /// Does the last `times` undone jumps again, or all if there are fewer. Returns the step to which the last of them leads; `None` if there is none.
    pub fn go_forward(&mut self, here: Visit, times: u64) -> Option<Visit> {
        Self::move_between(&mut self.forward, &mut self.back, here, times)
    }

    /// Goes `times` places along the list `from`, and adds each place that it leaves to the list `to`.
    fn move_between(from: &mut Vec<Visit>, to: &mut Vec<Visit>, here: Visit, times: u64) -> Option<Visit> {
        let (mut place, mut found) = (here, None);
        for _ in 0..times {
            // if a jump was stopped, its start is in the list although the user is still there; such a place is skipped
            while from.last() == Some(&place) {
                from.pop();
            }
            let Some(next) = from.pop() else { break };
            to.push(place);
            place = next;
            found = Some(next);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(step: u64) -> Visit {
        Visit { iteration: 1, step }
    }

    #[test]
    fn forward_after_back_returns_to_the_same_place() {
        let mut visits = Visits::default();
        visits.record_jump_from(at(1));
        visits.record_jump_from(at(2));
        assert_eq!(visits.go_back(at(3), 1), Some(at(2)));
        assert_eq!(visits.go_back(at(2), 1), Some(at(1)));
        assert_eq!(visits.go_back(at(1), 1), None);
        assert_eq!(visits.go_forward(at(1), 1), Some(at(2)));
        assert_eq!(visits.go_forward(at(2), 5), Some(at(3)), "as far as it goes");
        assert_eq!(visits.go_back(at(3), 2), Some(at(1)));
        visits.record_jump_from(at(1));
        assert_eq!(visits.go_forward(at(7), 1), None, "a jump forgets what was undone");
    }

    #[test]
    fn a_stopped_jump_is_not_in_the_history() {
        let mut visits = Visits::default();
        visits.record_jump_from(at(1));
        visits.record_jump_from(at(2));
        assert_eq!(visits.go_back(at(2), 1), Some(at(1)));
    }

    #[test]
    fn the_oldest_places_are_forgotten() {
        let mut visits = Visits::default();
        (1..=2000).for_each(|step| visits.record_jump_from(at(step)));
        assert_eq!(visits.go_back(at(2001), 5000), Some(at(1001)));
    }
}
