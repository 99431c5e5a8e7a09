//! `dropout`: y = x ∘ m / (1 − p). Some neurons are set to 0 ("dropped"), and the others are scaled up to make up for them.
//!
//! x, the mask m and y have the same shape, and each entry of m is 0 or 1. p is the probability of dropping a neuron. PyTorch's `torch.nn.Dropout` draws
//! the mask at random. Here the scenario file contains the mask, so that every iteration drops the same neurons. The derivative is
//! ∂C/∂x = ∂C/∂y ∘ m / (1 − p). With p = 0.5 and x = (3, 4), the mask (1, 0) gives y = (6, 0).
//!
//! Source: N. Srivastava and others, "Dropout: a simple way to prevent neural networks from overfitting" (2014).

use std::sync::Arc;

use smallvec::smallvec;

use super::layer::{A, Args, Fan, Layer, LayerKind, Leaf, Reported, Stage, StageSource, TensorSymbols};
use super::mismatch::{Mismatch, check_same_shape};
use super::rule::{Arguments, Equation, Function, Gist, Memo, Operands, Rule, Term, Use, constant, elementwise_use, entry};
use super::slot::{
    Reads,
    Slot::{self, Input, Upstream},
};
use crate::expr::{Expr, Join, whole};
use crate::tensor::flat;

/// The row of `dropout` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind = LayerKind {
    name: "dropout",
    default_name: "drop",
    keys: &["mask", "p"],
    rank: None,
    has_several_inputs: false,
    activation: None,
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let shape = args.input_shape().to_vec();
    let p = args.number("p")?.unwrap_or(0.5);
    // an error in p is returned at the end, so that errors in the mask are reported too
    let checked_p = if (0.0..1.0).contains(&p) {
        Ok(())
    } else {
        Err(args.fail("p", format!("p is {p}, but a probability of dropping is at least 0 and less than 1"), "take p = 0.5"))
    };
    if !args.has("mask") {
        let help = "add mask = …, of the input's shape: 0 drops a neuron, 1 keeps it";
        return Err(args.fail("mask", "the mask is missing".to_owned(), help));
    }
    args.claim(&shape)?; // the output
    args.claim(&shape)?; // the mask
    // the fan matters only for random values, and a mask has none
    let mask = Leaf::read(args, TensorSymbols::named("mask").with_letter("m"), &shape, Fan::of(&shape));
    if let Some(invalid) = flat(&mask.value).iter().find(|x| **x != 0.0 && **x != 1.0) {
        return Err(args.fail("mask", format!("the mask holds {invalid}, but only 0 and 1 are possible"), "0 drops a neuron, 1 keeps it"));
    }
    checked_p?;
    let a = Stage::new(A).with_constant(mask).with_part(Arc::new(Dropout { p }), [StageSource::Input(0), StageSource::Constant(0)]);
    Ok(Layer { parameters: Vec::new(), stages: vec![a] })
}

// in both equations `Expr::Arg(0)` is p, and `whole::W`, the tensor in the second slot, is the mask
const FORWARD: Equation = Equation {
    right: Expr::Div(&[Expr::Product(Join::Hadamard, &[whole::X, whole::W]), Expr::Sub(&[whole::ONE, Expr::Arg(0)])]),
    name: "dropout",
    gist: Gist::Words("the kept inputs times 1 / (1 − p)"),
    words: "Where the mask is 0 the neuron is dropped: it has no edge and its output is 0. The others are multiplied by 1 / (1 − p), so that the mean output over all masks is the input.",
};
const BACK: Equation = Equation {
    right: Expr::Div(&[Expr::Product(Join::Hadamard, &[whole::DY, whole::W]), Expr::Sub(&[whole::ONE, Expr::Arg(0)])]),
    name: "error goes back to what was kept",
    gist: Gist::None,
    words: "A neuron that was kept gets its error times the same 1 / (1 − p). A neuron that was dropped had no effect on the output: its derivative is 0.",
};

/// The function y = x ∘ mask / (1 − p); its inputs are x and the mask.
#[derive(Clone, Copy, Debug)]
struct Dropout {
    p: f64,
}

impl Function for Dropout {
    fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        check_same_shape("mask", inputs[1], "input", inputs[0])?;
        Ok(inputs[0].to_vec())
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(MaskedScale { operand: Input(0), p: self.p, equation: FORWARD })
    }

    fn backward(&self, input: usize) -> Option<Arc<dyn Rule>> {
        (input == 0).then(|| Arc::new(MaskedScale { operand: Upstream, p: self.p, equation: BACK }) as Arc<dyn Rule>)
    }
}

/// The rule `operand ∘ mask / (1 − p)`: the operand is x in the forward pass, and ∂C/∂y in the backward pass.
///
/// A dropped entry has no term, and a kept entry (its mask is 1) has one. The memo has, for each entry, the number of kept entries before it, and at its end
/// the number of all kept entries.
#[derive(Clone, Copy, Debug)]
pub struct MaskedScale {
    /// The slot of the operand.
    pub operand: Slot,
    p: f64,
    equation: Equation,
}

impl MaskedScale {
    /// Returns 1 / (1 − p).
    #[must_use]
    pub fn scale(&self) -> f64 {
        1.0 / (1.0 - self.p)
    }
}

impl Rule for MaskedScale {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        // for each entry, the number of kept entries up to this entry, including it
        let kept_counts = tensors[Input(1)].iter().scan(0_u64, |kept_count, mask| {
            *kept_count += u64::from(*mask != 0.0);
            Some(*kept_count)
        });
        Some(Arc::new(std::iter::once(0).chain(kept_counts).collect::<Vec<u64>>()))
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let scale = self.scale();
        for ((y, x), mask) in out.iter_mut().zip(x.tensors[self.operand]).zip(x.tensors[Input(1)]) {
            if *mask != 0.0 {
                *y += x * mask * scale;
            }
        }
    }

    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64 {
        x.memo::<Vec<u64>>().map_or(0, |kept_before| kept_before[entry])
    }

    fn reason_unreached(&self, _x: &Operands<'_>, _entry: usize) -> &'static str {
        "the mask drops it"
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        Term::product(smallvec![entry(x, self.operand, at), entry(x, Input(1), at), constant(self.scale())])
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let is_read = (slot == self.operand || slot == Input(1)) && x.get(Input(1), at) != 0.0;
        if is_read { elementwise_use(at) } else { Vec::new() }
    }

    fn equation(&self) -> Equation {
        self.equation
    }

    fn arguments(&self) -> Arguments {
        smallvec![Expr::Number(self.p)]
    }
}
