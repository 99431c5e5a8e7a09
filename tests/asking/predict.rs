//! Prediction (`p`): the judgement of numbers, the hints about wrong ones, and the keys.
//!
//! The wrong numbers are worked out by hand, as someone with a pencil makes the mistake. The comments have the work.

use gradstep::app::{Focus, Prediction};
use gradstep::mistakes::{MISTAKES, Question, TypedNumber, Verdict};
use gradstep::scene::Asked;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::*;

/// W = [[0.2, 0.7, −0.5], [−0.4, 1.1, 0.9], [0.6, −0.8, 0.3]], x = (1, 2, −3), and the error δ = (0.5, −2, 3).
///
/// z₁ = 0.2 + 1.4 + 1.5 = 3.1;  z₂ = −0.4 + 2.2 − 2.7 = −0.9;  z₃ = 0.6 − 1.6 − 0.9 = −1.9
const SQUARE: &str = r#"title = "square"
input = [1, 2, -3]
target = [0.5, -2, 3]
loss = "upstream"
[[layer]]
type = "linear"
weight = [[0.2, 0.7, -0.5], [-0.4, 1.1, 0.9], [0.6, -0.8, 0.3]]
"#;

/// The filter w = [[0.2, 0.7], [−0.4, 1.1]], and the error δ = [[0.3, −0.6], [0.9, 0.5]].
const FILTER: &str = r#"title = "filter"
input = [[1, 2, 0], [4, 3, -3], [5, -2, 6]]
target = [[0.3, -0.6], [0.9, 0.5]]
loss = "upstream"
[[layer]]
type = "conv2d"
weight = [[0.2, 0.7], [-0.4, 1.1]]
"#;

fn open(name: &str) -> Arc<Document> {
    match name {
        "square" => small(SQUARE),
        "filter" => small(FILTER),
        bundled => Arc::new(ScenarioLoader::bundled(Limits::default()).open(bundled).unwrap()),
    }
}

/// Judges a number at an address: of the term if the address names one, else of the entry.
fn judge(document: &Document, address: &str, typed: &str) -> Verdict {
    let asked = if address.contains('#') { Asked::Term } else { Asked::Entry };
    let step = document.trace.resolve(&address.parse().unwrap()).unwrap();
    let scene = document.scene(step).unwrap().asking(Some(asked));
    Question::of(&document.trace, &scene.at, asked).judge(TypedNumber::parse(typed).unwrap(), &scene)
}

