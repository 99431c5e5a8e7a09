//! The bias of a layer: one number for each channel, added to every neuron of it.

use std::ops::Range;
use std::sync::Arc;

use smallvec::smallvec;

use super::rule::{Equation, Function, Gist, Operands, Rule, Term, Use, entry, one_each};
use super::slot::Slot::{self, Input, Upstream};
use crate::expr::{Expr, SUM, whole};
use crate::threads::stretches;

/// y = b, spread over `area` neurons of each of `channels` channels.
#[derive(Clone, Copy, Debug)]
pub struct Bias {
    /// Entries of the bias.
    pub channels: usize,
    /// Neurons that share each of them.
    pub area: usize,
}

impl Function for Bias {
    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(Spread(*self))
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Gather(*self)))
    }
}

#[derive(Debug)]
struct Spread(Bias);

impl Rule for Spread {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let area = self.0.area;
        stretches(out, area, 2, |at, out| {
            for (channel, b) in out.chunks_exact_mut(area).zip(&x.tensors[Input(0)][at / area..]) {
                for y in channel {
                    *y += b;
                }
            }
        });
    }

    fn before(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn reached(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        Term::product(smallvec![entry(x, Input(0), at / self.0.area)])
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        (at * self.0.area..(at + 1) * self.0.area).map(|entry| Use { entry, term: 0 }).collect()
    }

    fn equation(&self) -> Equation {
        Equation { right: whole::X, name: "bias", gist: Gist::None, words: "The bias is added last." }
    }
}

#[derive(Debug)]
struct Gather(Bias);

impl Gather {
    /// Adds up the errors of some channels at once.
    fn gather<const N: usize>(&self, sums: &mut [[f64; N]], errors: &[f64]) {
        let area = self.0.area;
        for (sums, errors) in sums.iter_mut().zip(errors.chunks_exact(N * area)) {
            let channels: [&[f64]; N] = std::array::from_fn(|channel| &errors[channel * area..][..area]);
            let mut local = *sums;
            for at in 0..area {
                for (sum, channel) in local.iter_mut().zip(&channels) {
                    *sum += channel[at];
                }
            }
            *sums = local;
        }
    }
}

impl Rule for Gather {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let area = self.0.area;
        stretches(out, 8, 6 * area as u64, |at, out| {
            // a sum waits for its last addition, so several go side by side
            let (eights, rest) = out.as_chunks_mut::<8>();
            let (fours, rest) = rest.as_chunks_mut::<4>();
            let (first, more) = x.tensors[Upstream][at * area..].split_at(eights.len() * 8 * area);
            let (second, more) = more.split_at(fours.len() * 4 * area);
            self.gather(eights, first);
            self.gather(fours, second);
            self.gather(rest.as_chunks_mut::<1>().0, more);
        });
    }

    fn before(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        (entry * self.0.area) as u64
    }

    fn reached(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let term = usize::try_from(term).expect("a term of an entry");
        Term::product(smallvec![entry(x, Upstream, at * self.0.area + term)])
    }

    fn more(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        let [start, end] = [terms.start, terms.end].map(|term| usize::try_from(term).expect("terms of an entry"));
        x.tensors[Upstream][entry * self.0.area..][start..end].iter().fold(sum, |sum, error| sum + error)
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        if slot != Upstream {
            return Vec::new();
        }
        vec![Use { entry: at / self.0.area, term: (at % self.0.area) as u64 }]
    }

    fn equation(&self) -> Equation {
        if self.0.area == 1 {
            return Equation {
                right: whole::DY,
                name: "bias gradient",
                gist: Gist::Words("the error itself"),
                words: "The bias is added to z without a factor, so ∂z/∂b = 1 and its gradient is the error of its neuron.",
            };
        }
        Equation {
            right: Expr::Of(SUM, &[whole::DY]),
            name: "bias gradient",
            gist: Gist::Words("the sum of the errors"),
            words: "All neurons of a channel share one bias and add it without a factor: its gradient is the sum of their errors.",
        }
    }
}
