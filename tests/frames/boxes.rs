//! Overlays and lists lie over the screen as boxes. Their edges cut no words, neither in the box nor beside it, and they scroll to both ends. A large screen
//! shows more panes.

use gradstep::app::State;
use gradstep::ui::theme::{Background, Colours, Theme};
use gradstep::ui::{self, ClickTarget, RenderOptions, export};
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::{bundled_documents, frame, open, open_at, press, screen_document};

fn text(state: &State, (width, height): (u16, u16)) -> String {
    export::text(&frame(state, &RenderOptions::default(), width, height))
}

/// To the left of a box there is either nothing, or a part of the screen that has at least 24 columns and ends with two blanks.
#[test]
fn beside_a_box_there_are_no_cut_words() {
    let boxes = ["?", "a", "y", "d", "t", "w", "r", "'", ":", "/", "B:breaks<Enter>"];
    for (name, keys) in [("figure-01", "l"), ("xor", "b"), ("figure-17", "bll"), ("figure-07", "G")] {
        for keys in boxes.map(|box_keys| format!("{keys}{box_keys}")) {
            for size in [(60, 16), (80, 24), (120, 40), (200, 60)] {
                let text = text(&open(name, &keys), size);
                for line in text.lines() {
                    let edges = ['│', '╭', '╰'].map(|edge| line.find(edge));
                    let (Some(left), true) = (edges.into_iter().flatten().min(), line.ends_with(['│', '╮', '╯'])) else { continue };
                    let before = &line[..left];
                    assert!(before.trim().is_empty() || before.chars().count() >= 24 && before.ends_with("  "), "{name} {keys}\n{text}");
                }
            }
        }
    }
}

#[test]
fn the_copy_list_shows_the_full_text_of_its_selected_row() {
    let text = text(&open("figure-01", "yjj"), (80, 24));
    // the text has the last of the 26 terms, and its part with the numbers begins on a new line of the box
    assert!(text.contains("+ b₁") && text.lines().any(|line| line.trim_start_matches(['│', ' ']).starts_with("= 0.1356·0")), "{text}");
    let first_selected = self::text(&open("figure-01", "y"), (80, 24));
    let top = |text: &str| text.lines().position(|line| line.contains("╭ copy"));
    assert_eq!(top(&text), top(&first_selected), "the rows keep their places");
    // below a row whose text is not cut, there are no blank lines
    assert!(
        first_selected.lines().any(|line| line.contains(" l  LaTeX"))
            && !first_selected.lines().any(|line| line.trim_matches(['│', ' ']).is_empty() && line.contains('│')),
        "{first_selected}"
    );
}

#[test]
fn the_palette_shows_all_words_of_its_chosen_row() {
    let text = text(&open("xor", ":finer"), (80, 24));
    assert!(text.contains("smaller unit: iteration → sample → pass → op → entry → step"), "{text}");
    let wide = self::text(&open("xor", ":finer"), (200, 60));
    assert_eq!(wide.matches("smaller unit: iteration").count(), 1, "where no words are cut, none are repeated\n{wide}");
}

/// The list of contributions (key `w`) has the largest terms of an entry, the largest terms of the entries that they read, and so on.
#[test]
fn in_the_list_of_contributions_the_entries_of_a_tensor_have_the_same_number_of_decimals() {
    let text = text(&open("mazur-2-2-2", "Gw"), (120, 40));
    let decimals = |name: &str| -> Vec<usize> {
        let numbers = text.lines().filter(|line| line.contains(name)).filter_map(|line| line.split("= ").nth(1)?.split_whitespace().next());
        numbers.map(|number| number.split('.').nth(1).map_or(0, str::len)).collect()
    };
    let all = decimals(" grad.fc2.z[");
    assert!(all.len() >= 2 && all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}\n{text}");
}

#[test]
fn a_number_with_all_its_digits_has_the_same_minus_sign_in_a_box_as_on_the_screen() {
    // ∂C/∂a₂ of Mazur's network is −0.2171
    let text = text(&open("mazur-2-2-2", ":grad.fc2.a[1]<Enter>d"), (120, 40));
    assert!(text.contains("complete            −0.21707"), "{text}");
    let cursor = self::text(&open("mazur-2-2-2", ":grad.fc2.a[1]<Enter>i"), (120, 40));
    assert!(cursor.contains("grad.fc2.a[1] = −0.21707"), "{cursor}");
}

