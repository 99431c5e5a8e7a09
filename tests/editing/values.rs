//! The prompt for a new value accepts a number or a change of the old value, such as `*= 2`, and refuses anything else with a reason.

use super::*;

#[test]
fn a_value_can_change_the_old_one() {
    let mut driver = open(TRAINED);
    let weight = |driver: &Driver| {
        let scenario = &document(driver).scenario;
        scenario.given_value(GivenNumber::Shared { tensor: scenario.network.find("fc1.weight").unwrap(), at: 0 })
    };
    for (command, value) in [
        ("set fc1.weight[0,0] += 0.1", 0.6),
        ("set fc1.weight[0,0] -=0.1", 0.5),
        ("set fc1.weight[0,0] *= 2", 1.0),
        ("set fc1.weight[0,0] /= 1/4", 4.0),
    ] {
        enter(&mut driver, command);
        assert_eq!(weight(&driver), value, "{command}");
    }
    // in the prompt that `ee` opens: the cursor is on the first weight
    press(&mut driver, "ee+= 1/2<Enter>");
    assert_eq!(weight(&driver), 4.5);
    press(&mut driver, "5u");
    assert_eq!(weight(&driver), 0.5);
    for (command, said) in [
        ("set fc1.weight[0,0] /= 0", "the number is not finite"),
        ("set fc1.weight[0,0] += 0", "fc1.weight[0,0] is already 0.5"),
        ("set fc1.weight[0,0] +=", "the number is missing"),
    ] {
        enter(&mut driver, command);
        assert!(message(&driver).starts_with(said), "{command}: {}", message(&driver));
    }
    let mut driver = open(MASKED);
    enter(&mut driver, "set target += 1");
    assert!(message(&driver).starts_with("the target has 3 entries: write a class from 0 to 2"), "{}", message(&driver));
}

/// Without a cursor, `e` asks for a number, so a letter that does not move the cursor is not a command.
#[test]
fn a_letter_in_place_of_the_new_value_is_refused() {
    let mut driver = open(TRAINED);
    let before = driver.state.stepper().unwrap().current_visit();
    for letter in ["a", "b", "G", "q", "m"] {
        press(&mut driver, if letter == "a" { "ea" } else { letter });
        assert_eq!(message(&driver), "a number is needed, such as 0.5, 1/3 or += 0.1; Esc ends this", "{letter}");
        assert_eq!((driver.state.stepper().unwrap().current_visit(), driver.state.focus()), (before, Focus::Cursor), "{letter}");
    }
    // the old value is 0.5
    press(&mut driver, "/= 2<Enter>");
    let scenario = &document(&driver).scenario;
    assert_eq!(scenario.given_value(GivenNumber::Shared { tensor: scenario.network.find("fc1.weight").unwrap(), at: 0 }), 0.25);
    // the letters are commands again
    press(&mut driver, "<Esc>b");
    assert_ne!(driver.state.stepper().unwrap().current_visit(), before);
    press(&mut driver, "e<Esc>g");
    assert_eq!(driver.state.stepper().unwrap().current_visit(), before);
}

#[test]
fn an_edit_of_a_computed_number_is_refused_with_what_to_edit_instead() {
    let loader = ScenarioLoader::bundled(Limits::default());
    let mut driver = driver(Arc::new(loader.open("figure-14").unwrap()), 1);
    enter(&mut driver, "set J 3");
    assert_eq!(message(&driver), "J is computed from c, a, b: edit one of these");
    enter(&mut driver, "set 2 3");
    assert_eq!(message(&driver), "2 is not an entry: write a name with its index, such as fc1.weight[0,1]");
}

/// The samples have no tensor `velocity.fc1.weight`: the update computes it from the gradient.
#[test]
fn the_message_about_a_state_of_the_optimizer_names_the_numbers_behind_its_gradient() {
    let mut driver = open(TRAINED);
    let said = "velocity.fc1.weight[0,0] is computed from input, fc1.weight, fc1.bias and 1 more: edit one of these";
    enter(&mut driver, "set velocity.fc1.weight[0,0] 1");
    assert_eq!(message(&driver), said);
    enter(&mut driver, "set velocity.fc1.weight[0,0]#1 1");
    assert_eq!(message(&driver), said.replace("[0,0]", "[0,0]#1"));
    enter(&mut driver, "velocity.fc1.weight[0,0]");
    press(&mut driver, "ie");
    assert!(message(&driver).starts_with("velocity.fc1.weight[0,0] is computed from input, fc1.weight"), "{}", message(&driver));
    for name in ["velocity.fc2.weight[0,0]", "fc2.weight[0,0]#1"] {
        enter(&mut driver, &format!("set {name} 1"));
        assert_eq!(message(&driver), format!("there is no tensor {}", name.split_once('[').unwrap().0));
    }
}

