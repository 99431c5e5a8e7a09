//! Rules that are wrong on purpose, to test that each check finds the fault that it is made for.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use gradstep::gradcheck::{CheckOptions, TensorCheck, Verdict, check};
use gradstep::network::{Id, LayersBuilder, Network, Role, Run};
use gradstep::op::activation;
use gradstep::op::bias::bias;
use gradstep::op::edges::Bilinear;
use gradstep::op::layer::{A, BIAS, Layer, Leaf, Stage, StageSource, WEIGHT, Z};
use gradstep::op::linear::{EQUATIONS, dense};
use gradstep::op::loss::Loss;
use gradstep::op::mismatch::Mismatch;
use gradstep::op::rule::{Equation, Factors, Function, Memo, Operands, Rule, Term, Use, constant, entry};
use gradstep::op::slot::Reads;
use gradstep::op::slot::Slot::{self, Input};
use gradstep::tensor::{Tensor, from_flat};
use gradstep::trace::Trace;
use smallvec::smallvec;

use crate::{differences, steps};

/// A planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// The derivative is doubled, in the kernel and in the terms.
    Doubled,
    /// The derivative is doubled in the entry [`DOUBLED_ENTRY`] only.
    DoubledOnce,
    /// The kernel adds from the last term to the first.
    Reversed,
    /// The kernel fuses multiplication and addition.
    Fused,
    /// A running sum of several terms lacks the first one.
    Forgotten,
    /// A product is multiplied from right to left.
    RightToLeft,
    /// A factor differs from the entry that it names.
    Misnamed,
    /// No entry lists the terms that read it.
    Unread,
    /// Every entry lacks its last term, in the kernel too.
    Short,
}

/// The entry of [`Fault::DoubledOnce`].
const DOUBLED_ENTRY: usize = 77;

/// A rule with a fault.
#[derive(Debug)]
struct FaultyRule {
    rule: Arc<dyn Rule>,
    fault: Fault,
}

impl FaultyRule {
    /// Returns the number of terms of an entry.
    fn count(&self, x: &Operands<'_>, entry: usize) -> u64 {
        self.prefix_terms(x, entry + 1) - self.prefix_terms(x, entry)
    }
}

impl Rule for FaultyRule {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        self.rule.memo(tensors)
    }

    fn work(&self, operands: &Reads<usize>, entries: usize) -> u64 {
        self.rule.work(operands, entries)
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (at, sum) in out.iter_mut().enumerate() {
            let terms = self.count(x, at);
            match self.fault {
                Fault::Reversed => (0..terms).rev().for_each(|t| *sum += self.term(x, at, t).value),
                Fault::Fused => (0..terms).for_each(|t| {
                    let args = self.term(x, at, t).args;
                    let first = args[..args.len() - 1].iter().fold(1.0, |product, arg| product * arg.value);
                    *sum = first.mul_add(args[args.len() - 1].value, *sum);
                }),
                _ => (0..terms).for_each(|t| *sum += self.term(x, at, t).value),
            }
        }
    }

    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64 {
        // each of the `entry` earlier entries lacks a term
        self.rule.prefix_terms(x, entry) - if self.fault == Fault::Short { entry as u64 } else { 0 }
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let mut found = self.rule.term(x, at, term);
        match self.fault {
            Fault::DoubledOnce if at != DOUBLED_ENTRY => found,
            Fault::Doubled | Fault::DoubledOnce => {
                found.args.push(constant(2.0));
                Term::product(found.args)
            }
            Fault::RightToLeft => {
                found.value = found.args.iter().rev().map(|arg| arg.value).reduce(|product, x| product * x).expect("a factor");
                found
            }
            Fault::Misnamed => {
                found.args[0].value += 1.0;
                Term::product(found.args)
            }
            _ => found,
        }
    }

    fn add_first_terms(&self, x: &Operands<'_>, entry: usize, terms: u64, sum: f64) -> f64 {
        let first = u64::from(self.fault == Fault::Forgotten && terms > 1);
        (first..terms).fold(sum, |sum, t| sum + self.term(x, entry, t).value)
    }

    fn add_terms(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        let first = terms.start + u64::from(self.fault == Fault::Forgotten && terms.end > terms.start + 1);
        (first..terms.end).fold(sum, |sum, t| sum + self.term(x, entry, t).value)
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        if self.fault == Fault::Unread { Vec::new() } else { self.rule.uses(x, slot, at) }
    }

    fn equation(&self) -> Equation {
        self.rule.equation()
    }
}

/// A function with a fault in its forward rule, or in the backward rule of a slot.
#[derive(Debug)]
struct FaultyFunction {
    function: Arc<dyn Function>,
    forward: Fault,
    backward: [Fault; 2],
}

impl Function for FaultyFunction {
    fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        self.function.shape(inputs)
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(FaultyRule { rule: self.function.forward(), fault: self.forward })
    }

    fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
        let rule = self.function.backward(slot)?;
        Some(Arc::new(FaultyRule { rule, fault: self.backward[slot] }))
    }
}

