//! The simplest explanation is named: the one with the fewest mistakes, and of those the most specific ones. The wrong numbers are computed by hand.

use gradstep::app::Document;
use gradstep::diff::{Gradient, LossOf};
use gradstep::mistakes::Cause;

use crate::{open, search, tensors};

/// The mistakes of the best explanation.
fn named(document: &Document, mine: &[(&str, Vec<f64>)]) -> Vec<Cause> {
    let of = |name: &str| document.trace.network().find(name).expect("a tensor");
    let mut mine: Vec<(Gradient, Vec<f64>)> =
        mine.iter().map(|(name, numbers)| (Gradient { of: of(name), loss: LossOf::Batch }, numbers.clone())).collect();
    mine.sort_by_key(|(gradient, _)| gradient.order(&document.trace));
    let (wanted, numbers): (Vec<Gradient>, Vec<Vec<f64>>) = mine.into_iter().unzip();
    let found = search(document, &tensors(&wanted, &numbers));
    found.into_iter().filter(|cause| cause.group == 1).collect()
}

fn graph(nodes: &str, inputs: &str) -> Document {
    open(&format!("title = \"by hand\"\n\n[graph]\nnodes = \"\"\"\n{nodes}\"\"\"\n\n[graph.inputs]\n{inputs}"))
}

/// ∂J/∂x is Aᵀp + Bᵀq + Dᵀr. One mistake is the sign of p, the gradient of u. The other mistake is the sign of the summand Bᵀq of ∂J/∂x. If the second one were
/// the sign of q, the gradient of B would need a third mistake that makes its sign right again.
#[test]
fn two_wrong_signs_are_two_mistakes() {
    let nodes = "u = A @ x\nv = B @ x\nw = D @ x\nJ = (u * p).sum() + (v * q).sum() + (w * r).sum()\n";
    let inputs = "A = [[1, 2], [3, 5]]\nB = [[2, -1], [4, 7]]\nD = [[-3, 1], [2, 6]]\nx = [1, -2]\np = [2, 3]\nq = [1, 5]\nr = [7, -1]\n";
    let document = graph(nodes, inputs);
    // Aᵀp = [11, 19], Bᵀq = [22, 34], Dᵀr = [−23, 1]
    let x = vec![-11.0 - 22.0 - 23.0, -19.0 - 34.0 + 1.0];
    let outer = |error: [f64; 2]| error.iter().flat_map(|error| [1.0, -2.0].map(|x| error * x)).collect::<Vec<f64>>();
    let mine = [("A", outer([-2.0, -3.0])), ("B", outer([1.0, 5.0])), ("D", outer([7.0, -1.0])), ("x", x)];
    let found = named(&document, &mine);
    let words: Vec<(&str, &str)> = found.iter().map(|cause| (cause.id, cause.words.as_str())).collect();
    let expected = ["the sign is wrong from the gradient of u on", "the sign is wrong in what v adds to the gradient of x"];
    assert_eq!(words, expected.map(|words| ("sign-flipped", words)));
    // only both together explain x
    assert!(!found[0].needs_others && found[1].needs_others);
}

/// A sign and a mean instead of a sum, in two tensors: they are named as such, not as the two factors −1 and 1/3.
#[test]
fn two_mistakes_are_not_two_factors() {
    let document = graph(
        "y = X @ W + b\nJ = (y * G).sum()\n",
        "X = [[1, 2], [3, -1], [2, 5]]\nW = [[1, 0], [2, 1]]\nb = [1, 2]\nG = [[1, 4], [2, -3], [3, 5]]\n",
    );
    // XᵀG = [[13, 5], [15, 36]], and the sums of the columns of G are 6 and 6
    let found = named(&document, &[("W", vec![-13.0, -5.0, -15.0, -36.0]), ("b", vec![2.0, 2.0])]);
    let mut ids: Vec<&str> = found.iter().map(|cause| cause.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["broadcast-averaged", "sign-flipped"]);
    // each of them is alone the reason for its tensor
    assert!(found.iter().all(|cause| !cause.needs_others), "{found:?}");
}
