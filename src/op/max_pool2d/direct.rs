//! Max pooling over small windows: all places of each window are compared.
//!
//! Neighbouring outputs whose windows have no padding are computed together, an output for each lane: place 0 of all their windows, then place 1, …

// the compiler uses the wide registers of `with_simd` only in code that is inlined into it
#![allow(clippy::inline_always)]

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::{PoolWindow, PoolWindows};
use crate::op::axis::Taps;

/// The number of outputs that are computed together.
const TILE: usize = 8;

/// Returns the columns of outputs whose windows are whole: they have `kernel` columns.
pub(super) fn whole_columns(column_taps: &[Taps], kernel: usize) -> Range<usize> {
    let begin = column_taps.iter().position(|taps| taps.count == kernel).unwrap_or(column_taps.len());
    begin..begin + column_taps[begin..].iter().take_while(|taps| taps.count == kernel).count()
}

/// Some rows of outputs of one channel.
struct OutputRows<'a, T, P> {
    windows: &'a PoolWindows,
    image: &'a [f64],
    channel: usize,
    first_row: usize,
    out: &'a mut [T],
    put: P,
}

impl PoolWindows {
    /// Calls `put` with each output, the winner of its window, and the winner's value.
    pub(super) fn direct_winners<T>(
        &self,
        image: &[f64],
        channel: usize,
        first_row: usize,
        out: &mut [T],
        put: impl Fn(&mut T, usize, f64),
    ) {
        Arch::new().dispatch(OutputRows { windows: self, image, channel, first_row, out, put });
    }
}

impl<T, P: Fn(&mut T, usize, f64)> WithSimd for OutputRows<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { windows, image, channel, first_row, out, put } = self;
        let whole = match windows.edges.columns.stride {
            1..=3 => windows.whole_columns.clone(),
            _ => 0..0,
        };
        for (rows, out) in windows.row_taps[first_row..].iter().zip(out.chunks_mut(windows.column_taps.len())) {
            let row_begin = windows.row_begin(channel, rows);
            let single = |column: usize, out: &mut T| {
                let columns = &windows.column_taps[column];
                let winner = windows.winner(image, &PoolWindow { first: row_begin + columns.first[0], rows, columns });
                put(out, winner, image[winner]);
            };
            let whole = if rows.count == windows.edges.rows.kernel { whole.clone() } else { 0..0 };
            for begin in whole.clone().step_by(TILE) {
                let tile = begin..whole.end.min(begin + TILE);
                let out = &mut out[tile.clone()];
                let first = row_begin + windows.column_taps[begin].first[0];
                let winners = match windows.edges.columns.stride {
                    1 => tile_winners::<1>(image, first, &windows.full_window),
                    2 => tile_winners::<2>(image, first, &windows.full_window),
                    _ => tile_winners::<3>(image, first, &windows.full_window),
                };
                match winners {
                    Some((winners, values)) => {
                        for (out, (winner, value)) in out.iter_mut().zip(winners.into_iter().zip(values)) {
                            put(out, winner, value);
                        }
                    }
                    None => tile.zip(out).for_each(|(column, out)| single(column, out)),
                }
            }
            for (column, out) in out.iter_mut().enumerate().filter(|(column, _)| !whole.contains(column)) {
                single(column, out);
            }
        }
    }
}

/// Returns the winners of the windows at `first`, `first + STEP`, …, and their values. `offsets` are those of a window's places. `None` if a place is NaN, or
/// past the end of the image: if there are fewer than [`TILE`] outputs, entries after the last window are read too.
#[inline(always)]
fn tile_winners<const STEP: usize>(image: &[f64], first: usize, offsets: &[usize]) -> Option<([usize; TILE], [f64; TILE])> {
    let place = |offset: usize| image.get(first + offset..)?.as_chunks::<STEP>().0.first_chunk::<TILE>();
    let (first_offset, others) = offsets.split_first()?;
    let mut values = place(*first_offset)?.map(|entry| entry[0]);
    let mut winners: [usize; TILE] = std::array::from_fn(|n| first + first_offset + n * STEP);
    // not 0 if a number is NaN; an integer, because the loop must have no branch
    let mut any_nan = values.iter().fold(0, |any, value| any | u64::from(value.is_nan()));
    for offset in others {
        let entries = place(*offset)?;
        for (n, ((winner, largest), entry)) in winners.iter_mut().zip(&mut values).zip(entries).enumerate() {
            let value = entry[0];
            let wins = value > *largest;
            *winner = if wins { first + offset + n * STEP } else { *winner };
            *largest = if wins { value } else { *largest };
            any_nan |= u64::from(value.is_nan());
        }
    }
    (any_nan == 0).then_some((winners, values))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_precision_loss)] // small whole numbers

    use super::super::Axis;
    use super::*;
    use crate::op::conv2d::Conv2d;

    #[test]
    fn tiles_have_the_winners_of_single_windows() {
        let mut checked = 0;
        for (size, kernel, stride, padding, dilation) in (1..=40).step_by(3).flat_map(|size| {
            let sizes = (1..=3).flat_map(move |kernel| (1..=4).map(move |stride| (size, kernel, stride)));
            sizes.flat_map(|(size, kernel, stride)| {
                [(0, 1), (1, 1), (0, 2)].map(|(padding, dilation)| (size, kernel, stride, padding, dilation))
            })
        }) {
            let Ok(axis) = Axis::new(size, kernel, stride, [padding, padding], dilation) else { continue };
            if padding >= kernel {
                continue;
            }
            let channels = 2;
            let edges = Conv2d::new(channels, channels, channels, axis.clone(), axis);
            let windows = PoolWindows::new(edges);
            for has_nan in [false, true] {
                // few different numbers, so that many are equal
                let number = |n: usize| if has_nan && n.is_multiple_of(13) { f64::NAN } else { ((n * 7919 + 13) % 11) as f64 - 5.0 };
                let image: Vec<f64> = (0..channels * size * size).map(number).collect();
                let outputs = channels * windows.row_taps.len() * windows.column_taps.len();
                let mut winners = vec![(0, 0.0); outputs];
                let rows = windows.row_taps.len();
                for (channel, out) in winners.chunks_mut(rows * windows.column_taps.len()).enumerate() {
                    windows.direct_winners(&image, channel, 0, out, |out, winner, value| *out = (winner, value));
                }
                for (output, (winner, value)) in winners.into_iter().enumerate() {
                    assert_eq!(winner, windows.winner(&image, &windows.window(output)), "{size} {kernel} {stride} {padding} {dilation}");
                    assert_eq!(value.to_bits(), image[winner].to_bits());
                    checked += 1;
                }
            }
        }
        assert!(checked > 10_000);
    }
}
