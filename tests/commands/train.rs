//! `gradstep train` with several scenarios prints the losses side by side. They equal those of each scenario alone.

use std::fs;

use serde_json::Value;
use tempfile::tempdir;

use super::{printed, refused};

/// A line through two points, with these settings of its descent.
fn line(settings: &str) -> String {
    format!(
        "title = \"A line\"\nloss = \"squared_error\"\nsample = [{{ input = [1], target = 2 }}, {{ input = [2], target = 3 }}]\n\
         [[layer]]\ntype = \"linear\"\nweight = [[0]]\nbias = [0]\n[train]\niterations = 30\n{settings}"
    )
}

#[test]
fn several_runs_are_those_of_each_scenario_alone() {
    let folder = tempdir().expect("a folder");
    let files =
        [("sgd", "learning_rate = 0.1\n"), ("momentum", "learning_rate = 0.1\nmomentum = 0.5\n"), ("adam", "optimizer = \"adam\"\n")].map(
            |(name, settings)| {
                let path = folder.path().join(format!("{name}.toml"));
                fs::write(&path, line(settings)).expect("written");
                path.to_str().expect("a name").to_owned()
            },
        );
    let arguments: Vec<&str> = files.iter().map(String::as_str).collect();
    let all = printed(&[&["train", "--format", "json"], &arguments[..]].concat());
    let all: Value = serde_json::from_str(&all).expect("JSON");
    let runs = all["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 3);
    for (file, run) in arguments.iter().zip(runs) {
        let alone: Value = serde_json::from_str(&printed(&["train", "--format", "json", file])).expect("JSON");
        assert_eq!(alone, *run, "{file}");
    }
    let table = printed(&[&["train"], &arguments[..]].concat());
    for (letter, words) in [
        ("a", "sgd       sgd, learning_rate 0.1"),
        ("b", "momentum  sgd, learning_rate 0.1, momentum 0.5"),
        ("c", "adam      adam, learning_rate 0.001"),
    ] {
        assert!(table.contains(&format!("{letter}  {words}")), "the legend names {letter}: {table}");
        let chart = table.split_once("┤").expect("a chart").1;
        assert!(chart.contains(letter), "the chart has the curve {letter}: {table}");
    }
    let last = runs[0]["losses"][29].as_f64().expect("a loss").to_string();
    assert!(table.lines().any(|line| line.trim_start().starts_with("30 ") && line.contains(&last)), "{table}");
    // all 30 iterations, and one blank line before the chart
    assert!((1..=30).all(|n| table.lines().any(|line| line.trim_start().starts_with(&format!("{n} ")))), "{table}");
    assert!(table.contains("\n\n") && !table.contains("\n\n\n"), "{table}");
    assert!(printed(&[&["train", "--ascii"], &arguments[..]].concat()).is_ascii());
    let said = refused(2, &["train", arguments[0], "figure-14"]);
    assert!(said.starts_with("error: figure-14 has no [train]"), "{said}");
    let said = refused(2, &["train", arguments[0], arguments[1], "-o", arguments[1]]);
    assert!(said.contains("is an input of this command"), "{said}");
}
