//! In one frame, each number has one text and all indices count from the same number. A sum that is only a rounding error is marked.

use gradstep::app::{Document, State};
use gradstep::number::Digits;
use gradstep::ui::{RenderOptions, export};

use super::{SIZES, bundled_documents, frame, layers, open_at};

/// Returns the lines of a frame of a bundled scenario after these keys.
fn lines(scenario: &str, keys: &str) -> Vec<String> {
    text_of(&super::open(scenario, keys))
}

fn text_of(state: &State) -> Vec<String> {
    text_of_size(state, 120, 40).lines().map(str::to_owned).collect()
}

/// Returns the line that begins with these words, after blanks.
fn line<'a>(lines: &'a [String], begin: &str) -> &'a str {
    lines.iter().find(|line| line.trim_start().starts_with(begin)).unwrap_or_else(|| panic!("{begin}\n{}", lines.join("\n")))
}

#[test]
fn a_number_has_one_text_in_a_frame() {
    // 0.05 · 0.008771355 = 0.00043857 (Mazur: 0.000438568)
    let frame = lines("mazur-2-2-2", ":grad.fc1.weight[0,0]<Enter>");
    assert!(line(&frame, "all =").contains("0.000439") && line(&frame, "1   =0.000439").contains("=0.000439"), "{}", frame.join("\n"));
    assert!(line(&frame, "= ").contains("0.05·0.008771"), "{}", frame.join("\n"));
    assert!(!frame.iter().any(|line| line.contains("4.386")), "{}", frame.join("\n"));
    // all small numbers, also the labels of the picture, have the digits of the matrices
    let small_numbers: Vec<&str> = frame.iter().flat_map(|line| line.split_whitespace()).filter(|word| word.starts_with("0.00")).collect();
    assert!(small_numbers.iter().all(|word| ["0.008771", "0.008771]", "0.009954", "0.000439"].contains(word)), "{small_numbers:?}");
}

/// With any number of digits, a number has one format in the equation, in its matrix, in the picture and in the lists.
#[test]
fn the_setting_digits_changes_all_numbers_of_a_frame() {
    for (count, factor, product) in [(3, "0.00877", "4.39e−4"), (7, "0.008771355", "0.000438568")] {
        let mut state = super::open("mazur-2-2-2", ":grad.fc1.weight[0,0]<Enter>");
        state.settings.digits = Digits::new(count).expect("a possible number of digits");
        let frame = text_of(&state);
        assert!(line(&frame, "= ").contains(&format!("0.05·{factor}")), "{}", frame.join("\n"));
        assert_eq!(frame.iter().filter(|line| line.contains(&format!("[{factor}]"))).count(), 1, "the matrix: {}", frame.join("\n"));
        assert!(frame.iter().any(|line| line.contains(&format!("δ₁ {factor}"))), "the picture: {}", frame.join("\n"));
        assert!(frame.iter().any(|line| line.contains(&format!("={product}"))), "the result: {}", frame.join("\n"));
        super::press(&mut state, "t");
        assert!(text_of(&state).iter().any(|line| line.contains(&format!("0.05·{factor}")) && line.contains("100.0 %")));
    }
}

#[test]
fn headings_and_subscripts_count_from_one_or_from_zero() {
    let from_one = lines("figure-02", ":conv1.z[3,2,2]<Enter>");
    assert!(line(&from_one, "z₄₃₃").contains("[w₄₁₁·a₃₃]"), "{}", from_one.join("\n"));
    assert!(from_one.iter().any(|line| line.contains("channel 1        channel 2        channel 3        channel 4")));
    assert!(from_one.iter().any(|line| line.contains("out 4, in 1")) && !from_one.iter().any(|line| line.contains("in 0")));
    let from_zero = lines("figure-02", ":conv1.z[3,2,2]<Enter>I");
    assert!(line(&from_zero, "z₃₂₂").contains("[w₃₀₀·a₂₂]"), "{}", from_zero.join("\n"));
    assert!(from_zero.iter().any(|line| line.contains("channel 0        channel 1        channel 2        channel 3")));
    assert!(from_zero.iter().any(|line| line.contains("out 3, in 0")));
    // addresses still count from 0, and a second press of the key switches back
    for frame in [&from_one, &from_zero] {
        assert!(line(frame, "conv1.z[3,2,2]").contains("step 316/1116"));
    }
    let switched_back = lines("figure-02", ":conv1.z[3,2,2]<Enter>II");
    assert_eq!(line(&switched_back, "z₄₃₃"), line(&from_one, "z₄₃₃"));
}

