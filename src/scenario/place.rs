//! Addresses in a file: `start`, and the `at` of notes and expectations. They must exist in the network.

use std::cell::OnceCell;
use std::sync::Arc;

use super::excerpt::quoted;
use super::reader::{Reader, Span, Table};
use super::tensor::{fan, raised, written};
use super::{Expectation, Remark, suggest};
use crate::network::{Batch, Id, Network, Run, Train};
use crate::op::layer::Faulty;
use crate::op::loss::BatchReduction;
use crate::step::{Address, Pass, Place, Scope};
use crate::tensor::{Tensor, ravel, shape_text, shape_words};

/// The network that addresses lead into, and what its run is given.
#[derive(Debug)]
pub(super) struct Ground<'a> {
    pub network: &'a Network,
    pub given: &'a [(Id, Arc<Tensor>)],
    /// Computed when the number of steps matters.
    pub run: Option<Run>,
    /// The number of steps of a sample, once it is known.
    pub steps: Option<u64>,
    /// How many samples there are.
    pub samples: usize,
    /// The most iterations.
    pub iterations: u64,
    /// Whether parameters are updated.
    pub updates: bool,
    /// How, where that is without a fault.
    pub train: Option<&'a Train>,
    /// The ops of a batch, once they matter.
    pub batch: OnceCell<Network>,
}

impl Ground<'_> {
    /// The ops of a batch. Their terms may be others after the first iteration.
    fn batch(&self) -> &Network {
        self.batch.get_or_init(|| {
            let samples: Vec<usize> = (1..=self.train.map_or(self.samples, |train| train.batch_size)).collect();
            let update = self.train.map(|train| (&train.rates, &train.learned[..]));
            Batch::new(self.network, &samples, BatchReduction::default(), update, true).network
        })
    }

    /// Whether a pass of the batch computes a tensor of this name.
    fn reduces_or_updates(&self, pass: Pass, name: &str) -> bool {
        let batch = self.batch();
        batch.find(name).and_then(|id| batch.made_by(id)).is_some_and(|op| batch.ops()[op].pass == pass)
    }

    /// Where an op of this name is looked for: in a pass of the batch, or else in a sample. What no sample computes may be an update's.
    fn pass(&self, scope: Scope, name: &str) -> Option<Pass> {
        let computed = || self.network.find(name).and_then(|id| self.network.made_by(id)).is_some();
        match scope {
            Scope::Reduce => Some(Pass::Reduce),
            Scope::Update => Some(Pass::Update),
            Scope::Any if self.train.is_some() && !computed() && self.reduces_or_updates(Pass::Update, name) => Some(Pass::Update),
            _ => None,
        }
    }

    fn run(&mut self) -> &Run {
        self.run.get_or_insert_with(|| Run::new(self.network, self.given))
    }

    /// How many terms an op has, or one of its entries.
    fn terms(&mut self, op: usize, entry: Option<usize>) -> u64 {
        let network = self.network;
        let made = &network.ops()[op];
        let entries = crate::tensor::len(&network.tensor(made.output).shape);
        match entry {
            Some(entry) => self.run().terms(made, op, entry),
            None => self.run().before(made, op, entries),
        }
    }

    fn steps(&mut self) -> u64 {
        if self.steps.is_none() {
            self.steps = Some((0..self.network.ops().len()).map(|op| self.terms(op, None)).sum());
        }
        self.steps.unwrap_or_default()
    }
}

/// Reads `start`.
pub(super) fn start(reader: &mut Reader, table: &Table<'_>, ground: Option<&mut Ground<'_>>) -> Option<Address> {
    let (text, span) = reader.string(table, "start").ok()??;
    step(reader, text, &span, ground).ok()
}

