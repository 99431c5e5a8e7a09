//! In the picture and in the map, a statement or a call of several operations is one node (a fold), until the user opens it.
//! A closed fold of 4 parts has the mark ⊞4 beside its name.

use gradstep::app::State;
use gradstep::ui::{RenderOptions, export};

use super::{SIZES, bundled_documents, frame, open, snapshot};

/// Returns the text of the picture: everything below the title of the pane, in the columns of the pane.
fn picture(state: &State) -> String {
    let text = export::text(&frame(state, &RenderOptions::default(), 160, 50));
    let title = text.lines().enumerate().find_map(|(row, line)| Some((row, line.split_once("─ picture ─")?.0.chars().count())));
    let (row, column) = title.expect("a picture");
    let rows = text.lines().skip(row + 1).take_while(|line| !line.contains("─ why ─"));
    rows.map(|line| line.chars().skip(column).collect::<String>() + "\n").collect()
}

/// Returns whether the picture has a node of this name, with any marks around it.
fn has_node(picture: &str, name: &str) -> bool {
    [format!("({name})"), format!("[{name}]"), format!("={name} ")].iter().any(|node| picture.contains(node))
}

#[test]
fn a_call_is_one_node_until_it_is_opened() {
    // the fourth part is `loss` itself
    let parts = ["loss.1", "loss.2", "loss.3"];
    let mut state = open("softmax-cross-entropy", "");
    let closed = picture(&state);
    assert!(closed.contains("[loss] ⊞4") && parts.iter().all(|part| !closed.contains(part)), "{closed}");
    super::press(&mut state, "F");
    let opened = picture(&state);
    assert!(parts.iter().all(|part| has_node(&opened, part)) && !opened.contains('⊞'), "{opened}");
    assert_eq!(state.message.as_ref().map(|message| message.text.as_str()), Some("loss is open: its 4 parts are nodes"));
    super::press(&mut state, "F");
    assert_eq!(picture(&state), closed);
}

/// While the step computes a part of a statement, the statement is open, so that the edges of the step are in the picture.
#[test]
fn a_statement_is_open_while_the_step_computes_a_part_of_it() {
    let shown = picture(&open("layer-norm", ":sigma.1<Enter>"));
    assert!(has_node(&shown, "sigma.1") && shown.contains("(mu) ⊞2"), "{shown}");
    // the mean is a call of two operations in the statement: it is a node of its own
    assert!(shown.contains("(sigma.3) ⊞2") && !shown.contains("sigma.2"), "{shown}");
    let shown = picture(&open("layer-norm", ":sigma.2<Enter>"));
    assert!(["sigma.1", "sigma.2", "sigma.3"].iter().all(|part| has_node(&shown, part)), "{shown}");
    let shown = picture(&open("layer-norm", ":sigma.2<Enter>F"));
    assert!(shown.contains("sigma ⊞4") && !shown.contains("sigma.2"), "closed by the user: {shown}");
    // the derivative by the last part is computed from derivatives outside of the statement
    let shown = picture(&open("layer-norm", ":grad.sigma<Enter>"));
    assert!(shown.contains("sigma ⊞4") && !shown.contains("sigma.1"), "{shown}");
}

/// Moves by ops and steps also visit the parts of a closed statement.
#[test]
fn moves_do_not_depend_on_folds() {
    let path = |keys: &str| {
        let mut state = open("batch-norm", keys);
        let step = |state: &State| state.stepper().map(|stepper| stepper.step);
        // from the first step, in the unit op
        super::press(&mut state, "gkk");
        let mut steps = vec![step(&state)];
        for key in "lllfslllhhh".chars() {
            super::press(&mut state, &key.to_string());
            steps.push(step(&state));
        }
        steps
    };
    // `F` at a part of the statement y closes it
    assert_eq!(path(""), path(":y.3<Enter>F"));
}

#[test]
fn the_map_has_a_block_for_a_closed_statement() {
    let map = |keys: &str| export::text(&frame(&open("layer-norm", keys), &RenderOptions::default(), 120, 50));
    let closed = map("M");
    assert!(closed.contains("sigma") && !closed.contains("sigma.1") && closed.contains("(diff**2).mean(1"), "{closed}");
    // `gjjj` goes from a over mu and diff to sigma
    let opened = map("MgjjjF");
    assert!(["sigma.1", "sigma.2", "sigma.3"].iter().all(|part| opened.contains(part)) && opened.contains("▸sigma "), "{opened}");
    assert!(!map("MgjjjFF").contains("sigma.1"));
}

