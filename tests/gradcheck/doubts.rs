//! `gradcheck` calls no right derivative wrong where differences prove nothing: all steps are too long, rounding errors are too large, or differences agree by
//! chance. Where they prove something, a wrong derivative is found.

use gradstep::gradcheck::Verdict;

use super::{graph_verdicts, verdict_if_claimed};

/// The verdict on ∂J/∂x.
fn verdict(inputs: &str, nodes: &str) -> Verdict {
    let found = graph_verdicts(inputs, nodes);
    found.iter().find(|(name, _)| name == "grad.x").unwrap().1
}

/// All steps that change the sum by more than its rounding error are too long for the sine, or for the pole at 0.
#[test]
fn a_curve_below_the_rounding_error_proves_nothing() {
    for (inputs, nodes, right) in [
        ("x = 3486784401, c = 1.2e19", "\"J = c - sin(x)\"", -3_486_784_401_f64.cos()),
        ("x = 6.9e-20, a = 4.8e-39", "\"J = a / x - 0.5\"", -4.8e-39 / (6.9e-20 * 6.9e-20)),
    ] {
        assert_eq!(verdict(inputs, nodes), Verdict::Unsettled, "{nodes}");
        assert_eq!(verdict_if_claimed(inputs, nodes, right), Verdict::Unsettled, "{nodes}");
    }
    // without the large summand, the differences prove it
    for (inputs, nodes, right) in [
        ("x = 3486784401, c = 1", "\"J = c - sin(x)\"", -3_486_784_401_f64.cos()),
        ("x = 6.9e-20, a = 4.8e-39", "\"J = a / x\"", -4.8e-39 / (6.9e-20 * 6.9e-20)),
    ] {
        assert_eq!(verdict_if_claimed(inputs, nodes, right), Verdict::Agrees, "{nodes}");
        for wrong in [0.0, -right, 1.01 * right] {
            assert_eq!(verdict_if_claimed(inputs, nodes, wrong), Verdict::Off, "{nodes}: {wrong}");
        }
    }
}

/// The smallest change of x, its last digit, changes the argument of the sine, cosine or tangent much. In the first case, sin(x · x²⁷ · x), it does so by two
/// radians.
#[test]
fn a_sine_that_turns_within_the_last_digit_proves_nothing() {
    for (inputs, nodes) in [
        ("x = 3", "\"y = x ^ (x ^ x)\", \"J = sin(x * y * x)\""),
        ("x = 2", "\"J = x ^ 6 * (x + tan(x ^ (3 * x) ^ 2))\""),
        ("x = 0.1083984375", "\"t = 1.1796875 / (x * -0.63525390625)\", \"J = sin(x ^ t)\""),
        ("x = 3, z = -2", "\"u = (x * z) ^ 2 + 1\", \"J = cos((u ^ u) ^ x)\""),
    ] {
        let found = verdict(inputs, nodes);
        assert!(matches!(found, Verdict::Unsettled | Verdict::Agrees), "{nodes}: {found:?}");
    }
}

/// ½ x (1 + tanh u) is a staircase where tanh u is nearly −1: on a step, its slope is ½ (1 + tanh u), and not the derivative.
#[test]
fn the_steps_of_a_gelu_are_no_slope() {
    for x in ["-6", "-5.75", "-7.0705", "-5.974"] {
        assert_ne!(verdict(&format!("x = {x}"), "\"J = 1000000 * gelu(x, approximate='tanh')\""), Verdict::Off, "{x}");
    }
    for wrong in [0.0, 0.01] {
        assert_eq!(verdict_if_claimed("x = -2", "\"J = gelu(x, approximate='tanh')\"", wrong), Verdict::Off);
    }
}

/// The derivatives ±10⁹ by the two arguments of x − x cancel. Their rounding error is larger than the rest of the sum.
#[test]
fn a_derivative_that_is_only_rounding_error_is_not_wrong() {
    let (inputs, nodes) = ("x = -2", "\"n = softplus(2 / gelu(x, approximate='tanh'))\", \"J = (max(x, n) - (x - x)) ^ (-(1 / x))\"");
    assert_eq!(verdict(inputs, nodes), Verdict::Unsettled);
    // it is about 8.4e-9, with a rounding error of about 1e-7
    assert_eq!(verdict_if_claimed(inputs, nodes, 1e-4), Verdict::Off);
}

/// (−½)ˣ has a value if x is an integer. Its derivative by x has a factor log(−½), so it is NaN, as in PyTorch. The numbers near 10¹² are multiples of 2⁻¹³,
/// and those near 10²⁰ are even integers.
#[test]
fn the_derivative_by_the_exponent_of_a_negative_base_is_undefined() {
    for x in ["2", "1e6", "1e12", "1e20", "1e300"] {
        let found = verdict(&format!("x = {x}, a = -0.5"), "\"J = 3 + a ^ x\"");
        assert!(matches!(found, Verdict::Undefined | Verdict::NotFinite), "{x}: {found:?}");
    }
    assert_eq!(verdict_if_claimed("x = 1e20, a = 0.5", "\"J = 3 + a ^ x\"", f64::NAN), Verdict::Off);
}

/// A step that is too long for a number between the entry and the loss is no reason to stop: shorter steps prove that a derivative is wrong.
#[test]
fn a_linear_loss_with_curved_numbers_hides_nothing() {
    for (inputs, nodes, right) in [
        // 0.25 x through 1 / x, the logarithm of an exponential, and a tanh that is exactly 1
        ("x = 0.01, a = 4", "\"J = 1 / (a / x)\"", 0.25),
        ("x = 256", "\"J = log(exp(x))\"", 1.0),
        ("x = 2e-10, a = 4", "\"J = abs(-1 / elu(a * reciprocal(abs(x)), -0.5))\"", 0.25),
        ("x = -1.1214599609375", "\"J = 2 * x * tanh(exp((x / -0.0435791015625) ^ 2))\"", 2.0),
    ] {
        assert_eq!(verdict_if_claimed(inputs, nodes, right), Verdict::Agrees, "{nodes}");
        for wrong in [0.0, -right, 2.0 * right, 1.001 * right, 0.9999 * right] {
            assert_eq!(verdict_if_claimed(inputs, nodes, wrong), Verdict::Off, "{nodes}: {wrong}");
        }
    }
}
