//! Masks: tensors of 0 and 1, such as the results of comparisons. They have no derivative.

use super::reader::GraphReader;
use super::value::Value;
use crate::op::layer::Reported;
use crate::op::operator;
use crate::python::tree::Span;

impl GraphReader<'_, '_> {
    /// Makes a mask of tensors and numbers. `name` is the sign of a comparison, such as `<`, or of the logic of masks, such as `&`.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast.
    pub fn mask(&mut self, name: &str, values: &[Value], span: &Span) -> Result<Value, Reported> {
        if matches!(name, "&" | "|" | "~") {
            for value in values {
                if let Value::Tensor(id) = value
                    && !self.tensors[*id].is_mask
                {
                    // the numbers of the tensor decide now whether it counts as a mask, so they can be changed only in the file, which is then read again
                    self.note_structure(*id, "a mask", span);
                }
                // a tensor counts as a mask if its numbers are known now, all of them are 0 or 1, and no derivative flows through it
                if let Value::Tensor(id) = value
                    && !self.tensors[*id].is_mask
                    && !self.tensors[*id]
                        .data
                        .as_ref()
                        .is_some_and(|data| !self.tensors[*id].flows && data.iter().all(|x| *x == 0.0 || *x == 1.0))
                {
                    let message = format!("{name} joins masks, but {} has numbers", self.describe(*id));
                    return Err(self.fail(span, message, "compare it first, each side in parentheses: (x > 0) & (y > 0)"));
                }
            }
        }
        let value = self.named(name, values, span)?;
        if let Value::Tensor(id) = value {
            self.tensors[id].is_mask = true;
        }
        Ok(value)
    }

    /// Applies the elementwise function or operator of this name.
    ///
    /// # Errors
    /// If there is none, or the shapes cannot be broadcast.
    pub fn named(&mut self, name: &str, values: &[Value], span: &Span) -> Result<Value, Reported> {
        match operator::named(name) {
            Some(operator) => self.elementwise(operator, values, span).map(Value::Tensor),
            None => Err(self.fail(span, format!("there is no function {name}"), "")),
        }
    }
}
