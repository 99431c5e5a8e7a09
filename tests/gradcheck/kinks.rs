//! `gradcheck` tells three cases apart: entries at a kink, entries near a kink, and smooth functions whose differences look like those of a kink.

use gradstep::gradcheck::{CheckOptions, Verdict, check};
use gradstep::tensor::from_flat;
use std::ffi::OsStr;

use super::{check_all, document, graph_verdicts, read, scenarios, tally, verdict_if_claimed};

/// A smooth function that curves too much for a move of any distance has neither a kink nor a wrong derivative.
#[test]
fn smooth_functions_have_no_kinks() {
    for (inputs, nodes) in [
        ("x = 1e8", "\"J = sin(x)\""),
        ("x = 1e-8", "\"J = 1 / x\""),
        ("x = 1.5707963267948966", "\"J = tan(x)\""),
        ("x = 1e-6", "\"J = log(x)\""),
        ("x = 3", "\"J = exp(exp(x))\""),
    ] {
        let found = graph_verdicts(inputs, nodes);
        assert!(found.iter().all(|(_, verdict)| !matches!(verdict, Verdict::Kink | Verdict::Off)), "{inputs}: {nodes}: {found:?}");
    }
}

#[test]
fn kinks_are_reported_as_kinks() {
    for (inputs, nodes, kinks) in [
        ("x = 0", "\"J = relu(x)\"", &["grad.x"][..]),
        ("x = 0", "\"J = abs(x)\"", &["grad.x"]),
        ("x = 2, y = 2", "\"J = max(x, y)\"", &["grad.x", "grad.y"]),
        ("x = 2, y = 2", "\"J = min(x, y)\"", &["grad.x", "grad.y"]),
        // both arguments move together, so there is no kink
        ("x = 2", "\"J = max(x, x)\"", &[]),
        // near the kink, not at it
        ("x = 1e-7", "\"J = relu(x)\"", &[]),
        // J is |x|, although neither function has a kink in its definition
        ("x = 0", "\"u = x * x\", \"J = sqrt(u)\"", &["grad.x"]),
        ("x = 3", "\"J = relu(x)\"", &[]),
    ] {
        let found = graph_verdicts(inputs, nodes);
        let at_kinks: Vec<&str> = found.iter().filter(|(_, verdict)| *verdict == Verdict::Kink).map(|(name, _)| name.as_str()).collect();
        assert_eq!(at_kinks, kinks, "{inputs}: {nodes}: {found:?}");
        assert!(found.iter().all(|(_, verdict)| *verdict != Verdict::Off), "{inputs}: {nodes}: {found:?}");
    }
}

