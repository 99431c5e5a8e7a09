//! Warnings about shapes that are probably broadcast by accident: a vector with a column, or two axes with different names.

use compact_str::CompactString;

use super::reader::{GraphReader, TensorOrigin};
use super::value::TensorId;
use crate::python::tree::Span;

impl GraphReader<'_, '_> {
    /// Marks that the text writes the shape of a tensor, so that its broadcast is intended.
    pub fn mark_written_shape(&mut self, id: TensorId) {
        self.tensors[id].has_written_shape = true;
    }

    /// Gives a tensor the names of axes that the scenario has for it.
    pub fn name_axes(&mut self, id: TensorId) {
        let name = match self.tensors[id].origin {
            TensorOrigin::Leaf(leaf) => &self.leaves[leaf].name.base,
            TensorOrigin::Node(node) => &self.nodes[node].name.base,
        };
        if let Some(axes) = self.axes.get(name).filter(|axes| axes.len() == self.tensors[id].shape.len()) {
            self.tensors[id].axes = axes.iter().cloned().map(Some).collect();
        }
    }

    /// Returns the names of the axes of the result of an elementwise operation; an empty list if no axis has a name.
    pub fn joined_axes(&self, reads: &[TensorId]) -> Vec<Option<CompactString>> {
        if reads.iter().all(|id| self.tensors[*id].axes.is_empty()) {
            return Vec::new();
        }
        let rank = reads.iter().map(|id| self.shape(*id).len()).max().unwrap_or(0);
        let mut axes = vec![None; rank];
        for id in reads {
            let tensor = &self.tensors[*id];
            for (n, name) in tensor.axes.iter().enumerate().filter(|(n, _)| tensor.shape[*n] != 1) {
                let at = rank - tensor.shape.len() + n;
                axes[at] = axes[at].take().or_else(|| name.clone());
            }
        }
        if axes.iter().all(Option::is_none) { Vec::new() } else { axes }
    }

    /// Warns about two operands that are probably broadcast by accident.
    pub fn warn_accidental_broadcast(&mut self, reads: &[TensorId], span: &Span) {
        let [a, b] = *reads else { return };
        if !self.warn_of_names(a, b, span) {
            self.warn_of_column(a, b, span);
        }
    }

    /// Warns if an axis is broadcast with an axis that has another name. Returns whether it has warned.
    fn warn_of_names(&mut self, a: TensorId, b: TensorId, span: &Span) -> bool {
        if [a, b].iter().any(|id| self.tensors[*id].axes.is_empty()) {
            return false;
        }
        let [left, right] = [a, b].map(|id| {
            let tensor = &self.tensors[id];
            tensor.axes.iter().zip(&tensor.shape).rev().map(|(name, size)| name.clone().filter(|_| *size != 1)).collect::<Vec<_>>()
        });
        let clash = left.into_iter().zip(right).find_map(|(left, right)| left.zip(right).filter(|(left, right)| left != right));
        let Some((left, right)) = clash else { return false };
        let message = format!("the axis \"{left}\" of {} meets the axis \"{right}\" of {}", self.describe(a), self.describe(b));
        self.warn(span, message, "transpose one of them, or write None for an axis that is repeated");
        true
    }

    /// Warns if a tensor of the shape [n] is broadcast with one of the shape [n, 1], which gives [n, n].
    fn warn_of_column(&mut self, a: TensorId, b: TensorId, span: &Span) {
        for (vector, column) in [(a, b), (b, a)] {
            if let ([n], [rows, 1]) = (self.shape(vector), self.shape(column))
                && n == rows
                && *n > 1
                && ![vector, column].iter().any(|id| self.tensors[*id].has_written_shape)
            {
                let n = *n;
                let message = format!("{} and {} give {n}x{n}", self.describe(a), self.describe(b));
                let [vector, column] = [vector, column].map(|id| self.written_name(id));
                // a constant without a source text of its own cannot be indexed
                let by_entry: Vec<String> = column
                    .map(|column| format!("{column}[:, 0]"))
                    .into_iter()
                    .chain(vector.as_ref().map(|v| format!("{v}[:, None]")))
                    .collect();
                let as_row = vector.map_or_else(|| "the constant as one row".to_owned(), |vector| format!("{vector}[None, :]"));
                let by_entry = if by_entry.is_empty() { "two constants of one shape".to_owned() } else { by_entry.join(" or ") };
                self.warn(span, message, format!("if entry by entry is meant, write {by_entry}; if {n}x{n} is meant, write {as_row}"));
            }
        }
    }
}
