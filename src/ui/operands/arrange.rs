//! Decides which matrices are drawn side by side and which below each other, and the size of each.
//!
//! Each matrix requests three sizes, its *tiers*. Tier 0 shows only the entries that a typical entry of the op reads. Tier 1 also shows the entries around
//! them. Tier 2 shows the whole tensor. A candidate breaks the matrices into rows. It divides the width and the height among them: first for tier 0 of all
//! matrices, then for tier 1, then for tier 2. Each tier of a candidate has a score: the visible fraction of the matrix with the smallest visible fraction. The
//! best candidate has the highest score for tier 0. Among equal candidates, it has the highest score for tier 1, and so on.
//!
//! ```text
//! 20 columns are divided between a matrix with the tiers 10, 10, 200 and one with the tiers 2, 2, 200:
//!   tier 0 gets 10 and 2; tier 1 gets nothing more; tier 2 gets the remaining 8 in halves (`equal_shares`); together 14 and 6
//! ```

use std::cell::OnceCell;
use std::ops::Range;

use ratatui::layout::Rect;
use smallvec::SmallVec;

/// The number of columns between two matrices: a sign between two blanks.
pub const GAP: u16 = 3;
/// The number of columns before the result in addition to `GAP`, if there is room.
const APART: u16 = 2;
/// Up to this number of matrices, all ways to break them into rows are tried.
const MAX_TRIED: usize = 6;
/// The score of a matrix that is completely visible. Scores are in thousandths.
const FULL: u32 = 1000;

/// The number of sizes that a matrix requests.
pub const TIER_COUNT: usize = 3;

/// The sizes that a matrix requests, and the widths of its parts.
#[derive(Clone, Copy)]
pub struct RequestedSizes {
    /// Width and height for each tier, the smallest first.
    pub tiers: [[u16; 2]; TIER_COUNT],
    /// The width of the row indices.
    pub gutter: u16,
    /// The width of a number with its marks.
    pub cell: u16,
    /// The width of the symbol and the name.
    pub name_width: u16,
    /// The width of the whole title, or of the matrix if it is wider.
    pub title_width: u16,
}

/// The score of an arrangement, in thousandths. For each tier, it has the smallest visible fraction of a matrix. The last number is the smallest visible
/// fraction of a name.
type Visibility = ([u32; TIER_COUNT], u32);

/// The visible part of tier 0: the smallest visible fraction of a matrix, and the sum of the visible fractions of all.
type Tier0Visibility = (u32, u32);

/// One value for each matrix or row. Up to eight values need no heap memory, which matters because dozens of arrangements are tried for a frame.
type PerMatrix<T> = SmallVec<[T; 8]>;

/// A function that divides a length among requests. Returns a length for each request.
type DivideFn = fn(u16, &[u16]) -> PerMatrix<u16>;

/// The rows of an arrangement. Each row is a range of matrices that are side by side.
type MatrixRows = PerMatrix<Range<usize>>;

/// A way to break the matrices into rows and to divide width and height among them. The widths are divided already: they do not depend on the heights.
struct Candidate {
    rows: MatrixRows,
    divide: DivideFn,
    /// The columns of each matrix.
    columns: PerMatrix<Span>,
    /// The score if all lines of each matrix are visible. No division of the height gives a higher one.
    highest: Visibility,
}

/// Neighbouring columns or lines of the screen.
#[derive(Clone, Copy)]
struct Span {
    start: u16,
    len: u16,
}

/// All candidates for matrices in an area. Each is computed when it is first needed: if the matrices fit side by side, only the first is.
pub struct Candidates<'a> {
    sizes: &'a [RequestedSizes],
    area: Rect,
    all: Vec<(MatrixRows, DivideFn, OnceCell<Candidate>)>,
}

/// A candidate with its number of blank lines between two rows.
#[derive(Clone, Copy)]
pub struct Arrangement<'a> {
    candidate: &'a Candidate,
    blank_lines: u16,
    area: Rect,
}

impl<'a> Candidates<'a> {
    /// Divides the width of an area among matrices that request these sizes. Each way to break them into rows makes two candidates: one that divides by
    /// [`smallest_first`], and one that divides by [`equal_shares`].
    pub fn new(sizes: &'a [RequestedSizes], area: Rect) -> Self {
        let rows = candidate_rows(sizes, area.width).into_iter();
        let ways = rows.flat_map(|rows| [smallest_first, equal_shares].map(|divide: DivideFn| (rows.clone(), divide, OnceCell::new())));
        Self { sizes, area, all: ways.collect() }
    }

