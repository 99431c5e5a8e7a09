//! Checks of all steps of a trace: the terms of an entry, added in the order of their steps, give the bits of the entry, and the trace finds a step by its
//! number, its address, its units and the entries that it reads.

use std::collections::{BTreeSet, HashMap};

use gradstep::expr::{Expr, LOG};
use gradstep::network::{Id, IterationRun, Network, Run};
use gradstep::op::counted_zero::{LEFT_OUT, NOT_CHOSEN};
use gradstep::op::rule::MAX_NAMED;
use gradstep::step::{Address, Factor, Kind, Location, Pass, Step, Unit};
use gradstep::tensor::{Places, len, unravel};
use gradstep::trace::{Position, Progress, TermRead, Trace};

/// Returns whether two numbers have the same bits, or are both NaN.
pub fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// Returns whether two values of log a agree, for the output a of a sigmoid or softmax. `log_of_output` is computed from a, which is rounded. gradstep computes
/// `logarithm` from the input z, so it is more exact: the two may differ for a small a. `logarithm` is 0 if the loss does not need it.
fn is_near(log_of_output: f64, logarithm: f64) -> bool {
    logarithm == 0.0 || (log_of_output - logarithm).abs() < 1e-7 || (log_of_output < -14.0 && logarithm < -13.0) || log_of_output.is_nan()
}

macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(format!($($text)+));
        }
    };
}

/// Checks every step of a trace.
///
/// # Errors
/// The first violation and its place.
pub fn check_trace(trace: &Trace) -> Result<(), String> {
    // the steps that read an entry, and the number of steps that compute it, by run, tensor and entry
    let mut readers: HashMap<(usize, Id, usize), BTreeSet<u64>> = HashMap::new();
    let mut step_counts: HashMap<(usize, Id, usize), u64> = HashMap::new();
    let mut previous: Option<(Step, Position)> = None;
    for k in 1..=trace.len() {
        let (step, at) = check_alone(trace, k)?;
        check_order(trace, &step, &at, previous.as_ref())?;
        for (tensor, entry) in entries_read(trace, &step, &at) {
            readers.entry((at.run_index, tensor, entry)).or_default().insert(k);
        }
        *step_counts.entry((at.run_index, trace.op_at(&at).output, at.entry)).or_default() += 1;
        previous = Some((step, at));
    }
    if let Some((step, _)) = &previous {
        ensure!(step.term == step.terms, "the trace ends within an entry");
    }
    ensure!(trace.get(0).is_none() && trace.get(trace.len() + 1).is_none(), "there are steps past the ends");
    for run in 0..trace.runs().len() {
        for (id, info) in trace.network_of(run).tensors().iter().enumerate() {
            for entry in 0..len(&info.shape) {
                let expected: Vec<u64> = readers.remove(&(run, id, entry)).into_iter().flatten().collect();
                check_entry(trace, (run, id, entry), &expected, step_counts.get(&(run, id, entry)).copied().unwrap_or(0))?;
            }
        }
    }
    check_counts(trace)?;
    check_work(trace)?;
    check_paths(trace)?;
    check_edges(trace)
}

/// Checks that the products along the paths to a node of a graph add up to the node's derivative, except for rounding. Only single numbers have paths.
fn check_paths(trace: &Trace) -> Result<(), String> {
    for (run_index, run) in trace.runs().iter().enumerate() {
        let network = trace.network_of(run_index);
        for (id, info) in network.tensors().iter().enumerate().filter(|_| !network.reads_samples()) {
            let paths = trace.paths(run_index, id);
            let Some(gradient) = network.gradient_of(id).filter(|_| !paths.is_empty()) else { continue };
            ensure!(len(&info.shape) == 1, "{} has several entries, but paths", info.name);
            let derivative = run.run.values(gradient)[0];
            let (sum, size) = paths.iter().fold((0.0, 0.0), |(sum, size), path| (sum + path.product, size + path.product.abs()));
            let is_near = (derivative - sum).abs() <= 1e-9 * size || !sum.is_finite() || !derivative.is_finite();
            ensure!(is_near, "the paths to {} add up to {sum}, its derivative is {derivative}: {paths:?}", info.name);
        }
    }
    Ok(())
}

