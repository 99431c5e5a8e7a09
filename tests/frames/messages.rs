//! A message is shown completely on every screen and over every overlay.

use gradstep::app::{Message, State};
use gradstep::ui::{self, RenderOptions, export};
use ratatui::layout::Rect;

use super::{SIZES, frame, open, picker_entries, press};

/// Returns a message of this number of words that occur nowhere else on the screen.
fn message(words: usize) -> Message {
    let is_error = true;
    Message::new(&(0..words).map(|n| format!("wörd{n}")).collect::<Vec<_>>().join(" "), is_error)
}

/// Returns whether all words are in the frame, in their order.
fn shows_all(frame: &str, message: &Message) -> bool {
    let found: Vec<&str> = frame.split_whitespace().filter(|word| word.starts_with("wörd")).collect();
    found == message.text.split(' ').collect::<Vec<_>>()
}

fn text(state: &State, (width, height): (u16, u16)) -> String {
    export::text(&frame(state, &RenderOptions::default(), width, height))
}

#[test]
fn a_long_message_is_shown_completely() {
    for keys in ["", "Z", "i", "t", "d", "M", "?", "a", ":", ":qqqqqq", "/"] {
        let mut state = open("figure-19", keys);
        for size in SIZES.into_iter().chain([(60, 16)]) {
            for words in [1, 7, 12, 24] {
                let message = message(words);
                state.message = Some(message.clone());
                let frame = text(&state, size);
                assert!(shows_all(&frame, &message), "{keys} {size:?} {words} words:\n{frame}");
            }
        }
    }
}

/// A hint without room is not shown. During a question of the prediction a message gets no box, because the pane `why` has it.
#[test]
fn a_hint_without_room_and_a_message_during_a_question_get_no_box() {
    let mut state = open("figure-19", "");
    state.message = Some(Message { is_hint: true, ..message(40) });
    assert!(!text(&state, (80, 24)).contains("wörd"));
    press(&mut state, "p");
    state.message = Some(message(40));
    assert!(!text(&state, (80, 24)).contains("wörd"));
}

/// A click on the box is a click on nothing, although panes are below it.
#[test]
fn the_box_hides_what_is_below_it_from_clicks() {
    let mut state = open("figure-19", "");
    let screen = Rect::new(0, 0, 80, 24);
    state.message = Some(message(40));
    let frame = text(&state, (80, 24));
    let row = |corner: char| frame.lines().position(|line| line.starts_with(corner)).expect("a box");
    let (top, bottom) = (row('╭'), row('╰'));
    let width = frame.lines().nth(top).expect("a line").chars().take_while(|c| *c != '╮').count() + 1;
    let small = |n: usize| u16::try_from(n).expect("small");
    let box_area = Rect::new(0, small(top), small(width), small(bottom - top + 1));
    assert!(box_area.height > 2, "{frame}");
    let clicked = |state: &State| -> Vec<_> {
        box_area.positions().filter_map(|place| ui::click(state, &RenderOptions::default(), screen, place.x, place.y)).collect()
    };
    assert_eq!(clicked(&state), [], "{frame}");
    state.message = None;
    assert_ne!(clicked(&state), [], "there are panes below the box");
}

/// In the picker, the rows make room for the message, and clicks on rows still work.
#[test]
fn a_long_message_is_shown_completely_above_the_list_of_scenarios() {
    for (width, height) in SIZES.into_iter().chain([(60, 16)]) {
        for words in [0, 1, 12, 30] {
            let mut state = State::picker(picker_entries());
            let message = message(words);
            state.message = (words > 0).then(|| message.clone());
            let frame = text(&state, (width, height));
            assert!(words == 0 || shows_all(&frame, &message), "{frame}");
            let row = frame.lines().position(|line| line.contains("▸")).expect("the chosen scenario") + 1;
            let screen = Rect::new(0, 0, width, height);
            let clicked = ui::click(&state, &RenderOptions::default(), screen, 5, u16::try_from(row).unwrap_or(0));
            assert_eq!(clicked, Some(ui::ClickTarget::Row(1)), "{frame}"); // the row below the first one
        }
    }
}
