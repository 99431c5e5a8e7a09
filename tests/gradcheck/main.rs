//! `gradcheck` reports no wrong derivative where PyTorch agrees, and counts entries at a kink as kinks.

mod doubts;
mod kinks;

use gradstep::app::Document;
use gradstep::command::{ScenarioLoader, bundled};
use gradstep::gradcheck::{BatchCheck, CheckOptions, TensorCheck, Verdict, check};
use gradstep::network::{Batch, BatchSource, IterationRun, Run};
use gradstep::op::loss::{BatchLoss, BatchReduction};
use gradstep::scenario::Limits;
use gradstep::tensor::{from_flat, len};
use gradstep::trace::Trace;
use std::ffi::OsStr;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Options of tests with many scenarios: at most 12 entries of each tensor of a sample are checked.
const SOME: CheckOptions = CheckOptions { entries: 12, threads: NonZero::<usize>::MIN };

fn document(scenario: &OsStr) -> Document {
    let loader = ScenarioLoader { limits: Limits::default(), opens_files: true };
    loader.open(&scenario.to_string_lossy()).unwrap_or_else(|error| panic!("{}: {error}", scenario.display()))
}

/// Checks the derivatives of all samples, then those of the batch. Returns each result with the network and the run to which it belongs.
fn check_all(trace: &Trace, options: CheckOptions) -> Vec<(&IterationRun, TensorCheck)> {
    let mut results = Vec::new();
    let batch = trace.runs().iter().find(|run| run.sample.is_none());
    let mut batch_check = batch.and_then(|batch| BatchCheck::new(&batch.network, &batch.run));
    // several samples always have a batch; one sample has one only if its loss has a penalty
    assert!(batch_check.is_some() || trace.samples() == 1);
    for (n, run) in trace.runs().iter().filter(|run| run.sample.is_some()).enumerate() {
        let checked = check(&run.network, &run.run, options, |_| true);
        if let Some(batch_check) = &mut batch_check {
            batch_check.add(n, &checked);
        }
        results.extend(checked.into_iter().map(|checked| (run, checked)));
    }
    if let Some((batch, batch_check)) = batch.zip(batch_check) {
        results.extend(batch_check.finish().into_iter().map(|checked| (batch, checked)));
    }
    results
}

