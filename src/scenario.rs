//! Floor 4: from the text of a scenario file to a network with its samples, checked; or to all that is wrong with the file.

mod excerpt;
mod expression;
mod fault;
mod file;
mod gap;
mod graph;
mod init;
mod keys;
mod layers;
mod lifted;
mod number;
mod place;
mod random;
mod reader;
mod sample;
mod samples;
mod source;
mod suggest;
mod syntax;
mod tensor;
mod train;
mod wiring;

pub use fault::{Fault, Faults};
pub use file::{Files, NoFiles};
pub use source::Source;

use std::cell::OnceCell;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::network::{Descent, Id, Network, Role, Train};
use crate::op::layer::Faulty;
use crate::op::loss::BatchReduction;
use crate::step::Address;
use crate::tensor::Tensor;

#[cfg(test)]
mod tests;

use lifted::Lifted;
use place::Ground;
use reader::{Reader, Span, Table};

/// The newest format that this program knows.
const FORMAT: u64 = 1;
/// A scenario file has at most so many bytes; larger data does not belong in TOML.
pub const MAX_BYTES: usize = 4 << 20;

/// What reading a scenario may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all tensors and their gradients.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 1 << 30 }
    }
}

/// One sample.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its name, escaped.
    pub name: Option<String>,
    /// What the network reads; a graph's inputs are its parameters, so it has none.
    pub input: Option<Arc<Tensor>>,
    /// What the loss compares the output with, in the output's shape.
    pub target: Option<Arc<Tensor>>,
}

/// A text that belongs to a step.
#[derive(Clone, Debug)]
pub struct Remark {
    /// The step.
    pub at: Address,
    /// The text, escaped; it may have several lines.
    pub text: String,
}

/// A number from the literature that the network must reproduce.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The entry or tensor, always as an op's address.
    pub at: Address,
    /// The row-major place of the entry; `None` for the whole tensor.
    pub entry: Option<usize>,
    /// What is expected: a scalar for an entry, or in the tensor's shape.
    pub value: Arc<Tensor>,
    /// The largest difference that is allowed.
    pub tolerance: f64,
    /// Where the number comes from, escaped.
    pub source: Option<String>,
    /// The line of its address in the file, from 1.
    pub line: usize,
}

/// A scenario whose parts all fit together.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's stem, a bundled scenario's name, or `-`; escaped.
    pub name: String,
    /// The text it was read from.
    pub text: Arc<String>,
    /// The title, one line, escaped.
    pub title: String,
    /// What it is about, one line, escaped.
    pub summary: Option<String>,
    /// Where the network or its numbers come from, one line, escaped.
    pub source: Option<String>,
    /// A longer text, escaped.
    pub notes: Option<String>,
    /// Where the stepper opens.
    pub start: Option<Address>,
    /// The network.
    pub network: Arc<Network>,
    /// The samples; a graph has one, without an input.
    pub samples: Vec<Sample>,
    /// How the network learns; `None` for one iteration without an update.
    pub train: Option<Train>,
    /// How the losses of several samples become one.
    pub batch_reduction: BatchReduction,
    /// What is said at some steps.
    pub remarks: Vec<Remark>,
    /// What must come out.
    pub expectations: Vec<Expectation>,
    /// The files that its tensors come from, as it names them.
    pub files: Vec<String>,
}

impl Scenario {
    /// Gradient descent from the scenario's own parameters.
    #[must_use]
    pub fn descent(&self) -> Descent {
        let samples = (0..self.samples.len()).map(|sample| self.given(sample)).collect();
        Descent::new(Arc::clone(&self.network), samples, self.batch_reduction, self.train.clone())
    }

    /// What a run of the network is given for a sample, counted from 0.
    ///
    /// # Panics
    /// When there is no such sample.
    #[must_use]
    pub fn given(&self, sample: usize) -> Vec<(Id, Arc<Tensor>)> {
        given(&self.network, &self.samples[sample])
    }
}

fn given(network: &Network, sample: &Sample) -> Vec<(Id, Arc<Tensor>)> {
    if network.is_graph() {
        return Vec::new();
    }
    let input = network.with_role(Role::Input).zip(sample.input.clone());
    let target = network.with_role(Role::Target).zip(sample.target.clone());
    input.chain(target).collect()
}

/// Reads a scenario that stands alone: one without tensors from files.
///
/// # Errors
/// All faults of the file that do not follow from one another.
pub fn read(source: Source, limits: Limits) -> Result<Scenario, Faults> {
    read_beside(source, limits, Arc::new(NoFiles { why: "it has no folder", help: "" }))
}

