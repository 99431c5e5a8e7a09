//! Reads scenario files. A scenario file is a TOML file that describes a network, its inputs and its training. The result of [`read`] is a [`Scenario`], or the
//! list of all faults in the file.
//!
//! A file is read in these stages:
//!
//! 1. `extract` takes large arrays of numbers out of the text, because the TOML parser is slow for them.
//! 2. `toml` parses the rest of the text.
//! 3. `mend` reports unknown and misplaced keys, and corrects those whose meaning is clear.
//! 4. `built` makes the network and the samples.
//! 5. `train` and `addresses` check the training settings and the addresses of steps. Both refer to the network.
//! 6. `memory` compares the memory that the scenario needs with the limit.
//!
//! Checking continues after a fault, with a placeholder for the part with the fault, such as zeros for a tensor. A fault that may only be a consequence of
//! another fault is not reported.

mod addresses;
mod archives;
mod axes;
mod axis_keys;
mod budget;
mod built;
mod edit;
mod excerpt;
mod expression;
mod extract;
mod fault;
mod graph;
mod init;
mod insertion;
mod keys;
mod known;
mod layers;
mod layouts;
mod memory;
mod mend;
mod misplaced;
mod missing;
mod names;
mod number;
mod optimizer;
mod padding;
mod random;
mod reader;
mod sample;
mod samples;
mod source;
mod spelling;
mod stacked;
mod syntax;
mod tensor;
mod train;
mod weight_file;
mod wiring;
mod write_back;

pub use crate::graph::function_names as graph_functions;
pub use archives::{Files, NoFiles};
pub use edit::{GivenNumber, TypedValue, typed_number};
pub use fault::{Diagnostic, Faults, LocatedFault};
pub use source::Source;
pub use write_back::{WrittenScenario, reads_files, write_back};

use std::path::PathBuf;
use std::sync::Arc;

use toml::de::DeTable;

use crate::memory_budget::MemoryBudget;
use crate::network::{Descent, Id, Network, Role, Train};
use crate::op::layer::Reported;
use crate::op::loss::BatchLoss;
use crate::step::Address;
use crate::tensor::Tensor;

#[cfg(test)]
mod tests;

use addresses::AddressResolver;
use built::BuiltNetwork;
use edit::ChangedTensor;
use extract::Extracted;
use known::KnownNetwork;
use reader::{ScenarioReader, TomlTable};
use train::TrainSettings;

/// The newest version of the scenario format that this program reads.
const FORMAT: u64 = 1;
/// The largest size of a scenario file in bytes. Larger data belongs in weight files.
pub const MAX_BYTES: usize = 4 << 20;

/// The resources that a scenario may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The memory limit in bytes for the tensors, their gradients and everything else that grows with the scenario.
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
    /// The network's input; `None` for a graph, whose inputs are part of the network.
    pub input: Option<Arc<Tensor>>,
    /// The target of the loss, in the shape of the network's output; `None` for a graph, which has no loss.
    pub target: Option<Arc<Tensor>>,
}

/// A note that is shown at a step, from a `[[note]]`.
#[derive(Clone, Debug)]
pub struct Remark {
    /// The address of the step.
    pub at: Address,
    /// The text, escaped; it may have several lines.
    pub text: String,
}

/// A published number or tensor that the network must reproduce, from an `[[expect]]`.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The address of the entry or tensor. It is never the address of a step, such as `7` or `first`.
    pub at: Address,
    /// The row-major index of the entry; `None` for the whole tensor.
    pub entry: Option<usize>,
    /// The expected value: a scalar for an entry, otherwise in the tensor's shape.
    pub value: Arc<Tensor>,
    /// The largest allowed absolute difference.
    pub tolerance: f64,
    /// The publication that the number comes from, escaped.
    pub source: Option<String>,
    /// The line in the file of the key `at`, counted from 1.
    pub line: usize,
}

/// A statement of a graph that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOutStatement {
    /// The line in which it begins, from 1.
    pub line: usize,
    /// The first line of its text, escaped and shortened.
    pub text: String,
}

