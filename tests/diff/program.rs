//! Runs `gradstep diff` as a process, and checks its output and its exit status for right, wrong and faulty files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gradstep::weights::npz;
use tempfile::{TempDir, tempdir};

/// The exit status of the program and its output, without lines of progress.
pub struct Run {
    pub status: i32,
    pub out: String,
    pub err: String,
}

pub fn run(arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_gradstep")).args(arguments).output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    // a slow machine prints lines of progress
    let is_progress = |line: &str| line.contains(", after ") && line.ends_with(" s\n");
    let err = text(output.stderr).split_inclusive('\n').filter(|line| !is_progress(line)).collect();
    Run { status: output.status.code().expect("a status"), out: text(output.stdout), err }
}

/// A network of two layers with the loss C = ½ (a − t)². [`RIGHT`] has its gradients.
const NET: &str = "title = \"two layers\"\nloss = \"squared_error\"\ninput = [1, 2, -1]\ntarget = [1]\n\n[[layer]]\ntype = \"linear\"\n\
    weight = [[0.5, -0.25, 1], [1, 0.5, -0.5]]\nbias = [0.125, 0.375]\nactivation = \"relu\"\n\n[[layer]]\ntype = \"linear\"\nweight = [[2, 0.75]]\nbias = [0.1]\n";

/// Writes the network and a file of gradients into a folder. Returns the folder and the paths of both files.
fn with_file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf, PathBuf) {
    let folder = tempdir().expect("a folder");
    let [net, mine] = ["net.toml", name].map(|name| folder.path().join(name));
    fs::write(&net, NET).expect("a file");
    fs::write(&mine, bytes).expect("a file");
    (folder, net, mine)
}

fn diff_file(name: &str, bytes: &[u8], options: &[&str]) -> Run {
    let (_folder, net, mine) = with_file(name, bytes);
    run(&[&["diff", net.to_str().expect("UTF-8"), mine.to_str().expect("UTF-8")], options].concat())
}

/// The gradients of the network, by hand: z = [−0.875, 2.875], a = [0, 2.875], the output 2.25625 and so C′ = 2.25625 − 1.
const RIGHT: [(&str, &[usize], &[f64]); 4] = [
    ("fc1.weight", &[2, 3], &[0.0, 0.0, 0.0, 0.942_187_5, 1.884_375, -0.942_187_5]),
    ("fc1.bias", &[2], &[0.0, 0.942_187_5]),
    ("fc2.weight", &[1, 2], &[0.0, 3.611_718_75]),
    ("fc2.bias", &[1], &[1.256_25]),
];

fn right() -> Vec<(String, &'static [usize], Vec<f64>)> {
    RIGHT.iter().map(|(name, shape, values)| ((*name).to_owned(), *shape, values.to_vec())).collect()
}

fn as_json(tensors: &[(String, &[usize], Vec<f64>)]) -> String {
    let nested = |shape: &[usize], values: &[f64]| match *shape {
        [_, columns] => format!("{:?}", values.chunks(columns).collect::<Vec<_>>()),
        _ => format!("{values:?}"),
    };
    let fields: Vec<String> = tensors.iter().map(|(name, shape, values)| format!("{name:?}: {}", nested(shape, values))).collect();
    format!("{{{}}}", fields.join(", "))
}

fn as_npz(tensors: &[(String, &[usize], Vec<f64>)]) -> Vec<u8> {
    let named: Vec<npz::NamedTensor<'_>> = tensors.iter().map(|(name, shape, values)| (name.clone(), *shape, &values[..])).collect();
    let mut bytes = Vec::new();
    npz::write(&mut bytes, &named).expect("a vector takes all bytes");
    bytes
}

fn as_safetensors(tensors: &[(String, &[usize], Vec<f64>)]) -> Vec<u8> {
    let (mut fields, mut data) = (Vec::new(), Vec::new());
    for (name, shape, values) in tensors {
        let begin = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        fields.push(format!("{name:?}:{{\"dtype\":\"F64\",\"shape\":{shape:?},\"data_offsets\":[{begin},{}]}}", data.len()));
    }
    let header = format!("{{{}}}", fields.join(","));
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

fn as_npy(shape: &[usize], values: &[f64]) -> Vec<u8> {
    let shape: Vec<String> = shape.iter().map(|n| format!("{n},")).collect();
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}), }}", shape.join(" "));
    // the length of a file's start is a multiple of 64: 10 bytes before the header, the header and its newline
    header += &" ".repeat((64 - (header.len() + 11) % 64) % 64);
    header.push('\n');
    let length = u16::try_from(header.len()).expect("a short header").to_le_bytes();
    let values = values.iter().flat_map(|value| value.to_le_bytes());
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat().into_iter().chain(values).collect()
}

