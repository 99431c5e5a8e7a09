//! Corner cases: an intermediate number overflows, underflows, is NaN or is infinite, but the result is not. The right numbers are those of PyTorch 2.15 in
//! float64 (`torch.autograd`), or computed by hand where a comment says so.

use std::path::{Path, PathBuf};

use gradstep::app::Document;
use gradstep::step::Kind;
use gradstep::trace::Trace;

use crate::{scenario, steps};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corners").join(name).with_extension("toml")
}

fn document(name: &str) -> Document {
    Document::new(scenario(&std::fs::read_to_string(path(name)).unwrap()).unwrap())
}

fn values<'t>(trace: &'t Trace, name: &str) -> &'t [f64] {
    trace.run(0).values(trace.network().find(name).unwrap_or_else(|| panic!("{name}")))
}

/// Returns whether two numbers agree: the sign of 0, the kind of infinity or NaN, otherwise 14 digits.
fn same(is: f64, right: f64) -> bool {
    is == right && is.is_sign_negative() == right.is_sign_negative()
        || is.is_nan() && right.is_nan()
        || (is - right).abs() <= 1e-14 * right.abs()
}

#[test]
fn derivatives_are_those_of_pytorch() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    // file, tensor, entries
    #[rustfmt::skip]
    let right: &[(&str, &str, &[f64])] = &[
        ("quotient-over", "grad.a", &[1e-200]),
        ("quotient-over", "grad.b", &[-1e-100]),
        ("quotient-under", "grad.a", &[1e170]),
        ("quotient-under", "grad.b", &[-1e140]),
        ("quotient-zero", "grad.a", &[1e170]),
        ("quotient-zero", "grad.b", &[-0.0]),
        ("quotient-n-over-n", "grad.n", &[0.0]),
        // 1e-20 / 1e-310, where 1e-310 is rounded to a multiple of 2^-1074
        ("quotient-denormal", "grad.a", &[1.000_000_000_000_003e290]),
        // by hand: -(1e-20 · 1) / 1e-310; PyTorch divides 1 / 1e-310 first, which is infinite
        ("quotient-denormal", "grad.b", &[-1.000_000_000_000_003e290]),
        ("quotient-log-denormal", "grad.x", &[1.000_000_000_000_003e290]),
        // by hand: -1e-150 / 1e-400 for each of the two paths; PyTorch's is infinite, because 1e-200^-2 is infinite
        ("quotient-power", "grad.x", &[-2e250]),
        // by hand: -1e250 · 1e-50 / 1e300; PyTorch's is 0, because 1e-350 is rounded to 0
        ("quotient-underflow", "grad.b", &[-1e-100]),
        ("quotient-underflow", "grad.a", &[1e100]),
        ("max-nan", "grad.u", &[2.0]),
        ("max-nan", "grad.b", &[2.0]),
        ("pow-zero-exponent", "grad.u", &[inf]),
        ("pow-zero-exponent", "grad.x", &[0.0]),
        ("nan-derivative-of-a-power", "grad.n0.1", &[nan]),
        ("nan-derivative-of-infinite-ones", "grad.x", &[nan]),
        // our choice: a dropped neuron has no edge; PyTorch multiplies inf by 0
        ("dropout-inf", "drop1.a", &[0.0, -2e200, 2.0]),
        ("dropout-inf", "grad.fc1.a", &[0.0, 2.0, 2.0]),
        // our choice; PyTorch gives the same, unless its mean or variance is NaN, as for [1e200, -1e200, 0]
        ("layer-norm-overflow", "norm1.a", &[0.0, -0.0, 0.0]),
    ];
    for (file, name, right) in right {
        let document = document(file);
        let is = values(&document.trace, name);
        assert!(
            is.len() == right.len() && is.iter().zip(*right).all(|(is, right)| same(*is, *right)),
            "{file}: {name} is {is:?}, not {right:?}"
        );
    }
}

