//! Rules with planted faults, which test that each check finds the fault that it is made for.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use gradstep::gradcheck::{CheckOptions, TensorCheck, Verdict, check};
use gradstep::network::{Chain, Id, Network, Role, Run};
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

use crate::{differences, law};

/// A planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Diagnostic {
    Nothing,
    /// Twice the derivative, in the kernel and in the terms.
    Doubled,
    /// The same, in one entry only.
    DoubledOnce,
    /// The kernel adds from the last term to the first.
    Reversed,
    /// The kernel fuses multiplication and addition.
    Fused,
    /// A running sum forgets a term.
    Forgotten,
    /// A product is multiplied from right to left.
    RightToLeft,
    /// A factor differs from the entry that it names.
    Misnamed,
    /// The users of an entry are incomplete.
    Unread,
    /// Every entry lacks a term, in the kernel too.
    Short,
}

/// The entry of [`Diagnostic::DoubledOnce`].
const ONE: usize = 77;

#[derive(Debug)]
struct Crooked {
    rule: Arc<dyn Rule>,
    fault: Diagnostic,
}

impl Crooked {
    fn count(&self, x: &Operands<'_>, entry: usize) -> u64 {
        self.prefix_terms(x, entry + 1) - self.prefix_terms(x, entry)
    }
}

impl Rule for Crooked {
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
                Diagnostic::Reversed => (0..terms).rev().for_each(|t| *sum += self.term(x, at, t).value),
                Diagnostic::Fused => (0..terms).for_each(|t| {
                    let args = self.term(x, at, t).args;
                    let first = args[..args.len() - 1].iter().fold(1.0, |product, arg| product * arg.value);
                    *sum = first.mul_add(args[args.len() - 1].value, *sum);
                }),
                _ => (0..terms).for_each(|t| *sum += self.term(x, at, t).value),
            }
        }
    }

    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64 {
        self.rule.prefix_terms(x, entry) - if self.fault == Diagnostic::Short { entry as u64 } else { 0 }
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let mut found = self.rule.term(x, at, term);
        match self.fault {
            Diagnostic::DoubledOnce if at != ONE => found,
            Diagnostic::Doubled | Diagnostic::DoubledOnce => {
                found.args.push(constant(2.0));
                Term::product(found.args)
            }
            Diagnostic::RightToLeft => {
                found.value = found.args.iter().rev().map(|arg| arg.value).reduce(|product, x| product * x).expect("a factor");
                found
            }
            Diagnostic::Misnamed => {
                found.args[0].value += 1.0;
                Term::product(found.args)
            }
            _ => found,
        }
    }

    fn add_first_terms(&self, x: &Operands<'_>, entry: usize, terms: u64, sum: f64) -> f64 {
        let first = u64::from(self.fault == Diagnostic::Forgotten && terms > 1);
        (first..terms).fold(sum, |sum, t| sum + self.term(x, entry, t).value)
    }

    fn add_terms(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        let first = terms.start + u64::from(self.fault == Diagnostic::Forgotten && terms.end > terms.start + 1);
        (first..terms.end).fold(sum, |sum, t| sum + self.term(x, entry, t).value)
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        if self.fault == Diagnostic::Unread { Vec::new() } else { self.rule.uses(x, slot, at) }
    }

    fn equation(&self) -> Equation {
        self.rule.equation()
    }
}

/// A function whose rules have faults: forwards, and backwards by slot.
#[derive(Debug)]
struct Planted {
    function: Arc<dyn Function>,
    forward: Diagnostic,
    backward: [Diagnostic; 2],
}

impl Function for Planted {
    fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        self.function.shape(inputs)
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(Crooked { rule: self.function.forward(), fault: self.forward })
    }

    fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
        let rule = self.function.backward(slot)?;
        Some(Arc::new(Crooked { rule, fault: self.backward[slot] }))
    }
}

/// C = Σ a t.
#[derive(Debug)]
struct Weighed;

/// Its derivative t, or (`true`) the terms of C itself.
#[derive(Debug)]
struct Weights(bool);

impl Function for Weighed {
    fn shape(&self, _inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(Vec::new())
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(Weights(true))
    }

    fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
        (slot == 0).then(|| Arc::new(Weights(false)) as Arc<dyn Rule>)
    }
}

