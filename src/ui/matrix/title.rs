//! The line above a matrix: its symbol, its name, its shape, and its axes or the part in view.

use super::layout::MatrixLayout;
use super::{Matrix, MatrixPen};
use crate::text;
use crate::ui::theme::StyleRole;

impl Matrix<'_> {
    /// Returns the symbol and the name.
    fn full_name(&self) -> String {
        if self.name.is_empty() { self.title.to_owned() } else { format!("{} {}", self.title, self.name) }
    }

    /// Draws the longest form of the title that fits. The full title is the symbol, the name, the shape, and then the axes or, if entries are hidden, the range
    /// in view. A shape is never cut, because `3×32` without its last digit would be the wrong shape `3×3`.
    pub(super) fn draw_title(&self, layout: Option<&MatrixLayout>, pen: &mut MatrixPen<'_>) {
        let (x, y) = (usize::from(pen.area.x), usize::from(pen.area.y));
        let room = usize::from(pen.area.width);
        let in_view = layout.and_then(|layout| layout.range_in_view(self.leading, self.first_index));
        // an image has few indices beside it, so its title names the rows and columns in view
        let ranges = layout.filter(|_| self.image.is_some()).and_then(|layout| layout.rows_and_columns_in_view(self.first_index));
        if in_view.is_none() && ranges.is_none() && self.draw_full_title(pen) {
            return;
        }
        let (name, shape) = (self.full_name(), self.dimensions());
        let with_axes = if self.axes.is_empty() { shape.clone() } else { format!("{shape}  {}", self.axes) };
        // each form is the symbol, perhaps with the name, and the text after it; the best form comes first
        let mut forms: Vec<(&str, String)> = match in_view {
            Some([long, short, shortest]) => vec![
                (&name, format!("{shape}  {long}")),
                (&name, format!("{shape}  {short}")),
                (&name, short.clone()),
                (self.title, format!("{shape}  {short}")),
                (self.title, short),
                (self.title, shortest),
                (&name, String::new()),
            ],
            None => {
                vec![(&name, with_axes), (&name, shape.clone()), (&name, String::new()), (self.title, shape), (self.title, String::new())]
            }
        };
        if let (Some(ranges), [(_, best), ..]) = (ranges, &forms[..]) {
            let long = format!("{best}  {ranges}");
            let with_ranges: [(&str, String); 4] =
                [(&name, long.clone()), (self.title, long), (&name, ranges.clone()), (self.title, ranges)];
            forms = with_ranges.into_iter().chain(forms).collect();
        }
        let form_width = |(name, after): &(&str, String)| text::width(name) + if after.is_empty() { 0 } else { 2 + text::width(after) };
        let (name, after) = forms.into_iter().find(|form| form_width(form) <= room).unwrap_or((self.title, String::new()));
        pen.text(x, y, &text::cut(name, room), pen.theme.style(self.role).patch(pen.theme.style(StyleRole::Heading)));
        pen.text(x + text::width(name) + 2, y, &after, pen.theme.style(StyleRole::Dim));
    }

    /// Draws the symbol, the name, the shape and the axes, if there is room for all. Returns whether there is. Most titles are drawn here: their texts are not
    /// joined.
    fn draw_full_title(&self, pen: &mut MatrixPen<'_>) -> bool {
        let shape = self.dimensions();
        let [title, name, shape_width, axes] = [self.title, self.name, &shape, self.axes].map(text::width);
        let name = if self.name.is_empty() { 0 } else { 1 + name };
        let after = match (shape_width, axes) {
            (0, 0) => 0,
            (_, 0) => 2 + shape_width,
            _ => 4 + shape_width + axes,
        };
        if title + name + after > usize::from(pen.area.width) {
            return false;
        }
        let (mut x, y) = (usize::from(pen.area.x), usize::from(pen.area.y));
        let symbol_style = pen.theme.style(self.role).patch(pen.theme.style(StyleRole::Heading));
        pen.text(x, y, self.title, symbol_style);
        if name > 0 {
            pen.text(x + title, y, " ", symbol_style);
            pen.text(x + title + 1, y, self.name, symbol_style);
        }
        let dim = pen.theme.style(StyleRole::Dim);
        x += title + name + 2;
        pen.text(x, y, &shape, dim);
        if axes > 0 {
            pen.text(x + shape_width, y, "  ", dim);
            pen.text(x + shape_width + 2, y, self.axes, dim);
        }
        true
    }
}
