//! `--plain` reads each line as keys, an address or a command, and answers in sentences.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use tempfile::tempdir;

use super::{Run, command, printed};

/// Runs the plain mode on a scenario, with these bytes as its input.
pub(super) fn plain_bytes(arguments: &[&str], input: &[u8]) -> Run {
    let state = tempdir().expect("a folder");
    let mut command = command(arguments);
    command.env("XDG_STATE_HOME", state.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    // the program may end before it has read everything
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    let output = child.wait_with_output().expect("an end");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Run { status: output.status.code().expect("a status"), out: text(output.stdout), err: text(output.stderr) }
}

/// The answers of a scenario in plain mode to these lines, without the text at the opening.
fn answers(scenario: &str, lines: &[&str]) -> String {
    let opening = plain_bytes(&[scenario, "--plain"], b"").out;
    let run = plain_bytes(&[scenario, "--plain"], (lines.join("\n") + "\n").as_bytes());
    assert_eq!((run.status, run.err.as_str()), (0, ""), "{lines:?}");
    run.out.strip_prefix(&opening).expect("the opening is the same").to_owned()
}

#[test]
fn a_line_is_keys_an_address_or_a_command() {
    let said = answers("figure-19", &[":loss<Enter>"]);
    // after a colon, `<` is text and does not begin the name of a key
    assert!(said.contains("there is no"), "{said}");
    // the loss is step 21: its address, keys and step numbers lead to it
    let all = ["loss", ":loss", "21G", "21", ":21"].map(|line| answers("figure-19", &[line]));
    assert!(all[0].starts_with("loss  step 21/64"), "{}", all[0]);
    for other in &all {
        assert_eq!(other, &all[0]);
    }
    // a single character is a key, even if a node has this name: `b` goes to the start of the backward pass
    assert!(answers("figure-14", &["b"]).starts_with("grad.J  step 5/10"));
    assert!(answers("figure-14", &["quit", "l"]).is_empty());
    assert!(answers("figure-14", &["q", "l"]).is_empty());
    // an empty line reads the step out again
    assert!(answers("figure-14", &["lll", "", "ll"]).matches("step 4/").count() == 2);
}

#[test]
fn the_answer_says_that_a_copied_command_line_is_without_the_edits() {
    let line = "gradstep show figure-19 --at 'conv1.z[0,0,0]#1' --format svg -o slide.svg";
    let warning = "copied without the unsaved edits";
    let before = answers("figure-19", &["g", ":slide"]);
    assert!(before.contains(line) && !before.contains("copied"), "{before}");
    let after = answers("figure-19", &["g", ":set conv1.weight[0,0,0,0] 5", ":slide"]);
    assert!(after.contains(line) && after.contains(warning), "{after}");
}

/// A question finds the topics and the commands that it names, in the singular or the plural.
#[test]
fn a_question_finds_topics_by_their_words() {
    for (question, row) in [
        ("what is a tolerance", "tolerance: "),
        ("what are strides", "conv1.z: the pane why explains stride"),
        ("what is a breakpoint?", "breakpoint"),
        ("can I have the map", "map"),
    ] {
        let said = answers("figure-19", &[&format!(":{question}")]);
        assert!(
            said.contains("did you mean:\n1: ") && said.lines().any(|line| line.starts_with("1: ") && line.contains(row)),
            "{question}: {said}"
        );
    }
    // a topic of which this scenario has nothing
    let said = answers("figure-19", &[":what is momentum"]);
    assert!(said.contains("this scenario has no op for momentum"), "{said}");
    let said = answers("figure-19", &[":who wrote this poem"]);
    assert!(said.contains("no place, command or topic has these words"), "{said}");
}

/// The next line replaces a text that is not a number, and is not appended to this text.
#[test]
fn a_line_replaces_a_refused_text() {
    // the term is 1 · 1
    let said = answers("figure-19", &["p", "l27.25", "1"]);
    assert!(said.contains("\"l27.25\" is not a number") && said.contains("right: 1"), "{said}");
    // an empty line does not judge the refused text again
    let said = answers("figure-19", &["p", "x", "", "1"]);
    assert!(said.contains("write the number") && said.contains("right: 1"), "{said}");
    let question = "type the new value of conv1.weight[0,0,0,0] equals 2 to\n";
    let said = answers("figure-19", &["conv1.weight[0,0,0,0]", "e", "x", "0.5"]);
    assert!(said.contains("x is not a number") && said.matches(question).count() == 2 && !said.ends_with(question), "{said}");
}

#[test]
fn a_step_of_the_batch_names_the_step_of_the_sample_that_computes_the_number() {
    // step 14, the last one before the backward pass, completes the loss of sample 1
    let said = answers("xor", &["reduce:loss"]);
    assert!(said.contains("C 1 is 1:loss, from step 14: 0.7492."), "{said}");
    let said = answers("xor", &["reduce:grad.fc1.bias[0]"]);
    assert!(said.contains("is 1:grad.fc1.bias[0], from step ") && !said.contains("given"), "{said}");
}

#[test]
fn an_unknown_line_is_reported() {
    // the keys after the first one without an action are ignored
    let said = answers("figure-19", &["lllQlll"]);
    assert!(said.contains("step 36/64") && said.contains("Q does nothing here"), "{said}");
    // after each of these lines, the step is still the one at which figure-19 opens
    for line in [":frobnicate", "<Nonsense>", "Q", "matrix frobnicate", ":loos"] {
        let said = answers("figure-19", &[line]);
        assert!(said.lines().count() > 1 && said.starts_with("grad.conv1.weight[0,0,0,0]  step 33/64"), "{line:?}: {said}");
    }
    // after a question, the next line is not an answer to it unless it is the number of a row
    let said = answers("figure-19", &[":loos", "l"]);
    assert!(said.contains("did you mean") && said.contains("step 34/64"), "{said}");
    let said = plain_bytes(&["figure-19", "--plain"], b"\xff\xfe\x00\x1b[2J\nl\n");
    assert!(said.status == 0 && said.out.contains("step 34/64") && !said.out.contains('\u{1b}'), "{}", said.out);
    let long = plain_bytes(&["figure-19", "--plain"], &vec![b'l'; 100_000]);
    assert!(long.status == 2 && long.err.contains("longer than"), "{}", long.err);
}

#[test]
fn numbers_choose_rows_of_lists_the_map_and_the_picker() {
    // the four terms of the entry are the steps 37 to 40
    let said = answers("figure-19", &["grad.conv1.weight[0,0,0,1]#4", "t", "2"]);
    assert!(said.lines().any(|line| line.starts_with("2: ")) && said.contains("step 38/64"), "{said}");
    let said = answers("figure-19", &["M", "3"]);
    assert!(said.contains("1: input, given, 1 by 3 by 3") && said.contains("\nloss  step 21/64"), "{said}");
    let run = plain_bytes(&["--plain"], b"G\n13\nl\nq\n");
    assert!(run.status == 0 && run.out.contains("\n13: figure-01") && run.out.contains("\nconv1.z[0,13,8]  step 9674/"), "{}", run.out);
}

#[test]
fn a_number_is_predicted_edited_and_written() {
    let said = answers("figure-19", &["grad.conv1.weight[0,0,0,1]#1", "p", "17", "2"]);
    assert!(said.contains("What is this term, a 1 2 times delta 1 1? Two significant digits are enough"), "{said}");
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("net.toml");
    fs::write(&file, "title = \"net\"\n# the point\ninput = [1, 2]\ntarget = [1]\nloss = \"squared_error\"\n\n[[layer]]\ntype = \"linear\"\nweight = [[0.5, 0.25]]\nbias = [0]\n")
        .expect("a file");
    let path = file.to_str().expect("UTF-8");
    let run = plain_bytes(&[path, "--plain"], b"set fc1.weight[0,1] 1/2\nW\nq\n");
    // the output grows from 0.5 + 0.5 = 1, the target, to 0.5 + 1: C grows from 0 to 0.5²/2
    assert!(run.out.contains("change of C equals 0.125"), "{}", run.out);
    let written = fs::read_to_string(&file).expect("a file");
    assert!(written.contains("weight = [[0.5, 0.5]]") && written.contains("# the point"), "{written}");
}

#[test]
fn in_ascii_every_byte_is_ascii() {
    let run = plain_bytes(&["figure-17", "--plain", "--ascii"], b"?\n<Esc>\nlll\nt\n<Esc>\nmatrices\nye\n");
    assert!(run.status == 0 && run.out.is_ascii() && run.out.lines().count() > 60, "{}", run.out);
}

#[test]
fn each_line_of_a_prediction_leads_to_the_next_question() {
    let said = answers("figure-19", &["p", "<Tab>", "", "-4", "", "/conv1"]);
    assert!(said.contains("<Tab> shows the answer, <Esc> leaves the question."), "{said}");
    assert!(said.contains("the answer is 1; Enter goes on") && said.contains("equals the hidden number"), "{said}");
    // an empty line goes to the next question after a shown answer and after a right one
    assert!(said.contains("step 34/64") && said.contains("step 35/64"), "{said}");
    // prediction warns of a search, and the letters of the search are not pressed as keys
    assert!(said.trim_end().lines().last().is_some_and(|line| line.contains("this may show numbers of later questions")), "{said}");
}

#[test]
fn a_line_with_a_search_is_not_a_string_of_keys() {
    let said = answers("figure-19", &["/conv1", "n", "/> 12", "/zzz", ":loss"]);
    // each of the five lines is answered with a step
    assert!(said.lines().filter(|line| line.contains("  step ")).count() == 5, "{said}");
    assert!(said.contains("\nloss  step 21/64"), "{said}");
    let said = answers("figure-19", &["/[("]);
    assert!(said.contains("type > 1, == 0 or nan"), "{said}");
}

#[test]
fn an_address_of_this_step_reads_the_step_again() {
    let said = answers("figure-19", &[":conv1.z", ":conv1.z", "<Esc>"]);
    assert_eq!(said.matches("\nWhy: ").count(), 2, "{said}");
    // with a cursor, a new step is also read out
    let said = answers("figure-19", &["i", ":conv1.z", "l"]);
    assert!(said.matches("\nWhy: ").count() == 1 && said.matches("the cursor: ").count() == 3, "{said}");
}

#[test]
fn after_a_question_a_number_chooses_a_row() {
    let said = answers("figure-19", &[":what is the cost", "1"]);
    assert!(said.contains("\n1: loss") && said.contains("\nloss  step 21/64"), "{said}");
    let said = answers("figure-19", &[":loos", "57"]);
    assert!(said.contains("step 57/64"), "{said}");
    // a second question replaces the first one
    let said = answers("figure-19", &[":which rule is it", ":what is the cost", "1"]);
    assert!(said.contains("\nloss  step 21/64"), "{said}");
}

#[test]
fn a_setting_that_only_affects_the_screen_is_reported_and_a_new_index_reads_the_step_again() {
    let said = answers("figure-19", &["Z", "H", "I"]);
    assert!(said.contains("zoom is for the screen") && said.contains("heat maps are for the screen"), "{said}");
    assert!(said.contains("d C by d w 0 0 equals"), "{said}");
}

/// A session that is recorded in plain mode replays to the same steps.
#[test]
fn a_recording_replays_with_the_same_keys() {
    let folder = tempdir().unwrap();
    let lines = [
        "lll",
        "grad.conv1.weight[0,0,0,1]",
        "t",
        "3",
        "i<Tab>",
        "m",
        "<C-o>",
        "<Esc>",
        " lll",
        "M",
        "1",
        ":loos",
        "l",
        "/ > 5",
        "n",
        ":break grad.input",
        "c",
        "set input[0,0,0] 3",
        "matrices",
        "",
        "p",
        "9",
        "<Tab>",
        "p",
        "<Esc>",
        "o",
        "figure-14",
        "2",
        "5l",
    ];
    for (scenario, lines) in
        [("figure-19", &lines[..]), ("xor", &["40/loss", "L", "<Space>", "<Esc>", "40/update:fc1.weight", "2k", " l", "l"])]
    {
        let path = folder.path().join(scenario);
        let path = path.to_str().unwrap();
        let input = lines.join("\n") + "\n";
        let recorded = plain_bytes(&[scenario, "--plain", "--record", path], input.as_bytes());
        assert_eq!((recorded.status, recorded.err.as_str()), (0, ""));
        // the steps that were read out, such as `loss  step 21/64`, without repetitions
        let steps_in = |text: &str| {
            let step = |line: &str| line.split_once(", unit").map(|(step, _)| step.to_owned());
            let mut steps: Vec<String> = text.lines().filter_map(step).filter(|step| step.contains("  step ")).collect();
            steps.dedup();
            steps
        };
        let replayed = printed(&["replay", path, "--format", "plain"]);
        let (after_lines, after_keys) = (steps_in(&recorded.out), steps_in(&replayed));
        // the replay answers after each key, the recorded session after each line: so the replay has all its steps in the same order
        let mut later_keys = after_keys.iter();
        for step in &after_lines {
            assert!(later_keys.any(|other| other == step), "{scenario}: {step} is not in {after_keys:#?}");
        }
        assert_eq!(after_lines.last(), after_keys.last(), "{scenario}");
        assert!(after_lines.len() > 1 && !replayed.contains("playing"), "{scenario}: {after_lines:?}");
        let second_recording = plain_bytes(&[scenario, "--plain", "--record", path], b"");
        assert!(second_recording.status == 2, "{}", second_recording.err);
        assert!(second_recording.err.contains("--record does not overwrite files"), "{}", second_recording.err);
    }
    let none = plain_bytes(&["--plain", "--record", "no-file"], b"");
    assert!(none.status == 2 && none.err.contains("these options need a scenario"), "{}", none.err);
}

#[test]
fn a_broadcast_operand_is_read_out_with_both_shapes() {
    let run = plain_bytes(&["batch-norm-lines", "--plain"], b"diff[1,0]\nmatrices\n");
    assert!(run.out.contains("\nmu, 1 by 2, broadcast to 4 by 2:\n") && run.out.contains("\ndiff, 4 by 2:\n"), "{}", run.out);
}
