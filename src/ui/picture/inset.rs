//! The filter lying on its padded image, as in the insets of figures 19 and 20; turned by 180° on the error's way back.

use std::collections::HashMap;
use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::canvas::text_at;
use crate::network::{Id, Role};
use crate::op::rule::Window;
use crate::tensor::unravel;
use crate::ui::theme;
use crate::ui::view::{View, width};

/// The most terms of an entry that are laid out.
const MOST: u64 = 1024;
/// The most rows and columns of the image that are drawn.
const SIDE: usize = 12;

/// A cell of the image that the filter covers.
struct Covered {
    weight: usize,
    text: String,
    now: bool,
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
        let (part, window) = view.op().parts.iter().find_map(|part| Some((part, part.rule.window()?)))?;
        let (image, filter) = (part.operands[window.image], part.operands[window.filter?]);
        let (image_shape, filter_shape) = (&view.network().tensor(image).shape, &view.network().tensor(filter).shape);
        let &[.., height, wide] = image_shape.as_slice() else { return None };
        let [py, px] = window.padding;
        let tap = |term: u64| tap(view, term, image, filter).map(|tap| Tap { y: tap.y + py, x: tap.x + px, ..tap });
        let now = tap(view.at.term)?;
        let taps: Vec<Tap> = (0..view.at.terms.min(MOST)).filter_map(tap).filter(|t| t.channel == now.channel).collect();
        let cover = |tap: &Tap| {
            let here = (tap.y, tap.x) == (now.y, now.x);
            ((tap.y, tap.x), Covered { weight: tap.weight, text: view.entry(filter, tap.weight), now: here })
        };
        let mut covered: HashMap<_, _> = on_padding(filter_shape, window, &taps).iter().map(cover).collect();
        covered.extend(taps.iter().map(cover));
        let cell = covered.values().map(|c| width(&c.text)).max().unwrap_or(1) + 2;
        let symbol = |id: Id| view.network().tensor(id).symbol.text();
        let title = format!("{}{} on {}", symbol(filter), if window.turned { ", turned by 180°," } else { "" }, symbol(image));
        let around = |at: usize, n: usize, side: usize| {
            let first = at.saturating_sub(side / 2).min(n.saturating_sub(side));
            first..n.min(first + side)
        };
        let side = SIDE.min(usize::from(most) / cell).max(1);
        let all = wide + 2 * px;
        let title = if side < all { format!("{title}, in part") } else { title };
        Some(Self {
            title,
            cell,
            rows: around(now.y, height + 2 * py, SIDE),
            columns: around(now.x, all, side),
            shared: view.network().tensor(filter).role == Role::Parameter,
            padding: [py, px],
            image: [height, wide],
            covered,
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
                    Some(covered) if covered.now => (format!("[{}]", covered.text), view.theme.style(theme::Role::Step)),
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

/// Where a term lies on the image, without padding.
fn tap(view: &View<'_>, term: u64, image: Id, filter: Id) -> Option<Tap> {
    let sources = view.trace().sources(&view.at, term);
    let find = |id: Id| sources.iter().find(|(source, _)| *source == id).map(|(_, at)| *at);
    let (at, weight) = (find(image)?, find(filter)?);
    let index = unravel(at, &view.network().tensor(image).shape);
    let &[.., y, x] = index.as_slice() else { return None };
    Some(Tap { weight, channel: if index.len() > 2 { index[0] } else { 0 }, y, x })
}

/// The filter's weights that lie on padding: they make no step, but belong to the picture. Their places follow from that of one tap.
fn on_padding(filter: &[usize], window: Window, taps: &[Tap]) -> Vec<Tap> {
    let (&[.., height, wide], Some(first)) = (filter, taps.first()) else { return Vec::new() };
    if window.pitch.contains(&0) {
        return Vec::new();
    }
    let signed = |n: usize| i64::try_from(n).unwrap_or(0);
    let way = if window.turned { -1 } else { 1 };
    let at = |tap: usize, own: usize, first: usize, pitch: usize| {
        usize::try_from(signed(tap) + way * (signed(own) - signed(first)) * signed(pitch)).ok()
    };
    let lead = first.weight - first.weight % (height * wide);
    let place = |i: usize| {
        let y = at(first.y, i / wide, first.weight / wide % height, window.pitch[0])?;
        let x = at(first.x, i % wide, first.weight % wide, window.pitch[1])?;
        Some(Tap { weight: lead + i, channel: first.channel, y, x })
    };
    (0..height * wide).filter_map(place).collect()
}
