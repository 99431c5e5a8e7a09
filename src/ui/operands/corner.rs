//! Arranges the three matrices of a product Z = A B: A is on the left, B above, and Z in the corner between them. Then an entry of Z is in line with its row of
//! A and its column of B. In the backward pass, the gradient of A is at the place of A, and the gradient of B at the place of B.
//!
//! ```text
//!        B  1  2
//!        1  5  6
//!        2  7  8
//!
//! A 1 2  Z  1  2
//! 1 1 2  1 19 22
//! 2 3 4  2 43 50
//! ```

use ratatui::layout::Rect;

use super::arrange::{GAP, RequestedSizes, TIER_COUNT};
use crate::op::product_layout::ProductLayout;
use crate::ui::operand::OperandMatrix;
use crate::ui::view::StepView;

/// Returns the indices of the matrices on the left, above and in the corner; `None` if the op is not a product of two matrices.
pub fn product_indices(view: &StepView<'_>, operands: &[OperandMatrix]) -> Option<ProductLayout<usize>> {
    let ProductLayout { left, above, corner } = view.product_layout()?;
    let index = |tensor| operands.iter().position(|operand| operand.shown.tensor == tensor);
    let indices = ProductLayout { left: index(left)?, above: index(above)?, corner: index(corner)? };
    (operands.len() == 3).then_some(indices)
}

/// Makes the columns of the upper matrix as wide as those of the matrix in the corner, so that they are aligned. If the result is on the left, it gets the same
/// column width, because its numbers have the same number of digits.
pub fn align(view: &StepView<'_>, operands: &mut [OperandMatrix]) {
    let Some(ProductLayout { left, above, corner }) = product_indices(view, operands) else { return };
    let formats = [above, corner].map(|i| operands[i].reserved);
    // the cells up to the units digit, and the cells after it
    let before = formats.map(|format| format.units() + 1).into_iter().max().unwrap_or(0);
    let after = formats.map(|format| format.width() - format.units() - 1).into_iter().max().unwrap_or(0);
    for i in [above, corner].into_iter().chain(operands[left].shown.is_result.then_some(left)) {
        let operand = &mut operands[i];
        operand.format = operand.format.with_room(before, after);
        operand.reserved = operand.reserved.with_room(before, after);
    }
}

/// Returns the areas of the three matrices; `None` if they are not all completely visible.
pub fn areas(indices: ProductLayout<usize>, sizes: &[RequestedSizes], area: Rect) -> Option<Vec<Rect>> {
    let ProductLayout { left, above, corner } = indices;
    let full_size = |i: usize| sizes[i].tiers[TIER_COUNT - 1];
    let [left_width, left_height] = full_size(left);
    let [above_width, above_height] = full_size(above);
    let [corner_width, corner_height] = full_size(corner);
    let lower_height = left_height.max(corner_height);
    // if there is no room, there is no blank line below the upper matrix
    let blank = u16::from(above_height + lower_height < area.height);
    let [room, high] = [area.width.checked_sub(left_width + above_width.max(corner_width) + 2 * GAP)?, above_height + blank + lower_height];
    if high > area.height {
        return None;
    }
    // the titles use the columns that the numbers do not need; some are left for numbers on the left that may become longer
    let left_title = left_width + room.min(sizes[left].title_width.saturating_sub(left_width).max(left_width / 4));
    let x = area.x + GAP + left_title + GAP;
    let lower = area.y + above_height + blank;
    let mut areas = vec![Rect::default(); 3];
    areas[left] = Rect { x: area.x + GAP, y: lower, width: left_title, height: lower_height };
    areas[above] = Rect { x, y: area.y, width: area.right() - x, height: above_height };
    areas[corner] = Rect { x, y: lower, width: area.right() - x, height: lower_height };
    Some(areas)
}

/// Returns the smallest width at which the three matrices are completely visible. It includes their titles, if the matrices with their titles need at most
/// `most` columns. Returns `None` if the area is too small.
pub fn width(indices: ProductLayout<usize>, sizes: &[RequestedSizes], area: Rect, most: u16) -> Option<u16> {
    areas(indices, sizes, area)?;
    let wide = |width_of: &dyn Fn(&RequestedSizes) -> u16| {
        let [left, above, corner] = [indices.left, indices.above, indices.corner].map(|i| width_of(&sizes[i]));
        left + above.max(corner) + 2 * GAP
    };
    let numbers = wide(&|size| size.tiers[TIER_COUNT - 1][0]);
    let with_titles = wide(&|size| size.tiers[TIER_COUNT - 1][0].max(size.title_width));
    // as in `areas`, some columns are left for longer numbers on the left
    let slack = (sizes[indices.left].tiers[TIER_COUNT - 1][0] / 4).min(area.width.saturating_sub(numbers));
    Some(if with_titles <= most { with_titles } else { numbers + slack })
}
