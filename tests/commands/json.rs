//! The JSON of `check`, `gradcheck` and `diff` has exactly the fields of the schemas in `docs/`, and `docs/json.md` describes them.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use gradstep::command::bundled;
use serde_json::{Value, json};
use tempfile::tempdir;

use super::{Run, command, finish, gradstep};

const PAGE: &str = include_str!("../../docs/json.md");

/// A valid graph. `EXPECTED` stands for the expected ∂J/∂a; the right number is 4.
const NET: &str = "title = \"J = 2(ab + c)\"\n\n[graph]\ninputs = { a = 3, b = 2, c = 4 }\nnodes  = [\"u = a * b\", \"v = u + c\", \"J = 2 * v\"]\n\n[[expect]]\nat = \"grad.a\"\nvalue = EXPECTED\n";

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/{name}.schema.json"));
    serde_json::from_str(&fs::read_to_string(path).expect("a schema")).expect("JSON")
}

/// Returns the errors of a report by the schema of the command `name`.
fn schema_errors(name: &str, report: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(&schema(name)).expect("a valid schema");
    validator.iter_errors(report).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Returns the report of a run of the command `name`. Checks that the schema accepts it, and that it agrees with the exit status.
#[track_caller]
fn report(name: &str, run: &Run) -> Value {
    assert_eq!(run.out.lines().count(), 1, "{}{}", run.out, run.err);
    let report: Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(schema_errors(name, &report), Vec::<String>::new(), "{report:#}");
    let passed = report["passed"].as_bool().expect("a boolean");
    assert_eq!(run.status == 0, passed, "{report:#}");
    report
}

/// Runs a command in a folder that has only the scenario `net` in the file `net.toml`.
fn with_net(net: &str, arguments: &[&str]) -> Run {
    let folder = tempdir().expect("a folder");
    fs::write(folder.path().join("net.toml"), net).expect("a file");
    let mut command = command(arguments);
    command.current_dir(folder.path());
    finish(command)
}

/// The examples of the page, in their order.
fn examples() -> Vec<Value> {
    let blocks = PAGE.split("```json\n").skip(1).map(|after| after.split("```").next().expect("an end"));
    blocks.map(|block| serde_json::from_str(block).expect("JSON")).collect()
}

#[test]
fn check_has_the_fields_of_its_schema() {
    let names: Vec<&str> = bundled::ALL.iter().map(|bundled| bundled.name).collect();
    let all = report("check", &gradstep(&[&["check", "--format", "json"], names.as_slice()].concat()));
    assert_eq!(all["files"].as_array().expect("a list").len(), names.len());
    assert_eq!(all["files"][0]["expectations"], json!(bundled_expectations(names[0])));

    let run = with_net(&NET.replace("EXPECTED", "5"), &["check", "figure-14", "net.toml", "--format", "json"]);
    let wrong = report("check", &run);
    assert_eq!((run.status, &wrong["files"][0]["result"], run.err.as_str()), (1, &json!("passed"), ""));
    // the example has only the second file
    assert_eq!(json!({"format": 1, "passed": false, "files": [wrong["files"][1]]}), examples()[0], "the example of the page");

    // an infinite number, and a whole tensor
    let run = with_net(
        "title = \"t\"\nloss = \"squared_error\"\ninput = [1e200, 1]\ntarget = [1, 1]\n[[layer]]\ntype = \"linear\"\nweight = [[1, 0], [0, 1]]\n\
        [[expect]]\nat = \"loss\"\nvalue = 1\n[[expect]]\nat = \"fc1.z\"\nvalue = [2, 3]\nsource = \"a guess\"\n",
        &["check", "net.toml", "--format", "json"],
    );
    let wrong = report("check", &run);
    let deviations = &wrong["files"][0]["deviations"];
    assert_eq!(deviations[0]["first"]["computed"], json!("inf"), "{wrong:#}");
    assert_eq!(deviations[1]["first"]["at"], json!("fc1.z[0]"));
    assert_eq!((&deviations[1]["more"], &deviations[1]["source"]), (&json!(1), &json!("a guess")));
    // an iteration that the descent does not reach
    let run = with_net(
        "title = \"t\"\nloss = \"squared_error\"\ninput = [1]\ntarget = [1]\n[[layer]]\ntype = \"linear\"\nweight = [[2]]\n\
        [train]\nlearning_rate = 0.1\niterations = 9\ntolerance = 1e3\n[[expect]]\nat = \"9/loss\"\nvalue = 0\n",
        &["check", "net.toml", "--format", "json"],
    );
    let unreached = &report("check", &run)["files"][0]["deviations"][0];
    assert_eq!(unreached["error"], json!("there is no iteration 9: the tolerance ends the descent at 2"), "{unreached:#}");
}

/// The number of `[[expect]]` in a bundled scenario.
fn bundled_expectations(name: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{name}.toml"));
    fs::read_to_string(path).expect("a scenario").lines().filter(|line| *line == "[[expect]]").count()
}

#[test]
fn check_reports_invalid_and_unreadable_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/invalid");
    let mut files: Vec<String> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| format!("tests/invalid/{}", entry.expect("an entry").file_name().to_string_lossy()))
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let all = report("check", &gradstep(&[&["check", "--format", "json"], files.as_slice()].concat()));
    for file in all["files"].as_array().expect("a list") {
        let unreadable = file["result"] == json!("unreadable");
        assert!(unreadable || file["fault_count"].as_u64() >= Some(1), "{file:#}");
        assert!(unreadable || !file["faults"][0]["message"].as_str().expect("a text").contains(char::is_control), "{file:#}");
    }
    let run = with_net("title = \"t\"\nnodse = 1\n", &["check", "net.toml", "none.toml", "--format", "json"]);
    let found = report("check", &run);
    assert_eq!((run.status, run.err.as_str()), (2, ""));
    assert_eq!(found["files"][0]["faults"][0]["line"], json!(2), "{found:#}");
    assert_eq!(found["files"][1]["error"], json!("there is no file none.toml"));
}

