//! Reads the table `[graph]`: the tensors under `inputs` and `constants`, the statements under `nodes`, the `output`, and the names of axes. The module
//! [`graph`](crate::graph) reads the statements, and makes a node of each operation.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use compact_str::CompactString;
use toml::de::DeValue;

use super::excerpt::quoted;
use super::fault::Diagnostic;
use super::known::KnownNetwork;
use super::reader::{MAX_FAULTS, ScenarioReader, Span, TomlTable, TomlValue};
use super::tensor::read_tensor;
use crate::graph::{self, AxisNames, GivenTensor, GraphFault, GraphResult, TextStart};
use crate::network::Builder;
use crate::op::layer::{Fan, Reported};
use crate::tensor::{Tensor, from_flat};
use crate::text::{are, counted};
use crate::words::{self, Vocabulary, suggest};

/// The keys of `[graph]`.
pub(super) const KEYS: &[&str] = &["inputs", "constants", "nodes", "output", "axes"];

/// Reads `[graph]`. `span` is the position of the header, and `text` is the text of the file.
pub(super) fn graph(reader: &mut ScenarioReader, table: &TomlTable<'_>, span: Span, text: &str) -> KnownNetwork {
    let (mut given, has_all_inputs) = given_tensors(reader, table, "inputs");
    let (constants, has_all_constants) = given_tensors(reader, table, "constants");
    for constant in &constants {
        if let Some(input) = given.iter().find(|input| input.name == constant.name)
            && let Some((key, _)) =
                table.get("constants").and_then(|table| table.get_ref().as_table()?.get_key_value(constant.name.as_str()))
        {
            let message = format!("{} is given twice, as an input and as a constant", quoted(&input.name));
            reader.report(key.span(), message, "keep one of them");
        }
    }
    given.extend(constants);
    let inputs: Vec<String> = given.iter().filter(|tensor| tensor.is_input).map(|tensor| tensor.name.to_string()).collect();
    let (source_texts, has_all_texts) = source_texts(reader, table, span.clone(), text);
    let faults_before = reader.faults.len();
    let has_all_names = has_all_inputs && has_all_constants && has_all_texts;
    let output = reader.string(table, "output");
    let texts: Vec<&str> = source_texts.iter().map(|source_text| source_text.text).collect();
    let output_name = output.as_ref().ok().and_then(|output| output.as_ref()).map(|(name, _)| *name);
    let axes = axis_names(table);
    let mut claim =
        |text_number: usize, span: &Range<usize>, shape: &[usize]| reader.claim(&source_texts[text_number].file_span(span), shape);
    let starts = text_starts(&source_texts, text);
    let result = graph::read((&texts, &starts), &given, axes, output_name, &mut claim);
    report(reader, &result, &source_texts, &inputs, has_all_names);
    if has_all_names {
        check_output(reader, &result, &source_texts, output, &span);
    }
    check_axes(reader, table, &result);
    reader.warnings.extend(result.warnings.iter().map(|GraphFault { text_number, span, message, help }| Diagnostic {
        span: Some(source_texts[*text_number].file_span(span)),
        message: message.clone(),
        help: help.clone(),
        note: None,
    }));
    reader.left_out.extend(result.left_out.iter().map(|(text_number, span)| source_texts[*text_number].file_span(span)));
    let inputs = has_all_inputs.then_some(inputs);
    if reader.faults.len() == faults_before
        && has_all_names
        && let Some(output) = result.output
    {
        return match Builder::graph(result.leaves, result.nodes, output, result.text) {
            Ok(network) => KnownNetwork::Complete(network),
            Err((node, mismatch)) => {
                let (text_number, span) = &result.positions[node];
                reader.report(source_texts[*text_number].file_span(span), mismatch.to_string(), "");
                KnownNetwork::Graph { inputs, names: None, shapes: HashMap::new() }
            }
        };
    }
    let mut names = result.names();
    // a name without a value was reported at its first use; an address with this name is not reported again
    names.extend(result.missing.iter().map(|(name, ..)| name.to_string()));
    names.extend(output_name.map(str::to_owned));
    let shapes = result.shapes().map(|(name, shape)| (name.to_owned(), shape.to_vec())).collect();
    KnownNetwork::Graph { shapes, names: has_all_names.then_some(names), inputs }
}