#[test]
fn right_gradients_are_equal_in_every_format_and_under_other_names() {
    let right = right();
    let renamed = |names: [&str; 4]| {
        right.iter().zip(names).map(|((_, shape, values), name)| (name.to_owned(), *shape, values.clone())).collect::<Vec<_>>()
    };
    let torch = renamed(["0.weight", "0.bias", "2.weight", "2.bias"]);
    let student = renamed(["dW1", "db1", "dW2", "db2"]);
    let backwards: Vec<_> = student.iter().rev().cloned().collect();
    for (name, bytes) in [
        ("mine.json", as_json(&right).into_bytes()),
        ("mine.npz", as_npz(&right)),
        ("mine.safetensors", as_safetensors(&right)),
        ("torch.json", as_json(&torch).into_bytes()),
        ("torch.safetensors", as_safetensors(&torch)),
        ("student.npz", as_npz(&student)),
        ("backwards.json", as_json(&backwards).into_bytes()),
    ] {
        let found = diff_file(name, &bytes, &[]);
        assert_eq!((found.status, found.err.as_str()), (0, ""), "{name}: {}", found.out);
        assert!(found.out.starts_with("two layers: all 4 gradients are right\n"), "{name}: {}", found.out);
        let is_named = name.starts_with("mine");
        assert_eq!(found.out.contains("matched by order and shape: "), !is_named, "{name}: {}", found.out);
    }
    let (_, shape, values) = &right[0];
    let one = diff_file("w.npy", &as_npy(shape, values), &["--tensor", "fc1.weight"]);
    assert_eq!((one.status, one.err.as_str()), (0, ""), "{}", one.out);
    assert!(one.out.starts_with("two layers: the gradient is right; 3 others are not compared\n"), "{}", one.out);
    // a bias with one more axis of size 1, and a transposed weight
    let (_, _, bias) = &right[1];
    let column = diff_file("mine.json", format!("{{\"fc1.bias\": [[{}], [{}]]}}", bias[0], bias[1]).as_bytes(), &[]);
    assert_eq!(column.status, 0, "{}{}", column.out, column.err);
    let rows: Vec<[f64; 2]> = (0..3).map(|column| [values[column], values[3 + column]]).collect();
    let transposed = diff_file("mine.json", format!("{{\"fc1.weight\": {rows:?}}}").as_bytes(), &[]);
    assert_eq!(transposed.status, 0, "{}{}", transposed.out, transposed.err);
    assert!(transposed.out.contains("the transpose of ours"), "{}", transposed.out);
}

/// Tensors without a gradient are not compared, and a note says why. An explicit name that does not exist is an error.
#[test]
fn what_is_not_compared_is_said() {
    let bias = "\"fc2.bias\": [1.25625]";
    let found = diff_file("mine.json", format!("{{\"loss\": 0.5, \"target\": [[1]], {bias}}}").as_bytes(), &[]);
    assert_eq!((found.status, found.err.as_str()), (0, ""), "{}", found.out);
    for note in [
        "note: loss is left out: it is the loss itself, not a gradient\n",
        "note: target is left out: it is a target, and no gradient is computed for it\n",
    ] {
        assert!(found.out.contains(note), "{}", found.out);
    }
    let (_, shape, values) = &right()[1];
    let one = as_npy(shape, values);
    for (name, said) in [
        ("fc9.bias", "there is no tensor fc9.bias; did you mean fc1.bias?"),
        ("fc1.bais", "did you mean fc1.bias?"),
        ("x9", "there is no tensor x9"),
    ] {
        let found = diff_file("w.npy", &one, &["--tensor", name]);
        assert_eq!((found.status, found.out.as_str()), (2, ""), "{name}");
        assert!(found.err.contains(said), "{name}: {}", found.err);
    }
    // all tensors of the file are matched before `--tensor` chooses one of them
    let torch: Vec<_> = right()
        .into_iter()
        .zip(["0.weight", "0.bias", "2.weight", "2.bias"])
        .map(|((_, shape, values), name)| (name.to_owned(), shape, values))
        .collect();
    let found = diff_file("mine.npz", &as_npz(&torch), &["--tensor", "2.bias"]);
    assert!(
        found.out.starts_with(
            "two layers: the gradient is right; 3 others are not compared\nnote: matched by order and shape: 2.bias is fc2.bias\n"
        ),
        "{}{}",
        found.out,
        found.err
    );
}

