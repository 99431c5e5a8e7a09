//! Max pooling over small windows: all places of each window are compared.
//!
//! Neighbouring outputs whose windows have no padding are computed together, an output for each lane: place 0 of all their windows, then place 1, …

// the compiler uses the wide registers of `with_simd` only in code that is inlined into it
#![allow(clippy::inline_always)]

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::{PoolWindow, PoolWindows};
use crate::op::axis::Taps;
use crate::shuffle::load_every_second;
use crate::sums::LANES;

/// The number of outputs that are computed together.
const TILE: usize = LANES;

/// Returns the columns of outputs whose windows have all `kernel` columns, none of them in the padding.
pub(super) fn unpadded_columns(column_taps: &[Taps], kernel: usize) -> Range<usize> {
    let begin = column_taps.iter().position(|taps| taps.count == kernel).unwrap_or(column_taps.len());
    begin..begin + column_taps[begin..].iter().take_while(|taps| taps.count == kernel).count()
}

/// Some rows of outputs of one channel.
struct OutputRows<'a, T, P> {
    windows: &'a PoolWindows,
    image: &'a [f64],
    channel: usize,
    /// The first of these rows, counted in the channel.
    first_row: usize,
    out: &'a mut [T],
    /// Called with an output, the winner of its window, and the winner's value.
    put: P,
}

impl PoolWindows {
    /// Calls `put` with each output in `out`, the winner of its window, and the winner's value. `put` is called twice for the outputs that are in two tiles.
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
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { windows, image, channel, first_row, out, put } = self;
        for (rows, out) in windows.row_taps[first_row..].iter().zip(out.chunks_mut(windows.column_taps.len())) {
            let row_begin = windows.row_begin(channel, rows);
            // computes one output
            let compute_one = |column: usize, out: &mut T| {
                let columns = &windows.column_taps[column];
                let winner = windows.winner(image, &PoolWindow { first: row_begin + columns.first[0], rows, columns });
                put(out, winner, image[winner]);
            };
            // the columns that are computed in tiles
            let tiled_columns = if rows.count == windows.edges.rows.kernel { windows.unpadded_columns.clone() } else { 0..0 };
            for begin in tiled_columns.clone().step_by(TILE) {
                // the last tile of a row overlaps the one before, so that both are full
                let tile = if tiled_columns.len() < TILE {
                    tiled_columns.clone()
                } else {
                    begin.min(tiled_columns.end - TILE)..(begin + TILE).min(tiled_columns.end)
                };
                let first = row_begin + windows.column_taps[tile.start].first[0];
                let out = &mut out[tile.clone()];
                let Some(winners) = tile_winners(simd, image, first, windows.edges.columns.stride, &windows.full_window) else {
                    tile.zip(out).for_each(|(column, out)| compute_one(column, out));
                    continue;
                };
                match out.first_chunk_mut::<TILE>() {
                    // the compiler knows the length of this loop
                    Some(out) => put_all(out, winners, &put),
                    None => put_all(out, winners, &put),
                }
            }
            for column in (0..tiled_columns.start).chain(tiled_columns.end..out.len()) {
                compute_one(column, &mut out[column]);
            }
        }
    }
}

/// Calls `put` with each output, its winner and the winner's value.
#[inline(always)]
fn put_all<T>(out: &mut [T], (winners, values): ([usize; TILE], [f64; TILE]), put: &impl Fn(&mut T, usize, f64)) {
    for (out, (winner, value)) in out.iter_mut().zip(winners.into_iter().zip(values)) {
        put(out, winner, value);
    }
}

/// Loads the entries at `first`, `first + stride`, …, one for each lane. `None` if the image has fewer than `stride` entries for each lane from `first` on.
#[inline(always)]
fn load_strided<S: Simd>(simd: S, image: &[f64], first: usize, stride: usize) -> Option<S::f64s> {
    let entries = image.get(first..first.checked_add(S::F64_LANES.checked_mul(stride)?)?)?;
    Some(match stride {
        1 => S::as_simd_f64s(entries).0[0],
        2 => load_every_second(simd, entries),
        _ => {
            let mut lanes = [0.0; LANES];
            for (lane, entry) in lanes.iter_mut().zip(entries.iter().step_by(stride)) {
                *lane = *entry;
            }
            S::as_simd_f64s(&lanes[..S::F64_LANES]).0[0]
        }
    })
}

/// Returns the winners of [`TILE`] windows, whose first places are `first`, `first + stride`, …, and their values. `offsets` has the offset of each place of
/// a window from the first one.
///
/// Returns `None` if the sum of the numbers of a window is NaN, as it is if one of them is NaN. Also returns `None` if [`load_strided`] reaches past the end of
/// the image. This happens only near its end: if there are fewer than [`TILE`] outputs, entries after the last window are loaded too, and with a stride of more
/// than 1, each load ends `stride` entries after its last number.
#[inline(always)]
fn tile_winners<S: Simd>(simd: S, image: &[f64], first: usize, stride: usize, offsets: &[usize]) -> Option<([usize; TILE], [f64; TILE])> {
    let (first_offset, other_offsets) = offsets.split_first()?;
    let (mut winners, mut values) = ([0; TILE], [0.0; TILE]);
    let registers = winners.chunks_exact_mut(S::F64_LANES).zip(values.chunks_exact_mut(S::F64_LANES));
    for (register, (winners, values)) in registers.enumerate() {
        let register_first = first + register * S::F64_LANES * stride;
        let mut largest = load_strided(simd, image, register_first + first_offset, stride)?;
        // the winner of each window, as its offset from the window's first place
        let mut winner = simd.splat_u64s(*first_offset as u64);
        // a sum is NaN if one of its terms is NaN
        let mut sum = largest;
        for offset in other_offsets {
            let value = load_strided(simd, image, register_first + offset, stride)?;
            let wins = simd.greater_than_f64s(value, largest);
            winner = simd.select_u64s(wins, simd.splat_u64s(*offset as u64), winner);
            largest = simd.select_f64s(wins, value, largest);
            sum = simd.add_f64s(sum, value);
        }
        let zero = simd.splat_u64s(0);
        let is_nan = simd.select_u64s(simd.equal_f64s(sum, sum), zero, simd.splat_u64s(1));
        let (mut winner_offsets, mut nan_flags) = ([0; LANES], [0; LANES]);
        S::as_mut_simd_u64s(&mut winner_offsets[..S::F64_LANES]).0[0] = winner;
        S::as_mut_simd_u64s(&mut nan_flags[..S::F64_LANES]).0[0] = is_nan;
        if nan_flags.iter().fold(0, |any, flag| any | flag) != 0 {
            return None;
        }
        S::as_mut_simd_f64s(values).0[0] = largest;
        for (window, (winner, offset)) in winners.iter_mut().zip(winner_offsets).enumerate() {
            *winner = register_first + window * stride + usize::try_from(offset).ok()?;
        }
    }
    Some((winners, values))
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
        assert!(checked > 10_000, "only {checked} outputs were compared");
    }
}
