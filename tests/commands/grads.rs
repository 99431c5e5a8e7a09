//! `grads` prints the same numbers as a table, as JSON and as an npz file. Also tests the tables of `train` and `gradcheck`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use gradstep::weights::{npz, opener};
use serde_json::Value;
use tempfile::tempdir;

use super::{command, printed, refused, with_input};

#[test]
fn grads_as_tables() {
    insta::assert_snapshot!("tables-graph", printed(&["grads", "figure-14"]));
    insta::assert_snapshot!("tables-graph-of-tensors", printed(&["grads", "softmax-cross-entropy"]));
    insta::assert_snapshot!("tables-network", printed(&["grads", "figure-18"]));
}

#[test]
fn grads_as_json() {
    insta::assert_snapshot!("json-graph", printed(&["grads", "figure-14", "--format", "json"]));
    insta::assert_snapshot!("json-network", printed(&["grads", "figure-18", "--format", "json"]));
}

#[test]
fn grads_json_agrees_with_pytorch() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    for name in ["graph-004", "made-conv-groups", "made-graph-infinite", "made-linear-scalar", "made-softmax-saturated"] {
        let path = folder.join(format!("{name}.toml"));
        let computed: Value = serde_json::from_str(&printed(&["grads", path.to_str().unwrap(), "--format", "json"])).unwrap();
        let expected: Value = serde_json::from_str(&fs::read_to_string(folder.join(format!("{name}.expected.json"))).unwrap()).unwrap();
        for (key, value) in expected.as_object().unwrap() {
            assert!(agrees(&computed[key], value), "{name}: {key}: {} and {value}", computed[key]);
        }
    }
}

/// Returns whether `computed` has every value of `expected`, with a relative error of at most 1e-10. For numbers below 1e-3, the absolute error is at most
/// 1e-13.
fn agrees(computed: &Value, expected: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    };
    match (computed, expected) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agrees(a, b)),
        (Value::Object(a), Value::Object(b)) => b.iter().all(|(key, b)| a.get(key).is_some_and(|a| agrees(a, b))),
        (a, b) if a == b => true,
        (a, b) => match (number(a), number(b)) {
            (Some(a), Some(b)) => a.to_bits() == b.to_bits() || (a - b).abs() <= 1e-10 * b.abs().max(1e-3),
            _ => false,
        },
    }
}

/// Returns the shape and the numbers of each tensor of an .npz, by its name.
fn unpacked(bytes: Vec<u8>) -> HashMap<String, (Vec<usize>, Vec<f64>)> {
    let archive = opener("x.npz").unwrap()(bytes).unwrap();
    let names = archive.names().unwrap().list().to_vec();
    let tensor = |index| {
        let layout = archive.layout(index).unwrap();
        (layout.shape().to_vec(), layout.numbers(&archive.bytes(index).unwrap()).unwrap())
    };
    names.into_iter().enumerate().map(|(index, name)| (name, tensor(index))).collect()
}

/// Returns the shape and the numbers of nested arrays.
fn flattened(value: &Value) -> (Vec<usize>, Vec<f64>) {
    let Value::Array(items) = value else { return (Vec::new(), vec![value.as_f64().unwrap()]) };
    let items: Vec<_> = items.iter().map(flattened).collect();
    let shape = [&[items.len()], &items[0].0[..]].concat();
    (shape, items.into_iter().flat_map(|(_, numbers)| numbers).collect())
}

#[test]
fn the_npz_has_the_numbers_of_the_json() {
    for name in ["figure-14", "mazur-2-2-2", "figure-20"] {
        let mut npz = unpacked(command(&["grads", name, "--format", "npz"]).output().unwrap().stdout);
        let json: Value = serde_json::from_str(&printed(&["grads", name, "--format", "json"])).unwrap();
        let sample = &json["samples"][0];
        let groups = [
            ("", &json["gradients"]),
            ("parameters.", &json["parameters"]),
            ("values.", &sample["values"]),
            ("gradients.", &sample["gradients"]),
        ];
        for (group, tensors) in groups {
            for (tensor, value) in tensors.as_object().into_iter().flatten() {
                assert_eq!(npz.remove(&format!("{group}{tensor}")), Some(flattened(value)), "{group}{tensor} of {name}");
            }
        }
        let only_in_npz: Vec<&str> = npz.keys().map(String::as_str).collect();
        if name == "figure-14" {
            assert!(only_in_npz.is_empty(), "{only_in_npz:?}"); // a graph's loss is the value of its output
        } else {
            assert_eq!((only_in_npz, &npz["loss"]), (vec!["loss"], &flattened(&json["loss"])));
        }
    }
}

