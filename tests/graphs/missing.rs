//! A name without a value gets the shape that its uses imply. The test removes values from a complete scenario, and compares the inferred shapes with those of
//! the removed values.

use std::collections::HashMap;
use std::fs;

use gradstep::scenario::{Limits, Scenario, Source, read};
use toml_edit::{DocumentMut, TableLike};

use crate::numbers::{files, open, run, stem};

/// Scenarios with a batch of matrices whose text is also valid for a single matrix.
const MATRICES: &[&str] = &["product-matmul-matrix-batch", "product-matmul-vector-batch"];

fn parse(text: String) -> Result<Scenario, String> {
    let source = Source { name: "t".into(), path_shown: "t.toml".into(), text };
    read(source, Limits::default()).map_err(|faults| faults.to_string())
}

/// A line that the help tells the user to paste: the name, the value, and the comment at its end.
struct Line<'m> {
    name: &'m str,
    value: &'m str,
    comment: &'m str,
}

/// Returns the lines that an error message tells the user to add.
fn lines(message: &str) -> Vec<Line<'_>> {
    let after = message.split("add below [graph.").skip(1).flat_map(str::lines);
    let lines = after.filter_map(|line| line.trim().split_once(" = ").filter(|(name, _)| !name.contains(' ')));
    lines
        .map(|(name, rest)| {
            let (value, comment) = rest.split_once("  # ").unwrap_or((rest, ""));
            Line { name: name.trim_matches('"'), value, comment }
        })
        .collect()
}

/// Returns the sizes of `{ init = …, shape = [2, ?] }`, with `None` for the question mark. Returns `None` for a value without a shape.
fn shape(value: &str) -> Option<Vec<Option<usize>>> {
    let sizes = value.split_once("shape = [")?.1.split_once(']')?.0;
    Some(sizes.split(", ").filter(|size| !size.is_empty()).map(|size| size.parse().ok()).collect())
}

/// Returns a message if a line does not fit the true shape of the name.
fn difference(line: &Line<'_>, true_shape: &[usize]) -> Option<String> {
    let Some(sizes) = shape(line.value) else {
        let is_wrong = !line.value.starts_with('?') && !true_shape.is_empty();
        return is_wrong.then(|| format!("{} = {} has the shape {true_shape:?}", line.name, line.value));
    };
    // "at least 3 rows": the size of the first axis is the smallest that the indices allow
    let is_lower_bound = line.comment.contains("at least");
    let fits = |sizes: &[Option<usize>]| {
        sizes.len() == true_shape.len()
            && sizes.iter().zip(true_shape).enumerate().all(|(axis, (size, true_size))| match size {
                Some(size) if axis == 0 && is_lower_bound => size <= true_size,
                Some(size) => size == true_size,
                None => true,
            })
    };
    // [n, m] with the comment "or [n]"
    let or_vector = line.comment.contains("or [") && fits(&sizes[..1]);
    // if another shape is possible, the comment says so
    let or_other = line.comment.contains("broadcasts with")
        || line.comment.contains("or probabilities")
        || line.comment.contains("or more axes") && fits_end(&sizes, true_shape);
    (!fits(&sizes) && !or_vector && !or_other)
        .then(|| format!("{} = {}  # {}, but it has the shape {true_shape:?}", line.name, line.value, line.comment))
}

/// Returns whether the true shape ends with these sizes.
fn fits_end(sizes: &[Option<usize>], true_shape: &[usize]) -> bool {
    sizes.len() <= true_shape.len()
        && sizes.iter().rev().zip(true_shape.iter().rev()).all(|(size, true_size)| size.is_none_or(|size| size == *true_size))
}

