//! `gradstep gradcheck`: every derivative of iteration 1's samples against central differences of the loss.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::look::Global;
use super::source::Shelf;
use crate::app::Lesson;
use crate::network::{Checked, Compared, FLOOR, Network, TOLERANCE, Verdict, check};
use crate::output;
use crate::step::number;
use crate::tensor::{Index, unravel};
use crate::trace::Trace;
use crate::ui::number::exact;

/// Entries of one tensor that are looked at, for each sample.
const MOST: usize = 200;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Exit status 1 when a derivative is off by more than 1e-6 (relative, or absolute by 1e-9 where that is more).
///
/// Of a large tensor 200 entries are checked, always the same. Where the loss has a kink (relu at 0, a tie in a max-pool) there is no
/// derivative: that is said, and is no fault.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A path, a bundled scenario's name, or - for the standard input
    scenario: OsString,
    /// How to print it
    #[arg(long, default_value = "table")]
    format: Format,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    let shelf = Shelf { limits: global.limits(), files: true };
    let lesson = Lesson::new(shelf.scenario(&arguments.scenario)?);
    let report = Report::of(&lesson.scenario.title, &lesson.trace);
    let mut to = output::stdout();
    match arguments.format {
        Format::Json => {
            serde_json::to_writer(to.raw(), &report).map_err(io::Error::from)?;
            to.raw().write_all(b"\n")?;
        }
        Format::Table => to.text(&global.text(&report.table()))?,
    }
    to.finish()?;
    Ok(ExitCode::from(u8::from(!report.passed)))
}

#[derive(Serialize)]
struct Report<'a> {
    format: u8,
    scenario: &'a str,
    tolerance: f64,
    floor: f64,
    passed: bool,
    tensors: Vec<Row<'a>>,
}

/// One tensor of derivatives, over all samples.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    entries: usize,
    checked: usize,
    off: usize,
    kinks: usize,
    not_finite: usize,
    unsettled: usize,
    worst: Option<Worst>,
}

#[derive(Serialize)]
struct Worst {
    at: String,
    /// In the file, from 1.
    sample: usize,
    index: Index,
    #[serde(serialize_with = "number")]
    derivative: f64,
    #[serde(serialize_with = "number")]
    difference: f64,
    #[serde(serialize_with = "number")]
    error: f64,
}

impl<'a> Report<'a> {
    fn of(scenario: &'a str, trace: &'a Trace) -> Self {
        let network = trace.network();
        let mut tensors: Vec<Row<'a>> = Vec::new();
        for stretch in trace.stretches() {
            let Some(sample) = stretch.sample.map(|sample| sample + 1) else { continue };
            for (n, checked) in check(network, &stretch.run, MOST).iter().enumerate() {
                if n == tensors.len() {
                    tensors.push(Row::of(&network.tensor(checked.gradient).name));
                }
                tensors[n].add(network, sample, trace.samples() > 1, checked);
            }
        }
        let passed = tensors.iter().all(|row| row.off == 0);
        Self { format: 1, scenario, tolerance: TOLERANCE, floor: FLOOR, passed, tensors }
    }