#[test]
fn a_file_with_weights_is_read_and_not_overwritten() {
    let folder = tempdir().unwrap();
    let (net, weights) = (folder.path().join("net.toml"), folder.path().join("w.npz"));
    fs::write(
        &net,
        "title = \"t\"\ninput = [1, 2]\ntarget = [1]\nloss = \"squared_error\"\n[[layer]]\ntype = \"linear\"\n\
         weight = { file = \"w.npz\", key = \"fc1.weight\" }\n",
    )
    .unwrap();
    let named = [("fc1.weight".to_owned(), &[1, 2][..], &[0.5, -1.0][..])];
    npz::write(&mut fs::File::create(&weights).unwrap(), &named).unwrap();
    let before = fs::read(&weights).unwrap();
    let (net, weights) = (net.to_str().unwrap(), weights.to_str().unwrap());
    assert_eq!(printed(&["check", net]), format!("ok  {net}\n"));
    for arguments in [&["grads", net, "--format", "npz"][..], &["trace", net], &["show", net, "--at", "first"]] {
        let said = refused(2, &[arguments, &["-o", weights]].concat());
        assert!(said.contains("would be lost"), "{said}");
    }
    assert_eq!(fs::read(weights).unwrap(), before);
    // a scenario from stdin has no folder
    let piped = with_input(&["check", "-"], &fs::read(net).unwrap());
    assert_eq!(piped.status, 1);
    assert!(piped.out.contains("it comes from the standard input, so it has no folder"), "{}", piped.out);
}

/// The table says which losses it leaves out, and from which iteration on the loss is infinite or NaN.
#[test]
fn the_table_of_a_descent_names_the_losses_that_it_leaves_out() {
    let folder = tempdir().expect("a folder");
    let train = |rate: &str, iterations: u32| {
        let file = folder.path().join("line.toml");
        let text = format!(
            "title = \"a line\"\ninput = [1]\ntarget = [2]\nloss = \"squared_error\"\n[train]\nlearning_rate = {rate}\niterations = {iterations}\n\
             [[layer]]\ntype = \"linear\"\nweight = [[1]]\nbias = [0]\n"
        );
        fs::write(&file, text).expect("a file");
        printed(&["train", file.to_str().expect("a name")])
    };
    let (one, many, diverging) = (train("0.1", 1), train("0.1", 50), train("1e9", 50));
    assert!(one.contains("\n1 iteration\n"), "{one}");
    assert!(many.contains("\n50 iterations; one loss in 2 is shown, and the last\n") && !many.contains("finite"), "{many}");
    // the losses of the iterations 1, 2, 4, 6, …, 50
    assert_eq!(many.lines().filter(|line| line.contains("  loss  ")).count(), 26, "{many}");
    let first = diverging.lines().find_map(|line| line.strip_prefix("from iteration ")?.split(' ').next()?.parse().ok());
    let first: usize = first.expect("a warning with the first iteration whose loss is not finite");
    // the iteration of a row, and whether its loss is infinite or NaN
    let row = |line: &str| Some((line.trim().split(' ').next()?.parse::<usize>().ok()?, line.contains("inf") || line.contains("nan")));
    let rows: Vec<(usize, bool)> = diverging.lines().filter(|line| line.contains("  loss  ")).filter_map(row).collect();
    assert!(rows.len() > 10 && rows.iter().all(|(n, is_not_finite)| *is_not_finite == (*n >= first)), "{first}: {diverging}");
}

#[test]
fn gradcheck_prints_a_row_for_each_tensor() {
    // at most 20 entries of each tensor
    let text = printed(&["gradcheck", "figure-01", "--entries", "20"]);
    assert!(text.contains("only 326 of 94806 derivatives were checked\n"), "{text}");
    assert!(text.contains(" of 326 derivatives agree with central differences within 1e-6\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let text = printed(&["gradcheck", "figure-19"]);
    assert!(!text.contains("were checked") && text.contains("agree with central differences within 1e-6\n"), "{text}");
    let json: Value = serde_json::from_str(&printed(&["gradcheck", "figure-19", "--format", "json"])).unwrap();
    assert_eq!((&json["passed"], &json["tolerance"]), (&Value::Bool(true), &Value::from(1e-6)));
    let tensors = json["tensors"].as_array().unwrap();
    let weight = tensors.iter().find(|tensor| tensor["name"] == "grad.conv1.weight").expect("the weight");
    assert_eq!((&weight["entries"], &weight["off"], &weight["kinks"]), (&Value::from(4), &Value::from(0), &Value::from(0)));
    assert!(weight["worst"]["at"].as_str().unwrap().starts_with("grad.conv1.weight[0,0,"), "{weight}");
}

#[test]
fn zero_has_no_sign_in_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zero.toml");
    std::fs::write(&path, "title = \"zero\"\n[graph]\ninputs = { a = -0.0, b = 2.0 }\nnodes = [\"J = a * b\"]\n").unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(printed(&["grads", path]), "zero\n\n   value  gradient\na      0         2\nb      2         0\nJ      0         1\n");
    // JSON, for other programs, keeps the sign
    assert!(printed(&["grads", path, "--format", "json"]).contains("-0.0"));
}
