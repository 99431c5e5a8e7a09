//! The kernels of elementwise operations. They compute row by row ([`super::rows`]); functions and their derivatives are computed for a block of entries at a
//! time ([`crate::expr::block`]).

use pulp::Arch;

use super::rows::{OperandRows, RowNumbers, add_row, add_rows, put_row, update};
use super::{Elementwise, ElementwiseBackward, ElementwiseForward, NamedFunction, Operands, Operator, TermPlace};
use crate::expr::Primitive;
use crate::expr::block::BLOCK;
use crate::op::broadcast::RowPlaces;
use crate::op::slot::Slot::{Output, Upstream};
use crate::scratch::Scratch;
use crate::sums::Init;

/// The smallest number of entries for which computing a block is faster than computing one entry after another.
const MIN_ENTRIES: usize = 6;

/// The number of rows whose terms are added at the same time. This is done if all terms of a row belong to one sum, and the sums of the rows are neighbours.
const SUMS_AT_ONCE: usize = 8;

/// The arguments of a function for the entries of a row.
struct RowArguments<'a> {
    /// The operands; the last ones are placeholders if there are fewer than three.
    operands: [OperandRows<'a>; 3],
    /// The number of operands.
    count: usize,
    /// The current row of each operand.
    rows: [RowNumbers<'a>; 3],
    /// A block for each operand, one after another. If the operand has one number for the whole row, the block is filled with it.
    repeated: Scratch,
    /// The number of entries of a block.
    block_len: usize,
}

impl<'a> RowArguments<'a> {
    /// The arguments for the rows of an operation, which have `row_len` entries.
    fn new<'x: 'a>(operation: &'a Elementwise, x: &Operands<'x>, row_len: usize) -> Self {
        let (count, block_len) = (operation.operands.len(), row_len.min(BLOCK));
        let operands = std::array::from_fn(|i| if i < count { operation.rows(x, i) } else { OperandRows::Constant(0.0) });
        Self { operands, count, rows: [RowNumbers::Same(0.0); 3], repeated: Scratch::new(count * block_len), block_len }
    }

    /// Goes on to the next row, of `len` entries.
    fn next_row(&mut self, len: usize) {
        let blocks = self.repeated.chunks_exact_mut(self.block_len.max(1));
        for ((row, operand), block) in self.rows.iter_mut().zip(&mut self.operands).take(self.count).zip(blocks) {
            *row = operand.next(len);
            if let RowNumbers::Same(number) = row {
                block.fill(*number);
            }
        }
    }

    /// Calls `function` with the arguments of `len` entries of the row from entry `first` on.
    fn with<T>(&self, first: usize, len: usize, function: impl FnOnce(&[&[f64]]) -> T) -> T {
        let mut arguments: [&[f64]; 3] = [&[]; 3];
        for (i, argument) in arguments.iter_mut().enumerate().take(self.count) {
            *argument = match self.rows[i] {
                RowNumbers::Each(numbers) => &numbers[first..first + len],
                RowNumbers::Same(_) => &self.repeated[i * self.block_len..][..len],
            };
        }
        function(&arguments[..self.count])
    }
}

/// Iterates over the rows of the result y. For each row, returns the flat index of the entry of u that the row's first entry reads; u is the operand whose
/// derivative is computed. Without a broadcast there is one row, and it begins at entry 0 of u.
struct UPlaces<'a>(Option<RowPlaces<'a>>);

impl UPlaces<'_> {
    fn next(&mut self) -> usize {
        self.0.as_mut().and_then(Iterator::next).unwrap_or(0)
    }
}

impl ElementwiseForward {
    /// Adds all terms to `out`, or overwrites `out` with the sums of the terms.
    pub(super) fn compute(&self, x: &Operands<'_>, out: &mut [f64], init: Init) {
        let operator = self.0.operator;
        if let Operator::Call(called) = operator {
            return self.compute_calls(x, called.function, out, init);
        }
        let row_len = self.0.row_len(out.len());
        let mut a = self.0.rows(x, 0);
        let mut b = if operator.arity() > 1 { self.0.rows(x, 1) } else { OperandRows::Constant(0.0) };
        Arch::new().dispatch(move || {
            for sums in out.chunks_mut(row_len) {
                let rows = [a.next(sums.len()), b.next(sums.len())];
                match (operator, init) {
                    (Operator::Neg, _) => put_row(sums, init, rows, |a, _| -a),
                    (Operator::Mul, _) => put_row(sums, init, rows, |a, b| a * b),
                    // a + b and a − b are two terms, a and ±b. A new sum of both has the bits of a ± b, because it starts at −0, and −0 + a has the bits of a
                    (Operator::Add, Init::Overwrite) => put_row(sums, init, rows, |a, b| a + b),
                    (Operator::Sub, Init::Overwrite) => put_row(sums, init, rows, |a, b| a - b),
                    (Operator::Add, Init::Accumulate) => update(sums, rows, |sum, a, b| sum + a + b),
                    (Operator::Sub, Init::Accumulate) => update(sums, rows, |sum, a, b| sum + a - b),
                    // a call is computed above
                    (Operator::Copy | Operator::Call(_), _) => put_row(sums, init, rows, |a, _| a),
                }
            }
        });
    }

