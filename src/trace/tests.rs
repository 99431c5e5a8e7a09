//! Tests of the trace: addresses, the numbers of small examples, and the work for the running sums of long entries.

use std::cell::Cell;
use std::sync::Arc;

use super::running_sums::INTERVAL;
use super::*;
use crate::network::{Builder, GraphLeaf, GraphText, Node};
use crate::op::elementwise::{Elementwise, ElementwiseOperand};
use crate::op::operator::Operator;
use crate::op::rule::{Operands, Rule, Term};
use crate::scenario::{Limits, Source, read};
use crate::step::Step;
use crate::tensor::from_flat;

/// Returns the trace of J = 2 (a b + c), figure 14 of V. Petersen's series.
fn figure_14() -> Trace {
    let node = |name: &str, operator, operands: [ElementwiseOperand; 2], reads: &[usize]| {
        let function = Arc::new(Elementwise::new(operator, &operands));
        Node::new(name, function, reads)
    };
    // `x` and `y` are the operands of an operator; the last argument of `node` has their indices in the list a, b, c, u, v, J
    let (x, y) = (ElementwiseOperand::Input(0), ElementwiseOperand::Input(1));
    let nodes = vec![
        node("u", Operator::Mul, [x, y], &[0, 1]),
        node("v", Operator::Add, [x, y], &[3, 2]),
        node("J", Operator::Mul, [ElementwiseOperand::Constant(2.0), x], &[4]),
    ];
    let inputs = [("a", 3.0), ("b", 2.0), ("c", 4.0)].map(|(name, value)| GraphLeaf {
        name: name.into(),
        value: Arc::new(from_flat(&[], vec![value])),
        is_differentiated: true,
    });
    let output = 5;
    let network = Arc::new(Builder::graph(inputs.into(), nodes, output, GraphText::default()).expect("numbers fit each other"));
    let run = Run::new(&network, &[]);
    Trace::new(network, vec![run])
}

fn value(trace: &Trace, name: &str) -> f64 {
    trace.run(0).values(trace.network().find(name).expect(name))[0]
}

#[test]
#[allow(clippy::float_cmp)] // whole numbers
fn figure_14_has_the_numbers_of_the_series() {
    let trace = figure_14();
    for (name, expected) in [
        ("u", 6.0),
        ("v", 10.0),
        ("J", 20.0),
        ("grad.J", 1.0),
        ("grad.v", 2.0),
        ("grad.u", 2.0),
        ("grad.c", 2.0),
        ("grad.a", 4.0),
        ("grad.b", 6.0),
    ] {
        assert_eq!(value(&trace, name), expected, "{name}");
    }
}

#[test]
fn every_step_is_found_again_by_its_address() {
    let trace = figure_14();
    for k in 1..=trace.len() {
        let at = trace.position(k).expect("a step");
        let address = trace.address(&at).to_string();
        assert_eq!(trace.resolve(&address.parse().expect("an address")), Ok(k), "{address}");
    }
    assert!(trace.position(0).is_none());
    assert!(trace.position(trace.len() + 1).is_none());
}

#[test]
fn an_unknown_address_is_answered_in_a_sentence() {
    let trace = figure_14();
    let message = |address: &str| trace.resolve(&address.parse().expect(address)).expect_err(address);
    assert_eq!(message("gard.a"), "there is no op gard.a; did you mean grad.a?");
    for without_similar_name in ["zzz", "é", "uuuuu"] {
        assert_eq!(message(without_similar_name), format!("there is no op {without_similar_name}"));
    }
    let step_with_sample = "a step's number counts over the whole iteration and takes nothing in front: write 7, not 1:7";
    assert_eq!(message("1:7"), step_with_sample);
    assert_eq!(message("99"), "there is no step 99: the last is 10");
    assert_eq!(message("a"), "a is given, not computed: no step makes it");
    assert_eq!(message("u[0]"), "u is a single number: it has no index");
    assert_eq!(message("u#2"), "there is no term 2: u has 1");
    assert_eq!(message("2:u"), "there is no sample 2 in this iteration: it has the sample 1");
}

#[test]
fn names_of_other_frameworks_are_corrected() {
    let layer = "[[layer]]\ntype = \"linear\"\nweight = [[1, 2]]\nbias = [0]\nactivation = \"tanh\"\n";
    let trace = trace_of(&format!("title = \"t\"\ninput = [1, 2]\ntarget = 1\nloss = \"squared_error\"\n{layer}"));
    for (name, meant) in [
        ("grad.fc1.w", "grad.fc1.weight"),
        ("fc1.weight.grad", "grad.fc1.weight"),
        ("grad.fc1", "grad.fc1.a"),
        ("fc1", "fc1.a"),
        ("fc1.logits", "fc1.z"),
        ("fc1.out", "fc1.a"),
        ("Grad.fc1.bais", "grad.fc1.bias"),
    ] {
        let message = trace.resolve(&name.parse().expect(name)).expect_err(name);
        assert_eq!(message, format!("there is no op {name}; did you mean {meant}?"));
    }
}

