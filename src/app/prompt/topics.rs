//! Words of a learner that are no names here, such as `stride` or `chain rule`, and the command or the place that answers each.
//!
//! A word is found by its beginning, from [`SHORTEST`] letters on. Written in full, it is a command.

use crate::app::{Action, Document, ListKind, OverlayKind};
use crate::expr::Expr;
use crate::network::{Network, Op, Role};
use crate::step::{Address, Pass, Place};

/// The number of letters from which on the beginning of a word finds its topic.
const SHORTEST: usize = 3;
/// The largest number of ops that are offered for a word.
const MOST_OPS: usize = 3;
/// The largest number of ops that are looked at.
const EXAMINED: usize = 2000;

/// The answer to a word of the palette: an address or a command.
#[derive(Clone, Debug)]
enum Answer {
    /// A command with a key.
    Command(Action),
    /// A place.
    Place(Place),
    /// The ops for which a function returns `true`.
    Ops(fn(&Network, &Op) -> bool),
}

/// Words with the same answer.
#[derive(Debug)]
struct Topic {
    /// The words, separated by commas.
    words: &'static str,
    answer: Answer,
    /// A few words about the answer.
    says: &'static str,
}

/// A row of the list of meanings of a typed text.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// The action of a command with a key.
    Command(Action),
    /// An address.
    Address(String),
}

const fn row(words: &'static str, answer: Answer, says: &'static str) -> Topic {
    Topic { words, answer, says }
}

const fn list(kind: ListKind) -> Answer {
    Answer::Command(Action::Toggle(OverlayKind::List(kind)))
}

#[rustfmt::skip]
const TOPICS: &[Topic] = &[
    row("stride,padding,dilation,window,kernel,convolution,pooling,border", Answer::Ops(slides), "the words say what stride and padding do here"),
    row("turned,flipped,rotated,mirrored,transposed,180", Answer::Ops(is_turned), "the words say why the filter is turned here"),
    row("shared,weight sharing,sharing", Answer::Ops(sums_shared), "the gradient of a weight: one term for each use of the weight"),
    row("error,delta,error vector,errors", Answer::Ops(is_error), "the error δ of a layer, whole at the end of the op (f)"),
    row("error,errors", Answer::Place(Place::Backward), "the errors go back from the loss"),
    row("path,paths", Answer::Ops(has_paths), "the derivative of an input, as a sum of products along its paths"),
    row("path,paths,chain rule,chain", Answer::Place(Place::Backward), "the chain rule begins: each factor is one edge of a path"),
    row("cost,objective", Answer::Place(Place::Loss), "the loss"),
    row("mean,average,minibatch", Answer::Ops(is_reduced), "the batch adds up its samples"),
    row("learning rate,descent,sgd,momentum,optimizer", Answer::Ops(is_updated), "gradient descent changes the parameter"),
    row("check,verify,correct,right,wrong,finite difference,numerical gradient", Answer::Command(Action::CheckGradient), ""),
    row("sum,products,summands,shares", list(ListKind::Terms), ""),
    row("uses,used,users,neurons", list(ListKind::Reads), ""),
    row("origin,source,whence,comes from", Answer::Command(Action::Maker), ""),
    row("blame,contributions,influence,largest", list(ListKind::Leaves), ""),
    row("precision,exact,decimals", list(ListKind::Digits), ""),
    row("latex,clipboard,numpy", list(ListKind::Copy), ""),
    row("architecture,layers,structure,overview,shapes", Answer::Command(Action::Toggle(OverlayKind::Map)), ""),
    row("training,learning curve,convergence,plot", Answer::Command(Action::Toggle(OverlayKind::Curve)), ""),
    row("note,explanation,story", Answer::Command(Action::Toggle(OverlayKind::Notes)), ""),
    row("practise,practice,result,results,marks,grade,points", list(ListKind::Score), "the score of prediction, and what to practise"),
    row("quiz,exercise,exercises,guess,test,exam,train myself", Answer::Command(Action::TogglePrediction), ""),
    row("legend,colours,colors,symbols,keys", Answer::Command(Action::Toggle(OverlayKind::Help)), ""),
];