impl Rule for Weights {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (at, sum) in out.iter_mut().enumerate() {
            *sum = self.add_first_terms(x, at, self.prefix_terms(x, at + 1) - self.prefix_terms(x, at), *sum);
        }
    }

    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64 {
        (entry * if self.0 { x.tensors[Input(0)].len() } else { 1 }) as u64
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let i = usize::try_from(term).expect("a term of an entry");
        let args: Factors =
            if self.0 { smallvec![entry(x, Input(0), i), entry(x, Input(1), i)] } else { smallvec![entry(x, Input(1), at)] };
        Term::product(args)
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        match (self.0, slot) {
            (true, _) => vec![Use { entry: 0, term: at as u64 }],
            (false, Input(1)) => vec![Use { entry: at, term: 0 }],
            (false, _) => Vec::new(),
        }
    }

    fn equation(&self) -> Equation {
        Equation::default()
    }
}

/// The place of a planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Forward,
    WeightGradient,
    InputGradient,
    Softmax,
}

/// 20 inputs, linear to 6 with a bias, softmax.
fn network(fault: Diagnostic, place: Where) -> (Network, Vec<(Id, Arc<Tensor>)>) {
    let at = |here: Where| if here == place { fault } else { Diagnostic::Nothing };
    let number = |n: usize| (f64::from(u32::try_from(n * 7_919 % 1_009).expect("small")) - 500.0) / 700.0;
    let tensor = |shape: &[usize], from: usize| from_flat(shape, (from..from + shape.iter().product::<usize>()).map(number).collect());
    let edges = Planted {
        function: Arc::new(Bilinear::new(dense(20, 6), EQUATIONS)),
        forward: at(Where::Forward),
        backward: [at(Where::InputGradient), at(Where::WeightGradient)],
    };
    let z = Stage::new(Z)
        .with_part(Arc::new(edges), [StageSource::Input(0), StageSource::Parameter(0)])
        .with_part(Arc::new(bias(&[6], &[6])), [StageSource::Parameter(1)]);
    let function = activation::find("softmax").expect("an activation").function(&[]);
    let softmax = Planted { function, forward: Diagnostic::Nothing, backward: [at(Where::Softmax), Diagnostic::Nothing] };
    let a = Stage::new(A).with_part(Arc::new(softmax), [StageSource::Stage(0)]);
    let mut chain = Chain::new(&[20]);
    let leaf = |symbols, value: Tensor| Leaf { symbols, shape: value.shape().to_vec(), value };
    let parameters = vec![leaf(WEIGHT, tensor(&[6, 20], 0)), leaf(BIAS, tensor(&[6], 300))];
    chain.layer("fc1", "linear", Layer { parameters, stages: vec![z, a] }, &[None]).expect("shapes that fit");
    let network = chain.finish(Loss { function: Arc::new(Weighed), reads_z: false, shortcut: None, target: None });
    let given = |role, value: Tensor| (network.with_role(role).next().expect("of this role"), Arc::new(value));
    let given = vec![given(Role::Input { learns: false }, tensor(&[20], 400)), given(Role::Target, tensor(&[6], 500))];
    (network, given)
}

fn trace(network: Network, given: &[(Id, Arc<Tensor>)]) -> Trace {
    let run = Run::new(&network, given);
    Trace::new(Arc::new(network), vec![run])
}

/// The results of the checks: the law, and the differences.
fn verdicts(fault: Diagnostic, place: Where) -> (Result<(), String>, Result<(), String>) {
    let (network, given) = network(fault, place);
    let slopes = differences::check(&network, &given).map(|_| ());
    (law::whole(&trace(network, &given)), slopes)
}

#[test]
fn without_a_fault_nothing_is_found() {
    assert_eq!(verdicts(Diagnostic::Nothing, Where::Forward), (Ok(()), Ok(())));
}

#[test]
fn a_wrong_derivative_is_found_by_differences_alone() {
    for place in [Where::WeightGradient, Where::InputGradient, Where::Softmax] {
        let (law, slopes) = verdicts(Diagnostic::Doubled, place);
        assert_eq!(law, Ok(()), "{place:?}");
        let said = slopes.expect_err("twice the derivative");
        assert!(said.contains("by differences"), "{said}");
    }
}