/// No derivative of the corner cases is reported as wrong, because each is right, or is PyTorch's.
#[test]
fn corners_pass() {
    let mut wrong = Vec::new();
    for path in scenarios("tests/corners") {
        tally(&path.to_string_lossy(), &document(path.as_os_str()), CheckOptions::ALL, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // 1/b, 1/x or b · b overflows, but the derivative does not
    for name in ["over", "under", "zero", "n-over-n", "denormal", "log-denormal", "power"] {
        let path = format!("tests/corners/quotient-{name}.toml");
        let [agree, other_verdicts @ ..] = tally(name, &document(OsStr::new(&path)), CheckOptions::ALL, &mut wrong);
        assert!(agree > 0 && other_verdicts == [0; 4], "{name}: {agree}, {other_verdicts:?}");
    }
}

/// If an entry is moved too far, it jumps over the curve of the loss to a place where the loss is flat. Even so, these derivatives are accepted if they are
/// right, and reported if they are wrong.
#[test]
fn narrow_curves_are_resolved() {
    for (inputs, nodes, right) in [
        ("x = 1000", "\"J = tanh(1e6 * (x - 1000))\"", 1e6),
        ("x = 1e5", "\"J = tanh(300 * (x - 1e5))\"", 300.0),
        ("x = 0", "\"J = tanh(1e20 * x)\"", 1e20),
        // a bump that is 0 except near x; its slope is −2 · 10¹² · 5 · 10⁻⁷ e^(−¼)
        ("x = 1000", "\"J = exp(-(1e6 * (x - 1000 + 5e-7))^2)\"", -1e6 * (-0.25_f64).exp()),
        // −a / x²
        ("x = 1e-170, a = 1e-200", "\"J = a / x\"", -1e140),
    ] {
        assert_eq!(verdict_if_claimed(inputs, nodes, right), Verdict::Agrees, "{nodes}");
        for wrong in [0.0, -right, 2.0 * right, 0.99 * right, (1.0 + 1e-4) * right, f64::NAN, f64::INFINITY] {
            let verdict = verdict_if_claimed(inputs, nodes, wrong);
            // the function with the slope 1e20 needs moves as short as 1e-22, which neither x = 0 nor the derivative 0 suggests
            let is_undecided = inputs == "x = 0" && wrong == 0.0 && verdict == Verdict::Unsettled;
            assert!(verdict == Verdict::Off || is_undecided, "{nodes}: {wrong:e}: {verdict:?}");
        }
    }
}

/// An entry within 10⁻⁶ of a kink is compared with the slope on its own side of the kink. Only an entry exactly on the kink has the verdict `Kink`.
#[test]
fn an_entry_near_a_kink_is_judged_on_its_own_side() {
    // the verdict, and whether x is near a kink. `derivative` takes the place of the number from the backward pass
    let judged = |x: &str, derivative: Option<f64>| {
        let document = read(&format!("title = \"t\"\n[graph]\ninputs = {{ x = {x} }}\nnodes = [\"J = relu(x) + 3 * x\"]\n"));
        let network = document.trace.network();
        let id = network.find("grad.x").unwrap();
        let run = derivative.map(|d| document.trace.run(0).with_tensor(network, id, from_flat(&[], vec![d])));
        let checked = check(network, run.as_ref().unwrap_or(document.trace.run(0)), CheckOptions::ALL, |_| true);
        let compared = checked.iter().find(|checked| checked.gradient == id).unwrap().checks[0];
        (compared.verdict, compared.is_near_kink)
    };
    // J = relu(x) + 3 x has the slope 3 on the left of 0 and 4 on the right
    for (x, is_near, right, slope_of_other_side) in [
        ("1e-6", true, 4.0, 3.0),
        ("-1e-6", true, 3.0, 4.0),
        ("-1e-12", true, 3.0, 4.0),
        ("1e-300", true, 4.0, 3.0),
        ("1.1e-6", false, 4.0, 3.0),
        ("-2e-6", false, 3.0, 4.0),
        ("1", false, 4.0, 3.0),
    ] {
        assert_eq!(judged(x, None), (Verdict::Agrees, is_near), "{x}");
        // 3.5 is between both slopes
        for wrong in [slope_of_other_side, 3.5, right + 1e-4] {
            assert_eq!(judged(x, Some(wrong)), (Verdict::Off, is_near), "{x}: {wrong}");
        }
        assert_eq!(judged(x, Some(right)).0, Verdict::Agrees, "{x}");
    }
    for x in ["0", "-0.0"] {
        assert_eq!(judged(x, None), (Verdict::Kink, false));
    }
    let near_kinks: usize = check_all(&document(OsStr::new("tests/corners/near-a-kink.toml")).trace, CheckOptions::ALL)
        .iter()
        .map(|(_, checked)| checked.near_kinks())
        .sum();
    // z[0] = −1e-6. So z[0], bias[0] and input[0] (its weight is 1) are 1e-6 from the kink, but weight[0,1], which multiplies 0.5, is 2e-6 from it
    assert_eq!(near_kinks, 3);
}

/// At a kink a derivative is wrong unless it lies between the slopes on both sides.
#[test]
fn a_wrong_derivative_is_found_on_a_kink() {
    for (inputs, nodes, low, high) in [
        ("x = 0", "\"J = relu(x)\"", 0.0, 1.0),
        ("x = 0", "\"J = 3 * abs(x) + x\"", -2.0, 4.0),
        ("x = 2, y = 2", "\"J = max(x, y)\"", 0.0, 1.0),
        ("x = 2, y = 2", "\"J = exp(min(y, x))\"", 0.0, 2f64.exp()),
        ("x = 0", "\"J = 1e-9 * relu(x)\"", 0.0, 1e-9),
    ] {
        for right in [low, high, f64::midpoint(low, high)] {
            assert_eq!(verdict_if_claimed(inputs, nodes, right), Verdict::Kink, "{nodes}: {right}");
        }
        let away = (high - low).max(1e-3) * 0.01;
        for wrong in [low - away, high + away, -high - 1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(verdict_if_claimed(inputs, nodes, wrong), Verdict::Off, "{nodes}: {wrong}");
        }
    }
    // two kinks at one point, each with its own convention: J is x with the slope 1, but PyTorch gives 0
    assert_eq!(verdict_if_claimed("x = 0", "\"J = relu(x) - relu(-x)\"", 0.0), Verdict::Kink);
    // the slope to the right is infinite
    assert_eq!(verdict_if_claimed("x = 0", "\"J = sqrt(relu(x))\"", f64::NAN), Verdict::Kink);
}

/// The terms of `l1` have a kink where an output is its target. Those of `huber` and `smooth_l1` have cases but no kink.
#[test]
fn the_kink_of_a_loss_is_inside_its_terms() {
    let verdicts = |loss: &str, target: &str| {
        let document = read(&format!(
            "title = \"t\"\ninput = [1.0, 2.0]\ntarget = [{target}]\n[[layer]]\ntype = \"activation\"\nfunction = \"identity\"\n[loss]\ntype = \"{loss}\"\n"
        ));
        let network = document.trace.network();
        let id = network.find("grad.input").unwrap();
        let checked = check(network, document.trace.run(0), CheckOptions::ALL, |_| true);
        let checks = &checked.iter().find(|checked| checked.gradient == id).unwrap().checks;
        checks.iter().map(|check| (check.verdict, check.is_near_kink)).collect::<Vec<_>>()
    };
    let (agrees, near, kink) = ((Verdict::Agrees, false), (Verdict::Agrees, true), (Verdict::Kink, false));
    assert_eq!(verdicts("l1", "0.5, 3.0"), [agrees, agrees]);
    assert_eq!(verdicts("l1", "0.5, 2.0"), [agrees, kink]);
    assert_eq!(verdicts("l1_loss", "1.0, 2.0000001"), [kink, near]);
    // |output − target| of the first entry is 1, which is delta, or beta
    assert_eq!(verdicts("huber", "2.0, 2.0"), [agrees, agrees]);
    assert_eq!(verdicts("smooth_l1", "0.0, 2.0"), [agrees, agrees]);
}
