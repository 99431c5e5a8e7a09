//! Changes numbers of a scenario that is already read. A changed scenario is a new [`Scenario`], and it shares all unchanged tensors with the old one. The old
//! scenario stays valid, so undo returns to it.
//!
//! The network itself does not change. It has the numbers of the file, and [`Scenario::descent`] replaces those that were changed.

use std::sync::Arc;

use super::expression::{self, Instruction};
use super::{Sample, Scenario};
use crate::memory_budget::{OverBudget, Reservation};
use crate::network::{Id, Role};
use crate::op::operator::Operator;
use crate::tensor::{Tensor, flat, flat_mut};

/// A number of a scenario file that can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GivenNumber {
    /// An entry of a tensor that all samples share: a parameter, a constant, or an input of a graph.
    Shared {
        /// The id of the tensor in the network.
        tensor: Id,
        /// The index of the entry in the tensor.
        at: usize,
    },
    /// An entry of the input or the target of a sample.
    Sample {
        /// The index of the sample.
        sample: usize,
        /// The id of the input or the target in the network.
        tensor: Id,
        /// The index of the entry in the tensor.
        at: usize,
    },
    /// The learning rate of gradient descent.
    LearningRate,
}

impl GivenNumber {
    /// Returns the index of the sample (`None` for a tensor that all samples share) and the tensor of the number; `None` for the learning rate.
    #[must_use]
    pub fn tensor(self) -> Option<(Option<usize>, Id)> {
        match self {
            Self::Shared { tensor, .. } => Some((None, tensor)),
            Self::Sample { sample, tensor, .. } => Some((Some(sample), tensor)),
            Self::LearningRate => None,
        }
    }
}

/// A tensor whose numbers differ from those of the file.
#[derive(Clone, Debug)]
pub(super) struct ChangedTensor {
    /// The index of the sample; `None` for a tensor that all samples share.
    pub sample: Option<usize>,
    /// The id of the tensor in the network.
    pub id: Id,
    pub tensor: Arc<Tensor>,
    /// The reserved memory of the changed tensor.
    _memory: Arc<Reservation>,
}

impl Scenario {
    /// Returns the value of a number that the scenario gives.
    ///
    /// # Panics
    /// If the scenario has no such number.
    #[must_use]
    pub fn given_value(&self, number: GivenNumber) -> f64 {
        match number {
            GivenNumber::LearningRate => {
                self.train.as_ref().expect("only a scenario with [train] has a learning rate").optimizer.learning_rate
            }
            GivenNumber::Shared { at, .. } | GivenNumber::Sample { at, .. } => {
                flat(&self.given_tensor(number).expect("the tensor is given"))[at]
            }
        }
    }

    /// Returns the tensor to which a number belongs; `None` for the learning rate.
    #[must_use]
    pub fn given_tensor(&self, number: GivenNumber) -> Option<Arc<Tensor>> {
        let (sample, id) = number.tensor()?;
        if let Some(changed) = self.changed_tensors.iter().find(|changed| (changed.sample, changed.id) == (sample, id)) {
            return Some(Arc::clone(&changed.tensor));
        }
        match sample {
            None => self.network.shared_tensors().iter().find(|(shared, _)| *shared == id).map(|(_, tensor)| Arc::clone(tensor)),
            Some(sample) => tensor_of(&mut self.samples[sample].clone(), self.network.tensor(id).role).map(|tensor| Arc::clone(tensor)),
        }
    }

    /// Returns the scenario with other numbers. If the loss gives the target (its key `gradient`), all samples share this tensor, and it changes for all of
    /// them.
    ///
    /// # Errors
    /// [`OverBudget`] if there is no memory for a copy of a tensor.
    pub fn with_numbers(&self, numbers: &[(GivenNumber, f64)]) -> Result<Self, OverBudget> {
        let mut scenario = self.clone();
        for &(number, value) in numbers {
            scenario.set(number, value)?;
        }
        Ok(scenario)
    }

    fn set(&mut self, number: GivenNumber, value: f64) -> Result<(), OverBudget> {
        let (GivenNumber::Shared { at, .. } | GivenNumber::Sample { at, .. }) = number else {
            if let Some(train) = &mut self.train {
                train.optimizer.learning_rate = value;
            }
            return Ok(());
        };
        let (Some((sample, id)), Some(mut tensor)) = (number.tensor(), self.given_tensor(number)) else { return Ok(()) };
        let memory = Arc::new(self.budget.reserve(tensor.len() as u64 * 8)?);
        let old = Arc::clone(&tensor);
        flat_mut(Arc::make_mut(&mut tensor))[at] = value;
        self.changed_tensors.retain(|changed| (changed.sample, changed.id) != (sample, id));
        if sample.is_some() {
            // the tensor changes for all samples that share it
            let role = self.network.tensor(id).role;
            for sample in &mut self.samples {
                if let Some(shared) = tensor_of(sample, role).filter(|shared| Arc::ptr_eq(shared, &old)) {
                    *shared = Arc::clone(&tensor);
                }
            }
        }
        self.changed_tensors.push(ChangedTensor { sample, id, tensor, _memory: memory });
        Ok(())
    }

