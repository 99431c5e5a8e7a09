//! The inset beside the neurons. It shows the filter of a convolution over its padded image, as in figures 19 and 20 of V. Petersen's series. For the gradient
//! of the input, the filter is rotated by 180°, and a stride puts gaps between the pixels of the image.
//!
//! A *place* is a row and a column of the image with its padding and gaps. Places in the padding and in the gaps have no pixel.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::canvas::text_at;
use super::target::{Spot, Spots};
use crate::glyph;
use crate::network::{Id, Role};
use crate::op::rule::Window;
use crate::scene::Sources;
use crate::tensor::{len, unravel};
use crate::text::width;
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;

/// If only a part of an image is drawn, the part has at least this number of rows and of columns, or all of them if the image has fewer.
const MIN_SIDE: usize = 6;
/// If only a part of an image is drawn with symbols, it is not larger than the filter with this number of rows and of columns on each side, except if
/// [`MIN_SIDE`] is larger still.
const AROUND: usize = 2;

/// The character for a place without a pixel.
const NO_PIXEL: &str = "░";

/// The filter on one channel of its image.
pub struct Inset {
    title: String,
    pixel_style: PixelStyle,
    /// The drawn rows.
    rows: Range<usize>,
    columns: Range<usize>,
    window: Window,
    /// The rows and columns of the image without padding.
    image: [usize; 2],
    image_tensor: Id,
    filter: Id,
    /// The shape of the filter.
    filter_shape: Vec<usize>,
    /// The weight and the place that this step reads.
    now: WeightAndPlace,
    /// `true` if the filter's entries are shared weights, each with its own colour.
    is_shared: bool,
}

/// The size of a pixel, in cells of the screen, and what it shows.
#[derive(Clone, Copy, Debug)]
struct PixelStyle {
    width: usize,
    height: usize,
    /// `true` if the weights over the pixels are drawn as symbols; otherwise they are drawn as blocks.
    has_symbols: bool,
    /// `true` if the numbers of the pixels are below the symbols.
    has_numbers: bool,
}

/// The factors of a term: the index of the weight in the filter, and the channel and the place of the pixel.
#[derive(Clone, Copy)]
struct WeightAndPlace {
    weight: usize,
    channel: usize,
    y: usize,
    x: usize,
}

impl WeightAndPlace {
    /// Returns the row of the place for axis 0, and its column for axis 1.
    fn on_axis(self, axis: usize) -> usize {
        [self.y, self.x][axis]
    }
}

/// Returns the styles to try, from large to small.
fn pixel_styles(view: &StepView<'_>, image: Id, filter: Id) -> [PixelStyle; 4] {
    // the symbol of the last weight is the widest, because its index has the most digits; the symbols are in brackets
    let last = len(&view.network().tensor(filter).shape).saturating_sub(1);
    let symbol = width(&view.unambiguous_symbol(filter, last)) + 2;
    let number = view.format(image).width() + 2;
    [
        PixelStyle { width: symbol.max(number) + 1, height: 3, has_symbols: true, has_numbers: true },
        PixelStyle { width: symbol.max(number), height: 2, has_symbols: true, has_numbers: true },
        PixelStyle { width: symbol, height: 1, has_symbols: true, has_numbers: false },
        PixelStyle { width: 3, height: 1, has_symbols: false, has_numbers: false },
    ]
}

/// The sizes from which the style of an inset is chosen.
struct InsetSizes {
    /// The numbers of rows and columns of the whole image, with its padding and gaps.
    padded_image: [usize; 2],
    /// The numbers of rows and columns that the filter covers.
    filter: [usize; 2],
    /// The widths of the titles of a whole image and of a part, in cells.
    titles: [usize; 2],
}

