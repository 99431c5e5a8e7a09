//! Tests in which a call that changes a file (a function of `output/disk.rs`) fails, alone or with all later calls, or the process is killed in it: first in
//! call 1, then in call 2, …
//! After that, the scenario file and its files of tensors must be the old ones or the new ones, and not a mixture. The edits must be in the scenario file or
//! in the journal.
//!
//! Each test starts this test program again as a child process, in which [`child`] edits and writes a scenario.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::ScenarioLoader;
use super::driver::Driver;
use super::journal;
use crate::app::{Document, State, number_name};
use crate::keys;
use crate::output;
use crate::output::disk::faults::{DiskFault, calls, plan};
use crate::scenario::{GivenNumber, Limits, Scenario};
use crate::session::Event;

/// A scenario with two random weights. After an edit of both, three files are written: the scenario, and one file for each weight.
const TEXT: &str = "title = \"t\"\ninput = [1, 2]\ntarget = 1\nloss = \"squared_error\"\n[[layer]]\ntype = \"linear\"\nout_features = 2\n\
                    weight = { init = \"normal\", seed = 1 }\nbias = [0, 0]\n[[layer]]\ntype = \"linear\"\nout_features = 1\n\
                    weight = { init = \"normal\", seed = 2 }\n";

/// The keys that the child process presses, each with the numbers that they change. `W` writes the file, and `u` undoes the last edit.
const SCRIPT: &[(&str, &[(&str, f64)])] = &[
    (":set fc1.weight[0,1] 0.5<Enter>", &[("fc1.weight[0,1]", 0.5)]),
    (":set fc2.weight[0,0] 9<Enter>", &[("fc2.weight[0,0]", 9.0)]),
    ("W", &[]),
    (":set fc1.bias[0] 7<Enter>", &[("fc1.bias[0]", 7.0)]),
    (":set fc1.weight[0,1] 3<Enter>", &[("fc1.weight[0,1]", 3.0)]),
    ("W", &[]),
    (":set fc2.weight[0,0] 4<Enter>", &[("fc2.weight[0,0]", 4.0)]),
    ("u", &[("fc2.weight[0,0]", 9.0)]),
    (":set fc1.bias[1] 8<Enter>", &[("fc1.bias[1]", 8.0)]),
];

/// The values of numbers by name.
type NamedNumbers = BTreeMap<String, f64>;

/// The environment variables that give the child its fault, and the number of the call that has it.
const VARIABLES: [&str; 2] = ["GRADSTEP_TEST_FAULT", "GRADSTEP_TEST_CALL"];

fn loader() -> ScenarioLoader {
    ScenarioLoader { limits: Limits::default(), opens_files: true }
}

/// Returns the numbers that the script edits.
fn numbers(scenario: &Scenario) -> NamedNumbers {
    let shared = |name: &str, at| GivenNumber::Shared { tensor: scenario.network.find(name).unwrap(), at };
    let numbers = [shared("fc1.weight", 1), shared("fc2.weight", 0), shared("fc1.bias", 0), shared("fc1.bias", 1)];
    numbers.map(|number| (number_name(scenario, number), scenario.given_value(number))).into()
}

fn press(driver: &mut Driver, text: &str) {
    for key in keys::parse(text).unwrap() {
        driver.apply(&Event::Key(key), Duration::ZERO);
        driver.finish_all().unwrap();
    }
}

/// Prints a line. It begins with a newline, because the test program may have printed the beginning of a line.
fn print(line: &str) {
    let mut to = output::stdout();
    write!(to, "\n{line}\n").unwrap();
    to.finish().unwrap();
}

/// Runs the script in the current folder, with the fault in the environment variables. Prints a line after each command.
#[test]
#[ignore = "the child of the tests below"]
fn child() {
    let [Ok(fault), Ok(call)] = VARIABLES.map(env::var) else { return };
    let fault = [DiskFault::Fail, DiskFault::FailForGood, DiskFault::Kill].into_iter().find(|known| format!("{known:?}") == fault).unwrap();
    let mut state = State::picker(Vec::new());
    state.open(Arc::new(Document::new(loader().load("net.toml".as_ref()).unwrap())), None);
    let mut driver = Driver::new(state, loader()).writing_files();
    plan(fault, call.parse().unwrap());
    for (command, _) in SCRIPT {
        let before = calls().len();
        press(&mut driver, command);
        let message = driver.state.message.as_ref().unwrap();
        print(&format!("did {before} {} {} {}", calls().len(), message.is_error, message.text));
    }
    print(&format!("calls {}", calls().join(",")));
    // from here on, no call fails
    plan(fault, usize::MAX);
    press(&mut driver, "W");
    print(&format!("last {}", driver.state.message.as_ref().unwrap().text));
}

/// The output of a child process.
struct ProcessOutput {
    /// For each completed command: the number of calls before it and after it, whether its message is an error, and the message.
    commands: Vec<(usize, usize, bool, String)>,
    /// The names of the calls; empty if the child was killed.
    calls: Vec<String>,
    /// The message of the last `W`, after the script.
    last: String,
}

/// Runs the child in a folder with a fault in call number `call`, from 1.
fn run(folder: &Path, fault: DiskFault, call: usize) -> ProcessOutput {
    fs::write(folder.join("net.toml"), TEXT).unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["command::faults::child", "--exact", "--ignored", "--nocapture"]).current_dir(folder);
    command.env("XDG_STATE_HOME", folder.join("state")).env(VARIABLES[0], format!("{fault:?}")).env(VARIABLES[1], call.to_string());
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let after = |prefix: &'static str| text.lines().filter_map(move |line| line.strip_prefix(prefix));
    let commands = after("did ").map(|line| {
        let [before, after, is_error, message] = line.splitn(4, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        (before.parse().unwrap(), after.parse().unwrap(), is_error == "true", message.to_owned())
    });
    let calls = after("calls ").flat_map(|line| line.split(',').map(str::to_owned)).collect();
    let last = after("last ").collect();
    ProcessOutput { commands: commands.collect(), calls, last }
}

