//! The inset beside the neurons: the filter of a convolution over its padded image, as in figures 19 and 20 of part 4 of the series. In the backward pass to the input, the
//! filter is rotated by 180°.

use std::collections::HashMap;
use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::canvas::text_at;
use super::target::{Spot, Spots};
use crate::network::{Id, Role};
use crate::op::rule::Window;
use crate::scene::{Sources, TermRead};
use crate::tensor::{len, unravel};
use crate::text::width;
use crate::ui::theme::StyleRole;
use crate::ui::view::View;

/// The smallest number of rows and of columns of an image that is drawn in part.
const MIN_SIDE: usize = 6;

/// The filter on one channel of its image.
pub struct Inset {
    title: String,
    look: Look,
    /// The rows and columns that are drawn, counted with the padding.
    rows: Range<usize>,
    columns: Range<usize>,
    /// The rows and columns of padding on each side.
    padding: [usize; 2],
    /// The channels, rows and columns of the image without padding.
    image: [usize; 3],
    image_tensor: Id,
    filter: Id,
    /// The weights over the image, by row and column, counted with the padding. A weight is its row-major index in the filter.
    covered: HashMap<(usize, usize), usize>,
    /// The place that this step reads, counted with the padding.
    now: WeightAndPixel,
    /// `true` if the filter's entries are shared weights, each with its own colour.
    is_shared: bool,
}

/// The size of a pixel, in cells of the screen, and what it shows.
#[derive(Clone, Copy, Debug)]
struct Look {
    width: usize,
    height: usize,
    /// `true` if the weights over the pixels have symbols; otherwise they are blocks.
    has_symbols: bool,
    /// `true` if the numbers of the pixels are below the symbols.
    has_numbers: bool,
}

/// The weight and the pixel that a term multiplies: the index of the weight in the filter, and channel, row and column of the pixel in the image.
#[derive(Clone, Copy)]
struct WeightAndPixel {
    weight: usize,
    channel: usize,
    y: usize,
    x: usize,
}

/// Returns the looks that are tried in this order, from large to small.
fn looks(view: &View<'_>, image: Id, filter: Id) -> [Look; 3] {
    // the symbol of the last weight is the widest, because its index has the most digits; brackets are around the symbol
    let last = len(&view.network().tensor(filter).shape).saturating_sub(1);
    let symbol = width(&view.disambiguated(filter, last)) + 2;
    let number = view.format(image).width() + 2;
    [
        Look { width: symbol.max(number) + 1, height: 3, has_symbols: true, has_numbers: true },
        Look { width: symbol, height: 1, has_symbols: true, has_numbers: false },
        Look { width: 3, height: 1, has_symbols: false, has_numbers: false },
    ]
}

impl Inset {
    /// Returns the inset of this step in the first of some rooms that is large enough, given as columns and rows of the screen; `None` for an op without a filter, and if
    /// no room is large enough.
    pub fn of(view: &View<'_>, rooms: [(u16, u16); 2]) -> Option<Self> {
        let (part, window) = view.op().window()?;
        let (image, filter) = (part.operands[window.image], part.operands[window.filter?]);
        let (image_shape, filter_shape) = (&view.network().tensor(image).shape, &view.network().tensor(filter).shape);
        let &[ref channels @ .., height, width_of_image] = image_shape.as_slice() else { return None };
        let [py, px] = window.padding;
        let now = weight_and_pixel(view, &view.sources(), image, filter)?;
        let now = WeightAndPixel { y: now.y + py, x: now.x + px, ..now };
        let padded = [height + 2 * py, width_of_image + 2 * px];
        let symbol = |id: Id| view.network().tensor(id).symbol.text();
        let title = format!("{}{} on {}", symbol(filter), if window.turned { ", turned by 180°," } else { "" }, symbol(image));
        let title_width = width(&title) + width(", in part");
        let looks = looks(view, image, filter);
        // one line for the title
        let fits = |look: &Look, (wide, high): (u16, u16), [rows, columns]: [usize; 2]| {
            (columns * look.width).max(title_width) <= usize::from(wide) && rows * look.height < usize::from(high)
        };
        let whole = looks.iter().find(|look| rooms.iter().any(|room| fits(look, *room, padded)));
        // the columns and rows that fit into a room
        let part_of = |(wide, high): (u16, u16), look: &Look| {
            [(usize::from(high).saturating_sub(1) / look.height).min(padded[0]), (usize::from(wide) / look.width).min(padded[1])]
        };
        let (look, [rows, columns]) = if let Some(look) = whole {
            (*look, padded)
        } else {
            let look = looks[2];
            let large_enough = |side: &[usize; 2]| side.iter().zip(padded).all(|(side, all)| *side >= MIN_SIDE.min(all));
            let parts = rooms.iter().filter(|(wide, _)| usize::from(*wide) >= title_width).map(|room| part_of(*room, &look));
            (look, parts.filter(large_enough).max_by_key(|[rows, columns]| rows * columns)?)
        };
        // `side` of `n` rows or columns, with `at` in the middle unless the image ends
        let range_around = |at: usize, n: usize, side: usize| {
            let first = at.saturating_sub(side / 2).min(n.saturating_sub(side));
            first..n.min(first + side)
        };
        let title = if [rows, columns] == padded { title } else { format!("{title}, in part") };
        let (rows, columns) = (range_around(now.y, padded[0], rows), range_around(now.x, padded[1], columns));
        let pixels = rows.clone().flat_map(|y| columns.clone().map(move |x| (y, x)));
        // a pitch of 0 means that the filter moves from term to term: then the pixel of each weight is found from the terms
        let covered = if window.pitch.contains(&0) {
            moving_weights(view, (image, filter), now, window.padding, pixels)
        } else {
            pixels.filter_map(|pixel| Some((pixel, weight_over(filter_shape, window, now, pixel)?))).collect()
        };
        Some(Self {
            title,
            look,
            covered: covered.into_iter().collect(),
            now,
            rows,
            columns,
            is_shared: view.network().tensor(filter).role == Role::Parameter,
            padding: [py, px],
            image: [channels.iter().product(), height, width_of_image],
            image_tensor: image,
            filter,
        })
    }

