//! Writes equations of a graph of tensors in two other notations: gradients as lines of NumPy, such as `dW1 = X.T @ dz`, and sums of products with letters
//! for the indices.

use compact_str::CompactString;

use super::Scene;
use crate::network::{Id, Role};
use crate::op::written::with_index;

impl Scene<'_> {
    /// Returns the line of NumPy that computes a gradient of a graph of tensors. It has a comment about tensors that are parts of statements. Returns `None`
    /// for other tensors, and if there is no short expression.
    #[must_use]
    pub fn numpy_line(&self, gradient: Id) -> Option<String> {
        let network = self.network();
        let is_gradient = matches!(network.tensor(gradient).role, Role::Gradient(_));
        // a graph of single numbers needs no NumPy
        let is_number = |id: Id| network.tensor(id).shape.is_empty();
        let op = &network.ops()[network.producer(gradient)?];
        let reads_numbers = op.first_16_parts().iter().all(|part| part.operands.iter().all(|id| is_number(*id)));
        if !is_gradient || network.reads_samples() || is_number(gradient) && reads_numbers {
            return None;
        }
        let mut read = Vec::new();
        let right = self.trace.numpy(self.at.run_index, gradient, &mut |id| {
            read.push(id);
            self.python_name(id)
        })?;
        let mut remarks: Vec<String> = Vec::new();
        for id in read.into_iter().map(|id| self.neuron(id)) {
            let info = network.tensor(id);
            let letter = &info.symbol.letter;
            let text = letter.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(letter);
            let remark = format!("{} = {text}", self.python_name(id));
            if *letter != *info.name && !remarks.contains(&remark) {
                remarks.push(remark);
            }
        }
        let remark = if remarks.is_empty() { String::new() } else { format!("  # {}", remarks.join("; ")) };
        Some(format!("{} = {right}{remark}", self.python_name(gradient)))
    }

    /// Returns the equation of a sum of products with letters for the indices: `∂J/∂W[j,k] = Σ_i ∂J/∂z[i,k] · x[i,j]`. With `has_names`, the names of the axes
    /// replace the letters. Returns `None` if the op is not a sum of products in a graph.
    #[must_use]
    pub fn index_line(&self, has_names: bool) -> Option<String> {
        let network = self.network();
        let name = |id: Id| network.tensor(id).symbol.text();
        let axes = |id: Id| if has_names { self.axes(id) } else { &[] };
        let (output_index, right) = self.trace.indexed(&self.at, &name, &axes).filter(|_| !network.reads_samples())?;
        Some(format!("{} = {right}", with_index(&name(self.output), &output_index)))
    }

    /// Returns the names of the axes of a tensor; empty if they have none. A gradient ∂J/∂x has the axes of x.
    #[must_use]
    pub fn axes(&self, tensor: Id) -> &[Option<CompactString>] {
        self.network().text().axes(self.neuron(tensor))
    }

    /// Returns the name of a tensor in a line of NumPy: `h_2` for the tensor `h@2`, and `dh_2` for its gradient. If another tensor would get the same name,
    /// the tensor's id is appended.
    #[must_use]
    pub fn python_name(&self, tensor: Id) -> String {
        let network = self.network();
        let of = self.neuron(tensor);
        let name = network.tensor(of).name.replace(['.', '@'], "_");
        let prefixed = if of == tensor { name.clone() } else { format!("d{name}") };
        // the tensors `a_1`, `a.1` and `a@1` would all become `a_1`
        let is_taken = |text: &str| {
            let mut marks = text.rmatch_indices('_').map(|(at, _)| at);
            let (last, before) = (marks.next(), marks.next());
            let with_mark = |at: usize, mark: &str, text: &str| format!("{}{mark}{}", &text[..at], &text[at + 1..]);
            let part = last.map(|at| with_mark(at, ".", text));
            let version = last.map(|at| with_mark(at, "@", text));
            // such as `a@1.2`
            let part_of_version = part.as_ref().zip(before).map(|(part, at)| with_mark(at, "@", part));
            let mut names = [Some(text.to_owned()), part, version, part_of_version].into_iter().flatten();
            names.any(|name| network.find(&name).is_some_and(|other| other != of && other != tensor))
        };
        if is_taken(&name) || is_taken(&prefixed) { format!("{prefixed}_{tensor}") } else { prefixed }
    }
}
