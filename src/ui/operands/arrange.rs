//! Which matrices stand side by side and which below each other, and how much room each has.

use std::ops::Range;

use ratatui::layout::Rect;

/// Between two matrices: a sign with a blank on both sides.
pub const GAP: u16 = 3;
/// So many matrices are tried in all rows that they can be broken into.
const FEW: usize = 6;
/// All of something, in parts.
const ALL: u32 = 1000;

/// What may be wanted of a matrix: what an entry reads of it, that with what surrounds it, and all of it.
pub const TIERS: usize = 3;

/// What a matrix wants.
#[derive(Clone, Copy)]
pub struct Size {
    /// Columns and rows, the fewest first.
    pub wants: [[u16; 2]; TIERS],
    /// The columns of the indices of its rows, and of a number.
    pub margin: u16,
    pub cell: u16,
    /// The columns that show its name, and its whole title.
    pub named: u16,
    pub titled: u16,
}

/// What is seen at least, in parts of a thousand: of what each tier wants, of a name.
type Seen = ([u32; TIERS], u32);

/// A way to divide so much room among those who want so much.
type Share = fn(u16, &[u16]) -> Vec<u16>;

/// Rows of matrices: which stand side by side.
type Rows = Vec<Range<usize>>;

/// A way to place matrices.
#[derive(Clone, Default)]
pub struct Way {
    rows: Rows,
    /// Blank lines between two rows.
    between: u16,
    share: Option<Share>,
}

/// The way in which the least of what an entry reads is seen best, then the least of what surrounds it, of the matrices, and of the names: side
/// by side where that fits, else in rows.
pub fn best(sizes: &[Size], area: Rect) -> Way {
    let candidates = candidates(sizes, area.width);
    let best = |between: u16| {
        let ways = candidates.iter().flat_map(|rows| [smallest_first, shares_of].map(|share: Share| (rows, share)));
        let ways = ways.map(|(rows, share)| Way { rows: rows.clone(), between, share: Some(share) });
        let seen = ways.map(|way| (seen(&way.places(sizes, area), sizes), way));
        seen.reduce(|best, next| if next.0 > best.0 { next } else { best }).unwrap_or_default()
    };
    let airy = best(1);
    if airy.0.0[0] == ALL {
        return airy.1;
    }
    // a blank line is worth less than one of numbers
    let dense = best(0);
    if dense.0.0[0] > airy.0.0[0] { dense.1 } else { airy.1 }
}

/// The ways to put the matrices: all side by side, as the widths allow, one below the other; and of a few all ways to break them into rows.
fn candidates(sizes: &[Size], width: u16) -> Vec<Rows> {
    let mut fitting = Rows::new();
    let (mut first, mut used) = (0, 0_u32);
    for (i, size) in sizes.iter().enumerate() {
        let more = u32::from(size.wants[TIERS - 1][0] + GAP);
        if i > first && used + more > u32::from(width) {
            fitting.push(first..i);
            (first, used) = (i, 0);
        }
        used += more;
    }
    fitting.push(first..sizes.len());
    let mut all = vec![std::iter::once(0..sizes.len()).collect(), fitting];
    // the operands in one row, the result in another; and each in its own
    all.push(vec![0..sizes.len() - 1, sizes.len() - 1..sizes.len()]);
    all.push((0..sizes.len()).map(|i| i..i + 1).collect());
    if sizes.len() <= FEW {
        all.extend((0..1_u32 << (sizes.len() - 1)).map(|breaks| broken(sizes.len(), breaks)));
    }
    all.retain(|rows: &Rows| rows.iter().all(|row| !row.is_empty()));
    all
}

/// So many matrices in rows, with a break after the i-th where bit i says so.
fn broken(matrices: usize, breaks: u32) -> Rows {
    let ends = (1..=matrices).filter(|end| *end == matrices || breaks >> (end - 1) & 1 == 1);
    let mut start = 0;
    ends.map(|end| std::mem::replace(&mut start, end)..end).collect()
}

