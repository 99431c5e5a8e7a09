//! A key that does nothing, or goes to a step that the user may not expect, shows a message with the reason.

use super::*;

#[test]
fn a_count_that_a_key_does_not_use_is_reported() {
    let document = small(CONV);
    let len = document.trace.len();
    // the keys at step 7, the step to which they lead, and the message
    for (keys, at, said) in [
        ("0G", 1, "steps count from 1: this is the first".to_owned()),
        ("99999G", len, format!("the trace has {len} steps: this is the last")),
        ("0l", 7, "a number before a key says how often the key acts: at least 1".to_owned()),
        ("0s", 7, "a number before a key says how often the key acts: at least 1".to_owned()),
        ("0u", 7, "a number before a key says how often the key acts: at least 1".to_owned()),
        ("0U", 7, "a number before a key says how often the key acts: at least 1".to_owned()),
        ("3u", 7, "there is no edit to undo".to_owned()),
        ("5i", 7, "the number 5 before this key does nothing".to_owned()),
        ("5g", 1, "the number 5 before this key does nothing".to_owned()),
        ("5b", document.trace.resolve(&"backward".parse().unwrap()).unwrap(), "the number 5 before this key does nothing".to_owned()),
        // a count that the key uses, and a count that is cleared
        ("3s", 10, String::new()),
        ("10s", 17, String::new()),
        ("9G", 9, String::new()),
        ("5<Esc>s", 8, String::new()),
    ] {
        let mut driver = driver_at(&document, 7);
        press(&mut driver, keys);
        assert_eq!((step(&driver), message(&driver)), (at, said), "{keys}");
    }
}

#[test]
fn a_click_on_a_given_number_reports_that_it_is_given() {
    let document = small(CONV);
    let network = document.trace.network();
    let mut driver = at_address(&document, "conv1.z[0,1,1]");
    let before = step(&driver);
    update(&mut driver.state, Action::GoToEntry(network.find("conv1.weight").unwrap(), 5));
    assert_eq!(step(&driver), before);
    assert_eq!(message(&driver), "conv1.weight[1,0,0,1] is given: no step computes it; r lists what reads it, e edits it");
    // the cursor is on it
    assert_eq!(subject(&driver), TensorEntry { tensor: network.find("conv1.weight").unwrap(), at: 5 });
    press(&mut driver, "<Esc>");
    // an entry that a step computes needs no message
    update(&mut driver.state, Action::GoToEntry(network.find("conv1.z").unwrap(), 0));
    assert_eq!((step(&driver), message(&driver)), (1, String::new()));
    // from the batch, the number of a sample is in the sample
    let (_, xor) = scenarios().into_iter().find(|(name, _)| name == "xor").unwrap();
    let mut driver = at_address(&xor, "reduce:grad.fc2.weight[0,0]");
    let tensor = xor.trace.network_of(4).find("2:grad.fc2.weight").unwrap();
    update(&mut driver.state, Action::GoToEntry(tensor, 0));
    assert_eq!(message(&driver), "2:grad.fc2.weight[0,0] is computed in this sample; Backspace returns to the batch");
}

#[test]
fn the_start_of_a_scenario_is_explained() {
    let (_, xor) = scenarios().into_iter().find(|(name, _)| name == "xor").unwrap();
    let mut state = State::picker(picker_entries::bundled());
    state.open(Arc::clone(&xor), None);
    assert!(state.stepper().unwrap().step > 1);
    assert!(state.message.as_ref().is_some_and(|message| message.text == "the file's start; g: step 1, a: notes"));
    // at another step, only the notes are mentioned
    state.open(Arc::clone(&xor), Some(3));
    assert!(state.message.as_ref().is_some_and(|message| message.text.starts_with("a: ")));
}

