//! Chooses which matrices are drawn side by side and which below each other, and the size of each.
//!
//! Each matrix requests three sizes, its *tiers*. The smallest shows the entries that the current entry reads, the second also their surroundings, and the third the whole
//! tensor. A candidate breaks the matrices into rows, and divides width and height among them: first for the smallest tier of all matrices, then for the second, then for
//! the third. A candidate has a score for each tier, the visible fraction of the least visible matrix. The best candidate has the highest score for the smallest tier; of
//! equal ones, the highest for the second tier, and so on.
//!
//! ```text
//! 20 columns; one matrix requests 10, 10 or 200 columns, the other 2, 2 or 200:   14 and 6
//!   tier 0: 10 and 2    tier 1: nothing more    tier 2: the remaining 8 in halves, 4 and 4
//! ```

use std::ops::Range;

use ratatui::layout::Rect;
use smallvec::SmallVec;

/// The number of columns between two matrices: a sign with a blank on both sides.
pub const GAP: u16 = 3;
/// The number of columns by which the gap before the result is wider, if there is room.
const APART: u16 = 2;
/// The largest number of matrices for which every way to break them into rows is tried.
const MAX_TRIED: usize = 6;
/// The score of a matrix that is completely visible. Scores are in thousandths.
const FULL: u32 = 1000;

/// The number of sizes that a matrix requests.
pub const TIERS: usize = 3;

/// The sizes that a matrix requests.
#[derive(Clone, Copy)]
pub struct Size {
    /// Width and height for each tier, the smallest first.
    pub tiers: [[u16; 2]; TIERS],
    /// The width of the row indices.
    pub margin: u16,
    /// The width of a number with its marks.
    pub cell: u16,
    /// The width of the symbol and the name.
    pub named: u16,
    /// The width of the whole title, or of the matrix if it is wider.
    pub titled: u16,
}

/// The score of an arrangement, in thousandths. For each tier, the visible fraction of the least visible matrix; last, the visible fraction of the least visible name.
type Visibility = ([u32; TIERS], u32);

/// The smallest tier, as [`Visibility`] has it, and the sum of its visible fractions over all matrices.
type Needed = (u32, u32);

/// One value for each matrix or row. A step seldom has more than eight matrices, and a frame tries hundreds of arrangements: so few values need no memory of the heap.
type PerMatrix<T> = SmallVec<[T; 8]>;

/// A function that divides a length among requests. It returns one share for each request.
type Share = fn(u16, &[u16]) -> PerMatrix<u16>;

/// The rows of an arrangement. Each is a range of matrices that are side by side.
type MatrixRows = PerMatrix<Range<usize>>;

/// A way to arrange the matrices: their rows, and the function that divides height and width among them.
#[derive(Clone, Default)]
pub struct Arrangement {
    rows: MatrixRows,
    /// The number of blank lines between two rows.
    blank_lines: u16,
    share: Option<Share>,
}

/// Returns the arrangement with the highest score. Of equal scores, the first candidate wins; the very first has all matrices side by side.
pub fn best(sizes: &[Size], area: Rect) -> Arrangement {
    let candidates = candidates(sizes, area.width);
    let best = |blank_lines: u16| {
        let arrangements = candidates.iter().flat_map(|rows| [smallest_first, equal_shares].map(|share: Share| (rows, share)));
        let arrangements = arrangements.map(|(rows, share)| Arrangement { rows: rows.clone(), blank_lines, share: Some(share) });
        let scored = arrangements.map(|arrangement| (visibility(&arrangement.areas(sizes, area), sizes), arrangement));
        scored.reduce(|best, next| if next.0 > best.0 { next } else { best }).unwrap_or_default()
    };
    let ((spaced_tiers, _), spaced) = best(1);
    if spaced_tiers == [FULL; TIERS] {
        return spaced;
    }
    // the blank line between rows is dropped if all matrices are whole without it, or if that shows more of the entries that the current entry reads
    let ((dense_tiers, _), dense) = best(0);
    let needed = |arrangement: &Arrangement| needed(&arrangement.areas(sizes, area), sizes);
    let shows_more = spaced_tiers[0] < FULL && needed(&dense) > needed(&spaced);
    if shows_more || dense_tiers == [FULL; TIERS] { dense } else { spaced }
}

