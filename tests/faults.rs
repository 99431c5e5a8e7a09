//! Tests of scenario files with several faults. All independent faults are reported together, and no fault is reported that only follows from another fault.
//! Files with one fault are in `tests/invalid`.

use gradstep::scenario::{Diagnostic, Limits, Source, read};

fn faults(text: &str) -> Vec<Diagnostic> {
    let source = Source { name: "t".into(), path_shown: "t.toml".into(), text: text.to_owned() };
    read(source, Limits::default()).map_or_else(|faults| faults.faults().to_vec(), |_| Vec::new())
}

/// The messages of all faults, in the order of the file.
fn reported(text: &str) -> Vec<String> {
    faults(text).into_iter().map(|fault| fault.message).collect()
}

const LAYERS: &str = r#"title = "layers"
summary = "all that refers to something"
start = "conv1.a"
loss = { type = "cross_entropy", batch_reduction = "mean" }

[[sample]]
name = "one"
input = [[1, 2, 0], [0, 1, 3], [2, 1, 1]]
target = 1

[[sample]]
name = "two"
input = [[1, 2, 0], [0, 1, 3], [2, 1, 5]]
target = [1, 0]

[[layer]]
type = "conv2d"
weight = [[1, 0], [0, -1]]
bias = 0.5
stride = 1
padding = 0
activation = "leaky_relu"
negative_slope = 0.1

[[layer]]
type = "max_pool2d"
kernel_size = 2

[[layer]]
type = "flatten"
from = "pool1"

[[layer]]
type = "linear"
name = "out"
weight = [[0.1], [0.4]]
bias = [0, 0]
activation = "softmax"

[train]
learning_rate = 0.5
iterations = 10
batch_size = 2
momentum = 0.9
freeze = ["conv1.bias"]

[[note]]
at = "pool1.a"
text = "the maximum"

[[note]]
at = "2/reduce:grad.out.weight[0,0]"
text = "a batch"

[[expect]]
at = "out.z[0]"
value = 0.25
tolerance = 9
"#;

/// Replacements (old text, new text), each of which is a fault by itself.
type Edits = &'static [(&'static str, &'static str)];

const LAYER_FAULTS: Edits = &[
    ("title = \"layers\"", "title = \"\""),
    ("summary =", "sumary ="),
    ("start = \"conv1.a\"", "start = \"conv9.a\""),
    ("\"cross_entropy\"", "\"cross_entropie\""),
    ("\"mean\"", "\"meen\""),
    ("name = \"one\"", "name = 1"),
    ("[[1, 2, 0], [0, 1, 3], [2, 1, 1]]", "[[1, 2, 0], [0, 1], [2, 1, 1]]"),
    ("[2, 1, 5]", "[2, 1, nan]"),
    ("target = 1\n", "target = 2\n"),
    ("target = [1, 0]", "target = [1, 0, 0]"),
    ("\"conv2d\"", "\"conv2\""),
    ("[[1, 0], [0, -1]]", "[[1, 0], [0, \"x\"]]"),
    ("bias = 0.5", "biass = 0.5"),
    ("stride = 1", "stride = 0"),
    ("padding = 0", "padding = \"no\""),
    ("\"leaky_relu\"", "\"leeky_relu\""),
    ("negative_slope = 0.1", "negative_slope = \"x\""),
    ("kernel_size = 2", "kernel_size = []"),
    ("from = \"pool1\"", "from = \"pool7\""),
    ("name = \"out\"", "name = \"out.\""),
    ("[[0.1], [0.4]]", "[[0.1, 1], [0.4, 1]]"),
    ("bias = [0, 0]", "bias = [0, 0, 0]"),
    ("\"softmax\"", "\"relu\""),
    ("learning_rate = 0.5", "learning_rate = 0"),
    ("iterations = 10", "iterations = 0"),
    ("batch_size = 2", "batch_size = 3"),
    ("momentum = 0.9", "momentun = 0.9"),
    ("[\"conv1.bias\"]", "[\"conv9.bias\"]"),
    ("\"pool1.a\"", "\"pool9.a\""),
    ("text = \"the maximum\"", "text = 1"),
    ("2/reduce:grad.out.weight[0,0]", "99/reduce:grad.out.weight[0,0]"),
    ("grad.out.weight[0,0]", "grad.out.weight[0,7]"),
    ("text = \"a batch\"", "txt = \"a batch\""),
    ("\"out.z[0]\"", "\"out.z[2]\""),
    ("value = 0.25", "value = [0.25]"),
    ("tolerance = 9", "tolerance = -9"),
];

