//! Sums over ranges of an image whose sizes may differ from output to output: upsampling and adaptive pools.
//!
//! Along each axis, output o reads a range of inputs. From one output to the next, neither the beginning nor the end of the range decreases. So the outputs
//! that read a given input are a range too. For 5 inputs and 3 outputs of an adaptive pool, the outputs read the inputs 0–1, 1–3 and 3–4; input 1 is read by
//! the outputs 0 and 1.

use std::ops::Range;

use super::edges::{Edges, View};
use super::nest::{Edge, Nest};

/// The ranges along one axis.
#[derive(Clone, Debug)]
pub struct RangeAxis {
    /// For each output, the inputs that it reads.
    inputs: Vec<Range<usize>>,
    /// For each input, the outputs that read it.
    outputs: Vec<Range<usize>>,
    /// Two lists. The first has, for each output, the number of inputs in the ranges of all earlier outputs, and at its end the total. The second has, for each
    /// input, the number of outputs in the ranges of all earlier inputs, and at its end the total.
    prefix: [Vec<u64>; 2],
}

impl RangeAxis {
    /// Creates the axis from the ranges of inputs that the outputs read. There are `count` inputs. From one range to the next, neither the beginning nor the
    /// end may decrease.
    #[must_use]
    pub fn new(inputs: Vec<Range<usize>>, count: usize) -> Self {
        let readers =
            |input: usize| inputs.partition_point(|range| range.end <= input)..inputs.partition_point(|range| range.start <= input);
        let outputs: Vec<Range<usize>> = (0..count).map(readers).collect();
        let prefix = [&inputs, &outputs].map(|ranges| {
            let sums = ranges.iter().scan(0, |sum, range| {
                *sum += range.len() as u64;
                Some(*sum)
            });
            std::iter::once(0).chain(sums).collect()
        });
        Self { inputs, outputs, prefix }
    }

    /// Returns the inputs that an output reads.
    #[must_use]
    pub fn inputs_of(&self, output: usize) -> &Range<usize> {
        &self.inputs[output]
    }

    /// Returns the number of outputs.
    #[must_use]
    pub fn output_count(&self) -> usize {
        self.inputs.len()
    }

    /// The range of each entry of a view, and the total size of the ranges before each entry.
    fn ranges_and_prefix(&self, view: View) -> (&[Range<usize>], &[u64]) {
        let [by_output, by_input] = &self.prefix;
        if view == View::Output { (&self.inputs, by_output) } else { (&self.outputs, by_input) }
    }
}

/// The edges of C channels: output (y, x) of a channel reads the inputs in the row range of y and the column range of x.
#[derive(Clone, Debug)]
pub struct RangeEdges {
    /// The number of channels.
    pub channels: usize,
    /// The ranges along the rows and along the columns.
    pub axes: [RangeAxis; 2],
    /// For each axis, the weights of the inputs in all ranges: first the range of output 0, then that of output 1, and so on. The weight of an edge is the
    /// weight of its row times the weight of its column. Empty if the edges have no weights.
    pub weights: [Vec<f64>; 2],
}

impl RangeEdges {
    /// The channel, row and column of an entry.
    fn coordinates(&self, view: View, entry: usize) -> [usize; 3] {
        let [rows, columns] = self.axes.each_ref().map(|axis| axis.ranges_and_prefix(view).0.len());
        [entry / (rows * columns), entry / columns % rows, entry % columns]
    }

    /// The index of an entry.
    fn index(&self, view: View, [channel, y, x]: [usize; 3]) -> usize {
        let [rows, columns] = self.axes.each_ref().map(|axis| axis.ranges_and_prefix(view).0.len());
        (channel * rows + y) * columns + x
    }
}

impl Edges for RangeEdges {
    fn shape(&self, view: View) -> Option<Vec<usize>> {
        let [rows, columns] = self.axes.each_ref().map(|axis| axis.ranges_and_prefix(view).0.len());
        Some(vec![self.channels, rows, columns])
    }

    fn prefix_terms(&self, view: View, entry: usize) -> u64 {
        let [channel, y, x] = self.coordinates(view, entry);
        let [(rows, before_row), (columns, before_column)] = self.axes.each_ref().map(|axis| axis.ranges_and_prefix(view));
        let (all_rows, all_columns) = (before_row[rows.len()], before_column[columns.len()]);
        channel as u64 * all_rows * all_columns + before_row[y] * all_columns + rows[y].len() as u64 * before_column[x]
    }

    fn nest(&self, view: View, entry: usize) -> Nest {
        let [channel, y, x] = self.coordinates(view, entry);
        let [rows, columns] = self.axes.each_ref().map(|axis| axis.ranges_and_prefix(view).0);
        let other = if view == View::Output { View::Input } else { View::Output };
        let first = self.index(other, [channel, rows[y].start, columns[x].start]);
        let width = self.axes[1].ranges_and_prefix(other).0.len().cast_signed();
        let counts = [1, rows[y].len(), columns[x].len()];
        let (first, steps) = if view == View::Output {
            (Edge { input: first, weight: 0, output: entry }, [[0; 3], [width, 0, 0], [1, 0, 0]])
        } else {
            (Edge { input: entry, weight: 0, output: first }, [[0; 3], [0, 0, width], [0, 0, 1]])
        };
        Nest { first, steps, counts }
    }

    fn rank(&self, view: View, edge: Edge) -> u64 {
        let other = if view == View::Output { View::Input } else { View::Output };
        let [_, y, x] = self.coordinates(view, edge.index_in(view));
        let [_, other_y, other_x] = self.coordinates(other, edge.index_in(other));
        let [rows, columns] = self.axes.each_ref().map(|axis| axis.ranges_and_prefix(view).0);
        ((other_y - rows[y].start) * columns[x].len() + other_x - columns[x].start) as u64
    }

    fn edge_weight(&self, edge: Edge) -> f64 {
        let input = self.coordinates(View::Input, edge.input);
        let output = self.coordinates(View::Output, edge.output);
        let weight = |axis: usize| {
            let (input, output) = (input[axis + 1], output[axis + 1]);
            let (ranges, before) = self.axes[axis].ranges_and_prefix(View::Output);
            let position = usize::try_from(before[output]).expect("the weights fit in memory") + input - ranges[output].start;
            self.weights[axis][position]
        };
        weight(0) * weight(1)
    }
}