#[test]
fn a_named_bookmark_of_this_step_has_one_row() {
    let document = small(CONV);
    let mut driver = driver_at(&document, 7);
    press(&mut driver, ":mark here I am<Enter>'");
    let listed: Vec<Vec<String>> = rows(&driver).into_iter().map(|(cells, _)| cells).collect();
    assert_eq!(listed, [["conv1.z[0,0,1]#2", "here I am: remove this bookmark"]]);
    press(&mut driver, "<Esc>g'");
    let listed: Vec<Vec<String>> = rows(&driver).into_iter().map(|(cells, _)| cells).collect();
    assert_eq!(listed, [["conv1.z[0,0,0]#1", "bookmark this step"], ["conv1.z[0,0,1]#2", "here I am"]]);
}

#[test]
fn titles_of_lists_have_the_name_of_the_op_as_in_the_trace() {
    let (_, xor) = scenarios().into_iter().find(|(name, _)| name == "xor").unwrap();
    for address in ["2:fc1.z[0]", "3:grad.fc2.z[0]", "reduce:grad.fc2.weight[0,0]", "update:fc1.bias[1]"] {
        for key in ["t", "d", "r", "w", "y", "x"] {
            let mut driver = at_address(&xor, address);
            press(&mut driver, key);
            let Some(list) = driver.state.overlay.as_ref().and_then(|overlay| overlay.list.as_ref()) else {
                assert!(message(&driver).contains(address), "{address} {key}: {}", message(&driver));
                continue;
            };
            // the check of a value or a parameter is about the derivative of the loss by it
            let wanted = if key == "x" { address.split_once(':').unwrap().1.trim_start_matches("grad.") } else { address };
            assert!(list.title.contains(wanted), "{key}: {}", list.title);
        }
    }
}

#[test]
fn the_address_of_a_given_number_puts_the_cursor_on_it() {
    let document = small(CONV);
    let mut driver = at_address(&document, "grad.conv1.z[0,0,0]");
    let before = step(&driver);
    press(&mut driver, ":conv1.weight[1,0,0,1]<Enter>");
    assert!(message(&driver).starts_with("conv1.weight[1,0,0,1] is given: this is the first step that reads it"), "{}", message(&driver));
    let weight = document.trace.network().find("conv1.weight").unwrap();
    assert_eq!(subject(&driver), TensorEntry { tensor: weight, at: 5 });
    let uses = document.trace.uses(0, weight, 5);
    assert_eq!(step(&driver), uses[0].step);
    // two keys list the neurons that share a weight
    press(&mut driver, "r");
    assert_eq!(
        rows(&driver).into_iter().filter_map(|(_, step)| step).collect::<Vec<_>>(),
        uses.iter().map(|one| one.step).collect::<Vec<_>>()
    );
    press(&mut driver, "<Esc><Esc><BS>");
    assert_eq!(step(&driver), before);
    // an index that does not exist is still an error
    press(&mut driver, ":conv1.weight[9,0,0,1]<Enter>");
    assert!(driver.state.message.as_ref().is_some_and(|message| message.is_error) && step(&driver) == before);
    // from the batch, the address of a sample's input leads to the sample, with the cursor on the input
    let (_, xor) = scenarios().into_iter().find(|(name, _)| name == "xor").unwrap();
    let mut driver = at_address(&xor, "reduce:loss");
    press(&mut driver, ":2:input[1]<Enter>");
    let scene = driver.state.stepper().unwrap().scene().unwrap();
    assert_eq!((scene.sample(), scene.name(subject(&driver).tensor, subject(&driver).at)), (Some(1), "input[1]".to_owned()));
}

#[test]
fn a_jump_to_the_step_on_the_screen_does_not_report_the_last_step() {
    let document = small("title = \"x\"\n[graph]\ninputs = { x = 2 }\nnodes = [\"J = exp(x)\"]\n");
    let mut driver = at_address(&document, "backward");
    for (keys, said) in
        [("b", "this step is already on the screen"), ("G", ""), ("G", "this is the last step"), ("gg", "this is the first step")]
    {
        press(&mut driver, keys);
        assert_eq!(message(&driver), said, "{keys}");
    }
    // here, the backward pass begins at the last step
    let document = small("title = \"x\"\n[graph]\ninputs = { x = 2 }\nnodes = [\"J = x + 1\"]\n");
    let mut driver = at_address(&document, "backward");
    press(&mut driver, "bb");
    assert_eq!(message(&driver), "this step is already on the screen");
}
