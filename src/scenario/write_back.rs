//! Writes changed numbers into the text of a scenario file. The user changes numbers in the stepper and then saves them with `W`. Everything else in the text
//! stays: the other numbers, the comments, the order and the layout.
//!
//! For example, if `weight[1,0]` has become 5, `weight = [[1, 2], [3, 4]]` becomes `weight = [[1, 2], [5, 4]]`. If the text has a rule instead of numbers, such
//! as `weight = { init = "zeros" }`, the changed tensor is written to a new file, and the text becomes `weight = { file = "net-fc1.weight.npz", key =
//! "fc1.weight" }`.

use std::sync::Arc;

use toml_edit::{Array, DocumentMut, InlineTable, Item, TableLike, Value};

use super::axes::{self, FileLayout, IMAGE_LAYOUT, LAYOUT, WEIGHT_LAYOUT};
use super::edit::ChangedTensor;
use super::optimizer;
use super::{Scenario, stacked};
use crate::network::{Id, Role};
use crate::tensor::{Tensor, flat, from_flat};

/// The changed text of a scenario.
#[derive(Debug)]
pub struct WrittenScenario {
    /// The text.
    pub text: String,
    /// The tensors to write to new files beside the scenario. Each has the name of its `.npz` file, the name of the tensor in this file, and the numbers.
    pub files: Vec<(String, String, Arc<Tensor>)>,
}

/// Returns the text of a scenario with its changed numbers. The names of new files begin with `stem`. If `is_taken` returns `true` for a name, no new file gets
/// this name. Such a file may be one that the old text reads, and the old text stays valid until the new one is written.
///
/// # Errors
/// A sentence if the text has no value for a changed tensor.
pub fn write_back(scenario: &Scenario, stem: &str, is_taken: &dyn Fn(&str) -> bool) -> Result<WrittenScenario, String> {
    let mut document: DocumentMut = scenario.text.parse().map_err(|_| "the text of the scenario cannot be parsed".to_owned())?;
    let mut files = Vec::new();
    let mut new_file = |item: &mut Item, name: &str, tensor: Arc<Tensor>| {
        let key = name.replace(':', "-");
        let file = free_name(&format!("{stem}-{key}"), is_taken);
        let mut table = InlineTable::new();
        table.insert("file", file.as_str().into());
        table.insert("key", key.as_str().into());
        replace(item, Value::InlineTable(table));
        files.push((file, key, tensor));
    };
    // true if a tensor of the table `[samples]` has changed, and the text does not have its numbers
    let mut samples_need_files = false;
    let has_samples_table = document.contains_key("samples");
    for changed in &scenario.changed_tensors {
        let name = changed_name(scenario, changed);
        let axes = written_axes(&document, scenario, changed.id);
        let no_place = || format!("{name} has no place in the text");
        let item = find_value(&mut document, scenario, changed.sample, changed.id).ok_or_else(no_place)?;
        match changed.sample {
            _ if !is_table(item) => set_numbers(item, &changed.tensor, axes),
            Some(_) if has_samples_table => samples_need_files = true,
            _ => new_file(item, &name, in_file_order(&changed.tensor, axes)),
        }
    }
    if samples_need_files {
        for (key, role) in [("input", Role::Input { learns: false }), ("target", Role::Target)] {
            let Some(id) = scenario.network.with_role(role).next() else { continue };
            let axes = written_axes(&document, scenario, id);
            let Some(table) = document.get_mut("samples").and_then(Item::as_table_like_mut) else { continue };
            if let (Some(item), Some(tensor)) = (table.get_mut(key), stack_samples(scenario, id, axes)) {
                new_file(item, key, tensor);
            }
            if role == Role::Target {
                table.remove(stacked::ROWS); // the new files have only these rows
            }
        }
    }
    if let Some(train) = &scenario.train
        && let Some(table) = document.get_mut("train").and_then(Item::as_table_like_mut)
    {
        let rate = train.optimizer.learning_rate;
        let default = optimizer::default_rate(table.get("optimizer").and_then(Item::as_str));
        match table.get_mut("learning_rate").and_then(Item::as_value_mut) {
            Some(value) => set_number(value, rate),
            // the text has no learning rate; if the new rate is the default, it still needs none
            None if default != Some(rate) => drop(table.insert("learning_rate", toml_edit::value(rate))),
            None => {}
        }
    }
    Ok(WrittenScenario { text: document.to_string(), files })
}

