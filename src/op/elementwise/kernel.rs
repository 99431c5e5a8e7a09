//! The kernels of elementwise operations. They compute row by row; functions and their derivatives are computed for a block of entries at a time
//! ([`crate::expr::block`]).

use pulp::Arch;

use super::rows::{Row, Sums, add_two_rows};
use super::{ElementwiseBackward, ElementwiseForward, NamedFunction, Operands, Operator, TermPlace};
use crate::expr::Primitive;
use crate::expr::block::{BLOCK, Block};
use crate::op::slot::Slot::{Output, Upstream};
use crate::sums::Init;

/// The smallest number of entries for which computing a block is faster than computing one entry after another.
const MIN_ENTRIES: usize = 6;

/// A row of entries of y.
#[derive(Clone, Copy)]
struct Entries {
    /// The first entry.
    first: usize,
    /// The number of entries.
    count: usize,
}

/// The arguments of a function for the entries of a block.
struct Arguments {
    blocks: [Block; 3],
    count: usize,
}

impl Arguments {
    fn new(count: usize) -> Self {
        Self { blocks: [[0.0; BLOCK]; 3], count }
    }

    /// Copies the arguments of `count` entries of a row from entry `first` on.
    fn copy(&mut self, rows: &[Row<'_>; 3], first: usize, count: usize) {
        for (row, block) in rows.iter().zip(&mut self.blocks[..self.count]) {
            row.copy_to(first, count, block);
        }
    }

    /// Calls `function` with the arguments.
    fn with<T>(&self, function: impl FnOnce(&[&Block]) -> T) -> T {
        let [a, b, c] = &self.blocks;
        function(&[a, b, c][..self.count])
    }
}

impl ElementwiseForward {
    /// Adds all terms to `out`, or overwrites `out` with the sums of the terms.
    pub(super) fn compute(&self, x: &Operands<'_>, out: &mut [f64], init: Init) {
        let row_len = self.0.row_len(out.len());
        for (n, sums) in out.chunks_mut(row_len).enumerate() {
            let (first, count) = (n * row_len, sums.len());
            let row = |i| self.0.row(x, i, first, count);
            match self.0.operator {
                Operator::Copy => Sums::Each(sums, init).add_row(row(0), count, false),
                Operator::Neg => Sums::Each(sums, init).add_row(row(0), count, true),
                Operator::Mul => Sums::Each(sums, init).add_products(row(0), row(1), count),
                Operator::Add | Operator::Sub => add_two_rows(sums, init, [row(0), row(1)], self.0.operator == Operator::Sub),
                Operator::Call(called) => self.add_calls(x, called.function, Entries { first, count }, sums, init),
            }
        }
    }