    /// Returns a candidate.
    fn candidate(&self, n: usize) -> &Candidate {
        let (rows, divide, candidate) = &self.all[n];
        candidate.get_or_init(|| Candidate::new(rows.clone(), *divide, self.sizes, self.area))
    }

    /// Returns the arrangement with the highest score; among equal scores the first candidate. The first candidate of all has all matrices side by side. The
    /// widths in `sizes` are those of [`Candidates::new`]; the heights can be others.
    pub fn best(&self, sizes: &[RequestedSizes]) -> Arrangement<'_> {
        let (spaced_tiers, spaced) = self.best_with(1, sizes);
        if spaced_tiers == [FULL; TIER_COUNT] {
            return spaced;
        }
        // without blank lines between the rows, more may be visible. They are left out if all matrices are then completely visible, or if more of tier 0 is
        let (dense_tiers, dense) = self.best_with(0, sizes);
        let tier_0 = |arrangement: &Arrangement<'_>| tier_0_visibility(&arrangement.areas(sizes), sizes);
        let shows_more = spaced_tiers[0] < FULL && tier_0(&dense) > tier_0(&spaced);
        if shows_more || dense_tiers == [FULL; TIER_COUNT] { dense } else { spaced }
    }

    /// Returns the best arrangement with a number of blank lines, and its score for each tier.
    fn best_with(&self, blank_lines: u16, sizes: &[RequestedSizes]) -> ([u32; TIER_COUNT], Arrangement<'_>) {
        let arrangement = |candidate| Arrangement { candidate, blank_lines, area: self.area };
        let mut best = arrangement(self.candidate(0));
        let mut score = best.visibility(sizes);
        for n in 1..self.all.len() {
            // no score is higher
            if score == ([FULL; TIER_COUNT], FULL) {
                break;
            }
            let candidate = self.candidate(n);
            if candidate.highest > score {
                let next = arrangement(candidate);
                let next_score = next.visibility(sizes);
                if next_score > score {
                    (best, score) = (next, next_score);
                }
            }
        }
        (score.0, best)
    }
}

/// Returns the smallest width of an area at which all matrices and their titles are completely visible. If there is none, returns the width of all matrices
/// side by side, and one column more.
pub fn narrowest(sizes: &[RequestedSizes], area: Rect) -> u16 {
    let side_by_side = || sizes.iter().map(|size| size.tiers[TIER_COUNT - 1][0] + GAP).fold(1, u16::saturating_add);
    fitting_width(sizes, area).unwrap_or_else(side_by_side)
}

/// Returns the smallest width at which all matrices and their titles are completely visible; `None` if the area is not wide or not high enough.
pub fn fitting_width(sizes: &[RequestedSizes], area: Rect) -> Option<u16> {
    let full_size = |i: usize| sizes[i].tiers[TIER_COUNT - 1];
    let used = |rows: &MatrixRows| {
        let wide = rows
            .iter()
            .map(|row| row.clone().map(|i| full_size(i)[0].max(sizes[i].title_width) + GAP).fold(0, u16::saturating_add))
            .max()
            .unwrap_or(0);
        let high = rows.iter().map(|row| row.clone().map(|i| full_size(i)[1]).max().unwrap_or(0)).fold(0, u16::saturating_add);
        let blanks = u16::try_from(rows.len().saturating_sub(1)).unwrap_or(u16::MAX);
        [wide, high.saturating_add(blanks)]
    };
    let candidates = candidate_rows(sizes, area.width);
    let fitting = candidates.iter().map(used).filter(|[wide, high]| *wide <= area.width && *high <= area.height);
    fitting.map(|[wide, _]| wide).min()
}

/// Returns the candidates for the rows. They are: all matrices side by side; as many in a row as fit; the operands in one row and the result in another; each
/// matrix in a separate row. For at most `MAX_TRIED` matrices, all other ways to break them into rows are candidates too.
fn candidate_rows(sizes: &[RequestedSizes], width: u16) -> Vec<MatrixRows> {
    let mut fitting = MatrixRows::new();
    let (mut first, mut used) = (0, 0_u32);
    for (i, size) in sizes.iter().enumerate() {
        let wide = u32::from(size.tiers[TIER_COUNT - 1][0] + GAP);
        if i > first && used + wide > u32::from(width) {
            fitting.push(first..i);
            (first, used) = (i, 0);
        }
        used += wide;
    }
    fitting.push(first..sizes.len());
    let side_by_side = std::iter::once(0..sizes.len()).collect();
    let result_below = [0..sizes.len() - 1, sizes.len() - 1..sizes.len()].into_iter().filter(|row| !row.is_empty()).collect();
    let each_alone = (0..sizes.len()).map(|i| i..i + 1).collect();
    // each subset of the n − 1 places between two matrices is a way to break them, so there are 2^(n − 1) ways
    let ways = if sizes.len() <= MAX_TRIED { 1_u32 << (sizes.len() - 1) } else { 0 };
    let mut all: Vec<MatrixRows> = Vec::new();
    for rows in
        [side_by_side, fitting, result_below, each_alone].into_iter().chain((0..ways).map(|breaks| break_into_rows(sizes.len(), breaks)))
    {
        if !all.contains(&rows) {
            all.push(rows);
        }
    }
    all
}

