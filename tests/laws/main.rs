//! Properties of random networks and graphs: an entry is the sum of its terms, bit for bit; derivatives agree with central differences; addresses lead back to
//! their steps; each entry lists all terms that read it. Rules with planted faults test the checks themselves.

mod broadcast;
mod checked;
mod contractions;
mod corners;
mod differences;
#[path = "../generated/mod.rs"]
mod generated;
mod graphs;
mod kernels;
mod planted;
mod saturation;
mod softmax;
mod steps;
mod tensors;

use std::collections::BTreeSet;

use gradstep::app::Document;
use gradstep::op;
use gradstep::scenario::{Limits, Scenario, Source, read};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use generated::choices::{Choices, Flavour, choices};
use generated::{layers, writer};

/// The length of the longest trace whose steps are all checked. In a longer trace, some steps are checked.
const LONGEST_FULLY_CHECKED: u64 = 6_000;

fn scenario(text: &str) -> Result<Scenario, TestCaseError> {
    let source = Source { name: "random".into(), path_shown: "random.toml".into(), text: text.into() };
    read(source, Limits::default()).map_err(|faults| TestCaseError::fail(format!("{faults}\n{text}")))
}

/// Checks that the steps of a scenario add up to the tensors.
fn check_steps(text: &str, seed: u64) -> Result<(), TestCaseError> {
    let document = Document::new(scenario(text)?);
    let trace = &document.trace;
    let checked = if trace.len() <= LONGEST_FULLY_CHECKED {
        steps::check_trace(trace)
    } else {
        some_steps(seed, 150, trace.len()).try_for_each(|k| steps::check_step(trace, k))
    };
    checked.map_err(|why| TestCaseError::fail(format!("{why}\n{text}")))
}

/// Compares the derivatives with central differences.
fn check_slopes(text: &str) -> Result<differences::Tally, TestCaseError> {
    let scenario = scenario(text)?;
    differences::check(&scenario.network, &scenario.sample_tensors(0)).map_err(|why| TestCaseError::fail(format!("{why}\n{text}")))
}

/// Checks the steps of a graph of tensors, and the numbers of its terms. Compares the numbers of both spellings of the graph, PyTorch's and NumPy's.
fn check_spellings(graph: &tensors::Spelled, seed: u64) -> Result<(), TestCaseError> {
    check_steps(&graph.torch, seed)?;
    let [torch, numpy] = [&graph.torch, &graph.numpy].map(|text| scenario(text).map(Document::new));
    let (torch, numpy) = (torch?, numpy?);
    if torch.trace.len() <= LONGEST_FULLY_CHECKED {
        let checked = steps::check_counts(&torch.trace).and_then(|()| steps::check_edges(&torch.trace));
        checked.map_err(|why| TestCaseError::fail(format!("{why}\n{}", graph.torch)))?;
    }
    let inputs = torch.scenario.network.learnable().map(|id| torch.scenario.network.tensor(id).name.to_string());
    // each name, and whether it must be a tensor: a statement such as `y = x.clone()` may make none
    let of_inputs = inputs.flat_map(|name| [format!("grad.{name}"), name]).map(|name| (name, true));
    let names: Vec<(String, bool)> = of_inputs.chain(graph.statements.iter().map(|name| (name.clone(), false))).collect();
    for (name, must_be_a_tensor) in names {
        let numbers = |document: &Document| {
            let id = document.scenario.network.find(&name)?;
            Some(document.trace.run(0).values(id).to_vec())
        };
        let (a, b) = (numbers(&torch), numbers(&numpy));
        let same = |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| steps::same(*a, *b));
        let is_same = match (&a, &b) {
            (Some(a), Some(b)) => same(a, b),
            (None, None) => !must_be_a_tensor,
            _ => false,
        };
        prop_assert!(is_same, "{name} is {a:?} and {b:?}\n{}\n{}", graph.torch, graph.numpy);
    }
    Ok(())
}

fn flavours() -> impl Strategy<Value = Flavour> {
    prop_oneof![Just(Flavour::Smooth), Just(Flavour::Sharp), Just(Flavour::Large), Just(Flavour::Extreme)]
}

/// The flavours of numbers for which finite differences are accurate.
fn flavours_with_differences() -> impl Strategy<Value = Flavour> {
    prop_oneof![Just(Flavour::Smooth), Just(Flavour::Sharp), Just(Flavour::Large)]
}

/// The relative error of a derivative that is wrong on purpose: the derivative becomes 0, changes its sign, is doubled, or is slightly wrong.
fn faults() -> impl Strategy<Value = f64> {
    prop_oneof![Just(-1.0), Just(-2.0), Just(1.0), Just(1e-3), Just(-1e-4)]
}

/// Steps spread over the whole trace, with the first and the last one.
fn some_steps(seed: u64, count: u64, len: u64) -> impl Iterator<Item = u64> {
    (1..=count).map(move |n| 1 + n.wrapping_mul(seed | 1) % len).chain([1, len])
}