/// Returns the order of axes that the text uses for a tensor; `None` if it is PyTorch's.
fn written_axes(document: &DocumentMut, scenario: &Scenario, id: Id) -> Option<&'static [usize]> {
    let info = scenario.network.tensor(id);
    let word = |key: &str| document.get(key).and_then(Item::as_str);
    let layout = FileLayout::new(word(LAYOUT), word(IMAGE_LAYOUT));
    let table = info.layer.and_then(|layer| nth_table(document.get("layer")?, layer));
    let layer_word = |key: &str| table.and_then(|table| table.get(key)?.as_str());
    let kind = layer_word("type").unwrap_or_default();
    let order = match axes::weight_orders(kind) {
        Some(_) if info.suffix == "weight" => layout.weight(kind, layer_word(WEIGHT_LAYOUT)),
        // any tensor with three dimensions is an image
        _ if info.shape.len() == 3 => layout.image(),
        _ => None,
    };
    order.map(|order| order.axes)
}

/// Returns a tensor with its axes in the order that the text uses.
fn in_file_order(tensor: &Arc<Tensor>, axes: Option<&[usize]>) -> Arc<Tensor> {
    let Some(axes) = axes.filter(|axes| axes.len() == tensor.ndim()) else { return Arc::clone(tensor) };
    let inverse = axes::inverse(axes);
    let data = axes::permuted(flat(tensor).to_vec(), tensor.shape(), &inverse);
    Arc::new(from_flat(&axes::shape(tensor.shape(), &inverse), data))
}

/// Returns the inputs or the targets of all samples as one tensor. Row n of its first axis is the tensor of sample n.
fn stack_samples(scenario: &Scenario, id: Id, axes: Option<&[usize]>) -> Option<Arc<Tensor>> {
    let of_sample = |sample: usize| scenario.sample_tensors(sample).into_iter().find(|(tensor_id, _)| *tensor_id == id);
    let tensors: Vec<Arc<Tensor>> =
        (0..scenario.samples.len()).map(|sample| Some(in_file_order(&of_sample(sample)?.1, axes))).collect::<Option<_>>()?;
    let shape = [&[tensors.len()], tensors.first()?.shape()].concat();
    Some(Arc::new(from_flat(&shape, tensors.iter().flat_map(|tensor| flat(tensor)).copied().collect())))
}

/// Returns whether the text takes a tensor from a file (`{ file = … }`).
#[must_use]
pub fn reads_files(scenario: &Scenario) -> bool {
    let Ok(mut document) = scenario.text.parse::<DocumentMut>() else { return false };
    let roles =
        (0..scenario.samples.len()).flat_map(|sample| [(Some(sample), Role::Input { learns: false }), (Some(sample), Role::Target)]);
    let shared = scenario.network.shared_tensors().iter().map(|(id, _)| (None, *id));
    let of_samples = roles.flat_map(|(sample, role)| scenario.network.with_role(role).map(move |id| (sample, id)));
    shared.chain(of_samples).any(|(sample, id)| {
        find_value(&mut document, scenario, sample, id)
            .and_then(|item| item.as_table_like())
            .is_some_and(|table| table.contains_key("file"))
    })
}

/// Returns the first of the names `base.npz`, `base-2.npz`, `base-3.npz`, … that is not taken.
fn free_name(base: &str, is_taken: &dyn Fn(&str) -> bool) -> String {
    let first = format!("{base}.npz");
    let further = (2..).map(|number: u64| format!("{base}-{number}.npz"));
    std::iter::once(first).chain(further).find(|name| !is_taken(name)).unwrap_or_default()
}

/// Returns the name of a changed tensor, with the number of its sample if there are several: `2:input`.
fn changed_name(scenario: &Scenario, changed: &ChangedTensor) -> String {
    let name = &scenario.network.tensor(changed.id).name;
    match changed.sample {
        Some(sample) if scenario.samples.len() > 1 => format!("{}:{name}", sample + 1),
        _ => name.to_string(),
    }
}

