//! If a sigmoid or softmax is rounded to 0 or 1, the loss and its derivative are still exact, because gradstep computes them from the logits.

use gradstep::network::Run;

use crate::scenario;

const LOGITS: [f64; 23] = [
    -1000.0, -745.2, -744.0, -710.0, -709.7, -708.0, -700.0, -40.0, -37.0, -36.0, -30.0, 0.0, 0.3, 30.0, 36.0, 36.7, 37.0, 40.0, 700.0,
    709.7, 710.0, 745.2, 1000.0,
];
const TARGETS: [f64; 5] = [0.0, 1.0, 0.3, 0.5, 1e-12];

/// The loss, and its derivative with respect to the logits.
fn outcome(loss: &str, function: &str, logits: &[f64], target: &[f64]) -> (f64, Vec<f64>) {
    let text = format!(
        "title = \"t\"\ninput = {logits:?}\ntarget = {target:?}\nloss = {loss}\n[[layer]]\ntype = \"activation\"\nfunction = \"{function}\"\n"
    );
    let scenario = scenario(&text).unwrap();
    let run = Run::new(&scenario.network, &scenario.sample_tensors(0));
    let values = |name: &str| run.values(scenario.network.find(name).unwrap()).to_vec();
    (values("loss")[0], values("grad.input"))
}

fn sigmoid(z: f64) -> f64 {
    if z < 0.0 { libm::exp(z) / (1.0 + libm::exp(z)) } else { 1.0 / (1.0 + libm::exp(-z)) }
}

fn softplus(z: f64) -> f64 {
    z.max(0.0) + libm::log1p(libm::exp(-z.abs()))
}

#[allow(clippy::float_cmp)]
fn check_near(value: f64, expected: f64, what: &str) {
    assert!(value == expected || (value - expected).abs() <= 1e-10 * expected.abs(), "{what}: {value:e}, not {expected:e}");
}

#[test]
fn binary_cross_entropy_is_exact_at_all_logits() {
    for z in LOGITS {
        for t in TARGETS {
            for (reduction, n) in [("sum", 1.0), ("mean", 3.0)] {
                // the other two entries have no error, and a loss of ln 2 each
                let (logits, target) = ([0.0, z, 0.0], [0.5, t, 0.5]);
                let rest = 2.0 * std::f64::consts::LN_2;
                for (loss, function) in [("binary_cross_entropy", "sigmoid"), ("binary_cross_entropy_with_logits", "identity")] {
                    let what = format!("{loss} {reduction}, z = {z}, t = {t}");
                    let (c, error) = outcome(&format!("{{ type = \"{loss}\", reduction = \"{reduction}\" }}"), function, &logits, &target);
                    check_near(c, (rest + t * softplus(-z) + (1.0 - t) * softplus(z)) / n, &what);
                    check_near(error[1], (sigmoid(z) - t) / n, &what);
                    assert!(error[0].abs() < 1e-16 && error[2].abs() < 1e-16, "{what}: {error:?}");
                }
            }
        }
    }
}

#[test]
fn sigmoid_with_cross_entropy_is_exact_at_all_logits() {
    for z in LOGITS {
        for t in TARGETS {
            let (c, error) = outcome("\"cross_entropy\"", "sigmoid", &[z], &[t]);
            let what = format!("z = {z}, t = {t}");
            check_near(c, t * softplus(-z), &what);
            check_near(error[0], t * (sigmoid(z) - 1.0), &what);
        }
    }
}

#[test]
fn softmax_with_cross_entropy_is_exact_at_all_logits() {
    for z in LOGITS {
        for (t, u) in [(1.0, 0.0), (0.0, 1.0), (0.3, 0.7), (2.0, 0.5), (1e-12, 1.0)] {
            for (loss, function) in [("cross_entropy", "softmax"), ("cross_entropy_with_logits", "identity")] {
                let what = format!("{loss}, z = {z}, t = {t}, {u}");
                let (c, error) = outcome(&format!("\"{loss}\""), function, &[z, 0.0], &[t, u]);
                check_near(c, t * softplus(-z) + u * softplus(z), &what);
                // each output and each target is rounded, by about 2⁻⁵³
                let right = u * sigmoid(z) - t * sigmoid(-z);
                let allowed = 1e-10 * right.abs() + 4e-16 * (t + u);
                assert!((error[0] - right).abs() <= allowed && (error[1] + right).abs() <= allowed, "{what}: {error:?}, not {right:e}");
            }
        }
    }
}