/// A configuration with `cases` cases, unless `PROPTEST_CASES` gives another number. At most `max_shrink_iters` attempts are made to make a failed case
/// smaller. A test may reject inputs, such as windows that do not fit an image. The limit of these grows with the number of cases, so any number can be run.
fn config(cases: u32, max_shrink_iters: u32) -> ProptestConfig {
    let usual = ProptestConfig { max_shrink_iters, failure_persistence: None, ..ProptestConfig::default() };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { usual.cases } else { cases };
    ProptestConfig { cases, max_global_rejects: cases.saturating_mul(4_000), ..usual }
}

proptest! {
    #![proptest_config(config(300, 3_000))]

    #[test]
    fn steps_of_networks_add_up_to_the_tensors(mut choices in choices(), flavour in flavours(), seed in any::<u64>()) {
        check_steps(&layers::network(&mut choices, flavour), seed)?;
    }

    #[test]
    fn steps_of_scalar_graphs_add_up_to_the_tensors(mut choices in choices(), flavour in flavours(), seed in any::<u64>()) {
        check_steps(&graphs::graph(&mut choices, flavour), seed)?;
    }

    #[test]
    fn derivatives_of_networks_are_central_differences(mut choices in choices(), flavour in flavours_with_differences()) {
        check_slopes(&layers::network(&mut choices, flavour))?;
    }

    #[test]
    fn derivatives_of_scalar_graphs_are_central_differences(mut choices in choices(), sharp in any::<bool>()) {
        let flavour = if sharp { Flavour::Sharp } else { Flavour::Smooth };
        check_slopes(&graphs::graph(&mut choices, flavour))?;
    }

    #[test]
    fn steps_of_graphs_of_tensors_add_up_to_the_tensors(mut choices in choices(), flavour in flavours(), seed in any::<u64>()) {
        check_spellings(&tensors::graph(&mut choices, flavour, true), seed)?;
    }

    #[test]
    fn derivatives_of_graphs_of_tensors_are_central_differences(mut choices in choices()) {
        check_slopes(&tensors::graph(&mut choices, Flavour::Smooth, false).torch)?;
    }

    #[test]
    fn gradcheck_is_right_about_networks(mut choices in choices(), flavour in flavours_with_differences(), seed in any::<u64>(), relative_error in faults()) {
        checked::check_verdicts(&layers::network(&mut choices, flavour), seed, relative_error)?;
    }

    #[test]
    fn gradcheck_is_right_about_scalar_graphs(mut choices in choices(), sharp in any::<bool>(), seed in any::<u64>(), relative_error in faults()) {
        let flavour = if sharp { Flavour::Sharp } else { Flavour::Smooth };
        checked::check_verdicts(&graphs::graph(&mut choices, flavour), seed, relative_error)?;
    }

    #[test]
    fn every_run_of_the_same_scenario_has_the_same_bits(mut choices in choices(), flavour in flavours(), layered in any::<bool>(), seed in any::<u64>()) {
        let text = if layered { layers::network(&mut choices, flavour) } else { graphs::graph(&mut choices, flavour) };
        let (one, two) = (Document::new(scenario(&text)?), Document::new(scenario(&text)?));
        for id in 0..one.scenario.network.tensors().len() {
            let bits = |document: &Document| document.trace.run(0).values(id).iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&one), bits(&two));
        }
        for k in some_steps(seed, 30, one.trace.len()) {
            let json = |document: &Document| serde_json::to_string(&document.trace.get(k)).unwrap();
            prop_assert_eq!(json(&one), json(&two));
        }
    }
}

/// The derivative of a node that many nodes read has many parts. The part of a step is found without a search through all parts.
#[test]
fn steps_of_a_node_with_many_readers_add_up_to_the_tensors() {
    for readers in [3, 4, 5, 40] {
        let expressions = ["a * b", "a + b", "b - a", "sin(a)", "a / b"];
        let nodes: Vec<String> = (0..readers).map(|n| format!("\"n{n} = {}\"", expressions[n % expressions.len()])).collect();
        let sum = (0..readers).map(|n| format!("n{n}")).collect::<Vec<_>>().join(" + ");
        let text = format!("title = \"fan\"\n[graph]\ninputs = {{ a = 0.5, b = 0.25 }}\nnodes = [{}, \"J = {sum}\"]\n", nodes.join(", "));
        check_steps(&text, 1).unwrap();
    }
}

/// Returns `count` lists of choices, the same each time that the test is run.
fn choice_lists(count: usize) -> Vec<Choices> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| choices().new_tree(&mut runner).expect("a list of choices").current()).collect()
}

/// A sine that turns once within the distance of the differences has a difference of 0. Such a derivative is skipped, also if it is not in the first entry.
#[test]
fn the_derivative_of_a_fast_sine_is_skipped() {
    let turn = std::f64::consts::TAU / 1e-5;
    for speeds in [[1.0, turn], [turn, 1.0]] {
        let text = format!(
            "title = \"sine\"\n[graph]\nnodes = \"J = sin(c * x).sum()\"\n[graph.inputs]\nx = [1, 1]\n[graph.constants]\nc = {speeds:?}\n"
        );
        let tally = check_slopes(&text).unwrap();
        assert_eq!((tally.compared, tally.skipped), (1, 1), "{speeds:?}");
    }
}