/// Returns the smallest width at which all matrices are completely visible in an area, with their titles; if they never are, the width at which all are side by
/// side.
pub fn narrowest(sizes: &[Size], area: Rect) -> u16 {
    let whole = |i: usize| sizes[i].tiers[TIERS - 1];
    let used = |rows: &MatrixRows| {
        let wide = rows
            .iter()
            .map(|row| row.clone().map(|i| whole(i)[0].max(sizes[i].titled) + GAP).fold(0, u16::saturating_add))
            .max()
            .unwrap_or(0);
        let high = rows.iter().map(|row| row.clone().map(|i| whole(i)[1]).max().unwrap_or(0)).fold(0, u16::saturating_add);
        let blanks = u16::try_from(rows.len().saturating_sub(1)).unwrap_or(u16::MAX);
        [wide, high.saturating_add(blanks)]
    };
    let candidates = candidates(sizes, area.width);
    let fitting = candidates.iter().map(used).filter(|[wide, high]| *wide <= area.width && *high <= area.height);
    let side_by_side = || sizes.iter().map(|size| size.tiers[TIERS - 1][0] + GAP).fold(1, u16::saturating_add);
    fitting.map(|[wide, _]| wide).min().unwrap_or_else(side_by_side)
}

/// Returns the candidates for the rows: all matrices side by side; as many in a row as fit; the operands in one row and the result in another; each in a row of its own.
/// For at most `MAX_TRIED` matrices, also returns every other way to break them into rows.
fn candidates(sizes: &[Size], width: u16) -> Vec<MatrixRows> {
    let mut fitting = MatrixRows::new();
    let (mut first, mut used) = (0, 0_u32);
    for (i, size) in sizes.iter().enumerate() {
        let more = u32::from(size.tiers[TIERS - 1][0] + GAP);
        if i > first && used + more > u32::from(width) {
            fitting.push(first..i);
            (first, used) = (i, 0);
        }
        used += more;
    }
    fitting.push(first..sizes.len());
    let side_by_side = std::iter::once(0..sizes.len()).collect();
    let result_below = [0..sizes.len() - 1, sizes.len() - 1..sizes.len()].into_iter().filter(|row| !row.is_empty()).collect();
    let each_alone = (0..sizes.len()).map(|i| i..i + 1).collect();
    let tried = if sizes.len() <= MAX_TRIED { 1_u32 << (sizes.len() - 1) } else { 0 };
    let mut all: Vec<MatrixRows> = Vec::new();
    for rows in [side_by_side, fitting, result_below, each_alone].into_iter().chain((0..tried).map(|breaks| broken(sizes.len(), breaks))) {
        if !all.contains(&rows) {
            all.push(rows);
        }
    }
    all
}

/// Returns the rows of `matrices` matrices. A row ends after matrix i if bit i of `breaks` is set.
fn broken(matrices: usize, breaks: u32) -> MatrixRows {
    let ends = (1..=matrices).filter(|end| *end == matrices || breaks >> (end - 1) & 1 == 1);
    let mut start = 0;
    ends.map(|end| std::mem::replace(&mut start, end)..end).collect()
}

impl Arrangement {
    /// Returns the area of each matrix. If a matrix gets a smaller area than it requests, it is scrolled.
    pub fn areas(&self, sizes: &[Size], area: Rect) -> PerMatrix<Rect> {
        let share = self.share.unwrap_or(equal_shares);
        let row_height = |row: &Range<usize>, tier: usize| sizes[row.clone()].iter().map(|size| size.tiers[tier][1]).max().unwrap_or(0);
        let wanted: PerMatrix<[u16; TIERS]> = self.rows.iter().map(|row| std::array::from_fn(|tier| row_height(row, tier))).collect();
        let blanks = self.blank_lines * u16::try_from(self.rows.len().saturating_sub(1)).unwrap_or(1);
        let heights = in_tiers(area.height.saturating_sub(blanks), &wanted, share);
        let mut areas = PerMatrix::with_capacity(sizes.len());
        let mut y = area.y;
        for (row, height) in self.rows.iter().zip(heights) {
            let wanted: PerMatrix<[u16; TIERS]> = sizes[row.clone()].iter().map(|size| size.tiers.map(|[wide, _]| wide)).collect();
            let gaps = GAP * u16::try_from(row.len()).unwrap_or(1);
            let mut x = area.x;
            let room = area.width.saturating_sub(gaps);
            let widths = in_tiers(room, &wanted, share);
            let mut unused = room - widths.iter().sum::<u16>();
            for (i, width) in row.clone().zip(widths) {
                // columns that no numbers need are used for the rest of the titles
                let more = sizes[i].titled.saturating_sub(width).min(unused);
                unused -= more;
                let width = width + more;
                // the sign before the result is not directly behind the shape of an operand: `2 → C` would look like a formula
                let apart = if i > row.start && i + 1 == sizes.len() { unused.min(APART) } else { 0 };
                x += GAP + apart;
                areas.push(Rect { x, y, width, height }.intersection(area));
                x += width;
            }
            y += height + self.blank_lines;
        }
        areas
    }
}

/// Returns the visible part of `wanted` cells, in thousandths.
fn fraction(room: u16, wanted: u16) -> u32 {
    u32::from(room.min(wanted)) * FULL / u32::from(wanted.max(1))
}

