//! The key `x` compares the gradient of one entry with finite differences of the loss. Its verdict is that of `gradcheck`.

use super::*;

#[test]
fn x_gives_an_entry_the_same_verdict_as_the_check_of_all_entries() {
    // the smallest change of the sum is too long a step for the sine
    let unsettled = small("title = \"unsettled\"\n[graph]\ninputs = { x = 3486784401, c = 1.2e19 }\nnodes = [\"J = c - sin(x)\"]\n");
    let mut found = HashSet::new();
    for (name, document) in scenarios().into_iter().chain([("unsettled".to_owned(), unsettled)]) {
        let trace = &document.trace;
        if trace.len() > 3000 {
            continue; // the check of all entries would take too long
        }
        let (network, has_several_samples) = (trace.network_of(0), trace.samples() > 1);
        for checked in check(network, trace.run(0), CheckOptions::ALL, |_| true) {
            let gradient = network.tensor(checked.gradient);
            // at most three entries of each tensor; an entry without steps (given, or a sum of no terms) is left out
            for expected in checked.checks.iter().step_by(checked.checks.len().div_ceil(3)) {
                let Some(steps) = trace.entry_steps(0, checked.gradient, expected.at).filter(|steps| !steps.is_empty()) else { continue };
                let mut driver = driver_at(&document, steps.end - 1);
                press(&mut driver, "x");
                let rows = rows(&driver);
                let cell_after = |label: &str| rows.iter().find(|(cells, _)| cells[0] == label).map(|(cells, _)| cells[1].clone());
                let number = number_in(&cell_after("the backward pass").unwrap());
                assert_eq!(number.to_bits(), expected.derivative.to_bits(), "{name}: {}", gradient.name);
                let verdict = cell_after("verdict").unwrap();
                let beginning = match expected.verdict {
                    Verdict::Agrees => "agrees",
                    Verdict::Off => "wrong",
                    Verdict::Kink => "at a kink",
                    Verdict::NotFinite => "nothing",
                    Verdict::Unsettled => "undecided",
                    Verdict::Undefined => "undefined",
                };
                assert!(verdict.starts_with(beginning), "{name}: {}: {verdict}, not {beginning}", gradient.name);
                found.insert(beginning);
                if expected.difference.is_finite() {
                    assert_eq!(number_in(&cell_after("central difference").unwrap()).to_bits(), expected.difference.to_bits());
                }
                let title = driver.state.overlay.as_ref().unwrap().list.as_ref().unwrap().title.clone();
                let index = tensor::index_text(&tensor::unravel(expected.at, &gradient.shape));
                assert_eq!(title, format!("gradient check of {}{}{index}", if has_several_samples { "1:" } else { "" }, gradient.name));
            }
        }
    }
    assert!(found.is_superset(&HashSet::from(["agrees", "undecided"])), "{found:?}");
}

/// Opens a network of one neuron with the input 2, the weight w and the target t: C = ½ (relu(2 w) − t)². For w > 0, ∂C/∂w = 2 (2 w − t): w = 0.5 and t = 0
/// give 2.
fn neuron(weight: &str, target: &str) -> Arc<Document> {
    small(&format!(
        "title = \"neuron\"\nloss = \"squared_error\"\ninput = [2]\ntarget = [{target}]\n[[layer]]\ntype = \"linear\"\nweight = [[{weight}]]\nactivation = \"relu\"\n"
    ))
}

#[test]
fn x_checks_entries_of_parameters_inputs_values_and_derivatives() {
    let document = neuron("0.5", "0");
    let network = document.trace.network();
    // dC/da = a − t = 1, so dC/dw = 1 · 2 and dC/dx = 1 · 0.5; on a gradient, `x` checks the entry of this gradient
    for (tensor, expected) in
        [("fc1.weight", 2.0), ("input", 0.5), ("fc1.z", 1.0), ("fc1.a", 1.0), ("grad.fc1.weight", 2.0), ("grad.fc1.z", 1.0)]
    {
        let id = network.find(tensor).unwrap();
        // the first step that shows the tensor
        let now =
            (1..=document.trace.len()).find(|k| document.scene(*k).unwrap().tensors().iter().any(|shown| shown.tensor == id)).unwrap();
        let mut driver = driver_at(&document, now);
        press(&mut driver, "i");
        update(&mut driver.state, Action::GoToEntry(id, 0));
        press(&mut driver, "x");
        let rows = rows(&driver);
        // row 0 has the derivative of the backward pass, and row 1 the central difference
        let number = |row: usize| number_in(&rows[row].0[1]);
        assert_eq!(number(0), expected, "{tensor}");
        assert!((number(1) - expected).abs() < 1e-6, "{tensor}: {}", number(1));
        assert_eq!(rows.last().unwrap().0, ["verdict", "agrees"], "{tensor}");
        assert_eq!(step(&driver), now, "the step stays");
        let shown = frame(&driver, (120, 40));
        assert!(shown.contains("recomputed: the entry is moved"), "{shown}");
    }
    // the target has no derivative
    let mut driver = at_address(&document, "loss");
    press(&mut driver, "i");
    let target = network.with_role(Role::Target).next().unwrap();
    update(&mut driver.state, Action::GoToEntry(target, 0));
    press(&mut driver, "x");
    assert_eq!(message(&driver), "target[0] has no derivative in this scenario");
}

