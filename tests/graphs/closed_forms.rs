//! A softmax, a norm or a cross-entropy that a graph writes out in several statements is found by its structure, in all usual spellings and in no other. The
//! short formula of its derivative (its closed form) equals the sum over all paths.

use std::collections::BTreeMap;

use gradstep::network::ClosedBlock;
use gradstep::op::closed_form::{ClosedForm, Deviation, Targets};
use gradstep::scenario::{Limits, Source, read};
use gradstep::trace::Trace;

use crate::laws::traces;
use crate::numbers::run;

/// The closed forms of the derivatives of a trace.
struct Found {
    /// Each block of ops with a closed form, with the name of its input.
    blocks: Vec<(String, ClosedBlock)>,
    /// A message for each entry at which a closed form differs from the sum over the paths.
    wrong: Vec<String>,
}

/// Finds the closed form of each gradient of a trace, and compares its entries with those of the gradient, which is the sum over the paths.
fn find(trace: &Trace) -> Found {
    let mut found = Found { blocks: Vec::new(), wrong: Vec::new() };
    for (run, output, span) in trace.ops().filter(|(_, output, _)| trace.network().tensor(*output).name.starts_with("grad.")) {
        let first = trace.position(span.start).expect("a step");
        let Some(block) = trace.closed_block(&first) else { continue };
        let gradient = trace.runs()[run].run.values(output);
        let scale = gradient.iter().fold(1e-3_f64, |largest, value| largest.max(value.abs()));
        for (entry, sum) in gradient.iter().enumerate() {
            let steps = trace.entry_steps(run, output, entry).unwrap_or(0..0);
            // an entry without steps has no closed form
            let Some(position) = trace.position(steps.start).filter(|_| !steps.is_empty()) else { continue };
            let closed = trace.closed_entry(&position, block).expect("a closed form").value;
            if (closed - sum).abs() > 1e-12 * scale {
                found.wrong.push(format!("{}, entry {entry}: closed {closed}, sum {sum}", trace.network().tensor(output).name));
            }
        }
        let input = trace.network().tensor(block.input).name.as_str().to_owned();
        found.blocks.push((input, block.clone()));
    }
    found
}

/// Returns the name by which the tests below call a closed form.
fn kind(form: &ClosedForm) -> &'static str {
    match form {
        ClosedForm::Norm { is_centred: false, .. } => "rms",
        ClosedForm::Norm { deviation: Deviation::Shifted, .. } => "norm, root + eps",
        ClosedForm::Norm { weight: Some(_), .. } => "norm with a weight",
        ClosedForm::Norm { .. } => "norm",
        ClosedForm::CrossEntropy { targets: Targets::Probabilities(_), .. } => "probabilities",
        ClosedForm::CrossEntropy { .. } => "classes",
        ClosedForm::LogSoftmax { .. } => "log-softmax",
    }
}