/// Reads the tensors of `inputs` or `constants`. The second result is `true` if all names are known.
fn given_tensors(reader: &mut ScenarioReader, table: &TomlTable<'_>, key: &str) -> (Vec<GivenTensor>, bool) {
    let Some(value) = table.get(key) else { return (Vec::new(), true) };
    let DeValue::Table(tensors) = value.get_ref() else {
        reader.wrong_type(key, value, "a table of numbers and tensors", &format!("write {key} = {{ a = 3, W = [[1, 2], [3, 4]] }}"));
        return (Vec::new(), false);
    };
    let is_input = key == "inputs";
    let what = if is_input { "the input" } else { "the constant" };
    let mut found = Vec::with_capacity(tensors.len());
    let mut has_all_names = true;
    for (name_span, value) in tensors {
        let name = name_span.get_ref().as_ref();
        if !is_name(name) {
            let help = "a name begins with a letter or _, and goes on with letters, digits and _";
            reader.report(name_span.span(), format!("{} cannot be a name", quoted(name)), help);
            has_all_names = false;
            continue;
        }
        if ["first", "last", "backward"].contains(&name) {
            let message = format!("the name \"{name}\" is taken: it is the address of a step");
            reader.report(name_span.span(), message, "choose another name");
        }
        let is_mask = !is_input && is_boolean(value);
        let value = given_tensor(reader, &format!("{what} {}", quoted(name)), value, &name_span.span(), is_mask);
        found.push(GivenTensor { name: CompactString::from(name), value: value.ok().map(Arc::new), is_input, is_mask });
    }
    (found, has_all_names)
}

/// Reads one given tensor.
fn given_tensor(reader: &mut ScenarioReader, label: &str, value: &TomlValue<'_>, span: &Span, is_mask: bool) -> Result<Tensor, Reported> {
    if is_mask {
        let mut numbers = Vec::new();
        let shape = mask(reader, label, value, &mut numbers)?;
        reader.claim(span, &shape)?;
        return Ok(from_flat(&shape, numbers));
    }
    let source = read_tensor(reader, label, value)?;
    let Some(shape) = source.shape().map(<[usize]>::to_vec) else {
        return Err(reader.report(value.span(), format!("the shape of {label} is not known"), "add shape = [2, 3]"));
    };
    reader.claim(span, &shape)?;
    source.fill(reader, label, &shape, Fan::of(&shape))
}

/// Returns whether a value, or its first entry if it is an array, is `true` or `false`.
fn is_boolean(value: &TomlValue<'_>) -> bool {
    match value.get_ref() {
        DeValue::Boolean(_) => true,
        DeValue::Array(items) => items.first().is_some_and(is_boolean),
        _ => false,
    }
}

/// Appends nested arrays of booleans to `numbers`, as 0 and 1, and returns their shape.
fn mask(reader: &mut ScenarioReader, label: &str, value: &TomlValue<'_>, numbers: &mut Vec<f64>) -> Result<Vec<usize>, Reported> {
    match value.get_ref() {
        DeValue::Boolean(flag) => {
            numbers.push(f64::from(u8::from(*flag)));
            Ok(Vec::new())
        }
        DeValue::Array(items) => {
            let mut inner: Option<Vec<usize>> = None;
            for item in &items[..] {
                let shape = mask(reader, label, item, numbers)?;
                if *inner.get_or_insert_with(|| shape.clone()) != shape {
                    return Err(reader.report(item.span(), format!("{label} is ragged"), "all arrays of one depth must be equally long"));
                }
            }
            Ok(std::iter::once(items.len()).chain(inner.unwrap_or_default()).collect())
        }
        _ => Err(reader.wrong_type(&format!("each entry of {label}"), value, "true or false", "")),
    }
}

/// Returns whether a text has the form of a name: letters, digits and `_`, but no digit at the beginning.
fn is_name(name: &str) -> bool {
    let is_start = |c: char| c.is_alphabetic() || c == '_';
    name.chars().next().is_some_and(is_start) && name.chars().all(|c| is_start(c) || c.is_alphanumeric())
}

