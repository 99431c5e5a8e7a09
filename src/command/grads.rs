//! `gradstep grads`: all values and gradients of one forward and backward pass.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;

use super::format::{self, OutputFormat, Sink};
use super::json::{self, JsonPiece, JsonPiece::Number, JsonPiece::Text, JsonPiece::Word, Nested, RepeatedTensors};
use super::look::Global;
use super::paper::Paper;
use super::source::ScenarioLoader;
use super::tensors::{NestedTensors, TensorIds};
use super::{Invocation, at_iteration, output_to};
use crate::app::Document;
use crate::network::{Id, Network, Run};
use crate::number::exact;
use crate::tensor::shape_text;
use crate::text::width;
use crate::text::{to_left, to_right};
use crate::weights::npz;

/// The functions of a format.
#[derive(Debug)]
struct GradsWriter {
    /// Writes all values and gradients.
    write: fn(&Document, &Global, &mut Sink) -> anyhow::Result<()>,
    /// Whether a terminal cannot show the output.
    is_binary: bool,
}

static FORMATS: &[OutputFormat<GradsWriter>] = &[
    OutputFormat { name: "table", help: "Text for people", writer: GradsWriter { write: table, is_binary: false } },
    OutputFormat { name: "json", help: "JSON for programs", writer: GradsWriter { write: json, is_binary: false } },
    OutputFormat { name: "npz", help: "NumPy's archive of arrays", writer: GradsWriter { write: npz, is_binary: true } },
];

/// Print all values and gradients.
#[derive(Debug, Parser)]
#[command(name = "grads")]
pub(super) struct GradsCommand {
    /// A path, a bundled scenario's name, or - for the standard input
    scenario: OsString,
    /// The format of the output
    #[arg(long, default_value = "table", value_parser = format::parser(FORMATS, &[]))]
    format: &'static OutputFormat<GradsWriter>,
    /// The iteration of gradient descent, from 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    iteration: u64,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Invocation for GradsCommand {
    fn output(&self) -> Option<&Path> {
        self.output.as_deref()
    }

    fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let scenarios = ScenarioLoader { limits: global.limits(), files: true };
        let document = at_iteration(scenarios.scenario(&self.scenario)?, self.iteration)?;
        let OutputFormat { name, writer, .. } = self.format;
        if writer.is_binary && self.output.is_none() && io::stdout().is_terminal() {
            bail!("an .{name} file is binary, and a terminal cannot show it; write it to a file with --output FILE");
        }
        let mut to = output_to(self.output(), &self.scenario, &document.scenario.files)?;
        (writer.write)(&document, global, &mut to)?;
        to.finish()?;
        // the process ends here: freeing the tensors one by one would only take time
        std::mem::forget(document);
        Ok(ExitCode::SUCCESS)
    }
}

fn json(document: &Document, _: &Global, to: &mut Sink) -> anyhow::Result<()> {
    let grads = Grads::of(document);
    // with one sample, its gradients appear twice: as the sample's and as the total loss's
    let own = grads.samples.iter().flat_map(|sample| &sample.gradients.0);
    let repeated = RepeatedTensors::among(own.chain(&grads.gradients.0).map(|(_, tensor)| *tensor));
    Ok(json::write(grads.json(&repeated), to.raw())?)
}

fn npz(document: &Document, _: &Global, to: &mut Sink) -> anyhow::Result<()> {
    Ok(npz::write(to.raw(), &Grads::of(document).named())?)
}

struct Grads<'a> {
    scenario: &'a str,
    loss: f64,
    samples: Vec<SampleGrads<'a>>,
    parameters: Option<NestedTensors<'a>>,
    gradients: NestedTensors<'a>,
}

struct SampleGrads<'a> {
    /// The number of the sample in the file, from 1.
    number: usize,
    name: Option<&'a str>,
    loss: f64,
    values: NestedTensors<'a>,
    gradients: NestedTensors<'a>,
}