#[test]
fn implied_shapes_are_those_of_the_removed_values() {
    let (mut removed_names, mut implied, mut complete, mut pasted, mut wrong) = (0, 0, 0, 0, Vec::new());
    for path in files("oracle").into_iter().chain(files("exercises")) {
        let text = fs::read_to_string(&path).expect("the file can be read");
        if MATRICES.contains(&stem(&path)) {
            continue;
        }
        let scenario = open(&path).unwrap_or_else(|faults| panic!("{faults}"));
        let (network, _) = run(&scenario);
        let document: DocumentMut = text.parse().expect("TOML");
        let keys = |key: &str| {
            let table = document["graph"].get(key).and_then(|table| table.as_table_like());
            table.map(|table| table.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>()).unwrap_or_default()
        };
        let (inputs, constants) = (keys("inputs"), keys("constants"));
        let true_shapes: HashMap<&str, Vec<usize>> = inputs
            .iter()
            .chain(&constants)
            .filter_map(|name| {
                let first = network.find(&format!("{name}@0")).or_else(|| network.find(name))?;
                Some((name.as_str(), network.tensor(first).shape.clone()))
            })
            .collect();
        // removes each name alone, and then all inputs at once
        let singles = inputs.iter().chain(&constants).map(std::slice::from_ref);
        for removed in singles.chain([&inputs[..]]) {
            let mut shortened = document.clone();
            for key in ["inputs", "constants"] {
                if let Some(table) = shortened["graph"].get_mut(key).and_then(|table| table.as_table_like_mut()) {
                    for name in removed {
                        table.remove(name);
                    }
                }
            }
            // the scenario may be valid without the names
            let Err(message) = parse(shortened.to_string()) else { continue };
            let lines = lines(&message);
            removed_names += removed.len();
            implied += lines.iter().filter(|line| !line.value.starts_with('?')).count();
            let what = format!("{} without {}", stem(&path), removed.join(", "));
            wrong.extend(lines.iter().filter_map(|line| Some(format!("{what}: {}", difference(line, true_shapes.get(line.name)?)?))));
            // if no line has a question mark, the lines complete the scenario
            if lines.len() == removed.len() && lines.iter().all(|line| !line.value.contains('?')) {
                complete += 1;
                let rows: Vec<String> = lines.iter().map(|line| format!("\"{}\" = {}", line.name, line.value)).collect();
                let added: DocumentMut = rows.join("\n").parse().expect("TOML");
                let key = if message.contains("[graph.constants]") { "constants" } else { "inputs" };
                if shortened["graph"].get(key).is_none() {
                    shortened["graph"][key] = toml_edit::table();
                }
                let target: &mut dyn TableLike = shortened["graph"][key].as_table_like_mut().expect("a table");
                added.iter().for_each(|(name, value)| drop(target.insert(name, value.clone())));
                match parse(shortened.to_string()) {
                    Ok(_) => pasted += 1,
                    // a comment says that another shape is possible
                    Err(_) if lines.iter().any(|line| line.comment.contains("or ")) => {}
                    Err(message) => wrong.push(format!("{what}, with the lines pasted: {message}")),
                }
            }
        }
    }
    println!("{removed_names} names, {implied} shapes, {complete} scenarios without a question mark, {pasted} of them valid");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(implied > 800 && pasted > 700, "{implied} shapes, {pasted} pasted");
}

/// `np.split` takes the number of pieces, `torch.split` the size of a piece. A bare `split` may be either. Of the 6 columns of x, a piece has 3 with `np.split`
/// and 2 with `torch.split`, and W has a row for each.
#[test]
fn a_piece_of_np_split_and_of_torch_split_has_the_implied_size() {
    for (call, sizes) in [("np.split", Some(vec![Some(3), None])), ("torch.split", Some(vec![Some(2), None])), ("split", None)] {
        let text = format!(
            "title = \"t\"\n[graph]\nnodes = \"\"\"\na, b = {call}(x, 2, 1)\nJ = (a @ W).sum()\n\"\"\"\n[graph.inputs]\nx = [[1, 2, 3, 4, 5, 6]]\n"
        );
        let message = parse(text).map(|_| ()).expect_err(call);
        let all = lines(&message);
        let line = all.iter().find(|line| line.name == "W");
        assert_eq!(line.and_then(|line| shape(line.value)), sizes, "{call}: {message}");
    }
}

/// `extend` adds the items of a list, `append` one item.
#[test]
fn a_list_that_is_extended_has_the_implied_number_of_items() {
    for (added, size) in [("hs.extend([x, x])", 3), ("hs.append(x)", 2)] {
        let text = format!(
            "title = \"t\"\n[graph]\nnodes = \"\"\"\nhs = [x]\n{added}\na = torch.stack(hs)\nJ = (W @ a).sum()\n\"\"\"\n[graph.inputs]\nx = [1, 2, 3, 4, 5, 6]\n"
        );
        let message = parse(text).map(|_| ()).expect_err(added);
        assert!(message.contains(&format!("the last size is {size}")), "{added}: {message}");
    }
}
