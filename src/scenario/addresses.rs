//! Checks the addresses in a scenario file: the key `start`, and the key `at` of notes and expectations. The network must have the step or the tensor that an
//! address names.
//!
//! An address names a step or a tensor: `57` is step 57, `grad.fc1.weight[0,1]` is the entry at row 0 and column 1 of a gradient, and `2/3:fc1.z` is a tensor
//! of sample 3 in iteration 2. If the file has other faults, an address is reported only if it stays wrong however the user corrects these faults.

use std::cell::OnceCell;
use std::sync::Arc;

use super::excerpt::quoted;
use super::known::{KnownNetwork, NetworkNotation};
use super::reader::{ScenarioReader, Span, TomlTable};
use super::tensor::{read_tensor, with_rank};
use super::train::TrainSettings;
use super::{Expectation, Remark};
use crate::network::{Batch, Id, Network, Optimizer, Run};
use crate::op::layer::{Fan, Reported};
use crate::op::loss::BatchLoss;
use crate::step::{Address, Location, Pass, Scope};
use crate::tensor::{Tensor, index_text, ravel, shape_words};
use crate::text::counted;
use crate::words::tensors;

/// The keys of `[[note]]`.
pub(super) const NOTE_KEYS: &[&str] = &["at", "text"];
/// The keys of `[[expect]]`.
pub(super) const EXPECT_KEYS: &[&str] = &["at", "value", "tolerance", "source"];

/// The facts with which an address is checked: the network, and the numbers of its steps, samples and iterations. A fact may be unknown because of a fault in
/// the file.
#[derive(Debug)]
pub(super) struct AddressResolver<'a> {
    network: &'a KnownNetwork,
    /// The input and target of the first sample; `None` if some numbers of the file have faults, or if the first pass over the file left them out
    /// ([`ScenarioReader::defer`]).
    first_sample: Option<Vec<(Id, Arc<Tensor>)>>,
    /// The run of the first sample: its tensors decide how many terms an entry has. It is computed when an address first needs it.
    run: Option<Run>,
    /// The number of steps of a sample; `None` until it is computed.
    steps: Option<u64>,
    /// The number of samples; `None` if unknown.
    samples: Option<usize>,
    /// The number of samples in a batch; `None` if unknown.
    batch_size: Option<usize>,
    /// The loss of a batch; `None` if it has a fault.
    loss: Option<BatchLoss>,
    /// The largest number of iterations; `None` if unknown.
    iterations: Option<u64>,
    /// The settings of the update, and the parameters that it changes; `None` without `[train]`.
    ///
    /// If a setting has a fault, all settings are assumed to be 1, so that the update has every op that it can have. For example, without a momentum there
    /// would be no op for the velocity, and a correct address of this op would be reported.
    update: Option<(Optimizer, Vec<Id>)>,
    /// The network of a batch, which reduces the samples' gradients and updates the parameters. It is made when an address first needs it.
    batch: OnceCell<Arc<Network>>,
}

impl<'a> AddressResolver<'a> {
    /// Makes the resolver. `samples` is the number of samples, and `settings` are those of `[train]`.
    pub fn new(
        network: &'a KnownNetwork,
        first_sample: Option<Vec<(Id, Arc<Tensor>)>>,
        samples: Option<usize>,
        loss: Option<BatchLoss>,
        settings: Option<&TrainSettings>,
    ) -> Self {
        let nonzero = || Optimizer::sgd(1.0, 1.0, 1.0);
        let all_parameters = || network.complete().map_or_else(Vec::new, |network| network.learnable().collect());
        let update = |settings: &TrainSettings| {
            let options = settings.optimizer.unwrap_or_else(|Reported| nonzero());
            (options, settings.learned.clone().unwrap_or_else(|Reported| all_parameters()))
        };
        Self {
            network,
            first_sample,
            run: None,
            steps: None,
            samples,
            batch_size: settings.map_or(samples, |settings| settings.batch_size.ok()),
            loss,
            iterations: settings.map_or(Some(1), |settings| settings.iterations.ok()),
            update: settings.map(update),
            batch: OnceCell::new(),
        }
    }

