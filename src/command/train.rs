//! `gradstep train`: runs gradient descent to its end, and prints the losses and the parameters. For several scenarios, it prints their losses side by side.

mod runs;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use clap::Parser;
use serde::{Serialize, Serializer};

use super::format::CommandOutput;
use super::json::Nested;
use super::options::GlobalOptions;
use super::progress::{INTERRUPTED, Task};
use super::read::display_name;
use super::report::{CommandReport, ReportArguments, write_json};
use super::source::ScenarioLoader;
use super::tensors::{NestedTensors, TensorIds};
use super::text_writer::TextWriter;
use super::{Invocation, open_output_beside};
use crate::network::{Descent, DescentResult, Id, NotFinite, Optimizer, Role};
use crate::number::{self, Json, exact, short};
use crate::output;
use crate::scenario::Scenario;
use crate::tensor::{Tensor, flat};
use crate::text::{align_right, counted};
use runs::RunsReport;

/// Run gradient descent to its end, and print the losses and parameters.
///
/// With several scenarios, such as one network with several optimizers, prints the losses of all runs side by side, and draws them in one chart.
#[derive(Debug, Parser)]
pub(super) struct TrainCommand {
    #[command(flatten)]
    report: ReportArguments,
    /// Further scenarios, whose losses are compared with those of the first
    #[arg(value_name = "SCENARIO")]
    others: Vec<OsString>,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Invocation for TrainCommand {
    fn output(&self) -> Option<&Path> {
        self.output.as_deref()
    }

    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let loader = ScenarioLoader { limits: global.limits(), opens_files: true };
        let mut scenarios = vec![self.report.load(global)?];
        for typed in &self.others {
            scenarios.push(loader.load(typed)?);
        }
        let arguments = [&self.report.scenario].into_iter().chain(&self.others);
        for (scenario, typed) in scenarios.iter().zip(arguments.clone()) {
            if scenario.train.is_none() {
                let which = if self.others.is_empty() { "this scenario".to_owned() } else { display_name(typed) };
                bail!("{which} has no [train]; add [train] with learning_rate = 0.1 and iterations = 100");
            }
        }
        let inputs: Vec<_> = arguments.zip(&scenarios).map(|(typed, scenario)| (typed.as_os_str(), &scenario.files[..])).collect();
        let to = open_output_beside(self.output(), &inputs)?;
        let mut runs = Vec::new();
        for scenario in scenarios {
            match Trained::new(scenario)? {
                Some(run) => runs.push(run),
                None => return Ok(ExitCode::from(INTERRUPTED)),
            }
        }
        let reports: Vec<TrainReport<'_>> = runs.iter().map(TrainReport::new).collect();
        match &reports[..] {
            [report] => self.report.print(global, to, report)?,
            _ => self.report.print(global, to, &RunsReport { runs: &runs, reports: &reports, is_ascii: global.is_ascii() })?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A scenario after its gradient descent.
pub(super) struct Trained {
    titles: Titles,
    pub optimizer: Optimizer,
    descent: Descent,
    pub result: DescentResult,
}

impl Trained {
    /// Runs gradient descent to its end. If Ctrl-C stops it, prints how far it is, and returns `None`.
    fn new(scenario: Scenario) -> anyhow::Result<Option<Self>> {
        let titles = Titles::new(&scenario);
        let optimizer = scenario.train.as_ref().expect("the caller has checked that there is a [train]").optimizer;
        let mut descent = scenario.into_descent();
        let mut task = Task::new(descent.iterations())?;
        let result = descent.run(|number, loss| task.go_on(number, || format!("loss {}", short(loss))));
        task.clear()?;
        let result = result.map_err(|short_of_memory| anyhow!("training {short_of_memory}"))?;
        let done = result.losses.len() as u64;
        // Ctrl-C has ended the descent, not the tolerance or the last iteration
        if task.is_interrupted() && !result.stopped && done < descent.iterations() {
            let mut to = output::stderr();
            writeln!(
                to,
                "stopped after iteration {done} of {}; the loss of its batch was {}",
                descent.iterations(),
                exact(result.losses[result.losses.len() - 1])
            )?;
            to.finish()?;
            return Ok(None);
        }
        Ok(Some(Self { titles, optimizer, descent, result }))
    }

    /// The name of the scenario, such as that of its file without `.toml`.
    pub fn name(&self) -> &str {
        &self.titles.name
    }
}

/// The name and the title of a scenario, and the names of its samples.
struct Titles {
    name: String,
    title: String,
    sample_names: Vec<Option<String>>,
}

impl Titles {
    fn new(scenario: &Scenario) -> Self {
        let name = scenario.name.clone();
        Self { name, title: scenario.title.clone(), sample_names: scenario.samples.iter().map(|sample| sample.name.clone()).collect() }
    }
}

/// The report. Its fields are the keys of the JSON.
#[derive(Serialize)]
pub(super) struct TrainReport<'a> {
    /// The version of the JSON format.
    format: u8,
    scenario: &'a str,
    iterations: usize,
    /// The reason why the descent ended: `tolerance` or `iterations`.
    stopped: &'static str,
    #[serde(serialize_with = "numbers")]
    losses: &'a [f64],
    /// The loss of all samples after the last update.
    #[serde(serialize_with = "number::json")]
    pub loss: f64,
    parameters: NestedTensors<'a>,
    samples: Vec<TrainedSample<'a>>,
}

/// A sample after the last update.
#[derive(Serialize)]
struct TrainedSample<'a> {
    name: Option<&'a str>,
    #[serde(serialize_with = "number::json")]
    loss: f64,
    values: SampleValues<'a>,
}

/// The values of a sample after the last update. They are computed when they are written, because the values of all samples together may need more memory than
/// the limit.
struct SampleValues<'a> {
    descent: &'a Descent,
    parameters: &'a HashMap<Id, Arc<Tensor>>,
    ids: Rc<TensorIds>,
    /// The number of the sample, from 0.
    sample: usize,
}

