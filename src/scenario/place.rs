//! Checks the addresses of a file against its network: `start`, and the `at` of notes and expectations.

use std::cell::OnceCell;
use std::sync::Arc;

use super::excerpt::quoted;
use super::known::{KnownNetwork, Notation};
use super::reader::{ScenarioReader, Span, TomlTable};
use super::tensor::{read_tensor, with_rank};
use super::train::Schedule;
use super::{Expectation, Remark};
use crate::network::{Batch, Id, Network, Run, SgdOptions};
use crate::op::layer::{Fan, Reported};
use crate::op::loss::BatchReduction;
use crate::step::{Address, Pass, Place, Scope};
use crate::tensor::{Tensor, index_text, ravel, shape_text, shape_words};
use crate::words::tensors;

/// The keys of `[[note]]` and `[[expect]]`.
pub(super) const NOTE: &[&str] = &["at", "text"];
pub(super) const EXPECT: &[&str] = &["at", "value", "tolerance", "source"];

/// Everything that an address may refer to, as far as it is known: the network, its steps, samples, iterations and updates.
#[derive(Debug)]
pub(super) struct AddressResolver<'a> {
    network: &'a KnownNetwork,
    /// The tensors that a run reads from the first sample; `None` if some numbers of the file are not read.
    given: Option<Vec<(Id, Arc<Tensor>)>>,
    /// A run of the first sample, computed when an address needs the number of steps.
    run: Option<Run>,
    /// The number of steps of a sample, once it is computed.
    steps: Option<u64>,
    /// The number of samples and the batch size; `None` if unknown.
    samples: Option<usize>,
    batch_size: Option<usize>,
    /// The largest number of iterations; `None` if unknown.
    iterations: Option<u64>,
    /// The rates of the update and the updated parameters; `None` without `[train]`. Unknown rates are assumed not to be 0, so that every op of an update exists.
    updates: Option<(SgdOptions, Vec<Id>)>,
    /// The ops of a batch, made when an address needs them.
    batch: OnceCell<Arc<Network>>,
}

impl<'a> AddressResolver<'a> {
    /// Makes the resolver for a network with `samples` samples and the settings of `[train]`.
    pub fn new(
        network: &'a KnownNetwork,
        given: Option<Vec<(Id, Arc<Tensor>)>>,
        samples: Option<usize>,
        schedule: Option<&Schedule>,
    ) -> Self {
        let most = || SgdOptions { learning_rate: 1.0, momentum: 1.0, weight_decay: 1.0 };
        let all = || network.tensors().map_or_else(Vec::new, |network| network.learnable().collect());
        let updates = |schedule: &Schedule| {
            (schedule.rates.unwrap_or_else(|Reported| most()), schedule.learned.clone().unwrap_or_else(|Reported| all()))
        };
        Self {
            network,
            given,
            run: None,
            steps: None,
            samples,
            batch_size: schedule.map_or(samples, |schedule| schedule.batch_size.ok()),
            iterations: schedule.map_or(Some(1), |schedule| schedule.iterations.ok()),
            updates: schedule.map(updates),
            batch: OnceCell::new(),
        }
    }

    /// Returns the ops of a batch. Their numbers of terms may differ after the first iteration.
    fn batch(&self, network: &Network) -> &Network {
        self.batch.get_or_init(|| {
            // an unknown batch size is assumed to be 2, which has all passes
            let samples: Vec<usize> = (1..=self.batch_size.unwrap_or(2)).collect();
            let update = self.updates.as_ref().map(|(rates, learned)| (rates, &learned[..]));
            Batch::new(network, &samples, BatchReduction::default(), update, true).network
        })
    }

    /// Returns whether a pass of the batch computes a tensor of this name.
    fn reduces_or_updates(&self, network: &Network, pass: Pass, name: &str) -> bool {
        let batch = self.batch(network);
        batch.find(name).and_then(|id| batch.producer(id)).is_some_and(|op| batch.ops()[op].pass == pass)
    }