/// Reads all of `[[note]]`.
pub(super) fn remarks(reader: &mut Reader, table: &Table<'_>, mut ground: Option<&mut Ground<'_>>) -> Vec<Remark> {
    let tables = reader.tables(table, "note").unwrap_or_default();
    let mut remarks = Vec::new();
    for (note, span) in tables {
        if reader.full() {
            break;
        }
        reader.unknown(note, &["at", "text"], "[[note]]");
        let at = at(reader, note, &span, "note").and_then(|(text, span)| step(reader, text, &span, ground.as_deref_mut()));
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

fn at<'t>(reader: &mut Reader, table: &'t Table<'_>, span: &Span, what: &str) -> Result<(&'t str, Span), Faulty> {
    match reader.string(table, "at")? {
        Some(found) => Ok(found),
        None => Err(reader.fault(span.clone(), format!("this {what} has no address"), "add at = \"…\", for example at = \"loss\"")),
    }
}

/// The address of a step, which must exist.
fn step(reader: &mut Reader, text: &str, span: &Span, ground: Option<&mut Ground<'_>>) -> Result<Address, Faulty> {
    let address: Address = text.parse().map_err(|why| not_an_address(reader, span, &why))?;
    let Some(ground) = ground else { return Ok(address) };
    let fail = |reader: &mut Reader, message: String, help: &str| Err(reader.fault(span.clone(), message, help));
    iterated(reader, &address, span, ground)?;
    match &address.place {
        // the steps of the batch, and of later iterations, are known only when they are computed; and nothing is known without numbers
        Place::Step(_) if ground.samples > 1 || ground.updates || reader.put_off => {}
        Place::Step(n) => {
            let steps = ground.steps();
            if *n > steps {
                return fail(reader, format!("there is no step {n}, the last is {steps}"), "");
            }
        }
        Place::Loss if ground.network.is_graph() && ground.network.find("loss").is_none() => {
            return fail(reader, "a graph has no loss".to_owned(), "its output is an op like the others");
        }
        Place::Op { scope, name, index, term } => {
            scoped(reader, *scope, span, ground)?;
            if let Some(pass) = ground.pass(*scope, name) {
                let Some((_, shape)) = of_batch(reader, pass, name, span, ground)? else { return Ok(address) };
                if let Some(index) = index {
                    entry(reader, name, index, span, &shape)?;
                }
                return Ok(address);
            }
            let id = tensor(reader, name, span, ground.network, true)?;
            let Some(op) = ground.network.made_by(id) else {
                return fail(reader, format!("{name} is given, not computed, so no step belongs to it"), "");
            };
            let entry = match index {
                Some(index) => Some(entry(reader, name, index, span, &ground.network.tensor(id).shape)?),
                None => None,
            };
            if let Some(term) = *term
                && !reader.put_off
            {
                let terms = ground.terms(op, entry.or(Some(0)));
                if term > terms {
                    return fail(reader, format!("{text} does not exist: this entry has {}", count(terms)), "");
                }
            }
        }
        _ => {}
    }
    Ok(address)
}

fn count(terms: u64) -> String {
    match terms {
        0 => "no terms".to_owned(),
        1 => "1 term".to_owned(),
        n => format!("{n} terms"),
    }
}

fn not_an_address(reader: &mut Reader, span: &Span, why: &impl ToString) -> Faulty {
    reader.fault(span.clone(), why.to_string(), "")
}

/// The iteration must be one that there is.
fn iterated(reader: &mut Reader, address: &Address, span: &Span, ground: &Ground<'_>) -> Result<(), Faulty> {
    let message = match (ground.updates, address.iteration) {
        (false, Some(2..)) => "there is only iteration 1 without [train]".to_owned(),
        (true, Some(n)) if n > ground.iterations => format!("there is no iteration {n}: the last is {}", ground.iterations),
        _ => return Ok(()),
    };
    Err(reader.fault(span.clone(), message, "leave out what stands before the /"))
}

fn scoped(reader: &mut Reader, scope: Scope, span: &Span, ground: &Ground<'_>) -> Result<(), Faulty> {
    let message = match scope {
        Scope::Any => return Ok(()),
        Scope::Sample(n) if n <= ground.samples => return Ok(()),
        Scope::Reduce if ground.train.map_or(ground.samples, |train| train.batch_size) > 1 => return Ok(()),
        Scope::Update if ground.updates => return Ok(()),
        Scope::Sample(_) if ground.samples == 1 => "there is only sample 1".to_owned(),
        Scope::Sample(n) => format!("there is no sample {n}: there are {}", ground.samples),
        Scope::Reduce if ground.samples > 1 => "there is no reduce pass, because a batch is one sample".to_owned(),
        Scope::Reduce => "there is no reduce pass, because there is only one sample".to_owned(),
        Scope::Update => "there is no update pass without [train]".to_owned(),
    };
    Err(reader.fault(span.clone(), message, "leave out what stands before the :"))
}

/// The tensor that a pass of the batch computes, and its shape; `None` where `[train]` has faults of its own.
fn of_batch(reader: &mut Reader, pass: Pass, name: &str, span: &Span, ground: &Ground<'_>) -> Result<Option<(Id, Vec<usize>)>, Faulty> {
    if ground.updates && ground.train.is_none() {
        return Ok(None);
    }
    let batch = ground.batch();
    let made: Vec<Id> = batch.ops().iter().filter(|op| op.pass == pass).map(|op| op.output).collect();
    if let Some(&id) = made.iter().find(|&&id| &*batch.tensor(id).name == name) {
        return Ok(Some((id, batch.tensor(id).shape.clone())));
    }
    let names: Vec<&str> = made.iter().map(|&id| &*batch.tensor(id).name).collect();
    let message = format!("no op of {} is called {}", pass.name(), quoted(name));
    Err(reader.fault(span.clone(), message, possible(name, &names)))
}

/// The nearest of some names, or all of a few.
fn possible(name: &str, names: &[&str]) -> String {
    match suggest::nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if (1..=12).contains(&names.len()) => format!("possible here: {}", names.join(", ")),
        None => String::new(),
    }
}