fn slides(_: &Network, op: &Op) -> bool {
    op.window().is_some()
}

fn is_turned(_: &Network, op: &Op) -> bool {
    op.window().is_some_and(|(_, window)| window.turned)
}

fn sums_shared(network: &Network, op: &Op) -> bool {
    matches!(network.tensor(op.output).role, Role::Gradient(of) if network.tensor(of).role == Role::Parameter) && op.window().is_some()
}

fn is_error(network: &Network, op: &Op) -> bool {
    matches!(network.tensor(op.output).role, Role::Gradient(of) if network.tensor(of).symbol.own_derivative.is_some())
}

fn has_paths(network: &Network, op: &Op) -> bool {
    let is_input = |of| matches!(network.tensor(of).role, Role::Input { .. });
    !network.reads_samples() && matches!(network.tensor(op.output).role, Role::Gradient(of) if is_input(of))
}

fn is_reduced(network: &Network, op: &Op) -> bool {
    op.pass == Pass::Reduce && op.output != network.loss()
}

fn is_updated(_: &Network, op: &Op) -> bool {
    op.pass == Pass::Update
}

/// Returns whether a text is one of the words.
pub(super) fn is_topic(typed: &str) -> bool {
    let typed = typed.trim().to_lowercase();
    TOPICS.iter().any(|topic| topic.words.split(',').any(|word| word == typed))
}

/// Returns what the words that begin with a text may mean, with a few words about each; only the words that are equal to it if `is_whole`.
pub(super) fn find(document: &Document, typed: &str, is_whole: bool) -> Vec<(Found, &'static str)> {
    let typed = typed.trim().to_lowercase();
    if typed.len() < SHORTEST {
        return Vec::new();
    }
    let is_meant = |word: &str| if is_whole { word == typed } else { word.starts_with(&typed) };
    let topics = TOPICS.iter().filter(|topic| topic.words.split(',').any(is_meant));
    let mut found = Vec::new();
    for Topic { answer, says, .. } in topics {
        match answer {
            Answer::Command(action) => found.push((Found::Command(action.clone()), *says)),
            Answer::Place(place) => {
                let address = Address::from(place.clone());
                found.extend(document.trace.resolve(&address).ok().map(|_| (Found::Address(address.to_string()), *says)));
            }
            Answer::Ops(is_wanted) => {
                found.extend(ops(document, is_wanted).into_iter().map(|address| (Found::Address(address), *says)));
            }
        }
    }
    // a function of the scenario by its name, such as softmax
    let computes = |_: &Network, op: &Op| {
        let function = op.parts.first().map(|part| part.rule.equation().right);
        matches!(function, Some(Expr::Of(function, _)) if is_meant(function.name))
    };
    found.extend(ops(document, computes).into_iter().map(|address| (Found::Address(address), "the function is computed")));
    found
}

/// Returns the addresses of the first ops for which a function returns `true`: those of the first sample, then those of the batch.
fn ops(document: &Document, is_wanted: impl Fn(&Network, &Op) -> bool) -> Vec<String> {
    let trace = &document.trace;
    let runs = [0, trace.sample_runs().len() - 1];
    let runs = &runs[..if trace.samples() < trace.sample_runs().len() { 2 } else { 1 }];
    let all = runs.iter().flat_map(|run| {
        let network = trace.network_of(*run);
        network.ops().iter().take(EXAMINED).map(move |op| (*run, network, op))
    });
    let wanted = all.filter(|(_, network, op)| is_wanted(network, op));
    let address = |(run, _, op): (usize, &Network, &Op)| {
        let steps = trace.entry_steps(run, op.output, 0)?;
        let Place::Op { scope, name, .. } = trace.address(&trace.position(steps.start)?).place else { return None };
        Some(Address::from(Place::Op { scope, name, index: None, term: None }).to_string())
    };
    wanted.filter_map(address).take(MOST_OPS).collect()
}
