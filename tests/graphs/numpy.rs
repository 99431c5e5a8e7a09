//! The stepper copies the gradient of a tensor as a line of NumPy. The test runs these lines with the interpreter that the environment variable `PYTHON` names
//! (by default `python3`), and compares the results with the trace. If this interpreter has no NumPy, the test only counts the lines.

use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::{env, fs};

use gradstep::app::{Action, CopyFormat, Document, Request, State, update};
use gradstep::network::Role;
use gradstep::scenario::{Limits, Source, read};
use gradstep::scene::Scene;

use crate::numbers::{files, open, stem};

/// A graph whose operands are broadcast in every way.
const BROADCAST: &str = "title = \"broadcasts\"\n[graph]\nnodes = '''\ny = a * b + c / d - e ** 2 + f\nz = torch.maximum(y, e) * torch.tanh(b)\n\
    p = y @ W\nq = v @ W\nr = V @ p.swapaxes(-1, -2)\nJ = z.sum() + (p * p).mean() + q.sum(0) + r.sum() + y.sum((0, 2)).sum() + torch.softmax(y, -1).mean(1).max()\n'''\n\
    [graph.inputs]\na = { init = \"normal\", seed = 1, shape = [2, 3, 4] }\nb = { init = \"normal\", seed = 2, shape = [4] }\n\
    c = { init = \"normal\", seed = 3, shape = [3, 1] }\nd = { init = \"normal\", seed = 4, shape = [2, 1, 1] }\ne = { init = \"normal\", seed = 5, shape = [1, 4] }\n\
    f = 0.5\nW = { init = \"normal\", seed = 6, shape = [4, 5] }\nv = { init = \"normal\", seed = 7, shape = [4] }\nV = { init = \"normal\", seed = 8, shape = [2, 6, 5] }\n";

/// The first lines of the script. `check` prints a copied line and its result if the result differs from the expected array.
const PRELUDE: &str = "import numpy as np\nnp.seterr(all='ignore')\nnan, inf = np.nan, np.inf\ndef check(name, line, value, expected):\n    value = np.asarray(value)\n    \
    if value.shape != expected.shape or not np.allclose(value, expected, rtol=1e-9, atol=1e-11, equal_nan=True):\n        print(name, line, value.shape, expected.shape, value, expected)\n";

/// The lines that are copied from a scenario.
struct Copied {
    /// The number of gradients.
    gradients: usize,
    /// The lines, without the comments.
    lines: Vec<String>,
}

/// Appends assignments of all tensors of a scenario to the script, and then a check of each copied line.
fn append(script: &mut String, name: &str, document: &Arc<Document>) -> Copied {
    let scene = Scene::of(&document.trace, document.trace.len()).expect("a step");
    let network = scene.network();
    let array = |id: usize| {
        let numbers: Vec<String> = document.trace.runs()[0].run.values(id).iter().map(ToString::to_string).collect();
        let numbers = numbers.join(", ").replace("NaN", "nan");
        format!("np.array([{numbers}]).reshape({:?})", network.tensor(id).shape)
    };
    let (mut gradients, mut lines) = (0, Vec::new());
    let mut checks = String::new();
    for id in 0..network.tensors().len() {
        let _ = writeln!(script, "{} = {}", scene.python_name(id), array(id));
    }
    for (_, id, steps) in document.trace.ops().filter(|(_, id, _)| matches!(network.tensor(*id).role, Role::Gradient(_))) {
        gradients += 1;
        let mut state = State::picker(Vec::new());
        state.open(Arc::clone(document), Some(steps.start));
        let Some(Request::Copy(text)) = update(&mut state, Action::Copy(CopyFormat::NumPy)) else { panic!("{name}: nothing is copied") };
        // without a short expression, the numbers of the gradient are copied
        if text.starts_with("np.array") {
            continue;
        }
        let (left, right) = text.split_once(" = ").expect("an assignment");
        assert_eq!(left, scene.python_name(id), "{name}");
        let right = right.split("  # ").next().expect("an expression");
        lines.push(format!("{left} = {right}"));
        let _ = writeln!(checks, "check({name:?}, {text:?}, {right}, {left})");
    }
    script.push_str(&checks);
    Copied { gradients, lines }
}

#[test]
fn copied_lines_of_numpy_compute_the_gradients() {
    let mut script = PRELUDE.to_owned();
    let (mut gradients, mut lines) = (0, 0);
    let source = Source { path_shown: "broadcasts.toml".into(), name: "broadcasts".into(), text: BROADCAST.into() };
    let broadcasts = read(source, Limits::default()).unwrap_or_else(|faults| panic!("{faults}"));
    let folders = ["exercises", "oracle", "../../scenarios"].into_iter().flat_map(files).filter(|path| !stem(path).starts_with("large"));
    let scenarios = std::iter::once(("broadcasts".to_owned(), broadcasts))
        .chain(folders.map(|path| (stem(&path).to_owned(), open(&path).expect("valid"))))
        .filter(|(_, scenario)| !scenario.network.reads_samples());
    // each line and its scenario, for a file in which a reader finds the longest lines first
    let mut longest: Vec<(String, String)> = Vec::new();
    for (name, scenario) in scenarios {
        let copied = append(&mut script, &name, &Arc::new(Document::new(scenario)));
        (gradients, lines) = (gradients + copied.gradients, lines + copied.lines.len());
        longest.extend(copied.lines.into_iter().map(|line| (line, name.clone())));
    }
    longest.sort_by_key(|(line, _)| std::cmp::Reverse(line.chars().count()));
    let all = longest.iter().map(|(line, name)| format!("{line}    {name}\n")).collect::<Vec<_>>().concat();
    fs::write(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("copied_lines.txt"), all).expect("written");
    // no line is copied for a single number, for the derivative of the output by itself, and for a gradient that needs several lines
    assert!(lines * 10 > gradients * 7, "{lines} lines for {gradients} gradients");
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_numpy = Command::new(&python).args(["-c", "import numpy"]).output().is_ok_and(|output| output.status.success());
    if !has_numpy {
        eprintln!("{python} has no NumPy: the {lines} lines are not run");
        return;
    }
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("copied_lines.py");
    fs::write(&path, script).expect("the script is written");
    let output = Command::new(&python).arg(&path).output().expect("Python runs");
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && out.is_empty(), "{out}\n{err}");
}
