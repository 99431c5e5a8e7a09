//! Chooses the two columns of neurons for a step, and the edges between them. If there is not enough room for all, chooses those around this step.

use std::ops::Range;

use super::target::{Spot, TermSpot};
use crate::network::{Id, Network, Role};
use crate::op::slot::Slot;
use crate::scene::{MAX_ARGUMENTS, TermRead};
use crate::step::{Kind, TensorEntry};
use crate::tensor::{Places, len};
use crate::ui::theme::SHARED_COLOURS;
use crate::ui::view::StepView;

/// The smallest and the largest limit for the number of edges in a picture.
const EDGES: [usize; 2] = [16, 64];

/// An edge: the indices of its left and right neurons in their tensors, and its weight. Each field is `None` if it is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeuronEdge {
    pub left: Option<usize>,
    pub right: Option<usize>,
    pub weight: Option<TensorEntry>,
}

impl NeuronEdge {
    /// Returns whether two edges may be the same: each field that both edges know is equal.
    pub fn matches(self, other: Self) -> bool {
        fn can_equal<T: PartialEq + Copy>(a: Option<T>, b: Option<T>) -> bool {
            a.is_none() || b.is_none() || a == b
        }
        can_equal(self.left, other.left) && can_equal(self.right, other.right) && can_equal(self.weight, other.weight)
    }

    /// Returns whether at least one field is known.
    fn is_known(self) -> bool {
        self.left.is_some() || self.right.is_some() || self.weight.is_some()
    }

    /// Returns whether two edges have a neuron in common.
    fn touches(self, other: Self) -> bool {
        self.left.is_some_and(|left| other.left == Some(left)) || self.right.is_some_and(|right| other.right == Some(right))
    }
}

/// The two columns, as tensors of the forward pass.
pub struct NeuronColumns {
    pub left: Id,
    pub right: Id,
    /// The edge of this step. Its known fields are those that the step reads or computes.
    pub now: NeuronEdge,
    /// The same edge with at most one known field: the entry that the op computes.
    pub entry: NeuronEdge,
    /// The neurons of the left and of the right column that this step reads or computes. For example, a softmax reads several.
    ends: [Ends; 2],
    /// The bias or target that is drawn below the left column. It is the one that this step reads; if there is none, it is the one that the last term reads.
    pub side: Option<TensorEntry>,
}

/// The neurons of a column that a step reads or computes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ends {
    entries: Vec<usize>,
    /// The slice that the step reads as a whole.
    slice: Option<Places>,
}

impl Ends {
    /// Returns the neurons of a column for a step. They are the entry that it computes; if this is not in the column, the derivatives that it reads; if there
    /// are none, the values that it reads.
    fn of(view: &StepView<'_>, column: Id) -> Self {
        if view.neuron(view.output) == column {
            return Self { entries: vec![view.at.entry], slice: None };
        }
        let sources = view.sources_now().iter().filter(|source| view.neuron(source.tensor) == column);
        // a tensor whose neurons are the column, but which is not the column, has the derivatives by these neurons
        let reads_derivative = sources.clone().any(|source| source.tensor != column);
        let is_end = |tensor: Id| !reads_derivative || tensor != column;
        let entries = sources.filter(|source| is_end(source.tensor)).map(|source| source.at).collect();
        // a maximum reads only one entry of its slice
        let mut slices = view.slices().filter(|(id, _)| view.neuron(*id) == column && is_end(*id) && view.step.kind != Kind::Select);
        Self { entries, slice: slices.next().map(|(_, slice)| slice) }
    }

    fn contains(&self, at: usize) -> bool {
        self.entries.contains(&at) || self.slice.is_some_and(|slice| slice.contains(at))
    }
}

/// The neurons of both columns that are shown, in ascending order, and the edges between them.
pub struct ShownNeurons {
    pub left: Vec<usize>,
    pub right: Vec<usize>,
    pub edges: Vec<NeuronEdge>,
    /// The numbers of hidden terms before and after the shown terms; `None` if all terms are shown.
    pub hidden_terms: Option<[u64; 2]>,
}

