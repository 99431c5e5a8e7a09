//! Tests of the matrix widget: the drawn text, and the entry under each cell.

use super::*;
use crate::ui::export::text;
use crate::ui::theme::{Background, Colours};
use proptest::prelude::*;
use ratatui::style::Modifier;
use std::cell::Cell;

/// Marks no entry.
fn no_mark(_: usize) -> Mark {
    Mark::None
}

/// Returns the drawn matrix as text.
fn drawn(matrix: &Matrix<'_>, width: u16, height: u16) -> String {
    let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
    matrix.render(buf.area, &mut buf, &Theme::default());
    text(&buf)
}

/// Returns the index of an entry as its value.
#[expect(clippy::cast_precision_loss, reason = "small")]
#[expect(clippy::unnecessary_wraps, reason = "a matrix asks for an option")]
fn index_as_value(i: usize) -> Option<f64> {
    Some(i as f64)
}

#[test]
fn marks_are_visible_without_colour() {
    let values = [1.0, 2.0, 0.0, 0.0, 1.0, 3.0, 2.0, 1.0, 1.0];
    let mark = |i| match i {
        1 => Mark::Step,
        0 | 3 | 4 => Mark::Entry,
        8 => Mark::Result,
        _ => Mark::None,
    };
    let value = |i: usize| (i != 8).then(|| values[i]);
    let matrix = Matrix::new("a⁽⁰⁾", &[3, 3], ColumnFormat::of(values), &value, &mark);
    assert_eq!(drawn(&matrix, 30, 6), "a⁽⁰⁾  3×3\n   1  2  3\n1 ‹1 [2] 0\n2 ‹0  1› 3\n3  2  1 =?\n\n");
    assert_eq!(matrix.size(), (11, 5));
}

#[test]
fn padding_has_no_entries_and_a_turned_filter_is_rotated() {
    let matrix =
        Matrix { padding: [[1; 2]; 2], turned: true, ..Matrix::new("", &[2, 2], ColumnFormat::of([3.0]), &index_as_value, &no_mark) };
    assert_eq!(drawn(&matrix, 14, 5), "      2  1\n   ░  ░  ░  ░\n2  ░  3  2  ░\n1  ░  1  0  ░\n   ░  ░  ░  ░\n");
    let area = Rect::new(0, 0, 14, 5);
    assert_eq!(matrix.entry_at(area, 6, 2), Some(3));
    assert_eq!(matrix.entry_at(area, 9, 3), Some(0));
    assert_eq!(matrix.entry_at(area, 3, 2), None);
    assert_eq!(matrix.entry_at(area, 0, 2), None);
    assert_eq!(matrix.entry_at(area, 6, 0), None);
}

#[test]
fn decimal_points_are_aligned() {
    let values = [0.05, -0.125, 2.0, -13.5];
    let value = |i: usize| Some(values[i]);
    let matrix = Matrix::new("w", &[2, 2], ColumnFormat::of(values), &value, &no_mark);
    assert_eq!(drawn(&matrix, 24, 4), "w  2×2\n     1        2\n1    0.05    −0.125\n2    2      −13.5\n");
}

#[test]
fn a_vector_is_a_row_if_only_the_height_is_too_small_else_a_column() {
    let matrix = Matrix::new("b", &[4], ColumnFormat::of([3.0]), &index_as_value, &no_mark);
    assert_eq!(drawn(&matrix, 20, 5), "b  4\n1  0\n2  1\n3  2\n4  3\n");
    assert_eq!(drawn(&matrix, 20, 4), "b  4\n 1  2  3  4\n 0  1  2  3\n\n");
    assert_eq!(drawn(&matrix, 6, 4), "b  4\n1  0\n2  1\n3↓ 2\n");
}

#[test]
fn channels_are_side_by_side_and_the_focused_one_is_in_view() {
    let matrix = Matrix { focus: Some(9), ..Matrix::new("a", &[4, 2, 2], ColumnFormat::of([99.0]), &index_as_value, &no_mark) };
    assert_eq!(
        drawn(&matrix, 26, 5),
        "a  4×2×2  channels 3–4\n   (3)       (4)\n    1   2     1   2\n1   8   9    12  13\n2  10  11    14  15\n"
    );
    assert_eq!(matrix.size(), (40, 5));
}