#[test]
fn x_shows_both_slopes_at_a_kink() {
    // z = 0: to the left a = 0 and C = ½·1², to the right a = 2 w, so dC/dw = (0 − 1)·2 = −2
    let document = neuron("0", "1");
    let mut driver = at_address(&document, "grad.fc1.weight[0,0]");
    press(&mut driver, "x");
    let rows = rows(&driver);
    assert_eq!([&rows[1].0[0], &rows[2].0[0]], ["slope to the left", "slope to the right"]);
    let slope = |row: usize| number_in(&rows[row].0[1]);
    assert!(slope(1).abs() < 1e-6 && (slope(2) + 2.0).abs() < 1e-4, "{rows:?}");
    assert_eq!(rows[3].0[1], "at a kink: any number between both slopes");
}

/// relu(x) − relu(−x) has the slope 1 on both sides of 0, but each of its two kinks has the derivative 0, as in PyTorch. The slopes of √(x·x) are −1 and 1.
#[test]
fn x_calls_no_number_one_between_the_slopes_that_is_not() {
    for (node, slopes) in [("relu(x) - relu(-x)", [1.0, 1.0]), ("sqrt(x * x)", [-1.0, 1.0])] {
        let document = small(&format!("title = \"kinks\"\n[graph]\ninputs = {{ x = 0 }}\nnodes = [\"J = {node}\"]\n"));
        let mut driver = at_address(&document, "grad.x");
        press(&mut driver, "x");
        let rows = rows(&driver);
        assert_eq!([1, 2].map(|row: usize| number_in(&rows[row].0[1])), slopes, "{rows:?}");
        assert_eq!(rows[3].0[1], "at a kink: the derivative is a convention", "{node}");
    }
}

#[test]
fn x_checks_the_batch() {
    let (_, document) = scenarios().into_iter().find(|(name, _)| name == "xor").unwrap();
    let mut driver = at_address(&document, "reduce:grad.fc2.weight[0,0]");
    press(&mut driver, "x");
    let rows = rows(&driver);
    let batch_run = 4; // the runs 0 to 3 are those of the four samples
    let id = document.trace.network_of(batch_run).find("grad.fc2.weight").unwrap();
    assert_eq!(rows[0].0[1], exact_on_screen(document.trace.run(batch_run).values(id)[0]));
    assert_eq!(rows.last().unwrap().0, ["verdict", "agrees"]);
    // the central difference is that of the batch's loss, the mean over the samples
    let difference = number_in(&rows[1].0[1]);
    assert!((difference - document.trace.run(batch_run).values(id)[0]).abs() < 1e-8);
}

#[test]
fn x_on_the_gradient_of_a_sample_in_the_batch_checks_the_loss_of_the_sample() {
    let (_, document) = scenarios().into_iter().find(|(name, _)| name == "xor").unwrap();
    let id = document.trace.network().find("grad.fc2.weight").unwrap();
    for sample in 0..4 {
        let mut driver = at_address(&document, "reduce:grad.fc2.weight[0,0]");
        // each `<Tab>` moves the cursor to the gradient of the next sample
        press(&mut driver, &format!("i{}x", "<Tab>".repeat(sample + 1)));
        let rows = rows(&driver);
        assert_eq!(rows[0].0[1], exact_on_screen(document.trace.run(sample).values(id)[0]), "sample {sample}");
        assert_eq!(rows.last().unwrap().0, ["verdict", "agrees"]);
        let list = driver.state.overlay.as_ref().unwrap().list.as_ref().unwrap();
        assert!(list.title.ends_with(&format!(" {}:grad.fc2.weight[0,0]", sample + 1)), "{}", list.title);
        assert!(list.note.starts_with(&format!("of the loss of sample {} alone;", sample + 1)), "{}", list.note);
    }
    // the same check from a step of the sample, and from a step of the batch
    for (address, whose) in [("2:grad.fc2.weight[0,0]", "sample 2 alone"), ("reduce:grad.fc2.weight[0,0]", "the batch")] {
        let mut driver = at_address(&document, address);
        press(&mut driver, "x");
        let note = &driver.state.overlay.as_ref().unwrap().list.as_ref().unwrap().note;
        assert!(note.starts_with(&format!("of the loss of {whose};")), "{note}");
    }
}