/// A loss C = Σ a t for the output a and the target t.
#[derive(Debug)]
struct WeightedSum;

/// The rules of [`WeightedSum`].
#[derive(Debug, PartialEq, Eq)]
enum WeightedSumRule {
    /// C, with a term a t for each entry of a.
    Forward,
    /// ∂C/∂a = t.
    Backward,
}

impl Function for WeightedSum {
    fn shape(&self, _inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(Vec::new())
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(WeightedSumRule::Forward)
    }

    fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
        (slot == 0).then(|| Arc::new(WeightedSumRule::Backward) as Arc<dyn Rule>)
    }
}

impl Rule for WeightedSumRule {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (at, sum) in out.iter_mut().enumerate() {
            *sum = self.add_first_terms(x, at, self.prefix_terms(x, at + 1) - self.prefix_terms(x, at), *sum);
        }
    }

    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64 {
        (entry * if *self == Self::Forward { x.tensors[Input(0)].len() } else { 1 }) as u64
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let i = usize::try_from(term).expect("a term of an entry");
        let args: Factors = if *self == Self::Forward {
            smallvec![entry(x, Input(0), i), entry(x, Input(1), i)]
        } else {
            smallvec![entry(x, Input(1), at)]
        };
        Term::product(args)
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        match (self, slot) {
            (Self::Forward, _) => vec![Use { entry: 0, term: at as u64 }],
            (Self::Backward, Input(1)) => vec![Use { entry: at, term: 0 }],
            (Self::Backward, _) => Vec::new(),
        }
    }

    fn equation(&self) -> Equation {
        Equation::default()
    }
}

/// The rule with the planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    Forward,
    WeightGradient,
    InputGradient,
    Softmax,
}

/// A network with 20 inputs, a linear layer to 6 outputs with a bias, and a softmax. `fault` is planted at `site`.
fn network(fault: Fault, site: Site) -> (Network, Vec<(Id, Arc<Tensor>)>) {
    let fault_at = |candidate: Site| if candidate == site { fault } else { Fault::Nothing };
    let number = |n: usize| (f64::from(u32::try_from(n * 7_919 % 1_009).expect("small")) - 500.0) / 700.0;
    let tensor = |shape: &[usize], from: usize| from_flat(shape, (from..from + shape.iter().product::<usize>()).map(number).collect());
    let edges = FaultyFunction {
        function: Arc::new(Bilinear::new(dense(20, 6), EQUATIONS)),
        forward: fault_at(Site::Forward),
        backward: [fault_at(Site::InputGradient), fault_at(Site::WeightGradient)],
    };
    let z = Stage::new(Z)
        .with_part(Arc::new(edges), [StageSource::Input(0), StageSource::Parameter(0)])
        .with_part(Arc::new(bias(&[6], &[6])), [StageSource::Parameter(1)]);
    let function = activation::find("softmax").expect("an activation").function(&[]);
    let softmax = FaultyFunction { function, forward: Fault::Nothing, backward: [fault_at(Site::Softmax), Fault::Nothing] };
    let a = Stage::new(A).with_part(Arc::new(softmax), [StageSource::Stage(0)]);
    let mut chain = LayersBuilder::new(&[20]);
    let leaf = |symbols, value: Tensor| Leaf { symbols, shape: value.shape().to_vec(), value };
    let parameters = vec![leaf(WEIGHT, tensor(&[6, 20], 0)), leaf(BIAS, tensor(&[6], 300))];
    chain.layer("fc1", "linear", Layer { parameters, stages: vec![z, a] }, &[None]).expect("shapes that fit");
    let network = chain.finish(Loss { function: Arc::new(WeightedSum), reads_z: false, closed_formula: None, target: None });
    let given = |role, value: Tensor| (network.with_role(role).next().expect("of this role"), Arc::new(value));
    let given = vec![given(Role::Input { learns: false }, tensor(&[20], 400)), given(Role::Target, tensor(&[6], 500))];
    (network, given)
}

fn trace(network: Network, given: &[(Id, Arc<Tensor>)]) -> Trace {
    let run = Run::new(&network, given);
    Trace::new(Arc::new(network), vec![run])
}

/// The results of two checks of the network with a fault: of all steps of its trace, and of its derivatives by finite differences.
fn verdicts(fault: Fault, site: Site) -> (Result<(), String>, Result<(), String>) {
    let (network, given) = network(fault, site);
    let slopes = differences::check(&network, &given).map(|_| ());
    (steps::check_trace(&trace(network, &given)), slopes)
}

#[test]
fn without_a_fault_nothing_is_found() {
    assert_eq!(verdicts(Fault::Nothing, Site::Forward), (Ok(()), Ok(())));
}

