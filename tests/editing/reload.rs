//! When a scenario file is read again, the step on the screen and the unsaved edits stay, if the new network still has them.

use gradstep::app::{Action, FileChange, update};

use super::*;

/// Replaces the open scenario by this text, as if its file had changed.
fn reload(driver: &mut Driver, text: &str, keeps_edits: bool) {
    driver.state.reload(&scenario(text), keeps_edits);
    driver.finish_all().unwrap();
    // an action, after which overlays about the old network are closed
    update(&mut driver.state, Action::Clock(Duration::ZERO));
}

fn address(driver: &Driver) -> String {
    driver.state.stepper().unwrap().address_here().unwrap().to_string()
}

/// Checks that the numbers of the iteration on the screen are those of the file `text`.
fn assert_bits(driver: &Driver, text: &str) {
    let iteration = document(driver).trace.iteration();
    assert!(bits(document(driver)) == bits(&Document::new(scenario(text)).iteration(iteration)), "{}", message(driver));
}

#[test]
fn the_place_and_the_edits_are_kept() {
    let mut driver = open(TRAINED);
    for command in ["set fc1.bias[1] 7", "set 2:input[0] 5", "set learning_rate 0.25", "2/2:grad.fc1.weight[1,0]"] {
        enter(&mut driver, command);
    }
    let before = address(&driver);
    let other = TRAINED.replace("[[0.5, -1]", "[[0.25, -1]").replace("tanh", "sigmoid");
    reload(&mut driver, &other, true);
    assert_eq!((message(&driver), address(&driver)), ("the file is read again, with 3 edits", before));
    let edited = other.replace("bias = [0, 0]", "bias = [0, 7]").replace("input = [0, 3]", "input = [5, 3]");
    assert_bits(&driver, &edited.replace("rate = 0.1", "rate = 0.25"));
    // each edit is undone alone
    press(&mut driver, "u");
    assert_bits(&driver, &edited);
    press(&mut driver, "9u");
    assert_bits(&driver, &other);
    assert!(!driver.state.stepper().unwrap().edits.are_unsaved());
    press(&mut driver, "9U");
    reload(&mut driver, &other, false);
    assert_bits(&driver, &other);
    assert_eq!(message(&driver), "the file is read again");
}

#[test]
fn only_unsaved_edits_are_kept() {
    let mut driver = open(TRAINED);
    for command in ["set fc1.bias[0] 1", "set fc1.bias[1] 2"] {
        enter(&mut driver, command);
    }
    driver.state.edits_are_written("written");
    enter(&mut driver, "set fc1.weight[0,0] 3");
    enter(&mut driver, "set fc1.bias[1] 4");
    // the other program has changed the first bias, and has written the edited weight too
    let other = TRAINED.replace("bias = [0, 0]", "bias = [9, 2]").replace("[[0.5, -1]", "[[3, -1]");
    reload(&mut driver, &other, true);
    assert_bits(&driver, &other.replace("[9, 2]", "[9, 4]"));
    assert_eq!(message(&driver), "the file is read again, with 1 edit");
    // an edit that was written and then undone is unsaved: it is undone in the file that is read too
    let mut driver = open(TRAINED);
    enter(&mut driver, "set fc1.bias[0] 1");
    driver.state.edits_are_written("written");
    press(&mut driver, "u");
    assert!(driver.state.stepper().unwrap().edits.are_unsaved());
    reload(&mut driver, &TRAINED.replace("[0, 0]", "[1, 5]"), true);
    assert_bits(&driver, &TRAINED.replace("[0, 0]", "[0, 5]"));
}

#[test]
fn after_another_network_is_read_nothing_of_the_old_one_remains() {
    let small =
        "title = \"s\"\nloss = \"squared_error\"\ninput = [1]\ntarget = 1\n[[layer]]\ntype = \"linear\"\nname = \"only\"\nweight = [[2]]\n";
    // what could remain: a cursor, watches, a breakpoint, a bookmark, places visited, a search and an open list
    for keys in ["t", "i<Tab>", "iv<Esc>", "B", "'", "M", "L", "x", "p", ":", "e", "ie", "d", "/fc1<Enter>", "w", "y", "r", "?"] {
        let mut driver = open(TRAINED);
        for command in
            ["set fc1.bias[1] 7", "3/first", "watch 2:fc1.a[1]", "watch fc1.weight[1,1]", "break fc1.z[1]", "mark here", "2/last"]
        {
            enter(&mut driver, command);
        }
        press(&mut driver, keys);
        reload(&mut driver, small, true);
        let text =
            ["the file is read again; an edit is lost, as it has no fc1.bias[1]", "it does not have the step that was on the screen"];
        assert_eq!(message(&driver), text.join("; "), "{keys}");
        assert_eq!(address(&driver), "only.z[0]#1", "{keys}");
        // prediction asks for the number again
        assert_eq!(driver.state.focus(), if keys == "p" { Focus::Answer } else { Focus::Normal }, "{keys}");
        press(&mut driver, "<Esc>");
        for key in ["l", "i", "<Esc>", "d", "<Esc>", "t", "<Esc>", "c", "<C-o>", "n", "'", "<Esc>", "u", "U", "M", "<Esc>", "G", "v"] {
            press(&mut driver, key);
            for size in [(80, 24), (200, 60)] {
                assert!(!export::text(&driver.frame(&RenderOptions::default(), size)).is_empty());
            }
        }
    }
}

#[test]
fn a_shorter_descent_ends_at_its_last_iteration() {
    let mut driver = open(TRAINED);
    enter(&mut driver, "3/1:fc1.z[1]");
    reload(&mut driver, &TRAINED.replace("iterations = 3", "iterations = 2"), true);
    assert_eq!(address(&driver), "2/1:fc1.z[1]#1");
}

#[test]
fn a_change_of_the_file_is_reported_once_and_stays_in_the_first_line() {
    let mut driver = open(TRAINED);
    let first_line = |driver: &Driver| {
        let text = export::text(&driver.frame(&RenderOptions::default(), (120, 40)));
        text.lines().next().unwrap().trim_end().to_owned()
    };
    assert!(driver.state.report_file_change(Some(FileChange::Changed)));
    assert_eq!(message(&driver), "the file of small has changed: :e reads it again");
    assert!(!driver.state.report_file_change(Some(FileChange::Changed)));
    press(&mut driver, "l");
    assert_eq!((message(&driver), first_line(&driver).ends_with("│ file changed")), ("", true));
    assert!(driver.state.report_file_change(Some(FileChange::Deleted)));
    assert_eq!(message(&driver), "the file of small was deleted: W writes it again");
    // also without an edit
    assert_eq!(update(&mut driver.state.clone(), Action::WriteEdits), Some(Request::Write { path: None, then: None }));
    // an error message stays, because it may be about this file
    driver.state.say("not read again: line 9", true);
    assert!(driver.state.report_file_change(Some(FileChange::Changed)));
    assert_eq!(message(&driver), "not read again: line 9");
    assert!(driver.state.report_file_change(None) && !first_line(&driver).contains("file"));
}