#[test]
fn x_does_not_end_a_computation_in_progress() {
    let (_, document) = scenarios().into_iter().find(|(name, _)| name == "figure-01").unwrap();
    let mut driver = driver_at(&document, 1);
    // unlike `press`, does not wait until the job is done
    let press_without_waiting = |driver: &mut Driver, text: &str| {
        for key in keys::parse(text).unwrap() {
            driver.apply(&Event::Key(key), Duration::ZERO);
        }
    };
    press_without_waiting(&mut driver, ":grad.conv1.weight[0,0,0,0]<Enter>x");
    assert!(driver.state.job().is_some(), "the check is a job");
    assert!(driver.state.job().unwrap().describe().starts_with("the check of"));
    press_without_waiting(&mut driver, "lx");
    // the move stops the first check and reports it; `x` begins a second check
    assert!(driver.state.job().is_some(), "the second check is a job");
    press_without_waiting(&mut driver, "x");
    assert!(message(&driver).starts_with("still computing, the check of "), "{}", message(&driver));
    assert!(driver.state.job().is_some(), "the second check continues");
    // a job that computes a far iteration continues too, if it has not ended already
    let trained = ScenarioLoader::bundled(Limits::default()).open("xor").unwrap();
    let mut driver = driver_at(&Arc::new(trained), 20);
    update(&mut driver.state, Action::OpenPrompt);
    for c in "60/first".chars() {
        update(&mut driver.state, Action::EditPrompt(tui_input::InputRequest::InsertChar(c)));
    }
    update(&mut driver.state, Action::Accept);
    if driver.state.job().is_some() {
        press_without_waiting(&mut driver, "x");
        assert!(message(&driver).starts_with("still computing, iteration "), "{}", message(&driver));
    }
    driver.finish_all().unwrap();
    assert_eq!(driver.state.stepper().unwrap().document.trace.iteration(), 60);
}

#[test]
fn x_on_a_large_network_is_a_job_that_esc_stops() {
    let (_, document) = scenarios().into_iter().find(|(name, _)| name == "figure-01").unwrap();
    let mut driver = at_address(&document, "grad.conv1.weight[0,0,0,0]");
    driver.apply(&Event::Key(keys::parse("x").unwrap()[0]), Duration::ZERO);
    assert!(driver.state.job().is_some() && driver.state.overlay.is_none());
    assert!(frame(&driver, (120, 40)).contains("computing: the check of grad.conv1.weight[0,0,0,0], Esc stops"));
    driver.apply(&Event::Key(keys::parse("<Esc>").unwrap()[0]), Duration::ZERO);
    assert!(driver.state.job().is_none());
    assert_eq!(message(&driver), "stopped at the check of grad.conv1.weight[0,0,0,0]");
    driver.finish_all().unwrap();
    assert!(driver.state.overlay.is_none());
}

#[test]
fn x_reports_whether_the_loss_or_only_its_differences_are_not_finite() {
    for (node, x, verdict) in [
        ("1 / x", "0", "nothing to compare: the loss is not finite"),
        // the loss is 0 at 0, and NaN to the left
        ("x ^ 0.5", "0", "nothing to compare: the loss is finite, but no difference of two losses is"),
        // the loss overflows a little to the right
        ("exp(x)", "709.7827", "nothing to compare: the loss is finite, but no difference of two losses is"),
    ] {
        let document = small(&format!("title = \"x\"\n[graph]\ninputs = {{ x = {x} }}\nnodes = [\"J = {node}\"]\n"));
        let mut driver = at_address(&document, "grad.x");
        press(&mut driver, "x");
        assert_eq!(rows(&driver).last().unwrap().0[1], verdict, "{node}");
    }
}