#[test]
fn gradcheck_has_the_fields_of_its_schema() {
    for bundled in bundled::ALL {
        report("gradcheck", &gradstep(&["gradcheck", bundled.name, "--entries", "3", "--format", "json"]));
    }
    let run = with_net(&NET.replace("EXPECTED", "5"), &["gradcheck", "net.toml", "--format", "json"]);
    let mut right = report("gradcheck", &run);
    // the example has only the tensor grad.a
    let of_a = right["tensors"].as_array().expect("a list").iter().find(|tensor| tensor["name"] == json!("grad.a")).cloned();
    right["tensors"] = json!([of_a]);
    assert_eq!(right, examples()[1], "the example of the page");
    // nothing can be compared, a kink, and an infinite derivative
    let graph = |node: &str, x: &str| format!("title = \"t\"\n[graph]\ninputs = {{ x = {x} }}\nnodes = [\"J = {node}\"]\n");
    let failed = report("gradcheck", &with_net(&graph("log(x)", "0"), &["gradcheck", "net.toml", "--format", "json"]));
    assert_eq!((&failed["passed"], &failed["tensors"][0]["worst"]), (&json!(false), &Value::Null), "{failed:#}");
    let kink = report("gradcheck", &with_net(&graph("abs(x)", "0"), &["gradcheck", "net.toml", "--format", "json"]));
    assert_eq!(kink["tensors"][1]["kinks"], json!(1), "{kink:#}");
    report("gradcheck", &with_net(&graph("sqrt(x)", "0"), &["gradcheck", "net.toml", "--format", "json"]));
    let invalid = with_net("title = 1\n", &["gradcheck", "net.toml", "--format", "json"]);
    assert_eq!((invalid.status, invalid.out.as_str()), (1, ""));
}

/// Returns the report of `diff`. Checks that the schema accepts it, and that it agrees with the exit status.
#[track_caller]
fn diff_report(run: &Run) -> Value {
    assert_eq!(run.out.lines().count(), 1, "{}{}", run.out, run.err);
    let report: Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(schema_errors("diff", &report), Vec::<String>::new(), "{report:#}");
    assert_eq!(run.status == 0, report["equal"] == json!(true), "{report:#}");
    report
}