/// Finds the value of a tensor in the text. `sample` is the index of the sample, or `None` for a tensor that all samples share.
fn find_value<'a>(document: &'a mut DocumentMut, scenario: &Scenario, sample: Option<usize>, tensor: Id) -> Option<&'a mut Item> {
    let info = scenario.network.tensor(tensor);
    let Some(sample) = sample else {
        if let Some(layer) = info.layer {
            return nth_table_mut(document.get_mut("layer")?, layer)?.get_mut(info.suffix);
        }
        // the name of the input x is `x@0` if the statements assign a new value to x
        let name = info.name.strip_suffix("@0").unwrap_or(&info.name);
        let graph = document.get_mut("graph")?.as_table_like_mut()?;
        let has = |key: &str| graph.get(key).and_then(Item::as_table_like).is_some_and(|table| table.contains_key(name));
        let key = if has("inputs") { "inputs" } else { "constants" };
        return graph.get_mut(key)?.as_table_like_mut()?.get_mut(name);
    };
    let key = if info.role == Role::Target { "target" } else { "input" };
    if document.get("samples").is_some_and(|table| table.get(key).is_some()) {
        return stacked_item(document.get_mut("samples")?, key, sample);
    }
    let has_samples = document.get("sample").is_some();
    let has_key = match document.get_mut("sample") {
        Some(samples) => nth_table_mut(samples, sample)?.contains_key(key),
        None => document.contains_key(key),
    };
    match (has_key, has_samples) {
        (true, true) => nth_table_mut(document.get_mut("sample")?, sample)?.get_mut(key),
        (true, false) => document.get_mut(key),
        // neither a sample nor the file has a target, so the loss has it, under its key `gradient`
        (false, _) => document.get_mut("loss")?.as_table_like_mut()?.get_mut("gradient"),
    }
}

/// Returns table `number` (from 0) of an array of tables, read-only.
fn nth_table(item: &Item, number: usize) -> Option<&dyn TableLike> {
    match item {
        Item::ArrayOfTables(tables) => tables.get(number).map(|table| table as &dyn TableLike),
        Item::Value(Value::Array(array)) => array.get(number)?.as_inline_table().map(|table| table as &dyn TableLike),
        _ => None,
    }
}

/// Returns table `number` (from 0) of an array of tables. The text has it as `[[layer]]` headers or as `layer = [{ … }]`.
fn nth_table_mut(item: &mut Item, number: usize) -> Option<&mut dyn TableLike> {
    match item {
        Item::ArrayOfTables(tables) => tables.get_mut(number).map(|table| table as &mut dyn TableLike),
        Item::Value(Value::Array(array)) => array.get_mut(number)?.as_inline_table_mut().map(|table| table as &mut dyn TableLike),
        _ => None,
    }
}

/// Returns the value of a sample in the table `[samples]`. If the text has the numbers, it is the row of this sample. Otherwise it is the value for all
/// samples, such as `{ file = … }`.
fn stacked_item<'a>(samples: &'a mut Item, key: &str, sample: usize) -> Option<&'a mut Item> {
    let first = samples.get(stacked::ROWS).and_then(|rows| rows.get(0)?.as_integer());
    let row = usize::try_from(first.unwrap_or(0)).ok()?.checked_add(sample)?;
    let item = samples.get_mut(key)?;
    if is_table(item) { Some(item) } else { item.get_mut(row) }
}

/// Returns whether a value is a table, such as `{ init = … }` or `{ file = … }`, and not numbers.
fn is_table(item: &Item) -> bool {
    item.is_table_like()
}

/// Replaces a value. The blanks and comments around it stay.
fn replace(item: &mut Item, value: Value) {
    match item.as_value_mut() {
        Some(old) => replace_value(old, value),
        None => *item = Item::Value(value),
    }
}

fn replace_value(old: &mut Value, mut value: Value) {
    *value.decor_mut() = old.decor().clone();
    *old = value;
}