/// `tests/graphs/pytorch.rs` compares the gradients of the same graphs with PyTorch's.
#[test]
fn closed_forms_are_the_sums_over_the_paths() {
    let (mut wrong, mut names_by_kind): (Vec<String>, BTreeMap<&str, Vec<String>>) = Default::default();
    for (name, text, trace) in traces() {
        let found = find(&trace);
        wrong.extend(found.wrong.into_iter().map(|why| format!("{name}: {why}\n{text}")));
        for (_, block) in found.blocks {
            names_by_kind.entry(kind(&block.form)).or_default().push(name.clone());
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    let counts: BTreeMap<&str, usize> = names_by_kind.iter().map(|(kind, names)| (*kind, names.len())).collect();
    // the number of closed forms of each kind in all graphs
    let expected = [("classes", 29), ("log-softmax", 15), ("norm", 1), ("norm with a weight", 25), ("probabilities", 3), ("rms", 3)];
    assert_eq!(counts, BTreeMap::from(expected), "{names_by_kind:#?}");
}

/// Opens a graph with an input x of 4 x 3 numbers, and with everything that the statements below read.
fn open(nodes: &str) -> Trace {
    let text = format!(
        "title = \"t\"\n[graph]\nnodes = \"\"\"\n{nodes}\n\"\"\"\n[graph.inputs]\n\
         x = [[1, 2, 4], [0.5, 1, -5], [2, -2.5, 1.5], [4, 0.25, 2]]\n\
         gamma = [1.5, 2, -0.5]\nbeta = [1, 0, 2]\nW = [[0.5, 1, 2], [-1, 0.5, 0.25], [1, 1, -2]]\n\
         [graph.constants]\neps = 0.01\nn = 4\nG = [[1, 0.5, 2], [-1, 0, 1], [0.5, 0.5, 3], [2, 1, -1]]\n\
         y = [0, 2, 1, 2]\nT = [[1, 0, 0], [0, 0.25, 0.75], [0, 1, 0], [0.5, 0.5, 0]]\ncolumns = [0, 1, 2]\n"
    );
    let source = Source { name: "t".into(), path_shown: "t.toml".into(), text };
    let scenario = read(source, Limits::default()).unwrap_or_else(|faults| panic!("{faults}"));
    let (network, run) = run(&scenario);
    Trace::new(network, vec![run])
}

/// Returns the kinds of the closed forms of a graph, each with the name of its input: `norm of x`.
fn kinds(nodes: &str) -> Vec<String> {
    let found = find(&open(nodes));
    assert!(found.wrong.is_empty(), "{nodes}\n{}", found.wrong.join("\n"));
    found.blocks.iter().map(|(input, block)| format!("{} of {input}", kind(&block.form))).collect()
}

/// Returns the text of each graph, with the kinds of its closed forms.
fn all_kinds(graphs: &[&str]) -> Vec<(String, Vec<String>)> {
    graphs.iter().map(|nodes| ((*nodes).to_owned(), kinds(nodes))).collect()
}

/// Asserts that each graph has one closed form, of the expected kind and input.
fn assert_each(graphs: &[&str], expected: &str) {
    let all = all_kinds(graphs);
    let unexpected: Vec<_> = all.iter().filter(|(_, kinds)| *kinds != [expected]).collect();
    assert!(unexpected.is_empty(), "not {expected:?}: {unexpected:#?}");
}

/// The first statements of a norm over the examples.
const BEFORE: &str = "mu = x.mean(0)\ndiff = x - mu\n";
/// The last statements of a norm and of its loss.
const AFTER: &str = "\nh = gamma * xhat + beta\nJ = (h * G).sum()";

/// Returns a graph for each text: [`BEFORE`], the text, which computes xhat, and [`AFTER`].
fn over_examples(statements: &[&str]) -> Vec<String> {
    statements.iter().map(|statement| format!("{BEFORE}{statement}{AFTER}")).collect()
}

#[test]
fn the_usual_spellings_of_a_norm_are_found() {
    let spellings = over_examples(&[
        "var = (diff**2).mean(0)\nxhat = diff * (var + eps)**-0.5",
        "var = ((x - mu)**2).mean(0)\nxhat = (x - mu) / torch.sqrt(var + 1e-5)",
        "var = x.var(0, unbiased=False)\nxhat = diff / (var + eps).sqrt()",
        "var = np.var(x, axis=0)\nxhat = diff / np.sqrt(var + eps)",
        "var = (diff * diff).mean(0)\nxhat = diff * (1 / torch.sqrt(var + eps))",
        "var = diff.square().sum(0) / n\nxhat = (var + eps).rsqrt() * diff",
        "sigma = (diff**2).mean(0).sqrt()\nxhat = diff / sigma",
        "sigma = (diff**2).mean(0)**0.5\nxhat = diff * sigma**-1",
        "var = (x**2).mean(0) - mu**2\nxhat = diff / torch.sqrt(var + eps)",
        "xhat = diff / torch.std(x, 0, unbiased=False)",
        // divided by n − 1 instead of n
        "var = 1 / (n - 1) * (diff**2).sum(0)\nxhat = diff * (var + eps)**-0.5",
        "var = (diff**2 / (n - 1)).sum(0)\nxhat = diff * (var + eps)**-0.5",
        "xhat = diff / torch.sqrt(x.var(0) + eps)",
        "xhat = diff / x.std(0)",
    ]);
    let spellings: Vec<&str> = spellings.iter().map(String::as_str).collect();
    assert_each(&spellings, "norm with a weight of x");
    let shifted = over_examples(&["xhat = diff / (x.std(0) + eps)", "xhat = diff * (1 / ((diff**2).mean(0).sqrt() + 1e-3))"]);
    let shifted: Vec<&str> = shifted.iter().map(String::as_str).collect();
    assert_each(&shifted, "norm, root + eps of x");
}

#[test]
fn norms_over_other_axes_and_without_gamma_and_beta_are_found() {
    let over_features = "mu = x.mean(1, keepdim=True)\nvar = x.var(1, unbiased=False, keepdim=True)\n";
    assert_each(
        &[
            &format!("{over_features}xhat = (x - mu) / torch.sqrt(var + eps)\nJ = (xhat * G).sum()"),
            &format!("{over_features}xhat = (x - mu) / torch.sqrt(var + eps)\nJ = (xhat**3).sum()"),
            "mu = x.mean(1)[:, None]\ns = ((x - mu)**2).mean(1).sqrt()\nJ = ((x - mu) / s[:, None] * G).sum()",
            "mu = x.mean()\nJ = ((x - mu) / x.std() * G).sum()",
        ],
        "norm of x",
    );
    // no β
    assert_each(
        &[&format!("{over_features}h = (x - mu) * (var + eps).rsqrt() * gamma\nJ = (h.tanh() * G).sum()")],
        "norm with a weight of x",
    );
    assert_each(&["J = (x / torch.sqrt((x**2).mean(1, keepdim=True) + eps) * gamma * G).sum()"], "rms of x");
    // the input is computed
    let inner =
        "a = x @ W\nmu = a.mean(0)\nvar = a.var(0, unbiased=False)\nh = gamma * (a - mu) / torch.sqrt(var + eps)\nJ = (h * G).sum()";
    assert_eq!(kinds(inner), Vec::<String>::new(), "gamma * (a - mu) comes first");
    assert_each(&[&inner.replace("gamma * (a - mu) /", "(a - mu) /")], "norm of a");
}

/// Each of these looks like a norm, and has another derivative.
#[test]
fn statements_that_only_look_like_a_norm_are_not_found() {
    let mut lookalikes = over_examples(&[
        // the mean over the other axis
        "var = ((x - x.mean(1, keepdim=True))**2).mean(0)\nxhat = diff / torch.sqrt(var + eps)",
        "var = (diff**2).mean(1, keepdim=True)\nxhat = diff / torch.sqrt(var + eps)",
        // divided by neither n nor n − 1
        "var = (diff**2).sum(0)\nxhat = diff / torch.sqrt(var + eps)",
        "var = (diff**2).sum(0) / 5\nxhat = diff / torch.sqrt(var + eps)",
        "var = (diff**2).sum(0) / (n - 2)\nxhat = diff / torch.sqrt(var + eps)",
        // no square root, another power, another function (9 makes the sum with the negative cubes positive)
        "var = (diff**2).mean(0)\nxhat = diff / (var + eps)",
        "var = (diff**2).mean(0)\nxhat = diff * (var + eps)**-0.4",
        "var = (diff**3).mean(0)\nxhat = diff * (var + 9)**-0.5",
        "var = diff.abs().mean(0)\nxhat = diff / torch.sqrt(var + eps)",
        // the mean or the variance is a constant for the derivative
        "var = (diff**2).mean(0).detach()\nxhat = diff / torch.sqrt(var + eps)",
        "var = ((x - mu.detach())**2).mean(0)\nxhat = (x - mu.detach()) / torch.sqrt(var + eps)",
        // a tensor that is not x − mean(x) in the place of diff
        "var = (diff**2).mean(0)\nxhat = (x - mu * 2) / torch.sqrt(var + eps)",
        "var = (diff**2).mean(0)\nxhat = (x * 2 - mu) / torch.sqrt(var + eps)",
        "var = (x**2).mean(0)\nxhat = diff / torch.sqrt(var + eps)",
        // eps depends on x
        "var = (diff**2).mean(0)\nxhat = diff / torch.sqrt(var + x.abs().sum())",
    ]);
    // the loss also reads a tensor of the block
    let leaks = ["J2 = var.sum()", "J2 = mu.sum()", "J2 = xhat.sum()", "J2 = (x**2).sum()"];
    lookalikes.extend(leaks.map(|leak| {
        let block = format!("{BEFORE}var = (diff**2).mean(0)\nxhat = diff / torch.sqrt(var + eps){AFTER}");
        format!("{block}\n{leak}\nloss = J + J2")
    }));
    // a factor of xhat, or a summand beside it, depends on x: the variance, or x itself
    lookalikes.push(format!("{BEFORE}var = (diff**2).mean(0)\nxhat = diff / torch.sqrt(var + eps)\nJ = (xhat * var * G).sum()"));
    lookalikes.push(format!("{BEFORE}var = (diff**2).mean(0)\nxhat = diff / torch.sqrt(var + eps)\nJ = (xhat * x * G).sum()"));
    lookalikes.push(format!("{BEFORE}var = (diff**2).mean(0)\nxhat = diff / torch.sqrt(var + eps)\nJ = ((xhat + x) * G).sum()"));
    let lookalikes: Vec<&str> = lookalikes.iter().map(String::as_str).collect();
    let found: Vec<_> = all_kinds(&lookalikes).into_iter().filter(|(_, kinds)| !kinds.is_empty()).collect();
    // the one exception: h and J2 read xhat, so the block ends with xhat, before the product with γ
    assert_eq!(found.iter().map(|(_, kinds)| kinds.join(" ")).collect::<Vec<_>>(), ["norm of x"], "{found:#?}");
    assert!(found[0].0.contains("J2 = xhat.sum()"), "{found:#?}");
}

#[test]
fn the_usual_spellings_of_cross_entropy_are_found() {
    assert_each(
        &[
            "shifted = x - x.max(1, keepdim=True).values\ncounts = shifted.exp()\ncounts_sum = counts.sum(1, keepdim=True)\n\
             probs = counts * counts_sum**-1\nlogprobs = probs.log()\nloss = -logprobs[range(n), y].mean()",
            "shifted = x - x.amax(1, keepdim=True)\nlogp = shifted - shifted.exp().sum(1, keepdim=True).log()\nloss = -logp[torch.arange(n), y].sum() / n",
            "logp = x - torch.logsumexp(x, 1, keepdim=True)\nloss = -logp[range(4), y].mean()",
            "logp = x - torch.log(torch.exp(x).sum(1))[:, None]\nloss = -logp.gather(1, y[:, None]).mean()",
            "scores = x - np.max(x)\np = np.exp(scores)\np /= np.sum(p, axis=1, keepdims=True)\nloss = np.sum(-np.log(p[np.arange(4), y])) / 4",
            "p = torch.exp(x) / torch.exp(x).sum(1, keepdim=True)\nloss = -p[range(4), y].log().sum()",
            "loss = -torch.softmax(x, 1).log()[range(4), y].mean()",
            "loss = F.nll_loss(F.log_softmax(x, dim=1), y)",
            "loss = F.cross_entropy(x, y, reduction='sum')",
            "loss = 0.5 * F.cross_entropy(x, y) + W.sum()",
            // without a tensor of log p
            "m = np.max(x, 1, keepdims=True)\nlse = m + np.log(np.exp(x - m).sum(1, keepdims=True))\nloss = (lse[:, 0] - x[np.arange(n), y]).mean()",
            "m = x.max(1, keepdims=True)\nlse = (m + np.log(np.exp(x - m).sum(1, keepdims=True))).squeeze(1)\nloss = (lse - x[range(4), y]).mean()",
            "m = x.max(1).values\nlse = torch.log(torch.exp(x - m[:, None]).sum(1)) + m\nloss = -(x[range(n), y] - lse).sum() / n",
            "lse = torch.logsumexp(x, dim=1)\nloss = (lse - x[torch.arange(n), y]).mean()",
            "loss = (x.logsumexp(1, keepdim=True) - x.gather(1, y[:, None])).mean()",
            "loss = torch.logsumexp(x, 1).mean() - x[range(n), y].mean()",
            "f = x - np.max(x)\nloss = (-f[range(4), y] + np.log(np.sum(np.exp(f), axis=1))).sum()",
            "loss = 2 * (torch.log(torch.exp(x).sum(1)) - x[range(4), y]).sum()",
        ],
        "classes of x",
    );
    assert_each(
        &[
            "loss = F.cross_entropy(x, T)",
            "loss = -(T * torch.log_softmax(x, 1)).sum(1).mean()",
            "p = torch.exp(x)\np = p / p.sum(1, keepdim=True)\nloss = -(torch.log(p) * T).sum() / n",
            "loss = -(F.one_hot(y, 3) * F.log_softmax(x, 1)).sum()",
        ],
        "probabilities of x",
    );
    assert_each(
        &[
            "loss = F.cross_entropy(x, y, weight=torch.tensor([1.0, 2.0, 0.5]))",
            "loss = F.cross_entropy(x, y, ignore_index=2)",
            "loss = F.cross_entropy(x, y, label_smoothing=0.1)",
            "loss = (F.cross_entropy(x, y, reduction='none') * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum()",
            "loss = (torch.log_softmax(x, 1)**2).sum()",
            // without the sign it is no loss, but the derivative is that of a log-softmax all the same
            "loss = torch.log_softmax(x, 1)[range(n), y].mean()",
        ],
        "log-softmax of x",
    );
}

/// Each of these looks like a softmax with cross-entropy, and has another derivative.
#[test]
fn statements_that_only_look_like_cross_entropy_are_not_found() {
    let lookalikes = [
        // the sum over the other axis
        "p = torch.exp(x) / torch.exp(x).sum(0)\nlogp = p.log() * 2 + x\nloss = -logp[range(4), y].mean()",
        // no minus sign
        "loss = torch.softmax(x, 1)[range(4), y].log().mean()",
        // the sum over all entries
        "p = torch.exp(x) / torch.exp(x).sum()\nloss = -p[range(4), y].log().sum() - p.sum()",
        // not the logarithm of the sum, or the sum of exp(2 x), or a sum that is a constant for the derivative
        "logp = x - torch.exp(x).sum(1, keepdim=True)\nloss = -logp[range(4), y].mean()",
        "logp = x - torch.log(torch.exp(2 * x).sum(1, keepdim=True))\nloss = -logp[range(4), y].mean()",
        "p = torch.exp(x) / torch.exp(x).sum(1, keepdim=True).detach()\nloss = -p[range(4), y].log().sum()",
        // the shift is subtracted only within the logarithm, or differs within a row
        "logp = x - torch.log(torch.exp(x - x.amax(1, keepdim=True)).sum(1, keepdim=True))\nloss = -logp[range(4), y].mean()",
        "s = x - x.amax(0)\nlogp = s - torch.log(torch.exp(s).sum(1, keepdim=True))\nloss = -logp[range(4), y].mean() + s.sum()",
        // eps in the logarithm
        "p = torch.exp(x) / torch.exp(x).sum(1, keepdim=True)\nloss = -(p[range(4), y] + 1e-8).log().sum()",
        // the sums or the shift are read by the loss too
        "m = x.amax(1, keepdim=True)\nlogp = torch.log_softmax(x - m, 1)\nloss = -logp[range(4), y].mean() + m.sum()",
        "e = torch.exp(x)\np = e / e.sum(1, keepdim=True)\nloss = -torch.log(p)[range(4), y].mean() + e.sum()",
        // log Σ exp minus another entry than that of the class, or of another tensor, over another axis, or read by the loss too
        "loss = (torch.logsumexp(x, 1) - 2 * x[range(4), y]).mean()",
        "loss = (torch.logsumexp(x, 1) - (2 * x)[range(4), y]).mean()",
        "loss = (torch.logsumexp(x, 1) + x[range(4), y]).mean()",
        "loss = torch.logsumexp(x, 1).mean() - x[range(4), y].sum()",
        "loss = (torch.logsumexp(x, 0) - x[0]).mean() + x[range(4), y].mean()",
        "m = x.amax(1, keepdim=True)\nloss = (torch.log(torch.exp(x - m).sum(1)) - x[range(4), y]).mean()",
        "m = x.amax(1, keepdim=True)\ns = x - m\nloss = (m[:, 0] + torch.log(torch.exp(s).sum(1)) - s[range(4), y]).mean()",
        "loss = (torch.log(torch.exp(x).sum(1) + 1e-8) - x[range(4), y]).mean()",
        "lse = torch.logsumexp(x, 1)\nloss = (lse - x[range(4), y]).mean() + 0.1 * (lse**2).mean()",
        "loss = (torch.logsumexp(x, 1)[:, None] - x[range(4), y]).mean()",
        "loss = (torch.logsumexp(x, 1) - x[range(3, -1, -1), y]).mean()",
    ];
    // the closed form of another tensor, such as the log-softmax of x - m, is right
    let found: Vec<_> = all_kinds(&lookalikes).into_iter().filter(|(_, kinds)| kinds.iter().any(|kind| kind.ends_with(" of x"))).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// A loss that reads anything but one entry of each row, in the order of the rows, is no cross-entropy. The log-softmax that it reads still has a closed form.
#[test]
fn entries_that_are_not_one_class_for_each_row_are_not_a_cross_entropy() {
    assert_each(
        &[
            "loss = -torch.log_softmax(x, 0)[y, columns[y]].mean()",
            "loss = -torch.log_softmax(x, 0)[range(4), y].mean()",
            "loss = -torch.log_softmax(x, 1)[0].mean()",
            "loss = -torch.log_softmax(x, 1)[[3, 2, 1, 0], y].mean()",
            "loss = -torch.log_softmax(x, 1)[range(3), y[:3]].mean()",
        ],
        "log-softmax of x",
    );
}
