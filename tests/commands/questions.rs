//! The questions of learners, teachers and engineers, asked in plain mode in their own words. The answers must contain the right facts; the snapshot has the
//! whole conversation.

use std::fs;

use tempfile::tempdir;

use super::plain::plain_bytes;
use super::{gradstep, printed};

/// A question and its answer.
struct Question {
    /// The question, typed after a colon.
    asked: &'static str,
    scenario: &'static str,
    /// The lines before the question.
    context: &'static [&'static str],
    /// The beginning of the row to choose from what gradstep offers.
    row: &'static str,
    /// The lines after the choice.
    then: &'static [&'static str],
    /// Texts of the answers after the question.
    facts: &'static [&'static str],
}

const ENTRY: &[&str] = &[":grad.conv1.weight[0,0,0,1]#4"];
const STRIDE_AND_PADDING: &str = "tests/screen/stride-2-padding-1.toml";

#[rustfmt::skip]
const LEARNER: &[Question] = &[
    Question {
        asked: "where does this entry come from?", scenario: "figure-16", context: &[":grad.fc2.weight[0,1]"], row: "what made this", then: &[],
        facts: &["fc1.a[1]  step 14/71", "The entry is complete: 0.8000."],
    },
    Question {
        asked: "which products add up to it?", scenario: "figure-18", context: ENTRY, row: "terms", then: &[],
        facts: &["1: 1, a 1 2 times delta 1 1, 2 times 1, 2", "4: 4, a 2 3 times delta 2 2, (minus 3) times 0.5, minus 1.5", "9.5"],
    },
    Question {
        asked: "where is it used?", scenario: "figure-16", context: &[":fc1.a[1]"], row: "what reads this", then: &[],
        facts: &["fc1.a[1] is read by", ": fc2.z[0], step ", ": grad.fc2.weight[0,1], step 35, backward"],
    },
    Question {
        asked: "which rule is it, in words?", scenario: "figure-18", context: ENTRY, row: "next pane", then: &[],
        facts: &["Why: Every output of the channel uses the shared weight once. Its gradient is the sum over all these edges: the input at the start of the edge times the error at its end."],
    },
    Question {
        asked: "why is the filter turned?", scenario: "figure-18", context: ENTRY, row: "grad.input", then: &[],
        facts: &["convolved with rot180(W of layer 1)", "the output at its lower right used the upper left weight of the filter. So the filter lies on the error turned by 180 degrees"],
    },
    Question {
        asked: "which neurons share this weight?", scenario: "figure-18", context: &[":conv1.weight[0,0,0,1]"], row: "what reads this", then: &[],
        facts: &["conv1.weight[0,0,0,1] is read by 8 steps", "1: conv1.z[0,0,0], step 2", "2: conv1.z[0,0,1], step 6", "3: conv1.z[0,1,0], step 10", "4: conv1.z[0,1,1], step 14"],
    },
    Question {
        asked: "what is ∂J/∂a as a product along its paths?", scenario: "figure-14", context: &[], row: "grad.a", then: &[],
        facts: &["along the path J from v from u from a: 2 times 1 times 2 equals 4."],
    },
    Question {
        asked: "what if this weight grows by 0.1?", scenario: "figure-18", context: &[":conv1.weight[0,0,0,1]"], row: "edit", then: &["+= 0.1"],
        facts: &["conv1.weight[0,0,0,1] minus 1 to minus 0.9.", "C 53.5 to 54.450.", "change of C equals 0.9500.", "9.5 times 0.1000 equals 0.9500."],
    },
    Question {
        asked: "is it right?", scenario: "figure-18", context: ENTRY, row: "gradient check", then: &[],
        facts: &["1: the backward pass, 9.5", "2: central difference, 9.5", "verdict, agrees"],
    },
    Question {
        asked: "what is the error vector of layer 1, whole?", scenario: "figure-16", context: &[], row: "grad.fc1.z", then: &["f", "matrix grad.fc1.z"],
        facts: &["The entry is complete", "grad.fc1.z, 3:\nrow 1: "],
    },
    Question {
        asked: "what is padding's part here, and the stride's?",
        scenario: STRIDE_AND_PADDING,
        context: &[],
        row: "conv1.z",
        then: &[":grad.input"],
        facts: &[
            "Stride 2: the filter moves 2 places at a time. Padding 1: the filter also lies on a border of 1 around the input. There are no neurons in the border, so there are no steps.",
            "Stride 2: the error is spread first, so that its entries are 2 places apart.",
            "Padding 1: there are no neurons in the border, so its derivatives are not computed.",
        ],
    },
    Question {
        asked: "why is this entry 0?", scenario: "figure-07", context: &[":grad.input", "i", "l"], row: "inspect", then: &[],
        facts: &["the cursor: grad.input[0,0,1] is 0: it was not the maximum of any window that covers it"],
    },
];

