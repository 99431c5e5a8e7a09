//! Kernels for contractions of one operand, y = Σ x or y = Σ w · x with one number w: copies, repetitions (PyTorch's `expand`), and sums of neighbours (`sum`).
//!
//! With n = 2, `Expand` turns (1, 3) into (1, 1, 3, 3), and `Sum` turns (1, 3, 2, 5) into (4, 7).

use pulp::Arch;

use crate::op::combination::{add_scaled, set_scaled};
use crate::sums::Init;
use crate::threads::chunks;

/// The pattern in which the sums read the entries of their operand. Each pattern has a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SumKernel {
    /// Sum i reads entry i.
    Copy,
    /// Sum i reads entry ⌊i / n⌋, so each entry is repeated n times.
    Expand(usize),
    /// Sum i reads the n neighbouring entries from i · n to i · n + n − 1.
    Sum(usize),
    /// Each column of n rows is added up: with n = 2 and width 3, (1, 2, 3, 4, 5, 6) becomes (5, 7, 9). Sum i reads n entries that are `width` apart, from
    /// entry ⌊i / width⌋ · width · n + i mod `width` on.
    SumRows {
        /// The number of terms of each sum.
        n: usize,
        /// The length of a row.
        width: usize,
    },
    /// Sum i reads entry i mod n, so the whole operand is repeated.
    Tile(usize),
}

impl SumKernel {
    /// Adds the entries of `read` to the sums that read them, each times the weight if there is one. With [`Init::Overwrite`] the previous sums are
    /// ignored.
    pub fn compute(self, weight: Option<f64>, read: &[f64], sums: &mut [f64], init: Init) {
        match (self, init, weight) {
            (Self::Copy, Init::Accumulate, _) => add_scaled(weight, read, sums),
            (Self::Copy, Init::Overwrite, _) => set_scaled(weight, read, sums),
            (Self::Expand(n), _, None) => expand(n, |x| x, read, sums, init),
            (Self::Expand(n), _, Some(k)) => expand(n, |x| k * x, read, sums, init),
            (Self::SumRows { n, width }, _, None) => sum_rows(n, width, |x| x, read, sums, init),
            (Self::SumRows { n, width }, _, Some(k)) => sum_rows(n, width, |x| k * x, read, sums, init),
            (Self::Tile(n), Init::Accumulate, _) => sums.chunks_exact_mut(n).for_each(|sums| add_scaled(weight, read, sums)),
            (Self::Tile(n), Init::Overwrite, _) => sums.chunks_exact_mut(n).for_each(|sums| set_scaled(weight, read, sums)),
            (Self::Sum(n), _, None) => sum_runs(n, |x| x, read, sums, init),
            (Self::Sum(n), _, Some(k)) => sum_runs(n, |x| k * x, read, sums, init),
        }
    }
}

/// The cost of one sum of [`expand`], in multiplications.
const EXPAND_COST: u64 = 2;

/// The cost of one addition of [`sum_runs`], in multiplications.
const ADDITION_COST: u64 = 6;

/// Adds one entry of `read` to each run of n sums. `weighted` multiplies an entry by the weight, if there is one.
fn expand(n: usize, weighted: impl Fn(f64) -> f64 + Sync, read: &[f64], sums: &mut [f64], init: Init) {
    // a chunk consists of whole runs of n sums
    chunks(sums, n, EXPAND_COST, |first_sum, sums| {
        for (run, read) in sums.chunks_exact_mut(n).zip(&read[first_sum / n..]) {
            let term = weighted(*read);
            match init {
                Init::Accumulate => run.iter_mut().for_each(|sum| *sum += term),
                Init::Overwrite => run.fill(term),
            }
        }
    });
}

/// Adds n rows of `read`, each `width` entries long, to each row of sums. `weighted` multiplies an entry by the weight, if there is one.
fn sum_rows(n: usize, width: usize, weighted: impl Fn(f64) -> f64 + Copy, read: &[f64], sums: &mut [f64], init: Init) {
    Arch::new().dispatch(move || {
        for (sums, rows) in sums.chunks_exact_mut(width).zip(read.chunks_exact(n * width)) {
            if init == Init::Overwrite {
                sums.fill(-0.0);
            }
            for row in rows.chunks_exact(width) {
                sums.iter_mut().zip(row).for_each(|(sum, read)| *sum += weighted(*read));
            }
        }
    });
}

/// Adds n consecutive entries of `read` to each sum. `weighted` multiplies an entry by the weight, if there is one.
fn sum_runs(n: usize, weighted: impl Fn(f64) -> f64 + Copy + Sync, read: &[f64], sums: &mut [f64], init: Init) {
    let sums_at_once = 8;
    chunks(sums, sums_at_once, ADDITION_COST * n as u64, |first_sum, sums| {
        if init == Init::Overwrite {
            // to overwrite, each sum starts with −0, because −0 + x is x for every x, whereas 0 + −0 is 0; `start` ignores its argument
            let ignored = 0.0;
            sums.fill(init.start(ignored));
        }
        // each addition to a sum waits for the previous one, so 8 sums are computed at once, then 4, then 2, then a single one
        let read = &read[first_sum * n..];
        let (sums, read) = sum_runs_at_once::<8>(n, weighted, read, sums);
        let (sums, read) = sum_runs_at_once::<4>(n, weighted, read, sums);
        let (sums, read) = sum_runs_at_once::<2>(n, weighted, read, sums);
        sum_runs_at_once::<1>(n, weighted, read, sums);
    });
}

/// Adds n consecutive entries of `read` to each sum, for N sums at once. Returns the sums that remain, fewer than N, and their entries of `read`.
fn sum_runs_at_once<'s, 'r, const N: usize>(
    n: usize,
    weighted: impl Fn(f64) -> f64,
    read: &'r [f64],
    sums: &'s mut [f64],
) -> (&'s mut [f64], &'r [f64]) {
    let (groups, rest) = sums.as_chunks_mut::<N>();
    let (read, read_by_rest) = read.split_at(groups.len() * N * n);
    for (sums, read) in groups.iter_mut().zip(read.chunks_exact(N * n)) {
        let runs: [&[f64]; N] = std::array::from_fn(|sum| &read[sum * n..][..n]);
        // a local copy, which the compiler can keep in registers
        let mut local = *sums;
        for at in 0..n {
            for (sum, run) in local.iter_mut().zip(&runs) {
                *sum += weighted(run[at]);
            }
        }
        *sums = local;
    }
    (rest, read_by_rest)
}
