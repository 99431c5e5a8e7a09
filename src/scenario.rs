//! Floor 4: parses and checks scenario files. The result is a network with its samples, or the list of all errors in the file.
//!
//! Stages: `extract` takes large arrays of numbers out of the text, `toml` parses the rest, `mend` corrects misspelt and misplaced keys, `built` makes
//! the network, `train` and `place` check what refers to it, and `memory` compares the total with the memory limit. After an error a placeholder
//! takes the place of the faulty part, so that the errors below it are found too, and errors that merely follow from it are not reported.

mod archives;
mod budget;
mod built;
mod excerpt;
mod expression;
mod extract;
mod fault;
mod file;
mod gap;
mod graph;
mod init;
mod keys;
mod known;
mod layers;
mod memory;
mod mend;
mod misfit;
mod misplaced;
mod names;
mod number;
mod place;
mod random;
mod reader;
mod sample;
mod samples;
mod source;
mod spelling;
mod syntax;
mod tensor;
mod train;
mod wiring;

pub use archives::{Files, NoFiles};
pub use fault::{Diagnostic, Faults};
pub use source::Source;

use std::sync::Arc;

use toml::de::DeTable;

use crate::network::{Descent, Id, Network, Role, Train};
use crate::op::layer::Reported;
use crate::op::loss::BatchReduction;
use crate::room::MemoryBudget;
use crate::step::Address;
use crate::tensor::Tensor;

#[cfg(test)]
mod tests;

use built::BuiltNetwork;
use extract::Extracted;
use known::KnownNetwork;
use place::AddressResolver;
use reader::{ScenarioReader, TomlTable};
use train::Schedule;

/// The newest version of the scenario format that this program reads.
const FORMAT: u64 = 1;
/// The largest size of a scenario file in bytes. Larger data belongs in weight files.
pub const MAX_BYTES: usize = 4 << 20;

/// The resources that a scenario may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The memory limit in bytes for all tensors and their gradients.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 1 << 30 }
    }
}

/// One sample: an input and its target.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The sample's name, escaped.
    pub name: Option<String>,
    /// The network's input; `None` for a graph, whose inputs are its parameters.
    pub input: Option<Arc<Tensor>>,
    /// The target of the loss, in the shape of the output.
    pub target: Option<Arc<Tensor>>,
}

/// A note that is shown at a step.
#[derive(Clone, Debug)]
pub struct Remark {
    /// The step.
    pub at: Address,
    /// The text, escaped; it may have several lines.
    pub text: String,
}

/// A published number that the network must reproduce.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The address of the entry or tensor, always as the address of an op.
    pub at: Address,
    /// The row-major index of the entry; `None` for the whole tensor.
    pub entry: Option<usize>,
    /// The expected value: a scalar for an entry, otherwise in the tensor's shape.
    pub value: Arc<Tensor>,
    /// The largest allowed absolute difference.
    pub tolerance: f64,
    /// The publication that the number comes from, escaped.
    pub source: Option<String>,
    /// The line of the file that has the address, counted from 1.
    pub line: usize,
}

/// A scenario that passed all checks.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's name without its extension, a bundled scenario's name, or `-` for standard input; escaped.
    pub name: String,
    /// The text of the file.
    pub text: Arc<String>,
    /// The title, one line, escaped.
    pub title: String,
    /// A one-line description, escaped.
    pub summary: Option<String>,
    /// The publication that the network or its numbers come from, one line, escaped.
    pub source: Option<String>,
    /// A longer description, escaped.
    pub notes: Option<String>,
    /// The step at which the stepper opens.
    pub start: Option<Address>,
    /// The network.
    pub network: Arc<Network>,
    /// The samples; a graph has one, without an input.
    pub samples: Vec<Sample>,
    /// The training settings; `None` for one iteration without an update.
    pub train: Option<Train>,
    /// The reduction of the samples' losses to one loss: mean or sum.
    pub batch_reduction: BatchReduction,
    /// The notes that are shown at some steps.
    pub remarks: Vec<Remark>,
    /// The numbers that the network must reproduce.
    pub expectations: Vec<Expectation>,
    /// The paths of the files with its tensors, as written in the scenario.
    pub files: Vec<String>,
    /// The memory that it may take, of which it has taken what its own tensors need.
    pub room: Arc<MemoryBudget>,
}

impl Scenario {
    /// Starts gradient descent at the scenario's parameters.
    #[must_use]
    pub fn descent(&self) -> Descent {
        let samples = (0..self.samples.len()).map(|sample| self.given(sample)).collect();
        Descent::new(Arc::clone(&self.network), samples, self.batch_reduction, self.train.clone(), Arc::clone(&self.room))
    }

    /// Starts the same gradient descent and consumes the scenario, so that the parameters are updated in place instead of copied.
    #[must_use]
    pub fn descent_alone(self) -> Descent {
        let samples = (0..self.samples.len()).map(|sample| self.given(sample)).collect();
        Descent::with_own_parameters(self.network, samples, self.batch_reduction, self.train, self.room)
    }

    /// Returns the tensors that a run of the network reads from sample `sample`, counted from 0: input and target.
    ///
    /// # Panics
    /// If there is no such sample.
    #[must_use]
    pub fn given(&self, sample: usize) -> Vec<(Id, Arc<Tensor>)> {
        given(&self.network, &self.samples[sample])
    }
}

fn given(network: &Network, sample: &Sample) -> Vec<(Id, Arc<Tensor>)> {
    let input = network.with_role(Role::Input { learns: false }).zip(sample.input.clone());
    let target = network.with_role(Role::Target).zip(sample.target.clone());
    input.chain(target).collect()
}

