//! The first wrong tensor has an error that no known mistake explains. Later tensors that are wrong only because of it get no mistake. An independent mistake
//! in a later tensor is named.

use gradstep::diff::{Gradient, Report, Tolerance};
use gradstep::mistakes::{MISTAKES, Specificity, gradients_with_other, plantings};
use gradstep::network::{Id, Role};
use gradstep::step::Pass;
use gradstep::trace::Trace;

use crate::{everything, findings, is_implausible, learning_rate, networks, open, parameters, search, tensors};

/// Returns a number that no mistake gives, in the place of the right number of entry `at`.
fn noise(at: usize, right: f64) -> f64 {
    #[allow(clippy::cast_precision_loss)] // a small index
    let share = ((at * 7 + 3) % 11) as f64 / 11.0;
    right * (0.613_7 + share) + 0.013_71 * (share - 0.4)
}

/// A number in single precision.
#[allow(clippy::cast_possible_truncation)] // the purpose
fn rounded(number: f64) -> f64 {
    f64::from(number as f32)
}

/// The tensors whose gradients are read in the backward pass to compute other gradients. A gradient with at most two numbers other than 0 is left out: its
/// error could look like a constant factor of all gradients that follow.
fn values(trace: &Trace) -> Vec<Id> {
    let network = trace.network();
    let is_read = |gradient: Id| network.readers(gradient).iter().any(|reader| network.ops()[reader.op].pass == Pass::Backward);
    let is_value =
        |of: &Id| !matches!(network.tensor(*of).role, Role::Gradient(_) | Role::Loss) && network.gradient_of(*of).is_some_and(is_read);
    let has_several_numbers = |of: &Id| {
        let gradient = network.gradient_of(*of).map(|gradient| trace.run(0).values(gradient));
        gradient.is_some_and(|numbers| numbers.iter().filter(|number| **number != 0.0).count() > 2)
    };
    (0..network.tensors().len()).filter(is_value).filter(has_several_numbers).collect()
}

fn random_networks() -> impl Iterator<Item = String> {
    networks::of_students().chain(networks::random(10))
}

/// An unknown error of a value makes all gradients wrong that are computed from it. Whichever of them are in the file, no mistake is named.
#[test]
fn no_mistake_is_named_for_consequences_of_an_unknown_error() {
    let mut count = 0;
    for (n, text) in random_networks().enumerate() {
        let document = open(&text);
        let trace = &document.trace;
        let all = values(trace);
        let Some(of) = all.get(n * 5 % all.len().max(1)).copied() else { continue };
        for wanted in [parameters(trace), everything(trace)] {
            let Some(numbers) = gradients_with_other(trace, &wanted, of, noise) else { continue };
            let single: Vec<Vec<f64>> = numbers.iter().map(|numbers| numbers.iter().copied().map(rounded).collect()).collect();
            for (numbers, tolerance) in [(numbers, Tolerance::FLOAT64), (single, Tolerance::FLOAT32)] {
                let mut found = findings(&document, &tensors(&wanted, &numbers), tolerance);
                // if ReLUs pass on only one wrong entry, all gradients computed from it are wrong by the same factor, and this looks like a mistake
                found.causes.retain(|cause| cause.id != "constant-factor");
                let names: Vec<_> = found.causes.iter().map(|cause| (cause.id, &cause.variant, &cause.at, &cause.explains)).collect();
                assert!(names.is_empty(), "{names:?} for an error of {} in\n{text}", trace.network().tensor(of).name);
                count += 1;
            }
        }
    }
    assert!(count > 200, "{count}");
}

/// If the file has the tensor with the unknown error, all other wrong tensors are its consequences.
#[test]
fn the_other_wrong_tensors_are_consequences() {
    let mut count = 0;
    for (n, text) in random_networks().enumerate() {
        let document = open(&text);
        let trace = &document.trace;
        let all = values(trace);
        let Some(of) = all.get(n * 3 % all.len().max(1)).copied().filter(|_| trace.samples() == 1) else { continue };
        let wanted = everything(trace);
        let Some(numbers) = gradients_with_other(trace, &wanted, of, noise) else { continue };
        let mine = tensors(&wanted, &numbers);
        let report = Report::new(trace, &mine, Tolerance::FLOAT64);
        let wrong: Vec<usize> = (0..wanted.len()).filter(|at| !report.tensors[*at].is_equal()).collect();
        if wrong.len() < 2 || wanted[wrong[0]].of != of {
            continue;
        }
        let mut consequences = findings(&document, &mine, Tolerance::FLOAT64).consequences;
        consequences.sort_unstable();
        assert_eq!(consequences, wrong[1..], "{} in\n{text}", trace.network().tensor(of).name);
        count += 1;
    }
    assert!(count > 10, "{count}");
}

/// The first wrong tensor has numbers that no mistake gives, and no other tensor depends on it. A mistake in later tensors is named.
#[test]
fn an_independent_mistake_is_named() {
    let (mut planted, mut named) = (0, 0);
    for (n, text) in random_networks().enumerate() {
        let document = open(&text);
        let trace = &document.trace;
        let wanted: Vec<Gradient> = parameters(trace);
        if wanted.len() < 3 {
            continue;
        }
        let right = |at: usize| wanted[at].right(trace).into_owned();
        let changes_later_tensors = |planting: &gradstep::mistakes::Planting| {
            let report = Report::new(trace, &tensors(&wanted, &planting.gradients), Tolerance::FLOAT64);
            report.tensors.iter().skip(1).filter(|tensor| !tensor.is_equal()).map(|tensor| tensor.wrong.len()).sum::<usize>() > 2
        };
        let all = plantings(trace, &wanted, learning_rate(&document));
        // a mistake with a number that is fitted to the user's numbers is too uncertain behind an unknown error
        let is_fitted = |id: &str| MISTAKES.iter().any(|row| row.id == id && row.specificity == Specificity::Fitted);
        let is_behind = |planting: &&gradstep::mistakes::Planting| {
            !is_implausible(planting) && !is_fitted(planting.id) && planting.gradients[0] == right(0) && changes_later_tensors(planting)
        };
        let behind: Vec<_> = all.iter().filter(is_behind).collect();
        for planting in behind.iter().skip(n % 7).step_by(behind.len() / 3 + 1) {
            let mut numbers = planting.gradients.clone();
            numbers[0].iter_mut().enumerate().for_each(|(at, number)| *number = noise(at, *number));
            let mine = tensors(&wanted, &numbers);
            if Report::new(trace, &mine, Tolerance::FLOAT64).first_wrong() != Some(0) {
                continue;
            }
            planted += 1;
            let found = search(&document, &mine);
            named += usize::from(found.iter().any(|cause| cause.id == planting.id));
            assert!(found.iter().all(|cause| !cause.explains.contains(&0)), "{:?} in\n{text}", planting.id);
        }
    }
    assert!(planted > 30 && named * 20 > planted * 19, "{named} of {planted}");
}
