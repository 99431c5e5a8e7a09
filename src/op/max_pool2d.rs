//! `max_pool2d`: the maximum of each window. A tie goes to the first in row-major order, as in PyTorch.

use std::sync::{Arc, OnceLock};

use smallvec::smallvec;

use super::axis::Taps;
use super::conv2d::Conv2d;
use super::edges::{Edges, View};
use super::layer::{Args, Faulty, Layer, LayerKind, Source, Stage};
use super::pool::{shape, windows};
use super::rule::{Args as Factors, Equation, Function, Memo, Operands, Rule, Term, Use, Window, entry, one_each};
use crate::step::Kind;
use crate::tensor::{Tensor, flat};

/// The row of the registry.
pub const KIND: LayerKind = LayerKind {
    name: "max_pool2d",
    base: "pool",
    keys: &["kernel_size", "stride", "padding", "dilation"],
    rank: Some(3),
    joins: false,
    activation: None,
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Faulty> {
    let windows = windows(args)?;
    let a = Stage::new("a", &shape(&windows)).with(Arc::new(Max(Arc::new(MaxPool2d(windows)))), [Source::Input(0)]);
    Ok(Layer { parameters: Vec::new(), stages: vec![a] })
}

/// The windows; padding lies in none of them, so it never wins.
#[derive(Debug)]
struct MaxPool2d(Conv2d);

impl MaxPool2d {
    /// The places of an output's window, in row-major order.
    fn window(&self, output: usize) -> impl Iterator<Item = usize> + '_ {
        let Conv2d { rows, columns, .. } = &self.0;
        let (h, w) = (rows.output, columns.output);
        let (channel, y, x) = (output / (h * w), output / w % h, output % w);
        rows.taps(View::Output, y).iter().flat_map(move |[iy, ..]| {
            columns.taps(View::Output, x).iter().map(move |[ix, ..]| (channel * rows.input + iy) * columns.input + ix)
        })
    }

    /// The place of a window's maximum: the first of equals; the first that is not a number, as PyTorch has it.
    fn winner(&self, image: &[f64], output: usize) -> usize {
        let Conv2d { rows, columns, .. } = &self.0;
        let (h, w) = (rows.output, columns.output);
        self.best(image, output / (h * w), rows.taps(View::Output, output / w % h), columns.taps(View::Output, output % w))
    }

    /// The winners of all outputs.
    fn winners(&self, image: &[f64]) -> Vec<usize> {
        let Conv2d { rows, columns, outputs, .. } = &self.0;
        let across: Vec<_> = (0..columns.output).map(|x| columns.taps(View::Output, x)).collect();
        let mut winners = Vec::with_capacity(outputs * rows.output * columns.output);
        for channel in 0..*outputs {
            for y in 0..rows.output {
                let down = rows.taps(View::Output, y);
                winners.extend(across.iter().map(|across| self.best(image, channel, down, *across)));
            }
        }
        winners
    }

    #[inline]
    fn best(&self, image: &[f64], channel: usize, down: Taps, across: Taps) -> usize {
        let Conv2d { rows, columns, .. } = &self.0;
        let first = (channel * rows.input + down.first[0]) * columns.input + across.first[0];
        let (mut best, mut largest) = (first, image[first]);
        for y in 0..down.count {
            for x in 0..across.count {
                let at = first + y * rows.dilation * columns.input + x * columns.dilation;
                let value = image[at];
                if value > largest || (value.is_nan() && !largest.is_nan()) {
                    (best, largest) = (at, value);
                }
            }
        }
        best
    }

    /// The outputs whose window holds an input, in row-major order.
    fn readers(&self, input: usize) -> Vec<usize> {
        let terms = self.0.before(View::Input, input + 1) - self.0.before(View::Input, input);
        let mut outputs: Vec<usize> = (0..terms).map(|term| self.0.edge(View::Input, input, term).output).collect();
        outputs.sort_unstable();
        outputs
    }

    fn image(&self, slot: usize) -> Window {
        let Conv2d { rows, columns, .. } = &self.0;
        Window { image: slot, filter: None, turned: false, padding: [rows.ring(View::Output), columns.ring(View::Output)], pitch: [0, 0] }
    }
}

