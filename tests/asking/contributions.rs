//! The list of the key `w` is a tree: below an entry are the entries that its terms read, down to inputs and parameters. The share of each row is compared with
//! the steps of the entry above it, which reads the row's entry.

use super::*;

/// An entry of a run: the index of the run, the tensor, and the index of the entry.
type RunEntry = (usize, usize, usize);

/// Returns the entry that the first cell of a row names. A row without a sample or pass belongs to the run of the step on the screen.
fn entry_of(trace: &Trace, run_on_screen: usize, cell: &str) -> RunEntry {
    let address: gradstep::step::Address = cell.parse().unwrap();
    let name = cell.split('[').next().unwrap();
    let has_scope = name.contains(':');
    let is_batch = trace.runs()[run_on_screen].sample.is_none();
    let (run, id) = if has_scope || is_batch {
        // a given velocity belongs to the batch
        let given = trace.network_of(run_on_screen).find(name).filter(|_| name.starts_with("velocity."));
        given.map_or_else(|| trace.tensor(&address).unwrap(), |id| (run_on_screen, id))
    } else {
        (run_on_screen, trace.network_of(run_on_screen).find(name).unwrap())
    };
    let index: Vec<usize> = cell.split('[').nth(1).unwrap_or("").trim_end_matches(']').split(',').filter_map(|n| n.parse().ok()).collect();
    (run, id, tensor::ravel(&index, &trace.network_of(run).tensor(id).shape).unwrap())
}

/// Returns whether step `k` reads entry `at` of the tensor that a cell names. In the batch, the tensor of a sample has the sample's number before its name.
fn reads(trace: &Trace, k: u64, cell: &str, at: usize) -> bool {
    let position = trace.position(k).unwrap();
    let is_batch = trace.runs()[position.run_index].sample.is_none();
    let name = cell.split('[').next().unwrap();
    let name = match name.split_once(':') {
        Some(("reduce" | "update", rest)) => rest,
        Some((_, rest)) if !is_batch || trace.samples() == 1 => rest,
        _ => name,
    };
    let network = trace.network_of(position.run_index);
    trace.sources(&position, position.term).iter().any(|(tensor, entry)| *network.tensor(*tensor).name == *name && *entry == at)
}

#[test]
fn each_contribution_has_the_share_of_its_terms() {
    for (name, document) in scenarios() {
        let trace = &document.trace;
        // the last step belongs to the batch, if there is one
        for now in tested_steps(&document).chain([trace.len()]) {
            let mut driver = driver_at(&document, now);
            press(&mut driver, "w");
            let rows = rows(&driver);
            assert!(rows.len() <= 200 && !rows.is_empty(), "{name}: {}", rows.len());
            let run_on_screen = trace.position(now).unwrap().run_index;
            let indent = |text: &str| text.len() - text.trim_start().len();
            let level_indent = rows.iter().map(|(cells, _)| indent(&cells[0])).filter(|indent| *indent > 0).min().unwrap_or(1);
            // the entries above a row, with their shares
            let mut above: Vec<(RunEntry, f64)> = Vec::new();
            let mut seen = HashSet::new();
            for (cells, target) in &rows {
                let cell = cells[0].trim_start();
                let entry = entry_of(trace, run_on_screen, cell);
                assert!(seen.insert(cell), "{name}: {cell} twice");
                above.truncate(indent(&cells[0]) / level_indent);
                let share: f64 = cells[4].trim_end_matches(" %").trim().parse().unwrap();
                let steps_of = |(run, id, at): RunEntry| trace.entry_steps(run, id, at).unwrap();
                let expected = match above.last() {
                    None => {
                        let steps = steps_of(entry);
                        let is_zero = (steps.start..steps.end.min(now + 1)).all(|k| trace.get(k).unwrap().value == 0.0);
                        if is_zero && rows.len() > 1 { 0.0 } else { 100.0 }
                    }
                    Some(&(reader, share)) => {
                        // computed from the steps of the reader, independently of the list
                        let steps = steps_of(reader);
                        let done_steps: Vec<_> = (steps.start..steps.end.min(now + 1)).map(|k| trace.get(k).unwrap()).collect();
                        let all: f64 = done_steps.iter().map(|step| step.value.abs()).sum();
                        let readers = done_steps.iter().filter(|step| reads(trace, step.step, cell, entry.2));
                        let largest = readers.map(|step| step.value.abs()).fold(f64::NAN, f64::max);
                        assert!(!largest.is_nan(), "{name}: step {now}: the row above does not read {cell}");
                        if all == 0.0 { 0.0 } else { share * largest / all }
                    }
                };
                // the share has one decimal, so it may differ by 0.05
                assert!((share - expected).abs() <= 0.051, "{name}: step {now}: {cell} has {share}, not {expected}");
                // the step to which the row goes computes the entry, or reads it if it is given
                let step = trace.get(target.unwrap()).unwrap();
                match trace.entry_steps(entry.0, entry.1, entry.2) {
                    Some(steps) if !steps.is_empty() => assert_eq!(steps.start, step.step, "{name}: {cell}"),
                    _ => assert!(reads(trace, step.step, cell, entry.2), "{name}: {cell}"),
                }
                assert!(step.step <= now, "{name}: the row goes to a later step");
                above.push((entry, expected));
            }
        }
    }
}