/// A scenario that passed all checks.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's name without its extension, a bundled scenario's name, or `-` for standard input; escaped.
    pub name: String,
    /// The path of the file; `None` for a bundled scenario, and for one from the standard input. The caller of [`read`] sets it.
    pub path: Option<PathBuf>,
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
    /// The samples. A graph has one sample, without an input.
    pub samples: Vec<Sample>,
    /// The training settings; `None` for one iteration without an update.
    pub train: Option<Train>,
    /// The loss of a batch: the mean or sum of the samples' losses, and the penalty of the weights.
    pub batch_loss: BatchLoss,
    /// The notes that are shown at some steps.
    pub remarks: Vec<Remark>,
    /// The numbers that the network must reproduce.
    pub expectations: Vec<Expectation>,
    /// The paths of the weight files, as written in the scenario.
    pub files: Vec<String>,
    /// The memory budget. The bytes of the scenario's own tensors are already in use.
    pub budget: Arc<MemoryBudget>,
    /// Warnings about valid lines that are probably mistakes.
    pub warnings: Arc<Faults>,
    /// The statements of a graph that are left out because they have no effect, such as `import`.
    pub left_out: Vec<LeftOutStatement>,
    /// A sentence that names the tensors whose axes have another order in the file than on the screen, escaped; `None` if there are none.
    pub axes_remark: Option<String>,
    /// The tensors whose numbers the user has changed.
    changed_tensors: Vec<ChangedTensor>,
}

impl Scenario {
    /// Starts gradient descent at the scenario's parameters.
    #[must_use]
    pub fn descent(&self) -> Descent {
        let samples = (0..self.samples.len()).map(|sample| self.sample_tensors(sample)).collect();
        Descent::new(Arc::clone(&self.network), samples, self.batch_loss, self.train.clone(), Arc::clone(&self.budget))
            .starting_from(&self.changed_shared())
    }

    /// Starts gradient descent like [`Self::descent`], but consumes the scenario. So the parameters need not be copied: they are updated in place.
    #[must_use]
    pub fn into_descent(self) -> Descent {
        let samples = (0..self.samples.len()).map(|sample| self.sample_tensors(sample)).collect();
        let changed = self.changed_shared();
        Descent::with_own_parameters(self.network, samples, self.batch_loss, self.train, self.budget).starting_from(&changed)
    }

    /// Returns the tensors of a sample that a run of the network reads, input and target, each with its id in the network. `sample` counts from 0.
    ///
    /// # Panics
    /// If there is no such sample.
    #[must_use]
    pub fn sample_tensors(&self, sample: usize) -> Vec<(Id, Arc<Tensor>)> {
        sample_tensors(&self.network, &self.samples[sample])
    }
}

fn sample_tensors(network: &Network, sample: &Sample) -> Vec<(Id, Arc<Tensor>)> {
    let input = network.with_role(Role::Input { learns: false }).zip(sample.input.clone());
    let target = network.with_role(Role::Target).zip(sample.target.clone());
    input.chain(target).collect()
}

/// Reads a scenario that has no folder. If it names a weight file, this is a fault.
///
/// # Errors
/// All faults of the file, except faults that are only consequences of other faults.
pub fn read(source: Source, limits: Limits) -> Result<Scenario, Faults> {
    read_with_files(source, limits, Arc::new(NoFiles { why: "it has no folder", help: "" }))
}

