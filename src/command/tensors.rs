//! Tensors by name, as JSON has them.

use std::iter;

use serde::{Serialize, Serializer};

use super::json::{self, Nested, Piece, Piece::Text, Piece::Word, Repeated};
use crate::network::{Id, Network, Role, Run};

/// The tensors that have a value, and those that have a gradient, in the order of the forward pass, a layer's parameters after its values.
pub(super) struct Names {
    pub values: Vec<Id>,
    pub gradients: Vec<Id>,
}

impl Names {
    pub fn of(network: &Network) -> Self {
        let mut ids: Vec<Id> = (0..network.tensors().len()).collect();
        ids.sort_by_key(|&id| (network.tensor(id).layer, network.tensor(id).role == Role::Parameter));
        let role = |id: Id| network.tensor(id).role;
        let values = ids.iter().copied().filter(|&id| matches!(role(id), Role::Input { .. } | Role::Value)).collect();
        let derived = |id: Id| !matches!(role(id), Role::Loss | Role::Gradient(_)) && network.gradient_of(id).is_some();
        let gradients = ids.into_iter().filter(|&id| derived(id)).collect();
        Self { values, gradients }
    }
}

/// Tensors by name, in order.
pub(super) struct Tensors<'a>(pub Vec<(&'a str, Nested<'a>)>);

impl<'a> Tensors<'a> {
    /// Under the name of the first of each pair, the second.
    pub fn of(network: &'a Network, run: &'a Run, pairs: impl Iterator<Item = (Id, Id)>) -> Self {
        Self(
            pairs
                .map(|(name, id)| (&*network.tensor(name).name, Nested { shape: &network.tensor(id).shape, values: run.values(id) }))
                .collect(),
        )
    }
}

impl<'a> Tensors<'a> {
    /// The same as JSON.
    pub fn json(&self, repeated: &Repeated) -> impl Iterator<Item = Piece<'a>> {
        let named = |&(name, tensor): &(&'a str, Nested<'a>)| [Word(name), Text(":")].into_iter().chain(repeated.tensor(tensor));
        iter::once(Text("{")).chain(json::listed(self.0.iter().map(named))).chain([Text("}")])
    }
}

impl Serialize for Tensors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, tensor)| (name, tensor)))
    }
}
