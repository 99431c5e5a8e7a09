//! `gradcheck` on random networks and graphs: it reports no derivative that is right, and finds one that is made wrong.

use gradstep::app::Document;
use gradstep::gradcheck::{CheckOptions, Verdict, check};
use gradstep::network::Role;
use gradstep::step::Step;
use gradstep::tensor::from_flat;
use proptest::prelude::*;

use crate::scenario;

/// A few entries of each tensor.
const FEW: CheckOptions = CheckOptions { entries: 4, threads: std::num::NonZero::<usize>::MIN };

/// Checks that no derivative is reported as wrong. Then multiplies a right derivative by 1 + `relative_error`, and checks that it is reported. `seed` chooses
/// this derivative.
///
/// # Errors
/// The first verdict that is wrong.
pub fn check_verdicts(text: &str, seed: u64, relative_error: f64) -> Result<(), TestCaseError> {
    let document = Document::new(scenario(text)?);
    // 0^x jumps at 0, and PyTorch's convention there is not a slope
    let zero_power = |step: Step| step.function.is_some_and(|function| function.name == "^") && step.factors[0].value == 0.0;
    if (1..=document.trace.len()).filter_map(|k| document.trace.get(k)).any(zero_power) {
        return Ok(());
    }
    let (network, run) = (document.trace.network(), document.trace.run(0));
    let checked = check(network, run, FEW, |_| true);
    // an error of a derivative near 0 could be within the tolerance
    let mut large_and_right = Vec::new();
    for checked in &checked {
        for compared in &checked.checks {
            let name = &network.tensor(checked.gradient).name;
            prop_assert!(compared.verdict != Verdict::Off, "{name} {compared:?}\n{text}");
            if compared.verdict == Verdict::Agrees && compared.derivative.abs() > 0.1 {
                large_and_right.push((checked.gradient, compared.at));
            }
        }
    }
    if large_and_right.is_empty() {
        return Ok(());
    }
    let (gradient, at) = large_and_right[usize::try_from(seed % large_and_right.len() as u64).expect("an index")];
    let mut entries = run.values(gradient).to_vec();
    entries[at] *= 1.0 + relative_error;
    let planted = run.with_tensor(network, gradient, from_flat(&network.tensor(gradient).shape, entries));
    for checked in check(network, &planted, FEW, |_| true) {
        for compared in checked.checks.iter().filter(|compared| (checked.gradient, compared.at) == (gradient, at)) {
            let parameter = match network.tensor(gradient).role {
                Role::Gradient(parameter) => Some(parameter),
                _ => None,
            };
            let found = match compared.verdict {
                // on a kink any value between the slopes on both sides is right
                Verdict::Off | Verdict::Kink => true,
                // the distances by which an entry is moved depend on its size; an entry of 0 suggests no distance
                Verdict::Unsettled => parameter.is_some_and(|id| run.values(id)[at] == 0.0),
                _ => false,
            };
            prop_assert!(found, "planted in {}: {compared:?}\n{text}", network.tensor(gradient).name);
        }
    }
    Ok(())
}

/// Two logits are 2001. Near this tie the loss curves equally on both sides, even for the shortest move. A derivative of 0 is found to be wrong even there.
#[test]
fn a_missing_derivative_at_a_softmax_tie_is_found() {
    let text =
        "title = \"tie\"\ninput = [1, 2001, 2001]\ntarget = 1\nloss = \"cross_entropy_with_logits\"\n[[layer]]\ntype = \"flatten\"\n";
    for relative_error in [-1.0, -0.5, 0.01] {
        for seed in 0..3 {
            check_verdicts(text, seed, relative_error).expect("found");
        }
    }
}