#[test]
fn the_uses_of_an_entry_are_the_steps_that_read_it() {
    let trace = figure_14();
    let b = trace.network().find("b").expect("b");
    let (run_index, entry) = (0, 0);
    let ops: Vec<String> =
        trace.uses(run_index, b, entry).iter().map(|found| trace.network().tensor(found.tensor).name.to_string()).collect();
    assert_eq!(ops, ["u", "grad.a"]);
}

#[test]
fn a_value_that_threads_computed_together_is_the_sum_of_its_terms() {
    for (path, text) in
        [("figure-01", include_str!("../../scenarios/figure-01.toml")), ("every-layer", include_str!("../../tests/valid/every-layer.toml"))]
    {
        let scenario =
            read(Source { name: path.into(), path_shown: path.into(), text: text.into() }, Limits::default()).expect("no faults");
        let run = Run::new(&scenario.network, &scenario.sample_tensors(0));
        for (op_index, op) in scenario.network.ops().iter().enumerate() {
            for (entry, value) in run.values(op.output).iter().enumerate() {
                let terms = |(rule, x): &(&dyn Rule, Operands<'_>)| rule.prefix_terms(x, entry + 1) - rule.prefix_terms(x, entry);
                let add = |sum, part: (&dyn Rule, Operands<'_>)| part.0.add_first_terms(&part.1, entry, terms(&part), sum);
                // an entry without terms is 0; a sum of terms starts at −0, so that a single term −0 keeps its sign
                let start = if run.terms(op, op_index, entry) == 0 { 0.0 } else { -0.0 };
                let sum: f64 = run.parts(op, op_index).fold(start, add);
                assert_eq!(sum.to_bits(), value.to_bits(), "{path}: {} {entry}", scenario.network.tensor(op.output).name);
            }
        }
    }
}

thread_local! {
    /// The work for running sums on this thread: the number of parts looked at plus the number of added terms.
    pub(super) static WORK: Cell<u64> = const { Cell::new(0) };
}

fn trace_of(text: &str) -> Trace {
    let source = Source { name: "test".into(), path_shown: "test".into(), text: text.into() };
    let scenario = read(source, Limits::default()).expect("no faults");
    Trace::of_iteration(1, scenario.descent().iteration(1).runs)
}

/// Returns the work of computing these steps one after another, and the work of computing the last of them again.
fn work_of(trace: &Trace, steps: Range<u64>) -> (u64, u64) {
    let before = WORK.get();
    let sums: Vec<f64> = steps.clone().map(|k| trace.get(k).expect("a step").sum).collect();
    let all = WORK.get() - before;
    let last = trace.get(steps.end - 1).expect("a step");
    assert_eq!(last.sum.to_bits(), sums[sums.len() - 1].to_bits());
    (all, WORK.get() - before - all)
}

/// Returns a trace with reductions of 12,000 parts, one for each sample.
fn many_samples() -> Trace {
    let samples = (0..12_000).map(|n| format!("[[sample]]\ninput = [{}]\ntarget = [1]\n", n % 7)).collect::<Vec<_>>().concat();
    let layer = "[[layer]]\ntype = \"linear\"\nweight = [[0.5]]\nbias = [0.25]\n";
    trace_of(&format!("title = \"many\"\nloss = \"squared_error\"\n{samples}{layer}"))
}

#[test]
fn a_step_in_a_long_sum_needs_little_work_after_the_first_step_there() {
    let long = trace_of(
        "title = \"long\"\ninput = { init = \"normal\", seed = 1, shape = [1, 200, 200] }\ntarget = { init = \"normal\", seed = 2 }\n\
         loss = \"squared_error\"\n[[layer]]\ntype = \"conv2d\"\nout_channels = 1\nkernel_size = 3\npadding = 1\n\
         weight = { init = \"he_normal\", seed = 3 }\nbias = { init = \"zeros\" }\nactivation = \"relu\"\n\
         [[layer]]\ntype = \"layer_norm\"\n",
    );
    let many = many_samples();
    let of_long = ["loss", "grad.conv1.weight[0,0,1,1]", "grad.conv1.bias[0]", "norm1.mean", "norm1.var", "grad.norm1.rstd"];
    let addresses = of_long.map(|op| (&long, op)).into_iter().chain([(&many, "reduce:loss"), (&many, "reduce:grad.fc1.weight")]);
    for (trace, op) in addresses {
        let first = trace.resolve(&op.parse().expect("an address")).expect(op);
        let terms = trace.position(first).expect("a step").terms;
        assert!(terms >= 12_000, "{op} has {terms} terms");
        // only the first request of a step may add all terms before it. A term and its part count 2, so the limits leave some room
        let (first_request, _) = work_of(trace, first + terms / 2..first + terms / 2 + 1);
        assert!(first_request <= 3 * terms, "{op}: {first_request}");
        // a hundred steps add the terms since the last checkpoint, and themselves. The last step again adds only terms since the checkpoint
        let (hundred, again) = work_of(trace, first + terms / 2..first + terms / 2 + 100);
        assert!(hundred <= 4 * INTERVAL && again <= 2 * INTERVAL, "{op}: {hundred} and {again} of {terms} terms");
        let (earlier_steps, _) = work_of(trace, first + 100..first + 200);
        assert!(earlier_steps <= 4 * INTERVAL, "{op}: {earlier_steps}");
    }
}

#[test]
fn a_screen_asks_for_the_terms_around_its_step_and_adds_few_terms_again() {
    let trace = many_samples();
    let first = trace.resolve(&"reduce:loss".parse().expect("an address")).expect("a step");
    // steps on both sides of a checkpoint
    let now = first + 4 * INTERVAL;
    let ask = |step: u64| trace.get(step).expect("a step").sum;
    ask(now);
    // after a step back, there are more stored sums near the step
    ask(now - 20);
    let before = WORK.get();
    let mut asked = 0;
    for step in now..now + 10 {
        // requests the step, and then the terms that the screen shows around it
        for around in std::iter::once(step).chain(step - 20..step + 20) {
            ask(around);
            asked += 1;
        }
    }
    let work = WORK.get() - before;
    // for each request, a term, its part and the part of the next term, which count 3; for the first request of each of the 10 screens, up to 32 terms and
    // their parts, which count 64
    assert!(work <= 4 * asked + 10 * 80, "{work} for {asked} requests");
}

/// A step back finds a stored sum that is at most 32 terms before it. Only the first step back in an interval of 1024 terms adds up to 1024 terms again.
#[test]
fn steps_back_in_a_long_sum_add_few_terms_again() {
    let trace = many_samples();
    let first = trace.resolve(&"reduce:loss".parse().expect("an address")).expect("a step");
    let now = first + 5 * INTERVAL - 1;
    let ask = |step: u64| trace.get(step).expect("a step").sum;
    ask(now);
    let before = WORK.get();
    for step in (now - 256..now).rev() {
        ask(step);
    }
    let work = WORK.get() - before;
    // a term and its part count 2. Each of the 256 steps adds 16 terms on average, and the first step back adds up to 1024 terms. The limit allows 1024 terms
    // more, and a count of 1024
    assert!(work <= 2 * (256 * 16 + 2 * 1024) + 1024, "{work}");
}

#[test]
fn moves_between_long_entries_add_no_sum_again() {
    let many = many_samples();
    let last_steps = ["reduce:loss", "reduce:grad.fc1.weight", "reduce:grad.fc1.bias"].map(|op| {
        let first = many.resolve(&op.parse().expect("an address")).expect(op);
        first + many.position(first).expect("a step").terms - 1
    });
    let long = trace_of(
        "title = \"long\"\ninput = { init = \"normal\", seed = 1, shape = [20000] }\ntarget = { init = \"normal\", seed = 2 }\nloss = \"squared_error\"\n\
         [[layer]]\ntype = \"layer_norm\"\n",
    );
    let of_long = ["norm1.mean", "norm1.var", "loss"].map(|op| {
        let first = long.resolve(&op.parse().expect("an address")).expect(op);
        first + long.position(first).expect("a step").terms - 1
    });
    for (trace, steps) in [(&many, last_steps), (&long, of_long)] {
        let ask = || steps.map(|step| trace.get(step).expect("a step").sum.to_bits());
        let sums = ask();
        let before = WORK.get();
        assert_eq!((ask(), ask()), (sums, sums));
        let work = WORK.get() - before;
        // for each of the six requests, one term and the parts around it
        assert!(work <= 6 * 4, "{work}");
    }
}

/// Requests the last step of the first entry of an op, and returns the work. The sum must have the same bits as the value that the kernel computed.
fn work_of_last_step(trace: &Trace, op: &str) -> u64 {
    let first = trace.resolve(&op.parse().expect("an address")).expect(op);
    let last = first + trace.position(first).expect("a step").terms - 1;
    let before = WORK.get();
    let step = trace.get(last).expect("a step");
    let work = WORK.get() - before;
    let at = trace.position(last).expect("a step");
    let value = trace.run(at.run_index).values(trace.op_at(&at).output)[at.entry];
    assert_eq!(step.sum.to_bits(), value.to_bits(), "{op}");
    work
}

#[test]
fn the_sum_of_very_many_parts_is_not_added_up_again() {
    let trace = many_samples();
    for op in ["reduce:loss", "reduce:grad.fc1.weight", "reduce:grad.fc1.bias"] {
        let work = work_of_last_step(&trace, op);
        // the run has stored a sum at most 1024 parts before; a term and its part count 2
        assert!(work <= 3 * INTERVAL, "{op}: {work}");
    }
}

#[test]
fn a_long_sum_of_a_single_entry_is_not_added_up_again() {
    let trace = trace_of(
        "title = \"long\"\ninput = { init = \"normal\", seed = 1, shape = [50000] }\ntarget = { init = \"normal\", seed = 2 }\nloss = \"squared_error\"\n\
         [[layer]]\ntype = \"layer_norm\"\n",
    );
    for op in ["norm1.mean", "norm1.var", "grad.norm1.rstd", "loss"] {
        let work = work_of_last_step(&trace, op);
        // the run has stored a sum at most 8192 terms before
        assert!(work <= 9000, "{op}: {work} for 50,000 terms");
    }
}

#[test]
fn a_term_without_its_running_sum_adds_nothing() {
    let trace = many_samples();
    let first = trace.resolve(&"reduce:loss".parse().expect("an address")).expect("a step");
    for step in [first + 11_000, first + 3000, first + 7000] {
        let at = trace.position(step).expect("a step");
        let before = WORK.get();
        let (without, part) = trace.step_without_sum(&at);
        assert_eq!(trace.part_at(&at), part);
        assert_eq!(WORK.get() - before, 0);
        let with = trace.step(&at);
        assert!(without.sum.is_nan());
        assert_eq!(Step { sum: with.sum, ..without }, with);
    }
}

#[test]
fn stored_running_sums_do_not_change_a_step() {
    let text = "title = \"sum\"\ninput = { init = \"normal\", seed = 1, shape = [3000] }\ntarget = [0.5, 0.25]\nloss = \"squared_error\"\n\
                [[layer]]\ntype = \"linear\"\nout_features = 2\nweight = { init = \"he_normal\", seed = 3 }\nbias = [1, 2]\nactivation = \"tanh\"\n";
    let trace = trace_of(text);
    let steps = (1..=trace.len()).map(|k| trace.get(k).expect("a step"));
    // a new trace has no stored sums
    let from_new_trace = |k: u64| trace_of(text).get(k).expect("a step");
    // alternates between an early and a late step, so that each request finds stored sums of another entry
    for step in steps.step_by(233) {
        let from_end = trace.len() + 1 - step.step;
        assert_eq!(trace.get(from_end), Some(from_new_trace(from_end)));
        assert_eq!(step, from_new_trace(step.step));
    }
}

/// A visitor that counts the steps.
struct Count(u64);

impl StepVisitor for Count {
    fn op(&mut self, _at: &Position) {}
    fn entry(&mut self, _at: &Position) {}
    fn step(&mut self, _at: &Position, _part: usize, _term: &Term, _sum: f64) {
        self.0 += 1;
    }
}

/// Two traversals take turns at visiting 1024 steps, as two threads do. The reductions have one part for each sample.
#[test]
fn the_work_of_traversals_grows_linearly_with_the_number_of_steps() {
    let trace = many_samples();
    let (mut traversals, mut count) = ([Traversal::new(&trace), Traversal::new(&trace)], Count(0));
    let before = WORK.get();
    for (number, first) in (1..=trace.len()).step_by(1024).enumerate() {
        let (traversal, end) = (&mut traversals[number % 2], (first + INTERVAL).min(trace.len() + 1));
        traversal.go_to(first);
        while traversal.visit_entry(end, &mut count) {}
    }
    assert_eq!(count.0, trace.len());
    assert!(WORK.get() - before <= 4 * trace.len(), "{} for {} steps", WORK.get() - before, trace.len());
}

/// Four traversals take turns, as four threads do. Each makes only the parts that it visits, not those of the others.
#[test]
fn traversals_that_take_turns_make_each_part_once() {
    let trace = many_samples();
    let first = trace.resolve(&"reduce:loss".parse().expect("an address")).expect("a step");
    let (mut traversals, mut count) = ([(); 4].map(|()| Traversal::new(&trace)), Count(0));
    let before = WORK.get();
    for (number, from) in (first..=trace.len()).step_by(1024).enumerate() {
        let traversal = &mut traversals[number % 4];
        traversal.go_to(from);
        while traversal.visit_entry((from + INTERVAL).min(trace.len() + 1), &mut count) {}
    }
    let steps = trace.len() + 1 - first;
    assert_eq!(count.0, steps);
    // the part of each step, and the sums before the first step of each traversal's turn: each step adds a part and a term. One more for each step is allowed
    assert!(WORK.get() - before <= 4 * steps, "{} for {steps} steps", WORK.get() - before);
}
