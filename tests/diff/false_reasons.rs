//! Wrong gradients of an independent NumPy program (`answers`), for which a false reason was named before.

use super::answers::{diff_with, why};

/// One error of a network is NaN. In NumPy, NaN * 0 is NaN, so it passes the closed gates of a relu, where the right gradient is 0.
#[test]
fn nan_behind_a_closed_gate_is_a_consequence() {
    let logits = diff_with("mlp.toml", "mlp-nan-logits.npz");
    let [reason, consequences] = why(&logits)[..] else { panic!("{}", logits.out) };
    assert!(
        reason.starts_with("why     3:fc3.z[0] is the first number of the file that is not finite: nan; it spreads backward"),
        "{}",
        logits.out
    );
    assert!(reason.contains("from there to 11 tensors: 3:fc2.a, ") && !reason.contains("not computed from it"), "{}", logits.out);
    assert!(consequences.trim_start().starts_with("only consequences: fc2.a, fc2.z, "), "{}", logits.out);
    // without the errors of the hidden layers, and with a NaN in each sample
    for (scenario, mine, first) in [("mlp.toml", "mlp-nan-parameters.npz", "3:fc3.z[0]"), ("cnn.toml", "cnn-nan.npz", "1:fc1.z[0]")] {
        let found = diff_with(scenario, mine);
        let [reason, consequences] = why(&found)[..] else { panic!("{mine}: {}", found.out) };
        assert!(reason.starts_with(&format!("why     {first} is the first number of the file that is not finite: nan")), "{}", found.out);
        assert!(consequences.trim_start().starts_with("only consequences: "), "{mine}: {}", found.out);
    }
}

/// A mistake before a NaN is still named. The NaN has a line of its own.
#[test]
fn a_mistake_before_a_nan_is_named() {
    let found = diff_with("mlp.toml", "mlp-nan-and-mistakes.npz");
    let why = why(&found);
    assert!(why[0].starts_with("why     yours: the weight gradient of fc3 reads z of the layer before instead of a"), "{}", found.out);
    let nan = "  and   fc1.weight[0,0] is the first number of the file that is not finite: nan; the right number is finite";
    assert!(why.iter().any(|line| line.starts_with(nan)), "{}", found.out);
    assert!(!found.out.contains("not explained"), "{}", found.out);
}

/// Nothing is computed from the gradient of a parameter, so a second tensor with NaN has another origin.
#[test]
fn a_nan_spreads_only_to_tensors_that_are_computed_from_it() {
    let another = "it has another origin, or both come from a gradient that is not in the file; the right number";
    for (scenario, mine, said) in [
        ("mlp.toml", "mlp-two-nans.npz", format!("fc3.bias[0] is the first number of the file that is not finite: nan; fc1.weight is not computed from it, so {another}")),
        (
            "mlp.toml",
            "mlp-inf.npz",
            "fc2.weight[0,0] is the first number of the file that is not finite: inf; 2 other tensors are not computed from it, so they have other origins, or all come from a gradient that is not in the file: fc1.weight, fc1.bias;".to_owned(),
        ),
        ("att.toml", "att-nan.npz", format!("x[0,0] is the first number of the file that is not finite: nan; Wq is not computed from it, so {another}")),
    ] {
        let found = diff_with(scenario, mine);
        let [reason] = why(&found)[..] else { panic!("{mine}: {}", found.out) };
        assert!(reason.starts_with(&format!("why     {said}")), "{mine}: {}", found.out);
        assert!(!found.out.contains("spreads"), "{mine}: {}", found.out);
    }
}

/// In one file the mask of a relu is inverted, in the other the error is the sign of the difference. Both files have entries that look clipped, but no smaller
/// entry is right.
#[test]
fn clipping_needs_a_right_entry_within_the_bound() {
    for (scenario, mine) in [("res.toml", "res-mask-inverted.npz"), ("bn.toml", "bn-signs.npz")] {
        let found = diff_with(scenario, mine);
        assert!(found.status == 1 && !found.out.contains("clipped"), "{mine}: {}", found.out);
    }
}

/// All gradients are clipped to ±0.1, also those of the samples. They are derivatives of the mean loss over four samples, so they are compared times 4.
#[test]
fn the_gradients_of_samples_and_of_the_batch_are_clipped_with_one_bound() {
    let found = diff_with("mlp.toml", "mlp-clipped.npz");
    let [samples, batch, ..] = why(&found)[..] else { panic!("{}", found.out) };
    assert!(
        samples.starts_with("why     fc3.z of samples 1 to 4, ") && samples.contains("every entry beyond ±0.4 is ±0.4"),
        "{}",
        found.out
    );
    assert!(batch.starts_with("why     fc3.weight, ") && batch.contains("every entry beyond ±0.1 is ±0.1"), "{}", found.out);
}

/// Two errors have a wrong shape. The backward pass computes that of the last layer first.
#[test]
fn wrong_shapes_are_in_the_order_of_the_backward_pass() {
    let found = diff_with("mlp.toml", "mlp-columns.npz");
    assert!(found.out.contains("\nwhere   seen first at fc3.z: its shape is 3x4, but must be 3\n"), "{}", found.out);
}

/// The error goes back through a flatten with all axes in reverse order, or only with height and width exchanged.
#[test]
fn two_orders_of_a_flatten_have_different_words() {
    for (mine, words) in [
        ("cnn-unflat-whole.npz", "in column-major order ["),
        ("cnn-unflat-swapped.npz", "in column-major order within each channel: only height and width are exchanged ["),
    ] {
        let found = diff_with("cnn.toml", mine);
        assert!(why(&found)[0].starts_with(&format!("why     yours: the error goes back through flat1 {words}")), "{}", found.out);
    }
}

/// The gradients of two square matrices of a graph are transposed. The statements of a graph fix the order of the axes, so these gradients are wrong.
#[test]
fn transposed_square_matrices_of_a_graph_are_wrong() {
    let found = diff_with("square.toml", "square-turned.npz");
    assert_eq!(found.status, 1, "{}", found.out);
    assert!(found.out.starts_with("sqg: all 2 gradients are wrong\n") || found.out.contains("2 of 2 gradients are wrong"), "{}", found.out);
    assert!(why(&found)[0].contains("is its transpose") || why(&found)[0].contains("are their transposes"), "{}", found.out);
}