/// Checks that the trace lists `readers` as the steps that read an entry, and that it has `count` steps that compute the entry.
fn check_entry(trace: &Trace, (run, id, entry): (usize, Id, usize), readers: &[u64], count: u64) -> Result<(), String> {
    let name = &trace.network_of(run).tensor(id).name;
    let uses = trace.uses(run, id, entry);
    let steps: Vec<u64> = uses.iter().map(|found| found.step).collect();
    ensure!(steps == readers, "{name}[{entry}] is read by steps {readers:?}, not {steps:?}");
    for found in uses {
        let span = trace.entry_steps(run, found.tensor, found.entry).unwrap_or(0..0);
        ensure!(span.contains(&found.step), "step {} does not compute the entry that uses() gives for it", found.step);
    }
    let Some(span) = trace.entry_steps(run, id, entry) else { return Ok(()) };
    ensure!(span.end - span.start == count, "{name}[{entry}] has {count} steps, not {span:?}");
    let value = trace.run(run).values(id)[entry];
    ensure!(count > 0 || same(value, 0.0), "{name}[{entry}] has no steps, but it is {value:?}");
    Ok(())
}

/// Checks that the estimated work of an op is at least its number of terms: an estimate that is too small would run a long op without a job.
fn check_work(trace: &Trace) -> Result<(), String> {
    trace.runs().iter().try_for_each(|run| check_work_of(&run.network, &run.run))
}

fn check_work_of(network: &Network, run: &Run) -> Result<(), String> {
    for (number, op) in network.ops().iter().enumerate() {
        let entries = len(&network.tensor(op.output).shape);
        for (part, (rule, x)) in op.parts.iter().zip(run.parts(op, number)) {
            let operands = part.operands.map(|id| run.values(id).len());
            let (work, terms) = (rule.work(&operands, entries), rule.prefix_terms(&x, entries));
            ensure!(work >= terms, "{} has {terms} terms, but its estimated work is {work}", network.tensor(op.output).name);
        }
    }
    Ok(())
}

/// Checks a step by itself, and against the step before it.
///
/// # Errors
/// The first violation and its place.
pub fn check_step(trace: &Trace, k: u64) -> Result<(), String> {
    let (step, at) = check_alone(trace, k)?;
    let previous = if k > 1 { Some(check_alone(trace, k - 1)?) } else { None };
    check_order(trace, &step, &at, previous.as_ref())?;
    for (tensor, entry) in entries_read(trace, &step, &at) {
        ensure!(
            trace.uses(at.run_index, tensor, entry).iter().any(|found| found.step == k),
            "step {k} reads {tensor}[{entry}], but is not among the uses of this entry"
        );
    }
    let output = trace.op_at(&at).output;
    let span = trace.entry_steps(at.run_index, output, at.entry);
    ensure!(span.as_ref().is_some_and(|span| span.contains(&k)), "step {k} is not among the steps of its entry");
    Ok(())
}

/// The value of a step that takes a maximum or minimum. A NaN among the values is the result.
fn selected(step: &Step, values: &[f64]) -> Option<f64> {
    let is_minimum = step.function.is_some_and(|function| function.name == "min");
    let beats = |x: f64, best: f64| if is_minimum { x < best } else { x > best };
    values.iter().copied().reduce(|best, x| if beats(x, best) || (x.is_nan() && !best.is_nan()) { x } else { best })
}