/// Reads a scenario, and reads the weight files that it names from `files`.
///
/// # Errors
/// All faults of the scenario and of its weight files, except faults that are only consequences of other faults.
pub fn read_with_files(source: Source, limits: Limits, files: Arc<dyn Files>) -> Result<Scenario, Faults> {
    let text = Arc::new(source.text);
    let may_extract = true;
    let (mut reader, mut parsed) = parse(&text, limits, Arc::clone(&files), may_extract);
    if reader.arrays.is_some() && !reader.faults.is_empty() {
        // the positions of these faults refer to the text without its large arrays, so parse the whole text to get the right positions
        let may_extract = false;
        (reader, parsed) = parse(&text, limits, files, may_extract);
    }
    match parsed {
        Ok(parsed) if reader.faults.is_empty() => {
            let budget = Arc::new(MemoryBudget::new(limits.memory, parsed.own_bytes));
            let mut left_out: Vec<LeftOutStatement> = reader.left_out.iter().map(|span| left_out_statement(&text, span)).collect();
            // an unrolled loop leaves out a statement several times
            left_out.dedup();
            let axes_remark = axis_keys::remark(&reader).map(|remark| excerpt::one_line(&remark));
            let warnings = Arc::new(Faults::warnings(source.path_shown, Arc::clone(&text), reader.warnings));
            let scenario = parsed.into_scenario(&excerpt::one_line(&source.name), text, reader.archives.paths(), budget);
            Ok(Scenario { warnings, left_out, axes_remark, ..scenario })
        }
        _ => Err(Faults::new(source.path_shown, text, reader.faults)),
    }
}

fn left_out_statement(text: &str, span: &reader::Span) -> LeftOutStatement {
    const MAX_WIDTH: usize = 40;
    let first_line = text.get(span.clone()).and_then(|statement| statement.lines().next()).unwrap_or_default();
    LeftOutStatement { line: excerpt::excerpt(text, span).line, text: excerpt::cut(&excerpt::one_line(first_line), MAX_WIDTH).into_owned() }
}

/// Parses the text of a scenario. The faults are in the returned reader. If `may_extract` is `true`, large arrays of numbers are first taken out of the text.
///
/// The first pass leaves out the numbers of large tensors. If it has left out numbers and found no faults, a second pass makes the numbers of all tensors
/// ([`ScenarioReader`]).
fn parse(text: &str, limits: Limits, files: Arc<dyn Files>, may_extract: bool) -> (ScenarioReader, Result<ParsedScenario, Reported>) {
    let pass = |mut reader: ScenarioReader| {
        let extracted = if may_extract { extract::extract(text) } else { None };
        let parsed = match extracted {
            Some(Extracted { text, arrays }) => {
                reader.arrays = Some(arrays);
                parse_document(&mut reader, &text)
            }
            None => parse_document(&mut reader, text),
        };
        (reader, parsed)
    };
    let (reader, parsed) = pass(ScenarioReader::first_pass(limits.memory, files));
    // after a fault in a text without its large arrays, the caller parses the whole text anyway
    let is_parsed_again = !reader.faults.is_empty() && reader.arrays.is_some();
    if reader.has_deferred && !is_parsed_again && !reader.budget.is_exceeded {
        drop(parsed); // frees the memory of its tensors before the second pass makes them again
        pass(reader.into_second_pass())
    } else {
        (reader, parsed)
    }
}

/// The parsed file: a [`Scenario`] without its name, text, list of files and memory budget.
struct ParsedScenario {
    title: String,
    summary: Option<String>,
    source: Option<String>,
    notes: Option<String>,
    start: Option<Address>,
    network: Network,
    samples: Vec<Sample>,
    train: Option<Train>,
    batch_loss: BatchLoss,
    remarks: Vec<Remark>,
    expectations: Vec<Expectation>,
    /// The bytes of memory that the scenario's own tensors take while it is open, without those of an iteration.
    own_bytes: u64,
}

impl Scenario {
    /// Returns the name of the file with its extension, escaped, for a message. A scenario without a file has its own name.
    #[must_use]
    pub fn file_name(&self) -> String {
        let file = self.path.as_ref().and_then(|path| path.file_name());
        file.map_or_else(|| self.name.clone(), |file| excerpt::one_line(&file.to_string_lossy()))
    }
}

