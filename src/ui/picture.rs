//! The picture pane. A scalar graph is drawn as its nodes and edges (figure 14 of the series). In a network of layers, the picture has neurons in two columns with
//! their edges (figures 8 and 18 to 20), and beside or below them the filter on its image. For an op that connects no neurons, the terms of the entry are bars. All
//! pictures are derived from the steps; no op has drawing code.

mod bars;
mod canvas;
mod graph;
mod inset;
mod neurons;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::ui::view::View;

/// The smallest width and height that the neurons need beside or above the inset.
const NEURONS: (u16, u16) = (32, 11);

/// Draws the pane.
pub fn render(view: &View<'_>, inner: Rect, buf: &mut Buffer) {
    if !view.network().reads_samples() {
        return graph::render(view, inner, buf);
    }
    let Some(inset) = inset::Inset::of(view, inner.width) else {
        return neurons::render(view, inner, buf);
    };
    // the inset is beside the neurons if there is room, else below them, else left out; a gap separates it from them
    let (width, height) = inset.size();
    if inner.width >= width + 2 + NEURONS.0 {
        let left = Rect { width: inner.width - width - 2, ..inner };
        let right = Rect { x: left.right() + 2, width, ..inner };
        neurons::render(view, left, buf);
        inset.render(view, right, buf);
    } else if inner.height >= height + 1 + NEURONS.1 {
        let upper = Rect { height: inner.height - height - 1, ..inner };
        let lower = Rect { y: upper.bottom() + 1, height, ..inner };
        neurons::render(view, upper, buf);
        inset.render(view, lower, buf);
    } else {
        neurons::render(view, inner, buf);
    }
}