/// Checks a step by itself: number, value, factors, address.
fn check_alone(trace: &Trace, k: u64) -> Result<(Step, Position), String> {
    let at = trace.position(k).ok_or_else(|| format!("there is no step {k} of {}", trace.len()))?;
    let step = trace.get(k).ok_or_else(|| format!("there is no step {k}"))?;
    let IterationRun { network, run, sample } = &trace.runs()[at.run_index];
    let output = network.tensor(trace.op_at(&at).output);
    let name = format!("step {k}, {}[{}]#{}", output.name, at.entry, step.term);
    ensure!(
        (step.step, step.iteration, step.sample) == (k, 1, sample.map(|sample| sample + 1)),
        "{name} says that it is step {}",
        step.step
    );
    ensure!((at.step, at.term + 1, at.terms) == (k, step.term, step.terms), "{name} and its position disagree");
    ensure!(step.op == output.name && step.index == unravel(at.entry, &output.shape), "{name} says {}{:?}", step.op, step.index);
    ensure!((1..=step.terms).contains(&step.term), "{name} is not one of {} terms", step.terms);

    // a factor with a slice stands for all entries of the slice; the factor before it is one of them
    let values_of = |factor: &Factor| match (factor.slice, factor.source) {
        (Some(places), Some(source)) => places.each().map(|at| run.values(source.tensor)[at]).collect(),
        _ => vec![factor.value],
    };
    let values: Vec<f64> = step.factors.iter().flat_map(values_of).collect();
    let arguments = step.factors.iter().map(|factor| factor.slice.map_or(1, Places::len)).max().unwrap_or(0);
    // only a slice of more than `MAX_NAMED` entries is one factor
    ensure!(arguments == 1 || arguments > MAX_NAMED && step.factors.len() == 2, "{name} names {arguments} arguments at once");
    ensure!(step.factors.len() <= MAX_NAMED, "{name} names {} arguments one by one", step.factors.len());
    let value = match step.kind {
        Kind::Product => values.iter().copied().reduce(|product, factor| product * factor),
        Kind::Copy if values.len() == 1 => values.first().copied(),
        // 0 · −∞ in a loss counts as 0
        Kind::Select if step.function == Some(LEFT_OUT) => (step.pass == Pass::Loss && values.contains(&0.0)).then_some(0.0),
        // the mask chose the other operand
        Kind::Select if step.function == Some(NOT_CHOSEN) => (step.pass == Pass::Backward && values == [0.0]).then_some(0.0),
        Kind::Select => selected(&step, &values),
        Kind::Apply => Some(step.value),
        Kind::Copy => None,
    };
    ensure!(value.is_some_and(|value| same(value, step.value)), "{name} is {:?}, but {:?} of {values:?}", step.value, step.kind);
    ensure!(step.function.is_some() == matches!(step.kind, Kind::Apply | Kind::Select), "{name}: only a function has a function's name");
    for factor in &step.factors {
        let (Some(source), None) = (factor.source, factor.derived) else { continue };
        let info = network.tensor(source.tensor);
        ensure!(factor.name.as_ref() == Some(&info.name), "{name} calls {} {:?}", info.name, factor.name);
        if let Some(places) = factor.slice {
            let first = step.factors[0].source.map(|source| source.at);
            ensure!(first.is_some_and(|at| places.contains(at)), "{name}: its first argument {first:?} is none of {places:?}");
            continue;
        }
        ensure!(factor.index == unravel(source.at, &info.shape), "{name} has a factor at a wrong index");
        let entry = run.values(source.tensor)[source.at];
        ensure!(same(entry, factor.value), "{name}: {}[{}] is {entry:?}, not {:?}", info.name, source.at, factor.value);
    }
    let operands = &trace.op_at(&at).parts[trace.part_at(&at)].operands;
    for factor in &step.factors {
        let (Some(source), Some(expr)) = (factor.source, factor.derived) else { continue };
        let Some(value) = expr.value(&|slot| run.values(operands[slot])[source.at]) else { continue };
        let is_log_from_z = matches!(expr, Expr::Of(function, _) if *function == LOG) && is_near(value, factor.value);
        ensure!(same(value, factor.value) || is_log_from_z, "{name}: {expr:?} is {value:?}, not {:?}", factor.value);
    }
    ensure!(trace.sources(&at, at.term).as_slice() == sources(trace, &step, &at), "{name}: its sources are not its factors'");

    check_reads(trace, network, &at, &name)?;
    let address = trace.address(&at).to_string();
    let found = address.parse::<Address>().map_err(|error| error.to_string()).and_then(|address| trace.resolve(&address));
    ensure!(found == Ok(k), "{name} has the address {address}, which is {found:?}");
    ensure!(trace.resolve(&Location::Step(k).into()) == Ok(k), "{name} is not found by its number");

    let entry = run.values(trace.op_at(&at).output)[at.entry];
    let progress = trace.progress(&at, trace.op_at(&at).output, at.entry);
    if step.term == step.terms {
        ensure!(same(step.sum, entry), "{name}: the last sum is {:?}, the entry {entry:?}", step.sum);
        ensure!(matches!(progress, Progress::Done(value) if same(value, entry)), "{name} is done, not {progress:?}");
    } else {
        ensure!(matches!(progress, Progress::Partial(sum) if same(sum, step.sum)), "{name} is at {}, not {progress:?}", step.sum);
    }
    Ok((step, at))
}

