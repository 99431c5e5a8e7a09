//! From what: every operand as a matrix, this step's factors marked, those of the whole entry marked more lightly, and the result as far as it
//! has come.

use std::collections::HashMap;
use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use crate::network::{Id, Role as TensorRole};
use crate::step::Pass;
use crate::tensor::len;
use crate::trace::Progress;
use crate::ui::Target;
use crate::ui::matrix::{Mark, Matrix};
use crate::ui::number::Format;
use crate::ui::theme::Role;
use crate::ui::view::{self, View};

/// Between two matrices: a sign with a blank on both sides.
const GAP: u16 = 3;
/// The most entries that are looked at to choose a format.
const SAMPLED: usize = 2048;
/// The least columns for a title.
const TITLE: u16 = 16;
/// The most terms of an entry that are marked; the window of a larger one is around this step.
const MARKED: u64 = 1024;

/// A matrix of the pane.
struct Operand {
    id: Id,
    title: String,
    format: Format,
    padding: [usize; 2],
    turned: bool,
    largest: f64,
    result: bool,
}

/// What the terms of the whole entry read: tensor and place, and whether this step does.
type Marks = HashMap<(Id, usize), bool>;

/// The width that shows all matrices side by side.
#[must_use]
pub fn width(view: &View<'_>) -> u16 {
    let sizes = operands(view).into_iter().map(|operand| size(view, &operand).wide + GAP);
    sizes.fold(1, u16::saturating_add)
}

/// Draws the pane.
pub fn render(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let inner = crate::ui::titled("matrices", &view.theme, area, buf);
    let operands = operands(view);
    let marks = marks(view);
    for (operand, place, sign) in arrange(view, &operands, inner) {
        draw(view, operand, &marks, place, buf);
        if let Some((sign, place)) = sign {
            Line::styled(sign, view.theme.style(Role::Dim)).render(place, buf);
        }
    }
}

/// The entry under a cell of the screen.
#[must_use]
pub fn hit(view: &View<'_>, area: Rect, x: u16, y: u16) -> Option<Target> {
    let inner = crate::ui::below_title(area);
    let operands = operands(view);
    let marks = marks(view);
    arrange(view, &operands, inner).into_iter().find_map(|(operand, place, _)| {
        let at = with_matrix(view, operand, &marks, |matrix| matrix.entry_at(place, x, y))?;
        place.contains((x, y).into()).then_some(Target::Entry(operand.id, at))
    })
}

fn operands(view: &View<'_>) -> Vec<Operand> {
    let window = view.op().parts.iter().enumerate().find_map(|(part, p)| Some((part, p.rule.window()?)));
    let slot = |slot: usize| window.map(|(part, _)| view.op().parts[part].operands[slot]);
    let image = window.and_then(|(_, w)| slot(w.image));
    let filter = window.and_then(|(_, w)| w.filter.and_then(slot));
    let mut ids = view.operands();
    // the image first, then what lies on it
    ids.sort_by_key(|id| if Some(*id) == image { 0 } else { 1 + usize::from(Some(*id) != filter) });
    ids.push(view.output);
    let last = ids.len() - 1;
    ids.into_iter()
        .enumerate()
        .map(|(n, id)| {
            let info = view.network().tensor(id);
            let values = view.trace().run(view.at.stretch).values(id);
            let stride = values.len().div_ceil(SAMPLED).max(1);
            let sample = || values.iter().copied().step_by(stride);
            let turned = Some(id) == filter && window.is_some_and(|(_, w)| w.turned);
            let symbol = info.symbol.text();
            let name = if symbol == *info.name { symbol } else { format!("{symbol} {}", info.name) };
            // before the name: what is cut first must not be that the filter lies turned
            let title = if turned { format!("⟲180° {name}") } else { name };
            Operand {
                id,
                title,
                // of the result the sum so far has to fit too
                format: Format::of(sample().chain((n == last).then_some(view.step.sum))),
                padding: if Some(id) == image { view.trace().ring(&view.at) } else { [0, 0] },
                turned,
                largest: sample().filter(|v| v.is_finite()).fold(0.0, |m, v| v.abs().max(m)),
                result: n == last,
            }
        })
        .collect()
}

