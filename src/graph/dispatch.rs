//! Calls a function: finds the function of a name, and binds the arguments to its parameters.

use super::call::{Call, EvaluatedArgument, FunctionRow, Spelling, signature};
use super::functions::registry;
use super::reader::GraphReader;
use super::value::Value;
use crate::op::layer::Reported;
use crate::python::tree::Span;
use crate::text::counted;
use crate::words::{self, Vocabulary, suggest};

/// The keywords that only NumPy has.
const NUMPY_KEYWORDS: &[&str] = &["axis", "keepdims", "ddof"];
/// The keywords that only PyTorch has.
const TORCH_KEYWORDS: &[&str] = &["dim", "keepdim", "unbiased", "correction"];
/// Keywords that have no effect in a graph.
const IGNORED_KEYWORDS: &[&str] = &["dtype", "device", "requires_grad", "inplace", "copy", "memory_format", "layout"];

/// Calls a function. `spans` are the positions of the call and of the function's name.
///
/// # Errors
/// If there is no such function, or the arguments do not fit.
pub fn function(
    reader: &mut GraphReader<'_, '_>,
    name: &str,
    spelling: Spelling,
    arguments: Vec<EvaluatedArgument>,
    [span, name_span]: [&Span; 2],
) -> Result<Value, Reported> {
    let Some(row) = registry::find(name) else { return Err(unknown(reader, name, spelling, name_span)) };
    let call = bind(reader, row, name, spelling, arguments, span)?;
    let first = reader.nodes.len();
    let result = (row.build)(reader, &call);
    // a call may make several operations, but its source text is the symbol of the last one only
    let last = reader.nodes.len().saturating_sub(1);
    for node in reader.nodes.get_mut(first..last).into_iter().flatten().filter(|node| node.at.1 == *span) {
        node.has_source = false;
    }
    let operations = reader.several_from(first);
    reader.composite_calls.extend(operations);
    result
}

/// Checks that there is a function of this name. The caller does this before it evaluates the arguments, so that an unknown function is reported even if an
/// argument has a fault.
///
/// # Errors
/// If there is none.
pub fn check_name(reader: &mut GraphReader<'_, '_>, name: &str, spelling: Spelling, span: &Span) -> Result<(), Reported> {
    match registry::find(name) {
        Some(_) => Ok(()),
        None => Err(unknown(reader, name, spelling, span)),
    }
}

/// Reports a function that does not exist.
fn unknown(reader: &mut GraphReader<'_, '_>, name: &str, spelling: Spelling, span: &Span) -> Reported {
    if let Some(help) = registry::help(name) {
        return reader.fail(span, format!("{name} is not possible in a graph"), help);
    }
    let names: Vec<&str> = registry::names().collect();
    // a name of another library or of mathematics: for `sigma` the help says sigmoid, and for `log2` it says log(x) / log(2)
    if let Some(help) = words::table_help(Vocabulary::Function, name, &names, |_| true) {
        return reader.fail(span, format!("there is no function \"{name}\""), help);
    }
    let what = if spelling == Spelling::Method { "method" } else { "function" };
    let near = suggest::nearest(name, names).map(suggest::did_you_mean);
    let help = near.unwrap_or_else(|| "docs/graphs.md lists all functions".to_owned());
    reader.fail(span, format!("there is no {what} \"{name}\""), help)
}

/// Binds each argument to its parameter: by its keyword, or by its position.
fn bind(
    reader: &mut GraphReader<'_, '_>,
    row: &'static FunctionRow,
    name: &str,
    spelling: Spelling,
    arguments: Vec<EvaluatedArgument>,
    span: &Span,
) -> Result<Call, Reported> {
    let parameters = row.parameters;
    let star = parameters.iter().position(|parameter| parameter.starts_with('*'));
    let mut call = Call {
        name: name.into(),
        canonical: row.names[0],
        spelling,
        has_numpy_keyword: false,
        has_torch_keyword: false,
        values: vec![None; parameters.len()],
        starred: Vec::new(),
        parameters,
        span: span.clone(),
    };
    let mut position = 0;
    for EvaluatedArgument { keyword, value, span } in arguments {
        let Some(keyword) = keyword else {
            if star.is_some_and(|star| position >= star) {
                call.starred.push((value, span));
                continue;
            }
            if position >= parameters.len() {
                let message = format!("{name} takes at most {}", counted(parameters.len(), "argument"));
                return Err(reader.fail(&span, message, signature(name, parameters)));
            }
            call.values[position] = Some((value, span));
            position += 1;
            continue;
        };
        call.has_numpy_keyword |= NUMPY_KEYWORDS.contains(&keyword.as_str());
        call.has_torch_keyword |= TORCH_KEYWORDS.contains(&keyword.as_str());
        if IGNORED_KEYWORDS.contains(&keyword.as_str()) {
            continue;
        }
        let matches = |parameter: &str| parameter.trim_start_matches('*').split('|').any(|name| name == keyword);
        match parameters.iter().position(|parameter| matches(parameter)) {
            Some(at) if Some(at) == star => call.starred.push((value, span)),
            Some(at) if call.values[at].is_some() => {
                return Err(reader.fail(&span, format!("{name} has {keyword} twice"), ""));
            }
            Some(at) => call.values[at] = Some((value, span)),
            None => {
                let names = parameters.iter().flat_map(|parameter| parameter.trim_start_matches('*').split('|'));
                let near = suggest::nearest(&keyword, names).map_or_else(|| signature(name, parameters), suggest::did_you_mean);
                return Err(reader.fail(&span, format!("{name} has no argument {keyword}"), near));
            }
        }
    }
    if call.has_numpy_keyword && call.has_torch_keyword {
        let help = "dim, keepdim and correction are PyTorch's; axis, keepdims and ddof are NumPy's";
        return Err(reader.fail(span, format!("{name} has keywords of PyTorch and of NumPy"), help));
    }
    Ok(call)
}