    /// Computes a function of the operands for a row of entries, and adds the values to `sums`, or overwrites `sums`.
    fn add_calls(&self, x: &Operands<'_>, function: &Primitive, entries: Entries, sums: &mut [f64], init: Init) {
        let Entries { first, count } = entries;
        let mut arguments = Arguments::new(self.0.operands.len());
        let rows = std::array::from_fn(|i| if i < arguments.count { self.0.row(x, i, first, count) } else { Row::Same(0.0) });
        for begin in (0..count).step_by(BLOCK) {
            let len = BLOCK.min(count - begin);
            let sums = &mut sums[begin..begin + len];
            let mut values = [0.0; BLOCK];
            arguments.copy(&rows, begin, len);
            let is_computed = len >= MIN_ENTRIES && arguments.with(|arguments| function.block(arguments, &mut values)).is_some();
            if is_computed {
                Sums::Each(sums, init).add(values.into_iter());
            } else {
                Sums::Each(sums, init).add((first + begin..).take(len).map(|at| self.term_value(x, at, 0)));
            }
        }
    }
}

impl ElementwiseBackward {
    /// Adds all terms to `out`, or overwrites `out` with the sums of the terms.
    pub(super) fn compute(&self, x: &Operands<'_>, out: &mut [f64], init: Init) {
        let init = if init == Init::Overwrite && self.operation.readers(self.slot) > 1 {
            // a sum starts at −0, because −0 + x has the bits of x for every x
            out.fill(-0.0);
            Init::Accumulate
        } else {
            init
        };
        let upstream = x.tensors[Upstream];
        let row_len = self.operation.row_len(upstream.len());
        // the terms of an entry of u are in the order of the entries of y that read it, so one pass over y adds them all
        for (n, dy) in upstream.chunks(row_len).enumerate() {
            let (first, count) = (n * row_len, dy.len());
            let (place, step) = self.operation.row_place(self.slot, first, count);
            if let Operator::Call(called) = self.operation.operator {
                self.add_call_terms(x, called, Entries { first, count }, (place, step), out, init);
                continue;
            }
            let sums = if step == 0 { Sums::One(&mut out[place]) } else { Sums::Each(&mut out[place..place + count], init) };
            match (self.operation.operator, self.operand) {
                (Operator::Mul, operand) => sums.add_products(Row::Each(dy), self.operation.row(x, 1 - operand, first, count), count),
                (Operator::Neg, _) | (Operator::Sub, 1..) => sums.add_row(Row::Each(dy), count, true),
                _ => sums.add_row(Row::Each(dy), count, false),
            }
        }
    }

    /// Adds the terms of a function's derivative for a row of entries of y. The row uses the entry of u at `place`, and then every `step`-th entry.
    fn add_call_terms(
        &self,
        x: &Operands<'_>,
        called: &'static NamedFunction,
        entries: Entries,
        (place, step): (usize, usize),
        out: &mut [f64],
        init: Init,
    ) {
        let Entries { first, count } = entries;
        let mut arguments = Arguments::new(self.operation.operands.len());
        let rows = std::array::from_fn(|i| if i < arguments.count { self.operation.row(x, i, first, count) } else { Row::Same(0.0) });
        let row = |slot| Row::Each(&x.tensors[slot][first..first + count]);
        let (y, dy) = (row(Output), row(Upstream));
        let has_quotient = called.quotients.get(self.operand).is_some_and(Option::is_some);
        for begin in (0..count).step_by(BLOCK) {
            let len = BLOCK.min(count - begin);
            let (mut values, mut upstream, mut terms) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
            arguments.copy(&rows, begin, len);
            y.copy_to(begin, len, &mut values);
            dy.copy_to(begin, len, &mut upstream);
            let is_computed = len >= MIN_ENTRIES
                && arguments.with(|arguments| called.function.derivative_block(self.operand, arguments, &values, &mut terms)).is_some();
            let others = if is_computed { multiply(&upstream, &mut terms, has_quotient) } else { [1; BLOCK] };
            if others != [0; BLOCK] {
                for n in (0..len).filter(|n| others[*n] != 0) {
                    let at = TermPlace { input: place + (begin + n) * step, output: first + begin + n };
                    terms[n] = self.call_term(x, called, at);
                }
            }
            let sums = if step == 0 { Sums::One(&mut out[place]) } else { Sums::Each(&mut out[place + begin..place + begin + len], init) };
            sums.add(terms.into_iter().take(len));
        }
    }
}

/// Multiplies each derivative by ∂C/∂y. Returns 1 for each entry whose term may differ from this product, because it is a quotient, or 0 behind a closed gate.
fn multiply(upstream: &Block, derivatives: &mut Block, has_quotient: bool) -> [u64; BLOCK] {
    let mut others = [0; BLOCK];
    let to = &mut others;
    Arch::new().dispatch(move || {
        for ((term, upstream), other) in derivatives.iter_mut().zip(upstream).zip(to) {
            let is_normal = (f64::MIN_POSITIVE..f64::INFINITY).contains(&term.abs());
            let is_other = !is_normal && (has_quotient || !upstream.is_finite());
            *other = u64::from(is_other);
            *term *= upstream;
        }
    });
    others
}