    fn table(&self) -> String {
        let mut rows = vec![["tensor", "entries", "error", "worst entry", ""].map(str::to_owned)];
        rows.extend(self.tensors.iter().map(Row::cells));
        let wide = [0, 1, 2, 3].map(|column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
        let [a, b, c, d] = wide;
        let mut lines = vec![self.scenario.to_owned(), String::new()];
        lines.extend(rows.iter().map(|[name, entries, error, at, rest]| {
            format!("{name:<a$}  {entries:>b$}  {error:>c$}  {at:<d$}  {rest}").trim_end().to_owned()
        }));
        lines.push(String::new());
        let total = |count: fn(&Row<'_>) -> usize| self.tensors.iter().map(count).sum::<usize>();
        let (checked, off) = (total(|row| row.checked), total(|row| row.off));
        let apart = total(|row| row.kinks + row.not_finite + row.unsettled);
        let agree = checked - apart - off;
        lines.push(if self.passed {
            format!("{agree} of {checked} derivatives agree with central differences within {TOLERANCE:e}")
        } else {
            format!("{off} of {checked} derivatives are off: they differ from central differences by more than {TOLERANCE:e}")
        });
        if apart > 0 {
            let why = if total(|row| row.kinks) > 0 { ": at a kink there is no derivative, only a convention" } else { "" };
            lines.push(format!("{apart} could not be compared{why}"));
        }
        lines.push(format!("errors are relative to the derivative, or to {FLOOR:e} where it is smaller"));
        lines.push(String::new());
        lines.join("\n")
    }
}

impl<'a> Row<'a> {
    fn of(name: &'a str) -> Self {
        Self { name, entries: 0, checked: 0, off: 0, kinks: 0, not_finite: 0, unsettled: 0, worst: None }
    }

    fn add(&mut self, network: &Network, sample: usize, several: bool, checked: &Checked) {
        self.entries += checked.entries;
        self.checked += checked.compared.len();
        self.off += checked.count(Verdict::Off);
        self.kinks += checked.count(Verdict::Kink);
        self.not_finite += checked.count(Verdict::NotFinite);
        self.unsettled += checked.count(Verdict::Unsettled);
        let Some(&Compared { at, derivative, difference, error, .. }) = checked.worst() else { return };
        if self.worst.as_ref().is_none_or(|worst| error > worst.error) {
            let info = network.tensor(checked.gradient);
            let index = unravel(at, &info.shape);
            let inside: Vec<String> = index.iter().map(ToString::to_string).collect();
            let inside = if inside.is_empty() { String::new() } else { format!("[{}]", inside.join(",")) };
            let sample_of = if several { format!("{sample}:") } else { String::new() };
            self.worst = Some(Worst { at: format!("{sample_of}{}{inside}", info.name), sample, index, derivative, difference, error });
        }
    }

    fn cells(&self) -> [String; 5] {
        let entries = if self.checked == self.entries { self.checked.to_string() } else { format!("{} of {}", self.checked, self.entries) };
        let mut notes = Vec::new();
        if let Some(worst) = self.worst.as_ref().filter(|_| self.off > 0) {
            notes.push(format!("{} off: {}, by differences {}", self.off, exact(worst.derivative), exact(worst.difference)));
        }
        let counts = [(self.kinks, "at a kink"), (self.not_finite, "not finite"), (self.unsettled, "hidden by rounding")];
        notes.extend(counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
        let worst = self.worst.as_ref();
        let error =
            worst.map_or_else(|| "-".to_owned(), |worst| if worst.error == 0.0 { "0".to_owned() } else { format!("{:.1e}", worst.error) });
        [self.name.to_owned(), entries, error, worst.map_or_else(|| "-".to_owned(), |worst| worst.at.clone()), notes.join(", ")]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::network::{Builder, Chain, Id, Node, Role, Run};
    use crate::op::layer::{Layer, Source, Stage};
    use crate::op::loss::Loss;
    use crate::op::rule::{Args as Factors, Equation, Function, Operands, Rule, Term, Use, constant, entry, one_each, same_place};
    use crate::op::scalar::{Operand, Operator, Scalar, Seed};
    use crate::tensor::from_flat;

    const NOTHING: Equation = Equation { symbols: "", name: "", words: "" };

    /// y = 3 x, and a derivative that says it was some other number.
    #[derive(Debug)]
    struct Tripled(f64);

    /// C = a.
    #[derive(Debug)]
    struct Same;

    impl Function for Same {
        fn forward(&self) -> Arc<dyn Rule> {
            Arc::new(Times(1.0, 0))
        }

        fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
            (slot == 0).then(|| Arc::new(Seed) as Arc<dyn Rule>)
        }
    }

    /// This number times the operand in this slot.
    #[derive(Debug)]
    struct Times(f64, usize);

    impl Function for Tripled {
        fn forward(&self) -> Arc<dyn Rule> {
            Arc::new(Times(3.0, 0))
        }

        fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
            Some(Arc::new(Times(self.0, 2)))
        }
    }

    impl Rule for Times {
        fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
            for (at, sum) in out.iter_mut().enumerate() {
                *sum += self.term(x, at, 0).value;
            }
        }

        fn before(&self, _x: &Operands<'_>, entry: usize) -> u64 {
            one_each(entry)
        }

        fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
            Term::product(Factors::from_iter([constant(self.0), entry(x, self.1, at)]))
        }

        fn uses(&self, _x: &Operands<'_>, _slot: usize, at: usize) -> Vec<Use> {
            same_place(at)
        }

        fn equation(&self) -> Equation {
            NOTHING
        }
    }

    /// The table, and whether it passed, of a layer y = 3 x with this derivative, on two samples.
    fn table(derivative: f64) -> (String, bool) {
        let mut chain = Chain::new(&[1]);
        let a = Stage::new("a", &[1]).with(Arc::new(Tripled(derivative)), [Source::Input(0)]);
        chain.layer("act1", "activation", Layer { parameters: Vec::new(), stages: vec![a] }, &[None]);
        let loss = Loss { function: Arc::new(Same), reads_z: false, shortcut: None, target: None };
        let network = Arc::new(chain.finish(loss));
        let given =
            |role, value| -> (Id, _) { (network.with_role(role).next().expect("of this role"), Arc::new(from_flat(&[1], vec![value]))) };
        let runs = [0.5, 2.0].map(|x| Run::new(&network, &[given(Role::Input, x), given(Role::Target, 0.0)]));
        let trace = Trace::new(Arc::clone(&network), runs.into());
        let report = Report::of("y = 3 x", &trace);
        (report.table(), report.passed)
    }

    #[test]
    fn a_wrong_derivative_is_named_with_its_numbers() {
        let (right, passed) = table(3.0);
        assert!(passed && right.contains("4 of 4 derivatives agree"), "{right}");
        let (wrong, passed) = table(4.0);
        assert!(!passed && wrong.contains("2 of 4 derivatives are off"), "{wrong}");
        assert!(wrong.contains("2 off: 4, by differences 3"), "{wrong}");
    }

    #[test]
    fn a_kink_is_counted_and_is_no_fault() {
        let scalar = Scalar { operator: Operator::Call("abs"), operands: [Operand::Slot(0)].into_iter().collect() };
        let network = Arc::new(Builder::graph(&[("x".to_owned(), 0.0)], &[Node { name: "J".to_owned(), scalar, reads: vec![0] }], 1));
        let run = Run::new(&network, &[]);
        let trace = Trace::new(network, vec![run]);
        let report = Report::of("|x|", &trace);
        assert!(report.passed && report.table().contains("1 at a kink"), "{}", report.table());
    }
}