fn marks(view: &View<'_>) -> Marks {
    let first = view.at.term.saturating_sub(MARKED / 2);
    let last = (first + MARKED).min(view.at.terms);
    let mut marks = Marks::new();
    for (id, at) in view.trace().sources_of(&view.at, first..last).flatten() {
        marks.insert((id, at), false);
    }
    for source in view.sources_now() {
        marks.insert((source.tensor, source.at), true);
    }
    marks
}

/// Builds the widget of an operand and hands it on.
fn with_matrix<T>(view: &View<'_>, operand: &Operand, marks: &Marks, f: impl FnOnce(&Matrix<'_>) -> T) -> T {
    let info = view.network().tensor(operand.id);
    let values = view.trace().run(view.at.stretch).values(operand.id);
    let value = |at: usize| match (operand.result, view.trace().progress(&view.at, operand.id, at)) {
        (false, _) => Some(values[at]),
        (true, Progress::Done(value) | Progress::Partial(value)) => Some(value),
        (true, Progress::ToCome) => None,
    };
    let mark = |at: usize| {
        if operand.result && at == view.at.entry {
            return Mark::Result;
        }
        match marks.get(&(operand.id, at)) {
            Some(true) => Mark::Step,
            Some(false) => Mark::Entry,
            None => Mark::None,
        }
    };
    let shared = info.role == TensorRole::Parameter && shares(view, operand.id);
    let tint = |at: usize| Some(view.theme.shared(at));
    let focus = if operand.result {
        Some(view.at.entry)
    } else {
        let now = view.sources_now().into_iter().find(|source| source.tensor == operand.id).map(|source| source.at);
        // what only other terms of the entry read is in view as well
        now.or_else(|| marks.keys().filter(|(id, _)| *id == operand.id).map(|(_, at)| *at).min())
    };
    let backward = view.network().made_by(operand.id).is_some_and(|n| view.network().ops()[n].pass == Pass::Backward);
    let matrix = Matrix {
        role: if backward { Role::Backward } else { Role::Forward },
        focus,
        padding: operand.padding,
        turned: operand.turned,
        leading: if transposed(view, operand.id) { ["in", "out"] } else { ["out", "in"] },
        scroll: view.state.scroll,
        tint: if shared { Some(&tint) } else { None },
        heat: (!shared && len(&info.shape) > 1).then_some(operand.largest),
        ..Matrix::new(&operand.title, &info.shape, operand.format, &value, &mark)
    };
    f(&matrix)
}

/// Whether one weight of this tensor belongs to many edges: a filter.
fn shares(view: &View<'_>, id: Id) -> bool {
    view.network().tensor(id).shape.len() == 4
}

/// Whether a filter, or its gradient, leads from its first dimension to its second: it lies turned on its image already in the forward pass.
fn transposed(view: &View<'_>, id: Id) -> bool {
    let network = view.network();
    let reader = network.readers(view.neuron(id)).first();
    let window = reader.and_then(|reader| network.ops()[reader.op].parts[reader.part].rule.window());
    shares(view, id) && window.is_some_and(|window| window.turned)
}

/// What a matrix wants: the columns and rows that show all of its numbers, and the columns that show its name, and its whole title, too.
#[derive(Clone, Copy)]
struct Size {
    wide: u16,
    high: u16,
    named: u16,
    titled: u16,
}

