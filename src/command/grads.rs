//! `gradstep grads`: prints all values and gradients of an iteration.
//!
//! If there are several samples, prints the tensors of each sample, then the gradients of the total loss.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;

use super::format::{self, CommandOutput, OutputFormat};
use super::json::{self, JsonPiece, JsonPiece::Number, JsonPiece::Quoted, JsonPiece::Text, Nested, RepeatedTensors};
use super::options::GlobalOptions;
use super::source::ScenarioLoader;
use super::tensors::{NestedTensors, TensorIds};
use super::text_writer::TextWriter;
use super::{Invocation, document_at_iteration, open_output};
use crate::app::Document;
use crate::network::{Id, Network, Run};
use crate::number::exact;
use crate::tensor::shape_text;
use crate::text::width;
use crate::text::{align_left, align_right};
use crate::weights::npz;

/// The functions of a format.
#[derive(Debug)]
struct GradsWriter {
    /// Writes all values and gradients.
    write: fn(&Document, &GlobalOptions, &mut CommandOutput) -> anyhow::Result<()>,
    /// `true` if the output is binary. It is then not written to a terminal.
    is_binary: bool,
}

static FORMATS: &[OutputFormat<GradsWriter>] = &[
    OutputFormat { name: "table", help: "Text for people", writer: GradsWriter { write: table, is_binary: false } },
    OutputFormat { name: "json", help: "JSON for programs", writer: GradsWriter { write: json, is_binary: false } },
    OutputFormat { name: "npz", help: "NumPy's archive of arrays", writer: GradsWriter { write: npz, is_binary: true } },
];

/// Print all values and gradients of an iteration.
#[derive(Debug, Parser)]
pub(super) struct GradsCommand {
    /// A path, a bundled scenario's name, or - for the standard input
    scenario: OsString,
    /// The format of the output
    #[arg(long, default_value = "table", value_parser = format::parser(FORMATS))]
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

    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let loader = ScenarioLoader { limits: global.limits(), opens_files: true };
        let document = document_at_iteration(loader.load(&self.scenario)?, self.iteration)?;
        let OutputFormat { name, writer, .. } = self.format;
        if writer.is_binary && self.output.is_none() && io::stdout().is_terminal() {
            bail!("an .{name} file is binary, and a terminal cannot show it; write it to a file with --output FILE");
        }
        let mut to = open_output(self.output(), &self.scenario, &document.scenario.files)?;
        (writer.write)(&document, global, &mut to)?;
        to.finish()?;
        // the process ends after this, so freeing the tensors one by one would only take time
        std::mem::forget(document);
        Ok(ExitCode::SUCCESS)
    }
}

fn json(document: &Document, _: &GlobalOptions, to: &mut CommandOutput) -> anyhow::Result<()> {
    let grads = Grads::of(document);
    // if there is one sample, the gradients of the parameters are written twice: with the sample, and as gradients of the total loss
    let of_samples = grads.samples.iter().flat_map(|sample| &sample.gradients.0);
    let repeated = RepeatedTensors::among(of_samples.chain(&grads.gradients.0).map(|(_, tensor)| *tensor));
    Ok(json::write(grads.json(&repeated), to.raw())?)
}

fn npz(document: &Document, _: &GlobalOptions, to: &mut CommandOutput) -> anyhow::Result<()> {
    Ok(npz::write(to.raw(), &Grads::of(document).named())?)
}

/// The tensors of the output.
struct Grads<'a> {
    scenario: &'a str,
    /// The total loss: the mean or sum of the samples' losses.
    loss: f64,
    samples: Vec<SampleGrads<'a>>,
    /// The parameters; `None` for a graph, which has only inputs.
    parameters: Option<NestedTensors<'a>>,
    /// The gradients of the total loss with respect to the parameters, or to the inputs of a graph.
    gradients: NestedTensors<'a>,
}

/// The tensors of one sample.
struct SampleGrads<'a> {
    /// The number of the sample in the file, from 1.
    number: usize,
    name: Option<&'a str>,
    loss: f64,
    values: NestedTensors<'a>,
    gradients: NestedTensors<'a>,
}