#[test]
fn frames_with_folds() {
    for (name, keys, what) in [("batch-norm", "", "closed"), ("batch-norm", "F", "open"), ("batch-norm", "M", "map"), ("rnn", "", "loop")] {
        insta::assert_snapshot!(format!("folds-{name}-{what}"), snapshot(&open(name, keys), 120, 40));
    }
}

/// The statement of the step is above the equation, with its line in the file, and with its operation between marks.
#[test]
fn the_statement_marks_the_operation_of_the_step() {
    let line = |name: &str, keys: &str, (width, height): (u16, u16)| {
        let text = export::text(&frame(&open(name, keys), &RenderOptions::default(), width, height));
        let line = text.lines().find(|line| line.contains('«')).unwrap_or_default().trim_end().to_owned();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let wide = (120, 40);
    assert_eq!(line("layer-norm", ":sigma.1<Enter>", wide), "line 22 sigma = («diff**2»).mean(1, keepdim=True).sqrt() part 1 of 4");
    assert_eq!(line("layer-norm", ":sigma.3<Enter>", wide), "line 22 sigma = «(diff**2).mean(1, keepdim=True)».sqrt() part 3 of 4");
    assert_eq!(line("layer-norm", ":mu.1<Enter>", wide), "line 20 mu = «a.mean(1, keepdim=True)» part 1 of 2");
    // a derivative: the operation that is differentiated. a is read by mu, and then by diff
    assert_eq!(line("layer-norm", ":grad.a[0,1]#2<Enter>", wide), "back through line 21 diff = «a - mu»");
    assert_eq!(line("rnn", "", wide), "back through line 21 h = torch.tanh(W_xh @ x[t] + «W_hh @ h» + b) turn 1 of 3 │ part 3 of 6");
    assert_eq!(line("rnn", "", (80, 24)), "back, line 21 h = torch.tanh(W_xh @ x[t] + «W_hh @ h» + b) turn 1 of 3");
    // in a scalar graph with one operation in each statement, the equations show the same, so there is no statement
    assert_eq!(line("figure-14", "", wide), "");
}

/// Every frame of a graph of tensors has the statement of its step, with one operation between marks.
#[test]
fn every_step_of_a_graph_has_its_statement() {
    for name in ["attention", "character-model", "svm-loss", "word2vec", "lstm", "graph-convolution"] {
        let document = &bundled_documents()[name];
        for (_, id, steps) in document.trace.ops() {
            for (width, height) in SIZES {
                let state = super::open_at(document, steps.start);
                let text = export::text(&frame(&state, &RenderOptions::default(), width, height));
                assert_eq!(text.matches('«').count(), 1, "{name}, tensor {id}, at {width}x{height}\n{text}");
            }
        }
    }
}

/// A network whose batch has fewer tensors than a sample. The blocks of the map are tensors of the sample, and the ids of some are too large for the batch.
const UPDATED: &str = "title = \"one layer\"\ninput = [1, 2]\ntarget = [0.5, 1]\nloss = \"squared_error\"\n[[layer]]\ntype = \"linear\"\n\
    weight = [[1, 2], [3, 4]]\nbias = [0, 0]\n[train]\nlearning_rate = 0.1\niterations = 3\n";

/// The blocks of the map are tensors of the samples' network. At an update, the step computes a tensor of the batch's network.
#[test]
fn the_map_opens_and_closes_folds_at_every_op() {
    let updated = ("updated".to_owned(), super::bounded::document(UPDATED));
    for (name, document) in bundled_documents().iter().map(|(name, document)| (name.clone(), document.clone())).chain([updated]) {
        let last = document.trace.len();
        // an op without steps at the end of the trace would begin after the last step
        let mut starts_and_end: Vec<u64> = document.trace.ops().map(|(_, _, steps)| steps.start).filter(|step| *step <= last).collect();
        starts_and_end.push(last);
        starts_and_end.dedup();
        for step in starts_and_end {
            let mut state = State::picker(Vec::new());
            state.open(std::sync::Arc::clone(&document), Some(step));
            super::press(&mut state, "M");
            for _ in 0..4 {
                super::press(&mut state, "jFF");
            }
            let message = state.message.as_ref().map(|message| message.text.clone()).unwrap_or_default();
            assert!(
                message.contains("is one node") || message.contains("is open") || message.contains("there is no fold"),
                "{name} at {step}: {message:?}"
            );
        }
    }
}