/// Returns whether a tensor's entries are neurons.
fn is_neuron(network: &Network, id: Id) -> bool {
    !matches!(network.tensor(id).role, Role::Parameter | Role::Constant | Role::Target)
}

/// Returns whether a tensor is a weight: a parameter that is not a bias.
fn is_weight(network: &Network, id: Id) -> bool {
    let info = network.tensor(id);
    info.role == Role::Parameter && info.shape.len() > 1
}

/// Returns whether a tensor is a bias, or another parameter with one entry for each neuron or channel.
fn is_bias(network: &Network, id: Id) -> bool {
    network.tensor(id).role == Role::Parameter && !is_weight(network, id)
}

/// If a layer's tensor is a product w · x, returns its input x. Returns `None` for another tensor.
fn main_input(network: &Network, id: Id) -> Option<Id> {
    let op = &network.ops()[network.producer(id).filter(|_| network.reads_samples())?];
    op.first_16_parts().iter().find(|part| part.operands.len() == 2).map(|part| part.operands[Slot::Input(0)])
}

/// Returns the tensor of neurons from which a tensor is computed. If there are several, one with entries in `entries` is preferred.
fn source_tensor(network: &Network, id: Id, entries: &[(Id, usize)]) -> Option<Id> {
    let op = &network.ops()[network.producer(id)?];
    let mut neurons =
        op.first_16_parts().iter().flat_map(|part| part.operands.iter().copied()).filter(|id| is_neuron(network, *id)).peekable();
    let first = *neurons.peek()?;
    let is_used = |id: Id| entries.iter().any(|(used, _)| *used == id);
    if is_used(first) { Some(first) } else { neurons.find(|id| is_used(*id)).or(Some(first)) }
}

impl NeuronColumns {
    /// Returns the columns of this step; `None` for a step of the batch, which connects no neurons.
    pub fn of(view: &StepView<'_>) -> Option<Self> {
        let network = view.network();
        view.step.sample?;
        let result = (view.neuron(view.output), view.at.entry);
        // the neurons that this step reads or computes; an entry of a gradient counts as its neuron
        let mut entries: Vec<(Id, usize)> = view.sources_now().iter().map(|source| (view.neuron(source.tensor), source.at)).collect();
        entries.push(result);
        let neurons = entries.iter().map(|(id, _)| *id).filter(|id| is_neuron(network, *id));
        // the tensor that is computed last
        let last = neurons.max_by_key(|id| network.producer(*id).map_or(0, |n| n + 1))?;
        // a derivative of the loss by the network's output: the line leads from the output to the target or, without a target, to the loss
        let (left, right) = if view.is_backward()
            && last == network.output()
            && entries.iter().all(|(id, _)| *id == last || !is_neuron(network, *id))
            && !is_bias(network, result.0)
        {
            let target = entries.iter().map(|(id, _)| *id).find(|id| network.tensor(*id).role == Role::Target);
            (last, target.unwrap_or_else(|| network.loss()))
        } else {
            let bias = Some(result.0).filter(|id| is_bias(network, *id));
            // the line leads from a bias whose derivative is computed, or from a neuron that is read, to the tensor that is computed last
            let used = || entries.iter().map(|(id, _)| *id).filter(|id| *id != last && is_neuron(network, *id));
            // in a normalization n = r · c, the line leads from the centred values c, not from r = 1/σ
            let main = || main_input(network, last).filter(|main| result.0 == last && used().any(|id| id == *main));
            let source = bias.or_else(main).or_else(|| used().next());
            (source.or_else(|| source_tensor(network, last, &entries))?, last)
        };
        let used_entry = |id: Id| entries.iter().find(|(used, _)| *used == id).map(|(_, at)| *at);
        let computed_entry = |id: Id| (id == result.0).then_some(result.1);
        let weight = |entries: &[(Id, usize)]| weight_among(network, entries.iter().copied());
        Some(Self {
            left,
            right,
            now: NeuronEdge { left: used_entry(left), right: used_entry(right), weight: weight(&entries) },
            entry: NeuronEdge { left: computed_entry(left), right: computed_entry(right), weight: weight(&[result]) },
            ends: [left, right].map(|column| Ends::of(view, column)),
            side: if view.is_backward() { None } else { side(view) },
        })
    }