#[test]
fn diff_has_the_fields_of_its_schema() {
    let with_mine = |net: &str, mine: &str| {
        let folder = tempdir().expect("a folder");
        fs::write(folder.path().join("net.toml"), net).expect("a file");
        fs::write(folder.path().join("mine.json"), mine).expect("a file");
        let mut command = command(&["diff", "net.toml", "mine.json", "--format", "json"]);
        command.current_dir(folder.path());
        finish(command)
    };
    let net = NET.replace("EXPECTED", "4");
    let found = diff_report(&with_mine(&net, "{\"a\": 2, \"c\": 2}"));
    assert_eq!(found, examples()[2], "the example of the page");
    let equal = diff_report(&with_mine(&net, "{\"a\": 4, \"b\": 6, \"c\": 2}"));
    assert_eq!((&equal["first"], &equal["causes"], &equal["patterns"]), (&Value::Null, &json!([]), &json!([])));
    // a number that is not finite, and another shape
    let strange = diff_report(&with_mine(&net, "{\"grad.a\": NaN, \"c\": [2, 2]}"));
    let status = |name: &str| {
        let tensor =
            strange["tensors"].as_array().expect("a list").iter().find(|tensor| tensor["name"] == json!(name)).expect(name).clone();
        (tensor["status"].clone(), tensor["wrong"].clone(), tensor["worst"].clone())
    };
    assert_eq!(status("a"), (json!("not_finite"), Value::Null, Value::Null));
    assert_eq!(status("c"), (json!("shape"), Value::Null, Value::Null));
    assert_eq!(status("b"), (json!("missing"), Value::Null, Value::Null));
    let infinite = "title = \"t\"\n[graph]\ninputs = { x = 0 }\nnodes = [\"J = log(x)\"]\n";
    let infinite = diff_report(&with_mine(infinite, "{\"x\": 1}"));
    assert_eq!(infinite["tensors"][0]["worst"]["right"], json!("inf"), "{infinite:#}");
    // an invalid scenario, and a file without any name of a gradient
    for (net, mine) in [("title = 1\n", "{\"a\": 2}"), (&*net, "{\"z\": [1, 2]}")] {
        let run = with_mine(net, mine);
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{}", run.err);
    }
}

/// Each object of a schema allows only its own fields and requires all of them, except the two optional fields of `diff`. The page names all fields.
#[test]
fn every_field_is_documented() {
    let words: HashSet<&str> = PAGE.split('`').skip(1).step_by(2).collect();
    for (number, name) in ["check", "gradcheck", "diff"].into_iter().enumerate() {
        let schema = schema(name);
        assert_eq!(schema["$schema"], json!("https://json-schema.org/draft/2020-12/schema"));
        assert!(PAGE.contains(&format!("({name}.schema.json)")));
        let mut objects = 0;
        for (title, object) in schema["$defs"].as_object().expect("definitions") {
            let Some(fields) = object["properties"].as_object() else { continue };
            objects += 1;
            assert_eq!(object["additionalProperties"], json!(false), "{name}: {title}");
            let fields: HashSet<&str> = fields.keys().map(String::as_str).collect();
            let mut required: HashSet<&str> = object["required"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
            // a tensor in the report of `diff` has these two fields only if they differ from its name
            if fields.contains("given") {
                required.extend(["given", "source"]);
            }
            assert_eq!(fields, required, "{name}: {title}");
            for field in fields {
                assert!(words.contains(field), "docs/json.md does not describe {field} of {name}");
            }
        }
        assert!(objects >= 3, "{name}");
        // an additional or a missing field is an error, at the top level and inside
        let list = if name == "check" { "files" } else { "tensors" };
        let example = examples().swap_remove(number);
        assert_eq!(schema_errors(name, &example), Vec::<String>::new());
        for pointer in ["", &format!("/{list}/0")] {
            let mut with_extra = example.clone();
            with_extra.pointer_mut(pointer).expect("an object")["extra"] = json!(1);
            assert!(!schema_errors(name, &with_extra).is_empty(), "{name}{pointer}: an additional field is accepted");
            let mut without_first = example.clone();
            let fields = without_first.pointer_mut(pointer).and_then(Value::as_object_mut).expect("an object");
            let first = fields.keys().next().expect("a field").clone();
            fields.remove(&first);
            assert!(!schema_errors(name, &without_first).is_empty(), "{name}{pointer}: a missing field is accepted");
        }
    }
}