/// The size that shows all of its numbers; of its title as much as tells it from the others.
#[allow(clippy::redundant_closure_for_method_calls)] // the method's type is not general enough
fn size(view: &View<'_>, operand: &Operand) -> Size {
    let (titled, height) = with_matrix(view, operand, &Marks::new(), |matrix| matrix.size());
    let (numbers, _) = with_matrix(view, operand, &Marks::new(), |matrix| Matrix { title: "", ..matrix.clone() }.size());
    let named = u16::try_from(view::width(&operand.title)).unwrap_or(u16::MAX);
    Size { wide: titled.min(numbers.max(TITLE)), high: height, named, titled }
}

fn draw(view: &View<'_>, operand: &Operand, marks: &Marks, area: Rect, buf: &mut Buffer) {
    with_matrix(view, operand, marks, |matrix| matrix.render(area, buf, &view.theme));
}

/// A matrix with its place, and the sign before it.
type Placed<'a> = (&'a Operand, Rect, Option<(&'static str, Rect)>);

/// Rows of matrices: which stand side by side.
type Rows = Vec<Range<usize>>;

/// The arrangement in which the least of the matrices is seen best, and then the least of the names: side by side where that fits, else in
/// rows.
fn arrange<'a>(view: &View<'_>, operands: &'a [Operand], area: Rect) -> Vec<Placed<'a>> {
    let sizes: Vec<Size> = operands.iter().map(|operand| size(view, operand)).collect();
    let best = candidates(&sizes, area.width)
        .into_iter()
        .map(|rows| places(&rows, &sizes, area))
        .reduce(|best, next| if seen(&next, &sizes) > seen(&best, &sizes) { next } else { best });
    let places = best.unwrap_or_default();
    let sign = |i: usize, place: Rect| {
        let at = Rect::new(place.x.saturating_sub(2), place.y, 1, 1).intersection(area);
        (operands[i].result && i > 0).then_some(("→", at))
    };
    operands.iter().zip(places).enumerate().map(|(i, (operand, place))| (operand, place, sign(i, place))).collect()
}

/// The ways to put the matrices: all side by side, as the widths allow, and one below the other.
fn candidates(sizes: &[Size], width: u16) -> Vec<Rows> {
    let mut fitting = Rows::new();
    let (mut first, mut used) = (0, 0_u32);
    for (i, size) in sizes.iter().enumerate() {
        let more = u32::from(size.wide + GAP);
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
    all.retain(|rows: &Rows| rows.iter().all(|row| !row.is_empty()));
    all
}

/// Where the matrices lie when they stand in these rows; what is too large gets an equal share and scrolls.
fn places(rows: &Rows, sizes: &[Size], area: Rect) -> Vec<Rect> {
    let wanted: Vec<u16> = rows.iter().map(|row| row.clone().map(|i| sizes[i].high).max().unwrap_or(0)).collect();
    let between = u16::try_from(rows.len()).unwrap_or(1) - 1;
    let heights = shares_of(area.height.saturating_sub(between), &wanted);
    let mut places = Vec::with_capacity(sizes.len());
    let mut y = area.y;
    for (row, height) in rows.iter().zip(heights) {
        let wanted: Vec<u16> = row.clone().map(|i| sizes[i].wide).collect();
        let gaps = GAP * u16::try_from(row.len()).unwrap_or(1);
        let mut x = area.x;
        let room = area.width.saturating_sub(gaps);
        let widths = shares_of(room, &wanted);
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
        y += height + 1;
    }
    places
}

/// How much is seen of the matrix of which the least is seen, and of the name, in parts of a thousand.
fn seen(places: &[Rect], sizes: &[Size]) -> (u32, u32) {
    let part = |room: u16, wanted: u16| u32::from(room.min(wanted)) * 1000 / u32::from(wanted.max(1));
    let matrix = |(place, size): (&Rect, &Size)| part(place.width, size.wide).min(part(place.height, size.high));
    let name = |(place, size): (&Rect, &Size)| part(place.width, size.named);
    let both = || places.iter().zip(sizes);
    (both().map(matrix).min().unwrap_or(0), both().map(name).min().unwrap_or(0))
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
}