    /// Returns the edges between some neurons of both columns. Both lists must be ascending.
    fn all_edges(&self, view: &StepView<'_>, lefts: &[usize], rights: &[usize]) -> Vec<NeuronEdge> {
        if view.network().tensor(self.right).role != Role::Target {
            return rights.iter().flat_map(|right| self.edges(view, lefts, *right)).collect();
        }
        // a target is not computed by an op, so these edges come from the terms of the derivatives on the left
        let edges_of = |left: usize| {
            let at = view.network().gradient_of(self.left).and_then(|gradient| view.first_position(gradient, left));
            let terms = at.map(|at| view.term_reads(&at, self.right, rights)).unwrap_or_default();
            terms.into_iter().map(move |term| NeuronEdge { left: Some(left), right: Some(term.place), weight: None })
        };
        lefts.iter().flat_map(|left| edges_of(*left)).collect()
    }

    /// Returns the edges from some neurons of the left column to one neuron of the right column. `lefts` must be ascending.
    fn edges(&self, view: &StepView<'_>, lefts: &[usize], right: usize) -> Vec<NeuronEdge> {
        // an entry without steps has no edges
        let Some(at) = view.first_position(self.right, right) else { return Vec::new() };
        let edge = |TermRead { place, reads, .. }: TermRead| NeuronEdge {
            left: Some(place),
            right: Some(right),
            weight: weight_among(view.network(), reads.into_iter()),
        };
        view.term_reads(&at, self.left, lefts).into_iter().map(edge).collect()
    }

    /// Returns the neurons of the left column that the first `most` terms of a neuron of the right column read. At most `most` neurons count for each term.
    fn first_lefts(&self, view: &StepView<'_>, right: usize, most: usize) -> impl Iterator<Item = usize> {
        let at = view.first_position(self.right, right);
        let sources = at.into_iter().flat_map(move |at| view.sources_of(&at, 0..at.terms.min(most as u64)));
        sources.flat_map(move |sources| sources.into_iter().filter(|(id, _)| *id == self.left).map(|(_, at)| at).take(most))
    }

    /// Returns whether an edge belongs to this step. Then the step reads or computes both of its neurons; if the right column is the loss, only the left one.
    pub fn is_now(&self, view: &StepView<'_>, edge: NeuronEdge) -> bool {
        let is_end = |n: usize, at: Option<usize>| at.is_some_and(|at| self.ends[n].contains(at));
        let has_weight = edge.weight.is_none() || self.now.weight.is_none() || edge.weight == self.now.weight;
        has_weight && is_end(0, edge.left) && (is_end(1, edge.right) || self.now.right.is_none() && self.right == view.network().loss())
    }

    /// Returns whether this step reads or computes a neuron of the left column (0) or of the right one (1).
    pub fn is_end(&self, column: usize, at: usize) -> bool {
        self.ends[column].contains(at)
    }

    /// Returns whether an edge is a term of the current entry.
    pub fn is_of_entry(&self, edge: NeuronEdge) -> bool {
        self.entry.is_known() && edge.matches(self.entry)
    }