/// Breaks matrices into rows. A row ends after matrix i if bit i of `breaks` is set.
fn break_into_rows(matrices: usize, breaks: u32) -> MatrixRows {
    let ends = (1..=matrices).filter(|end| *end == matrices || breaks >> (end - 1) & 1 == 1);
    let mut rows = MatrixRows::new();
    let mut start = 0;
    for end in ends {
        rows.push(start..end);
        start = end;
    }
    rows
}

impl Candidate {
    /// Divides the width of the area among the matrices of each row.
    fn new(rows: MatrixRows, divide: DivideFn, sizes: &[RequestedSizes], area: Rect) -> Self {
        let mut columns = PerMatrix::with_capacity(sizes.len());
        for row in &rows {
            let wanted: PerMatrix<[u16; TIER_COUNT]> = sizes[row.clone()].iter().map(|size| size.tiers.map(|[wide, _]| wide)).collect();
            // there is a gap before each matrix, also before the first
            let gaps = GAP * u16::try_from(row.len()).unwrap_or(1);
            let mut x = area.x;
            let room = area.width.saturating_sub(gaps);
            let widths = in_tiers(room, &wanted, divide);
            let mut unused = room - widths.iter().sum::<u16>();
            for (i, width) in row.clone().zip(widths) {
                // long titles use the columns that the numbers do not need
                let more = sizes[i].title_width.saturating_sub(width).min(unused);
                unused -= more;
                let width = width + more;
                // the gap before the result is wider, because `2 → C` directly after the shape of an operand would look like a formula
                let apart = if i > row.start && i + 1 == sizes.len() { unused.min(APART) } else { 0 };
                x += GAP + apart;
                columns.push(Span { start: x, len: width }.before(area.right()));
                x += width;
            }
        }
        let matrices = || columns.iter().zip(sizes);
        let tier_score = |tier: usize| matrices().map(|(columns, size)| visible_width(columns.len, size, tier)).min().unwrap_or(0);
        let name_score = matrices().map(|(columns, size)| fraction(columns.len, size.name_width)).min().unwrap_or(0);
        let highest = (std::array::from_fn(tier_score), name_score);
        Self { rows, divide, columns, highest }
    }
}

impl Span {
    /// Cuts off everything from `end` on.
    fn before(self, end: u16) -> Self {
        Self { len: self.start.saturating_add(self.len).min(end).saturating_sub(self.start), ..self }
    }
}

impl Arrangement<'_> {
    /// Returns the area of each matrix. A matrix is scrolled if its area is smaller than it requests.
    pub fn areas(&self, sizes: &[RequestedSizes]) -> PerMatrix<Rect> {
        let Candidate { rows, columns, .. } = self.candidate;
        let mut areas = PerMatrix::with_capacity(sizes.len());
        for (row, lines) in rows.iter().zip(self.lines(sizes)) {
            let area = |columns: &Span| Rect { x: columns.start, y: lines.start, width: columns.len, height: lines.len };
            areas.extend(columns[row.clone()].iter().map(area));
        }
        areas
    }

    /// Returns the lines of each row: divides the height of the area among the rows.
    fn lines(&self, sizes: &[RequestedSizes]) -> PerMatrix<Span> {
        let Self { candidate: Candidate { rows, divide, .. }, blank_lines, area } = *self;
        let row_height = |row: &Range<usize>, tier: usize| sizes[row.clone()].iter().map(|size| size.tiers[tier][1]).max().unwrap_or(0);
        let wanted: PerMatrix<[u16; TIER_COUNT]> = rows.iter().map(|row| std::array::from_fn(|tier| row_height(row, tier))).collect();
        let blanks = blank_lines * u16::try_from(rows.len().saturating_sub(1)).unwrap_or(1);
        let mut y = area.y;
        let span = |height: u16| {
            let lines = Span { start: y, len: height }.before(area.bottom());
            y += height + blank_lines;
            lines
        };
        in_tiers(area.height.saturating_sub(blanks), &wanted, *divide).into_iter().map(span).collect()
    }

    /// Returns the score.
    fn visibility(&self, sizes: &[RequestedSizes]) -> Visibility {
        let (mut tiers, name) = self.candidate.highest;
        for (row, lines) in self.candidate.rows.iter().zip(self.lines(sizes)) {
            for size in &sizes[row.clone()] {
                for (score, [_, high]) in tiers.iter_mut().zip(size.tiers) {
                    *score = fraction(lines.len, high).min(*score);
                }
            }
        }
        (tiers, name)
    }
}