/// Faults that another fault may hide. Key: the new text of the fault that hides them, such as a layer that cannot be built or a loss of unknown type. Value:
/// the new texts of the faults that it may hide.
const HIDDEN_LAYER_FAULTS: &[(&str, &[&str])] = &[
    ("\"cross_entropie\"", &["\"relu\""]),
    (
        "\"conv2\"",
        &[
            "biass = 0.5",
            "stride = 0",
            "padding = \"no\"",
            "[[0.1, 1], [0.4, 1]]",
            "bias = [0, 0, 0]",
            "grad.out.weight[0,7]",
            "\"out.z[2]\"",
        ],
    ),
    ("stride = 0", &["[[0.1, 1], [0.4, 1]]", "bias = [0, 0, 0]", "grad.out.weight[0,7]", "\"out.z[2]\""]),
    ("padding = \"no\"", &["[[0.1, 1], [0.4, 1]]", "bias = [0, 0, 0]", "grad.out.weight[0,7]", "\"out.z[2]\""]),
    ("kernel_size = []", &["[[0.1, 1], [0.4, 1]]", "bias = [0, 0, 0]", "grad.out.weight[0,7]", "\"out.z[2]\""]),
    ("from = \"pool7\"", &["[[0.1, 1], [0.4, 1]]", "bias = [0, 0, 0]", "grad.out.weight[0,7]", "\"out.z[2]\""]),
    ("[[0.1, 1], [0.4, 1]]", &["target = 2\n", "target = [1, 0, 0]", "bias = [0, 0, 0]", "grad.out.weight[0,7]", "\"out.z[2]\""]),
    ("name = \"out.\"", &["grad.out.weight[0,7]", "\"out.z[2]\""]),
    ("iterations = 0", &["99/reduce:grad.out.weight[0,0]"]),
];

const GRAPH: &str = r#"title = "graph"
start = "u.1"
[graph]
inputs = { a = 1, b = 2, c = 3 }
nodes = ["u = a * b + 1", "v = u + c", "w = 2 * v", "x = w - u"]
output = "x"
[train]
learning_rate = 1
iterations = 5
learn = ["a", "b"]
[[note]]
at = "5/grad.u"
text = "two paths"
[[expect]]
at = "grad.w"
value = 1
"#;

const GRAPH_FAULTS: Edits = &[
    ("title =", "titel ="),
    ("start = \"u.1\"", "start = \"first/1\""),
    ("a = 1,", "a = \"x\","),
    ("c = 3", "c = inf"),
    ("a * b + 1", "a * * b + 1"),
    ("u + c", "u + d"),
    ("2 * v", "foo(v)"),
    ("x = w", "x : w"),
    ("output = \"x\"", "output = \"z\""),
    ("learning_rate = 1", "learning_rate = true"),
    ("iterations = 5", "iteration = 5"),
    ("\"a\", \"b\"]", "\"a\", \"q\"]"),
    ("5/grad.u", "5/grad.y"),
    ("5/grad", "6/grad"),
    ("text = \"two paths\"", "text = []"),
    ("\"grad.w\"", "\"grad.k\""),
    ("value = 1", "value = [1]"),
];

/// Faults of the graph that another fault may hide: while the shapes of the nodes are not known, a value of the wrong shape is not noticed.
const HIDDEN_GRAPH_FAULTS: &[(&str, &[&str])] = &[
    ("a = \"x\",", &["value = [1]"]),
    ("a * * b + 1", &["value = [1]"]),
    ("u + d", &["value = [1]"]),
    ("foo(v)", &["value = [1]"]),
    ("\"grad.k\"", &["value = [1]"]),
];

/// Checks each pair of faults: both are reported, each at its line, unless one may hide the other. Nothing else is reported.
fn check_pairs(text: &str, edits: Edits, hidden: &[(&str, &[&str])]) {
    let lines = |text: &str| {
        let line = |fault: Diagnostic| text[..fault.span.map_or(0, |span| span.start)].matches('\n').count() + 1;
        faults(text).into_iter().map(line).collect::<Vec<usize>>()
    };
    let edited = |text: &str, (from, to): (&str, &str)| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replacen(from, to, 1)
    };
    let may_hide = |one: &str, other: &str| hidden.iter().any(|(hiding, hidden)| *hiding == one && hidden.contains(&other));
    assert_eq!(reported(text), <[&str; 0]>::default());
    for (n, first) in edits.iter().enumerate() {
        let alone = lines(&edited(text, *first));
        assert_eq!(alone.len(), 1, "{first:?}: {:?}", reported(&edited(text, *first)));
        // a second edit is left out if the first one has replaced its old text
        for second in edits[n + 1..].iter().filter(|second| edited(text, *first).contains(second.0)) {
            let mut expected = Vec::new();
            if !may_hide(second.1, first.1) {
                expected.extend(&alone);
            }
            if !may_hide(first.1, second.1) {
                expected.extend(lines(&edited(text, *second)));
            }
            expected.sort_unstable();
            let both = edited(&edited(text, *first), *second);
            assert_eq!(lines(&both), expected, "{first:?}, {second:?}: {:#?}", reported(&both));
        }
    }
}