    /// Returns the target of a click on an edge: the term of the op of this step that belongs to the edge or, if the op has none, the term of the forward op.
    pub fn spot(&self, view: &StepView<'_>, edge: NeuronEdge) -> Option<Spot> {
        let (left, right) = (edge.left?, edge.right?);
        let gradient = |id: Id| view.network().gradient_of(id);
        let [left_value, right_value] = [(self.left, left), (self.right, right)].map(|(tensor, at)| TensorEntry { tensor, at });
        // the same entry in the gradient of the tensor; without a gradient, the entry of the tensor
        let derivative = |entry: TensorEntry| TensorEntry { tensor: gradient(entry.tensor).unwrap_or(entry.tensor), ..entry };
        let output = Some(view.output);
        let term = match edge.weight {
            Some(weight) if gradient(weight.tensor) == output => {
                TermSpot { of: derivative(weight), reads: left_value, with: Some(derivative(right_value)) }
            }
            _ if gradient(self.left) == output => {
                TermSpot { of: derivative(left_value), reads: derivative(right_value), with: edge.weight }
            }
            weight => TermSpot { of: right_value, reads: left_value, with: weight },
        };
        Some(Spot::Term(term))
    }

    /// Returns the neurons and edges to show in a number of rows.
    pub fn shown(&self, view: &StepView<'_>, rows: usize) -> ShownNeurons {
        let count = |id: Id| len(&view.network().tensor(id).shape);
        let (lefts, rights) = (count(self.left), count(self.right));
        if lefts.max(rights) <= rows {
            let (left, right): (Vec<usize>, Vec<usize>) = ((0..lefts).collect(), (0..rights).collect());
            // lines with different colours have gaps where they cross and are harder to follow, so fewer are shown
            let max_edges = if is_shared(view.network(), self.right) { rows } else { (2 * rows).clamp(EDGES[0], EDGES[1]) };
            let mut edges = self.all_edges(view, &left, &right);
            let has_more_edges = edges.len() > max_edges;
            if has_more_edges {
                edges.retain(|edge| self.is_of_entry(*edge) || edge.touches(self.entry));
            }
            // if only the edges of this entry are drawn, the neurons must have some distance
            if !has_more_edges || 2 * lefts.max(rights) <= rows && edges.len() <= max_edges {
                return ShownNeurons { left, right, edges, hidden_terms: None };
            }
        }
        self.around_step(view, rows, [lefts, rights])
    }

    /// Returns the neurons that some terms around this step read, and the edges of these terms. `counts` are the numbers of all neurons of both columns.
    fn around_step(&self, view: &StepView<'_>, rows: usize, counts: [usize; 2]) -> ShownNeurons {
        // an odd number, so that this step can be in the middle
        let most = ((rows / 2) | 1).min(SHARED_COLOURS);
        let terms = view.terms_around(most);
        let [mut left, mut right] = self.neurons_of_terms(view, terms.clone(), most);
        if left.is_empty() {
            left = right.iter().take(most).flat_map(|right| self.first_lefts(view, *right, most)).take(most).collect();
        }
        let has_one_term = view.at.terms == 1;
        let mut has_neighbours = false;
        if has_one_term && right.len() <= 1 && left.len() <= 1 {
            // if only one edge is shown, other neurons are shown too: those that its right neuron reads in one term, or the neighbours of both neurons
            let window: Vec<usize> = match self.now.right {
                Some(now) if view.first_position(self.right, now).is_some_and(|at| at.terms == 1) => {
                    self.first_lefts(view, now, MAX_ARGUMENTS).collect()
                }
                _ => Vec::new(),
            };
            if window.len() > 1 {
                left.extend(window);
            } else {
                has_neighbours = true;
                let beside = |now: Option<usize>, count: usize| now.into_iter().flat_map(move |now| around(now, count, most));
                left.extend(beside(self.now.left, counts[0]));
                right.extend(beside(self.now.right, counts[1]));
            }
        }
        // at most `most` of these neurons, around the neuron `now` of this step; without any, the first ones of the column, which has `count` neurons
        let near = |mut neurons: Vec<usize>, now: Option<usize>, count: usize| {
            neurons.extend(now);
            if neurons.is_empty() {
                neurons.extend(0..count.min(most));
            }
            neurons.sort_unstable();
            neurons.dedup();
            let current = now.and_then(|now| neurons.binary_search(&now).ok()).unwrap_or(0);
            let range = around(current, neurons.len(), most);
            neurons[range].to_vec()
        };
        let (mut left, mut right) = (near(left, self.now.left, counts[0]), near(right, self.now.right, counts[1]));
        let mut edges = self.all_edges(view, &left, &right);
        if !has_neighbours || edges.len() > rows {
            edges.retain(|edge| self.is_of_entry(*edge) || has_one_term && edge.touches(self.now));
        }
        if has_neighbours {
            // a neuron without a visible edge would look unconnected, so it is left out
            left.retain(|neuron| Some(*neuron) == self.now.left || edges.iter().any(|edge| edge.left == Some(*neuron)));
            right.retain(|neuron| Some(*neuron) == self.now.right || edges.iter().any(|edge| edge.right == Some(*neuron)));
        }
        // the last term is the bias below the column, so it does not count as hidden
        let has_last = terms.end < view.at.terms && self.side.is_some_and(|side| is_bias(view.network(), side.tensor));
        let hidden_terms = (view.at.terms > most as u64).then(|| [terms.start, view.at.terms - terms.end - u64::from(has_last)]);
        ShownNeurons { left, right, edges, hidden_terms }
    }

