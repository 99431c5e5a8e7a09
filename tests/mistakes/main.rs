//! Each known mistake is planted into the backward passes of random networks. `diff` must find the wrong tensors and name the mistake.

mod alternatives;
mod apart;
mod behind;
mod fewest;
mod forward;
#[path = "../generated/mod.rs"]
mod generated;
mod networks;
mod pool;
mod relu;
mod right;
mod two;

use std::collections::BTreeMap;

use gradstep::app::Document;
use gradstep::diff::{Gradient, LossOf, Report, Status, Tolerance, UserTensor};
use gradstep::mistakes::{Cause, Findings, MISTAKES, Planting, causes, gradients_with_other, plantings};
use gradstep::network::Role;
use gradstep::scenario::{Limits, Source, read};
use gradstep::trace::Trace;

fn open(text: &str) -> Document {
    let source = Source { name: "random".into(), path_shown: "random.toml".into(), text: text.into() };
    Document::new(read(source, Limits::default()).unwrap_or_else(|faults| panic!("{faults}\n{text}")))
}

/// The gradients of the parameters, or of the inputs of a graph, in the order of computation.
fn parameters(trace: &Trace) -> Vec<Gradient> {
    let network = trace.network();
    let learnable = network.tensors().iter().enumerate().filter(|(_, tensor)| tensor.role.is_learnable());
    in_order(trace, learnable.map(|(of, _)| Gradient { of, loss: LossOf::Batch }).collect())
}

/// The gradients of all tensors of the first sample.
fn everything(trace: &Trace) -> Vec<Gradient> {
    let values = trace.network().tensors().iter().enumerate().filter(|(_, tensor)| !matches!(tensor.role, Role::Gradient(_)));
    in_order(trace, values.map(|(of, _)| Gradient { of, loss: LossOf::Sample(0) }).collect())
}

/// Sorts gradients by the order of their computation, and leaves out those that do not exist.
fn in_order(trace: &Trace, mut all: Vec<Gradient>) -> Vec<Gradient> {
    all.retain(|gradient| gradient.find(trace).is_some());
    all.sort_by_key(|gradient| gradient.order(trace));
    all
}

/// The tensors of a user's file: the `wanted` gradients with these numbers.
fn tensors(wanted: &[Gradient], numbers: &[Vec<f64>]) -> Vec<UserTensor> {
    let tensor = |(gradient, numbers): (&Gradient, &Vec<f64>)| UserTensor {
        gradient: *gradient,
        name_in_file: String::new(),
        values: Ok(numbers.clone()),
    };
    wanted.iter().zip(numbers).map(tensor).collect()
}

fn learning_rate(document: &Document) -> Option<f64> {
    document.descent.train().map(|train| train.optimizer.learning_rate)
}

/// The mistakes that `diff` names for the user's tensors.
fn search(document: &Document, mine: &[UserTensor]) -> Vec<Cause> {
    findings(document, mine, Tolerance::FLOAT64).causes
}

fn findings(document: &Document, mine: &[UserTensor], tolerance: Tolerance) -> Findings {
    let trace = &document.trace;
    let report = Report::new(trace, mine, tolerance);
    causes(trace, (mine, &[]), &report, tolerance, learning_rate(document), &mut |_, _| true).expect("not interrupted")
}

/// Returns whether a planted mistake gives an infinite or huge number, which nobody would take for a result.
fn is_implausible(planting: &Planting) -> bool {
    planting.gradients.iter().flatten().any(|number| !number.is_finite() || number.abs() > 1e12)
}

/// Plants a mistake, and returns whether `diff` names it; `None` if the mistake changes no number.
fn is_named(document: &Document, wanted: &[Gradient], planting: &Planting) -> Option<bool> {
    let mine = tensors(wanted, &planting.gradients);
    let report = Report::new(&document.trace, &mine, Tolerance::FLOAT64);
    let found = search(document, &mine);
    if report.is_equal() {
        assert!(found.is_empty(), "right gradients have no cause, but {:?}", found[0].id);
        return None;
    }
    let is_named = found.iter().any(|cause| cause.id == planting.id);
    if !is_named {
        let names: Vec<_> = found.iter().map(|cause| (cause.id, &cause.variant, &cause.at)).collect();
        println!("{} {:?} {:?}: {names:?}", planting.id, planting.variant, planting.at);
    }
    Some(is_named)
}