/// Returns the visible part of `wanted` cells, in thousandths.
fn fraction(room: u16, wanted: u16) -> u32 {
    u32::from(room.min(wanted)) * FULL / u32::from(wanted.max(1))
}

/// Returns the visible fraction of the width of a tier, if `width` columns are visible.
fn visible_width(width: u16, size: &RequestedSizes, tier: usize) -> u32 {
    let [wide, _] = size.tiers[tier];
    // a number that is not completely visible does not count
    let whole_numbers = width.saturating_sub(size.gutter) / size.cell.max(1);
    fraction(if width < wide { size.gutter + whole_numbers * size.cell } else { wide }, wide)
}

/// Returns how much of tier 0 is visible.
fn tier_0_visibility(areas: &[Rect], sizes: &[RequestedSizes]) -> Tier0Visibility {
    let visible_fraction =
        |(area, size): (&Rect, &RequestedSizes)| visible_width(area.width, size, 0).min(fraction(area.height, size.tiers[0][1]));
    let fractions = || areas.iter().zip(sizes).map(visible_fraction);
    (fractions().min().unwrap_or(0), fractions().sum())
}

/// Divides `room` among matrices, one tier after the other.
fn in_tiers(room: u16, wanted: &[[u16; TIER_COUNT]], divide: DivideFn) -> PerMatrix<u16> {
    let mut given = PerMatrix::from_elem(0, wanted.len());
    let mut remaining = room;
    for tier in 0..TIER_COUNT {
        let more = wanted.iter().zip(&given).map(|(wanted, given)| wanted[tier].saturating_sub(*given));
        let total = more.clone().fold(0, u16::saturating_add);
        if total <= remaining {
            // all requests are met
            given.iter_mut().zip(wanted).for_each(|(given, wanted)| *given = wanted[tier].max(*given));
            remaining -= total;
            continue;
        }
        let more: PerMatrix<u16> = more.collect();
        for (given, more) in given.iter_mut().zip(divide(remaining, &more)) {
            *given += more;
            remaining -= more;
        }
    }
    given
}

/// Returns the indices of the requests, from the smallest request to the largest.
fn ascending(wanted: &[u16]) -> PerMatrix<usize> {
    let mut order: PerMatrix<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|i| wanted[*i]);
    order
}

/// Divides `room`. The requests are granted in full from the smallest to the largest, while there is enough room. The remaining requests share the rest.
fn smallest_first(room: u16, wanted: &[u16]) -> PerMatrix<u16> {
    let order = ascending(wanted);
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
    share_equally(remaining, wanted, rest, &mut shares);
    shares
}

/// Divides `room` into equal shares. A share is not larger than its request. The larger requests share what the small ones do not need.
fn equal_shares(room: u16, wanted: &[u16]) -> PerMatrix<u16> {
    let mut shares = PerMatrix::from_elem(0, wanted.len());
    share_equally(room, wanted, &ascending(wanted), &mut shares);
    shares
}

/// Does the same as [`equal_shares`] for some of the requests. `order` are their indices, from the smallest request to the largest.
fn share_equally(room: u16, wanted: &[u16], order: &[usize], shares: &mut [u16]) {
    let (mut remaining, mut takers) = (room, u16::try_from(order.len()).unwrap_or(u16::MAX));
    for i in order {
        shares[*i] = wanted[*i].min(remaining / takers.max(1));
        remaining -= shares[*i];
        takers -= 1;
    }
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
    fn a_lower_tier_gets_room_before_a_higher_one() {
        assert_eq!(in_tiers(20, &[[10, 10, 200], [2, 2, 200]], equal_shares)[..], [14, 6]);
        assert_eq!(in_tiers(20, &[[10, 17, 200], [2, 2, 200]], equal_shares)[..], [17, 3]);
        assert_eq!(in_tiers(8, &[[10, 20, 200], [2, 2, 2]], equal_shares)[..], [6, 2]);
    }

    #[test]
    fn each_bit_breaks_the_matrices_after_one_of_them() {
        assert_eq!(break_into_rows(3, 0).len(), 1);
        assert_eq!(break_into_rows(3, 0b01)[..], [0..1, 1..3]);
        assert_eq!(break_into_rows(3, 0b11)[..], [0..1, 1..2, 2..3]);
    }
}
