//! Chooses which matrices are drawn side by side and which below each other, and the size of each.
//!
//! Each matrix requests three sizes, its tiers: the entries that the current entry reads, those with their surroundings, and the whole tensor. A candidate
//! breaks the matrices into rows and divides width and height among them, the first tier before the second. Its score is the visible fraction of the
//! least visible matrix, tier by tier; the candidate with the highest score wins.
//!
//! ```text
//! room 20, requests [10, 10, 200] and [2, 2, 200]   →   14 and 6
//!   tier 0: 10 and 2    tier 1: nothing more    tier 2: the remaining 8 in halves
//! ```

use std::ops::Range;

use ratatui::layout::Rect;

/// Columns between two matrices: a sign with a blank on both sides.
pub const GAP: u16 = 3;
/// The most matrices for which every way to break them into rows is tried.
const FEW: usize = 6;
/// The score of a matrix that is completely visible: scores are in thousandths.
const ALL: u32 = 1000;

/// The number of sizes that a matrix requests: the region that an entry reads, that region with its surroundings, and the whole.
pub const TIERS: usize = 3;

/// The sizes that a matrix requests.
#[derive(Clone, Copy)]
pub struct Size {
    /// Width and height for each tier, the smallest first.
    pub tiers: [[u16; 2]; TIERS],
    /// The width of the row indices, and of a number.
    pub margin: u16,
    pub cell: u16,
    /// The width of symbol and name, and of the whole title.
    pub named: u16,
    pub titled: u16,
}

/// The score of an arrangement, in thousandths: the visible fraction of the least visible matrix for each tier, then that of the least visible name.
type Visibility = ([u32; TIERS], u32);

/// A function that divides a length among requests.
type Share = fn(u16, &[u16]) -> Vec<u16>;

/// The rows of an arrangement, each as the range of matrices that are side by side.
type MatrixRows = Vec<Range<usize>>;

/// The rows of matrices, and the function that divides height and width among them.
#[derive(Clone, Default)]
pub struct Arrangement {
    rows: MatrixRows,
    /// The number of blank lines between two rows.
    between: u16,
    share: Option<Share>,
}

/// Returns the arrangement with the highest score; of equal ones the first candidate, which is all matrices side by side.
pub fn best(sizes: &[Size], area: Rect) -> Arrangement {
    let candidates = candidates(sizes, area.width);
    let best = |between: u16| {
        let arrangements = candidates.iter().flat_map(|rows| [smallest_first, equal_shares].map(|share: Share| (rows, share)));
        let arrangements = arrangements.map(|(rows, share)| Arrangement { rows: rows.clone(), between, share: Some(share) });
        let visibility = arrangements.map(|arrangement| (visibility(&arrangement.places(sizes, area), sizes), arrangement));
        visibility.reduce(|best, next| if next.0 > best.0 { next } else { best }).unwrap_or_default()
    };
    let airy = best(1);
    if airy.0.0[0] == ALL {
        return airy.1;
    }
    // the blank line between rows is dropped if numbers need it
    let dense = best(0);
    if dense.0.0[0] > airy.0.0[0] { dense.1 } else { airy.1 }
}

/// Returns the candidates for the rows: all side by side, as many per row as fit, the result below the operands, one per row; and for up to `FEW` matrices
/// every way to break them into rows.
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
    let mut all = vec![std::iter::once(0..sizes.len()).collect(), fitting];
    // the operands in one row and the result in another; and each in a row of its own
    all.push(vec![0..sizes.len() - 1, sizes.len() - 1..sizes.len()]);
    all.push((0..sizes.len()).map(|i| i..i + 1).collect());
    if sizes.len() <= FEW {
        all.extend((0..1_u32 << (sizes.len() - 1)).map(|breaks| broken(sizes.len(), breaks)));
    }
    all.retain(|rows: &MatrixRows| rows.iter().all(|row| !row.is_empty()));
    all
}

/// Returns `matrices` matrices in rows, with a break after the i-th if bit i of `breaks` is set.
fn broken(matrices: usize, breaks: u32) -> MatrixRows {
    let ends = (1..=matrices).filter(|end| *end == matrices || breaks >> (end - 1) & 1 == 1);
    let mut start = 0;
    ends.map(|end| std::mem::replace(&mut start, end)..end).collect()
}