    /// Returns the pass of the batch in which an op of this name is looked up; `None` for the passes of a sample. A name that no sample computes may belong to
    /// the update.
    fn pass(&self, network: &Network, scope: Scope, name: &str, computed: bool) -> Option<Pass> {
        let in_sample = || network.find(name).is_some_and(|id| !computed || network.producer(id).is_some());
        match scope {
            Scope::Reduce => Some(Pass::Reduce),
            Scope::Update => Some(Pass::Update),
            Scope::Any if self.updates.is_some() && !in_sample() && self.reduces_or_updates(network, Pass::Update, name) => {
                Some(Pass::Update)
            }
            _ => None,
        }
    }

    /// Returns the number of terms of an op or of one of its entries, if it is known.
    fn terms(&mut self, op: usize, entry: Option<usize>) -> Option<u64> {
        let network = self.network.tensors()?;
        let given = self.given.as_ref()?;
        let run = self.run.get_or_insert_with(|| Run::new(network, given));
        let made = &network.ops()[op];
        let entries = crate::tensor::len(&network.tensor(made.output).shape);
        Some(entry.map_or_else(|| run.prefix_terms(made, op, entries), |entry| run.terms(made, op, entry)))
    }

    /// Returns the number of steps of a sample, if it is known.
    fn steps(&mut self) -> Option<u64> {
        if self.steps.is_none() {
            let ops = self.network.tensors()?.ops().len();
            self.steps = (0..ops).map(|op| self.terms(op, None)).sum();
        }
        self.steps
    }
}

/// Reads `start`.
pub(super) fn start(reader: &mut ScenarioReader, table: &TomlTable<'_>, resolver: &mut AddressResolver<'_>) -> Option<Address> {
    let (text, span) = reader.string(table, "start").ok()??;
    step(reader, text, &span, resolver).ok()
}

/// Reads all `[[note]]` tables.
pub(super) fn remarks(reader: &mut ScenarioReader, table: &TomlTable<'_>, resolver: &mut AddressResolver<'_>) -> Vec<Remark> {
    let (tables, _) = reader.tables(table, "note");
    let mut remarks = Vec::new();
    for (note, span) in tables {
        if reader.full() {
            break;
        }
        let at = at(reader, note, &span, "note").and_then(|(text, span)| step(reader, text, &span, resolver));
        if !note.contains_key("text") {
            reader.fault(span, "this note has no text", "add text = \"…\"");
        }
        let text = reader.lines(note, "text");
        if let (Ok(at), Some(text)) = (at, text) {
            remarks.push(Remark { at, text });
        }
    }
    remarks
}

fn at<'t>(reader: &mut ScenarioReader, table: &'t TomlTable<'_>, span: &Span, what: &str) -> Result<(&'t str, Span), Reported> {
    match reader.string(table, "at")? {
        Some(found) => Ok(found),
        None => Err(reader.fault(span.clone(), format!("this {what} has no address"), "add at = \"…\", for example at = \"loss\"")),
    }
}

/// Parses the address of a step and checks that the step exists.
fn step(reader: &mut ScenarioReader, text: &str, span: &Span, resolver: &mut AddressResolver<'_>) -> Result<Address, Reported> {
    let address: Address = text.parse().map_err(|why| not_an_address(reader, span, &why))?;
    let iterated = iterated(reader, &address, span, resolver);
    there(reader, text, &address.place, span, resolver).and(iterated)?;
    Ok(address)
}