impl<'a> Grads<'a> {
    /// Collects the tensors of the iteration that a document shows.
    fn of(document: &'a Document) -> Self {
        let trace = &document.trace;
        let network = trace.network();
        let ids = TensorIds::new(network);
        // pairs of the tensor that gives the name, and the tensor that gives the values
        let gradient = |id: &Id| network.gradient_of(*id).map(|gradient| (*id, gradient));
        let samples = trace.runs().iter().filter_map(|run| {
            let number = run.sample?;
            Some(SampleGrads {
                number: number + 1,
                name: document.scenario.samples[number].name.as_deref(),
                loss: run.run.values(network.loss())[0],
                values: NestedTensors::new(network, &run.run, ids.values.iter().map(|&id| (id, id))),
                gradients: NestedTensors::new(network, &run.run, ids.with_gradient.iter().filter_map(gradient)),
            })
        });
        let learnable = || ids.with_gradient.iter().filter(move |&&id| network.tensor(id).role.is_learnable());
        let parameters = NestedTensors::new(network, trace.run(0), learnable().map(|&id| (id, id)));
        Self {
            scenario: &document.scenario.title,
            loss: document.loss,
            samples: samples.collect(),
            parameters: network.reads_samples().then_some(parameters),
            gradients: NestedTensors(
                learnable()
                    .filter_map(gradient)
                    .map(|(id, gradient)| (&*network.tensor(id).name, total_gradient(document, gradient)))
                    .collect(),
            ),
        }
    }
}

/// Returns a gradient of the total loss. It is the gradient of the batch or, if there is only one sample, that of this sample. `gradient` is its tensor in the
/// samples' network.
fn total_gradient(document: &Document, gradient: Id) -> Nested<'_> {
    let trace = &document.trace;
    let (run, id) = trace.in_batch(gradient).unwrap_or((0, gradient));
    Nested { shape: &trace.network().tensor(gradient).shape, values: trace.run(run).values(id) }
}

impl<'a> SampleGrads<'a> {
    fn json(&self, repeated: &RepeatedTensors) -> impl Iterator<Item = JsonPiece<'a>> {
        [Text("{\"name\":"), self.name.map_or(Text("null"), Quoted), Text(",\"loss\":"), Number(self.loss), Text(",\"values\":")]
            .into_iter()
            .chain(self.values.json(repeated))
            .chain([Text(",\"gradients\":")])
            .chain(self.gradients.json(repeated))
            .chain([Text("}")])
    }
}

impl<'a> Grads<'a> {
    fn json(&self, repeated: &RepeatedTensors) -> impl Iterator<Item = JsonPiece<'a>> {
        [Text("{\"format\":1,\"scenario\":"), Quoted(self.scenario), Text(",\"loss\":"), Number(self.loss), Text(",\"samples\":[")]
            .into_iter()
            .chain(json::comma_separated(self.samples.iter().map(|sample| sample.json(repeated))))
            .chain([Text("]")])
            .chain(self.parameters.iter().flat_map(|parameters| iter::once(Text(",\"parameters\":")).chain(parameters.json(repeated))))
            .chain([Text(",\"gradients\":")])
            .chain(self.gradients.json(repeated))
            .chain([Text("}\n")])
    }

    /// Returns all tensors with their names in an .npz file:
    ///
    /// ```text
    /// conv1.weight               the gradient of the total loss with respect to conv1.weight
    /// parameters.conv1.weight    the parameter
    /// values.conv1.z             a value; `2:values.conv1.z` for the second of several samples
    /// gradients.conv1.z          its gradient; `2:gradients.conv1.z` for the second of several samples
    /// loss                       the total loss; `2:loss` for the second of several samples
    /// ```
    ///
    /// A graph has no `loss`: its loss is the value of its output, such as `values.J`.
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
            let prefix = if self.samples.len() > 1 { format!("{}:", sample.number) } else { String::new() };
            add(&format!("{prefix}values."), &sample.values);
            add(&format!("{prefix}gradients."), &sample.gradients);
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

