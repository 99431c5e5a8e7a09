//! The text of `gradstep diff` for people.

use super::report::joined;
use crate::app::{Document, OwnGradients};
use crate::command::options::GlobalOptions;
use crate::diff::{Comparison, Pattern, ROUNDED, Status, UserTensor, both};
use crate::number::{exact, with_digits};
use crate::output;
use crate::tensor::{index_text, len, unravel};
use crate::text::{align_left, line, list_of_names, width};
use crate::trace::Trace;

/// Prints the result: the notes on names and layouts, a line for each tensor, then which is wrong first, why, and the patterns.
pub(super) fn print(own: &OwnGradients, document: &Document, global: &GlobalOptions) -> anyhow::Result<()> {
    let mut to = output::stdout();
    for line in lines(own, document) {
        writeln!(to, "{}", global.in_charset(&line))?;
    }
    to.finish()?;
    Ok(())
}

/// The number of tensors that are equal from which they are not listed one by one.
const MANY: usize = 40;

fn lines(own: &OwnGradients, document: &Document) -> Vec<String> {
    let OwnGradients { user, report, .. } = own;
    let trace = &document.trace;
    let mut lines = vec![format!("{}: {}", line(&document.scenario.title), own.headline())];
    if user.is_float32 {
        let tolerance = user.tolerance;
        let [relative, of_largest] = [tolerance.relative, tolerance.of_largest].map(exact);
        lines.push(format!(
            "note: all numbers are float32 numbers, so they are compared within {relative} of the right number plus {of_largest} of the tensor's largest entry"
        ));
    }
    lines.extend(user.notes.iter().map(|note| format!("note: {note}")));
    lines.push(String::new());
    lines.extend(tensor_lines(own, trace));
    if let Some(first) = report.first() {
        lines.push(String::new());
        lines.push(format!("which   {}", first_words(trace, &user.tensors[first], &report.tensors[first])));
        lines.extend(cause_lines(own, trace));
        lines.extend(pattern_lines(own, trace));
    }
    lines
}

/// The lines of the tensors: status, name and the difference.
fn tensor_lines(own: &OwnGradients, trace: &Trace) -> Vec<String> {
    let OwnGradients { user, report, .. } = own;
    let equal = report.tensors.iter().filter(|tensor| tensor.status == Status::Equal).count();
    let is_listed = |status: Status| equal <= MANY || status != Status::Equal;
    let rows = user.tensors.iter().zip(&report.tensors).filter(|(_, compared)| is_listed(compared.status));
    let mut rows: Vec<[String; 3]> = rows.map(|(user, compared)| row(trace, user, compared)).collect();
    if equal > MANY {
        rows.push(["equal".to_owned(), format!("{equal} others"), String::new()]);
    }
    let missing = |gradient: &crate::diff::Gradient| {
        ["missing".to_owned(), line(&gradient.name(trace)), "not in the file, so not compared".to_owned()]
    };
    rows.extend(user.missing.iter().map(missing));
    let column = |n: usize| rows.iter().map(|row| width(&row[n])).max().unwrap_or(0);
    let [statuses, names] = [column(0), column(1)];
    rows.iter()
        .map(|[status, name, rest]| {
            format!("  {}  {}  {rest}", align_left(status, statuses), align_left(name, names)).trim_end().to_owned()
        })
        .collect()
}

fn row(trace: &Trace, user: &UserTensor, compared: &Comparison) -> [String; 3] {
    let gradient = compared.gradient;
    let shape = gradient.shape(trace);
    let entries = if compared.of == 1 { "1 entry".to_owned() } else { format!("{} entries", compared.of) };
    let (status, rest) = match (compared.status, &user.values) {
        (Status::Equal, _) => ("equal", entries),
        (Status::Shape, Err(why)) => ("shape", why.clone()),
        (Status::NotFinite, Ok(values)) => {
            let is_wrong = |at: &&usize| !values[**at].is_finite();
            let count = compared.wrong.iter().filter(is_wrong).count();
            let at = compared.wrong.iter().find(is_wrong).copied().unwrap_or(0);
            let index = index_text(&unravel(at, shape));
            ("not finite", format!("{count} of {entries}, first {index}: yours {}", exact(values[at])))
        }
        _ => ("different", difference(compared, shape)),
    };
    [status.to_owned(), line(&gradient.name(trace)), rest]
}

