//! `dropout`: some neurons are taken out, and the others speak louder to make up for them. The mask is given, so that every run is the same.

use std::sync::Arc;

use super::edges::{Edge, Edges, View};
use super::fixed::{Fixed, Weights};
use super::layer::{Args, Fan, Faulty, Layer, LayerKind, Source, Stage};
use super::nest::Nest;
use super::rule::Equation;
use crate::tensor::flat;

/// The row of the registry.
pub const KIND: LayerKind =
    LayerKind { name: "dropout", base: "drop", keys: &["mask", "p"], rank: None, joins: false, activation: None, build };

fn build(args: &mut dyn Args) -> Result<Layer, Faulty> {
    let shape = args.input_shape().to_vec();
    let p = args.number("p");
    args.claim(&shape)?;
    args.claim(&shape)?;
    if !args.has("mask") {
        let help = "add mask = …, of the input's shape: 0 drops a neuron, 1 keeps it";
        return Err(args.fail("mask", "the mask is missing".to_owned(), help));
    }
    let mask = args.tensor("mask", &shape, Fan { inputs: 1, outputs: 1 });
    let p = p?.unwrap_or(0.5);
    if !(0.0..1.0).contains(&p) {
        return Err(args.fail("p", format!("p is {p}, but a probability of dropping is at least 0 and less than 1"), "take p = 0.5"));
    }
    if let Some(other) = flat(&mask).iter().find(|x| **x != 0.0 && **x != 1.0) {
        return Err(args.fail("mask", format!("the mask holds {other}, but only 0 and 1 are possible"), "0 drops a neuron, 1 keeps it"));
    }
    let equation = Equation {
        symbols: "{0} ∘ mask / (1 − p)",
        name: "dropout: what is kept grows by 1 / (1 − p)",
        words: "Where the mask is 0 the neuron is out: it has no edge and its output is 0. The others are multiplied by 1 / (1 − p), so that on average over all masks the layer changes nothing.",
    };
    let back = Equation {
        symbols: "{2} ∘ mask / (1 − p)",
        name: "the error goes back to the neurons that were kept",
        words: "What was kept gets its error back, times the same 1 / (1 − p). What was dropped had no part in the output: its derivative is 0.",
    };
    let dropout = Fixed::new(Kept::of(flat(&mask)), Weights::One(1.0 / (1.0 - p)), equation, back);
    let a = Stage::new("a", &shape).with(Arc::new(dropout), [Source::Input(0)]);
    Ok(Layer { parameters: Vec::new(), stages: vec![a] })
}

/// An edge from each neuron that is kept to the one at the same place: for each place, how many before it are kept.
#[derive(Debug)]
struct Kept(Vec<u64>);

impl Kept {
    fn of(mask: &[f64]) -> Self {
        let kept = mask.iter().scan(0, |kept, x| {
            *kept += u64::from(*x != 0.0);
            Some(*kept)
        });
        Self(std::iter::once(0).chain(kept).collect())
    }
}

impl Edges for Kept {
    fn before(&self, _view: View, entry: usize) -> u64 {
        self.0[entry]
    }

    fn nest(&self, _view: View, entry: usize) -> Nest {
        Nest::line(Edge { input: entry, weight: 0, output: entry }, [0; 3], 1)
    }

    fn rank(&self, _view: View, _edge: Edge) -> u64 {
        0
    }
}