    /// Returns the tensors that all samples share and whose numbers differ from those of the file.
    pub(super) fn changed_shared(&self) -> Vec<(Id, Arc<Tensor>)> {
        self.changed_tensors
            .iter()
            .filter(|changed| changed.sample.is_none())
            .map(|changed| (changed.id, Arc::clone(&changed.tensor)))
            .collect()
    }
}

/// Returns the input or the target of a sample.
fn tensor_of(sample: &mut Sample, role: Role) -> Option<&mut Arc<Tensor>> {
    match role {
        Role::Target => sample.target.as_mut(),
        _ => sample.input.as_mut(),
    }
}

/// A value that the user types: a number such as `0.5`, or a change such as `+= 0.1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TypedValue {
    /// The operator of a change, such as [`Operator::Add`] for `+= 0.1`; `None` for a number.
    operator: Option<Operator>,
    number: f64,
}

impl From<f64> for TypedValue {
    fn from(number: f64) -> Self {
        Self { operator: None, number }
    }
}

impl TypedValue {
    /// The operators of changes.
    const CHANGES: [(&'static str, Operator); 4] =
        [("+=", Operator::Add), ("-=", Operator::Sub), ("*=", Operator::Mul), ("/=", Operator::DIV)];

    /// Parses a number or a change: `0.5`, `-2`, `1/3`, `sqrt(2)`, `+= 0.1`, `*= 2`.
    ///
    /// # Errors
    /// A sentence if the text is not a number, or the number is not finite.
    pub fn parse(text: &str) -> Result<Self, String> {
        // on the screen, a minus is −
        let text = &text.trim().replace('−', "-");
        let change = Self::CHANGES.into_iter().find_map(|(sign, operator)| Some((operator, text.strip_prefix(sign)?)));
        match change {
            Some((operator, rest)) => Ok(Self { operator: Some(operator), number: typed_number(rest)? }),
            None => Ok(typed_number(text)?.into()),
        }
    }

    /// Returns the new value of a number whose old value is `old`.
    ///
    /// # Errors
    /// A sentence if it is not finite.
    pub fn applied_to(self, old: f64) -> Result<f64, String> {
        let value = self.operator.map_or(self.number, |operator| value_of(operator, &[old, self.number]));
        if value.is_finite() { Ok(value) } else { Err("the number is not finite".to_owned()) }
    }
}

/// Returns the number that a typed text means: `0.5`, `-2`, `1/3`, `sqrt(2)`.
///
/// # Errors
/// A sentence if the text is not a number, or the number is not finite.
pub fn typed_number(text: &str) -> Result<f64, String> {
    // on the screen, a minus is −
    let text = &text.replace('−', "-");
    if text.trim().is_empty() {
        return Err("the number is missing: write one, such as 0.1 or 1/3".to_owned());
    }
    let instructions = expression::parse(text, 0..text.len())
        .map_err(|error| if error.help.is_empty() { error.message } else { format!("{}: {}", error.message, error.help) })?;
    let mut stack: Vec<f64> = Vec::new();
    for instruction in instructions {
        let value = match instruction {
            Instruction::Constant(value) => value,
            Instruction::Variable(span) => return Err(format!("{} is not a number: write numbers only, such as 1/3", &text[span])),
            Instruction::Apply(operator, count) => {
                let arguments = stack.split_off(stack.len() - count);
                value_of(operator, &arguments)
            }
        };
        stack.push(value);
    }
    match stack.pop() {
        Some(value) if value.is_finite() => Ok(value),
        _ => Err("the number is not finite".to_owned()),
    }
}

/// Returns the value of an operator.
fn value_of(operator: Operator, arguments: &[f64]) -> f64 {
    match (operator, arguments) {
        (Operator::Add, [a, b]) => a + b,
        (Operator::Sub, [a, b]) => a - b,
        (Operator::Mul, [a, b]) => a * b,
        (Operator::Neg, [a]) => -a,
        // `DIV` is a call
        (Operator::Call(called), arguments) => called.function.value(arguments).unwrap_or(f64::NAN),
        // a copy; the other operators always have the number of arguments above
        (Operator::Add | Operator::Sub | Operator::Mul | Operator::Neg | Operator::Copy, arguments) => arguments[0],
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Source, read};
    use super::*;

    fn scenario() -> Scenario {
        let text = "title = \"t\"\ninput = [1, 2]\ntarget = 1\nloss = \"squared_error\"\n[[layer]]\ntype = \"linear\"\nweight = [[3, 4]]\n\
                    [train]\nlearning_rate = 0.1\niterations = 3\n";
        read(Source { name: "t".to_owned(), path_shown: "t".to_owned(), text: text.to_owned() }, Limits::default())
            .expect("a valid scenario")
    }

    #[test]
    fn a_changed_scenario_has_the_new_numbers_and_leaves_the_old_one_alone() {
        let old = scenario();
        let weight = GivenNumber::Shared { tensor: old.network.find("fc1.weight").unwrap(), at: 1 };
        let input = GivenNumber::Sample { sample: 0, tensor: old.network.find("input").unwrap(), at: 0 };
        let changes = [(weight, 0.5), (input, -1.0), (GivenNumber::LearningRate, 2.0)];
        let new = old.with_numbers(&changes).unwrap();
        for (number, value) in changes {
            assert_eq!(new.given_value(number), value);
        }
        assert_eq!([weight, input, GivenNumber::LearningRate].map(|number| old.given_value(number)), [4.0, 1.0, 0.1]);
        // z = 3 · (−1) + 0.5 · 2
        let run = |scenario: &Scenario| scenario.descent().iteration(1).runs[0].run.values(scenario.network.find("fc1.z").unwrap())[0];
        assert_eq!((run(&new), run(&old)), (-2.0, 11.0));
        let back = new.with_numbers(&changes.map(|(number, _)| (number, old.given_value(number)))).unwrap();
        assert_eq!(run(&back), 11.0);
    }

    #[test]
    fn the_memory_of_replaced_copies_is_free_again() {
        let old = scenario();
        let weight = GivenNumber::Shared { tensor: old.network.find("fc1.weight").unwrap(), at: 1 };
        let before = old.budget.taken();
        let mut new = old.clone();
        for n in 0..10 {
            new = new.with_numbers(&[(weight, f64::from(n))]).unwrap();
        }
        // one copy of the weight: 2 entries of 8 bytes
        assert_eq!(new.budget.taken() - before, 16);
    }

    #[test]
    fn a_typed_value_may_change_the_old_one() {
        for (text, value) in [("+= 0.5", 2.5), ("-=1/2", 1.5), (" *= 2 ", 4.0), ("/= −4", -0.5), ("−= 1", 1.0), ("7", 7.0), ("+= -3", -1.0)]
        {
            assert_eq!(TypedValue::parse(text).and_then(|typed| typed.applied_to(2.0)), Ok(value), "{text}");
        }
        for text in ["+=", "+= x", "/= 0", "= 3", "+ = 1", "*= 1e308"] {
            assert!(TypedValue::parse(text).and_then(|typed| typed.applied_to(1e10)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_typed_number_may_be_an_expression() {
        for (text, value) in
            [("0.5", 0.5), ("-2", -2.0), ("1/3", 1.0 / 3.0), ("−3", -3.0), (" 2^-1 ", 0.5), ("-(1 + 2) * 3", -9.0), ("sqrt(4)", 2.0)]
        {
            assert_eq!(typed_number(text), Ok(value), "{text}");
        }
        for text in ["", "x", "1/0", "0/0", "1 2", "1,5", "--", "nan", "1e999", "exp(1000)"] {
            assert!(typed_number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_message_about_a_typed_number_does_not_speak_of_graphs() {
        let nested = "(".repeat(200);
        for text in ["1=2", "(1=2)", "1+", "1+*2", "math.exp(1)", "fc1.weight", "1;2", "1 2", "exp", "foo(1)", "(1", "1)", &nested] {
            let message = typed_number(text).unwrap_err();
            assert!(!["node", "name", "graph"].iter().any(|word| message.contains(word)), "{text}: {message}");
        }
        for (text, message) in [
            ("1=2", "\"=\" has no meaning in a number: write the new value alone, such as 1/3"),
            ("math.exp(1)", "\"math.exp\" is not a number: write exp alone"),
            ("1 +", "a number is missing at the end"),
            ("l27.25", "\"l27.25\" is not a number: numbers are written 2, 0.5 or 1e-3"),
            ("2 * x1.5", "\"x1.5\" is not a number: numbers are written 2, 0.5 or 1e-3"),
        ] {
            assert_eq!(typed_number(text), Err(message.to_owned()));
        }
    }
}
