//! Several samples and gradient descent: in every pass, also in `reduce` and `update`, the steps add up to the tensors. An iteration has the same bits whether
//! it is reached from the iteration before, directly, or backwards.

use std::collections::BTreeMap;

use gradstep::app::Document;
use gradstep::scenario::{Limits, Source, read};
use gradstep::step::{Kind, Pass};

const TEXT: &str = r#"
title = "three samples"
loss = { type = "squared_error", batch_reduction = "mean" }

[train]
learning_rate = 0.05
iterations = 700
momentum = 0.5
weight_decay = 0.01
batch_size = 2

[[sample]]
input = [[1, 2, 0], [0, 1, 3], [2, 1, 1]]
target = [1, 0]
[[sample]]
input = [[0, -1, 2], [1, 1, 0], [3, 0, -2]]
target = [0, 1]
[[sample]]
name = "third"
input = [[2, 0, 1], [1, -1, 1], [0, 2, 2]]
target = [1, 1]

[[layer]]
type = "conv2d"
weight = [[1, 0.5], [-0.25, -1]]
bias = 0.5
activation = "tanh"

[[layer]]
type = "flatten"

[[layer]]
type = "linear"
weight = [[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]]
bias = [0, 0]
"#;

fn document() -> Document {
    let source = Source { name: "three".to_owned(), path_shown: "three.toml".to_owned(), text: TEXT.to_owned() };
    Document::new(read(source, Limits::default()).expect("a valid scenario"))
}

/// Checks that the steps of an iteration add up to its tensors. Returns the passes of the iteration.
fn check_steps(document: &Document) -> Vec<Pass> {
    let trace = &document.trace;
    let mut passes = Vec::new();
    let mut sum_before = 0.0_f64;
    for k in 1..=trace.len() {
        let position = trace.position(k).expect("a step");
        let step = trace.step(&position);
        assert_eq!(step.iteration, trace.iteration());
        assert_eq!(step.sample.is_none(), matches!(step.pass, Pass::Reduce | Pass::Update), "step {k}");
        if passes.last() != Some(&step.pass) {
            passes.push(step.pass);
        }
        if step.kind == Kind::Product {
            let product = step.factors.iter().skip(1).fold(step.factors[0].value, |product, factor| product * factor.value);
            assert_eq!(product.to_bits(), step.value.to_bits(), "step {k}");
        }
        let sum = if step.term == 1 { step.value } else { sum_before + step.value };
        assert_eq!(sum.to_bits(), step.sum.to_bits(), "step {k}");
        sum_before = step.sum;
        let run = trace.run(position.run_index);
        // a derived factor, such as relu′(z), is not an entry itself
        for factor in step.factors.iter().filter(|factor| factor.derived.is_none()) {
            if let Some(source) = factor.source {
                assert_eq!(run.values(source.tensor)[source.at].to_bits(), factor.value.to_bits(), "step {k}");
            }
        }
        if step.term == step.terms {
            assert_eq!(run.values(trace.op_at(&position).output)[position.entry].to_bits(), step.sum.to_bits(), "step {k}");
        }
        assert_eq!(trace.resolve(&trace.address(&position)), Ok(k), "{}", trace.address(&position));
    }
    passes
}

#[test]
fn the_steps_of_every_pass_add_up_to_the_tensors() {
    use Pass::{Backward, Forward, Loss, Reduce, Update};
    let first = document();
    let passes = [Forward, Loss, Backward, Forward, Loss, Backward, Reduce, Update];
    assert_eq!(check_steps(&first), passes);
    assert_eq!(check_steps(&first.iteration(2)), passes);
    // the batch of the second iteration wraps around: the third sample and the first
    let samples: Vec<Option<usize>> = first.iteration(2).trace.runs().iter().map(|run| run.sample).collect();
    assert_eq!(samples, [Some(0), Some(2), None]);
}

/// Returns the bits of all tensors that the update of an iteration computes: parameters and velocities.
fn update_bits(document: &Document) -> Vec<u64> {
    let trace = &document.trace;
    let batch_run = trace.runs().len() - 1;
    let ops = trace.network_of(batch_run).ops().iter().filter(|op| op.pass == Pass::Update);
    ops.flat_map(|op| trace.run(batch_run).values(op.output)).map(|value| value.to_bits()).collect()
}

#[test]
fn an_iteration_has_the_same_bits_however_it_is_reached() {
    // the descent stores its state before at most 64 iterations (checkpoints), so most iterations are computed again from one of them
    let visited = document();
    let mut in_order = Vec::new();
    for n in 1..=700 {
        in_order.push(update_bits(&visited.iteration(n)));
    }
    for n in [1_u16, 2, 63, 64, 65, 129, 350, 699, 700] {
        assert_eq!(update_bits(&document().iteration(n.into())), in_order[usize::from(n) - 1], "iteration {n}, reached directly");
        assert_eq!(update_bits(&visited.iteration(n.into())), in_order[usize::from(n) - 1], "iteration {n}, reached backwards");
    }
}

#[test]
fn the_tolerance_ends_the_descent_without_an_update() {
    let text = TEXT.replace("batch_size = 2", "tolerance = 1e-4");
    let source = Source { name: "three".to_owned(), path_shown: "three.toml".to_owned(), text };
    let document = Document::new(read(source, Limits::default()).expect("a valid scenario"));
    let last = document.iteration(700);
    assert!(last.is_last_iteration && last.trace.iteration() < 700, "stopped at {}", last.trace.iteration());
    assert!(!check_steps(&last).contains(&Pass::Update));
    assert!((last.loss - document.iteration(last.trace.iteration() - 1).loss).abs() < 1e-4);
}