    /// Returns the network of a batch in the first iteration. In later iterations some of its ops have more terms, because a velocity then also depends on the
    /// previous velocity. So only the names and the shapes of its tensors may be used here.
    fn batch(&self, network: &Network) -> &Network {
        self.batch.get_or_init(|| {
            // if the batch size is unknown, it is assumed to be 2, because a batch of several samples has all passes
            let samples: Vec<usize> = (1..=self.batch_size.unwrap_or(2)).collect();
            let update = self.update.as_ref().map(|(options, learned)| (options, &learned[..]));
            let iteration = 1;
            Batch::new(network, &samples, self.loss.unwrap_or_default(), update, iteration).network
        })
    }

    /// Returns whether an op in this pass of the batch computes a tensor of this name.
    fn is_computed_in(&self, network: &Network, pass: Pass, name: &str) -> bool {
        let batch = self.batch(network);
        batch.find(name).and_then(|id| batch.producer(id)).is_some_and(|op| batch.ops()[op].pass == pass)
    }

    /// Returns the pass of the batch that an address with this scope and name means; `None` if it means a tensor of a sample.
    ///
    /// An address without a scope means a tensor of a sample. If no sample has a tensor with this name, it means a tensor of the update. With
    /// `prefers_computed`, the sample's tensor counts only if an op computes it.
    fn batch_pass(&self, network: &Network, scope: Scope, name: &str, prefers_computed: bool) -> Option<Pass> {
        let is_in_sample = || network.find(name).is_some_and(|id| !prefers_computed || network.producer(id).is_some());
        match scope {
            Scope::Reduce => Some(Pass::Reduce),
            Scope::Update => Some(Pass::Update),
            Scope::Any if self.update.is_some() && !is_in_sample() && self.is_computed_in(network, Pass::Update, name) => {
                Some(Pass::Update)
            }
            _ => None,
        }
    }

    /// Returns the number of terms of one entry of an op. If `entry` is `None`, it is the number of terms of all entries together. Returns `None` if it is not
    /// known.
    fn terms(&mut self, op: usize, entry: Option<usize>) -> Option<u64> {
        let network = self.network.complete()?;
        let first_sample = self.first_sample.as_ref()?;
        let run = self.run.get_or_insert_with(|| Run::new(network, first_sample));
        let network_op = &network.ops()[op];
        let entries = crate::tensor::len(&network.tensor(network_op.output).shape);
        Some(match entry {
            Some(entry) => run.terms(network_op, op, entry),
            // `prefix_terms` returns the number of terms of the entries before index `entries`; these are all entries
            None => run.prefix_terms(network_op, op, entries),
        })
    }

    /// Returns the number of steps of a sample, if it is known.
    fn steps(&mut self) -> Option<u64> {
        if self.steps.is_none() {
            let ops = self.network.complete()?.ops().len();
            self.steps = (0..ops).map(|op| self.terms(op, None)).sum();
        }
        self.steps
    }
}

/// Reads the key `start`: the address of the step at which the stepper opens.
pub(super) fn start(reader: &mut ScenarioReader, table: &TomlTable<'_>, resolver: &mut AddressResolver<'_>) -> Option<Address> {
    let (text, span) = reader.string(table, "start").ok()??;
    step_address(reader, text, &span, resolver).ok()
}

/// Reads all `[[note]]` tables.
pub(super) fn remarks(reader: &mut ScenarioReader, table: &TomlTable<'_>, resolver: &mut AddressResolver<'_>) -> Vec<Remark> {
    let (tables, _) = reader.tables(table, "note");
    let mut remarks = Vec::new();
    for (note, span) in tables {
        if reader.is_full() {
            break;
        }
        let at = address_text(reader, note, &span, "note").and_then(|(text, span)| step_address(reader, text, &span, resolver));
        if !note.contains_key("text") {
            reader.report(span, "this note has no text", "add text = \"…\"");
        }
        let text = reader.lines(note, "text");
        if let (Ok(at), Some(text)) = (at, text) {
            remarks.push(Remark { at, text });
        }
    }
    remarks
}