/// A string of the key `nodes`: one statement such as `"u = a * b"`, or several lines.
#[derive(Debug)]
struct SourceText<'t> {
    text: &'t str,
    /// The position of the string in the file.
    span: Span,
    /// The position in the file of the first byte of `text`. If the string has escapes such as `\n`, it is `None`, because the bytes of the string and of the
    /// file then differ.
    start: Option<usize>,
}

impl SourceText<'_> {
    /// Converts a range of `text` to a range of the file. If the string has escapes, the result is the whole string.
    fn file_span(&self, inside: &Range<usize>) -> Span {
        self.start.map_or(self.span.clone(), |start| start + inside.start..start + inside.end)
    }
}

/// Returns the lines of the file in which the source texts begin. `text` is the text of the file.
fn text_starts(source_texts: &[SourceText<'_>], text: &str) -> Vec<TextStart> {
    let (mut line, mut counted_to) = (1, 0);
    let start_of = |source_text: &SourceText<'_>| {
        let start = source_text.start.unwrap_or(source_text.span.start);
        line += text.get(counted_to..start).map_or(0, |between| between.matches('\n').count());
        counted_to = start;
        TextStart { line, has_lines_of_file: source_text.start.is_some() }
    };
    source_texts.iter().map(start_of).collect()
}

/// Reads the key `nodes`: one string, or an array of strings. If the key is missing, this is reported at `span`. The second result is `false` after a fault.
fn source_texts<'t>(reader: &mut ScenarioReader, table: &'t TomlTable<'_>, span: Span, text: &str) -> (Vec<SourceText<'t>>, bool) {
    let help = "write nodes = [\"u = a * b\", \"v = u + c\"], or one string with a statement a line";
    let Some(value) = table.get("nodes") else {
        reader.report(span, "the nodes of the graph are missing", help);
        return (Vec::new(), false);
    };
    let source_text = |content: &'t str, span: Span| SourceText { text: content, start: content_start(text, span.clone(), content), span };
    match value.get_ref() {
        DeValue::String(content) if content.trim().is_empty() => {
            reader.report(value.span(), "a graph has at least one node", help);
            (Vec::new(), false)
        }
        DeValue::String(content) => (vec![source_text(content, value.span())], true),
        DeValue::Array(items) if items.is_empty() => {
            reader.report(value.span(), "a graph has at least one node", help);
            (Vec::new(), false)
        }
        DeValue::Array(items) => {
            let mut source_texts = Vec::with_capacity(items.len());
            for item in &items[..] {
                if let DeValue::String(content) = item.get_ref() {
                    if content.trim().is_empty() {
                        reader.report(item.span(), "a node is written name = expression", "for example u = a * b");
                        continue;
                    }
                    source_texts.push(source_text(content, item.span()));
                } else {
                    reader.wrong_type("each of the nodes", item, "a string such as \"u = a * b\"", "");
                }
            }
            let has_all_texts = source_texts.len() == items.len();
            (source_texts, has_all_texts)
        }
        _ => {
            reader.wrong_type("nodes", value, "a string, or an array of strings", help);
            (Vec::new(), false)
        }
    }
}

/// Returns the position at which the content of the TOML string at `span` begins, after its quotes. Returns `None` if the string has escapes.
fn content_start(text: &str, span: Span, content: &str) -> Option<usize> {
    let raw = text.get(span.clone())?;
    let quotes = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
    let inside = raw.get(quotes..raw.len().checked_sub(quotes)?)?;
    // a line break directly after the quotes of a multi-line string is not part of the content
    let newline = match inside.as_bytes() {
        [b'\n', ..] if quotes == 3 => 1,
        [b'\r', b'\n', ..] if quotes == 3 => 2,
        _ => 0,
    };
    (&inside[newline..] == content).then_some(span.start + quotes + newline)
}

