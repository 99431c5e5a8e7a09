//! Planned faults for tests: one of the calls that change files fails, or kills the process.

use std::io;
use std::sync::Mutex;

/// The effect of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskFault {
    /// The call fails, as on a full disk.
    Fail,
    /// All calls from this one on fail.
    FailForGood,
    /// The process is killed.
    Kill,
}

/// The planned fault, and the calls since it was planned.
struct FaultPlan {
    /// The fault, and the number of the call in which it happens, from 1.
    fault: Option<(DiskFault, usize)>,
    calls: Vec<&'static str>,
}

static PLAN: Mutex<FaultPlan> = Mutex::new(FaultPlan { fault: None, calls: Vec::new() });

/// Plans a fault in call number `at`, counted from 1.
pub(crate) fn plan(fault: DiskFault, at: usize) {
    *PLAN.lock().unwrap() = FaultPlan { fault: Some((fault, at)), calls: Vec::new() };
}

/// Returns the calls since the plan was made.
pub(crate) fn calls() -> Vec<&'static str> {
    PLAN.lock().unwrap().calls.clone()
}

/// Returns whether the fault is planned for the next call.
pub(super) fn next_call_fails() -> bool {
    let plan = PLAN.lock().unwrap();
    plan.fault.is_some_and(|(_, at)| plan.calls.len() + 1 == at)
}

/// Counts a call, and causes the fault if it is planned for this call.
pub(super) fn about_to(call: &'static str) -> io::Result<()> {
    let mut plan = PLAN.lock().unwrap();
    let Some((fault, at)) = plan.fault else { return Ok(()) };
    plan.calls.push(call);
    let number = plan.calls.len();
    if number < at || number > at && fault != DiskFault::FailForGood {
        return Ok(());
    }
    if fault == DiskFault::Kill {
        let me = rustix::process::getpid();
        rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
        // the signal can take a moment to arrive
        loop {
            std::thread::park();
        }
    }
    Err(io::Error::from(io::ErrorKind::StorageFull))
}