/// Writes the numbers of a tensor over the numbers of a value. `axes` is the order of axes that the text uses; `None` for PyTorch's.
fn set_numbers(item: &mut Item, tensor: &Arc<Tensor>, axes: Option<&[usize]>) {
    let Some(value) = item.as_value_mut() else { return };
    // in a vector without inner arrays, the numbers are in PyTorch's order
    let is_nested = value.as_array().and_then(|array| array.get(0)).is_none_or(Value::is_array);
    let tensor = &*in_file_order(tensor, axes.filter(|_| is_nested));
    let mut leaves = Vec::new();
    collect_leaves(value, &mut leaves);
    // the text may leave out leading dimensions of size 1; this does not change the order of the numbers
    if leaves.len() == tensor.len() {
        for (leaf, number) in leaves.into_iter().zip(flat(tensor)) {
            set_number(leaf, *number);
        }
        return;
    }
    // the text has another number of values: it has a class, such as `target = 2`, instead of the numbers 0, 0, 1
    let new = class_of(tensor).map_or_else(|| nested(tensor.shape(), flat(tensor)), Value::from);
    replace_value(value, new);
}

/// Collects the numbers of a nested array, in row-major order.
fn collect_leaves<'a>(value: &'a mut Value, leaves: &mut Vec<&'a mut Value>) {
    match value {
        Value::Array(array) => array.iter_mut().for_each(|inner| collect_leaves(inner, leaves)),
        leaf => leaves.push(leaf),
    }
}

/// Writes a number, unless the value already is this number.
#[allow(clippy::cast_precision_loss)] // the scenario's integers are at most 2⁵³
fn set_number(leaf: &mut Value, number: f64) {
    let old = leaf.as_float().or_else(|| leaf.as_integer().map(|integer| integer as f64));
    // −0 and 0 are different numbers: 1 / −0 = −∞
    if old.is_some_and(|old| old.to_bits() == number.to_bits()) {
        return;
    }
    let is_integer = leaf.is_integer();
    replace_value(leaf, number_value(number, is_integer));
}

/// Returns the shortest value from which the number can be read back. It is an integer if `prefers_integer` is true and the number is an integer; otherwise it
/// is a float.
#[allow(clippy::cast_possible_truncation)] // checked: an integer below 2⁵³
fn number_value(number: f64, prefers_integer: bool) -> Value {
    let is_minus_zero = number == 0.0 && number.is_sign_negative();
    if prefers_integer && number.fract() == 0.0 && number.abs() < 2f64.powi(53) && !is_minus_zero {
        return Value::from(number as i64);
    }
    // `toml_edit` would write 1e300 with 301 digits
    let text = format!("{number:?}");
    text.parse().unwrap_or_else(|_| Value::from(number))
}

/// Returns the class of a target that is 1 at one entry and 0 at all others. The class is the index of the 1.
fn class_of(target: &Tensor) -> Option<i64> {
    // −0 is not accepted as 0
    let has_bits_of = |entry: f64, value: f64| entry.to_bits() == value.to_bits();
    let is_class =
        flat(target).iter().all(|entry| has_bits_of(*entry, 0.0) || has_bits_of(*entry, 1.0)) && flat(target).iter().sum::<f64>() == 1.0;
    let class = flat(target).iter().position(|entry| *entry == 1.0).filter(|_| is_class)?;
    i64::try_from(class).ok()
}

/// Returns a tensor as a nested array.
fn nested(shape: &[usize], numbers: &[f64]) -> Value {
    let Some((_, inner)) = shape.split_first() else { return number_value(numbers[0], true) };
    let size = inner.iter().product::<usize>().max(1);
    Value::Array(numbers.chunks(size).map(|chunk| nested(inner, chunk)).collect::<Array>())
}

#[cfg(test)]
mod tests {
    use super::super::{GivenNumber, Limits, Source, read};
    use super::*;

    fn scenario(text: &str) -> Scenario {
        read(Source { name: "t".to_owned(), path_shown: "t".to_owned(), text: text.to_owned() }, Limits::default())
            .expect("a valid scenario")
    }

    const TEXT: &str = "# a comment\ntitle = \"t\" # the title\n\ninput = [[1, 2, 3], # first row\n         [4, 5.0, 6]]\ntarget = 1\n\
                        loss = \"cross_entropy\"\n\n[[layer]]\ntype = \"flatten\"\n\n[[layer]]\n  type   = \"linear\"\n  \
                        weight = { init = \"normal\", seed = 1 } # drawn\n  out_features = 3\n  bias = [0, 0,   0.5]\nactivation = \"softmax\"\n\
                        [train]\nlearning_rate = 0.5 # high\n";