#[test]
fn any_two_faults_of_a_network_are_reported_together() {
    check_pairs(LAYERS, LAYER_FAULTS, HIDDEN_LAYER_FAULTS);
}

#[test]
fn any_two_faults_of_a_graph_are_reported_together() {
    check_pairs(GRAPH, GRAPH_FAULTS, HIDDEN_GRAPH_FAULTS);
}

const CHAIN: &str = "title = \"t\"\nloss = \"squared_error\"\ninput = [1]\ntarget = [0]\n";
const LINEAR: &str = "[[layer]]\ntype = \"linear\"\nweight = [[1]]\n";

#[test]
fn references_into_a_faulty_network_are_checked() {
    let unknown_key =
        format!("{CHAIN}{LINEAR}foo = 1\n[[note]]\nat = \"fc7.z\"\ntext = \"a\"\n[train]\nlearning_rate = 1\nfreeze = [\"fc2\"]\n");
    let wrong_target = format!("{}{LINEAR}[train]\nlearning_rate = 1\nfreeze = [\"fc2\"]\n", CHAIN.replace("[0]", "[0, 1]"));
    let unknown_output = "title = \"t\"\n[graph]\ninputs = { a = 1 }\nnodes = [\"u = a * a\"]\noutput = \"v\"\n\
        [train]\nlearning_rate = 1\nlearn = [\"q\", \"u\"]\n[[note]]\nat = \"zz\"\ntext = \"x\"\n";
    // the input is ragged, so no shape is known, but the names of the layers are known
    let ragged_input = format!(
        "{}{LINEAR}[[note]]\nat = \"fc7.z\"\ntext = \"a\"\n[train]\nlearning_rate = 1\nfreeze = [\"fc2\"]\n",
        CHAIN.replace("[1]", "[[1], [1, 2]]")
    );
    for (text, messages) in [
        (&*unknown_key, &["a linear layer has no key \"foo\"", "no op is called \"fc7.z\"", "there is no parameter or layer \"fc2\""][..]),
        (&wrong_target, &["target must be a vector of 1 number, not a vector of 2 numbers", "there is no parameter or layer \"fc2\""]),
        (
            unknown_output,
            &["the output \"v\" is not defined", "there is no input \"q\"", "there is no input \"u\"", "no op is called \"zz\""],
        ),
        (
            &ragged_input,
            &[
                "input is ragged: this array has length 2, the first has length 1",
                "no op is called \"fc7.z\"",
                "there is no parameter or layer \"fc2\"",
            ],
        ),
    ] {
        assert_eq!(reported(text), messages, "{text}");
    }
}

#[test]
fn the_keys_of_a_layer_do_not_hide_one_another() {
    let conv = "title = \"t\"\nloss = \"squared_error\"\ninput = [[1, 2], [3, 4]]\ntarget = [0]\n\
        [[layer]]\ntype = \"conv2d\"\nweight = [[1, 1], [1, \"x\"]]\nstride = 0\npadding = \"a\"\ndilation = 0\nactivation = \"rellu\"\n\
        bias = [1, \"x\"]\n[[layer]]\ntype = \"max_pool2d\"\nstride = 0\n[[layer]]\ntype = \"dropout\"\np = 1\n[[layer]]\ntype = \"flatten\"\n";
    let messages = [
        "weight of conv1 may hold only numbers, not a string",
        "stride must be at least 1, not 0",
        "padding must be an integer, [vertical, horizontal], [top, bottom, left, right], \"same\" or \"valid\", not a string",
        "dilation must be at least 1, not 0",
        "there is no activation \"rellu\"",
        "bias of conv1 may hold only numbers, not a string",
        "kernel_size is missing",
        "stride must be at least 1, not 0",
        "the mask is missing",
        "p is 1, but a probability of dropping is at least 0 and less than 1",
    ];
    assert_eq!(reported(conv), messages);
}

/// The output of a linear layer has a known shape even if the shape of its input is unknown.
#[test]
fn the_output_of_a_linear_layer_is_known_without_its_input() {
    let text = CHAIN.replace("[1]", "[[1], [1, 2]]").replace("[0]", "[0, 1]")
        + "[[layer]]\ntype = \"linear\"\nweight = [[1, 2], [3, 4], [5, 6]]\n[[layer]]\ntype = \"linear\"\nweight = [[1, 2]]\n";
    let messages = ["input is ragged: this array has length 2, the first has length 1", "weight of fc2 must be 1x3, not 1x2"];
    assert_eq!(reported(&text), messages);
}