impl InsetSizes {
    /// Returns the first style with which one of the rooms (areas in which the inset may be drawn, as width and height in cells) has space for the whole image,
    /// or for a part of the image that contains the whole filter. If there is no such style, returns the last style, and the part may then cut the filter. Also
    /// returns the numbers of rows and columns that are drawn. Returns `None` if no room is large enough.
    fn choose(&self, pixel_styles: &[PixelStyle], rooms: [(u16, u16); 2]) -> Option<(PixelStyle, [usize; 2])> {
        // the numbers of rows and columns that fit into a room below the title
        let places = |pixel_style: &PixelStyle, (wide, high): (u16, u16)| {
            [usize::from(high).saturating_sub(1) / pixel_style.height, usize::from(wide) / pixel_style.width]
        };
        // the same for each room that is wide enough for a title of this width
        let fitting = |pixel_style: &PixelStyle, title: usize| {
            let rooms = rooms.into_iter().filter(move |(wide, _)| usize::from(*wide) >= title);
            rooms.map(|room| places(pixel_style, room)).collect::<Vec<_>>()
        };
        // whether these are at least `least` rows and columns, or all of the image
        let holds = |places: &[usize; 2], least: [usize; 2]| (0..2).all(|axis| places[axis] >= least[axis].min(self.padded_image[axis]));
        let whole_image = |pixel_style: &PixelStyle| {
            fitting(pixel_style, self.titles[0]).iter().any(|places| holds(places, self.padded_image)).then_some(self.padded_image)
        };
        // the largest part of the image for which a room has space, with at least `least` rows and columns
        let largest_part = |pixel_style: &PixelStyle, least: [usize; 2]| {
            // places with symbols are large, so only a few around the filter are drawn
            let around = |axis: usize| if pixel_style.has_symbols { (self.filter[axis] + 2 * AROUND).max(MIN_SIDE) } else { usize::MAX };
            let most = [0, 1].map(|axis| around(axis).min(self.padded_image[axis]));
            let parts = fitting(pixel_style, self.titles[1]).into_iter().filter(|places| holds(places, least));
            parts.map(|places| [0, 1].map(|axis| places[axis].min(most[axis]))).max_by_key(|[rows, columns]| rows * columns)
        };
        let with_filter = self.filter.map(|side| side.max(MIN_SIDE));
        let best = pixel_styles
            .iter()
            .find_map(|pixel_style| Some((*pixel_style, whole_image(pixel_style).or_else(|| largest_part(pixel_style, with_filter))?)));
        best.or_else(|| pixel_styles.last().and_then(|pixel_style| Some((*pixel_style, largest_part(pixel_style, [MIN_SIDE; 2])?))))
    }
}

impl Inset {
    /// Returns the inset of this step, with the largest pixels for which one of these rooms (width and height in cells) has space. Returns `None` if no room
    /// is large enough, and for an op without a filter.
    pub fn of(view: &StepView<'_>, rooms: [(u16, u16); 2]) -> Option<Self> {
        let (part, window) = view.op().window()?;
        let (image, filter) = (part.operands[window.image], part.operands[window.filter?]);
        let &[.., height, width_of_image] = with_row(view, image, window).as_slice() else { return None };
        let now = weight_and_place(view, &view.sources(), (image, filter), window)?;
        let places = |n: usize, axis: usize| n.saturating_sub(1) * window.spread[axis] + 1 + window.padding[axis].iter().sum::<usize>();
        let padded = [places(height, 0), places(width_of_image, 1)];
        let symbol = |id: Id| view.network().tensor(id).symbol.text();
        let image_symbol = if window.spread == [1, 1] { symbol(image) } else { format!("spread({})", symbol(image)) };
        let titles = ["", ", in part"].map(|suffix| title(&symbol(filter), window.turned, &image_symbol, suffix));
        let filter_shape = with_row(view, filter, window);
        let footprint = |axis: usize| footprint(&filter_shape, window, now, axis);
        let sizes = InsetSizes {
            padded_image: padded,
            filter: [0, 1].map(|axis| footprint(axis).len()),
            titles: titles.each_ref().map(|title| width(title)),
        };
        let (pixel_style, [rows, columns]) = sizes.choose(&pixel_styles(view, image, filter), rooms)?;
        // a range of `side` places along an axis. The filter is in its middle, except near the ends of the image; if the filter is longer than the range, the
        // place of this step is there instead
        let range_around = |axis: usize, side: usize| {
            let Range { start, end } = footprint(axis);
            let middle = if end - start <= side { start.midpoint(end) } else { now.on_axis(axis) };
            let first = middle.saturating_sub(side / 2).min(padded[axis].saturating_sub(side));
            first..padded[axis].min(first + side)
        };
        let [whole_title, part_title] = titles;
        let is_whole = [rows, columns] == padded;
        let (rows, columns) = (range_around(0, rows), range_around(1, columns));
        Some(Self {
            title: if is_whole { whole_title } else { part_title },
            pixel_style,
            filter_shape,
            now,
            rows,
            columns,
            is_shared: view.network().tensor(filter).role == Role::Parameter,
            window,
            image: [height, width_of_image],
            image_tensor: image,
            filter,
        })
    }