/// The name `x` is not a name of a network of layers: a note says what it is taken for.
#[test]
fn a_usual_name_of_the_input_has_a_note() {
    let found = diff_file("mine.json", b"{\"x\": [1, 2, 3]}", &[]);
    assert!(found.out.contains("note: x is taken for input\n"), "{}{}", found.out, found.err);
    let found = diff_file("mine.json", b"{\"input\": [1, 2, 3]}", &[]);
    assert!(!found.out.contains("is taken for"), "{}{}", found.out, found.err);
}

/// A name that would colour the terminal, and turn the direction of the text.
const HOSTILE: &str = "\\u001b[31m\\u202eevil";

#[test]
fn each_faulty_file_has_its_error_message() {
    let many: Vec<String> = (0..100_000).map(|n| format!("\"t{n}\": {n}")).collect();
    let many = format!("{{{}}}", many.join(","));
    let deep = format!("{{\"fc1.bias\": {}", "[".repeat(100_000));
    let npz = as_npz(&right());
    for (name, bytes, said) in [
        ("mine.json", &b"{\"fc1.wieght\": [1, 2, 3, 4, 5, 6, 7]}"[..], "did you mean fc1.weight?"),
        ("mine.json", b"{\"3:fc1.z\": [1, 2]}", "there is no sample 3 in this iteration"),
        ("mine.json", b"{\"fc1.bias\": [1, 2", "line 1, column 19: expected a comma or ], not the end of the file; the file is incomplete"),
        ("mine.json", b"{\"fc1.bias\": [1, 2], \"fc1.bias\": [1, 2]}", "\"fc1.bias\" is there twice, first in line 1, column 2"),
        ("mine.json", b"{\"fc1.bias\": [1, null]}", "write NaN for a number that is missing"),
        (
            "mine.json",
            b"{\"ids\": [[], []]}",
            "no tensor of the file can be compared: ids is left out: it has no numbers, its shape is 2x0",
        ),
        ("mine.json", b"{\"fc1.bias\": \"hello\"}", "\"fc1.bias\" is not a nested array of numbers"),
        ("mine.json", b"{}", "it has no tensors"),
        ("mine.json", b"[[1, 2]]", "it is one tensor without a name; say which one it is: --tensor fc1.weight"),
        ("mine.json", b"", "expected a value, not the end of the file"),
        (
            "mine.json",
            b"{\"loss\": 3, \"values.fc1.z\": [1, 2]}",
            "loss is left out: it is the loss itself, not a gradient; values.fc1.z is left out: it is a value, not a gradient",
        ),
        ("mine.json", many.as_bytes(), "at most 65535 are read"),
        ("mine.json", deep.as_bytes(), "arrays and objects are nested deeper than 40"),
        ("mine.npz", &npz[..npz.len() - 40], "mine.npz: "),
        ("mine.npz", b"PK", "mine.npz: "),
        ("mine.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}", "mine.safetensors: "),
        ("mine.npy", b"\x93NUMPY", "mine.npy: "),
        ("mine.pt", b"\x80\x02}", "it is not a file that torch.save has written"),
        ("mine.txt", b"1 2 3", "gradients are read from .json, .npy, .npz, .safetensors, .pt or .pth"),
    ] {
        let found = diff_file(name, bytes, &[]);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        assert_eq!((found.status, found.out.as_str()), (2, ""), "{shown}: {}", found.err);
        assert!(found.err.contains(said), "{shown}: {}", found.err);
        assert!(found.err.len() < 2000 && !found.err.trim_end().contains(|c: char| c.is_control()), "{shown}: {:?}", found.err);
    }
    let without_name = diff_file("w.npy", &as_npy(&[2], &[1.0, 2.0]), &[]);
    assert!(without_name.status == 2 && without_name.err.contains("say which one it is: --tensor"), "{}", without_name.err);
    let no_file = run(&["diff", "figure-14", "no-such-file.json"]);
    assert_eq!((no_file.status, no_file.err.as_str()), (2, "error: there is no file no-such-file.json\n"));
    // the advice for a pipe or for `-` is not to try the other one
    let piped = run(&["diff", "figure-14", "-"]);
    let said = "error: gradients are read from a file, whose name gives their format, and not from the standard input\n";
    assert_eq!((piped.status, piped.err.as_str()), (2, said));
    if cfg!(unix) {
        let device = run(&["diff", "figure-14", "/dev/zero"]);
        let said = "error: /dev/zero is not a regular file; write what it contains to a file first\n";
        assert_eq!((device.status, device.err.as_str()), (2, said));
    }
}

