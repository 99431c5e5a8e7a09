//! `flatten`: the entries of an image as one vector, in row-major order.

use std::sync::Arc;

use super::functions::{UNVEC, VEC};
use super::layer::{A, Args, Faulty, Layer, LayerKind, Source, Stage};
use super::rule::{Equation, Function, Gist, Operands, Rule, Term, Use, entry, one_each, same_place};
use super::slot::Slot::{self, Input, Upstream};
use crate::expr::{Expr, whole};
use crate::tensor::len;

/// The row of the registry.
pub const KIND: LayerKind = LayerKind { name: "flatten", base: "flat", keys: &[], rank: None, joins: false, activation: None, build };

fn build(args: &mut dyn Args) -> Result<Layer, Faulty> {
    let shape = [len(args.input_shape())];
    args.claim(&shape)?;
    let equation = Equation {
        right: Expr::Of(VEC, &[whole::X]),
        name: "flatten",
        gist: Gist::Words("the image as one vector"),
        words: "Nothing is computed: the entries of all channels are written one after another, row by row.",
    };
    let back = Equation {
        right: Expr::Of(UNVEC, &[whole::DY]),
        name: "the error goes back to its pixel",
        gist: Gist::None,
        words: "Every entry of the vector was one pixel, copied. Its derivative goes back to that pixel unchanged.",
    };
    let a = Stage::new(A, &shape).with(Arc::new(Copy { equation, back }), [Source::Input(0)]);
    Ok(Layer { parameters: Vec::new(), stages: vec![a] })
}

/// y = x, entry by entry.
#[derive(Clone, Copy, Debug)]
pub struct Copy {
    /// What it says forwards.
    pub equation: Equation,
    /// And backwards.
    pub back: Equation,
}

impl Function for Copy {
    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(Copied { from: Input(0), equation: self.equation })
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Copied { from: Upstream, equation: self.back }))
    }
}

/// Each entry is the one at the same place of the operand in slot `from`.
#[derive(Clone, Copy, Debug)]
pub struct Copied {
    /// The slot.
    pub from: Slot,
    /// What it says.
    pub equation: Equation,
}

impl Rule for Copied {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (y, x) in out.iter_mut().zip(x.tensors[self.from]) {
            *y += x;
        }
    }

    fn begin(&self, x: &Operands<'_>, sums: &mut [f64]) {
        sums.copy_from_slice(x.tensors[self.from]);
    }

    fn before(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn reached(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        Term::copy(entry(x, self.from, at))
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        if slot == self.from { same_place(at) } else { Vec::new() }
    }

    fn equation(&self) -> Equation {
        self.equation
    }
}
