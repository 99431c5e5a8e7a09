//! Faults for tests: one of the calls that change files fails, or kills the process.

use std::io;
use std::sync::Mutex;

/// The effect of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call fails, as on a full disk.
    Fail,
    /// All calls from this one on fail.
    FailForGood,
    /// The process is killed.
    Kill,
}

/// The fault to come, and the calls since it was planned.
struct Plan {
    /// The fault, and the number of its call from 1.
    fault: Option<(Fault, usize)>,
    calls: Vec<&'static str>,
}

static PLAN: Mutex<Plan> = Mutex::new(Plan { fault: None, calls: Vec::new() });

/// Lets call number `at`, from 1, have a fault.
pub(crate) fn plan(fault: Fault, at: usize) {
    *PLAN.lock().unwrap() = Plan { fault: Some((fault, at)), calls: Vec::new() };
}

/// Returns the calls since the plan was made.
pub(crate) fn calls() -> Vec<&'static str> {
    PLAN.lock().unwrap().calls.clone()
}

/// Returns whether the next call has the fault.
pub(super) fn is_next() -> bool {
    let plan = PLAN.lock().unwrap();
    plan.fault.is_some_and(|(_, at)| plan.calls.len() + 1 == at)
}

/// Counts a call, and does the fault if it is its turn.
pub(super) fn about_to(call: &'static str) -> io::Result<()> {
    let mut plan = PLAN.lock().unwrap();
    let Some((fault, at)) = plan.fault else { return Ok(()) };
    plan.calls.push(call);
    let number = plan.calls.len();
    if number < at || number > at && fault != Fault::FailForGood {
        return Ok(());
    }
    if fault == Fault::Kill {
        let me = rustix::process::getpid();
        rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
        // the signal can take a moment
        loop {
            std::thread::park();
        }
    }
    Err(io::Error::from(io::ErrorKind::StorageFull))
}