/// The learning rate of `diff` follows the rule of the scenario file and of an edit: it is not 0, and a negative one increases the loss.
#[test]
fn the_learning_rate_is_any_number_except_0() {
    let gradients = as_json(&right());
    for (rate, status) in [("0.1", 0), ("-0.1", 0), ("1e-3", 0), ("0", 2), ("-0.0", 2), ("nan", 2), ("inf", 2), ("x", 2)] {
        let found = diff_file("mine.json", gradients.as_bytes(), &["--learning-rate", rate]);
        assert_eq!(found.status, status, "{rate}: {}", found.err);
        assert_eq!(found.err.contains("write a number that is not 0, such as 0.1"), status == 2, "{rate}: {}", found.err);
    }
}

/// A tensor with an axis of size 0 has no numbers to compare. It changes nothing for the others, not even if they are matched by their order.
#[test]
fn the_other_tensors_of_a_file_with_an_empty_one_are_compared() {
    let names = ["1.weight", "1.bias", "5.weight", "5.bias"];
    let renamed = || right().into_iter().zip(names).map(|((_, shape, values), name)| (name.to_owned(), shape, values));
    let with_empty: Vec<_> = [("0.ids".to_owned(), &[2, 0][..], Vec::new())].into_iter().chain(renamed()).collect();
    let json = as_json(&renamed().collect::<Vec<_>>()).replacen('{', "{\"0.ids\": [[], []], ", 1);
    for (name, bytes) in [("m.json", json.into_bytes()), ("m.npz", as_npz(&with_empty)), ("m.safetensors", as_safetensors(&with_empty))] {
        let found = diff_file(name, &bytes, &[]);
        assert_eq!((found.status, found.err.as_str()), (0, ""), "{name}: {}", found.out);
        assert!(found.out.starts_with("two layers: all 4 gradients are right\n"), "{name}: {}", found.out);
        assert!(found.out.contains("0.ids is left out: it has no numbers, its shape is 2x0"), "{name}: {}", found.out);
    }
    // a gradient of the network has numbers, so the shape is wrong
    let found = diff_file("m.json", as_json(&right()).replace("[0.0, 0.9421875]", "[]").as_bytes(), &[]);
    assert_eq!((found.status, found.err.as_str()), (1, ""), "{}", found.out);
    assert!(found.out.contains("its shape is 0, but must be 2"), "{}", found.out);
}

#[test]
fn hostile_names_are_escaped_and_bad_numbers_are_reported() {
    let hostile = format!("{{\"{HOSTILE}\": [1], \"fc1.bias\": [0, 1e400], \"fc2.weight\": [[1, 2, 3]], \"fc2.bias\": [NaN]}}");
    let found = diff_file("mine.json", hostile.as_bytes(), &[]);
    assert_eq!((found.status, found.err.as_str()), (1, ""));
    assert!(!found.out.contains(['\u{1b}', '\u{202e}']) && found.out.contains("<U+001B>[31m<U+202E>evil"), "{}", found.out);
    for said in [
        "its shape is 1x3, but must be 1x2",
        "not finite  fc1.bias",
        "yours inf",
        "not finite  fc2.bias",
        "yours nan",
        "missing     fc1.weight",
    ] {
        assert!(found.out.contains(said), "{said}: {}", found.out);
    }
}

/// `diff` names the first number of the file that is not finite, and counts the tensors that are not computed from it: no gradient of a parameter is computed
/// from another one.
#[test]
fn the_first_number_that_is_not_finite_is_named() {
    let nan = "{\"fc2.bias\": [1.25625], \"fc2.weight\": [[0, NaN]], \"fc1.bias\": [NaN, NaN], \"fc1.weight\": [[0, 0, 0], [Infinity, NaN, NaN]]}";
    let found = diff_file("mine.json", nan.as_bytes(), &[]);
    assert_eq!((found.status, found.err.as_str()), (1, ""));
    let why = "why     fc2.weight[0,1] is the first number of the file that is not finite: nan; 2 other tensors are not computed from it";
    assert!(found.out.contains(why) && found.out.contains("a division by 0, a logarithm of 0 or an overflow"), "{}", found.out);
    // the reason is given once
    assert_eq!(found.out.matches("first number of the file that is not finite").count(), 1, "{}", found.out);
    let json = diff_file("mine.json", nan.as_bytes(), &["--format", "json"]);
    assert!(json.out.contains("\"id\":\"not-finite\""), "{}", json.out);
}