/// Reads a scenario that has no tensors from files.
///
/// # Errors
/// All errors of the file, without those that merely follow from another.
pub fn read(source: Source, limits: Limits) -> Result<Scenario, Faults> {
    read_beside(source, limits, Arc::new(NoFiles { why: "it has no folder", help: "" }))
}

/// Reads a scenario whose tensors may come from `files`.
///
/// # Errors
/// All errors of the file and of the files that it names, without those that merely follow from another.
pub fn read_beside(source: Source, limits: Limits, files: Arc<dyn Files>) -> Result<Scenario, Faults> {
    let text = Arc::new(source.text);
    let (mut reader, mut read) = reading(&text, limits, Arc::clone(&files), true);
    if reader.arrays.is_some() && !reader.faults.is_empty() {
        // the positions of these errors refer to the text without its arrays, so the file is read again with them
        (reader, read) = reading(&text, limits, files, false);
    }
    match read {
        Ok(parts) if reader.faults.is_empty() => {
            let room = Arc::new(MemoryBudget::new(limits.memory, parts.taken));
            Ok(parts.scenario(&excerpt::one_line(&source.name), text, reader.archives.paths(), room))
        }
        _ => Err(Faults::new(source.path_shown, text, reader.faults)),
    }
}

/// Parses a text; the returned reader has its errors. If `extracts` is set, large arrays of numbers are taken out of the text before.
fn reading(text: &str, limits: Limits, files: Arc<dyn Files>, extracts: bool) -> (ScenarioReader, Result<Parts, Reported>) {
    let with = |mut reader: ScenarioReader| {
        let extracted = if extracts { extract::extract(text) } else { None };
        let read = match extracted {
            Some(Extracted { text, arrays }) => {
                reader.arrays = Some(arrays);
                document(&mut reader, &text)
            }
            None => document(&mut reader, text),
        };
        (reader, read)
    };
    let (reader, read) = with(ScenarioReader::first_pass(limits.memory, files));
    // errors of a text without its arrays are not shown, so they need no second pass
    let tells = reader.faults.is_empty() || reader.arrays.is_none();
    if reader.deferred && tells && !reader.budget.refused {
        drop(read);
        with(reader.second_pass())
    } else {
        (reader, read)
    }
}

/// The parsed file: a [`Scenario`] without its name, text and memory budget.
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
    /// The size of its tensors in bytes.
    taken: u64,
}

impl Parts {
    fn scenario(self, name: &str, text: Arc<String>, files: Vec<String>, room: Arc<MemoryBudget>) -> Scenario {
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
            room,
        }
    }
}

fn document(reader: &mut ScenarioReader, text: &str) -> Result<Parts, Reported> {
    if text.len() > MAX_BYTES {
        return Err(reader.file_fault(
            format!("a scenario file has at most 4 MiB, this one has {} bytes", text.len()),
            "put large tensors into files, { file = … }, or make them with { init = … }",
        ));
    }
    reader.claim_text(text)?;
    let mut table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => return Err(reader.keep(syntax::fault(&error, text))),
    };
    format(reader, &table)?;
    if table.is_empty() {
        let help = "a scenario has a title, and either [[layer]] tables with input, target and loss, or a [graph]";
        return Err(reader.fault(gap::after_all(text), "this file is empty", help));
    }
    mend::mend(reader, &mut table);
    let table = &table;
    let title = title(reader, table, text);
    let (summary, source, notes) = (reader.line(table, "summary"), reader.line(table, "source"), reader.lines(table, "notes"));
    let before = reader.faults.len();
    let BuiltNetwork { network, count, samples, reduction } = built::build(reader, table, text);
    // steps can be counted only if all numbers were read
    let whole = reader.faults.len() == before && !reader.deferred;
    let given = network.tensors().zip(samples.as_ref().ok()).filter(|_| whole).map(|(network, samples)| given(network, &samples[0]));
    let schedule = train::train(reader, table, &network, count);
    let mut resolver = AddressResolver::new(&network, given, count, schedule.as_ref());
    let start = place::start(reader, table, &mut resolver);
    let remarks = place::remarks(reader, table, &mut resolver);
    let expectations = place::expectations(reader, table, &resolver, text);
    drop(resolver);
    let KnownNetwork::Tensors(network) = network else { return Err(Reported) };
    let (samples, batch_reduction, train) = (samples?, reduction?, schedule.map(Schedule::whole).transpose()?);
    let taken = memory::iteration(reader, table, &network, samples.len(), train.as_ref())?;
    Ok(Parts { title: title?, summary, source, notes, start, network, samples, train, batch_reduction, remarks, expectations, taken })
}

fn format(reader: &mut ScenarioReader, table: &TomlTable<'_>) -> Result<(), Reported> {
    let Some(value) = table.get("format") else { return Ok(()) };
    if let Ok(format) = reader.integer("format", value, 1)
        && format > FORMAT
    {
        let message = format!("this file has format {format}, which is newer than this program; it reads format {FORMAT}");
        return Err(reader.fault(value.span(), message, "install a newer version of gradstep"));
    }
    Ok(())
}

fn title(reader: &mut ScenarioReader, table: &TomlTable<'_>, text: &str) -> Result<String, Reported> {
    match reader.string(table, "title")? {
        None => Err(reader.fault(gap::before_all(table, text), "title is missing", "add title = \"…\" as the first line")),
        Some((text, place)) if text.trim().is_empty() => Err(reader.fault(place, "the title is empty", "")),
        Some((text, _)) => Ok(excerpt::one_line(text.trim())),
    }
}