    /// Adds a function of the operands to each sum, or overwrites the sum.
    fn compute_calls(&self, x: &Operands<'_>, function: &Primitive, out: &mut [f64], init: Init) {
        let row_len = self.0.row_len(out.len());
        let mut arguments = RowArguments::new(&self.0, x, row_len);
        let mut memory = Scratch::new(if init == Init::Accumulate { BLOCK.min(row_len) } else { 0 });
        for (row, sums) in out.chunks_mut(row_len).enumerate() {
            arguments.next_row(sums.len());
            for (begin, sums) in (0..).step_by(BLOCK).zip(sums.chunks_mut(BLOCK)) {
                let len = sums.len();
                let compute = |values: &mut [f64]| {
                    let is_computed =
                        len >= MIN_ENTRIES && arguments.with(begin, len, |arguments| function.block(arguments, values)).is_some();
                    if !is_computed {
                        let places = row * row_len + begin..;
                        values.iter_mut().zip(places).for_each(|(value, at)| *value = self.term_value(x, at, 0));
                    }
                };
                if init == Init::Overwrite {
                    compute(sums);
                    continue;
                }
                let values = &mut memory[..len];
                compute(values);
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += *value);
            }
        }
    }
}

impl ElementwiseBackward {
    /// Adds all terms to `out`, or overwrites `out` with the sums of the terms.
    pub(super) fn compute(&self, x: &Operands<'_>, out: &mut [f64], init: Init) {
        let init = if init == Init::Overwrite && self.operation.reader_count(self.slot) > 1 {
            // a sum starts at −0, because −0 + x has the bits of x for every x
            out.fill(-0.0);
            Init::Accumulate
        } else {
            init
        };
        let no_factor = || OperandRows::Constant(0.0);
        match (self.operation.operator, self.operand) {
            (Operator::Call(called), _) => self.add_call_terms(x, called, out, init),
            (Operator::Mul, operand) => self.add_terms(x, self.operation.rows(x, 1 - operand), out, init, |dy, b| dy * b),
            (Operator::Neg, _) | (Operator::Sub, 1..) => self.add_terms(x, no_factor(), out, init, |dy, _| -dy),
            _ => self.add_terms(x, no_factor(), out, init, |dy, _| dy),
        }
    }

    /// Returns the places in u at which the rows begin ([`UPlaces`]), and the stride in u along a row: 1, or 0 if all entries of the row read the same entry
    /// of u.
    fn places(&self) -> (UPlaces<'_>, usize) {
        let broadcast = self.operation.broadcast.as_ref();
        let places = UPlaces(broadcast.map(|broadcast| broadcast.row_places(self.slot)));
        (places, broadcast.map_or(1, |broadcast| broadcast.row_step(self.slot)))
    }

    /// Adds the terms of all entries of u. `term` computes a term from an entry of the upstream derivative and from another factor, whose rows are `factor`.
    ///
    /// The terms of an entry of u are in the order of the entries of y that read it, so one pass over y adds them all.
    fn add_terms(&self, x: &Operands<'_>, mut factor: OperandRows<'_>, out: &mut [f64], init: Init, term: impl Fn(f64, f64) -> f64 + Copy) {
        let upstream = x.tensors[Upstream];
        let row_len = self.operation.row_len(upstream.len());
        let (mut places, stride) = self.places();
        let mut next = move |dy: &[f64]| (places.next(), factor.next(dy.len()));
        if stride == 1 {
            Arch::new().dispatch(move || {
                for dy in upstream.chunks(row_len) {
                    let (place, factor) = next(dy);
                    put_row(&mut out[place..place + dy.len()], init, [RowNumbers::Each(dy), factor], term);
                }
            });
            return;
        }
        for rows in upstream.chunks(SUMS_AT_ONCE * row_len) {
            // of each row: the upstream derivatives; the place of its sum, and the other factor
            let (mut dy, mut sums_and_factors) = ([&rows[..0]; SUMS_AT_ONCE], [(0, RowNumbers::Same(0.0)); SUMS_AT_ONCE]);
            let count = rows.len() / row_len;
            for (n, row) in rows.chunks(row_len).enumerate() {
                (dy[n], sums_and_factors[n]) = (row, next(row));
            }
            let first = sums_and_factors[0].0;
            let are_neighbours = count == SUMS_AT_ONCE && sums_and_factors.iter().enumerate().all(|(n, (place, _))| *place == first + n);
            match out.get_mut(first..).and_then(<[f64]>::first_chunk_mut) {
                Some(sums) if are_neighbours => add_rows(sums, dy, sums_and_factors.map(|(_, factor)| factor), term),
                _ => {
                    for (dy, (place, factor)) in dy.into_iter().zip(sums_and_factors).take(count) {
                        out[place] = add_row(out[place], dy, factor, term);
                    }
                }
            }
        }
    }