#[test]
fn a_negative_number_after_a_sign_has_brackets() {
    let frame = lines("figure-18", ":conv1.z[0,1,1]#4<Enter>");
    // 2 · 3 + (−1)(−3) + 3 · (−2) + 1 · 6 = 9
    assert!(frame.iter().any(|line| line.contains("2·3      +  (−1)·(−3)  +  3·(−2)   + [1·6    ]")), "{}", frame.join("\n"));
    assert!(frame.iter().any(|line| line.contains("6        +  3          +  (−6)     + [6      ]")), "{}", frame.join("\n"));
    let frame = lines("figure-18", ":conv1.z[0,1,1]#3<Enter>");
    assert!(line(&frame, "so far =").contains("9 + (−6) = 3"), "{}", frame.join("\n"));
    let frame = lines("xor", ":update:fc1.weight[0,1]#2<Enter>");
    assert!(line(&frame, "w₁₂ ←").contains("w₁₂  + [(−0.5)·v of w₁₂") || line(&frame, "w₁₂ ←").contains("w₁₂     + [(−0.5)·v of w₁₂"));
}

#[test]
fn a_minus_after_another_sign_of_an_equation_is_in_brackets() {
    for (name, document) in bundled_documents() {
        let count = document.trace.len().min(400);
        for step in (1..=count).step_by(if count > 100 { 7 } else { 1 }) {
            let mut state = super::open(name, "");
            super::press(&mut state, &format!("{step}G"));
            let frame = text_of(&state);
            // the equation is above the first title; the statement of a graph is as the user wrote it
            let is_statement = |line: &str| line.starts_with("line ") || line.starts_with("back through line ");
            for line in frame.iter().take_while(|line| !line.starts_with('─')).filter(|line| !is_statement(line)) {
                assert!(!["+ −", "+ [−", "+  −", "·−", "+ -", "*-"].iter().any(|bare| line.contains(bare)), "{name} {step}: {line}");
            }
        }
    }
}

fn graph(text: &str, keys: &str) -> Vec<String> {
    text_of(&layers::open(&format!("title = \"graph\"\n[graph]\n{text}\n"), keys))
}

#[test]
fn a_sum_that_is_only_a_rounding_error_is_marked() {
    // 0.1 + 0.2 − 0.3 is 5.551e−17 in binary
    let scenario = "inputs = { a = 0.1, b = 0.2, c = -0.3 }\nnodes = [\"J = a + b + c\"]";
    let frame = graph(scenario, ":J#2<Enter>");
    assert!(line(&frame, "all =").contains("= 5.551e−17 ≈ 0, rounding"), "{}", frame.join("\n"));
    // a small sum of small numbers is not a rounding error
    let frame = graph("inputs = { a = 1e-17, b = 4e-17 }\nnodes = [\"J = a + b\"]", ":J#2<Enter>");
    assert!(!line(&frame, "all =").contains("rounding"), "{}", frame.join("\n"));
}

#[test]
fn several_paths_have_their_factors() {
    // J = u + 3 v with u = 2 a and v = −a: ∂J/∂a = 1 · 2 + 3 · (−1) = −1
    let scenario = "inputs = { a = 1 }\nnodes = [\"u = 2 * a\", \"v = -a\", \"w = 3 * v\", \"J = u + w\"]";
    let frame = graph(scenario, ":grad.a#2<Enter>");
    let text = frame.join("\n");
    assert!(text.contains("J←u←a: 1·2") && text.contains("J←w←v←a: 1·3·(−1)") && text.contains("= −1"), "{text}");
}

