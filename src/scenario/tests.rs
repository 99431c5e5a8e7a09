//! Tests of the scenario format that involve several modules.

mod words;

use std::time::{Duration, Instant};

use super::*;
use crate::network::Run;
use crate::op::loss::{BatchReduction, LOSSES};
use crate::tensor::flat;

/// Reads a scenario from its text.
fn read_text(text: &str) -> Result<Scenario, Faults> {
    read(Source { name: "test".into(), path_shown: "test.toml".into(), text: text.into() }, Limits::default())
}

/// Reads a scenario that must be valid.
fn read_valid(source: &str) -> Scenario {
    read_text(source).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Returns the messages of all faults in a scenario.
fn error_messages(source: &str) -> Vec<String> {
    read_text(source).expect_err("an error").faults().iter().map(|fault| fault.message.clone()).collect()
}

/// Returns the text of a scenario with these layers and the squared error.
fn scenario_text(input: &str, target: &str, layers: &str) -> String {
    format!("title = \"t\"\ninput = {input}\ntarget = {target}\nloss = \"squared_error\"\n{layers}")
}

const LINEAR: &str = "[[layer]]\ntype = \"linear\"\nweight = [[1, 2], [3, 4]]\n";

#[test]
fn default_names_count_all_layers_of_a_type_including_those_with_a_name() {
    let layers = format!("{LINEAR}{LINEAR}name = \"middle\"\n{LINEAR}[[layer]]\ntype = \"activation\"\nfunction = \"relu\"\n");
    let scenario = read_valid(&scenario_text("[1, 2]", "[1, 2]", &layers));
    let names: Vec<&str> = scenario.network.layers().iter().map(|layer| layer.name.as_ref()).collect();
    assert_eq!(names, ["fc1", "middle", "fc3", "act1"]);
}

#[test]
fn a_target_is_a_tensor_a_flat_vector_or_a_class_index() {
    // the output is the input, so it has the shape 2x2
    let identity = "[[layer]]\ntype = \"activation\"\nfunction = \"identity\"\n";
    for (target, expected) in [
        ("[[1, 2], [3, 4]]", [1.0, 2.0, 3.0, 4.0]),
        ("[1, 2, 3, 4]", [1.0, 2.0, 3.0, 4.0]),
        ("2", [0.0, 0.0, 1.0, 0.0]),
        ("{ init = \"arange\" }", [0.0, 1.0, 2.0, 3.0]),
    ] {
        let scenario = read_valid(&scenario_text("[[1, 2], [3, 4]]", target, identity));
        let given = scenario.samples[0].target.clone().expect("a target");
        assert_eq!((given.shape(), flat(&given)), (&[2, 2][..], &expected[..]), "{target}");
    }
    // a single number is a class index if the output has several entries; here the output has one
    let with_one_output = read_valid(&scenario_text("[1, 2]", "0.25", "[[layer]]\ntype = \"linear\"\nweight = [1, 2]\n"));
    assert_eq!(flat(with_one_output.samples[0].target.as_ref().expect("a target")), [0.25]);
    assert_eq!(with_one_output.sample_tensors(0).len(), 2, "the input and the target");
}

#[test]
fn an_input_gets_the_rank_that_the_first_layer_requires() {
    let conv = "[[layer]]\ntype = \"conv2d\"\nweight = 2\n";
    let scenario = read_valid(&scenario_text("3", "6", conv));
    assert_eq!(scenario.samples[0].input.as_ref().expect("an input").shape(), [1, 1, 1]);
    let linear = "[[layer]]\ntype = \"linear\"\nweight = 2\n";
    let scenario = read_valid(&scenario_text("3", "6", linear));
    assert_eq!(scenario.samples[0].input.as_ref().expect("an input").shape(), [1]);
}

#[test]
fn initializers_without_a_seed_make_their_numbers() {
    for (init, expected) in [
        ("init = \"zeros\"", [0.0, 0.0, 0.0, 0.0]),
        ("init = \"ones\"", [1.0, 1.0, 1.0, 1.0]),
        ("init = \"constant\", value = -2", [-2.0, -2.0, -2.0, -2.0]),
        // as in PyTorch, the second half of the numbers is computed from the stop
        ("init = \"linspace\", start = 0, stop = 0.3", [0.0, 0.3 / 3.0, 0.3 - 0.3 / 3.0, 0.3]),
        ("init = \"arange\", start = 1, step = -0.5", [1.0, 0.5, 0.0, -0.5]),
    ] {
        let scenario = read_valid(&scenario_text(&format!("{{ {init}, shape = [2, 2] }}"), "0", "[[layer]]\ntype = \"flatten\"\n"));
        assert_eq!(flat(scenario.samples[0].input.as_ref().expect("an input")), expected, "{init}");
    }
}

#[test]
fn a_node_may_be_a_constant_an_input_or_a_copy() {
    let scenario =
        read_valid("title = \"t\"\n[graph]\ninputs = { a = 3 }\nnodes = [\"u = 2\", \"v = -(2)\", \"w = a\", \"x = 2^3 + a\"]\n");
    let run = Run::new(&scenario.network, &scenario.sample_tensors(0));
    let value = |name: &str| run.values(scenario.network.find(name).expect(name))[0].to_string();
    assert_eq!(["u", "v", "w", "x", "grad.a"].map(value), ["2", "-2", "3", "11", "1"]);
    // a constant has no derivative
    assert_eq!(scenario.network.find("grad.u"), None);

    // the output may be the input itself
    let scenario = read_valid("title = \"t\"\n[graph]\ninputs = { a = 3 }\nnodes = [\"u = 2 * a\"]\noutput = \"a\"\n");
    let run = Run::new(&scenario.network, &scenario.sample_tensors(0));
    assert_eq!(run.values(scenario.network.find("grad.a").expect("a gradient")), [1.0]);
}

#[test]
fn an_error_in_an_expression_has_its_position_in_the_file() {
    // a string with an escape, such as \u0062 for b, has only the position of its opening quote
    for (string, column) in [("\"u = a * bb\"", 19), ("'u = a * bb'", 19), ("'''u = a * bb'''", 21), ("\"u = a * \\u0062b\"", 10)] {
        let found = read_text(&format!("title = \"t\"\n[graph]\ninputs = {{ a = 1 }}\nnodes = [{string}]\n")).expect_err("an error");
        assert!(found.to_string().contains(&format!("test.toml:4:{column}\n")), "{string}: {found}");
    }
}

#[test]
fn a_syntax_error_has_the_right_position_in_texts_with_unusual_characters() {
    for (source, place) in [("\u{feff}a = ", "1:4"), ("a = [1,\r\nb = \r\n", "2:"), ("ä = 1", "1:1"), ("a = \"x\r\n\tb = 2", "1:7")] {
        let found = read_text(source).expect_err("an error").to_string();
        assert!(found.contains(&format!("test.toml:{place}")), "{source:?}: {found}");
    }
}

#[test]
fn titles_and_notes_are_escaped() {
    let source = scenario_text("[1, 2]", "[1, 2]", LINEAR).replacen("\"t\"", "\"a\\u001b\\nb\"\nnotes = \"x\\u202e\\r\\ny\"", 1);
    let scenario = read_valid(&source);
    assert_eq!(scenario.title, "a<U+001B><U+000A>b");
    assert_eq!(scenario.notes.as_deref(), Some("x<U+202E>\ny"));
}

#[test]
fn memory_is_refused_before_it_is_allocated() {
    let wide = "[[layer]]\ntype = \"linear\"\nout_features = 9000000000000000000\nweight = { init = \"zeros\" }\n";
    let started = Instant::now();
    for source in [
        scenario_text("[1, 2]", "0", wide),
        scenario_text("{ init = \"ones\", shape = [9000000000, 9000000000] }", "0", "[[layer]]\ntype = \"flatten\"\n"),
    ] {
        let found = error_messages(&source);
        assert!(matches!(&found[..], [one] if one.contains("the limit is 1.0 GiB")), "{found:?}");
    }
    let source = Source { name: String::new(), path_shown: String::new(), text: scenario_text("[1, 2]", "[1, 2]", LINEAR) };
    // two small tensors need more than 5 kB, because each takes some memory in addition to its numbers
    assert!(read(source.clone(), Limits { memory: 5_000 }).is_err());
    assert!(read(source, Limits { memory: 50_000 }).is_ok());
    assert!(started.elapsed() < Duration::from_secs(1));
}

/// The size is that of the scenario and the iteration together.
#[test]
fn an_iteration_above_the_memory_limit_is_refused() {
    let sample = "[[sample]]\ninput = { init = \"ones\", shape = [2000] }\ntarget = 0\n";
    let layers = "[[layer]]\ntype = \"linear\"\nout_features = 1\nweight = { init = \"zeros\" }\n[[layer]]\ntype = \"activation\"\nfunction = \"relu\"\n";
    let train = "[train]\nlearning_rate = 1\n";
    for (samples, train, memory, words) in [
        (2, "", 76_000, "with the passes of 2 samples, this scenario takes "),
        (2, train, 76_000, "with one iteration over 2 samples, this scenario takes "),
        (1, train, 70_000, "with one iteration, this scenario takes "),
    ] {
        let text = format!("title = \"t\"\nloss = \"squared_error\"\n{}{layers}{train}", sample.repeat(samples));
        let source = Source { name: String::new(), path_shown: String::new(), text };
        let faults = read(source, Limits { memory }).expect_err("too large");
        let message = &faults.faults()[0].message;
        assert!(message.starts_with(words) && message.ends_with(&format!(" bytes; the limit is {memory} bytes")), "{message}");
    }
}

#[test]
fn consequences_of_an_error_are_not_reported() {
    let unknown = "[[layer]]\ntype = \"linaer\"\n[[note]]\nat = \"fc2.z\"\ntext = \"x\"\n[[expect]]\nat = \"fc2.z[7]\"\nvalue = 1\n";
    assert_eq!(error_messages(&scenario_text("[1, 2]", "[1, 2]", &format!("{LINEAR}{unknown}"))).len(), 1);
    assert_eq!(error_messages(&scenario_text("[1, 2, 3]", "[1, 2]", &format!("{LINEAR}{LINEAR}"))).len(), 1);
    assert_eq!(error_messages("title = \"t\"\n[graph]\ninputs = { a = 1 }\nnodes = [\"u = a +\", \"v = u * a\"]\n").len(), 1);
}

#[test]
fn a_cross_entropy_needs_a_softmax_or_sigmoid_before_it() {
    let with_cross_entropy =
        |layers: &str| read_text(&scenario_text("[1, 2]", "0", &format!("{LINEAR}{layers}")).replace("squared_error", "cross_entropy"));
    assert!(with_cross_entropy("activation = \"softmax\"\n").is_ok());
    assert!(with_cross_entropy("[[layer]]\ntype = \"activation\"\nfunction = \"sigmoid\"\n").is_ok());
    assert!(with_cross_entropy("activation = \"softmax\"\n[[layer]]\ntype = \"flatten\"\n").is_err());
    assert!(with_cross_entropy("").is_err());
}

#[test]
fn every_loss_has_a_batch_reduction() {
    for name in LOSSES.iter().map(|loss| loss.name) {
        let batch_reduction = |key: &str| {
            // losses such as the cross-entropy need a sigmoid or a softmax before them
            let loss = format!("loss = {{ type = \"{name}\"{key} }}");
            read_valid(
                &scenario_text("[1, 2]", "[1, 0]", LINEAR)
                    .replace("loss = \"squared_error\"", &loss)
                    .replace("4]]", "4]]\nactivation = \"sigmoid\""),
            )
            .batch_loss
            .reduction
        };
        assert_eq!(batch_reduction(""), BatchReduction::Mean, "{name}");
        assert_eq!(batch_reduction(", batch_reduction = \"mean\""), BatchReduction::Mean, "{name}");
        assert_eq!(batch_reduction(", batch_reduction = \"sum\""), BatchReduction::Sum, "{name}");
    }
}

#[test]
fn keys_of_an_activation_are_passed_to_its_function() {
    let output = |function: &str| {
        let scenario =
            read_valid(&scenario_text("[-2, 0, 3]", "[0, 0, 0]", &format!("[[layer]]\ntype = \"activation\"\nfunction = {function}\n")));
        let run = Run::new(&scenario.network, &scenario.sample_tensors(0));
        run.values(scenario.network.output()).to_vec()
    };
    assert_eq!(output("\"leaky_relu\""), [-0.02, 0.0, 3.0]);
    assert_eq!(output("\"leaky_relu\"\nnegative_slope = 0.5"), [-1.0, 0.0, 3.0]);
    assert_eq!(output("\"elu\""), [libm::expm1(-2.0), 0.0, 3.0]);
    assert_eq!(output("\"elu\"\nalpha = 2"), [2.0 * libm::expm1(-2.0), 0.0, 3.0]);
}

/// Reads files of about the largest size, each filled with one kind of content.
#[test]
fn large_files_are_read_without_quadratic_work_and_have_short_messages() {
    let repeated = |head: &str, line: &str, count: usize| format!("{head}{}", line.repeat(count));
    let graph = (0..60_000).map(|i| format!("\"n{i} = b{i} + a\"")).collect::<Vec<_>>().join(", ");
    let valid = scenario_text("[1, 2]", "[1, 2]", LINEAR);
    let sources = [
        ("faulty nodes", format!("title = \"t\"\n[graph]\ninputs = {{ a = 1 }}\nnodes = [{graph}]")),
        ("notes", repeated(&valid, "[[note]]\nat = \"9\"\ntext = \"x\"\n", 100_000)),
        ("expectations", repeated(&valid, "[[expect]]\nat = \"loss\"\nvalue = 1\n", 100_000)),
        ("faulty notes", repeated(&valid, "[[note]]\nat = \"fc9.z\"\ntext = \"x\"\n", 100_000)),
        ("layers", repeated(&scenario_text("[1]", "1", ""), "[[layer]]\ntype = \"flatten\"\n", 100_000)),
        ("a long address", valid.replacen("input", &format!("start = \"{}\"\ninput", "[".repeat(1_000_000)), 1)),
        ("a long sum", format!("title = \"t\"\n[graph]\ninputs = {{ a = 1 }}\nnodes = [\"J = {}a\"]", "a+".repeat(2_000_000))),
    ];
    for (content, source) in sources {
        assert!(source.len() <= MAX_BYTES, "{content}: {}", source.len());
        let started = Instant::now();
        let size = read_text(&source).map_or_else(|faults| faults.to_string().len(), |_| 0);
        assert!(size < 100_000, "{content}: a message of {size} bytes");
        let took = started.elapsed();
        // a busy machine takes ten seconds; quadratic work takes many minutes
        assert!(took < Duration::from_secs(120), "{content} took {took:?}");
        eprintln!("{content}: {took:?}");
    }
    let too_large = repeated("title = \"t\"\n", "# \n", MAX_BYTES / 3);
    assert_eq!(error_messages(&too_large).len(), 1);
}

/// The expected numbers come from a separate implementation in Python of the published generator and the format's formulas, with seed 7. The weights are
/// those of a linear layer with 3 inputs and 2 outputs, and of a convolution from 2 to 3 channels with a 2x3 kernel: its fan-in is 2·2·3 = 12, its fan-out
/// 3·2·3 = 18.
#[test]
fn random_tensors_begin_with_the_numbers_of_an_independent_implementation() {
    let linear = |init: &str| {
        let layer = format!("[[layer]]\ntype = \"linear\"\nout_features = 2\nweight = {{ seed = 7, init = {init} }}\n");
        read_valid(&scenario_text("[1, 2, 3]", "[1, 2]", &layer))
    };
    let conv = |init: &str| {
        let layer = format!(
            "[[layer]]\ntype = \"conv2d\"\nout_channels = 3\nkernel_size = [2, 3]\nweight = {{ seed = 7, init = {init} }}\n[[layer]]\ntype = \"flatten\"\n"
        );
        read_valid(&scenario_text("[[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [1, 2, 3]]]", "[1, 2, 3]", &layer))
    };
    #[rustfmt::skip]
    let cases = [
        (linear("\"uniform\", low = -2, high = 3"), [-1.723_197_817_608_334_5, -1.139_420_727_759_411_3, 1.587_880_641_793_297, 0.136_049_096_457_526_28]),
        (linear("\"normal\", mean = 1, std = 0.5"), [1.079_321_991_821_150_3, 0.286_623_371_859_733_63, -0.257_629_497_510_122_1, 0.614_251_393_368_275_4]),
        (linear("\"xavier_uniform\""), [-0.974_156_475_600_272_5, -0.718_358_171_068_292_4, 0.476_685_413_906_708_7, -0.159_475_295_755_679_76]),
        (linear("\"he_normal\""), [0.129_532_270_228_692_46, -1.164_939_155_580_554_6, -2.053_700_369_581_737_7, -0.629_924_836_824_874_8]),
        (conv("\"xavier_uniform\""), [-0.397_697_715_808_113_2, -0.293_268_495_279_377_6, 0.194_606_005_316_472_82, -0.065_105_516_863_475_21]),
        (conv("\"he_normal\""), [0.064_766_135_114_346_23, -0.582_469_577_790_277_3, -1.026_850_184_790_868_9, -0.314_962_418_412_437_44]),
    ];
    for (scenario, expected) in cases {
        let (_, weight) = &scenario.network.shared_tensors()[0];
        for (number, expected) in flat(weight).iter().zip(expected) {
            assert!((number - expected).abs() <= 1e-15, "{number}, not {expected}: {}", scenario.text);
        }
    }
}

/// A scenario is the same whether its large arrays are extracted or parsed as TOML, including the line numbers of its expectations.
#[test]
fn extracted_arrays_equal_those_that_the_toml_parser_reads() {
    let limits = Limits::default();
    let files: Arc<dyn Files> = Arc::new(NoFiles { why: "", help: "" });
    // returns the contents of a scenario as a text, and whether arrays were taken out of it; `None` for a scenario with faults
    let contents = |text: &str, may_extract: bool| {
        let (reader, parsed) = parse(text, limits, Arc::clone(&files), may_extract);
        let parsed = parsed.ok().filter(|_| reader.faults.is_empty())?;
        let shown = format!("{:?} {:?} {:?} {:?}", parsed.network.shared_tensors(), parsed.samples, parsed.remarks, parsed.expectations);
        Some((shown, reader.arrays.is_some()))
    };
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders =
        ["scenarios", "tests/valid", "tests/oracle", "tests/invalid"].map(|folder| std::fs::read_dir(root.join(folder)).expect("a folder"));
    let (mut valid, mut extracted) = (0, 0);
    for file in folders.into_iter().flatten() {
        let path = file.expect("a file").path();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let [with_extraction, without_extraction] = [true, false].map(|may_extract| contents(&text, may_extract));
        assert_eq!(
            with_extraction.as_ref().map(|(shown, _)| shown),
            without_extraction.as_ref().map(|(shown, _)| shown),
            "{}",
            path.display()
        );
        valid += usize::from(with_extraction.is_some());
        extracted += usize::from(with_extraction.is_some_and(|(_, extracted)| extracted));
    }
    assert!(valid > 200 && extracted > 50, "{extracted} of {valid}");
    // the positions of faults are those in the original file
    let text = scenario_text("[[1, 2, 3, 4],\n[5, 6, 7, 8]]", "[1, 2]", LINEAR);
    let after_title = &text["title = \"t\"\n".len()..];
    let faults = read(Source { name: String::new(), path_shown: String::new(), text: text.clone() }, limits)
        .expect_err("a linear layer reads no matrix");
    assert!(faults.faults().iter().all(|fault| fault.span.as_ref().is_some_and(|span| text.get(span.clone()).is_some())), "{faults}");
    // a message about an extracted array calls it an array
    assert!(
        error_messages(&format!("title = [1, 2, 3, 4, 5, 6, 7, 8]\n{after_title}"))
            .contains(&"title must be a string, not an array".to_owned())
    );
    // this text is the placeholder of an extracted array
    assert!(error_messages(&format!("title = 00:00:00\n{after_title}")).contains(&"title must be a string, not a date".to_owned()));
}

#[test]
fn an_input_that_is_assigned_again_is_learned_by_both_of_its_names() {
    let learned = |name: &str| {
        let scenario = read_valid(&format!(
            "title = \"t\"\n[graph]\ninputs = {{ x = 2, w = 3 }}\nnodes = [\"x = x * w\", \"J = x * x\"]\n\
             [train]\nlearning_rate = 0.1\niterations = 2\nlearn = [\"{name}\"]\n"
        ));
        let train = scenario.train.as_ref().expect("[train]");
        train.learned.iter().map(|id| scenario.network.tensor(*id).name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!((learned("x"), learned("x@0"), learned("w")), (vec!["x@0".to_owned()], vec!["x@0".to_owned()], vec!["w".to_owned()]));
}