/// A loss near 0 that is a sum of large terms has the rounding errors of these terms. A derivative that is wrong by a thousandth is still found.
#[test]
fn a_loss_near_0_has_the_rounding_error_of_its_terms() {
    for n in 0..300_u32 {
        let number = |k: u32| (f64::from((n * 37 + k) * 7_919 % 10_007) - 5_000.0) / 1_024.0;
        let (mut input, mut target): (Vec<f64>, Vec<f64>) = (0..20).map(|k| (number(2 * k), number(2 * k + 1))).unzip();
        let sum: f64 = input.iter().zip(&target).map(|(x, t)| x * t).sum();
        // the last term makes the loss 0.001
        input.push(0.001 - sum);
        target.push(1.0);
        let text =
            format!("title = \"near 0\"\ninput = {input:?}\ntarget = {target:?}\nloss = \"upstream\"\n[[layer]]\ntype = \"flatten\"\n");
        check_verdicts(&text, u64::from(n), 0.001).expect("found");
        let (low, high) = (number(90), 1000.0 + number(91));
        // log Σ exp z. The terms of the loss are t (lse − z). The third one is about a million, and the first one is 3 minus the third. The others are
        // 0.2 ln 2 and 0.3 ln 2, so the loss is 3 + 0.5 ln 2
        let lse = high + 2.0_f64.ln();
        let text = format!(
            "title = \"near 0\"\ninput = [{low}, {high}, 0.5, {high}]\ntarget = [{}, 0.2, 1000, 0.3]\nloss = \"cross_entropy_with_logits\"\n[[layer]]\ntype = \"flatten\"\n",
            -(1000.0 * (lse - 0.5) - 3.0) / (lse - low)
        );
        check_verdicts(&text, u64::from(n), -1.0).expect("found");
    }
}

/// The stride of a layer with one output, and the dilation of a kernel of size 1, have no effect, so they can be any number.
#[test]
fn a_stride_or_dilation_without_effect_can_be_any_number() {
    let image = "[[[1, 2, 3], [4, 5, 9], [7, 8, 6]]]";
    let weight = "weight = { init = \"he_normal\", seed = 1 }\nbias = { init = \"zeros\" }\nout_channels = 1";
    // the number is appended to the keys
    for (kind, keys) in [
        ("max_pool2d", "kernel_size = 3\nstride = "),
        ("max_pool2d", "kernel_size = 1\nstride = 3\ndilation = "),
        ("avg_pool2d", "kernel_size = 3\nstride = "),
        ("conv2d", "kernel_size = 3\nstride = "),
        ("conv2d", "kernel_size = [3, 1]\nstride = 1\ndilation = [1, "),
    ] {
        let weight = if kind == "conv2d" { weight } else { "" };
        let closing = if keys.contains('[') { "]" } else { "" };
        let document = |number: u64| {
            let text = format!(
                "title = \"far\"\ninput = {image}\ntarget = {{ init = \"zeros\" }}\nloss = \"squared_error\"\n[[layer]]\ntype = \"{kind}\"\n{weight}\n{keys}{number}{closing}\n"
            );
            Document::new(scenario(&text).expect("valid"))
        };
        let with_one = document(1);
        for number in [3, 1 << 32, (1 << 32) + 1, 1 << 61, i64::MAX.unsigned_abs()] {
            let with_number = document(number);
            crate::steps::check_trace(&with_number.trace).expect("the steps add up");
            let [expected, found] = [&with_one, &with_number].map(|document| (document.trace.len(), document.loss.to_bits()));
            assert_eq!(found, expected, "{kind} {keys}{number}");
        }
    }
}

/// A layer norm of two numbers is nearly saturated: short moves change the loss by less than its rounding error, and long moves reach a region where the loss
/// is flat. No derivative is reported.
#[test]
fn a_move_into_a_flat_region_reports_nothing() {
    let text = r#"
title = "random"
input = [0.6536865234375, 0.770751953125]
target = [-40.0, 0.282958984375, 0.3209228515625]
loss = { type = "squared_error" }

[[layer]]
type = "linear"
name = "l1"
weight = [[1000.0, -1.1905517578125], [-1.075927734375, -1000.0], [-0.0863037109375, 0.1134033203125], [1.00244140625, -0.84912109375]]
bias = [-0.1112060546875, 0.38134765625, 0.069580078125, 1.1278076171875]

[[layer]]
type = "activation"
name = "l2"
function = "softplus"

[[layer]]
type = "linear"
name = "l3"
weight = [[1.0931396484375, -0.010009765625, -1.211669921875, -0.7978515625], [0.91357421875, 0.7960205078125, -0.0640869140625, 1000.0]]
bias = [-0.1552734375, 0.895751953125]
activation = "softplus"

[[layer]]
type = "layer_norm"
name = "l4"
weight = [-0.8807373046875, -0.6954345703125]
bias = [-0.3009033203125, 1000.0]

[[layer]]
type = "linear"
name = "l5"
weight = [[0.30029296875, 1000.0], [0.622314453125, -0.2393798828125], [-40.0, -0.41845703125]]
"#;
    check_verdicts(text, 1, 0.5).expect("no derivative is reported");
}