    /// Adds the terms of a called function: products of its derivative and the upstream derivative, except where [`may_not_be_product`] is true.
    fn add_call_terms(&self, x: &Operands<'_>, called: &'static NamedFunction, out: &mut [f64], init: Init) {
        let (upstream, y) = (x.tensors[Upstream], x.tensors[Output]);
        let row_len = self.operation.row_len(upstream.len());
        let (mut places, stride) = self.places();
        let mut arguments = RowArguments::new(&self.operation, x, row_len);
        let mut memory = Scratch::new(BLOCK.min(row_len));
        let has_quotient = called.quotients.get(self.operand).is_some_and(Option::is_some);
        for (row, dy) in upstream.chunks(row_len).enumerate() {
            let place = places.next();
            arguments.next_row(dy.len());
            for (begin, dy) in (0..).step_by(BLOCK).zip(dy.chunks(BLOCK)) {
                let (first_output, len) = (row * row_len + begin, dy.len());
                let terms = &mut memory[..len];
                let is_computed = len >= MIN_ENTRIES
                    && arguments
                        .with(begin, len, |arguments| {
                            called.function.derivative_block(self.operand, arguments, &y[first_output..][..len], terms)
                        })
                        .is_some();
                let entry_term =
                    |n: usize| self.call_term(x, called, TermPlace { input: place + (begin + n) * stride, output: first_output + n });
                if !is_computed {
                    terms.iter_mut().enumerate().for_each(|(n, term)| *term = entry_term(n));
                } else if any_may_not_be_product(dy, terms, has_quotient) {
                    for (n, (term, dy)) in terms.iter_mut().zip(dy).enumerate() {
                        *term = if may_not_be_product(*term, *dy, has_quotient) { entry_term(n) } else { *term * dy };
                    }
                } else {
                    Arch::new().dispatch(|| terms.iter_mut().zip(dy).for_each(|(term, dy)| *term *= dy));
                }
                if stride == 0 {
                    out[place] = terms.iter().fold(out[place], |sum, term| sum + term);
                } else {
                    let sums = &mut out[place + begin..place + begin + len];
                    Arch::new().dispatch(|| put_row(sums, init, [RowNumbers::Each(terms), RowNumbers::Same(0.0)], |term, _| term));
                }
            }
        }
    }
}

/// Returns whether a term may differ from the product of the derivative and the upstream. There are two cases:
///
/// - The derivative has overflowed or underflowed, so it is infinite, NaN, 0 or subnormal. Then the term is computed as one quotient, if the function has one.
/// - The derivative is exactly 0, because the entry of y does not depend on u ([`Expr::ClosedGate`](crate::expr::Expr::ClosedGate)). Then the term is 0, even
///   if the upstream is infinite or NaN.
///
/// In both cases the derivative is not a *normal* number. If it is normal, the term is the product.
#[allow(clippy::inline_always)] // as in `rows`
#[inline(always)]
fn may_not_be_product(derivative: f64, upstream: f64, has_quotient: bool) -> bool {
    let is_normal = (f64::MIN_POSITIVE..f64::INFINITY).contains(&derivative.abs());
    !is_normal && (has_quotient || !upstream.is_finite())
}

/// Returns whether [`may_not_be_product`] is true for any entry.
fn any_may_not_be_product(upstream: &[f64], derivatives: &[f64], has_quotient: bool) -> bool {
    Arch::new().dispatch(|| {
        let entries = derivatives.iter().zip(upstream);
        // `any` is an integer of 64 bits, as wide as the numbers, so that the compiler can use vector registers
        entries.fold(0, |any, (derivative, upstream)| any | u64::from(may_not_be_product(*derivative, *upstream, has_quotient))) != 0
    })
}