#[rustfmt::skip]
const TEACHER: &[Question] = &[
    Question {
        asked: "how do I open at a given step?", scenario: "figure-18", context: ENTRY, row: "open at", then: &[],
        facts: &["\ngradstep figure-18 --at 'grad.conv1.weight[0,0,0,1]#4'\n"],
    },
    Question {
        asked: "can I hide the result?", scenario: "figure-18", context: &[":grad.conv1.weight[0,0,0,1]#3"], row: "predict", then: &["8", "9"],
        facts: &["What is this term, a 2 2 times delta 2 1?", "8: not yet", "right now: 9", "predicted 0/1"],
    },
    Question {
        asked: "how do I show the same run twice?", scenario: "figure-18", context: ENTRY, row: "record", then: &[],
        facts: &["replay: plays a recording", "\ngradstep figure-18 --record lecture.session\n"],
    },
    Question {
        asked: "a slide of this step?", scenario: "figure-18", context: ENTRY, row: "slide", then: &[],
        facts: &["\ngradstep show figure-18 --at 'grad.conv1.weight[0,0,0,1]#4' --format svg -o slide.svg\n"],
    },
    Question {
        asked: "can I put my own note at this step?", scenario: "figure-18", context: ENTRY, row: "mark NAME", then: &[":mark exam", ":bookmarks"],
        facts: &["a [[note]] in the scenario file is shown at its step", "grad.conv1.weight[0,0,0,1]#4, exam"],
    },
    Question {
        asked: "is it readable from the last row?", scenario: "figure-18", context: ENTRY, row: "zoom", then: &[],
        facts: &["the option --zoom: the equation and the operands alone, in large characters"],
    },
];

#[rustfmt::skip]
const ENGINEER: &[Question] = &[
    Question {
        asked: "which of my gradients is wrong?", scenario: "figure-18", context: ENTRY, row: "mine [FILE]", then: &[],
        facts: &["no gradients of your own are loaded (:mine FILE compares with a file, as does --mine FILE)"],
    },
    Question {
        asked: "where is my gradient wrong first?", scenario: "figure-18", context: ENTRY, row: "mine [FILE]", then: &[],
        facts: &["no gradients of your own are loaded (:mine FILE compares with a file, as does --mine FILE)"],
    },
    Question {
        asked: "why is my gradient wrong?", scenario: "figure-18", context: ENTRY, row: "mine [FILE]", then: &[],
        facts: &["no gradients of your own are loaded (:mine FILE compares with a file, as does --mine FILE)"],
    },
    Question {
        asked: "what are all digits of it?", scenario: "figure-16", context: &[":grad.fc2.weight[0,1]"], row: "all digits", then: &[],
        facts: &["complete, 0.6090661718743283"],
    },
    Question {
        asked: "how do I get my own weights in?", scenario: "figure-18", context: ENTRY, row: "pytorch", then: &[],
        facts: &["weight = { file = \"model.npz\", key = \"conv1.weight\" }"],
    },
    Question {
        asked: "can it fail in CI?", scenario: "figure-18", context: ENTRY, row: "ci", then: &[],
        facts: &["exit status 1 if a derivative is wrong", "\ngradstep gradcheck figure-18\n"],
    },
];

/// Returns what plain mode prints for these lines.
fn output(scenario: &str, lines: &[String]) -> String {
    let input: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    let run = plain_bytes(&[scenario, "--plain"], input.as_bytes());
    assert_eq!((run.status, run.err.as_str()), (0, ""), "{lines:?}");
    run.out
}

