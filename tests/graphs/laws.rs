//! For each graph: the terms of an entry, added in their order, give the bits of the entry; each entry lists the steps that read it; and the gradients
//! agree with central differences.

#[path = "../laws/differences.rs"]
mod differences;
#[path = "../laws/steps.rs"]
mod steps;

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;

use gradstep::scenario::{Limits, Source, read};
use gradstep::tensor::from_flat;
use gradstep::trace::Trace;

use crate::numbers::{files, open, run, stem};

/// The largest number of steps of a graph whose steps are all checked.
const MOST_STEPS: u64 = 1500;

/// Returns the traces of all graphs for which there are numbers of PyTorch, with their names and texts.
pub fn traces() -> impl Iterator<Item = (String, String, Trace)> {
    let paths = files("oracle").into_iter().chain(files("exercises"));
    paths.filter(|path| path.with_extension("expected.json").exists()).map(|path| {
        let scenario = open(&path).unwrap_or_else(|faults| panic!("{faults}"));
        let (network, run) = run(&scenario);
        (stem(&path).to_owned(), fs::read_to_string(&path).expect("the file can be read"), Trace::new(network, vec![run]))
    })
}

#[test]
fn the_steps_add_up_to_the_tensors() {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (name, _, trace) in traces() {
        checked += 1;
        if trace.len() > MOST_STEPS {
            // only some steps of a long trace
            let steps = (1..=trace.len()).step_by(97);
            wrong.extend(steps.filter_map(|k| steps::check_step(&trace, k).err()).map(|why| format!("{name}: {why}")));
            continue;
        }
        for result in [steps::check_trace(&trace), steps::check_counts(&trace), steps::check_edges(&trace)] {
            wrong.extend(result.err().map(|why| format!("{name}: {why}")));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 550, "{checked} graphs");
}

/// Returns each tensor that an op computes, with the number of steps of the op.
fn step_counts(trace: &Trace) -> Vec<(usize, u64)> {
    trace.ops().map(|(_, output, steps)| (output, steps.end - steps.start)).collect()
}

/// Graphs in which several entries are the maximum.
const TIES: [&str; 2] = ["kink-amax-tie", "kink-max-all-tie"];

/// Computes a new number for an entry from its offset in row-major order and its number.
type Change = fn(f64, f64) -> f64;

/// Masks, maxima and indices that are computed decide which entries are chosen, but not how many steps there are. Ties are an exception: each of the tied
/// entries has a step.
#[test]
fn the_numbers_of_steps_do_not_depend_on_computed_numbers() {
    let changes: [(&str, Change); 4] = [
        ("opposite signs", |_, x| -x - 0.01),
        ("other numbers", |at, x| (7.3 * x + 11.1 * at).sin()),
        ("large numbers", |at, x| 100.0 * x + at),
        ("small numbers", |at, x| 1e-3 * (x + at)),
    ];
    let (mut differing, mut compared) = (Vec::new(), 0);
    for (name, text, trace) in traces().filter(|(name, ..)| !TIES.contains(&name.as_str())) {
        let network = trace.network();
        let counts = step_counts(&trace);
        for (what, change) in changes {
            let mut run = (*trace.runs()[0].run).clone();
            for id in network.learnable() {
                let numbers = run.values(id).iter().zip(0..).map(|(x, at)| change(f64::from(at), *x)).collect();
                run = run.with_tensor_and_gradients(network, id, from_flat(&network.tensor(id).shape, numbers));
            }
            compared += 1;
            if step_counts(&Trace::new(Arc::clone(network), vec![run])) != counts {
                differing.push(format!("{name}, {what}\n{text}"));
            }
        }
    }
    assert!(differing.is_empty(), "{} of {compared}:\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn gradients_agree_with_central_differences() {
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for (name, text, trace) in traces() {
        // ties, kinks, detached values and infinities have no slope
        if text.contains("# no central differences") || text.contains("detach") {
            continue;
        }
        match differences::check(&Arc::clone(trace.network()), &[]) {
            Ok(tally) => compared += tally.compared,
            Err(why) => wrong.push(format!("{name}: {why}")),
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 3000, "{compared} derivatives");
}

/// All operations of the statement `r = …`, and those of a loop whose variable is r, have the name r and a number: r.1, r.2, …. The same holds for a list. The
/// numbers go on from one iteration of the loop to the next.
#[test]
fn all_tensors_have_different_names() {
    let nodes = "r = W[0] * 2 + 1\nfor r in W * 3:\n    u = r + 1\nhs = []\nfor t in range(2):\n    hs.append(W[t] * 2)\nJ = torch.stack(hs).sum() + u.sum()";
    let text = format!("title = \"t\"\n[graph]\nnodes = '''\n{nodes}\n'''\n[graph.inputs]\nW = [[1, 2], [3, 4], [5, 6]]\n");
    let source = Source { name: "t".into(), path_shown: "t.toml".into(), text };
    let network = read(source, Limits::default()).unwrap_or_else(|faults| panic!("{faults}")).network;
    let names: Vec<&str> = network.tensors().iter().map(|tensor| tensor.name.as_str()).collect();
    let different: HashSet<&&str> = names.iter().collect();
    assert_eq!(names.len(), different.len(), "{names:?}");
}
