//! Turns values into the operands of operations: tensors, numbers, and lists of numbers.

use super::reader::GraphReader;
use super::value::{AxisExtremum, Number, Operand, TensorId, Value};
use crate::op::layer::Reported;
use crate::python::tree::Span;

impl GraphReader<'_, '_> {
    /// Returns the tensor of a value, or its number if it has no tensor. A list of numbers becomes a constant.
    ///
    /// # Errors
    /// If the value is something else.
    pub fn operand(&mut self, value: &Value, span: &Span) -> Result<Operand, Reported> {
        self.note_operand(value);
        Ok(match value {
            Value::Tensor(id) | Value::Number(Number { tensor: Some(id), .. }) => Operand::Tensor(*id),
            Value::Extremum(extremum) => Operand::Tensor(self.values_of(*extremum, span)),
            Value::Number(Number { value, .. }) => Operand::Number(value.as_f64()),
            Value::Bool(flag) => Operand::Number(f64::from(u8::from(*flag))),
            Value::List(_) | Value::Tuple(_) => Operand::Tensor(self.tensor(value, span)?),
            other => {
                let message = format!("a tensor or a number is needed here, not {}", other.kind());
                return Err(self.fail(span, message, ""));
            }
        })
    }

    /// Returns the values of a pair that is used as a tensor, as in `x.max(1).sum()`. Warns that this is an error in PyTorch.
    fn values_of(&mut self, extremum: AxisExtremum, span: &Span) -> TensorId {
        let name = extremum.extreme.function();
        let message =
            format!("in PyTorch {name}({}) returns a pair of values and indices, not a tensor; here its values are used", extremum.axis);
        self.warn(span, message, format!("write .values after it, or a{name}({}), where ties share the derivative", extremum.axis));
        extremum.values
    }

    /// Returns the tensor of a value. A number and a list of numbers become constants.
    ///
    /// # Errors
    /// If the value is something else.
    pub fn tensor(&mut self, value: &Value, span: &Span) -> Result<TensorId, Reported> {
        self.note_operand(value);
        match value {
            Value::Tensor(id) | Value::Number(Number { tensor: Some(id), .. }) => Ok(*id),
            Value::Extremum(extremum) => Ok(self.values_of(*extremum, span)),
            Value::Number(_) | Value::Bool(_) | Value::List(_) | Value::Tuple(_) | Value::Range(_) => {
                let mut data = Vec::new();
                let shape = self.nested_numbers(value, span, &mut data)?;
                if self.is_one_value(span) { self.written_constant(&shape, data, span) } else { self.constant(&shape, data, span) }
            }
            other => {
                let message = format!("a tensor is needed here, not {}", other.kind());
                Err(self.fail(span, message, ""))
            }
        }
    }

    /// Returns whether the source text at `span` is a name, a number, or a text in one pair of brackets, and not an operation with several operands.
    fn is_one_value(&self, span: &Span) -> bool {
        let text = self.texts.get(self.text_number).and_then(|text| text.get(span.clone())).unwrap_or_default();
        if !text.starts_with(['[', '(']) {
            return !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        }
        let mut depth = 0_usize;
        let end = text.find(|c| {
            match c {
                '[' | '(' => depth += 1,
                ']' | ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0
        });
        end == Some(text.len() - 1)
    }

    /// Appends the numbers of nested lists to `data`, and returns their shape.
    ///
    /// # Errors
    /// If the lists are ragged, or hold something else.
    pub fn nested_numbers(&mut self, value: &Value, span: &Span, data: &mut Vec<f64>) -> Result<Vec<usize>, Reported> {
        if let Some(number) = value.number() {
            data.push(number.value.as_f64());
            return Ok(Vec::new());
        }
        let Some(items) = value.items() else {
            let message = format!("a list of numbers cannot hold {}", value.kind());
            return Err(self.fail(span, message, "stack makes one tensor of several"));
        };
        if items.is_empty() {
            return Err(self.fail(span, "an empty list is not a tensor", "write at least one number"));
        }
        self.claim_tensor(&[items.len()], span)?;
        let mut shape: Option<Vec<usize>> = None;
        for item in &items {
            let inner = self.nested_numbers(item, span, data)?;
            if *shape.get_or_insert_with(|| inner.clone()) != inner {
                return Err(self.fail(span, "these lists are ragged", "all lists of one depth must be equally long"));
            }
        }
        Ok(std::iter::once(items.len()).chain(shape.unwrap_or_default()).collect())
    }
}
