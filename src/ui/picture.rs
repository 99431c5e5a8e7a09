//! The picture pane. A graph is drawn as nodes and edges. A network of layers is drawn as two columns of neurons with the edges between them. (In V. Petersen's
//! series, figure 14 is such a graph, and the figures 8 and 18 to 20 have such columns.) For a convolution, an *inset* beside or below the neurons shows the
//! filter on its image. For an op that does not connect neurons, such as an update, the terms of the entry are drawn as bars. All pictures are made from the
//! steps, so no op needs code of its own for drawing.

mod bars;
pub(super) mod canvas;
mod column;
mod columns;
mod graph;
mod inset;
mod labels;
mod neurons;
pub(super) mod target;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::inset::Inset;
use self::target::Spots;
use crate::ui::ClickTarget;
use crate::ui::view::StepView;

/// The smallest width and height of the neurons, beside or above the inset.
const NEURONS: (u16, u16) = (32, 11);

/// Draws the pane.
pub fn render(view: &StepView<'_>, inner: Rect, buf: &mut Buffer) {
    draw(view, inner, buf, &mut Spots::default());
}

/// Returns the target of a click on a node, on a line or on a cell of the filter's image.
#[must_use]
pub fn hit(view: &StepView<'_>, inner: Rect, x: u16, y: u16) -> Option<ClickTarget> {
    let mut spots = Spots::kept();
    draw(view, inner, &mut Buffer::empty(inner), &mut spots);
    spots.at(x, y).map(|spot| spot.target(view))
}

/// Draws the pane, and adds its click targets.
fn draw(view: &StepView<'_>, inner: Rect, buf: &mut Buffer, spots: &mut Spots) {
    if !view.network().reads_samples() {
        graph::render(view, inner, buf, spots);
        return;
    }
    // the inset is beside the neurons; without room there, it is below them; without room there either, it is not drawn. There is a gap between the neurons
    // and the inset
    let beside = (inner.width.saturating_sub(2 + NEURONS.0), inner.height);
    let below = (inner.width, inner.height.saturating_sub(1 + NEURONS.1));
    let Some(inset) = Inset::of(view, [beside, below]) else {
        neurons::render(view, inner, buf, spots);
        return;
    };
    let (width, height) = inset.size();
    if width <= beside.0 {
        let left = Rect { width: inner.width - width - 2, ..inner };
        // the inset is in the middle of the height; if it needs almost the whole height, it is at the top
        let down = (inner.height.saturating_sub(height)) / 2;
        let right = Rect { x: left.right() + 2, width, y: inner.y + down, height: inner.height - down };
        neurons::render(view, left, buf, spots);
        inset.render(view, right, buf, spots);
    } else {
        let upper = Rect { height: inner.height - height - 1, ..inner };
        let lower = Rect { y: upper.bottom() + 1, height, ..inner };
        neurons::render(view, upper, buf, spots);
        inset.render(view, lower, buf, spots);
    }
}