/// The tensor of this name.
fn tensor(reader: &mut Reader, name: &str, span: &Span, network: &Network, computed: bool) -> Result<Id, Faulty> {
    if let Some(id) = network.find(name) {
        return Ok(id);
    }
    let there = network.tensors().iter().enumerate().filter(|&(id, _)| !computed || network.made_by(id).is_some());
    let names: Vec<&str> = there.map(|(_, tensor)| tensor.name.as_ref()).collect();
    Err(reader.fault(span.clone(), format!("no op is called {}", quoted(name)), possible(name, &names)))
}

fn entry(reader: &mut Reader, name: &str, index: &[usize], span: &Span, shape: &[usize]) -> Result<usize, Faulty> {
    if let Some(at) = ravel(index, shape) {
        return Ok(at);
    }
    if index.len() != shape.len() {
        let (message, help) = if shape.is_empty() {
            (format!("{name} is a single number and has no index"), "leave out the brackets".to_owned())
        } else {
            let example = vec!["0"; shape.len()].join(",");
            let message = format!("{name} is {}: an index of it has {}, not {}", shape_words(shape), numbers(shape.len()), index.len());
            (message, format!("its first entry is {name}[{example}]"))
        };
        return Err(reader.fault(span.clone(), message, help));
    }
    let last: Vec<String> = shape.iter().map(|n| (n - 1).to_string()).collect();
    let message = format!("this entry is outside {name}, which is {}", shape_words(shape));
    Err(reader.fault(span.clone(), message, format!("indices count from 0: its last entry is {name}[{}]", last.join(","))))
}

fn numbers(n: usize) -> String {
    if n == 1 { "1 number".to_owned() } else { format!("{n} numbers") }
}

/// Reads all of `[[expect]]`.
pub(super) fn expectations(reader: &mut Reader, table: &Table<'_>, ground: Option<&Ground<'_>>, text: &str) -> Vec<Expectation> {
    let tables = reader.tables(table, "expect").unwrap_or_default();
    let lines: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let mut found = Vec::with_capacity(tables.len());
    for (expect, span) in tables {
        if reader.full() {
            break;
        }
        found.extend(expectation(reader, expect, &span, ground, &lines));
    }
    found
}

