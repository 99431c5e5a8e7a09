//! Kernels for contractions of one operand: copying, repeating an entry (PyTorch's `expand`), and summing neighbours (`sum`).

use crate::op::combination::{add_scaled, scaled};
use crate::sums::Init;
use crate::threads::chunks;

/// A regular pattern in which the entries of a sum read their operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SumKernel {
    /// Entry i reads entry i.
    Copy,
    /// Entry i reads entry i / n: each is repeated n times.
    Expand(usize),
    /// Entry i reads entries i · n to i · n + n − 1: n neighbours.
    Sum(usize),
}

impl SumKernel {
    /// Adds to each entry of `sums`, or writes to it (`init`), the entries of `read` that it reads, times the weight if there is one.
    pub fn add(self, weight: Option<f64>, read: &[f64], sums: &mut [f64], init: Init) {
        match (self, init, weight) {
            (Self::Copy, Init::Accumulate, _) => add_scaled(weight, read, sums),
            (Self::Copy, Init::Overwrite, _) => scaled(weight, read, sums),
            (Self::Expand(n), _, None) => expand(n, |x| x, read, sums, init),
            (Self::Expand(n), _, Some(k)) => expand(n, |x| k * x, read, sums, init),
            (Self::Sum(n), _, None) => sum_runs(n, |x| x, read, sums, init),
            (Self::Sum(n), _, Some(k)) => sum_runs(n, |x| k * x, read, sums, init),
        }
    }
}

/// Adds one number to each run of n entries.
fn expand(n: usize, times: impl Fn(f64) -> f64 + Sync, read: &[f64], sums: &mut [f64], init: Init) {
    chunks(sums, n, 2, |at, sums| {
        for (run, read) in sums.chunks_exact_mut(n).zip(&read[at / n..]) {
            let more = times(*read);
            match init {
                Init::Accumulate => run.iter_mut().for_each(|sum| *sum += more),
                Init::Overwrite => run.fill(more),
            }
        }
    });
}

/// Adds n consecutive entries of `read` to each sum.
fn sum_runs(n: usize, times: impl Fn(f64) -> f64 + Copy + Sync, read: &[f64], sums: &mut [f64], init: Init) {
    chunks(sums, 8, 6 * n as u64, |at, sums| {
        if init == Init::Overwrite {
            sums.fill(init.before(0.0));
        }
        // additions to one sum wait for each other, so several sums are computed at once
        let (eights, rest) = sums.as_chunks_mut::<8>();
        let (fours, rest) = rest.as_chunks_mut::<4>();
        let (first, more) = read[at * n..].split_at(eights.len() * 8 * n);
        let (second, more) = more.split_at(fours.len() * 4 * n);
        side_by_side(n, times, first, eights);
        side_by_side(n, times, second, fours);
        side_by_side(n, times, more, rest.as_chunks_mut::<1>().0);
    });
}

/// Adds n neighbours to each entry, for N entries at once.
fn side_by_side<const N: usize>(n: usize, times: impl Fn(f64) -> f64, read: &[f64], sums: &mut [[f64; N]]) {
    for (sums, read) in sums.iter_mut().zip(read.chunks_exact(N * n)) {
        let rows: [&[f64]; N] = std::array::from_fn(|row| &read[row * n..][..n]);
        let mut local = *sums;
        for at in 0..n {
            for (sum, row) in local.iter_mut().zip(&rows) {
                *sum += times(row[at]);
            }
        }
        *sums = local;
    }
}
