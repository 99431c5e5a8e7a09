//! Tensors with their names in the output of `grads` and `train`. As JSON: `{"conv1.z":[[…]],"fc1.z":[…]}`.

use std::iter;

use serde::{Serialize, Serializer};

use super::json::{self, JsonPiece, JsonPiece::Quoted, JsonPiece::Text, Nested, RepeatedTensors};
use crate::network::{Id, Network, Role, Run};

/// The tensors to print, in the order of the forward pass. The parameters of a layer come after its values.
pub(super) struct TensorIds {
    /// The inputs and values, and the constants of a graph.
    pub values: Vec<Id>,
    /// The inputs, values and parameters that have a gradient.
    pub with_gradient: Vec<Id>,
}

impl TensorIds {
    pub fn new(network: &Network) -> Self {
        let mut ids: Vec<Id> = (0..network.tensors().len()).collect();
        ids.sort_by_key(|&id| (network.tensor(id).layer, network.tensor(id).role == Role::Parameter));
        let role = |id: Id| network.tensor(id).role;
        // the constants of a graph belong to no layer
        let is_constant_of_graph = |id: Id| role(id) == Role::Constant && network.tensor(id).layer.is_none();
        let is_value = |id: Id| matches!(role(id), Role::Input { .. } | Role::Value) || is_constant_of_graph(id);
        let values = ids.iter().copied().filter(|&id| is_value(id)).collect();
        let has_gradient = |id: Id| !matches!(role(id), Role::Loss | Role::Gradient(_)) && network.gradient_of(id).is_some();
        let with_gradient = ids.into_iter().filter(|&id| has_gradient(id)).collect();
        Self { values, with_gradient }
    }
}

/// Tensors with their names, in order.
pub(super) struct NestedTensors<'a>(pub Vec<(&'a str, Nested<'a>)>);

impl<'a> NestedTensors<'a> {
    /// Collects tensors. Each pair is the tensor that gives the name, and the tensor that gives the shape and the values. For example, the pair of `conv1.z`
    /// and `grad.conv1.z` is the gradient, under the name `conv1.z`.
    pub fn new(network: &'a Network, run: &'a Run, pairs: impl Iterator<Item = (Id, Id)>) -> Self {
        Self(
            pairs
                .map(|(named, id)| (&*network.tensor(named).name, Nested { shape: &network.tensor(id).shape, values: run.values(id) }))
                .collect(),
        )
    }
}

impl<'a> NestedTensors<'a> {
    /// Returns the JSON object of the tensors. `repeated` are the tensors that the output contains more than once; they are formatted only once.
    pub fn json(&self, repeated: &RepeatedTensors) -> impl Iterator<Item = JsonPiece<'a>> {
        let named = |&(name, tensor): &(&'a str, Nested<'a>)| [Quoted(name), Text(":")].into_iter().chain(repeated.pieces_of(tensor));
        iter::once(Text("{")).chain(json::comma_separated(self.0.iter().map(named))).chain([Text("}")])
    }
}

impl Serialize for NestedTensors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, tensor)| (name, tensor)))
    }
}