#[test]
fn a_wrong_derivative_is_found_by_differences_alone() {
    for site in [Site::WeightGradient, Site::InputGradient, Site::Softmax] {
        let (steps, slopes) = verdicts(Fault::Doubled, site);
        assert_eq!(steps, Ok(()), "{site:?}");
        let said = slopes.expect_err("twice the derivative");
        assert!(said.contains("by differences"), "{said}");
    }
}

#[test]
fn steps_that_do_not_add_up_to_the_tensor_are_found() {
    for (fault, site, words) in [
        (Fault::Reversed, Site::Forward, "the last sum is"),
        (Fault::Reversed, Site::InputGradient, "the last sum is"),
        (Fault::Reversed, Site::Softmax, "the last sum is"),
        (Fault::Fused, Site::Forward, "the last sum is"),
        // the sum of the steps 1 and 2 lacks the first term, and step 3 adds to it
        (Fault::Forgotten, Site::Forward, "step 3: the earlier sum"),
        (Fault::RightToLeft, Site::Softmax, "but Product of"),
        (Fault::Misnamed, Site::Forward, "fc1.weight[0] is"),
        (Fault::Unread, Site::WeightGradient, "is read by steps"),
        (Fault::Unread, Site::Forward, "is not known"),
        (Fault::Short, Site::InputGradient, "is read by steps"),
    ] {
        let said = verdicts(fault, site).0.expect_err(&format!("{fault:?} in {site:?}"));
        assert!(said.contains(words), "{fault:?} in {site:?}: {said}");
    }
}

#[test]
fn missing_edges_are_found() {
    for (site, words) in [(Site::InputGradient, "for grad.input"), (Site::WeightGradient, "for grad.fc1.weight")] {
        let (network, given) = network(Fault::Short, site);
        let said = steps::check_edges(&trace(network, &given)).expect_err("an edge is missing");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn differences_find_a_missing_term() {
    let (_, slopes) = verdicts(Fault::Short, Site::InputGradient);
    assert!(slopes.expect_err("a term is missing").contains("grad.input"));
}

/// Checks every derivative of the network with a fault.
fn check_network(fault: Fault, site: Site) -> (Network, Vec<TensorCheck>) {
    let (network, given) = network(fault, site);
    let checked = check(&network, &Run::new(&network, &given), CheckOptions::ALL, |_| true);
    assert!(checked.iter().all(|checked| checked.checks.len() == checked.entries && checked.wanted == checked.entries));
    (network, checked)
}

/// The names of the tensors whose derivatives are off.
fn names_off<'a>(network: &'a Network, checked: &[TensorCheck]) -> Vec<&'a str> {
    let off = checked.iter().filter(|checked| checked.count(Verdict::Off) > 0);
    off.map(|checked| &*network.tensor(checked.gradient).name).collect()
}

#[test]
fn gradcheck_finds_the_tensor_whose_derivative_is_wrong() {
    // the rule with the fault, and the first tensor that is off; the network of the last row has no fault
    for (site, first) in [
        (Site::WeightGradient, Some("grad.fc1.weight")),
        (Site::InputGradient, Some("grad.input")),
        (Site::Softmax, Some("grad.fc1.z")),
        (Site::Forward, None),
    ] {
        let fault = if site == Site::Forward { Fault::Nothing } else { Fault::Doubled };
        let (network, checked) = check_network(fault, site);
        assert_eq!(names_off(&network, &checked).first().copied(), first, "{site:?}");
        for worst in checked.iter().filter(|checked| checked.count(Verdict::Off) > 0).map(TensorCheck::worst) {
            let worst = worst.expect("an entry that is off");
            // the derivative is doubled, so half of it is an error
            assert!((worst.derivative - 2.0 * worst.difference).abs() < 1e-6 && (worst.error - 0.5).abs() < 1e-3, "{worst:?}");
        }
    }
}

#[test]
fn gradcheck_finds_one_wrong_entry_among_many() {
    let (network, checked) = check_network(Fault::DoubledOnce, Site::WeightGradient);
    assert_eq!(names_off(&network, &checked), ["grad.fc1.weight"]);
    let wrong: Vec<usize> = checked
        .iter()
        .flat_map(|checked| &checked.checks)
        .filter_map(|compared| (compared.verdict == Verdict::Off).then_some(compared.at))
        .collect();
    assert_eq!(wrong, [DOUBLED_ENTRY]);
}

/// `gradcheck` recomputes the loss without the rules' lists of readers: a rule that lacks an edge would lack it in this list too.
#[test]
fn gradcheck_finds_a_missing_edge() {
    let (network, checked) = check_network(Fault::Short, Site::InputGradient);
    assert_eq!(names_off(&network, &checked), ["grad.input"]);
}

/// A fault in the steps of the forward pass is not a fault of the derivatives.
#[test]
fn gradcheck_uses_the_values_of_the_forward_pass() {
    for fault in [Fault::Reversed, Fault::Fused, Fault::Forgotten, Fault::Unread] {
        let (network, checked) = check_network(fault, Site::Forward);
        assert_eq!(names_off(&network, &checked), <[&str; 0]>::default(), "{fault:?}");
    }
}