impl Question {
    /// Asks the question, chooses the row, and types the lines after it. Returns the conversation, without the lines before the question.
    #[track_caller]
    fn conversation(&self) -> String {
        let mut lines: Vec<String> = self.context.iter().map(|line| (*line).to_owned()).collect();
        let mut output_before = output(self.scenario, &lines);
        let mut conversation = String::new();
        let mut answers = String::new();
        let mut say = |line: String| {
            conversation.extend(["> ", &line, "\n"]);
            lines.push(line);
            let output_after = output(self.scenario, &lines);
            let answer = output_after.strip_prefix(&output_before).expect("the answers before are the same").to_owned();
            conversation.push_str(&answer);
            answers.push_str(&answer);
            output_before = output_after;
            answer
        };
        let offered = say(format!(":{}", self.asked));
        let row = offered.lines().find_map(|line| {
            let (number, row) = line.split_once(": ")?;
            let is_row = row.starts_with(self.row) && number.parse::<usize>().is_ok();
            is_row.then(|| number.to_owned())
        });
        say(row.unwrap_or_else(|| panic!("{}: {} is not offered:\n{offered}", self.asked, self.row)));
        for line in self.then {
            say((*line).to_owned());
        }
        for fact in self.facts {
            assert!(answers.contains(fact), "{}: {fact:?} is not in the answer:\n{conversation}", self.asked);
        }
        conversation
    }
}

#[test]
fn every_question_has_its_answer() {
    let mut transcript = String::new();
    for (who, questions) in [("A learner", LEARNER), ("A teacher", TEACHER), ("An engineer", ENGINEER)] {
        for question in questions {
            let context = question.context.join("  ");
            let conversation = question.conversation();
            transcript.extend(["== ", who, ", in ", question.scenario, " ", &context, "\n", &conversation, "\n"]);
        }
    }
    assert_eq!(LEARNER.len() + TEACHER.len() + ENGINEER.len(), 24);
    insta::assert_snapshot!("questions", transcript);
}

/// The answer with the whole error vector, and the answer with all digits of a number, have the numbers of `grads`.
#[test]
fn the_numbers_of_the_answers_are_those_of_grads() {
    let grads: serde_json::Value = serde_json::from_str(&printed(&["grads", "figure-16", "--format", "json"])).expect("JSON");
    let gradients = &grads["samples"][0]["gradients"];
    let said = output("figure-16", &[":grad.fc1.z", "f", "matrix grad.fc1.z"].map(str::to_owned));
    let (_, matrix) = said.rsplit_once("grad.fc1.z, ").expect("the matrix");
    // the last word of each row is a number, perhaps in brackets
    let read: Vec<f64> = matrix
        .lines()
        .skip(1)
        .map(|row| row.split(['[', ']', ' ']).rfind(|part| !part.is_empty()).expect("a number"))
        .map(|number| number.parse().expect("a number"))
        .collect();
    let right: Vec<f64> = gradients["fc1.z"].as_array().expect("a list").iter().filter_map(serde_json::Value::as_f64).collect();
    assert_eq!(read.len(), right.len(), "{said}");
    assert!(read.iter().zip(&right).all(|(read, right)| (read - right).abs() < 1e-3), "{said}");
    let said = output("figure-16", &[":grad.fc2.weight[0,1]", "d"].map(str::to_owned));
    let right = gradients["fc2.weight"][0][1].to_string();
    assert!(said.contains(&format!(", {right}\n")), "{right} is not in {said}");
}

/// The commands in the answers work, and the same lines give the same output twice.
#[test]
fn the_answers_of_a_teacher_work() {
    let opened = plain_bytes(&["figure-18", "--plain", "--at", "grad.conv1.weight[0,0,0,1]#4"], b"");
    assert!(opened.out.starts_with("grad.conv1.weight[0,0,0,1]  step 40/64"), "{}", opened.out);
    assert!(printed(&["show", "figure-18", "--at", "grad.conv1.weight[0,0,0,1]#4", "--format", "svg"]).starts_with("<svg"));
    let lines = ["lll", "t", "<Esc>", ":loss", "p", "3"].map(str::to_owned);
    assert_eq!(output("figure-18", &lines), output("figure-18", &lines));
    // a note in the scenario file is read at its step
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("net.toml");
    let text = fs::read_to_string("scenarios/figure-18.toml").expect("a scenario");
    fs::write(&file, text + "\n[[note]]\nat = \"grad.conv1.weight[0,0,0,1]#4\"\ntext = \"Ask the class here.\"\n").expect("a file");
    let said = output(file.to_str().expect("UTF-8"), &[":grad.conv1.weight[0,0,0,1]#4".to_owned()]);
    assert!(said.contains("Note: Ask the class here."), "{said}");
}

#[test]
fn the_answer_of_an_engineer_works() {
    let run = gradstep(&["gradcheck", "figure-18"]);
    assert_eq!(run.status, 0, "{}", run.err);
}