    /// Returns width and height, in cells of the screen.
    pub fn size(&self) -> (u16, u16) {
        let wide = (self.columns.len() * self.pixel_style.width).max(width(&self.title));
        // one line for the title
        (u16::try_from(wide).unwrap_or(u16::MAX), u16::try_from(self.rows.len() * self.pixel_style.height + 1).unwrap_or(u16::MAX))
    }

    /// Returns the entry of the image at a place; `None` in the padding and in the gaps.
    fn pixel(&self, (y, x): (usize, usize)) -> Option<usize> {
        let on_axis = |place: usize, axis: usize| {
            let place = place.checked_sub(self.window.padding[axis][0])?;
            let spread = self.window.spread[axis];
            (place % spread == 0 && place / spread < self.image[axis]).then_some(place / spread)
        };
        let (y, x) = (on_axis(y, 0)?, on_axis(x, 1)?);
        Some((self.now.channel * self.image[0] + y) * self.image[1] + x)
    }

    /// Draws the inset. A click on a symbol goes to the weight, and a click on another cell to the pixel.
    pub fn render(&self, view: &StepView<'_>, area: Rect, buf: &mut Buffer, spots: &mut Spots) {
        text_at(buf, area, 0, 0, &self.title, view.theme.style(StyleRole::Dim));
        for (row, y) in self.rows.clone().enumerate() {
            for (column, x) in self.columns.clone().enumerate() {
                let cell = (column * self.pixel_style.width, row * self.pixel_style.height + 1);
                if let (Ok(x_cell), Ok(y_cell)) = (u16::try_from(cell.0), u16::try_from(cell.1)) {
                    self.draw_place(view, (y, x), (x_cell, y_cell), area, buf, spots);
                }
            }
        }
    }

