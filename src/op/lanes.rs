//! Sums that run side by side in vector registers: one entry each, so that every entry still adds in its own order.

/// Factors of several entries, interleaved: for each tap the factor of every lane, padded to whole blocks.
#[derive(Debug)]
pub struct Packed {
    data: Vec<f64>,
    lanes: usize,
    /// From one tap to the next.
    stride: usize,
}

/// The widths of a block of lanes; 8 doubles are one cache line.
fn block(lanes: usize) -> usize {
    match lanes {
        1 => 1,
        2..=4 => 4,
        _ => 8,
    }
}

impl Packed {
    /// From a matrix `lanes` x `taps`.
    #[must_use]
    pub fn new(matrix: &[f64], lanes: usize, taps: usize) -> Self {
        let stride = lanes.next_multiple_of(block(lanes));
        let mut data = vec![0.0; stride * taps];
        for (lane, row) in matrix.chunks_exact(taps).enumerate() {
            for (tap, value) in row.iter().enumerate() {
                data[tap * stride + lane] = *value;
            }
        }
        Self { data, lanes, stride }
    }

    /// From filters O x `lanes` x `area`: taps are the pairs of O and area.
    #[must_use]
    pub fn by_input(filters: &[f64], lanes: usize, area: usize) -> Self {
        let stride = lanes.next_multiple_of(block(lanes));
        let mut data = vec![0.0; filters.len() / lanes * stride];
        for (o, filter) in filters.chunks_exact(lanes * area).enumerate() {
            for (lane, row) in filter.chunks_exact(area).enumerate() {
                for (tap, value) in row.iter().enumerate() {
                    data[(o * area + tap) * stride + lane] = *value;
                }
            }
        }
        Self { data, lanes, stride }
    }

    /// For every lane l, adds to `out[at + l · apart]` the products x · w of all taps in order, for each of `channels` channels: channel c
    /// finds its x from `c · plane` on and its w from tap `c · area` on. A tap is a place in x and a tap of this packing.
    #[allow(clippy::too_many_arguments)] // the geometry of one inner loop
    pub fn add(
        &self,
        channels: usize,
        x: &[f64],
        plane: usize,
        area: usize,
        taps: &[(usize, usize)],
        out: &mut [f64],
        at: usize,
        apart: usize,
    ) {
        match block(self.lanes) {
            1 => self.blocks::<1>(channels, x, plane, area, taps, out, at, apart),
            4 => self.blocks::<4>(channels, x, plane, area, taps, out, at, apart),
            _ => self.blocks::<8>(channels, x, plane, area, taps, out, at, apart),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn blocks<const L: usize>(
        &self,
        channels: usize,
        x: &[f64],
        plane: usize,
        area: usize,
        taps: &[(usize, usize)],
        out: &mut [f64],
        at: usize,
        apart: usize,
    ) {
        for first in (0..self.lanes).step_by(L) {
            let lanes = (self.lanes - first).min(L);
            let mut sums = [0.0; L];
            for (l, sum) in sums.iter_mut().enumerate().take(lanes) {
                *sum = out[at + (first + l) * apart];
            }
            for c in 0..channels {
                let (x, w) = (&x[c * plane..], &self.data[c * area * self.stride + first..]);
                for &(place, tap) in taps {
                    let x = x[place];
                    let w: &[f64; L] = w[tap * self.stride..][..L].try_into().expect("a whole block");
                    for (sum, w) in sums.iter_mut().zip(w) {
                        *sum += x * w;
                    }
                }
            }
            for (l, sum) in sums.iter().enumerate().take(lanes) {
                out[at + (first + l) * apart] = *sum;
            }
        }
    }
}
