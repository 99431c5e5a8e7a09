//! An index may be longer than its axis: entries can be read several times.

use gradstep::scenario::{Limits, Source, read};
use gradstep::trace::Trace;

/// Opens a graph with the input x = [1, 2, 3].
fn open(nodes: &str) -> Result<Trace, String> {
    let text = format!("title = \"t\"\n[graph]\nnodes = '''\n{nodes}\n'''\n[graph.inputs]\nx = [1, 2, 3]\n");
    let source = Source { name: "t".into(), path_shown: "t.toml".into(), text };
    let scenario = read(source, Limits::default()).map_err(|faults| faults.to_string())?;
    Ok(gradstep::app::Document::new(scenario).trace)
}

/// J is twice the sum of the squares, 2 · 14, so ∂J/∂x is 4x.
#[test]
fn a_range_that_is_longer_than_the_axis_reads_entries_twice() {
    for range in ["range(-3, 3)", "range(2, -4, -1)", "torch.arange(-3, 3)", "[0, 1, 2, 2, 1, 0]"] {
        let trace = open(&format!("y = x[{range}]\nJ = sum(y * y)")).unwrap_or_else(|faults| panic!("{range}: {faults}"));
        let numbers = |name: &str| trace.run(0).values(trace.network().find(name).expect("a tensor")).to_vec();
        assert_eq!(numbers("y").len(), 6, "{range}");
        assert_eq!(numbers("J"), [28.0], "{range}");
        assert_eq!(numbers("grad.x"), [4.0, 8.0, 12.0], "{range}");
    }
}

#[test]
fn a_range_with_a_number_off_the_axis_is_refused_with_this_number() {
    for (range, number) in [("range(4)", 3), ("range(-4, 2)", -4), ("range(5, 0, -1)", 5), ("range(0, 10, 3)", 9)] {
        let faults = open(&format!("y = x[{range}]\nJ = sum(y * y)")).map(|_| ()).expect_err(range);
        assert!(faults.contains(&format!("there is no entry {number} on this axis of size 3")), "{range}: {faults}");
    }
}

/// A pair of values and indices has the shape of its values, as everywhere where it is used as a tensor. Its length is 2.
#[test]
fn a_pair_has_the_shape_of_its_values() {
    let nodes = "p = x[None].repeat(2, 1).max(1)\nJ = x.sum() * (10 * p.ndim + p.size + p.shape[0] + p.dim() + 100 * len(p))";
    let trace = open(nodes).unwrap_or_else(|faults| panic!("{faults}"));
    let loss = trace.run(0).values(trace.network().find("J").expect("a tensor"));
    assert_eq!(loss, [6.0 * (10.0 + 2.0 + 2.0 + 1.0 + 200.0)]);
}

/// Keywords may be written in any order: each call has the numbers of the one without keywords.
#[test]
fn keywords_of_arange_and_repeat_may_be_in_any_order() {
    for (call, numbers) in [
        ("torch.arange(5, step=2)", &[0.0, 2.0, 4.0][..]),
        ("torch.arange(end=3, start=1)", &[1.0, 2.0]),
        ("np.arange(step=0.5, stop=1)", &[0.0, 0.5]),
        ("np.arange(1, stop=4)", &[1.0, 2.0, 3.0]),
        ("torch.arange(1, 5, step=3)", &[1.0, 4.0]),
        ("np.repeat(x[:2], axis=0, repeats=3)", &[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]),
        ("np.repeat(x[:2], 3, 0)", &[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]),
    ] {
        let trace = open(&format!("y = {call} * 1.0\nJ = (y * y).sum() + x.sum()")).unwrap_or_else(|faults| panic!("{call}: {faults}"));
        let y = trace.network().find("y").expect("a tensor");
        assert_eq!(trace.run(0).values(y), numbers, "{call}");
    }
    for call in ["torch.arange(1, 5, 2, step=3)", "torch.arange(start=3)"] {
        assert!(open(&format!("J = (x * {call}).sum()")).is_err(), "{call}");
    }
}

/// Without an arrow, the axes of `...` come first in the result, as in NumPy and PyTorch, and are not summed.
#[test]
fn an_einsum_without_an_arrow_keeps_the_axes_of_the_ellipsis() {
    let setup = "a = torch.stack([x, 2 * x, 3 * x, 4 * x]).view(2, 2, 3)\nb = a.transpose(1, 2)";
    for (implicit, explicit) in [
        ("'...ij,...jk', a, b", "'...ij,...jk->...ik', a, b"),
        ("'k...', a", "'k...->...k', a"),
        ("'...i,...i', a, a", "'...i,...i->...', a, a"),
    ] {
        let text = format!("{setup}\np = torch.einsum({implicit})\nq = torch.einsum({explicit})\nJ = p.sum() + q.sum()");
        let trace = open(&text).unwrap_or_else(|faults| panic!("{implicit}: {faults}"));
        let [p, q] = ["p", "q"].map(|name| trace.network().find(name).expect("a tensor"));
        assert_eq!(trace.network().tensor(p).shape, trace.network().tensor(q).shape, "{implicit}");
        assert_eq!(trace.run(0).values(p), trace.run(0).values(q), "{implicit}");
    }
}