    /// Returns the neurons of both columns that some terms of the current entry read or compute.
    fn neurons_of_terms(&self, view: &StepView<'_>, terms: Range<u64>, most: usize) -> [Vec<usize>; 2] {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for (id, at) in view.sources_of(&view.at, terms).flatten() {
            let id = view.neuron(id);
            if id == self.left {
                left.push(at);
            } else if id == self.right {
                right.push(at);
            }
        }
        // a step that reads a long slice lists only one entry of it, so neurons near this entry are added
        for (id, slice) in view.slices().filter(|(_, slice)| slice.len() > MAX_ARGUMENTS) {
            let (neurons, now) = match view.neuron(id) {
                id if id == self.left => (&mut left, self.now.left),
                id if id == self.right => (&mut right, self.now.right),
                _ => continue,
            };
            let middle = now.unwrap_or(slice.first);
            neurons.extend((middle.saturating_sub(most)..=middle + most).filter(|at| slice.contains(*at)));
        }
        left.extend(self.entry.left);
        right.extend(self.entry.right);
        [left, right]
    }
}

/// Returns the bias or target that this step reads. If there is none, returns the bias that the last term of the entry reads.
fn side(view: &StepView<'_>) -> Option<TensorEntry> {
    let network = view.network();
    let is_side = |id: Id| network.tensor(id).role == Role::Target || is_bias(network, id);
    let last = view.at.terms.saturating_sub(1);
    let bias = || view.sources_of(&view.at, last..view.at.terms).flatten().find(|(id, _)| is_bias(network, *id));
    let now = view.sources_now().iter().find(|source| is_side(source.tensor)).copied();
    now.or_else(|| bias().map(|(tensor, at)| TensorEntry { tensor, at }))
}

/// Returns the weight among the entries that a term reads.
fn weight_among(network: &Network, mut entries: impl Iterator<Item = (Id, usize)>) -> Option<TensorEntry> {
    entries.find(|(id, _)| is_weight(network, *id)).map(|(tensor, at)| TensorEntry { tensor, at })
}

/// Returns a range of `most` numbers that are less than `count`. `now` is near its middle.
fn around(now: usize, count: usize, most: usize) -> Range<usize> {
    let first = now.saturating_sub(most / 2).min(count.saturating_sub(most));
    first..count.min(first + most)
}

/// Returns whether the weights of the edges to a tensor are shared, as in a filter.
pub fn is_shared(network: &Network, right: Id) -> bool {
    network.producer(right).is_some_and(|n| network.ops()[n].window().is_some())
}