impl Way {
    /// Where the matrices lie; what is too large gets what an entry reads of it, then a share, and scrolls.
    pub fn places(&self, sizes: &[Size], area: Rect) -> Vec<Rect> {
        let share = self.share.unwrap_or(shares_of);
        let high = |row: &Range<usize>, tier: usize| sizes[row.clone()].iter().map(|size| size.wants[tier][1]).max().unwrap_or(0);
        let wanted: Vec<[u16; TIERS]> = self.rows.iter().map(|row| std::array::from_fn(|tier| high(row, tier))).collect();
        let blanks = self.between * u16::try_from(self.rows.len().saturating_sub(1)).unwrap_or(1);
        let heights = in_tiers(area.height.saturating_sub(blanks), &wanted, share);
        let mut places = Vec::with_capacity(sizes.len());
        let mut y = area.y;
        for (row, height) in self.rows.iter().zip(heights) {
            let wanted: Vec<[u16; TIERS]> = sizes[row.clone()].iter().map(|size| size.wants.map(|[wide, _]| wide)).collect();
            let gaps = GAP * u16::try_from(row.len()).unwrap_or(1);
            let mut x = area.x;
            let room = area.width.saturating_sub(gaps);
            let widths = in_tiers(room, &wanted, share);
            let mut left = room - widths.iter().sum::<u16>();
            for (i, width) in row.clone().zip(widths) {
                // what nobody needs for numbers shows whole titles
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

/// How much is seen of that of which the least is seen.
fn seen(places: &[Rect], sizes: &[Size]) -> Seen {
    let part = |room: u16, wanted: u16| u32::from(room.min(wanted)) * ALL / u32::from(wanted.max(1));
    let of = |place: &Rect, size: &Size, tier: usize| {
        let [wide, high] = size.wants[tier];
        // half a number is none
        let numbers = place.width.saturating_sub(size.margin) / size.cell.max(1);
        let width = if place.width < wide { size.margin + numbers * size.cell } else { wide };
        part(width, wide).min(part(place.height, high))
    };
    let both = || places.iter().zip(sizes);
    let tier = |tier: usize| both().map(|(place, size)| of(place, size, tier)).min().unwrap_or(0);
    let name = both().map(|(place, size)| part(place.width, size.named)).min().unwrap_or(0);
    (std::array::from_fn(tier), name)
}

/// Divides `room` tier by tier.
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

/// Divides `room`: those that want least get it all as long as there is enough, the rest share what is left.
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
    for (i, share) in rest.iter().zip(shares_of(left, &rest.iter().map(|i| wanted[*i]).collect::<Vec<_>>())) {
        shares[*i] = share;
    }
    shares
}

/// Divides `room` among those who want so much: nobody gets more than it wants, the large ones share what the small ones leave.
fn shares_of(room: u16, wanted: &[u16]) -> Vec<u16> {
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
    fn the_small_get_what_they_want_and_the_large_share() {
        assert_eq!(shares_of(100, &[10, 200, 20]), [10, 70, 20]);
        assert_eq!(shares_of(100, &[200, 200]), [50, 50]);
        assert_eq!(shares_of(0, &[1, 2]), [0, 0]);
    }

    #[test]
    fn the_smallest_get_all_while_there_is_enough() {
        assert_eq!(smallest_first(9, &[30, 6, 40]), [1, 6, 2]);
        assert_eq!(smallest_first(100, &[30, 6, 40]), [30, 6, 40]);
        assert_eq!(smallest_first(0, &[1, 2]), [0, 0]);
    }

    #[test]
    fn what_is_needed_comes_before_what_is_wanted() {
        assert_eq!(in_tiers(20, &[[10, 10, 200], [2, 2, 200]], shares_of), [14, 6]);
        assert_eq!(in_tiers(20, &[[10, 17, 200], [2, 2, 200]], shares_of), [17, 3]);
        assert_eq!(in_tiers(8, &[[10, 20, 200], [2, 2, 2]], shares_of), [6, 2]);
    }

    #[test]
    fn a_few_matrices_are_broken_into_rows_in_all_ways() {
        assert_eq!(broken(3, 0).len(), 1);
        assert_eq!(broken(3, 0b01), [0..1, 1..3]);
        assert_eq!(broken(3, 0b11), [0..1, 1..2, 2..3]);
    }
}
