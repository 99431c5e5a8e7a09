//! The mistakes of average pools whose last windows reach beyond the padding (`ceil_mode`).

use gradstep::app::Document;

use crate::{open, parameters, search, tensors};

/// A convolution and an average pool. With 4 rows, windows of 3, stride 2 and padding 1, the last window is on row 3, a row of padding and a row beyond it.
fn network(count_include_pad: bool) -> Document {
    open(&format!(
        "title = \"pool\"\ninput = [[1, 2, -1, 3], [0, 1, 4, -2], [2, -3, 1, 5], [1, 1, -2, 2]]\ntarget = [1, 2, 0, -1, 3, 1, 2, -2, 1]\nloss = \"squared_error\"\n\
         layer = [\n  {{ type = \"conv2d\", weight = [[[2]]], bias = [1] }},\n\
         {{ type = \"avg_pool2d\", kernel_size = 3, stride = 2, padding = 1, ceil_mode = true, count_include_pad = {count_include_pad} }},\n\
         {{ type = \"flatten\" }},\n]\n"
    ))
}

/// The user counts the padding and should not, or does not count it and should.
#[test]
fn padding_counted_the_wrong_way_is_named_also_if_windows_reach_beyond_it() {
    for counts in [false, true] {
        let (document, of_user) = (network(counts), network(!counts));
        let wanted = parameters(&document.trace);
        let numbers: Vec<Vec<f64>> = wanted.iter().map(|gradient| gradient.right(&of_user.trace).into_owned()).collect();
        let found = search(&document, &tensors(&wanted, &numbers));
        let ids: Vec<&str> = found.iter().map(|cause| cause.id).collect();
        assert!(ids.contains(&"count-include-pad-wrong"), "count_include_pad = {counts}: {ids:?}");
    }
}