#[test]
fn a_broken_law_is_found() {
    for (fault, place, words) in [
        (Diagnostic::Reversed, Where::Forward, "the last sum is"),
        (Diagnostic::Reversed, Where::InputGradient, "the last sum is"),
        (Diagnostic::Reversed, Where::Softmax, "the last sum is"),
        (Diagnostic::Fused, Where::Forward, "the last sum is"),
        (Diagnostic::Forgotten, Where::Forward, "is"),
        (Diagnostic::RightToLeft, Where::Softmax, "but Product of"),
        (Diagnostic::Misnamed, Where::Forward, "fc1.weight[0] is"),
        (Diagnostic::Unread, Where::WeightGradient, "is read by steps"),
        (Diagnostic::Unread, Where::Forward, "is not known"),
        (Diagnostic::Short, Where::InputGradient, "is read by steps"),
    ] {
        let said = verdicts(fault, place).0.expect_err(&format!("{fault:?} in {place:?}"));
        assert!(said.contains(words), "{fault:?} in {place:?}: {said}");
    }
}

#[test]
fn missing_edges_are_found() {
    for (place, words) in [(Where::InputGradient, "for grad.input"), (Where::WeightGradient, "for grad.fc1.weight")] {
        let (network, given) = network(Diagnostic::Short, place);
        let said = law::edges(&trace(network, &given)).expect_err("an edge less");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn differences_find_what_the_law_cannot_know() {
    let (_, slopes) = verdicts(Diagnostic::Short, Where::InputGradient);
    assert!(slopes.expect_err("a sum with a term less").contains("grad.input"));
}

/// Every derivative of the network with a fault, checked.
fn checked(fault: Diagnostic, place: Where) -> (Network, Vec<TensorCheck>) {
    let (network, given) = network(fault, place);
    let checked = check(&network, &Run::new(&network, &given), CheckOptions::ALL, |_| true);
    assert!(checked.iter().all(|checked| checked.checks.len() == checked.entries && checked.wanted == checked.entries));
    (network, checked)
}

/// The names of the tensors whose derivatives are off.
fn off<'a>(network: &'a Network, checked: &[TensorCheck]) -> Vec<&'a str> {
    let off = checked.iter().filter(|checked| checked.count(Verdict::Off) > 0);
    off.map(|checked| &*network.tensor(checked.gradient).name).collect()
}

#[test]
fn gradcheck_finds_the_tensor_whose_derivative_is_wrong() {
    for (place, first) in [
        (Where::WeightGradient, Some("grad.fc1.weight")),
        (Where::InputGradient, Some("grad.input")),
        (Where::Softmax, Some("grad.fc1.z")),
        (Where::Forward, None),
    ] {
        let fault = if place == Where::Forward { Diagnostic::Nothing } else { Diagnostic::Doubled };
        let (network, checked) = checked(fault, place);
        assert_eq!(off(&network, &checked).first().copied(), first, "{place:?}");
        for worst in checked.iter().filter(|checked| checked.count(Verdict::Off) > 0).map(TensorCheck::worst) {
            let worst = worst.expect("an entry that is off");
            assert!((worst.derivative - 2.0 * worst.difference).abs() < 1e-6 && (worst.error - 0.5).abs() < 1e-3, "{worst:?}");
        }
    }
}

#[test]
fn gradcheck_finds_one_wrong_entry_among_many() {
    let (network, checked) = checked(Diagnostic::DoubledOnce, Where::WeightGradient);
    assert_eq!(off(&network, &checked), ["grad.fc1.weight"]);
    let wrong: Vec<usize> = checked
        .iter()
        .flat_map(|checked| &checked.checks)
        .filter_map(|compared| (compared.verdict == Verdict::Off).then_some(compared.at))
        .collect();
    assert_eq!(wrong, [ONE]);
}

/// `gradcheck` does not ask the checked rules for dependencies: a rule that lacks an edge would lack it there too.
#[test]
fn gradcheck_finds_a_missing_edge() {
    let (network, checked) = checked(Diagnostic::Short, Where::InputGradient);
    assert_eq!(off(&network, &checked), ["grad.input"]);
}

/// A fault in the steps of the forward pass is not a fault of the derivatives.
#[test]
fn gradcheck_uses_the_values_of_the_forward_pass() {
    for fault in [Diagnostic::Reversed, Diagnostic::Fused, Diagnostic::Forgotten, Diagnostic::Unread] {
        let (network, checked) = checked(fault, Where::Forward);
        assert_eq!(off(&network, &checked), <[&str; 0]>::default(), "{fault:?}");
    }
}
