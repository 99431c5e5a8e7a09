//! Tests that `trace --format csv` and `--format markdown` have the content of the JSON lines, cell by cell.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use csv::{ReaderBuilder, Terminator, WriterBuilder};
use serde_json::Value;

/// The columns of the table for each value of `--level`.
const LEVELS: [(&str, &str); 3] = [
    ("step", "iteration,sample,step,pass,op,index,term,terms,kind,function,factors,value,sum"),
    ("entry", "iteration,sample,pass,op,index,first,terms,value"),
    ("op", "iteration,sample,pass,op,shape,first,steps"),
];

/// The columns whose cells are not numbers.
const WORDS: [&str; 7] = ["pass", "op", "index", "shape", "kind", "function", "factors"];

#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    command.arg("trace").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A value of a JSON line as a cell.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(Value::to_string).collect::<Vec<_>>().join(","),
        value => value.to_string(),
    }
}

/// The factors of a step as a cell.
fn factors(step: &Value) -> String {
    let factor = |factor: &Value| match (&factor["of"], &factor["name"]) {
        (Value::Number(of), name) => format!("{of} of {}", cell(name)),
        (_, Value::Null) => cell(&factor["value"]),
        (_, name) => {
            let index = cell(&factor["index"]);
            let index = if index.is_empty() { index } else { format!("[{index}]") };
            format!("{}{index}={}", cell(name), cell(&factor["value"]))
        }
    };
    let factors: Vec<String> = step["factors"].as_array().expect("a list").iter().map(factor).collect();
    factors.join(if step["kind"] == "product" { " * " } else { ", " })
}

/// The rows of the expected table, made from JSON lines. The first row is the header.
fn expected_rows(lines: &str, columns: &str) -> Vec<Vec<String>> {
    let columns: Vec<&str> = columns.split(',').collect();
    let row = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(line.as_object().expect("an object").len(), columns.len());
        columns.iter().map(|column| if *column == "factors" { factors(&line) } else { cell(&line[column]) }).collect()
    };
    let header = columns.iter().map(|column| (*column).to_owned()).collect();
    [header].into_iter().chain(lines.lines().map(row)).collect()
}

fn parsed(csv: &str) -> Vec<Vec<String>> {
    let mut reader = ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
    reader.records().map(|record| record.expect("CSV").iter().map(str::to_owned).collect()).collect()
}

/// The rows as CSV, written by the crate `csv` with the line ends of RFC 4180.
fn written(rows: &[Vec<String>]) -> String {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("a vector");
    }
    String::from_utf8(writer.into_inner().expect("a vector")).expect("UTF-8")
}

/// The cells of a line of Markdown, without the escaping backslashes.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut escaped) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            '|' if !escaped => cells.push(String::new()),
            c => cells.last_mut().expect("a cell").push(c),
        }
        escaped = false;
    }
    assert_eq!((cells[0].as_str(), cells[cells.len() - 1].as_str()), ("", ""), "{line}");
    let cell = |cell: &String| {
        let inside = cell.strip_prefix(' ').and_then(|cell| cell.strip_suffix(' '));
        inside.unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    cells[1..cells.len() - 1].iter().map(cell).collect()
}

/// Compares the tables of a scenario with its JSON lines, and returns all cells.
fn compared(arguments: &[&str]) -> HashSet<String> {
    let mut seen = HashSet::new();
    for (level, columns) in LEVELS {
        let table = |format: &str| printed(&[arguments, &["--level", level, "--format", format]].concat());
        let rows = expected_rows(&table("jsonl"), columns);
        let csv = table("csv");
        assert!(parsed(&csv) == rows, "{arguments:?} {level}");
        assert!(csv == written(&rows), "{arguments:?} {level}");
        let markdown = table("markdown");
        let mut lines = markdown.lines();
        let names = cells(lines.next().expect("a header"));
        assert_eq!(names, rows[0]);
        let alignments = cells(lines.next().expect("a second line"));
        for (name, alignment) in names.iter().zip(alignments) {
            assert_eq!(alignment, if WORDS.contains(&name.as_str()) { ":---" } else { "---:" }, "{name}");
        }
        assert!(lines.map(cells).eq(rows[1..].iter().cloned()), "{arguments:?} {level}");
        seen.extend(rows.into_iter().flatten());
    }
    seen
}

