//! Large matrices are drawn as heat maps, whose colours or characters stand for the numbers.

use gradstep::app::State;
use gradstep::ui::theme::{Background, Colours, Theme};
use gradstep::ui::{self, ClickTarget};
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::{RenderOptions, bundled_documents, export, frame, open_at, press, screen_document};

const SIZE: Rect = Rect::new(0, 0, 120, 40);

/// Opens LeNet-5 at an address, and presses keys.
fn at(address: &str, keys: &str) -> State {
    let document = screen_document("lenet5");
    let mut state = open_at(&document, document.trace.resolve(&address.parse().expect("an address")).expect("a step"));
    press(&mut state, keys);
    state
}

/// Returns the value of an entry in the run of the step on the screen.
fn value_of(state: &State, tensor: usize, entry: usize) -> f64 {
    let (trace, at) = state.trace_and_position().expect("a step");
    trace.run(at.run_index).values(tensor)[entry]
}

/// In every cell of a heat map, the upper half has the colour of the entry to which a click on the cell goes: red below 0, purple above 0. Large
/// magnitudes are on average farther from the colour of 0 than small ones.
#[test]
fn colours_are_those_of_the_numbers() {
    let state = at("conv2.z[3,4,4]#20", "H");
    for background in [Background::Dark, Background::Light] {
        let options = RenderOptions { theme: Theme::new(Colours::True, background), ascii: false };
        let buffer = frame(&state, &options, SIZE.width, SIZE.height);
        let (mut seen, mut marked) = (Vec::new(), 0);
        for place in SIZE.positions() {
            let cell = &buffer[(place.x, place.y)];
            let (Some(ClickTarget::Entry(tensor, entry)), "▀") = (ui::click(&state, &options, SIZE, place.x, place.y), cell.symbol())
            else {
                continue;
            };
            let Color::Rgb(r, g, b) = cell.fg else { panic!("{cell:?}") };
            // yellow is the entry of this step
            if r > 0xf0 && g > 0xb0 && b < 0x50 {
                marked += 1;
                continue;
            }
            seen.push((tensor, value_of(&state, tensor, entry), [r, g, b]));
        }
        assert!(seen.len() > 150, "{}", seen.len());
        for (_, value, [r, _, b]) in &seen {
            let is_near_zero = value.abs() < 1e-9;
            assert!(is_near_zero || (*value < 0.0) == (r > b), "{value} is {r}, {b}");
        }
        assert!((1..=3).contains(&marked), "{marked} cells are marked");
        let zero = seen.iter().min_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).expect("cells").2;
        let distance = |rgb: &[u8; 3]| rgb.iter().zip(&zero).map(|(a, b)| a.abs_diff(*b)).map(u32::from).sum::<u32>();
        // the mean distance from the colour of 0, over all values whose magnitude is in a range
        let strength = |range: &dyn Fn(f64) -> bool| {
            let strengths: Vec<u32> = seen.iter().filter(|(_, value, _)| range(value.abs())).map(|(_, _, rgb)| distance(rgb)).collect();
            f64::from(strengths.iter().sum::<u32>()) / f64::from(u32::try_from(strengths.len().max(1)).unwrap())
        };
        let (weak, strong) = (strength(&|value| value < 0.1), strength(&|value| value > 0.3));
        assert!(weak < strong, "{weak} and {strong}");
    }
}

/// Without colours, a minus sign and four shades show sign and magnitude; the window and the step have marks.
#[test]
fn shades_and_marks_replace_colours() {
    for (ascii, signs) in [(false, ['−', '‹', '[', '=']), (true, ['-', '/', '[', '='])] {
        let options = RenderOptions { theme: Theme::new(Colours::None, Background::Dark), ascii };
        let state = at("grad.conv2.weight[3,2,1,1]#5", "H");
        let buffer = frame(&state, &options, SIZE.width, SIZE.height);
        assert!(buffer.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
        let text = export::text(&buffer);
        assert!(!ascii || text.is_ascii());
        let mut counts = [0; 4];
        let mut negative = 0;
        // only cells left of the picture of the network are visited: a click on a neuron of the picture goes to an entry too
        let title = text.lines().find_map(|line| line.split_once(if ascii { "- picture" } else { "─ picture" })).expect("the picture").0;
        let end = u16::try_from(title.chars().count()).expect("a column");
        for place in SIZE.positions().filter(|place| place.x < end) {
            let Some(ClickTarget::Entry(tensor, entry)) = ui::click(&state, &options, SIZE, place.x, place.y) else { continue };
            let symbol = buffer[(place.x, place.y)].symbol().chars().next().expect("a character");
            if let Some(n) = signs.iter().position(|sign| *sign == symbol) {
                counts[n] += 1;
                if n == 0 {
                    negative += 1;
                    assert!(value_of(&state, tensor, entry) < 0.0, "{text}");
                }
            }
        }
        let [_, window, step, result] = counts;
        // The current entry of the result reads a window of 100 entries in each of the two operands. At least 50 of these 200 entries are on the screen. This
        // step reads one entry of each operand.
        assert!(window >= 50 && step == 2 && result == 1 && negative > 20, "{counts:?}\n{text}");
        assert!(text.contains(if ascii { "vv" } else { "▼▼" }), "{text}");
    }
}

#[test]
fn the_cursor_is_drawn_on_a_heat_map() {
    let mut state = at("conv2.z[3,4,4]#20", "Hi");
    let options = RenderOptions::default();
    assert!(export::text(&frame(&state, &options, 120, 40)).contains('◆'));
    press(&mut state, "<Tab>");
    assert!(export::text(&frame(&state, &options, 120, 40)).contains('◆'));
    let plain = RenderOptions { theme: Theme::new(Colours::None, Background::Dark), ascii: false };
    assert!(export::text(&frame(&state, &plain, 120, 40)).contains('{'));
}

/// The key `H` does not change matrices that fit: they stay numbers.
#[test]
fn small_matrices_stay_numbers() {
    for name in ["figure-14", "figure-17", "figure-19", "figure-07"] {
        let document = &bundled_documents()[name];
        let mut state = open_at(document, document.trace.len() / 2);
        let before = export::text(&frame(&state, &RenderOptions::default(), 120, 40));
        press(&mut state, "H");
        let after = export::text(&frame(&state, &RenderOptions::default(), 120, 40));
        // without the last two lines, because the key shows a message there
        let panes = |text: &str| text.lines().take(38).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(panes(&before), panes(&after), "{name}");
    }
}

/// The middle step of every op of a large network can be drawn on every screen, with heat maps.
#[test]
fn any_size_can_be_drawn() {
    let document = screen_document("lenet5");
    for (_, _, span) in document.trace.ops() {
        for (width, height) in [(60, 16), (80, 24), (120, 40), (61, 17), (200, 60)] {
            let mut state = open_at(&document, span.start + (span.end - span.start) / 2);
            press(&mut state, "H]");
            for (colours, ascii) in [(Colours::True, false), (Colours::Sixteen, false), (Colours::None, true)] {
                frame(&state, &RenderOptions { theme: Theme::new(colours, Background::Light), ascii }, width, height);
            }
        }
    }
}