#[test]
fn an_edit_of_the_learning_rate_explains_why_the_first_loss_stays() {
    let mut driver = open(TRAINED);
    let said = "the loss before the first update does not depend on the learning rate";
    let text = |driver: &Driver| export::text(&driver.frame(&RenderOptions::default(), (120, 40)));
    // as in a file, the rate may be negative: gradient ascent
    enter(&mut driver, "set learning_rate -0.5");
    assert!(text(&driver).contains("ΔC = 0") && text(&driver).contains(said), "{}", text(&driver));
    enter(&mut driver, "3/first");
    enter(&mut driver, "set learning_rate 0.5");
    assert!(!text(&driver).contains(said) && text(&driver).contains("the edit also changes the updates before this iteration"));
    enter(&mut driver, "set learning_rate 0");
    assert_eq!(message(&driver), "the learning rate must not be 0");
}

/// Where the second derivative is not 0, the relative error of the estimate ∂C/∂w · Δw is in proportion to Δw: a tenth of the change has a tenth of the error.
#[test]
fn the_smaller_the_change_the_better_the_derivative_predicts_it() {
    let (mut shrinking, mut kinds) = (0, Vec::new());
    for (name, original) in bundled_documents() {
        let numbers = given_numbers(&original);
        for (address, _) in numbers.iter().take(if name == "figure-01" { 6 } else { 100 }) {
            let error = |change: &str| {
                let mut driver = driver(Arc::clone(&original), 1);
                enter(&mut driver, &format!("set {address} += {change}"));
                let effect = driver.state.stepper().unwrap().shown_effect()?.clone();
                let actual = effect.loss[1] - effect.loss[0];
                effect.estimate.map(|estimate| (actual - estimate).abs() / estimate.abs())
            };
            let (Some(large), Some(small)) = (error("1e-2"), error("1e-3")) else { continue };
            // without a second derivative there is only rounding
            if large > 1e-5 && large < 0.1 {
                assert!((5.0..20.0).contains(&(large / small)), "{name}: {address}: {large} and {small}");
                shrinking += 1;
            }
            let id = original.trace.network().find(address.split('[').next().unwrap().trim_start_matches("1:")).unwrap();
            kinds.push(std::mem::discriminant(&original.trace.network().tensor(id).role));
        }
    }
    kinds.dedup();
    assert!(shrinking > 50, "{shrinking}");
    let has_kind = |role: Role| kinds.contains(&std::mem::discriminant(&role));
    assert!(has_kind(Role::Parameter) && has_kind(Role::Input { learns: false }), "parameters and inputs are edited");
}

/// The tolerance ends this descent at iteration 2, so the batch has no update. After the edit the descent goes on, so the batch has an update. Its tensors then
/// have other ids, because the gradients of the biases, which only the update reads, come between those of the weights.
#[test]
fn the_old_value_of_an_entry_is_that_of_the_same_tensor_if_the_edit_adds_an_update() {
    let text = "title = \"ends\"\nloss = { type = \"squared_error\", l2 = 0.125 }\ninput = [1, 2]\ntarget = [1]\n[[layer]]\ntype = \"linear\"\n\
                weight = [[0.5, -1], [0.25, 1]]\nbias = [0.25, 1]\n[[layer]]\ntype = \"linear\"\nweight = [[1, 0.5]]\nbias = [0.5]\n\
                [train]\nlearning_rate = 0.01\niterations = 5\ntolerance = 100\n";
    let mut driver = open(text);
    enter(&mut driver, "2/reduce:grad.fc1.weight[0,0]");
    let before = Arc::clone(document(&driver));
    enter(&mut driver, "set input[0] 1000");
    let after = Arc::clone(document(&driver));
    let batch = after.trace.samples();
    let [old, new] = [&before, &after].map(|document| &document.trace.runs()[batch]);
    assert!(old.network.tensors().len() < new.network.tensors().len());
    let stepper = driver.state.stepper().unwrap();
    let scene = stepper.scene().unwrap();
    assert_eq!(scene.at.run_index, batch);
    // the numbers of the tensors with the same name and the same role
    let mut compared = 0;
    for (id, info) in new.network.tensors().iter().enumerate() {
        let same = old.network.tensors().iter().position(|other| other.name == info.name && other.role == info.role);
        for at in 0..info.shape.iter().product() {
            let value = |run: &gradstep::network::IterationRun, id: usize| run.run.values(id)[at];
            let expected = same.map(|same| value(old, same)).filter(|old| old.to_bits() != value(new, id).to_bits());
            let expected = expected.filter(|_| scene.complete_number(id, at).is_some());
            assert_eq!(stepper.value_before_edit(&scene, id, at), expected, "{} {at}", info.name);
            compared += usize::from(expected.is_some());
        }
    }
    assert!(compared > 4, "{compared}");
}
