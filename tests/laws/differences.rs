//! Compares derivatives with central differences of the loss.

use std::sync::Arc;

use gradstep::expr::Kink;
use gradstep::network::{Id, Network, Role, Run};
use gradstep::op::rule::Term;
use gradstep::step::Pass;
use gradstep::tensor::{Tensor, from_flat, len};

/// The tolerance relative to the derivative, or to [`FLOOR`] times the scale of the rounding error if that is larger.
const TOLERANCE: f64 = 1e-6;
const FLOOR: f64 = 1e-3;

/// The distance by which an entry is moved, relative to the entry, or to 1 if that is larger.
const DISTANCE: f64 = 1e-5;

/// The largest number of entries that are checked in a tensor.
const MOST: usize = 24;

/// The number of derivatives that were compared, and of those skipped because a kink or a pole is too close.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub compared: usize,
    pub skipped: usize,
}

/// Checks the derivatives by the parameters and the inputs, at most [`MOST`] entries of each.
///
/// # Errors
/// The first derivative that is wrong.
pub fn check(network: &Network, given: &[(Id, Arc<Tensor>)]) -> Result<Tally, String> {
    let run = Run::new(network, given);
    let mut tally = Tally::default();
    let is_checked = |id: &Id| matches!(network.tensor(*id).role, Role::Input { .. } | Role::Parameter);
    for id in (0..network.tensors().len()).filter(is_checked) {
        let info = network.tensor(id);
        let gradient = network.gradient_of(id).ok_or_else(|| format!("{} has no derivative", info.name))?;
        let entries = len(&info.shape);
        for at in (0..entries).step_by(entries.div_ceil(MOST)) {
            let derivative = run.values(gradient)[at];
            match difference(network, given, &run, id, at) {
                Some((difference, scale)) if derivative.is_finite() => {
                    tally.compared += 1;
                    let allowed = TOLERANCE * derivative.abs().max(FLOOR * scale);
                    if (derivative - difference).abs() > allowed {
                        return Err(format!("grad.{}[{at}] is {derivative}, by differences {difference}", info.name));
                    }
                }
                // in a network of layers, the derivative is finite wherever the difference is
                Some((difference, _)) if network.reads_samples() => {
                    return Err(format!("grad.{}[{at}] is {derivative}, by differences {difference}", info.name));
                }
                _ => tally.skipped += 1,
            }
        }
    }
    Ok(tally)
}

/// Returns (C(x + h) − C(x − h)) / 2h, and the scale of its rounding error: the largest value times the largest derivative of the network. Returns `None` if a
/// move crosses a kink or turns a sine too far, if the differences for h and 2h disagree, or if they are not finite.
fn difference(network: &Network, given: &[(Id, Arc<Tensor>)], run: &Run, id: Id, at: usize) -> Option<(f64, f64)> {
    let value = run.values(id)[at];
    let h = DISTANCE * value.abs().max(1.0);
    let moved = |distance: f64| {
        let mut entries = run.values(id).to_vec();
        entries[at] = value + distance;
        let shape = &network.tensor(id).shape;
        let changed = given.iter().cloned().chain([(id, Arc::new(from_flat(shape, entries)))]).collect::<Vec<_>>();
        Run::new(network, &changed)
    };
    let runs = [moved(-2.0 * h), moved(-h), moved(h), moved(2.0 * h)];
    let [far_left, left, right, far_right] = runs.each_ref().map(|run| run.values(network.loss())[0]);
    let (slope, wide_slope) = ((right - left) / (2.0 * h), (far_right - far_left) / (4.0 * h));
    let largest = |backward: bool| {
        let ops = network.ops().iter().filter(|op| (op.pass == Pass::Backward) == backward);
        ops.flat_map(|op| run.values(op.output)).fold(1.0_f64, |largest, x| largest.max(x.abs()))
    };
    let scale = largest(false) * largest(true);
    if !(slope.is_finite() && wide_slope.is_finite() && scale.is_finite()) {
        return None;
    }
    let sides_here = sides(network, run);
    if runs.iter().any(|moved| sides(network, moved) != sides_here) {
        return None;
    }
    if turns(network, &runs[1], &runs[2]) {
        return None;
    }
    // for a smooth loss, `wide_slope` has four times the error of `slope`
    let bent = (wide_slope - slope).abs() > TOLERANCE * slope.abs().max(FLOOR * scale);
    // near a tie of large logits, the slopes to the left and right differ by the same amount at h and 2h; for a smooth loss they differ by twice as much at 2h
    let here = run.values(network.loss())[0];
    let jump = |left: f64, right: f64, h: f64| (right - here) / h + (left - here) / h;
    let cornered = (jump(far_left, far_right, 2.0 * h) - 2.0 * jump(left, right, h)).abs() > 0.01 * slope.abs() + TOLERANCE * FLOOR * scale;
    (!bent && !cornered).then_some((slope, scale))
}

/// The largest change of a sine's argument, in radians, between two runs whose difference approximates a slope.
const TURN: f64 = 1e-2;

/// Returns whether the argument of a sine, cosine or tangent changes so much between two runs that their difference does not approximate a slope.
fn turns(network: &Network, left: &Run, right: &Run) -> bool {
    let mut forward = network.ops().iter().enumerate().filter(|(_, op)| op.pass != Pass::Backward);
    forward.any(|(number, op)| {
        left.parts(op, number).zip(right.parts(op, number)).any(|((rule, x), (_, y))| {
            let has_term = |at: &usize| rule.prefix_terms(&x, at + 1) > rule.prefix_terms(&x, *at);
            let terms = (0..left.values(op.output).len()).filter(has_term).map(|at| (rule.term(&x, at, 0), rule.term(&y, at, 0)));
            // all entries of a part have the same function
            let is_periodic = |term: &Term| term.function.is_some_and(|function| matches!(function.name, "sin" | "cos" | "tan"));
            terms.take_while(|(a, _)| is_periodic(a)).any(|(a, b)| {
                let turn = (a.args[0].value - b.args[0].value).abs();
                turn.is_nan() || turn > TURN
            })
        })
    })
}

/// The side of each kink: the sign for relu and abs, the position of the chosen entry for minimum, maximum and pools.
fn sides(network: &Network, run: &Run) -> Vec<usize> {
    let mut sides = Vec::new();
    for (number, op) in network.ops().iter().enumerate().filter(|(_, op)| op.pass != Pass::Backward) {
        for (rule, x) in run.parts(op, number) {
            let entries = 0..len(&network.tensor(op.output).shape);
            for entry in entries.filter(|&entry| rule.prefix_terms(&x, entry) < rule.prefix_terms(&x, entry + 1)) {
                let term = rule.term(&x, entry, 0);
                let args: Vec<f64> = term.args.iter().map(|arg| arg.value).collect();
                match term.function.and_then(gradstep::expr::Primitive::kink) {
                    Some(Kink::Largest) => sides.push((1..args.len()).fold(0, |best, i| if args[i] > args[best] { i } else { best })),
                    Some(kink) => sides.push(kink.pieces().piece_at(args.len(), |i| args[i])),
                    None => {}
                }
            }
        }
    }
    sides
}