/// Reads a scenario whose tensors may come from these files.
///
/// # Errors
/// All faults of the file, and of those that it names, that do not follow from one another.
pub fn read_beside(source: Source, limits: Limits, files: Arc<dyn Files>) -> Result<Scenario, Faults> {
    let text = Arc::new(source.text);
    let (mut reader, mut read) = reading(&text, limits, Arc::clone(&files), true);
    if reader.lifted.is_some() && !reader.faults.is_empty() {
        // the places of these faults are not those of the file
        (reader, read) = reading(&text, limits, files, false);
    }
    match read {
        Ok(parts) if reader.faults.is_empty() => Ok(parts.scenario(&excerpt::one_line(&source.name), text, reader.archives.paths())),
        _ => Err(Faults::new(source.path_shown, text, reader.faults)),
    }
}

/// What a text says, with the reader of its faults. Where `lifts` is set, arrays of numbers are taken out before.
fn reading(text: &str, limits: Limits, files: Arc<dyn Files>, lifts: bool) -> (Reader, Result<Parts, Faulty>) {
    let with = |mut reader: Reader| {
        let lifted = if lifts { lifted::lift(text) } else { None };
        let read = match lifted {
            Some(Lifted { text, arrays }) => {
                reader.lifted = Some(arrays);
                document(&mut reader, &text)
            }
            None => document(&mut reader, text),
        };
        (reader, read)
    };
    let (reader, read) = with(Reader::outline(limits.memory, files));
    if reader.put_off && reader.faults.is_empty() {
        drop(read);
        with(reader.in_full())
    } else {
        (reader, read)
    }
}

/// What a file says.
struct Parts {
    title: String,
    summary: Option<String>,
    source: Option<String>,
    notes: Option<String>,
    start: Option<Address>,
    network: Network,
    samples: Vec<Sample>,
    train: Option<Train>,
    batch_reduction: BatchReduction,
    remarks: Vec<Remark>,
    expectations: Vec<Expectation>,
}

impl Parts {
    fn scenario(self, name: &str, text: Arc<String>, files: Vec<String>) -> Scenario {
        Scenario {
            name: name.to_owned(),
            text,
            title: self.title,
            summary: self.summary,
            source: self.source,
            notes: self.notes,
            start: self.start,
            network: Arc::new(self.network),
            samples: self.samples,
            train: self.train,
            batch_reduction: self.batch_reduction,
            remarks: self.remarks,
            expectations: self.expectations,
            files,
        }
    }
}

const KEYS: &[&str] = &[
    "title", "summary", "source", "notes", "format", "start", "input", "target", "loss", "layer", "graph", "note", "expect", "sample",
    "train",
];

fn document(reader: &mut Reader, text: &str) -> Result<Parts, Faulty> {
    if text.len() > MAX_BYTES {
        return Err(reader.whole(
            format!("a scenario file has at most 4 MiB, this one has {} bytes", text.len()),
            "large tensors belong into files, { file = … }, or are made with { init = … }",
        ));
    }
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => return Err(reader.keep(syntax::fault(&error, text))),
    };
    let table = table.get_ref();
    format(reader, table)?;
    if table.is_empty() {
        let help = "a scenario has a title, and either [[layer]] tables with input, target and loss, or a [graph]";
        return Err(reader.fault(gap::after_all(text), "this file is empty", help));
    }
    reader.unknown(table, KEYS, "a scenario");
    let title = title(reader, table, text);
    let (summary, source, notes) = (reader.line(table, "summary"), reader.line(table, "source"), reader.lines(table, "notes"));
    let built = network(reader, table, text);
    let train = train::train(
        reader,
        table,
        built.as_ref().ok().map(|(network, ..)| network),
        built.as_ref().map_or(1, |(_, samples, _)| samples.len()),
    );
    let given = built.as_ref().map(|(network, samples, _)| given(network, &samples[0])).unwrap_or_default();
    let mut ground = built.as_ref().ok().map(|(network, samples, _)| Ground {
        network,
        given: &given,
        run: None,
        steps: None,
        samples: samples.len(),
        iterations: train.as_ref().ok().and_then(Option::as_ref).map_or(1, |train| train.iterations),
        updates: table.contains_key("train"),
        train: train.as_ref().ok().and_then(Option::as_ref),
        batch: OnceCell::new(),
    });
    let start = place::start(reader, table, ground.as_mut());
    let remarks = place::remarks(reader, table, ground.as_mut());
    let expectations = place::expectations(reader, table, ground.as_ref(), text);
    drop(ground);
    let ((network, samples, batch_reduction), train) = (built?, train?);
    Ok(Parts { title: title?, summary, source, notes, start, network, samples, train, batch_reduction, remarks, expectations })
}

