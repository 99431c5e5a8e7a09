//! The filter lying on its padded image, as in the insets of figures 19 and 20; turned by 180° on the error's way back.

use std::collections::HashMap;
use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::canvas::text_at;
use crate::network::{Id, Role};
use crate::op::rule::Window;
use crate::scene::{Meeting, Sources};
use crate::tensor::{len, unravel};
use crate::text::width;
use crate::ui::theme;
use crate::ui::view::View;

/// The most rows and columns of the image that are drawn.
const SIDE: usize = 12;

/// A cell of the image that the filter covers.
struct Covered {
    weight: usize,
    text: String,
}

/// The filter on one channel of its image.
pub struct Inset {
    title: String,
    /// Columns of the screen for one of the image.
    cell: usize,
    /// Rows and columns that are drawn, counted with the padding.
    rows: Range<usize>,
    columns: Range<usize>,
    padding: [usize; 2],
    image: [usize; 2],
    covered: HashMap<(usize, usize), Covered>,
    /// Where this step is.
    now: (usize, usize),
    /// Whether the filter's entries are shared weights, each with its colour.
    shared: bool,
}

/// Where a term lies: the filter's weight, and on the padded image channel, row and column.
#[derive(Clone, Copy)]
struct Tap {
    weight: usize,
    channel: usize,
    y: usize,
    x: usize,
}

impl Inset {
    /// The inset of this step, at most so wide; `None` for an op without a filter.
    pub fn of(view: &View<'_>, most: u16) -> Option<Self> {
        let (part, window) = view.op().window()?;
        let (image, filter) = (part.operands[window.image], part.operands[window.filter?]);
        let (image_shape, filter_shape) = (&view.network().tensor(image).shape, &view.network().tensor(filter).shape);
        let &[.., height, wide] = image_shape.as_slice() else { return None };
        let [py, px] = window.padding;
        let now = tap(view, &view.sources(), image, filter)?;
        let now = Tap { y: now.y + py, x: now.x + px, ..now };
        // an index has the most digits at the end
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
            met(view, (image, filter), now, window.padding, seen)
        } else {
            seen.filter_map(|place| Some((place, lying(filter_shape, window, now, place)?))).collect()
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

    /// Columns and rows of the screen that it takes.
    pub fn size(&self) -> (u16, u16) {
        let wide = (self.columns.len() * self.cell).max(width(&self.title));
        (u16::try_from(wide).unwrap_or(u16::MAX), u16::try_from(self.rows.len() + 2).unwrap_or(u16::MAX))
    }

    /// Draws it.
    pub fn render(&self, view: &View<'_>, area: Rect, buf: &mut Buffer) {
        let (dim, entry) = (view.theme.style(theme::Role::Dim), view.theme.style(theme::Role::Entry));
        text_at(buf, area, 0, 0, &self.title, dim);
        for (row, y) in self.rows.clone().enumerate() {
            for (column, x) in self.columns.clone().enumerate() {
                let on_image = y.checked_sub(self.padding[0]).is_some_and(|y| y < self.image[0])
                    && x.checked_sub(self.padding[1]).is_some_and(|x| x < self.image[1]);
                let (text, style) = match self.covered.get(&(y, x)) {
                    Some(covered) if (y, x) == self.now => (format!("[{}]", covered.text), view.theme.style(theme::Role::Step)),
                    Some(covered) if on_image && self.shared => {
                        (format!(" {} ", covered.text), entry.patch(view.theme.shared(covered.weight)))
                    }
                    Some(covered) if on_image => (format!(" {} ", covered.text), entry),
                    Some(covered) => (format!(" {} ", covered.text), dim),
                    None if on_image => (" · ".to_owned(), view.theme.style(theme::Role::Plain)),
                    None => (" ░ ".to_owned(), dim),
                };
                if let (Ok(x), Ok(y)) = (u16::try_from(column * self.cell), u16::try_from(row + 1)) {
                    text_at(buf, area, x, y, &text, style);
                }
            }
        }
    }
}

/// Where a term that reads these lies on the image, without padding.
fn tap(view: &View<'_>, reads: &Sources, image: Id, filter: Id) -> Option<Tap> {
    let find = |id: Id| reads.iter().find(|(source, _)| *source == id).map(|(_, at)| *at);
    let (at, weight) = (find(image)?, find(filter)?);
    let index = unravel(at, &view.network().tensor(image).shape);
    let &[.., y, x] = index.as_slice() else { return None };
    Some(Tap { weight, channel: if index.len() > 2 { index[0] } else { 0 }, y, x })
}

/// The filter's weight that lies on a place, on padding too, as that follows from the tap of this step.
fn lying(filter: &[usize], window: Window, now: Tap, (y, x): (usize, usize)) -> Option<usize> {
    let &[.., height, wide] = filter else { return None };
    let own = |at: usize, now: usize, own: usize, pitch: usize, all: usize| {
        let [at, now, own, pitch] = [at, now, own, pitch].map(|n| i64::try_from(n).unwrap_or(0));
        let way = if window.turned { now - at } else { at - now };
        let there = usize::try_from(own + way / pitch).ok()?;
        (way % pitch == 0 && there < all).then_some(there)
    };
    let row = own(y, now.y, now.weight / wide % height, window.pitch[0], height)?;
    let column = own(x, now.x, now.weight % wide, window.pitch[1], wide)?;
    Some(now.weight - now.weight % (height * wide) + row * wide + column)
}

/// The filter's weights on some places of the image, as the terms have them that read these: those of a filter that does not lie still.
fn met(
    view: &View<'_>,
    (image, filter): (Id, Id),
    now: Tap,
    [py, px]: [usize; 2],
    seen: impl Iterator<Item = (usize, usize)>,
) -> Vec<((usize, usize), usize)> {
    let &[.., height, wide] = view.network().tensor(image).shape.as_slice() else { return Vec::new() };
    let entry = |(y, x): (usize, usize)| {
        let (y, x) = (y.checked_sub(py)?, x.checked_sub(px)?);
        (y < height && x < wide).then_some((now.channel * height + y) * wide + x)
    };
    let places: Vec<usize> = seen.filter_map(entry).collect();
    let lies = |met: Meeting| tap(view, &met.reads, image, filter).map(|tap| ((tap.y + py, tap.x + px), tap.weight));
    view.meetings(&view.at, image, &places).into_iter().filter_map(lies).collect()
}
