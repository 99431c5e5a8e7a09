//! Interrupts a long computation from outside, even if it is deep inside several loops.
//!
//! [`interruptible`] runs a computation. Its loops report their work with [`goes_on`]. After each [`SLICE`] of work, a function decides whether the result is
//! still wanted. If it is not, [`goes_on`] returns `false` from then on. Then each loop ends at once, with meaningless numbers, and [`interruptible`] drops
//! them.
//!
//! ```
//! use gradstep::interrupt::{Interrupted, SLICE, goes_on, interruptible};
//!
//! let count = || (0..10).take_while(|_| goes_on(SLICE)).count();
//! assert_eq!(interruptible(|| true, count), Ok(10));
//! assert_eq!(interruptible(|| false, count), Err(Interrupted));
//! // nothing interrupts it here
//! assert_eq!(count(), 10);
//! ```

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// The work after which `look`, the function of [`interruptible`], is called again, in multiplications of a kernel. It takes about a millisecond. (Not the
/// slice of a job.)
pub const SLICE: u64 = 1 << 20;

/// The work of computing a single term, in multiplications of a kernel.
pub const TERM: u64 = 1 << 6;

/// The computation is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

/// The state of an interruptible computation.
struct InterruptState {
    look: Rc<dyn Fn() -> bool>,
    /// The work since the last call of `look`.
    work: u64,
    is_stopped: bool,
}

impl fmt::Debug for InterruptState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterruptState").field("work", &self.work).field("is_stopped", &self.is_stopped).finish_non_exhaustive()
    }
}

thread_local! {
    /// The interruptible computation of this thread.
    static STATE: RefCell<Option<InterruptState>> = const { RefCell::new(None) };
}

/// Restores the state of the outer computation, also after a panic.
struct RestoreState(Option<InterruptState>);

impl Drop for RestoreState {
    fn drop(&mut self) {
        STATE.replace(self.0.take());
    }
}

/// Runs a computation. `look` returns whether the result is still wanted. It is called after each [`SLICE`] of work and at the end, until it returns `false`.
///
/// # Errors
/// If the result is no longer wanted.
pub fn interruptible<R>(look: impl Fn() -> bool + 'static, run: impl FnOnce() -> R) -> Result<R, Interrupted> {
    let restore = RestoreState(STATE.replace(Some(InterruptState { look: Rc::new(look), work: 0, is_stopped: false })));
    let result = run();
    let is_wanted = goes_on(SLICE);
    drop(restore);
    if is_wanted { Ok(result) } else { Err(Interrupted) }
}

/// Counts the work that the computation of this thread does next. Returns `false` if it is interrupted.
#[must_use]
pub fn goes_on(work: u64) -> bool {
    let look = STATE.with_borrow_mut(|state| {
        let Some(state) = state else { return Ok(true) };
        state.work = state.work.saturating_add(work);
        if state.is_stopped || state.work < SLICE {
            return Ok(!state.is_stopped);
        }
        state.work = 0;
        Err(Rc::clone(&state.look))
    });
    // `look` may take long, so nothing is borrowed while it is called
    look.unwrap_or_else(|look| {
        let is_wanted = look();
        STATE.with_borrow_mut(|state| state.iter_mut().for_each(|state| state.is_stopped = !is_wanted));
        is_wanted
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_stopped_computation_stays_stopped_and_the_outer_one_goes_on() {
        let looks = Rc::new(Cell::new(0));
        let counted = Rc::clone(&looks);
        let look = move || {
            counted.set(counted.get() + 1);
            counted.get() < 3
        };
        let done = Cell::new(0);
        let run = || (0..100).filter(|_| goes_on(SLICE / 2)).for_each(|_| done.set(done.get() + 1));
        assert_eq!(interruptible(look, run), Err(Interrupted));
        // `look` is called after every two halves of a slice. Its first two calls return `true`, and the third one stops everything
        assert_eq!((looks.get(), done.get()), (3, 5));
        let outer = interruptible(|| true, || (interruptible(|| false, || ()), goes_on(SLICE)));
        assert_eq!(outer, Ok((Err(Interrupted), true)));
    }
}
