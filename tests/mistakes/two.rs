//! Two mistakes at once, planted at random ops of random networks: no mistake is named that does not explain the numbers, and most pairs are named.

use std::env;

use gradstep::diff::{Report, Tolerance, UserTensor};
use gradstep::mistakes::{Cause, Findings, PlantedPair, gradients_with, planted_pair};

use crate::{everything, findings, learning_rate, networks, open, parameters, tensors};

/// The number of random networks: 30, or that of the variable `PAIRS`.
fn count() -> usize {
    env::var("PAIRS").ok().and_then(|count| count.parse().ok()).unwrap_or(30)
}

/// Random choices, the same each time that the test is run.
struct Choices(u64);

impl Choices {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % n
    }
}

fn is_implausible(numbers: &[Vec<f64>]) -> bool {
    numbers.iter().flatten().any(|number| !number.is_finite() || number.abs() > 1e12)
}

/// Numbers of pairs of mistakes.
#[derive(Debug, Default)]
struct Counts {
    /// All pairs.
    pairs: usize,
    /// The pairs for which the named mistakes explain all wrong tensors.
    explained: usize,
    /// The pairs of which both mistakes are named.
    named: usize,
}

/// Asserts that the causes of a group explain the gradients that they claim to explain. The backward pass is computed again with the causes' wrong
/// ops, and with the user's numbers of the `unexplained` gradients.
fn assert_no_false_name(trace: &gradstep::trace::Trace, mine: &[UserTensor], group: &[Cause], unexplained: &[usize], text: &str) {
    let wanted: Vec<_> = mine.iter().map(|tensor| tensor.gradient).collect();
    let taken: Vec<_> = unexplained.iter().map(|at| (mine[*at].gradient, mine[*at].values.as_deref().expect("numbers"))).collect();
    let Some(numbers) = gradients_with(trace, &wanted, group, &taken) else { return };
    for explained in group.iter().flat_map(|cause| &cause.explains) {
        let users = mine[*explained].values.as_ref().expect("numbers");
        let largest = users.iter().fold(0.0_f64, |largest, number| largest.max(number.abs()));
        let is_equal = users.iter().zip(&numbers[*explained]).all(|(a, b)| (a - b).abs() <= 2e-6 * a.abs() + 1e-8 * largest + 1e-11);
        let ids: Vec<_> = group.iter().map(|cause| (cause.id, &cause.variant, &cause.at)).collect();
        assert!(is_equal, "{ids:?} do not explain {} in\n{text}", wanted[*explained].name(trace));
    }
}

/// Plants two mistakes into a network, and counts whether they are explained and named. The user's file has all gradients with `takes_all`, otherwise those of
/// the parameters.
fn try_pair(text: &str, takes_all: bool, choices: &mut Choices, counts: &mut Counts) {
    let document = open(text);
    let trace = &document.trace;
    let wanted = if takes_all { everything(trace) } else { parameters(trace) };
    let pair = planted_pair(trace, &wanted, learning_rate(&document), &mut |n| choices.below(n));
    let Some(PlantedPair { ids, each, both }) = pair.filter(|pair| !is_implausible(&pair.both)) else { return };
    let first_wrong = |numbers: &[Vec<f64>]| Report::new(trace, &tensors(&wanted, numbers), Tolerance::FLOAT64).first_wrong();
    // each of the two mistakes must change something; these are the first tensors that they change
    let [one, other] = [first_wrong(&each[0]), first_wrong(&each[1])];
    let (Some(one), Some(other)) = (one, other) else { return };
    let mine = tensors(&wanted, &both);
    let report = Report::new(trace, &mine, Tolerance::FLOAT64);
    let expected = one.min(other);
    // a tensor that both mistakes change may be right again. If they change different tensors first, the first wrong tensor is changed by one of them alone
    let is_changed_by_one = one != other;
    assert!(
        !is_changed_by_one || report.first_wrong() == Some(expected),
        "{ids:?}: {:?} instead of {expected} in\n{text}",
        report.first_wrong()
    );
    if report.is_equal() {
        return;
    }
    let Findings { causes: found, consequences } = findings(&document, &mine, Tolerance::FLOAT64);
    let group: Vec<Cause> = found.iter().filter(|cause| cause.group == 1).cloned().collect();
    let is_explained = |at: &usize| group.iter().any(|cause| cause.explains.contains(at)) || consequences.contains(at);
    let unexplained: Vec<usize> = (0..mine.len()).filter(|at| !report.tensors[*at].is_equal() && !is_explained(at)).collect();
    assert_no_false_name(trace, &mine, &group, &unexplained, text);
    let wrong = report.tensors.iter().filter(|compared| !compared.is_equal()).count();
    let explained = group.iter().map(|cause| cause.explains.len()).sum::<usize>();
    counts.pairs += 1;
    counts.explained += usize::from(explained == wrong);
    counts.named += usize::from(ids.iter().all(|id| found.iter().any(|cause| cause.id == *id)));
}

#[test]
fn two_random_mistakes_at_random_places_are_named() {
    let (mut choices, mut counts) = (Choices(18), Counts::default());
    for (n, text) in networks::of_students().chain(networks::random(count())).enumerate() {
        try_pair(&text, n % 3 == 0, &mut choices, &mut counts);
    }
    println!("{counts:?}");
    // some pairs lie beyond what is tried: the first mistake alone explains nothing, and the network is large
    assert!(counts.pairs > 30 && counts.explained * 10 > counts.pairs * 9 && counts.named * 5 > counts.pairs * 4, "{counts:?}");
}
