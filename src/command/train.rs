//! `gradstep train`: runs gradient descent to its end and prints the losses and the parameters.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use clap::Parser;
use serde::{Serialize, Serializer};

use super::format::Sink;
use super::json::Nested;
use super::look::Global;
use super::paper::Paper;
use super::progress::{INTERRUPTED, Task};
use super::report::{Report, ReportArguments, json};
use super::tensors::{NestedTensors, TensorIds};
use super::{Invocation, output_to};
use crate::network::{Descent, DescentResult, Id, Role};
use crate::number::{self, Json, exact, short};
use crate::output;
use crate::scenario::Scenario;
use crate::tensor::{Tensor, flat};
use crate::text::{counted, to_right};

/// Run gradient descent to its end, and print the losses and parameters.
#[derive(Debug, Parser)]
#[command(name = "train")]
pub(super) struct TrainCommand {
    #[command(flatten)]
    asked: ReportArguments,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Invocation for TrainCommand {
    fn output(&self) -> Option<&Path> {
        self.output.as_deref()
    }

    fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let scenario = self.asked.read(global)?;
        if scenario.train.is_none() {
            bail!("this scenario has no [train]; add [train] with learning_rate = 0.1 and iterations = 100");
        }
        let to = output_to(self.output(), &self.asked.scenario, &scenario.files)?;
        let titles = Titles::of(&scenario);
        let mut descent = scenario.into_descent();
        let mut task = Task::new(descent.iterations())?;
        let end = descent.run(|number, loss| task.go_on(number, || format!("loss {}", short(loss))));
        task.clear()?;
        let end = end.map_err(|short| anyhow!("training {short}"))?;
        let done = end.losses.len() as u64;
        if task.interrupted() && !end.stopped && done < descent.iterations() {
            let mut to = output::stderr();
            writeln!(
                to,
                "stopped after iteration {done} of {}; the loss of its batch was {}",
                descent.iterations(),
                exact(end.losses[end.losses.len() - 1])
            )?;
            to.finish()?;
            return Ok(ExitCode::from(INTERRUPTED));
        }
        self.asked.print(global, to, &Trained::of(&titles, &descent, &end))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The title of a scenario and the names of its samples.
struct Titles {
    title: String,
    names: Vec<Option<String>>,
}

impl Titles {
    fn of(scenario: &Scenario) -> Self {
        Self { title: scenario.title.clone(), names: scenario.samples.iter().map(|sample| sample.name.clone()).collect() }
    }
}

#[derive(Serialize)]
struct Trained<'a> {
    format: u8,
    scenario: &'a str,
    iterations: usize,
    stopped: &'static str,
    #[serde(serialize_with = "numbers")]
    losses: &'a [f64],
    #[serde(serialize_with = "number::json")]
    loss: f64,
    parameters: NestedTensors<'a>,
    samples: Vec<TrainedSample<'a>>,
}

#[derive(Serialize)]
struct TrainedSample<'a> {
    name: Option<&'a str>,
    #[serde(serialize_with = "number::json")]
    loss: f64,
    values: Values<'a>,
}

/// The values of a sample. They are computed when they are written, because those of all samples together may exceed the memory limit.
struct Values<'a> {
    descent: &'a Descent,
    parameters: &'a HashMap<Id, Arc<Tensor>>,
    ids: Rc<TensorIds>,
    /// The number of the sample, from 0.
    sample: usize,
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let network = self.descent.network();
        let run = self.descent.forward(self.parameters, self.sample);
        let pairs = self.ids.values.iter().map(|&id| (id, id));
        NestedTensors::of(network, &run, pairs).serialize(serializer)
    }
}

fn numbers<S: Serializer>(values: &&[f64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|value| Json(*value)))
}

impl<'a> Trained<'a> {
    fn of(titles: &'a Titles, descent: &'a Descent, end: &'a DescentResult) -> Self {
        let network = descent.network();
        let ids = Rc::new(TensorIds::of(network));
        let after = descent.sample_losses(&end.parameters);
        let parameters: &HashMap<Id, Arc<Tensor>> = &end.parameters;
        let learned = |id: &Id| match network.tensor(*id).role {
            Role::Parameter => true,
            Role::Input { learns } => learns && descent.train().is_some_and(|train| train.learned.contains(id)),
            _ => false,
        };
        let nested = |id: &Id| (&*network.tensor(*id).name, Nested { shape: &network.tensor(*id).shape, values: flat(&parameters[id]) });
        let samples = after.losses.iter().zip(&titles.names).enumerate().map(|(n, (loss, name))| TrainedSample {
            name: name.as_deref(),
            loss: *loss,
            values: Values { descent, parameters, ids: Rc::clone(&ids), sample: n },
        });
        Self {
            format: 1,
            scenario: &titles.title,
            iterations: end.losses.len(),
            stopped: if end.stopped { "tolerance" } else { "iterations" },
            losses: &end.losses,
            loss: after.loss,
            parameters: NestedTensors(ids.gradients.iter().filter(|id| learned(id)).map(nested).collect()),
            samples: samples.collect(),
        }
    }
}

impl Report for Trained<'_> {
    fn json(&self, to: &mut Sink) -> io::Result<()> {
        json(self, to)
    }

    /// Writes the losses, at most about 20 of them, and the parameters.
    fn table(&self, paper: &mut Paper<'_>) -> io::Result<()> {
        const ROWS: usize = 20;
        paper.line(self.scenario)?;
        paper.line("")?;
        let why = if self.stopped == "tolerance" { ", stopped by the tolerance" } else { "" };
        let every = self.losses.len().div_ceil(ROWS).max(1);
        let thinned = if every > 1 { format!("; one loss in {every} is shown, and the last") } else { String::new() };
        paper.line(&format!("{}{why}{thinned}", counted(self.iterations, "iteration")))?;
        if let Some(n) = self.losses.iter().position(|loss| !loss.is_finite()) {
            paper.line(&format!("from iteration {} on the loss is not finite; try a smaller learning rate", n + 1))?;
        }
        let last = self.losses.len() - 1;
        let wide = self.losses.len().to_string().len();
        for (n, loss) in self.losses.iter().enumerate().filter(|(n, _)| n % every == 0 || *n == last) {
            paper.line(&format!("{}  loss  {}", to_right(&(n + 1).to_string(), wide), exact(*loss)))?;
        }
        paper.line(&format!("after the last update, over all samples: loss  {}", exact(self.loss)))?;
        for (name, tensor) in &self.parameters.0 {
            paper.line("")?;
            paper.line(&format!("{name}  {}", crate::tensor::shape_text(tensor.shape)))?;
            paper.matrix(tensor.shape, tensor.values)?;
        }
        Ok(())
    }
}