#[test]
fn the_equation_of_the_first_derivative_does_not_repeat_its_left_side() {
    let frame = lines("figure-14", ":grad.v<Enter>");
    assert!(line(&frame, "∂J/∂v = ∂J/∂J").contains("∂J/∂v = ∂J/∂J · ∂(2 · v)/∂v"), "{}", frame.join("\n"));
    assert!(line(&lines("figure-14", ":grad.a<Enter>"), "∂J/∂a = ∂J/∂u").contains("∂J/∂u · ∂u/∂a"));
}

#[test]
fn the_derivative_of_a_sigmoid_is_explained_with_z_as_in_the_equation() {
    let frame = lines("mazur-2-2-2", ":grad.fc2.z[1]<Enter>").join("\n");
    assert!(frame.contains("σ′(z) = σ(z) (1 − σ(z))") && !frame.contains("a (1 − a)"), "{frame}");
}

/// Returns the note of a step: the lines with the bar of a note.
fn note(document: &Document, step: u64) -> String {
    let mut state = State::picker(super::picker_entries());
    state.open(std::sync::Arc::new(document.iteration(document.trace.iteration())), Some(step));
    let frame = text_of(&state);
    frame.iter().filter_map(|line| line.strip_prefix("▌ ")).map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_most_specific_note_is_shown_and_never_one_of_another_iteration() {
    let scenario = include_str!("notes-per-iteration.toml");
    let state = layers::open(scenario, "");
    let document = state.document().expect("a scenario");
    for (iteration, expected) in [(1, "GENERAL"), (2, "SECOND"), (3, "GENERAL")] {
        let document = document.iteration(iteration);
        let step = document.trace.resolve(&"update:a".parse().expect("an address")).expect("a step");
        assert_eq!(note(&document, step), expected, "{iteration}");
    }
    let xor = &bundled_documents()["xor"];
    for (iteration, address, words) in [
        (1, "velocity.fc2.bias[0]", "no velocity yet"),
        (2, "velocity.fc2.bias[0]#1", ""),
        (2, "velocity.fc2.bias[0]#2", "0.9 · 0.0367 + 0.0332"),
        (1, "update:fc2.bias[0]", "0 − 0.5 · 0.0367"),
        (40, "update:fc2.bias[0]", ""),
    ] {
        let document = xor.iteration(iteration);
        let step = document.trace.resolve(&address.parse().expect("an address")).expect("a step");
        let shown = note(&document, step);
        assert!(if words.is_empty() { shown.is_empty() } else { shown.contains(words) }, "{iteration}/{address}: {shown}");
    }
}

#[test]
fn no_note_gives_the_result_of_a_sum_before_its_last_term() {
    for (name, document) in bundled_documents() {
        for step in 1..=document.trace.len().min(3000) {
            let position = document.trace.position(step).expect("a step");
            let has_note = document.remarks.iter().any(|(steps, _)| steps.contains(&step));
            if !has_note || position.term + 1 == position.terms {
                continue;
            }
            let shown = document.remarks.iter().filter(|(steps, _)| steps.contains(&step)).min_by_key(|(steps, _)| steps.end - steps.start);
            let text = &shown.expect("a note").1;
            let last = document.scene(step + position.terms - 1 - position.term).expect("the last term");
            let total = last.value_text(last.step.sum);
            let early = [format!("= {total}"), format!(": {total}"), format!("is {total}"), format!("gives {total}")];
            assert!(!early.iter().any(|words| text.contains(words.as_str())), "{name} step {step}: {text}");
        }
    }
}

#[test]
fn the_help_explains_the_mouse_the_marks_and_the_colours() {
    let mut shown = String::new();
    let mut state = super::open("figure-18", "?");
    for _ in 0..20 {
        shown.push_str(&text_of(&state).join("\n"));
        super::press(&mut state, "<PgDn>");
    }
    for words in ["the mouse", "wheel", "the marks", "[ ]", "‹ ›", "=  ", "{ }", "∙", "░", "the colours", "shared weight", "count from 1"]
    {
        assert!(shown.contains(words), "{words}");
    }
}

/// A number of a frame: its text, its value, and the value of a 1 in its last digit.
struct Shown<'a> {
    text: &'a str,
    value: f64,
    last_digit: f64,
}