    #[test]
    fn only_the_changed_numbers_are_written() {
        let old = scenario(TEXT);
        let id = |name: &str| old.network.find(name).unwrap();
        let new = old
            .with_numbers(&[
                (GivenNumber::Sample { sample: 0, tensor: id("input"), at: 1 }, 7.0),
                (GivenNumber::Sample { sample: 0, tensor: id("input"), at: 5 }, 0.25),
                (GivenNumber::Shared { tensor: id("fc1.bias"), at: 2 }, 1e300),
                (GivenNumber::LearningRate, 2.0),
            ])
            .unwrap();
        let written = write_back(&new, "t", &|_| false).unwrap();
        let expected =
            TEXT.replace("[[1, 2,", "[[1, 7,").replace("5.0, 6]", "5.0, 0.25]").replace("  0.5]", "  1e300]").replace("= 0.5 #", "= 2.0 #");
        assert_eq!(written.text, expected);
        assert!(written.files.is_empty());
        assert_eq!(scenario(&written.text).sample_tensors(0), new.sample_tensors(0));
    }

    #[test]
    fn a_zero_keeps_its_sign() {
        let old = scenario(TEXT);
        let input = |at| GivenNumber::Sample { sample: 0, tensor: old.network.find("input").unwrap(), at };
        let bias = GivenNumber::Shared { tensor: old.network.find("fc1.bias").unwrap(), at: 0 };
        let new = old.with_numbers(&[(input(0), -0.0), (input(4), -0.0), (bias, -0.0)]).unwrap();
        let reread = scenario(&write_back(&new, "t", &|_| false).unwrap().text);
        for number in [input(0), input(4), bias] {
            assert_eq!(reread.given_value(number).to_bits(), (-0.0_f64).to_bits());
        }
    }

    #[test]
    fn a_target_that_is_a_class_stays_one_if_it_can() {
        let old = scenario(TEXT);
        let target = old.network.find("target").unwrap();
        let set = |values: [f64; 3]| {
            let changes: Vec<_> =
                values.into_iter().enumerate().map(|(at, value)| (GivenNumber::Sample { sample: 0, tensor: target, at }, value)).collect();
            write_back(&old.with_numbers(&changes).unwrap(), "t", &|_| false).unwrap().text
        };
        assert_eq!(set([0.0, 0.0, 1.0]), TEXT.replace("target = 1", "target = 2"));
        assert_eq!(set([-0.0, 1.0, 0.0]), TEXT.replace("target = 1", "target = [-0.0, 1, 0]"));
        assert_eq!(set([0.5, 0.5, 0.0]), TEXT.replace("target = 1", "target = [0.5, 0.5, 0]"));
    }

    #[test]
    fn a_tensor_that_is_not_in_the_text_gets_a_file() {
        let old = scenario(TEXT);
        let weight = GivenNumber::Shared { tensor: old.network.find("fc1.weight").unwrap(), at: 0 };
        let written = write_back(&old.with_numbers(&[(weight, 2.0)]).unwrap(), "t", &|name| name == "t-fc1.weight.npz").unwrap();
        assert_eq!(
            written.text,
            TEXT.replace("{ init = \"normal\", seed = 1 } #", "{ file = \"t-fc1.weight-2.npz\", key = \"fc1.weight\" } #")
        );
        let [(name, _, tensor)] = written.files.as_slice() else { panic!("one file") };
        assert_eq!((name.as_str(), tensor.shape(), flat(tensor)[0]), ("t-fc1.weight-2.npz", &[3, 6][..], 2.0));
    }