/// Counts the verdicts: agrees, off, kink, not finite, and (in one count) unsettled and undefined. Adds a line to `wrong` for each derivative that is off.
fn tally(name: &str, document: &Document, options: CheckOptions, wrong: &mut Vec<String>) -> [usize; 5] {
    let mut counts = [0; 5];
    for (run, checked) in check_all(&document.trace, options) {
        for compared in &checked.checks {
            counts[match compared.verdict {
                Verdict::Agrees => 0,
                Verdict::Off => 1,
                Verdict::Kink => 2,
                Verdict::NotFinite => 3,
                Verdict::Unsettled | Verdict::Undefined => 4,
            }] += 1;
            if compared.verdict == Verdict::Off {
                wrong.push(format!("{name}: {} {compared:?}", run.network.tensor(checked.gradient).name));
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

/// Asserts that no derivative is wrong, and that at most this percentage of them cannot be compared.
fn assert_none_is_wrong(scenarios: &[PathBuf], percent_not_compared: usize) {
    let (mut wrong, mut counts) = (Vec::new(), [0; 5]);
    for path in scenarios {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let counts_of_file = tally(&name, &document(path.as_os_str()), SOME, &mut wrong);
        for (count, more) in counts.iter_mut().zip(counts_of_file) {
            *count += more;
        }
    }
    assert!(wrong.is_empty(), "{} off:\n{}", wrong.len(), wrong.join("\n"));
    let all: usize = counts.iter().sum();
    let [_agree, _off, kinks, not_finite, undecided] = counts;
    assert!((kinks + not_finite + undecided) * 100 <= percent_not_compared * all, "{counts:?} of {all}");
}

#[test]
fn bundled_scenarios_pass() {
    let mut wrong = Vec::new();
    for bundled in bundled::ALL {
        let [agrees, .., undecided] = tally(bundled.name, &document(OsStr::new(bundled.name)), SOME, &mut wrong);
        assert!(agrees > 0 && undecided == 0, "{}", bundled.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn valid_scenarios_pass() {
    assert_none_is_wrong(&scenarios("tests/valid"), 10);
}

#[test]
fn oracle_scenarios_pass() {
    assert_none_is_wrong(&scenarios("tests/oracle"), 5);
}

fn read(text: &str) -> Document {
    let source = gradstep::scenario::Source { name: "t".into(), path_shown: "t.toml".into(), text: text.to_owned() };
    Document::new(gradstep::scenario::read(source, Limits::default()).unwrap())
}

/// The name of each gradient of a scalar graph, and the verdict on it.
fn graph_verdicts(inputs: &str, nodes: &str) -> Vec<(String, Verdict)> {
    let document = read(&format!("title = \"t\"\n[graph]\ninputs = {{ {inputs} }}\nnodes = [{nodes}]\n"));
    let network = document.trace.network();
    let checked = check(network, document.trace.run(0), CheckOptions::ALL, |_| true);
    checked.iter().map(|checked| (network.tensor(checked.gradient).name.to_string(), checked.checks[0].verdict)).collect()
}

/// The verdict on ∂J/∂x of a graph if `derivative` takes the place of the number from the backward pass.
fn verdict_if_claimed(inputs: &str, nodes: &str, derivative: f64) -> Verdict {
    let document = read(&format!("title = \"t\"\n[graph]\ninputs = {{ {inputs} }}\nnodes = [{nodes}]\n"));
    let network = document.trace.network();
    let id = network.find("grad.x").unwrap();
    let run = document.trace.run(0).with_tensor(network, id, from_flat(&[], vec![derivative]));
    let checked = check(network, &run, CheckOptions::ALL, |_| true);
    checked.iter().find(|checked| checked.gradient == id).unwrap().checks[0].verdict
}

/// If the loss is NaN, its differences prove nothing.
#[test]
fn a_nan_loss_gives_no_verdict() {
    let found = graph_verdicts("x = 0, y = 1", "\"u = x / x\", \"J = u + y\"");
    assert!(found.iter().all(|(_, verdict)| *verdict == Verdict::NotFinite), "{found:?}");
}

/// If all entries are equal, the variance is 0, and `layer_norm` is nearly linear only within a small fraction of √ε. By hand, its gradient is
/// (gᵢ − mean g) / √ε, where g is the upstream gradient, here the target.
#[test]
fn layer_norm_of_equal_entries_is_resolved() {
    for (input, eps) in [("[1e5, 1e5]", 1e-5), ("[10, 10]", 1e-12), ("[0.5, 0.5]", 1e-5), ("[10, 10]", 1e-8)] {
        let text = format!(
            "title = \"t\"\ninput = {input}\ntarget = [1, 2]\nloss = \"upstream\"\n[[layer]]\ntype = \"layer_norm\"\neps = {eps:e}\n"
        );
        let document = read(&text);
        let (network, run) = (document.trace.network(), document.trace.run(0));
        let id = network.find("grad.input").unwrap();
        let right = -0.5 / f64::sqrt(eps);
        assert!((run.values(id)[0] - right).abs() <= 1e-9 * right.abs(), "{:?}", run.values(id));
        let verdict = |derivative: f64| {
            let planted = run.with_tensor(network, id, from_flat(&[2], vec![derivative, -right]));
            let checked = check(network, &planted, CheckOptions::ALL, |_| true);
            assert!(checked.iter().filter(|checked| checked.gradient != id).all(|checked| checked.count(Verdict::Off) == 0), "{text}");
            checked.iter().find(|checked| checked.gradient == id).unwrap().checks[0].verdict
        };
        // the tolerance is a relative error of 1e-6. In the first two cases the rounding error of the mean is more than 1e-6 of the distance within which the
        // function is nearly linear, so no difference is exact enough
        assert!(matches!(verdict(right), Verdict::Agrees | Verdict::Unsettled), "{text}");
        assert_eq!(verdict(right) == Verdict::Agrees, eps > 1e-12 && !input.contains("1e5"), "{text}");
        for wrong in [0.0, -right, 1.5 * right, 1.001 * right] {
            assert_eq!(verdict(wrong), Verdict::Off, "{text}{wrong}");
        }
    }
}

/// A derivative that is infinite or NaN is off, unless the chain rule gives the same.
#[test]
fn a_derivative_that_is_not_finite_is_off_unless_the_chain_rule_gives_it() {
    let verdict = |inputs: &str, nodes: &str| {
        let found = graph_verdicts(inputs, nodes);
        found.iter().find(|(name, _)| name == "grad.x").unwrap().1
    };
    // the chain rule gives NaN, as in PyTorch: first 0 · ∞, then ∞ − ∞. NaN is right here; −∞ is not
    assert_eq!(verdict("x = 0", "\"u = x * x\", \"J = sqrt(u) * 0\""), Verdict::Undefined);
    assert_eq!(verdict("x = 1", "\"u = x - x\", \"J = u ^ 0.5\""), Verdict::Undefined);
    assert_eq!(verdict_if_claimed("x = 1", "\"u = x - x\", \"J = u ^ 0.5\"", f64::NEG_INFINITY), Verdict::Off);
    // the chain rule gives finite numbers
    assert_eq!(verdict_if_claimed("x = 2", "\"u = x * x\", \"J = u + x\"", f64::NAN), Verdict::Off);
    assert_eq!(verdict_if_claimed("x = 2", "\"u = x * x\", \"J = u / x\"", f64::INFINITY), Verdict::Off);
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
        let found = graph_verdicts(inputs, nodes);
        assert!(found.iter().all(|(_, verdict)| !matches!(verdict, Verdict::Off | Verdict::Kink)), "{inputs}: {nodes}: {found:?}");
    }
}

/// The verdicts on all derivatives except ∂C/∂a of the layer `fc1`. If `wrong` names a derivative, its number is added to that derivative first.
fn verdicts_except_fc1_a(scenario: &str, wrong: Option<(&str, f64)>) -> Vec<(String, Vec<Verdict>)> {
    let document = read(&format!("title = \"t\"\n{scenario}"));
    let network = document.trace.network();
    let run = document.trace.run(0);
    let planted = wrong.map(|(name, error)| {
        let id = network.find(name).unwrap();
        run.with_tensor(network, id, run.tensor(network, id).as_ref() + error)
    });
    let checked = check(network, planted.as_ref().unwrap_or(run), CheckOptions::ALL, |_| true);
    let verdicts = |checked: &TensorCheck| checked.checks.iter().map(|compared| compared.verdict).collect();
    let named = checked.iter().map(|checked| (network.tensor(checked.gradient).name.to_string(), verdicts(checked)));
    named.filter(|(name, _)| name != "grad.fc1.a").collect()
}

/// An output that is rounded to 0 or 1 has a huge ∂C/∂a, but the loss is computed from z. So all other derivatives are still checked: right ones are accepted,
/// wrong ones are reported.
#[test]
fn a_saturated_output_hides_no_derivative() {
    for (loss, function) in [
        ("binary_cross_entropy", "sigmoid"),
        ("binary_cross_entropy_with_logits", "identity"),
        ("cross_entropy", "sigmoid"),
        ("cross_entropy", "softmax"),
        ("cross_entropy_with_logits", "identity"),
    ] {
        for z in [-800.0, -36.0, -20.0, -16.0, 2.0, 15.0, 16.0, 18.0, 20.0, 25.0, 30.0, 36.7, 36.8, 40.0, 800.0] {
            for target in [[0.0, 1.0], [1.0, 0.0], [0.5, 0.25]] {
                let network = format!(
                    "loss = \"{loss}\"\ninput = [1, 0.5]\ntarget = {target:?}\n\
                    [[layer]]\ntype = \"linear\"\nweight = [[{z:?}, 0], [0.5, -0.3]]\nactivation = \"{function}\"\n"
                );
                for (name, verdicts) in verdicts_except_fc1_a(&network, None) {
                    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Agrees), "{network}{name}: {verdicts:?}");
                    for (other, verdicts) in verdicts_except_fc1_a(&network, Some((&name, 0.01))) {
                        let expected = if other == name { Verdict::Off } else { Verdict::Agrees };
                        assert!(verdicts.iter().all(|verdict| *verdict == expected), "{network}{name} is wrong, {other}: {verdicts:?}");
                    }
                }
            }
        }
    }
}

/// A small network with two samples. It has kinks, and layers in which one entry changes only some of the outputs: padding, strides, pools. It ends with a
/// softmax.
const SMALL: &str = r#"
title = "small"
loss = { type = "cross_entropy", batch_reduction = "mean" }
[[sample]]
input = { init = "uniform", low = -1.0, high = 1.0, shape = [2, 9, 9], seed = 1 }
target = 1
[[sample]]
input = { init = "uniform", low = -1.0, high = 1.0, shape = [2, 9, 9], seed = 2 }
target = 0
[[layer]]
type = "conv2d"
out_channels = 4
kernel_size = 3
padding = 1
weight = { init = "he_normal", seed = 3 }
bias = { init = "uniform", low = -0.5, high = 0.5, seed = 4 }
activation = "relu"
[[layer]]
type = "max_pool2d"
kernel_size = 2
[[layer]]
type = "conv2d"
out_channels = 6
kernel_size = 3
stride = 2
padding = 1
weight = { init = "he_normal", seed = 5 }
bias = { init = "zeros" }
activation = "leaky_relu"
[[layer]]
type = "flatten"
[[layer]]
type = "linear"
out_features = 30
weight = { init = "he_normal", seed = 6 }
bias = { init = "zeros" }
activation = "gelu"
[[layer]]
type = "linear"
out_features = 3
weight = { init = "he_normal", seed = 7 }
bias = { init = "zeros" }
activation = "softmax"
"#;

#[test]
fn every_entry_is_checked() {
    let document = read(SMALL);
    let found = check_all(&document.trace, CheckOptions::ALL);
    for (run, checked) in &found {
        let info = run.network.tensor(checked.gradient);
        let entries: Vec<usize> = checked.checks.iter().map(|compared| compared.at).collect();
        assert_eq!(entries, (0..len(&info.shape)).collect::<Vec<_>>(), "{}", info.name);
        assert_eq!((checked.entries, checked.wanted), (entries.len(), entries.len()));
        assert_eq!(checked.count(Verdict::Off), 0, "{}", info.name);
    }
    // of each sample 4 weights and 4 biases, the input, and 10 outputs: z and a of the 4 layers with parameters, and the outputs of the pool and of `flatten`.
    // Of the batch the 8 parameters
    assert_eq!(found.len(), 2 * (8 + 1 + 10) + 8);
    let network = document.trace.network();
    let entries_of_one_sample = found.iter().filter(|(run, _)| run.sample == Some(0)).map(|(_, checked)| checked.entries as u64);
    assert_eq!(CheckOptions::ALL.derivatives(network), entries_of_one_sample.sum::<u64>());
    let agree: usize = found.iter().map(|(_, checked)| checked.count(Verdict::Agrees)).sum();
    let all: usize = found.iter().map(|(_, checked)| checked.entries).sum();
    // more than 95%
    assert!(agree * 20 > all * 19, "{agree} of {all}");
}

/// After an entry is moved, `gradcheck` computes only the entries that depend on it, on several threads. The differences still have the bits of a whole forward
/// pass.
#[test]
fn the_differences_are_those_of_the_whole_forward_pass() {
    let names = ["figure-01", "figure-14", "figure-19", "tests/valid/every-layer.toml", "tests/oracle/made-graph-functions.toml"];
    let mut same = 0;
    for document in names.map(|name| document(OsStr::new(name))).into_iter().chain([read(SMALL)]) {
        let (network, run) = (document.trace.network(), document.trace.run(0));
        for checked in check(network, run, CheckOptions { entries: 5, threads: NonZero::new(3).unwrap() }, |_| true) {
            let name = &network.tensor(checked.gradient).name;
            let tensor = network.find(name.strip_prefix("grad.").unwrap()).unwrap();
            for compared in checked.checks.iter().filter(|compared| compared.verdict == Verdict::Agrees) {
                let w = run.values(tensor)[compared.at];
                let moved = |distance: f64| {
                    let mut entries = run.values(tensor).to_vec();
                    entries[compared.at] = w + distance;
                    let run = run.with_tensor(network, tensor, from_flat(&network.tensor(tensor).shape, entries));
                    run.values(network.loss())[0]
                };
                let is_reported = |slope: f64| slope.to_bits() == compared.difference.to_bits();
                // the reported difference is the central one of fourth order, or that of one side
                let comes_from_distance = |h: f64| {
                    let [far_left, left, right, far_right] = [-2.0, -1.0, 1.0, 2.0].map(|factor| moved(factor * h));
                    let here = moved(0.0);
                    let sided = |near: f64, far: f64, h: f64| 2.0 * ((near - here) / h) - (far - here) / (2.0 * h);
                    is_reported((4.0 * ((right - left) / (2.0 * h)) - (far_right - far_left) / (4.0 * h)) / 3.0)
                        || is_reported(sided(right, far_right, h))
                        || is_reported(sided(left, far_left, -h))
                };
                // every distance h is a power of two, and nearly always this first one
                let first_power = (1e-5 * w.abs().max(1.0)).log2().floor();
                let mut powers = std::iter::once(first_power).chain((-60..10).map(f64::from));
                assert!(powers.any(|power| comes_from_distance(power.exp2())), "{name} {compared:?}");
                same += 1;
            }
        }
    }
    assert!(same > 300, "{same}");
}

#[test]
fn the_verdicts_do_not_depend_on_threads() {
    let document = read(SMALL);
    let found = |threads: usize| {
        format!(
            "{:?}",
            check_all(&document.trace, CheckOptions { threads: NonZero::new(threads).unwrap(), ..CheckOptions::ALL })
                .iter()
                .map(|(_, checked)| checked)
                .collect::<Vec<_>>()
        )
    };
    let one = found(1);
    assert!(one == found(2) && one == found(7));
}

#[test]
fn a_check_can_be_stopped() {
    let document = read(SMALL);
    let (network, run) = (document.trace.network(), document.trace.run(0));
    let mut asked = 0;
    let checked = check(network, run, CheckOptions::ALL, |_| {
        asked += 1;
        false
    });
    assert!(asked > 0);
    let compared: usize = checked.iter().map(|checked| checked.checks.len()).sum();
    let wanted: usize = checked.iter().map(|checked| checked.wanted).sum();
    assert!(compared < wanted, "{compared} of {wanted}");
}

/// Checks a batch that reduces spoiled gradients, and returns the tensors that are reported. If `spoil(n, NAME)` returns `(m, factor)`, the reduce pass
/// reads factor · (gradient NAME of sample m) instead of the gradient NAME of sample n.
fn reported_gradients(reduction: BatchReduction, spoil: impl Fn(usize, &str) -> Option<(usize, f64)>) -> Vec<String> {
    let document = read(SMALL);
    let trace = &document.trace;
    let network = trace.network();
    let batch = Batch::new(network, &[1, 2], reduction.into(), None, 1);
    let sources: Vec<_> = batch
        .network
        .sources()
        .map(|(id, from)| {
            let BatchSource::Sample(sample, gradient) = from else { unreachable!("nothing is updated") };
            let (sample_read, factor) = spoil(sample, &network.tensor(gradient).name).unwrap_or((sample, 1.0));
            (id, Arc::new(trace.run(sample_read).tensor(network, gradient).as_ref() * factor))
        })
        .collect();
    let run = Run::new(&batch.network, &sources);
    let mut batch_check = BatchCheck::new(&batch.network, &run).unwrap();
    for sample in 0..2 {
        batch_check.add(sample, &check(network, trace.run(sample), SOME, |_| true));
    }
    let checked = batch_check.finish();
    assert_eq!(checked.len(), 8, "one check for each parameter");
    let off = checked.iter().filter(|checked| checked.count(Verdict::Off) > 0);
    off.map(|checked| batch.network.tensor(checked.gradient).name.to_string()).collect()
}

#[test]
fn a_wrong_reduce_is_found() {
    let weight = "grad.conv1.weight";
    for reduction in [BatchReduction::Mean, BatchReduction::Sum] {
        assert_eq!(reported_gradients(reduction, |_, _| None), <[String; 0]>::default());
        // the first sample twice
        assert_eq!(reported_gradients(reduction, |_, name| (name == weight).then_some((0, 1.0))), [weight]);
        // the sum for the mean
        assert_eq!(reported_gradients(reduction, |sample, name| (name == weight).then_some((sample, 2.0))), [weight]);
        // one sample forgotten
        assert_eq!(reported_gradients(reduction, |sample, name| (name == weight && sample == 1).then_some((sample, 0.0))), [weight]);
        // not a number
        assert_eq!(reported_gradients(reduction, |sample, name| (name == weight).then_some((sample, f64::NAN))), [weight]);
    }
}

/// The penalty of a weight is a part of the batch's loss, whether the batch has one sample or two. A gradient without the penalty, or with another λ, is
/// reported.
#[test]
fn a_wrong_penalty_is_found() {
    let text = |samples: usize| {
        let sample = "[[sample]]\ninput = [0.5, -1.25]\ntarget = [1, 0]\n";
        format!(
            "title = \"t\"\nloss = {{ type = \"squared_error\", l2 = 0.25 }}\n{}[[layer]]\ntype = \"linear\"\nweight = [[2, -3], [0.5, 100]]\nbias = [1, 2]\n",
            sample.repeat(samples)
        )
    };
    let verdicts = |samples: usize, gradient_l2: f64| {
        let document = read(&text(samples));
        let (trace, network) = (&document.trace, document.trace.network());
        let numbers: Vec<usize> = (1..=samples).collect();
        let batch = |l2: f64| Batch::new(network, &numbers, BatchLoss { l2, ..BatchLoss::default() }, None, 1);
        let run = |batch: &Batch| {
            let value = |(id, from)| match from {
                BatchSource::Sample(sample, tensor) => (id, trace.run(sample).tensor(network, tensor)),
                BatchSource::Parameter(tensor) | BatchSource::State(_, tensor) => (id, trace.run(0).tensor(network, tensor)),
            };
            Run::new(&batch.network, &batch.network.sources().map(value).collect::<Vec<_>>())
        };
        let (right, spoiling) = (batch(0.25), batch(gradient_l2));
        let id = |batch: &Batch| batch.network.find("grad.fc1.weight").expect("a gradient");
        // the run with the right λ, but with the gradient of the weight from the run with `gradient_l2`
        let spoiled =
            run(&right).with_tensor(&right.network, id(&right), run(&spoiling).tensor(&spoiling.network, id(&spoiling)).as_ref().clone());
        let mut check_of_batch = BatchCheck::new(&right.network, &spoiled).expect("a loss of its own");
        for sample in 0..samples {
            check_of_batch.add(sample, &check(network, trace.run(sample), SOME, |_| true));
        }
        let checked = check_of_batch.finish();
        let of_weight = checked.iter().find(|checked| checked.gradient == id(&right)).expect("the weight");
        [Verdict::Agrees, Verdict::Off].map(|verdict| of_weight.count(verdict))
    };
    // the weight has four entries
    for samples in [1, 2] {
        assert_eq!(verdicts(samples, 0.25), [4, 0], "{samples}");
        assert_eq!(verdicts(samples, 0.125), [0, 4], "{samples}");
        assert_eq!(verdicts(samples, 0.2501), [0, 4], "{samples}");
    }
    assert_eq!(verdicts(2, 0.0), [0, 4]);
}

#[test]
fn a_kink_of_a_sample_is_a_kink_of_the_batch() {
    let text = "title = \"t\"\nloss = { type = \"squared_error\", batch_reduction = \"mean\" }\n\
        [[sample]]\ninput = [0]\ntarget = [1]\n[[sample]]\ninput = [1]\ntarget = [1]\n\
        [[layer]]\ntype = \"linear\"\nweight = [[2]]\nbias = [0]\nactivation = \"relu\"\n";
    let document = read(text);
    let batch_verdict = |name: &str| {
        let found = check_all(&document.trace, CheckOptions::ALL);
        let (_, checked) =
            found.iter().find(|(run, checked)| run.sample.is_none() && &*run.network.tensor(checked.gradient).name == name).unwrap();
        checked.checks[0].verdict
    };
    // z = 2 · 0 + 0 of the first sample is at the kink of the ReLU. A move of the bias leaves the kink; a move of the weight, which multiplies 0, does not
    assert_eq!(batch_verdict("grad.fc1.bias"), Verdict::Kink);
    assert_eq!(batch_verdict("grad.fc1.weight"), Verdict::Agrees);
}