impl Serialize for SampleValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let network = self.descent.network();
        let run = self.descent.forward(self.parameters, self.sample);
        // pairs of the tensor that gives the name, and the tensor that gives the values
        let pairs = self.ids.values.iter().map(|&id| (id, id));
        NestedTensors::new(network, &run, pairs).serialize(serializer)
    }
}

/// Serializes numbers; NaN and infinities become texts.
fn numbers<S: Serializer>(values: &&[f64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|value| Json(*value)))
}

impl<'a> TrainReport<'a> {
    fn new(Trained { titles, descent, result, .. }: &'a Trained) -> Self {
        let network = descent.network();
        let ids = Rc::new(TensorIds::new(network));
        let final_losses = descent.sample_losses(&result.parameters);
        let parameters: &HashMap<Id, Arc<Tensor>> = &result.parameters;
        let is_learned = |id: &Id| match network.tensor(*id).role {
            Role::Parameter => true,
            Role::Input { learns } => learns && descent.train().is_some_and(|train| train.learned.contains(id)),
            _ => false,
        };
        let with_name = |id: &Id| (&*network.tensor(*id).name, Nested { shape: &network.tensor(*id).shape, values: flat(&parameters[id]) });
        let samples = final_losses.losses.iter().zip(&titles.sample_names).enumerate().map(|(n, (loss, name))| TrainedSample {
            name: name.as_deref(),
            loss: *loss,
            values: SampleValues { descent, parameters, ids: Rc::clone(&ids), sample: n },
        });
        Self {
            format: 1,
            scenario: &titles.title,
            iterations: result.losses.len(),
            stopped: if result.stopped { "tolerance" } else { "iterations" },
            losses: &result.losses,
            loss: final_losses.loss,
            parameters: NestedTensors(ids.with_gradient.iter().filter(|id| is_learned(id)).map(with_name).collect()),
            samples: samples.collect(),
        }
    }
}

/// The largest number of iterations whose losses are printed, apart from the first and the last.
const MAX_ROWS: usize = 40;

/// Returns the distance between two iterations whose losses are printed: the smallest of 1, 2, 5, 10, 20, 50, … that gives at most [`MAX_ROWS`] rows.
fn distance_of_rows(iterations: usize) -> usize {
    let powers = std::iter::successors(Some(1_usize), |power| power.checked_mul(10));
    let mut distances = powers.flat_map(|power| [1, 2, 5].map(|factor| power.saturating_mul(factor)));
    distances.find(|distance| iterations / distance <= MAX_ROWS).unwrap_or(iterations)
}

/// Returns whether the loss of iteration `n`, from 0, is printed: the first iteration, and those whose number from 1 is a multiple of the distance.
fn is_row(n: usize, distance: usize) -> bool {
    n == 0 || (n + 1).is_multiple_of(distance)
}

impl CommandReport for TrainReport<'_> {
    fn json(&self, to: &mut CommandOutput) -> io::Result<()> {
        write_json(self, to)
    }

    /// Writes the parameters and at most about 40 losses.
    fn table(&self, out: &mut TextWriter<'_>) -> io::Result<()> {
        out.line(self.scenario)?;
        out.line("")?;
        let why = if self.stopped == "tolerance" { ", stopped by the tolerance" } else { "" };
        let distance = distance_of_rows(self.losses.len());
        let omission = if distance > 1 { format!("; one loss in {distance} is shown, and the last") } else { String::new() };
        out.line(&format!("{}{why}{omission}", counted(self.iterations, "iteration")))?;
        if let Some(not_finite) = NotFinite::of(self.losses.iter().copied()) {
            out.line(&format!("{}; try a smaller learning rate", not_finite.sentence("the loss")))?;
        }
        let last = self.losses.len() - 1;
        let number_width = self.losses.len().to_string().len();
        for (n, loss) in self.losses.iter().enumerate().filter(|(n, _)| is_row(*n, distance) || *n == last) {
            out.line(&format!("{}  loss  {}", align_right(&(n + 1).to_string(), number_width), exact(*loss)))?;
        }
        out.line(&format!("after the last update, over all samples: loss  {}", exact(self.loss)))?;
        for (name, tensor) in &self.parameters.0 {
            out.line("")?;
            out.line(&format!("{name}  {}", crate::tensor::shape_text(tensor.shape)))?;
            out.matrix(tensor.shape, tensor.values)?;
        }
        Ok(())
    }
}