#[test]
fn the_title_has_the_channel_and_the_number_of_channels() {
    let matrix = Matrix { focus: Some(31), ..Matrix::new("a", &[4, 2, 4], ColumnFormat::of([99.0]), &index_as_value, &no_mark) };
    assert_eq!(drawn(&matrix, 26, 4), "a  4×2×4  channel 4 of 4\n    1   2   3   4\n1  24  25  26  27\n2  28  29  30  31\n");
    let from_zero = Matrix { first_index: 0, ..matrix };
    assert_eq!(drawn(&from_zero, 26, 4), "a  4×2×4  channel 3 of 0–3\n    0   1   2   3\n0  24  25  26  27\n1  28  29  30  31\n");
}

#[test]
fn filters_are_drawn_in_a_grid() {
    let matrix = Matrix { focus: Some(13), ..Matrix::new("W", &[2, 2, 2, 2], ColumnFormat::of([9.0]), &index_as_value, &no_mark) };
    let shown = drawn(&matrix, 20, 11);
    assert!(shown.starts_with("W  2×2×2×2\n   (1,1)   (1,2)\n   1  2    1  2\n"), "{shown}");
    assert!(drawn(&matrix, 40, 6).starts_with("W  2×2×2×2  out 2, in 1–2"));
    // if only one filter is visible, the title names it, and there is no heading
    assert!(drawn(&matrix, 10, 6).starts_with("W  (2,2)\n   1  2\n1  "));
}

#[test]
fn the_heading_of_the_last_channel_is_not_cut() {
    let matrix = Matrix::new("t", &[2, 2, 3], ColumnFormat::of([1.0]), &|_| Some(1.0), &no_mark);
    let (width, height) = matrix.size();
    let shown = drawn(&matrix, width, height);
    assert!(shown.contains("channel 1  channel 2\n"), "{shown}");
}

#[test]
fn column_indices_stay_if_only_one_or_two_rows_fit() {
    let matrix = Matrix { focus: Some(0), ..Matrix::new("W", &[9, 3], ColumnFormat::of([1.0]), &|_| Some(1.0), &no_mark) };
    assert_eq!(drawn(&matrix, 12, 4), "W  9×3\n   1  2  3\n1  1  1  1\n2↓ 1  1  1\n");
    assert_eq!(drawn(&matrix, 12, 3), "W  9×3\n   1  2  3\n1↓ 1  1  1\n");
}

#[test]
fn a_matrix_in_one_line_has_its_symbol() {
    let matrix = Matrix { focus: Some(3), ..Matrix::new("b⁽³⁾", &[4], ColumnFormat::of([3.0]), &index_as_value, &no_mark) };
    let area = Rect::new(0, 0, 14, 1);
    assert_eq!(drawn(&matrix, 14, 1), "b⁽³⁾  1  2  3\n");
    assert_eq!(matrix.entry_at(area, 6, 0), Some(1));
    assert_eq!(matrix.entry_at(area, 2, 0), None);
}

#[test]
fn a_wider_gutter_moves_the_numbers_unless_it_hides_some() {
    let matrix = Matrix { min_gutter: 4, ..Matrix::new("a", &[2, 2], ColumnFormat::of([3.0]), &index_as_value, &no_mark) };
    assert_eq!(drawn(&matrix, 12, 4), "a  2×2\n     1  2\n  1  0  1\n  2  2  3\n");
    assert_eq!(matrix.entry_at(Rect::new(0, 0, 12, 4), 8, 2), Some(1));
    assert_eq!(drawn(&matrix, 8, 4), "a  2×2\n   1  2\n1  0  1\n2  2  3\n");
}

#[test]
fn arrows_show_that_there_is_more() {
    let matrix = Matrix { focus: Some(55), ..Matrix::new("x", &[10, 10], ColumnFormat::of([99.0]), &index_as_value, &no_mark) };
    let shown = drawn(&matrix, 14, 6);
    assert!(shown.contains('↑') && shown.contains('↓') && shown.contains('←') && shown.contains('→'), "{shown}");
    assert!(shown.contains("55"), "{shown}");
}

#[test]
fn column_indices_are_complete_or_left_out() {
    let digit = |i: usize| index_as_value(i % 10);
    let matrix = Matrix { focus: Some(13), ..Matrix::new("", &[2, 200], ColumnFormat::default(), &digit, &no_mark) };
    let shown = drawn(&matrix, 24, 3);
    assert_eq!(shown, " ←13    15    17    19→\n1  2  3  4  5  6  7  8\n2  2  3  4  5  6  7  8\n");
    let matrix = Matrix { focus: Some(105), ..Matrix::new("", &[200], ColumnFormat::default(), &digit, &no_mark) };
    assert_eq!(drawn(&matrix, 12, 2), "←    107   →\n 4  5  6  7\n");
}