/// A term t log a with t = 0 and log a = −∞ does not count. The losses are computed by hand; PyTorch's are NaN, because it multiplies 0 by −∞.
#[test]
fn a_target_of_0_ignores_a_logarithm_of_minus_infinity() {
    let softplus = |x: f64| x.exp().ln_1p();
    for (file, loss) in [
        ("cross-entropy-logits-overflow", 2f64.ln()),
        ("cross-entropy-minus-inf-midway-bce", softplus(-1.0) + softplus(2.0)),
        ("cross-entropy-minus-inf-midway-logits", (1f64.exp() + 2f64.exp()).ln() - 1.0),
        ("cross-entropy-minus-inf-midway-softmax", (1f64.exp() + 2f64.exp()).ln() - 1.0),
        ("cross-entropy-minus-inf-midway-sigmoid", softplus(-1.0)),
    ] {
        let document = document(file);
        assert!(same(values(&document.trace, "loss")[0], loss), "{file}: {:?}, not {loss}", values(&document.trace, "loss"));
        let step = |k| document.trace.get(k).unwrap();
        let left_out: Vec<_> = (1..=document.trace.len()).map(step).filter(|step| step.kind == Kind::Select).collect();
        let [step] = &left_out[..] else { panic!("{file}: {} terms are left out", left_out.len()) };
        assert!(
            &*step.op == "loss" && step.value == 0.0 && step.factors.iter().any(|factor| factor.value == f64::NEG_INFINITY),
            "{file}: {step:?}"
        );
    }
}

/// The number of steps of a network does not depend on its numbers.
#[test]
fn the_number_of_steps_does_not_depend_on_values() {
    let text = std::fs::read_to_string(path("cross-entropy-minus-inf-midway-bce")).unwrap();
    let steps = |text: &str| Document::new(scenario(text).unwrap()).trace.len();
    assert_eq!(steps(&text), steps(&text.replace("1e200", "0.5")));
}

/// 0.5397 = b (2u − 1) with b = `√(6 / (fan_in + fan_out))` = √(6 / (6 + 2)) and u = 0.81161…, the first number of seed 1
/// (`the_first_numbers_of_a_seed_are_those_of_the_formulas`).
#[test]
fn random_weights_have_the_fans_of_their_shape() {
    let first = (6.0 / 8.0_f64).sqrt() * (2.0 * 0.811_612_158_881_884_8 - 1.0);
    assert!((first - 0.5397).abs() < 5e-5);
    let (gradient, target, norm) =
        (document("upstream-gradient-fans-gradient"), document("upstream-gradient-fans-target"), document("layer-norm-fans"));
    for is in [values(&gradient.trace, "target"), values(&target.trace, "target"), values(&norm.trace, "norm1.weight")] {
        assert!(same(is[0], first) && is == values(&target.trace, "target"), "{is:?}");
    }
    // √(2 / fan_in) times the first normal number of seed 1
    let bias = values(&norm.trace, "norm1.bias")[0];
    assert!((bias + 0.033_237_095_940_591_78 * (2.0 / 6.0_f64).sqrt()).abs() < 1e-15, "{bias}");
}

#[test]
fn steps_of_corner_cases_add_up_to_the_tensors() {
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(path("max-nan").parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 23);
    for name in names {
        let name = name.file_stem().unwrap().to_string_lossy().into_owned();
        steps::check_trace(&document(&name).trace).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

/// A term of `kl_div` with t = 0 is 0, and its other factor is what its expression gives: log 0 − a, which is NaN at a = −∞.
#[test]
fn a_left_out_term_shows_its_factors_as_they_are() {
    let text =
        "title = \"t\"\ninput = [-10]\ntarget = [0, 1]\nloss = \"kl_div\"\n[[layer]]\ntype = \"linear\"\nweight = [[1e308], [0.1]]\n";
    crate::check_steps(text, 0).unwrap();
    let trace = Document::new(scenario(text).unwrap()).trace;
    assert_eq!(values(&trace, "fc1.z"), [f64::NEG_INFINITY, -1.0]);
    assert_eq!(values(&trace, "loss"), [1.0]);
    let first = trace.position(trace.resolve(&"loss".parse().unwrap()).unwrap()).unwrap();
    let left_out = trace.step(&first);
    assert_eq!((left_out.kind, left_out.value), (Kind::Select, 0.0));
    assert!(left_out.factors[1].value.is_nan());
}