/// Wrong numbers with one mistake: a scenario, an address, the number.
type WrongNumbers = [(&'static str, &'static str, &'static str); 10];

fn all_get(id: &str, numbers: &WrongNumbers) {
    for &(name, address, typed) in numbers {
        match judge(&open(name), address, typed) {
            Verdict::Wrong(Some(hint)) => assert_eq!(hint.id, id, "{name} {address} {typed}: {}", hint.words),
            other => panic!("{name} {address} {typed}: {other:?}, not {id}"),
        }
    }
}

#[test]
fn a_forgotten_sign() {
    all_get(
        "sign-flipped",
        &[
            ("figure-16", "fc1.z[0]", "-0.7"),          // 0.6 + 0.2 − 0.2 + 0.1 = 0.7
            ("figure-16", "fc1.z[2]", "0.6"),           // −0.5 + 0.4 − 0.3 − 0.2 = −0.6
            ("figure-16", "fc2.z[0]", "-1.09"),         // 0.35 + 0.64 + 0 + 0.1 = 1.09
            ("figure-16", "fc2.z[1]", "0.07"),          // −0.28 + 0.16 + 0 + 0.05 = −0.07
            ("figure-16", "grad.fc2.z[0]", "-0.76"),    // t − a = 0 − 0.76 for a − t
            ("figure-16", "grad.fc2.z[1]", "0.76"),     // t − a = 1 − 0.24 for a − t
            ("mazur-2-2-2", "grad.fc2.a[0]", "-0.741"), // t − a = 0.01 − 0.751
            ("figure-20", "grad.input[0,1,1]", "7"),    // 1 − 3 − 6 + 1 = −7
            ("square", "grad.input[1]#2", "2.2"),       // 1.1·(−2) = −2.2
            ("filter", "grad.input[0,2,0]#1", "0.36"),  // −0.4·0.9 = −0.36
        ],
    );
}

#[test]
fn a_forgotten_derivative_of_the_activation() {
    all_get(
        "activation-derivative-missing",
        &[
            ("mazur-2-2-2", "grad.fc2.z[0]", "0.741"),  // δ = ∂C/∂a = a − t = 0.751 − 0.01
            ("mazur-2-2-2", "grad.fc2.z[1]", "-0.217"), // 0.773 − 0.99
            ("mazur-2-2-2", "grad.fc1.z[0]", "0.0364"), // ∂C/∂a = 0.4·0.1385 − 0.5·0.0381
            ("mazur-2-2-2", "grad.fc1.z[1]", "0.0414"), // 0.45·0.1385 − 0.55·0.0381
            ("figure-16", "grad.fc1.z[2]", "-0.914"),   // z₃ < 0: the error −0.914 must become 0
            ("xor", "1:grad.fc1.z[1]", "-0.158"),       // −0.3·0.527
            ("xor", "2:grad.fc1.z[0]", "-0.238"),       // 0.5·(−0.477)
            ("xor", "2:grad.fc1.z[1]", "0.143"),        // −0.3·(−0.477)
            ("xor", "3:grad.fc1.z[0]", "-0.223"),       // 0.5·(−0.447)
            ("xor", "3:grad.fc2.z[0]", "-1.807"),       // ∂C/∂a = −1/a = −1/0.5535
        ],
    );
}

#[test]
fn a_missing_factor() {
    all_get(
        "factor-missing",
        &[
            ("mazur-2-2-2", "grad.fc2.weight[0,0]", "0.138"), // only δ₁ for a₁·δ₁
            ("mazur-2-2-2", "grad.fc2.weight[0,0]", "0.593"), // only a₁
            ("square", "fc1.z[0]", "0.4"),                    // the weights alone: 0.2 + 0.7 − 0.5
            ("square", "fc1.z[0]#2", "0.7"),                  // w₁₂ for w₁₂·x₂
            ("square", "fc1.z[0]#2", "2"),                    // x₂ for w₁₂·x₂
            ("square", "grad.input[0]", "1.5"),               // the errors alone: 0.5 − 2 + 3
            ("square", "grad.input[1]", "1.0"),               // the weights alone: 0.7 + 1.1 − 0.8
            ("filter", "grad.input[0,0,0]", "0.3"),           // δ₁₁ for w₁₁·δ₁₁
            ("filter", "grad.input[0,0,0]", "0.2"),           // w₁₁ for w₁₁·δ₁₁
            ("figure-16", "grad.fc1.weight[0,1]", "0.685"),   // δ₁ for x₂·δ₁
        ],
    );
}

/// The filter as it stands, [[0.2, 0.7], [−0.4, 1.1]], laid on the padded error, instead of turned.
#[test]
fn a_filter_that_is_not_turned() {
    all_get(
        "kernel-not-flipped",
        &[
            ("filter", "grad.input[0,0,0]", "0.33"),    // 1.1·0.3
            ("filter", "grad.input[0,0,1]", "-0.78"),   // 1.1·(−0.6) − 0.4·0.3
            ("filter", "grad.input[0,0,2]", "0.24"),    // −0.4·(−0.6)
            ("figure-20", "grad.input[0,2,0]", "-3"),   // −1·3
            ("filter", "grad.input[0,1,1]", "-0.17"),   // 1.1·0.5 − 0.4·0.9 − 0.7·0.6 + 0.2·0.3
            ("filter", "grad.input[0,1,2]", "-0.32"),   // −0.4·0.5 + 0.2·(−0.6)
            ("filter", "grad.input[0,2,0]", "0.63"),    // 0.7·0.9
            ("filter", "grad.input[0,2,1]", "0.53"),    // 0.7·0.5 + 0.2·0.9
            ("filter", "grad.input[0,2,2]", "0.1"),     // 0.2·0.5
            ("figure-20", "grad.input[0,1,1]", "13.5"), // 2·1 − 1·(−2) + 3·3 + 1·0.5
        ],
    );
}

#[test]
fn a_forgotten_transpose_of_the_weights() {
    all_get(
        "weight-transpose-missing",
        &[
            ("square", "fc1.z[0]", "-2.4"),      // column 1: 0.2 − 0.8 − 1.8
            ("square", "fc1.z[1]", "5.3"),       // column 2: 0.7 + 2.2 + 2.4
            ("square", "fc1.z[2]", "0.4"),       // column 3: −0.5 + 1.8 − 0.9
            ("square", "grad.input[0]", "-2.8"), // row 1: 0.1 − 1.4 − 1.5
            ("square", "grad.input[1]", "0.3"),  // row 2: −0.2 − 2.2 + 2.7
            ("square", "grad.input[2]", "2.8"),  // row 3: 0.3 + 1.6 + 0.9
            ("square", "fc1.z[0]#2", "-0.8"),    // w₂₁·x₂ = −0.4·2
            ("square", "fc1.z[0]#3", "-1.8"),    // w₃₁·x₃ = 0.6·(−3)
            ("square", "fc1.z[1]#1", "0.7"),     // w₁₂·x₁
            ("square", "fc1.z[2]#2", "1.8"),     // w₂₃·x₂ = 0.9·2
        ],
    );
}

/// The gradient of a weight is a of its input times δ of its output; here it is a of the output's row times δ of the column.
#[test]
fn a_transposed_outer_product() {
    all_get(
        "outer-product-transposed",
        &[
            ("square", "grad.fc1.weight[0,1]", "-2"),            // x₁·δ₂ = 1·(−2)
            ("square", "grad.fc1.weight[0,2]", "3"),             // x₁·δ₃ = 1·3
            ("mazur-2-2-2", "grad.fc2.weight[0,1]", "-0.0226"),  // 0.593·(−0.0381)
            ("mazur-2-2-2", "grad.fc2.weight[1,0]", "0.0827"),   // 0.597·0.1385
            ("mazur-2-2-2", "grad.fc1.weight[0,1]", "0.000498"), // 0.05·0.00995
            ("mazur-2-2-2", "grad.fc1.weight[1,0]", "0.000877"), // 0.1·0.00877
            ("figure-16", "grad.fc2.weight[0,1]", "-0.533"),     // 0.7·(−0.761)
            ("figure-16", "grad.fc2.weight[1,0]", "0.609"),      // 0.8·0.761
            ("figure-16", "grad.fc1.weight[0,1]", "0.457"),      // 1·0.457
            ("figure-16", "grad.fc1.weight[1,0]", "0.343"),      // 0.5·0.685
        ],
    );
}

#[test]
fn a_term_that_is_left_out() {
    all_get(
        "term-left-out",
        &[
            ("square", "fc1.z[0]", "1.6"),         // 3.1 − 1.5
            ("square", "fc1.z[0]", "1.7"),         // 3.1 − 1.4
            ("square", "fc1.z[0]", "2.9"),         // 3.1 − 0.2
            ("square", "fc1.z[1]", "1.8"),         // −0.9 + 2.7
            ("square", "fc1.z[1]", "-3.1"),        // −0.9 − 2.2
            ("square", "fc1.z[1]", "-0.5"),        // −0.9 + 0.4
            ("figure-16", "fc2.z[0]", "0.99"),     // without the bias 0.1
            ("figure-16", "fc2.z[1]", "-0.12"),    // without the bias 0.05
            ("mazur-2-2-2", "fc1.z[0]", "0.0275"), // without the bias 0.35
            ("mazur-2-2-2", "fc2.z[0]", "0.506"),  // without the bias 0.6
        ],
    );
}

#[test]
fn the_sum_so_far_for_the_term() {
    all_get(
        "sum-instead-of-term",
        &[
            ("square", "fc1.z[0]#2", "1.6"),            // 0.2 + 1.4
            ("square", "fc1.z[0]#3", "3.1"),            // 1.6 + 1.5
            ("square", "fc1.z[1]#2", "1.8"),            // −0.4 + 2.2
            ("square", "fc1.z[1]#3", "-0.9"),           // 1.8 − 2.7
            ("square", "fc1.z[2]#2", "-1"),             // 0.6 − 1.6
            ("square", "fc1.z[2]#3", "-1.9"),           // −1 − 0.9
            ("filter", "grad.input[0,1,1]#2", "0.73"),  // 0.1 + 0.63
            ("filter", "grad.input[0,1,1]#3", "0.97"),  // 0.73 + 0.24
            ("filter", "grad.input[0,1,1]#4", "1.3"),   // 0.97 + 0.33
            ("figure-20", "grad.input[0,1,1]#3", "-8"), // 1 − 3 − 6
        ],
    );
}

/// The learning rate is 0.5, and in the first iteration the velocity v is the gradient.
#[test]
fn a_forgotten_learning_rate() {
    all_get(
        "learning-rate-missing",
        &[
            ("xor", "update:fc2.bias[0]", "-0.0367"),        // 0 − v
            ("xor", "update:fc2.bias[0]", "0.0367"),         // 0 + v
            ("xor", "update:fc2.weight[0,0]#2", "0.000789"), // −v for −0.5·v
            ("xor", "update:fc2.weight[0,0]#2", "-0.000789"),
            ("xor", "update:fc2.weight[0,1]#2", "0.01028"),
            ("xor", "update:fc2.weight[0,1]#2", "-0.01028"),
            ("xor", "update:fc1.bias[0]#2", "-0.00731"),
            ("xor", "update:fc1.bias[0]#2", "0.00731"),
            ("xor", "update:fc1.bias[1]#2", "-0.00368"),
            ("xor", "update:fc1.bias[1]#2", "0.00368"),
        ],
    );
}

/// The ½ of a squared error, and the ¼ of a mean over four samples.
#[test]
fn a_forgotten_constant() {
    all_get(
        "constant-missing",
        &[
            ("mazur-2-2-2", "loss#1", "0.55"),   // 0.741²
            ("mazur-2-2-2", "loss#2", "0.0471"), // 0.217²
            ("mazur-2-2-2", "loss", "0.597"),    // 0.5496 + 0.0471
            ("xor", "reduce:loss", "2.77"),      // 0.749 + 0.648 + 0.592 + 0.783
            ("xor", "reduce:loss#1", "0.749"),
            ("xor", "reduce:loss#2", "0.648"),
            ("xor", "reduce:grad.fc2.bias[0]", "0.1467"), // 0.5272 − 0.4769 − 0.4465 + 0.5428 = 0.1466
            ("xor", "reduce:grad.fc2.bias[0]#1", "0.527"),
            ("xor", "reduce:grad.fc2.bias[0]#2", "-0.477"),
            ("xor", "reduce:grad.fc1.bias[0]#3", "-0.142"),
        ],
    );
}

#[test]
fn a_neighbours_entry() {
    all_get(
        "neighbour-entry",
        &[
            ("square", "fc1.z[0]", "-0.9"),             // z₂
            ("square", "fc1.z[1]", "3.1"),              // z₁
            ("square", "fc1.z[1]", "-1.9"),             // z₃
            ("figure-20", "grad.input[0,1,1]", "-5"),   // above
            ("figure-20", "grad.input[0,1,1]", "9"),    // to the left
            ("figure-20", "grad.input[0,1,1]", "-2.5"), // to the right
            ("figure-20", "grad.input[0,1,1]", "4.5"),  // below
            ("filter", "grad.input[0,1,1]", "0.79"),    // below: 0.99 − 0.2
            ("filter", "grad.input[0,1,1]", "-0.31"),   // to the right: 0.35 − 0.66
            ("filter", "grad.input[0,1,1]", "0.09"),    // above: 0.21 − 0.12
        ],
    );
}

/// Numbers that no mistake gives get no hint: pseudo-random ones of three to five digits.
#[test]
fn a_random_number_gets_no_hint() {
    let mut random = 20_261_129_u64;
    let (mut judged, mut hinted) = (0, Vec::new());
    for (name, addresses) in [
        ("square", ["fc1.z[0]", "fc1.z[1]#2", "grad.input[0]", "grad.fc1.weight[0,1]"]),
        ("filter", ["grad.input[0,1,1]", "grad.input[0,0,1]#1", "conv1.z[0,0,0]", "grad.conv1.weight[0,0,1,0]"]),
        ("mazur-2-2-2", ["fc2.z[0]", "grad.fc2.z[0]", "grad.fc1.a[0]", "loss"]),
    ] {
        let document = open(name);
        for address in addresses {
            for _ in 0..100 {
                // Knuth's linear congruential generator
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (whole, rest) = (random >> 33 & 7, (random >> 40) % 10_000);
                let typed = format!("{}{whole}.{rest:04}", if random >> 63 == 0 { "" } else { "-" });
                match judge(&document, address, &typed) {
                    // a random number may be the answer
                    Verdict::Wrong(None) | Verdict::Right => {}
                    other @ Verdict::Wrong(Some(_)) => hinted.push(format!("{name} {address} {typed}: {other:?}")),
                }
                judged += 1;
            }
        }
    }
    assert!(judged == 1200 && hinted.is_empty(), "{hinted:#?}");
}

#[test]
fn every_mistake_has_an_id_and_a_clause_of_its_own() {
    let (mut ids, mut words) = (HashSet::new(), HashSet::new());
    for mistake in MISTAKES {
        assert!(ids.insert(mistake.id) && words.insert(mistake.words), "{}", mistake.id);
        assert!(!mistake.words.ends_with('.'), "{}", mistake.id);
    }
}

fn prediction(driver: &Driver) -> &Prediction {
    &driver.state.stepper().unwrap().prediction
}

fn frame(driver: &Driver) -> String {
    let screen = Rect::new(0, 0, 120, 40);
    let mut buffer = Buffer::empty(screen);
    gradstep::ui::render(&driver.state, &RenderOptions::default(), screen, &mut buffer);
    export::text(&buffer)
}

fn here(driver: &Driver) -> u64 {
    driver.state.stepper().unwrap().step
}

#[test]
fn a_right_number_is_taken_and_l_goes_on() {
    let document = open("square");
    let mut driver = at_address(&document, "fc1.z[0]#2");
    press(&mut driver, "p1.4<Enter>");
    assert_eq!((message(&driver).as_str(), driver.state.focus()), ("right: 1.4; Enter goes on", Focus::Normal));
    let step = here(&driver);
    // the next question opens its line, so the number can be typed at once
    press(&mut driver, "l3/2<Enter>");
    assert_eq!((here(&driver), message(&driver).as_str()), (step + 1, "right: 1.5; Enter goes on"));
    // Enter goes on as well, and Esc leaves the number hidden
    press(&mut driver, "<Enter><Esc>");
    assert_eq!((here(&driver), driver.state.focus()), (step + 2, Focus::Normal));
    press(&mut driver, "d");
    assert!(message(&driver).contains("is asked for"), "{}", message(&driver));
    // Enter opens the line again
    press(&mut driver, "<Enter>-0.4<Enter>");
    assert!(message(&driver).starts_with("right:"), "{}", message(&driver));
    assert_eq!(prediction(&driver).totals(), (3, 3));
}

#[test]
fn the_value_of_an_entry_is_asked_for_in_a_larger_unit() {
    let document = open("square");
    // from its first term, the answer leads to the last one, where the sum is shown
    let mut driver = at_address(&document, "fc1.z[0]");
    press(&mut driver, "kp3.1<Enter>");
    let last = document.trace.resolve(&"fc1.z[0]#3".parse().unwrap()).unwrap();
    assert_eq!((here(&driver), message(&driver).as_str()), (last, "right: 3.1000; Enter goes on"));
    press(&mut driver, "l<Tab>");
    assert_eq!((here(&driver), message(&driver).as_str()), (last + 3, "the answer is −0.9000; Enter goes on"));
}

#[test]
fn a_wrong_number_gets_a_hint_and_the_score_counts_all_ways() {
    let document = open("square");
    let mut driver = at_address(&document, "fc1.z[0]#2");
    press(&mut driver, "p-1.4<Enter>");
    assert_eq!(message(&driver), "-1.4: the size is right, the sign is not");
    assert_eq!(driver.state.prompt().unwrap().input.value(), "");
    press(&mut driver, "123.4<Enter>");
    assert!(message(&driver).starts_with("123.4: not yet"), "{}", message(&driver));
    // what is no number counts as nothing
    press(&mut driver, "x<Enter>");
    assert_eq!(driver.state.prompt().unwrap().input.value(), "x");
    press(&mut driver, "<BS>1.4<Enter>l<Tab>l-0.4<Enter>p");
    let (right, all) = prediction(&driver).totals();
    assert_eq!((right, all), (1, 3));
    assert_eq!(prediction(&driver).score[0].counts, [1, 1, 1]);
    let list = driver.state.overlay.as_ref().unwrap().list.as_ref().unwrap();
    assert_eq!(list.title, "prediction: 1 of 3 right at once");
    assert!(list.note.starts_with("practise: weighted input"), "{}", list.note);
    // Enter goes to the last place that was not right at once; the score stays, and p goes on with it
    press(&mut driver, "<Enter>");
    assert_eq!(here(&driver), document.trace.resolve(&"fc1.z[0]#3".parse().unwrap()).unwrap());
    press(&mut driver, "p1.5<Enter>");
    assert_eq!(prediction(&driver).totals(), (2, 4));
}

#[test]
fn what_looks_ahead_asks_first() {
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
fn the_lists_and_texts_to_copy_do_not_tell() {
    let document = open("mazur-2-2-2");
    for (keys, answer) in [("p<Esc>", "0.0190"), ("kp<Esc>", "0.0363")] {
        for ask in ["d", "t", "w", "y", "i", "v", "M"] {
            let mut driver = at_address(&document, "grad.fc1.a[0]#2");
            press(&mut driver, &format!("{keys}{ask}"));
            let shown = frame(&driver);
            assert!(!shown.contains(answer), "{keys}{ask} shows {answer}:\n{shown}");
        }
    }
}

#[test]
fn play_stops_at_a_question() {
    let document = open("square");
    let mut driver = at_address(&document, "fc1.z[0]");
    press(&mut driver, "p0.2<Enter><Space>");
    update(&mut driver.state, Action::Clock(Duration::from_secs(5)));
    assert_eq!(driver.state.wake(), None);
    assert_eq!(driver.state.focus(), Focus::Answer);
}