    /// Returns width and height, in cells of the screen.
    pub fn size(&self) -> (u16, u16) {
        let wide = (self.columns.len() * self.look.width).max(width(&self.title));
        // one line for the title
        (u16::try_from(wide).unwrap_or(u16::MAX), u16::try_from(self.rows.len() * self.look.height + 1).unwrap_or(u16::MAX))
    }

    /// Returns the entry of the image at a row and a column, which are counted with the padding; `None` on the padding.
    fn pixel(&self, (y, x): (usize, usize)) -> Option<usize> {
        let [_, height, width] = self.image;
        let y = y.checked_sub(self.padding[0]).filter(|y| *y < height)?;
        let x = x.checked_sub(self.padding[1]).filter(|x| *x < width)?;
        Some((self.now.channel * height + y) * width + x)
    }

    /// Draws the inset. A click on a symbol goes to the weight, and a click on another cell to the pixel.
    pub fn render(&self, view: &View<'_>, area: Rect, buf: &mut Buffer, spots: &mut Spots) {
        text_at(buf, area, 0, 0, &self.title, view.theme.style(StyleRole::Dim));
        for (row, y) in self.rows.clone().enumerate() {
            for (column, x) in self.columns.clone().enumerate() {
                let at = (column * self.look.width, row * self.look.height + 1);
                if let (Ok(x_cell), Ok(y_cell)) = (u16::try_from(at.0), u16::try_from(at.1)) {
                    self.draw_pixel(view, (y, x), (x_cell, y_cell), area, buf, spots);
                }
            }
        }
    }

    /// Draws a pixel and the weight over it, from a cell on.
    fn draw_pixel(&self, view: &View<'_>, at: (usize, usize), (x, y): (u16, u16), area: Rect, buf: &mut Buffer, spots: &mut Spots) {
        let Look { width: wide, height, has_symbols, has_numbers } = self.look;
        let (pixel, weight) = (self.pixel(at), self.covered.get(&at).copied());
        let (dim, entry) = (view.theme.style(StyleRole::Dim), view.theme.style(StyleRole::Entry));
        let is_now = at == (self.now.y, self.now.x);
        let colour = weight.filter(|_| self.is_shared).and_then(|weight| view.weight_style(self.filter, weight));
        let style = match (weight, pixel) {
            (Some(_), _) if is_now => view.theme.style(StyleRole::Step),
            (Some(_), Some(_)) => entry.patch(colour.unwrap_or_default()),
            (None, Some(_)) => view.theme.style(StyleRole::Plain),
            _ => dim,
        };
        let text = match (weight, pixel) {
            (Some(weight), _) if has_symbols => view.disambiguated(self.filter, weight),
            (Some(_), Some(_)) => "■".to_owned(),
            (None, Some(_)) if has_numbers => String::new(),
            (None, Some(_)) => "·".to_owned(),
            _ => "░".to_owned(),
        };
        let text = if is_now && weight.is_some() { format!("[{text}]") } else { format!(" {text} ") };
        let centred = |text: &str, wide: usize| format!("{text:^wide$}");
        let number = pixel.filter(|_| has_numbers).and_then(|pixel| view.entry_text(self.image_tensor, pixel)).unwrap_or_default();
        // the last column of a large pixel is a gap
        let solid = if has_numbers { wide - 1 } else { wide };
        text_at(buf, area, x, y, &centred(&text, solid), style);
        if has_numbers {
            let style = if weight.is_some() && pixel.is_some() && !is_now { entry } else { style };
            text_at(buf, area, x, y + 1, &centred(&number, solid), style);
        }
        let cells = |down: u16, high: usize| Rect {
            x: area.x + x,
            y: area.y + y + down,
            width: u16::try_from(wide).unwrap_or(1),
            height: u16::try_from(high).unwrap_or(1),
        };
        if let Some(pixel) = pixel {
            spots.add(cells(0, height), Spot::entry(self.image_tensor, pixel));
        }
        if let Some(weight) = weight {
            spots.add(cells(0, 1), Spot::entry(self.filter, weight));
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
