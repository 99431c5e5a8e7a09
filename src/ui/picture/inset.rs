//! The filter over its padded image, as in the insets of figures 19 and 20; turned by 180° on the error's way back.

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

/// The most rows and columns of the image to draw.
const SIDE: usize = 12;

/// A cell of the image that the filter covers.
struct Covered {
    weight: usize,
    text: String,
}

/// The filter on one channel of its image.
pub struct Inset {
    title: String,
    /// The width of a column of the image, in cells of the screen.
    cell: usize,
    /// The rows and columns to draw, counted with the padding.
    rows: Range<usize>,
    columns: Range<usize>,
    padding: [usize; 2],
    image: [usize; 2],
    covered: HashMap<(usize, usize), Covered>,
    /// The row and column of this step, counted with the padding.
    now: (usize, usize),
    /// `true` if the filter's entries are shared weights, each with its own colour.
    shared: bool,
}

/// The position of a term: the weight's index in the filter, and channel, row and column in the image.
#[derive(Clone, Copy)]
struct WeightPosition {
    weight: usize,
    channel: usize,
    y: usize,
    x: usize,
}

impl Inset {
    /// Returns the inset of this step, at most `most` cells wide; `None` for an op without a filter.
    pub fn of(view: &View<'_>, most: u16) -> Option<Self> {
        let (part, window) = view.op().window()?;
        let (image, filter) = (part.operands[window.image], part.operands[window.filter?]);
        let (image_shape, filter_shape) = (&view.network().tensor(image).shape, &view.network().tensor(filter).shape);
        let &[.., height, wide] = image_shape.as_slice() else { return None };
        let [py, px] = window.padding;
        let now = position(view, &view.sources(), image, filter)?;
        let now = WeightPosition { y: now.y + py, x: now.x + px, ..now };
        // the last index has the most digits
        let last = len(filter_shape).saturating_sub(1);
        let cell = width(&view.entry(filter, last)) + 2;
        let symbol = |id: Id| view.network().tensor(id).symbol.text();
        let title = format!("{}{} on {}", symbol(filter), if window.turned { ", turned by 180°," } else { "" }, symbol(image));
        let around = |at: usize, n: usize, side: usize| {
            let first = at.saturating_sub(side / 2).min(n.saturating_sub(side));
            first..n.min(first + side)
        };
        let side = SIDE.min(usize::from(most) / cell).max(1);
        let all = wide + 2 * px;
        let title = if side < all { format!("{title}, in part") } else { title };
        let (rows, columns) = (around(now.y, height + 2 * py, SIDE), around(now.x, all, side));
        let seen = rows.clone().flat_map(|y| columns.clone().map(move |x| (y, x)));
        let covered = if window.pitch.contains(&0) {
            moving_weights(view, (image, filter), now, window.padding, seen)
        } else {
            seen.filter_map(|place| Some((place, weight_over(filter_shape, window, now, place)?))).collect()
        };
        let cover = |(place, weight): ((usize, usize), usize)| (place, Covered { weight, text: view.entry(filter, weight) });
        Some(Self {
            title,
            cell,
            covered: covered.into_iter().map(cover).collect(),
            now: (now.y, now.x),
            rows,
            columns,
            shared: view.network().tensor(filter).role == Role::Parameter,
            padding: [py, px],
            image: [height, wide],
        })
    }

    /// Returns width and height, in cells of the screen.
    pub fn size(&self) -> (u16, u16) {
        let wide = (self.columns.len() * self.cell).max(width(&self.title));
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
                    Some(covered) if (y, x) == self.now => (format!("[{}]", covered.text), view.theme.style(theme::StyleRole::Step)),
                    Some(covered) if on_image && self.shared => {
                        (format!(" {} ", covered.text), entry.patch(view.theme.shared(covered.weight)))
                    }
                    Some(covered) if on_image => (format!(" {} ", covered.text), entry),
                    Some(covered) => (format!(" {} ", covered.text), dim),
                    None if on_image => (" · ".to_owned(), view.theme.style(theme::StyleRole::Plain)),
                    None => (" ░ ".to_owned(), dim),
                };
                if let (Ok(x), Ok(y)) = (u16::try_from(column * self.cell), u16::try_from(row + 1)) {
                    text_at(buf, area, x, y, &text, style);
                }
            }
        }
    }
}

/// Returns the position of a term that reads these entries, counted without padding.
fn position(view: &View<'_>, reads: &Sources, image: Id, filter: Id) -> Option<WeightPosition> {
    let find = |id: Id| reads.iter().find(|(source, _)| *source == id).map(|(_, at)| *at);
    let (at, weight) = (find(image)?, find(filter)?);
    let index = unravel(at, &view.network().tensor(image).shape);
    let &[.., y, x] = index.as_slice() else { return None };
    Some(WeightPosition { weight, channel: if index.len() > 2 { index[0] } else { 0 }, y, x })
}

/// Returns the weight over a pixel of the padded image, which follows from the position of this step; `None` if the filter does not cover the pixel.
fn weight_over(filter: &[usize], window: Window, now: WeightPosition, (y, x): (usize, usize)) -> Option<usize> {
    let &[.., height, wide] = filter else { return None };
    let own = |at: usize, now: usize, own: usize, pitch: usize, all: usize| {
        let [at, now, own, pitch] = [at, now, own, pitch].map(|n| i64::try_from(n).unwrap_or(0));
        let offset = if window.turned { now - at } else { at - now };
        let there = usize::try_from(own + offset / pitch).ok()?;
        (offset % pitch == 0 && there < all).then_some(there)
    };
    let row = own(y, now.y, now.weight / wide % height, window.pitch[0], height)?;
    let column = own(x, now.x, now.weight % wide, window.pitch[1], wide)?;
    Some(now.weight - now.weight % (height * wide) + row * wide + column)
}

/// Returns the weights over some pixels of the padded image, as the terms that read these pixels name them: for a filter that moves from term to term.
fn moving_weights(
    view: &View<'_>,
    (image, filter): (Id, Id),
    now: WeightPosition,
    [py, px]: [usize; 2],
    seen: impl Iterator<Item = (usize, usize)>,
) -> Vec<((usize, usize), usize)> {
    let &[.., height, wide] = view.network().tensor(image).shape.as_slice() else { return Vec::new() };
    let entry = |(y, x): (usize, usize)| {
        let (y, x) = (y.checked_sub(py)?, x.checked_sub(px)?);
        (y < height && x < wide).then_some((now.channel * height + y) * wide + x)
    };
    let places: Vec<usize> = seen.filter_map(entry).collect();
    let found =
        |met: TermRead| position(view, &met.reads, image, filter).map(|position| ((position.y + py, position.x + px), position.weight));
    view.term_reads(&view.at, image, &places).into_iter().filter_map(found).collect()
}