/// Describes how much a tensor differs: `36 of 36 entries; at most by 1.2 (3.4 times the right number); worst [2,0,1,1]: yours 0.1, right -1.1`.
fn difference(compared: &Comparison, shape: &[usize]) -> String {
    let most = compared.max_abs.map_or_else(String::new, |most| format!(", at most by {}", ascii(most)));
    let relative = match compared.max_rel {
        // smaller shares are those of entries that are equal: the wrong ones have the right number 0
        Some(relative) if relative > 1e-6 => format!(" ({} the right number)", share(relative)),
        _ => String::new(),
    };
    let worst = compared.worst.map_or_else(String::new, |worst| {
        let index = if shape.is_empty() { String::new() } else { format!("; worst {}", index_text(&unravel(worst.at, shape))) };
        let colon = if index.is_empty() { "; " } else { ": " };
        format!("{index}{colon}{}", both(worst.mine, worst.right))
    });
    format!(
        "{} of {}{most}{relative}{worst}",
        compared.wrong.len(),
        if len(shape) == 1 { "1 entry".to_owned() } else { format!("{} entries", compared.of) }
    )
}

/// A number with three digits and the signs of [`exact`].
fn ascii(value: f64) -> String {
    with_digits(value, 3).replace('−', "-")
}

/// A share as a percentage, or as a multiple if it is large: `up to 12 % of`, `up to 340 times`.
fn share(share: f64) -> String {
    if share < 10.0 { format!("up to {} % of", ascii(share * 100.0)) } else { format!("up to {} times", ascii(share)) }
}

/// The first wrong entry, with both numbers and the command that opens its step.
fn first_words(trace: &Trace, user: &UserTensor, compared: &Comparison) -> String {
    let gradient = compared.gradient;
    let entry = compared.wrong.first().copied();
    let what = gradient.address(trace, entry).map_or_else(|| line(&gradient.name(trace)), |address| line(&address.to_string()));
    match (&user.values, entry) {
        (Ok(values), Some(at)) => {
            format!("{what} is the first wrong number: {}", both(values[at], gradient.right(trace)[at]))
        }
        (Err(why), _) => format!("{what} is the first wrong tensor: {why}"),
        _ => what,
    }
}

/// The head of a line that goes on with the one before it.
const MARGIN: &str = "        ";

/// The mistakes: a line for each of those that act together, for a few alternatives, and for what is left.
fn cause_lines(own: &OwnGradients, trace: &Trace) -> Vec<String> {
    let is_different = own.report.tensors.iter().any(|tensor| matches!(tensor.status, Status::Different | Status::NotFinite));
    let is_rounded = own.patterns.iter().any(|pattern| pattern.id == ROUNDED);
    let Some(best) = own.causes.first() else {
        let unknown = "why     no known mistake has exactly these numbers".to_owned();
        return if is_different && !is_rounded { vec![unknown] } else { Vec::new() };
    };
    let mut lines = Vec::new();
    for (n, cause) in own.shown_causes().enumerate() {
        let head = match (n, cause.group) {
            (0, _) => "why   ",
            (_, 1) => "  and ",
            _ => "  or  ",
        };
        let names: Vec<String> = cause.explains.iter().map(|tensor| own.name(trace, *tensor)).collect();
        let explains = if names.is_empty() { String::new() } else { format!(" [explains {}]", list_of_names(&names)) };
        lines.push(format!("{head}  {}{explains}", line(&joined([&*cause.words, cause.right]))));
    }
    lines.extend(own.other_causes().map(|others| format!("{MARGIN}{others} as well (--format json lists all)")));
    if !best.apart.is_empty() {
        lines.push(format!("apart   {}", line(&best.apart)));
    }
    if !own.unexplained.is_empty() {
        let names: Vec<String> = own.unexplained.iter().map(|tensor| own.name(trace, *tensor)).collect();
        lines.push(format!("{MARGIN}not explained: {}", list_of_names(&names)));
    }
    lines
}

/// The patterns: one line for all tensors with the same words.
fn pattern_lines(own: &OwnGradients, trace: &Trace) -> Vec<String> {
    let mut groups: Vec<(&Pattern, Vec<String>)> = Vec::new();
    for pattern in &own.patterns {
        let name = line(&own.user.tensors[pattern.tensor].gradient.name(trace));
        match groups.iter_mut().find(|(first, _)| first.words == pattern.words) {
            Some((_, names)) => names.push(name),
            None => groups.push((pattern, vec![name])),
        }
    }
    groups.iter().map(|(pattern, names)| format!("pattern {}: {}", crate::text::list_of_names(names), line(&pattern.words))).collect()
}
