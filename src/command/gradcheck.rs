//! `gradstep gradcheck`: compares every derivative of iteration 1 with central differences of the loss, and prints a report.

mod table;

use std::io;
use std::num::NonZero;
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use super::Invocation;
use super::format::CommandOutput;
use super::options::{GlobalOptions, parse_count};
use super::progress::{INTERRUPTED, Task};
use super::report::{CommandReport, ReportArguments, write_json};
use super::text_writer::TextWriter;
use crate::app::Document;
use crate::gradcheck::{BatchCheck, CheckOptions, EntryCheck, FLOOR, TOLERANCE, TensorCheck, Verdict, check};
use crate::network::Network;
use crate::number;
use crate::output;
use crate::tensor::{Index, index_text, unravel};
use crate::threads;
use crate::trace::Trace;

/// Compare every derivative with central differences of the loss.
///
/// In iteration 1, compares the derivative of each sample's loss by every entry of every parameter, input and intermediate tensor with a central difference. If
/// there are several samples, also compares the derivative of the batch's loss by every parameter.
///
/// A derivative d is off if it differs from the central difference by more than 1e-6 · max(|d|, |difference|, 1e-3). At a kink (relu at 0, a tie in a
/// max-pool), the loss has two slopes, one on each side. There a derivative is off if it is not between the two slopes. Where several kinks meet, or at a
/// corner such as that of sqrt(x*x) at 0, every derivative is accepted. The exit status is 1 if a derivative is off, or if no derivative could be compared.
#[derive(Debug, Parser)]
pub(super) struct GradcheckCommand {
    #[command(flatten)]
    report: ReportArguments,
    /// Check at most N entries of each tensor, evenly spread [default: all]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    entries: Option<NonZero<usize>>,
}

impl Invocation for GradcheckCommand {
    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let document = Document::new(self.report.load(global)?);
        let options = CheckOptions {
            entries: self.entries.map_or(usize::MAX, NonZero::get),
            threads: NonZero::new(threads::limit()).unwrap_or(NonZero::<usize>::MIN),
        };
        let total = derivatives(&document.trace, options);
        let mut task = Task::new(total)?;
        let report =
            GradcheckReport::new(&document.scenario.title, &document.trace, options, |done| task.go_on(done, || "derivatives".to_owned()));
        task.clear()?;
        let report = match report {
            Ok(report) => report,
            Err(stopped) => {
                let CheckStopped { done, gradient, off } = stopped;
                let mut to = output::stderr();
                writeln!(to, "{}", global.in_charset(&format!("stopped after {done} of {total} derivatives, in {gradient}; {off} off")))?;
                to.finish()?;
                return Ok(ExitCode::from(INTERRUPTED));
            }
        };
        self.report.print(global, output::stdout_without_line_buffer(), &report)?;
        Ok(ExitCode::from(u8::from(!report.passed)))
    }
}

/// The number of derivatives to check, over all samples. Those of the batch are not counted, because they need no differences of their own.
fn derivatives(trace: &Trace, options: CheckOptions) -> u64 {
    let samples = trace.runs().iter().filter(|run| run.sample.is_some());
    samples.map(|run| options.derivatives(&run.network)).sum()
}

/// The report with a row for each tensor. Its fields are the keys of the JSON.
#[derive(Serialize)]
struct GradcheckReport<'a> {
    /// The version of the JSON format.
    format: u8,
    scenario: &'a str,
    /// A derivative d is off if it differs from the central difference c by more than `tolerance · max(|d|, |c|, floor)`.
    tolerance: f64,
    floor: f64,
    passed: bool,
    tensors: Vec<TensorRow>,
}

impl CommandReport for GradcheckReport<'_> {
    fn table(&self, out: &mut TextWriter<'_>) -> io::Result<()> {
        out.text(&self.text())
    }

    fn json(&self, to: &mut CommandOutput) -> io::Result<()> {
        write_json(self, to)
    }
}

/// A row of the report: counts of the checked derivatives by the entries of one tensor. They are derivatives of the losses of all samples, counted together, or
/// of the loss of the batch.
#[derive(Serialize)]
struct TensorRow {
    /// The name of the gradient: `grad.conv1.weight`. For the batch, it begins with `reduce:`.
    name: String,
    /// The number of entries of the tensor, over all samples.
    entries: usize,
    /// The number of entries that were checked.
    checked: usize,
    /// The number of derivatives that are off.
    off: usize,
    /// The number of entries at a kink with an accepted derivative ([`Verdict::Kink`]).
    kinks: usize,
    /// The number of entries near which the loss is not finite.
    not_finite: usize,
    /// The number of entries whose derivative is infinite or NaN, but not wrong: an intermediate derivative is infinite, or overflows.
    undefined: usize,
    /// The number of entries for which the rounding errors of the differences are too large.
    unsettled: usize,
    /// The number of entries within 10⁻⁶ of a kink, but not on it. Their differences do not cross the kink.
    near_kinks: usize,
    worst: Option<WorstEntry>,
    /// `true` for the loss of the batch.
    #[serde(skip)]
    is_reduced: bool,
}