/// The number of networks on which each mistake is looked for.
const NETWORKS: usize = 3;

/// Plants each mistake of the table into random networks until it is found on enough of them, and returns how often each
/// was found. `wanted` chooses the gradients in the user's file.
fn planted(texts: impl Iterator<Item = String>, wanted: fn(&Trace) -> Vec<Gradient>) -> BTreeMap<&'static str, usize> {
    // a mistake without words is known only for predicted numbers, not for gradients
    let mut found: BTreeMap<&'static str, usize> = MISTAKES.iter().filter(|mistake| !mistake.words.is_empty()).map(|m| (m.id, 0)).collect();
    for text in texts {
        if found.values().all(|count| *count >= NETWORKS) {
            break;
        }
        let document = open(&text);
        let wanted = wanted(&document.trace);
        let mut here = Vec::new();
        for planting in plantings(&document.trace, &wanted, learning_rate(&document)) {
            if found[planting.id] >= NETWORKS || here.contains(&planting.id) || is_implausible(&planting) {
                continue;
            }
            if let Some(is_named) = is_named(&document, &wanted, &planting) {
                assert!(is_named, "{} at {:?} is not named\n{text}", planting.id, planting.at);
                *found.get_mut(planting.id).expect("of the table") += 1;
                here.push(planting.id);
            }
        }
    }
    found
}

#[test]
fn every_mistake_is_found_where_it_is_planted() {
    let found = planted(networks::all(), parameters);
    // these mistakes have a number that is fitted to the user's gradients: the next two tests are about them
    let fitted = ["constant-factor", "weight-decay-added", "weight-sign-added", "dropout-other-mask"];
    let missing: Vec<&&str> = found.iter().filter(|(id, count)| **count < NETWORKS && !fitted.contains(id)).map(|(id, _)| id).collect();
    assert!(missing.is_empty(), "{missing:?} of {found:#?}");
}

/// Three mistakes with a number that is fitted to the user's gradients: instead of the right gradient g of a weight w, the user has 3 g, g + 0.1 w or
/// g + 0.1 sign(w).
#[test]
fn a_mistake_with_an_unknown_factor_is_named_with_the_factor() {
    // how often each of the three was named
    let mut found = [0, 0, 0];
    for text in networks::of_students() {
        let document = open(&text);
        let trace = &document.trace;
        let wanted = parameters(trace);
        let has_several_numbers = |gradient: &Gradient| gradient.right(trace).iter().filter(|x| **x != 0.0).count() > 1;
        if document.trace.network().layers().is_empty() || !wanted.first().is_some_and(has_several_numbers) {
            continue;
        }
        let right: Vec<Vec<f64>> = wanted.iter().map(|gradient| gradient.right(trace).into_owned()).collect();
        let tripled: Vec<Vec<f64>> = right.iter().map(|numbers| numbers.iter().map(|x| 3.0 * x).collect()).collect();
        let with_added = |function: fn(f64) -> f64| -> Vec<Vec<f64>> {
            let weights = wanted.iter().map(|gradient| trace.run(0).values(gradient.of));
            right.iter().zip(weights).map(|(x, w)| x.iter().zip(w).map(|(x, w)| x + 0.1 * function(*w)).collect()).collect()
        };
        let sign = |weight: f64| if weight == 0.0 { 0.0 } else { weight.signum() };
        for (n, (numbers, id, variant)) in [
            (tripled, "constant-factor", "3"),
            (with_added(|weight| weight), "weight-decay-added", "0.1 parameter"),
            (with_added(sign), "weight-sign-added", "0.1 parameter"),
        ]
        .into_iter()
        .enumerate()
        {
            let mine = tensors(&wanted, &numbers);
            let causes = search(&document, &mine);
            let report = Report::new(trace, &mine, Tolerance::FLOAT64);
            let different = report.tensors.iter().filter(|compared| compared.status == Status::Different).count();
            let is_expected =
                |cause: &Cause| cause.id == id && cause.variant.as_deref() == Some(variant) && cause.explains.len() == different;
            // the sum in the place of a mean over three outputs gives 3 g too
            let is_named = causes.first().is_some_and(|first| is_expected(first) || first.id == "sum-instead-of-mean" && n == 0);
            let names: Vec<_> = causes.iter().map(|cause| (cause.id, &cause.variant)).collect();
            assert!(is_named, "{id} is not named, but {names:?}\n{text}");
            found[n] += usize::from(causes.first().is_some_and(is_expected));
        }
    }
    assert!(found.iter().all(|count| *count >= NETWORKS), "{found:?}");
}