/// Checks that each source of a step's term is found among the reads of its op.
fn check_reads(trace: &Trace, network: &Network, at: &Position, name: &str) -> Result<(), String> {
    for (tensor, place) in trace.sources(at, at.term) {
        // `term_reads` has two algorithms: one for a single position, and one for all positions
        let all_places: Vec<usize> = (0..len(&network.tensor(tensor).shape)).collect();
        for asked in [&all_places[place..=place], &all_places] {
            let is_this_term = |found: &&TermRead| found.term == at.term && found.place == place;
            let found = trace.term_reads(at, tensor, asked);
            ensure!(
                found.iter().filter(is_this_term).count() == 1,
                "{name} reads {tensor}[{place}] among {}, which is not known",
                asked.len()
            );
        }
    }
    Ok(())
}

/// Checks a step against the step before it: the running sum, the order, the units.
fn check_order(trace: &Trace, step: &Step, at: &Position, previous: Option<&(Step, Position)>) -> Result<(), String> {
    let k = step.step;
    let entry_of = |at: &Position| (at.run_index, at.op, at.entry);
    let Some((before, at_before)) = previous else {
        ensure!(step.term == 1 && k == 1, "the first step is not a first term");
        ensure!(same(step.sum, step.value), "step {k}: the first sum is {:?}, not {:?}", step.sum, step.value);
        return Unit::ALL.iter().try_for_each(|unit| {
            ensure!(trace.span(1, *unit).start == 1, "the first {} does not begin with the first step", unit.name());
            Ok(())
        });
    };
    if step.term == 1 {
        ensure!(same(step.sum, step.value), "step {k}: the first sum is {:?}, not {:?}", step.sum, step.value);
        ensure!(before.term == before.terms && entry_of(at_before) < entry_of(at), "step {k} begins an entry before the last one is done");
        ensure!(before.pass <= step.pass, "step {k}: {:?} comes after {:?}", step.pass, before.pass);
    } else {
        let sum = before.sum + step.value;
        ensure!(
            same(step.sum, sum),
            "step {k}: the earlier sum {:?} and the term {:?} add up to {sum:?}, not {:?}",
            before.sum,
            step.value,
            step.sum
        );
        ensure!(
            entry_of(at_before) == entry_of(at) && before.term + 1 == step.term && before.terms == step.terms,
            "step {k} is not the next term"
        );
    }
    let mut finer = k..k + 1;
    for unit in Unit::ALL {
        let (span, span_before) = (trace.span(k, unit), trace.span(k - 1, unit));
        let is_same_unit = match unit {
            Unit::Step => false,
            Unit::Entry => entry_of(at_before) == entry_of(at),
            Unit::Op => (at_before.run_index, at_before.op) == (at.run_index, at.op),
            Unit::Pass => (at_before.run_index, before.pass) == (at.run_index, step.pass),
            Unit::Sample => at_before.run_index == at.run_index,
            Unit::Iteration => true,
        };
        ensure!(span.start <= finer.start && finer.end <= span.end, "step {k}: its {} {span:?} does not contain {finer:?}", unit.name());
        ensure!(
            if is_same_unit { span_before == span } else { span_before.end == span.start },
            "step {k}: its {} is {span:?} after {span_before:?}",
            unit.name()
        );
        finer = span;
    }
    ensure!(finer == (1..trace.len() + 1), "the iteration is {finer:?}");
    Ok(())
}

/// The entries that the factors of a step come from: the entry of each factor and, if the factor is derived from several tensors, the entries of these tensors
/// at the same position.
fn sources(trace: &Trace, step: &Step, at: &Position) -> Vec<(Id, usize)> {
    let operands = &trace.op_at(at).parts[trace.part_at(at)].operands;
    let shape = |tensor: Id| &trace.network_of(at.run_index).tensor(tensor).shape;
    let mut sources = Vec::new();
    for factor in &step.factors {
        let Some(source) = factor.source else { continue };
        if let Some(places) = factor.slice {
            sources.extend(places.each().map(|at| (source.tensor, at)));
            continue;
        }
        sources.push((source.tensor, source.at));
        let Some(expr) = factor.derived else { continue };
        expr.visit(&mut |slot, is_whole| {
            let tensor = operands[slot];
            if !is_whole && tensor != source.tensor && shape(tensor) == shape(source.tensor) {
                sources.push((tensor, source.at));
            }
        });
    }
    sources
}

