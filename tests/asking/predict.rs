//! In prediction (key `p`), the stepper asks for hidden numbers, judges the answers, counts the score, and warns before a key shows a later number.
//!
//! In `square`, z₁ = fc1.z[0] = 0.2 + 1.4 + 1.5 = 3.1, and z₂ = −0.4 + 2.2 − 2.7 = −0.9 (`worked.rs`).

use gradstep::app::{Focus, Prediction};

use super::worked::open;
use super::*;

fn prediction(driver: &Driver) -> &Prediction {
    &driver.state.stepper().unwrap().prediction
}

#[test]
fn a_right_number_is_accepted_and_l_goes_to_the_next_question() {
    let document = open("square");
    let mut driver = at_address(&document, "fc1.z[0]#2");
    press(&mut driver, "p1.4<Enter>");
    assert_eq!((message(&driver).as_str(), driver.state.focus()), ("right: 1.4; Enter goes on", Focus::Normal));
    let first = step(&driver);
    // the next question opens the prompt, so the number can be typed at once
    press(&mut driver, "l3/2<Enter>");
    assert_eq!((step(&driver), message(&driver).as_str()), (first + 1, "right: 1.5; Enter goes on"));
    // Enter also goes to the next question, and Esc leaves the number hidden
    press(&mut driver, "<Enter><Esc>");
    assert_eq!((step(&driver), driver.state.focus()), (first + 2, Focus::Normal));
    press(&mut driver, "d");
    assert!(message(&driver).contains("is hidden"), "{}", message(&driver));
    // Enter opens the prompt again
    press(&mut driver, "<Enter>-0.4<Enter>");
    assert!(message(&driver).starts_with("right:"), "{}", message(&driver));
    assert_eq!(prediction(&driver).totals(), (3, 3));
}

#[test]
fn a_larger_unit_hides_the_value_of_an_entry() {
    let document = open("square");
    // `k` makes the unit an entry; the question is asked at its first term, and the answer leads to the last term, where the sum is shown
    let mut driver = at_address(&document, "fc1.z[0]");
    press(&mut driver, "kp3.1<Enter>");
    let last = document.trace.resolve(&"fc1.z[0]#3".parse().unwrap()).unwrap();
    assert_eq!((step(&driver), message(&driver).as_str()), (last, "right: 3.1000; Enter goes on"));
    // Tab shows the answer, and goes to the last of the three terms of the next entry
    press(&mut driver, "l<Tab>");
    assert_eq!((step(&driver), message(&driver).as_str()), (last + 3, "the answer is −0.9000; Enter goes on"));
}

#[test]
fn a_wrong_number_gets_a_hint_and_the_score_counts_each_outcome() {
    let document = open("square");
    let mut driver = at_address(&document, "fc1.z[0]#2");
    press(&mut driver, "p-1.4<Enter>");
    assert_eq!(message(&driver), "−1.4: only the sign is wrong");
    assert_eq!(driver.state.prompt().unwrap().input.value(), "");
    press(&mut driver, "123.4<Enter>");
    assert!(message(&driver).starts_with("123.4: not yet"), "{}", message(&driver));
    // a text that is not a number is not counted as an answer
    press(&mut driver, "x<Enter>");
    assert_eq!(driver.state.prompt().unwrap().input.value(), "x");
    press(&mut driver, "<BS>1.4<Enter>l<Tab>l-0.4<Enter>p");
    let (right, all) = prediction(&driver).totals();
    assert_eq!((right, all), (1, 3));
    // one right at once, one after a hint, one shown
    assert_eq!(prediction(&driver).score[0].counts, [1, 1, 1, 0]);
    let list = driver.state.overlay.as_ref().unwrap().list.as_ref().unwrap();
    assert_eq!(list.title, "prediction: 1 of 3 right at once");
    assert!(list.note.starts_with("practise: weighted input"), "{}", list.note);
    // Enter goes to the last step that was not right at once; the score is kept, and p continues with it
    press(&mut driver, "<Enter>");
    assert_eq!(step(&driver), document.trace.resolve(&"fc1.z[0]#3".parse().unwrap()).unwrap());
    press(&mut driver, "p1.5<Enter>");
    assert_eq!(prediction(&driver).totals(), (2, 4));
}

/// A later right answer replaces the wrong one in the score.
#[test]
fn a_question_that_is_left_after_a_wrong_answer_counts_as_wrong() {
    let mut driver = at_address(&open("square"), "fc1.z[0]#2");
    press(&mut driver, "p-1.4<Enter>");
    assert_eq!((prediction(&driver).score[0].counts, prediction(&driver).totals()), ([0, 0, 0, 1], (0, 1)));
    press(&mut driver, "1.4<Enter>");
    assert_eq!(prediction(&driver).score[0].counts, [0, 1, 0, 0]);
    press(&mut driver, "l9<Enter>8<Enter><Esc>l-0.4<Enter>:score<Enter>");
    assert_eq!(prediction(&driver).score[0].counts, [1, 1, 0, 1]);
    let list = driver.state.overlay.as_ref().unwrap().list.as_ref().unwrap();
    assert_eq!((list.title.as_str(), list.rows[0].cells[4].as_str()), ("prediction: 1 of 3 right at once", "1 wrong"));
    assert!(list.note.starts_with("practise: weighted input"), "{}", list.note);
}

