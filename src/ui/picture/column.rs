//! A column of neurons with their positions in the picture.

use crate::step::TensorEntry;
use crate::ui::theme::StyleRole;

/// A column of neurons.
pub struct Column {
    /// The neurons in ascending order of their entries.
    pub neurons: Vec<Neuron>,
    /// A bias or a target below the neurons.
    pub side: Option<Neuron>,
    /// The number of rows from one neuron to the next.
    pub distance: u16,
}

/// A neuron of a column.
#[derive(Clone)]
pub struct Neuron {
    /// The entry whose number is shown.
    pub entry: TensorEntry,
    /// The row in the area.
    pub row: u16,
    pub symbol: String,
    /// The number as text, if it is known.
    pub number: Option<String>,
    pub role: StyleRole,
}

impl Column {
    /// Iterates over the neurons, and the bias or target below them.
    pub fn all(&self) -> impl Iterator<Item = &Neuron> + Clone {
        self.neurons.iter().chain(&self.side)
    }

    /// Returns the row of the neuron with the entry `at`; `None` if it is not shown.
    pub fn row(&self, at: usize) -> Option<u16> {
        self.neurons.binary_search_by_key(&at, |neuron| neuron.entry.at).ok().map(|n| self.neurons[n].row)
    }
}
