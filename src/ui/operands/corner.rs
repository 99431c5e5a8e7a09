//! Arranges the three matrices of a product Z = A B as a box: A on the left, B above, Z in the corner, so that the row and the column of an entry meet in it. The
//! gradients of A and of B have the places of A and of B, so the three products are seen to be one box.
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

use super::arrange::{GAP, Size, TIERS};
use crate::op::reading::ProductBox;
use crate::ui::operand::OperandMatrix;
use crate::ui::view::View;

/// Returns the numbers of the matrices on the left, above and in the corner; `None` if the step's op is no product of two matrices.
pub fn places(view: &View<'_>, operands: &[OperandMatrix]) -> Option<ProductBox<usize>> {
    let ProductBox { left, above, corner } = view.product_box()?;
    let number = |tensor| operands.iter().position(|operand| operand.shown.tensor == tensor);
    let places = ProductBox { left: number(left)?, above: number(above)?, corner: number(corner)? };
    (operands.len() == 3).then_some(places)
}

/// Gives the matrix above and the matrix in the corner columns of one width, so that the columns of one are those of the other. A result on the left has the same
/// width, because its numbers are of the same size.
pub fn align(view: &View<'_>, operands: &mut [OperandMatrix]) {
    let Some(ProductBox { left, above, corner }) = places(view, operands) else { return };
    let formats = [above, corner].map(|i| operands[i].reserved);
    let before = formats.map(|format| format.units() + 1).into_iter().max().unwrap_or(0);
    let after = formats.map(|format| format.width() - format.units() - 1).into_iter().max().unwrap_or(0);
    for i in [above, corner].into_iter().chain(operands[left].shown.is_result.then_some(left)) {
        let operand = &mut operands[i];
        operand.format = operand.format.with_room(before, after);
        operand.reserved = operand.reserved.with_room(before, after);
    }
}

/// Returns the areas of the three matrices, if all of them are completely visible in an area; `None` if they are not.
pub fn areas(box_of: ProductBox<usize>, sizes: &[Size], area: Rect) -> Option<Vec<Rect>> {
    let ProductBox { left, above, corner } = box_of;
    let whole = |i: usize| sizes[i].tiers[TIERS - 1];
    let [left_width, left_height] = whole(left);
    let [above_width, above_height] = whole(above);
    let [corner_width, corner_height] = whole(corner);
    let lower_height = left_height.max(corner_height);
    // without the blank line between the matrix above and the others, if there is no room for it
    let blank = u16::from(above_height + lower_height < area.height);
    let [room, high] = [area.width.checked_sub(left_width + above_width.max(corner_width) + 2 * GAP)?, above_height + blank + lower_height];
    if high > area.height {
        return None;
    }
    // the titles get the columns that no numbers need, and the numbers on the left some columns in which they can become longer
    let left_titled = left_width + room.min(sizes[left].titled.saturating_sub(left_width).max(left_width / 4));
    let x = area.x + GAP + left_titled + GAP;
    let lower = area.y + above_height + blank;
    let mut areas = vec![Rect::default(); 3];
    areas[left] = Rect { x: area.x + GAP, y: lower, width: left_titled, height: lower_height };
    areas[above] = Rect { x, y: area.y, width: area.right() - x, height: above_height };
    areas[corner] = Rect { x, y: lower, width: area.right() - x, height: lower_height };
    Some(areas)
}

/// Returns the smallest width at which the three matrices are completely visible, with their titles if that takes at most `most` columns. `None` if the matrices
/// are not visible in this area.
pub fn width(box_of: ProductBox<usize>, sizes: &[Size], area: Rect, most: u16) -> Option<u16> {
    areas(box_of, sizes, area)?;
    let wide = |width_of: &dyn Fn(&Size) -> u16| {
        let [left, above, corner] = [box_of.left, box_of.above, box_of.corner].map(|i| width_of(&sizes[i]));
        left + above.max(corner) + 2 * GAP
    };
    let numbers = wide(&|size| size.tiers[TIERS - 1][0]);
    let titled = wide(&|size| size.tiers[TIERS - 1][0].max(size.titled));
    let slack = (sizes[box_of.left].tiers[TIERS - 1][0] / 4).min(area.width.saturating_sub(numbers));
    Some(if titled <= most { titled } else { numbers + slack })
}