#[test]
fn the_number_of_calls_depends_on_the_cells_in_view_only() {
    let calls = Cell::new(0);
    let value = |i| {
        calls.set(calls.get() + 1);
        index_as_value(i)
    };
    let mark = |_| {
        calls.set(calls.get() + 1);
        Mark::Entry
    };
    let matrix = Matrix { focus: Some(500_000), ..Matrix::new("x", &[64, 112, 112], ColumnFormat::of([999_999.0]), &value, &mark) };
    drawn(&matrix, 120, 40);
    // an entry is 8 cells wide, and needs at most 6 calls
    assert!((100..6 * 120 * 40 / 8).contains(&calls.get()), "{}", calls.get());
}

#[test]
fn a_number_that_does_not_fit_is_not_cut() {
    let matrix = Matrix::new("", &[2, 2], ColumnFormat::of([123.25]), &|_| Some(123.25), &no_mark);
    for width in 0..8 {
        assert!(!drawn(&matrix, width, 4).contains("12"), "{width}");
    }
}

#[test]
fn tint_sets_the_foreground_and_heat_the_background() {
    let theme = Theme::new(Colours::True, Background::Light);
    let tint = |i| Some(theme.shared(i));
    let mark = |i| if i == 1 { Mark::Entry } else { Mark::None };
    let matrix = Matrix { tint: Some(&tint), ..Matrix::new("", &[1, 3], ColumnFormat::of([2.0]), &index_as_value, &mark) };
    let mut buf = Buffer::empty(Rect::new(0, 0, 9, 1));
    matrix.render(buf.area, &mut buf, &theme);
    assert_eq!(Some(buf[(1, 0)].fg), theme.shared(0).fg);
    assert_eq!((Some(buf[(4, 0)].fg), Some(buf[(4, 0)].bg)), (theme.shared(1).fg, theme.style(StyleRole::Entry).bg));
    let matrix = Matrix { tint: None, heat: Some(2.0), ..matrix };
    matrix.render(buf.area, &mut buf, &theme);
    assert_eq!(Some(buf[(7, 0)].bg), theme.heat(2.0, 2.0).bg);
    // without colours, a marked entry is underlined
    let theme = Theme::new(Colours::None, Background::Dark);
    matrix.render(buf.area, &mut buf, &theme);
    assert!(buf[(4, 0)].modifier.contains(Modifier::UNDERLINED));
}

#[test]
fn sign_and_magnitude_are_visible_in_marked_entries() {
    let value = |i: usize| Some([1.0, -1.0, 0.25, 0.0][i]);
    let mark = |_: usize| Mark::Entry;
    let matrix = Matrix { heat: Some(1.0), ..Matrix::new("", &[1, 4], ColumnFormat::of([1.0, -1.0, 0.25, 0.0]), &value, &mark) };
    let mut buf = Buffer::empty(Rect::new(0, 0, 40, 2));
    let theme = Theme::default();
    matrix.render(buf.area, &mut buf, &theme);
    let entry = theme.style(StyleRole::Entry).bg;
    let backgrounds: Vec<_> = (0..4)
        .map(|i| (0..40).find(|x| matrix.entry_at(buf.area, *x, 1) == Some(i)).map(|x| [buf[(x, 1)].bg, buf[(x + 1, 1)].bg]))
        .collect();
    for (i, cells) in backgrounds.iter().enumerate() {
        let [mark, number] = cells.expect("a cell").map(Some);
        // the cell before a number has the colour of Mark::Entry; the number has the colour of its sign and size, but 0 has no such colour and keeps that
        // of the mark
        assert_eq!(mark, entry, "{i}");
        let expected = theme.heat([1.0, -1.0, 0.25, 0.0][i], 1.0).bg.or(entry);
        assert_eq!(number, expected, "{i}");
    }
}

/// `lines_of` counts a line for the headings too, if several matrices are side by side.
#[test]
fn headings_have_a_line() {
    let matrix = Matrix::new("W", &[4, 1, 5, 5], ColumnFormat::of([-0.25]), &index_as_value, &no_mark);
    for width in [30, 60, 90] {
        let area = Rect::new(0, 0, width, matrix.lines_of(5, width));
        assert_eq!(matrix.rows_within(area), 5, "{width}");
        assert_eq!(matrix.rows_within(Rect { height: area.height - 1, ..area }), 4, "{width}");
    }
}