#[test]
fn the_score_is_shown_at_any_time_and_can_be_reset() {
    let mut driver = at_address(&open("square"), "fc1.z[0]#2");
    let title = |driver: &Driver| driver.state.overlay.as_ref().and_then(|overlay| overlay.list.as_ref()).map(|list| list.title.clone());
    press(&mut driver, ":score<Enter>");
    assert_eq!(message(&driver), "no question yet: p starts prediction");
    // the score can be shown while a question is open, and does not answer it
    press(&mut driver, "p-1.4<Enter>1.4<Enter>l<Esc>:score<Enter>");
    assert_eq!(title(&driver).as_deref(), Some("prediction: 0 of 1 right at once"));
    press(&mut driver, "<Esc>");
    assert!(prediction(&driver).is_on && driver.state.stepper().unwrap().open_question().is_some());
    // the topic `practise` opens the score too, and turning prediction off and on keeps it
    press(&mut driver, ":practise<Enter>");
    assert_eq!(title(&driver).as_deref(), Some("prediction: 0 of 1 right at once"));
    press(&mut driver, "<Esc>p<Esc>p1.5<Enter>");
    assert_eq!(prediction(&driver).totals(), (1, 2));
    press(&mut driver, ":score old<Enter>");
    assert_eq!(message(&driver), "write score or score new");
    press(&mut driver, ":score new<Enter>");
    assert_eq!((message(&driver).as_str(), prediction(&driver).totals()), ("the score is reset to 0", (0, 0)));
    press(&mut driver, "l-0.4<Enter>");
    assert_eq!(prediction(&driver).totals(), (1, 1));
}

#[test]
fn the_last_number_points_to_the_score() {
    let mut driver = at_address(&open("square"), "grad.input[2]#3");
    press(&mut driver, "p0.9<Enter>");
    assert_eq!(message(&driver), "right: 0.9000; this was the last step, p shows the score");
}

#[test]
fn a_command_that_shows_later_numbers_warns_first() {
    let document = open("xor");
    for key in ["x", "/", "n", "c", "C", "e", "u", "U", "a"] {
        let mut driver = at_address(&document, "1:grad.fc2.weight[0,0]");
        press(&mut driver, &format!("p<Esc>{key}"));
        assert!(message(&driver).starts_with("this may show"), "{key}: {}", message(&driver));
        assert!(driver.state.overlay.is_none() && driver.state.prompt().is_none(), "{key}");
        press(&mut driver, key);
        assert!(!message(&driver).starts_with("this may show"), "{key}: {}", message(&driver));
    }
    let mut driver = at_address(&document, "1:grad.fc2.weight[0,0]");
    press(&mut driver, "p<Esc>:set fc2.bias[0] 1<Enter>");
    assert!(message(&driver).starts_with("this may show"), "{}", message(&driver));
    assert!(driver.state.stepper().unwrap().edits.done().is_empty());
    press(&mut driver, ":set fc2.bias[0] 1<Enter>");
    assert_eq!(driver.state.stepper().unwrap().edits.done().len(), 1);
}

#[test]
fn lists_and_texts_to_copy_do_not_contain_the_hidden_number() {
    let document = open("mazur-2-2-2");
    // `p` asks for the term 0.5·(−0.0381) = −0.01905, and `kp` for the entry 0.0554 − 0.01905 = 0.03635
    for (keys, answer) in [("p<Esc>", "0.0190"), ("kp<Esc>", "0.0363")] {
        for ask in ["d", "t", "w", "y", "i", "v", "M"] {
            let mut driver = at_address(&document, "grad.fc1.a[0]#2");
            press(&mut driver, &format!("{keys}{ask}"));
            let shown = frame(&driver, (120, 40));
            assert!(!shown.contains(answer), "{keys}{ask} shows {answer}:\n{shown}");
        }
    }
}

#[test]
fn a_copied_text_does_not_contain_the_hidden_number() {
    let document = open("mazur-2-2-2");
    // the term is 0.5·(−0.0381) = −0.01905, and the entry is 0.0554 + the term = 0.03635
    for (keys, answers) in [("p<Esc>", ["-0.019", "−0.019", "0.0363"]), ("kp<Esc>", ["0.0363", "0.0364", "0.0554"])] {
        for format in ["v", "a", "e", "n", "l"] {
            let mut driver = at_address(&document, "grad.fc1.a[0]#2");
            press(&mut driver, &format!("{keys}y{format}"));
            let copied = driver.take_copied().unwrap_or_default();
            for answer in answers {
                assert!(!copied.contains(answer) && !message(&driver).contains(answer), "{keys}y{format}: {copied} {}", message(&driver));
            }
        }
    }
}

#[test]
fn play_stops_at_a_question() {
    let document = open("square");
    let mut driver = at_address(&document, "fc1.z[0]");
    press(&mut driver, "p0.2<Enter><Space>");
    update(&mut driver.state, Action::Clock(Duration::from_secs(5)));
    assert_eq!(driver.state.wake(), None, "play makes no further move");
    assert_eq!(driver.state.focus(), Focus::Answer);
}