/// Before its loss, the last iteration is shown with an update. The results of this update are not computed: in their place are the parameters before it.
#[test]
fn the_planned_update_is_not_computed() {
    let text = TEXT.replace("batch_size = 2", "tolerance = 1e-4");
    let source = Source { name: "three".to_owned(), path_shown: "three.toml".to_owned(), text };
    let last = read(source, Limits::default()).expect("a valid scenario").descent().iteration(700);
    let (planned, sample, batch) = (last.planned.expect("an update"), &last.runs[0], last.runs.last().expect("the batch"));
    let of_pass = |pass| planned.network.ops().iter().filter(move |op| op.pass == pass).map(|op| op.output);
    assert!(of_pass(Pass::Update).count() > 4 && !batch.network.ops().iter().any(|op| op.pass == Pass::Update));
    for id in of_pass(Pass::Update) {
        let parameter = planned.network.tensor(id).parameter.expect("of a parameter");
        assert_eq!(planned.run.values(id), sample.run.values(parameter), "{}", planned.network.tensor(id).name);
    }
    // the loss is the first op of the batch in both runs
    let losses = [&planned, batch].map(|batch| batch.run.values(batch.network.loss())[0].to_bits());
    assert_eq!(losses, [last.loss.to_bits(); 2]);
}

/// `train` keeps all losses in memory. When the list of losses is doubled, the memory of the shorter list is given back.
#[test]
fn the_losses_reserve_their_memory_once() {
    let text = TEXT.replace("iterations = 700", "iterations = 513");
    let source = Source { name: "three".to_owned(), path_shown: "three.toml".to_owned(), text };
    let scenario = read(source, Limits::default()).expect("a valid scenario");
    let mut reserved = Vec::new();
    scenario
        .descent()
        .run(|_, _| {
            reserved.push(scenario.budget.taken());
            true
        })
        .expect("enough memory");
    // a loss has 8 bytes; at first nothing is reserved, 512 losses have room for 512, and the next one doubles this room
    assert_eq!([511, 512].map(|n| reserved[n] - reserved[0]), [8 * 512, 8 * 1024]);
}

/// Returns the bits of the parameters after `train`, by name.
fn trained(text: &str) -> BTreeMap<String, Vec<u64>> {
    let source = Source { name: "three".to_owned(), path_shown: "three.toml".to_owned(), text: text.to_owned() };
    let scenario = read(source, Limits::default()).expect("a valid scenario");
    let end = scenario.descent().run(|_, _| true).expect("enough memory");
    let bits = |tensor: &ndarray::ArrayD<f64>| tensor.iter().map(|value| value.to_bits()).collect();
    end.parameters.iter().map(|(id, tensor)| (scenario.network.tensor(*id).name.to_string(), bits(tensor))).collect()
}

#[test]
fn train_gives_the_same_bits_as_the_steps() {
    let texts = [
        TEXT.to_owned(),
        TEXT.replace("momentum = 0.5\n", ""),
        TEXT.replace("weight_decay = 0.01\n", ""),
        TEXT.replace("momentum = 0.5\nweight_decay = 0.01\nbatch_size = 2", "batch_size = 1"),
        TEXT.replace("\"mean\"", "\"sum\"").replace("learning_rate = 0.05", "learning_rate = 0.01"),
        TEXT.replace("batch_size = 2", "freeze = [\"conv1\"]"),
        TEXT.replace("batch_size = 2", "tolerance = 1e-4"),
    ];
    for text in texts.map(|text| text.replace("iterations = 700", "iterations = 40")) {
        let source = Source { name: "three".to_owned(), path_shown: "three.toml".to_owned(), text: text.clone() };
        let first = Document::new(read(source, Limits::default()).expect("a valid scenario"));
        let mut stepped: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for n in 1..=40 {
            let document = first.iteration(n);
            let batch_run = document.trace.runs().len() - 1;
            let network = document.trace.network_of(batch_run);
            for op in network.ops().iter().filter(|op| op.pass == Pass::Update) {
                let bits = document.trace.run(batch_run).values(op.output).iter().map(|value| value.to_bits());
                stepped.insert(network.tensor(op.output).name.to_string(), bits.collect());
            }
        }
        stepped.retain(|name, _| !name.starts_with("velocity."));
        let trained = trained(&text);
        assert!(!stepped.is_empty());
        for (name, bits) in stepped {
            assert_eq!(bits, trained[&name], "{name}\n{text}");
        }
    }
}

#[test]
fn gradient_of_finds_the_tensor_whose_name_begins_with_grad() {
    let document = document();
    let mut found = 0;
    for run in document.trace.runs() {
        let network = &run.network;
        for (id, tensor) in network.tensors().iter().enumerate() {
            let named = network.find(&format!("grad.{}", tensor.name));
            assert_eq!(network.gradient_of(id), named, "{}", tensor.name);
            found += usize::from(named.is_some());
        }
    }
    let batch = document.trace.runs().last().expect("the batch");
    assert!(found > 10 && batch.network.tensors().iter().any(|tensor| tensor.name == "fc1.weight"), "{found}");
}