/// Returns the number that a word is, if it has a decimal point and at least three significant digits, or an exponent; `None` for any other word.
fn parsed(text: &str) -> Option<Shown<'_>> {
    let plain = text.replace('−', "-");
    let value: f64 = plain.parse().ok()?;
    let (mantissa, exponent) = plain.split_once('e').unwrap_or((&plain, "0"));
    let (_, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = mantissa.chars().filter(char::is_ascii_digit).skip_while(|c| *c == '0').count();
    let last_digit = 10_f64.powi(exponent.parse::<i32>().ok()? - i32::try_from(decimals.len()).ok()?);
    (plain.contains('e') || digits >= 3 && !decimals.is_empty()).then_some(Shown { text, value, last_digit })
}

/// Returns the numbers of the equation, the matrices and the picture.
fn shown_numbers(text: &str) -> Vec<Shown<'_>> {
    let count = text.lines().count();
    // without the header, the notes, and the last two lines
    let lines = text.lines().take(count - 2).skip(3).filter(|line| !line.trim_start().starts_with('▌'));
    let is_part = |c: char| c.is_ascii_digit() || "−.e".contains(c);
    lines.flat_map(|line| line.split(|c| !is_part(c))).filter_map(parsed).collect()
}

/// A number that is rounded in two ways in one frame would be two numbers for a reader.
#[test]
fn a_number_is_rounded_in_the_same_way_everywhere_in_a_frame() {
    let mut numbers = 0;
    for (name, document) in bundled_documents() {
        for (.., span) in document.trace.ops() {
            for step in [span.start, span.start + (span.end - span.start) / 2] {
                for (width, height) in SIZES {
                    let text = text_of_size(&open_at(document, step), width, height);
                    let shown = shown_numbers(&text);
                    numbers += shown.len();
                    for (n, one) in shown.iter().enumerate() {
                        // their difference is at most half of a last digit, and a little for the arithmetic
                        let may_be_equal =
                            |other: &&Shown<'_>| (one.value - other.value).abs() <= 0.501 * one.last_digit.max(other.last_digit);
                        let is_rounded_equally = |other: &&Shown<'_>| {
                            (one.last_digit - other.last_digit).abs() <= 1e-9 * one.last_digit
                                && one.text.contains('e') == other.text.contains('e')
                        };
                        // 0.125 and 0.1250 are two numbers: a 0 at the end says that the second one is rounded
                        let is_exact = |number: &Shown<'_>| !number.text.contains('.') || !number.text.ends_with('0');
                        let are_two = |other: &&Shown<'_>| {
                            let [short, long] = if one.text.len() < other.text.len() { [one, other] } else { [other, one] };
                            let zeros = long.text.strip_prefix(short.text).unwrap_or("-");
                            is_exact(short) && zeros.chars().all(|c| c == '0')
                        };
                        let differs = |other: &&Shown<'_>| {
                            one.text != other.text && may_be_equal(other) && !is_rounded_equally(other) && !are_two(other)
                        };
                        let other = shown[..n].iter().find(differs);
                        assert!(
                            other.is_none(),
                            "{name} at step {step}: {} and {}\n{text}",
                            one.text,
                            other.map_or("", |other| other.text)
                        );
                    }
                }
            }
        }
    }
    assert!(numbers > 10_000, "{numbers}");
}

fn text_of_size(state: &State, width: u16, height: u16) -> String {
    export::text(&frame(state, &RenderOptions::default(), width, height))
}
