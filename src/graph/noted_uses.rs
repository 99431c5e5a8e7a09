//! Notes the uses of given numbers while the text is read.

use std::collections::HashSet;

use super::reader::{GraphReader, TensorOrigin};
use super::structural::{Mention, UseInText};
use super::value::{Number, TensorId, Value};
use crate::python::tree::Span;

impl GraphReader<'_, '_> {
    /// Returns the value of a name. If it is a single number that the scenario gives, the mention of this number is noted.
    pub fn mentioned(&mut self, value: Value, span: &Span) -> Value {
        match value {
            Value::Number(Number { value, tensor: Some(tensor), .. }) if !self.is_made_by_text(tensor) => {
                let structure = UseInText { what: "a number of the text".to_owned(), at: (self.text_number, span.clone()) };
                self.structural.mentions.push(Mention { tensor, is_operand: false, structure });
                Value::Number(Number { value, tensor: Some(tensor), mention: Some(self.structural.mentions.len() - 1) })
            }
            value => value,
        }
    }

    /// Notes that a number becomes the operand of an operation, which reads it when the operation is computed.
    pub fn note_operand(&mut self, value: &Value) {
        if let Value::Number(Number { mention: Some(mention), .. }) = value {
            self.structural.mentions[*mention].is_operand = true;
        }
    }

    /// Notes the use for which the text mentions a number: `what` is "a size" or the like.
    pub fn note_use(&mut self, value: &Value, what: &str) {
        if let Value::Number(Number { mention: Some(mention), .. }) = value {
            what.clone_into(&mut self.structural.mentions[*mention].structure.what);
        }
    }

    /// Notes that the numbers of these values are kept in a list. They count as read with the text, even if an item becomes an operand, because
    /// the same item can be used several times.
    pub fn note_items(&mut self, items: &[Value]) {
        for item in items {
            if let Value::Number(Number { tensor: Some(tensor), mention: Some(mention), .. }) = item {
                let structure = self.structural.mentions[*mention].structure.clone();
                let structure = UseInText { what: "an item of a list".to_owned(), ..structure };
                self.structural.tensors.entry(*tensor).or_insert(structure);
            }
        }
    }

    /// Notes that the numbers of a tensor are read with the text, and so are those of the given tensors that it depends on.
    pub fn note_structure(&mut self, id: TensorId, what: &str, span: &Span) {
        let (mut stack, mut seen) = (vec![id], HashSet::new());
        while let Some(id) = stack.pop() {
            match self.tensors[id].origin {
                _ if !seen.insert(id) || self.tensors[id].data.is_none() => {}
                TensorOrigin::Node(node) => stack.extend(self.nodes[node].reads.iter().copied()),
                TensorOrigin::Leaf(_) => {
                    let structure = UseInText { what: what.to_owned(), at: (self.text_number, span.clone()) };
                    self.structural.tensors.entry(id).or_insert(structure);
                }
            }
        }
    }
}