/// Returns the text under the key `at`, and its position. `owner` names the table in messages: a note or an expectation.
fn address_text<'t>(reader: &mut ScenarioReader, table: &'t TomlTable<'_>, span: &Span, owner: &str) -> Result<(&'t str, Span), Reported> {
    match reader.string(table, "at")? {
        Some(found) => Ok(found),
        None => Err(reader.report(span.clone(), format!("this {owner} has no address"), "add at = \"…\", for example at = \"loss\"")),
    }
}

/// Parses the address of a step and checks that the step exists.
fn step_address(reader: &mut ScenarioReader, text: &str, span: &Span, resolver: &mut AddressResolver<'_>) -> Result<Address, Reported> {
    let address: Address = text.parse().map_err(|error| report_syntax(reader, span, &error))?;
    // both parts are checked before an error is returned, so that the faults of both are reported
    let iteration = check_iteration(reader, &address, span, resolver);
    check_location(reader, text, &address.location, span, resolver).and(iteration)?;
    Ok(address)
}

/// Checks that the step exists in its iteration. `text` is the address as written, and `location` is the address without its iteration.
fn check_location(
    reader: &mut ScenarioReader,
    text: &str,
    location: &Location,
    span: &Span,
    resolver: &mut AddressResolver<'_>,
) -> Result<(), Reported> {
    let fail = |reader: &mut ScenarioReader, message: String, help: &str| Err(reader.report(span.clone(), message, help));
    match location {
        // with several samples or iterations, the number of steps is not known before they are computed
        Location::Step(n) if resolver.samples == Some(1) && resolver.update.is_none() => match resolver.steps() {
            Some(steps) if *n > steps => fail(reader, format!("there is no step {n}, the last is {steps}"), ""),
            _ => Ok(()),
        },
        // a graph without a node of the name `loss`
        Location::Loss
            if resolver.network.notation() == Some(NetworkNotation::Graph) && resolver.network.help_if_missing("loss").is_some() =>
        {
            let output = |network: &Network| format!("write the name of its output: \"{}\"", network.tensor(network.loss()).name);
            let help = resolver.network.complete().map_or_else(String::new, output);
            fail(reader, "this graph has no op called \"loss\"".to_owned(), &help)
        }
        Location::Op { scope, name, index, term } => {
            let prefers_computed = true;
            let Some(FoundTensor { shape, id }) = find_tensor(reader, *scope, name, span, resolver, prefers_computed)? else {
                return Ok(());
            };
            let entry = match index {
                Some(index) => Some(entry_at(reader, name, index, span, &shape)?),
                None => None,
            };
            let Some((network, id)) = resolver.network.complete().zip(id) else { return Ok(()) };
            let Some(op) = network.producer(id) else {
                let gradient = network.gradient_of(id).map(|id| format!("its gradient is \"{}\"", network.tensor(id).name));
                return fail(reader, format!("{name} is given, not computed, so no step belongs to it"), &gradient.unwrap_or_default());
            };
            let Some(term) = term else { return Ok(()) };
            if entry.is_none() && !shape.is_empty() {
                let help = format!("write {name}[…]#{term}");
                return fail(reader, format!("a term belongs to an entry, but {text} names no entry of {name}"), &help);
            }
            // an address without an index, such as `loss#2`, is that of a scalar: its only entry is 0
            let entry = entry.or(Some(0));
            match resolver.terms(op, entry) {
                Some(terms) if *term > terms => fail(reader, format!("{text} does not exist: this entry has {}", terms_text(terms)), ""),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Formats a number of terms for messages.
fn terms_text(terms: u64) -> String {
    match terms {
        0 => "no terms".to_owned(),
        n => counted(n, "term"),
    }
}

/// Reports a text that does not have the form of an address.
fn report_syntax(reader: &mut ScenarioReader, span: &Span, error: &impl ToString) -> Reported {
    reader.report(span.clone(), error.to_string(), "")
}

/// Checks that the iteration of an address exists.
fn check_iteration(reader: &mut ScenarioReader, address: &Address, span: &Span, resolver: &AddressResolver<'_>) -> Result<(), Reported> {
    let message = match (&resolver.update, address.iteration, resolver.iterations) {
        (None, Some(2..), _) => "there is only iteration 1 without [train]".to_owned(),
        (Some(_), Some(n), Some(iterations)) if n > iterations => format!("there is no iteration {n}: the last is {iterations}"),
        _ => return Ok(()),
    };
    let written = address.iteration.map_or_else(String::new, |n| n.to_string());
    Err(reader.report(span.clone(), message, format!("leave out \"{written}/\"")))
}

/// Checks that the sample or the pass of an address exists.
fn check_scope(reader: &mut ScenarioReader, scope: Scope, span: &Span, resolver: &AddressResolver<'_>) -> Result<(), Reported> {
    // a loss with a penalty has a reduce pass even for a single sample, because the penalty is added there
    let has_penalty = resolver.loss.is_none_or(|loss| loss.l2 != 0.0);
    let message = match (scope, resolver.samples) {
        (Scope::Sample(_), Some(1)) if scope != Scope::Sample(1) => "there is only sample 1".to_owned(),
        (Scope::Sample(n), Some(samples)) if n > samples => format!("there is no sample {n}: there are {samples}"),
        (Scope::Reduce, Some(1)) if !has_penalty => "there is no reduce pass, because there is only one sample".to_owned(),
        (Scope::Reduce, _) if resolver.batch_size == Some(1) && !has_penalty => {
            "there is no reduce pass, because a batch is one sample".to_owned()
        }
        (Scope::Update, _) if resolver.update.is_none() => "there is no update pass without [train]".to_owned(),
        _ => return Ok(()),
    };
    Err(reader.report(span.clone(), message, format!("leave out \"{scope}\"")))
}

/// A tensor that an address names.
struct FoundTensor {
    shape: Vec<usize>,
    /// The id in the network of a sample; `None` for a tensor of the batch, or if the network is not known completely.
    id: Option<Id>,
}

/// Finds the tensor that an address names. Returns `None` if the tensor or its shape is unknown because of faults in the file. `prefers_computed` is set for
/// the address of a step: see [`AddressResolver::batch_pass`] and [`find_in_sample`]. A tensor that no op computes is found nevertheless.
fn find_tensor(
    reader: &mut ScenarioReader,
    scope: Scope,
    name: &str,
    span: &Span,
    resolver: &AddressResolver<'_>,
    prefers_computed: bool,
) -> Result<Option<FoundTensor>, Reported> {
    let scope_check = check_scope(reader, scope, span, resolver);
    if scope_check.is_err() && matches!(scope, Scope::Reduce | Scope::Update) {
        return Err(Reported); // a pass that does not exist has no tensors to suggest
    }
    let Some(network) = resolver.network.complete() else {
        return match resolver.network.help_if_missing(name) {
            Some(help) => Err(reader.report(span.clone(), format!("no op is called {}", quoted(name)), help)),
            None => scope_check.map(|()| resolver.network.shape(name).map(|shape| FoundTensor { shape, id: None })),
        };
    };
    let found = if let Some(pass) = resolver.batch_pass(network, scope, name, prefers_computed) {
        FoundTensor { shape: shape_in_batch(reader, pass, name, span, resolver.batch(network))?, id: None }
    } else {
        let id = find_in_sample(reader, name, span, network, prefers_computed)?;
        FoundTensor { shape: network.tensor(id).shape.clone(), id: Some(id) }
    };
    scope_check.map(|()| Some(found))
}

/// Returns the shape of the tensor of this name that an op in this pass of the batch computes.
fn shape_in_batch(reader: &mut ScenarioReader, pass: Pass, name: &str, span: &Span, batch: &Network) -> Result<Vec<usize>, Reported> {
    let computed: Vec<Id> = batch.ops().iter().filter(|op| op.pass == pass).map(|op| op.output).collect();
    if let Some(&id) = computed.iter().find(|&&id| &*batch.tensor(id).name == name) {
        return Ok(batch.tensor(id).shape.clone());
    }
    let names: Vec<&str> = computed.iter().map(|&id| &*batch.tensor(id).name).collect();
    let message = format!("no op of {} is called {}", pass.name(), quoted(name));
    Err(reader.report(span.clone(), message, tensors::help(name, &names)))
}

/// Finds the tensor of this name in the network of a sample. An unknown name is reported with a suggestion. With `prefers_computed`, only tensors that an op
/// computes are suggested.
fn find_in_sample(reader: &mut ScenarioReader, name: &str, span: &Span, network: &Network, prefers_computed: bool) -> Result<Id, Reported> {
    if let Some(id) = network.find(name) {
        return Ok(id);
    }
    let names: Vec<&str> = network.tensors().iter().map(|tensor| &*tensor.name).collect();
    let is_computed = |name: &str| network.find(name).is_some_and(|id| network.producer(id).is_some());
    let help = match tensors::best_match(name, &names) {
        Some(near) if prefers_computed && !is_computed(&near) => {
            given_help(network, &near).map_or_else(String::new, |help| format!("{near} {help}"))
        }
        _ => {
            let names: Vec<&str> = names.into_iter().filter(|name| !prefers_computed || is_computed(name)).collect();
            tensors::help(name, &names)
        }
    };
    Err(reader.report(span.clone(), format!("no op is called {}", quoted(name)), help))
}

/// Returns the help text for the name of a tensor that no op computes, such as a weight. The text suggests its gradient: `is given, not computed; its gradient
/// is "grad.fc1.weight"`. The caller writes the tensor's name before it. Returns `None` if the tensor has no gradient.
fn given_help(network: &Network, name: &str) -> Option<String> {
    let gradient = network.gradient_of(network.find(name)?)?;
    Some(format!("is given, not computed; its gradient is \"{}\"", network.tensor(gradient).name))
}

/// Returns the row-major position of the entry at an index of the tensor `name`, or reports an index outside `shape`.
fn entry_at(reader: &mut ScenarioReader, name: &str, index: &[usize], span: &Span, shape: &[usize]) -> Result<usize, Reported> {
    if let Some(position) = ravel(index, shape) {
        return Ok(position);
    }
    if index.len() != shape.len() {
        let (message, help) = if shape.is_empty() {
            (format!("{name} is a single number and has no index"), "leave out the brackets".to_owned())
        } else {
            let message =
                format!("{name} is {}: an index of it has {}, not {}", shape_words(shape), counted(shape.len(), "number"), index.len());
            (message, format!("its first entry is {name}{}", index_text(&vec![0; shape.len()])))
        };
        return Err(reader.report(span.clone(), message, help));
    }
    let last: Vec<usize> = shape.iter().map(|n| n - 1).collect();
    let message = format!("this entry is outside {name}, which is {}", shape_words(shape));
    Err(reader.report(span.clone(), message, format!("indices count from 0: its last entry is {name}{}", index_text(&last))))
}

/// Reads all `[[expect]]` tables. `text` is the text of the file.
pub(super) fn expectations(
    reader: &mut ScenarioReader,
    table: &TomlTable<'_>,
    resolver: &AddressResolver<'_>,
    text: &str,
) -> Vec<Expectation> {
    let (tables, _) = reader.tables(table, "expect");
    let mut found = Vec::with_capacity(tables.len());
    if tables.is_empty() {
        return found;
    }
    let line_breaks: Vec<usize> = text.match_indices('\n').map(|(position, _)| position).collect();
    for (expect, span) in tables {
        if reader.is_full() {
            break;
        }
        found.extend(expectation(reader, expect, &span, resolver, &line_breaks));
    }
    found
}

/// Reads one `[[expect]]` table. `line_breaks` has the positions of all line breaks of the file.
fn expectation(
    reader: &mut ScenarioReader,
    table: &TomlTable<'_>,
    span: &Span,
    resolver: &AddressResolver<'_>,
    line_breaks: &[usize],
) -> Result<Expectation, Reported> {
    let at = address_text(reader, table, span, "expectation");
    // the number of the line of the address: one more than the number of line breaks before it
    let line = at.as_ref().map_or(0, |(_, span)| line_breaks.partition_point(|&line_break| line_break < span.start) + 1);
    let expected = at.and_then(|(text, span)| expected_tensor(reader, text, &span, resolver));
    let value = match table.get("value") {
        None => Err(reader.report(span.clone(), "this expectation has no value", "add value = …")),
        Some(value) => read_tensor(reader, "value", value).map(|found| (found, value.span())),
    };
    let tolerance = match table.get("tolerance") {
        None => Ok(1e-9),
        Some(value) => match reader.number("tolerance", value) {
            Ok(tolerance) if tolerance < 0.0 => Err(reader.report(value.span(), "tolerance must be at least 0", "")),
            other => other,
        },
    };
    let source = reader.line(table, "source");
    let (ExpectedTensor { address, name, shape, entry }, (value, value_span)) = (expected?, value?);
    if let Some(written) = value.shape()
        // the value may be written without leading dimensions of size 1
        && with_rank(written, shape.len()).as_ref() != Some(&shape)
    {
        let message = format!("the value of {address} is {}, not {}", shape_words(&shape), shape_words(written));
        let help =
            if written.is_empty() { format!("add an index to the address: {name} is {}", shape_words(&shape)) } else { String::new() };
        return Err(reader.report(value_span, message, help));
    }
    reader.claim(&value_span, &shape)?; // counts the memory of the value
    // the value may be written with any initializer. Those for weights, such as `he_normal`, need a fan-in and a fan-out
    let fan = Fan::of(&shape);
    let value = Arc::new(value.fill(reader, "value", &shape, fan)?);
    Ok(Expectation { at: address, value, entry, tolerance: tolerance?, source, line })
}

/// The tensor or entry that an expectation is about, with its shape.
struct ExpectedTensor {
    address: Address,
    /// The name of the tensor.
    name: String,
    /// The shape of the tensor. For a single entry, it is the shape of a scalar.
    shape: Vec<usize>,
    /// The row-major position of the entry; `None` for the whole tensor.
    entry: Option<usize>,
}

/// Finds the tensor or entry that an expectation is about.
fn expected_tensor(
    reader: &mut ScenarioReader,
    text: &str,
    span: &Span,
    resolver: &AddressResolver<'_>,
) -> Result<ExpectedTensor, Reported> {
    let exists = |name: &str| resolver.network.complete().is_some_and(|network| network.find(name).is_some());
    let whole_tensor = |name: &str| Location::Op { scope: Scope::Any, name: name.to_owned(), index: None, term: None };
    // a node of a graph may have a name that would otherwise be the address of a step, such as `loss`
    let address: Address =
        if exists(text) { whole_tensor(text).into() } else { text.parse().map_err(|error| report_syntax(reader, span, &error))? };
    // a fault of the iteration is reported, but the check of the address continues
    let _ = check_iteration(reader, &address, span, resolver);
    let location = match address.location {
        // as the address of a step, `loss` is the first step of the loss. An expectation is about a tensor, so here `loss` is the tensor of this name
        Location::Loss if resolver.network.help_if_missing("loss").is_none() => whole_tensor("loss"),
        location => location,
    };
    let Location::Op { scope, name, index, term } = &location else {
        let help = "name a tensor such as \"conv1.z\", or an entry \"conv1.z[0,0,0]\"";
        return Err(reader.report(span.clone(), format!("{} is not a tensor", quoted(text)), help));
    };
    if term.is_some() {
        reader.report(span.clone(), "a value is expected of an entry, not of one of its terms", "leave out # and what follows");
    }
    let prefers_computed = false;
    let found = find_tensor(reader, *scope, name, span, resolver, prefers_computed);
    let shape = found.and_then(|found| found.map(|found| found.shape).ok_or(Reported));
    let entry = match index {
        Some(index) => shape.as_deref().ok().and_then(|shape| entry_at(reader, name, index, span, shape).ok()),
        None => None,
    };
    let shape = if index.is_some() { Vec::new() } else { shape? };
    let name = name.clone();
    Ok(ExpectedTensor { address: Address { location, ..address }, name, shape, entry })
}