/// Returns the visible fraction of a tier of a matrix.
fn visible_fraction(area: &Rect, size: &Size, tier: usize) -> u32 {
    let [wide, high] = size.tiers[tier];
    // a number that is cut does not count
    let whole_numbers = area.width.saturating_sub(size.margin) / size.cell.max(1);
    let width = if area.width < wide { size.margin + whole_numbers * size.cell } else { wide };
    fraction(width, wide).min(fraction(area.height, high))
}

/// Returns the score of an arrangement with these areas of the matrices.
fn visibility(areas: &[Rect], sizes: &[Size]) -> Visibility {
    let matrices = || areas.iter().zip(sizes);
    let tier_score = |tier: usize| matrices().map(|(area, size)| visible_fraction(area, size, tier)).min().unwrap_or(0);
    let name_score = matrices().map(|(area, size)| fraction(area.width, size.named)).min().unwrap_or(0);
    (std::array::from_fn(tier_score), name_score)
}

/// Returns how much is visible of the entries that the current entry reads.
fn needed(areas: &[Rect], sizes: &[Size]) -> Needed {
    let fractions = || areas.iter().zip(sizes).map(|(area, size)| visible_fraction(area, size, 0));
    (fractions().min().unwrap_or(0), fractions().sum())
}

/// Divides `room` among requests, tier by tier.
fn in_tiers(room: u16, wanted: &[[u16; TIERS]], share: Share) -> PerMatrix<u16> {
    let mut given = PerMatrix::from_elem(0, wanted.len());
    let mut remaining = room;
    for tier in 0..TIERS {
        let more: PerMatrix<u16> = wanted.iter().zip(&given).map(|(wanted, given)| wanted[tier].saturating_sub(*given)).collect();
        for (given, more) in given.iter_mut().zip(share(remaining, &more)) {
            *given += more;
            remaining -= more;
        }
    }
    given
}

/// Divides `room`: the smallest requests are met in full, in ascending order, while there is enough room. The others share the rest.
fn smallest_first(room: u16, wanted: &[u16]) -> PerMatrix<u16> {
    let mut order: PerMatrix<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|i| wanted[*i]);
    let mut shares = PerMatrix::from_elem(0, wanted.len());
    let mut remaining = room;
    let mut rest = order.as_slice();
    while let [first, others @ ..] = rest
        && wanted[*first] <= remaining
    {
        shares[*first] = wanted[*first];
        remaining -= wanted[*first];
        rest = others;
    }
    let rest_wanted: PerMatrix<u16> = rest.iter().map(|i| wanted[*i]).collect();
    for (i, share) in rest.iter().zip(equal_shares(remaining, &rest_wanted)) {
        shares[*i] = share;
    }
    shares
}

/// Divides `room` in equal shares: a share never exceeds its request, and the larger requests share what the smaller ones leave.
fn equal_shares(room: u16, wanted: &[u16]) -> PerMatrix<u16> {
    let mut order: PerMatrix<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|i| wanted[*i]);
    let mut shares = PerMatrix::from_elem(0, wanted.len());
    let (mut remaining, mut takers) = (room, u16::try_from(wanted.len()).unwrap_or(u16::MAX));
    for i in order {
        shares[i] = wanted[i].min(remaining / takers.max(1));
        remaining -= shares[i];
        takers -= 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_requests_are_met_and_large_ones_share_the_rest() {
        assert_eq!(equal_shares(100, &[10, 200, 20])[..], [10, 70, 20]);
        assert_eq!(equal_shares(100, &[200, 200])[..], [50, 50]);
        assert_eq!(equal_shares(0, &[1, 2])[..], [0, 0]);
    }

    #[test]
    fn the_smallest_requests_are_met_in_full_first() {
        assert_eq!(smallest_first(9, &[30, 6, 40])[..], [1, 6, 2]);
        assert_eq!(smallest_first(100, &[30, 6, 40])[..], [30, 6, 40]);
        assert_eq!(smallest_first(0, &[1, 2])[..], [0, 0]);
    }

    #[test]
    fn a_lower_tier_comes_before_a_higher_one() {
        assert_eq!(in_tiers(20, &[[10, 10, 200], [2, 2, 200]], equal_shares)[..], [14, 6]);
        assert_eq!(in_tiers(20, &[[10, 17, 200], [2, 2, 200]], equal_shares)[..], [17, 3]);
        assert_eq!(in_tiers(8, &[[10, 20, 200], [2, 2, 2]], equal_shares)[..], [6, 2]);
    }

    #[test]
    fn a_bit_breaks_the_matrices_into_rows() {
        assert_eq!(broken(3, 0).len(), 1);
        assert_eq!(broken(3, 0b01)[..], [0..1, 1..3]);
        assert_eq!(broken(3, 0b11)[..], [0..1, 1..2, 2..3]);
    }
}
