//! The picture pane: a scalar graph as boxes (figure 14), neurons in two columns with their edges (figures 8, 18 to 20) and a filter on its image,
//! or the terms of an entry as bars. All pictures are derived from the steps; no op has drawing code.

mod bars;
mod canvas;
mod graph;
mod inset;
mod neurons;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::ui::view::View;

/// Draws the pane.
pub fn render(view: &View<'_>, inner: Rect, buf: &mut Buffer) {
    if !view.network().reads_samples() {
        return graph::render(view, inner, buf);
    }
    let Some(inset) = inset::Inset::of(view, inner.width) else {
        return neurons::render(view, inner, buf);
    };
    // the filter on its image is beside the neurons, or below them, if both fit
    let (width, height) = inset.size();
    if inner.width >= width + 34 {
        let left = Rect { width: inner.width - width - 2, ..inner };
        let right = Rect { x: left.right() + 2, width, ..inner };
        neurons::render(view, left, buf);
        inset.render(view, right, buf);
    } else if inner.height >= height + 12 {
        let upper = Rect { height: inner.height - height - 1, ..inner };
        let lower = Rect { y: upper.bottom() + 1, height, ..inner };
        neurons::render(view, upper, buf);
        inset.render(view, lower, buf);
    } else {
        neurons::render(view, inner, buf);
    }
}
