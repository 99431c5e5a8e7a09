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