impl<'a> Grads<'a> {
    fn of(document: &'a Document) -> Self {
        let trace = &document.trace;
        let network = trace.network();
        let names = TensorIds::of(network);
        let gradient = |id: &Id| network.gradient_of(*id).map(|gradient| (*id, gradient));
        let samples = trace.sample_runs().iter().filter_map(|sample_run| {
            let number = sample_run.sample?;
            Some(SampleGrads {
                number: number + 1,
                name: document.scenario.samples[number].name.as_deref(),
                loss: sample_run.run.values(network.loss())[0],
                values: NestedTensors::of(network, &sample_run.run, names.values.iter().map(|&id| (id, id))),
                gradients: NestedTensors::of(network, &sample_run.run, names.gradients.iter().filter_map(gradient)),
            })
        });
        let given = || names.gradients.iter().filter(move |&&id| network.tensor(id).role.is_learnable());
        let parameters = NestedTensors::of(network, trace.run(0), given().map(|&id| (id, id)));
        Self {
            scenario: &document.scenario.title,
            loss: document.loss,
            samples: samples.collect(),
            parameters: network.reads_samples().then_some(parameters),
            gradients: NestedTensors(
                given().filter_map(gradient).map(|(id, gradient)| (&*network.tensor(id).name, total(document, gradient))).collect(),
            ),
        }
    }
}

/// The gradient of the total loss: after the reduction over the batch, or that of the only sample.
fn total(document: &Document, gradient: Id) -> Nested<'_> {
    let trace = &document.trace;
    let info = trace.network().tensor(gradient);
    let of_batch = trace.sample_runs().iter().rposition(|sample_run| sample_run.sample.is_none()).filter(|_| trace.samples() > 1);
    let values = match of_batch.and_then(|sample_run| Some((sample_run, trace.network_of(sample_run).find(&info.name)?))) {
        Some((sample_run, id)) => trace.run(sample_run).values(id),
        None => trace.run(0).values(gradient),
    };
    Nested { shape: &info.shape, values }
}

impl<'a> SampleGrads<'a> {
    fn json(&self, repeated: &RepeatedTensors) -> impl Iterator<Item = JsonPiece<'a>> {
        [Text("{\"name\":"), self.name.map_or(Text("null"), Word), Text(",\"loss\":"), Number(self.loss), Text(",\"values\":")]
            .into_iter()
            .chain(self.values.json(repeated))
            .chain([Text(",\"gradients\":")])
            .chain(self.gradients.json(repeated))
            .chain([Text("}")])
    }
}

impl<'a> Grads<'a> {
    fn json(&self, repeated: &RepeatedTensors) -> impl Iterator<Item = JsonPiece<'a>> {
        [Text("{\"format\":1,\"scenario\":"), Word(self.scenario), Text(",\"loss\":"), Number(self.loss), Text(",\"samples\":[")]
            .into_iter()
            .chain(json::comma_separated(self.samples.iter().map(|sample| sample.json(repeated))))
            .chain([Text("]")])
            .chain(self.parameters.iter().flat_map(|parameters| iter::once(Text(",\"parameters\":")).chain(parameters.json(repeated))))
            .chain([Text(",\"gradients\":")])
            .chain(self.gradients.json(repeated))
            .chain([Text("}\n")])
    }

    /// All tensors with their names in an .npz file.
    ///
    /// A gradient of the total loss has the name of its tensor: `conv1.weight`. The rest have the name of the JSON's group as a prefix, and before it the
    /// number of the sample if there are several: `parameters.conv1.weight`, `2:values.conv1.z`. A graph's loss is the value of its output.
    fn named(&self) -> Vec<npz::NamedTensor<'_>> {
        let mut named = Vec::new();
        let mut add = |group: &str, tensors: &NestedTensors<'a>| {
            named.extend(tensors.0.iter().map(|(name, tensor)| (format!("{group}{name}"), tensor.shape, tensor.values)));
        };
        add("", &self.gradients);
        if let Some(parameters) = &self.parameters {
            add("parameters.", parameters);
        }
        for sample in &self.samples {
            let number = if self.samples.len() > 1 { format!("{}:", sample.number) } else { String::new() };
            add(&format!("{number}values."), &sample.values);
            add(&format!("{number}gradients."), &sample.gradients);
        }
        let losses = self.samples.iter().map(|sample| (format!("{}:loss", sample.number), &sample.loss));
        let losses = losses.filter(|_| self.samples.len() > 1);
        named.extend(losses.map(|(name, loss)| (name, &[][..], std::slice::from_ref(loss))));
        if self.parameters.is_some() {
            named.push(("loss".to_owned(), &[], std::slice::from_ref(&self.loss)));
        }
        named
    }
}

