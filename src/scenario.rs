//! Floor 4: from the text of a scenario file to a network with its samples, checked; or to all that is wrong with the file.

mod archives;
mod budget;
mod built;
mod excerpt;
mod expression;
mod fault;
mod file;
mod gap;
mod graph;
mod init;
mod keys;
mod known;
mod layers;
mod lifted;
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
use crate::room::Room;
use crate::step::Address;
use crate::tensor::Tensor;

#[cfg(test)]
mod tests;

use built::BuiltNetwork;
use known::KnownNetwork;
use lifted::Lifted;
use place::AddressResolver;
use reader::{ScenarioReader, TomlTable};
use train::Schedule;

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
    /// The memory that it may take, of which it has taken what its own tensors need.
    pub room: Arc<Room>,
}

impl Scenario {
    /// Gradient descent from the scenario's own parameters.
    #[must_use]
    pub fn descent(&self) -> Descent {
        let samples = (0..self.samples.len()).map(|sample| self.given(sample)).collect();
        Descent::new(Arc::clone(&self.network), samples, self.batch_reduction, self.train.clone(), Arc::clone(&self.room))
    }

    /// The same descent for whoever needs no other: it takes the parameters out of the network, so that they are updated where they are.
    #[must_use]
    pub fn descent_alone(self) -> Descent {
        let samples = (0..self.samples.len()).map(|sample| self.given(sample)).collect();
        Descent::alone(self.network, samples, self.batch_reduction, self.train, self.room)
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
    let input = network.with_role(Role::Input { learns: false }).zip(sample.input.clone());
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
        Ok(parts) if reader.faults.is_empty() => {
            let room = Arc::new(Room::new(limits.memory, parts.taken));
            Ok(parts.scenario(&excerpt::one_line(&source.name), text, reader.archives.paths(), room))
        }
        _ => Err(Faults::new(source.path_shown, text, reader.faults)),
    }
}

/// What a text says, with the reader of its faults. Where `lifts` is set, arrays of numbers are taken out before.
fn reading(text: &str, limits: Limits, files: Arc<dyn Files>, lifts: bool) -> (ScenarioReader, Result<Parts, Reported>) {
    let with = |mut reader: ScenarioReader| {
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
    let (reader, read) = with(ScenarioReader::first_pass(limits.memory, files));
    // faults of a lifted text are not told, so none are looked for
    let tells = reader.faults.is_empty() || reader.lifted.is_none();
    if reader.deferred && tells && !reader.budget.refused {
        drop(read);
        with(reader.second_pass())
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
    /// Bytes of its tensors.
    taken: u64,
}

impl Parts {
    fn scenario(self, name: &str, text: Arc<String>, files: Vec<String>, room: Arc<Room>) -> Scenario {
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
            "large tensors belong into files, { file = … }, or are made with { init = … }",
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
    // nothing is known without numbers
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
        return Err(reader.fault(value.span(), message, "take a newer version of gradstep"));
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