/// A tensor may be the mask of a choice, and an operand too.
#[test]
fn the_mask_of_a_choice_may_be_an_operand() {
    for choice in
        ["where(x, x, b)", "where(b, x, b)", "where(u, u, b)", "where(b * u, u, u)", "where(x > 1.5, x, x)", "where(x > 1.5, x, b)"]
    {
        let text = format!(
            "title = \"choice\"\n[graph]\nnodes = '''\nu = 2 * x\ny = {choice}\nJ = (y * y + u * b).sum()\n'''\n[graph.inputs]\nx = [1, 2]\nb = [-1, 3]\n"
        );
        check_steps(&text, 1).unwrap();
        // x and b have two entries each
        assert_eq!(check_slopes(&text).unwrap().compared, 4, "{choice}");
    }
}

#[test]
fn most_derivatives_are_compared() {
    for (make, least_share) in [(layers::network as fn(&mut Choices, Flavour) -> String, 0.9), (graphs::graph, 0.6)] {
        let mut all = differences::Tally::default();
        for mut choices in choice_lists(150) {
            let tally = check_slopes(&make(&mut choices, Flavour::Smooth)).unwrap();
            all.compared += tally.compared;
            all.skipped += tally.skipped;
        }
        #[allow(clippy::cast_precision_loss)]
        let share = all.compared as f64 / (all.compared + all.skipped) as f64;
        assert!(share > least_share, "{all:?}");
    }
}

/// Tests the steps and the derivatives of each function of a graph on several shapes.
#[test]
fn every_function_of_graphs_of_tensors_is_tested() {
    let tested: BTreeSet<&str> = tensors::FUNCTIONS.iter().flat_map(|(names, _)| names.iter().copied()).collect();
    for name in gradstep::scenario::graph_functions().filter(|name| !tensors::OF_PYTHON.contains(name)) {
        assert!(tested.contains(name), "{name} has no random graphs");
    }
    let choice_lists = choice_lists(24);
    for name in tested {
        let graphs = choice_lists
            .iter()
            .map(|choices| tensors::call(&mut choices.clone(), Flavour::Smooth, name))
            .filter(|graph| !graph.statements.is_empty());
        let mut made = 0;
        for graph in graphs.take(3) {
            made += 1;
            check_spellings(&graph, 3).unwrap_or_else(|why| panic!("{name}: {why}"));
            if !matches!(name, "detach" | "item" | "tolist") {
                check_slopes(&graph.torch).unwrap_or_else(|why| panic!("{name}: {why}"));
            }
        }
        assert!(made > 0, "{name} is never made");
    }
}

#[test]
fn every_row_of_the_registries_is_tested() {
    let set = |names: &[&'static str]| names.iter().copied().collect::<BTreeSet<_>>();
    let layers: BTreeSet<&str> = op::LAYERS.iter().map(|row| row.name).collect();
    let activations: BTreeSet<&str> = op::activation::ACTIVATIONS.iter().map(|row| row.name).collect();
    let losses: BTreeSet<&str> = op::loss::LOSSES.iter().map(|row| row.name).collect();
    let functions: BTreeSet<(&str, usize)> = op::operator::FUNCTIONS.iter().map(|row| (row.name(), row.arity())).collect();
    assert_eq!(layers, layers::LAYERS.iter().map(|row| row.0).collect(), "a kind of layer without a test of its steps");
    assert_eq!(activations, set(writer::ACTIVATIONS), "an activation without a test of its steps");
    assert_eq!(losses, writer::LOSSES.iter().map(|row| row.0).collect(), "a loss without a test of its steps");
    assert_eq!(functions, graphs::FUNCTIONS.iter().copied().collect(), "a function without a test of its steps");

    let texts: String = choice_lists(400).iter_mut().map(|choices| layers::network(choices, Flavour::Sharp)).collect();
    for name in layers.iter().chain(&losses).chain(&activations) {
        assert!(texts.contains(&format!("\"{name}\"")), "{name} is never made");
    }
    for feature in [
        "\"sum\"",
        "\"mean\"",
        "\"half_sum\"",
        "gradient =",
        "alpha =",
        "min_val =",
        "max_val =",
        "delta =",
        "beta =",
        "negative_slope =",
        "batch_reduction =",
        "l2 =",
        "groups = 2",
        "stride = [",
        "padding = [",
        "dilation = [",
        "output_padding = [",
        "count_include_pad = false",
        "from = \"input\"",
        "eps =",
        "num_groups = 2",
        "p = 0.25",
    ] {
        assert!(texts.contains(feature), "{feature} is never made");
    }
    let texts: String = choice_lists(150).iter_mut().map(|choices| graphs::graph(choices, Flavour::Sharp)).collect();
    for name in functions
        .iter()
        .map(|row| if row.0 == "gelu_tanh" { "approximate='tanh'".to_owned() } else { format!("{}(", row.0) })
        .chain(["+", "-", "*", "/", "^", "output ="].map(str::to_owned))
    {
        assert!(texts.contains(&name), "{name} is never made");
    }
}