/// The entry with the largest error. Any entry that is off comes before all others.
#[derive(Serialize)]
struct WorstEntry {
    /// The address of the derivative.
    at: String,
    /// The number of the sample, from 1; `None` for the batch.
    sample: Option<usize>,
    index: Index,
    #[serde(serialize_with = "number::json")]
    derivative: f64,
    /// The central difference of the loss.
    #[serde(serialize_with = "number::json")]
    difference: f64,
    /// The relative error of the derivative d for the difference c: |d − c| / max(|d|, |c|, [`FLOOR`]).
    #[serde(serialize_with = "number::json")]
    error: f64,
    #[serde(skip)]
    is_off: bool,
}

/// The counts when Ctrl-C stopped the check.
#[derive(Debug)]
struct CheckStopped {
    /// The number of checked derivatives.
    done: usize,
    /// The address of the gradient that was being checked.
    gradient: String,
    /// The number of derivatives that are off.
    off: usize,
}

/// The prefix of the batch's tensors in addresses.
const REDUCE: &str = "reduce:";

impl<'a> GradcheckReport<'a> {
    /// Checks all derivatives. `go_on` gets the number of derivatives that are done. If it returns `false`, the check stops.
    fn new(scenario: &'a str, trace: &Trace, options: CheckOptions, mut go_on: impl FnMut(u64) -> bool) -> Result<Self, CheckStopped> {
        let several = trace.samples() > 1;
        let batch_run = trace.runs().iter().find(|run| run.sample.is_none());
        let mut batch_check = batch_run.and_then(|batch| Some((batch, BatchCheck::new(&batch.network, &batch.run)?)));
        let mut tensors: Vec<TensorRow> = Vec::new();
        // the number of derivatives of earlier samples, and whether `go_on` has returned `false`
        let (mut done_before, mut stopped) = (0, false);
        let samples = trace.runs().iter().filter_map(|run| Some((run, run.sample? + 1)));
        for (position, (run, sample)) in samples.enumerate() {
            let network = &*run.network;
            let tensor_checks = check(network, &run.run, options, |done| {
                stopped |= !go_on(done_before + done);
                !stopped
            });
            done_before += options.derivatives(network);
            let prefix = if several { format!("{sample}:") } else { String::new() };
            for (n, checked) in tensor_checks.iter().enumerate() {
                // the rows are added while the first sample is checked
                if n == tensors.len() {
                    tensors.push(TensorRow::new(network.tensor(checked.gradient).name.to_string()));
                }
                tensors[n].add(network, Some(sample), &prefix, checked);
            }
            let incomplete = tensor_checks.iter().find(|checked| checked.checks.len() < checked.wanted);
            if let Some(incomplete) = incomplete {
                let sum = |count: fn(&TensorRow) -> usize| tensors.iter().map(count).sum();
                let gradient = format!("{prefix}{}", network.tensor(incomplete.gradient).name);
                return Err(CheckStopped { done: sum(|row| row.checked), gradient, off: sum(|row| row.off) });
            }
            if let Some((_, batch_check)) = &mut batch_check {
                batch_check.add(position, &tensor_checks);
            }
        }
        if let Some((batch, batch_check)) = batch_check {
            for checked in batch_check.finish() {
                let mut row = TensorRow::new(format!("{REDUCE}{}", batch.network.tensor(checked.gradient).name));
                row.is_reduced = true;
                row.add(&batch.network, None, REDUCE, &checked);
                tensors.push(row);
            }
        }
        // if nothing could be compared, for example because the loss is not finite, the check has not passed
        let passed = tensors.iter().all(|row| row.off == 0) && tensors.iter().any(|row| row.agreeing() + row.kinks > 0);
        Ok(Self { format: 1, scenario, tolerance: TOLERANCE, floor: FLOOR, passed, tensors })
    }
}

impl TensorRow {
    /// Returns a row without derivatives.
    fn new(name: String) -> Self {
        Self {
            name,
            entries: 0,
            checked: 0,
            off: 0,
            kinks: 0,
            not_finite: 0,
            undefined: 0,
            unsettled: 0,
            near_kinks: 0,
            worst: None,
            is_reduced: false,
        }
    }