    /// Draws a place: its pixel, if it has one, and the weight over it. `(x, y)` is the upper left cell of the place in `area`.
    fn draw_place(&self, view: &StepView<'_>, place: (usize, usize), (x, y): (u16, u16), area: Rect, buf: &mut Buffer, spots: &mut Spots) {
        let PixelStyle { width: wide, height, has_symbols, has_numbers } = self.pixel_style;
        let (pixel, weight) = (self.pixel(place), weight_over(&self.filter_shape, self.window, self.now, place));
        let (dim, entry) = (view.theme.style(StyleRole::Dim), view.theme.style(StyleRole::Entry));
        let is_now = place == (self.now.y, self.now.x);
        let colour = weight.filter(|_| self.is_shared).and_then(|weight| view.weight_style_on_entry(self.filter, weight));
        let style = match (weight, pixel) {
            (Some(_), _) if is_now => view.theme.style(StyleRole::Step),
            (Some(_), Some(_)) => entry.patch(colour.unwrap_or_default()),
            (None, Some(_)) => view.theme.style(StyleRole::Plain),
            _ => dim,
        };
        let text = match (weight, pixel) {
            (Some(weight), _) if has_symbols => view.unambiguous_symbol(self.filter, weight),
            (Some(_), Some(_)) => "■".to_owned(),
            (None, _) if has_numbers => String::new(),
            (None, Some(_)) => "□".to_owned(),
            _ => NO_PIXEL.to_owned(),
        };
        let text = if is_now && weight.is_some() { format!("[{text}]") } else { format!(" {text} ") };
        let centred = |text: &str, wide: usize| format!("{text:^wide$}");
        let known = |pixel| view.entry_text(self.image_tensor, pixel);
        let number = || pixel.map_or(NO_PIXEL.to_owned(), |pixel| known(pixel).unwrap_or_else(|| glyph::TO_COME.to_owned()));
        // the last column of a large pixel is left blank
        let text_width = if height > 2 { wide - 1 } else { wide };
        text_at(buf, area, x, y, &centred(&text, text_width), style);
        if has_numbers {
            let style = if weight.is_some() && pixel.is_some() && !is_now { entry } else { style };
            text_at(buf, area, x, y + 1, &centred(&number(), text_width), style);
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

/// Returns the shape of an image or a filter. If it has one dimension, a dimension of size 1 is added for its row.
fn with_row(view: &StepView<'_>, tensor: Id, window: Window) -> Vec<usize> {
    let mut shape = view.network().tensor(tensor).shape.clone();
    if window.is_1d && !shape.is_empty() {
        shape.insert(shape.len() - 1, 1);
    }
    shape
}

/// Returns the title of the inset.
fn title(filter: &str, turned: bool, image: &str, suffix: &str) -> String {
    format!("{filter}{} on {image}{suffix}", if turned { ", turned by 180°," } else { "" })
}

/// Returns the weight and the place of a term that reads these entries.
fn weight_and_place(view: &StepView<'_>, reads: &Sources, (image, filter): (Id, Id), window: Window) -> Option<WeightAndPlace> {
    let entry_of = |id: Id| reads.iter().find(|(source, _)| *source == id).map(|(_, at)| *at);
    let (at, weight) = (entry_of(image)?, entry_of(filter)?);
    let index = unravel(at, &with_row(view, image, window));
    let &[.., y, x] = index.as_slice() else { return None };
    let place = |n: usize, axis: usize| n * window.spread[axis] + window.padding[axis][0];
    Some(WeightAndPlace { weight, channel: if index.len() > 2 { index[0] } else { 0 }, y: place(y, 0), x: place(x, 1) })
}

/// Returns the rows (or columns, depending on `axis`) that the filter covers on the image.
fn footprint(filter: &[usize], window: Window, now: WeightAndPlace, axis: usize) -> Range<usize> {
    let &[.., height, wide] = filter else { return 0..0 };
    let (n, weight) = [(height, now.weight / wide % height), (wide, now.weight % wide)][axis];
    let before = if window.turned { n - 1 - weight } else { weight };
    let start = now.on_axis(axis).saturating_sub(before * window.pitch[axis]);
    start..start + n.saturating_sub(1) * window.pitch[axis] + 1
}

/// Returns the weight over a place; `None` if the filter does not cover it. The weight and the place of this step determine the position of the filter.
///
/// For example, let weight 4 of a row be over column 7, at pitch 1. Then weight 5 is over column 8. If the filter is rotated, it is over column 6.
fn weight_over(filter: &[usize], window: Window, now: WeightAndPlace, (y, x): (usize, usize)) -> Option<usize> {
    let &[.., height, wide] = filter else { return None };
    // along one axis with `n` weights, the weight `weight_now` is over the place `place_now`; returns the weight over `place`
    let weight_on_axis = |place: usize, place_now: usize, weight_now: usize, pitch: usize, n: usize| {
        let [place, place_now, weight_now, pitch] = [place, place_now, weight_now, pitch].map(|n| i64::try_from(n).unwrap_or(0));
        let offset = if window.turned { place_now - place } else { place - place_now };
        let weight = usize::try_from(weight_now + offset / pitch).ok()?;
        (offset % pitch == 0 && weight < n).then_some(weight)
    };
    let row = weight_on_axis(y, now.y, now.weight / wide % height, window.pitch[0], height)?;
    let column = weight_on_axis(x, now.x, now.weight % wide, window.pitch[1], wide)?;
    Some(now.weight - now.weight % (height * wide) + row * wide + column)
}
