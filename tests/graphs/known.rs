//! Lists and whole numbers that are known while the text is read have the values that they have in NumPy, PyTorch and Python.

use gradstep::scenario::{Limits, Source, read};
use gradstep::trace::Trace;

/// Opens a graph with the input x, of 2 x 3 numbers.
fn open(nodes: &str) -> Result<Trace, String> {
    let text = format!("title = \"t\"\n[graph]\nnodes = '''\n{nodes}\n'''\n[graph.inputs]\nx = [[1, 2, 3], [4, 5, 7]]\n");
    let source = Source { name: "t".into(), path_shown: "t.toml".into(), text };
    let scenario = read(source, Limits::default()).map_err(|faults| faults.to_string())?;
    Ok(gradstep::app::Document::new(scenario).trace)
}

/// Returns the shape and the numbers of an expression.
fn value(expression: &str) -> (Vec<usize>, Vec<f64>) {
    let trace =
        open(&format!("y = ({expression}) * 1.0\nJ = (y * y).sum() + x.sum()")).unwrap_or_else(|faults| panic!("{expression}: {faults}"));
    let y = trace.network().find("y").expect("a tensor");
    (trace.network().tensor(y).shape.clone(), trace.run(0).values(y).to_vec())
}

#[test]
fn a_list_has_the_shape_of_its_numbers() {
    for (expression, numbers) in [
        ("np.dot([1, 2], x)", &[9.0, 12.0, 17.0][..]),
        ("np.inner([1, 2, 3], x[0])", &[14.0]),
        ("torch.mm([[1, 2]], x)", &[9.0, 12.0, 17.0]),
        ("torch.ones_like([[1, 2], [3, 4]])", &[1.0; 4]),
        ("np.zeros_like([1, 2])", &[0.0; 2]),
        ("np.full_like((1, 2, 3), 5)", &[5.0; 3]),
        ("x[0, 0] * np.size([[1, 2, 3], [4, 5, 6]])", &[6.0]),
        ("x[0, 0] * torch.numel([[1, 2], [4, 5]])", &[4.0]),
    ] {
        assert_eq!(value(expression).1, numbers, "{expression}");
    }
    let faults = open("J = x.sum() * np.size([[1], [2, 3]])").map(|_| ()).expect_err("ragged lists");
    assert!(faults.contains("these lists are ragged"), "{faults}");
}

/// `x@1` is the first assignment to the input x, and not an intermediate result of it.
#[test]
fn an_assignment_to_an_input_has_an_alias_and_its_intermediates_have_none() {
    for last in ["", "x = x * 3 - 1\n"] {
        let trace = open(&format!("x = x * 2 + 1\n{last}J = (x * x).sum()")).unwrap_or_else(|faults| panic!("{faults}"));
        let [first, gradient] = ["x@1", "grad.x@1"].map(|name| trace.network().find(name).expect("a tensor"));
        assert_eq!(trace.run(0).values(first), [3.0, 5.0, 7.0, 9.0, 11.0, 15.0], "{last}");
        // J is the sum of x@1², or of (3 · x@1 − 1)²
        let slope = |y: f64| if last.is_empty() { 2.0 * y } else { 6.0 * (3.0 * y - 1.0) };
        assert_eq!(trace.run(0).values(gradient), [3.0, 5.0, 7.0, 9.0, 11.0, 15.0].map(slope), "{last}");
        if last.is_empty() {
            assert_eq!([Some(first), Some(gradient)], ["x", "grad.x"].map(|name| trace.network().find(name)));
        }
    }
}

/// As in NumPy, `pad_width` is broadcast to a pair for each axis.
#[test]
fn the_width_of_a_padding_is_broadcast() {
    let (shape, padded) = value("np.pad(x, [[1, 2], [0, 3]])");
    assert_eq!((&shape[..], &padded[6..9], &padded[12..15]), (&[5, 6][..], &[1.0, 2.0, 3.0][..], &[4.0, 5.0, 7.0][..]));
    for (width, pairs) in [
        ("1", "((1, 1), (1, 1))"),
        ("[1]", "((1, 1), (1, 1))"),
        ("[[1]]", "((1, 1), (1, 1))"),
        ("(1, 2)", "((1, 2), (1, 2))"),
        ("((1, 2),)", "((1, 2), (1, 2))"),
        ("((1,), (2,))", "((1, 1), (2, 2))"),
    ] {
        assert_eq!(value(&format!("np.pad(x, {width})")), value(&format!("np.pad(x, {pairs})")), "{width}");
    }
    let wrong = ["[]", "[[], []]", "[[]]", "[1, 2, 3]", "[[1], [2, 3]]", "[[1], 2]", "[[1, 2, 3], [1, 2, 3]]", "[[1, 2], [3, 4], [5, 6]]"];
    for width in wrong {
        let faults = open(&format!("J = np.pad(x, {width}).sum()")).map(|_| ()).expect_err(width);
        assert!(faults.contains("pad_width does not fit the 2 axes of x (2x3)"), "{width}: {faults}");
    }
}

#[test]
fn an_empty_list_of_axes_is_no_axis_or_refused() {
    let x = value("x");
    for same in ["torch.flip(x, [])", "np.flip(x, ())", "np.sum(x, axis=())"] {
        assert_eq!(value(same), x, "{same}");
    }
    assert_eq!(value("np.flip(x)").1, [7.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
    for wrong in ["x.sum(())", "torch.amax(x, [])", "np.transpose(x, ())", "x.transpose([])"] {
        assert!(open(&format!("J = {wrong}.sum()")).is_err(), "{wrong}");
    }
}

/// Python's remainder of the smallest number and −1 is 0.
#[test]
fn a_remainder_has_the_sign_of_the_divisor() {
    for (expression, remainder) in [("(-2)**63 % -1", 0.0), ("7 % -2", -1.0), ("-7 % 2", 1.0), ("-7 % -2", -1.0), ("6 % -2", 0.0)] {
        assert_eq!(value(&format!("x[0, 0] * ({expression})")).1, [remainder], "{expression}");
    }
}