#[derive(Debug)]
struct Max(Arc<MaxPool2d>);

impl Function for Max {
    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(Select(Arc::clone(&self.0)))
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(ToWinner(Arc::clone(&self.0))))
    }
}

#[derive(Debug)]
struct Select(Arc<MaxPool2d>);

impl Rule for Select {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (y, winner) in out.iter_mut().zip(self.0.winners(x.tensors[0])) {
            *y += x.tensors[0][winner];
        }
    }

    fn before(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn reached(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let args: Factors = self.0.window(at).map(|place| entry(x, 0, place)).collect();
        let value = x.get(0, self.0.winner(x.tensors[0], at));
        Term { kind: Kind::Select, function: Some("max"), args, value }
    }

    fn uses(&self, _x: &Operands<'_>, _slot: usize, at: usize) -> Vec<Use> {
        self.0.readers(at).into_iter().map(|entry| Use { entry, term: 0 }).collect()
    }

    fn equation(&self) -> Equation {
        Equation {
            symbols: "max {0}",
            name: "max pooling: the largest of each window",
            words: "Each window keeps its largest entry and forgets the others. Of equal ones the first counts.",
        }
    }

    fn window(&self) -> Option<Window> {
        Some(self.0.image(0))
    }
}

/// The winners of all outputs.
struct Winners {
    /// For each output, its winner.
    of: Vec<usize>,
    /// Pairs of winner and output, sorted, for whoever asks for the terms of one input.
    pairs: OnceLock<Vec<(usize, usize)>>,
}

impl Winners {
    fn pairs(&self) -> &[(usize, usize)] {
        self.pairs.get_or_init(|| {
            let mut pairs: Vec<_> = self.of.iter().copied().zip(0..).collect();
            pairs.sort_unstable();
            pairs
        })
    }
}

#[derive(Debug)]
struct ToWinner(Arc<MaxPool2d>);

/// The slots of the input and of ∂C/∂y in the backward rule.
const X: usize = 0;
const DY: usize = 2;

impl ToWinner {
    fn winners<'a>(x: &'a Operands<'_>) -> &'a [(usize, usize)] {
        x.memo::<Winners>().map_or(&[], Winners::pairs)
    }

    fn first(winners: &[(usize, usize)], input: usize) -> usize {
        winners.partition_point(|&(winner, _)| winner < input)
    }
}

impl Rule for ToWinner {
    fn memo(&self, tensors: &[&Tensor]) -> Memo {
        Some(Arc::new(Winners { of: self.0.winners(flat(tensors[X])), pairs: OnceLock::new() }))
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        // an input meets its outputs in their order, whatever lies between them
        for (winner, error) in x.memo::<Winners>().map_or(&[][..], |winners| &winners.of).iter().zip(x.tensors[DY]) {
            out[*winner] += error;
        }
    }

    fn before(&self, x: &Operands<'_>, entry: usize) -> u64 {
        Self::first(Self::winners(x), entry) as u64
    }

    fn reached(&self, x: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        let winners = x.memo::<Winners>()?;
        let mut reached = vec![false; count];
        for winner in &winners.of {
            reached[*winner] = true;
        }
        Some(reached)
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let winners = Self::winners(x);
        let (_, output) = winners[Self::first(winners, at) + usize::try_from(term).expect("a term of an entry")];
        Term::product(smallvec![entry(x, DY, output)])
    }

    fn uses(&self, x: &Operands<'_>, slot: usize, at: usize) -> Vec<Use> {
        if slot != DY {
            return Vec::new();
        }
        let winner = self.0.winner(x.tensors[X], at);
        let winners = Self::winners(x);
        let term = winners[Self::first(winners, winner)..].iter().position(|&(_, output)| output == at);
        term.map(|term| Use { entry: winner, term: term as u64 }).into_iter().collect()
    }

    fn equation(&self) -> Equation {
        Equation {
            symbols: "{2} at the winners, else 0",
            name: "the error goes to the winner",
            words: "Only the largest entry of a window made its output, so it alone gets the error, unchanged. All others could move a little without any effect: their derivative is 0.",
        }
    }

    fn window(&self) -> Option<Window> {
        Some(self.0.image(X))
    }
}