fn scenarios(folder: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect(folder);
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "toml"));
    files.sort();
    files
}

#[test]
fn tables_have_the_content_of_the_json_lines() {
    let mut seen = HashSet::new();
    let files: Vec<PathBuf> = ["scenarios", "tests/valid", "tests/corners", "tests/oracle"].into_iter().flat_map(scenarios).collect();
    assert!(files.len() > 60, "{}", files.len());
    for file in files {
        let file = file.to_str().expect("UTF-8");
        // a trace is short if its last op begins early
        let last_op: Value = serde_json::from_str(printed(&[file, "--level", "op"]).lines().last().expect("an op")).expect("JSON");
        if last_op["first"].as_u64().expect("a number") < 3_000 {
            seen.extend(compared(&[file]));
        }
    }
    for cell in ["inf", "-inf", "nan", "-0.0", "0.0"] {
        assert!(seen.contains(cell), "no cell is {cell}");
    }
}

#[test]
fn a_slice_is_written_as_one_factor() {
    let folder = tempfile::tempdir().expect("a folder");
    // the 17 arguments of the softmax are one more than a step lists one by one
    let file = folder.path().join("wide.toml");
    let text = "title = \"t\"\ninput = { init = \"linspace\", start = -1, stop = 1, shape = [17] }\ntarget = 0\nloss = \"cross_entropy\"\n\
        [[layer]]\ntype = \"activation\"\nfunction = \"softmax\"\n";
    fs::write(&file, text).expect("a file");
    let seen = compared(&[file.to_str().expect("UTF-8")]);
    assert!(seen.iter().any(|cell| cell.contains("17 of input")), "{seen:?}");
}

/// Names may contain characters that are special in Markdown and CSV.
#[test]
fn any_name_fits_into_a_cell() {
    let folder = tempfile::tempdir().expect("a folder");
    let layers = "title = \"t\"\ninput = [1, -2]\ntarget = 0\nloss = \"squared_error\"\n\
        [[layer]]\nname = \"_a-B_9\"\ntype = \"linear\"\nweight = [[1, 2]]\nactivation = \"relu\"\n\
        [[layer]]\nname = \"__\"\ntype = \"linear\"\nweight = [[-1]]\nactivation = \"tanh\"\n\
        [[layer]]\nname = \"x--_y\"\ntype = \"linear\"\nweight = [[0.5]]\n";
    let graph = "title = \"t\"\n[graph]\ninputs = { _ = 3, a__b = 2 }\nnodes = [\"__u = _ * a__b\", \"J_ = -__u / _\"]\n";
    for (name, text, op) in [("layers", layers, "_a-B_9.z"), ("graph", graph, "__u")] {
        let file = folder.path().join(name).with_extension("toml");
        fs::write(&file, text).expect("a file");
        let seen = compared(&[file.to_str().expect("UTF-8")]);
        assert!(seen.contains(op), "{seen:?}");
    }
}

#[test]
fn a_table_is_the_same_with_any_number_of_threads() {
    let range = ["figure-01", "--from", "300000", "--to", "310007"];
    for format in ["csv", "markdown"] {
        let table = |threads: &str| printed(&[&range[..], &["--format", format, "--threads", threads]].concat());
        let on_one_thread = table("1");
        // 10,008 steps and a header
        assert!(on_one_thread.lines().count() > 10_008, "{}", on_one_thread.lines().count());
        assert_eq!(on_one_thread.matches("iteration").count(), 1, "one header");
        for threads in ["2", "3", "9"] {
            assert!(table(threads) == on_one_thread, "{format} with {threads} threads");
        }
    }
    compared(&range);
}
