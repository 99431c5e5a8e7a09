//! `gradcheck` finds nothing wrong where PyTorch agrees, and names kinks as such.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use gradstep::app::Lesson;
use gradstep::command::{Shelf, bundled};
use gradstep::network::{Verdict, check};
use gradstep::scenario::Limits;

/// Entries of one tensor and sample: the small tensors whole.
const MOST: usize = 12;

fn lesson(scenario: &OsStr) -> Lesson {
    let shelf = Shelf { limits: Limits::default(), files: true };
    shelf.open(&scenario.to_string_lossy()).unwrap_or_else(|error| panic!("{}: {error}", scenario.display()))
}

/// Counts by verdict: agrees, off, kink, not finite, unsettled; what is off is added to `wrong`.
fn tally(name: &str, lesson: &Lesson, most: usize, wrong: &mut Vec<String>) -> [usize; 5] {
    let network = lesson.trace.network();
    let mut counts = [0; 5];
    for stretch in lesson.trace.stretches().iter().filter(|stretch| stretch.sample.is_some()) {
        for checked in check(network, &stretch.run, most) {
            for compared in &checked.compared {
                counts[match compared.verdict {
                    Verdict::Agrees => 0,
                    Verdict::Off => 1,
                    Verdict::Kink => 2,
                    Verdict::NotFinite => 3,
                    Verdict::Unsettled => 4,
                }] += 1;
                if compared.verdict == Verdict::Off {
                    wrong.push(format!("{name}: {} {compared:?}", network.tensor(checked.gradient).name));
                }
            }
        }
    }
    counts
}

fn scenarios(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension() == Some(OsStr::new("toml"))).collect();
    files.sort();
    files
}

/// Nothing is off, and nearly everything can be compared.
fn all_agree(scenarios: &[PathBuf], kinks_in_100: usize) {
    let (mut wrong, mut counts) = (Vec::new(), [0; 5]);
    for path in scenarios {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let own = tally(&name, &lesson(path.as_os_str()), MOST, &mut wrong);
        for (count, own) in counts.iter_mut().zip(own) {
            *count += own;
        }
    }
    assert!(wrong.is_empty(), "{} off:\n{}", wrong.len(), wrong.join("\n"));
    let all: usize = counts.iter().sum();
    assert!((counts[2] + counts[3] + counts[4]) * 100 <= kinks_in_100 * all, "{counts:?} of {all}");
}

#[test]
fn bundled_scenarios_pass() {
    let mut wrong = Vec::new();
    for bundled in bundled::ALL {
        let [agrees, .., unsettled] = tally(bundled.name, &lesson(OsStr::new(bundled.name)), MOST, &mut wrong);
        assert!(agrees > 0 && unsettled == 0, "{}", bundled.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn valid_scenarios_pass() {
    all_agree(&scenarios("tests/valid"), 10);
}

#[test]
fn oracle_scenarios_pass() {
    all_agree(&scenarios("tests/oracle"), 5);
}

/// The verdicts on a graph's nodes.
fn graph(inputs: &str, nodes: &str) -> Vec<(String, Verdict)> {
    let text = format!("title = \"t\"\n[graph]\ninputs = {{ {inputs} }}\nnodes = [{nodes}]\n");
    let source = gradstep::scenario::Source { name: "t".into(), path_shown: "t.toml".into(), text };
    let lesson = Lesson::new(gradstep::scenario::read(source, Limits::default()).unwrap());
    let network = lesson.trace.network();
    let checked = check(network, lesson.trace.run(0), MOST);
    checked.iter().map(|checked| (network.tensor(checked.gradient).name.to_string(), checked.compared[0].verdict)).collect()
}

#[test]
fn kinks_are_named_as_such() {
    for (inputs, nodes, kinks) in [
        ("x = 0", "\"J = relu(x)\"", &["grad.x"][..]),
        ("x = 0", "\"J = abs(x)\"", &["grad.x"]),
        ("x = 2, y = 2", "\"J = max(x, y)\"", &["grad.x", "grad.y"]),
        ("x = 2, y = 2", "\"J = min(x, y)\"", &["grad.x", "grad.y"]),
        // both move alike, so there is none
        ("x = 2", "\"J = max(x, x)\"", &[]),
        ("x = 1e-7", "\"J = relu(x)\"", &[]),
        // without a name: |x|
        ("x = 0", "\"u = x * x\", \"J = sqrt(u)\"", &["grad.x"]),
        ("x = 3", "\"J = relu(x)\"", &[]),
    ] {
        let found = graph(inputs, nodes);
        let named: Vec<&str> = found.iter().filter(|(_, verdict)| *verdict == Verdict::Kink).map(|(name, _)| name.as_str()).collect();
        assert_eq!(named, kinks, "{inputs}: {nodes}: {found:?}");
        assert!(found.iter().all(|(_, verdict)| *verdict != Verdict::Off), "{inputs}: {nodes}: {found:?}");
    }
}

#[test]
fn steep_and_flat_functions_are_resolved() {
    for (inputs, nodes) in [
        ("x = 1e-6", "\"J = log(x)\""),
        ("x = 1e-6", "\"J = 1 / x\""),
        ("x = 1000", "\"J = x ^ 3\""),
        ("x = 1e-3", "\"J = sqrt(x)\""),
        ("x = 1e6, y = 1", "\"u = x * x\", \"J = u + y\""),
    ] {
        let found = graph(inputs, nodes);
        assert!(found.iter().all(|(_, verdict)| !matches!(verdict, Verdict::Off | Verdict::Kink)), "{inputs}: {nodes}: {found:?}");
    }
}
