//! The products of a run of edges that are evenly spaced.

use crate::sums::{Init, put};

/// The places of one end of the edges: `first`, `first + step`, ….
#[derive(Clone, Copy, Debug)]
pub(super) struct EndRun {
    pub first: usize,
    pub step: isize,
}

impl EndRun {
    /// The places of `count` neighbouring entries.
    fn neighbours(self, count: usize) -> std::ops::Range<usize> {
        self.first..self.first + count
    }
}

/// Adds `a · b` to `out` for each of `count` edges, in order. `out_run`, `a_run` and `b_run` are the places of the edges in these three tensors.
pub(super) fn add_run(out: &mut [f64], out_run: EndRun, [(a, a_run), (b, b_run)]: [(&[f64], EndRun); 2], count: usize) {
    match (out_run.step, a_run.step, b_run.step) {
        // neighbouring sums, which are independent of one another
        (1, 1, 1) => {
            let products = a[a_run.neighbours(count)].iter().zip(&b[b_run.neighbours(count)]).map(|(a, b)| a * b);
            put(&mut out[out_run.neighbours(count)], products, Init::Accumulate);
        }
        (1, 1, 0) => {
            let b = b[b_run.first];
            put(&mut out[out_run.neighbours(count)], a[a_run.neighbours(count)].iter().map(|a| a * b), Init::Accumulate);
        }
        (1, 0, 1) => {
            let a = a[a_run.first];
            put(&mut out[out_run.neighbours(count)], b[b_run.neighbours(count)].iter().map(|b| a * b), Init::Accumulate);
        }
        // one sum
        (0, 1, 1) => {
            let factors = a[a_run.neighbours(count)].iter().zip(&b[b_run.neighbours(count)]);
            out[out_run.first] = factors.fold(out[out_run.first], |sum, (a, b)| sum + a * b);
        }
        _ => {
            let (mut at, mut at_a, mut at_b) = (out_run.first, a_run.first, b_run.first);
            for _ in 0..count {
                out[at] += a[at_a] * b[at_b];
                at = at.wrapping_add_signed(out_run.step);
                at_a = at_a.wrapping_add_signed(a_run.step);
                at_b = at_b.wrapping_add_signed(b_run.step);
            }
        }
    }
}