/// Writes the text for people: the numbers of a graph as one table, the tensors of a network one below the other, sample by sample.
fn table(document: &Document, global: &Global, to: &mut Sink) -> anyhow::Result<()> {
    Ok(write_table(document, &mut Paper(&mut |text| to.text(&global.text(text))))?)
}

fn write_table(document: &Document, paper: &mut Paper<'_>) -> io::Result<()> {
    let trace = &document.trace;
    let network = trace.network();
    let names = TensorIds::of(network);
    paper.line(&document.scenario.title)?;
    paper.line("")?;
    if !network.reads_samples() {
        return graph(network, trace.run(0), &names.values).iter().try_for_each(|row| paper.line(row));
    }
    paper.line(&format!("loss  {}", table_number(document.loss)))?;
    let parameters: Vec<Id> = names.gradients.iter().copied().filter(|&id| network.tensor(id).role.is_learnable()).collect();
    let several = trace.samples() > 1;
    for sample_run in trace.sample_runs() {
        let Some(number) = sample_run.sample else { continue };
        let mut ids = names.values.clone();
        if several {
            let name = document.scenario.samples[number].name.as_ref().map_or_else(String::new, |name| format!("  {name}"));
            paper.line("")?;
            paper.line(&format!("sample {}{name}", number + 1))?;
            paper.line(&format!("loss  {}", table_number(sample_run.run.values(network.loss())[0])))?;
        } else {
            ids.extend(&parameters);
            // each layer's values, then its parameters
            ids.sort_by_key(|&id| network.tensor(id).layer);
        }
        for id in ids {
            let gradient = network.gradient_of(id).map(|gradient| sample_run.run.values(gradient));
            tensor(network, id, sample_run.run.values(id), gradient, paper)?;
        }
    }
    if several {
        paper.line("")?;
        paper.line("all samples")?;
        for id in parameters {
            let gradient = network.gradient_of(id).map(|gradient| total(document, gradient).values);
            tensor(network, id, trace.run(0).values(id), gradient, paper)?;
        }
    }
    Ok(())
}

fn tensor(network: &Network, id: Id, values: &[f64], gradient: Option<&[f64]>, paper: &mut Paper<'_>) -> io::Result<()> {
    let info = network.tensor(id);
    paper.line("")?;
    paper.line(&format!("{}  {}", info.name, shape_text(&info.shape)))?;
    paper.matrix(&info.shape, values)?;
    let Some(gradient) = gradient else { return Ok(()) };
    paper.line(&format!("∂C/∂ {}", info.name))?;
    paper.matrix(&info.shape, gradient)
}

/// The text of a number in a table; −0 is `0`, as in the matrices.
fn table_number(value: f64) -> String {
    exact(value + 0.0)
}

fn graph(network: &Network, run: &Run, ids: &[Id]) -> Vec<String> {
    let mut rows = vec![[String::new(), "value".to_owned(), "gradient".to_owned()]];
    for &id in ids {
        let gradient = network.gradient_of(id).map_or_else(String::new, |gradient| table_number(run.values(gradient)[0]));
        rows.push([network.tensor(id).name.to_string(), table_number(run.values(id)[0]), gradient]);
    }
    let [a, b, c] = [0, 1, 2].map(|column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0));
    rows.iter().map(|[name, value, gradient]| [to_left(name, a), to_right(value, b), to_right(gradient, c)].join("  ")).collect()
}