    /// Returns the number of derivatives that agree with the central difference.
    fn agreeing(&self) -> usize {
        self.checked - self.off - self.kinks - self.not_finite - self.undefined - self.unsettled
    }

    /// Adds the derivatives of a sample, or of the batch. `prefix` is the beginning of their addresses: empty, `2:` or `reduce:`.
    fn add(&mut self, network: &Network, sample: Option<usize>, prefix: &str, checked: &TensorCheck) {
        self.entries += checked.entries;
        self.checked += checked.checks.len();
        self.off += checked.count(Verdict::Off);
        self.kinks += checked.count(Verdict::Kink);
        self.not_finite += checked.count(Verdict::NotFinite);
        self.undefined += checked.count(Verdict::Undefined);
        self.unsettled += checked.count(Verdict::Unsettled);
        self.near_kinks += checked.near_kinks();
        let Some(&EntryCheck { at: entry, derivative, difference, error, verdict, .. }) = checked.worst() else { return };
        let is_off = verdict == Verdict::Off;
        if self.worst.as_ref().is_none_or(|worst| (is_off, error) > (worst.is_off, worst.error)) {
            let info = network.tensor(checked.gradient);
            let index = unravel(entry, &info.shape);
            let at = format!("{prefix}{}{}", info.name, index_text(&index));
            self.worst = Some(WorstEntry { at, sample, index, derivative, difference, error, is_off });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::network::{Batch, BatchSource, Builder, GraphLeaf, GraphText, Id, IterationRun, LayersBuilder, Node, Role, Run};
    use crate::op::elementwise::{Elementwise, ElementwiseOperand};
    use crate::op::layer::{A, Layer, Leaf, Stage, StageSource, WEIGHT};
    use crate::op::loss::{BatchReduction, Loss};
    use crate::op::mismatch::Mismatch;
    use crate::op::operator::{self, Operator};
    use crate::op::rule::{Equation, Factors, Function, Operands, Rule, Term, Use, constant, elementwise_use, entry, one_term_each};
    use crate::op::seed::Seed;
    use crate::op::slot::Slot;
    use crate::tensor::from_flat;

    /// The function y = 3 x, with the given number as its derivative instead of 3.
    #[derive(Debug)]
    struct Tripled(f64);

    /// The loss C = a.
    #[derive(Debug)]
    struct IdentityLoss;

    impl Function for IdentityLoss {
        fn shape(&self, _inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
            Ok(Vec::new())
        }

        fn forward(&self) -> Arc<dyn Rule> {
            Arc::new(Times(1.0, Slot::Input(0)))
        }

        fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
            (slot == 0).then(|| Arc::new(Seed) as Arc<dyn Rule>)
        }
    }

    /// A number times the operand in a slot.
    #[derive(Debug)]
    struct Times(f64, Slot);

    impl Function for Tripled {
        fn forward(&self) -> Arc<dyn Rule> {
            Arc::new(Times(3.0, Slot::Input(0)))
        }

        fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
            Some(Arc::new(Times(self.0, Slot::Upstream)))
        }
    }

    impl Rule for Times {
        fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
            for (at, sum) in out.iter_mut().enumerate() {
                *sum += self.term(x, at, 0).value;
            }
        }

        fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
            one_term_each(entry)
        }

        fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
            Term::product(Factors::from_iter([constant(self.0), entry(x, self.1, at)]))
        }

        fn uses(&self, _x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
            elementwise_use(at)
        }

        fn equation(&self) -> Equation {
            Equation::default()
        }
    }

    /// Checks that the JSON of a report has the fields of the schema.
    fn assert_documented(report: &GradcheckReport<'_>) {
        let schema = serde_json::from_str(include_str!("../../docs/gradcheck.schema.json")).expect("JSON");
        let report = serde_json::to_value(report).expect("JSON");
        assert!(jsonschema::is_valid(&schema, &report), "{report:#}");
    }

    /// Checks a layer y = 3 x + 3 w on two samples. Returns the table, and whether the check passed.
    ///
    /// The backward pass uses `derivative` instead of 3. The gradients of the batch are multiplied by `factor`, so `table(3.0, 1.0)` has no error.
    fn table(derivative: f64, factor: f64) -> (String, bool) {
        let mut chain = LayersBuilder::new(&[1]);
        let tripled = || Arc::new(Tripled(derivative));
        let a = Stage::new(A).with_part(tripled(), [StageSource::Input(0)]).with_part(tripled(), [StageSource::Parameter(0)]);
        let parameters = vec![Leaf { symbols: WEIGHT, shape: vec![1], value: from_flat(&[1], vec![0.25]) }];
        let from_input = [None];
        chain.layer("act1", "activation", Layer { parameters, stages: vec![a] }, &from_input).expect("one shape");
        let loss = Loss { function: Arc::new(IdentityLoss), reads_z: false, closed_formula: None, target: None };
        let network = Arc::new(chain.finish(loss));
        let given =
            |role, value| -> (Id, _) { (network.with_role(role).next().expect("of this role"), Arc::new(from_flat(&[1], vec![value]))) };
        let runs = [0.5, 2.0].map(|x| Run::new(&network, &[given(Role::Input { learns: false }, x), given(Role::Target, 0.0)]));
        let (update, iteration) = (None, 1);
        let batch = Batch::new(&network, &[1, 2], BatchReduction::Mean.into(), update, iteration);
        let reads = batch.network.sources().map(|(id, from)| {
            let BatchSource::Sample(sample, of) = from else { unreachable!("nothing is updated") };
            let factor_of_tensor = if network.loss() == of { 1.0 } else { factor };
            (id, Arc::new(runs[sample].tensor(&network, of).as_ref() * factor_of_tensor))
        });
        let run = Run::new(&batch.network, &reads.collect::<Vec<_>>());
        let samples = runs.into_iter().enumerate();
        let samples = samples.map(|(sample, run)| IterationRun { network: Arc::clone(&network), run: Arc::new(run), sample: Some(sample) });
        let runs = samples.chain([IterationRun { network: batch.network, run: Arc::new(run), sample: None }]);
        let trace = Trace::of_iteration(1, runs.collect());
        let never_stop = |_| true;
        let report = GradcheckReport::new("y = 3 x + 3 w", &trace, CheckOptions::ALL, never_stop).expect("the end");
        assert_documented(&report);
        (report.text(), report.passed)
    }

    #[test]
    fn a_wrong_derivative_is_named_with_its_numbers() {
        // 7 derivatives: ∂C/∂y, ∂C/∂x and ∂C/∂w for each of the two samples, and ∂C/∂w for the batch. All except the two ∂C/∂y use `derivative`
        let (right, passed) = table(3.0, 1.0);
        assert!(passed && right.contains("7 of 7 derivatives agree"), "{right}");
        let (wrong, passed) = table(4.0, 1.0);
        assert!(!passed && wrong.contains("5 of 7 derivatives off"), "{wrong}");
        for line in ["1:grad.input[0] is 4, by differences 3", "reduce:grad.act1.weight[0] is 4, by differences 3"] {
            assert!(wrong.contains(line), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_reduce_is_named_with_its_numbers() {
        // only ∂C/∂w of the batch is wrong: 2 · 3
        let (wrong, passed) = table(3.0, 2.0);
        assert!(!passed && wrong.contains("1 of 7 derivatives off"), "{wrong}");
        assert!(wrong.contains("reduce:grad.act1.weight[0] is 6, by differences 3"), "{wrong}");
    }

    /// Checks a function at 0. Returns the table, and whether the check passed.
    fn table_at_0(function: &'static str) -> (String, bool) {
        let called = Operator::Call(operator::find(function).expect("a function"));
        let function = Arc::new(Elementwise::new(called, &[ElementwiseOperand::Input(0)]));
        let node = Node::new("J", function, &[0]);
        // the list of inputs and nodes is x, J
        let output = 1;
        let x = GraphLeaf { name: "x".into(), value: Arc::new(from_flat(&[], vec![0.0])), is_differentiated: true };
        let graph = Builder::graph(vec![x], vec![node], output, GraphText::default());
        let network = Arc::new(graph.expect("numbers fit each other"));
        let run = Run::new(&network, &[]);
        let trace = Trace::new(network, vec![run]);
        let never_stop = |_| true;
        let report = GradcheckReport::new("f(0)", &trace, CheckOptions::ALL, never_stop).expect("the end");
        (report.text(), report.passed)
    }

    #[test]
    fn a_kink_is_counted_and_the_check_passes() {
        let (table, passed) = table_at_0("abs");
        assert!(passed && table.contains("1 is at a kink"), "{table}");
    }

    #[test]
    fn a_check_without_any_comparison_does_not_pass() {
        // the derivatives are ∂J/∂x and ∂J/∂J; J = log 0 is infinite
        let (table, passed) = table_at_0("log");
        assert!(!passed && table.contains("none of 2 derivatives could be compared"), "{table}");
    }
}
