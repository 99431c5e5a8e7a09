//! Names the tensors that statements make: `h@1`, `h@2`, … for the results, `h@2.1`, `h@2.2`, … for the intermediate results. Messages describe a tensor by its
//! name.

use std::sync::Arc;

use compact_str::CompactString;

use super::reader::{Binding, GraphReader, KnownName, LeafOrigin, MAX_SOURCE, PendingLeaf, TensorName, TensorOrigin};
use super::value::{Number, TensorId, Value};
use crate::op::layer::Reported;
use crate::op::operator::Operator;
use crate::python::tree::Span;
use crate::tensor::{from_flat, shape_text};

impl GraphReader<'_, '_> {
    /// Names the tensor that a statement assigns, and returns the value of the name. A tensor that the statement did not make is copied.
    ///
    /// # Errors
    /// If the copy does not fit into memory.
    pub fn assign(&mut self, name: &str, value: Value, span: &Span) -> Result<Value, Reported> {
        // of a pair of values and indices, the tensor of values gets the name
        let (pair, value) = value.split_extremum();
        let value = match value {
            Value::Tensor(id) if !self.fresh.contains(&id) => {
                Value::Tensor(self.elementwise(Operator::Copy, &[Value::Tensor(id)], span)?)
            }
            // a number becomes a constant tensor, so that operations can read it by its name
            Value::Number(Number { value, .. }) => {
                self.claim_tensor(&[], span)?;
                let id = self.leaf(TensorName::default(), Arc::new(from_flat(&[], vec![value.as_f64()])), LeafOrigin::Text(None), false);
                Value::Number(Number { value, tensor: Some(id), mention: None })
            }
            other => other,
        };
        let assigned = match value {
            Value::Tensor(id) | Value::Number(Number { tensor: Some(id), .. }) => Some(id),
            _ => None,
        };
        let is_tensor = matches!(value, Value::Tensor(_));
        let value = value.join_extremum(pair);
        let known = self.bind(name, Binding::Known(value.clone()));
        if let Some(id) = assigned {
            self.known_names[known].versions += 1;
            let version = self.known_names[known].versions;
            self.set_name(id, TensorName { base: name.into(), known: Some(known), version, intermediate: 0 });
            if is_tensor {
                self.name_axes(id);
                self.fresh.retain(|fresh| *fresh != id);
                self.output = Some((id, self.text_number, span.clone()));
            }
        }
        self.no_tensor = if is_tensor { None } else { Some((self.text_number, span.clone(), value.kind())) };
        Ok(value)
    }

    /// Returns the value of a name.
    pub fn binding(&self, name: &str) -> Option<&Binding> {
        self.names.get(name).map(|known| &self.known_names[*known].binding)
    }

    /// Gives a name a value, without counting this as an assignment that makes a tensor. Returns the index of the name in the list of known names.
    pub fn bind(&mut self, name: &str, binding: Binding) -> usize {
        let next = self.known_names.len();
        let known = *self.names.entry(name.into()).or_insert(next);
        if known == next {
            self.known_names.push(KnownName { binding, versions: 0, is_given: false });
        } else {
            self.known_names[known].binding = binding;
        }
        known
    }

    /// Ends a statement: the tensors that it made and that have no name become intermediate results of `name`.
    pub fn end_statement(&mut self, name: &str) {
        let first_version = 1;
        self.name_intermediates(name, first_version);
    }

    /// Names the tensors that belong to a list or to the variable of a loop. Such a name has no versions, so its intermediate results are
    /// numbered consecutively over all statements and turns.
    pub fn name_items(&mut self, name: &str) {
        let first_version = 0;
        self.name_intermediates(name, first_version);
    }

    /// Names the tensors that the current statement made and that have no name: they are the next intermediate results of the last version of `name`. If the
    /// name has no version yet, its version is `first_version`.
    fn name_intermediates(&mut self, name: &str, first_version: usize) {
        if self.fresh.is_empty() {
            return;
        }
        let known = self.names.get(name).copied();
        let version = known.map_or(0, |known| self.known_names[known].versions).max(first_version);
        let base = CompactString::from(name);
        let count = self.intermediates.entry((base.clone(), version)).or_insert(0);
        let first = *count + 1;
        *count += self.fresh.len();
        for (n, id) in std::mem::take(&mut self.fresh).into_iter().enumerate() {
            self.set_name(id, TensorName { base: base.clone(), known, version, intermediate: first + n });
        }
    }

    /// Describes a tensor in a message: its name, or else its source text, and its shape: `W1 (20x64)`.
    pub fn describe(&self, id: TensorId) -> String {
        format!("{} ({})", self.name_of(id), shape_text(&self.tensors[id].shape))
    }

    /// Returns the name of a tensor, or else its source text, or else the words "a constant".
    pub fn name_of(&self, id: TensorId) -> String {
        self.written_name(id).unwrap_or_else(|| "a constant".to_owned())
    }

    /// Returns the name of a tensor, or else its source text. `None` for a constant without a source text of its own, and for one with a long text.
    pub fn written_name(&self, id: TensorId) -> Option<String> {
        let (name, at) = match self.tensors[id].origin {
            TensorOrigin::Leaf(leaf) => match &self.leaves[leaf] {
                PendingLeaf { name, origin: LeafOrigin::Text(at), .. } => (name, at.as_ref().filter(|(_, span)| span.len() <= MAX_SOURCE)),
                PendingLeaf { name, .. } => (name, None),
            },
            TensorOrigin::Node(node) => (&self.nodes[node].name, Some(&self.nodes[node].at)),
        };
        let is_named = name.intermediate == 0 && !name.base.is_empty();
        if is_named { Some(name.base.to_string()) } else { at.map(|(text_number, span)| self.source_in(*text_number, span)) }
    }

    fn set_name(&mut self, id: TensorId, name: TensorName) {
        match self.tensors[id].origin {
            TensorOrigin::Leaf(leaf) => self.leaves[leaf].name = name,
            TensorOrigin::Node(node) => self.nodes[node].name = name,
        }
    }
}