/// Reports the faults of the statements, and the names without a value.
fn report(reader: &mut ScenarioReader, result: &GraphResult, source_texts: &[SourceText<'_>], inputs: &[String], has_all_names: bool) {
    // in a string with escapes, all faults have the same position, so only the first fault is shown
    let is_first = |n: usize, text_number: usize| {
        source_texts[text_number].start.is_some() || result.faults[..n].iter().all(|fault| fault.text_number != text_number)
    };
    let mut faults: Vec<(Span, String, String)> = result
        .faults
        .iter()
        .enumerate()
        .filter(|(n, fault)| is_first(*n, fault.text_number))
        .map(|(_, fault)| fault)
        .map(|GraphFault { text_number, span, message, help }| (source_texts[*text_number].file_span(span), message.clone(), help.clone()))
        .collect();
    if has_all_names {
        faults.extend(faults_of_missing_names(result, source_texts, inputs));
    }
    faults.sort_by_key(|(span, ..)| span.start);
    for (span, message, help) in faults {
        reader.report(span, message, help);
    }
}

/// Returns the faults of the names without a value. A name has a fault of its own if a help text is about this name alone: a similar known name, its later
/// definition, or a row for it in `words/rows.rs`. All other names share one fault.
fn faults_of_missing_names(result: &GraphResult, source_texts: &[SourceText<'_>], inputs: &[String]) -> Vec<(Span, String, String)> {
    /// The largest number of names in the shared message.
    const MAX_LISTED: usize = 50;
    /// The largest number of known names with which a missing name is compared.
    const MAX_COMPARED: usize = 500;
    let mut faults = Vec::new();
    if result.missing.is_empty() {
        return faults;
    }
    let mut shared: Vec<(&str, Span)> = Vec::new();
    let missing: HashSet<&str> = result.missing.iter().map(|(name, ..)| name.as_str()).collect();
    let names = result.names();
    for (name, text_number, span) in result.missing.iter().take(MAX_FAULTS) {
        let span = source_texts[*text_number].file_span(span);
        if names.contains(name.as_str()) {
            faults.push((span, format!("{} is used before its definition", quoted(name)), "put its node before this one".to_owned()));
            continue;
        }
        // with very many names, the comparison would take long, and some name would be similar by chance
        let known = names.iter().map(String::as_str).filter(|known| !missing.contains(known)).take(MAX_COMPARED);
        let near = suggest::nearest(name, known);
        // of two missing names that are similar to each other, such as Wk and Wv, neither is a misspelling
        let other_missing_names = missing.iter().copied().filter(|other| other != name);
        let is_other = near.is_some_and(|near| is_other_name(name, near, inputs, source_texts))
            || suggest::nearest(name, other_missing_names).is_some();
        let near = near.filter(|_| !is_other).map(suggest::did_you_mean);
        // the table has no translations of variables, only help texts, so there is no candidate
        let (candidates, is_allowed) = (&[], |_: &str| false);
        match near.or_else(|| words::table_help(Vocabulary::Variable, name, candidates, is_allowed)) {
            Some(help) => faults.push((span, format!("{} is not defined", quoted(name)), help)),
            None => shared.push((name, span)),
        }
    }
    let Some((_, span)) = shared.first().cloned() else { return faults };
    let listed: Vec<String> = shared.iter().take(MAX_LISTED).map(|(name, _)| quoted(name)).collect();
    let more = shared.len().saturating_sub(MAX_LISTED) + result.missing.len().saturating_sub(MAX_FAULTS);
    let message = match (&listed[..], more) {
        ([one], 0) => format!("{one} is not defined"),
        ([all @ .., last], 0) => format!("{} and {last} are not defined", all.join(", ")),
        (all, more) => format!("{} and {more} more names are not defined", all.join(", ")),
    };
    let names: Vec<&str> = shared.iter().take(MAX_LISTED).map(|(name, _)| *name).collect();
    let help = super::missing::help(&names, &result.implied);
    faults.push((span, message, help));
    faults
}

/// Returns whether a name without a value is probably another name than the known name `near`, and not a misspelling of it: such as W1 for W2, or Wk for an
/// input Wq that the text uses too.
fn is_other_name(name: &str, near: &str, inputs: &[String], source_texts: &[SourceText<'_>]) -> bool {
    let without_digits = |name: &str| name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    let has_same_length = name.chars().count() == near.chars().count();
    let differs_in_one_letter = has_same_length && name.chars().zip(near.chars()).filter(|(one, other)| one != other).count() == 1;
    let is_input = inputs.iter().any(|input| input == near);
    without_digits(name) == without_digits(near)
        || differs_in_one_letter && is_input && source_texts.iter().any(|source_text| uses(source_text.text, near))
}

/// Returns whether a text has a name outside its comments.
fn uses(text: &str, name: &str) -> bool {
    let code = text.lines().filter_map(|line| line.split('#').next());
    code.flat_map(|code| code.split(|c: char| !c.is_alphanumeric() && c != '_')).any(|word| word == name)
}

/// Checks that the output exists. `span` is the position of `[graph]`, for the fault of a graph that computes no tensor.
fn check_output(
    reader: &mut ScenarioReader,
    result: &GraphResult,
    source_texts: &[SourceText<'_>],
    output: Result<Option<(&str, Span)>, Reported>,
    span: &Span,
) {
    if result.output.is_some() {
        return;
    }
    let names = result.names();
    // if no statement and no input has the output's name, the output is wrong, whatever the other faults are
    let is_unknown = matches!(&output, Ok(Some((name, _))) if !names.contains(*name));
    let has_other_faults = result.has_unknown || !result.faults.is_empty() || !result.missing.is_empty();
    if has_other_faults && !is_unknown {
        return;
    }
    match output {
        Ok(Some((name, span))) => {
            let is_known = names.contains(name);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let message = if is_known {
                format!("the output {} is not a tensor", quoted(name))
            } else {
                format!("the output {} is not defined", quoted(name))
            };
            reader.report(span, message, if is_known { String::new() } else { suggest::help(name, &names) });
        }
        Ok(None) if result.no_tensor.is_some() => {
            if let Some((text_number, span, kind)) = &result.no_tensor {
                let message = format!("the last statement makes {kind}, so the graph has no output");
                reader.report(
                    source_texts[*text_number].file_span(span),
                    message,
                    "the output is one number, for example J = (y * G).sum()",
                );
            }
        }
        Ok(None) => {
            reader.report(
                span.clone(),
                "the graph computes no tensor, so it has no output",
                "the last statement is the output, for example J = (y * G).sum()",
            );
        }
        Err(Reported) => {}
    }
}

/// Reads the names of axes. Names with a fault are left out; [`check_axes`] reports them.
fn axis_names(table: &TomlTable<'_>) -> AxisNames {
    let axes = table.get("axes").and_then(|axes| axes.get_ref().as_table());
    let names = |value: &TomlValue<'_>| {
        let items = value.get_ref().as_array()?;
        items.iter().map(|item| item.get_ref().as_str().map(CompactString::from)).collect::<Option<Vec<_>>>()
    };
    axes.into_iter().flatten().filter_map(|(key, value)| Some((CompactString::from(key.get_ref().as_ref()), names(value)?))).collect()
}

/// Checks the names of axes: a list of names for each axis of a tensor.
fn check_axes(reader: &mut ScenarioReader, table: &TomlTable<'_>, result: &GraphResult) {
    let Some(value) = table.get("axes") else { return };
    let help = "write x = [\"example\", \"feature\"] below [graph.axes]";
    let DeValue::Table(axes) = value.get_ref() else {
        reader.wrong_type("axes", value, "a table of names", help);
        return;
    };
    for (key, value) in axes {
        let name = key.get_ref().as_ref();
        let DeValue::Array(names) = value.get_ref() else {
            reader.wrong_type(&format!("the axes of {}", quoted(name)), value, "an array of names", help);
            continue;
        };
        for item in names.iter().filter(|item| !matches!(item.get_ref(), DeValue::String(_))) {
            reader.wrong_type("the name of an axis", item, "a string", "");
        }
        let shape = result.shapes().find(|(known, _)| *known == name).map(|(_, shape)| shape);
        match shape {
            None if result.faults.is_empty() && result.missing.is_empty() => {
                let known: Vec<&str> = result.shapes().map(|(name, _)| name).collect();
                reader.report(key.span(), format!("there is no tensor {}", quoted(name)), suggest::help(name, &known));
            }
            Some(shape) if shape.len() != names.len() => {
                let are = are(names.len());
                let message =
                    format!("{} has {}, but {} {are} given", quoted(name), counted(shape.len(), "axis"), counted(names.len(), "name"));
                reader.report(value.span(), message, format!("its shape is {}", crate::tensor::shape_words(shape)));
            }
            _ => {}
        }
    }
}