impl ParsedScenario {
    fn into_scenario(self, name: &str, text: Arc<String>, files: Vec<String>, budget: Arc<MemoryBudget>) -> Scenario {
        Scenario {
            name: name.to_owned(),
            path: None,
            text,
            title: self.title,
            summary: self.summary,
            source: self.source,
            notes: self.notes,
            start: self.start,
            network: Arc::new(self.network),
            samples: self.samples,
            train: self.train,
            batch_loss: self.batch_loss,
            remarks: self.remarks,
            expectations: self.expectations,
            files,
            budget,
            warnings: Arc::new(Faults::warnings(String::new(), Arc::default(), Vec::new())),
            left_out: Vec::new(),
            axes_remark: None,
            changed_tensors: Vec::new(),
        }
    }
}

/// Parses a text as TOML and checks all its keys.
fn parse_document(reader: &mut ScenarioReader, text: &str) -> Result<ParsedScenario, Reported> {
    if text.len() > MAX_BYTES {
        return Err(reader.report_for_file(
            format!("a scenario file has at most 4 MiB, this one has {} bytes", text.len()),
            "put large tensors into files, { file = … }, or make them with { init = … }",
        ));
    }
    reader.claim_text(text)?;
    let mut table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => return Err(reader.report_diagnostic(syntax::diagnostic(&error, text))),
    };
    check_format(reader, &table)?;
    if table.is_empty() {
        let help = "a scenario has a title, and either [[layer]] tables with input, target and loss, or a [graph]";
        return Err(reader.report(insertion::at_end(text), "this file is empty", help));
    }
    mend::mend(reader, &mut table);
    let table = &table;
    reader.layout = axis_keys::file_layout(reader, table);
    let title = title(reader, table, text);
    let (summary, source, notes) = (reader.line(table, "summary"), reader.line(table, "source"), reader.lines(table, "notes"));
    let faults_before = reader.faults.len();
    let BuiltNetwork { network, sample_count, samples, batch_loss } = built::build(reader, table, text);
    // Steps are counted in a run of the first sample, which needs the values of all tensors. Shapes are not enough: a softmax whose output is rounded to 0, for
    // example, has another number of steps in the backward pass
    let has_all_numbers = reader.faults.len() == faults_before && !reader.has_deferred;
    let first_sample = network.complete().zip(samples.as_ref().ok()).filter(|_| has_all_numbers);
    let first_sample = first_sample.map(|(network, samples)| sample_tensors(network, &samples[0]));
    let settings = train::train(reader, table, &network, sample_count);
    let mut resolver = AddressResolver::new(&network, first_sample, sample_count, batch_loss.ok(), settings.as_ref());
    let start = addresses::start(reader, table, &mut resolver);
    let remarks = addresses::remarks(reader, table, &mut resolver);
    let expectations = addresses::expectations(reader, table, &resolver, text);
    drop(resolver);
    let KnownNetwork::Complete(network) = network else { return Err(Reported) };
    let (samples, batch_loss, train) = (samples?, batch_loss?, settings.map(TrainSettings::into_train).transpose()?);
    let own_bytes = memory::check_iteration(reader, table, &network, samples.len(), batch_loss, train.as_ref())?;
    Ok(ParsedScenario {
        title: title?,
        summary,
        source,
        notes,
        start,
        network,
        samples,
        train,
        batch_loss,
        remarks,
        expectations,
        own_bytes,
    })
}

/// Reports a `format` that is newer than [`FORMAT`].
fn check_format(reader: &mut ScenarioReader, table: &TomlTable<'_>) -> Result<(), Reported> {
    let Some(value) = table.get("format") else { return Ok(()) };
    if let Ok(format) = reader.integer("format", value, 1)
        && format > FORMAT
    {
        let message = format!("this file has format {format}, which is newer than this program; it reads format {FORMAT}");
        return Err(reader.report(value.span(), message, "install a newer version of gradstep"));
    }
    Ok(())
}

fn title(reader: &mut ScenarioReader, table: &TomlTable<'_>, text: &str) -> Result<String, Reported> {
    match reader.string(table, "title")? {
        None => Err(reader.report(insertion::before_first_key(table, text), "title is missing", "add title = \"…\" as the first line")),
        Some((text, span)) if text.trim().is_empty() => Err(reader.report(span, "the title is empty", "")),
        Some((text, _)) => Ok(excerpt::one_line(text.trim())),
    }
}