/// The entries that a step reads. A factor is an entry, or it is computed from entries: `relu′(z)` from an entry of z, `sum(t)` from all entries of t.
fn entries_read(trace: &Trace, step: &Step, at: &Position) -> BTreeSet<(Id, usize)> {
    let operands = &trace.op_at(at).parts[trace.part_at(at)].operands;
    let mut read = BTreeSet::new();
    for factor in &step.factors {
        let Some(source) = factor.source else { continue };
        let Some(expr) = factor.derived else {
            let single = Places { first: source.at, counts: [1, 1], steps: [0, 0] };
            read.extend(factor.slice.unwrap_or(single).each().map(|at| (source.tensor, at)));
            continue;
        };
        expr.visit(&mut |slot, is_whole| {
            let tensor = operands[slot];
            let entries = len(&trace.network_of(at.run_index).tensor(tensor).shape);
            read.extend(if is_whole { 0..entries } else { source.at..source.at + 1 }.map(|entry| (tensor, entry)));
        });
    }
    read
}

/// Checks that each entry has the number of terms that its rule reports.
///
/// # Errors
/// The first tensor with another number.
pub fn check_counts(trace: &Trace) -> Result<(), String> {
    trace.runs().iter().try_for_each(|run| check_counts_of(&run.network, &run.run))
}

fn check_counts_of(network: &Network, run: &Run) -> Result<(), String> {
    for (number, op) in network.ops().iter().enumerate() {
        let info = network.tensor(op.output);
        for (rule, x) in run.parts(op, number) {
            let Some(each) = rule.terms_per_entry() else { continue };
            let agrees = (0..=len(&info.shape)).all(|entry| rule.prefix_terms(&x, entry) == entry as u64 * each);
            ensure!(agrees, "not every entry of {} has {each} terms", info.name);
        }
    }
    Ok(())
}

/// Checks that a linear or convolutional layer has as many products in the forward pass as in the derivatives of its weights and of its inputs: one for each
/// edge, which is an entry of the input, an entry of the output, and the weight between them.
///
/// # Errors
/// The first tensor with too many or too few terms.
pub fn check_edges(trace: &Trace) -> Result<(), String> {
    let (network, run) = (trace.network(), trace.run(0));
    for layer in network.layers().iter().filter(|layer| matches!(layer.kind, "linear" | "conv2d" | "conv_transpose2d")) {
        let missing = || format!("{} has no z, or no gradient", layer.name);
        let z = network.find(&format!("{}.z", layer.name)).and_then(|z| network.producer(z)).ok_or_else(missing)?;
        let op = &network.ops()[z];
        let (rule, x) = run.part(op, z, 0);
        let forward = rule.prefix_terms(&x, len(&network.tensor(op.output).shape));
        let bias = if op.parts.len() > 1 { len(&network.tensor(op.output).shape) as u64 } else { 0 };
        let count = |id: Id| trace.ops().find(|(run, tensor, _)| (*run, *tensor) == (0, id)).map_or(0, |(.., span)| span.end - span.start);
        ensure!(count(op.output) == forward + bias, "{} has {} forward steps, not {forward} + {bias}", layer.name, count(op.output));
        for read in op.parts[0].operands.iter() {
            let gradient = network.gradient_of(*read).ok_or_else(missing)?;
            // if several layers read a tensor, its gradient has a part for each layer: only the part of this layer counts
            let number = network.producer(gradient).ok_or_else(missing)?;
            let parts = network.ops()[number].parts.iter().zip(run.parts(&network.ops()[number], number));
            let own = parts.filter(|(part, _)| part.operands.contains(&op.output));
            let backward: u64 = own.map(|(_, (rule, x))| rule.prefix_terms(&x, len(&network.tensor(gradient).shape))).sum();
            ensure!(forward == backward, "{}: {forward} steps forwards, {backward} for {}", layer.name, network.tensor(gradient).name);
        }
    }
    Ok(())
}