#[test]
fn the_contributions_to_an_entry_of_the_batch_are_in_its_samples() {
    let (_, document) = scenarios().into_iter().find(|(name, _)| name == "xor").unwrap();
    let names = |address: &str| {
        let mut driver = at_address(&document, address);
        press(&mut driver, "w");
        rows(&driver).into_iter().map(|(cells, _)| cells[0].trim_start().to_owned()).collect::<Vec<_>>()
    };
    let reduced = names("reduce:grad.fc2.weight[0,0]#4");
    for wanted in ["2:grad.fc2.weight[0,0]", "3:fc1.a[0]", "fc1.bias[0]", "4:input[1]"] {
        assert!(reduced.iter().any(|name| name == wanted), "{wanted}: {reduced:?}");
    }
    let updated = names("update:fc2.weight[0,0]#2");
    assert_eq!(updated[..2], ["update:fc2.weight[0,0]", "fc2.weight[0,0]"]);
    let updated = names("update:fc2.bias[0]#2");
    assert!(updated.contains(&"reduce:grad.fc2.bias[0]".to_owned()) && updated.contains(&"2:grad.fc2.bias[0]".to_owned()), "{updated:?}");
}

#[test]
fn commands_about_a_tensor_of_the_batch_lead_to_the_sample_that_computed_it() {
    let (_, document) = scenarios().into_iter().find(|(name, _)| name == "xor").unwrap();
    let resolve = |address: &str| document.trace.resolve(&address.parse().unwrap()).unwrap();
    let step_of_batch = resolve("reduce:grad.fc2.weight[0,0]#2");
    let mut driver = driver_at(&document, step_of_batch);
    press(&mut driver, "m");
    let wanted = resolve("2:grad.fc2.weight[0,0]");
    assert_eq!(step(&driver), wanted);
    // the terms, the breakpoint and the watch are those of the sample: the cursor is on 2:grad.fc2.weight
    let on_sample = |keys: &str| {
        let mut driver = driver_at(&document, step_of_batch);
        press(&mut driver, &format!("i<Tab><Tab>{keys}"));
        driver
    };
    assert_eq!(rows(&on_sample("t")).first().unwrap().1, Some(wanted));
    let mut driver = on_sample("B");
    assert!(message(&driver).ends_with("2:grad.fc2.weight[0,0], at the last term"), "{}", message(&driver));
    press(&mut driver, "<Esc>gc");
    assert_eq!(step(&driver), document.trace.span(wanted, gradstep::step::Unit::Entry).end - 1, "only sample 2 stops");
    assert_eq!(message(&on_sample("v")), "watching 2:grad.fc2.weight[0,0]");
    // `r` leads from a sample's gradient to the batch, and from a parameter to the update
    let mut driver = at_address(&document, "2:grad.fc2.weight[0,0]");
    press(&mut driver, "r");
    assert!(rows(&driver).iter().any(|(_, step)| *step == Some(step_of_batch)), "{:?}", rows(&driver));
    let mut driver = at_address(&document, "1:fc2.z[0]#1");
    let weight = document.trace.network().find("fc2.weight").unwrap();
    press(&mut driver, "i");
    update(&mut driver.state, Action::GoToEntry(weight, 0));
    press(&mut driver, "r");
    assert!(rows(&driver).iter().any(|(_, step)| *step == Some(resolve("update:fc2.weight[0,0]#1"))), "{:?}", rows(&driver));
}

/// Returns the rows of the list of contributions at an address, and the sentence below them.
fn listed(text: &str, address: &str) -> (Vec<Vec<String>>, String) {
    let mut driver = at_address(&small(text), address);
    press(&mut driver, "w");
    let note = driver.state.overlay.as_ref().unwrap().list.as_ref().unwrap().note.clone();
    (rows(&driver).into_iter().map(|(cells, _)| cells).collect(), note)
}

#[test]
fn a_term_that_is_0_need_not_have_a_factor_that_is_0() {
    let text = "title = \"t\"\ninput = [1]\ntarget = 1\nloss = \"squared_error\"\n\
                [[layer]]\ntype = \"linear\"\nweight = [[-2]]\nbias = [0]\nactivation = \"relu\"\n";
    // relu(−2) is 0
    let (rows, note) = listed(text, "fc1.a[0]");
    assert!(rows[1][1] == "= −2" && note == "every term is 0", "{rows:?}: {note}");
}

/// The search reads at most 20,000 terms. The shares of an entry are never those of a part of its terms, except for the first entry, which says so.
#[test]
fn an_entry_with_very_many_terms_has_shares_of_all_terms_or_says_of_which() {
    let text = "title = \"t\"\ninput = { init = \"ones\", shape = [20001] }\ntarget = 1\nloss = \"squared_error\"\n\
                [[layer]]\ntype = \"linear\"\nout_features = 1\nweight = { init = \"ones\" }\nbias = [1e6]\nactivation = \"relu\"\n";
    // the bias, which has the largest share, is the last term
    let (rows, note) = listed(text, "fc1.z[0]#20002");
    assert!(note.starts_with("shares are of Σ|terms| over the first 20000 of 20002 terms, multiplied"), "{note}");
    assert!(rows.iter().all(|cells| !cells[0].contains("bias")), "{rows:?}");
    let (rows, note) = listed(text, "fc1.a[0]");
    let names: Vec<&str> = rows.iter().map(|cells| cells[0].trim()).collect();
    assert_eq!(names, ["fc1.a[0]", "fc1.z[0]"]);
    assert!(note.ends_with("; below some rows, the terms are left out"), "{note}");
    let (_, note) = listed(&text.replace("\"ones\"", "\"zeros\""), "fc1.z[0]#20002");
    assert_eq!(note, "the first 20000 of 20002 terms are 0");
}
