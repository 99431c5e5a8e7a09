//! The palette finds each command by its name, by letters of its name and by words of its description.

use gradstep::app::{Focus, PromptKind, Request, State, TYPED_COMMANDS};
use gradstep::keys::{self, COMMANDS};

use std::sync::Arc;

use gradstep::command::ScenarioLoader;
use gradstep::scenario::Limits;

use super::{TRAINED, address, at, enter, message, place, press, small};

#[test]
fn every_key_has_a_description_and_every_command_a_key_and_a_name() {
    for focus in [Focus::Normal, Focus::Cursor, Focus::List, Focus::Prompt, Focus::Answer, Focus::Overlay, Focus::Picker] {
        for row in keys::rows(focus) {
            assert!(!row.description.is_empty() && !row.keys.is_empty(), "{row:?}");
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for command in COMMANDS.0.iter() {
        assert!(!command.name.is_empty() && !command.keys.is_empty(), "{command:?} has no name");
        assert!(command.name.chars().all(|c| c.is_ascii_lowercase() || c == ' '), "{command:?}");
        assert!(!names.contains(&command.name), "two commands are called {}", command.name);
        names.push(command.name);
    }
    assert_eq!(names.len(), keys::rows(Focus::Normal).count(), "each key of the stepper is a command");
    for command in TYPED_COMMANDS {
        assert!(!command.description.is_empty() && !names.contains(&command.name), "{command:?}");
        names.push(command.name);
    }
}

#[test]
fn a_typed_command_has_the_effect_of_its_key() {
    let document = small(TRAINED);
    let shown = |state: &State| format!("{:?} {:?} {:?} {:?}", state.stepper(), state.overlay, state.settings, state.message);
    for row in keys::rows(Focus::Normal) {
        let (mut by_key, mut by_name, mut by_exact_name) = (at(&document, 7), at(&document, 7), at(&document, 7));
        let request = press(&mut by_key, row.keys[0]);
        assert_eq!(enter(&mut by_name, &format!(":{}", row.name)), request, "{}", row.name);
        assert_eq!(shown(&by_name), shown(&by_key), "{}", row.name);
        // after `!` the text is always a command, even if an op has the same name
        assert_eq!(enter(&mut by_exact_name, &format!(":!{}", row.name)), request);
        assert_eq!(shown(&by_exact_name), shown(&by_key), "!{}", row.name);
    }
}

/// For an Enter that is typed before the program runs, the terminal sends a line feed, which is Ctrl-J. In a typed line it is Enter.
#[test]
fn ctrl_j_in_a_typed_line_is_enter() {
    let document = small(TRAINED);
    for line in [":loss", "/fc1", ":set fc1.bias[0] 1", "e0.5", "p0.5"] {
        let (mut by_enter, mut by_ctrl_j) = (at(&document, 1), at(&document, 1));
        press(&mut by_enter, line);
        assert!(by_enter.focus().is_prompt(), "{line}");
        press(&mut by_enter, "<Enter>");
        press(&mut by_ctrl_j, &format!("{line}<C-j>"));
        let [one, other] = [&by_ctrl_j, &by_enter].map(|state| (place(state), message(state), state.focus()));
        assert_eq!(one, other, "{line}");
    }
    let mut picker = State::picker(gradstep::command::picker_entries::bundled());
    assert_eq!(press(&mut picker, "/xor<C-j>"), Some(Request::Open("xor".to_owned())));
}

/// The names in the list above the prompt.
fn candidates(state: &mut State, typed: &str) -> Vec<String> {
    press(state, &format!(":{}", typed.replace('<', "<lt>")));
    let found = state.prompt().unwrap().candidates(state.document().unwrap());
    press(state, "<Esc>");
    found.into_iter().map(|candidate| candidate.text).collect()
}

#[test]
fn every_command_is_found_by_letters_and_by_words() {
    let document = small(TRAINED);
    let mut state = at(&document, 1);
    let all = COMMANDS.0.iter().map(|command| (command.name, command.description));
    for (name, description) in all.chain(TYPED_COMMANDS.iter().map(|command| (command.name, command.description))) {
        let is_found = |found: &[String], most: usize| found.iter().take(most).any(|text| text.trim_end() == name);
        assert!(is_found(&candidates(&mut state, name), 6), "{name}: {:?}", candidates(&mut state, name));
        // each word without its vowels after the first letter
        let short = |word: &str| {
            let mut letters = word.chars();
            letters.next().into_iter().chain(letters.filter(|c| !"aeiou".contains(*c))).collect::<String>()
        };
        let letters: Vec<String> = name.split(' ').map(short).collect();
        let found = candidates(&mut state, &letters.join(" "));
        assert!(is_found(&found, 10), "{name} is not found by {letters:?}: {found:?}");
        // the longest word of its description
        let longest = description.split(|c: char| !c.is_alphabetic()).max_by_key(|word| word.len()).unwrap();
        assert!(is_found(&candidates(&mut state, longest), 99), "{name} is not found by {longest}");
    }
}

#[test]
fn enter_runs_only_what_is_written_in_full_or_was_chosen() {
    let document = small(TRAINED);
    let mut state = at(&document, 7);
    enter(&mut state, ":stp ot");
    assert!(state.focus() == Focus::Prompt && state.prompt().unwrap().is_refused, "an abbreviation is not run: the prompt asks");
    assert_eq!(place(&state).step, 7);
    // the first candidate is the answer
    press(&mut state, "<Tab><Enter>");
    assert_eq!((state.focus(), place(&state).step), (Focus::Normal, document.trace.span(7, gradstep::step::Unit::Op).end - 1));
    enter(&mut state, ":quti");
    assert!(state.prompt().unwrap().is_refused);
    assert_eq!(press(&mut state, "<Tab><Enter>"), Some(Request::Quit), "the first candidate for quti is quit");
    // Tab and Shift-Tab go through all candidates and begin again at the other end
    let mut state = at(&document, 7);
    let count = candidates(&mut state, "").len();
    press(&mut state, &format!(":{}", "<Tab>".repeat(count + 1)));
    assert_eq!(state.prompt().unwrap().chosen(), Some(0));
    press(&mut state, "<S-Tab>");
    assert_eq!(state.prompt().unwrap().chosen(), Some(count - 1));
    press(&mut state, "<Esc>");
    // a text that is similar to no command
    enter(&mut state, ":zzzzzz");
    assert!(state.focus() == Focus::Normal && state.message.as_ref().is_some_and(|message| message.is_error));
}

#[test]
fn a_text_that_names_an_op_and_a_command_means_the_op() {
    let graph =
        "title = \"names\"\n[graph]\ninputs = { a = 0.5, b = 0.25 }\nnodes = [\"quit = a * b\", \"terms = quit + b\", \"w = terms * a\"]\n";
    let document = small(graph);
    for (typed, wanted) in
        [("quit", "quit#1"), ("terms", "terms#1"), ("w", "w#1"), ("first", "quit#1"), ("terms#2", "terms#2"), ("2", "terms#1")]
    {
        let mut state = at(&document, 1);
        assert_eq!(enter(&mut state, &format!(":{typed}")), None);
        assert_eq!((address(&state).as_str(), state.focus()), (wanted, Focus::Normal), "{typed}");
    }
    let mut state = at(&document, 1);
    assert_eq!(enter(&mut state, ":!quit"), Some(Request::Quit));
    let mut state = at(&document, 1);
    enter(&mut state, ":!w");
    assert_eq!((message(&state).as_str(), place(&state).step), ("there is no edit to write: e edits the number under the cursor", 1));
    assert!(candidates(&mut state, "quit").contains(&"!quit".to_owned()));
    assert!(candidates(&mut state, "quit").contains(&"quit".to_owned()));
}

const NO_GRADIENTS: &str = "no gradients of your own are loaded (:mine FILE compares with a file, as does --mine FILE)";

#[test]
fn commands_take_arguments() {
    let document = small(TRAINED);
    let mut state = at(&document, 7);
    assert_eq!(enter(&mut state, ":q"), Some(Request::Quit));
    assert_eq!(enter(&mut state, ":q!"), Some(Request::Quit));
    assert_eq!(enter(&mut state, ":e figure-14"), Some(Request::Open("figure-14".to_owned())));
    enter(&mut state, ":speed 8");
    assert_eq!(gradstep::app::SPEEDS[state.settings.speed], 8.0);
    enter(&mut state, ":speed 9");
    assert!(message(&state).contains("0.25, 0.5, 1, 2, 4, 8, 16, 32, 64"), "{}", message(&state));
    for (typed, said) in [
        (":set fc1.weight[0,0]", "write the new value after the entry: set fc1.weight[0,0] 1/3"),
        (":write", "there is no edit to write: e edits the number under the cursor"),
        (":w", "there is no edit to write: e edits the number under the cursor"),
        (":mine", NO_GRADIENTS),
    ] {
        enter(&mut state, typed);
        assert_eq!(message(&state), said, "{typed}");
    }
    assert_eq!(enter(&mut state, ":mine grads.npz"), Some(Request::CompareGradients("grads.npz".to_owned())));
    press(&mut state, "D");
    assert_eq!(message(&state), NO_GRADIENTS);
    // a command without its argument stays in the prompt
    enter(&mut state, ":delete");
    assert!(state.focus() == Focus::Prompt && state.prompt().unwrap().is_refused);
}

#[test]
fn in_a_session_of_format_1_the_prompt_takes_only_addresses() {
    let mut state = at(&small(TRAINED), 1);
    state.settings.key_meanings = gradstep::app::KeyMeanings::ToFirstSteps;
    press(&mut state, ":");
    assert_eq!(state.prompt().unwrap().kind, PromptKind::Addresses);
    press(&mut state, "quit<Enter>");
    assert!(state.focus() == Focus::Normal && message(&state).contains("quit"));
}

#[test]
fn a_word_of_a_learner_finds_a_command_or_an_op() {
    let conv = small(
        r#"title = "conv"
loss = "squared_error"
input = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
target = [[0, 0], [0, 0]]
[[layer]]
type = "conv2d"
weight = [[1, 0], [0, -1]]
stride = 2
padding = 1
activation = "softmax"
"#,
    );
    // a word that is written in full is run; a shortened word is offered as a candidate
    for (word, beginning, wanted) in [
        ("stride", "stri", "conv1.z[0,0,0]#1"),
        ("padding", "padd", "conv1.z[0,0,0]#1"),
        ("turned", "turn", "grad.input[0,0,0]#1"),
        ("flipped", "flipp", "grad.input[0,0,0]#1"),
        ("error", "erro", "grad.conv1.z[0,0,0]#1"),
        ("shared", "shar", "grad.conv1.weight[0,0,0,0]#1"),
        ("softmax", "softm", "conv1.a[0,0,0]#1"),
        ("chain rule", "chain r", "grad.conv1.a[0,0,0]#1"),
    ] {
        let mut state = at(&conv, 3);
        assert_eq!(enter(&mut state, &format!(":{word}")), None);
        assert_eq!((address(&state).as_str(), state.focus()), (wanted, Focus::Normal), "{word}");
        let offered = candidates(&mut state, beginning);
        let op = wanted.split('[').next().unwrap();
        assert!(offered.iter().any(|text| text == op || text == "backward"), "{beginning}: {offered:?}");
    }
    // a word may also be answered by a command
    let mut state = at(&conv, 3);
    enter(&mut state, ":architecture");
    assert_eq!(state.focus(), Focus::Map);
    assert!(candidates(&mut at(&conv, 3), "verif").contains(&"gradient check".to_owned()));
    // if the scenario has no such op, a message says so
    let mut state = at(&small(TRAINED), 7);
    enter(&mut state, ":stride");
    assert_eq!(message(&state), "this scenario has no op for stride: the key M shows what it has");
    assert_eq!(state.focus(), Focus::Normal);
}

#[test]
fn every_address_that_the_palette_offers_exists() {
    let document = small(TRAINED);
    let mut state = at(&document, 7);
    // the scenario has the iterations 1 to 4 and the samples 1 and 2
    for (typed, first) in
        [("0/lo", "1/reduce:loss"), ("99/lo", "4/reduce:loss"), ("2/lo", "2/reduce:loss"), ("9:fc", "1:fc1.z"), ("3/9:fc", "3/1:fc1.z")]
    {
        assert_eq!(candidates(&mut state, typed).first().map(String::as_str), Some(first), "{typed}");
    }
    // after an unknown text, Tab takes the suggested candidate
    enter(&mut state, ":0/loss");
    assert!(state.prompt().unwrap().is_refused);
    press(&mut state, "<Tab><Enter>");
    assert_eq!((state.focus(), address(&state).as_str()), (Focus::Normal, "reduce:loss#1"));
}

/// Words that a newcomer types, who knows neither the keys nor the program's words, with a row that must be among the first three.
#[rustfmt::skip]
const NEWCOMERS_WORDS: &[(&str, &str)] = &[
    ("slide", "slide"), ("svg", "slide"), ("image", "slide"), ("screenshot", "slide"), ("export", "slide"),
    ("record", "record"), ("same run twice", "record"), ("replay", "replay"), ("lecture", "record"),
    ("rule", "next pane"), ("why", "what made this"), ("chain rule", "backward"), ("backprop", "backward"),
    ("weights", "1:fc1.weight"), ("bias", "1:fc1.weight"), ("parameters", "1:fc1.weight"), ("input", "1:input"), ("target", "1:target"), ("output", "1:fc2.a"),
    ("vector", "1:grad.fc2.z"), ("error vector", "1:grad.fc2.z"), ("error", "1:grad.fc2.z"), ("delta", "1:grad.fc2.z"),
    ("gradient", "1:grad.fc2.weight"), ("derivative", "1:grad.fc2.weight"),
    ("note", "about"), ("my note", "mark "), ("comment", "mark "), ("picture", "next pane"), ("size", "next pane"), ("zoom", "zoom"),
    ("colour", "help"), ("color", "help"), ("legend", "help"), ("mouse", "help"), ("theme", "theme"), ("dark", "theme"),
    ("exit", "quit"), ("quit", "quit"), ("close", "quit"), ("save", "write edits"), ("write", "write "), ("undo", "undo"),
    ("back", "back"), ("previous", "jump back"), ("next", "forward"), ("start", "open at"), ("end", "quit"), ("first", "first"), ("last", "last"),
    ("sum", "terms"), ("products", "terms"), ("terms", "terms"), ("loss", "reduce:loss"), ("cost", "loss"), ("curve", "loss curve"), ("plot", "loss curve"),
    ("training", "loss curve"), ("learning rate", "update:fc1.weight"), ("batch", "reduce:grad.fc2.weight"),
    ("practise", "predict"), ("practice", "predict"), ("quiz", "predict"), ("score", "predict"), ("hide", "predict"), ("predict", "predict"),
    ("check", "gradient check"), ("right", "gradient check"), ("zero", "inspect"), ("inspect", "inspect"), ("change", "edit"), ("what if", "edit"),
    ("digits", "all digits"), ("latex", "copy"), ("copy", "copy"), ("network", "map"), ("layers", "map"), ("shapes", "map"),
    ("play", "play"), ("pause", "play"), ("speed", "speed "), ("find", "search"), ("search", "search"), ("breakpoint", "breakpoint"), ("watch", "watch "),
    ("bookmark", "bookmarks"), ("example", "open"), ("file", "open"), ("pytorch", "pytorch"), ("npz", "pytorch"), ("my own weights", "pytorch"),
    ("ci", "ci"), ("exit status", "ci"), ("csv", "csv"), ("compare", "mine "), ("heat map", "heat map"), ("matrices", "heat map"), ("sample", "coarser"),
    ("how is this number computed", "what made this"), ("what does the yellow mean", "help"), ("what does the mean of the batch do", "reduce:grad.fc2.weight"),
    ("why is this entry 0", "what made this"), ("which neurons share this weight", "what reads this"),
];

#[test]
fn the_words_of_a_newcomer_find_a_sensible_row() {
    let loader = ScenarioLoader::bundled(Limits::default());
    let xor = Arc::new(loader.open("xor").unwrap());
    let mut state = at(&xor, 7);
    let mut missed = Vec::new();
    for (word, wanted) in NEWCOMERS_WORDS {
        let found = candidates(&mut state, word);
        if !found.iter().take(3).any(|text| text == wanted) {
            missed.push(format!("{word}: not {wanted}, but {:?}", found.iter().take(4).collect::<Vec<_>>()));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    // choosing a row without a key does what its description says
    for (word, line) in [
        ("slide", "gradstep show xor --at '1/1:fc1.a[0]#1' --format svg -o slide.svg"),
        ("record", "gradstep xor --record lecture.session"),
        ("replay", "gradstep replay lecture.session"),
        ("ci", "gradstep gradcheck xor"),
        ("open at", "gradstep xor --at '1/1:fc1.a[0]#1'"),
    ] {
        let request = enter(&mut state, &format!(":{word}"));
        assert_eq!((request, message(&state)), (Some(Request::Copy(line.to_owned())), format!("copied: {line}")), "{word}");
    }
    // the options of the screen are in the command, and the message says what is not
    press(&mut state, "HIZ");
    state.settings.digits = gradstep::number::Digits::new(6).unwrap();
    enter(&mut state, ":set fc1.bias[0] 1");
    let line = "gradstep show xor --at '1/1:fc1.a[0]#1' --index 0 --digits 6 --zoom --keys H --format svg -o slide.svg";
    let request = enter(&mut state, ":slide");
    assert_eq!(request, Some(Request::Copy(line.to_owned())));
    assert_eq!(message(&state), format!("copied without the unsaved edits (W writes them): {line}"));
    press(&mut state, "uHIZ");
    enter(&mut state, ":pytorch");
    assert_eq!(message(&state), "in the scenario file: weight = { file = \"model.npz\", key = \"conv1.weight\" }");
    enter(&mut state, ":weights");
    assert_eq!((state.focus(), message(&state).starts_with("fc1.weight[0,0] is given")), (Focus::Cursor, true));
}

/// Words of the descriptions that need not find a row.
const NO_TOPIC: &[&str] = &[
    "also", "always", "begins", "changed", "chooses", "click", "does", "each", "enough", "enter", "follow", "here", "know", "letters",
    "names", "need", "opening", "outside", "program", "question", "several", "stay", "such", "then", "there", "time", "while",
];

/// Each word in the descriptions of keys and commands finds at least one row.
#[test]
fn every_word_of_the_descriptions_finds_something() {
    let document = small(TRAINED);
    let mut state = at(&document, 1);
    let all = [Focus::Normal, Focus::Cursor].into_iter().flat_map(keys::rows).map(|row| row.description);
    let readme = include_str!("../../README.md").split_once("\n## Keys").and_then(|(_, rest)| rest.split_once("\n## ")).unwrap().0;
    let mut words: Vec<String> = all
        .chain(TYPED_COMMANDS.iter().map(|command| command.description))
        .chain(readme.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | ")).map(|(_, words)| words))
        .flat_map(|words| words.split(|c: char| !c.is_ascii_alphabetic()))
        .filter(|word| word.len() > 3)
        .map(str::to_lowercase)
        .filter(|word| !NO_TOPIC.contains(&word.as_str()))
        .collect();
    words.sort();
    words.dedup();
    let dead: Vec<&String> = words.iter().filter(|word| candidates(&mut state, word).is_empty()).collect();
    assert!(dead.is_empty(), "{dead:?}");
}