    #[test]
    fn numbers_are_written_in_the_order_of_the_file() {
        let text = "title = \"t\"\nlayout = \"keras\"\ninput = [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]\ntarget = 0\nloss = \"cross_entropy_with_logits\"\n\
                    [[layer]]\ntype = \"flatten\"\n[[layer]]\ntype = \"linear\"\nweight = [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12], [13, 14], \
                    [15, 16]]\n[[layer]]\ntype = \"linear\"\nout_features = 2\n\
                    weight = { init = \"arange\", start = 1, step = 1 }\nweight_layout = \"in_out\"\n";
        let old = scenario(text);
        let id = |name: &str| old.network.find(name).unwrap();
        // in the file, the channels come last, and the weights are in x out. So input[1,0,1] (channel 1, row 0, column 1) is 4, fc1.weight[1,2] is 6, and
        // fc2.weight[0,1] is 3
        let input = GivenNumber::Sample { sample: 0, tensor: id("input"), at: 5 };
        let (first, second) =
            (GivenNumber::Shared { tensor: id("fc1.weight"), at: 10 }, GivenNumber::Shared { tensor: id("fc2.weight"), at: 1 });
        assert_eq!([input, first, second].map(|number| old.given_value(number)), [4.0, 6.0, 3.0]);
        let new = old.with_numbers(&[(input, 40.0), (first, 60.0), (second, 30.0)]).unwrap();
        let written = write_back(&new, "t", &|_| false).unwrap();
        let expected = text
            .replace("[3, 4]], [[5", "[3, 40]], [[5")
            .replace("[5, 6], [7, 8], [9", "[5, 60], [7, 8], [9")
            .replace("{ init = \"arange\", start = 1, step = 1 }", "{ file = \"t-fc2.weight.npz\", key = \"fc2.weight\" }");
        assert_eq!(written.text, expected);
        let [(_, _, tensor)] = written.files.as_slice() else { panic!("one file") };
        assert_eq!(flat(tensor), [1.0, 2.0, 30.0, 4.0]);
    }

    #[test]
    fn a_depthwise_kernel_is_written_in_the_order_of_the_file() {
        // the kernel is height x width x in x multiplier: 1 x 2 x 2 x 2
        let text = "title = \"t\"\nlayout = \"keras\"\ninput = [[[1, 2], [3, 4]]]\ntarget = [[[1, 2, 3, 4]]]\nloss = \"squared_error\"\n\
                    [[layer]]\ntype = \"conv2d\"\ngroups = 2\nweight = [[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]]\n";
        let old = scenario(text);
        let weight = |at: usize| GivenNumber::Shared { tensor: old.network.find("conv1.weight").unwrap(), at };
        // filter 1 of channel 0 is output 1, and filter 1 of channel 1 is output 3. Their second columns are 6 and 8
        assert_eq!([weight(3), weight(7)].map(|number| old.given_value(number)), [6.0, 8.0]);
        let new = old.with_numbers(&[(weight(3), 60.0)]).unwrap();
        assert_eq!(write_back(&new, "t", &|_| false).unwrap().text, text.replace("[5, 6]", "[5, 60]"));
    }

    #[test]
    fn a_sample_of_many_is_written_where_it_is() {
        let text = "title = \"t\"\nloss = \"squared_error\"\n[samples]\ninput = [[1, 2], [3, 4], [5, 6]]\ntarget = [0, 1, 1]\nrows = [1, 3]\n\
                    [[layer]]\ntype = \"linear\"\nweight = [[1, 2], [3, 4]]\n";
        let old = scenario(text);
        let input = |at| GivenNumber::Sample { sample: 1, tensor: old.network.find("input").unwrap(), at };
        assert_eq!(old.given_value(input(1)), 6.0);
        let new = old.with_numbers(&[(input(1), 60.0)]).unwrap();
        assert_eq!(write_back(&new, "t", &|_| false).unwrap().text, text.replace("6]]", "60]]"));
        // the numbers of an `init` are not in the text, so both tensors get new files with the rows that the scenario uses.
        // Both targets are class 1
        let text = &text.replace("[[1, 2], [3, 4], [5, 6]]", "{ init = \"arange\", start = 1, step = 1, shape = [3, 2] }");
        let old = scenario(text);
        let new = old.with_numbers(&[(input(1), 60.0)]).unwrap();
        let written = write_back(&new, "t", &|_| false).unwrap();
        assert!(
            !written.text.contains("rows") && written.text.contains("input = { file = \"t-input.npz\", key = \"input\" }"),
            "{}",
            written.text
        );
        let tensors: Vec<(&[usize], &[f64])> = written.files.iter().map(|(_, _, tensor)| (tensor.shape(), flat(tensor))).collect();
        assert_eq!(tensors, [(&[2, 2][..], &[3.0, 4.0, 5.0, 60.0][..]), (&[2, 2], &[0.0, 1.0, 0.0, 1.0])]);
    }
}