impl Arrangement {
    /// Returns the area of each matrix. A matrix that is too large gets its first tier, then a share of the rest, and scrolls.
    pub fn places(&self, sizes: &[Size], area: Rect) -> Vec<Rect> {
        let share = self.share.unwrap_or(equal_shares);
        let high = |row: &Range<usize>, tier: usize| sizes[row.clone()].iter().map(|size| size.tiers[tier][1]).max().unwrap_or(0);
        let wanted: Vec<[u16; TIERS]> = self.rows.iter().map(|row| std::array::from_fn(|tier| high(row, tier))).collect();
        let blanks = self.between * u16::try_from(self.rows.len().saturating_sub(1)).unwrap_or(1);
        let heights = in_tiers(area.height.saturating_sub(blanks), &wanted, share);
        let mut places = Vec::with_capacity(sizes.len());
        let mut y = area.y;
        for (row, height) in self.rows.iter().zip(heights) {
            let wanted: Vec<[u16; TIERS]> = sizes[row.clone()].iter().map(|size| size.tiers.map(|[wide, _]| wide)).collect();
            let gaps = GAP * u16::try_from(row.len()).unwrap_or(1);
            let mut x = area.x;
            let room = area.width.saturating_sub(gaps);
            let widths = in_tiers(room, &wanted, share);
            let mut left = room - widths.iter().sum::<u16>();
            for (i, width) in row.clone().zip(widths) {
                // columns that no numbers need show whole titles
                let more = sizes[i].titled.saturating_sub(width).min(left);
                left -= more;
                let width = width + more;
                x += GAP;
                places.push(Rect { x, y, width, height }.intersection(area));
                x += width;
            }
            y += height + self.between;
        }
        places
    }
}

/// Returns the score of the areas.
fn visibility(places: &[Rect], sizes: &[Size]) -> Visibility {
    let part = |room: u16, wanted: u16| u32::from(room.min(wanted)) * ALL / u32::from(wanted.max(1));
    let of = |place: &Rect, size: &Size, tier: usize| {
        let [wide, high] = size.tiers[tier];
        // a number that is cut does not count
        let numbers = place.width.saturating_sub(size.margin) / size.cell.max(1);
        let width = if place.width < wide { size.margin + numbers * size.cell } else { wide };
        part(width, wide).min(part(place.height, high))
    };
    let both = || places.iter().zip(sizes);
    let tier = |tier: usize| both().map(|(place, size)| of(place, size, tier)).min().unwrap_or(0);
    let name = both().map(|(place, size)| part(place.width, size.named)).min().unwrap_or(0);
    (std::array::from_fn(tier), name)
}

/// Divides `room` among requests, tier by tier.
fn in_tiers(room: u16, wanted: &[[u16; TIERS]], share: Share) -> Vec<u16> {
    let mut given = vec![0; wanted.len()];
    let mut left = room;
    for tier in 0..TIERS {
        let more: Vec<u16> = wanted.iter().zip(&given).map(|(wanted, given)| wanted[tier].saturating_sub(*given)).collect();
        for (given, more) in given.iter_mut().zip(share(left, &more)) {
            *given += more;
            left -= more;
        }
    }
    given
}

/// Divides `room`: the smallest requests are met in full while there is enough; the others share the rest.
fn smallest_first(room: u16, wanted: &[u16]) -> Vec<u16> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|i| wanted[*i]);
    let mut shares = vec![0; wanted.len()];
    let mut left = room;
    let mut rest = order.as_slice();
    while let [first, others @ ..] = rest
        && wanted[*first] <= left
    {
        shares[*first] = wanted[*first];
        left -= wanted[*first];
        rest = others;
    }
    for (i, share) in rest.iter().zip(equal_shares(left, &rest.iter().map(|i| wanted[*i]).collect::<Vec<_>>())) {
        shares[*i] = share;
    }
    shares
}

/// Divides `room` in equal shares: a share never exceeds its request, and the larger requests share what the smaller ones leave.
fn equal_shares(room: u16, wanted: &[u16]) -> Vec<u16> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|i| wanted[*i]);
    let mut shares = vec![0; wanted.len()];
    let (mut left, mut takers) = (room, u16::try_from(wanted.len()).unwrap_or(u16::MAX));
    for i in order {
        shares[i] = wanted[i].min(left / takers.max(1));
        left -= shares[i];
        takers -= 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_requests_are_met_and_large_ones_share_the_rest() {
        assert_eq!(equal_shares(100, &[10, 200, 20]), [10, 70, 20]);
        assert_eq!(equal_shares(100, &[200, 200]), [50, 50]);
        assert_eq!(equal_shares(0, &[1, 2]), [0, 0]);
    }

    #[test]
    fn the_smallest_requests_are_met_in_full_first() {
        assert_eq!(smallest_first(9, &[30, 6, 40]), [1, 6, 2]);
        assert_eq!(smallest_first(100, &[30, 6, 40]), [30, 6, 40]);
        assert_eq!(smallest_first(0, &[1, 2]), [0, 0]);
    }

    #[test]
    fn a_lower_tier_comes_before_a_higher_one() {
        assert_eq!(in_tiers(20, &[[10, 10, 200], [2, 2, 200]], equal_shares), [14, 6]);
        assert_eq!(in_tiers(20, &[[10, 17, 200], [2, 2, 200]], equal_shares), [17, 3]);
        assert_eq!(in_tiers(8, &[[10, 20, 200], [2, 2, 2]], equal_shares), [6, 2]);
    }

    #[test]
    fn a_bit_breaks_the_matrices_into_rows() {
        assert_eq!(broken(3, 0).len(), 1);
        assert_eq!(broken(3, 0b01), [0..1, 1..3]);
        assert_eq!(broken(3, 0b11), [0..1, 1..2, 2..3]);
    }
}