/// The gradients of samples have one line, with the worst entry of all.
#[test]
fn the_samples_of_a_tensor_have_one_line() {
    let folder = tempdir().expect("a folder");
    let mine = folder.path().join("mine.json");
    // the numbers of the samples 1 to 3 are wrong, and the shape of sample 4
    fs::write(&mine, "{\"1:fc2.z\": [100], \"2:fc2.z\": [3], \"3:fc2.z\": [3], \"4:fc2.z\": [3, 4]}").expect("a file");
    let found = run(&["diff", "xor", mine.to_str().expect("UTF-8")]);
    assert_eq!((found.status, found.err.as_str()), (1, ""));
    for said in [
        "which   fc2.z of samples 1 to 4\n",
        "  different  fc2.z of samples 1 to 3  3 of 3 entries",
        "; largest difference 99.5, at 1:fc2.z[0]: yours 100",
        "  shape      4:fc2.z ",
    ] {
        assert!(found.out.contains(said), "{said}: {}", found.out);
    }
}

/// The folder of the planted mistakes.
fn plants() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diff/plants")
}

/// If one gradient is rounded and another has a wrong sign, not all of them differ only by rounding.
#[test]
fn a_rounded_gradient_beside_a_wrong_one_is_counted_as_wrong() {
    let right = right();
    let changed = |name: &str, value: f64| match name {
        "fc1.weight" => -value,
        _ => format!("{value:.2e}").parse().expect("a number"),
    };
    let mine: Vec<_> = right
        .iter()
        .map(|(name, shape, values)| (name.clone(), *shape, values.iter().map(|value| changed(name, *value)).collect()))
        .collect();
    let found = diff_file("mine.json", as_json(&mine).as_bytes(), &[]);
    assert!(found.out.starts_with("two layers: 4 of 4 gradients are wrong\n"), "{}", found.out);
    assert!(found.out.contains("rounded to 3 significant digits") && found.out.contains("the sign is wrong"), "{}", found.out);
}

/// Typical outputs. Whoever knows backpropagation and not this program should understand them.
#[test]
fn typical_outputs() {
    let manifest = fs::read_to_string(plants().join("manifest.json")).expect("the manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let cases = manifest["cases"].as_array().expect("a list");
    let of_plant = |name: &str| {
        let case = cases.iter().find(|case| case["name"] == name).unwrap_or_else(|| panic!("no case {name}"));
        let path = |field: &str| plants().join(case[field].as_str().expect("a path")).to_string_lossy().into_owned();
        run(&["diff", &path("scenario"), &path("mine")])
    };
    let mut all = String::new();
    let mut add = |title: &str, found: Run| {
        all.extend(["== ", title, &format!(" (exit status {})\n", found.status), &found.out, &found.err, "\n"]);
    };
    for name in
        ["kernel-not-flipped-1", "activation-derivative-missing-1", "sum-instead-of-mean-1", "broadcast-not-summed-1", "two-1", "none-1"]
    {
        add(name, of_plant(name));
    }
    let right = right();
    let changed = |change: fn(&str, f64) -> f64| {
        let changed_tensor = |(name, shape, values): &(String, &'static [usize], Vec<f64>)| {
            (name.clone(), *shape, values.iter().map(|value| change(name, *value)).collect::<Vec<f64>>())
        };
        as_json(&right.iter().map(changed_tensor).collect::<Vec<_>>())
    };
    add("right", diff_file("mine.json", changed(|_, value| value).as_bytes(), &[]));
    add("rounded", diff_file("mine.json", changed(|_, value| format!("{value:.2e}").parse().expect("a number")).as_bytes(), &[]));
    add("a sign", diff_file("mine.json", changed(|name, value| if name == "fc1.weight" { -value } else { value }).as_bytes(), &[]));
    add("other names", diff_file("mine.json", changed(|_, value| value).replace("fc1", "net.0").replace("fc2", "net.2").as_bytes(), &[]));
    add("another shape", diff_file("mine.json", b"{\"fc1.weight\": [[1, 2], [3, 4]], \"fc2.bias\": [NaN]}", &[]));
    insta::assert_snapshot!("typical", all);
}