#[test]
fn the_title_of_an_image_has_the_rows_and_columns_in_view() {
    let image = Matrix {
        image: Some(ImageKind::HalfBlocks),
        focus: Some(0),
        ..Matrix::new("a", &[32, 32], ColumnFormat::of([1.0]), &index_as_value, &no_mark)
    };
    assert!(drawn(&image, 45, 10).starts_with("a  32×32  rows 1–16, columns 1–"), "{}", drawn(&image, 45, 10));
    assert!(!drawn(&image, 60, 30).contains("rows"), "{}", drawn(&image, 60, 30));
}

proptest! {
    #[test]
    fn a_matrix_of_any_shape_stays_inside_its_area(
        shape in proptest::collection::vec(0..9_usize, 0..6),
        (w, h) in (0..60_u16, 0..30_u16),
        (x, y) in (0..5_u16, 0..5_u16),
        focus in proptest::option::of(0..9000_usize),
        around in proptest::option::of([0..12_usize, 0..12_usize, 0..12_usize, 0..12_usize]),
        padding in [[0..4_usize, 0..4_usize], [0..4_usize, 0..4_usize]],
        scroll in [-20..20_isize, -20..20_isize],
        (turned, titled, heat) in any::<(bool, bool, bool)>(),
        cap in 1..10_usize,
    ) {
        let entries = shape.iter().product::<usize>();
        let value = |i: usize| {
            assert!(i < entries);
            (i % 7 != 3).then(|| (f64::from(u32::try_from(i).unwrap()) - 50.0) * 1.37)
        };
        let mark = |i: usize| {
            assert!(i < entries);
            match i % 5 {
                0 => Mark::Step,
                1 | 2 => Mark::Entry,
                3 => Mark::Result,
                _ => Mark::None,
            }
        };
        let format = ColumnFormat::within(cap, (0..entries.min(20)).filter_map(value));
        let around = around.map(|[a, b, c, d]| [a..b, c..d]);
        let matrix = Matrix {
            focus,
            around,
            padding,
            turned,
            scroll,
            heat: heat.then_some(3.0),
            ..Matrix::new(if titled { "∂C/∂W" } else { "" }, &shape, format, &value, &mark)
        };
        let area = Rect::new(x, y, w, h);
        let mut buf = Buffer::empty(Rect::new(0, 0, 70, 40));
        matrix.render(area, &mut buf, &Theme::default());
        for (px, py) in (0..70).flat_map(|x| (0..40).map(move |y| (x, y))) {
            if !area.contains((px, py).into()) {
                prop_assert_eq!(&buf[(px, py)], &ratatui::buffer::Cell::default());
            }
            if let Some(entry) = matrix.entry_at(area, px, py) {
                prop_assert!(entry < entries);
            }
        }
        // a buffer that is smaller than the area
        let mut small = Buffer::empty(Rect::new(2, 2, 7, 3));
        matrix.render(area, &mut small, &Theme::default());
        // the size that the matrix reports shows every entry
        let (w, h) = matrix.size();
        let all = Rect::new(0, 0, w, h);
        if entries > 0 && entries < 300 && scroll == [0, 0] {
            let seen: std::collections::BTreeSet<usize> =
                (0..w).flat_map(|x| (0..h).map(move |y| (x, y))).filter_map(|(x, y)| matrix.entry_at(all, x, y)).collect();
            prop_assert_eq!(seen.len(), entries);
        }
    }

    #[test]
    fn the_focus_is_in_view(
        shape in proptest::collection::vec(1..20_usize, 1..5),
        (w, h) in (14..60_u16, 4..30_u16),
        at in any::<prop::sample::Index>(),
        padding in [[0..3_usize, 0..3_usize], [0..3_usize, 0..3_usize]],
        turned in any::<bool>(),
    ) {
        let focus = at.index(shape.iter().product());
        let matrix = Matrix { focus: Some(focus), padding, turned, ..Matrix::new("t", &shape, ColumnFormat::of([-0.25]), &index_as_value, &no_mark) };
        let area = Rect::new(0, 0, w, h);
        let seen = (0..w).flat_map(|x| (0..h).map(move |y| (x, y))).any(|(x, y)| matrix.entry_at(area, x, y) == Some(focus));
        prop_assert!(seen, "{}", drawn(&matrix, w, h));
    }
}