fn format(reader: &mut Reader, table: &Table<'_>) -> Result<(), Faulty> {
    let Some(value) = table.get("format") else { return Ok(()) };
    let format = reader.integer("format", value, 1)?;
    if format > FORMAT {
        let message = format!("this file has format {format}, which is newer than this program; it reads format {FORMAT}");
        return Err(reader.fault(value.span(), message, "take a newer version of gradstep"));
    }
    Ok(())
}

fn title(reader: &mut Reader, table: &Table<'_>, text: &str) -> Result<String, Faulty> {
    match reader.string(table, "title")? {
        None => Err(reader.fault(gap::before_all(table, text), "title is missing", "add title = \"…\" as the first line")),
        Some((text, place)) if text.trim().is_empty() => Err(reader.fault(place, "the title is empty", "")),
        Some((text, _)) => Ok(excerpt::one_line(text.trim())),
    }
}

/// The network, its samples, and how several are reduced.
type Built = (Network, Vec<Sample>, BatchReduction);

fn network(reader: &mut Reader, table: &Table<'_>, text: &str) -> Result<Built, Faulty> {
    let before = reader.faults.len();
    let network = match (table.get_key_value("graph"), table.get_key_value("layer")) {
        (Some((graph, value)), _) => {
            let both = table.get_key_value("layer");
            let rest = ["input", "target", "loss"].into_iter().filter_map(|key| table.get_key_value(key));
            for (key, _) in both.map_or_else(|| rest.collect(), |both| vec![both]) {
                let message = format!("a graph has no {}", key.get_ref());
                let help = "a file has either layers, with input, target and loss, or a graph";
                reader.fault_with(key.span(), message, help, (graph.span(), "the graph is here"));
            }
            graph_table(reader, value, text)
                .map(|network| (network, vec![Sample { name: None, input: None, target: None }], BatchReduction::default()))
        }
        (None, Some(_)) => chain(reader, table),
        (None, None) => {
            let help = "add [[layer]] tables with input, target and loss; or a [graph]";
            Err(reader.fault(gap::after_all(text), "there is no network: neither [[layer]] nor [graph]", help))
        }
    };
    if reader.faults.len() > before { Err(Faulty) } else { network }
}

fn graph_table(reader: &mut Reader, value: &Spanned<DeValue<'_>>, text: &str) -> Result<Network, Faulty> {
    let span: Span = value.span();
    match value.get_ref() {
        DeValue::Table(table) => graph::graph(reader, table, span, text),
        _ => Err(reader.wrong("graph", value, "a table", "write [graph] on a line of its own, and its keys below")),
    }
}

fn chain(reader: &mut Reader, table: &Table<'_>) -> Result<Built, Faulty> {
    let tables = reader.tables(table, "layer");
    let whole = tables.is_ok();
    let entries = layers::entries(reader, tables.unwrap_or_default());
    let rows = samples::rows(reader, table);
    let inputs = rows.as_ref().map_err(|&fault| fault).and_then(|rows| samples::inputs(reader, rows, layers::wanted_rank(&entries)));
    let shape = inputs.as_ref().map(|inputs| inputs[0].shape()).map_err(|&fault| fault);
    let built = layers::chain(reader, &entries, shape);
    let last = match &built {
        Ok((_, last)) if whole && !entries.is_empty() => Ok(last),
        _ => Err(Faulty),
    };
    if let Some(none) = table.get("layer").filter(|_| whole && entries.is_empty()) {
        reader.fault(none.span(), "a network has at least one layer", "add a [[layer]]");
    }
    let loss = sample::loss(reader, table, last);
    let own = loss.as_ref().ok().and_then(|(loss, _)| loss.target.as_ref());
    // without a loss a target that is missing is no fault of its own
    let wanted = loss.is_ok() || table.contains_key("target") || table.contains_key("sample");
    let targets = match &rows {
        Ok(rows) if wanted => samples::targets(reader, rows, table, last, own),
        _ => Err(Faulty),
    };
    let (rows, inputs, targets, (loss, batch_reduction)) = (rows?, inputs?, targets?, loss?);
    let (chain, _) = built?;
    if entries.is_empty() {
        return Err(Faulty);
    }
    let samples = samples::joined(reader, &rows, inputs, targets);
    Ok((chain.finish(loss), samples, batch_reduction))
}