/// A dropout's mask is drawn again in the backward pass. It is read off the user's zeros, and the other numbers confirm it.
#[test]
fn another_mask_of_a_dropout_is_found() {
    let mut found = 0;
    for text in networks::all().filter(|text| text.contains("two dropouts")) {
        let document = open(&text);
        let trace = &document.trace;
        let of = trace.network().find("fc1.a").expect("a tensor");
        let wanted = everything(trace);
        // besides the second entry, which the mask drops, the third one is dropped
        let numbers = gradients_with_other(trace, &wanted, of, |at, right| if at == 2 { 0.0 } else { right }).expect("a gradient");
        let mine = tensors(&wanted, &numbers);
        if Report::new(trace, &mine, Tolerance::FLOAT64).is_equal() {
            continue;
        }
        let named = search(&document, &mine);
        assert!(named.iter().any(|cause| cause.id == "dropout-other-mask" && cause.at == ["drop1"]), "{:?} in\n{text}", named.first());
        found += 1;
    }
    assert!(found > 1, "{found}");
}

#[test]
fn mistakes_are_found_if_all_tensors_are_given() {
    let found = planted(networks::of_students().step_by(4), everything);
    assert!(found.values().sum::<usize>() > 100, "{found:#?}");
}

/// Many mistakes give gradients of zeros, so zeros prove none of them.
#[test]
fn no_mistake_is_named_for_gradients_of_zeros() {
    for text in networks::of_students() {
        let document = open(&text);
        let wanted = parameters(&document.trace);
        let zeros: Vec<Vec<f64>> = wanted.iter().map(|gradient| vec![0.0; gradient.right(&document.trace).len()]).collect();
        let mine = tensors(&wanted, &zeros);
        let report = Report::new(&document.trace, &mine, Tolerance::FLOAT64);
        let wrong = report.tensors.iter().filter(|compared| compared.status != Status::Equal).count();
        let found = search(&document, &mine);
        // zeros of a single wrong tensor may have a cause
        assert!(wrong < 2 || found.is_empty(), "{} in\n{text}", found[0].id);
    }
}

#[test]
fn no_mistake_is_named_for_one_changed_entry() {
    for text in networks::of_students() {
        let document = open(&text);
        let wanted = parameters(&document.trace);
        let right: Vec<Vec<f64>> = wanted.iter().map(|gradient| gradient.right(&document.trace).into_owned()).collect();
        assert!(search(&document, &tensors(&wanted, &right)).is_empty(), "right gradients have no cause");
        for (n, numbers) in right.iter().enumerate() {
            let mut mine = right.clone();
            // any entry, and a new number that no mistake gives
            let at = (7 * n + 3) % numbers.len();
            mine[n][at] = 0.913_77 * mine[n][at] + 0.001_37;
            let found = search(&document, &tensors(&wanted, &mine));
            let names: Vec<_> = found.iter().map(|cause| (cause.id, &cause.variant, &cause.at)).collect();
            assert!(found.is_empty(), "{names:?} for entry {at} of tensor {n} in\n{text}");
        }
    }
}