/// Returns the numbers of the scenario file and its files of tensors in a folder. If these were a mixture of old and new files, the scenario would not be
/// valid, or its numbers would be those of none of the [`states`].
fn in_file(folder: &Path) -> NamedNumbers {
    numbers(&loader().reload(&folder.join("net.toml")).unwrap())
}

/// Returns the numbers of the scenario file with the edits of its first leftover journal.
fn recovered(folder: &Path) -> NamedNumbers {
    let mut numbers = in_file(folder);
    let key = journal::key(Some(&folder.join("net.toml")), "net");
    if let Some(leftover) = journal::leftover(&folder.join("state/gradstep/edits"), &key) {
        numbers.extend(leftover.numbers.iter().cloned());
    }
    numbers
}

/// Writes the scenario file. Returns its numbers before the script, and with the changes of the first commands: of one, of two, and so on.
fn states(folder: &Path) -> Vec<NamedNumbers> {
    fs::write(folder.join("net.toml"), TEXT).unwrap();
    let mut states = vec![in_file(folder)];
    for (_, changes) in SCRIPT {
        let mut next = states[states.len() - 1].clone();
        next.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), *value)));
        states.push(next);
    }
    states
}

/// Returns the number of the last command `W` among the first `done` commands, from 1; 0 if there is none. It is also an index of [`states`].
fn last_write(done: usize) -> usize {
    SCRIPT[..done].iter().rposition(|(command, _)| *command == "W").map_or(0, |index| index + 1)
}

#[test]
fn a_kill_in_any_call_leaves_the_old_or_the_new_file_and_loses_no_edit() {
    let mut call = 1;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let states = states(folder.path());
        let output = run(folder.path(), DiskFault::Kill, call);
        // the script has fewer than `call` calls, so the child was not killed
        if !output.calls.is_empty() {
            assert_eq!(output.commands.len(), SCRIPT.len());
            break;
        }
        let done = output.commands.len();
        let context = format!("killed in call {call}, after {:?}", output.commands);
        // the killed command may be a `W` that has written the file already
        let allowed = [last_write(done), last_write((done + 1).min(SCRIPT.len()))];
        assert!(allowed.iter().any(|state| in_file(folder.path()) == states[*state]), "{context}: a mixture: {:?}", in_file(folder.path()));
        // the killed command may be an edit that is in the journal already
        let found = recovered(folder.path());
        assert!(found == states[done] || states.get(done + 1) == Some(&found), "{context}: an edit is lost: {found:?}");
        call += 1;
    }
    assert!(call > 30, "the script makes only {call} calls");
}

#[test]
fn a_fault_in_any_call_is_reported_and_loses_no_edit() {
    for fault in [DiskFault::Fail, DiskFault::FailForGood] {
        let mut call = 1;
        loop {
            let folder = tempfile::tempdir().unwrap();
            let states = states(folder.path());
            let ProcessOutput { commands, calls, last } = run(folder.path(), fault, call);
            assert_eq!(commands.len(), SCRIPT.len(), "{fault:?} in call {call}: the child has ended early");
            // the script has fewer than `call` calls, so none failed
            if calls.len() < call {
                break;
            }
            let context = format!("{fault:?} in call {call} of {calls:?}, after {commands:?}");
            let has_call = |before: usize, after: usize| (before..after).contains(&(call - 1));
            let (command, (.., is_error, _)) =
                commands.iter().enumerate().find(|(_, (before, after, ..))| has_call(*before, *after)).unwrap();
            // these calls may fail without a message: there is another way, or their result is not needed
            let is_harmless =
                fault == DiskFault::Fail && matches!(calls[call - 1].as_str(), "create without a name" | "remove" | "sync the folder");
            assert!(*is_error || is_harmless, "{context}: command {command} reports nothing");
            assert!(last.starts_with("written to net.toml"), "{context}: {last}");
            assert_eq!(in_file(folder.path()), states[SCRIPT.len()], "{context}");
            assert_eq!(recovered(folder.path()), states[SCRIPT.len()], "{context}");
            call += 1;
        }
    }
}

/// If a file got its name before its bytes are on the disk, it would be empty after a power failure. A test cannot cause a power failure, so it checks the
/// order of the calls.
#[test]
fn the_bytes_of_a_file_are_on_the_disk_before_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let calls = run(folder.path(), DiskFault::Fail, usize::MAX).calls;
    let (mut is_synced, mut is_name_synced, mut names) = (true, true, 0);
    for (at, call) in calls.iter().enumerate() {
        let context = format!("call {at}, {call}, of {calls:?}");
        match call.as_str() {
            "write" => is_synced = false,
            "sync" => is_synced = true,
            "rename" | "link" => {
                assert!(is_synced, "{context}: the bytes may be lost");
                (is_name_synced, names) = (false, names + 1);
            }
            "sync the folder" => is_name_synced = true,
            "create" | "create without a name" => assert!(is_name_synced, "{context}: the name before may be lost"),
            _ => {}
        }
    }
    assert!(is_synced && is_name_synced && names > 2, "{calls:?}");
    // a journal gets its name before its bytes; this is safe, because its first line counts only when both are on the disk
    let journals: Vec<&[String]> = (0..calls.len()).filter(|at| calls[*at] == "create to append").map(|at| &calls[at..at + 4]).collect();
    assert!(journals.len() > 1 && journals.iter().all(|four_calls| four_calls[1..] == ["write", "sync", "sync the folder"]), "{calls:?}");
}
