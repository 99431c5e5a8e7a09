//! The inset beside the neurons: the filter of a convolution over its padded image, as in figures 19 and 20 of part 4 of the series. In the backward pass to the input, the
//! filter is rotated by 180°.

use std::collections::HashMap;
use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::canvas::text_at;
use crate::network::{Id, Role};
use crate::op::rule::Window;
use crate::scene::{Sources, TermRead};
use crate::tensor::{len, unravel};
use crate::text::width;
use crate::ui::theme;
use crate::ui::view::View;

/// The largest number of rows, and of columns, of the image that are drawn.
const MAX_SIDE: usize = 12;

/// A weight of the filter over a pixel of the image.
struct CoveringWeight {
    /// The row-major index of the weight in the filter.
    weight: usize,
    /// The symbol of the weight.
    symbol: String,
}

/// The filter on one channel of its image.
pub struct Inset {
    title: String,
    /// The width of a column of the image, in cells of the screen.
    column_width: usize,
    /// The rows and columns that are drawn, counted with the padding.
    rows: Range<usize>,
    columns: Range<usize>,
    /// The rows and columns of padding on each side.
    padding: [usize; 2],
    /// The rows and columns of the image without padding.
    image: [usize; 2],
    /// The weights over the image, by row and column, counted with the padding.
    covered: HashMap<(usize, usize), CoveringWeight>,
    /// The row and column that this step reads, counted with the padding.
    now: (usize, usize),
    /// `true` if the filter's entries are shared weights, each with its own colour.
    is_shared: bool,
}

/// The weight and the pixel that a term multiplies: the index of the weight in the filter, and channel, row and column of the pixel in the image.
#[derive(Clone, Copy)]
struct WeightAndPixel {
    weight: usize,
    channel: usize,
    y: usize,
    x: usize,
}

impl Inset {
    /// Returns the inset of this step, at most `max_width` cells wide; `None` for an op without a filter.
    pub fn of(view: &View<'_>, max_width: u16) -> Option<Self> {
        let (part, window) = view.op().window()?;
        let (image, filter) = (part.operands[window.image], part.operands[window.filter?]);
        let (image_shape, filter_shape) = (&view.network().tensor(image).shape, &view.network().tensor(filter).shape);
        let &[.., height, width_of_image] = image_shape.as_slice() else { return None };
        let [py, px] = window.padding;
        let now = weight_and_pixel(view, &view.sources(), image, filter)?;
        let now = WeightAndPixel { y: now.y + py, x: now.x + px, ..now };
        // the symbol of the last weight is the widest, because its index has the most digits; brackets are around the symbol
        let last = len(filter_shape).saturating_sub(1);
        let column_width = width(&view.entry_symbol(filter, last)) + 2;
        let symbol = |id: Id| view.network().tensor(id).symbol.text();
        let title = format!("{}{} on {}", symbol(filter), if window.turned { ", turned by 180°," } else { "" }, symbol(image));
        // `side` of `n` rows or columns, with `at` in the middle unless the image ends
        let range_around = |at: usize, n: usize, side: usize| {
            let first = at.saturating_sub(side / 2).min(n.saturating_sub(side));
            first..n.min(first + side)
        };
        let side = MAX_SIDE.min(usize::from(max_width) / column_width).max(1);
        let padded_width = width_of_image + 2 * px;
        let title = if side < padded_width { format!("{title}, in part") } else { title };
        let (rows, columns) = (range_around(now.y, height + 2 * py, MAX_SIDE), range_around(now.x, padded_width, side));
        let pixels = rows.clone().flat_map(|y| columns.clone().map(move |x| (y, x)));
        // a pitch of 0 means that the filter moves from term to term: then the pixel of each weight is found from the terms
        let covered = if window.pitch.contains(&0) {
            moving_weights(view, (image, filter), now, window.padding, pixels)
        } else {
            pixels.filter_map(|pixel| Some((pixel, weight_over(filter_shape, window, now, pixel)?))).collect()
        };
        let with_symbol =
            |(pixel, weight): ((usize, usize), usize)| (pixel, CoveringWeight { weight, symbol: view.entry_symbol(filter, weight) });
        Some(Self {
            title,
            column_width,
            covered: covered.into_iter().map(with_symbol).collect(),
            now: (now.y, now.x),
            rows,
            columns,
            is_shared: view.network().tensor(filter).role == Role::Parameter,
            padding: [py, px],
            image: [height, width_of_image],
        })
    }

    /// Returns width and height, in cells of the screen.
    pub fn size(&self) -> (u16, u16) {
        let wide = (self.columns.len() * self.column_width).max(width(&self.title));
        // one line for the title, and a blank line below
        (u16::try_from(wide).unwrap_or(u16::MAX), u16::try_from(self.rows.len() + 2).unwrap_or(u16::MAX))
    }