#[test]
fn the_help_scrolls_to_both_ends_and_shows_how_to_close_it() {
    let mut state = open("figure-14", "?");
    let first = text(&state, (80, 24));
    assert!(first.contains("Esc: close ╯") && first.contains("lines 1–") && first.contains("what the marks"), "{first}");
    press(&mut state, "G");
    let last = text(&state, (80, 24));
    assert!(last.contains("one colour for each shared weight"), "{last}");
    for key in ["g", "<Home>"] {
        press(&mut state, key);
        assert_eq!(text(&state, (80, 24)), first, "{key}");
        press(&mut state, "<End>");
        assert_eq!(text(&state, (80, 24)), last);
    }
}

/// The loss is not cut, and the map has the steps of the batch.
#[test]
fn the_map_has_room_for_the_loss_and_the_batch() {
    let text = text(&open("xor", "bM"), (80, 24));
    assert!(text.contains("C = −Σ (t log a⁽²⁾ + (1 − t) log(1 − a⁽²⁾))"), "{text}");
    assert!(text.contains("batch   reduce") && text.contains("0/40   update") && text.contains("0/27"), "{text}");
}

#[test]
fn shapes_have_the_sign_of_multiplication_not_an_x() {
    for (name, keys) in [("figure-01", ""), ("figure-02", "M"), ("figure-19", "b")] {
        let text = text(&open(name, keys), (200, 60));
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let crosses =
            text.match_indices('x').filter(|(at, _)| is_digit(text[..*at].chars().last()) && is_digit(text[at + 1..].chars().next()));
        assert_eq!(crosses.count(), 0, "{name}\n{text}");
        assert!(text.contains('×'));
    }
}

/// A large screen shows the other tensors of a small network, and a click on one of their entries goes there.
#[test]
fn a_large_screen_has_the_other_tensors() {
    let state = open("mazur-2-2-2", "");
    let screen = Rect::new(0, 0, 200, 60);
    let frame = text(&state, (200, 60));
    assert!(frame.contains("─ other tensors ─"), "{frame}");
    let row = frame.lines().position(|line| line.contains("W⁽²⁾ fc2.weight  2×2")).unwrap_or_else(|| panic!("{frame}"));
    let line = frame.lines().nth(row + 2).expect("a row of the matrix");
    let column = line[..line.find("0.4 ").expect("an entry")].chars().count();
    let [x, y] = [column, row + 2].map(|n| u16::try_from(n).expect("on the screen"));
    let tensor = state.document().expect("open").trace.network().tensors().iter().position(|info| &*info.name == "fc2.weight");
    assert_eq!(ui::click(&state, &RenderOptions::default(), screen, x, y), tensor.map(|id| ClickTarget::Entry(id, 0)));
    assert!(!text(&state, (80, 24)).contains("other tensors"));
    // the matrices of figure 1 need the room
    assert!(!text(&open("figure-01", ""), (200, 60)).contains("other tensors"));
}

/// The line below heat maps has the end of each scale. It calls no number the maximum: the scale of the result is rounded up.
#[test]
fn heat_maps_have_a_scale() {
    let document = screen_document("lenet5");
    let mut state = open_at(&document, document.trace.resolve(&"conv2.z[3,4,4]#20".parse().unwrap()).unwrap());
    assert!(!text(&state, (120, 40)).contains("−end"));
    press(&mut state, "H");
    let frame = text(&state, (120, 40));
    let (trace, position) = state.trace_and_position().expect("a step");
    let weight = trace.network().tensors().iter().position(|info| &*info.name == "conv2.weight").expect("W");
    let largest = trace.run(position.run_index).values(weight).iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let line = frame.lines().find(|line| line.contains("−end ")).unwrap_or_else(|| panic!("{frame}"));
    assert!(line.contains(&format!("{} in W⁽³⁾", gradstep::number::short(largest))) && line.contains(" scale end = "), "{frame}");
    assert!(!line.contains("max"), "{frame}");
    assert!(frame.contains("1–2") && frame.contains("3–4"), "a line that shows two rows of a heat map has the numbers of both\n{frame}");
}