/// Writes the text for people: one table for a scalar graph, a list of tensors for another graph, and such a list for each sample for a network of layers.
fn table(document: &Document, global: &GlobalOptions, to: &mut CommandOutput) -> anyhow::Result<()> {
    Ok(write_table(document, &mut TextWriter(&mut |text| to.text(&global.in_charset(text))))?)
}

fn write_table(document: &Document, out: &mut TextWriter<'_>) -> io::Result<()> {
    let trace = &document.trace;
    let network = trace.network();
    let printed = TensorIds::new(network);
    out.line(&document.scenario.title)?;
    out.line("")?;
    if !network.reads_samples() {
        let run = trace.run(0);
        if printed.values.iter().all(|&id| network.tensor(id).shape.is_empty()) {
            return graph_table(network, run, &printed.values).iter().try_for_each(|row| out.line(row));
        }
        for (n, &id) in printed.values.iter().enumerate() {
            if n > 0 {
                out.line("")?;
            }
            let gradient = network.gradient_of(id).map(|gradient| run.values(gradient));
            write_tensor(network, id, run.values(id), gradient, out)?;
        }
        return Ok(());
    }
    out.line(&format!("loss  {}", table_number(document.loss)))?;
    let parameters: Vec<Id> = printed.with_gradient.iter().copied().filter(|&id| network.tensor(id).role.is_learnable()).collect();
    let several = trace.samples() > 1;
    for run in trace.runs() {
        let Some(number) = run.sample else { continue };
        let mut ids = printed.values.clone();
        if several {
            let name = document.scenario.samples[number].name.as_ref().map_or_else(String::new, |name| format!("  {name}"));
            out.line("")?;
            out.line(&format!("sample {}{name}", number + 1))?;
            out.line(&format!("loss  {}", table_number(run.run.values(network.loss())[0])))?;
        } else {
            ids.extend(&parameters);
            // the sort is stable: the values of a layer stay before its parameters
            ids.sort_by_key(|&id| network.tensor(id).layer);
        }
        for id in ids {
            out.line("")?;
            let gradient = network.gradient_of(id).map(|gradient| run.run.values(gradient));
            write_tensor(network, id, run.run.values(id), gradient, out)?;
        }
    }
    if several {
        out.line("")?;
        out.line("all samples")?;
        for id in parameters {
            out.line("")?;
            let gradient = network.gradient_of(id).map(|gradient| total_gradient(document, gradient).values);
            write_tensor(network, id, trace.run(0).values(id), gradient, out)?;
        }
    }
    Ok(())
}

/// Writes a tensor, and below it its gradient.
fn write_tensor(network: &Network, id: Id, values: &[f64], gradient: Option<&[f64]>, out: &mut TextWriter<'_>) -> io::Result<()> {
    let info = network.tensor(id);
    out.line(&format!("{}  {}", info.name, shape_text(&info.shape)))?;
    out.matrix(&info.shape, values)?;
    let Some(gradient) = gradient else { return Ok(()) };
    let loss = if network.reads_samples() { "C" } else { &network.tensor(network.loss()).name };
    out.line(&format!("∂{loss}/∂ {}", info.name))?;
    out.matrix(&info.shape, gradient)
}

/// Formats a number of a table. −0 becomes `0`, as in the matrices.
fn table_number(value: f64) -> String {
    exact(value + 0.0)
}

/// The rows of the table of a scalar graph: name, value, gradient.
fn graph_table(network: &Network, run: &Run, ids: &[Id]) -> Vec<String> {
    let mut rows = vec![[String::new(), "value".to_owned(), "gradient".to_owned()]];
    for &id in ids {
        let gradient = network.gradient_of(id).map_or_else(String::new, |gradient| table_number(run.values(gradient)[0]));
        rows.push([network.tensor(id).name.to_string(), table_number(run.values(id)[0]), gradient]);
    }
    let [name_width, value_width, gradient_width] =
        [0, 1, 2].map(|column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0));
    let line = |[name, value, gradient]: &[String; 3]| {
        [align_left(name, name_width), align_right(value, value_width), align_right(gradient, gradient_width)].join("  ")
    };
    rows.iter().map(line).collect()
}