    /// Draws the inset.
    pub fn render(&self, view: &View<'_>, area: Rect, buf: &mut Buffer) {
        let (dim, entry) = (view.theme.style(theme::StyleRole::Dim), view.theme.style(theme::StyleRole::Entry));
        text_at(buf, area, 0, 0, &self.title, dim);
        for (row, y) in self.rows.clone().enumerate() {
            for (column, x) in self.columns.clone().enumerate() {
                let on_image = y.checked_sub(self.padding[0]).is_some_and(|y| y < self.image[0])
                    && x.checked_sub(self.padding[1]).is_some_and(|x| x < self.image[1]);
                let (text, style) = match self.covered.get(&(y, x)) {
                    Some(covered) if (y, x) == self.now => (format!("[{}]", covered.symbol), view.theme.style(theme::StyleRole::Step)),
                    Some(covered) if on_image && self.is_shared => {
                        (format!(" {} ", covered.symbol), entry.patch(view.theme.shared(covered.weight)))
                    }
                    Some(covered) if on_image => (format!(" {} ", covered.symbol), entry),
                    Some(covered) => (format!(" {} ", covered.symbol), dim),
                    None if on_image => (" · ".to_owned(), view.theme.style(theme::StyleRole::Plain)),
                    None => (" ░ ".to_owned(), dim),
                };
                if let (Ok(x), Ok(y)) = (u16::try_from(column * self.column_width), u16::try_from(row + 1)) {
                    text_at(buf, area, x, y, &text, style);
                }
            }
        }
    }
}

/// Returns the weight and the pixel of a term that reads these entries, counted without padding.
fn weight_and_pixel(view: &View<'_>, reads: &Sources, image: Id, filter: Id) -> Option<WeightAndPixel> {
    let entry_of = |id: Id| reads.iter().find(|(source, _)| *source == id).map(|(_, at)| *at);
    let (at, weight) = (entry_of(image)?, entry_of(filter)?);
    let index = unravel(at, &view.network().tensor(image).shape);
    let &[.., y, x] = index.as_slice() else { return None };
    Some(WeightAndPixel { weight, channel: if index.len() > 2 { index[0] } else { 0 }, y, x })
}

/// Returns the weight over a pixel of the padded image; `None` if the filter does not cover the pixel. The weight and pixel of this step give the position of the filter.
///
/// If weight 4 of a row is over column 7 at pitch 1, weight 5 is over column 8, or over column 6 if the filter is rotated.
fn weight_over(filter: &[usize], window: Window, now: WeightAndPixel, (y, x): (usize, usize)) -> Option<usize> {
    let &[.., height, wide] = filter else { return None };
    // along one axis of `n` weights: weight `weight_now` is over pixel `pixel_now`; returns the weight over `pixel`
    let weight_on_axis = |pixel: usize, pixel_now: usize, weight_now: usize, pitch: usize, n: usize| {
        let [pixel, pixel_now, weight_now, pitch] = [pixel, pixel_now, weight_now, pitch].map(|n| i64::try_from(n).unwrap_or(0));
        let offset = if window.turned { pixel_now - pixel } else { pixel - pixel_now };
        let weight = usize::try_from(weight_now + offset / pitch).ok()?;
        (offset % pitch == 0 && weight < n).then_some(weight)
    };
    let row = weight_on_axis(y, now.y, now.weight / wide % height, window.pitch[0], height)?;
    let column = weight_on_axis(x, now.x, now.weight % wide, window.pitch[1], wide)?;
    Some(now.weight - now.weight % (height * wide) + row * wide + column)
}

/// Returns the weights over some pixels of the padded image, for a filter that moves from term to term. The terms that read these pixels also read the weights.
fn moving_weights(
    view: &View<'_>,
    (image, filter): (Id, Id),
    now: WeightAndPixel,
    [py, px]: [usize; 2],
    pixels: impl Iterator<Item = (usize, usize)>,
) -> Vec<((usize, usize), usize)> {
    let &[.., height, wide] = view.network().tensor(image).shape.as_slice() else { return Vec::new() };
    let entry_at = |(y, x): (usize, usize)| {
        let (y, x) = (y.checked_sub(py)?, x.checked_sub(px)?);
        (y < height && x < wide).then_some((now.channel * height + y) * wide + x)
    };
    let entries: Vec<usize> = pixels.filter_map(entry_at).collect();
    let pixel_and_weight =
        |term: TermRead| weight_and_pixel(view, &term.reads, image, filter).map(|found| ((found.y + py, found.x + px), found.weight));
    view.term_reads(&view.at, image, &entries).into_iter().filter_map(pixel_and_weight).collect()
}