/// The gradients that a batch adds up have one scale: equal numbers have equal colours, and larger ones stronger colours.
#[test]
fn matrices_that_are_added_have_the_same_scale() {
    let document = &bundled_documents()["xor"];
    let step = document.trace.resolve(&"reduce:grad.fc1.weight[1,1]".parse().unwrap()).unwrap();
    let state = open_at(document, step);
    let options = RenderOptions { theme: Theme::new(Colours::True, Background::Dark), ascii: false };
    let screen = Rect::new(0, 0, 200, 60);
    let buffer = frame(&state, &options, 200, 60);
    let (trace, position) = state.trace_and_position().expect("a step");
    let shown_tensors: Vec<usize> = document.scene(step).expect("a step").tensors().iter().map(|shown| shown.tensor).collect();
    let mut seen: Vec<(f64, [u8; 3], usize)> = Vec::new();
    for place in screen.positions() {
        let Color::Rgb(red, green, blue) = buffer[(place.x, place.y)].bg else { continue };
        let Some(ClickTarget::Entry(tensor, entry)) = ui::click(&state, &options, screen, place.x, place.y) else { continue };
        let value = trace.run(position.run_index).values(tensor)[entry];
        // positive numbers have more blue than red; the yellow of marks is left out
        if shown_tensors.contains(&tensor) && value > 0.0 && blue > red {
            seen.push((value, [red, green, blue], tensor));
        }
    }
    seen.sort_by(|a, b| a.0.total_cmp(&b.0));
    let tensors: std::collections::BTreeSet<usize> = seen.iter().map(|(.., tensor)| *tensor).collect();
    assert!(tensors.len() >= 2, "{seen:?}");
    // a larger number has at least as much blue
    assert!(seen.windows(2).all(|pair| pair[0].1[2] <= pair[1].1[2]), "{seen:?}");
}

/// The lower border of a list has the number of the selected row and the keys, even if the rows are short.
#[test]
fn the_lower_border_of_a_list_is_not_cut() {
    let document = &bundled_documents()["figure-18"];
    for (keys, wanted) in [(":set conv1.weight[0,0,1,0] 0.6<Enter>q", "1/3 Enter: do it, Esc: close ╯"), ("d", "Esc: close ╯")] {
        for (width, height) in [(80, 24), (120, 40), (200, 60)] {
            let mut state = open_at(document, 1);
            press(&mut state, keys);
            let text = export::text(&frame(&state, &RenderOptions::default(), width, height));
            assert!(text.contains(wanted), "{keys}\n{text}");
        }
    }
}

/// On a narrow screen, the list of contributions (key `w`) omits some columns instead of cutting all of them. Below the list are the omitted cells of the
/// selected row.
#[test]
fn on_a_narrow_screen_the_list_of_contributions_drops_columns_instead_of_cutting_them() {
    for (name, keys) in [("mazur-2-2-2", "Gwj"), ("figure-01", ":grad.conv1.weight[0,0,1,1]#300<Enter>wjj"), ("figure-18", "Gwj")] {
        let text = text(&open(name, keys), (80, 24));
        let rows: Vec<&str> = text.lines().filter(|line| line.contains('%') && line.contains(" = ")).collect();
        assert!(rows.len() >= 5 && rows.iter().all(|row| !row.contains('…')), "{name}\n{text}");
        assert!(text.lines().any(|line| line.contains('·') && line.contains(" = ")), "{name}\n{text}");
    }
}

/// The lower border of a small box leaves out other texts before the key that closes it.
#[test]
fn the_border_of_a_small_box_names_the_key_that_closes_it() {
    for (keys, sizes) in
        [("?", [(26, 10), (40, 12), (60, 16)]), ("t", [(26, 10), (40, 12), (60, 16)]), ("M", [(26, 10), (40, 12), (60, 16)])]
    {
        for size in sizes {
            let shown = text(&open("figure-19", &format!("b{keys}")), size);
            let border = shown.lines().rfind(|line| line.contains('╰')).unwrap_or_default().to_owned();
            let footer = border.trim_matches(|c: char| " ╰╯─".contains(c));
            let first = footer.split(' ').next().unwrap_or_default();
            assert!(footer.ends_with("Esc: close"), "{keys} at {size:?}: {shown}");
            // no text is cut: the first one is a number, the name of a key, or the legend of the map
            let is_whole = first.contains('/') || ["lines", "j", "k", "PgDn", "PgUp", "g", "G:", "Enter:", "Esc:", "◉"].contains(&first);
            assert!(is_whole, "{first}: {shown}");
        }
    }
}

/// Whatever is typed, the cursor is on the screen, and the characters before it are beside it.
#[test]
fn the_cursor_of_a_line_is_on_the_screen() {
    let (width, height) = (20, 16);
    for keys in [":", "/", "ee"] {
        let mut state = open("figure-17", keys);
        for (typed, end) in [("0.123456789", "89"), ("012345678901234567890123", "23"), ("<Left><Left>", "01"), ("<Home>", "")] {
            press(&mut state, typed);
            let buffer = frame(&state, &RenderOptions::default(), width, height);
            let line = || (0..width).map(|x| &buffer[(x, height - 1)]);
            let cursor = line().position(|cell| cell.modifier.contains(ratatui::style::Modifier::REVERSED)).expect("a cursor");
            let before: String = line().take(cursor).map(ratatui::buffer::Cell::symbol).collect();
            assert!(before.ends_with(end), "{keys}{typed}: {before}");
        }
    }
}
