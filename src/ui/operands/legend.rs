//! The line below heat maps. It shows some of the colours, and the number at the end of each colour scale.
//!
//! ```text
//! −end ███████ scale end = 1 in a⁽⁰⁾, 0.7 in W⁽¹⁾
//! ```
//!
//! The end need not be the largest number of the matrix: the scale of a result is rounded up, and matrices that are added have the same scale.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::number::Digits;
use crate::text::width;
use crate::ui::line::DrawLine as _;
use crate::ui::matrix::ImageKind;
use crate::ui::theme::{StyleRole, Theme};

/// The colour scale of a heat map.
pub struct HeatScale<'a> {
    /// The symbol of the tensor.
    pub symbol: &'a str,
    /// The magnitude at which the scale ends.
    pub largest: f64,
}

/// Draws the line. If there is not enough room, some matrices are left out.
pub fn render(kind: ImageKind, scales: &[HeatScale<'_>], digits: Digits, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let dim = theme.style(StyleRole::Dim);
    let mut spans = vec![Span::styled("−end ", dim)];
    spans.extend(kind.samples(theme));
    spans.push(Span::styled(" scale end", dim));
    let mut room = usize::from(area.width).saturating_sub(spans.iter().map(Span::width).sum());
    // if the scale ends at 0, no number of the matrix is known yet
    let scales: Vec<&HeatScale<'_>> = scales.iter().filter(|scale| scale.largest > 0.0).collect();
    // matrices with the same scale share one text
    let is_shared = scales.windows(2).all(|pair| pair[0].largest.to_bits() == pair[1].largest.to_bits());
    let shown = if is_shared { &scales[..1.min(scales.len())] } else { &scales[..] };
    for (n, scale) in shown.iter().enumerate() {
        let end = digits.short(scale.largest);
        let text = match (is_shared && scales.len() > 1, n) {
            (true, _) => format!(" = {end} in all"),
            (false, 0) => format!(" = {end} in {}", scale.symbol),
            (false, _) => format!(", {end} in {}", scale.symbol),
        };
        let Some(rest) = room.checked_sub(width(&text)) else { break };
        room = rest;
        spans.push(Span::styled(text, dim));
    }
    Line::from(spans).draw(area, buf);
}