fn there(reader: &mut ScenarioReader, text: &str, place: &Place, span: &Span, resolver: &mut AddressResolver<'_>) -> Result<(), Reported> {
    let fail = |reader: &mut ScenarioReader, message: String, help: &str| Err(reader.fault(span.clone(), message, help));
    match place {
        // with several samples or iterations, the number of steps is known only after they are computed
        Place::Step(n) if resolver.samples == Some(1) && resolver.updates.is_none() => match resolver.steps() {
            Some(steps) if *n > steps => fail(reader, format!("there is no step {n}, the last is {steps}"), ""),
            _ => Ok(()),
        },
        Place::Loss if resolver.network.notation() == Some(Notation::Graph) && resolver.network.lacks("loss").is_some() => {
            fail(reader, "a graph has no loss".to_owned(), "its output is an op like the others")
        }
        Place::Op { scope, name, index, term } => {
            let Some((shape, id)) = named(reader, *scope, name, span, resolver, true)? else { return Ok(()) };
            let entry = match index {
                Some(index) => Some(entry(reader, name, index, span, &shape)?),
                None => None,
            };
            let Some((network, id)) = resolver.network.tensors().zip(id) else { return Ok(()) };
            let Some(op) = network.producer(id) else {
                let gradient = network.gradient_of(id).map(|id| format!("its gradient is \"{}\"", network.tensor(id).name));
                return fail(reader, format!("{name} is given, not computed, so no step belongs to it"), &gradient.unwrap_or_default());
            };
            match term.zip(term.and_then(|_| resolver.terms(op, entry.or(Some(0))))) {
                Some((term, terms)) if term > terms => fail(reader, format!("{text} does not exist: this entry has {}", count(terms)), ""),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn count(terms: u64) -> String {
    match terms {
        0 => "no terms".to_owned(),
        1 => "1 term".to_owned(),
        n => format!("{n} terms"),
    }
}

fn not_an_address(reader: &mut ScenarioReader, span: &Span, why: &impl ToString) -> Reported {
    reader.fault(span.clone(), why.to_string(), "")
}

/// Checks that the iteration of an address exists.
fn iterated(reader: &mut ScenarioReader, address: &Address, span: &Span, resolver: &AddressResolver<'_>) -> Result<(), Reported> {
    let message = match (&resolver.updates, address.iteration, resolver.iterations) {
        (None, Some(2..), _) => "there is only iteration 1 without [train]".to_owned(),
        (Some(_), Some(n), Some(iterations)) if n > iterations => format!("there is no iteration {n}: the last is {iterations}"),
        _ => return Ok(()),
    };
    Err(reader.fault(span.clone(), message, "leave out the iteration: everything up to the /"))
}

fn scoped(reader: &mut ScenarioReader, scope: Scope, span: &Span, resolver: &AddressResolver<'_>) -> Result<(), Reported> {
    let message = match (scope, resolver.samples) {
        (Scope::Sample(_), Some(1)) if scope != Scope::Sample(1) => "there is only sample 1".to_owned(),
        (Scope::Sample(n), Some(samples)) if n > samples => format!("there is no sample {n}: there are {samples}"),
        (Scope::Reduce, Some(1)) => "there is no reduce pass, because there is only one sample".to_owned(),
        (Scope::Reduce, _) if resolver.batch_size == Some(1) => "there is no reduce pass, because a batch is one sample".to_owned(),
        (Scope::Update, _) if resolver.updates.is_none() => "there is no update pass without [train]".to_owned(),
        _ => return Ok(()),
    };
    Err(reader.fault(span.clone(), message, "leave out the sample or pass: everything up to the :"))
}

/// A tensor that an address names: its shape, and its number if a sample has it. `None` if it is unknown whether the tensor exists.
type FoundTensor = Option<(Vec<usize>, Option<Id>)>;

/// Finds the tensor of a name; if `computed` is set, only among those that an op computes.
fn named(
    reader: &mut ScenarioReader,
    scope: Scope,
    name: &str,
    span: &Span,
    resolver: &AddressResolver<'_>,
    computed: bool,
) -> Result<FoundTensor, Reported> {
    let scoped = scoped(reader, scope, span, resolver);
    if scoped.is_err() && matches!(scope, Scope::Reduce | Scope::Update) {
        return Err(Reported); // a pass that does not exist has no tensors to suggest
    }
    let Some(network) = resolver.network.tensors() else {
        return match resolver.network.lacks(name) {
            Some(help) => Err(reader.fault(span.clone(), format!("no op is called {}", quoted(name)), help)),
            None => scoped.map(|()| resolver.network.shape(name).map(|shape| (shape, None))),
        };
    };
    let found = if let Some(pass) = resolver.pass(network, scope, name, computed) {
        (of_batch(reader, pass, name, span, resolver.batch(network))?, None)
    } else {
        let id = tensor(reader, name, span, network, computed)?;
        (network.tensor(id).shape.clone(), Some(id))
    };
    scoped.map(|()| Some(found))
}

/// Returns the shape of the tensor of this name that a pass of the batch computes.
fn of_batch(reader: &mut ScenarioReader, pass: Pass, name: &str, span: &Span, batch: &Network) -> Result<Vec<usize>, Reported> {
    let made: Vec<Id> = batch.ops().iter().filter(|op| op.pass == pass).map(|op| op.output).collect();
    if let Some(&id) = made.iter().find(|&&id| &*batch.tensor(id).name == name) {
        return Ok(batch.tensor(id).shape.clone());
    }
    let names: Vec<&str> = made.iter().map(|&id| &*batch.tensor(id).name).collect();
    let message = format!("no op of {} is called {}", pass.name(), quoted(name));
    Err(reader.fault(span.clone(), message, tensors::help(name, &names)))
}

/// Finds the tensor of this name, or reports it with a suggestion.
fn tensor(reader: &mut ScenarioReader, name: &str, span: &Span, network: &Network, computed: bool) -> Result<Id, Reported> {
    if let Some(id) = network.find(name) {
        return Ok(id);
    }
    let names: Vec<&str> = network.tensors().iter().map(|tensor| &*tensor.name).collect();
    let is_computed = |name: &str| network.find(name).is_some_and(|id| network.producer(id).is_some());
    let help = match tensors::meant(name, &names) {
        Some(near) if computed && !is_computed(&near) => given(network, &near).map_or_else(String::new, |help| format!("{near} {help}")),
        _ => {
            let names: Vec<&str> = names.into_iter().filter(|name| !computed || is_computed(name)).collect();
            tensors::help(name, &names)
        }
    };
    Err(reader.fault(span.clone(), format!("no op is called {}", quoted(name)), help))
}

/// Returns the help text for a tensor that is given and not computed: it suggests the gradient.
fn given(network: &Network, name: &str) -> Option<String> {
    let gradient = network.gradient_of(network.find(name)?)?;
    Some(format!("is given, not computed; its gradient is \"{}\"", network.tensor(gradient).name))
}

fn entry(reader: &mut ScenarioReader, name: &str, index: &[usize], span: &Span, shape: &[usize]) -> Result<usize, Reported> {
    if let Some(at) = ravel(index, shape) {
        return Ok(at);
    }
    if index.len() != shape.len() {
        let (message, help) = if shape.is_empty() {
            (format!("{name} is a single number and has no index"), "leave out the brackets".to_owned())
        } else {
            let message = format!("{name} is {}: an index of it has {}, not {}", shape_words(shape), numbers(shape.len()), index.len());
            (message, format!("its first entry is {name}{}", index_text(&vec![0; shape.len()])))
        };
        return Err(reader.fault(span.clone(), message, help));
    }
    let last: Vec<usize> = shape.iter().map(|n| n - 1).collect();
    let message = format!("this entry is outside {name}, which is {}", shape_words(shape));
    Err(reader.fault(span.clone(), message, format!("indices count from 0: its last entry is {name}{}", index_text(&last))))
}

fn numbers(n: usize) -> String {
    if n == 1 { "1 number".to_owned() } else { format!("{n} numbers") }
}

/// Reads all `[[expect]]` tables.
pub(super) fn expectations(
    reader: &mut ScenarioReader,
    table: &TomlTable<'_>,
    resolver: &AddressResolver<'_>,
    text: &str,
) -> Vec<Expectation> {
    let (tables, _) = reader.tables(table, "expect");
    let lines: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let mut found = Vec::with_capacity(tables.len());
    for (expect, span) in tables {
        if reader.full() {
            break;
        }
        found.extend(expectation(reader, expect, &span, resolver, &lines));
    }
    found
}

fn expectation(
    reader: &mut ScenarioReader,
    table: &TomlTable<'_>,
    span: &Span,
    resolver: &AddressResolver<'_>,
    lines: &[usize],
) -> Result<Expectation, Reported> {
    let at = at(reader, table, span, "expectation");
    let line = at.as_ref().map_or(0, |(_, place)| lines.partition_point(|&newline| newline < place.start) + 1);
    let wanted = at.and_then(|(text, place)| wanted(reader, text, &place, resolver));
    let value = match table.get("value") {
        None => Err(reader.fault(span.clone(), "this expectation has no value", "add value = …")),
        Some(value) => read_tensor(reader, "value", value).map(|found| (found, value.span())),
    };
    let tolerance = match table.get("tolerance") {
        None => Ok(1e-9),
        Some(value) => match reader.number("tolerance", value) {
            Ok(tolerance) if tolerance < 0.0 => Err(reader.fault(value.span(), "tolerance must be at least 0", "")),
            other => other,
        },
    };
    let source = reader.line(table, "source");
    let (ExpectedTensor { address, name, shape, entry }, (value, value_span)) = (wanted?, value?);
    if let Some(own) = value.shape()
        && with_rank(own, shape.len()).as_ref() != Some(&shape)
    {
        let message = format!("the value of {address} is {}, not {}", shape_words(&shape), shape_words(own));
        let help = if own.is_empty() { format!("add an index to the address: {name} is {}", shape_text(&shape)) } else { String::new() };
        return Err(reader.fault(value_span, message, help));
    }
    reader.claim(&value_span, &shape)?;
    let value = Arc::new(value.fill(reader, "value", &shape, Fan::of(&shape))?);
    Ok(Expectation { at: address, value, entry, tolerance: tolerance?, source, line })
}

/// The tensor or entry that an expectation is about, with its shape.
struct ExpectedTensor {
    address: Address,
    name: String,
    shape: Vec<usize>,
    entry: Option<usize>,
}

/// Finds the tensor or entry that an expectation is about.
fn wanted(reader: &mut ScenarioReader, text: &str, span: &Span, resolver: &AddressResolver<'_>) -> Result<ExpectedTensor, Reported> {
    let there = |name: &str| resolver.network.tensors().is_some_and(|network| network.find(name).is_some());
    let whole = |name: &str| Place::Op { scope: Scope::Any, name: name.to_owned(), index: None, term: None };
    let address: Address = if there(text) { whole(text).into() } else { text.parse().map_err(|why| not_an_address(reader, span, &why))? };
    let _ = iterated(reader, &address, span, resolver); // reported; the rest of the address is checked too
    let place = match address.place {
        // the loss; a graph may have a node of that name
        Place::Loss if resolver.network.lacks("loss").is_none() => whole("loss"),
        place => place,
    };
    let Place::Op { scope, name, index, term } = &place else {
        let help = "name a tensor such as \"conv1.z\", or an entry \"conv1.z[0,0,0]\"";
        return Err(reader.fault(span.clone(), format!("{} is not a tensor", quoted(text)), help));
    };
    if term.is_some() {
        reader.fault(span.clone(), "a value is expected of an entry, not of one of its terms", "leave out # and what follows");
    }
    let shape = named(reader, *scope, name, span, resolver, false).and_then(|found| found.map(|(shape, _)| shape).ok_or(Reported));
    let entry = match index {
        Some(index) => shape.as_deref().ok().and_then(|shape| entry(reader, name, index, span, shape).ok()),
        None => None,
    };
    // an entry and a graph's node are single numbers
    let one = index.is_some() || resolver.network.notation() == Some(Notation::Graph);
    let shape = if one { Vec::new() } else { shape? };
    let name = name.clone();
    Ok(ExpectedTensor { address: Address { place, ..address }, name, shape, entry })
}
