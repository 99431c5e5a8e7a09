//! `trace` prints a line for each step. The values in the lines add up to the tensors.

use std::fs;

use gradstep::app::Document;
use gradstep::command::{ScenarioLoader, bundled};
use gradstep::scenario::Limits;
use serde_json::Value;

use super::{printed, with_input};

/// Recomputes the tensors from the printed steps, and compares them with the output of `grads`.
#[test]
#[allow(clippy::float_cmp)] // bit for bit is the point
fn the_printed_trace_adds_up_to_the_printed_gradients() {
    let grads: Value = serde_json::from_str(&printed(&["grads", "figure-15", "--format", "json"])).unwrap();
    let sample = &grads["samples"][0];
    let mut sum = f64::NAN;
    let mut last = 0;
    for line in printed(&["trace", "figure-15"]).lines() {
        let step: Value = serde_json::from_str(line).unwrap();
        last += 1;
        assert_eq!(step["step"], last);
        let value = step["value"].as_f64().unwrap();
        if step["kind"] == "product" {
            let factors = step["factors"].as_array().unwrap().iter().map(|factor| factor["value"].as_f64().unwrap());
            assert_eq!(factors.reduce(|product, factor| product * factor).unwrap().to_bits(), value.to_bits(), "{line}");
        }
        sum = if step["term"] == 1 { value } else { sum + value };
        assert_eq!(sum.to_bits(), step["sum"].as_f64().unwrap().to_bits(), "{line}");
        if step["term"] == step["terms"] {
            let op = step["op"].as_str().unwrap();
            let tensor = match op.strip_prefix("grad.") {
                Some(of) => &sample["gradients"][of],
                None if op == "loss" => &sample["loss"],
                None => &sample["values"][op],
            };
            let entry = step["index"].as_array().unwrap().iter().fold(tensor, |at, i| &at[usize::try_from(i.as_u64().unwrap()).unwrap()]);
            assert_eq!(entry.as_f64().unwrap().to_bits(), sum.to_bits(), "{line}");
        }
    }
    assert_eq!(printed(&["trace", "figure-15", "--from", &last.to_string()]).lines().count(), 1);
}

/// The steps of each bundled scenario add up to its tensors. The steps are computed but not printed, so that the test is fast enough for all scenarios.
#[test]
fn every_bundled_trace_adds_up_to_its_tensors() {
    for bundled in bundled::ALL {
        let document: Document = ScenarioLoader::bundled(Limits::default()).open(bundled.name).unwrap();
        let trace = &document.trace;
        let (mut sum, mut entries) = (f64::NAN, 0);
        let mut k = 1;
        while let Some(mut at) = trace.position(k) {
            let tensor = trace.run(at.run_index).values(trace.op_at(&at).output);
            for term in 0..at.terms {
                (at.term, at.step) = (term, k);
                let step = trace.step(&at);
                sum = if term == 0 { step.value } else { sum + step.value };
                assert_eq!(sum.to_bits(), step.sum.to_bits(), "{}: step {k}", bundled.name);
                k += 1;
            }
            assert_eq!(sum.to_bits(), tensor[at.entry].to_bits(), "{}: before step {k}", bundled.name);
            entries += 1;
        }
        assert_eq!(k, trace.len() + 1, "{}", bundled.name);
        assert!(entries > 0);
    }
}

#[test]
fn a_mask_is_a_factor_and_not_a_parameter() {
    let scenario = "tests/oracle/made-dropout.toml";
    let lines = printed(&["trace", scenario, "--op", "drop1.a"]);
    let masks = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["factors"][1].clone());
    let masks: Vec<Value> = masks.collect();
    assert!(!masks.is_empty() && masks.iter().all(|mask| mask["name"] == "drop1.mask" && mask["value"] == 1.0), "{masks:?}");
    for arguments in [&["grads", scenario, "--format", "json"][..], &["grads", scenario], &["gradcheck", scenario]] {
        let text = printed(arguments);
        assert!(text.contains("drop1.a") && !text.contains("mask"), "{text}");
    }
    let training = format!("{}\n[train]\nlearning_rate = 0.1\n", fs::read_to_string(scenario).unwrap());
    let learned = with_input(&["train", "-", "--format", "json"], training.as_bytes());
    assert!(learned.out.contains("fc1.weight") && !learned.out.contains("mask"), "{}{}", learned.out, learned.err);
}

#[test]
fn trace_by_level_and_range() {
    insta::assert_snapshot!("text", printed(&["trace", "figure-09", "--format", "text"]));
    insta::assert_snapshot!("jsonl", printed(&["trace", "figure-14", "--from", "2", "--to", "3"]));
    insta::assert_snapshot!("op", printed(&["trace", "figure-18", "--level", "op"]));
    let entries = printed(&["trace", "figure-07", "--level", "entry", "--op", "grad.input"]);
    // four of the sixteen pixels are the maximum of their window; the other twelve have no terms
    assert_eq!(entries.lines().count(), 16);
    assert_eq!(entries.lines().filter(|line| line.contains("\"first\":null,\"terms\":0,\"value\":0.0")).count(), 12);
    assert_eq!(entries, printed(&["trace", "figure-07", "--level", "element", "--op", "grad.input"]), "the earlier name of the level");
    let entry = printed(&["trace", "figure-20", "--format", "text", "--op", "grad.input[0,1,1]"]);
    assert_eq!(entry.lines().count(), 4, "{entry}");
    assert_eq!(printed(&["trace", "figure-18", "--op", "loss", "--level", "op", "--format", "text"]).lines().count(), 1);
}

#[test]
fn a_text_names_the_sample_if_there_are_several() {
    for (level, expected) in [("op", "  2:fc1.z  "), ("entry", "  2:fc1.z[0]  "), ("step", "  2:fc1.z[0]#1 of 3  ")] {
        let lines = printed(&["trace", "xor", "--format", "text", "--level", level]);
        assert_eq!(lines.lines().filter(|line| line.contains(expected)).count(), 1, "{level}: {lines}");
        // an op of the batch, such as the loss of the batch, has no sample's number; if there is a single sample, no op has a number
        assert!(lines.contains("  loss") && !lines.contains("5:"), "{level}");
        assert!(!printed(&["trace", "figure-09", "--format", "text", "--level", level]).contains("1:"), "{level}");
    }
}