fn expectation(
    reader: &mut Reader,
    table: &Table<'_>,
    span: &Span,
    ground: Option<&Ground<'_>>,
    lines: &[usize],
) -> Result<Expectation, Faulty> {
    reader.unknown(table, &["at", "value", "tolerance", "source"], "[[expect]]");
    let at = at(reader, table, span, "expectation").and_then(|(name, place)| Ok((tensor_address(reader, name, &place, ground)?, place)));
    let value = match table.get("value") {
        None => Err(reader.fault(span.clone(), "this expectation has no value", "add value = …")),
        Some(value) => written(reader, "value", value).map(|found| (found, value.span())),
    };
    let tolerance = match table.get("tolerance") {
        None => Ok(1e-9),
        Some(value) => match reader.number("tolerance", value) {
            Ok(tolerance) if tolerance < 0.0 => Err(reader.fault(value.span(), "tolerance must be at least 0", "")),
            other => other,
        },
    };
    let source = reader.line(table, "source");
    let ((address, place), (value, value_span), tolerance) = (at?, value?, tolerance?);
    let (Some(ground), Place::Op { scope, name, index, .. }) = (ground, &address.place) else { return Err(Faulty) };
    let shape = match ground.pass(*scope, name).filter(|_| *scope != Scope::Any || ground.network.find(name).is_none()) {
        Some(pass) => of_batch(reader, pass, name, &place, ground)?.ok_or(Faulty)?.1,
        None => ground.network.tensor(tensor(reader, name, &place, ground.network, false)?).shape.clone(),
    };
    let wanted: &[usize] = if index.is_some() { &[] } else { &shape };
    let entry = match index {
        Some(index) => Some(entry(reader, name, index, &place, &shape)?),
        None => None,
    };
    if let Some(shape) = value.shape()
        && raised(shape, wanted.len()).as_deref() != Some(wanted)
    {
        let message = format!("the value of {address} is {}, not {}", shape_words(wanted), shape_words(shape));
        let help = if shape.is_empty() { format!("add an index to the address: {name} is {}", shape_text(wanted)) } else { String::new() };
        return Err(reader.fault(value_span, message, help));
    }
    reader.claim(&value_span, wanted)?;
    let value = Arc::new(value.fill(reader, "value", wanted, fan(wanted))?);
    let line = lines.partition_point(|&newline| newline < place.start) + 1;
    Ok(Expectation { at: address, value, entry, tolerance, source, line })
}

/// The address of an entry or of a whole tensor.
fn tensor_address(reader: &mut Reader, text: &str, span: &Span, ground: Option<&Ground<'_>>) -> Result<Address, Faulty> {
    let has = |name: &str| ground.is_some_and(|ground| ground.network.find(name).is_some());
    if has(text) {
        return Ok(Place::Op { scope: Scope::Any, name: text.to_owned(), index: None, term: None }.into());
    }
    let address: Address = text.parse().map_err(|why| not_an_address(reader, span, &why))?;
    if let Some(ground) = ground {
        iterated(reader, &address, span, ground)?;
    }
    match &address.place {
        // the loss of another iteration; a graph may have a node of that name
        Place::Loss if has("loss") => {
            Ok(Address { place: Place::Op { scope: Scope::Any, name: "loss".to_owned(), index: None, term: None }, ..address })
        }
        Place::Op { term: Some(_), .. } => {
            Err(reader.fault(span.clone(), "a value is expected of an entry, not of one of its terms", "leave out # and what follows"))
        }
        Place::Op { scope, .. } => {
            if let Some(ground) = ground {
                scoped(reader, *scope, span, ground)?;
            }
            Ok(address)
        }
        _ if ground.is_none() => Ok(address),
        _ => Err(reader.fault(
            span.clone(),
            format!("{} is no tensor", quoted(text)),
            "name a tensor such as \"conv1.z\", or an entry \"conv1.z[0,0,0]\"",
        )),
    }
}
