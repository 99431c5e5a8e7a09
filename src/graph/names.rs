//! Names the tensors that statements make: `h@1`, `h@2`, … for the results, `h@2.1`, `h@2.2`, … for the intermediate results.

use std::sync::Arc;

use compact_str::ToCompactString;

use super::reader::{Binding, GraphReader, TensorName, TensorOrigin};
use super::value::{Number, TensorId, Value};
use crate::op::layer::Reported;
use crate::op::operator::Operator;
use crate::python::tree::Span;
use crate::tensor::from_flat;

impl GraphReader<'_, '_> {
    /// Names the tensor that a statement assigns, and returns the value of the name. A tensor that the statement did not make is copied.
    ///
    /// # Errors
    /// If the copy does not fit into memory.
    pub fn assign(&mut self, name: &str, value: Value, span: &Span) -> Result<Value, Reported> {
        // of a pair of values and indices, the tensor of values gets the name
        let (pair, value) = value.split_extremum();
        let value = match value {
            Value::Tensor(id) => {
                let id = if self.fresh.contains(&id) { id } else { self.elementwise(Operator::Copy, &[Value::Tensor(id)], span)? };
                let name = self.next_version(name);
                self.set_name(id, name);
                self.name_axes(id);
                self.fresh.retain(|fresh| *fresh != id);
                self.output = Some((id, self.text_number, span.clone()));
                Value::Tensor(id)
            }
            // a number becomes a constant tensor, so that operations can read it by its name
            Value::Number(Number { value, .. }) => {
                self.claim_tensor(&[], span)?;
                let name = self.next_version(name);
                let id = self.leaf(name, Arc::new(from_flat(&[], vec![value.as_f64()])), false, false);
                Value::Number(Number { value, tensor: Some(id), mention: None })
            }
            other => other,
        };
        let value = value.join_extremum(pair);
        self.no_tensor = match value {
            Value::Tensor(_) | Value::Extremum(_) => None,
            _ => Some((self.text_number, span.clone(), value.kind())),
        };
        self.names.insert(name.to_compact_string(), Binding::Known(value.clone()));
        Ok(value)
    }

    /// Ends a statement: the tensors that it made and that have no name become intermediate results of `name`.
    pub fn end_statement(&mut self, name: &str) {
        let version = self.versions.get(name).copied().unwrap_or(0).max(1);
        self.name_intermediates(name, version);
    }

    /// Names the tensors that belong to a list or to the variable of a loop. Such a name has no versions, so its intermediate results are
    /// numbered consecutively over all statements and turns.
    pub fn name_items(&mut self, name: &str) {
        let version = self.versions.get(name).copied().unwrap_or(0);
        self.name_intermediates(name, version);
    }

    /// Names the tensors that the current statement made and that have no name: they are the next intermediate results of this version of `name`.
    fn name_intermediates(&mut self, name: &str, version: usize) {
        for id in std::mem::take(&mut self.fresh) {
            let intermediate = self.intermediates.entry((name.into(), version)).or_insert(0);
            *intermediate += 1;
            let name = TensorName { base: name.into(), version, intermediate: *intermediate };
            self.set_name(id, name);
        }
    }

    /// Returns the name of the next assignment to `name`.
    fn next_version(&mut self, name: &str) -> TensorName {
        let version = self.versions.entry(name.into()).or_insert(0);
        *version += 1;
        TensorName { base: name.into(), version: *version, intermediate: 0 }
    }

    fn set_name(&mut self, id: TensorId, name: TensorName) {
        match self.tensors[id].origin {
            TensorOrigin::Leaf(leaf) => self.leaves[leaf].name = name,
            TensorOrigin::Node(node) => self.nodes[node].name = name,
        }
    }
}
